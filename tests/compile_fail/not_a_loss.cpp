// SPDX-License-Identifier: BSL-1.0
// The optimizer where the loss should be.
#include <strata/network.hpp>
using namespace strata;

struct Sgd {};

// expect-error: this type is not a loss
// expect-error: not_a_loss<.*Sgd
using Net = Sequential<Input<8, 8, 3>, Flatten, Dense<10>>;
struct Digits {
  static constexpr Shape image{8, 8, 3};
  static constexpr int classes = 10;
};
// What anything that trains looks like from here.
template <class Net, class Loss, class Data>
auto train() -> typename detail::checked<bool, Net, Loss, Data>::result {
  return true;
}
#ifdef EXPECT_COMPILE_FAIL
bool trained = train<Net, Sgd, Digits>();
#else
bool trained = train<Net, SoftmaxCrossEntropy, Digits>();
#endif
static_assert(Net::output == Shape{10});
