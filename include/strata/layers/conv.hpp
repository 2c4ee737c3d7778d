// SPDX-License-Identifier: BSL-1.0
// Conv: a convolution.
#pragma once
#include <strata/core/options.hpp>
#include <strata/core/tensor_info.hpp>

namespace strata {

// A convolution (more exactly a cross-correlation, as in every framework) with a bias. The default padding is Same.
// Formula: y[i,j,f] = bias[f] + sum over u, v, c of
//          kernel[u,v,c,f] x[i stride + u dilation - top, j stride + v dilation - left, c]
// Shapes: (N,H,W,C) -> (N,H',W',Filters), and W' is computed like H'. Same: H' = H / stride, rounded up. Otherwise
//   H' = (H + top + bottom - extent) / stride + 1, rounded down, where extent = dilation (kernel - 1) + 1
// Trained: kernel (KH,KW,C/groups,Filters), bias (Filters)
// Options: Kernel, a number or Size<rows, columns>; Filters; Stride, Same, Valid, Pad, Dilation, Groups, In, NoBias,
//   Exact
// Errors: needs_feature_map, kernel_larger_than_padded_input, groups_do_not_divide_channels, input_channels_differ,
//   window_does_not_tile, size_overflows, not_a_size, not_positive, negative_padding, options_contradict,
//   option_not_taken
// Example:
//   using Net = Sequential<Input<32, 32, 3>, Conv<5, 96>, ReLU, Conv<Size<1, 3>, 64, Stride<2>, Pad<0, 0, 1, 1>, NoBias>>;
//   static_assert(Net::output == Shape{16, 16, 64});
// Keras: Conv2D(Filters, Kernel, padding="same"); without an argument its padding is "valid"
// PyTorch: nn.Conv2d(C, Filters, Kernel, padding=Kernel // 2); without an argument it does not pad
template <auto Kernel, int Filters, class... Options>
struct Conv {
  static constexpr const char* name = "Conv";
  static constexpr const char* keras = "conv2d";
  static constexpr detail::Settings settings = [] {
    detail::Settings s;
    s.window.kernel_h = detail::extent(Kernel).height;
    s.window.kernel_w = detail::extent(Kernel).width;
    s.window.padding = Padding::same;
    if (!detail::is_size<decltype(Kernel)>) s.fault = Fault::not_a_size;
    return detail::read_options<127, Options...>(s);
  }();
  static constexpr bool has_bias = settings.bias;

  static constexpr LayerInfo infer(Shape in) {
    constexpr int filters = Filters;
    LayerInfo s = detail::slide_over(in, settings, &filters);
    s.values = Values::any;
    const int channels = detail::at_least_one(in.channels / detail::at_least_one(settings.groups));
    const std::int64_t taps = detail::saturating_multiply(s.window.kernel_h, s.window.kernel_w, channels);
    s.parameters = detail::saturating_multiply(taps, s.out.channels) + (has_bias ? s.out.channels : 0);
    s.macs = detail::saturating_multiply(detail::saturating_size(s.out), taps);
    return s;
  }
  // Precondition of both: infer(in) has no fault.
  [[gnu::always_inline]] static constexpr Geometry geometry(Shape in) {
    constexpr WindowSpec window = settings.window;  // a constant of this function's own: `settings` gets no symbol
    return place(window, in, Filters, settings.groups);
  }
  [[gnu::always_inline]] static constexpr auto tensors(Shape in) {
    const Geometry g = geometry(in);
    const std::int64_t kh = g.window.kernel_h, kw = g.window.kernel_w, channels = in.channels / g.groups;
    std::array<TensorInfo, has_bias ? 2 : 1> t{};
    const std::int64_t fan_in = kh * kw * channels, fan_out = kh * kw * Filters;
    t[0] = TensorInfo{"kernel", Role::weight, {kh, kw, channels, Filters}, 4,
                      fan_in,   fan_out,      TensorLayout::filters,       g.groups};
    if constexpr (has_bias) t[1] = TensorInfo{"bias", Role::bias, {Filters}, 1, fan_in, fan_out};
    return t;
  }
};

}  // namespace strata
