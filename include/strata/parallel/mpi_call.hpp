// SPDX-License-Identifier: BSL-1.0
// The header of MPI, and errors of its functions as exceptions.
#pragma once
#if !defined(OMPI_SKIP_MPICXX)
#define OMPI_SKIP_MPICXX 1
#endif
#if !defined(MPICH_SKIP_MPICXX)
#define MPICH_SKIP_MPICXX 1
#endif
#include <mpi.h>

#include <stdexcept>
#include <string>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::detail {

// Throws std::runtime_error for a code that is no success.
inline void mpi_call(int code, const char* what) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw std::runtime_error(std::string("MPI: ") + what + ": " + std::string(text, static_cast<std::size_t>(length)));
}

}  // namespace strata::inline STRATA_ABI::detail
