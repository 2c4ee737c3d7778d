// SPDX-License-Identifier: BSL-1.0
#include <strata/nccl.hpp>

int main() { return strata::Nccl{}()->device_sums() ? 0 : 1; }
