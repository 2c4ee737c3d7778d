// SPDX-License-Identifier: BSL-1.0
// A step on GPUs, one for each process: the share of this process, with sums over all of them in the device's queue.
#pragma once
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <strata/core/linkage.hpp>
#include <strata/training/device_sums.hpp>
#include <strata/training/gradient_sum.hpp>
#include <strata/training/not_finite_error.hpp>
#include <strata/training/parts.hpp>
#include <strata/training/processes.hpp>
#include <strata/training/reducer.hpp>
#include <strata/training/steps.hpp>

namespace strata::inline STRATA_ABI::detail {

template <class Steps>
class DeviceParts {
  using Sums = typename Steps::Sums;

 public:
  // Throws std::invalid_argument for processes that do not sum on devices.
  explicit DeviceParts(std::shared_ptr<Processes> processes) : processes_(std::move(processes)) {
    if (!processes_->device_sums())
      throw std::invalid_argument(
          "strata: these processes sum in the memory of the host; several processes train a model on GPUs with Nccl "
          "(strata/nccl.hpp), one GPU a process");
    if (processes_->reproducible() || processes_->synchronizes_batch_norm() || processes_->parts() != processes_->size())
      throw std::invalid_argument(
          "strata: on GPUs each process computes one part of a batch, with BatchNorm's statistics of that part; leave out "
          "reproducible and synchronized_batch_norm");
  }

  [[nodiscard]] Processes& processes() const { return *processes_; }
  [[nodiscard]] BatchShare share() const { return processes_->share(); }

  struct Share {
    int first, size;  // place in the batch of all processes; size may be 0
    std::int64_t parameters;
  };
  // Queues a step of a share: forward, compute_loss(outputs), backward, the sums, the reducer (null: none), and update().
  // Each gradient is summed as soon as it is final, or after the reducer if that is linear and the step updates.
  template <class Runner, class Loss, class Update>
  void run(Steps& steps, Runner& runner, const Share& own, Reducer<float>* reducer, int phase, const Loss& compute_loss,
           const Update& update) {
    const bool after = reducer && reducer->linear();
    float* const gradients = runner.gradients();
    Sums& all = steps.sums();
    all.begin(gradients);
    if (own.size > 0)
      compute_loss(run_forward(steps, runner, own.size, own.first, 0));
    else
      steps.no_samples(gradients);
    all.results(own.size);
    sum_.begin(all, gradients, own.parameters);
    if (own.size > 0 && !after)
      runner.backward([this](std::int64_t from, std::int64_t ready) { sum_.ready(from, ready); });
    else if (own.size > 0)
      runner.backward({});
    if (!after) sum_.rest();
    all.join();
    all.finish();
    if (reducer) reducer->reduce(steps, phase, gradients, own.parameters);
    if (after && reducer->updates(phase)) {
      sum_.rest();
      all.join();
    }
    update();
  }

  // For a step that was not finite, or whose batch was not the same in all processes.
  template <class Runner>
  [[noreturn]] void throw_not_finite(Steps& steps, Runner& runner, const FinishedStep& done) {
    const StepNumber& number = done.number;
    const int rank = together(processes_.get(), [&] { return first_not_finite(done); });
    if (rank != processes_->rank()) throw NotFiniteError::of_process(number.update, rank);
    steps.restage(done);
    run_forward(steps, runner, static_cast<int>(share().size(done.samples)), share().begin(done.samples), number.step);
    const LayerName first = runner.first_not_finite(true);
    steps.sums().restore_state();  // the search has run the layers again
    throw NotFiniteError(number.update, first);
  }

 private:
  template <class Runner>
  static auto run_forward(Steps& steps, Runner& runner, int n, std::int64_t first, std::int64_t step) {
    return runner.run_on_engine(steps.images(), n, true, true, static_cast<std::uint64_t>(step), first);
  }
  // The processes ask each other: the first whose loss was not finite. Throws std::runtime_error if they have computed
  // different batches.
  int first_not_finite(const FinishedStep& done) {
    const std::int64_t own[] = {done.samples, done.number.step, done.own_finite ? 1 : 0};
    int rank = 0, found = -1;
    for (const std::string& text : all_gather(*processes_, Call::step, {reinterpret_cast<const char*>(own), sizeof own})) {
      std::int64_t other[3] = {};
      if (text.size() == sizeof other) std::memcpy(other, text.data(), sizeof other);
      if (other[0] != own[0] || other[1] != own[1])
        throw std::runtime_error("strata: the processes do not fit together: this one computes step " +
                                 std::to_string(own[1]) + " of " + std::to_string(own[0]) + " samples, rank " +
                                 std::to_string(rank) + " step " + std::to_string(other[1]) + " of " +
                                 std::to_string(other[0]));
      if (other[2] == 0 && found < 0) found = rank;
      ++rank;
    }
    return found;
  }

  std::shared_ptr<Processes> processes_;
  GradientSum<float, Sums> sum_;
};

template <class Steps, class T>
struct PartsOf {
  using type = PartsOfStep<T>;
};
template <class Steps, class T>
  requires(!Steps::on_host)
struct PartsOf<Steps, T> {
  using type = DeviceParts<Steps>;
};

}  // namespace strata::inline STRATA_ABI::detail
