// SPDX-License-Identifier: BSL-1.0
// Training steps on the processor: each is done when execute() returns.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/backend/cpu/cpu.hpp>
#include <strata/backend/cpu/losses.hpp>
#include <strata/backend/cpu/optimizers.hpp>
#include <strata/core/alignment.hpp>
#include <strata/core/linkage.hpp>
#include <strata/data/batches.hpp>
#include <strata/model/engine.hpp>
#include <strata/training/averages.hpp>
#include <strata/training/reducer.hpp>
#include <strata/training/right.hpp>
#include <strata/training/rows.hpp>
#include <strata/training/steps.hpp>
#include <strata/util/out_of_memory.hpp>
#include <strata/util/system.hpp>

namespace strata::inline STRATA_ABI {
namespace cpu {

template <class T>
class Steps : public GradientEngine<T> {
 public:
  static constexpr bool on_host = true;
  static constexpr int in_flight = 1;
  using Batch = strata::Batch;
  using Ring = strata::detail::BatchRing<ReadyImages, float>;
  template <class Data>
  using Feed = Batches<Data>;

  Steps(CpuEngine<T>& engine, const StepSizes& sizes)
      : pool_(engine.pool()),
        parameters_(sizes.parameters),
        image_(sizes.input.size()),
        target_(sizes.target),
        stride_(strata::detail::aligned(sizes.parameters * static_cast<std::int64_t>(sizeof(T))) /
                static_cast<std::int64_t>(sizeof(T))),
        values_(static_cast<std::size_t>(sizes.batch * sizes.rows)) {
    const auto n = static_cast<std::size_t>(sizes.slot_count * stride_);
    try {
      slots_.reserve(n);
    } catch (const std::bad_alloc&) {
      throw OutOfMemory(static_cast<std::int64_t>(n * sizeof(T)), "the memory of an optimizer");
    }
    strata::detail::os::prefer_large_pages(slots_.data(), n * sizeof(T));
    slots_.assign(n, T{0});
  }

  // Images and targets stay where the caller has them.
  void put(const StepNumber& number, std::span<const T> images, const void* targets) {
    now_ = FinishedStep{.number = number};
    all_images_ = images_ = images.data();
    all_targets_ = targets_ = targets;
    weight_ = 1;
  }
  // From now on the step works on the samples from `first` on. weight: of their mean loss in the batch of all processes.
  void take_part(std::int64_t first, double weight) {
    images_ = all_images_ + first * image_;
    static_assert(sizeof(int) == sizeof(float));
    targets_ = static_cast<const std::byte*>(all_targets_) + first * target_ * static_cast<std::int64_t>(sizeof(int));
    weight_ = weight;
  }
  [[nodiscard]] const FinishedStep& now() const { return now_; }
  // The results of all processes are in place of this one's.
  void put_results(int samples, const FinishedStep& all) {
    now_.samples = samples, now_.loss = all.loss, now_.correct = all.correct, now_.finite = all.finite;
  }
  void stage(const StepNumber& number, const Batch& batch, const void* targets)
    requires std::is_same_v<T, float>
  {
    put(number, batch.images, targets);
  }
  [[nodiscard]] const T* images() const { return images_; }
  [[nodiscard]] std::int64_t step() const { return now_.number.step; }
  void set_elements(const void*, std::int64_t) {}

  template <class Compute>
  void execute(int n, int /*phase*/, bool /*profiled*/, const Compute& compute) {
    now_.samples = n;
    pending_ = true;
    compute();
  }

  // The losses of n samples, and their gradient.
  template <TargetKind Kind, class Loss>
  void loss(const Loss& loss, int n, const strata::detail::RowsOfSample& rows, const T* outputs, T* gradient) {
    using Element = std::conditional_t<is_class(Kind), int, float>;
    const auto* targets = static_cast<const Element*>(targets_);
    run_any_loss(strata::detail::plain_loss(loss), n * rows.each, rows.width, rows.places, outputs, targets, values_.data(),
                 gradient, pool_);
    const FinishedStep sums = strata::detail::sums_of_rows<T>(rows, strata::detail::decision_threshold(loss), n, outputs,
                                                              targets_, static_cast<const T*>(values_.data()));
    now_.loss = sums.loss, now_.correct = sums.correct;
    now_.finite = std::isfinite(sums.loss);
    if (weight_ == 1) return;
    const std::int64_t count = n * rows.each * rows.width;
    for (std::int64_t i = 0; i < count; ++i) gradient[i] *= static_cast<T>(weight_);
  }
  // Whether the rest of the step must not happen.
  [[nodiscard]] bool halted() const { return !now_.finite || !now_.finite_gradients; }
  void clip(std::span<const strata::detail::ParameterRange> ranges, double limit, T* g) {
    now_.finite_gradients = clip_by_norm(ranges, limit, g, pool_);
  }
  template <class Element>
  void update(const Element& element, std::int64_t /*range*/, std::int64_t first, std::int64_t count, T* w, const T* g) {
    update_elements(element, count, w + first, g + first, slots_.empty() ? nullptr : slots_.data() + first, stride_, pool_);
  }
  void publish() {}

  [[nodiscard]] bool full() const { return pending_; }
  [[nodiscard]] bool pending() const { return pending_; }
  FinishedStep finish() {
    pending_ = false;
    return now_;
  }
  // Whether forward has to run again on the step's images before the model can say which layer failed.
  bool restage(const FinishedStep&) { return false; }

  [[nodiscard]] T* slot_data() { return slots_.data(); }
  [[nodiscard]] std::int64_t slot_stride() const { return stride_; }
  [[nodiscard]] std::span<T> memory(int slot) {
    return {slots_.data() + slot * stride_, static_cast<std::size_t>(parameters_)};
  }
  template <class Regions>
  void download(const Regions&) {}
  template <class Regions>
  void upload(const Regions&) {}
  void forget_captured() {}

  // --- The average of the weights: parameters, then state
  // Begins as what the regions hold.
  void start_average(const TensorRegions<T>& r) {
    average_.resize(static_cast<std::size_t>(r.parameter_count + r.state_count));
    each_region(r, [](T* now, T* average, std::int64_t n) { std::copy(now, now + n, average); });
  }
  void average(const AverageStep& a, const TensorRegions<T>& r) {
    if (halted()) return;
    const T take = static_cast<T>(1 - a.keep);
    each_region(r, [=](T* now, T* average, std::int64_t n) {
      // In this form an average of equal numbers is that number, bit for bit.
      for (std::int64_t i = 0; i < n; ++i) average[i] = take == T{1} ? now[i] : average[i] + take * (now[i] - average[i]);
      if (a.copy_back) std::copy(average, average + n, now);
    });
  }
  void exchange_average(const TensorRegions<T>& r) {
    each_region(r, [](T* now, T* average, std::int64_t n) { std::swap_ranges(now, now + n, average); });
  }
  [[nodiscard]] std::span<T> average_memory() { return average_; }

  // A loss of outputs on the host.
  template <class Loss, class Element>
  static void host_loss(CpuEngine<T>& engine, const Loss& loss, std::int64_t rows, int width, int places, const T* outputs,
                        const Element* targets, T* values) {
    run_any_loss(loss, rows, width, places, outputs, targets, values, static_cast<T*>(nullptr), engine.pool());
  }

  // --- GradientEngine
  // -----------------------------------------------------------------------------------------------------
  T* allocate(std::int64_t count) override { return kept_.emplace_back(static_cast<std::size_t>(count), T{0}).data(); }
  void scale_add(std::int64_t count, T a, const T* x, bool accumulate, T* y) override {
    for_chunks(
        count, pool_,
        [=](std::int64_t first, std::int64_t n) {
          for (std::int64_t i = first; i < first + n; ++i) y[i] = a * x[i] + (accumulate ? y[i] : T{0});
        },
        update_chunk);
  }

 protected:
  // The images of the whole step; images() begins at those of the part that is computed now.
  [[nodiscard]] const T* all_images() const { return all_images_; }

 private:
  // Calls f(values, their average, how many) for pieces of both regions, in threads.
  template <class F>
  void each_region(const TensorRegions<T>& r, F&& f) {
    const auto run = [&](T* now, T* average, std::int64_t count) {
      for_chunks(
          count, pool_, [&](std::int64_t first, std::int64_t n) { f(now + first, average + first, n); }, update_chunk);
    };
    run(r.parameters, average_.data(), r.parameter_count);
    run(r.state, average_.data() + r.parameter_count, r.state_count);
  }

  ThreadPool& pool_;
  std::int64_t parameters_, image_, target_, stride_;
  std::vector<T> values_;  // losses of a batch's rows
  std::vector<T> slots_;   // the optimizer's, one after the other
  std::vector<std::vector<T>> kept_;
  std::vector<T> average_;
  const T *images_ = nullptr, *all_images_ = nullptr;
  const void *targets_ = nullptr, *all_targets_ = nullptr;
  double weight_ = 1;
  FinishedStep now_{};
  bool pending_ = false;
};

}  // namespace cpu

template <class Scalar>
struct StepsOf<CpuOf<Scalar>> {
  using type = cpu::Steps<Scalar>;
};

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/backend/cpu/steps_impl.hpp>
#endif
