// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

#include <strata/backend/cpu/path.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu {

namespace detail {

STRATA_DEFINE bool supported(KernelPath path) {
#if defined(__x86_64__)
  if (path == KernelPath::avx512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma");
  if (path == KernelPath::avx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
  return path == KernelPath::baseline || path == KernelPath::eigen;
}

#if defined(__aarch64__)
inline constexpr const char* path_names[] = {"neon", "avx2", "avx512", "eigen"};
#else
inline constexpr const char* path_names[] = {"baseline", "avx2", "avx512", "eigen"};
#endif

STRATA_DEFINE KernelPath choose_path() {
  if (const char* wanted = std::getenv("STRATA_KERNELS"); wanted && *wanted) {
    const std::string_view name = wanted;
    if (name == "baseline") return KernelPath::baseline;
    for (const KernelPath path : {KernelPath::avx512, KernelPath::avx2, KernelPath::baseline, KernelPath::eigen})
      if (name == path_names[static_cast<int>(path)] && supported(path)) return path;
    const bool known = name == "avx512" || name == "avx2" || name == "neon";
    throw std::runtime_error(
        std::string("strata: STRATA_KERNELS=") + wanted +
        (known ? ": this processor cannot run these kernels" : " is none of avx512, avx2, neon, baseline and eigen"));
  }
  for (const KernelPath path : {KernelPath::avx512, KernelPath::avx2})
    if (supported(path)) return path;
  return KernelPath::baseline;
}

STRATA_DEFINE std::atomic<KernelPath>& current_path() {
  static std::atomic<KernelPath> path{choose_path()};
  return path;
}
STRATA_DEFINE KernelPath path_now() { return current_path().load(std::memory_order_relaxed); }

}  // namespace detail

STRATA_DEFINE const char* kernel_path() { return detail::path_names[static_cast<int>(detail::path_now())]; }
STRATA_DEFINE bool set_kernel_path(KernelPath path) {
  if (!detail::supported(path)) return false;
  detail::current_path() = path;
  return true;
}

}  // namespace strata::inline STRATA_ABI::cpu
