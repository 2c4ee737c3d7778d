// SPDX-License-Identifier: BSL-1.0
// LayerInfo: the result of a layer's infer(Shape). A fault is a value like the others, so that code can look at it at
// compile time without stopping the compiler.
#pragma once
#include <cstdint>

#include <strata/core/saturate.hpp>
#include <strata/core/shape.hpp>
#include <strata/core/window.hpp>

namespace strata {

// One fault for each error of core/errors.hpp, under the same name.
enum class Fault {
  none,
  custom,  // of a layer outside the library: its error is Layer::error
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
  not_a_loss,
  loss_takes_other_target,
  outputs_differ_from_target,
  target_not_given,
  groups_do_not_divide_channels,
  residual_shapes_differ,
  concat_shapes_differ,
  gate_shapes_differ,
  reshape_sizes_differ,
  channels_outside_range,
  shortcut_misplaced,
  not_a_layer,
  no_input,
  input_not_first,
  empty_network,
  not_positive,
  negative_padding,
  padding_removes_output,
  rate_outside_range,
  number_outside_range,
  options_contradict,
  option_not_taken,
  not_a_size,
  not_a_shape,
  window_does_not_tile,
  size_overflows
};

// The number of a layer that a fault is about.
enum class Parameter { none, kernel, stride, filters, units, groups, dilation, factor, declared_input, input_size };

// The kind of numbers in a layer's output; a loss takes one kind.
enum class Values { as_before, any, rectified, squashed, dropped, probabilities, log_probabilities };

struct LayerInfo {
  Shape out{};
  Fault fault = Fault::none;
  std::int64_t expected = 0, got = 0;
  Parameter parameter = Parameter::none;
  std::int64_t parameters = 0;  // trainable
  std::int64_t state = 0;       // not trainable, such as the running means of BatchNorm
  std::int64_t macs = 0;        // multiply-adds of one sample, forward
  Values values = Values::as_before;
  Window window{};                              // for the receptive field; 1x1 for a layer that works on single positions
  int enlarged_rows = 1, enlarged_columns = 1;  // outputs for each input position, of a layer that enlarges its map
  int unread_rows = 0, unread_columns = 0;      // of the padded input, which no window reads
  bool moves_positions = false;                 // an output may be anywhere else than the inputs that it depends on

  // Keeps the first fault.
  constexpr void fail(Fault f, std::int64_t wanted = 0, std::int64_t found = 0, Parameter which = Parameter::none) {
    if (fault == Fault::none) fault = f, expected = wanted, got = found, parameter = which;
  }
};

}  // namespace strata
