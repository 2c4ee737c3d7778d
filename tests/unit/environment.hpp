// SPDX-License-Identifier: BSL-1.0
// Variables of the environment, which the standard library only reads.
#pragma once
#include <cstdlib>

#if defined(_WIN32)
inline void set_variable(const char* name, const char* value) { ::_putenv_s(name, value); }
inline void unset_variable(const char* name) { ::_putenv_s(name, ""); }
#else
inline void set_variable(const char* name, const char* value) { ::setenv(name, value, 1); }
inline void unset_variable(const char* name) { ::unsetenv(name); }
#endif
