// SPDX-License-Identifier: BSL-1.0
// Compiles the networks of the rows.
#include "train_run.hpp"

namespace notes {

template Outcome NOTES_TRAIN<A, Adam, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<APad4, Adam, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<B, Adam, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<B, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<BPad4, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<D, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<E, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<F, SGD, SoftmaxCrossEntropy>(const Recipe&, const Job&);

}  // namespace notes
