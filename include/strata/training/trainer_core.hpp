// SPDX-License-Identifier: BSL-1.0
// A Trainer without the types of network, loss and optimizer, so that a program compiles it once for each backend.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/optimizers/parameter_groups.hpp>
#include <strata/training/averages.hpp>
#include <strata/training/calls.hpp>
#include <strata/training/device_parts.hpp>
#include <strata/training/evaluator.hpp>
#include <strata/training/parts.hpp>
#include <strata/training/processes.hpp>
#include <strata/training/reducer.hpp>
#include <strata/training/run.hpp>
#include <strata/training/split_update.hpp>
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
  using Parts = typename PartsOf<Steps, T>::type;

  TrainerCore(std::shared_ptr<Core> model, std::unique_ptr<LossCalls<Backend>> loss,
              std::unique_ptr<OptimizerCalls<Backend>> optimizer, const RowsOfSample& rows);

  StepResult step(std::span<const T> images, const Targets& targets);
  template <class Batch>  // the steps' own
  void learn(const Batch& batch, const ReportStep& report) {
    make_room(report);
    together(processes(), [&] {
      evaluator_.check(batch.targets, static_cast<std::size_t>(batch.size), batch.indices);
      if (parts_) check_share(batch.first, batch.whole, batch.size);
      first_ = batch.first, whole_ = batch.whole;
      steps_.stage({.update = updates_, .step = steps_done_, .epoch = batch.epoch}, batch,
                   evaluator_.rows().data(batch.targets));
      queue(batch.size);
    });
    if constexpr (Steps::in_flight == 1) finish(report);
  }
  void drain(const ReportStep& report);
  void watch(Profile* profile);
  void clip_gradients(double norm);
  void groups(std::vector<ParameterGroup> groups);
  void reduce_by(std::shared_ptr<Reducer<T>> reducer);
  void work_with(std::shared_ptr<Processes> processes, bool by_train = false);
  // All processes go on from the weights, the state and the number of updates of rank 0, and what its optimizer keeps. An
  // average begins anew.
  void share_weights();
  // Whether each process updates its own pieces of the parameters: not if something between sum and update needs all
  // gradients, as their norm does.
  [[nodiscard]] bool splits_update() const {
    if (!Steps::on_host || !parts_ || parts_->processes().size() == 1) return false;
    const Processes& all = parts_->processes();
    return all.splits_update(by_train_) && !optimizer_->whole_tensors() && clip_norm_ == 0 &&
           (!reducer_ || (reducer_->linear() && !all.reproducible()));
  }
  // After split updates all processes call it, and each has all that the optimizer keeps.
  void gather_memory() { memory_.gather(processes(), steps_, optimizer_->slot_count()); }
  // The record of the run of this architecture; the first without tensors.
  [[nodiscard]] TrainingRun recipe(std::string architecture, std::string summary) const;
  [[nodiscard]] TrainingRun run(std::string architecture, std::string summary)
    requires std::is_same_v<T, float>;
  void continue_at(std::int64_t updates, std::int64_t steps) {
    updates_ = updates, steps_done_ = steps;
    memory_.restored();
  }
  // A step of an epoch comes next.
  void start_epoch(std::int64_t step) {
    if (reducer_) reducer_->start(step);
  }
  void plan(std::int64_t epoch, std::int64_t updates);
  void validated(std::vector<double> losses) { losses_ = std::move(losses); }
  void average_by(Average average);
  void exchange_average();
  void download() { steps_.download(model_->regions()); }
  void upload() { steps_.upload(model_->regions()); }

  [[nodiscard]] Core& model() const { return *model_; }
  [[nodiscard]] EvaluatorCore<Backend>& evaluator() { return evaluator_; }
  [[nodiscard]] const OptimizerCalls<Backend>& optimizer() const { return *optimizer_; }
  [[nodiscard]] const Steps& steps() const { return steps_; }
  [[nodiscard]] std::int64_t updates() const { return updates_; }
  [[nodiscard]] std::span<T> memory(int slot) {
    memory_.check();
    return steps_.memory(slot);
  }
  [[nodiscard]] double clip_norm() const { return clip_norm_; }
  [[nodiscard]] const std::vector<ParameterGroup>& groups() const { return groups_; }
  [[nodiscard]] const Reducer<T>* reducer() const { return reducer_.get(); }
  [[nodiscard]] int phase() const { return reducer_ ? reducer_->phase() : 0; }
  [[nodiscard]] Processes* processes() const { return parts_ ? &parts_->processes() : nullptr; }
  [[nodiscard]] const Average& average() const { return average_; }
  [[nodiscard]] RunContext context() const {
    return {.epoch = epoch_, .updates = run_updates_, .validation_losses = losses_};
  }
  // Whether the last step ended with an update: nothing is accumulated.
  [[nodiscard]] bool between_updates() const { return between_updates_; }

 private:
  void make_room(const ReportStep& report);
  // Throws std::invalid_argument for a batch that is not this process's share.
  void check_share(int first, int whole, int size) const;
  // Tensors that a group freezes from this update on.
  void freeze();
  void begin_average();
  // Checks and queues a step.
  void put(std::span<const T> images, const Targets& targets);
  // Images and targets are in place.
  void queue(int n);
  void compute(int n, int now);
  // The same for the batch of all processes.
  void compute_parts(int n, int now);
  void compute_loss(int n, const A* outputs);
  PartResult compute_part(int part, double& weight, GradientSum<T>* sum);
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
  std::unique_ptr<Parts> parts_;  // null: one process computes each step
  // first_: place of this process's first sample in the whole batch; whole_: samples of the whole batch.
  int first_ = 0, whole_ = 0;
  Average average_;
  bool averaging_ = false;  // the average has begun
  std::int64_t updates_ = 0, steps_done_ = 0;
  bool between_updates_ = true;
  std::int64_t epoch_ = 0, run_updates_ = 0;  // updates, as RunContext has them
  std::vector<double> losses_;                // of the validations so far
  double clip_norm_ = 0;
  bool by_train_ = false;  // train() steps
  MemoryOfOptimizer memory_;
  Profile* profile_ = nullptr;
};

}  // namespace strata::inline STRATA_ABI::detail

#if !defined(STRATA_COMPILED)
#include <strata/training/trainer_core_impl.hpp>
#endif
