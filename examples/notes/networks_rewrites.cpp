// SPDX-License-Identifier: BSL-1.0
// Compiles the two rewrites. Those that end in a softmax or a ReLU need Unchecked to compile.
#include "train_run.hpp"

namespace notes {

using Twice = Unchecked<SoftmaxCrossEntropy>;

template Outcome NOTES_TRAIN<Layers, Adam, Twice>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<Layers, SGD, Twice>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<LayersRate15, Adam, Twice>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<LayersRelu, Adam, Twice>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<NnSoftmax, Adam, Twice>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<NnRelu, Adam, Twice>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<NnMended, Adam, Twice>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<NnRateRelu, Adam, Twice>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<NnLogits, Adam, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<NnLinear, Adam, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<NnRateLinear, Adam, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome NOTES_TRAIN<SameOne, Adam, SoftmaxCrossEntropy>(const Recipe&, const Job&);

}  // namespace notes
