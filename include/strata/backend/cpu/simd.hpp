// SPDX-License-Identifier: BSL-1.0
// One kernel, several instruction sets: a kernel is written once over vectors of `Bytes` bytes and compiled here for
// AVX-512, AVX2 and the baseline. The version is chosen at run time, so that a user's plain -O2 is enough.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

#include <strata/backend/cpu/sizes.hpp>

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

namespace strata::cpu {

enum class KernelPath { baseline, avx2, avx512, eigen };

namespace detail {

template <class T, int Bytes>
struct vector_of {
  typedef T type __attribute__((vector_size(Bytes)));
};
template <class T, int Bytes>
using vector = typename vector_of<T, Bytes>::type;

inline bool supported(KernelPath path) {
#if defined(__x86_64__)
  if (path == KernelPath::avx512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma");
  if (path == KernelPath::avx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
  return path == KernelPath::baseline || path == KernelPath::eigen;
}

inline constexpr const char* path_names[] = {"baseline", "avx2", "avx512", "eigen"};

inline KernelPath choose_path() {
  if (const char* wanted = std::getenv("STRATA_KERNELS"); wanted && *wanted) {
    for (int i = 0; i < 4; ++i)
      if (std::string_view(wanted) == path_names[i]) {
        if (supported(static_cast<KernelPath>(i))) return static_cast<KernelPath>(i);
        throw std::runtime_error(std::string("strata: STRATA_KERNELS=") + wanted +
                                 ": this processor cannot run these kernels");
      }
    throw std::runtime_error(std::string("strata: STRATA_KERNELS=") + wanted +
                             " is none of avx512, avx2, baseline and eigen");
  }
  for (const KernelPath path : {KernelPath::avx512, KernelPath::avx2})
    if (supported(path)) return path;
  return KernelPath::baseline;
}

inline std::atomic<KernelPath>& current_path() {
  static std::atomic<KernelPath> path{choose_path()};
  return path;
}
inline KernelPath path_now() { return current_path().load(std::memory_order_relaxed); }

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
constexpr int bytes_of(KernelPath path) { return path == KernelPath::avx512 ? 64 : path == KernelPath::avx2 ? 32 : 16; }

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
template <class V, class T>
STRATA_INLINE void store(T* to, const V& v) {
  std::memcpy(to, &v, sizeof v);
}

}  // namespace detail

// The kernels in use: the best this processor has, or what the environment variable STRATA_KERNELS names (avx512, avx2,
// baseline, eigen; anything else throws std::runtime_error). set_kernel_path forces a path, for tests: false if the
// processor lacks it.
inline const char* kernel_path() { return detail::path_names[static_cast<int>(detail::current_path().load())]; }
inline bool set_kernel_path(KernelPath path) {
  if (!detail::supported(path)) return false;
  detail::current_path() = path;
  return true;
}

}  // namespace strata::cpu
