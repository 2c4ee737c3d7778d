// SPDX-License-Identifier: BSL-1.0
// Losses. Each is a value: its fields change training and are recorded with a run. The loss of a batch is the mean over its
// rows. A loss of your own is a struct with the same members (examples/custom_loss).
#pragma once
#include <cmath>
#include <concepts>
#include <cstddef>
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

// Whether its row is a sample even of a class map.
template <class L>
constexpr bool whole_samples() {
  if constexpr (requires { bool{L::whole_samples}; })
    return L::whole_samples;
  else
    return false;
}

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

// What one output adds to the loss of its row, and the slope of that.
template <class N>
struct LossTerm {
  N value, slope;
};
// The mean over the outputs of term(output, target).
template <class Row, class F>
STRATA_HOST_DEVICE auto mean_over_outputs(const Row& row, const F& term) {
  using N = typename Row::number;
  const N n = static_cast<N>(row.size());
  N sum{0};
  for (int c = 0; c < row.size(); ++c) {
    const LossTerm<N> t = term(row.output(c), row.target(c));
    sum += t.value;
    row.gradient(c, t.slope / n);
  }
  return sum / n;
}

// A row whose gradients are multiplied by a factor.
template <class Row>
struct ScaledRow {
  using number = typename Row::number;
  static constexpr bool has_label = Row::has_label;
  Row row;
  number factor;
  [[nodiscard]] STRATA_HOST_DEVICE int size() const { return row.size(); }
  [[nodiscard]] STRATA_HOST_DEVICE number output(int i) const { return row.output(i); }
  [[nodiscard]] STRATA_HOST_DEVICE int label() const { return row.label(); }
  [[nodiscard]] STRATA_HOST_DEVICE number target(int i) const { return row.target(i); }
  [[nodiscard]] STRATA_HOST_DEVICE bool wants_gradient() const { return row.wants_gradient(); }
  STRATA_HOST_DEVICE void gradient(int i, number value) const { row.gradient(i, factor * value); }
};

void check_class_weights(std::span<const float> weights);
void check_class_weights(int weights, int outputs);
std::string class_weights_text(std::span<const float> weights, const std::string& loss);

template <class L>
void validate_loss(const L& loss) {
  if constexpr (requires { loss.validate(); }) loss.validate();
}
// A loss that fits some numbers of outputs alone has validate(int outputs), of a row.
template <class L>
void validate_loss(const L& loss, int outputs) {
  if constexpr (requires { loss.validate(outputs); }) loss.validate(outputs);
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
    return detail::mean_over_outputs(row, [](N x, N t) {
      const N d = x - t;
      return detail::LossTerm<N>{d * d, N{2} * d};
    });
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
    return detail::mean_over_outputs(row, [](N z, N t) {
      // max(z, 0) - z t + log(1 + exp(-|z|))
      const N cost = (z > N{0} ? z : N{0}) - z * t + std::log1p(std::exp(z > N{0} ? -z : z));
      return detail::LossTerm<N>{cost, N{1} / (N{1} + std::exp(-z)) - t};
    });
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
    const N power = static_cast<N>(gamma), share = static_cast<N>(alpha);
    return detail::mean_over_outputs(row, [=](N z, N t) {
      const N up = std::exp(z), down = std::exp(-z);
      const N yes = N{1} / (N{1} + down), no = N{1} / (N{1} + up), missing = t * no + (N{1} - t) * yes;
      const N cost = (z > N{0} ? z : N{0}) - z * t + std::log1p(z > N{0} ? down : up);
      const N balance = share < N{0} ? N{1} : t * share + (N{1} - t) * (N{1} - share);
      const N weight = balance * std::pow(missing, power);
      // The slope of log(missing); beyond the precision of the sigmoid, nothing is missing.
      const N decline = missing == N{0} ? N{0} : (N{1} - t - t) * yes * no / missing;
      return detail::LossTerm<N>{weight * cost, weight * (yes - t + power * decline * cost)};
    });
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
    return detail::mean_over_outputs(row, [](N x, N t) {
      const N d = x - t;
      return detail::LossTerm<N>{d < N{0} ? -d : d, d > N{0} ? N{1} : d < N{0} ? N{-1} : d};  // of a NaN, a NaN
    });
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
    const N limit = static_cast<N>(delta);
    return detail::mean_over_outputs(row, [=](N x, N t) {
      const N d = x - t, pull = d > limit ? limit : d < -limit ? -limit : d;
      return detail::LossTerm<N>{pull * (d - pull / 2), pull};
    });
  }
};

// Any loss of class indices or a class map, each row times the weight of its class:
//   ClassWeighted<3>{.weights = {1, 2, 0.5}}, ClassWeighted<3, CrossEntropy>{...}
// The loss of a batch stays the sum over the rows divided by their number, as with Keras' class_weight; PyTorch's
// CrossEntropyLoss(weight) divides by the sum of the rows' weights. A weight of 0 leaves a class out, as ignore_index does.
// Evaluations weigh too.
template <int Classes, class Loss = SoftmaxCrossEntropy>
struct ClassWeighted final {
  static_assert(!detail::whole_samples<Loss>(), "strata: this loss has no class of its own in each row to weigh");
  float weights[static_cast<std::size_t>(Classes)]{};  // an array of the language, which a GPU can read
  Loss loss{};

  static constexpr Takes takes = Loss::takes;
  static constexpr TargetKinds targets{TargetKind::class_index, TargetKind::class_map};
  // Throws std::invalid_argument for a weight that is negative or not finite, and if all are 0.
  void validate() const {
    detail::check_class_weights(weights);
    detail::validate_loss(loss);
  }
  // Throws std::invalid_argument unless a row has as many outputs as there are weights.
  void validate(int outputs) const { detail::check_class_weights(Classes, outputs); }
  [[nodiscard]] std::string describe() const { return detail::class_weights_text(weights, loss.describe()); }
  template <class T>
  [[nodiscard]] double probability(std::span<const T> outputs, int c) const {
    return detail::probability(loss, outputs, c);
  }
  template <class Row>
  STRATA_HOST_DEVICE auto operator()(const Row& row) const {
    const auto weight = static_cast<typename Row::number>(weights[row.label()]);
    return weight * loss(detail::ScaledRow<Row>{row, weight});
  }
};

// The same loss without the check of what the network ends in: Unchecked<SoftmaxCrossEntropy>{}, Unchecked{loss}.
template <class Loss>
struct Unchecked {
  Loss loss{};

  static constexpr Takes takes = Takes::anything;
  static constexpr TargetKinds targets = detail::targets_of<Loss>();
  static constexpr bool whole_samples = detail::whole_samples<Loss>();
  void validate() const { detail::validate_loss(loss); }
  void validate(int outputs) const { detail::validate_loss(loss, outputs); }
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

#if !defined(STRATA_COMPILED)
#include <strata/losses/losses_impl.hpp>
#endif
