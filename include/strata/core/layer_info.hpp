// SPDX-License-Identifier: BSL-1.0
// LayerInfo: what one layer answers when it is asked what becomes of a shape. Values only, so that the answer can be looked
// at while compiling without stopping the compiler.
#pragma once
#include <cstdint>
#include <limits>

#include <strata/core/shape.hpp>
#include <strata/core/window.hpp>

namespace strata {

// One fault for each error of core/errors.hpp, under the same name.
enum class Fault {
  none,
  custom,  // the layer's own: Layer::error
  input_channels_differ,
  kernel_larger_than_padded_input,
  needs_flat_input,
  needs_feature_map,
  shape_differs,
  loss_needs_logits,
  loss_needs_log_probabilities,
  loss_needs_probabilities,
  outputs_differ_from_classes,
  images_differ_from_input,
  groups_do_not_divide_channels,
  residual_shapes_differ,
  concat_shapes_differ,
  shortcut_misplaced,
  not_a_layer,
  no_input,
  input_not_first,
  empty_network,
  not_positive,
  negative_padding,
  rate_outside_range,
  number_outside_range,
  options_contradict,
  option_not_taken,
  not_a_size,
  not_a_shape,
  window_does_not_tile,
  size_overflows
};

// Which number of a layer a fault is about.
enum class Parameter { none, kernel, stride, filters, units, groups, dilation, declared_input, input_size };

// What kind of numbers leave a layer: a loss asks for one kind.
enum class Values { as_before, any, rectified, squashed, dropped, probabilities, log_probabilities };

struct LayerInfo {
  Shape out{};
  Fault fault = Fault::none;
  std::int64_t expected = 0, got = 0;
  Parameter parameter = Parameter::none;
  std::int64_t parameters = 0;  // trainable numbers
  std::int64_t state = 0;       // numbers kept beside them, as the running means of BatchNorm
  std::int64_t macs = 0;
  Values values = Values::as_before;
  Window window{};  // for the receptive field; 1x1 where the layer does not look around
  int unread_rows = 0, unread_columns = 0;
};

// Dimensions multiply far beyond 64 bits before anyone notices: these stop at the top instead.
inline constexpr std::int64_t too_many = std::numeric_limits<std::int64_t>::max() / 4;
constexpr std::int64_t times(std::int64_t a, std::int64_t b) { return a > 0 && b > too_many / a ? too_many : a * b; }
constexpr std::int64_t plus(std::int64_t a, std::int64_t b) { return b > too_many - a ? too_many : a + b; }
// What kernels index with.
inline constexpr std::int64_t largest_size = std::numeric_limits<int>::max();
constexpr int narrow(std::int64_t n) { return static_cast<int>(n > largest_size ? largest_size : n); }
constexpr std::int64_t size_of(Shape s) { return times(times(s.height, s.width), s.channels); }

}  // namespace strata
