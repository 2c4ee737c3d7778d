// SPDX-License-Identifier: BSL-1.0
// The networks of the rows, compiled.
#include "train_run.hpp"

namespace notes {

template Outcome train_run<A, Adam, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome train_run<APad4, Adam, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome train_run<B, Adam, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome train_run<B, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome train_run<D, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome train_run<E, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome train_run<F, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);

}  // namespace notes
