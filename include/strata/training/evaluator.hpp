// SPDX-License-Identifier: BSL-1.0
// Losses, accuracy and metrics of a model's outputs on the host.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/losses/losses.hpp>
#include <strata/model/model.hpp>
#include <strata/training/check_targets.hpp>
#include <strata/training/metric.hpp>
#include <strata/training/metrics.hpp>
#include <strata/training/right.hpp>
#include <strata/training/steps.hpp>

namespace strata {
namespace detail {

// The kind of target of a loop of one's own: the first that the loss takes, of those that fit what the network ends in.
template <class Loss, class Net>
constexpr TargetKind default_target() {
  constexpr TargetKinds kinds = targets_of<Loss>();
  for (const TargetKind kind : {Net::output.flat ? TargetKind::class_index : TargetKind::class_map, TargetKind::labels,
                                TargetKind::distribution, TargetKind::values})
    if (kinds.has(kind)) return kind;
  return TargetKind::values;
}

// How a batch of outputs is cut into the rows that a loss sees.
template <class Net, TargetKind Kind>
struct LossRows {
  static constexpr bool places = Kind == TargetKind::class_map;
  static constexpr std::int64_t each = places ? static_cast<std::int64_t>(Net::output.height) * Net::output.width : 1;
  static constexpr int width = static_cast<int>(Net::output.size() / each);
  static constexpr std::int64_t target = places ? each : is_class(Kind) ? 1 : Net::output.size();  // elements of a sample
  using Element = std::conditional_t<is_class(Kind), int, float>;
  static const Element* data(const Targets& t) {
    if constexpr (is_class(Kind))
      return t.classes.data();
    else
      return t.values.data();
  }
};

// Whom an evaluation tells of each sample; null or empty: nobody.
struct Observers {
  ConfusionTable* confusion = nullptr;    // of class indices and maps
  ConfidentMistakes* mistakes = nullptr;  // of class indices
  std::span<Metric> metrics{};
};

}  // namespace detail

template <class M, class Loss, TargetKind Kind>
class Evaluator {
 public:
  using T = typename M::T;
  using Net = typename M::network;
  using Rows = detail::LossRows<Net, Kind>;

  Evaluator(M& model, Loss loss)
      : model_(model), loss_(std::move(loss)), values_(static_cast<std::size_t>(model.options().batch * Rows::each)) {
    detail::validate_loss(loss_);
  }

  // images (N,H,W,C). Dropout is off, or on with the random numbers of a draw. A loss that is not finite is returned as it
  // is; outputs with a NaN are never right. Throws std::invalid_argument for sizes and targets that do not fit; its message
  // counts the images by `indices`, if there are any.
  StepResult evaluate(std::span<const T> images, const Targets& targets, const detail::Observers& observers = {},
                      std::optional<std::uint64_t> draw = {}, std::span<const std::uint32_t> indices = {}) {
    const std::span<const T> outputs = draw ? model_.predict_with_dropout(images, *draw) : model_.predict(images);
    const auto samples = outputs.size() / static_cast<std::size_t>(Net::output.size());
    detail::check_targets(Kind, targets, samples, static_cast<std::size_t>(Rows::target), Rows::width, indices);
    const auto rows = static_cast<std::int64_t>(samples) * Rows::each;
    StepsOf<typename M::backend>::type::host_loss(model_.engine(), detail::plain_loss(loss_), rows, Rows::width,
                                                  outputs.data(), Rows::data(targets), values_.data());
    observe(outputs, targets, samples, observers);
    return detail::step_result<Kind>(loss_, rows, Rows::each, Rows::width, outputs.data(), Rows::data(targets),
                                     values_.data());
  }
  [[nodiscard]] const Loss& loss() const { return loss_; }

 private:
  void observe(std::span<const T> outputs, const Targets& targets, std::size_t samples, const detail::Observers& o) {
    if constexpr (is_class(Kind))
      for (std::size_t row = 0; (o.confusion || o.mistakes) && row < samples * static_cast<std::size_t>(Rows::each);
           ++row) {
        constexpr auto width = static_cast<std::size_t>(Rows::width);
        const std::span<const T> own = outputs.subspan(row * width, width);
        const int label = targets.classes[row], predicted = predicted_class(own);
        if (o.confusion) o.confusion->add(label, predicted);
        if constexpr (Kind == TargetKind::class_index)
          if (o.mistakes) o.mistakes->add(label, predicted, [&](int c) { return detail::probability(loss_, own, c); });
      }
    if (o.metrics.empty()) return;
    if constexpr (std::is_same_v<T, float>) {
      constexpr auto size = static_cast<std::size_t>(Net::output.size()), each = static_cast<std::size_t>(Rows::target);
      for (std::size_t n = 0; n < samples; ++n) {
        const MetricSample sample{outputs.subspan(n * size, size), Net::output, Kind, targets.sample(n, each)};
        for (Metric& metric : o.metrics) metric.add(sample);
      }
    }
  }

  M& model_;
  Loss loss_;
  std::vector<T> values_;  // of a batch's rows
};

}  // namespace strata
