// SPDX-License-Identifier: BSL-1.0
// The macro _MSC_VER stands for the compiler of Visual Studio.
#include <strata/network.hpp>

// expect-error: strata needs GCC or Clang for its kernels; on Windows, use MinGW-w64 or WSL
static_assert(strata::Shape{10}.size() == 10);
