// SPDX-License-Identifier: BSL-1.0
// Losses, accuracy and metrics of a model's outputs on the host.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/losses/losses.hpp>
#include <strata/model/model.hpp>
#include <strata/training/calls.hpp>
#include <strata/training/metric.hpp>
#include <strata/training/metrics.hpp>
#include <strata/training/rows.hpp>
#include <strata/training/views.hpp>
#include <strata/util/no_copy.hpp>

namespace strata::inline STRATA_ABI {
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

// Whom an evaluation tells of each sample; null or empty: nobody.
struct Observers {
  ConfusionTable* confusion = nullptr;    // of class indices and maps
  ConfidentMistakes* mistakes = nullptr;  // of class indices
  std::span<Metric> metrics{};
};

// An Evaluator without the types of network and loss.
template <class Backend>
class EvaluatorCore : NoCopy {
 public:
  using T = typename Backend::scalar;
  using Core = ModelCore<typename Backend::Engine>;

  EvaluatorCore(std::shared_ptr<Core> model, std::unique_ptr<LossCalls<Backend>> loss, const RowsOfSample& rows);

  StepResult evaluate(std::span<const T> images, const Targets& targets, const Observers& observers,
                      std::optional<std::uint64_t> draw, std::span<const std::uint32_t> indices);
  // The two halves of evaluate(): the outputs, which the next call overwrites, and what is said of them, on the host.
  std::span<const T> outputs(std::span<const T> images, std::optional<std::uint64_t> draw);
  StepResult judge(std::span<const T> outputs, const Targets& targets, const Observers& observers,
                   std::span<const std::uint32_t> indices);
  // Throws std::invalid_argument for targets that do not fit n samples; indices: see Evaluator::evaluate.
  void check(const Targets& targets, std::size_t n, std::span<const std::uint32_t> indices) const;

  // From now on outputs are the mean over these views; none: those of the images. Throws std::invalid_argument for views
  // that do not fit.
  void views(std::vector<View> views);

  [[nodiscard]] Core& model() const { return *model_; }
  [[nodiscard]] const LossCalls<Backend>& loss() const { return *loss_; }
  [[nodiscard]] const RowsOfSample& rows() const { return rows_; }

 private:
  void observe(std::span<const T> outputs, const Targets& targets, std::size_t samples, const Observers& o);

  std::shared_ptr<Core> model_;
  std::unique_ptr<LossCalls<Backend>> loss_;
  RowsOfSample rows_;
  std::vector<T> values_;  // of a batch's rows
  std::vector<View> views_;
  ViewedOutputs<T> viewed_;
};

}  // namespace detail

template <class M, class Loss, TargetKind Kind>
class Evaluator {
  using Backend = typename M::backend;
  using Net = typename M::network;

 public:
  using T = typename M::T;

  Evaluator(M& model, Loss loss)
      : core_(model.core(), std::make_unique<detail::LossCallsOf<Backend, Loss, Kind>>(std::move(loss)),
              detail::rows_of_sample(Net::output, Kind, detail::whole_samples<Loss>())) {}

  // images (N,H,W,C). Dropout is off, or on with the random numbers of a draw. A loss that is not finite is returned as it
  // is; outputs with a NaN are never right. Throws std::invalid_argument for sizes and targets that do not fit; its message
  // counts the images by `indices`, if there are any.
  StepResult evaluate(std::span<const T> images, const Targets& targets, const detail::Observers& observers = {},
                      std::optional<std::uint64_t> draw = {}, std::span<const std::uint32_t> indices = {}) {
    return core_.evaluate(images, targets, observers, draw, indices);
  }
  [[nodiscard]] detail::EvaluatorCore<Backend>& core() { return core_; }

 private:
  detail::EvaluatorCore<Backend> core_;
};

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/training/evaluator_impl.hpp>
#endif
