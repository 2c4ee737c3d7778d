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

inline constexpr const char* path_names[] = {"baseline", "avx2", "avx512", "eigen"};

STRATA_DEFINE KernelPath choose_path() {
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
