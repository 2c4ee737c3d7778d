// SPDX-License-Identifier: BSL-1.0
// Losses. Each is a value: its fields change training and are recorded with a run. The loss of a batch is the mean over its
// rows. A loss of your own is a struct with the same members (examples/custom_loss).
#pragma once
#include <cmath>
#include <concepts>
#include <span>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/core/target.hpp>
#include <strata/losses/row.hpp>
#include <strata/util/numbers.hpp>

namespace strata::inline STRATA_ABI {

// What a loss has besides its work on a row. `targets` may be left out: a class index then. validate() may be left out.
template <class L>
concept LossFunction = requires(const L& loss) {
  { L::takes } -> std::convertible_to<Takes>;
  { loss.describe() } -> std::convertible_to<std::string>;
};

namespace detail {

// The largest output of a row, and the logarithm of the sum of exp(output - largest): nothing overflows.
template <class N>
struct LogSum {
  N top, log;
};
template <class Row>
STRATA_HOST_DEVICE LogSum<typename Row::number> log_sum_exp(const Row& row) {
  using N = typename Row::number;
  N top = row.output(0), sum{0};
  for (int c = 1; c < row.size(); ++c)
    if (const N x = row.output(c); x > top) top = x;
  for (int c = 0; c < row.size(); ++c) sum += std::exp(row.output(c) - top);
  return {top, std::log(sum)};
}

template <class L>
void validate_loss(const L& loss) {
  if constexpr (requires { loss.validate(); }) loss.validate();
}

// The probability of class c that a loss sees in the outputs of a row: its own probability(outputs, c), or the output.
template <class L, class T>
double probability(const L& loss, std::span<const T> outputs, int c) {
  if constexpr (requires { loss.probability(outputs, c); })
    return loss.probability(outputs, c);
  else
    return static_cast<double>(outputs[static_cast<std::size_t>(c)]);
}
template <class T>
double sigmoid(T x) {
  return 1 / (1 + std::exp(-static_cast<double>(x)));
}

}  // namespace detail

// -sum over c of t_c log softmax(outputs)_c, with t = (1 - label_smoothing) target + label_smoothing / classes (Szegedy et
// al. 2016). Keras' SparseCategoricalCrossentropy and CategoricalCrossentropy from logits, PyTorch's CrossEntropyLoss.
struct SoftmaxCrossEntropy final {
  double label_smoothing = 0;  // in [0, 1)

  static constexpr Takes takes = Takes::logits;
  static constexpr TargetKinds targets{TargetKind::class_index, TargetKind::class_map, TargetKind::distribution};
  // Throws std::invalid_argument.
  void validate() const {
    if (!(label_smoothing >= 0 && label_smoothing < 1))
      detail::refuse("the label smoothing", label_smoothing, "at least 0, less than 1");
  }
  [[nodiscard]] std::string describe() const {
    return "SoftmaxCrossEntropy{label_smoothing " + detail::number_text(label_smoothing) + "}";
  }
  template <class T>
  [[nodiscard]] double probability(std::span<const T> outputs, int c) const {
    const auto x = static_cast<double>(outputs[static_cast<std::size_t>(c)]);
    double sum = 0;
    for (const T y : outputs) sum += std::exp(static_cast<double>(y) - x);
    return 1 / sum;
  }
  template <class Row>
  STRATA_HOST_DEVICE auto operator()(const Row& row) const {
    using N = typename Row::number;
    const auto [top, log] = detail::log_sum_exp(row);
    if constexpr (Row::has_label)
      if (label_smoothing == 0) {
        for (int c = 0; row.wants_gradient() && c < row.size(); ++c)
          row.gradient(c, std::exp(row.output(c) - top - log) - row.target(c));
        return log - (row.output(row.label()) - top);
      }
    const N keep = static_cast<N>(1 - label_smoothing), spread = static_cast<N>(label_smoothing / row.size());
    N value{0}, all{0};
    for (int c = 0; c < row.size(); ++c) {
      const N t = keep * row.target(c) + spread;
      value += t * (log - (row.output(c) - top));
      all += t;
    }
    for (int c = 0; row.wants_gradient() && c < row.size(); ++c)
      row.gradient(c, all * std::exp(row.output(c) - top - log) - (keep * row.target(c) + spread));
    return value;
  }
};

// -sum over c of t_c x_c. PyTorch's NLLLoss.
struct NegativeLogLikelihood final {
  static constexpr Takes takes = Takes::log_probabilities;
  static constexpr TargetKinds targets{TargetKind::class_index, TargetKind::class_map, TargetKind::distribution};
  [[nodiscard]] std::string describe() const { return "NegativeLogLikelihood{}"; }
  template <class T>
  [[nodiscard]] double probability(std::span<const T> outputs, int c) const {
    return std::exp(static_cast<double>(outputs[static_cast<std::size_t>(c)]));
  }
  template <class Row>
  STRATA_HOST_DEVICE auto operator()(const Row& row) const {
    using N = typename Row::number;
    N value{0};
    for (int c = 0; c < row.size(); ++c) {
      const N t = row.target(c);
      if (t != N{0}) value -= t * row.output(c);
      row.gradient(c, t != N{0} ? -t : N{0});
    }
    return value;
  }
};

// -sum over c of t_c log p_c, p clipped to [1e-7, 1 - 1e-7]: Keras' cross-entropies with from_logits=False. Where the clip
// holds the gradient is 0.
struct CrossEntropy final {
  static constexpr Takes takes = Takes::probabilities;
  static constexpr TargetKinds targets{TargetKind::class_index, TargetKind::class_map, TargetKind::distribution};
  [[nodiscard]] std::string describe() const { return "CrossEntropy{}"; }
  template <class Row>
  STRATA_HOST_DEVICE auto operator()(const Row& row) const {
    using N = typename Row::number;
    const N low = static_cast<N>(1e-7), high = N{1} - low;
    N value{0};
    for (int c = 0; c < row.size(); ++c) {
      const N t = row.target(c), p = row.output(c);
      const bool clipped = p < low || p > high;
      if (t != N{0}) value -= t * std::log(p < low ? low : p > high ? high : p);
      row.gradient(c, t == N{0} || clipped ? N{0} : -t / p);
    }
    return value;
  }
};

// The mean over the outputs of (x - t)^2.
struct MeanSquaredError final {
  static constexpr Takes takes = Takes::anything;
  static constexpr TargetKinds targets{TargetKind::class_index, TargetKind::class_map, TargetKind::labels,
                                       TargetKind::values, TargetKind::distribution};
  [[nodiscard]] std::string describe() const { return "MeanSquaredError{}"; }
  template <class Row>
  STRATA_HOST_DEVICE auto operator()(const Row& row) const {
    using N = typename Row::number;
    const N n = static_cast<N>(row.size());
    N sum{0};
    for (int c = 0; c < row.size(); ++c) {
      const N d = row.output(c) - row.target(c);
      sum += d * d;
      row.gradient(c, N{2} * d / n);
    }
    return sum / n;
  }
};

// The mean over the outputs of the binary cross-entropy of sigmoid(x) with t. Keras' BinaryCrossentropy from logits,
// PyTorch's BCEWithLogitsLoss.
struct SigmoidCrossEntropy final {
  static constexpr Takes takes = Takes::logits;
  static constexpr TargetKinds targets{TargetKind::class_index, TargetKind::class_map, TargetKind::labels,
                                       TargetKind::distribution};
  [[nodiscard]] std::string describe() const { return "SigmoidCrossEntropy{}"; }
  template <class T>
  [[nodiscard]] double probability(std::span<const T> outputs, int c) const {
    return detail::sigmoid(outputs[static_cast<std::size_t>(c)]);
  }
  template <class Row>
  STRATA_HOST_DEVICE auto operator()(const Row& row) const {
    using N = typename Row::number;
    const N n = static_cast<N>(row.size());
    N sum{0};
    for (int c = 0; c < row.size(); ++c) {
      const N z = row.output(c), t = row.target(c);
      // max(z, 0) - z t + log(1 + exp(-|z|))
      sum += (z > N{0} ? z : N{0}) - z * t + std::log1p(std::exp(z > N{0} ? -z : z));
      row.gradient(c, (N{1} / (N{1} + std::exp(-z)) - t) / n);
    }
    return sum / n;
  }
};

// The mean over the outputs of a m^gamma times the binary cross-entropy of s = sigmoid(x) with t, where
// m = t (1 - s) + (1 - t) s is what is missing: outputs that are right already count less (Lin et al. 2017).
// a = t alpha + (1 - t) (1 - alpha); with alpha below 0, the default, a is 1. Keras' BinaryFocalCrossentropy from logits,
// torchvision's sigmoid_focal_loss.
struct FocalCrossEntropy final {
  double gamma = 2;   // at least 0
  double alpha = -1;  // at most 1

  static constexpr Takes takes = Takes::logits;
  static constexpr TargetKinds targets{TargetKind::class_index, TargetKind::class_map, TargetKind::labels};
  void validate() const {
    if (!(gamma >= 0)) detail::refuse("gamma", gamma, "at least 0");
    if (!(alpha <= 1)) detail::refuse("alpha", alpha, "at most 1");
  }
  [[nodiscard]] std::string describe() const {
    return "FocalCrossEntropy{gamma " + detail::number_text(gamma) + ", alpha " + detail::number_text(alpha) + "}";
  }
  template <class T>
  [[nodiscard]] double probability(std::span<const T> outputs, int c) const {
    return detail::sigmoid(outputs[static_cast<std::size_t>(c)]);
  }
  template <class Row>
  STRATA_HOST_DEVICE auto operator()(const Row& row) const {
    using N = typename Row::number;
    const N n = static_cast<N>(row.size()), power = static_cast<N>(gamma);
    N sum{0};
    for (int c = 0; c < row.size(); ++c) {
      const N z = row.output(c), t = row.target(c), up = std::exp(z), down = std::exp(-z);
      const N yes = N{1} / (N{1} + down), no = N{1} / (N{1} + up), missing = t * no + (N{1} - t) * yes;
      const N cost = (z > N{0} ? z : N{0}) - z * t + std::log1p(z > N{0} ? down : up);
      const N share = static_cast<N>(alpha), balance = share < N{0} ? N{1} : t * share + (N{1} - t) * (N{1} - share);
      const N weight = balance * std::pow(missing, power) / n;
      // The slope of log(missing); beyond the precision of the sigmoid, nothing is missing.
      const N decline = missing == N{0} ? N{0} : (N{1} - t - t) * yes * no / missing;
      sum += weight * cost;
      row.gradient(c, weight * (yes - t + power * decline * cost));
    }
    return sum;
  }
};

// The mean over the outputs of |x - t|. PyTorch's L1Loss, Keras' MeanAbsoluteError; here that is the name of the metric.
struct AbsoluteError final {
  static constexpr Takes takes = Takes::anything;
  static constexpr TargetKinds targets = MeanSquaredError::targets;
  [[nodiscard]] std::string describe() const { return "AbsoluteError{}"; }
  template <class Row>
  STRATA_HOST_DEVICE auto operator()(const Row& row) const {
    using N = typename Row::number;
    const N n = static_cast<N>(row.size());
    N sum{0};
    for (int c = 0; c < row.size(); ++c) {
      const N d = row.output(c) - row.target(c);
      sum += d < N{0} ? -d : d;
      row.gradient(c, (d > N{0} ? N{1} : d < N{0} ? N{-1} : d) / n);  // of a NaN, a NaN
    }
    return sum / n;
  }
};

// The mean over the outputs of Huber's loss (1964): d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2), d = x - t.
// Keras' Huber, PyTorch's HuberLoss.
struct Huber final {
  double delta = 1;  // above 0

  static constexpr Takes takes = Takes::anything;
  static constexpr TargetKinds targets = MeanSquaredError::targets;
  void validate() const {
    if (!(delta > 0)) detail::refuse("delta", delta, "more than 0");
  }
  [[nodiscard]] std::string describe() const { return "Huber{delta " + detail::number_text(delta) + "}"; }
  template <class Row>
  STRATA_HOST_DEVICE auto operator()(const Row& row) const {
    using N = typename Row::number;
    const N n = static_cast<N>(row.size()), limit = static_cast<N>(delta);
    N sum{0};
    for (int c = 0; c < row.size(); ++c) {
      const N d = row.output(c) - row.target(c);
      const N pull = d > limit ? limit : d < -limit ? -limit : d;
      sum += pull * (d - pull / 2);
      row.gradient(c, pull / n);
    }
    return sum / n;
  }
};

// The same loss without the check of what the network ends in: Unchecked<SoftmaxCrossEntropy>{}, Unchecked{loss}.
template <class Loss>
struct Unchecked {
  Loss loss{};

  static constexpr Takes takes = Takes::anything;
  static constexpr TargetKinds targets = detail::targets_of<Loss>();
  void validate() const { detail::validate_loss(loss); }
  [[nodiscard]] std::string describe() const { return loss.describe(); }
  template <class T>
  [[nodiscard]] double probability(std::span<const T> outputs, int c) const {
    return detail::probability(loss, outputs, c);
  }
  template <class Row>
  STRATA_HOST_DEVICE auto operator()(const Row& row) const {
    return loss(row);
  }
};

namespace detail {
// A loss without its Unchecked: kernels are chosen by it.
template <class Loss>
const Loss& plain_loss(const Loss& loss) {
  return loss;
}
template <class Loss>
const Loss& plain_loss(const Unchecked<Loss>& loss) {
  return loss.loss;
}
}  // namespace detail

}  // namespace strata::inline STRATA_ABI
