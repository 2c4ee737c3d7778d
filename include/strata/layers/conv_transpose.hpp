// SPDX-License-Identifier: BSL-1.0
// ConvTranspose: a transposed convolution.
#pragma once
#include <array>
#include <cstdint>

#include <strata/core/options.hpp>
#include <strata/core/tensor_info.hpp>

namespace strata {

// The transpose of a convolution, with a bias: it computes what the backward pass of a Conv from Filters to C channels
// does. With a stride it enlarges a map. The default padding is Same.
// Formula: y[p,q,f] = bias[f] + sum of kernel[u,v,f,c] x[i,j,c] over all i, j, u, v, c with
//          p = i stride + u dilation - top and q = j stride + v dilation - left
// Shapes: (N,H,W,C) -> (N,H',W',Filters), and W' is computed like H'. With extent = dilation (kernel - 1) + 1:
//   Same: H' = H stride. Valid: H' = H stride + max(extent - stride, 0).
//   Pad<p>: H' = (H - 1) stride + extent - 2 p + output padding
// Trained: kernel (KH,KW,Filters,C), bias (Filters)
// Options: Kernel, a number or Size<rows, columns>; Filters; Stride, Same, Valid, Pad, OutputPadding (with Pad),
//   Dilation, In, NoBias
// Errors: needs_feature_map, padding_removes_output, input_channels_differ, number_outside_range, size_overflows,
//   not_a_size, not_positive, negative_padding, options_contradict, option_not_taken
// Example:
//   using Net = Sequential<Input<16, 16, 32>, ConvTranspose<3, 16, Stride<2>>, ReLU,
//                          ConvTranspose<4, 8, Stride<2>, Pad<1>>>;
//   static_assert(Net::output == Shape{64, 64, 8});
// Keras: Conv2DTranspose(Filters, Kernel, padding="same"); without an argument its padding is "valid"
// PyTorch: nn.ConvTranspose2d(C, Filters, Kernel, padding=p), which is Pad<p>
template <auto Kernel, int Filters, class... Options>
struct ConvTranspose {
  static constexpr const char* name = "ConvTranspose";
  static constexpr const char* keras = "conv2d_transpose";
  static constexpr detail::Settings settings = [] {
    detail::Settings s;
    s.window.kernel_h = detail::extent(Kernel).height;
    s.window.kernel_w = detail::extent(Kernel).width;
    s.window.padding = Padding::same;
    if (!detail::is_size<decltype(Kernel)>) s.fault = Fault::not_a_size;
    s = detail::read_options < detail::sets_stride | detail::sets_padding | detail::sets_dilation |
        detail::sets_declared_input | detail::sets_bias | detail::sets_output_padding,
    Options... > (s);
    const bool padded = s.window.padding == Padding::explicit_;
    if ((s.seen & detail::sets_output_padding) != 0 && !padded && s.fault == Fault::none) s.fault = Fault::option_not_taken;
    return s;
  }();
  static constexpr bool has_bias = settings.bias;
  // The window of the convolution on the output's map says less than these, which tell networks apart.
  static constexpr std::array numbers = [] {
    constexpr WindowSpec w = settings.window;
    return std::array<double, 10>{static_cast<double>(w.kernel_h),   static_cast<double>(w.kernel_w),
                                  static_cast<double>(w.stride_h),   static_cast<double>(w.stride_w),
                                  static_cast<double>(w.dilation_h), static_cast<double>(w.dilation_w),
                                  static_cast<double>(w.padding),    static_cast<double>(w.top),
                                  static_cast<double>(w.left),       has_bias ? 1.0 : 0.0};
  }();

  static constexpr LayerInfo infer(Shape in) {
    constexpr int filters = Filters;
    const WindowSpec w = detail::with_valid_numbers(settings.window);
    const std::int64_t rows = transposed_rows(w, in.height, settings.output_padding.height);
    const std::int64_t columns = transposed_columns(w, in.width, settings.output_padding.width);
    LayerInfo s;
    s.out = Shape{detail::at_least_one(detail::saturate_to_int(rows)),
                  detail::at_least_one(detail::saturate_to_int(columns)), detail::at_least_one(filters)};
    s.values = Values::any;
    // An output reads every stride-th tap.
    const auto read = [](std::int64_t kernel, int dilation, int stride) {
      return detail::saturate_to_int((detail::saturating_multiply(dilation, kernel - 1) + stride) / stride);
    };
    s.window.kernel_h = read(w.kernel_h, w.dilation_h, w.stride_h);
    s.window.kernel_w = read(w.kernel_w, w.dilation_w, w.stride_w);
    s.enlarged_rows = w.stride_h, s.enlarged_columns = w.stride_w;
    const std::int64_t taps = detail::saturating_multiply(w.kernel_h, w.kernel_w, s.out.channels);
    s.parameters = detail::saturating_multiply(taps, in.channels) + (has_bias ? s.out.channels : 0);
    s.macs = detail::saturating_multiply(detail::saturating_size(in), taps);
    detail::check_window(s, in, settings, &filters);
    const Extent extra = settings.output_padding;
    if (extra.height < 0 || extra.height >= w.stride_h || extra.width < 0 || extra.width >= w.stride_w)
      s.fail(Fault::number_outside_range);
    for (const std::int64_t size : {rows, columns})
      if (size < 1) s.fail(Fault::padding_removes_output, 1, size);
    return s;
  }
  // This layer is the transpose of a convolution with this geometry, whose input is this layer's output. Precondition of
  // both: infer(in) has no fault.
  [[gnu::always_inline]] static constexpr Geometry geometry(Shape in) {
    constexpr WindowSpec window = settings.window;  // constants of this function's own: `settings` gets no symbol
    constexpr Extent extra = settings.output_padding;
    const Shape out{static_cast<int>(transposed_rows(window, in.height, extra.height)),
                    static_cast<int>(transposed_columns(window, in.width, extra.width)), Filters};
    return place(window, out, in.channels);
  }
  [[gnu::always_inline]] static constexpr auto tensors(Shape in) {
    const Geometry g = geometry(in);
    const std::int64_t kh = g.window.kernel_h, kw = g.window.kernel_w, fan_in = kh * kw * Filters,
                       fan_out = kh * kw * in.channels;
    std::array<TensorInfo, has_bias ? 2 : 1> t{};
    t[0] = TensorInfo{"kernel", Role::weight, {kh, kw, Filters, in.channels}, 4, fan_in, fan_out, TensorLayout::filters};
    if constexpr (has_bias) t[1] = TensorInfo{"bias", Role::bias, {Filters}, 1, fan_in, fan_out};
    return t;
  }
};

}  // namespace strata
