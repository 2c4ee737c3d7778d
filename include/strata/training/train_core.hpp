// SPDX-License-Identifier: BSL-1.0
// train() and evaluate() without the types of network, data, loss and optimizer.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/data/batches.hpp>
#include <strata/training/loop.hpp>
#include <strata/training/processes.hpp>
#include <strata/training/trainer_core.hpp>

namespace strata::inline STRATA_ABI {

struct EvaluateOptions {
  Normalize normalize{};
  bool dropout = false;  // on, each batch with random numbers of its own: shows what a network loses by it
  // Asked after each batch; true ends the evaluation there. Its exceptions pass through.
  std::function<bool()> stop{};
  // The number of mistakes to keep (class indices alone). Their probabilities are those that the loss sees: the softmax or
  // sigmoid of logits; of MeanSquaredError the output itself.
  std::size_t mistakes = 0;
  std::vector<Metric> metrics{};
  std::vector<View> views{};  // test-time augmentation: everything is computed from the mean outputs of these views
  int loader_threads = 0;     // as in TrainOptions
  // The batches are shared out among these processes, all of which call evaluate() and get the same result, that of one
  // process. Metrics see all samples in each.
  MakeProcesses processes{};
};

namespace detail {

struct EvaluationData {
  std::shared_ptr<const BatchSource<float>> images{};
  int classes = 0;  // 0: the targets are no classes
};

// TrainOptions without the data set, and what a checkpoint says of network and data.
struct RunOptions {
  LoopOptions loop;
  const Augment& augment;
  const Normalize& normalize;
  bool drop_last;
  int loader_threads;
  const MakeCheckpointer& checkpoint;
  double clip_norm;
  const std::vector<ParameterGroup>& groups;
  const std::vector<Metric>& metrics;
  const std::shared_ptr<Reducer<float>>& reducer;
  const Average& average;
  std::shared_ptr<Processes> processes{};  // null: this one alone
  EvaluationData validation{};
  std::string architecture{}, summary{}, training_data{}, validation_data{};
};

[[nodiscard]] inline BatchOptions batch_options(const ModelOptions& model, const RunOptions& options) {
  return {.batch = model.batch,
          .seed = model.seed,
          .shuffle = true,
          .drop_last = options.drop_last,
          .augment = options.augment,
          .normalize = options.normalize,
          .threads = options.loader_threads,
          .share = options.processes ? options.processes->share() : BatchShare{}};
}

template <class Backend>
Evaluation evaluate_batches(EvaluatorCore<Backend>& evaluator, const EvaluationData& data, const EvaluateOptions& options,
                            Processes* processes);

// Throws std::runtime_error, the same in all processes, unless they evaluate the same weights on the same data.
template <class Backend>
void check_evaluation(EvaluatorCore<Backend>& evaluator, const std::string& architecture, const std::string& data,
                      const EvaluateOptions& options, Processes& processes);

template <class Backend>
std::vector<EpochRecord> run_training(TrainerCore<Backend>& trainer, typename TrainerCore<Backend>::Steps::Ring& batches,
                                      const RunOptions& options);

}  // namespace detail
}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/training/train_core_impl.hpp>
#endif
