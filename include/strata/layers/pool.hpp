// SPDX-License-Identifier: BSL-1.0
// Pools are Valid unless told otherwise, and keep the channels. (N,H,W,C) -> (N,H',W',C).
#pragma once
#include <strata/core/options.hpp>

namespace strata {

namespace detail {
template <auto Window, auto Step_, class... Options>
struct Pool {
  static constexpr Settings settings = [] {
    Settings s;
    s.window.kernel_h = extent(Window).height, s.window.kernel_w = extent(Window).width;
    s.window.stride_h = extent(Step_).height, s.window.stride_w = extent(Step_).width;
    if (!is_size<decltype(Window)> || !is_size<decltype(Step_)>) s.fault = Fault::not_a_size;
    // A stride by position that is not the default is a stride given.
    if (!(extent(Step_) == extent(Window))) s.seen |= sets_stride;
    return read_options < sets_stride | sets_padding | sets_declared_input | sets_exact | sets_dilation, Options... > (s);
  }();
  static constexpr strata::LayerInfo infer(Shape in) { return slide_over(in, settings, nullptr); }
  static constexpr Geometry geometry(Shape in) { return place(settings.window, in); }
};
}  // namespace detail

// Windows and strides are numbers or Size<h, w>; the stride is the window's size unless given, by position or as
// Stride<rows, columns>. Takes Stride, Same, Valid, Pad, Dilation, In, Exact.
template <auto Window, auto Stride_ = Window, class... Options>
struct MaxPool : detail::Pool<Window, Stride_, Options...> {
  static constexpr const char* name = "MaxPool";
};

// The mean of the real elements under the window, padding not counted, as TensorFlow and Keras do (PyTorch counts it).
template <auto Window, auto Stride_ = Window, class... Options>
struct AvgPool : detail::Pool<Window, Stride_, Options...> {
  static constexpr const char* name = "AvgPool";
};

// The mean of each channel: (N,H,W,C) -> (N,C), flat.
struct GlobalAvgPool {
  static constexpr const char* name = "GlobalAvgPool";
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s;
    s.out = Shape{in.channels};
    s.window.kernel_h = in.height, s.window.kernel_w = in.width;
    return in.flat ? detail::fault(s.out, Fault::needs_feature_map, 0, in.channels) : s;
  }
};

}  // namespace strata
