// SPDX-License-Identifier: BSL-1.0
// Window arithmetic: how the window of a convolution or a pool slides over a map. Padding is computed here and nowhere
// else, for types (at compile time) and for the conformance tests (at run time).
#pragma once
#include <compare>
#include <cstdint>

#include <strata/core/host_device.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/saturate.hpp>
#include <strata/core/shape.hpp>

namespace strata::inline STRATA_ABI {

enum class Padding {
  same,      // as in TensorFlow: output = ceil(input / stride), an odd row or column of padding is at the end
  valid,     // none
  explicit_  // the numbers given
};

// A window as the author wrote it, before the input is known.
struct WindowSpec {
  int kernel_h = 1, kernel_w = 1;
  int stride_h = 1, stride_w = 1;
  int dilation_h = 1, dilation_w = 1;
  Padding padding = Padding::valid;
  int top = 0, bottom = 0, left = 0, right = 0;  // for explicit_
  bool ceil = false;                             // the last window may reach beyond the padded input
};

// A window over a known input.
struct Window {
  int kernel_h = 1, kernel_w = 1;
  int stride_h = 1, stride_w = 1;
  int dilation_h = 1, dilation_w = 1;
  int pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;
  friend constexpr auto operator<=>(const Window&, const Window&) = default;
};

// One axis of a window over `input` positions.
struct Axis {
  std::int64_t output = 0;  // 0 if the window is larger than its padded input
  std::int64_t before = 0, after = 0;
  std::int64_t extent = 0;  // of the dilated window
  std::int64_t padded = 0;  // input with padding
  std::int64_t unread = 0;  // rows at the end of the padded input that no window reads
};

// output = floor((padded - extent) / stride) + 1, extent = dilation x (kernel - 1) + 1. With `ceil` it is rounded up, but
// no window begins in the padding at the end, as in PyTorch.
constexpr Axis slide(std::int64_t input, std::int64_t kernel, std::int64_t stride, std::int64_t dilation, Padding padding,
                     std::int64_t before, std::int64_t after, bool ceil = false) {
  Axis a;
  a.extent = dilation * (kernel - 1) + 1;
  if (padding == Padding::same) {
    const std::int64_t want = (input + stride - 1) / stride;
    const std::int64_t total = (want - 1) * stride + a.extent - input;
    a.before = total > 0 ? total / 2 : 0;
    a.after = total > 0 ? total - a.before : 0;
  } else if (padding == Padding::explicit_) {
    a.before = before;
    a.after = after;
  }
  a.padded = input + a.before + a.after;
  if (a.extent > a.padded) return a;
  a.output = (a.padded - a.extent + (ceil ? stride - 1 : 0)) / stride + 1;
  if (ceil && (a.output - 1) * stride >= input + a.before) --a.output;
  a.unread = a.padded - ((a.output - 1) * stride + a.extent);
  if (a.unread < 0) a.unread = 0;
  return a;
}

constexpr Axis slide_rows(const WindowSpec& s, int height) {
  return slide(height, s.kernel_h, s.stride_h, s.dilation_h, s.padding, s.top, s.bottom, s.ceil);
}
constexpr Axis slide_columns(const WindowSpec& s, int width) {
  return slide(width, s.kernel_w, s.stride_w, s.dilation_w, s.padding, s.left, s.right, s.ceil);
}

constexpr Window placed(const WindowSpec& s, const Axis& rows, const Axis& columns) {
  using detail::saturate_to_int;
  return {s.kernel_h,
          s.kernel_w,
          s.stride_h,
          s.stride_w,
          s.dilation_h,
          s.dilation_w,
          saturate_to_int(rows.before),
          saturate_to_int(rows.after),
          saturate_to_int(columns.before),
          saturate_to_int(columns.after)};
}

// The output of a transposed convolution on one axis. The convolution with the same window that reads it has `input`
// outputs.
constexpr std::int64_t transposed_size(std::int64_t input, std::int64_t kernel, std::int64_t stride, std::int64_t dilation,
                                       Padding padding, std::int64_t before, std::int64_t after, std::int64_t extra) {
  const std::int64_t extent = detail::saturating_add(detail::saturating_multiply(dilation, kernel - 1), 1);
  if (padding == Padding::explicit_)
    return detail::saturating_add(detail::saturating_multiply(input - 1, stride), extent) - before - after + extra;
  const std::int64_t same = detail::saturating_multiply(input, stride);
  return padding == Padding::same || extent < stride ? same : detail::saturating_add(same, extent - stride);
}
constexpr std::int64_t transposed_rows(const WindowSpec& s, int height, int extra) {
  return transposed_size(height, s.kernel_h, s.stride_h, s.dilation_h, s.padding, s.top, s.bottom, extra);
}
constexpr std::int64_t transposed_columns(const WindowSpec& s, int width, int extra) {
  return transposed_size(width, s.kernel_w, s.stride_w, s.dilation_w, s.padding, s.left, s.right, extra);
}

// A window over a map, the geometry that the kernels of all backends take.
struct Geometry {
  Shape in;   // (H,W,C) of one sample
  Shape out;  // (H,W,F) of one sample
  Window window;
  int groups = 1;
  friend constexpr auto operator<=>(const Geometry&, const Geometry&) = default;

  // Multiply-adds of one output element of a convolution, those on padding included.
  [[nodiscard]] constexpr std::int64_t taps() const {
    return static_cast<std::int64_t>(window.kernel_h) * window.kernel_w * (in.channels / groups);
  }
};

// The taps of a window on one axis that count in a mean: those on the input, or on the padded input.
STRATA_HOST_DEVICE constexpr int counted_taps(int position, int kernel, int stride, int dilation, int before, int after,
                                              int size, bool count_padding) {
  const int low = count_padding ? -before : 0, end = count_padding ? size + after : size;
  int n = 0;
  for (int tap = 0, at = position * stride - before; tap < kernel; ++tap, at += dilation) n += at >= low && at < end;
  return n;
}

// With `filters` <= 0 the channels stay as they are, as in a pool. Precondition: the window fits (both Axis::output > 0).
constexpr Geometry place(const WindowSpec& s, Shape in, int filters = 0, int groups = 1) {
  const Axis rows = slide_rows(s, in.height), columns = slide_columns(s, in.width);
  Geometry g;
  g.in = in;
  g.out = Shape{static_cast<int>(rows.output), static_cast<int>(columns.output), filters > 0 ? filters : in.channels};
  g.window = placed(s, rows, columns);
  g.groups = groups;
  return g;
}

}  // namespace strata::inline STRATA_ABI
