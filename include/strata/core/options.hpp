// SPDX-License-Identifier: BSL-1.0
// Options of layers: Conv<5, 96, Stride<2>, Valid>. Each is a type that writes itself into Settings, in any order.
#pragma once
#include <concepts>
#include <initializer_list>
#include <type_traits>

#include <strata/core/layer_info.hpp>

namespace strata {

// A rectangle where a kernel or window is asked for: Conv<Size<3, 5>, 96>.
struct Extent {
  int height = 1, width = 1;
  friend constexpr bool operator==(const Extent&, const Extent&) = default;
};
template <int Height, int Width>
inline constexpr Extent Size{Height, Width};

namespace detail {
// What else may stand there is told apart by not_a_size, so that Conv<2.5, 96> is our error. (decltype of a template
// argument that is a class is const with g++ 12, and a reference behind nvcc.)
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

// Bits of what an option sets; a layer lists the ones it takes.
enum Option : unsigned {
  sets_stride = 1,
  sets_padding = 2,
  sets_dilation = 4,
  sets_groups = 8,
  sets_declared_input = 16,
  sets_bias = 32,
  sets_exact = 64
};

struct Settings {
  WindowSpec window;
  int groups = 1;
  int declared_input = 0;
  bool bias = true;
  bool exact = false;
  unsigned seen = 0;
  Fault fault = Fault::none;
};
}  // namespace detail

template <int Rows, int Columns = Rows>
struct Stride {
  static constexpr unsigned sets = detail::sets_stride;
  static constexpr void apply(detail::Settings& s) { s.window.stride_h = Rows, s.window.stride_w = Columns; }
};
// TensorFlow's: output = ceil(input / stride), the odd pixel of padding goes after.
struct Same {
  static constexpr unsigned sets = detail::sets_padding;
  static constexpr void apply(detail::Settings& s) { s.window.padding = Padding::same; }
};
struct Valid {
  static constexpr unsigned sets = detail::sets_padding;
  static constexpr void apply(detail::Settings& s) { s.window.padding = Padding::valid; }
};
// Pad<n> on all sides, as PyTorch and Caffe mean it; or Pad<top, bottom, left, right>.
template <int Top, int Bottom = Top, int Left = Top, int Right = Left>
struct Pad {
  static constexpr unsigned sets = detail::sets_padding;
  static constexpr void apply(detail::Settings& s) {
    s.window.padding = Padding::explicit_;
    s.window.top = Top, s.window.bottom = Bottom, s.window.left = Left, s.window.right = Right;
  }
};
template <int Rows, int Columns = Rows>
struct Dilation {
  static constexpr unsigned sets = detail::sets_dilation;
  static constexpr void apply(detail::Settings& s) { s.window.dilation_h = Rows, s.window.dilation_w = Columns; }
};
template <int Count>
struct Groups {
  static constexpr unsigned sets = detail::sets_groups;
  static constexpr void apply(detail::Settings& s) { s.groups = Count; }
};
// The input channels that the author believes in, all groups together.
template <int Channels>
struct In {
  static constexpr unsigned sets = detail::sets_declared_input;
  static constexpr void apply(detail::Settings& s) { s.declared_input = Channels; }
};
struct NoBias {
  static constexpr unsigned sets = detail::sets_bias;
  static constexpr void apply(detail::Settings& s) { s.bias = false; }
};
// No row or column of the padded input may stay unread.
struct Exact {
  static constexpr unsigned sets = detail::sets_exact;
  static constexpr void apply(detail::Settings& s) { s.exact = true; }
};

namespace detail {
// `given` holds what the layer was told already, by position and not by option.
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
  s.out = recovered, s.fault = f, s.expected = expected, s.got = got, s.parameter = which;
  return s;
}
constexpr int at_least_one(int n) { return n < 1 ? 1 : n; }

// The settings with every number that cannot be meant replaced by the nearest that can: how a faulty layer recovers.
constexpr WindowSpec mended(WindowSpec w) {
  for (int* n : {&w.kernel_h, &w.kernel_w, &w.stride_h, &w.stride_w, &w.dilation_h, &w.dilation_w}) *n = at_least_one(*n);
  for (int* n : {&w.top, &w.bottom, &w.left, &w.right}) *n = *n < 0 ? 0 : *n;
  return w;
}

// What convolutions and pools share: from settings and an input to a step, with the first fault. `filters` is null for a
// pool, which keeps its channels.
constexpr LayerInfo slide_over(Shape in, const Settings& s, const int* filters) {
  const WindowSpec& asked = s.window;
  const WindowSpec w = mended(asked);
  const Axis rows = slide_rows(w, in.height), columns = slide_columns(w, in.width);
  const int channels = filters ? at_least_one(*filters) : in.channels;
  LayerInfo step;
  step.out = Shape{at_least_one(saturate_to_int(rows.output)), at_least_one(saturate_to_int(columns.output)), channels};
  step.window = {w.kernel_h,
                 w.kernel_w,
                 w.stride_h,
                 w.stride_w,
                 w.dilation_h,
                 w.dilation_w,
                 saturate_to_int(rows.before),
                 saturate_to_int(rows.after),
                 saturate_to_int(columns.before),
                 saturate_to_int(columns.after)};
  step.unread_rows = saturate_to_int(rows.unread);
  step.unread_columns = saturate_to_int(columns.unread);

  const auto fail = [&step](Fault f, std::int64_t expected, std::int64_t got, Parameter which = Parameter::none) {
    if (step.fault != Fault::none) return;
    step.fault = f, step.expected = expected, step.got = got, step.parameter = which;
  };
  const auto positive = [&fail](int n, Parameter which) {
    if (n < 1) fail(Fault::not_positive, 1, n, which);
  };
  if (s.fault != Fault::none) fail(s.fault, 0, 0);
  positive(asked.kernel_h, Parameter::kernel), positive(asked.kernel_w, Parameter::kernel);
  positive(asked.stride_h, Parameter::stride), positive(asked.stride_w, Parameter::stride);
  positive(asked.dilation_h, Parameter::dilation), positive(asked.dilation_w, Parameter::dilation);
  if (filters) positive(*filters, Parameter::filters);
  positive(s.groups, Parameter::groups);
  if ((s.seen & sets_declared_input) != 0) positive(s.declared_input, Parameter::declared_input);
  for (const int pad : {asked.top, asked.bottom, asked.left, asked.right})
    if (pad < 0) fail(Fault::negative_padding, 0, pad);
  if (in.flat) fail(Fault::needs_feature_map, 0, in.channels);
  if ((s.seen & sets_declared_input) != 0 && s.declared_input != in.channels)
    fail(Fault::input_channels_differ, s.declared_input, in.channels);
  if (s.groups > 0 && in.channels % s.groups != 0) fail(Fault::groups_do_not_divide_channels, s.groups, in.channels);
  if (s.groups > 0 && channels % s.groups != 0) fail(Fault::groups_do_not_divide_channels, s.groups, channels);
  if (rows.output == 0) fail(Fault::kernel_larger_than_padded_input, rows.extent, rows.padded);
  if (columns.output == 0) fail(Fault::kernel_larger_than_padded_input, columns.extent, columns.padded);
  if (s.exact && rows.unread > 0) fail(Fault::window_does_not_tile, rows.padded, rows.padded - rows.unread);
  if (s.exact && columns.unread > 0) fail(Fault::window_does_not_tile, columns.padded, columns.padded - columns.unread);
  return step;
}
}  // namespace detail

}  // namespace strata
