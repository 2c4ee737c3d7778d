// SPDX-License-Identifier: BSL-1.0
// The engine of the CPU backend: one arena and a pool of threads.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>

#include <strata/backend/cpu/eigen.hpp>
#include <strata/backend/cpu/ops.hpp>
#include <strata/backend/cpu/simd.hpp>
#include <strata/core/alignment.hpp>
#include <strata/model/engine.hpp>
#include <strata/util/large_pages.hpp>
#include <strata/util/out_of_memory.hpp>
#include <strata/util/random.hpp>
#include <strata/util/thread_pool.hpp>

namespace strata {

template <class T>
class CpuEngine {
 public:
  using Ops = cpu::Ops<T>;

  explicit CpuEngine(const EngineOptions& options) : pool_(options.threads) {}

  // Bytes of the arena that the engine needs for itself: none.
  static constexpr std::int64_t own_bytes(std::int64_t /*parameters*/, std::int64_t /*images*/) { return 0; }

  [[nodiscard]] Ops ops() { return Ops(pool_); }
  [[nodiscard]] ThreadPool& pool() { return pool_; }
  [[nodiscard]] int threads() const { return pool_.size(); }
  // Which kernels run, since others give other last digits; and the versions of the libraries in use.
  [[nodiscard]] static std::string kernels() { return cpu::kernel_path(); }
  [[nodiscard]] static std::string libraries() {
    return "Eigen " + std::to_string(EIGEN_WORLD_VERSION) + "." + std::to_string(EIGEN_MAJOR_VERSION) + "." +
           std::to_string(EIGEN_MINOR_VERSION);
  }

  // Zeros. Throws OutOfMemory.
  std::byte* allocate(const ArenaRequest& request) {
    const auto size = static_cast<std::size_t>(request.bytes);
    memory_.reset(static_cast<std::byte*>(::operator new(size, align, std::nothrow)));
    if (!memory_) throw OutOfMemory(request.bytes, "a model; a smaller batch needs less");
    detail::prefer_large_pages(memory_.get(), size);
    std::memset(memory_.get(), 0, size);
    return memory_.get();
  }

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
  [[nodiscard]] bool all_finite(const T* x, std::int64_t n) {
    return std::all_of(x, x + n, [](T v) { return std::isfinite(v); });
  }

 private:
  static constexpr std::align_val_t align{detail::alignment};
  struct Release {
    void operator()(std::byte* p) const { ::operator delete(p, align); }
  };
  ThreadPool pool_;
  std::unique_ptr<std::byte, Release> memory_;
};

}  // namespace strata
