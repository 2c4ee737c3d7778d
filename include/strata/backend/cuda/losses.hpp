// SPDX-License-Identifier: BSL-1.0
// Losses on a device: one value a row into `values` (rows), the gradient of their mean into `gradient` (rows,width) unless
// that is null; and the score of a step. An index is a row, for the reasons given in softmax.hpp.
#pragma once
#include <cstdint>
#include <type_traits>

#include <strata/backend/cuda/element.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/target.hpp>
#include <strata/losses/losses.hpp>
#include <strata/training/right.hpp>

namespace strata::inline STRATA_ABI::cuda {

// Sums over the rows of a batch.
struct StepScore {
  double loss;
  std::int64_t correct;  // decisions that were right
  std::int32_t finite;   // 1 if the loss is a number, 0 if it is NaN or infinite; see clip_by_norm
  // `finite` may be that of several processes; this one is of this process's share alone.
  std::int32_t own_finite = 1;
};

namespace detail {

template <class Loss, class T, class Element>
struct LossOfRow {
  Loss loss;
  std::int64_t rows;
  int width;
  const T* x;
  const Element* target;
  Compute<T>* values;
  T* gradient;
  int places = 1;
  std::int64_t mean_rows = rows;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    constexpr bool label = std::is_same_v<Element, int>;
    values[i] = loss(LossRow<T, Compute<T>, Element>{.count = width,
                                                     .outputs = x + i * width,
                                                     .truth = target + i * (label ? places : width),
                                                     .slope = gradient ? gradient + i * width : nullptr,
                                                     .rows = static_cast<Compute<T>>(mean_rows),
                                                     .places = places});
  }
};

template <TargetKind Kind, class T, class Element>
struct RightOfRow {
  int width;
  double threshold;
  const T* x;
  const Element* target;
  std::int32_t* right;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    right[i] = strata::detail::right_decisions<Kind, Compute<T>>(width, threshold, x + i * width,
                                                                 target + i * (is_class(Kind) ? 1 : width));
  }
};
// One index adds all rows in order. It reads ahead in pieces, so that it waits for memory once a piece.
template <class C>
struct AddScores {
  std::int64_t rows;
  const C* values;
  const std::int32_t* right;  // (decisions), at least as many
  StepScore* score;
  std::int64_t decisions = rows;
  STRATA_HOST_DEVICE void operator()(std::int64_t) const {
    constexpr int piece = 32;
    double loss = 0;
    std::int64_t correct = 0;
    std::int64_t n = 0;
    for (; n + piece <= rows; n += piece) {
      C next[piece];
      for (int k = 0; k < piece; ++k) next[k] = values[n + k], correct += right[n + k];
      for (int k = 0; k < piece; ++k) loss += static_cast<double>(next[k]);
    }
    for (; n < rows; ++n) loss += static_cast<double>(values[n]), correct += right[n];
    for (; n < decisions; ++n) correct += right[n];
    *score = StepScore{loss, correct, loss - loss == 0};  // infinity - infinity is NaN
  }
};
struct HaltUnlessFinite {
  const StepScore* score;
  std::int32_t* halt;
  STRATA_HOST_DEVICE void operator()(std::int64_t) const {
    if (score->finite == 0) *halt = 1;
  }
};

}  // namespace detail

// Element: int for class indices (rows,places), float for numbers (rows,width). mean_rows: the rows of the mean whose
// gradient is computed, if the batch has others too; 0: these.
template <class Loss, Run R, class T, class Element>
void run_loss(R& run, const Loss& loss, std::int64_t rows, int width, const T* x, const Element* target, Compute<T>* values,
              T* gradient, int places = 1, std::int64_t mean_rows = 0) {
  run(rows, detail::LossOfRow<Loss, T, Element>{loss, rows, width, x, target, values, gradient, places,
                                                mean_rows > 0 ? mean_rows : rows});
}

// values (rows); x (rows,width), of which each of `places` parts is decided by itself; scratch (rows,places)
template <TargetKind Kind, Run R, class T, class Element>
void score(R& run, std::int64_t rows, int width, double threshold, const T* x, const Element* target,
           const Compute<T>* values, StepScore* result, std::int32_t* scratch, int places = 1) {
  run(rows * places, detail::RightOfRow<Kind, T, Element>{width / places, threshold, x, target, scratch});
  run(1, detail::AddScores<Compute<T>>{rows, values, scratch, result, rows * places});
}

// *halt becomes 1 if the loss is not finite, and stays 1.
template <Run R>
void halt_unless_finite(R& run, const StepScore* score, std::int32_t* halt) {
  run(1, detail::HaltUnlessFinite{score, halt});
}

}  // namespace strata::inline STRATA_ABI::cuda
