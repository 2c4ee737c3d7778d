// SPDX-License-Identifier: BSL-1.0
// One row of a loss's work, the same for kernels of the processor and of a GPU.
#pragma once
#include <type_traits>

#include <strata/core/host_device.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI {

// A loss is called once for each row: a sample, or for a class map each place of it. A loss that declares
// `static constexpr bool whole_samples = true` gets a class map's sample as one row of several places. It reads the outputs
// and the target, writes the gradient of the row's value, and returns that value.
//   T: the type that outputs are stored in. Number: the type to compute in. Element: int if the target is a class index,
//   float if it consists of numbers.
template <class T, class Number, class Element>
struct LossRow {
  using number = Number;
  static constexpr bool has_label = std::is_same_v<Element, int>;

  int count;             // outputs of the row
  const T* outputs;      // (count), or of several places (places, count / places)
  const Element* truth;  // class indices (places), or numbers (count)
  T* slope;              // (count); null if no gradient is wanted
  Number rows;           // of the batch: gradients are those of the mean
  int places = 1;        // above 1 for whole_samples of a class map

  [[nodiscard]] STRATA_HOST_DEVICE int size() const { return count; }
  [[nodiscard]] STRATA_HOST_DEVICE Number output(int i) const { return static_cast<Number>(outputs[i]); }
  [[nodiscard]] STRATA_HOST_DEVICE int label() const {
    static_assert(has_label, "strata: label() is for losses of class indices; read target(i)");
    return static_cast<int>(*truth);
  }
  // Of one of several places.
  [[nodiscard]] STRATA_HOST_DEVICE int label(int place) const {
    static_assert(has_label, "strata: label() is for losses of class indices; read target(i)");
    return static_cast<int>(truth[place]);
  }
  // The number that output i is compared with. Of a class index: 1 for the class, 0 for the others.
  [[nodiscard]] STRATA_HOST_DEVICE Number target(int i) const {
    if constexpr (has_label)
      return static_cast<Number>(places == 1 ? *truth == i : truth[i / (count / places)] == i % (count / places));
    else
      return static_cast<Number>(truth[i]);
  }
  [[nodiscard]] STRATA_HOST_DEVICE bool wants_gradient() const { return slope != nullptr; }
  // Sets d value / d output(i). The division by the number of rows happens here.
  STRATA_HOST_DEVICE void gradient(int i, Number value) const {
    if (slope) slope[i] = T(value / rows);
  }
};

}  // namespace strata::inline STRATA_ABI
