// SPDX-License-Identifier: BSL-1.0
// A summary with a row that has no number of parameters.
#include <strata/network.hpp>
using namespace strata;

#ifdef EXPECT_COMPILE_FAIL
constexpr FixedString printed = R"(
│ flatten (Flatten)    │ (None, 3072)    │             0 │
│ dense (Dense)        │ (None, 100)     │   (not built) │
)";
#else
constexpr FixedString printed = R"(
│ flatten (Flatten)    │ (None, 3072)    │             0 │
│ dense (Dense)        │ (None, 100)     │       307,300 │
)";
#endif

// expect-error: a row of the Keras summary cannot be read
// expect-error: keras_summary_unreadable<.*at_row<2>
using Net = Sequential<Input<32, 32, 3>, Flatten, Dense<100>>;
static_assert(keras_summary<Net, printed>);
static_assert(Net::output == Shape{100} && Net::layers == 3);
static_assert(Net::parameters == 307300);
