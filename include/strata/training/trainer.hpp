// SPDX-License-Identifier: BSL-1.0
// Trainer: a model, a loss, and an optimizer with its memory, for training loops of your own, on every backend.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/core/diagnose.hpp>
#include <strata/core/linkage.hpp>
#include <strata/model/fingerprint.hpp>
#include <strata/model/summary_text.hpp>
#include <strata/optimizers/optimizers.hpp>
#include <strata/optimizers/parameter_groups.hpp>
#include <strata/training/not_finite_error.hpp>
#include <strata/training/same_program.hpp>
#include <strata/training/trainer_core.hpp>
#include <strata/util/no_copy.hpp>

namespace strata::inline STRATA_ABI {

//   Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.01, .momentum = 0.9});
//   for (...) const StepResult r = trainer.step(images, labels);
// A step is: forward and loss, backward, reduction of the gradients, update. It allocates nothing, unless several processes
// compute it. Kind: of the targets,
// where a loss takes several.
template <class M, class Loss, class Optimizer_, TargetKind Kind = detail::default_target<Loss, typename M::network>()>
class Trainer : NoCopy {
  static_assert(sizeof(detail::checked<void, typename M::network, Loss>) != 0);
  static_assert(detail::targets_of<Loss>().has(Kind), "strata: the loss does not take this kind of target");

 public:
  using T = typename M::T;
  using Net = typename M::network;
  using Backend = typename M::backend;
  using Steps = typename StepsOf<Backend>::type;
  static_assert(ElementOptimizer<Optimizer_, T> || (Steps::on_host && TensorOptimizer<Optimizer_, T>),
                "strata: an optimizer has element(UpdateStep), or on the CPU update(UpdateStep, ParameterSlice)");

  // The trainer refers to the model's memory, so that the model may be moved. Throws std::invalid_argument for a loss or an
  // optimizer with invalid numbers.
  Trainer(M& model, Loss loss, Optimizer_ optimizer)
      : Trainer(model, Calls{std::make_unique<OptimizerCalls>(std::move(optimizer)),
                             std::make_unique<LossCalls>(sound(std::move(loss)))}) {}

  // images (N,H,W,C) and their targets, N up to the model's batch. Loss and accuracy are those before the update. Without
  // images nothing happens. Throws std::invalid_argument for sizes and targets that do not fit, before anything changes;
  // and NotFiniteError, which leaves parameters and the optimizer's memory as they were, and BatchNorm's statistics finite.
  StepResult step(std::span<const T> images, const Targets& targets) { return core_.step(images, targets); }

  // Loss and accuracy without training. Throws std::invalid_argument for sizes and targets that do not fit.
  StepResult evaluate(std::span<const T> images, const Targets& targets, const detail::Observers& observers = {},
                      std::optional<std::uint64_t> draw = {}, std::span<const std::uint32_t> indices = {}) {
    return core_.evaluator().evaluate(images, targets, observers, draw, indices);
  }

  // From now on each step adds its times to the profile (see Model::watch), with a row for the loss and one for the update;
  // null ends that. The profile must live until then. On a GPU each layer is waited for.
  void watch(Profile* profile) { core_.watch(profile); }

  // The number of updates done; on a GPU of those queued, until drain().
  [[nodiscard]] std::int64_t updates() const { return core_.updates(); }
  [[nodiscard]] const Optimizer_& optimizer() const { return optimizer_->optimizer(); }
  [[nodiscard]] const auto& loss() const { return loss_->loss(); }
  // What the optimizer keeps, on the host, in the order of the model's parameters; slot in [0, optimizer().slot_count()).
  // On a GPU as of the last download().
  [[nodiscard]] std::span<T> memory(int slot) { return core_.memory(slot); }

  // From now on gradients whose norm, over all parameters that are not frozen, is larger are scaled down to it before the
  // update (Pascanu, Mikolov, Bengio 2013); 0: none. A step whose norm is infinite or NaN throws NotFiniteError. Throws
  // std::invalid_argument for a negative norm.
  void clip_gradients(double norm) { core_.clip_gradients(norm); }
  // Factors for learning rate and weight decay, and frozen tensors; replaces those of an earlier call. Throws
  // std::invalid_argument for a group that fits no tensor or has a negative factor.
  void groups(std::vector<ParameterGroup> groups) { core_.groups(std::move(groups)); }
  // Stands between gradients and update from now on; null: nothing does.
  void reduce_by(std::shared_ptr<Reducer<T>> reducer) { core_.reduce_by(std::move(reducer)); }
  // From now on each step is computed by several processes, all of which call it: work_with(Mpi{}). Each passes the whole
  // batch to step(), takes its share of it, and gets the results of the whole. All go on from the weights, the state and
  // the optimizer's memory of rank 0; an average begins anew. Null: one process alone. Throws ProcessError if the processes
  // have different networks, losses, optimizers or options (set these before), and if there are more of them than images in
  // a batch; from then on step() throws it if another process fails, if a step is without images, and if the processes
  // compute different steps.
  void work_with(const MakeProcesses& make) {
    const std::shared_ptr<Processes> processes = make ? make() : nullptr;
    detail::together(processes.get(), [&] {
      core_.work_with(processes);
      if (!processes || processes->size() == 1) return;
      const TrainingRun own =
          core_.recipe(architecture_fingerprint<Net>(), detail::summary_text(detail::summary_numbers<Net>()));
      detail::check_same(*processes, detail::program_lines(*processes, own));
      core_.share_weights();
    });
  }
  // From now on the weights of each update are averaged (training/averages.hpp): average_by(EMA{}). It begins as what the
  // model has before the next step. Throws std::invalid_argument for impossible numbers.
  void average_by(Average average) { core_.average_by(std::move(average)); }
  // Exchanges the model's weights and statistics with their average: call it to evaluate or save the average, and again to
  // go on. Throws std::logic_error if there is none.
  void exchange_average() { core_.exchange_average(); }
  // For schedules, groups and averages that count epochs or follow the length of the run: the number of updates in an
  // epoch, and in the whole run (0: not known).
  void plan(std::int64_t epoch, std::int64_t updates = 0) { core_.plan(epoch, updates); }
  // The losses of all validations so far, for schedules that follow them.
  void validated(std::vector<double> losses) { core_.validated(std::move(losses)); }

  // What is trained, for a checkpoint; without loss, data and steps of an epoch, which the loop knows. Its tensors are on
  // the host: download() and upload() exchange them with the backend's.
  [[nodiscard]] TrainingRun run()
    requires std::is_same_v<T, float>
  {
    return core_.run(architecture_fingerprint<Net>(), detail::summary_text(detail::summary_numbers<Net>()));
  }
  // After parameters and memory were restored: counts on from this number of updates. Dropout goes on with the step of that
  // number, which is another one if a reducer of one's own accumulated; train() with accumulate knows both.
  void continue_at(std::int64_t updates) { core_.continue_at(updates, updates); }
  void download() { core_.download(); }
  void upload() { core_.upload(); }

  [[nodiscard]] double clip_norm() const { return core_.clip_norm(); }
  [[nodiscard]] const std::vector<ParameterGroup>& groups() const { return core_.groups(); }
  [[nodiscard]] const Reducer<T>* reducer() const { return core_.reducer(); }

  // What train() needs: batches as the backend wants them, and steps whose results may come later. report(StepResult) is
  // called once for each step, in order.
  template <class Data>
  using Feed = typename Steps::template Feed<Data>;
  void learn(const typename Steps::Batch& batch, const detail::ReportStep& report) { core_.learn(batch, report); }
  // Waits for the steps under way.
  void drain(const detail::ReportStep& report) { core_.drain(report); }
  // The captured step of n images, for whoever measures it; null if there is none. See cuda::Steps.
  [[nodiscard]] auto captured(int n) const { return core_.steps().captured(n, core_.phase()); }
  [[nodiscard]] detail::TrainerCore<Backend>& core() { return core_; }

 private:
  // A loss that does not fit has been reported; a stand-in keeps it from adding other errors.
  static constexpr bool fits = diagnose<Net, Loss>().ok();
  using Sound = std::conditional_t<fits, Loss, Unchecked<MeanSquaredError>>;
  static Sound sound([[maybe_unused]] Loss loss) {
    if constexpr (fits)
      return loss;
    else
      return {};
  }
  using OptimizerCalls = detail::OptimizerCallsOf<Backend, Optimizer_>;
  using LossCalls = detail::LossCallsOf<Backend, Sound, Kind>;

  struct Calls {
    std::unique_ptr<OptimizerCalls> optimizer;
    std::unique_ptr<LossCalls> loss;
  };
  Trainer(M& model, Calls calls)
      : optimizer_(calls.optimizer.get()),
        loss_(calls.loss.get()),
        core_(model.core(), std::move(calls.loss), std::move(calls.optimizer),
              detail::rows_of_sample(Net::output, Kind, detail::whole_samples<Sound>())) {}

  const OptimizerCalls* optimizer_;  // the core's, as is the loss
  const LossCalls* loss_;
  detail::TrainerCore<Backend> core_;
};

}  // namespace strata::inline STRATA_ABI
