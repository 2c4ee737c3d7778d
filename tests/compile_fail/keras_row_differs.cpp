// SPDX-License-Identifier: BSL-1.0
// The first pool is Same, where the model in Keras had it Valid.
#include <strata/network.hpp>
using namespace strata;

constexpr FixedString printed = R"(
conv2d (Conv2D)              (None, 32, 32, 96)        7296
max_pooling2d (MaxPooling2D) (None, 15, 15, 96)        0
conv2d_1 (Conv2D)            (None, 8, 8, 256)         614656
max_pooling2d_1 (MaxPooling2 (None, 3, 3, 256)         0
flatten (Flatten)            (None, 2304)              0
dense (Dense)                (None, 100)               230500
)";

// expect-error: shape or parameters differ from this row of the Keras summary
// expect-error: keras_row_differs<.*at_row<2>.*MaxPool<3, 2, strata::Same>.*expected<0(LL)?>.*got<0(LL)?>
// expect-error: expected_shape<15, 15, 96>.*got_shape<16, 16, 96>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<32, 32, 3>, Conv<5, 96>, ReLU, MaxPool<3, 2, Same>, Conv<5, 256, Stride<2>>, ReLU,
                       MaxPool<3, 2>, Flatten, Dense<100>>;
#else
using Net = Sequential<Input<32, 32, 3>, Conv<5, 96>, ReLU, MaxPool<3, 2>, Conv<5, 256, Stride<2>>, ReLU, MaxPool<3, 2>,
                       Flatten, Dense<100>>;
#endif
static_assert(keras_summary<Net, printed>);
static_assert(Net::output == Shape{100} && Net::layers == 9);
static_assert(Net::parameters == 7296 + 614656 + 230500);
