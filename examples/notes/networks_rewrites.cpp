// SPDX-License-Identifier: BSL-1.0
// Compiles the two rewrites. Those that end in a softmax or a ReLU need Unchecked to compile.
#include "train_run.hpp"

namespace notes {

using Twice = Unchecked<SoftmaxCrossEntropy>;

template struct Compiled<Adam, Twice, Layers, LayersRate15, LayersRelu, NnSoftmax, NnRelu, NnMended, NnRateRelu>;
template struct Compiled<SGD, Twice, Layers>;
template struct Compiled<Adam, SoftmaxCrossEntropy, NnLogits, NnLinear, NnRateLinear, SameOne>;

}  // namespace notes
