// SPDX-License-Identifier: BSL-1.0
// The two rewrites, compiled. Without Unchecked none of those that end in a softmax or a ReLU would.
#include "train_run.hpp"

namespace notes {

using Twice = Unchecked<SoftmaxCrossEntropy>;

template Outcome train_run<Layers, Adam, Twice>(const Recipe&, const Job&);
template Outcome train_run<Layers, SGD, Twice>(const Recipe&, const Job&);
template Outcome train_run<LayersRate15, Adam, Twice>(const Recipe&, const Job&);
template Outcome train_run<NnSoftmax, Adam, Twice>(const Recipe&, const Job&);
template Outcome train_run<NnRelu, Adam, Twice>(const Recipe&, const Job&);
template Outcome train_run<NnMended, Adam, Twice>(const Recipe&, const Job&);
template Outcome train_run<NnLinear, Adam, SoftmaxCrossEntropy>(const Recipe&, const Job&);
template Outcome train_run<SameOne, Adam, SoftmaxCrossEntropy>(const Recipe&, const Job&);

}  // namespace notes
