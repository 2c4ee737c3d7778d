// SPDX-License-Identifier: BSL-1.0
// A flag of the compiler forbids exceptions.
#include <strata/io/metrics_file.hpp>
#include <strata/strata.hpp>

// expect-error: strata reports errors as exceptions; compile without -fno-exceptions
static_assert(strata::Shape{10}.size() == 10);
