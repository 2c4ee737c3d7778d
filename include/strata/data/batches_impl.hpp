// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <algorithm>
#include <condition_variable>
#include <exception>
#include <limits>
#include <memory>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/data/batches.hpp>
#include <strata/data/mix.hpp>
#include <strata/util/fork.hpp>
#include <strata/util/random.hpp>
#include <strata/util/threads.hpp>

namespace strata::inline STRATA_ABI::detail {

template <class Form, class Pixel>
struct BatchRing<Form, Pixel>::State : NoCopy {
  State(std::shared_ptr<const BatchSource<Pixel>> source, BatchOptions options)
      : source_(std::move(source)), options_(std::move(options)), order_(source_->size()) {
    if (options_.batch < 1)
      throw std::invalid_argument("strata: batch " + std::to_string(options_.batch) + " is not at least 1");
    if (options_.threads < 0)
      throw std::invalid_argument("strata: threads " + std::to_string(options_.threads) + " is below 0");
    const BatchShare& share = options_.share;
    if (share.first < 0 || share.first >= share.last || share.last > share.parts)
      throw std::invalid_argument("strata: the parts " + std::to_string(share.first) + " to " + std::to_string(share.last) +
                                  " of " + std::to_string(share.parts) +
                                  " are not a share of a batch; expected 0 <= first < last <= parts");
    if (options_.stride < 1 || options_.offset < 0 || options_.offset >= options_.stride)
      throw std::invalid_argument("strata: batch " + std::to_string(options_.offset) + " and every " +
                                  std::to_string(options_.stride) +
                                  " after it are not a selection of batches; expected 0 <= offset < stride");
    if (order_.size() > std::numeric_limits<std::uint32_t>::max())
      throw std::invalid_argument("strata: " + std::to_string(order_.size()) + " samples; at most 2^32 - 1 fit");
    options_.augment.validate(source_->image());
    if (!Form::ready && options_.augment.needs_host())
      throw std::invalid_argument("strata: transforms change images on the host; take ReadyImagesIn, not RawImages");
    check_mixable(options_.augment, source_->kind());
    options_.normalize.validate(source_->image().channels);
    // A share of a smaller batch may be larger by one sample only if the batch is not divided evenly.
    const std::size_t most = std::min(batch(), order_.size()), parts = static_cast<std::size_t>(share.last - share.first);
    const std::size_t largest =
        share.whole() ? most : std::min(most, (most * parts) / static_cast<std::size_t>(share.parts) + 1);
    const auto workers = static_cast<std::size_t>(options_.threads);
    // One that the caller reads, one that is ready, one for each worker.
    ring_.resize(workers == 0 ? 1 : workers + 2);
    for (Slot& slot : ring_) {
      slot.images.resize(largest * one()), slot.indices.resize(largest);
      slot.classes.resize(source_->classes() ? largest * source_->elements() : 0);
      slot.values.resize(source_->classes() ? 0 : largest * source_->elements());
    }
    scratch_.resize(std::max<std::size_t>(workers, 1), std::vector<float>(one() + source_->elements()));
    threads_.reserve(workers);
  }
  ~State() { stop(); }

  [[nodiscard]] std::size_t steps() const noexcept {
    const std::size_t all = (order_.size() + (options_.drop_last ? 0 : batch() - 1)) / batch();
    const auto stride = static_cast<std::size_t>(options_.stride), offset = static_cast<std::size_t>(options_.offset);
    return all > offset ? (all - offset + stride - 1) / stride : 0;
  }

  void start(std::uint64_t epoch, std::size_t first_step) {
    if (first_step > steps())
      throw std::out_of_range("strata: step " + std::to_string(first_step) + " of an epoch of " + std::to_string(steps()));
    stop();
    epoch_ = epoch;
    std::iota(order_.begin(), order_.end(), std::uint32_t{0});
    if (options_.shuffle) {  // Fisher, Yates
      const Random random(options_.seed, Purpose::shuffle, 0, epoch);
      for (std::size_t i = order_.size(); i > 1; --i)
        std::swap(order_[i - 1], order_[random.below(static_cast<std::uint32_t>(i), i)]);
    }
    claimed_ = taken_ = first_step;
    for (Slot& slot : ring_) slot.step = none, slot.error = nullptr;
    holding_ = quit_ = false;
    started_ = true;
    start_threads();
  }

  const BatchOf<Pixel>* next() {
    if (forks_ != forks()) restart();
    std::unique_lock<std::mutex> lock(mutex_);
    if (!started_) throw std::logic_error("strata: Batches::next before Batches::start");
    if (holding_) {
      ++taken_;
      holding_ = false;
      changed_.notify_all();
    }
    if (taken_ >= steps()) return nullptr;
    Slot& slot = ring_[taken_ % ring_.size()];
    if (options_.threads == 0)
      fill(slot, taken_, scratch_[0]);
    else
      changed_.wait(lock, [&] { return slot.step == taken_; });
    if (slot.error) std::rethrow_exception(slot.error);
    holding_ = true;
    return &slot.batch;
  }

  static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

  struct Slot {
    std::vector<Pixel, typename Form::template Allocator<Pixel>> images;
    std::vector<int, typename Form::template Allocator<int>> classes;     // of one kind of target
    std::vector<float, typename Form::template Allocator<float>> values;  // of the others
    std::vector<std::uint32_t, typename Form::template Allocator<std::uint32_t>> indices;
    BatchOf<Pixel> batch;
    std::size_t step = none;   // the step that it holds
    std::exception_ptr error;  // set if preparing it failed
  };

  [[nodiscard]] std::size_t batch() const noexcept { return static_cast<std::size_t>(options_.batch); }
  [[nodiscard]] std::size_t one() const noexcept { return static_cast<std::size_t>(source_->image().size()); }

  void start_threads() {
    forks_ = forks();
    if (claimed_ >= steps()) return;
    try {
      detail::start_threads(threads_, options_.threads, 0, [this](int i) { work(scratch_[static_cast<std::size_t>(i)]); });
    } catch (...) {
      stop();
      started_ = false;
      throw;
    }
  }

  void stop() {
    if (forks_ != forks()) return forget_threads();
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      quit_ = true;
      changed_.notify_all();
    }
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  // In a child after fork(): the threads are the parent's. One may have held the mutex, and those that wait keep the
  // condition from being destroyed, so new ones take their places.
  void forget_threads() {
    detail::forget_threads(threads_);
    std::construct_at(&mutex_);
    std::construct_at(&changed_);
    forks_ = forks();
  }
  // In a child: prepares the steps that the caller has not had, again.
  void restart() {
    forget_threads();
    claimed_ = taken_ + (holding_ ? 1 : 0);
    for (Slot& slot : ring_)
      if (!holding_ || slot.step != taken_) slot.step = none, slot.error = nullptr;
    if (started_) start_threads();
  }

  // A thread claims the next step, waits until that step's slot is free, and fills it.
  void work(std::vector<float>& scratch) {
    std::unique_lock<std::mutex> lock(mutex_);
    while (claimed_ < steps()) {
      const std::size_t step = claimed_++;
      changed_.wait(lock, [&] { return quit_ || step < taken_ + ring_.size(); });
      if (quit_) return;
      Slot& slot = ring_[step % ring_.size()];
      lock.unlock();
      std::exception_ptr error;
      try {
        fill(slot, step, scratch);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      slot.error = std::move(error);
      slot.step = step;
      changed_.notify_all();
    }
  }

  void fill(Slot& slot, std::size_t step, std::vector<float>& scratch) const {
    const std::size_t number = step * static_cast<std::size_t>(options_.stride) + static_cast<std::size_t>(options_.offset);
    const std::size_t start = number * batch(), whole = std::min(batch(), order_.size() - start);
    const auto begin = static_cast<std::size_t>(options_.share.begin(static_cast<std::int64_t>(whole)));
    const auto n = static_cast<std::size_t>(options_.share.size(static_cast<std::int64_t>(whole))), first = start + begin;
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t index = order_[first + i];
      fill_image(index, slot.images.data() + i * one(), scratch.data());
      if (source_->classes())
        source_->copy_classes(index, slot.classes.data() + i * source_->elements());
      else
        source_->copy_values(index, slot.values.data() + i * source_->elements());
      slot.indices[i] = order_[first + i];
    }
    if constexpr (Form::ready)
      if (options_.augment.mixes() && n > 0) mix(slot, n, order_[start + (begin > 0 ? begin : whole) - 1], scratch);
    slot.batch = BatchOf<Pixel>{.size = static_cast<int>(n),
                                .images = {slot.images.data(), n * one()},
                                .targets = {},
                                .indices = {slot.indices.data(), n},
                                .epoch = epoch_,
                                .first = static_cast<int>(begin),
                                .whole = static_cast<int>(whole)};
    if (source_->classes())
      slot.batch.targets = std::span<const int>(slot.classes.data(), n * source_->elements());
    else
      slot.batch.targets = std::span<const float>(slot.values.data(), n * source_->elements());
  }

  // Backwards, so that each partner is still as it was. The first one's partner, the image before it in the whole batch, is
  // kept in `scratch`.
  void mix(Slot& slot, std::size_t n, std::size_t before, std::vector<float>& scratch) const
    requires(Form::ready)
  {
    const std::size_t each = source_->elements();
    float* const images = slot.images.data();
    float* const targets = slot.values.data();
    if (options_.share.whole()) {
      std::copy_n(images + (n - 1) * one(), one(), scratch.data());
      std::copy_n(targets + (n - 1) * each, each, scratch.data() + one());
    } else {
      std::vector<float> moved(one());
      fill_image(before, scratch.data(), moved.data());
      source_->copy_values(before, scratch.data() + one());
    }
    for (std::size_t i = n; i-- > 0;) {
      const Mixture m = draw_mixture(options_.augment, source_->image(),
                                     transform_random(options_.seed, epoch_, slot.indices[i], mix_numbers));
      const float* partner = i == 0 ? scratch.data() + one() : targets + (i - 1) * each;
      mix_images(source_->image(), m, i == 0 ? scratch.data() : images + (i - 1) * one(), images + i * one());
      mix_targets(m, {partner, each}, targets + i * each);
    }
  }

  void fill_image(std::size_t index, Pixel* to, [[maybe_unused]] float* scratch) const {
    const Random varied = transform_random(options_.seed, epoch_, index, load_numbers);
    if constexpr (Form::ready) {
      const MovementRange range(options_.augment);
      const bool moves = range.any();
      source_->copy_pixels(index, varied, moves ? scratch : to);
      if (moves) {
        const Shape image = source_->image();
        move_image(image, draw_movement(range, image, options_.seed, epoch_, index), scratch, to);
      }
      std::uint32_t which = 0;
      for (const ImageTransform& transform : options_.augment.transforms)
        transform(std::span<float>(to, one()), source_->image(), transform_random(options_.seed, epoch_, index, which++));
      const auto& [mean, stddev] = options_.normalize;
      if (!mean.empty() || !stddev.empty())
        normalize(to, mean.empty() ? nullptr : mean.data(), stddev.empty() ? nullptr : stddev.data());
    } else {
      source_->copy_pixels(index, varied, to);
    }
  }

  void normalize(float* image, const float* mean, const float* stddev) const {
    const int channels = source_->image().channels;
    for (std::size_t p = 0; p < one(); p += static_cast<std::size_t>(channels))
      for (int c = 0; c < channels; ++c) {
        float& x = image[p + static_cast<std::size_t>(c)];
        x = normalized(x, mean, stddev, c);
      }
  }

  std::shared_ptr<const BatchSource<Pixel>> source_;
  BatchOptions options_;
  std::vector<std::uint32_t> order_;
  std::vector<Slot> ring_;  // step s is in slot s modulo its size
  std::vector<std::vector<float>> scratch_;
  std::vector<std::thread> threads_;
  unsigned forks_ = forks();  // when the threads were started
  std::uint64_t epoch_ = 0;

  std::mutex mutex_;  // guards the members below, and each slot's step and error
  std::condition_variable changed_;
  std::size_t claimed_ = 0, taken_ = 0;  // steps that threads have begun, steps that the caller has returned
  bool started_ = false, holding_ = false, quit_ = false;
};

template <class Form, class Pixel>
BatchRing<Form, Pixel>::BatchRing(std::shared_ptr<const BatchSource<Pixel>> source, BatchOptions options)
    : state_(std::make_unique<State>(std::move(source), std::move(options))) {}
template <class Form, class Pixel>
BatchRing<Form, Pixel>::~BatchRing() = default;
template <class Form, class Pixel>
std::size_t BatchRing<Form, Pixel>::steps() const noexcept {
  return state_->steps();
}
template <class Form, class Pixel>
void BatchRing<Form, Pixel>::start(std::uint64_t epoch, std::size_t first_step) {
  state_->start(epoch, first_step);
}
template <class Form, class Pixel>
const BatchOf<Pixel>* BatchRing<Form, Pixel>::next() {
  return state_->next();
}

#if defined(STRATA_COMPILED)
template class BatchRing<ReadyImages, float>;
template class BatchRing<RawImages<std::allocator>, float>;
template class BatchRing<RawImages<std::allocator>, std::uint8_t>;
#endif

}  // namespace strata::inline STRATA_ABI::detail
