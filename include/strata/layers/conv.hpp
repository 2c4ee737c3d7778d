// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <strata/core/options.hpp>

namespace strata {

// A convolution (strictly, a correlation, as in every framework) with a bias. Kernel is a number or Size<h, w>.
// (N,H,W,C) -> (N,H',W',Filters); weights (KH,KW,C/groups,Filters). Padding is Same unless told otherwise.
// Takes Stride, Same, Valid, Pad, Dilation, Groups, In, NoBias, Exact.
template <auto Kernel, int Filters, class... Options>
struct Conv {
  static constexpr const char* name = "Conv";
  static constexpr detail::Settings settings = [] {
    detail::Settings s;
    s.window.kernel_h = detail::extent(Kernel).height;
    s.window.kernel_w = detail::extent(Kernel).width;
    s.window.padding = Padding::same;
    return detail::read_options<127, Options...>(s);
  }();
  static constexpr bool has_bias = settings.bias;

  static constexpr Step infer(Shape in) {
    constexpr int filters = Filters;
    Step s = detail::slide_over(in, settings, &filters);
    s.values = Values::any;
    const std::int64_t taps = times(times(s.window.kernel_h, s.window.kernel_w),
                                    detail::at_least_one(in.channels / detail::at_least_one(settings.groups)));
    s.parameters = times(taps, s.out.channels) + (has_bias ? s.out.channels : 0);
    s.macs = times(size_of(s.out), taps);
    return s;
  }
  // Only for a layer without a fault.
  static constexpr Geometry geometry(Shape in) { return place(settings.window, in, Filters, settings.groups); }
};

}  // namespace strata
