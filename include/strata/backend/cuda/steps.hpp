// SPDX-License-Identifier: BSL-1.0
// Training steps on a GPU: each, from images to updated weights, is captured once for each size of batch and then queued as
// one graph. The host prepares the next batches meanwhile and reads a step's loss some steps later. The engine's System
// stands for CUDA, so that this header needs no CUDA header.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/backend/cuda/augment.hpp>
#include <strata/backend/cuda/averages.hpp>
#include <strata/backend/cuda/backend.hpp>
#include <strata/backend/cuda/captured_steps.hpp>
#include <strata/backend/cuda/gpu_engine.hpp>
#include <strata/backend/cuda/losses.hpp>
#include <strata/backend/cuda/optimizers.hpp>
#include <strata/backend/cuda/staging.hpp>
#include <strata/backend/cuda/step_sums.hpp>
#include <strata/core/alignment.hpp>
#include <strata/core/linkage.hpp>
#include <strata/optimizers/parameter_groups.hpp>
#include <strata/training/reducer.hpp>
#include <strata/training/right.hpp>
#include <strata/training/rows.hpp>
#include <strata/training/steps.hpp>
#include <strata/training/train_core_impl.hpp>

namespace strata::inline STRATA_ABI {
namespace cuda {

namespace detail {
// Copies the score of a step to the host's memory.
struct PublishScore {
  const StepScore* score;
  StepScore* board;  // the host's
  const StepNumbers* numbers;
  STRATA_HOST_DEVICE void operator()(std::int64_t) const { board[numbers->slot] = *score; }
};
// The results of no samples.
struct NoSamples {
  StepScore* score;
  STRATA_HOST_DEVICE void operator()(std::int64_t) const { *score = StepScore{0, 0, 1}; }
};
}  // namespace detail

template <class Engine>
class Steps final : public GradientEngine<float> {
  using System = typename Engine::System;
  using A = typename Engine::Activation;

 public:
  static constexpr bool on_host = false;
  static constexpr int in_flight = 3;  // steps queued at once: one computes, one copies, one is gathered
  using Batch = StagedBatch;
  using Ring = DeviceRing<System>;
  using Sums = StepSums<System>;
  template <class Data>
  using Feed = DeviceBatches<Data, System>;

  // Throws CudaError if there is not enough memory.
  Steps(Engine& engine, const StepSizes& sizes)
      : engine_(engine), sizes_(sizes), host_slots_(static_cast<std::size_t>(sizes.slot_count)) {
    engine_.device().use();
    board_.resize(in_flight);
    staged_elements_.resize(static_cast<std::size_t>(in_flight * element_bytes()));
    lay_out();
  }
  ~Steps() override {
    try {
      engine_.finish();
    } catch (...) {  // an error of the device has been reported, or nobody is left to report it to
    }
  }

  // Images and targets of the host, to be used as they are.
  void put(const StepNumber& number, std::span<const float> images, const void* targets) {
    auto& device = engine_.device();
    device.use();
    engine_.upload(images, 0);
    const auto samples = static_cast<std::int64_t>(images.size()) / sizes_.input.size();
    device.copy_bytes(targets_, targets, samples * sizes_.target * target_bytes);
    Staged& staged = slot(queued_);
    staged.recipe.reset();
    set_number(staged, number);
  }
  // A batch of train(): copied beside the computation, then augmented and normalized on the device.
  void stage(const StepNumber& number, const StagedBatch& batch, const void* targets) {
    auto& device = engine_.device();
    device.use();
    Staged& staged = slot(queued_);
    const std::int64_t bytes = batch.size * sizes_.target * target_bytes;
    // Nothing to wait for: the step that read this slot last has finished.
    copies_->copy_bytes(staged.pixels, batch.pixels.data(), batch.pixels.size_bytes());
    copies_->copy_bytes(staged.targets, targets, static_cast<std::size_t>(bytes));
    copies_->copy_bytes(staged.indices, batch.indices.data(), batch.indices.size_bytes());
    staged.copied.record(copies_->get());
    const Normalize& normalize = batch.options->normalize;
    if (normalized_.mean != normalize.mean || normalized_.stddev != normalize.stddev) set_normalize(normalize);
    staged.recipe = Recipe{.samples = batch.size,
                           .bytes = batch.bytes,
                           .augment = batch.ready ? Augment{} : batch.options->augment,
                           .seed = batch.options->seed,
                           .mean = batch.ready || normalize.mean.empty() ? nullptr : mean_,
                           .stddev = batch.ready || normalize.stddev.empty() ? nullptr : stddev_};
    staged.copied.hold(device.stream());
    set_number(staged, number);
    fill(staged);
    device.copy_bytes(targets_, staged.targets, bytes);
    staged.copied.wait();  // from here on the batch's memory belongs to its owner again
  }
  [[nodiscard]] const A* images() const { return engine_.images(); }
  [[nodiscard]] std::int64_t step() const { return 0; }  // the engine's numbers tell it

  // The numbers of the update to come, one element for each range of parameters.
  void set_elements(const void* elements, std::int64_t bytes) {
    std::byte* staged = staged_elements_.data() + queued_ % in_flight * element_bytes();
    std::memcpy(staged, elements, static_cast<std::size_t>(bytes));
    engine_.device().copy_bytes(elements_, staged, bytes);
  }

  // From now on several processes compute each step together. Null: this one alone.
  void sum_by(std::shared_ptr<Processes> processes, const TensorRegions<float>& r) {
    forget_captured();
    engine_.device().use();
    if (processes) processes->device_sums()->connect();
    sums_ = processes ? std::make_unique<Sums>(engine_.device(), std::move(processes), r,
                                               typename Sums::Results{score_, halt_, engine_.numbers()})
                      : nullptr;
  }
  [[nodiscard]] Sums& sums() { return *sums_; }

  // Queues a step of n images, which may be a share of its batch. The second one of a size is captured.
  template <class Compute>
  void execute(int n, int phase, bool profiled, const Compute& compute) {
    captured_.run(engine_, batch_of(n), n, phase, profiled, compute);
    Staged& staged = slot(queued_);
    staged.done.record(engine_.device().stream());
    staged.step.samples = batch_of(n);
    ++queued_;
  }
  // The graph of a batch of n images, for whoever measures it; null before their second step. Launched by itself it trains
  // on the images that are there, with the numbers of the last step.
  [[nodiscard]] const typename System::Graph* captured(int n, int phase) const { return captured_.peek(n, phase); }
  void forget_captured() { captured_.forget(engine_); }

  // --- Parts of a step, queued
  template <TargetKind Kind, class Loss>
  void loss(const Loss& loss, int n, const strata::detail::RowsOfSample& rows, const A* outputs, A* gradient) {
    using Element = std::conditional_t<is_class(Kind), int, float>;
    auto& device = engine_.device();
    const auto* targets = reinterpret_cast<const Element*>(targets_);
    run_loss(device, strata::detail::plain_loss(loss), n * rows.each, rows.width, outputs, targets, values_, gradient,
             rows.places, batch_of(n) * rows.each);
    score<Kind>(device, n * rows.each, rows.width, strata::detail::decision_threshold(loss), outputs, targets,
                static_cast<const float*>(values_), score_, right_, rows.places);
    halt_unless_finite(device, score_, halt_);
  }
  // The same for a share without samples.
  void no_samples(float* gradients) {
    engine_.device().zero_bytes(gradients, sizes_.parameters * static_cast<std::int64_t>(sizeof(float)));
    engine_.device()(1, detail::NoSamples{score_});
  }
  // The host does not know the loss yet. Kernels that would change something do nothing once it is not finite.
  [[nodiscard]] static bool halted() { return false; }
  void clip(std::span<const strata::detail::ParameterRange> ranges, double limit, float* g) {
    std::int64_t first = -1, end = 0;  // one stretch, from the first parameter that is not frozen to the last
    for (const auto& range : ranges) {
      if (range.frozen) {
        engine_.device().zero_bytes(g + range.first, range.count * static_cast<std::int64_t>(sizeof(float)));
        continue;
      }
      if (first < 0) first = range.first;
      end = range.first + range.count;
    }
    if (first >= 0) clip_by_norm(engine_.device(), end - first, limit, g + first, clip_, halt_, &score_->finite);
  }
  template <class Element>
  void update(const Element&, std::int64_t range, std::int64_t first, std::int64_t count, float* w, const float* g) {
    A* copy = engine_.weights_copy();
    cuda::update(engine_.device(), count, reinterpret_cast<const Element*>(elements_) + range,
                 static_cast<const std::int32_t*>(halt_), w + first, g + first, slots_ + first, slot_stride(),
                 copy ? copy + first : nullptr);
  }
  void publish() { engine_.device()(1, detail::PublishScore{score_, board_.data(), engine_.numbers()}); }

  // --- Steps under way
  [[nodiscard]] bool full() const { return queued_ - finished_ >= in_flight; }
  [[nodiscard]] bool pending() const { return queued_ > finished_; }
  // Waits for the oldest. If its loss or its gradients are not finite, those queued after it are dropped: they changed
  // nothing.
  FinishedStep finish() {
    Staged& staged = slot(finished_);
    sums_ ? sums_->wait(staged.done) : staged.done.wait();
    const StepScore score = board_[static_cast<std::size_t>(finished_ % in_flight)];
    FinishedStep step = staged.step;
    step.loss = score.loss, step.correct = score.correct, step.finite = score.finite != 0;
    step.own_finite = score.own_finite != 0;
    step.finite_gradients = score.finite != gradients_not_finite;
    failed_ = finished_++;
    if (!step.finite || !step.finite_gradients) {
      engine_.finish();
      engine_.device().zero_bytes(halt_, sizeof *halt_);  // first: what follows may throw
      finished_ = queued_;
    }
    return step;
  }
  // Puts the images of the step that finish() returned last back in place: a graph does not tell the model what it ran.
  bool restage(const FinishedStep& step) {
    engine_.set(StepNumbers{.step = static_cast<std::uint64_t>(step.number.step), .epoch = step.number.epoch});
    if (const Staged& staged = slot(failed_); staged.recipe) fill(staged);
    return true;
  }

  // --- The optimizer's memory
  [[nodiscard]] float* slot_data() { return slots_; }
  [[nodiscard]] std::int64_t slot_stride() const {
    return strata::detail::aligned(sizes_.parameters * static_cast<std::int64_t>(sizeof(float))) /
           static_cast<std::int64_t>(sizeof(float));
  }
  [[nodiscard]] std::span<float> memory(int slot) {
    return host_slots_[static_cast<std::size_t>(slot)].numbers(sizes_.parameters);
  }
  void download(const TensorRegions<float>& r) {
    engine_.open_tensors(r);
    if (average_.memory()) average_.download(engine_.device(), r);
    for (int k = 0; k < sizes_.slot_count; ++k)
      host_slots_[static_cast<std::size_t>(k)].download(engine_.device(), slots_ + k * slot_stride(), r.parameter_count,
                                                        r.filters);
  }
  void upload(const TensorRegions<float>& r) {
    engine_.close_tensors(r);
    if (average_.memory()) average_.upload(engine_.device(), r);
    for (int k = 0; k < sizes_.slot_count; ++k)
      host_slots_[static_cast<std::size_t>(k)].upload(engine_.device(), slots_ + k * slot_stride(), r.parameter_count,
                                                      r.filters);
  }

  // --- The average of the weights: parameters, then state. Its work is queued behind the captured step.
  // Begins as what the regions hold.
  void start_average(const TensorRegions<float>& r) { average_.start(engine_.device(), r); }
  void average(const AverageStep& a, const TensorRegions<float>& r) {
    average_.average(engine_.device(), a, r, halt_, engine_.weights_copy());
  }
  void exchange_average(const TensorRegions<float>& r) {
    engine_.device().use();
    average_.exchange(engine_.device(), r, engine_.weights_copy());
    engine_.finish();
  }
  // On the host, as of the last download().
  [[nodiscard]] std::span<float> average_memory() { return average_.numbers(); }

  // A loss of outputs on the host, row by row.
  template <class Loss, class Element>
  static void host_loss(Engine&, const Loss& loss, std::int64_t rows, int width, int places, const float* outputs,
                        const Element* targets, float* values) {
    detail::LossOfRow<Loss, float, Element> row{loss, rows, width, outputs, targets, values, nullptr, places};
    for (std::int64_t i = 0; i < rows; ++i) row(i);
  }

  // --- GradientEngine
  float* allocate(std::int64_t count) override {
    auto& memory = kept_.emplace_back(engine_.device(), count * static_cast<std::int64_t>(sizeof(float)), "gradients");
    return reinterpret_cast<float*>(memory.get());
  }
  void scale_add(std::int64_t count, float a, const float* x, bool accumulate, float* y) override {
    engine_.device()(count, detail::ScaleAdd{a, x, accumulate, y});
  }
  [[nodiscard]] void* stream() override { return engine_.device().stream(); }

 private:
  static constexpr std::int64_t target_bytes = 4;  // of a class number and of a float
  static_assert(sizeof(int) == target_bytes && sizeof(float) == target_bytes);
  // How staged pixels become images. mean and stddev are on the device, or null.
  struct Recipe {
    int samples;
    bool bytes;
    Augment augment;
    std::uint64_t seed;
    const float *mean, *stddev;
  };
  struct Staged {
    std::byte* pixels = nullptr;
    std::byte* targets = nullptr;
    std::uint32_t* indices = nullptr;
    typename System::Event copied, done;
    std::optional<Recipe> recipe;  // none if the images came as they are
    FinishedStep step{};
  };
  // The samples of the batch in all processes, if n are this one's.
  [[nodiscard]] int batch_of(int n) const { return sums_ ? sums_->whole() : n; }
  [[nodiscard]] Staged& slot(std::int64_t step) const { return *stages_[static_cast<std::size_t>(step % in_flight)]; }
  [[nodiscard]] std::int64_t element_bytes() const { return strata::detail::aligned(sizes_.ranges * sizes_.element_bytes); }
  void set_number(Staged& staged, const StepNumber& number) {
    staged.step = FinishedStep{.number = number};
    engine_.set(StepNumbers{.step = static_cast<std::uint64_t>(number.step),
                            .epoch = number.epoch,
                            .slot = static_cast<std::uint64_t>(queued_ % in_flight)});
  }

  // One allocation for everything that training keeps on the device.
  void lay_out() {
    using strata::detail::aligned;
    const std::int64_t batch = sizes_.batch, rows = batch * sizes_.rows, channels = sizes_.input.channels;
    for (auto& stage : stages_) stage = std::make_unique<Staged>();
    std::byte* base = nullptr;
    std::int64_t bytes = 0;
    const auto place = [&]<class T>(T*& part, std::int64_t size) {
      if (base) part = reinterpret_cast<T*>(base + bytes);
      bytes += aligned(size);
    };
    const auto place_all = [&] {
      place(slots_, sizes_.slot_count * slot_stride() * 4), place(targets_, batch * sizes_.target * 4);
      place(values_, rows * 4), place(score_, sizeof(StepScore)), place(halt_, 4), place(right_, rows * 4);
      place(clip_, clip_by_norm_scratch(sizes_.parameters) * 8), place(elements_, element_bytes());
      place(mean_, channels * 4), place(stddev_, channels * 4);
      for (const auto& stage : stages_) {
        place(stage->pixels, batch * sizes_.input.size() * 4);
        place(stage->targets, batch * sizes_.target * 4), place(stage->indices, batch * 4);
      }
    };
    place_all();  // only counts the bytes
    memory_ = typename System::Memory(engine_.device(), std::exchange(bytes, 0), "training");
    base = memory_.get();
    place_all();
    copies_.emplace();
    engine_.finish();  // all of it is zero, also for the copies beside
  }
  void set_normalize(const Normalize& n) {
    auto& device = engine_.device();
    device.copy_bytes(mean_, n.mean.data(), static_cast<std::int64_t>(n.mean.size() * sizeof(float)));
    device.copy_bytes(stddev_, n.stddev.data(), static_cast<std::int64_t>(n.stddev.size() * sizeof(float)));
    normalized_ = n;
  }
  // Staged pixels become the engine's images.
  void fill(const Staged& staged) {
    const Recipe& r = *staged.recipe;
    const auto from = [&]<class Pixel>(const Pixel* pixels) {
      fill_images(engine_.device(), sizes_.input, r.samples, r.augment, r.seed, &engine_.numbers()->epoch,
                  static_cast<const std::uint32_t*>(staged.indices), r.mean, r.stddev, pixels, engine_.images());
    };
    r.bytes ? from(reinterpret_cast<const std::uint8_t*>(staged.pixels))
            : from(reinterpret_cast<const float*>(staged.pixels));
  }

  Engine& engine_;
  StepSizes sizes_;
  std::vector<HostCopy> host_slots_;
  std::vector<StepScore, typename System::template PinnedAllocator<StepScore>> board_;
  std::vector<std::byte, typename System::template PinnedAllocator<std::byte>> staged_elements_;
  typename System::Memory memory_;
  std::vector<typename System::Memory> kept_;
  WeightAverage<System> average_;
  float *slots_ = nullptr, *values_ = nullptr, *mean_ = nullptr, *stddev_ = nullptr;
  std::byte *targets_ = nullptr, *elements_ = nullptr;
  StepScore* score_ = nullptr;
  std::int32_t *halt_ = nullptr, *right_ = nullptr;
  double* clip_ = nullptr;
  std::array<std::unique_ptr<Staged>, in_flight> stages_{};
  std::optional<typename System::CopyStream> copies_;
  Normalize normalized_{};      // the content of mean_ and stddev_
  std::unique_ptr<Sums> sums_;  // null: one process; outlives the graphs, which refer to it
  CapturedSteps<System> captured_;
  std::int64_t queued_ = 0, finished_ = 0, failed_ = 0;
};

}  // namespace cuda

template <class Precision, template <class> class Engine_>
struct StepsOf<GpuOf<Precision, Engine_>> {
  using type = cuda::Steps<Engine_<Precision>>;
};

}  // namespace strata::inline STRATA_ABI
