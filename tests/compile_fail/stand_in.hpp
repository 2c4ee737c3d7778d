// SPDX-License-Identifier: BSL-1.0
// Stand-ins for data sets and for train(), without their headers.
#pragma once
#include <strata/network.hpp>

struct Digits {
  static constexpr strata::Shape image{8, 8, 3};
  static constexpr int classes = 10;
};
struct Cifar100 {
  static constexpr strata::Shape image{32, 32, 3};
  static constexpr int classes = 100;
};

// What anything that trains looks like from here.
template <class Net, class Loss, class Data>
auto train() -> typename strata::detail::checked<bool, Net, Loss, Data>::result {
  return true;
}
