// SPDX-License-Identifier: BSL-1.0
// Runs the GPU's kernels on a GPU, for unit/cuda_elements.hpp: with the library's own launches and with other grids.
//
// The bounds of the tests need not be wider for a device. According to the CUDA C++ Programming Guide (mathematical
// functions) exp is within 2 units of the last place in single precision and 1 in double, log and log1p within 1 in both,
// tanh within 2; sqrt and division are exact. The bounds allow several units.
#pragma once
#include <cstdint>
#include <type_traits>

#include <strata/backend/cuda/device.hpp>

#include "managed_memory.hpp"

namespace conformance {

class Runner {
 public:
  // The library's launch; and few blocks, so that each thread takes several elements, in another order.
  enum Order { device, one_block, five_blocks };
  static constexpr Order orders[] = {device, one_block, five_blocks};
  explicit Runner(Order order) : order_(order) {}

  template <class Element>
  void operator()(std::int64_t n, const Element& element) {
    using namespace strata::cuda;
    static_assert(std::is_trivially_copyable_v<Element>);
    const CallsCuda calls;
    Device& to = first_device();
    if (order_ == device) {
      to(n, element);
    } else {
      const unsigned blocks = order_ == one_block ? 1 : 5;
      detail::run_elements<<<blocks, detail::threads_of_a_block, 0, to.stream()>>>(n, element);
      check(cudaGetLastError(), "launching a kernel");
    }
    to.finish();
  }

 private:
  static strata::cuda::Device& first_device() {
    static strata::cuda::Device first(0);
    return first;
  }
  Order order_;
};

}  // namespace conformance
