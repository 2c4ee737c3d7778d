// SPDX-License-Identifier: BSL-1.0
// A step whose batch several processes share: the parts of this process, then the sums over all.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/model/engine.hpp>
#include <strata/training/gradient_sum.hpp>
#include <strata/training/not_finite_error.hpp>
#include <strata/training/processes.hpp>
#include <strata/training/reducer.hpp>
#include <strata/training/steps.hpp>
#include <strata/util/no_copy.hpp>

namespace strata::inline STRATA_ABI::detail {

// Results of one part.
struct PartResult {
  double loss = 0;
  std::int64_t correct = 0;
  std::int64_t finite = 1;
  // Its place in the batch, the samples of that batch, and the number of the step: all processes must compute the same one.
  std::int64_t part = 0, whole = 0, step = 0;
};

// Adds vectors on the host in the order of a binary tree, ((0 + 1) + (2 + 3)) + ...
template <class T>
class TreeSum {
 public:
  // Vector i of `all`, a power of two, is in x; after the last one, x is the sum.
  void add(GradientEngine<T>& engine, std::int64_t count, int i, int all, T* x) {
    std::size_t level = 0;
    for (; (i >> level) % 2 == 1; ++level) engine.scale_add(count, T{1}, levels_[level].data(), true, x);
    if (i + 1 == all) return;
    if (levels_.size() <= level) levels_.resize(level + 1);
    levels_[level].assign(x, x + count);
  }

 private:
  std::vector<std::vector<T>> levels_;
};

// Sums over the batch while a step is computed.
class SumsOfProcesses final : public BatchSums {
 public:
  explicit SumsOfProcesses(Processes& processes) : processes_(processes) {}
  void sum(std::span<double> numbers) override {
    processes_.all_reduce(numbers, Wire::exact);
    processes_.wait();
  }

 private:
  Processes& processes_;
};

// While it lives, BatchNorm takes the statistics of the batch of all processes.
template <class Engine>
class SummedBatches : NoCopy {
 public:
  SummedBatches(Engine& engine, BatchSums* sums) : engine_(engine) { engine_.sum_batches_by(sums); }
  ~SummedBatches() { engine_.sum_batches_by(nullptr); }

 private:
  Engine& engine_;
};

// The numbers of a step that are summed over processes besides the gradients, and who sums them.
template <class T>
class PartsOfStep {
 public:
  PartsOfStep(std::shared_ptr<Processes> processes, TensorRegions<T> regions)
      : processes_(std::move(processes)),
        state_(regions.state, static_cast<std::size_t>(regions.state_count)),
        before_(state_.size()),
        change_(state_.size()) {}

  [[nodiscard]] Processes& processes() const { return *processes_; }
  [[nodiscard]] BatchShare share() const { return processes_->share(); }

  // From now on the sums of gradients are those of this process's pieces alone.
  void sum_pieces(bool pieces) { pieces_ = pieces; }

  // compute(part, weight, sum) computes a part and sets weight, its share of the batch. If sum is not null, compute() tells
  // it which gradients are final, so that their sum begins early. With `sums` gradients are summed over processes. What
  // compute() throws ends all processes, because sums are under way. Throws std::runtime_error if processes compute
  // different batches.
  template <class Compute>
  FinishedStep run(GradientEngine<T>& engine, T* gradients, std::int64_t count, bool sums, const Compute& compute) {
    return together(processes_.get(), [&] { return compute_and_sum(engine, gradients, count, sums, compute); });
  }
  // Sums gradients that were not summed with their step.
  void sum(T* gradients, std::int64_t count) {
    sum_.begin(*processes_, gradients, count, pieces_);
    sum_.rest();
    processes_->wait();
  }
  // For a step that was not finite.
  template <class Steps, class Runner>
  [[noreturn]] void throw_not_finite(Steps&, Runner& runner, const FinishedStep& done) {
    // Synchronized statistics carry what is not finite to all processes, so that each looks for it in its own images.
    const bool synchronized = processes_->synchronizes_batch_norm(), own = not_finite_ == processes_->rank();
    const LayerName first = own || synchronized ? runner.first_not_finite(true) : LayerName{};
    std::copy(before_.begin(), before_.end(), state_.begin());  // the search has run the layers again
    if (first.number >= 0 || (own && !synchronized)) throw NotFiniteError(done.number.update, first);
    throw NotFiniteError::of_process(done.number.update, not_finite_);
  }

 private:
  template <class Compute>
  FinishedStep compute_and_sum(GradientEngine<T>& engine, T* gradients, std::int64_t count, bool sums,
                               const Compute& compute) {
    const BatchShare own = share();
    const int parts = own.last - own.first;
    std::vector<PartResult> results(static_cast<std::size_t>(parts));
    std::copy(state_.begin(), state_.end(), before_.begin());
    std::fill(change_.begin(), change_.end(), T{0});
    if (sums) sum_.begin(*processes_, gradients, count, pieces_);
    for (int i = 0; i < parts; ++i) {
      if (i > 0) std::copy(before_.begin(), before_.end(), state_.begin());
      double weight = 0;
      PartResult& result = results[static_cast<std::size_t>(i)];
      const bool overlaps = sums && parts == 1;
      result = compute(own.first + i, weight, overlaps ? &sum_ : nullptr);
      if (result.finite == 0) {
        for (int later = i + 1; later < parts; ++later) {
          results[static_cast<std::size_t>(later)] = result;
          results[static_cast<std::size_t>(later)].part = own.first + later;
        }
        break;
      }
      if (parts > 1) tree_.add(engine, count, i, parts, gradients);
      // The change, so that a state that stays as it is keeps its bits.
      for (std::size_t j = 0; j < state_.size(); ++j) change_[j] = static_cast<T>(weight) * (state_[j] - before_[j]);
      if (parts > 1 && !state_.empty())
        state_tree_.add(engine, static_cast<std::int64_t>(state_.size()), i, parts, change_.data());
    }
    if (sums) sum_.rest();
    if (!state_.empty()) processes_->all_reduce(std::span<T>(change_), Wire::exact);
    const FinishedStep all = gathered(results);
    processes_->wait();
    // A step that is not finite changes no statistics.
    for (std::size_t j = 0; j < state_.size(); ++j) state_[j] = all.finite ? before_[j] + change_[j] : before_[j];
    return all;
  }
  // In the order of the parts.
  FinishedStep gathered(std::span<const PartResult> own) {
    FinishedStep all;
    const auto bytes = std::as_bytes(own);
    int rank = 0;
    not_finite_ = -1;
    std::int64_t next = 0;
    for (const std::string& text :
         all_gather(*processes_, Call::step, {reinterpret_cast<const char*>(bytes.data()), bytes.size()})) {
      for (std::size_t at = 0; at + sizeof(PartResult) <= text.size(); at += sizeof(PartResult)) {
        PartResult part;
        std::memcpy(&part, text.data() + at, sizeof part);
        if (part.part != next++ || part.whole != own[0].whole || part.step != own[0].step)
          throw std::runtime_error("strata: the processes do not fit together: this one computes step " +
                                   std::to_string(own[0].step) + " of " + std::to_string(own[0].whole) + " samples, rank " +
                                   std::to_string(rank) + " step " + std::to_string(part.step) + " of " +
                                   std::to_string(part.whole));
        all.loss += part.loss, all.correct += part.correct;
        if (part.finite == 0 && not_finite_ < 0) not_finite_ = rank;
      }
      ++rank;
    }
    all.finite = not_finite_ < 0;
    return all;
  }

  std::shared_ptr<Processes> processes_;
  std::span<T> state_;
  std::vector<T> before_, change_;
  GradientSum<T> sum_;
  TreeSum<T> tree_, state_tree_;
  int not_finite_ = -1;  // the first process whose loss was not finite
  bool pieces_ = false;
};

}  // namespace strata::inline STRATA_ABI::detail
