// SPDX-License-Identifier: BSL-1.0
// Compiles row h, and row h with one mistake each.
#include "train_run.hpp"

namespace notes {

using Twice = Unchecked<SoftmaxCrossEntropy>;

template Outcome NOTES_TRAIN<H, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<H, Adam, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<HThree, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<Keep15, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<Keep15, Adam, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<Rate15, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<Rate15, Adam, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<SoftmaxEnd, SGD, Twice>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<SoftmaxEnd, Adam, Twice>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<ReluEnd, SGD, Twice>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<LinearDense, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<Linear, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<SameOne, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<Slip, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<TwoGroups, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);

}  // namespace notes
