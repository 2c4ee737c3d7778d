// SPDX-License-Identifier: BSL-1.0
// Dice, a loss of whole maps.
#pragma once
#include <cmath>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/core/target.hpp>
#include <strata/losses/losses.hpp>
#include <strata/util/numbers.hpp>

namespace strata::inline STRATA_ABI {

// Soft Dice (Milletari et al. 2016) of whole samples: 1 - the mean over the classes of (2 sum p t + s) / (sum p + sum t +
// s), the sums over the places of a map, p the softmax of the logits at a place, t the class as 0 or 1, s the smoothing. Of
// labels, such as a mask (H,W,1), p is the sigmoid and the sums are over all outputs: Keras' Dice with axis (1, 2, 3), of
// probabilities. At most 64 classes, which a kernel keeps beside it. On a GPU one thread does a sample.
struct Dice final {
  double smoothing = 1;  // above 0

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
