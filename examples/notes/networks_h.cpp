// SPDX-License-Identifier: BSL-1.0
// Row h, and row h with one thing wrong, compiled.
#include "train_run.hpp"

namespace notes {

using Twice = Unchecked<SoftmaxCrossEntropy>;

template Outcome train_run<H, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome train_run<H, Adam, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome train_run<HThree, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome train_run<Keep15, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome train_run<Keep15, Adam, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome train_run<Rate15, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome train_run<Rate15, Adam, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome train_run<SoftmaxEnd, SGD, Twice>(const Recipe&, const Job&);
template Outcome train_run<SoftmaxEnd, Adam, Twice>(const Recipe&, const Job&);
template Outcome train_run<ReluEnd, SGD, Twice>(const Recipe&, const Job&);
template Outcome train_run<LinearDense, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome train_run<Linear, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome train_run<SameOne, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome train_run<Slip, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome train_run<TwoGroups, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);

}  // namespace notes
