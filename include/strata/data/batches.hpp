// SPDX-License-Identifier: BSL-1.0
// Batches of a data set: shuffled, augmented and normalised by background threads, in a ring of buffers that is allocated
// once.
#pragma once
#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <mutex>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/data/augment.hpp>
#include <strata/data/dataset.hpp>
#include <strata/data/pixels.hpp>
#include <strata/data/targets.hpp>
#include <strata/util/no_copy.hpp>
#include <strata/util/random.hpp>
#include <strata/util/threads.hpp>

namespace strata {

struct BatchOptions {
  int batch = 32;
  std::uint64_t seed = 0;
  bool shuffle = false;
  Augment augment{};
  Normalize normalize{};
  int threads = 1;  // in the background; with 0, next() does the work. The batches are the same.
};

template <class Pixel>
struct BatchOf {
  int size = 0;                            // N
  std::span<const Pixel> images;           // (N,H,W,C)
  Targets targets;                         // (N, elements of one target)
  std::span<const std::uint32_t> indices;  // (N), the position of each sample in the data set
  std::uint64_t epoch = 0;
};
using Batch = BatchOf<float>;

// Images as float, augmented and normalised, in memory of this allocator.
template <template <class> class Allocator_>
struct ReadyImagesIn {
  static constexpr bool ready = true;
  template <class T>
  using Allocator = Allocator_<T>;
};
using ReadyImages = ReadyImagesIn<std::allocator>;
// Images as the data set holds them; the receiver augments and normalises them, as a GPU does.
template <template <class> class Allocator_>
struct RawImages {
  static constexpr bool ready = false;
  template <class T>
  using Allocator = Allocator_<T>;
};

// The batches of an epoch, then of the next. They depend on the seed, the epoch, the step and the options except `threads`.
// After fork() the child can use and destroy the Batches of its parent: next() continues where the parent was.
// To be used by one thread at a time, which calls start() and then next() until that returns null:
//   for (int epoch = 0; epoch < 10; ++epoch)
//     for (batches.start(epoch); const Batch* b = batches.next();) use(b->images, b->targets);
template <Dataset D, class Form = ReadyImages>
class Batches : NoCopy {
 public:
  using Pixel = std::conditional_t<Form::ready, float, detail::PixelOf<D>>;

  // Copies the data set. Throws std::invalid_argument for a batch below 1, threads below 0, options that Augment or
  // Normalize refuses, and transforms of raw images.
  Batches(const D& data, BatchOptions options) : data_(data), options_(std::move(options)), order_(data_.size()) {
    if (options_.batch < 1)
      throw std::invalid_argument("strata: batch " + std::to_string(options_.batch) + " is not at least 1");
    if (options_.threads < 0)
      throw std::invalid_argument("strata: threads " + std::to_string(options_.threads) + " is below 0");
    if (order_.size() > std::numeric_limits<std::uint32_t>::max())
      throw std::invalid_argument("strata: " + std::to_string(order_.size()) + " samples; at most 2^32 - 1 fit");
    options_.augment.validate(D::image);
    if (!Form::ready && options_.augment.needs_host())
      throw std::invalid_argument("strata: transforms change images on the host; take ReadyImagesIn, not RawImages");
    options_.normalize.validate(D::image.channels);
    const std::size_t largest = std::min(batch(), order_.size());
    const auto workers = static_cast<std::size_t>(options_.threads);
    // One that the caller reads, one that is ready, one for each worker.
    ring_.resize(workers == 0 ? 1 : workers + 2);
    for (Slot& slot : ring_)
      slot.images.resize(largest * one), slot.targets.resize(largest * elements), slot.indices.resize(largest);
    scratch_.resize(std::max<std::size_t>(workers, 1), std::vector<float>(one));
    threads_.reserve(workers);
  }
  ~Batches() { stop(); }

  // Steps in an epoch; the last may be smaller.
  [[nodiscard]] std::size_t steps() const noexcept { return (order_.size() + batch() - 1) / batch(); }

  // Begins an epoch, at `first_step` to resume one. Batches that were prepared before are dropped. Throws std::out_of_range
  // for a step that the epoch does not have, and std::system_error if the threads cannot be started.
  void start(std::uint64_t epoch, std::size_t first_step = 0) {
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

  // The next batch, valid until the next call; null at the end of the epoch. If preparing this step threw an exception,
  // rethrows it, each time next() is called. Throws std::logic_error before the first start.
  const BatchOf<Pixel>* next() {
    if (forks_ != detail::forks()) restart();
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

 private:
  static constexpr auto one = static_cast<std::size_t>(D::image.size());
  static constexpr std::size_t elements = detail::target_size<D>;
  using Element = detail::TargetElement<D>;
  static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

  struct Slot {
    std::vector<Pixel, typename Form::template Allocator<Pixel>> images;
    std::vector<Element, typename Form::template Allocator<Element>> targets;
    std::vector<std::uint32_t, typename Form::template Allocator<std::uint32_t>> indices;
    BatchOf<Pixel> batch;
    std::size_t step = none;   // the step that it holds
    std::exception_ptr error;  // set if preparing it failed
  };

  [[nodiscard]] std::size_t batch() const noexcept { return static_cast<std::size_t>(options_.batch); }

  void start_threads() {
    forks_ = detail::forks();
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
    if (forks_ != detail::forks()) return forget_threads();
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
    forks_ = detail::forks();
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
    const std::size_t first = step * batch(), n = std::min(batch(), order_.size() - first);
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t index = order_[first + i];
      fill_image(index, slot.images.data() + i * one, scratch.data());
      detail::copy_target(data_, index, slot.targets.data() + i * elements);
      slot.indices[i] = order_[first + i];
    }
    slot.batch = {static_cast<int>(n),
                  {slot.images.data(), n * one},
                  std::span<const Element>(slot.targets.data(), n * elements),
                  {slot.indices.data(), n},
                  epoch_};
  }

  void fill_image(std::size_t index, Pixel* to, [[maybe_unused]] float* scratch) const {
    const auto pixels = data_.pixels(index);
    if (pixels.size() != one)
      throw DataError("data set", static_cast<std::int64_t>(index), std::to_string(pixels.size()) + " pixels",
                      std::to_string(one));
    if constexpr (Form::ready)
      make_ready(index, pixels, to, scratch);
    else
      std::copy_n(pixels.data(), one, to);
  }

  template <class Pixels>
  void make_ready(std::size_t index, const Pixels& pixels, float* to, float* scratch) const {
    const detail::MovementRange range(options_.augment);
    const bool moves = range.any();
    float* plain = moves ? scratch : to;
    for (std::size_t p = 0; p < one; ++p) plain[p] = detail::unit_value(pixels[p]);
    if (moves) {
      const Random random(options_.seed, Purpose::augment, 0, epoch_);
      detail::move_image(D::image, detail::draw_movement(range, D::image, random, index), plain, to);
    }
    std::uint32_t which = 0;
    for (const ImageTransform& transform : options_.augment.transforms)
      transform(std::span<float>(to, one), D::image, detail::transform_random(options_.seed, epoch_, index, which++));
    const auto& [mean, stddev] = options_.normalize;
    if (!mean.empty() || !stddev.empty())
      normalize(to, mean.empty() ? nullptr : mean.data(), stddev.empty() ? nullptr : stddev.data());
  }

  static void normalize(float* image, const float* mean, const float* stddev) {
    constexpr int channels = D::image.channels;
    for (std::size_t p = 0; p < one; p += channels)
      for (int c = 0; c < channels; ++c) {
        float& x = image[p + static_cast<std::size_t>(c)];
        x = detail::normalized(x, mean, stddev, c);
      }
  }

  D data_;
  BatchOptions options_;
  std::vector<std::uint32_t> order_;
  std::vector<Slot> ring_;  // step s is in slot s modulo its size
  std::vector<std::vector<float>> scratch_;
  std::vector<std::thread> threads_;
  unsigned forks_ = detail::forks();  // when the threads were started
  std::uint64_t epoch_ = 0;

  std::mutex mutex_;  // guards the members below, and each slot's step and error
  std::condition_variable changed_;
  std::size_t claimed_ = 0, taken_ = 0;  // steps that threads have begun, steps that the caller has returned
  bool started_ = false, holding_ = false, quit_ = false;
};

}  // namespace strata
