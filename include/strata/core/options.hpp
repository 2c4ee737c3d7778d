// SPDX-License-Identifier: BSL-1.0
// Options of layers: Conv<5, 96, Stride<2>, Valid>, BatchNormOf<Momentum<0.9>>. Each is a type that sets its part of
// Settings; their order does not matter.
#pragma once
#include <concepts>
#include <initializer_list>
#include <type_traits>

#include <strata/core/layer_info.hpp>
#include <strata/core/linkage.hpp>

namespace strata {

// A kernel, window or stride that is not square: Conv<Size<3, 5>, 96>, rows first.
struct Extent {
  int height = 1, width = 1;
  friend constexpr bool operator==(const Extent&, const Extent&) = default;
};
template <int Height, int Width>
inline constexpr Extent Size{Height, Width};

inline namespace STRATA_ABI {
namespace detail {
// Layers accept any type here and report not_a_size themselves, so that Conv<2.5, 96> gives our error. (The decltype of a
// template argument of class type is const with g++ 12, and a reference with nvcc.)
template <class Side>
inline constexpr bool is_size = std::same_as<std::remove_cvref_t<Side>, Extent> ||
                                (std::integral<Side> && !std::same_as<Side, bool> && !std::same_as<Side, char>);
template <class Side>
constexpr Extent extent(Side side) {
  if constexpr (std::same_as<Side, Extent>) {
    return side;
  } else if constexpr (is_size<Side>) {
    const auto n = static_cast<std::int64_t>(side);
    const int number = n < -max_elements ? -1 : saturate_to_int(n);
    return {number, number};
  } else {
    return {};
  }
}

// One bit for each thing that an option can set. A layer lists those that it takes.
enum Option : unsigned {
  sets_stride = 1,
  sets_padding = 2,
  sets_dilation = 4,
  sets_groups = 8,
  sets_declared_input = 16,
  sets_bias = 32,
  sets_exact = 64,
  sets_momentum = 128,
  sets_epsilon = 256,
  sets_scale = 512,
  sets_shift = 1024,
  sets_ceil = 2048,
  sets_count_padding = 4096,
  sets_interpolation = 8192,
  sets_output_padding = 16384
};

struct Settings {
  WindowSpec window;
  int groups = 1;
  int declared_input = 0;
  bool bias = true;
  bool exact = false;
  double momentum = 0.99, epsilon = 1e-3;
  bool scale = true, shift = true;
  bool count_padding = false;
  bool bilinear = false;
  Extent output_padding{0, 0};
  unsigned seen = 0;
  Fault fault = Fault::none;
};
}  // namespace detail
}  // namespace STRATA_ABI

// Stride<n>, or Stride<rows, columns>.
template <int Rows, int Columns = Rows>
struct Stride {
  static constexpr unsigned sets = detail::sets_stride;
  static constexpr void apply(detail::Settings& s) { s.window.stride_h = Rows, s.window.stride_w = Columns; }
};
// As in TensorFlow: output = ceil(input / stride). If the padding is odd, the extra row or column is at the end.
struct Same {
  static constexpr unsigned sets = detail::sets_padding;
  static constexpr void apply(detail::Settings& s) { s.window.padding = Padding::same; }
};
// No padding.
struct Valid {
  static constexpr unsigned sets = detail::sets_padding;
  static constexpr void apply(detail::Settings& s) { s.window.padding = Padding::valid; }
};
// Pad<n> on all sides, as in PyTorch and Caffe, or Pad<top, bottom, left, right>.
template <int Top, int Bottom = Top, int Left = Top, int Right = Left>
struct Pad {
  static constexpr unsigned sets = detail::sets_padding;
  static constexpr void apply(detail::Settings& s) {
    s.window.padding = Padding::explicit_;
    s.window.top = Top, s.window.bottom = Bottom, s.window.left = Left, s.window.right = Right;
  }
};
// Dilation<n>, or Dilation<rows, columns>: the distance between the taps of a kernel.
template <int Rows, int Columns = Rows>
struct Dilation {
  static constexpr unsigned sets = detail::sets_dilation;
  static constexpr void apply(detail::Settings& s) { s.window.dilation_h = Rows, s.window.dilation_w = Columns; }
};
// Splits input channels and filters into Count groups; each filter sees the channels of its own group.
template <int Count>
struct Groups {
  static constexpr unsigned sets = detail::sets_groups;
  static constexpr void apply(detail::Settings& s) { s.groups = Count; }
};
// Declares the input channels (of all groups together), which the compiler then checks.
template <int Channels>
struct In {
  static constexpr unsigned sets = detail::sets_declared_input;
  static constexpr void apply(detail::Settings& s) { s.declared_input = Channels; }
};
// Leaves out the bias.
struct NoBias {
  static constexpr unsigned sets = detail::sets_bias;
  static constexpr void apply(detail::Settings& s) { s.bias = false; }
};
// Makes it an error if the windows leave rows or columns of the padded input unread.
struct Exact {
  static constexpr unsigned sets = detail::sets_exact;
  static constexpr void apply(detail::Settings& s) { s.exact = true; }
};
// The share of the running mean and variance that BatchNormOf keeps at each step, as in Keras. PyTorch's momentum is the
// share that it replaces: its 0.1 is Momentum<0.9>.
template <double Value>
struct Momentum {
  static constexpr unsigned sets = detail::sets_momentum;
  static constexpr void apply(detail::Settings& s) { s.momentum = Value; }
};
// A normalization adds this number to the variance, so that it never divides by zero.
template <double Value>
struct Epsilon {
  static constexpr unsigned sets = detail::sets_epsilon;
  static constexpr void apply(detail::Settings& s) { s.epsilon = Value; }
};
// A normalization without gamma: scale=False in Keras.
struct NoScale {
  static constexpr unsigned sets = detail::sets_scale;
  static constexpr void apply(detail::Settings& s) { s.scale = false; }
};
// A normalization without beta: center=False in Keras.
struct NoShift {
  static constexpr unsigned sets = detail::sets_shift;
  static constexpr void apply(detail::Settings& s) { s.shift = false; }
};
// A pool's output is rounded up: the last window may reach beyond the padded input, but does not begin in the padding
// behind it. ceil_mode=True in PyTorch. With Same it changes nothing.
struct CeilMode {
  static constexpr unsigned sets = detail::sets_ceil;
  static constexpr void apply(detail::Settings& s) { s.window.ceil = true; }
};
// The zeros of the padding count in the means of an AvgPool: PyTorch's default, count_include_pad=True.
struct CountPadding {
  static constexpr unsigned sets = detail::sets_count_padding;
  static constexpr void apply(detail::Settings& s) { s.count_padding = true; }
};
// An Upsample mixes neighbouring elements.
struct Bilinear {
  static constexpr unsigned sets = detail::sets_interpolation;
  static constexpr void apply(detail::Settings& s) { s.bilinear = true; }
};
// OutputPadding<n>, or OutputPadding<rows, columns>: how much larger a ConvTranspose with Pad makes its output, less than
// the stride: output_padding of PyTorch.
template <int Rows, int Columns = Rows>
struct OutputPadding {
  static constexpr unsigned sets = detail::sets_output_padding;
  static constexpr void apply(detail::Settings& s) { s.output_padding = Extent{Rows, Columns}; }
};

inline namespace STRATA_ABI {
namespace detail {
// `given` holds the settings that the layer takes by position.
template <unsigned Takes, class... Options>
constexpr Settings read_options(Settings given) {
  [[maybe_unused]] const auto read = [&given]<class O>(O*) {
    if constexpr (requires {
                    { O::sets } -> std::convertible_to<unsigned>;
                  }) {
      if ((O::sets & Takes) == 0) {
        if (given.fault == Fault::none) given.fault = Fault::option_not_taken;
      } else if ((O::sets & given.seen) != 0) {
        if (given.fault == Fault::none) given.fault = Fault::options_contradict;
      } else {
        given.seen |= O::sets;
        O::apply(given);
      }
    } else if (given.fault == Fault::none) {
      given.fault = Fault::option_not_taken;
    }
  };
  (read(static_cast<Options*>(nullptr)), ...);
  return given;
}

constexpr LayerInfo fault(Shape recovered, Fault f, std::int64_t expected = 0, std::int64_t got = 0,
                          Parameter which = Parameter::none) {
  LayerInfo s;
  s.out = recovered;
  s.fail(f, expected, got, which);
  return s;
}
// infer() of a layer that keeps the shape.
constexpr LayerInfo keep(Shape in, Values values) {
  LayerInfo s;
  s.out = in;
  s.values = values;
  return s;
}
constexpr int at_least_one(int n) { return n < 1 ? 1 : n; }

// The settings with every invalid number replaced by the nearest valid one, so that a faulty layer has an output.
constexpr WindowSpec with_valid_numbers(WindowSpec w) {
  for (int* n : {&w.kernel_h, &w.kernel_w, &w.stride_h, &w.stride_w, &w.dilation_h, &w.dilation_w}) *n = at_least_one(*n);
  for (int* n : {&w.top, &w.bottom, &w.left, &w.right}) *n = *n < 0 ? 0 : *n;
  return w;
}

// Groups that must divide a number of channels.
constexpr void check_groups(LayerInfo& info, int channels, int groups) {
  if (groups < 1) info.fail(Fault::not_positive, 1, groups, Parameter::groups);
  if (groups > 0 && channels % groups != 0) info.fail(Fault::groups_do_not_divide_channels, groups, channels);
}

// The faults of a window's arguments and of its input. `filters` is null for a pool.
constexpr void check_window(LayerInfo& info, Shape in, const Settings& s, const int* filters) {
  const WindowSpec& asked = s.window;
  const auto positive = [&info](int n, Parameter which) {
    if (n < 1) info.fail(Fault::not_positive, 1, n, which);
  };
  info.fail(s.fault);
  positive(asked.kernel_h, Parameter::kernel), positive(asked.kernel_w, Parameter::kernel);
  positive(asked.stride_h, Parameter::stride), positive(asked.stride_w, Parameter::stride);
  positive(asked.dilation_h, Parameter::dilation), positive(asked.dilation_w, Parameter::dilation);
  if (filters) positive(*filters, Parameter::filters);
  positive(s.groups, Parameter::groups);
  if ((s.seen & sets_declared_input) != 0) positive(s.declared_input, Parameter::declared_input);
  for (const int pad : {asked.top, asked.bottom, asked.left, asked.right})
    if (pad < 0) info.fail(Fault::negative_padding, 0, pad);
  if (in.flat) info.fail(Fault::needs_feature_map, 0, in.channels);
  if ((s.seen & sets_declared_input) != 0 && s.declared_input != in.channels)
    info.fail(Fault::input_channels_differ, s.declared_input, in.channels);
  check_groups(info, in.channels, s.groups);
  if (filters) check_groups(info, at_least_one(*filters), s.groups);
}

// infer() of convolutions and pools. `filters` is null for a pool, which keeps the channels.
constexpr LayerInfo slide_over(Shape in, const Settings& s, const int* filters) {
  const WindowSpec w = with_valid_numbers(s.window);
  const Axis rows = slide_rows(w, in.height), columns = slide_columns(w, in.width);
  const int channels = filters ? at_least_one(*filters) : in.channels;
  LayerInfo info;
  info.out = Shape{at_least_one(saturate_to_int(rows.output)), at_least_one(saturate_to_int(columns.output)), channels};
  info.window = placed(w, rows, columns);
  info.unread_rows = saturate_to_int(rows.unread);
  info.unread_columns = saturate_to_int(columns.unread);

  check_window(info, in, s, filters);
  if (rows.output == 0) info.fail(Fault::kernel_larger_than_padded_input, rows.extent, rows.padded);
  if (columns.output == 0) info.fail(Fault::kernel_larger_than_padded_input, columns.extent, columns.padded);
  if (s.exact && rows.unread > 0) info.fail(Fault::window_does_not_tile, rows.padded, rows.padded - rows.unread);
  if (s.exact && columns.unread > 0)
    info.fail(Fault::window_does_not_tile, columns.padded, columns.padded - columns.unread);
  return info;
}
}  // namespace detail
}  // namespace STRATA_ABI

}  // namespace strata
