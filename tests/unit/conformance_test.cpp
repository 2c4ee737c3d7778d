// SPDX-License-Identifier: BSL-1.0
// Every CPU kernel against the reference in double precision, over drawn shapes, with poisoned outputs and guarded buffers,
// on pools of 1, 2 and 3 threads, which must agree to the bit. The reference itself against small cases worked out by hand
// and against finite differences.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <strata/backend/cpu/activations.hpp>
#include <strata/backend/cpu/batch_norm.hpp>
#include <strata/backend/cpu/combine.hpp>
#include <strata/backend/cpu/conv.hpp>
#include <strata/backend/cpu/conv_pool.hpp>
#include <strata/backend/cpu/dense.hpp>
#include <strata/backend/cpu/dropout.hpp>
#include <strata/backend/cpu/losses.hpp>
#include <strata/backend/cpu/lrn.hpp>
#include <strata/backend/cpu/optimizers.hpp>
#include <strata/backend/cpu/pool.hpp>
#include <strata/backend/cpu/softmax.hpp>
#include <strata/backend/reference/activations.hpp>
#include <strata/backend/reference/batch_norm.hpp>
#include <strata/backend/reference/combine.hpp>
#include <strata/backend/reference/conv.hpp>
#include <strata/backend/reference/dense.hpp>
#include <strata/backend/reference/dropout.hpp>
#include <strata/backend/reference/losses.hpp>
#include <strata/backend/reference/lrn.hpp>
#include <strata/backend/reference/optimizers.hpp>
#include <strata/backend/reference/pool.hpp>
#include <strata/backend/reference/softmax.hpp>

#include "conformance.hpp"

namespace {

using namespace conformance;
namespace cpu = strata::cpu;
using strata::ThreadPool;

// ---- Running a kernel --------------------------------------------------------------------------------------------------

// An output: poisoned, or beginning with what it holds when it is read too.
struct Output {
  Output(std::int64_t n) : size(n) {}      // NOLINT: reads better in lists
  Output(const Numbers& s) : start(&s) {}  // NOLINT
  std::int64_t size = 0;
  const Numbers* start = nullptr;
};

using Scratch = std::function<std::int64_t(int threads)>;

// kernel(outputs, pool, scratch) on each pool; the outputs, which must not depend on the pool.
template <class T, class Kernel>
std::vector<std::vector<T>> run(const std::vector<Output>& outputs, const Scratch& scratch, Kernel&& kernel) {
  static std::array<ThreadPool, 3> pools{ThreadPool(1), ThreadPool(2), ThreadPool(3)};
  std::vector<std::vector<T>> first;
  for (ThreadPool& pool : pools) {
    std::vector<Guarded<T>> buffers;
    for (const Output& o : outputs) o.start ? buffers.emplace_back(*o.start) : buffers.emplace_back(o.size);
    Guarded<T> work(scratch ? scratch(pool.size()) : 0);
    std::vector<T*> pointers;
    for (Guarded<T>& b : buffers) pointers.push_back(b.data());
    kernel(pointers, pool, work.data());
    INFO("threads ", pool.size());
    CHECK_MESSAGE(work.intact(), "wrote outside its scratch");
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      INFO("output ", i);
      CHECK_MESSAGE(buffers[i].intact(), "wrote outside its output");
      if (&pool != &pools[0]) CHECK_MESSAGE(same_bits(buffers[i].inside(), first[i]), "depends on the number of threads");
    }
    if (&pool == &pools[0])
      for (const Guarded<T>& b : buffers) first.push_back(b.inside());
  }
  return first;
}

// ---- Convolutions ----------------------------------------------------------------------------------------------------

template <class T>
void check_conv(const Geometry& g, int batch, Draw& draw) {
  const bool with_bias = draw.chance(50), skip_zeros = draw.chance(50);
  Numbers x = draw.numbers(batch * g.in.size());
  const int zeros_in_100 = draw.chance(50) ? 0 : draw.between(0, 100);  // as a ReLU leaves them
  for (double& v : x) v = draw.chance(zeros_in_100) ? 0 : v;
  const Numbers w = draw.numbers(g.taps() * g.out.channels), bias = draw.numbers(g.out.channels),
                dy = draw.numbers(batch * g.out.size());
  const auto x_ = as<T>(x), w_ = as<T>(w), bias_ = as<T>(bias), dy_ = as<T>(dy);
  const Numbers ax = absolute(x), aw = absolute(w), ab = absolute(bias), ady = absolute(dy);
  const std::int64_t map = static_cast<std::int64_t>(batch) * g.out.height * g.out.width;
  const auto scratch = [&](int threads) { return cpu::conv_scratch<T>(g, batch, threads); };

  Numbers want = zeros(batch * g.out.size()), size = want;
  reference::conv_forward(g, batch, x.data(), w.data(), with_bias ? bias.data() : nullptr, want.data());
  reference::conv_forward(g, batch, ax.data(), aw.data(), with_bias ? ab.data() : nullptr, size.data());
  auto got = run<T>({batch * g.out.size()}, scratch, [&](auto& out, ThreadPool& pool, T* work) {
    cpu::conv_forward(g, batch, x_.data(), w_.data(), with_bias ? bias_.data() : nullptr, out[0], pool, work, false,
                      skip_zeros);
  });
  check_close("conv_forward", got[0], want, size, static_cast<double>(g.taps() + 1));
  for (std::size_t i = 0; i < want.size(); ++i) want[i] = std::max(want[i], 0.0);
  got = run<T>({batch * g.out.size()}, scratch, [&](auto& out, ThreadPool& pool, T* work) {
    cpu::conv_forward(g, batch, x_.data(), w_.data(), with_bias ? bias_.data() : nullptr, out[0], pool, work, true,
                      skip_zeros);
  });
  check_close("conv_forward with a ReLU", got[0], want, size, static_cast<double>(g.taps() + 1));

  want = zeros(batch * g.in.size()), size = want;
  reference::conv_backward_input(g, batch, dy.data(), w.data(), want.data());
  reference::conv_backward_input(g, batch, ady.data(), aw.data(), size.data());
  got = run<T>({batch * g.in.size()}, scratch, [&](auto& out, ThreadPool& pool, T* work) {
    cpu::conv_backward_input(g, batch, dy_.data(), w_.data(), out[0], pool, work);
  });
  check_close("conv_backward_input", got[0], want, size,
              static_cast<double>(g.out.channels / g.groups * g.window.kernel_h * g.window.kernel_w));

  Numbers want_bias = zeros(g.out.channels), size_bias = want_bias;
  want = zeros(g.taps() * g.out.channels), size = want;
  reference::conv_backward_weights(g, batch, x.data(), dy.data(), want.data(), want_bias.data());
  reference::conv_backward_weights(g, batch, ax.data(), ady.data(), size.data(), size_bias.data());
  got = run<T>({g.taps() * g.out.channels, g.out.channels}, scratch, [&](auto& out, ThreadPool& pool, T* work) {
    cpu::conv_backward_weights(g, batch, x_.data(), dy_.data(), out[0], with_bias ? out[1] : nullptr, pool, work);
  });
  check_close("conv_backward_weights", got[0], want, size, static_cast<double>(map));
  if (with_bias) check_close("bias of conv_backward_weights", got[1], want_bias, size_bias, static_cast<double>(map));
}

TEST_CASE_TEMPLATE("convolutions of drawn geometries", T, float, double) {
  int done = 0;
  for (std::uint64_t seed = 1; done < 1600; ++seed) {
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
    check_conv<T>(g, batch, draw);
  }
}

TEST_CASE_TEMPLATE("convolutions that cross every block", T, float, double) {
  Draw draw(7);
  const auto check = [&](WindowSpec s, Shape in, int filters, int groups, int batch) {
    const Geometry g = place(s, in, filters, groups);
    INFO(describe(g, batch));
    check_conv<T>(g, batch, draw);
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
  // In fewer multiplications, forward and back.
  const WindowSpec three{.kernel_h = 3, .kernel_w = 3, .padding = Padding::same};
  REQUIRE(cpu::detail::winograd_pays(place(three, Shape{8, 8, 64}, 72), 12));
  REQUIRE(cpu::detail::winograd_input_pays(place(three, Shape{8, 8, 64}, 72), 12));
  check(three, Shape{8, 8, 64}, 72, 1, 12);
}

// What the pool picked is drawn, ties and windows of padding alone included: the kernel may not care where it comes from.
template <class T>
void check_conv_pool(const Geometry& g, const Geometry& pooled, int batch, Draw& draw) {
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
  // Entries that meet at one place cancel in `dense` and not in the kernel.
  for (double& v : adense) v += v == 0 ? 0.0 : 4.0;
  reference::conv_backward_weights(g, batch, ax.data(), adense.data(), size_w.data(), size_b.data());
  Numbers want_x = zeros(batch * g.in.size()), size_x = want_x;
  reference::conv_backward_input(g, batch, dense.data(), w.data(), want_x.data());
  reference::conv_backward_input(g, batch, adense.data(), aw.data(), size_x.data());

  const std::vector<Output> outputs{g.taps() * g.out.channels, g.out.channels, batch * g.in.size(), batch * g.out.size()};
  std::vector<std::vector<T>> got = run<T>(
      outputs, [&](int threads) { return cpu::conv_pool_scratch<T>(g, batch, threads); },
      [&](auto& out, ThreadPool& pool, T* work) {
        cpu::conv_pool_backward(g, pooled, batch, relu, x_.data(), w_.data(), y_.data(), dy_.data(), argmax.data(), out[0],
                                with_bias ? out[1] : nullptr, with_input ? out[2] : nullptr, out[3], pool, work);
        std::fill_n(out[3], batch * g.out.size(), T{0});  // only what it wrote beyond counts
      });
  const auto map = static_cast<double>(batch) * g.out.height * g.out.width;
  check_close("weights", got[0], want_w, size_w, map);
  if (with_bias) check_close("bias", got[1], want_b, size_b, map);
  if (with_input)
    check_close("input", got[2], want_x, size_x,
                static_cast<double>(g.out.channels) * g.window.kernel_h * g.window.kernel_w);
}

TEST_CASE_TEMPLATE("backward of a convolution behind a max pool", T, float, double) {
  int done = 0;
  for (std::uint64_t seed = 1; done < 400; ++seed) {
    Draw draw(seed);
    const Shape in{draw.between(1, 11), draw.between(1, 11), draw.chance(50) ? draw.between(1, 9) : draw.between(16, 40)};
    const Geometry g = place(draw_window(draw, in, 5), in, draw.between(1, 40));
    if (g.out.height < 2 || g.out.width < 2) continue;
    const int window = draw.between(2, 3), stride = draw.between(2, 3);
    const WindowSpec pool{.kernel_h = window, .kernel_w = window, .stride_h = stride, .stride_w = stride};
    if (slide_rows(pool, g.out.height).output == 0 || slide_columns(pool, g.out.width).output == 0) continue;
    const Geometry pooled = place(pool, g.out);
    const int batch = draw.chance(50) ? draw.between(1, 4) : draw.between(5, 40);
    if (!cpu::conv_pool_applies(g, pooled) || batch * g.out.size() * g.taps() > 400'000) continue;
    ++done;
    INFO("seed ", seed, ": ", describe(g, batch), "; pool ", window, "/", stride);
    check_conv_pool<T>(g, pooled, batch, draw);
  }
  Draw draw(3);
  const WindowSpec pool{.kernel_h = 3, .kernel_w = 3, .stride_h = 2, .stride_w = 2};
  const Geometry big = place({.kernel_h = 11, .kernel_w = 11, .stride_h = 4, .stride_w = 4}, Shape{43, 43, 3}, 12);
  check_conv_pool<T>(big, place(pool, big.out), 2, draw);
  const Geometry wide =
      place({.kernel_h = 5, .kernel_w = 5, .stride_h = 2, .stride_w = 2, .padding = Padding::same}, Shape{15, 15, 96}, 40);
  check_conv_pool<T>(wide, place(pool, wide.out), 3, draw);
}

// By fewer multiplications, also where that would not pay. Sums of inputs meet sums of weights, of which parts cancel: the
// magnitude is that of all inputs of a phase under a tile of up to four by four outputs, each with all weights of that
// phase.
Numbers winograd_magnitude(const Geometry& g, int batch, const Numbers& x, const Numbers& w) {
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
  constexpr int around = 3;  // a tile may begin or end so many outputs away, also outside the map
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

template <class T>
void check_winograd(const Geometry& g, int batch, Draw& draw) {
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
  const auto got = run<T>(
      {batch * g.out.size()}, [&](int threads) { return cpu::detail::winograd_scratch<T>(g, threads); },
      [&](auto& out, ThreadPool& pool, T* work) {
        cpu::detail::winograd_forward(g, batch, x_.data(), w_.data(), with_bias ? bias_.data() : nullptr, relu, out[0],
                                      pool, work);
      });
  check_close("winograd_forward", got[0], want, size, static_cast<double>(g.taps() + 1));

  if (!cpu::detail::turns(g)) return;
  const Numbers dy = draw.numbers(batch * g.out.size());
  const auto dy_ = as<T>(dy);
  want = zeros(batch * g.in.size());
  reference::conv_backward_input(g, batch, dy.data(), w.data(), want.data());
  const std::int64_t channels = g.in.channels, filters = g.out.channels;
  Numbers filters_first;
  for (std::int64_t tap = 0; tap < g.window.kernel_h * g.window.kernel_w; ++tap)
    for (std::int64_t f = 0; f < filters; ++f)
      for (std::int64_t c = 0; c < channels; ++c)
        filters_first.push_back(w[static_cast<std::size_t>((tap * channels + c) * filters + f)]);
  const auto gradient = run<T>(
      {batch * g.in.size()}, [&](int threads) { return cpu::detail::winograd_input_scratch<T>(g, threads); },
      [&](auto& out, ThreadPool& pool, T* work) {
        cpu::detail::winograd_backward_input(g, batch, dy_.data(), w_.data(), out[0], pool, work);
      });
  check_close("winograd_backward_input", gradient[0], want,
              winograd_magnitude(cpu::detail::turned(g), batch, dy, filters_first),
              static_cast<double>(g.out.channels) * g.window.kernel_h * g.window.kernel_w);
}

TEST_CASE_TEMPLATE("convolutions in fewer multiplications", T, float, double) {
  int done = 0;
  for (std::uint64_t seed = 1; done < 600; ++seed) {
    Draw draw(seed);
    const Shape in{draw.between(1, 11), draw.between(1, 11), draw.chance(75) ? draw.between(1, 9) : draw.between(10, 40)};
    const Geometry g = place(draw_window(draw, in, 7), in, draw.chance(75) ? draw.between(1, 9) : draw.between(10, 40));
    const int batch = draw.chance(50) ? draw.between(1, 4) : draw.between(5, 30);
    if (!cpu::detail::winograd_applies(g) || batch * g.out.size() * g.taps() > 200'000) continue;
    ++done;
    INFO("seed ", seed, ": ", describe(g, batch));
    check_winograd<T>(g, batch, draw);
  }
  Draw draw(5);
  const auto check = [&](WindowSpec s, Shape in, int filters, int batch) {
    const Geometry g = place(s, in, filters);
    INFO(describe(g, batch));
    check_winograd<T>(g, batch, draw);
  };
  // More channels than a block is deep, more filters than a task takes panels, more tiles than a task.
  check({.kernel_h = 3, .kernel_w = 3, .padding = Padding::same}, Shape{4, 5, 300}, 44, 3);
  check({.kernel_h = 5, .kernel_w = 5, .stride_h = 2, .stride_w = 2, .padding = Padding::same}, Shape{5, 5, 10}, 300, 9);
  check({.kernel_h = 3, .kernel_w = 2, .padding = Padding::same}, Shape{14, 15, 4}, 20, 7);
}

TEST_CASE("which convolutions take fewer multiplications") {
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

// The points are chosen for this: with 0, 1, -1, 2, -2 it would be twice as much.
TEST_CASE("fewer multiplications lose little") {
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
    cpu::detail::winograd_forward<float>(g, batch, x_.data(), w_.data(), nullptr, false, got.data(), pool, work.data());
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

TEST_CASE("tiles of outputs are as large as saves most") {
  const auto outputs = [](int size) { return cpu::detail::WinogradAxis(size, 3, 1).outputs; };
  CHECK(outputs(2) == 2);
  CHECK(outputs(3) == 3);
  CHECK(outputs(4) == 4);
  CHECK(outputs(6) == 3);
  CHECK(outputs(8) == 4);
  CHECK(outputs(13) == 4);
}

template <class T>
std::vector<double> conv_by_hand(WindowSpec s, Shape in, int filters, const Numbers& x, const Numbers& w, int groups = 1) {
  const Geometry g = place(s, in, filters, groups);
  const auto x_ = as<T>(x), w_ = as<T>(w);
  REQUIRE(static_cast<std::int64_t>(x.size()) == in.size());
  REQUIRE(static_cast<std::int64_t>(w.size()) == g.taps() * filters);
  std::vector<T> y(static_cast<std::size_t>(g.out.size()));
  reference::conv_forward<T>(g, 1, x_.data(), w_.data(), nullptr, y.data());
  const auto fast = run<T>(
      {g.out.size()}, [&](int threads) { return cpu::conv_scratch<T>(g, 1, threads); },
      [&](auto& out, ThreadPool& pool, T* work) {
        cpu::conv_forward<T>(g, 1, x_.data(), w_.data(), nullptr, out[0], pool, work);
      });
  check_same("both", fast[0], y);
  return as_numbers(y);
}

TEST_CASE_TEMPLATE("convolutions worked out by hand", T, float, double) {
  const WindowSpec three{.kernel_h = 1, .kernel_w = 3, .stride_w = 2};
  WindowSpec same = three, symmetric = three;
  same.padding = Padding::same;
  symmetric.padding = Padding::explicit_, symmetric.left = symmetric.right = 1;
  // TensorFlow pads 1 2 3 4 to 1 2 3 4 0, PyTorch with padding=1 to 0 1 2 3 4 0.
  CHECK(conv_by_hand<T>(same, Shape{1, 4, 1}, 1, {1, 2, 3, 4}, {1, 1, 1}) == Numbers{6, 7});
  CHECK(conv_by_hand<T>(symmetric, Shape{1, 4, 1}, 1, {1, 2, 3, 4}, {1, 1, 1}) == Numbers{3, 9});
  // An even kernel: the odd row and column go after.
  CHECK(conv_by_hand<T>({.kernel_h = 2, .kernel_w = 2, .padding = Padding::same}, Shape{3, 3, 1}, 1,
                        {1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 1, 1, 1}) == Numbers{12, 16, 9, 24, 28, 15, 15, 17, 9});
  // The kernel is not turned round.
  CHECK(conv_by_hand<T>({.kernel_w = 2}, Shape{1, 4, 1}, 1, {1, 2, 3, 4}, {1, 10}) == Numbers{21, 32, 43});
  CHECK(conv_by_hand<T>({.kernel_w = 3, .dilation_w = 2}, Shape{1, 5, 1}, 1, {1, 2, 3, 4, 5}, {1, 10, 100}) ==
        Numbers{531});
  // w is (KH,KW,C/groups,F).
  CHECK(conv_by_hand<T>({}, Shape{1, 1, 2}, 2, {1, 2}, {1, 10, 100, 1000}) == Numbers{201, 2010});
  CHECK(conv_by_hand<T>({}, Shape{1, 1, 2}, 2, {1, 2}, {3, 5}, 2) == Numbers{3, 10});
}

// ---- Dense -----------------------------------------------------------------------------------------------------------

template <class T>
void check_dense(int in, int units, int batch, Draw& draw) {
  const bool with_bias = draw.chance(50), skip_zeros = draw.chance(50);
  Numbers x = draw.numbers(std::int64_t{batch} * in);
  const int zeros_in_100 = draw.chance(30) ? 0 : draw.between(0, 100);  // as a ReLU leaves them
  for (double& v : x) v = draw.chance(zeros_in_100) ? 0 : v;
  const Numbers w = draw.numbers(std::int64_t{in} * units), bias = draw.numbers(units),
                dy = draw.numbers(std::int64_t{batch} * units);
  const auto x_ = as<T>(x), w_ = as<T>(w), bias_ = as<T>(bias), dy_ = as<T>(dy);
  const Numbers ax = absolute(x), aw = absolute(w), ab = absolute(bias), ady = absolute(dy);
  const auto scratch = [&](int threads) { return cpu::dense_scratch<T>(in, units, batch, threads); };

  Numbers want(dy.size()), size(dy.size());
  reference::dense_forward(in, units, batch, x.data(), w.data(), with_bias ? bias.data() : nullptr, want.data());
  reference::dense_forward(in, units, batch, ax.data(), aw.data(), with_bias ? ab.data() : nullptr, size.data());
  auto got = run<T>({std::int64_t{batch} * units}, scratch, [&](auto& out, ThreadPool& pool, T* work) {
    cpu::dense_forward(in, units, batch, x_.data(), w_.data(), with_bias ? bias_.data() : nullptr, out[0], pool, work,
                       skip_zeros);
  });
  check_close("dense_forward", got[0], want, size, in + 1);

  want = size = Numbers(x.size());
  reference::dense_backward_input(in, units, batch, dy.data(), w.data(), want.data());
  reference::dense_backward_input(in, units, batch, ady.data(), aw.data(), size.data());
  got = run<T>({std::int64_t{batch} * in}, scratch, [&](auto& out, ThreadPool& pool, T* work) {
    cpu::dense_backward_input(in, units, batch, dy_.data(), w_.data(), out[0], pool, work);
  });
  check_close("dense_backward_input", got[0], want, size, units);

  Numbers want_bias = zeros(units), size_bias = want_bias;
  want = size = Numbers(w.size());
  reference::dense_backward_weights(in, units, batch, x.data(), dy.data(), want.data(), want_bias.data());
  reference::dense_backward_weights(in, units, batch, ax.data(), ady.data(), size.data(), size_bias.data());
  got = run<T>({std::int64_t{in} * units, units}, scratch, [&](auto& out, ThreadPool& pool, T* work) {
    cpu::dense_backward_weights(in, units, batch, x_.data(), dy_.data(), out[0], with_bias ? out[1] : nullptr, pool, work);
  });
  check_close("dense_backward_weights", got[0], want, size, batch);
  if (with_bias) check_close("bias of dense_backward_weights", got[1], want_bias, size_bias, batch);
}

TEST_CASE_TEMPLATE("dense layers", T, float, double) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    Draw draw(seed);
    const int in = draw.between(1, 70), units = draw.between(1, 70), batch = draw.chance(30) ? 1 : draw.between(1, 9);
    INFO("seed ", seed, ": ", in, " -> ", units, ", batch ", batch);
    check_dense<T>(in, units, batch, draw);
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
    check_dense<T>(in, units, batch, draw);
  }
}

// ---- Pools -----------------------------------------------------------------------------------------------------------

TEST_CASE_TEMPLATE("pools of drawn geometries", T, float, double) {
  for (std::uint64_t seed = 1; seed <= 600; ++seed) {
    Draw draw(seed);
    const Shape in{draw.between(1, 10), draw.between(1, 10), draw.between(1, 9)};
    const Geometry g = place(draw_window(draw, in, 4), in);
    const int batch = draw.between(1, 3);
    INFO("seed ", seed, ": ", describe(g, batch));
    Numbers x = draw.numbers(batch * in.size(), -3, 1);
    const Numbers dy = draw.numbers(batch * g.out.size()), ady = absolute(dy), ax = absolute(x);
    const double taps = g.window.kernel_h * g.window.kernel_w;

    const auto dy_ = as<T>(dy);
    auto x_ = as<T>(x);
    Numbers want(dy.size()), size(dy.size());
    reference::avg_pool_forward(g, batch, x.data(), want.data());
    reference::avg_pool_forward(g, batch, ax.data(), size.data());
    auto got = run<T>({batch * g.out.size()}, {},
                      [&](auto& out, ThreadPool& pool, T*) { cpu::avg_pool_forward(g, batch, x_.data(), out[0], pool); });
    check_close("avg_pool_forward", got[0], want, size, taps);

    want = size = Numbers(x.size());
    reference::avg_pool_backward(g, batch, dy.data(), want.data());
    reference::avg_pool_backward(g, batch, ady.data(), size.data());
    got = run<T>({batch * in.size()}, {},
                 [&](auto& out, ThreadPool& pool, T*) { cpu::avg_pool_backward(g, batch, dy_.data(), out[0], pool); });
    check_close("avg_pool_backward", got[0], want, size, taps);

    // Ties in half of the cases, not-a-numbers in some.
    if (draw.chance(50))
      for (T& v : x_) v = std::round(v);
    if (draw.chance(20))
      for (T& v : x_)
        if (draw.chance(5)) v = std::numeric_limits<T>::quiet_NaN();
    std::vector<T> best(dy.size());
    std::vector<std::int32_t> place_of(dy.size());
    reference::max_pool_forward(g, batch, x_.data(), best.data(), place_of.data());
    std::vector<std::int32_t> found;
    got = run<T>({batch * g.out.size()}, {}, [&](auto& out, ThreadPool& pool, T*) {
      Guarded<std::int32_t> argmax(batch * g.out.size());
      cpu::max_pool_forward(g, batch, x_.data(), out[0], argmax.data(), pool);
      CHECK(argmax.intact());
      found = argmax.inside();
      CHECK(found == place_of);
    });
    check_same("max_pool_forward", got[0], best);

    reference::max_pool_backward(g, batch, dy.data(), place_of.data(), want.data());
    reference::max_pool_backward(g, batch, ady.data(), place_of.data(), size.data());
    got = run<T>({batch * in.size()}, {}, [&](auto& out, ThreadPool& pool, T*) {
      cpu::max_pool_backward(g, batch, dy_.data(), place_of.data(), out[0], pool);
    });
    check_close("max_pool_backward", got[0], want, size, taps);

    const Numbers global = draw.numbers(batch * in.channels);
    const auto global_ = as<T>(global);
    x_ = as<T>(x);
    want = size = Numbers(global.size());
    reference::global_avg_pool_forward(in, batch, x.data(), want.data());
    reference::global_avg_pool_forward(in, batch, ax.data(), size.data());
    got = run<T>({batch * in.channels}, {}, [&](auto& out, ThreadPool& pool, T*) {
      cpu::global_avg_pool_forward(in, batch, x_.data(), out[0], pool);
    });
    check_close("global_avg_pool_forward", got[0], want, size, in.height * in.width);
    want = Numbers(x.size());
    reference::global_avg_pool_backward(in, batch, global.data(), want.data());
    got = run<T>({batch * in.size()}, {}, [&](auto& out, ThreadPool& pool, T*) {
      cpu::global_avg_pool_backward(in, batch, global_.data(), out[0], pool);
    });
    check_close("global_avg_pool_backward", got[0], want, absolute(want), 1);
  }
}

TEST_CASE("pools worked out by hand") {
  const Shape in{1, 4, 1};
  const Numbers x{1, 2, 3, 4}, negative{-4, -3, -2, -1};
  WindowSpec s{.kernel_w = 3, .stride_w = 2, .padding = Padding::same};
  Numbers y(2);
  std::vector<std::int32_t> argmax(2);
  Geometry g = place(s, in);
  reference::max_pool_forward(g, 1, x.data(), y.data(), argmax.data());
  CHECK(y == Numbers{3, 4});
  CHECK(argmax == std::vector<std::int32_t>{2, 3});
  reference::avg_pool_forward(g, 1, x.data(), y.data());
  CHECK(y == Numbers{2, 3.5});  // the padding is not counted
  s.padding = Padding::explicit_, s.left = s.right = 1;
  g = place(s, in);
  reference::avg_pool_forward(g, 1, x.data(), y.data());
  CHECK(y == Numbers{1.5, 3});
  reference::max_pool_forward(g, 1, negative.data(), y.data(), argmax.data());
  CHECK(y == Numbers{-3, -1});  // nor picked
  s = {.kernel_w = 2, .stride_w = 2, .padding = Padding::explicit_, .left = 2};
  g = place(s, in);
  y.resize(3), argmax.resize(3);
  reference::max_pool_forward(g, 1, negative.data(), y.data(), argmax.data());
  CHECK(y == Numbers{0, -3, -1});
  CHECK(argmax == std::vector<std::int32_t>{-1, 1, 3});
  const Numbers equal{5, 5, 5, 5};
  reference::max_pool_forward(g, 1, equal.data(), y.data(), argmax.data());
  CHECK(argmax == std::vector<std::int32_t>{-1, 0, 2});
}

// ---- Element-wise ----------------------------------------------------------------------------------------------------

// Forward and backward of an activation, in place and not. `spread` is the sum of magnitudes behind each dx.
template <class T, class ReferenceForward, class ReferenceBackward, class Forward, class Backward, class Spread>
void check_activation(const char* name, ReferenceForward slow, ReferenceBackward slow_back, Forward fast,
                      Backward fast_back, Spread spread) {
  for (const std::int64_t n : lengths()) {
    INFO(std::string(name), " of ", n);
    Draw draw(static_cast<std::uint64_t>(n));
    Numbers x = draw.numbers(n, -9, 9);
    x[0] = 0;
    if (n > 30) x[5] = 800, x[17] = -800;
    const Numbers dy = draw.numbers(n);
    const auto x_ = as<T>(x), dy_ = as<T>(dy);
    Numbers y(x.size()), dx(x.size()), size(x.size());
    slow(n, x.data(), y.data());
    auto got = run<T>({n}, {}, [&](auto& out, ThreadPool& pool, T*) { fast(n, x_.data(), out[0], pool); });
    check_close("forward", got[0], y, absolute(y), 16);
    auto in_place = run<T>({x}, {}, [&](auto& out, ThreadPool& pool, T*) { fast(n, out[0], out[0], pool); });
    check_close("forward in place", in_place[0], y, absolute(y), 16);

    // Backward sees the outputs of this precision.
    const auto y_ = got[0];
    y = as_numbers(y_);
    slow_back(n, y.data(), dy.data(), dx.data());
    for (std::size_t i = 0; i < size.size(); ++i) size[i] = spread(y[i], dy[i]);
    got = run<T>({n}, {}, [&](auto& out, ThreadPool& pool, T*) { fast_back(n, y_.data(), dy_.data(), out[0], pool); });
    check_close("backward", got[0], dx, size, 4);
    in_place = run<T>({dy}, {}, [&](auto& out, ThreadPool& pool, T*) { fast_back(n, y_.data(), out[0], out[0], pool); });
    check_close("backward in place", in_place[0], dx, size, 4);

    const std::vector<T> nan(static_cast<std::size_t>(n), std::numeric_limits<T>::quiet_NaN());
    const auto passed = run<T>({n}, {}, [&](auto& out, ThreadPool& pool, T*) { fast(n, nan.data(), out[0], pool); });
    CHECK(std::all_of(passed[0].begin(), passed[0].end(), [](T v) { return v != v; }));
  }
}

TEST_CASE_TEMPLATE("activations", T, float, double) {
  const double slope = 0.25;
  const auto plain = [](double, double dy) { return std::abs(dy); };
  check_activation<T>("relu", reference::relu_forward<double>, reference::relu_backward<double>, cpu::relu_forward<T>,
                      cpu::relu_backward<T>, plain);
  check_activation<T>(
      "leaky_relu", [=](auto n, auto x, auto y) { reference::leaky_relu_forward(n, slope, x, y); },
      [=](auto n, auto y, auto dy, auto dx) { reference::leaky_relu_backward(n, slope, y, dy, dx); },
      [=](auto n, auto x, auto y, auto& pool) { cpu::leaky_relu_forward<T>(n, static_cast<T>(slope), x, y, pool); },
      [=](auto n, auto y, auto dy, auto dx, auto& pool) {
        cpu::leaky_relu_backward<T>(n, static_cast<T>(slope), y, dy, dx, pool);
      },
      plain);
  check_activation<T>("sigmoid", reference::sigmoid_forward<double>, reference::sigmoid_backward<double>,
                      cpu::sigmoid_forward<T>, cpu::sigmoid_backward<T>,
                      [](double y, double dy) { return std::abs(dy * y * (1 + y)); });
  check_activation<T>("tanh", reference::tanh_forward<double>, reference::tanh_backward<double>, cpu::tanh_forward<T>,
                      cpu::tanh_backward<T>, [](double y, double dy) { return std::abs(dy) * (1 + y * y); });
}

TEST_CASE_TEMPLATE("sums and copies of channels", T, float, double) {
  for (const std::int64_t n : lengths()) {
    INFO("length ", n);
    Draw draw(static_cast<std::uint64_t>(n));
    const Numbers a = draw.numbers(n), b = draw.numbers(n);
    const auto a_ = as<T>(a), b_ = as<T>(b);
    std::vector<T> want(a_.size());
    reference::add_forward(n, a_.data(), b_.data(), want.data());
    auto got = run<T>({n}, {},
                      [&](auto& out, ThreadPool& pool, T*) { cpu::add_forward<T>(n, a_.data(), b_.data(), out[0], pool); });
    check_same("add", got[0], want);
    got =
        run<T>({a}, {}, [&](auto& out, ThreadPool& pool, T*) { cpu::add_forward<T>(n, out[0], b_.data(), out[0], pool); });
    check_same("add in place", got[0], want);
  }
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Draw draw(seed);
    const std::int64_t rows = draw.chance(10) ? draw.between(500, 1500) : draw.between(1, 40);
    const int channels = draw.between(1, 9), offset = draw.between(0, 5), total = channels + offset + draw.between(0, 5);
    INFO("seed ", seed);
    const Numbers branch = draw.numbers(rows * channels), whole = draw.numbers(rows * total);
    const auto branch_ = as<T>(branch), whole_ = as<T>(whole);
    auto want = whole_;
    reference::concat_copy(rows, channels, branch_.data(), total, offset, want.data());
    auto got = run<T>({whole}, {}, [&](auto& out, ThreadPool& pool, T*) {
      cpu::concat_copy<T>(rows, channels, branch_.data(), total, offset, out[0], pool);
    });
    check_same("concat_copy", got[0], want);
    want.resize(branch_.size());
    reference::concat_take(rows, channels, want.data(), total, offset, whole_.data());
    got = run<T>({rows * channels}, {}, [&](auto& out, ThreadPool& pool, T*) {
      cpu::concat_take<T>(rows, channels, out[0], total, offset, whole_.data(), pool);
    });
    check_same("concat_take", got[0], want);
  }
}

TEST_CASE_TEMPLATE("dropout", T, float, double) {
  for (const std::int64_t n : lengths())
    for (const double rate : {0.0, 0.1, 0.3, 0.5, 0.7, 0.999}) {
      INFO(n, " at rate ", rate);
      const int batch = n % 3 == 0 ? 3 : 1;
      const Random random(42, Purpose::dropout, 3, static_cast<std::uint64_t>(n));
      Draw draw(9);
      const Numbers x = draw.numbers(n, 1, 2);
      const auto x_ = as<T>(x);
      Numbers want(x.size());
      reference::dropout_forward(n / batch, batch, rate, random, x.data(), want.data());
      auto got = run<T>({n}, {}, [&](auto& out, ThreadPool& pool, T*) {
        cpu::dropout_forward<T>(n / batch, batch, rate, random, x_.data(), out[0], pool);
      });
      check_close("dropout_forward", got[0], want, absolute(want), 4);
      got = run<T>({x}, {}, [&](auto& out, ThreadPool& pool, T*) {
        cpu::dropout_backward<T>(n / batch, batch, rate, random, out[0], out[0], pool);
      });
      check_close("dropout_backward in place", got[0], want, absolute(want), 4);
      if (n > 10000) {
        const double share = static_cast<double>(std::count(want.begin(), want.end(), 0.0)) / static_cast<double>(n);
        CHECK(std::abs(share - rate) <= 5 * std::sqrt(rate * (1 - rate) / static_cast<double>(n)));
      }
    }
  // A rate between two floats of which the lower is a number that may be drawn: still exactly uniform < rate.
  const Random random(1, Purpose::dropout);
  for (std::uint64_t i = 0; i < 50; ++i) {
    const double drawn = static_cast<double>(random.uniform(i)), rate = std::nextafter(drawn, 1.0);
    const std::vector<T> ones(50, T(1));
    const auto got = run<T>({50}, {}, [&](auto& out, ThreadPool& pool, T*) {
      cpu::dropout_forward<T>(50, 1, rate, random, ones.data(), out[0], pool);
    });
    CHECK(got[0][i] == T(0));
  }
}

// ---- Softmax ---------------------------------------------------------------------------------------------------------

TEST_CASE_TEMPLATE("softmax and its logarithm", T, float, double) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Draw draw(seed);
    const int batch = draw.chance(5) ? 1700 : draw.between(1, 9), classes = draw.between(1, 40);
    const double range = draw.chance(20) ? 40 : 3;
    INFO("seed ", seed, ": (", batch, ", ", classes, ")");
    const std::int64_t n = std::int64_t{batch} * classes;
    const Numbers x = draw.numbers(n, -range, range), dy = draw.numbers(n);
    const auto x_ = as<T>(x), dy_ = as<T>(dy);
    Numbers y(x.size()), want(x.size()), size(x.size());
    // exp(x - top) is as good as the difference, whose size `range` bounds.
    reference::softmax_forward(batch, classes, x.data(), y.data());
    auto got = run<T>({n}, {}, [&](auto& out, ThreadPool& pool, T*) {
      cpu::softmax_forward<T>(batch, classes, x_.data(), out[0], pool);
    });
    check_close("softmax_forward", got[0], y, map(y, [=](double v) { return v * (2 + 2 * range); }), classes);
    auto y_ = got[0];
    y = as_numbers(y_);
    reference::softmax_backward(batch, classes, y.data(), dy.data(), want.data());
    const Numbers dots = by_row(batch, classes, [&](std::size_t i) { return std::abs(y[i] * dy[i]); });
    for (std::size_t i = 0; i < size.size(); ++i) size[i] = y[i] * (std::abs(dy[i]) + dots[i]);
    got = run<T>({n}, {}, [&](auto& out, ThreadPool& pool, T*) {
      cpu::softmax_backward<T>(batch, classes, y_.data(), dy_.data(), out[0], pool);
    });
    check_close("softmax_backward", got[0], want, size, classes);

    reference::log_softmax_forward(batch, classes, x.data(), y.data());
    got = run<T>({n}, {}, [&](auto& out, ThreadPool& pool, T*) {
      cpu::log_softmax_forward<T>(batch, classes, x_.data(), out[0], pool);
    });
    check_close("log_softmax_forward", got[0], y, Numbers(y.size(), 2 + 2 * range), classes);
    y_ = got[0];
    y = as_numbers(y_);
    reference::log_softmax_backward(batch, classes, y.data(), dy.data(), want.data());
    const Numbers sums = by_row(batch, classes, [&](std::size_t i) { return std::abs(dy[i]); });
    for (std::size_t i = 0; i < size.size(); ++i)
      size[i] = std::abs(dy[i]) + std::exp(y[i]) * (1 + std::abs(y[i])) * sums[i];
    got = run<T>({n}, {}, [&](auto& out, ThreadPool& pool, T*) {
      cpu::log_softmax_backward<T>(batch, classes, y_.data(), dy_.data(), out[0], pool);
    });
    check_close("log_softmax_backward", got[0], want, size, classes);
  }
  // What overflows where the largest is not taken away first.
  const std::vector<T> large{T(1000), T(0), T(-1000)};
  const auto one = run<T>({3, 3}, {}, [&](auto& out, ThreadPool& pool, T*) {
    cpu::softmax_forward<T>(1, 3, large.data(), out[0], pool);
    cpu::log_softmax_forward<T>(1, 3, large.data(), out[1], pool);
  });
  check_close("softmax of 1000", one[0], {1, 0, 0}, {1, 0, 0}, 1);
  check_close("log_softmax of 1000", one[1], {0, -1000, -2000}, {1, 1000, 2000}, 1);
}

// ---- Normalisations --------------------------------------------------------------------------------------------------

TEST_CASE_TEMPLATE("local response normalisation", T, float, double) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Draw draw(seed);
    const bool wide = draw.chance(4);  // more channels than go at once
    const Shape in = wide ? Shape{1, draw.between(1, 2), draw.between(250, 600)}
                          : Shape{draw.between(1, 5), draw.between(1, 5), draw.between(1, 20)};
    const int batch = draw.between(1, wide ? 1 : 4),
              neighbours = wide && draw.chance(30) ? 270 : draw.between(1, wide ? 40 : 7);
    const strata::LrnParameters p{neighbours, draw.number(0.5, 2), draw.number(0, 0.5), draw.number(0.3, 1)};
    INFO("seed ", seed, ", n ", p.n, ", channels ", in.channels);
    const std::int64_t n = batch * in.size();
    const Numbers x = draw.numbers(n, -3, 3), dy = draw.numbers(n), ax = absolute(x), ady = absolute(dy);
    const auto x_ = as<T>(x), dy_ = as<T>(dy);
    Numbers y(x.size()), dx(x.size()), size(x.size());
    reference::lrn_forward(in, batch, p, x.data(), y.data());
    auto got = run<T>({n}, {},
                      [&](auto& out, ThreadPool& pool, T*) { cpu::lrn_forward<T>(in, batch, p, x_.data(), out[0], pool); });
    check_close("lrn_forward", got[0], y, map(y, [](double v) { return 3 * std::abs(v); }), p.n);
    const auto y_ = got[0];
    reference::lrn_backward(in, batch, p, x.data(), y.data(), dy.data(), dx.data());
    // Of magnitudes alone it is a difference a - b with a = |dy| scale^-beta known: a + b is what may be lost.
    reference::lrn_backward(in, batch, p, ax.data(), y.data(), ady.data(), size.data());
    for (std::size_t i = 0; i < size.size(); ++i) {
      const double a = x[i] == 0 ? ady[i] : ady[i] * y[i] / x[i];
      size[i] = 3 * (2 * a - size[i]);
    }
    got = run<T>({n}, {}, [&](auto& out, ThreadPool& pool, T*) {
      cpu::lrn_backward<T>(in, batch, p, x_.data(), y_.data(), dy_.data(), out[0], pool);
    });
    check_close("lrn_backward", got[0], dx, size, p.n * p.n);
  }
}

TEST_CASE_TEMPLATE("batch normalisation", T, float, double) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Draw draw(seed);
    const int channels = draw.between(1, 40);
    const Shape in = draw.chance(30) ? Shape{channels} : Shape{draw.between(1, 9), draw.between(1, 9), channels};
    const int batch = draw.between(1, 5);
    const double epsilon = draw.number(1e-3, 1e-2), momentum = draw.number(0.5, 0.99), offset = draw.number(-3, 3);
    INFO("seed ", seed, ": batch ", batch, ", ", in.height, "x", in.width, "x", channels);
    const std::int64_t n = batch * in.size(), rows = n / channels;
    const Numbers x = draw.numbers(n, offset - 2, offset + 2), dy = draw.numbers(n), gamma = draw.numbers(channels),
                  beta = draw.numbers(channels), old_mean = draw.numbers(channels),
                  old_variance = draw.numbers(channels, 0.1, 2);
    const auto x_ = as<T>(x), dy_ = as<T>(dy), gamma_ = as<T>(gamma), beta_ = as<T>(beta), old_mean_ = as<T>(old_mean),
               old_variance_ = as<T>(old_variance);
    const T epsilon_ = static_cast<T>(epsilon), momentum_ = static_cast<T>(momentum);
    const std::size_t c_end = static_cast<std::size_t>(channels);
    const double terms = static_cast<double>(rows);

    Numbers y(x.size()), mean(c_end), inverse(c_end), new_mean = old_mean, new_variance = old_variance;
    reference::batch_norm_forward(in, batch, epsilon, momentum, x.data(), gamma.data(), beta.data(), new_mean.data(),
                                  new_variance.data(), mean.data(), inverse.data(), y.data());
    auto got = run<T>({n, channels, channels, old_mean, old_variance}, {}, [&](auto& out, ThreadPool& pool, T*) {
      cpu::batch_norm_forward<T>(in, batch, epsilon_, momentum_, x_.data(), gamma_.data(), beta_.data(), out[3], out[4],
                                 out[1], out[2], out[0], pool);
    });
    // An error of the mean moves every difference from it, and the variance by that times the mean difference.
    Numbers level(c_end), spread(c_end), y_size(x.size()), inverse_size(c_end), mean_size(c_end), variance_size(c_end);
    for (std::size_t i = 0; i < x.size(); ++i) {
      level[i % c_end] += std::abs(x[i]) / terms;
      spread[i % c_end] += std::abs(x[i] - mean[i % c_end]) / terms;
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t c = i % c_end;
      const double normal = std::abs(x[i] - mean[c]) * inverse[c];
      y_size[i] =
          std::abs(gamma[c]) * (inverse[c] * (std::abs(x[i]) + level[c]) * (1 + normal) + normal) + std::abs(beta[c]);
    }
    for (std::size_t c = 0; c < c_end; ++c) {
      inverse_size[c] = inverse[c] * (1 + 2 * level[c] * inverse[c]);
      mean_size[c] = std::abs(old_mean[c]) + level[c];
      variance_size[c] = old_variance[c] + 1 / (inverse[c] * inverse[c]) + 4 * level[c] * spread[c];
    }
    check_close("batch_norm_forward", got[0], y, y_size, terms);
    check_close("mean", got[1], mean, level, terms);
    check_close("inverse stddev", got[2], inverse, inverse_size, terms);
    check_close("running mean", got[3], new_mean, mean_size, terms);
    check_close("running variance", got[4], new_variance, variance_size, terms);

    reference::batch_norm_inference(in, batch, epsilon, x.data(), gamma.data(), beta.data(), old_mean.data(),
                                    old_variance.data(), y.data());
    got = run<T>({n}, {}, [&](auto& out, ThreadPool& pool, T*) {
      cpu::batch_norm_inference<T>(in, batch, epsilon_, x_.data(), gamma_.data(), beta_.data(), old_mean_.data(),
                                   old_variance_.data(), out[0], pool);
    });
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t c = i % c_end;
      y_size[i] = std::abs(gamma[c]) * (std::abs(x[i]) + std::abs(old_mean[c])) / std::sqrt(old_variance[c] + epsilon) +
                  std::abs(beta[c]);
    }
    check_close("batch_norm_inference", got[0], y, y_size, 4);

    // Backward sees the statistics of this precision.
    const auto mean_ = as<T>(mean), inverse_ = as<T>(inverse);
    mean = as_numbers(mean_), inverse = as_numbers(inverse_);
    Numbers dx(x.size()), dgamma(c_end), dbeta(c_end), dx_size(x.size()), dgamma_size(c_end), dbeta_size(c_end);
    reference::batch_norm_backward(in, batch, x.data(), gamma.data(), mean.data(), inverse.data(), dy.data(), dx.data(),
                                   dgamma.data(), dbeta.data());
    const auto far = [&](std::size_t i) { return (std::abs(x[i]) + std::abs(mean[i % c_end])) * inverse[i % c_end]; };
    for (std::size_t i = 0; i < x.size(); ++i) {
      dbeta_size[i % c_end] += std::abs(dy[i]);
      dgamma_size[i % c_end] += std::abs(dy[i]) * far(i);
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t c = i % c_end;
      dx_size[i] =
          std::abs(gamma[c]) * inverse[c] * (std::abs(dy[i]) + dbeta_size[c] / terms + far(i) * dgamma_size[c] / terms);
    }
    const auto backward = [&](const T* from, T* to, T* scale, T* shift, ThreadPool& pool) {
      cpu::batch_norm_backward<T>(in, batch, x_.data(), gamma_.data(), mean_.data(), inverse_.data(), from, to, scale,
                                  shift, pool);
    };
    got = run<T>({n, channels, channels}, {},
                 [&](auto& out, ThreadPool& pool, T*) { backward(dy_.data(), out[0], out[1], out[2], pool); });
    check_close("batch_norm_backward", got[0], dx, dx_size, terms);
    check_close("gamma of batch_norm_backward", got[1], dgamma, dgamma_size, terms);
    check_close("beta of batch_norm_backward", got[2], dbeta, dbeta_size, terms);
    got = run<T>({dy, channels, channels}, {},
                 [&](auto& out, ThreadPool& pool, T*) { backward(out[0], out[0], out[1], out[2], pool); });
    check_close("batch_norm_backward in place", got[0], dx, dx_size, terms);
  }
}

TEST_CASE("means of more numbers than a float can count") {
  constexpr int side = 4200;  // squared, above 2^24
  const std::vector<float> x(static_cast<std::size_t>(side) * side, 1.f);
  ThreadPool pool(1);
  float y = 0;
  cpu::global_avg_pool_forward<float>(Shape{side, side, 1}, 1, x.data(), &y, pool);
  CHECK(y == doctest::Approx(1).epsilon(1e-6));
  const float one = 1, zero = 0;
  float running_mean = 0, running_variance = 1, mean = 0, inverse = 0;
  std::vector<float> z(x.size());
  cpu::batch_norm_forward<float>(Shape{side, side, 1}, 1, 1e-3f, 0.f, x.data(), &one, &zero, &running_mean,
                                 &running_variance, &mean, &inverse, z.data(), pool);
  CHECK(mean == doctest::Approx(1).epsilon(1e-6));
  CHECK(running_variance < 1e-6f);
  float dgamma = 0, dbeta = 0;
  cpu::batch_norm_backward<float>(Shape{side, side, 1}, 1, z.data(), &one, &zero, &one, x.data(), z.data(), &dgamma, &dbeta,
                                  pool);
  CHECK(dbeta == doctest::Approx(static_cast<double>(side) * side).epsilon(1e-6));
}

TEST_CASE("normalisations worked out by hand") {
  const Numbers x{1, 2}, one{1}, zero{0};
  Numbers y(2);
  reference::lrn_forward(Shape{1, 1, 2}, 1, {.n = 5, .k = 2, .alpha = 1, .beta = 1}, x.data(), y.data());
  CHECK(y[0] == doctest::Approx(1. / 7));
  CHECK(y[1] == doctest::Approx(2. / 7));
  // 1 and 3: mean 2, biased variance 1.
  const Numbers pair{1, 3};
  Numbers running_mean{0}, running_variance{1}, mean(1), inverse(1);
  reference::batch_norm_forward(Shape{1}, 2, 0., 0.75, pair.data(), one.data(), zero.data(), running_mean.data(),
                                running_variance.data(), mean.data(), inverse.data(), y.data());
  CHECK(y == Numbers{-1, 1});
  CHECK(running_mean == Numbers{0.5});
  CHECK(running_variance == Numbers{1});
}

// ---- Losses ----------------------------------------------------------------------------------------------------------

template <class T>
void fast_loss(Loss which, int batch, int classes, const T* x, const int* labels, T* loss, T* gradient, ThreadPool& pool) {
  switch (which) {
    case Loss::softmax_cross_entropy:
      return cpu::softmax_cross_entropy(batch, classes, x, labels, loss, gradient, pool);
    case Loss::negative_log_likelihood:
      return cpu::negative_log_likelihood(batch, classes, x, labels, loss, gradient, pool);
    case Loss::cross_entropy:
      return cpu::cross_entropy(batch, classes, x, labels, loss, gradient, pool);
    case Loss::mean_squared_error:
      return cpu::mean_squared_error(batch, classes, x, labels, loss, gradient, pool);
    case Loss::sigmoid_cross_entropy:
      return cpu::sigmoid_cross_entropy(batch, classes, x, labels, loss, gradient, pool);
  }
}

TEST_CASE_TEMPLATE("losses", T, float, double) {
  for (std::size_t l = 0; l < std::size(losses); ++l)
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
      const Loss which = losses[l];
      Draw draw(seed);
      const int batch = draw.chance(5) ? 1700 : draw.between(1, 9), classes = draw.between(1, 40);
      const bool probabilities = which == Loss::cross_entropy;
      const double range = probabilities ? 1 : draw.chance(20) ? 40 : 3;
      INFO(std::string(loss_names[l]), ", seed ", seed, ": (", batch, ", ", classes, ")");
      const std::int64_t n = std::int64_t{batch} * classes;
      Numbers x = draw.numbers(n, probabilities ? 0 : -range, range);
      if (probabilities && draw.chance(30)) x = map(x, [](double v) { return std::round(v); });  // both ends of the clip
      const auto labels = draw.labels(batch, classes);
      const auto x_ = as<T>(x);
      Numbers loss(static_cast<std::size_t>(batch)), gradient(x.size());
      if (probabilities) {
        // The upper end of the clip is another number in each precision.
        std::vector<T> loss_(loss.size()), gradient_(x.size());
        slow_loss(which, batch, classes, x_.data(), labels.data(), loss_.data(), gradient_.data());
        loss = as_numbers(loss_), gradient = as_numbers(gradient_);
      } else {
        slow_loss(which, batch, classes, x.data(), labels.data(), loss.data(), gradient.data());
      }
      // What is added up is of the order of the inputs (of their squares, for squared errors), plus the label's 1.
      const double loss_size = which == Loss::mean_squared_error ? (1 + range) * (1 + range) : 2 + 2 * range;
      const double divisor =
          batch * (which == Loss::mean_squared_error || which == Loss::sigmoid_cross_entropy ? classes : 1);
      Numbers size(x.size(), (which == Loss::mean_squared_error ? 4 + 4 * range : 2) / divisor);
      if (probabilities) size = absolute(gradient);
      if (which == Loss::softmax_cross_entropy)
        for (std::size_t i = 0; i < size.size(); ++i) {
          const bool own = static_cast<int>(i) % classes == labels[i / static_cast<std::size_t>(classes)];
          size[i] = own ? (4 + 2 * range) / batch : std::abs(gradient[i]) * (2 + 2 * range);  // p - 1 may cancel
        }
      auto got = run<T>({batch, n}, {}, [&](auto& out, ThreadPool& pool, T*) {
        fast_loss(which, batch, classes, x_.data(), labels.data(), out[0], out[1], pool);
      });
      check_close("loss", got[0], loss, Numbers(loss.size(), loss_size), classes);
      check_close("gradient", got[1], gradient, size, classes);
      const auto alone = run<T>({batch}, {}, [&](auto& out, ThreadPool& pool, T*) {
        fast_loss<T>(which, batch, classes, x_.data(), labels.data(), out[0], nullptr, pool);
      });
      CHECK_MESSAGE(same_bits(alone[0], got[0]), "the loss depends on whether its gradient is wanted");
    }
  // Logits that overflow where exp is taken of them.
  const std::vector<T> large{T(1000), T(-1000)};
  const int label = 1;
  for (const Loss which : {Loss::softmax_cross_entropy, Loss::sigmoid_cross_entropy}) {
    const auto got = run<T>({1, 2}, {}, [&](auto& out, ThreadPool& pool, T*) {
      fast_loss<T>(which, 1, 2, large.data(), &label, out[0], out[1], pool);
    });
    const bool sigmoid = which == Loss::sigmoid_cross_entropy;
    check_close("loss", got[0], {sigmoid ? 1000. : 2000.}, {2000}, 1);
    check_close("gradient", got[1], {sigmoid ? 0.5 : 1, sigmoid ? -0.5 : -1}, {1, 1}, 1);
  }
}

TEST_CASE("losses worked out by hand") {
  const auto loss = [](Loss which, const Numbers& x, int label) {
    double value = 0;
    slow_loss<double>(which, 1, static_cast<int>(x.size()), x.data(), &label, &value, nullptr);
    return value;
  };
  CHECK(loss(Loss::softmax_cross_entropy, {3, 3}, 0) == doctest::Approx(std::log(2.)));
  CHECK(loss(Loss::negative_log_likelihood, {-1, -5}, 1) == 5);
  CHECK(loss(Loss::cross_entropy, {0.25, 0.75}, 0) == doctest::Approx(std::log(4.)));
  CHECK(loss(Loss::cross_entropy, {0, 1}, 0) == doctest::Approx(7 * std::log(10.)));
  CHECK(loss(Loss::mean_squared_error, {0.5, 0.25, 0}, 0) == doctest::Approx((0.25 + 0.0625) / 3));
  CHECK(loss(Loss::sigmoid_cross_entropy, {0, 0}, 1) == doctest::Approx(std::log(2.)));
}

// ---- Optimizers ------------------------------------------------------------------------------------------------------

TEST_CASE_TEMPLATE("optimizers", T, float, double) {
  for (std::int64_t n : {1, 3, 100, 65536, 70001})
    for (std::uint64_t seed = 1; seed <= 16; ++seed) {
      INFO(n, " parameters, seed ", seed);
      Draw draw(seed);
      const Numbers w = draw.numbers(n), g = draw.numbers(n), m = draw.numbers(n), v = draw.numbers(n, 0.01, 1);
      const auto g_ = as<T>(g);
      const double rate = draw.number(0.001, 0.1), first = draw.number(0, 0.95), second = draw.number(0.9, 0.999),
                   decay = draw.chance(50) ? 0 : draw.number(0, 0.1), epsilon = draw.number(1e-7, 1e-3);
      const bool flag = draw.chance(50), plain = draw.chance(30);
      const std::int64_t step = draw.chance(30) ? 1 : draw.between(2, 10000);
      const auto t = [](double x) { return static_cast<T>(x); };

      Numbers new_w = w, new_m = m, w_size(w.size()), m_size(w.size());
      reference::sgd_update(n, rate, first, flag, decay, new_w.data(), g.data(), plain ? nullptr : new_m.data());
      for (std::size_t i = 0; i < w.size(); ++i) {
        m_size[i] = std::abs(m[i]) + rate * (std::abs(g[i]) + decay * std::abs(w[i]));
        w_size[i] = std::abs(w[i]) + 2 * m_size[i];
      }
      auto got = run<T>({w, m}, {}, [&](auto& out, ThreadPool& pool, T*) {
        cpu::sgd_update<T>(n, t(rate), t(first), flag, t(decay), out[0], g_.data(), plain ? nullptr : out[1], pool);
      });
      check_close("w of sgd", got[0], new_w, w_size, 4);
      check_close("velocity of sgd", got[1], new_m, m_size, 4);

      new_w = w, new_m = m;
      Numbers new_v = v, v_size(w.size());
      reference::adam_update(n, rate, first, second, epsilon, decay, flag, step, new_w.data(), g.data(), new_m.data(),
                             new_v.data());
      const double corrected = rate * std::sqrt(1 - std::pow(second, step)) / (1 - std::pow(first, step));
      for (std::size_t i = 0; i < w.size(); ++i) {
        const double gradient = std::abs(g[i]) + decay * std::abs(w[i]);
        m_size[i] = std::abs(m[i]) + gradient;
        v_size[i] = v[i] + gradient * gradient;
        w_size[i] = 2 * std::abs(w[i]) + corrected * m_size[i] / std::sqrt(new_v[i]) * (1 + v_size[i] / new_v[i]);
      }
      got = run<T>({w, m, v}, {}, [&](auto& out, ThreadPool& pool, T*) {
        cpu::adam_update<T>(n, t(rate), t(first), t(second), t(epsilon), t(decay), flag, step, out[0], g_.data(), out[1],
                            out[2], pool);
      });
      check_close("w of adam", got[0], new_w, w_size, 4);
      check_close("m of adam", got[1], new_m, m_size, 4);
      check_close("v of adam", got[2], new_v, v_size, 4);
    }
}

TEST_CASE("optimizers worked out by hand") {
  const auto sgd = [](bool nesterov, double decay, bool with_velocity) {
    double w = 1, velocity = 1;
    const double g = 2;
    reference::sgd_update(1, 0.1, 0.9, nesterov, decay, &w, &g, with_velocity ? &velocity : nullptr);
    return w;
  };
  CHECK(sgd(false, 0, false) == doctest::Approx(0.8));
  CHECK(sgd(false, 0, true) == doctest::Approx(1.7));     // 1 + (0.9 - 0.2)
  CHECK(sgd(true, 0, true) == doctest::Approx(1.43));     // 1 + 0.9 x 0.7 - 0.2
  CHECK(sgd(false, 0.5, true) == doctest::Approx(1.65));  // 1 + (0.9 - 0.1 x 2.5)
  for (const bool decoupled : {false, true}) {
    // The first step is the rate long, whatever the gradient.
    double w = 1, m = 0, v = 0;
    const double g = 2;
    reference::adam_update<double>(1, 0.1, 0.9, 0.999, 0, 0.5, decoupled, 1, &w, &g, &m, &v);
    CHECK(w == doctest::Approx(decoupled ? 0.85 : 0.9));
    CHECK(m == doctest::Approx(decoupled ? 0.2 : 0.25));
  }
}

// ---- The reference's gradients against finite differences ------------------------------------------------------------

// value() depends on x; gradient is what it is said to be.
template <class F>
void check_gradient(const char* what, Numbers& x, const Numbers& gradient, F&& value) {
  const double step = 1e-5;
  for (std::size_t i = 0; i < x.size(); ++i) {
    INFO(what, " [", i, "]");
    const double before = x[i];
    x[i] = before + step;
    const double above = value();
    x[i] = before - step;
    const double below = value();
    x[i] = before;
    const double difference = (above - below) / (2 * step);
    if (std::abs(difference - gradient[i]) > 1e-7 * std::max(1., std::abs(gradient[i]))) CHECK(difference == gradient[i]);
  }
  CHECK(x.size() == gradient.size());
}
double dot(const Numbers& a, const Numbers& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
// Numbers far enough apart for a maximum to stay where it is.
Numbers distinct(Draw& draw, std::int64_t n) {
  Numbers v = zeros(n);
  for (std::size_t i = 0; i < v.size(); ++i) {
    v[i] = 0.1 * static_cast<double>(i) - 1.03;
    std::swap(v[i], v[static_cast<std::size_t>(draw.between(0, static_cast<int>(i)))]);
  }
  return v;
}

TEST_CASE("gradients of what slides") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Draw draw(seed);
    const int groups = draw.between(1, 2), batch = draw.between(1, 2);
    const Shape in{draw.between(1, 5), draw.between(1, 5), groups * draw.between(1, 2)};
    const WindowSpec window = draw_window(draw, in, 3);
    Geometry g = place(window, in, groups * draw.between(1, 2), groups);
    INFO("seed ", seed, ": ", describe(g, batch));
    Numbers x = draw.numbers(batch * in.size()), w = draw.numbers(g.taps() * g.out.channels),
            b = draw.numbers(g.out.channels);
    Numbers dy = draw.numbers(batch * g.out.size()), y(dy.size()), dx(x.size()), dw(w.size()), db(b.size());
    reference::conv_backward_input(g, batch, dy.data(), w.data(), dx.data());
    reference::conv_backward_weights(g, batch, x.data(), dy.data(), dw.data(), db.data());
    const auto conv = [&] {
      reference::conv_forward(g, batch, x.data(), w.data(), b.data(), y.data());
      return dot(y, dy);
    };
    check_gradient("conv x", x, dx, conv);
    check_gradient("conv w", w, dw, conv);
    check_gradient("conv bias", b, db, conv);

    g = place(window, in);
    x = distinct(draw, batch * in.size()), dy = draw.numbers(batch * g.out.size()), y.resize(dy.size());
    std::vector<std::int32_t> argmax(dy.size());
    const auto largest = [&] {
      reference::max_pool_forward(g, batch, x.data(), y.data(), argmax.data());
      return dot(y, dy);
    };
    largest();
    reference::max_pool_backward(g, batch, dy.data(), argmax.data(), dx.data());
    check_gradient("max_pool", x, dx, largest);
    reference::avg_pool_backward(g, batch, dy.data(), dx.data());
    check_gradient("avg_pool", x, dx, [&] {
      reference::avg_pool_forward(g, batch, x.data(), y.data());
      return dot(y, dy);
    });
    dy = draw.numbers(std::int64_t{batch} * in.channels), y.resize(dy.size());
    reference::global_avg_pool_backward(in, batch, dy.data(), dx.data());
    check_gradient("global_avg_pool", x, dx, [&] {
      reference::global_avg_pool_forward(in, batch, x.data(), y.data());
      return dot(y, dy);
    });
  }
}

TEST_CASE("gradients of the other layers") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed ", seed);
    Draw draw(seed);
    const int batch = draw.between(2, 3), in = draw.between(1, 5), units = draw.between(1, 5);
    Numbers x = draw.numbers(batch * in), w = draw.numbers(in * units), b = draw.numbers(units);
    Numbers dy = draw.numbers(batch * units), y(dy.size()), dx(x.size()), dw(w.size()), db(b.size());
    const auto dense = [&] {
      reference::dense_forward(in, units, batch, x.data(), w.data(), b.data(), y.data());
      return dot(y, dy);
    };
    reference::dense_backward_input(in, units, batch, dy.data(), w.data(), dx.data());
    reference::dense_backward_weights(in, units, batch, x.data(), dy.data(), dw.data(), db.data());
    check_gradient("dense x", x, dx, dense);
    check_gradient("dense w", w, dw, dense);
    check_gradient("dense bias", b, db, dense);

    const Shape map_shape{2, draw.between(1, 3), draw.between(1, 6)};
    const std::int64_t n = batch * map_shape.size();
    const int classes = map_shape.channels, samples = static_cast<int>(n) / classes;
    x = distinct(draw, n), dy = draw.numbers(n);
    y = dx = Numbers(x.size());
    const auto unary = [&](const char* what, auto forward, auto backward) {
      const auto value = [&] {
        forward(x.data(), y.data());
        return dot(y, dy);
      };
      value();
      backward(static_cast<const double*>(y.data()), static_cast<const double*>(dy.data()), dx.data());
      check_gradient(what, x, dx, value);
    };
    unary(
        "relu", [&](auto i, auto o) { reference::relu_forward(n, i, o); },
        [&](auto o, auto g, auto i) { reference::relu_backward(n, o, g, i); });
    unary(
        "leaky_relu", [&](auto i, auto o) { reference::leaky_relu_forward(n, 0.2, i, o); },
        [&](auto o, auto g, auto i) { reference::leaky_relu_backward(n, 0.2, o, g, i); });
    unary(
        "sigmoid", [&](auto i, auto o) { reference::sigmoid_forward(n, i, o); },
        [&](auto o, auto g, auto i) { reference::sigmoid_backward(n, o, g, i); });
    unary(
        "tanh", [&](auto i, auto o) { reference::tanh_forward(n, i, o); },
        [&](auto o, auto g, auto i) { reference::tanh_backward(n, o, g, i); });
    unary(
        "softmax", [&](auto i, auto o) { reference::softmax_forward(samples, classes, i, o); },
        [&](auto o, auto g, auto i) { reference::softmax_backward(samples, classes, o, g, i); });
    unary(
        "log_softmax", [&](auto i, auto o) { reference::log_softmax_forward(samples, classes, i, o); },
        [&](auto o, auto g, auto i) { reference::log_softmax_backward(samples, classes, o, g, i); });
    const Random random(seed, Purpose::dropout);
    unary(
        "dropout", [&](auto i, auto o) { reference::dropout_forward(n / batch, batch, 0.4, random, i, o); },
        [&](auto, auto g, auto i) { reference::dropout_backward(n / batch, batch, 0.4, random, g, i); });
    const strata::LrnParameters p{draw.between(1, 5), 2, 0.3, 0.75};
    unary(
        "lrn", [&](auto i, auto o) { reference::lrn_forward(map_shape, batch, p, i, o); },
        [&](auto o, auto g, auto i) { reference::lrn_backward(map_shape, batch, p, x.data(), o, g, i); });

    Numbers gamma = draw.numbers(classes), beta = draw.numbers(classes), dgamma(gamma.size()), dbeta(gamma.size()),
            mean(gamma.size()), inverse(gamma.size()), running(2 * gamma.size());
    const auto norm = [&] {
      reference::batch_norm_forward(map_shape, batch, 1e-3, 0.9, x.data(), gamma.data(), beta.data(), running.data(),
                                    running.data() + classes, mean.data(), inverse.data(), y.data());
      return dot(y, dy);
    };
    norm();
    reference::batch_norm_backward(map_shape, batch, x.data(), gamma.data(), mean.data(), inverse.data(), dy.data(),
                                   dx.data(), dgamma.data(), dbeta.data());
    check_gradient("batch_norm x", x, dx, norm);
    check_gradient("batch_norm gamma", gamma, dgamma, norm);
    check_gradient("batch_norm beta", beta, dbeta, norm);
  }
}

TEST_CASE("gradients of the losses") {
  for (std::size_t l = 0; l < std::size(losses); ++l)
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      INFO(std::string(loss_names[l]), ", seed ", seed);
      Draw draw(seed);
      const int batch = draw.between(1, 4), classes = draw.between(1, 5);
      Numbers x =
          losses[l] == Loss::cross_entropy ? draw.numbers(batch * classes, 0.1, 0.9) : draw.numbers(batch * classes, -2, 2);
      const auto labels = draw.labels(batch, classes);
      Numbers each(static_cast<std::size_t>(batch)), gradient(x.size());
      slow_loss(losses[l], batch, classes, x.data(), labels.data(), each.data(), gradient.data());
      check_gradient("x", x, gradient, [&] {
        slow_loss<double>(losses[l], batch, classes, x.data(), labels.data(), each.data(), nullptr);
        return dot(each, Numbers(each.size(), 1. / batch));
      });
    }
}

}  // namespace
