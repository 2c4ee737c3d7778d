// SPDX-License-Identifier: BSL-1.0
// One kernel, several instruction sets: a kernel is written once over vectors of `Bytes` bytes and compiled here for
// AVX-512, AVX2 and the baseline, NEON on aarch64. The version is chosen at run time, so that a plain -O2 is enough.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <strata/backend/cpu/path.hpp>
#include <strata/backend/cpu/sizes.hpp>
#include <strata/core/linkage.hpp>

#if defined(__CUDACC__)
#pragma nv_diag_suppress 1675  // "unrecognized GCC pragma": the pragma below is for the host compiler
#endif

#define STRATA_INLINE [[gnu::always_inline]] inline
#define STRATA_UNROLL _Pragma("GCC unroll 32")
#if defined(__clang__)
#define STRATA_WIDE clang::min_vector_width(512),  // under -march=native clang would split 512-bit vectors
#else
#define STRATA_WIDE
#endif

namespace strata::inline STRATA_ABI::cpu {

namespace detail {

template <class T, int Bytes>
struct vector_of {
  typedef T type __attribute__((vector_size(Bytes)));
};
template <class T, int Bytes>
using vector = typename vector_of<T, Bytes>::type;

// The versions of a kernel, which is a struct with
//   template <int Bytes> STRATA_INLINE static void run(arguments...);
// over vectors of Bytes. Call of(path); the path `eigen` gets the baseline's.
template <class Kernel, class... Arguments>
struct versions {
  using function = void (*)(Arguments...);
#if defined(__x86_64__)
  [[ STRATA_WIDE gnu::target("avx512f,avx512vl,avx512dq,avx512bw,fma"), gnu::noinline, gnu::aligned(64) ]] static void
  avx512(Arguments... a) {
    Kernel::template run<64>(a...);
  }
  [[gnu::target("avx2,fma"), gnu::noinline, gnu::aligned(64)]] static void avx2(Arguments... a) {
    Kernel::template run<32>(a...);
  }
#endif
  [[gnu::noinline, gnu::aligned(64)]] static void baseline(Arguments... a) { Kernel::template run<16>(a...); }

  static function of(KernelPath path) {
#if defined(__x86_64__)
    if (path == KernelPath::avx512) return avx512;
    if (path == KernelPath::avx2) return avx2;
#endif
    static_cast<void>(path);
    return baseline;
  }
};
// How many registers hold vectors of this size.
constexpr int registers_for([[maybe_unused]] int bytes) {
#if defined(__aarch64__)
  return 32;
#else
  return bytes == 64 ? 32 : 16;
#endif
}
constexpr int bytes_of(KernelPath path) { return path == KernelPath::avx512 ? 64 : path == KernelPath::avx2 ? 32 : 16; }

// The widest path whose vectors `count` elements fill. Where a rest that fills no vector is slow, a narrower path that
// leaves none comes first.
enum class Rest { cheap, slow };
template <class T>
KernelPath path_for(int count, Rest rest) {
  const KernelPath best = path_now();
  for (const bool whole : {true, false})
    for (const KernelPath path : {KernelPath::avx512, KernelPath::avx2}) {
      const int lanes = bytes_of(path) / static_cast<int>(sizeof(T));
      const bool fits = count >= lanes && (!whole || rest == Rest::cheap || count % lanes == 0);
      if (bytes_of(path) <= bytes_of(best) && fits) return path;
    }
  return KernelPath::baseline;
}

// The path in use, but AVX2 where its vectors have room for `count` elements: AVX-512's may take twice as long.
template <class T>
KernelPath path_within(int count) {
  const KernelPath best = path_now();
  return best == KernelPath::avx512 && count <= lanes_of<T, 32> ? KernelPath::avx2 : best;
}

template <class T>
T* at_cache_line(T* p) {
  const std::size_t past = reinterpret_cast<std::uintptr_t>(p) % line;
  return past == 0 ? p : p + (line - past) / sizeof(T);
}

// Vectors to and from memory of any alignment.
template <class V, class T>
STRATA_INLINE void load(V& v, const T* from) {
  std::memcpy(&v, from, sizeof v);
}
// The same value in all elements. Write no constant minus V{}: it crashes the compiler of nvcc 13.0.
template <class V, class T>
STRATA_INLINE void fill(V& v, T value) {
  v = value - V{};
}
template <class V, class T>
STRATA_INLINE void store(T* to, const V& v) {
  std::memcpy(static_cast<void*>(to), &v, sizeof v);
}

// The call of memcpy would take longer than a few elements do.
template <class T>
STRATA_INLINE void copy_few(const T* from, int count, T* to) {
  constexpr int lanes = lanes_of<T, 16>;
  if (count >= 16 * lanes) {
    std::copy_n(from, count, to);
  } else if (count >= lanes) {
    for (int i = 0; i < count - lanes; i += lanes) std::memcpy(to + i, from + i, 16);
    std::memcpy(to + count - lanes, from + count - lanes, 16);
  } else {
    for (int i = 0; i < count; ++i) to[i] = from[i];
  }
}

// Cuts every element to a range; NaN stays NaN.
template <class V, class T>
STRATA_INLINE void cut(V& v, T low, T high) {
  V least, most;
  fill(least, low), fill(most, high);
  v = v < least ? least : v;
  v = v > most ? most : v;
}

}  // namespace detail

}  // namespace strata::inline STRATA_ABI::cpu
