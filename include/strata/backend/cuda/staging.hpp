// SPDX-License-Identifier: BSL-1.0
// Batches on their way to a device: gathered in the background into memory that the device can read.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include <strata/core/linkage.hpp>
#include <strata/data/batches.hpp>
#include <strata/data/batches_impl.hpp>
#include <strata/data/targets.hpp>

namespace strata::inline STRATA_ABI::cuda {

// A batch as the device gets it, whatever the data set. Pixels are as the data set has them, and are augmented and
// normalized on the device; or ready floats.
struct StagedBatch {
  int size = 0;
  Targets targets{};
  std::span<const std::uint32_t> indices{};  // of the images in their data set
  std::uint64_t epoch = 0;
  std::span<const std::byte> pixels{};  // (N,H,W,C)
  bool bytes = false;                   // pixels are bytes, not floats
  bool ready = false;
  const BatchOptions* options = nullptr;
  int first = 0, whole = 0;  // as in BatchOf
};

// The background batches of a run on a device, without the type of their data set. Transforms of the user's own run on the
// host; then all preparation does.
template <class System>
class DeviceRing : strata::NoCopy {
  using Ready = ReadyImagesIn<System::template PinnedAllocator>;
  using Raw = RawImages<System::template PinnedAllocator>;
  template <class Form, class Pixel>
  using RingOf = strata::detail::BatchRing<Form, Pixel>;

 public:
  template <class Data>
  DeviceRing(const Data& data, BatchOptions options) : options_(std::move(options)) {
    using strata::detail::SourceOf;
    using Pixel = strata::detail::PixelOf<Data>;
    if (options_.augment.needs_host())
      ready_ = std::make_unique<RingOf<Ready, float>>(std::make_shared<const SourceOf<Data, float>>(data), options_);
    else if constexpr (std::is_same_v<Pixel, float>)
      floats_ = std::make_unique<RingOf<Raw, float>>(std::make_shared<const SourceOf<Data, float>>(data), options_);
    else
      bytes_ =
          std::make_unique<RingOf<Raw, std::uint8_t>>(std::make_shared<const SourceOf<Data, std::uint8_t>>(data), options_);
  }

  [[nodiscard]] std::size_t steps() const {
    return ready_ ? ready_->steps() : floats_ ? floats_->steps() : bytes_->steps();
  }
  void start(std::uint64_t epoch, std::size_t first_step = 0) {
    if (ready_)
      ready_->start(epoch, first_step);
    else if (floats_)
      floats_->start(epoch, first_step);
    else
      bytes_->start(epoch, first_step);
  }
  // Valid until the next call; null at the end of the epoch.
  const StagedBatch* next() {
    return ready_ ? staged(ready_->next(), true) : floats_ ? staged(floats_->next(), false) : staged(bytes_->next(), false);
  }

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
                       .options = &options_,
                       .first = batch->first,
                       .whole = batch->whole};
    return &now_;
  }

  BatchOptions options_;
  // One of them.
  std::unique_ptr<RingOf<Ready, float>> ready_;
  std::unique_ptr<RingOf<Raw, float>> floats_;
  std::unique_ptr<RingOf<Raw, std::uint8_t>> bytes_;
  StagedBatch now_;
};

template <class Data, class System>
class DeviceBatches : public DeviceRing<System> {
 public:
  DeviceBatches(const Data& data, BatchOptions options) : DeviceRing<System>(data, std::move(options)) {}
  [[nodiscard]] DeviceRing<System>& ring() { return *this; }
};

}  // namespace strata::inline STRATA_ABI::cuda
