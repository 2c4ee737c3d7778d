// SPDX-License-Identifier: BSL-1.0
// Batches of a data set: shuffled, augmented and normalized by background threads, in a ring of buffers that is allocated
// once.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include <strata/core/linkage.hpp>
#include <strata/data/augment.hpp>
#include <strata/data/batch_share.hpp>
#include <strata/data/batch_source.hpp>
#include <strata/data/dataset.hpp>
#include <strata/data/targets.hpp>
#include <strata/util/no_copy.hpp>

namespace strata::inline STRATA_ABI {

struct BatchOptions {
  int batch = 32;
  std::uint64_t seed = 0;
  bool shuffle = false;
  bool drop_last = false;  // an epoch ends before a last batch that is not full (PyTorch's DataLoader has the same option)
  Augment augment{};
  Normalize normalize{};
  int threads = 1;  // in the background; with 0, next() does the work. The batches are the same.
  // For several processes: only this share of each batch is prepared, and of the batches only number `offset` and every
  // `stride`-th after it. The samples, their order and what augmentation makes of them stay the same.
  BatchShare share{};
  int stride = 1, offset = 0;
};

template <class Pixel>
struct BatchOf {
  int size = 0;                            // N
  std::span<const Pixel> images;           // (N,H,W,C)
  Targets targets;                         // (N, elements of one target)
  std::span<const std::uint32_t> indices;  // (N), the position of each sample in the data set
  std::uint64_t epoch = 0;
  int first = 0, whole = 0;  // of a share: its first sample's place in the whole batch, and the samples of that
};
using Batch = BatchOf<float>;

// Images as float, augmented and normalized, in memory of this allocator.
template <template <class> class Allocator_>
struct ReadyImagesIn {
  static constexpr bool ready = true;
  template <class T>
  using Allocator = Allocator_<T>;
};
using ReadyImages = ReadyImagesIn<std::allocator>;
// Images as the data set holds them; the receiver augments and normalizes them, as a GPU does.
template <template <class> class Allocator_>
struct RawImages {
  static constexpr bool ready = false;
  template <class T>
  using Allocator = Allocator_<T>;
};

namespace detail {

// Batches without the type of their data set.
template <class Form, class Pixel>
class BatchRing : NoCopy {
 public:
  BatchRing(std::shared_ptr<const BatchSource<Pixel>> source, BatchOptions options);
  ~BatchRing();
  [[nodiscard]] std::size_t steps() const noexcept;
  void start(std::uint64_t epoch, std::size_t first_step);
  const BatchOf<Pixel>* next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace detail

// The batches of an epoch, then of the next. They depend on the seed, the epoch, the step and the options except `threads`.
// After fork() the child can use and destroy the Batches of its parent: next() continues where the parent was.
// To be used by one thread at a time, which calls start() and then next() until that returns null:
//   for (int epoch = 0; epoch < 10; ++epoch)
//     for (batches.start(epoch); const Batch* b = batches.next();) use(b->images, b->targets);
template <Dataset D, class Form = ReadyImages>
class Batches : NoCopy {
 public:
  using Pixel = std::conditional_t<Form::ready, float, detail::PixelOf<D>>;

  // Copies the data set. Throws std::invalid_argument for a batch below 1, threads below 0, a share or a stride that is
  // none, options that Augment or Normalize refuses, and transforms of raw images.
  Batches(const D& data, BatchOptions options)
      : ring_(std::make_shared<const detail::SourceOf<D, Pixel>>(data), std::move(options)) {}

  // Steps in an epoch, of those that options select; the last may be smaller, unless it is dropped.
  [[nodiscard]] std::size_t steps() const noexcept { return ring_.steps(); }
  // Begins an epoch, at `first_step` to resume one. Batches that were prepared before are dropped. Throws std::out_of_range
  // for a step that the epoch does not have, and std::system_error if the threads cannot be started.
  void start(std::uint64_t epoch, std::size_t first_step = 0) { ring_.start(epoch, first_step); }
  // The next batch, valid until the next call; null at the end of the epoch. If preparing this step threw an exception,
  // rethrows it, each time next() is called. Throws std::logic_error before the first start.
  const BatchOf<Pixel>* next() { return ring_.next(); }
  // The same without the type of the data set, for training.
  [[nodiscard]] detail::BatchRing<Form, Pixel>& ring() { return ring_; }

 private:
  detail::BatchRing<Form, Pixel> ring_;
};

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/data/batches_impl.hpp>
#endif
