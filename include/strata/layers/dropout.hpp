// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <type_traits>

#include <strata/core/options.hpp>

namespace strata {

// The share that is kept: what tf.nn.dropout of TensorFlow 1 took, where Keras takes the share that is dropped.
struct Keep {
  double probability = 1;
};

namespace detail {
constexpr double rate_of(Keep keep) { return 1 - keep.probability; }
// What is no number at all is no rate.
template <class Rate>
constexpr double rate_of(Rate rate) {
  if constexpr (std::is_arithmetic_v<Rate>)
    return static_cast<double>(rate);
  else
    return -1;
}
}  // namespace detail

// While training sets a share of the numbers to zero and divides the others by what is left, so that evaluation changes
// nothing. Dropout<0.5> drops half; Dropout<Keep{0.5}> keeps half.
template <auto Rate>
struct Dropout {
  static constexpr const char* name = "Dropout";
  static constexpr double rate = detail::rate_of(Rate);
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s;
    s.out = in;
    s.values = Values::dropped;
    if (!(rate >= 0 && rate < 1)) s.fault = Fault::rate_outside_range;
    return s;
  }
};

}  // namespace strata
