// SPDX-License-Identifier: BSL-1.0
// The engine of the CPU in bfloat16: that of float32, and the images in bfloat16.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <strata/backend/cpu/engine.hpp>
#include <strata/backend/cpu_bf16/convert.hpp>
#include <strata/backend/cpu_bf16/ops.hpp>
#include <strata/backend/cpu_bf16/unit.hpp>
#include <strata/core/alignment.hpp>
#include <strata/core/bf16.hpp>
#include <strata/core/linkage.hpp>
#include <strata/model/engine.hpp>

namespace strata::inline STRATA_ABI {

class CpuBf16Engine : public CpuEngine<float> {
 public:
  using Ops = cpu::bf16::Ops;

  // Throws std::runtime_error where bfloat16 is refused: see unit() in backend/cpu_bf16/unit.hpp.
  explicit CpuBf16Engine(const EngineOptions& options) : CpuEngine<float>(options) { static_cast<void>(cpu::bf16::unit()); }

  // Bytes of the arena that the engine needs for itself: the images, and the outputs in float32.
  static constexpr std::int64_t own_bytes(std::int64_t /*parameters*/, std::int64_t images, std::int64_t outputs) {
    return bytes_of(images) + detail::aligned(outputs * static_cast<std::int64_t>(sizeof(float)));
  }

  [[nodiscard]] Ops ops() { return Ops(pool(), batch_sums()); }
  // "avx512, bfloat16 by avx512_bf16"
  [[nodiscard]] static std::string kernels() {
    return CpuEngine<float>::kernels() + ", bfloat16 by " + cpu::bf16::name_of(cpu::bf16::unit());
  }

  // Zeros. Throws OutOfMemory.
  std::byte* allocate(const ArenaRequest& request) {
    std::byte* arena = CpuEngine<float>::allocate(request);
    images_ = reinterpret_cast<Bf16*>(arena + request.own);
    outputs_ = reinterpret_cast<float*>(arena + request.own + bytes_of(request.images));
    return arena;
  }

  const Bf16* upload(std::span<const float> images, std::uint64_t /*step*/) {
    cpu::bf16::round(static_cast<std::int64_t>(images.size()), images.data(), images_, pool());
    return images_;
  }
  std::span<const float> download(const Bf16* outputs, std::size_t n) {
    cpu::bf16::widen(static_cast<std::int64_t>(n), outputs, outputs_, pool());
    return {outputs_, n};
  }
  // x is an activation in the engine's memory. Small pieces are widened on the stack, since this must not allocate.
  [[nodiscard]] static bool all_finite(const Bf16* x, std::int64_t n) {
    constexpr std::int64_t piece = 1024;
    float values[std::size_t{piece}];
    for (std::int64_t first = 0; first < n; first += piece) {
      const std::int64_t count = std::min(piece, n - first);
      cpu::bf16::widen(count, x + first, values);
      if (!CpuEngine<float>::all_finite(values, count)) return false;
    }
    return true;
  }

 private:
  static constexpr std::int64_t bytes_of(std::int64_t images) {
    return detail::aligned(images * static_cast<std::int64_t>(sizeof(Bf16)));
  }
  Bf16* images_ = nullptr;
  float* outputs_ = nullptr;
};

}  // namespace strata::inline STRATA_ABI
