// SPDX-License-Identifier: BSL-1.0
// Pools.
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

// The maximum of each window, without its padding. The default stride is the window's size, the default padding Valid.
// Formula: y[i,j,c] = max over u, v of x[i stride + u dilation - top, j stride + v dilation - left, c]
// Shapes: (N,H,W,C) -> (N,H',W',C), and W' is computed like H'. Same: H' = H / stride, rounded up. Otherwise
//   H' = (H + top + bottom - extent) / stride + 1, rounded down, where extent = dilation (window - 1) + 1
// Options: Window, a number or Size<rows, columns>; the stride, likewise, as second argument or as Stride; Same, Valid,
//   Pad, Dilation, In, Exact, CeilMode. Give the stride before any other option: MaxPool<3, 2, Same>
// Errors: needs_feature_map, kernel_larger_than_padded_input, input_channels_differ, window_does_not_tile,
//   size_overflows, not_a_size, not_positive, negative_padding, options_contradict, option_not_taken
// Example:
//   using Net = Sequential<Input<32, 32, 3>, Conv<5, 96>, ReLU, MaxPool<3, 2>, Conv<3, 96>, MaxPool<2>>;
//   static_assert(Net::output == Shape{7, 7, 96});
// Keras: MaxPooling2D(Window, stride)
// PyTorch: nn.MaxPool2d(Window, stride)
template <auto Window, auto Stride_ = Window, class... Options>
struct MaxPool : detail::Pool<0, Window, Stride_, Options...> {
  static constexpr const char* name = "MaxPool";
};

// The mean of each window, without its padding, as in TensorFlow and Keras. With CountPadding the zeros of the padding
// count.
// Formula: y[i,j,c] = mean over u, v of x[i stride + u dilation - top, j stride + v dilation - left, c]
// Shapes: (N,H,W,C) -> (N,H',W',C), where H' and W' are as for MaxPool
// Options: Window, a number or Size<rows, columns>; the stride, likewise, as second argument or as Stride; Same, Valid,
//   Pad, Dilation, In, Exact, CeilMode, CountPadding. Give the stride before any other option
// Errors: needs_feature_map, kernel_larger_than_padded_input, input_channels_differ, window_does_not_tile,
//   size_overflows, not_a_size, not_positive, negative_padding, options_contradict, option_not_taken
// Example:
//   using Net = Sequential<Input<32, 32, 3>, AvgPool<2>, Conv<3, 8>, AvgPool<3, 2, Pad<1>, CountPadding>>;
//   static_assert(Net::output == Shape{8, 8, 8});
// Keras: AveragePooling2D(Window, stride)
// PyTorch: nn.AvgPool2d(Window, stride); with padding=p it is Pad<p>, CountPadding
template <auto Window, auto Stride_ = Window, class... Options>
struct AvgPool : detail::Pool<detail::sets_count_padding, Window, Stride_, Options...> {
  static constexpr const char* name = "AvgPool";
  static constexpr bool counts_padding = AvgPool::settings.count_padding;
  static constexpr std::array<double, std::size_t{counts_padding ? 1 : 0}> numbers{};
};

// The mean of each channel.
// Formula: y[c] = mean over i, j of x[i,j,c]
// Shapes: (N,H,W,C) -> (N,C), a flat vector
// Options: none
// Errors: needs_feature_map
// Example:
//   using Net = Sequential<Input<32, 32, 3>, Conv<3, 64>, ReLU, GlobalAvgPool, Dense<10>>;
//   static_assert(Net::output == Shape{10});
// Keras: GlobalAveragePooling2D()
// PyTorch: nn.AdaptiveAvgPool2d(1) and nn.Flatten()
struct GlobalAvgPool {
  static constexpr const char* name = "GlobalAvgPool";
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s;
    s.out = Shape{in.channels};
    s.window.kernel_h = in.height, s.window.kernel_w = in.width;
    return in.flat ? detail::fault(s.out, Fault::needs_feature_map, 0, in.channels) : s;
  }
};
// The maximum of each channel.
// Formula: y[c] = max over i, j of x[i,j,c]
// Shapes: (N,H,W,C) -> (N,C), a flat vector
// Options: none
// Errors: needs_feature_map
// Example:
//   using Net = Sequential<Input<32, 32, 3>, Conv<3, 64>, ReLU, GlobalMaxPool, Dense<10>>;
//   static_assert(Net::output == Shape{10});
// Keras: GlobalMaxPooling2D()
// PyTorch: nn.AdaptiveMaxPool2d(1) and nn.Flatten()
struct GlobalMaxPool {
  static constexpr const char* name = "GlobalMaxPool";
  static constexpr LayerInfo infer(Shape in) { return GlobalAvgPool::infer(in); }
  // Of a window as large as the map.
  [[gnu::always_inline]] static constexpr Geometry geometry(Shape in) {
    return place({.kernel_h = in.height, .kernel_w = in.width}, in);
  }
};

}  // namespace strata
