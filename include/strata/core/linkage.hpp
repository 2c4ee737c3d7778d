// SPDX-License-Identifier: BSL-1.0
// How functions are named and defined, so that a program may be linked from parts that were built in different ways.
#pragma once

// --- STRATA_ABI: the inline namespace of everything that has code
// --------------------------------------------------------- Its name is part of each symbol: parts with different versions
// of strata do not share functions. Nor do parts built for different processors, since the linker would keep one copy of a
// function, perhaps with instructions that the other part's processor lacks. The compiled library chooses its kernels at
// run time and carries the version alone. Layers, and the words of errors, stay outside of it: they are types, and errors
// would be longer.
#define STRATA_JOIN_3(a, b, c) a##b##c
#define STRATA_JOIN(a, b, c) STRATA_JOIN_3(a, b, c)
#if defined(STRATA_COMPILED)
#define STRATA_VECTORS
#define STRATA_EXTRAS
#else
#if defined(__AVX512F__)
#define STRATA_VECTORS _avx512
#elif defined(__AVX2__)
#define STRATA_VECTORS _avx2
#elif defined(__AVX__)
#define STRATA_VECTORS _avx
#elif defined(__SSE4_1__)
#define STRATA_VECTORS _sse4
#elif defined(__SSE3__)
#define STRATA_VECTORS _sse3
#elif defined(__ARM_FEATURE_SVE2)
#define STRATA_VECTORS _sve2
#elif defined(__ARM_FEATURE_SVE)
#define STRATA_VECTORS _sve
#else
#define STRATA_VECTORS
#endif
#if defined(__FMA__) && defined(__BMI2__)
#define STRATA_EXTRAS _fma_bmi2
#elif defined(__FMA__)
#define STRATA_EXTRAS _fma
#elif defined(__BMI2__)
#define STRATA_EXTRAS _bmi2
#elif defined(__ARM_FEATURE_ATOMICS)
#define STRATA_EXTRAS _lse
#else
#define STRATA_EXTRAS
#endif
#endif
#define STRATA_ABI STRATA_JOIN(v0_2_0, STRATA_VECTORS, STRATA_EXTRAS)

// --- STRATA_DEFINE
// -------------------------------------------------------------------------------------------------------- strata::compiled
// is a library of all functions that do not depend on the network. With STRATA_COMPILED, which its users inherit, a header
// X.hpp only declares them; X_impl.hpp defines them, and the library compiles each X_impl.hpp once. Without it X.hpp
// includes X_impl.hpp itself. STRATA_DEFINE begins such a definition.
#if defined(STRATA_COMPILED)
#define STRATA_DEFINE
#else
#define STRATA_DEFINE inline
#endif
