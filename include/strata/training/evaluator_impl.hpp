// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <type_traits>
#include <utility>

#include <strata/core/linkage.hpp>
#include <strata/training/check_targets.hpp>
#include <strata/training/evaluator.hpp>

namespace strata::inline STRATA_ABI::detail {

template <class Backend>
EvaluatorCore<Backend>::EvaluatorCore(std::shared_ptr<Core> model, std::unique_ptr<LossCalls<Backend>> loss,
                                      const RowsOfSample& rows)
    : model_(std::move(model)),
      loss_(std::move(loss)),
      rows_(rows),
      values_(static_cast<std::size_t>(model_->options().batch * rows.each)) {
  loss_->check_outputs(rows.decision_width());
}

template <class Backend>
StepResult EvaluatorCore<Backend>::evaluate(std::span<const T> images, const Targets& targets, const Observers& observers,
                                            std::optional<std::uint64_t> draw, std::span<const std::uint32_t> indices) {
  return judge(outputs(images, draw), targets, observers, indices);
}

template <class Backend>
std::span<const typename EvaluatorCore<Backend>::T> EvaluatorCore<Backend>::outputs(std::span<const T> images,
                                                                                    std::optional<std::uint64_t> draw) {
  const auto run = [&](std::span<const T> x) {
    return std::span<const T>(model_->runner().run(x, false, draw.has_value(), draw.value_or(0)));
  };
  return views_.empty() ? run(images) : viewed_(views_, model_->program().input, images, run);
}

template <class Backend>
StepResult EvaluatorCore<Backend>::judge(std::span<const T> outputs, const Targets& targets, const Observers& observers,
                                         std::span<const std::uint32_t> indices) {
  const auto samples = outputs.size() / static_cast<std::size_t>(rows_.output.size());
  check(targets, samples, indices);
  const auto rows = static_cast<std::int64_t>(samples) * rows_.each;
  loss_->values(model_->engine(), rows, rows_.width, rows_.places, outputs.data(), rows_.data(targets), values_.data());
  observe(outputs, targets, samples, observers);
  FinishedStep sums = sums_of_rows<T>(rows_, loss_->threshold(), static_cast<std::int64_t>(samples), outputs.data(),
                                      rows_.data(targets), static_cast<const T*>(values_.data()));
  sums.samples = static_cast<int>(samples);
  return step_result(rows_, sums);
}

template <class Backend>
void EvaluatorCore<Backend>::views(std::vector<View> views) {
  check_views(views, model_->program().input);
  views_ = std::move(views);
}

template <class Backend>
void EvaluatorCore<Backend>::check(const Targets& targets, std::size_t n, std::span<const std::uint32_t> indices) const {
  check_targets(rows_.kind, targets, n, static_cast<std::size_t>(rows_.target), rows_.decision_width(), indices);
}

template <class Backend>
void EvaluatorCore<Backend>::observe(std::span<const T> outputs, const Targets& targets, std::size_t samples,
                                     const Observers& o) {
  if (is_class(rows_.kind)) {
    const auto width = static_cast<std::size_t>(rows_.decision_width());
    for (std::size_t row = 0;
         (o.confusion || o.mistakes) && row < samples * static_cast<std::size_t>(rows_.decision_rows()); ++row) {
      const std::span<const T> own = outputs.subspan(row * width, width);
      const int label = targets.classes[row], predicted = predicted_class(own);
      if (o.confusion) o.confusion->add(label, predicted);
      if (o.mistakes && rows_.kind == TargetKind::class_index)
        o.mistakes->add(label, predicted, [&](int c) { return loss_->probability(own, c); });
    }
  }
  if (o.metrics.empty()) return;
  if constexpr (std::is_same_v<T, float>) {
    const auto size = static_cast<std::size_t>(rows_.output.size()), each = static_cast<std::size_t>(rows_.target);
    for (std::size_t n = 0; n < samples; ++n) {
      const MetricSample sample{outputs.subspan(n * size, size), rows_.output, rows_.kind, targets.sample(n, each)};
      for (Metric& metric : o.metrics) metric.add(sample);
    }
  }
}

}  // namespace strata::inline STRATA_ABI::detail
