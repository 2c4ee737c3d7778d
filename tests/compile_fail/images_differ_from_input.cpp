// SPDX-License-Identifier: BSL-1.0
// A network for ImageNet with the images of CIFAR.
#include <strata/network.hpp>

#include "stand_in.hpp"
using namespace strata;

// expect-error: the data set's images do not have the shape of the network's Input
// expect-error: images_differ_from_input<.*Cifar100.*expected_shape<227, 227, 3>.*got_shape<32, 32, 3>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<227, 227, 3>, Conv<3, 16, Stride<4>>, Flatten, Dense<100>>;
#else
using Net = Sequential<Input<32, 32, 3>, Conv<3, 16, Stride<4>>, Flatten, Dense<100>>;
#endif
bool trained = train<Net, SoftmaxCrossEntropy, Cifar100>();
static_assert(Net::output == Shape{100} && Net::layers == 4);
static_assert(Net::parameters > 0);
