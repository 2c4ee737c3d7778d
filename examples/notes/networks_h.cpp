// SPDX-License-Identifier: BSL-1.0
// Compiles row h, and row h with one mistake each.
#include "train_run.hpp"

namespace notes {

using Twice = Unchecked<SoftmaxCrossEntropy>;

template struct Compiled<SGD, SoftmaxCrossEntropy, H, HThree, Keep15, Rate15, LinearDense, Linear, SameOne, Slip,
                         TwoGroups>;
template struct Compiled<Adam, SoftmaxCrossEntropy, H, Keep15, Rate15>;
template struct Compiled<SGD, Twice, SoftmaxEnd, ReluEnd>;
template struct Compiled<Adam, Twice, SoftmaxEnd>;

}  // namespace notes
