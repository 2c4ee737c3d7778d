// SPDX-License-Identifier: BSL-1.0
// Dice, a loss of whole maps. In the formula t is the target; a class map is 1 for the class and 0 for the others.
#pragma once
#include <cmath>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/core/target.hpp>
#include <strata/losses/losses.hpp>
#include <strata/util/numbers.hpp>

namespace strata::inline STRATA_ABI {

// The soft Dice loss of whole samples, for segmentation: how little the predicted area of each class overlaps with the
// true one. Include `<strata/losses/dice.hpp>`. On a GPU one thread computes each sample.
// Formula: 1 - mean over the classes of (2 sum p t + smoothing) / (sum p + sum t + smoothing)
//          class map: sums over the places of the map, p = softmax of the logits at a place
//          labels: one sum over all outputs, p = 1 / (1 + exp(-x))
// Shapes: outputs (N,H,W,classes) for a class map, with at most 64 classes; any shape for labels, such as (N,H,W,1) for a
//   mask
// Errors: loss_needs_logits, loss_takes_other_target, outputs_differ_from_target; std::invalid_argument if smoothing is
//   out of range, and for more than 64 classes
// Example:
//   const ArrayDataset<Shape{8, 8, 1}, Target::class_map(8, 8, 3)> maps(std::vector<float>(64 * 8 * 8),
//                                                                       std::vector<int>(64 * 8 * 8));
//   Model<Sequential<Input<8, 8, 1>, Conv<3, 8>, ReLU, Conv<1, 3>>> segmentation{{.batch = 32}};
//   train(segmentation, maps, Dice{}, Adam{});
// Keras: Dice(axis=(1, 2, 3)), of labels and probabilities; its smoothing is fixed
// PyTorch: none
// Source: Milletari et al. 2016
struct Dice final {
  double smoothing = 1;  // keeps the quotient defined where nothing is predicted and nothing is true; above 0

  static constexpr Takes takes = Takes::logits;
  static constexpr TargetKinds targets{TargetKind::class_map, TargetKind::labels};
  static constexpr bool whole_samples = true;
  static constexpr int most_classes = 64;
  void validate() const {
    if (!(smoothing > 0)) detail::refuse("the smoothing of Dice", smoothing, "more than 0");
  }
  // Throws std::invalid_argument.
  void validate(int outputs) const {
    if (outputs > most_classes) detail::refuse("the number of classes of Dice", outputs, "at most 64");
  }
  [[nodiscard]] std::string describe() const { return "Dice{smoothing " + detail::number_text(smoothing) + "}"; }
  template <class Row>
  STRATA_HOST_DEVICE auto operator()(const Row& row) const {
    if constexpr (Row::has_label)
      return of_map(row);
    else
      return of_labels(row);
  }

 private:
  template <class Row>
  STRATA_HOST_DEVICE auto of_labels(const Row& row) const {
    using N = typename Row::number;
    const auto p = [&](int i) { return N{1} / (N{1} + std::exp(-row.output(i))); };
    N both{0}, all = static_cast<N>(smoothing);
    for (int i = 0; i < row.size(); ++i) both += p(i) * row.target(i), all += p(i) + row.target(i);
    const N part = N{2} * both + static_cast<N>(smoothing);
    for (int i = 0; row.wants_gradient() && i < row.size(); ++i)
      row.gradient(i, -(N{2} * row.target(i) * all - part) / (all * all) * p(i) * (N{1} - p(i)));
    return N{1} - part / all;
  }
  template <class Row>
  STRATA_HOST_DEVICE auto of_map(const Row& row) const {
    using N = typename Row::number;
    const int places = row.places, classes = row.size() / places;
    N part[most_classes], all[most_classes], p[most_classes];
    for (int c = 0; c < classes; ++c) part[c] = all[c] = static_cast<N>(smoothing);
    const auto probabilities = [&](int place) {
      N top = row.output(place * classes), sum{0};
      for (int c = 1; c < classes; ++c)
        if (const N x = row.output(place * classes + c); x > top) top = x;
      for (int c = 0; c < classes; ++c) sum += p[c] = std::exp(row.output(place * classes + c) - top);
      for (int c = 0; c < classes; ++c) p[c] /= sum;
    };
    for (int i = 0; i < places; ++i) {
      probabilities(i);
      for (int c = 0; c < classes; ++c) all[c] += p[c];
      part[row.label(i)] += N{2} * p[row.label(i)], all[row.label(i)] += N{1};
    }
    N value{1};
    for (int c = 0; c < classes; ++c) value -= part[c] / all[c] / static_cast<N>(classes);
    for (int i = 0; row.wants_gradient() && i < places; ++i) {
      probabilities(i);
      // The slope by the probability of class c, then through the softmax.
      const auto slope = [&](int c) {
        return (part[c] - (c == row.label(i) ? N{2} * all[c] : N{0})) / (all[c] * all[c]) / static_cast<N>(classes);
      };
      N mean{0};
      for (int c = 0; c < classes; ++c) mean += p[c] * slope(c);
      for (int c = 0; c < classes; ++c) row.gradient(i * classes + c, p[c] * (slope(c) - mean));
    }
    return value;
  }
};

}  // namespace strata::inline STRATA_ABI
