// SPDX-License-Identifier: BSL-1.0
// Losses. Each is a value: its fields change training and are recorded with a run. A loss of your own is a struct with
// the same members (examples/custom_loss). The fields of the reference (docs/reference.py) that stand here hold for each
// loss below that has none of its own. In the formulas x is a row of outputs and t its target, where a class index is 1
// for the class and 0 for the others.
// Shapes: outputs (N,n), or (N,H,W,n) for a class map; a row is n outputs. The loss of a batch is the mean over its rows.
#pragma once
#include <cmath>
#include <cstddef>
#include <span>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/core/target.hpp>
#include <strata/losses/loss.hpp>
#include <strata/util/numbers.hpp>

namespace strata::inline STRATA_ABI {

namespace detail {
void check_class_weights(std::span<const float> weights);
void check_class_weights(int weights, int outputs);
std::string class_weights_text(std::span<const float> weights, const std::string& loss);
}  // namespace detail

// The cross-entropy of a softmax, which it contains, for one class per image or per position. Label smoothing (Szegedy et
// al. 2016) takes a share of the target from the class and spreads it over all classes.
// Formula: -sum over c of s_c log(softmax(x)_c), s = (1 - label_smoothing) t + label_smoothing / n
// Errors: loss_needs_logits, loss_takes_other_target, outputs_differ_from_classes, outputs_differ_from_target;
//   std::invalid_argument if label_smoothing is out of range
// Example: train(model, data, SoftmaxCrossEntropy{.label_smoothing = 0.1}, Adam{});
// Keras: SparseCategoricalCrossentropy(from_logits=True), CategoricalCrossentropy(from_logits=True)
// PyTorch: nn.CrossEntropyLoss()
struct SoftmaxCrossEntropy final {
  double label_smoothing = 0;  // the share of the target that is spread, in [0, 1)

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

// The cross-entropy of a network that ends in LogSoftmax.
// Formula: -sum over c of t_c x_c
// Errors: loss_needs_log_probabilities, loss_takes_other_target, outputs_differ_from_classes, outputs_differ_from_target
// Example:
//   Model<Sequential<Input<8, 8, 1>, Flatten, Dense<2>, LogSoftmax>> logarithmic{{.batch = 32}};
//   train(logarithmic, data, NegativeLogLikelihood{}, Adam{});
// Keras: none
// PyTorch: nn.NLLLoss()
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

// The cross-entropy of a network that ends in Softmax, as Keras computes it. Where p is clipped the gradient is 0.
// Formula: -sum over c of t_c log(p_c), p = x clipped to [1e-7, 1 - 1e-7]
// Errors: loss_needs_probabilities, loss_takes_other_target, outputs_differ_from_classes, outputs_differ_from_target
// Example:
//   Model<Sequential<Input<8, 8, 1>, Flatten, Dense<2>, Softmax>> probable{{.batch = 32}};
//   train(probable, data, CrossEntropy{}, Adam{});
// Keras: SparseCategoricalCrossentropy(), CategoricalCrossentropy()
// PyTorch: none; its losses take logits or their logarithms
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

// The mean square of the differences.
// Formula: mean over c of (x_c - t_c)^2
// Errors: loss_takes_other_target, outputs_differ_from_classes, outputs_differ_from_target
// Example: train(model, data, MeanSquaredError{}, Adam{});
// Keras: MeanSquaredError()
// PyTorch: nn.MSELoss()
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

// The binary cross-entropy of a sigmoid, which it contains, for several labels per image.
// Formula: mean over c of -(t_c log(s_c) + (1 - t_c) log(1 - s_c)), s = 1 / (1 + exp(-x))
// Errors: loss_needs_logits, loss_takes_other_target, outputs_differ_from_classes, outputs_differ_from_target
// Example: train(model, data, SigmoidCrossEntropy{}, Adam{});
// Keras: BinaryCrossentropy(from_logits=True)
// PyTorch: nn.BCEWithLogitsLoss()
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

// A SigmoidCrossEntropy in which outputs that are nearly right count less: m is how far they are from their targets.
// Formula: mean over c of a m^gamma (binary cross-entropy of s with t), s = 1 / (1 + exp(-x)),
//          m = t (1 - s) + (1 - t) s, a = t alpha + (1 - t) (1 - alpha), or 1 if alpha is negative
// Errors: loss_needs_logits, loss_takes_other_target, outputs_differ_from_classes, outputs_differ_from_target;
//   std::invalid_argument if gamma or alpha is out of range
// Example: train(model, data, FocalCrossEntropy{.gamma = 2, .alpha = 0.25}, Adam{});
// Keras: BinaryFocalCrossentropy(from_logits=True); apply_class_balancing=True for an alpha
// PyTorch: torchvision.ops.sigmoid_focal_loss(x, t, alpha, gamma, reduction="mean")
// Source: Lin et al. 2017
struct FocalCrossEntropy final {
  double gamma = 2;   // at least 0; 0 counts all outputs alike
  double alpha = -1;  // the weight of targets of 1, at most 1; below 0: no weights

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

// The mean absolute difference. MeanAbsoluteError is the metric.
// Formula: mean over c of |x_c - t_c|
// Errors: loss_takes_other_target, outputs_differ_from_classes, outputs_differ_from_target
// Example: train(model, data, AbsoluteError{}, Adam{});
// Keras: MeanAbsoluteError()
// PyTorch: nn.L1Loss()
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

// Squares small differences and counts large ones linearly, so that outliers have less influence.
// Formula: mean over c of d^2 / 2 if |d| <= delta, else delta (|d| - delta / 2); d = x_c - t_c
// Errors: loss_takes_other_target, outputs_differ_from_classes, outputs_differ_from_target; std::invalid_argument if
//   delta is out of range
// Example: train(model, data, Huber{.delta = 0.5}, Adam{});
// Keras: Huber(delta=1.0)
// PyTorch: nn.HuberLoss(delta=1.0)
// Source: Huber 1964
struct Huber final {
  double delta = 1;  // for larger differences the loss is linear; above 0

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

// Any loss of class indices or a class map; each row is multiplied by the weight of its class. The loss of a batch is
// still the sum over the rows, divided by their number. A weight of 0 leaves a class out, as PyTorch's ignore_index does.
// Evaluations use the weights too.
// Formula: weights[class] loss(x, t)
// Errors: those of the loss; loss_takes_other_target; std::invalid_argument if a weight is negative or not finite, if all
//   are 0, and if the network has outputs for another number of classes
// Example:
//   train(model, data, ClassWeighted<2>{.weights = {1, 0.5}}, Adam{});
//   const ClassWeighted<2, SigmoidCrossEntropy> of_another_loss{.weights = {1, 3}};
// Keras: `class_weight={0: 1, 1: 0.5}` of fit()
// PyTorch: nn.CrossEntropyLoss(weight), which divides by the sum of the rows' weights
template <int Classes, class Loss = SoftmaxCrossEntropy>
struct ClassWeighted final {
  static_assert(!detail::whole_samples<Loss>(),
                "strata: ClassWeighted needs a loss whose rows have one class each; this one takes whole samples");
  // An array of the language, which a GPU can read.
  float weights[static_cast<std::size_t>(Classes)]{};  // the weight of each class, at least 0
  Loss loss{};                                         // the loss that is weighted

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

// The same loss without the check of what the network ends in.
// Formula: loss(x, t)
// Errors: those of the loss, but not loss_needs_logits, loss_needs_log_probabilities and loss_needs_probabilities
// Example:
//   Model<Sequential<Input<8, 8, 1>, Flatten, Dense<2>, ReLU>> rectified{{.batch = 32}};
//   train(rectified, data, Unchecked{SoftmaxCrossEntropy{}}, Adam{});
// Keras: none; it does not check
// PyTorch: none; it does not check
template <class Loss>
struct Unchecked {
  Loss loss{};  // the loss that is not checked

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
