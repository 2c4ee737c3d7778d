// SPDX-License-Identifier: BSL-1.0
// Ten outputs for a hundred classes.
#include <strata/network.hpp>

#include "stand_in.hpp"
using namespace strata;

// expect-error: the number of outputs differs from the number of classes of the data set
// expect-error: outputs_differ_from_classes<.*Cifar100.*expected_shape<100>.*got_shape<10>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<32, 32, 3>, Conv<3, 16, Stride<4>>, Flatten, Dense<10>>;
#else
using Net = Sequential<Input<32, 32, 3>, Conv<3, 16, Stride<4>>, Flatten, Dense<100>>;
#endif
bool trained = train<Net, SoftmaxCrossEntropy, Cifar100>();
static_assert(Net::output.flat && Net::layers == 4);
static_assert(Net::parameters > 0);
