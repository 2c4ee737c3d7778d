// SPDX-License-Identifier: BSL-1.0
// The macro _WIN32 stands for a compiler for Windows.
#include <strata/network.hpp>

// expect-error: strata needs a POSIX system such as Linux; on Windows, compile it in WSL
static_assert(strata::Shape{10}.size() == 10);
