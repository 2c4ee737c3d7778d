// SPDX-License-Identifier: BSL-1.0
// Pools: (N,H,W,C) -> (N,H',W',C), or (N,C) for the global one.
#pragma once
#include <array>
#include <cstddef>

#include <strata/core/linkage.hpp>
#include <strata/core/options.hpp>

namespace strata {

inline namespace STRATA_ABI {
namespace detail {
template <unsigned Takes, auto Window, auto Stride_, class... Options>
struct Pool {
  static constexpr Settings settings = [] {
    Settings s;
    s.window.kernel_h = extent(Window).height, s.window.kernel_w = extent(Window).width;
    s.window.stride_h = extent(Stride_).height, s.window.stride_w = extent(Stride_).width;
    if (!is_size<decltype(Window)> || !is_size<decltype(Stride_)>) s.fault = Fault::not_a_size;
    // A stride by position other than the default counts as an option given.
    if (!(extent(Stride_) == extent(Window))) s.seen |= sets_stride;
    return read_options < Takes | sets_stride | sets_padding | sets_declared_input | sets_exact | sets_dilation | sets_ceil,
           Options... > (s);
  }();
  static constexpr strata::LayerInfo infer(Shape in) { return slide_over(in, settings, nullptr); }
  [[gnu::always_inline]] static constexpr Geometry geometry(Shape in) {
    constexpr WindowSpec window = settings.window;  // a constant of this function's own: `settings` gets no symbol
    return place(window, in);
  }
};
}  // namespace detail
}  // namespace STRATA_ABI

// The maximum of each window: (N,H,W,C) -> (N,H',W',C). Window and stride are a number or Size<h, w>. The default stride is
// the window's size; another is given by position or as Stride<rows, columns>. The default padding is Valid. Options:
// Stride, Same, Valid, Pad, Dilation, In, Exact, CeilMode. Errors: needs_feature_map, kernel_larger_than_padded_input,
// input_channels_differ, window_does_not_tile, and for its arguments not_a_size, not_positive, negative_padding,
// options_contradict and option_not_taken.
template <auto Window, auto Stride_ = Window, class... Options>
struct MaxPool : detail::Pool<0, Window, Stride_, Options...> {
  static constexpr const char* name = "MaxPool";
};

// The mean of each window, without its padding, as in TensorFlow and Keras. PyTorch counts padding by default:
// CountPadding. Shapes, errors and the other options are those of MaxPool.
template <auto Window, auto Stride_ = Window, class... Options>
struct AvgPool : detail::Pool<detail::sets_count_padding, Window, Stride_, Options...> {
  static constexpr const char* name = "AvgPool";
  static constexpr bool counts_padding = AvgPool::settings.count_padding;
  static constexpr std::array<double, std::size_t{counts_padding ? 1 : 0}> numbers{};
};

// The mean of each channel: (N,H,W,C) -> (N,C), a flat vector. Error: needs_feature_map.
struct GlobalAvgPool {
  static constexpr const char* name = "GlobalAvgPool";
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s;
    s.out = Shape{in.channels};
    s.window.kernel_h = in.height, s.window.kernel_w = in.width;
    return in.flat ? detail::fault(s.out, Fault::needs_feature_map, 0, in.channels) : s;
  }
};
// The maximum of each channel, likewise. Error: needs_feature_map.
struct GlobalMaxPool {
  static constexpr const char* name = "GlobalMaxPool";
  static constexpr LayerInfo infer(Shape in) { return GlobalAvgPool::infer(in); }
  // Of a window as large as the map.
  [[gnu::always_inline]] static constexpr Geometry geometry(Shape in) {
    return place({.kernel_h = in.height, .kernel_w = in.width}, in);
  }
};

}  // namespace strata
