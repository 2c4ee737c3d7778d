// SPDX-License-Identifier: BSL-1.0
// Batches on their way to a device: gathered in the background into memory that the device can read.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include <strata/data/batches.hpp>
#include <strata/data/batches_impl.hpp>
#include <strata/data/targets.hpp>

namespace strata::cuda {

// A batch as the device gets it, whatever the data set. Pixels are as the data set has them, and are augmented and
// normalised on the device; or ready floats.
struct StagedBatch {
  int size = 0;
  Targets targets{};
  std::span<const std::uint32_t> indices{};  // of the images in their data set
  std::uint64_t epoch = 0;
  std::span<const std::byte> pixels{};  // (N,H,W,C)
  bool bytes = false;                   // pixels are bytes, not floats
  bool ready = false;
  const BatchOptions* options = nullptr;
};

// The background batches of a run on a device. Transforms of the user's own run on the host; then all preparation does.
template <class Data, class System>
class DeviceBatches {
 public:
  DeviceBatches(const Data& data, BatchOptions options) : options_(std::move(options)) {
    if (options_.augment.needs_host())
      ready_.emplace(data, options_);
    else
      raw_.emplace(data, options_);
  }
  DeviceBatches(const DeviceBatches&) = delete;
  DeviceBatches& operator=(const DeviceBatches&) = delete;

  [[nodiscard]] std::size_t steps() const { return ready_ ? ready_->steps() : raw_->steps(); }
  void start(std::uint64_t epoch, std::size_t first_step = 0) {
    ready_ ? ready_->start(epoch, first_step) : raw_->start(epoch, first_step);
  }
  // Valid until the next call; null at the end of the epoch.
  const StagedBatch* next() { return ready_ ? staged(ready_->next(), true) : staged(raw_->next(), false); }

 private:
  template <class Pixel>
  const StagedBatch* staged(const BatchOf<Pixel>* batch, bool ready) {
    if (!batch) return nullptr;
    now_ = StagedBatch{.size = batch->size,
                       .targets = batch->targets,
                       .indices = batch->indices,
                       .epoch = batch->epoch,
                       .pixels = std::as_bytes(batch->images),
                       .bytes = std::is_same_v<Pixel, std::uint8_t>,
                       .ready = ready,
                       .options = &options_};
    return &now_;
  }

  BatchOptions options_;
  std::optional<Batches<Data, ReadyImagesIn<System::template PinnedAllocator>>> ready_;
  std::optional<Batches<Data, RawImages<System::template PinnedAllocator>>> raw_;
  StagedBatch now_;
};

}  // namespace strata::cuda
