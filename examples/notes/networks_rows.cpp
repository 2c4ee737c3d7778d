// SPDX-License-Identifier: BSL-1.0
// Compiles the networks of the rows.
#include "train_run.hpp"

namespace notes {

template struct Compiled<Adam, SoftmaxCrossEntropy, A, APad4, B>;
template struct Compiled<SGD, SoftmaxCrossEntropy, B, BPad4, D, E, F>;

}  // namespace notes
