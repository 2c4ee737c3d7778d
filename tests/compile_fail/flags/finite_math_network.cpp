// SPDX-License-Identifier: BSL-1.0
// A flag of the compiler promises that no number is NaN or infinite.
#include <strata/network.hpp>

// expect-error: strata: compile without -ffast-math, -Ofast and -ffinite-math-only, since they remove the tests for NaN
static_assert(strata::Shape{10}.size() == 10);
