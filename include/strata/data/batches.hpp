// SPDX-License-Identifier: BSL-1.0
// Batches of a data set: shuffled, augmented and normalised by a thread in the background, into a ring of buffers that are
// allocated once.
#pragma once
#include <array>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <numeric>
#include <span>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <vector>

#include <strata/core/random.hpp>
#include <strata/data/augment.hpp>
#include <strata/data/dataset.hpp>

namespace strata {

struct BatchOptions {
  int batch = 32;
  std::uint64_t seed = 0;
  bool shuffle = false;
  Augment augment{};
  Normalize normalize{};
};

struct Batch {
  std::span<const float> images;  // (N,H,W,C)
  std::span<const int> labels;    // (N)
};

// What comes is a function of (seed, epoch, step). The data set is copied, which is cheap for those of this library.
template <Dataset D>
class Batches {
 public:
  // Throws std::invalid_argument for a batch below 1 or a normalisation that does not fit the channels.
  Batches(const D& data, BatchOptions options) : data_(data), options_(std::move(options)), order_(data.size()) {
    if (options_.batch < 1)
      throw std::invalid_argument("strata: batch " + std::to_string(options_.batch) + " is not at least 1");
    for (const auto* v : {&options_.normalize.mean, &options_.normalize.deviation})
      if (!v->empty() && v->size() != static_cast<std::size_t>(D::image.channels))
        throw std::invalid_argument("strata: normalisation has " + std::to_string(v->size()) + " numbers for " +
                                    std::to_string(D::image.channels) + " channels");
    const auto n = static_cast<std::size_t>(options_.batch);
    for (Slot& s : ring_) s.images.resize(n * one), s.labels.resize(n);
    original_.resize(one);
  }
  Batches(const Batches&) = delete;
  Batches& operator=(const Batches&) = delete;
  ~Batches() { stop(); }

  // Steps in an epoch; the last may be smaller.
  [[nodiscard]] std::size_t steps() const {
    const auto n = static_cast<std::size_t>(options_.batch);
    return (data_.size() + n - 1) / n;
  }

  // Begins an epoch, from a step on; what was under way is dropped.
  void start(std::uint64_t epoch, std::size_t first_step = 0) {
    stop();
    epoch_ = epoch;
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    if (options_.shuffle) {  // Fisher, Yates
      const Random random(options_.seed, Purpose::shuffle, 0, epoch);
      for (std::size_t i = order_.size(); i > 1; --i)
        std::swap(order_[i - 1], order_[random.below(static_cast<std::uint32_t>(i), i)]);
    }
    filled_ = taken_ = first_step;
    holding_ = quit_ = false;
    error_ = nullptr;
    thread_ = std::thread([this] { fill(); });
  }

  // The next batch, valid until the next call; null at the end. Rethrows what went wrong in the background.
  const Batch* next() {
    std::unique_lock<std::mutex> lock(mutex_);
    if (holding_) ++taken_, holding_ = false, changed_.notify_all();
    if (taken_ >= steps()) return nullptr;
    changed_.wait(lock, [this] { return filled_ > taken_ || error_; });
    if (filled_ <= taken_) std::rethrow_exception(error_);
    holding_ = true;
    return &ring_[taken_ % ring_.size()].batch;
  }

 private:
  static constexpr auto one = static_cast<std::size_t>(D::image.size());
  struct Slot {
    std::vector<float> images;
    std::vector<int> labels;
    Batch batch;
  };

  void stop() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      quit_ = true;
      changed_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
  }

  void fill() {
    try {
      for (std::size_t step = filled_; step < steps(); ++step) {
        {
          std::unique_lock<std::mutex> lock(mutex_);
          changed_.wait(lock, [&] { return quit_ || step < taken_ + ring_.size(); });
          if (quit_) return;
        }
        fill_slot(step);
        const std::lock_guard<std::mutex> lock(mutex_);
        filled_ = step + 1;
        changed_.notify_all();
      }
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex_);
      error_ = std::current_exception();
      changed_.notify_all();
    }
  }

  void fill_slot(std::size_t step) {
    Slot& slot = ring_[step % ring_.size()];
    const std::size_t first = step * static_cast<std::size_t>(options_.batch);
    const std::size_t n = std::min(static_cast<std::size_t>(options_.batch), data_.size() - first);
    const Random random(options_.seed, Purpose::augment, 0, epoch_);
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t index = order_[first + i];
      float* to = slot.images.data() + i * one;
      float* plain = options_.augment.any() ? original_.data() : to;
      const auto pixels = data_.pixels(index);
      constexpr bool bytes = sizeof(*pixels.data()) == 1;
      for (std::size_t p = 0; p < one; ++p) plain[p] = static_cast<float>(pixels[p]) * (bytes ? 1.f / 255.f : 1.f);
      if (options_.augment.any()) detail::augment_image(options_.augment, D::image, random, index, plain, to);
      const auto& [mean, deviation] = options_.normalize;
      const auto channels = static_cast<std::size_t>(D::image.channels);
      if (!mean.empty())
        for (std::size_t p = 0; p < one; ++p) to[p] -= mean[p % channels];
      if (!deviation.empty())
        for (std::size_t p = 0; p < one; ++p) to[p] /= deviation[p % channels];
      slot.labels[i] = data_.label(index);
    }
    slot.batch = {{slot.images.data(), n * one}, {slot.labels.data(), n}};
  }

  D data_;
  BatchOptions options_;
  std::vector<std::size_t> order_;
  std::array<Slot, 3> ring_;
  std::vector<float> original_;
  std::uint64_t epoch_ = 0;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t filled_ = 0, taken_ = 0;  // steps made, steps given back
  bool holding_ = false, quit_ = false;
  std::exception_ptr error_;
};

}  // namespace strata
