// SPDX-License-Identifier: BSL-1.0
// The loop of train(): epochs, progress, validation and checkpoints. It knows neither the network nor the data nor the
// optimizer, so a program compiles it once for all of them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/training/metrics.hpp>
#include <strata/training/run.hpp>
#include <strata/util/no_copy.hpp>

namespace strata::inline STRATA_ABI::detail {

// A network, its optimizer and its data.
class Learner : public Interface {
 public:
  // The next batch will be that of this step of this epoch, both from 0.
  virtual void start(std::uint64_t epoch, std::size_t step) = 0;
  // Learns from the next batch. Each step is reported once, in order, by this call or, if steps are queued, by a later one.
  using Report = std::function<void(const StepResult&)>;
  virtual void step(const Report& report) = 0;
  // Waits for the steps under way and reports them.
  virtual void drain(const Report&) {}
  // Copies the engine's values to the tensors of the run (TrainingRun); upload() copies them back.
  virtual void download() {}
  virtual void upload() {}
  [[nodiscard]] virtual std::int64_t updates() const = 0;
  // Whether the last step ended with an update.
  [[nodiscard]] virtual bool between_updates() const { return true; }
  virtual void continue_at(std::int64_t updates, std::int64_t steps) = 0;
  // The validation losses of the epochs done, which later learning rates may depend on.
  virtual void validated(std::vector<double> /*losses*/) {}
  // The learning rate of an update, from 0.
  [[nodiscard]] virtual double learning_rate(std::int64_t update) const = 0;
  // Exchanges the weights with their average, if there is one and it is evaluated.
  virtual void exchange_average() {}
  // Remembers the weights, or those given, one vector a tensor; restore_best() returns to them, if there are any.
  virtual void keep_best() {}
  virtual void keep_best(std::vector<std::vector<float>> /*values*/) {}
  virtual bool restore_best() { return false; }
  virtual Evaluation validate(const std::function<bool()>& stop) = 0;
};

// The part of TrainOptions that the loop reads.
struct LoopOptions {
  int epochs;
  std::int64_t max_steps;
  bool verbose, validates, resume;
  int patience;
  bool restore_best;
  int accumulate;  // steps of an update
  std::function<bool()> stop;
  std::function<void(std::span<const EpochRecord>)> on_epoch;

  void validate() const;
};

// steps: of an epoch. The checkpointer may be null unless the run is resumed.
std::vector<EpochRecord> run_epochs(Learner& learner, std::int64_t steps, Checkpointer* checkpointer,
                                    const LoopOptions& options);

}  // namespace strata::inline STRATA_ABI::detail

#if !defined(STRATA_COMPILED)
#include <strata/training/loop_impl.hpp>
#endif
