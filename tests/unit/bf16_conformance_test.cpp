// SPDX-License-Identifier: BSL-1.0
// The conformance table on the CPU in bfloat16; bf16_products_test.cpp has the products.
#include <strata/backend/cpu_bf16/ops.hpp>

#include "conformance_cpu.hpp"

namespace conformance {

struct OnCpuBf16 : OnCpuBy<Bf16, float, strata::cpu::bf16::Ops> {};

}  // namespace conformance

#define CONFORMANCE_BACKENDS OnCpuBf16
#include "conformance_layers.hpp"
#include "conformance_rows.hpp"

TEST_CASE("BatchNorm of a batch that two processes share, in bfloat16") {
  conformance::check_shared_batch_norm<strata::cpu::bf16::Ops>(0.02);  // 2^-7 of numbers up to 2.5
}
