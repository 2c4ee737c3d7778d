// SPDX-License-Identifier: BSL-1.0
// Subnormal numbers, below 1.2e-38 in float, as zeros.
#pragma once
#include <cstdint>

#include <strata/core/linkage.hpp>
#include <strata/util/no_copy.hpp>

namespace strata::inline STRATA_ABI::detail {

// While it lives, the floating-point arithmetic of this thread reads subnormal numbers as zeros and gives zeros for them.
// The momentum of a weight whose gradient stays 0 decays into that range, where it rounds to itself for ever, and each
// operation there costs an x86 processor about 150 cycles. On other processors than x86-64 and aarch64 it does nothing.
class FlushSubnormals : NoCopy {
 public:
  FlushSubnormals() : before_(read()) {
    if ((before_ & flush) != flush) write(before_ | flush);
  }
  ~FlushSubnormals() {
    if ((before_ & flush) != flush) write((read() & ~flush) | (before_ & flush));
  }

 private:
#if defined(__x86_64__)
  using Register = std::uint32_t;
  static constexpr Register flush = 0x8040;  // MXCSR: results (FTZ) and operands (DAZ)
  static Register read() { return __builtin_ia32_stmxcsr(); }
  static void write(Register r) { __builtin_ia32_ldmxcsr(r); }
#elif defined(__aarch64__)
  using Register = std::uint64_t;
  static constexpr Register flush = Register{1} << 24;  // FPCR.FZ: both
  static Register read() {
    Register r;
    asm volatile("mrs %0, fpcr" : "=r"(r)::"memory");
    return r;
  }
  static void write(Register r) { asm volatile("msr fpcr, %0" ::"r"(r) : "memory"); }
#else
  using Register = std::uint32_t;
  static constexpr Register flush = 0;
  static Register read() { return 0; }
  static void write(Register) {}
#endif

  Register before_;
};

}  // namespace strata::inline STRATA_ABI::detail
