// SPDX-License-Identifier: BSL-1.0
// strata::compiled is a library of all functions that do not depend on the network. With STRATA_COMPILED, which its users
// inherit, a header X.hpp only declares them; X_impl.hpp defines them, and the library compiles each X_impl.hpp once.
// Without it X.hpp includes X_impl.hpp itself.
#pragma once

// Begins the definition of such a function in X_impl.hpp.
#if defined(STRATA_COMPILED)
#define STRATA_DEFINE
#else
#define STRATA_DEFINE inline
#endif
