// SPDX-License-Identifier: BSL-1.0
// Keras has a dropout at the end, the network has none.
#include <strata/network.hpp>
using namespace strata;

constexpr FixedString printed = R"(
flatten (Flatten)            (None, 3072)              0
dense (Dense)                (None, 100)               307300
dropout (Dropout)            (None, 100)               0
)";

// expect-error: the Keras summary and the network differ in their number of rows
// expect-error: keras_rows_missing<.*expected<3(LL)?>.*got<2(LL)?>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<32, 32, 3>, Flatten, ReLU, Dense<100>>;
#else
using Net = Sequential<Input<32, 32, 3>, Flatten, ReLU, Dense<100>, Dropout<0.5>>;
#endif
static_assert(keras_summary<Net, printed>);
static_assert(Net::output == Shape{100} && Net::layers >= 4);
static_assert(Net::parameters == 307300);
