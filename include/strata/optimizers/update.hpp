// SPDX-License-Identifier: BSL-1.0
// How an optimizer's work is written: once, as the update of one parameter, for the processor and for a GPU.
//
//   struct Sign {                                              // an optimizer
//     Schedule learning_rate = 0.001;
//     template <class T>
//     struct Element {                                         // trivially copyable
//       T rate;
//       template <class Slots>
//       STRATA_HOST_DEVICE T operator()(T w, T g, const Slots&) const { return w - (g > 0 ? rate : -rate); }
//     };
//     template <class T>
//     Element<T> element(const UpdateStep& u) const { return {static_cast<T>(u.learning_rate)}; }
//     int slot_count() const { return 0; }
//     void validate() const { learning_rate.validate(); }
//     std::string describe() const { return "Sign{learning_rate " + learning_rate.describe() + "}"; }
//   };
//
// An optimizer that needs whole tensors (LAMB, Muon) has in place of element():
//   template <class T> void update(const UpdateStep&, const ParameterSlice<T>&) const;
// It runs on the processor alone.
#pragma once
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <strata/core/host_device.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/tensor_info.hpp>
#include <strata/optimizers/schedule.hpp>

namespace strata::inline STRATA_ABI {

// One update of one slice of the parameters.
struct UpdateStep {
  std::int64_t number = 1;   // of the update, from 1
  double learning_rate = 0;  // of the schedule, times the factor of the slice's group
  double weight_decay = 1;   // the factor of the slice's group
};

// A tensor on the host, for optimizers that work on whole tensors.
template <class T>
struct ParameterSlice {
  std::string_view name;  // conv2d_1/kernel
  TensorInfo info;        // role and shape
  std::span<T> parameters;
  std::span<const T> gradients;
  T* slot_data;              // of the first parameter
  std::int64_t slot_stride;  // from one slot to the next
  [[nodiscard]] std::span<T> slot(int k) const { return {slot_data + k * slot_stride, parameters.size()}; }
};

// The numbers that an optimizer keeps for one parameter: slot[0], slot[1], ...
template <class T>
struct SlotsOf {
  T* all;  // null if the optimizer keeps nothing
  std::int64_t stride, parameter;
  STRATA_HOST_DEVICE T& operator[](int k) const { return all[k * stride + parameter]; }
};

// What any optimizer has. slot_count(): numbers kept for each parameter, which begin at 0.
template <class O>
concept Optimizer = requires(const O& o, std::int64_t update) {
  { o.slot_count() } -> std::convertible_to<int>;
  { o.describe() } -> std::convertible_to<std::string>;
  { o.learning_rate(update) } -> std::convertible_to<double>;
  o.validate();
};
template <class O, class T>
concept ElementOptimizer = Optimizer<O> && requires(const O& o, const UpdateStep& u, T x, SlotsOf<T> slot) {
  { o.template element<T>(u)(x, x, slot) } -> std::same_as<T>;
};
template <class O, class T>
concept TensorOptimizer =
    Optimizer<O> && requires(const O& o, const UpdateStep& u, const ParameterSlice<T>& slice) { o.update(u, slice); };

namespace detail {
// The type of an optimizer's element; an empty one if it works on whole tensors.
template <class O, class T>
struct element_of {
  struct type {};
};
template <class O, class T>
  requires ElementOptimizer<O, T>
struct element_of<O, T> {
  using type = decltype(std::declval<const O&>().template element<T>(UpdateStep{}));
};
}  // namespace detail

}  // namespace strata::inline STRATA_ABI
