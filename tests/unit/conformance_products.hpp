// SPDX-License-Identifier: BSL-1.0
// The rows of the conformance table for products: convolutions and dense layers, with weights as on the host. See
// conformance_rows.hpp. On a GPU, tests/cuda/plans_device_test.cpp checks the libraries' products.
#pragma once
#include "conformance_rows.hpp"
#include "effort.hpp"

#include <strata/backend/cpu/conv.hpp>
#include <strata/backend/cpu/conv_winograd.hpp>
#include <strata/backend/cpu/conv_winograd_weights.hpp>
#include <strata/backend/reference/conv.hpp>
#include <strata/backend/reference/dense.hpp>
#include <strata/model/chain.hpp>

namespace conformance {

namespace cpu = strata::cpu;
using strata::ThreadPool;

inline Numbers rectified(const Numbers& v) {
  return map(v, [](double x) { return std::max(x, 0.0); });
}

// ---- Convolutions ----------------------------------------------------------------------------------------------------

template <class B>
void check_conv(const Geometry& g, int batch, Draw& draw) {
  using T = typename B::T;
  const bool with_bias = draw.chance(50), training = draw.chance(50), with_input = draw.chance(80);
  Numbers x = draw.numbers(batch * g.in.size());
  const int zeros_in_100 = draw.chance(50) ? 0 : draw.between(0, 100);  // as after a ReLU
  for (double& v : x) v = draw.chance(zeros_in_100) ? 0 : v;
  const std::int64_t weights = g.taps() * g.out.channels, filters = g.out.channels;
  const Numbers w = draw.numbers(weights), bias = draw.numbers(filters), dy = draw.numbers(batch * g.out.size());
  const auto x_ = as<T>(x), w_ = as<T>(w), bias_ = as<T>(bias), dy_ = as<T>(dy);
  const Numbers ax = absolute(x), aw = absolute(w), ab = absolute(bias), ady = absolute(dy);
  const auto map = static_cast<double>(batch) * g.out.height * g.out.width;
  const Scratch scratch = [&](int threads) { return B::Ops::conv_scratch(g, batch, threads); };

  Numbers want = zeros(batch * g.out.size()), size = want;
  reference::conv_forward(g, batch, x.data(), w.data(), with_bias ? bias.data() : nullptr, want.data());
  reference::conv_forward(g, batch, ax.data(), aw.data(), with_bias ? ab.data() : nullptr, size.data());
  for (const bool relu : {false, true}) {
    if (relu) want = rectified(want);
    const auto [y] = run_with<B>(
        scratch,
        [&](const auto& ops, T* work, T* out) {
          ops.conv_forward(g, batch, x_.data(), w_.data(), with_bias ? bias_.data() : nullptr, out, relu, training, work);
        },
        Out<T>(batch * g.out.size()));
    check_close(relu ? "conv_forward with a ReLU" : "conv_forward", y, want, size, static_cast<double>(g.taps() + 1));
  }

  const auto [dw, db, dx] = run_with<B>(
      scratch,
      [&](const auto& ops, T* work, T* to_w, T* to_b, T* to_x) {
        ops.conv_backward(g, batch, x_.data(), w_.data(), dy_.data(), with_input ? to_x : nullptr, to_w,
                          with_bias ? to_b : nullptr, work);
      },
      Out<T>(weights), Out<T>(filters), Out<T>(batch * g.in.size()));
  Numbers want_bias = zeros(filters), size_bias = want_bias;
  want = zeros(weights), size = want;
  reference::conv_backward_weights(g, batch, x.data(), dy.data(), want.data(), want_bias.data());
  reference::conv_backward_weights(g, batch, ax.data(), ady.data(), size.data(), size_bias.data());
  check_close("weights of conv_backward", dw, want, size, map);
  if (with_bias) check_close("bias of conv_backward", db, want_bias, size_bias, map);
  if (!with_input) return;
  want = zeros(batch * g.in.size()), size = want;
  reference::conv_backward_input(g, batch, dy.data(), w.data(), want.data());
  reference::conv_backward_input(g, batch, ady.data(), aw.data(), size.data());
  check_close("input of conv_backward", dx, want, size,
              static_cast<double>(g.out.channels / g.groups * g.window.kernel_h * g.window.kernel_w));
}

// The transpose of the convolution g.
template <class B>
void check_conv_transpose(const Geometry& g, int batch, Draw& draw) {
  using T = typename B::T;
  const bool with_bias = draw.chance(50), with_input = draw.chance(80);
  const std::int64_t weights = g.taps() * g.out.channels, in = batch * g.out.size(), out = batch * g.in.size();
  const Numbers x = draw.numbers(in), w = draw.numbers(weights), bias = draw.numbers(g.in.channels), dy = draw.numbers(out);
  const auto x_ = as<T>(x), w_ = as<T>(w), bias_ = as<T>(bias), dy_ = as<T>(dy);
  const Numbers ax = absolute(x), aw = absolute(w), ab = absolute(bias), ady = absolute(dy);
  const Scratch scratch = [&](int threads) { return B::Ops::conv_transpose_scratch(g, batch, threads); };
  Numbers want = zeros(out), size = want;
  reference::conv_transpose_forward(g, batch, x.data(), w.data(), with_bias ? bias.data() : nullptr, want.data());
  reference::conv_transpose_forward(g, batch, ax.data(), aw.data(), with_bias ? ab.data() : nullptr, size.data());
  const auto [y] = run_with<B>(
      scratch,
      [&](const auto& ops, T* work, T* to) {
        ops.conv_transpose_forward(g, batch, x_.data(), w_.data(), with_bias ? bias_.data() : nullptr, to, work);
      },
      Out<T>(out));
  check_close("conv_transpose_forward", y, want, size,
              static_cast<double>(g.out.channels * g.window.kernel_h * g.window.kernel_w + 1));
  const auto [dw, db, dx] = run_with<B>(
      scratch,
      [&](const auto& ops, T* work, T* to_w, T* to_b, T* to_x) {
        ops.conv_transpose_backward(g, batch, x_.data(), w_.data(), dy_.data(), with_input ? to_x : nullptr, to_w,
                                    with_bias ? to_b : nullptr, work);
      },
      Out<T>(weights), Out<T>(g.in.channels), Out<T>(in));
  Numbers want_w = zeros(weights), size_w = want_w, want_b = zeros(g.in.channels), size_b = want_b, want_x = zeros(in),
          size_x = want_x;
  reference::conv_transpose_backward(g, batch, x.data(), w.data(), dy.data(), want_x.data(), want_w.data(), want_b.data());
  reference::conv_transpose_backward(g, batch, ax.data(), aw.data(), ady.data(), size_x.data(), size_w.data(),
                                     size_b.data());
  check_close("weights of conv_transpose_backward", dw, want_w, size_w,
              static_cast<double>(batch) * g.out.height * g.out.width);
  if (with_bias)
    check_close("bias of conv_transpose_backward", db, want_b, size_b,
                static_cast<double>(batch) * g.in.height * g.in.width);
  if (with_input) check_close("input of conv_transpose_backward", dx, want_x, size_x, static_cast<double>(g.taps()));
}

TEST_CASE_TEMPLATE("transposed convolutions of drawn geometries", B, CONFORMANCE_BACKENDS) {
  int done = 0;
  for (std::uint64_t seed = 1; done < as_many_as(400); ++seed) {
    Draw draw(seed);
    const Shape in{draw.between(1, 11), draw.between(1, 11), draw.chance(75) ? draw.between(1, 7) : draw.between(8, 24)};
    const Geometry g = place(draw_window(draw, in, 5), in, draw.between(1, 9));
    const int batch = draw.chance(50) ? draw.between(1, 4) : draw.between(7, 20);
    if (batch * g.out.size() * g.taps() > 100'000) continue;
    ++done;
    INFO("seed ", seed, ": ", describe(g, batch));
    check_conv_transpose<B>(g, batch, draw);
  }
}

TEST_CASE_TEMPLATE("convolutions of drawn geometries", B, CONFORMANCE_BACKENDS) {
  int done = 0;
  for (std::uint64_t seed = 1; done < as_many_as(1600); ++seed) {
    Draw draw(seed);
    const int groups = draw.chance(60) ? 1 : draw.between(2, 4);
    const bool point = draw.chance(8);
    const Shape in{point ? 1 : draw.between(1, 11), point ? 1 : draw.between(1, 11),
                   groups * (draw.chance(75) ? draw.between(1, 7) : draw.between(8, 24))};
    const int filters = groups * draw.between(1, 9);
    const Geometry g = place(draw_window(draw, in, 5), in, filters, groups);
    const int batch = draw.chance(30) ? 1 : draw.chance(50) ? draw.between(1, 4) : draw.between(7, 20);
    if (batch * g.out.size() * g.taps() > 100'000) continue;
    ++done;
    INFO("seed ", seed, ": ", describe(g, batch));
    check_conv<B>(g, batch, draw);
  }
}

// A convolution that begins a chain of inference: y = f((x * w + bias) * scale + shift + add).
template <class B>
void check_conv_chain(const Geometry& g, int batch, Draw& draw) {
  if constexpr (requires { B::Ops::runs_chains; }) {
    using T = typename B::T;
    const bool with_bias = draw.chance(50), normalized = draw.chance(60), with_sum = draw.chance(40),
               relu = draw.chance(30), clip = !relu && draw.chance(40), tanh = !relu && !clip && draw.chance(60);
    const int gap = !with_sum && draw.chance(50) ? draw.between(1, 20) : 0;  // elements between two rows of y
    const std::int64_t filters = g.out.channels, count = batch * g.out.size(), rows = count / filters;
    const Numbers x = draw.numbers(batch * g.in.size()), w = draw.numbers(g.taps() * filters), bias = draw.numbers(filters),
                  scale = draw.numbers(filters), shift = draw.numbers(filters), sum = draw.numbers(count);
    const auto x_ = as<T>(x), w_ = as<T>(w), bias_ = as<T>(bias), sum_ = as<T>(sum);
    const Numbers ax = absolute(x), aw = absolute(w), ab = absolute(bias);
    Numbers want = zeros(count), size = want;
    reference::conv_forward(g, batch, x.data(), w.data(), with_bias ? bias.data() : nullptr, want.data());
    reference::conv_forward(g, batch, ax.data(), aw.data(), with_bias ? ab.data() : nullptr, size.data());
    for (std::size_t i = 0; i < want.size(); ++i) {
      const std::size_t f = i % static_cast<std::size_t>(filters);
      if (normalized) want[i] = want[i] * scale[f] + shift[f], size[i] = size[i] * std::abs(scale[f]) + std::abs(shift[f]);
      if (with_sum) want[i] += sum[i], size[i] += std::abs(sum[i]);
      want[i] = relu ? std::max(want[i], 0.0) : clip ? std::clamp(want[i], -1.0, 2.0) : tanh ? std::tanh(want[i]) : want[i];
    }
    // The kernel must not write to the gaps between rows.
    constexpr double untouched = 7;
    Numbers apart(static_cast<std::size_t>(rows * (filters + gap)), untouched), apart_size(apart.size(), 1.0);
    for (std::int64_t r = 0; r < rows; ++r) {
      std::copy_n(want.begin() + r * filters, filters, apart.begin() + r * (filters + gap));
      std::copy_n(size.begin() + r * filters, filters, apart_size.begin() + r * (filters + gap));
    }
    const int capacity = std::max(1, batch + draw.between(-2, 2));  // a session's batch may be larger than the model's
    std::vector<T> packed(static_cast<std::size_t>(B::Ops::packed_conv(g, capacity)));
    const auto [y] =
        run_with<B>([&](int threads) { return B::Ops::conv_inference_scratch(g, batch, threads); },
                    [&](const auto& ops, T* work, T* out) {
                      if (normalized) {
                        std::ranges::copy(as<T>(scale), packed.begin());
                        std::ranges::copy(as<T>(shift), packed.begin() + filters);
                      }
                      ops.pack_conv(g, w_.data(), with_bias ? bias_.data() : nullptr, normalized, capacity, packed.data());
                      const strata::ChainEnd<T> end{.normalized = normalized,
                                                    .add = with_sum ? sum_.data() : nullptr,
                                                    .limits = clip ? strata::Limits{-1, 2} : strata::Limits::of_relu(relu),
                                                    .activation = tanh ? &B::Ops::template activate<strata::Tanh> : nullptr,
                                                    .capacity = capacity,
                                                    .stride = gap > 0 ? static_cast<int>(filters) + gap : 0};
                      std::fill_n(out, apart.size(), static_cast<T>(untouched));
                      ops.conv_inference(g, batch, x_.data(), w_.data(), packed.data(), end, out, work);
                    },
                    Out<T>(rows * (filters + gap)));
    check_close("conv_inference", y, apart, apart_size, static_cast<double>(g.taps() + 4));
  }
}

TEST_CASE_TEMPLATE("convolutions of drawn geometries in inference", B, CONFORMANCE_BACKENDS) {
  int done = 0;
  for (std::uint64_t seed = 1; done < as_many_as(600); ++seed) {
    Draw draw(seed);
    const bool wide = draw.chance(25), depthwise = !wide && draw.chance(20), point = draw.chance(20);
    const int groups = draw.chance(wide ? 80 : 60) ? 1 : draw.between(2, 4);
    const int channels = wide ? draw.between(12, 20) : draw.chance(60) ? draw.between(1, 7) : draw.between(8, 30);
    const Shape in{draw.between(1, 11), wide ? draw.between(24, 110) : draw.between(1, 11),
                   depthwise ? 4 * channels : groups * channels};
    const int filters = depthwise ? in.channels * draw.between(1, 3)
                                  : groups * (draw.chance(60) ? draw.between(1, 9) : draw.between(10, 70));
    const WindowSpec window = point ? WindowSpec{.kernel_h = 1, .kernel_w = 1} : draw_window(draw, in, 5);
    const Geometry g = place(window, in, filters, depthwise ? in.channels : groups);
    const int batch = draw.chance(50) ? 1 : draw.between(2, 12);
    if (batch * g.out.size() * g.taps() > 400'000) continue;
    ++done;
    INFO("seed ", seed, ": ", describe(g, batch));
    check_conv_chain<B>(g, batch, draw);
  }
  Draw draw(5);
  for (const int batch : {1, 9, 1, 9, 1, 9}) {  // by Winograd, by patches, with many panels
    check_conv_chain<B>(place({.kernel_h = 3, .kernel_w = 3, .padding = Padding::same}, Shape{12, 12, 48}, 40), batch,
                        draw);
    check_conv_chain<B>(place({.kernel_h = 3, .kernel_w = 3, .padding = Padding::same}, Shape{5, 5, 40}, 300), batch, draw);
    check_conv_chain<B>(place({.kernel_h = 1, .kernel_w = 1}, Shape{19, 19, 20}, 300), batch, draw);
  }
}

TEST_CASE_TEMPLATE("depthwise convolutions of drawn geometries", B, CONFORMANCE_BACKENDS) {
  int done = 0;
  for (std::uint64_t seed = 1; done < as_many_as(400); ++seed) {
    Draw draw(seed);
    // Fewer channels than a vector of each path has, as many, and a last vector that is not full.
    const int channels = draw.chance(30)   ? draw.between(2, 7)
                         : draw.chance(50) ? 16 * draw.between(1, 3)
                                           : draw.between(8, 70);
    const int multiplier = draw.chance(70) ? 1 : draw.between(2, 5);  // above 4 another way is taken
    const Shape in{draw.between(1, 14), draw.between(1, 14), channels};
    const Geometry g = place(draw_window(draw, in, 7), in, multiplier * channels, channels);
    const int batch = draw.chance(30) ? 1 : draw.between(2, 20);
    if (batch * g.out.size() * g.taps() > 100'000) continue;
    ++done;
    INFO("seed ", seed, ": ", describe(g, batch));
    check_conv<B>(g, batch, draw);
  }
}

TEST_CASE_TEMPLATE("convolutions that cross every block", B, CONFORMANCE_BACKENDS) {
  Draw draw(7);
  const auto check = [&](WindowSpec s, Shape in, int filters, int groups, int batch) {
    const Geometry g = place(s, in, filters, groups);
    INFO(describe(g, batch));
    check_conv<B>(g, batch, draw);
  };
  check({.kernel_h = 5, .kernel_w = 5, .padding = Padding::same}, Shape{19, 17, 16}, 20, 1, 2);
  check({.kernel_h = 3, .kernel_w = 3, .stride_h = 2, .stride_w = 2, .padding = Padding::same}, Shape{13, 12, 40}, 36, 2,
        3);
  check({.kernel_h = 2, .kernel_w = 2, .padding = Padding::same}, Shape{5, 5, 400}, 9, 1,
        2);                                                          // channels alone fill a slice
  check({.kernel_h = 6, .kernel_w = 6}, Shape{6, 6, 16}, 40, 1, 5);  // as a dense layer
  check({.kernel_h = 3, .kernel_w = 3, .padding = Padding::same}, Shape{8, 8, 24}, 24, 24, 3);  // depthwise
  check({.kernel_h = 1, .kernel_w = 1}, Shape{9, 9, 30}, 1100, 1, 1);                           // many filters
  check({.kernel_h = 3, .kernel_w = 3, .padding = Padding::same}, Shape{3, 4, 6}, 10, 2, 53);   // samples together
  check({.kernel_h = 11, .kernel_w = 11, .stride_h = 4, .stride_w = 4}, Shape{43, 43, 3}, 12, 1, 2);
  check({.kernel_h = 5, .kernel_w = 5, .stride_h = 2, .stride_w = 2, .padding = Padding::same}, Shape{9, 9, 100}, 280, 1,
        10);                                                                                     // spans in pieces
  check({.kernel_h = 3, .kernel_w = 3, .padding = Padding::same}, Shape{3, 3, 20}, 44, 1, 197);  // rows in blocks
  check({.kernel_h = 3, .kernel_w = 3, .padding = Padding::same}, Shape{20, 20, 13}, 7, 1, 8);   // a map above a chunk
  check({.kernel_h = 5, .kernel_w = 5, .padding = Padding::same}, Shape{20, 19, 3}, 40, 1, 9);   // few channels
  check({.kernel_h = 3, .kernel_w = 3, .dilation_w = 2, .padding = Padding::same}, Shape{7, 7, 16}, 34, 2, 9);
  // With Winograd's way, forward and backward.
  const WindowSpec three{.kernel_h = 3, .kernel_w = 3, .padding = Padding::same};
  REQUIRE(cpu::detail::winograd_pays(place(three, Shape{8, 8, 64}, 72), 12));
  REQUIRE(cpu::detail::winograd_input_pays(place(three, Shape{8, 8, 64}, 72), 12));
  REQUIRE(cpu::detail::winograd_weights_pay(place(three, Shape{8, 8, 64}, 72), 12));
  check(three, Shape{8, 8, 64}, 72, 1, 12);
}

// What the pool picked is random, including ties and windows that are all padding: the kernel may not care where it comes
// from.
template <class B>
void check_conv_pool(const Geometry& g, const Geometry& pooled, int batch, Draw& draw) {
  using T = typename B::T;
  const bool relu = draw.chance(70), with_bias = draw.chance(50), with_input = draw.chance(80);
  const Numbers x = draw.numbers(batch * g.in.size()), w = draw.numbers(g.taps() * g.out.channels),
                y = draw.numbers(batch * pooled.out.size()), dy = draw.numbers(batch * pooled.out.size());
  const auto x_ = as<T>(x), w_ = as<T>(w), y_ = as<T>(y), dy_ = as<T>(dy);
  std::vector<std::int32_t> argmax(y.size());
  Numbers dense = zeros(batch * g.out.size());
  for (std::size_t i = 0; i < argmax.size(); ++i) {
    argmax[i] = draw.chance(3) ? -1 : draw.between(0, g.out.height * g.out.width - 1);
    if (argmax[i] < 0 || (relu && !(y[i] > 0))) continue;
    const std::size_t sample = i / static_cast<std::size_t>(pooled.out.size()),
                      channels = static_cast<std::size_t>(g.out.channels);
    dense[sample * static_cast<std::size_t>(g.out.size()) + static_cast<std::size_t>(argmax[i]) * channels +
          i % channels] += dy[i];
  }
  const Numbers ax = absolute(x), aw = absolute(w);
  Numbers adense = absolute(dense);
  Numbers want_w = zeros(g.taps() * g.out.channels), size_w = want_w, want_b = zeros(g.out.channels), size_b = want_b;
  reference::conv_backward_weights(g, batch, x.data(), dense.data(), want_w.data(), want_b.data());
  // Entries at the same place cancel in `dense`, but not in the kernel.
  for (double& v : adense) v += v == 0 ? 0.0 : 4.0;
  reference::conv_backward_weights(g, batch, ax.data(), adense.data(), size_w.data(), size_b.data());
  Numbers want_x = zeros(batch * g.in.size()), size_x = want_x;
  reference::conv_backward_input(g, batch, dense.data(), w.data(), want_x.data());
  reference::conv_backward_input(g, batch, adense.data(), aw.data(), size_x.data());

  const auto [dw, db, dx, between] = run_with<B>(
      [&](int threads) { return B::Ops::conv_pool_scratch(g, batch, threads); },
      [&](const auto& ops, T* work, T* to_w, T* to_b, T* to_x, T* to_pool) {
        ops.conv_pool_backward(g, pooled, batch, relu, x_.data(), w_.data(), y_.data(), dy_.data(), argmax.data(), to_w,
                               with_bias ? to_b : nullptr, with_input ? to_x : nullptr, to_pool, work);
        std::fill_n(to_pool, batch * g.out.size(), T{0});  // scratch: only its fences are checked
      },
      Out<T>(g.taps() * g.out.channels), Out<T>(g.out.channels), Out<T>(batch * g.in.size()), Out<T>(batch * g.out.size()));
  const auto map = static_cast<double>(batch) * g.out.height * g.out.width;
  check_close("weights", dw, want_w, size_w, map);
  if (with_bias) check_close("bias", db, want_b, size_b, map);
  if (with_input)
    check_close("input", dx, want_x, size_x, static_cast<double>(g.out.channels) * g.window.kernel_h * g.window.kernel_w);
}

TEST_CASE_TEMPLATE("backward of a convolution before a max pool", B, CONFORMANCE_BACKENDS) {
  int done = 0;
  for (std::uint64_t seed = 1; done < as_many_as(400); ++seed) {
    Draw draw(seed);
    const Shape in{draw.between(1, 11), draw.between(1, 11), draw.chance(50) ? draw.between(1, 9) : draw.between(16, 40)};
    const Geometry g = place(draw_window(draw, in, 5), in, draw.between(1, 40));
    if (g.out.height < 2 || g.out.width < 2) continue;
    const int window = draw.between(2, 3), stride = draw.between(2, 3);
    const WindowSpec pool{.kernel_h = window, .kernel_w = window, .stride_h = stride, .stride_w = stride};
    if (slide_rows(pool, g.out.height).output == 0 || slide_columns(pool, g.out.width).output == 0) continue;
    const Geometry pooled = place(pool, g.out);
    const int batch = draw.chance(50) ? draw.between(1, 4) : draw.between(5, 40);
    if (!B::Ops::conv_pool_applies(g, pooled) || batch * g.out.size() * g.taps() > 400'000) continue;
    ++done;
    INFO("seed ", seed, ": ", describe(g, batch), "; pool ", window, "/", stride);
    check_conv_pool<B>(g, pooled, batch, draw);
  }
  Draw draw(3);
  const WindowSpec pool{.kernel_h = 3, .kernel_w = 3, .stride_h = 2, .stride_w = 2};
  const Geometry big = place({.kernel_h = 11, .kernel_w = 11, .stride_h = 4, .stride_w = 4}, Shape{43, 43, 3}, 12);
  check_conv_pool<B>(big, place(pool, big.out), 2, draw);
  const Geometry wide =
      place({.kernel_h = 5, .kernel_w = 5, .stride_h = 2, .stride_w = 2, .padding = Padding::same}, Shape{15, 15, 96}, 40);
  check_conv_pool<B>(wide, place(pool, wide.out), 3, draw);
}

// The magnitude of Winograd's sums. Sums of inputs are multiplied with sums of weights, and parts of both cancel: it is the
// sum over all inputs of a phase under a tile of up to four by four outputs, each times all weights of that phase.
inline Numbers winograd_magnitude(const Geometry& g, int batch, const Numbers& x, const Numbers& w) {
  const strata::Window& win = g.window;
  const std::int64_t each = std::int64_t{g.in.channels} * g.out.channels;
  const Numbers aw = absolute(w);
  Numbers phase = zeros(g.taps() * g.out.channels);
  for (int kh = 0; kh < win.kernel_h; ++kh)
    for (int kw = 0; kw < win.kernel_w; ++kw)
      for (int i = kh % win.stride_h; i < win.kernel_h; i += win.stride_h)
        for (int j = kw % win.stride_w; j < win.kernel_w; j += win.stride_w)
          for (std::int64_t n = 0; n < each; ++n)
            phase[static_cast<std::size_t>((kh * win.kernel_w + kw) * each + n)] +=
                aw[static_cast<std::size_t>((i * win.kernel_w + j) * each + n)];
  constexpr int around = 3;  // a tile may begin or end this many outputs away, also outside the map
  Geometry wide = g;
  wide.out.height += 2 * around, wide.out.width += 2 * around;
  wide.window.pad_top += around * win.stride_h, wide.window.pad_left += around * win.stride_w;
  Numbers windows = zeros(batch * wide.out.size()), sums = zeros(batch * g.out.size());
  reference::conv_forward<double>(wide, batch, absolute(x).data(), phase.data(), nullptr, windows.data());
  std::size_t at = 0;
  for (std::int64_t n = 0; n < batch; ++n)
    for (int i = 0; i < g.out.height; ++i)
      for (int j = 0; j < g.out.width; ++j)
        for (int f = 0; f < g.out.channels; ++f, ++at)
          for (int a = i; a <= i + 2 * around; ++a)
            for (int b = j; b <= j + 2 * around; ++b)
              sums[at] +=
                  windows[static_cast<std::size_t>(((n * wide.out.height + a) * wide.out.width + b) * g.out.channels + f)];
  return sums;
}

// The same for the gradient of the weights: each gradient of an output is multiplied with all inputs of a phase under its
// tile, which reach five steps of the stride in each direction.
inline Numbers winograd_weights_magnitude(const Geometry& g, int batch, const Numbers& x, const Numbers& dy) {
  constexpr int reach = 5;
  Geometry whole = g;  // with the padding as a part of the map
  whole.window.pad_top = whole.window.pad_left = whole.window.pad_bottom = whole.window.pad_right = 0;
  whole.in.height = (g.out.height - 1) * g.window.stride_h + g.window.kernel_h;
  whole.in.width = (g.out.width - 1) * g.window.stride_w + g.window.kernel_w;
  Numbers sums = zeros(batch * whole.in.size());
  std::size_t at = 0;
  for (std::int64_t n = 0; n < batch; ++n)
    for (int i = 0; i < whole.in.height; ++i)
      for (int j = 0; j < whole.in.width; ++j)
        for (int c = 0; c < g.in.channels; ++c, ++at)
          for (int a = -reach; a <= reach; ++a)
            for (int b = -reach; b <= reach; ++b) {
              const int row = i - g.window.pad_top + a * g.window.stride_h,
                        column = j - g.window.pad_left + b * g.window.stride_w;
              if (row >= 0 && row < g.in.height && column >= 0 && column < g.in.width)
                sums[at] += std::abs(
                    x[static_cast<std::size_t>(((n * g.in.height + row) * g.in.width + column) * g.in.channels + c)]);
            }
  Numbers size = zeros(g.taps() * g.out.channels), bias = zeros(g.out.channels);
  reference::conv_backward_weights(whole, batch, sums.data(), absolute(dy).data(), size.data(), bias.data());
  return size;
}

template <class B>
void check_winograd(const Geometry& g, int batch, Draw& draw) {
  using T = typename B::T;
  const bool with_bias = draw.chance(50), relu = draw.chance(50);
  Numbers x = draw.numbers(batch * g.in.size());
  const int zeros_in_100 = draw.chance(50) ? 0 : draw.between(0, 100);
  for (double& v : x) v = draw.chance(zeros_in_100) ? 0 : v;
  const Numbers w = draw.numbers(g.taps() * g.out.channels), bias = draw.numbers(g.out.channels);
  const auto x_ = as<T>(x), w_ = as<T>(w), bias_ = as<T>(bias);

  Numbers want = zeros(batch * g.out.size()), size = winograd_magnitude(g, batch, x, w);
  reference::conv_forward(g, batch, x.data(), w.data(), with_bias ? bias.data() : nullptr, want.data());
  if (with_bias)
    for (std::size_t i = 0; i < size.size(); ++i) size[i] += std::abs(bias[i % bias.size()]);
  if (relu)
    for (double& v : want) v = std::max(v, 0.0);
  const auto [got] =
      run_with<B>([&](int threads) { return cpu::detail::winograd_scratch<T>(g, threads); },
                  [&](const auto& ops, T* work, T* out) {
                    cpu::detail::winograd_forward(g, batch, x_.data(), w_.data(), with_bias ? bias_.data() : nullptr,
                                                  strata::Limits::of_relu(relu), out, ops.pool(), work);
                  },
                  Out<T>(batch * g.out.size()));
  check_close("winograd_forward", got, want, size, static_cast<double>(g.taps() + 1));

  const Numbers dy = draw.numbers(batch * g.out.size());
  const auto dy_ = as<T>(dy);
  Numbers of_bias = zeros(g.out.channels);
  want = zeros(g.taps() * g.out.channels);
  reference::conv_backward_weights(g, batch, x.data(), dy.data(), want.data(), of_bias.data());
  const auto [of_weights] =
      run_with<B>([&](int threads) { return cpu::detail::winograd_weights_scratch<T>(g, batch, threads); },
                  [&](const auto& ops, T* work, T* out) {
                    cpu::detail::winograd_backward_weights(g, batch, x_.data(), dy_.data(), out, ops.pool(), work);
                  },
                  Out<T>(g.taps() * g.out.channels));
  check_close("winograd_backward_weights", of_weights, want, winograd_weights_magnitude(g, batch, x, dy),
              static_cast<double>(batch) * g.out.height * g.out.width);

  if (!cpu::detail::turns(g)) return;
  want = zeros(batch * g.in.size());
  reference::conv_backward_input(g, batch, dy.data(), w.data(), want.data());
  const std::int64_t channels = g.in.channels, filters = g.out.channels;
  Numbers filters_first;
  for (std::int64_t tap = 0; tap < g.window.kernel_h * g.window.kernel_w; ++tap)
    for (std::int64_t f = 0; f < filters; ++f)
      for (std::int64_t c = 0; c < channels; ++c)
        filters_first.push_back(w[static_cast<std::size_t>((tap * channels + c) * filters + f)]);
  const auto [gradient] =
      run_with<B>([&](int threads) { return cpu::detail::winograd_input_scratch<T>(g, threads); },
                  [&](const auto& ops, T* work, T* out) {
                    cpu::detail::winograd_backward_input(g, batch, dy_.data(), w_.data(), out, ops.pool(), work);
                  },
                  Out<T>(batch * g.in.size()));
  check_close("winograd_backward_input", gradient, want,
              winograd_magnitude(cpu::detail::turned(g), batch, dy, filters_first),
              static_cast<double>(g.out.channels) * g.window.kernel_h * g.window.kernel_w);
}

TEST_CASE_TEMPLATE("Winograd's convolutions", B, CONFORMANCE_BACKENDS) {
  int done = 0;
  for (std::uint64_t seed = 1; done < as_many_as(600); ++seed) {
    Draw draw(seed);
    const Shape in{draw.between(1, 11), draw.between(1, 11), draw.chance(75) ? draw.between(1, 9) : draw.between(10, 40)};
    const Geometry g = place(draw_window(draw, in, 7), in, draw.chance(75) ? draw.between(1, 9) : draw.between(10, 40));
    const int batch = draw.chance(50) ? draw.between(1, 4) : draw.between(5, 30);
    if (!cpu::detail::winograd_applies(g) || batch * g.out.size() * g.taps() > 200'000) continue;
    ++done;
    INFO("seed ", seed, ": ", describe(g, batch));
    check_winograd<B>(g, batch, draw);
  }
  Draw draw(5);
  const auto check = [&](WindowSpec s, Shape in, int filters, int batch) {
    const Geometry g = place(s, in, filters);
    INFO(describe(g, batch));
    check_winograd<B>(g, batch, draw);
  };
  // More channels than a block is deep, more filters than the panels of a task, more tiles than a task.
  check({.kernel_h = 3, .kernel_w = 3, .padding = Padding::same}, Shape{4, 5, 300}, 44, 3);
  check({.kernel_h = 5, .kernel_w = 5, .stride_h = 2, .stride_w = 2, .padding = Padding::same}, Shape{5, 5, 10}, 300, 9);
  check({.kernel_h = 3, .kernel_w = 2, .padding = Padding::same}, Shape{14, 15, 4}, 20, 7);
  // More tiles than are multiplied at once.
  REQUIRE(cpu::detail::winograd_tiles_at_once(place({.kernel_h = 3, .kernel_w = 3}, Shape{14, 14, 4}, 20), 80) < 80 * 9);
  check({.kernel_h = 3, .kernel_w = 3}, Shape{14, 14, 4}, 20, 80);
}

TEST_CASE("which convolutions are Winograd's") {
  const auto pays = [](int kernel, int stride, Shape in, int filters, int batch) {
    const WindowSpec s{
        .kernel_h = kernel, .kernel_w = kernel, .stride_h = stride, .stride_w = stride, .padding = Padding::same};
    return cpu::detail::winograd_pays(place(s, in, filters), batch);
  };
  CHECK(pays(5, 2, Shape{15, 15, 96}, 256, 8));  // AlexNet's second
  CHECK(pays(3, 1, Shape{16, 16, 128}, 128, 8));
  CHECK(pays(3, 1, Shape{3, 3, 384}, 384, 128));          // its fourth: padding is half of the map,
  CHECK_FALSE(pays(3, 1, Shape{3, 3, 384}, 384, 32));     // and too few samples share the sums of weights
  CHECK_FALSE(pays(3, 1, Shape{32, 32, 16}, 16, 128));    // sums would cost more than products
  CHECK_FALSE(pays(3, 2, Shape{16, 16, 128}, 128, 128));  // too little is saved
  CHECK_FALSE(pays(5, 1, Shape{16, 16, 128}, 128, 128));  // five taps
  const Geometry grouped = place({.kernel_h = 3, .kernel_w = 3, .padding = Padding::same}, Shape{16, 16, 256}, 256, 2);
  CHECK_FALSE(cpu::detail::winograd_pays(grouped, 128));
}

// The points are chosen for small errors: with 0, 1, -1, 2, -2 they would be twice as large.
TEST_CASE("Winograd's convolutions lose few digits") {
  Draw draw(7);
  const auto error = [&](const WindowSpec& s, Shape in) {
    const Geometry g = place(s, in, 48);
    const int batch = 4;
    const Numbers x = draw.numbers(batch * g.in.size()), w = draw.numbers(g.taps() * g.out.channels);
    const auto x_ = as<float>(x), w_ = as<float>(w);
    Numbers want = zeros(batch * g.out.size());
    reference::conv_forward<double>(g, batch, x.data(), w.data(), nullptr, want.data());
    ThreadPool pool(1);
    std::vector<float> got(want.size()), work(static_cast<std::size_t>(cpu::detail::winograd_scratch<float>(g, 1)));
    cpu::detail::winograd_forward<float>(g, batch, x_.data(), w_.data(), nullptr, {}, got.data(), pool, work.data());
    double squares = 0, largest = 0;
    for (std::size_t i = 0; i < want.size(); ++i) {
      squares += (got[i] - want[i]) * (got[i] - want[i]);
      largest = std::max(largest, std::abs(want[i]));
    }
    return std::sqrt(squares / static_cast<double>(want.size())) / largest;
  };
  const auto same = [](int kernel, int stride) {
    return WindowSpec{
        .kernel_h = kernel, .kernel_w = kernel, .stride_h = stride, .stride_w = stride, .padding = Padding::same};
  };
  CHECK(error(same(3, 1), Shape{2, 2, 64}) < 1.2e-7);  // tiles of two by two
  CHECK(error(same(3, 1), Shape{3, 3, 64}) < 2.6e-7);  // three
  CHECK(error(same(3, 1), Shape{8, 8, 64}) < 2.6e-7);  // four
  CHECK(error(same(5, 2), Shape{15, 15, 64}) < 4.5e-7);
}

TEST_CASE("tiles of outputs have the size that saves most") {
  const auto outputs = [](int size) { return cpu::detail::WinogradAxis(size, 3, 1).outputs; };
  CHECK(outputs(2) == 2);
  CHECK(outputs(3) == 3);
  CHECK(outputs(4) == 4);
  CHECK(outputs(6) == 3);
  CHECK(outputs(8) == 4);
  CHECK(outputs(13) == 4);
}

template <class B>
Numbers conv_by_hand(WindowSpec s, Shape in, int filters, const Numbers& x, const Numbers& w, int groups = 1) {
  using T = typename B::T;
  const Geometry g = place(s, in, filters, groups);
  const auto x_ = as<T>(x), w_ = as<T>(w);
  REQUIRE(static_cast<std::int64_t>(x.size()) == in.size());
  REQUIRE(static_cast<std::int64_t>(w.size()) == g.taps() * filters);
  std::vector<T> y(static_cast<std::size_t>(g.out.size()));
  reference::conv_forward<T>(g, 1, x_.data(), w_.data(), nullptr, y.data());
  const auto [fast] = run_with<B>([&](int threads) { return B::Ops::conv_scratch(g, 1, threads); },
                                  [&](const auto& ops, T* work, T* out) {
                                    ops.conv_forward(g, 1, x_.data(), w_.data(), nullptr, out, false, true, work);
                                  },
                                  Out<T>(g.out.size()));
  check_same("both", fast, y);
  return as_numbers(y);
}

TEST_CASE_TEMPLATE("convolutions worked out by hand", B, CONFORMANCE_BACKENDS) {
  const WindowSpec three{.kernel_h = 1, .kernel_w = 3, .stride_w = 2};
  WindowSpec same = three, symmetric = three;
  same.padding = Padding::same;
  symmetric.padding = Padding::explicit_, symmetric.left = symmetric.right = 1;
  // TensorFlow pads 1 2 3 4 to 1 2 3 4 0, PyTorch with padding=1 to 0 1 2 3 4 0.
  CHECK(conv_by_hand<B>(same, Shape{1, 4, 1}, 1, {1, 2, 3, 4}, {1, 1, 1}) == Numbers{6, 7});
  CHECK(conv_by_hand<B>(symmetric, Shape{1, 4, 1}, 1, {1, 2, 3, 4}, {1, 1, 1}) == Numbers{3, 9});
  // An even kernel: the odd row and column of padding come after the map.
  CHECK(conv_by_hand<B>({.kernel_h = 2, .kernel_w = 2, .padding = Padding::same}, Shape{3, 3, 1}, 1,
                        {1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 1, 1, 1}) == Numbers{12, 16, 9, 24, 28, 15, 15, 17, 9});
  // The kernel is not flipped.
  CHECK(conv_by_hand<B>({.kernel_w = 2}, Shape{1, 4, 1}, 1, {1, 2, 3, 4}, {1, 10}) == Numbers{21, 32, 43});
  CHECK(conv_by_hand<B>({.kernel_w = 3, .dilation_w = 2}, Shape{1, 5, 1}, 1, {1, 2, 3, 4, 5}, {1, 10, 100}) ==
        Numbers{531});
  // w is (KH,KW,C/groups,F).
  CHECK(conv_by_hand<B>({}, Shape{1, 1, 2}, 2, {1, 2}, {1, 10, 100, 1000}) == Numbers{201, 2010});
  CHECK(conv_by_hand<B>({}, Shape{1, 1, 2}, 2, {1, 2}, {3, 5}, 2) == Numbers{3, 10});
}

// ---- Dense -----------------------------------------------------------------------------------------------------------

template <class B>
void check_dense(int in, int units, int batch, Draw& draw) {
  using T = typename B::T;
  const bool with_bias = draw.chance(50), training = draw.chance(50), with_input = draw.chance(80);
  Numbers x = draw.numbers(std::int64_t{batch} * in);
  const int zeros_in_100 = draw.chance(30) ? 0 : draw.between(0, 100);  // as after a ReLU
  for (double& v : x) v = draw.chance(zeros_in_100) ? 0 : v;
  const Numbers w = draw.numbers(std::int64_t{in} * units), bias = draw.numbers(units),
                dy = draw.numbers(std::int64_t{batch} * units);
  const auto x_ = as<T>(x), w_ = as<T>(w), bias_ = as<T>(bias), dy_ = as<T>(dy);
  const Numbers ax = absolute(x), aw = absolute(w), ab = absolute(bias), ady = absolute(dy);
  const Scratch scratch = [&](int threads) { return B::Ops::dense_scratch(in, units, batch, threads); };

  Numbers want(dy.size()), size(dy.size());
  reference::dense_forward(in, units, batch, x.data(), w.data(), with_bias ? bias.data() : nullptr, want.data());
  reference::dense_forward(in, units, batch, ax.data(), aw.data(), with_bias ? ab.data() : nullptr, size.data());
  for (const bool relu : {false, true}) {
    if (relu) want = rectified(want);
    const auto [y] = run_with<B>(
        scratch,
        [&](const auto& ops, T* work, T* out) {
          ops.dense_forward(in, units, batch, x_.data(), w_.data(), with_bias ? bias_.data() : nullptr, out, relu, training,
                            work);
        },
        Out<T>(std::int64_t{batch} * units));
    check_close(relu ? "dense_forward with a ReLU" : "dense_forward", y, want, size, in + 1);
  }

  const auto [dw, db, dx] = run_with<B>(
      scratch,
      [&](const auto& ops, T* work, T* to_w, T* to_b, T* to_x) {
        ops.dense_backward(in, units, batch, x_.data(), w_.data(), dy_.data(), with_input ? to_x : nullptr, to_w,
                           with_bias ? to_b : nullptr, work);
      },
      Out<T>(std::int64_t{in} * units), Out<T>(units), Out<T>(std::int64_t{batch} * in));
  Numbers want_bias = zeros(units), size_bias = want_bias;
  want = size = Numbers(w.size());
  reference::dense_backward_weights(in, units, batch, x.data(), dy.data(), want.data(), want_bias.data());
  reference::dense_backward_weights(in, units, batch, ax.data(), ady.data(), size.data(), size_bias.data());
  check_close("weights of dense_backward", dw, want, size, batch);
  if (with_bias) check_close("bias of dense_backward", db, want_bias, size_bias, batch);
  if (!with_input) return;
  want = size = Numbers(x.size());
  reference::dense_backward_input(in, units, batch, dy.data(), w.data(), want.data());
  reference::dense_backward_input(in, units, batch, ady.data(), aw.data(), size.data());
  check_close("input of dense_backward", dx, want, size, units);
}

TEST_CASE_TEMPLATE("dense layers", B, CONFORMANCE_BACKENDS) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    Draw draw(seed);
    const int in = draw.between(1, 70), units = draw.between(1, 70), batch = draw.chance(30) ? 1 : draw.between(1, 9);
    INFO("seed ", seed, ": ", in, " -> ", units, ", batch ", batch);
    check_dense<B>(in, units, batch, draw);
  }
  Draw draw(3);
  for (const auto& [in, units, batch] : {std::array{700, 10, 3},
                                         {10, 700, 3},
                                         {300, 513, 2},
                                         {20, 30, 300},
                                         {257, 256, 1},
                                         // cut differently for one, two and three threads
                                         {20, 4200, 9},
                                         {4200, 20, 9}}) {
    INFO(in, " -> ", units, ", batch ", batch);
    check_dense<B>(in, units, batch, draw);
  }
}

}  // namespace conformance
