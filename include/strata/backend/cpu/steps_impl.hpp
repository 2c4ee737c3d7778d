// SPDX-License-Identifier: BSL-1.0
// Training on the CPU, compiled once.
#pragma once
#include <strata/backend/cpu/steps.hpp>
#include <strata/core/linkage.hpp>
#include <strata/training/train_core_impl.hpp>

#if defined(STRATA_COMPILED)
namespace strata::inline STRATA_ABI {

template class cpu::Steps<float>;
template class cpu::Steps<double>;

namespace detail {

template class EvaluatorCore<Cpu>;
template class EvaluatorCore<CpuOf<double>>;
template class TrainerCore<Cpu>;
template class TrainerCore<CpuOf<double>>;
template Evaluation evaluate_batches(EvaluatorCore<Cpu>&, const EvaluationData&, const EvaluateOptions&, Processes*);
template void check_evaluation(EvaluatorCore<Cpu>&, const std::string&, const std::string&, const EvaluateOptions&,
                               Processes&);
template std::vector<EpochRecord> run_training(TrainerCore<Cpu>&, TrainerCore<Cpu>::Steps::Ring&, const RunOptions&);

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
#endif
