// SPDX-License-Identifier: BSL-1.0
// Between bfloat16 in memory and vectors of floats in registers.
#pragma once
#include <cstdint>

#include <strata/backend/cpu/chunks.hpp>
#include <strata/backend/cpu/simd.hpp>
#include <strata/core/bf16.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu::bf16 {

namespace detail {

using cpu::detail::lanes_of;
using cpu::detail::load;
using cpu::detail::store;
using cpu::detail::vector;
using cpu::detail::versions;

template <int Bytes>
STRATA_INLINE void load_wide(vector<float, Bytes>& v, const Bf16* from) {
  vector<std::uint16_t, Bytes / 2> bits;
  load(bits, from);
  v = reinterpret_cast<vector<float, Bytes>>(__builtin_convertvector(bits, vector<std::uint32_t, Bytes>) << 16);
}
template <int Bytes>
STRATA_INLINE void store_rounded(Bf16* to, const vector<float, Bytes>& v) {
  vector<std::uint32_t, Bytes> bits = reinterpret_cast<vector<std::uint32_t, Bytes>>(v);
  strata::detail::round_to_bf16(bits);
  bits = bits >> 16;
  store(to, __builtin_convertvector(bits, vector<std::uint16_t, Bytes / 2>));
}

struct WidenKernel {
  template <int Bytes>
  STRATA_INLINE static void run(std::int64_t n, const Bf16* from, float* to) {
    constexpr int lanes = lanes_of<float, Bytes>;
    std::int64_t i = 0;
    for (; i + lanes <= n; i += lanes) {
      vector<float, Bytes> v;
      load_wide<Bytes>(v, from + i);
      store(to + i, v);
    }
    for (; i < n; ++i) to[i] = static_cast<float>(from[i]);
  }
  using table = versions<WidenKernel, std::int64_t, const Bf16*, float*>;
};
struct RoundKernel {
  template <int Bytes>
  STRATA_INLINE static void run(std::int64_t n, const float* from, Bf16* to) {
    constexpr int lanes = lanes_of<float, Bytes>;
    std::int64_t i = 0;
    for (; i + lanes <= n; i += lanes) {
      vector<float, Bytes> v;
      load(v, from + i);
      store_rounded<Bytes>(to + i, v);
    }
    for (; i < n; ++i) to[i] = Bf16(from[i]);
  }
  using table = versions<RoundKernel, std::int64_t, const float*, Bf16*>;
};

}  // namespace detail

// On the calling thread.
inline void widen(std::int64_t n, const Bf16* from, float* to) {
  detail::WidenKernel::table::of(cpu::detail::path_now())(n, from, to);
}
inline void round(std::int64_t n, const float* from, Bf16* to) {
  detail::RoundKernel::table::of(cpu::detail::path_now())(n, from, to);
}
// In threads.
inline void widen(std::int64_t n, const Bf16* from, float* to, ThreadPool& pool) {
  for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) { widen(count, from + first, to + first); });
}
inline void round(std::int64_t n, const float* from, Bf16* to, ThreadPool& pool) {
  for_chunks(n, pool, [=](std::int64_t first, std::int64_t count) { round(count, from + first, to + first); });
}

}  // namespace strata::inline STRATA_ABI::cpu::bf16
