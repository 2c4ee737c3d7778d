// SPDX-License-Identifier: BSL-1.0
// Max pools of activations in bfloat16. x (N,H,W,C), y (N,H',W',C).
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>

#include <strata/backend/cpu/pool.hpp>
#include <strata/backend/cpu_bf16/convert.hpp>
#include <strata/core/bf16.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>

namespace strata::inline STRATA_ABI::cpu::bf16 {

namespace detail {

// As the float32 kernel: the maximum of a window and its position for each channel; a NaN if there is one.
struct MaxPoolKernel {
  template <int Bytes>
  STRATA_INLINE static void run(const Bf16* image, const cpu::detail::PoolWindow& w, Bf16* out, std::int32_t* where) {
    using numbers = vector<float, Bytes>;
    using integers = vector<std::int32_t, Bytes>;
    constexpr int lanes = lanes_of<float, Bytes>;
    const std::int32_t start = w.top * w.width + w.left;
    int c = 0;
    for (; c + lanes <= w.channels; c += lanes) {
      numbers best;
      load_wide<Bytes>(best, image + std::int64_t{start} * w.channels + c);
      integers at = start - integers{};
      integers unordered = at | -1;  // where a NaN is
      for (int i = w.top; i < w.bottom; i += w.step_h)
        for (int j = w.left; j < w.right; j += w.step_w) {
          const std::int32_t here = i * w.width + j;
          numbers x;
          load_wide<Bytes>(x, image + std::int64_t{here} * w.channels + c);
          const integers position = here - integers{};
          at = x > best ? position : at;
          best = x > best ? x : best;
          unordered = x != x ? position : unordered;
        }
      at = unordered >= 0 ? unordered : at;
      numbers nan;
      cpu::detail::fill(nan, std::numeric_limits<float>::quiet_NaN());
      best = unordered >= 0 ? nan : best;
      store_rounded<Bytes>(out + c, best);
      if (where) store(where + c, at);
    }
    for (; c < w.channels; ++c) {
      std::int32_t at = start;
      float best = static_cast<float>(image[std::int64_t{at} * w.channels + c]);
      for (int i = w.top; i < w.bottom; i += w.step_h)
        for (int j = w.left; j < w.right; j += w.step_w) {
          const float x = static_cast<float>(image[(std::int64_t{i} * w.width + j) * w.channels + c]);
          if (x > best || x != x) best = x, at = i * w.width + j;
        }
      out[c] = Bf16(best);
      if (where) where[c] = at;
    }
  }
  using table = versions<MaxPoolKernel, const Bf16*, const cpu::detail::PoolWindow&, Bf16*, std::int32_t*>;
};

// The gradient of one position of the input: the sum over the windows [rows) x [columns) that picked it.
struct WindowsOver {
  int top, bottom, left, right, width, channels;  // of the output
};
struct MaxPoolGradientKernel {
  template <int Bytes>
  STRATA_INLINE static void run(const Bf16* dy, const std::int32_t* argmax, const WindowsOver& w, std::int32_t here,
                                Bf16* dx) {
    using numbers = vector<float, Bytes>;
    using integers = vector<std::int32_t, Bytes>;
    constexpr int lanes = lanes_of<float, Bytes>;
    int c = 0;
    for (; c + lanes <= w.channels; c += lanes) {
      numbers sum{};
      const numbers zero{};
      for (int i = w.top; i < w.bottom; ++i)
        for (int j = w.left; j < w.right; ++j) {
          const std::int64_t at = (std::int64_t{i} * w.width + j) * w.channels + c;
          integers picked;
          load(picked, argmax + at);
          numbers g;
          load_wide<Bytes>(g, dy + at);
          sum += picked == here ? g : zero;
        }
      store_rounded<Bytes>(dx + c, sum);
    }
    for (; c < w.channels; ++c) {
      float sum = 0;
      for (int i = w.top; i < w.bottom; ++i)
        for (int j = w.left; j < w.right; ++j) {
          const std::int64_t at = (std::int64_t{i} * w.width + j) * w.channels + c;
          if (argmax[at] == here) sum += static_cast<float>(dy[at]);
        }
      dx[c] = Bf16(sum);
    }
  }
  using table = versions<MaxPoolGradientKernel, const Bf16*, const std::int32_t*, const WindowsOver&, std::int32_t, Bf16*>;
};

// Outputs whose windows reach over a position: at most [first, end); with a dilation some of them skip it.
inline cpu::detail::IndexRange windows_over(int position, int pad, int stride, int dilation, int kernel, int outputs) {
  const int last = position + pad, reach = (kernel - 1) * dilation;
  const int first = last > reach ? (last - reach + stride - 1) / stride : 0;
  return {first, std::min(last / stride + 1, outputs)};
}

}  // namespace detail

// argmax as in backend/cpu/pool.hpp; it may be null.
inline void max_pool_forward(const Geometry& g, int batch, const Bf16* x, Bf16* y, std::int32_t* argmax, ThreadPool& pool) {
  const int channels = g.in.channels;
  const auto run = detail::MaxPoolKernel::table::of(cpu::detail::path_for<float>(channels, cpu::detail::Rest::cheap));
  cpu::detail::for_rows_of_samples(g, batch, pool, [=, &g](int sample, cpu::detail::IndexRange rows) {
    const Bf16* image = x + sample * g.in.size();
    Bf16* out = y + sample * g.out.size();
    std::int32_t* where = argmax ? argmax + sample * g.out.size() : nullptr;
    cpu::detail::for_windows(g, rows, [&](int position, int top, int bottom, int left, int right) {
      const std::int64_t first = std::int64_t{position} * channels;
      if (top >= bottom || left >= right) {
        std::fill_n(out + first, channels, Bf16(0));
        if (where) std::fill_n(where + first, channels, -1);
        return;
      }
      const cpu::detail::PoolWindow window{top,        bottom,  left, right, g.window.dilation_h, g.window.dilation_w,
                                           g.in.width, channels};
      run(image, window, out + first, where ? where + first : nullptr);
    });
  });
}
inline void max_pool_backward(const Geometry& g, int batch, const Bf16* dy, const std::int32_t* argmax, Bf16* dx,
                              ThreadPool& pool) {
  const int channels = g.in.channels;
  const Window& w = g.window;
  const auto run =
      detail::MaxPoolGradientKernel::table::of(cpu::detail::path_for<float>(channels, cpu::detail::Rest::cheap));
  pool.parallel_for(batch * g.in.height, [=, &g, &w](int task, int) {
    const int sample = task / g.in.height, row = task % g.in.height;
    const auto rows = detail::windows_over(row, w.pad_top, w.stride_h, w.dilation_h, w.kernel_h, g.out.height);
    for (int column = 0; column < g.in.width; ++column) {
      const auto columns = detail::windows_over(column, w.pad_left, w.stride_w, w.dilation_w, w.kernel_w, g.out.width);
      const detail::WindowsOver over{rows.first, rows.end, columns.first, columns.end, g.out.width, channels};
      const std::int32_t here = row * g.in.width + column;
      run(dy + sample * g.out.size(), argmax + sample * g.out.size(), over, here,
          dx + sample * g.in.size() + std::int64_t{here} * channels);
    }
  });
}

}  // namespace strata::inline STRATA_ABI::cpu::bf16
