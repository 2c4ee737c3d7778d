// SPDX-License-Identifier: BSL-1.0
// The library compiles the templates of models on the CPU here, once.
#pragma once
#include <strata/backend/cpu/cpu.hpp>
#include <strata/core/linkage.hpp>
#include <strata/model/session_impl.hpp>

#if defined(STRATA_COMPILED)
namespace strata::inline STRATA_ABI::detail {

template class Runner<CpuEngine<float>>;
template class Runner<CpuEngine<double>>;
template class ModelCore<CpuEngine<float>>;
template class ModelCore<CpuEngine<double>>;
template class SessionCore<CpuEngine<float>>;
template class SessionCore<CpuEngine<double>>;

}  // namespace strata::inline STRATA_ABI::detail
#endif
