// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

#include <strata/backend/cpu/path.hpp>
#include <strata/backend/cpu_bf16/unit.hpp>
#include <strata/core/linkage.hpp>
#include <strata/util/system.hpp>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace strata::inline STRATA_ABI::cpu::bf16 {

namespace detail {

// The bits are named in Intel's manual, volume 2, CPUID leaf 7.
struct Bf16Features {
  bool avx512 = false, amx = false, intel = false;
  Bf16Features() {
#if defined(__x86_64__)
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid(0, &a, &b, &c, &d)) intel = b == signature_INTEL_ebx && d == signature_INTEL_edx;
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d)) avx512 = (a >> 5 & 1) != 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) amx = (d >> 22 & 1) != 0 && (d >> 24 & 1) != 0;
#endif
  }
};

STRATA_DEFINE bool may_use_tiles() {
  static const bool granted = strata::detail::os::ask_for_tiles();
  return granted;
}

STRATA_DEFINE const Bf16Features& features() {
  static const Bf16Features all;
  return all;
}
STRATA_DEFINE bool has_unit(Unit unit) {
  if (unit == Unit::emulated || unit == Unit::widened) return true;
  if (cpu::detail::path_now() != KernelPath::avx512) return false;
  return unit == Unit::avx512_bf16 ? features().avx512 : features().amx && may_use_tiles();
}

inline constexpr const char* unit_names[] = {"emulated", "widened", "avx512_bf16", "amx"};

STRATA_DEFINE Unit choose_unit() {
  if (const char* wanted = std::getenv("STRATA_BF16"); wanted && *wanted) {
    for (const Unit unit : {Unit::emulated, Unit::widened, Unit::avx512_bf16, Unit::amx})
      if (std::string_view(wanted) == name_of(unit)) {
        if (has_unit(unit)) return unit;
        throw std::runtime_error(std::string("strata: STRATA_BF16=") + wanted +
                                 ": this processor, or the kernels in use, lack these instructions");
      }
    throw std::runtime_error(std::string("strata: STRATA_BF16=") + wanted +
                             " is none of amx, avx512_bf16, widened and emulated");
  }
  if (has_unit(Unit::amx)) return Unit::amx;
  if (has_unit(Unit::avx512_bf16)) return features().intel ? Unit::widened : Unit::avx512_bf16;
  throw std::runtime_error(
      "strata: this processor, or the kernels in use, have no instructions for bfloat16 (AMX-BF16 or AVX512-BF16), so that "
      "float32 is faster; use float32, or set STRATA_BF16=widened to compute in bfloat16 nevertheless");
}

// -1: not chosen yet.
STRATA_DEFINE std::atomic<int>& current_unit() {
  static std::atomic<int> unit{-1};
  return unit;
}

}  // namespace detail

STRATA_DEFINE Unit unit() {
  const int current = detail::current_unit().load(std::memory_order_relaxed);
  if (current >= 0 && detail::has_unit(static_cast<Unit>(current))) return static_cast<Unit>(current);
  const Unit chosen = detail::choose_unit();
  detail::current_unit() = static_cast<int>(chosen);
  return chosen;
}
STRATA_DEFINE const char* name_of(Unit unit) { return detail::unit_names[static_cast<int>(unit)]; }
STRATA_DEFINE bool set_unit(Unit unit) {
  if (!detail::has_unit(unit)) return false;
  detail::current_unit() = static_cast<int>(unit);
  return true;
}

}  // namespace strata::inline STRATA_ABI::cpu::bf16
