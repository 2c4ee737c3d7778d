// SPDX-License-Identifier: BSL-1.0
// The engine of the CPU backend: one arena and a pool of threads.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string>

#include <strata/backend/cpu/ops.hpp>
#include <strata/backend/cpu/path.hpp>
#include <strata/core/alignment.hpp>
#include <strata/core/linkage.hpp>
#include <strata/model/engine.hpp>
#include <strata/util/random.hpp>
#include <strata/util/thread_pool.hpp>

namespace strata::inline STRATA_ABI {

template <class T>
class CpuEngine {
 public:
  using Ops = cpu::Ops<T>;

  explicit CpuEngine(const EngineOptions& options)
      : pool_(options.pool ? options.pool : std::make_shared<ThreadPool>(options.threads)) {}

  // Bytes of the arena that the engine needs for itself: none.
  static constexpr std::int64_t own_bytes(std::int64_t /*parameters*/, std::int64_t /*images*/, std::int64_t /*outputs*/) {
    return 0;
  }

  [[nodiscard]] Ops ops() { return Ops(*pool_, batch_sums_); }
  // From now on BatchNorm takes the statistics of the batch that these processes compute; null: of this process's images.
  void sum_batches_by(BatchSums* sums) { batch_sums_ = sums; }
  [[nodiscard]] ThreadPool& pool() { return *pool_; }
  [[nodiscard]] const std::shared_ptr<ThreadPool>& shared_pool() const { return pool_; }
  [[nodiscard]] int threads() const { return pool_->size(); }
  // Which kernels run, since others give other last digits; and the versions of the libraries in use.
  [[nodiscard]] static std::string kernels() { return cpu::kernel_path(); }
  [[nodiscard]] static int path() { return static_cast<int>(cpu::detail::path_now()); }
  [[nodiscard]] static std::string libraries();

  // Zeros. Throws OutOfMemory.
  std::byte* allocate(const ArenaRequest& request);

  // Images and outputs stay in the caller's memory.
  const T* upload(std::span<const T> images, std::uint64_t /*step*/) { return images.data(); }
  std::span<const T> download(const T* outputs, std::size_t n) { return {outputs, n}; }
  // The host works on the engine's own tensors.
  HostTensors<T> open_tensors(const TensorRegions<T>& r) { return {r.parameters, r.state}; }
  void close_tensors(const TensorRegions<T>&) {}

  [[nodiscard]] Random random(std::uint64_t seed, std::uint32_t layer, std::uint64_t step) const {
    return {seed, Purpose::dropout, layer, step};
  }
  // Waits until all queued work is done; here nothing is queued.
  void finish() {}
  [[nodiscard]] static bool all_finite(const T* x, std::int64_t n);

 protected:
  [[nodiscard]] BatchSums* batch_sums() const { return batch_sums_; }

 private:
  static constexpr std::align_val_t align{detail::alignment};
  struct Release {
    void operator()(std::byte* p) const { ::operator delete(p, align); }
  };
  std::shared_ptr<ThreadPool> pool_;
  BatchSums* batch_sums_ = nullptr;
  std::unique_ptr<std::byte, Release> memory_;
};

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/backend/cpu/engine_impl.hpp>
#endif
