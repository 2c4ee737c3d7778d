// SPDX-License-Identifier: BSL-1.0
// Tensors on the host beside those on the device: the same numbers, but convolutions' weights are transposed.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/model/engine.hpp>

namespace strata::inline STRATA_ABI::cuda {

// (taps,filters) to (filters,taps), or back with the two sizes swapped.
inline void transpose(std::int64_t rows, std::int64_t columns, const float* from, float* to) {
  constexpr std::int64_t tile = 32;  // both sides of it fit the first-level cache
  for (std::int64_t r0 = 0; r0 < rows; r0 += tile)
    for (std::int64_t c0 = 0; c0 < columns; c0 += tile)
      for (std::int64_t r = r0; r < std::min(rows, r0 + tile); ++r)
        for (std::int64_t c = c0; c < std::min(columns, c0 + tile); ++c) to[c * rows + r] = from[r * columns + c];
}

// A copy of one region of a model or an optimizer, in the order of the parameters. Its address stays the same.
class HostCopy {
 public:
  // Device: copy_bytes() and finish() as device.hpp has them.
  template <class Device>
  float* download(Device& device, const float* from, std::int64_t n, std::span<const FilterTensor> filters) {
    resize(n);
    device.copy_bytes(transfer_.data(), from, n * static_cast<std::int64_t>(sizeof(float)));
    device.finish();
    host_ = transfer_;
    for (const FilterTensor& f : filters)
      transpose(f.filters, f.taps, transfer_.data() + f.offset, host_.data() + f.offset);
    return host_.data();
  }
  template <class Device>
  void upload(Device& device, float* to, std::int64_t n, std::span<const FilterTensor> filters) {
    resize(n);
    transfer_ = host_;
    for (const FilterTensor& f : filters)
      transpose(f.taps, f.filters, host_.data() + f.offset, transfer_.data() + f.offset);
    device.copy_bytes(to, transfer_.data(), n * static_cast<std::int64_t>(sizeof(float)));
    device.finish();
  }
  // n numbers; zeros before the first download.
  std::span<float> numbers(std::int64_t n) {
    resize(n);
    return host_;
  }

 private:
  void resize(std::int64_t n) {
    host_.resize(static_cast<std::size_t>(n));
    transfer_.resize(static_cast<std::size_t>(n));
  }
  std::vector<float> host_, transfer_;
};

}  // namespace strata::inline STRATA_ABI::cuda
