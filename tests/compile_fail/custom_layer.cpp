// SPDX-License-Identifier: BSL-1.0
// A layer outside the library reports an error of its own, and the network recovers as after any other.
#include <strata/network.hpp>
using namespace strata;

template <int Pieces>
struct Maxout {
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s;
    s.out = in;
    s.out.channels = in.channels / Pieces;
    if (in.channels % Pieces != 0) s.fault = Fault::custom, s.expected = Pieces, s.got = in.channels;
    return s;
  }
  template <class At, class Layer, class Expected, class Got>
  struct error {
    static_assert(strata::error::never<At, Layer, Expected, Got>, "Maxout: the pieces must divide the channels");
  };
};

// expect-error: Maxout: the pieces must divide the channels
// expect-error: at_layer<2>.*Maxout<5>.*expected<5(LL)?>.*got<12(LL)?>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<6, 6, 1>, Conv<3, 12>, Maxout<5>, Flatten, Dense<2>>;
#else
using Net = Sequential<Input<6, 6, 1>, Conv<3, 12>, Maxout<3>, Flatten, Dense<2>>;
#endif
static_assert(Net::output == Shape{2});
static_assert(Net::layers == 5 && Net::parameters > 0);
