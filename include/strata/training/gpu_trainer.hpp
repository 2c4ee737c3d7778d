// SPDX-License-Identifier: BSL-1.0
// Training on a GPU: the whole step, from the images to the updated weights, is captured once for each size of batch and
// queued as one graph; the host prepares the next batches meanwhile and hears of a step's loss some steps later. The
// engine's System stands for CUDA, so that no CUDA header is needed to read this.
#pragma once
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/backend/cuda/augment.hpp>
#include <strata/backend/cuda/gpu_engine.hpp>
#include <strata/backend/cuda/losses.hpp>
#include <strata/backend/cuda/optimizers.hpp>
#include <strata/core/alignment.hpp>
#include <strata/data/batches.hpp>
#include <strata/training/trainer.hpp>

namespace strata {
namespace cuda {

template <class Loss, class R, class A>
void run_loss(R& run, int batch, int classes, const A* x, const int* labels, float* loss, A* gradient) {
  if constexpr (std::is_base_of_v<SoftmaxCrossEntropy, Loss>)
    softmax_cross_entropy(run, batch, classes, x, labels, loss, gradient);
  else if constexpr (std::is_base_of_v<NegativeLogLikelihood, Loss>)
    negative_log_likelihood(run, batch, classes, x, labels, loss, gradient);
  else if constexpr (std::is_base_of_v<CrossEntropy, Loss>)
    cross_entropy(run, batch, classes, x, labels, loss, gradient);
  else if constexpr (std::is_base_of_v<MeanSquaredError, Loss>)
    mean_squared_error(run, batch, classes, x, labels, loss, gradient);
  else if constexpr (std::is_base_of_v<SigmoidCrossEntropy, Loss>)
    sigmoid_cross_entropy(run, batch, classes, x, labels, loss, gradient);
  else
    static_assert(sizeof(Loss) == 0, "strata: this backend has no kernel for the loss");
}

// The score of a step to where the host reads it.
struct PublishScore {
  const StepScore* score;
  StepScore* board;  // of the host
  const StepNumbers* numbers;
  STRATA_HOST_DEVICE void operator()(std::int64_t) const { board[numbers->slot] = *score; }
};

// A batch as the data set holds it, and what is to become of it on the device.
template <class Pixel>
struct RawBatch {
  const BatchOf<Pixel>* batch;
  const Augment* augment;
  const Normalize* normalize;
  std::uint64_t seed;
};

// What becomes of staged pixels; mean and stddev on the device, or null.
struct ImageRecipe {
  bool bytes;  // or floats
  Augment augment;
  std::uint64_t seed;
  const float *mean, *stddev;
};

// Batches for a GPU: pixels are gathered in the background into memory that the device can read.
template <class Data, class System>
class RawBatches {
  using Source = Batches<Data, RawImages<System::template PinnedAllocator>>;

 public:
  RawBatches(const Data& data, BatchOptions options) : options_(std::move(options)), batches_(data, options_) {}
  [[nodiscard]] std::size_t steps() const noexcept { return batches_.steps(); }
  void start(std::uint64_t epoch, std::size_t first_step = 0) { batches_.start(epoch, first_step); }
  // Valid until the next call.
  const RawBatch<typename Source::Pixel>* next() {
    now_ = {batches_.next(), &options_.augment, &options_.normalize, options_.seed};
    return now_.batch ? &now_ : nullptr;
  }

 private:
  BatchOptions options_;
  Source batches_;
  RawBatch<typename Source::Pixel> now_{};
};

}  // namespace cuda

// As the Trainer of the CPU, for the same loops. learn() differs: it queues a step, and tells of an earlier one.
template <class Net, class Precision, template <class> class Engine_, class Mode, class Loss, class Optimizer_>
class Trainer<Model<Net, GpuOf<Precision, Engine_>, Mode>, Loss, Optimizer_> {
  static_assert(sizeof(detail::checked<void, Net, Loss>) != 0);
  using M = Model<Net, GpuOf<Precision, Engine_>, Mode>;
  using Engine = typename M::Engine;
  using System = typename Engine::System;
  using A = typename Precision::Activation;
  static constexpr bool learns = !std::is_same_v<Optimizer_, detail::NoOptimizer>;

 public:
  using T = float;
  static constexpr int classes = static_cast<int>(Net::output.size());
  static constexpr int slots = Optimizer_::slots;

  // The model must outlive the trainer. Throws std::invalid_argument for rates that cannot be meant, CudaError.
  Trainer(M& model, Loss, Optimizer_ optimizer)
      : model_(model),
        optimizer_(std::move(optimizer)),
        host_pool_(1),
        host_losses_(static_cast<std::size_t>(model.options().batch)) {
    optimizer_.validate();
    if constexpr (learns) {
      model_.engine().device().use();
      board_.resize(in_flight);
      lay_out();
    }
  }
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;
  ~Trainer() {
    if constexpr (learns) finish_quietly();
  }

  // images (N,H,W,C), labels (N) in [0, classes), on the host: forward, backward, update, and what came of it. Throws as
  // the CPU's, and CudaError.
  StepResult step(std::span<const float> images, std::span<const int> labels)
    requires learns
  {
    StepResult result;
    settle([](const StepResult&) {});
    if (images.empty() && labels.empty()) return result;
    Engine& engine = model_.engine();
    engine.device().use();
    const std::size_t one = static_cast<std::size_t>(Net::input.size()), n = images.size() / one;
    if (images.size() != n * one || n > static_cast<std::size_t>(model_.options().batch))
      throw std::invalid_argument("strata: " + std::to_string(images.size()) + " numbers are not up to " +
                                  std::to_string(model_.options().batch) + " images of " + std::to_string(one) +
                                  " numbers");
    detail::check_labels(labels, n, classes);
    engine.upload(images, 0);
    engine.device().copy_bytes(labels_, labels.data(), static_cast<std::int64_t>(labels.size_bytes()));
    stages_[static_cast<std::size_t>(queued_) % in_flight]->recipe.reset();
    set_numbers(0);
    queue(static_cast<int>(n), 0);
    settle([&](const StepResult& r) { result = r; });
    return result;
  }

  // What train() asks: a batch as it is in the data set. tell(StepResult) hears of the step in whose place this one stands,
  // in_flight steps ago; settle() waits for all. NotFiniteError comes as late, with the parameters from before its step.
  template <class Data>
  using Feed = cuda::RawBatches<Data, System>;
  template <class Pixel, class Tell>
  void learn(const cuda::RawBatch<Pixel>& raw, const Tell& tell)
    requires learns
  {
    Engine& engine = model_.engine();
    engine.device().use();
    Staged& staged = *stages_[static_cast<std::size_t>(queued_) % in_flight];
    hear(staged, tell);
    const BatchOf<Pixel>& b = *raw.batch;
    const std::int64_t n = b.size;
    detail::check_labels(b.labels, static_cast<std::size_t>(n), classes);
    // The copies go beside what is computed, and wait for nothing: whoever read this place last has been heard of.
    copies_->copy_bytes(staged.pixels, b.images.data(), b.images.size_bytes());
    copies_->copy_bytes(staged.labels, b.labels.data(), b.labels.size_bytes());
    copies_->copy_bytes(staged.indices, b.indices.data(), b.indices.size_bytes());
    staged.copied.record(copies_->get());
    if (normalized_.mean != raw.normalize->mean || normalized_.stddev != raw.normalize->stddev) normalize(*raw.normalize);
    staged.recipe = cuda::ImageRecipe{.bytes = std::is_same_v<Pixel, std::uint8_t>,
                                      .augment = *raw.augment,
                                      .seed = raw.seed,
                                      .mean = raw.normalize->mean.empty() ? nullptr : mean_,
                                      .stddev = raw.normalize->stddev.empty() ? nullptr : deviation_};
    staged.samples = b.size;
    staged.copied.hold(engine.device().stream());
    set_numbers(b.epoch);
    fill(staged);
    engine.device().copy_bytes(labels_, staged.labels, n * static_cast<std::int64_t>(sizeof(int)));
    queue(b.size, b.epoch);
    staged.copied.wait();  // the batch's buffer is its owner's again
  }
  template <class Tell>
  void settle(const Tell& tell) {
    if constexpr (learns)
      for (std::int64_t k = heard_; k < queued_; ++k) hear(*stages_[static_cast<std::size_t>(k) % in_flight], tell);
  }

  // As the CPU's. The loss is computed on the host, from the outputs.
  StepResult evaluate(std::span<const float> images, std::span<const int> labels, ConfusionTable* confusion = nullptr,
                      ConfidentMistakes* mistakes = nullptr, std::optional<std::uint64_t> draw = {}) {
    const std::span<const float> outputs = draw ? model_.predict_with_dropout(images, *draw) : model_.predict(images);
    const int n = static_cast<int>(outputs.size()) / classes;
    detail::check_labels(labels, static_cast<std::size_t>(n), classes);
    detail::run_loss(Loss{}, n, classes, outputs.data(), labels.data(), host_losses_.data(), static_cast<float*>(nullptr),
                     host_pool_);
    return detail::count<Loss>(outputs, labels, host_losses_, classes, confusion, mistakes);
  }

  // Queued so far; all of them done after settle().
  [[nodiscard]] std::int64_t updates() const { return updates_; }
  [[nodiscard]] const Optimizer_& optimizer() const { return optimizer_; }
  [[nodiscard]] M& model() { return model_; }
  // What the optimizer keeps, on the host, as of the last to_host(); slot in [0, slots).
  [[nodiscard]] std::span<float> memory(int slot) {
    return host_moments_[static_cast<std::size_t>(slot)].numbers(Net::parameters);
  }
  void clip_gradients(double norm) {
    detail::check_not_negative("the norm that gradients are clipped to", norm);
    if (norm != clip_norm_) graphs_.clear();
    clip_norm_ = norm;
  }
  // What is trained, for a RunKeeper: tensors on the host, which to_host() and from_host() exchange with the device's.
  [[nodiscard]] TrainingRun run() {
    return detail::training_run(model_, optimizer_, clip_norm_, [this](int slot) { return memory(slot); });
  }
  void continue_at(std::int64_t updates) { updates_ = updates; }
  void to_host() {
    const TensorRegions<float> r = model_.regions();
    model_.engine().open_tensors(r);
    for (int slot = 0; slot < slots; ++slot)
      host_moments_[static_cast<std::size_t>(slot)].download(model_.engine().device(), moments(slot), r.parameter_count,
                                                             r.filters);
  }
  void from_host() {
    const TensorRegions<float> r = model_.regions();
    model_.engine().close_tensors(r);
    for (int slot = 0; slot < slots; ++slot)
      host_moments_[static_cast<std::size_t>(slot)].upload(model_.engine().device(), moments(slot), r.parameter_count,
                                                           r.filters);
  }

  // A step of n images as it is queued from its second time on, for whoever measures it; null before. Launched by itself it
  // trains on the images that are there, with the numbers of the last step; settle() before and wait after.
  [[nodiscard]] const typename System::Graph* captured(int n) const {
    const auto found = graphs_.find(n);
    return found != graphs_.end() && found->second.graph ? &found->second.graph : nullptr;
  }

  // From now on each step adds its times to the profile, layer by layer: it waits after each, and nothing is captured.
  void watch(Profile* profile) {
    settle([](const StepResult&) {});
    model_.watch(profile);
    profile_ = profile;
    graphs_.clear();
    if (!profile) return;
    profile->rows.push_back({.name = "loss", .first = -1});
    profile->rows.push_back({.name = "update", .first = -1});
  }

 private:
  static constexpr int in_flight = 3;  // steps that are queued at once: one computed, one copied, one gathered

  struct Staged {
    std::byte* pixels = nullptr;
    int* labels = nullptr;
    std::uint32_t* indices = nullptr;
    typename System::Event copied, done;
    std::optional<cuda::ImageRecipe> recipe;  // of the engine's images; none where those came as they are
    std::int64_t update = -1;                 // that is to be heard of; -1: none
    int samples = 0;
    std::uint64_t epoch = 0;
  };
  struct Seen {
    bool once = false;
    typename System::Graph graph;
  };

  // One piece of memory for all that training keeps on the device.
  void lay_out() {
    using strata::detail::aligned;
    const auto batch = static_cast<std::int64_t>(model_.options().batch);
    std::int64_t bytes = 0;
    const auto place = [&](std::int64_t size) { return std::exchange(bytes, bytes + aligned(size)); };
    const std::int64_t numbers = aligned(Net::parameters * 4), channels = Net::input.channels;
    const std::int64_t moments_at = place(slots * numbers), labels = place(batch * 4), losses = place(batch * 4),
                       score = place(sizeof(cuda::StepScore)), halt = place(4), right = place(batch * 4),
                       clip = place(cuda::clip_by_norm_scratch(Net::parameters) * 8), mean = place(channels * 4),
                       stddev = place(channels * 4);
    std::array<std::array<std::int64_t, 3>, in_flight> staged{};
    for (auto& s : staged) s = {place(batch * Net::input.size() * 4), place(batch * 4), place(batch * 4)};
    memory_ = typename System::Memory(model_.engine().device(), bytes, "training");
    std::byte* base = memory_.get();
    moments_ = reinterpret_cast<float*>(base + moments_at);
    labels_ = reinterpret_cast<int*>(base + labels);
    losses_ = reinterpret_cast<float*>(base + losses);
    score_ = reinterpret_cast<cuda::StepScore*>(base + score);
    halt_ = reinterpret_cast<std::int32_t*>(base + halt);
    right_ = reinterpret_cast<std::int32_t*>(base + right);
    clip_ = reinterpret_cast<double*>(base + clip);
    mean_ = reinterpret_cast<float*>(base + mean);
    deviation_ = reinterpret_cast<float*>(base + stddev);
    copies_.emplace();
    for (std::size_t i = 0; i < in_flight; ++i) {
      stages_[i] = std::make_unique<Staged>();
      stages_[i]->pixels = base + staged[i][0];
      stages_[i]->labels = reinterpret_cast<int*>(base + staged[i][1]);
      stages_[i]->indices = reinterpret_cast<std::uint32_t*>(base + staged[i][2]);
    }
    model_.engine().finish();  // all of it is zero, also for the copies beside
  }
  [[nodiscard]] float* moments(int slot) const {
    return moments_ + slot * strata::detail::aligned(Net::parameters * 4) / 4;
  }
  void normalize(const Normalize& n) {
    auto& device = model_.engine().device();
    device.copy_bytes(mean_, n.mean.data(), static_cast<std::int64_t>(n.mean.size() * 4));
    device.copy_bytes(deviation_, n.stddev.data(), static_cast<std::int64_t>(n.stddev.size() * 4));
    normalized_ = n;
  }

  void set_numbers(std::uint64_t epoch) {
    cuda::StepNumbers numbers{.step = static_cast<std::uint64_t>(updates_),
                              .epoch = epoch,
                              .slot = static_cast<std::uint64_t>(queued_) % in_flight};
    numbers.update.rate = static_cast<float>(optimizer_.learning_rate(updates_));
    if constexpr (requires { optimizer_.beta2; }) {
      const double t = static_cast<double>(updates_ + 1);
      numbers.update.corrected =
          static_cast<float>(static_cast<double>(numbers.update.rate) * std::sqrt(1 - std::pow(optimizer_.beta2, t)) /
                             (1 - std::pow(optimizer_.beta1, t)));
    }
    model_.engine().set(numbers);
  }

  // What was staged becomes the engine's images.
  void fill(const Staged& staged) {
    const auto from = [&]<class Pixel>(const Pixel* pixels) {
      const auto& r = *staged.recipe;
      cuda::fill_images(model_.engine().device(), Net::input, staged.samples, r.augment, r.seed,
                        &model_.engine().numbers()->epoch, static_cast<const std::uint32_t*>(staged.indices), r.mean,
                        r.stddev, pixels, model_.engine().images());
    };
    staged.recipe->bytes ? from(reinterpret_cast<const std::uint8_t*>(staged.pixels))
                         : from(reinterpret_cast<const float*>(staged.pixels));
  }

  // Images and labels are in place.
  void queue(int n, std::uint64_t epoch) {
    auto& device = model_.engine().device();
    Staged& staged = *stages_[static_cast<std::size_t>(queued_) % in_flight];
    Seen& seen = graphs_[n];
    if (profile_ || !seen.once) {
      compute(n);  // the first of a size makes plans, which cannot be captured
      seen.once = true;
    } else {
      if (!seen.graph) seen.graph = typename System::Graph(device.stream(), [this, n] { compute(n); });
      seen.graph.launch(device.stream());
    }
    staged.done.record(device.stream());
    staged.update = updates_++;
    staged.samples = n;
    staged.epoch = epoch;
    ++queued_;
    if (profile_) ++profile_->steps, profile_->samples += n;
  }

  void compute(int n) {
    Engine& engine = model_.engine();
    auto& device = engine.device();
    const A* outputs = model_.run_on_engine(engine.images(), n, true, true, 0);
    {
      const Profile::Timer timer(profile_ ? &profile_->rows[profile_->rows.size() - 2].backward : nullptr);
      cuda::run_loss<Loss>(device, n, classes, outputs, static_cast<const int*>(labels_), losses_,
                           model_.output_gradient());
      cuda::score(device, n, classes, outputs, static_cast<const int*>(labels_), static_cast<const float*>(losses_), score_,
                  right_);
      cuda::halt_unless_finite(device, score_, halt_);
      if (profile_) engine.finish();
    }
    model_.backward();
    {
      const Profile::Timer timer(profile_ ? &profile_->rows.back().backward : nullptr);
      update();
      device(1, cuda::PublishScore{score_, board_.data(), engine.numbers()});
      if (profile_) engine.finish();
    }
  }

  void update() {
    Engine& engine = model_.engine();
    auto& device = engine.device();
    const auto n = static_cast<std::int64_t>(Net::parameters);
    float* w = model_.regions().parameters;
    float* g = model_.engine_gradients();
    const cuda::UpdateNumbers* numbers = &engine.numbers()->update;
    if (clip_norm_ > 0) cuda::clip_by_norm(device, n, clip_norm_, g, clip_);
    if constexpr (std::is_same_v<Optimizer_, SGD>) {
      cuda::sgd_update(device, n, numbers, halt_, static_cast<float>(optimizer_.momentum), optimizer_.nesterov,
                       static_cast<float>(optimizer_.weight_decay), w, g, moments(0), engine.weights_copy());
    } else {
      static_assert(std::is_same_v<Optimizer_, Adam> || std::is_same_v<Optimizer_, AdamW>,
                    "strata: this backend has no kernel for the optimizer");
      cuda::adam_update(device, n, numbers, halt_, static_cast<float>(optimizer_.beta1),
                        static_cast<float>(optimizer_.beta2), static_cast<float>(optimizer_.epsilon),
                        static_cast<float>(optimizer_.weight_decay), std::is_same_v<Optimizer_, AdamW>, w, g, moments(0),
                        moments(1), engine.weights_copy());
    }
  }

  // Waits for the step of that place, if it has not been heard of, and tells of it.
  template <class Tell>
  void hear(Staged& staged, const Tell& tell) {
    if (staged.update < 0) return;
    staged.done.wait();
    const cuda::StepScore score = board_[static_cast<std::size_t>(heard_) % in_flight];
    const std::int64_t update = std::exchange(staged.update, -1);
    ++heard_;
    if (score.finite == 0) fail(staged, update);
    tell(StepResult{score.loss, score.correct, staged.samples});
  }
  // The steps queued after this one learned nothing, since the device halts; BatchNorm's statistics have followed them.
  [[noreturn]] void fail(Staged& staged, std::int64_t update) {
    Engine& engine = model_.engine();
    engine.finish();
    engine.device().zero_bytes(halt_, sizeof *halt_);  // before anything that can throw
    for (auto& s : stages_) s->update = -1;
    heard_ = queued_;
    updates_ = update;
    engine.set({.step = static_cast<std::uint64_t>(update), .epoch = staged.epoch});
    if (staged.recipe) fill(staged);
    model_.run_on_engine(engine.images(), staged.samples, true, true, 0);  // a graph does not tell the model what it ran
    const LayerName first = model_.first_not_finite(true);
    throw NotFiniteError(update, first);
  }
  void finish_quietly() noexcept {
    try {
      model_.engine().finish();
    } catch (...) {  // the device's error was told, or nobody is left to hear
    }
  }

  M& model_;
  Optimizer_ optimizer_;
  ThreadPool host_pool_;
  std::vector<float> host_losses_;
  std::array<cuda::HostCopy, static_cast<std::size_t>(slots > 0 ? slots : 1)> host_moments_;
  std::vector<cuda::StepScore, typename System::template PinnedAllocator<cuda::StepScore>> board_;
  typename System::Memory memory_;
  float *moments_ = nullptr, *losses_ = nullptr, *mean_ = nullptr, *deviation_ = nullptr;
  int* labels_ = nullptr;
  cuda::StepScore* score_ = nullptr;
  std::int32_t *halt_ = nullptr, *right_ = nullptr;
  double* clip_ = nullptr;
  std::array<std::unique_ptr<Staged>, in_flight> stages_{};
  std::optional<typename System::CopyStream> copies_;
  Normalize normalized_{};  // what mean_ and deviation_ hold
  std::map<int, Seen> graphs_;
  std::int64_t queued_ = 0, heard_ = 0, updates_ = 0;
  double clip_norm_ = 0;
  Profile* profile_ = nullptr;
};

}  // namespace strata
