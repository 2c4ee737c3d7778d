// SPDX-License-Identifier: BSL-1.0
// Including the library, and using none of it.
#include <strata/strata.hpp>
