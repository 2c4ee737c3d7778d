// SPDX-License-Identifier: BSL-1.0
// One pool too many: a window of 3x3 on a map of 2x2.
#include <strata/network.hpp>
using namespace strata;

// expect-error: the kernel or window is larger than its padded input
// expect-error: kernel_larger_than_padded_input<.*at_layer<3>.*MaxPool<3, 2>.*expected<3(LL)?>.*got<2(LL)?>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<12, 12, 3>, Conv<5, 8>, MaxPool<5, 5>, MaxPool<3, 2>, Flatten, Dense<10>>;
#else
using Net = Sequential<Input<16, 16, 3>, Conv<5, 8>, MaxPool<5, 5>, MaxPool<3, 2>, Flatten, Dense<10>>;
#endif
static_assert(Net::output == Shape{10});
static_assert(Net::layers == 6 && Net::shapes.back() == Net::output);
static_assert(Net::parameters == (5 * 5 * 3 + 1) * 8 + (8 + 1) * 10);
static_assert(Net::training_bytes(128) > 0);
