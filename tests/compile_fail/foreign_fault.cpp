// SPDX-License-Identifier: BSL-1.0
// A layer outside the library reports a fault that is not one of layers. It must not compile without an error.
#include <strata/network.hpp>
using namespace strata;

template <int Most>
struct Narrow {
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s;
    s.out = in;
    if (in.channels > Most) s.fault = Fault::loss_needs_logits;
    return s;
  }
};

// expect-error: this fault is not one of a layer
// expect-error: Narrow<4>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<6, 6, 1>, Conv<3, 12>, Narrow<4>, Flatten, Dense<2>>;
#else
using Net = Sequential<Input<6, 6, 1>, Conv<3, 12>, Narrow<12>, Flatten, Dense<2>>;
#endif
static_assert(Net::output == Shape{2});
static_assert(Net::layers == 5 && Net::parameters > 0);
