// SPDX-License-Identifier: BSL-1.0
// The functions of schedule.hpp.
#pragma once
#include <strata/core/linkage.hpp>
#include <strata/optimizers/schedule.hpp>

namespace strata::inline STRATA_ABI {

STRATA_DEFINE Schedule::Schedule(double learning_rate) { hold(ConstantRate{learning_rate}); }
#if defined(STRATA_COMPILED)
STRATA_DEFINE Schedule::Schedule(const ConstantRate& s) { hold(s); }
STRATA_DEFINE Schedule::Schedule(const InverseTimeDecay& s) { hold(s); }
STRATA_DEFINE Schedule::Schedule(const StepDecay& s) { hold(s); }
STRATA_DEFINE Schedule::Schedule(const Cosine& s) { hold(s); }
STRATA_DEFINE Schedule::Schedule(const OneCycle& s) { hold(s); }
STRATA_DEFINE Schedule::Schedule(const CosineRestarts& s) { hold(s); }
STRATA_DEFINE Schedule::Schedule(const MultiStep& s) { hold(s); }
STRATA_DEFINE Schedule::Schedule(const PiecewiseLinear& s) { hold(s); }
STRATA_DEFINE Schedule::Schedule(const ReduceOnPlateau& s) { hold(s); }
#endif

}  // namespace strata::inline STRATA_ABI
