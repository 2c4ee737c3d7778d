// SPDX-License-Identifier: BSL-1.0
// Dense: a fully connected layer; and Flatten, which a map needs before it.
#pragma once
#include <strata/core/options.hpp>
#include <strata/core/tensor_info.hpp>

namespace strata {

// Makes a vector of a map, in the order of memory: rows, columns, channels. Copies nothing. A vector stays as it is.
// Formula: y[(i W + j) C + c] = x[i,j,c]
// Shapes: (N,H,W,C) -> (N,H*W*C)
// Options: none
// Errors: size_overflows
// Example:
//   using Net = Sequential<Input<32, 32, 3>, Flatten, Dense<10>>;
//   static_assert(Net::shapes[1] == Shape{32 * 32 * 3});
// Keras: Flatten()
// PyTorch: nn.Flatten(), which orders by channels, rows, columns
struct Flatten {
  static constexpr const char* name = "Flatten";
  static constexpr LayerInfo infer(Shape in) {
    const std::int64_t size = detail::saturating_size(in);
    LayerInfo s = detail::keep(Shape{detail::saturate_to_int(size)}, Values::as_before);
    if (size > detail::max_elements) s.fail(Fault::size_overflows, 0, size);
    return s;
  }
};

// A fully connected layer with a bias.
// Formula: y = x kernel + bias
// Shapes: (N,n) -> (N,Units)
// Trained: kernel (n,Units), bias (Units)
// Options: Units; In, NoBias
// Errors: needs_flat_input, input_channels_differ, not_positive, size_overflows, options_contradict, option_not_taken
// Example:
//   using Net = Sequential<Input<28, 28, 1>, Flatten, Dense<128>, ReLU, Dense<10, In<128>>>;
//   static_assert(Net::output == Shape{10});
// Keras: Dense(Units)
// PyTorch: nn.Linear(n, Units), whose weight is the transpose of kernel
template <int Units, class... Options>
struct Dense {
  static constexpr const char* name = "Dense";
  static constexpr const char* keras = "dense";
  static constexpr detail::Settings settings = detail::read_options < detail::sets_bias | detail::sets_declared_input,
                                    Options... > ({});
  static constexpr bool has_bias = settings.bias;

  static constexpr LayerInfo infer(Shape in) {
    const int units = detail::at_least_one(Units);
    LayerInfo s = detail::keep(Shape{units}, Values::any);
    s.macs = detail::saturating_multiply(detail::saturating_size(in), units);
    s.parameters = s.macs + (has_bias ? units : 0);
    const bool declared = (settings.seen & detail::sets_declared_input) != 0;
    s.fail(settings.fault);
    if (Units < 1) s.fail(Fault::not_positive, 1, Units, Parameter::units);
    if (declared && settings.declared_input < 1)
      s.fail(Fault::not_positive, 1, settings.declared_input, Parameter::declared_input);
    if (!in.flat) s.fail(Fault::needs_flat_input, 0, detail::saturating_size(in));
    if (declared && settings.declared_input != in.channels)
      s.fail(Fault::input_channels_differ, settings.declared_input, in.channels);
    return s;
  }
  [[gnu::always_inline]] static constexpr auto tensors(Shape in) {
    std::array<TensorInfo, has_bias ? 2 : 1> t{};
    t[0] = {"kernel", Role::weight, {in.channels, Units}, 2, in.channels, Units};
    if constexpr (has_bias) t[1] = {"bias", Role::bias, {Units}, 1, in.channels, Units};
    return t;
  }
};

}  // namespace strata
