// SPDX-License-Identifier: BSL-1.0
// What runs the GPU's kernels where there is no GPU: a loop.
#pragma once
#include <cstdint>
#include <numeric>
#include <type_traits>

namespace conformance {

// Calls an element for every index, in an order that no kernel may depend on.
class Runner {
 public:
  enum Order { forward, backward, shuffled };
  static constexpr Order orders[] = {forward, backward, shuffled};
  explicit Runner(Order order) : order_(order) {}

  template <class Element>
  void operator()(std::int64_t n, const Element& element) {
    static_assert(std::is_trivially_copyable_v<Element>);
    std::int64_t stride = order_ == forward ? 1 : order_ == backward ? n - 1 : n * 5 / 8;  // coprime with n: visits all
    while (std::gcd(stride, n) != 1) ++stride;
    for (std::int64_t k = 0, i = order_ == forward ? 0 : n - 1; k < n; ++k, i = (i + stride) % n) element(i);
  }

 private:
  Order order_;
};

}  // namespace conformance
