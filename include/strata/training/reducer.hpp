// SPDX-License-Identifier: BSL-1.0
// Reducers stand between the gradients of a step and the update: accumulation over steps, sums over processes.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/util/no_copy.hpp>

namespace strata::inline STRATA_ABI {

// Gradients where the backend has them, and what may be done to them there. On a GPU all of it is queued.
template <class T>
class GradientEngine : public Interface {
 public:
  // Zeros, which live as long as the trainer: a reducer that goes to another trainer allocates anew.
  virtual T* allocate(std::int64_t count) = 0;
  // y = a * x + (accumulate ? y : 0)
  virtual void scale_add(std::int64_t count, T a, const T* x, bool accumulate, T* y) = 0;
  // The queue that work on gradients belongs to: a cudaStream_t, or null where nothing is queued.
  [[nodiscard]] virtual void* stream() { return nullptr; }
};

// A trainer calls attach() when it is given the reducer, and for each step: phase(); ready() for buckets of gradients as
// they become final, the last layers' first; reduce() when all are; advance(). On a GPU the calls of ready() and reduce()
// are captured once for each phase and batch size and then replayed, so they must depend on the phase alone. With several
// processes a reducer gets gradients that are summed over all of them already, and ready() is not called.
template <class T>
class Reducer : public Interface {
 public:
  // Begins anew with a trainer: what another trainer's engine allocated is gone or will go with it.
  virtual void attach(GradientEngine<T>&) {}
  // Which kind of step comes next.
  [[nodiscard]] virtual int phase() const { return 0; }
  // Whether parameters are updated after a step of this phase.
  [[nodiscard]] virtual bool updates(int /*phase*/) const { return true; }
  virtual void ready(GradientEngine<T>&, int /*phase*/, T* /*gradients*/, std::int64_t /*count*/) {}
  virtual void reduce(GradientEngine<T>& engine, int phase, T* gradients, std::int64_t count) = 0;
  virtual void advance() {}
  // Whether reduce() is linear. If it is, sums over processes may be taken after it, and only in steps that update.
  [[nodiscard]] virtual bool linear() const { return false; }
  // The next step is this one of an epoch, from 0: train() says it when it begins an epoch or resumes in one.
  virtual void start(std::int64_t /*step*/) {}
  // For the record of a run.
  [[nodiscard]] virtual std::string describe() const = 0;
};

// Updates after every `steps` batches, by the mean of their gradients: the update of one batch that many times as large, if
// all batches have the same size. With `epoch`, the number of batches in an epoch, the last update of an epoch follows its
// last batch, by the mean of those that are left. BatchNorm normalizes by each batch alone, and its running statistics
// follow each; dropout draws for each batch anew.
template <class T = float>
class Accumulate final : public Reducer<T> {
 public:
  // Throws std::invalid_argument for less than one step.
  explicit Accumulate(int steps, std::int64_t epoch = 0) : steps_(steps), epoch_(epoch) {
    if (steps < 1)
      throw std::invalid_argument("strata: gradients are accumulated over " + std::to_string(steps) +
                                  " steps; expected at least 1");
  }
  [[nodiscard]] bool linear() const override { return true; }
  void attach(GradientEngine<T>&) override { done_ = 0, at_ = 0, sum_ = nullptr; }
  // 0: an update of one batch; 1: the first of several; 2: neither first nor last; 1 + n: the last of n.
  [[nodiscard]] int phase() const override {
    const bool last = done_ + 1 == steps_ || at_ + 1 == epoch_;
    return last ? done_ == 0 ? 0 : 2 + done_ : done_ == 0 ? 1 : 2;
  }
  [[nodiscard]] bool updates(int phase) const override { return phase == 0 || phase > 2; }
  void reduce(GradientEngine<T>& engine, int phase, T* gradients, std::int64_t count) override {
    if (phase == 0) return;
    if (!sum_) sum_ = engine.allocate(count);
    engine.scale_add(count, T{1}, gradients, phase != 1, sum_);
    if (phase > 2) engine.scale_add(count, T{1} / static_cast<T>(phase - 1), sum_, false, gradients);
  }
  void advance() override {
    done_ = updates(phase()) ? 0 : done_ + 1;
    if (++at_ == epoch_) at_ = 0;
  }
  // Without `epoch`, what is left of an epoch goes on in the next.
  void start(std::int64_t step) override {
    if (epoch_ > 0) at_ = step, done_ = static_cast<int>(step % steps_);
  }
  [[nodiscard]] std::string describe() const override { return "Accumulate{steps " + std::to_string(steps_) + "}"; }

 private:
  int steps_, done_ = 0;
  std::int64_t epoch_, at_ = 0;  // steps of the epoch, and those done
  T* sum_ = nullptr;
};

}  // namespace strata::inline STRATA_ABI
