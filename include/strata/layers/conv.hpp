// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <strata/core/options.hpp>
#include <strata/core/tensor_info.hpp>

namespace strata {

// A convolution (strictly, a correlation, as in every framework) with a bias. Kernel is a number or Size<h, w>.
// (N,H,W,C) -> (N,H',W',Filters); weights (KH,KW,C/groups,Filters). Padding is Same unless told otherwise.
// Takes Stride, Same, Valid, Pad, Dilation, Groups, In, NoBias, Exact.
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
    const std::int64_t taps = times(times(s.window.kernel_h, s.window.kernel_w),
                                    detail::at_least_one(in.channels / detail::at_least_one(settings.groups)));
    s.parameters = times(taps, s.out.channels) + (has_bias ? s.out.channels : 0);
    s.macs = times(size_of(s.out), taps);
    return s;
  }
  // The last two only for a layer without a fault.
  static constexpr Geometry geometry(Shape in) { return place(settings.window, in, Filters, settings.groups); }
  static constexpr auto tensors(Shape in) {
    const Geometry g = geometry(in);
    const std::int64_t kh = g.window.kernel_h, kw = g.window.kernel_w, channels = in.channels / g.groups;
    std::array<TensorInfo, has_bias ? 2 : 1> t{};
    t[0] = {"kernel",           Role::weight,      {kh, kw, channels, Filters}, 4,
            kh * kw * channels, kh * kw * Filters, TensorLayout::filters};
    if constexpr (has_bias) t[1] = {"bias", Role::bias, {Filters}, 1, 0, 0};
    return t;
  }
};

}  // namespace strata
