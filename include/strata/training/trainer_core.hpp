// SPDX-License-Identifier: BSL-1.0
// A Trainer without the types of network, loss and optimizer, so that a program compiles it once for each backend.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/optimizers/parameter_groups.hpp>
#include <strata/training/calls.hpp>
#include <strata/training/evaluator.hpp>
#include <strata/training/reducer.hpp>
#include <strata/training/run.hpp>
#include <strata/util/function_ref.hpp>
#include <strata/util/no_copy.hpp>

namespace strata::inline STRATA_ABI::detail {

using ReportStep = FunctionRef<void(const StepResult&)>;

// Trainer says what each function does.
template <class Backend>
class TrainerCore : NoCopy {
 public:
  using T = typename Backend::scalar;
  using A = typename Backend::activation;
  using Steps = typename StepsOf<Backend>::type;
  using Core = ModelCore<typename Backend::Engine>;

  TrainerCore(std::shared_ptr<Core> model, std::unique_ptr<LossCalls<Backend>> loss,
              std::unique_ptr<OptimizerCalls<Backend>> optimizer, const RowsOfSample& rows);

  StepResult step(std::span<const T> images, const Targets& targets);
  template <class Batch>  // the steps' own
  void learn(const Batch& batch, const ReportStep& report) {
    make_room(report);
    evaluator_.check(batch.targets, static_cast<std::size_t>(batch.size), batch.indices);
    steps_.stage({.update = updates_, .epoch = batch.epoch}, batch, evaluator_.rows().data(batch.targets));
    queue(batch.size);
    if constexpr (Steps::in_flight == 1) finish(report);
  }
  void drain(const ReportStep& report);
  void watch(Profile* profile);
  void clip_gradients(double norm);
  void groups(std::vector<ParameterGroup> groups);
  void reduce_by(std::shared_ptr<Reducer<T>> reducer);
  // The record of the run of this architecture.
  [[nodiscard]] TrainingRun run(std::string architecture, std::string summary)
    requires std::is_same_v<T, float>;
  void continue_at(std::int64_t updates) { updates_ = updates; }
  void download() { steps_.download(model_->regions()); }
  void upload() { steps_.upload(model_->regions()); }

  [[nodiscard]] Core& model() const { return *model_; }
  [[nodiscard]] EvaluatorCore<Backend>& evaluator() { return evaluator_; }
  [[nodiscard]] const OptimizerCalls<Backend>& optimizer() const { return *optimizer_; }
  [[nodiscard]] const Steps& steps() const { return steps_; }
  [[nodiscard]] std::int64_t updates() const { return updates_; }
  [[nodiscard]] std::span<T> memory(int slot) { return steps_.memory(slot); }
  [[nodiscard]] double clip_norm() const { return clip_norm_; }
  [[nodiscard]] const std::vector<ParameterGroup>& groups() const { return groups_; }
  [[nodiscard]] const Reducer<T>* reducer() const { return reducer_.get(); }
  [[nodiscard]] int phase() const { return reducer_ ? reducer_->phase() : 0; }

 private:
  void make_room(const ReportStep& report);
  // Images and targets are in place.
  void queue(int n);
  void compute(int n, int now);
  void update();
  // Waits for the oldest step under way and reports it.
  void finish(const ReportStep& report);

  std::shared_ptr<Core> model_;
  std::unique_ptr<OptimizerCalls<Backend>> optimizer_;
  EvaluatorCore<Backend> evaluator_;
  std::vector<ParameterTensor> tensors_;
  std::vector<ParameterGroup> groups_;
  std::vector<ParameterRange> ranges_;
  Steps steps_;
  std::shared_ptr<Reducer<T>> reducer_;
  std::int64_t updates_ = 0;
  double clip_norm_ = 0;
  Profile* profile_ = nullptr;
};

}  // namespace strata::inline STRATA_ABI::detail

#if !defined(STRATA_COMPILED)
#include <strata/training/trainer_core_impl.hpp>
#endif
