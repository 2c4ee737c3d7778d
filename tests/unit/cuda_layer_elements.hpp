// SPDX-License-Identifier: BSL-1.0
// The GPU's own kernels of the layers: against the reference in double precision, over drawn shapes, with poisoned and
// guarded outputs, in several orders of the indices, which must agree to the bit. Masks and places of maxima are the CPU's.
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include <strata/backend/cpu/dropout.hpp>
#include <strata/backend/cpu/pool.hpp>
#include <strata/backend/cuda/activations.hpp>
#include <strata/backend/cuda/batch_norm.hpp>
#include <strata/backend/cuda/bias.hpp>
#include <strata/backend/cuda/combine.hpp>
#include <strata/backend/cuda/dropout.hpp>
#include <strata/backend/cuda/lrn.hpp>
#include <strata/backend/cuda/pool.hpp>
#include <strata/backend/cuda/softmax.hpp>
#include <strata/backend/reference/activations.hpp>
#include <strata/backend/reference/batch_norm.hpp>
#include <strata/backend/reference/combine.hpp>
#include <strata/backend/reference/dropout.hpp>
#include <strata/backend/reference/lrn.hpp>
#include <strata/backend/reference/pool.hpp>
#include <strata/backend/reference/softmax.hpp>

#include "cuda_elements.hpp"

namespace {

using namespace conformance;
namespace cpu = strata::cpu;
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// ---- Bf16 ------------------------------------------------------------------------------------------------------------

// The nearest number with 8 bits, of two the even one, by arithmetic in double.
double nearest_bf16(double x) {
  if (!std::isfinite(x) || x == 0) return x;
  const double place = std::ldexp(1.0, std::max(std::ilogb(x), -126) - 7);
  const double rounded = std::nearbyint(x / place) * place;
  return std::abs(rounded) >= 0x1p128 ? std::copysign(std::numeric_limits<double>::infinity(), x) : rounded;
}

TEST_CASE("every upper half of a float, with what a lower half can do to it") {
  std::vector<float> x;
  for (std::uint32_t upper = 0; upper < 0x10000; ++upper)
    for (const std::uint32_t lower : {0x0000u, 0x0001u, 0x7FFFu, 0x8000u, 0x8001u, 0xFFFFu})
      x.push_back(std::bit_cast<float>(upper << 16 | lower));
  const auto n = static_cast<std::int64_t>(x.size());
  const auto [halves] = launch([&](Runner& run, Bf16* out) { cuda::convert(run, n, x.data(), out); }, Out<Bf16>(n));
  std::size_t wrong = 0, kept = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto got = static_cast<float>(halves[i]);
    const double want = nearest_bf16(static_cast<double>(x[i]));
    wrong +=
        std::isnan(want) ? !std::isnan(got) : static_cast<double>(got) != want || std::signbit(got) != std::signbit(x[i]);
    kept += i % 6 == 0 && std::bit_cast<std::uint32_t>(got) == std::bit_cast<std::uint32_t>(x[i]);
  }
  CHECK(wrong == 0);
  CHECK(kept == 0x10000 - 2 * 63);  // but for the NaNs of a kind that signals, which become quiet
  static_assert(static_cast<float>(Bf16(1.00390625f)) == 1.f);  // a tie: to the even one
  static_assert(static_cast<float>(Bf16(1.01171875f)) == 1.015625f);
}

// ---- Element-wise ----------------------------------------------------------------------------------------------------

// Forward and backward of an activation, in place and not. `spread` is the sum of magnitudes behind each dx.
template <class T, class SlowForward, class SlowBackward, class Forward, class Backward, class Spread>
void check_activation(const char* name, SlowForward slow, SlowBackward slow_back, Forward fast, Backward fast_back,
                      Spread spread) {
  for (const std::int64_t n : {1, 2, 31, 1000}) {
    INFO(std::string(name), " of ", n);
    Draw draw(static_cast<std::uint64_t>(n));
    Numbers x = draw.numbers(n, -9, 9);
    x[0] = 0;
    if (n > 30) x[5] = 800, x[17] = -800;
    x = seen<T>(x);
    const Numbers dy = seen<T>(draw.numbers(n));
    const auto x_ = as<T>(x), dy_ = as<T>(dy);
    Numbers y(x.size()), dx(x.size()), size(x.size());
    slow(n, x.data(), y.data());
    const auto [y_] = launch([&](Runner& run, T* out) { fast(run, n, x_.data(), out); }, Out<T>(n));
    check_close("forward", y_, y, absolute(y), 16);
    const auto [over] = launch([&](Runner& run, T* out) { fast(run, n, static_cast<const T*>(out), out); }, Out<T>(x));
    check_close("forward in place", over, y, absolute(y), 16);

    // Backward sees the outputs of this precision.
    const std::vector<T>& outputs = y_;
    y = as_numbers(outputs);
    slow_back(n, y.data(), dy.data(), dx.data());
    for (std::size_t i = 0; i < size.size(); ++i) size[i] = spread(y[i], dy[i]);
    const auto [dx_] = launch([&](Runner& run, T* out) { fast_back(run, n, outputs.data(), dy_.data(), out); }, Out<T>(n));
    check_close("backward", dx_, dx, size, 4);
    const auto [dx_over] = launch(
        [&](Runner& run, T* out) { fast_back(run, n, outputs.data(), static_cast<const T*>(out), out); }, Out<T>(dy));
    check_close("backward in place", dx_over, dx, size, 4);

    const Numbers nans(static_cast<std::size_t>(n), nan);
    const auto nans_ = as<T>(nans);
    const auto [passed] = launch([&](Runner& run, T* out) { fast(run, n, nans_.data(), out); }, Out<T>(n));
    check_equal("forward of NaN", passed, nans);
    slow_back(n, nans.data(), dy.data(), dx.data());
    const auto [back] = launch([&](Runner& run, T* out) { fast_back(run, n, nans_.data(), dy_.data(), out); }, Out<T>(n));
    check_close("backward of NaN", back, dx, absolute(dy), 1);
  }
}

TEST_CASE_TEMPLATE("activations", T, float, double, Bf16) {
  const auto slope = static_cast<Compute<T>>(0.25);
  const auto plain = [](double, double dy) { return std::abs(dy); };
  check_activation<T>("relu", reference::relu_forward<double>, reference::relu_backward<double>,
                      cuda::relu_forward<Runner, T>, cuda::relu_backward<Runner, T>, plain);
  check_activation<T>(
      "leaky_relu", [](auto n, auto x, auto y) { reference::leaky_relu_forward(n, 0.25, x, y); },
      [](auto n, auto y, auto dy, auto dx) { reference::leaky_relu_backward(n, 0.25, y, dy, dx); },
      [=](Runner& run, auto n, auto x, auto y) { cuda::leaky_relu_forward(run, n, slope, x, y); },
      [=](Runner& run, auto n, auto y, auto dy, auto dx) { cuda::leaky_relu_backward(run, n, slope, y, dy, dx); }, plain);
  check_activation<T>("sigmoid", reference::sigmoid_forward<double>, reference::sigmoid_backward<double>,
                      cuda::sigmoid_forward<Runner, T>, cuda::sigmoid_backward<Runner, T>,
                      [](double y, double dy) { return std::abs(dy * y * (1 + y)); });
  check_activation<T>("tanh", reference::tanh_forward<double>, reference::tanh_backward<double>,
                      cuda::tanh_forward<Runner, T>, cuda::tanh_backward<Runner, T>,
                      [](double y, double dy) { return std::abs(dy) * (1 + y * y); });
}

TEST_CASE_TEMPLATE("biases", T, float, double, Bf16) {
  using C = Compute<T>;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Draw draw(seed);
    const std::int64_t rows = draw.chance(20) ? draw.between(1000, 20000) : draw.between(1, 300);
    const int channels = draw.between(1, rows > 999 ? 3 : 40);
    INFO("seed ", seed, ": (", rows, ", ", channels, ")");
    const std::int64_t n = rows * channels;
    const auto c_end = static_cast<std::size_t>(channels);
    const Numbers y = seen<T>(draw.numbers(n)), bias = draw.numbers(channels);
    const auto bias_ = as<C>(bias), y_size = as<C>(y);
    const auto y_ = as<T>(y);
    for (const bool relu : {false, true}) {
      Numbers want(y.size()), size(y.size());
      for (std::size_t i = 0; i < y.size(); ++i) {
        want[i] = y[i] + bias[i % c_end], size[i] = std::abs(y[i]) + std::abs(bias[i % c_end]);
        if (relu) want[i] = std::max(want[i], 0.0);
      }
      const auto [got] =
          launch([&](Runner& run, T* out) { cuda::add_bias(run, rows, channels, bias_.data(), out, relu); }, Out<T>(y));
      check_close("add_bias", got, want, size, 1);
    }
    Numbers want(c_end), size(c_end);
    for (std::size_t i = 0; i < y.size(); ++i) want[i % c_end] += y[i], size[i % c_end] += std::abs(y[i]);
    const auto [got, scratch] =
        launch([&](Runner& run, C* out, C* work) { cuda::bias_gradient(run, rows, channels, y_.data(), out, work); },
               Out<C>(channels), Out<C>(cuda::bias_gradient_scratch(rows, channels)));
    check_close("bias_gradient", got, want, size, static_cast<double>(rows));
    CHECK(std::none_of(scratch.begin(), scratch.end(), [](C x) { return x != x; }));  // no more than is needed
  }
  static_assert(cuda::row_shares(1) == 1 && cuda::row_shares(63) == 1 && cuda::row_shares(64) == 2);
  static_assert(cuda::row_shares(1'000'000) == 512);
}

TEST_CASE_TEMPLATE("sums and copies", T, float, double, Bf16) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Draw draw(seed);
    const std::int64_t rows = draw.between(1, 40);
    const int channels = draw.between(1, 9), offset = draw.between(0, 5), total = channels + offset + draw.between(0, 5);
    INFO("seed ", seed);
    const std::int64_t n = rows * channels;
    const Numbers a = seen<T>(draw.numbers(n)), b = seen<T>(draw.numbers(n)), whole = seen<T>(draw.numbers(rows * total));
    const auto a_ = as<T>(a), b_ = as<T>(b), whole_ = as<T>(whole);
    Numbers want(a.size()), size(a.size());
    reference::add_forward(n, a.data(), b.data(), want.data());
    for (std::size_t i = 0; i < a.size(); ++i) size[i] = std::abs(a[i]) + std::abs(b[i]);
    const auto [sum] =
        launch([&](Runner& run, T* out) { cuda::add_forward(run, n, a_.data(), b_.data(), out); }, Out<T>(n));
    check_close("add", sum, want, size, 1);
    const auto [over] = launch(
        [&](Runner& run, T* out) { cuda::add_forward(run, n, static_cast<const T*>(out), b_.data(), out); }, Out<T>(a));
    CHECK(same_bits(over, sum));

    want = whole;
    reference::concat_copy(rows, channels, a.data(), total, offset, want.data());
    const auto [joined] = launch(
        [&](Runner& run, T* out) { cuda::concat_copy(run, rows, channels, a_.data(), total, offset, out); }, Out<T>(whole));
    check_equal("concat_copy", joined, want);
    want.resize(a.size());
    reference::concat_take(rows, channels, want.data(), total, offset, whole.data());
    const auto [taken] = launch(
        [&](Runner& run, T* out) { cuda::concat_take(run, rows, channels, out, total, offset, whole_.data()); }, Out<T>(n));
    check_equal("concat_take", taken, want);

    const auto [copied] = launch([&](Runner& run, T* out) { cuda::copy(run, n, a_.data(), out); }, Out<T>(n));
    CHECK(same_bits(copied, a_));
    const auto floats = as<float>(draw.numbers(n));
    const auto [converted] = launch([&](Runner& run, T* out) { cuda::convert(run, n, floats.data(), out); }, Out<T>(n));
    check_equal("convert", converted, seen<T>(as_numbers(floats)));
    const auto [back] = launch([&](Runner& run, float* out) { cuda::convert(run, n, a_.data(), out); }, Out<float>(n));
    check_equal("convert back", back, seen<float>(a));
  }
}

TEST_CASE_TEMPLATE("dropout", T, float, double, Bf16) {
  strata::ThreadPool pool(1);
  for (const std::int64_t n : {1, 2, 3, 4, 5, 31, 1000, 4099})
    for (const double rate : {0.0, 0.1, 0.3, 0.5, 0.7, 0.999}) {
      INFO(n, " at rate ", rate);
      const std::uint64_t seed = 0xABCDEF0123456789;
      const auto step = std::make_unique<std::uint64_t>(0x1'2345'6789 + static_cast<std::uint64_t>(n));
      const Random random(seed, Purpose::dropout, 3, *step);
      Draw draw(9);
      const Numbers x = seen<T>(draw.numbers(n, 1, 2));
      const auto x_ = as<T>(x);
      Numbers want(x.size());
      reference::dropout_forward(n, 1, rate, random, x.data(), want.data());
      const auto [got] =
          launch([&](Runner& run, T* out) { cuda::dropout_forward(run, n, rate, seed, 3, step.get(), x_.data(), out); },
                 Out<T>(n));
      check_close("dropout_forward", got, want, absolute(want), 4);
      const auto [over] = launch(
          [&](Runner& run, T* out) {
            cuda::dropout_backward(run, n, rate, seed, 3, step.get(), static_cast<const T*>(out), out);
          },
          Out<T>(x));
      CHECK(same_bits(over, got));
      if constexpr (!std::is_same_v<T, Bf16>) {
        std::vector<T> cpu(x.size());
        cpu::dropout_forward(n, 1, rate, random, x_.data(), cpu.data(), pool);
        CHECK(same_bits(got, cpu));
      } else {
        std::vector<float> cpu(x.size());
        const auto floats = as<float>(x);
        cpu::dropout_forward(n, 1, rate, random, floats.data(), cpu.data(), pool);
        check_equal("what the CPU has, rounded", got, seen<T>(as_numbers(cpu)));
      }

      // A ReLU and the dropout, together and one after the other.
      Numbers mixed = draw.numbers(n);
      if (n > 30) mixed[7] = nan, mixed[8] = 0, mixed[9] = -0.0;
      const auto mixed_ = as<T>(mixed), dy_ = as<T>(draw.numbers(n));
      std::vector<T> rectified(mixed_.size()), y_(mixed_.size()), dropped(mixed_.size()), dx_(mixed_.size());
      Runner one(Runner::orders[0]);
      cuda::relu_forward(one, n, mixed_.data(), rectified.data());
      cuda::dropout_forward(one, n, rate, seed, 3, step.get(), rectified.data(), y_.data());
      cuda::dropout_backward(one, n, rate, seed, 3, step.get(), dy_.data(), dropped.data());
      cuda::relu_backward(one, n, rectified.data(), dropped.data(), dx_.data());
      const auto [fused] = launch(
          [&](Runner& run, T* out) { cuda::relu_dropout_forward(run, n, rate, seed, 3, step.get(), mixed_.data(), out); },
          Out<T>(n));
      check_equal("relu_dropout_forward", fused, as_numbers(y_));
      const auto [back] = launch(
          [&](Runner& run, T* out) { cuda::relu_dropout_backward(run, n, rate, y_.data(), dy_.data(), out); }, Out<T>(n));
      check_equal("relu_dropout_backward", back, as_numbers(dx_));
    }
  // A rate between two floats of which the lower is a number that may be drawn: still exactly uniform < rate.
  const auto step = std::make_unique<std::uint64_t>(0);
  const Random random(1, Purpose::dropout);
  const std::vector<T> ones(50, T(1));
  for (std::uint64_t i = 0; i < 50; ++i) {
    const double rate = std::nextafter(static_cast<double>(random.uniform(i)), 1.0);
    const auto [got] = launch(
        [&](Runner& run, T* out) { cuda::dropout_forward(run, 50, rate, 1, 0, step.get(), ones.data(), out); }, Out<T>(50));
    CHECK(value_of(got[i]) == 0);
  }
}

// ---- Pools -----------------------------------------------------------------------------------------------------------

TEST_CASE_TEMPLATE("pools of drawn geometries", T, float, double, Bf16) {
  strata::ThreadPool pool(1);
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    Draw draw(seed);
    const Shape in{draw.between(1, 10), draw.between(1, 10), draw.between(1, 9)};
    const Geometry g = place(draw_window(draw, in, 4), in);
    const int batch = draw.between(1, 3);
    INFO("seed ", seed, ": ", describe(g, batch));
    Numbers x = seen<T>(draw.numbers(batch * in.size(), -2, 2));
    const Numbers dy = seen<T>(draw.numbers(batch * g.out.size())), ady = absolute(dy), ax = absolute(x);
    const double taps = g.window.kernel_h * g.window.kernel_w;
    auto x_ = as<T>(x);
    const auto dy_ = as<T>(dy);
    const std::int64_t count_in = batch * in.size(), count_out = batch * g.out.size();

    Numbers want(dy.size()), size(dy.size());
    reference::avg_pool_forward(g, batch, x.data(), want.data());
    reference::avg_pool_forward(g, batch, ax.data(), size.data());
    const auto [mean] =
        launch([&](Runner& run, T* out) { cuda::avg_pool_forward(run, g, batch, x_.data(), out); }, Out<T>(count_out));
    check_close("avg_pool_forward", mean, want, size, taps);
    want = size = Numbers(x.size());
    reference::avg_pool_backward(g, batch, dy.data(), want.data());
    reference::avg_pool_backward(g, batch, ady.data(), size.data());
    const auto [mean_dx] =
        launch([&](Runner& run, T* out) { cuda::avg_pool_backward(run, g, batch, dy_.data(), out); }, Out<T>(count_in));
    check_close("avg_pool_backward", mean_dx, want, size, taps);

    // Ties in half of the cases, not-a-numbers in some.
    if (draw.chance(50)) x = map(x, [](double v) { return std::round(v); });
    if (draw.chance(20)) x = map(x, [&](double v) { return draw.chance(5) ? nan : v; });
    x_ = as<T>(x);
    Numbers best(dy.size());
    std::vector<std::int32_t> places(dy.size());
    reference::max_pool_forward(g, batch, x.data(), best.data(), places.data());
    const auto [y_, argmax] =
        launch([&](Runner& run, T* out, std::int32_t* at) { cuda::max_pool_forward(run, g, batch, x_.data(), out, at); },
               Out<T>(count_out), Out<std::int32_t>(count_out));
    check_equal("max_pool_forward", y_, best);
    CHECK(argmax == places);
    std::vector<double> cpu(dy.size());
    cpu::max_pool_forward(g, batch, x.data(), cpu.data(), places.data(), pool);
    CHECK(argmax == places);
    const auto [alone] = launch(
        [&](Runner& run, T* out) { cuda::max_pool_forward(run, g, batch, x_.data(), out, nullptr); }, Out<T>(count_out));
    CHECK(same_bits(alone, y_));

    reference::max_pool_backward(g, batch, dy.data(), places.data(), want.data());
    reference::max_pool_backward(g, batch, ady.data(), places.data(), size.data());
    const auto [dx] =
        launch([&](Runner& run, T* out) { cuda::max_pool_backward(run, g, batch, dy_.data(), places.data(), out); },
               Out<T>(count_in));
    check_close("max_pool_backward", dx, want, size, taps);
    Numbers masked(x.size());
    reference::relu_backward(count_in, x.data(), want.data(), masked.data());
    const auto [relu_dx] =
        launch([&](Runner& run,
                   T* out) { cuda::relu_max_pool_backward(run, g, batch, x_.data(), dy_.data(), places.data(), out); },
               Out<T>(count_in));
    check_close("relu_max_pool_backward", relu_dx, masked, size, taps);

    const std::int64_t flat = std::int64_t{batch} * in.channels;
    const Numbers global = seen<T>(draw.numbers(flat)), plain = seen<T>(draw.numbers(count_in)), aplain = absolute(plain);
    const auto global_ = as<T>(global), plain_ = as<T>(plain);
    want = size = Numbers(global.size());
    reference::global_avg_pool_forward(in, batch, plain.data(), want.data());
    reference::global_avg_pool_forward(in, batch, aplain.data(), size.data());
    const auto [all] = launch(
        [&](Runner& run, T* out) { cuda::global_avg_pool_forward(run, in, batch, plain_.data(), out); }, Out<T>(flat));
    check_close("global_avg_pool_forward", all, want, size, in.height * in.width);
    want = Numbers(x.size());
    reference::global_avg_pool_backward(in, batch, global.data(), want.data());
    const auto [all_dx] =
        launch([&](Runner& run, T* out) { cuda::global_avg_pool_backward(run, in, batch, global_.data(), out); },
               Out<T>(count_in));
    check_close("global_avg_pool_backward", all_dx, want, absolute(want), 1);
  }
}

TEST_CASE("places beyond 32 bits") {
  const Shape s{7, 5, 3};
  for (const std::int64_t sample : {std::int64_t{0}, std::int64_t{41}, std::int64_t{1} << 33}) {
    const cuda::detail::Place p = cuda::detail::place_of(s, ((sample * 7 + 6) * 5 + 2) * 3 + 1);
    CHECK((p.sample == sample && p.row == 6 && p.column == 2 && p.channel == 1));
  }
}

// ---- Softmax and normalisations --------------------------------------------------------------------------------------

TEST_CASE_TEMPLATE("softmax and its logarithm", T, float, double, Bf16) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    Draw draw(seed);
    const int batch = draw.between(1, 9), classes = draw.between(1, 40);
    const double range = draw.chance(20) ? 40 : 3;
    INFO("seed ", seed, ": (", batch, ", ", classes, ")");
    const std::int64_t n = std::int64_t{batch} * classes;
    const Numbers x = seen<T>(draw.numbers(n, -range, range)), dy = seen<T>(draw.numbers(n));
    const auto x_ = as<T>(x), dy_ = as<T>(dy);
    Numbers y(x.size()), want(x.size()), size(x.size());
    // exp(x - top - log) is as good as the difference, whose size `range` bounds.
    reference::softmax_forward(batch, classes, x.data(), y.data());
    const auto [soft] =
        launch([&](Runner& run, T* out) { cuda::softmax_forward(run, batch, classes, x_.data(), out); }, Out<T>(n));
    check_close("softmax_forward", soft, y, map(y, [=](double v) { return v * (2 + 2 * range); }), classes);
    const std::vector<T>& soft_ = soft;
    y = as_numbers(soft_);
    reference::softmax_backward(batch, classes, y.data(), dy.data(), want.data());
    const Numbers dots = by_row(batch, classes, [&](std::size_t i) { return std::abs(y[i] * dy[i]); });
    for (std::size_t i = 0; i < size.size(); ++i) size[i] = y[i] * (std::abs(dy[i]) + dots[i]);
    const auto [soft_dx] =
        launch([&](Runner& run, T* out) { cuda::softmax_backward(run, batch, classes, soft_.data(), dy_.data(), out); },
               Out<T>(n));
    check_close("softmax_backward", soft_dx, want, size, classes);

    reference::log_softmax_forward(batch, classes, x.data(), y.data());
    const auto [logs] =
        launch([&](Runner& run, T* out) { cuda::log_softmax_forward(run, batch, classes, x_.data(), out); }, Out<T>(n));
    check_close("log_softmax_forward", logs, y, Numbers(y.size(), 2 + 2 * range), classes);
    const std::vector<T>& logs_ = logs;
    y = as_numbers(logs_);
    reference::log_softmax_backward(batch, classes, y.data(), dy.data(), want.data());
    const Numbers sums = by_row(batch, classes, [&](std::size_t i) { return std::abs(dy[i]); });
    for (std::size_t i = 0; i < size.size(); ++i)
      size[i] = std::abs(dy[i]) + std::exp(y[i]) * (1 + std::abs(y[i])) * sums[i];
    const auto [logs_dx] =
        launch([&](Runner& run, T* out) { cuda::log_softmax_backward(run, batch, classes, logs_.data(), dy_.data(), out); },
               Out<T>(n));
    check_close("log_softmax_backward", logs_dx, want, size, classes);
  }
  // What overflows where the largest is not taken away first.
  const auto large = as<T>({1000, 0, -1000});
  const auto [one, log] = launch(
      [&](Runner& run, T* out, T* logs) {
        cuda::softmax_forward(run, 1, 3, large.data(), out);
        cuda::log_softmax_forward(run, 1, 3, large.data(), logs);
      },
      Out<T>(3), Out<T>(3));
  check_close("softmax of 1000", one, {1, 0, 0}, {1, 0, 0}, 1);
  check_close("log_softmax of 1000", log, {0, -1000, -2000}, {1, 1000, 2000}, 1);
}

TEST_CASE_TEMPLATE("local response normalisation", T, float, double, Bf16) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    Draw draw(seed);
    const Shape in{draw.between(1, 5), draw.between(1, 5), draw.between(1, 20)};
    const int batch = draw.between(1, 4);
    const strata::LrnParameters p{draw.between(1, 9), draw.number(0.5, 2), draw.number(0, 0.5), draw.number(0.3, 1)};
    INFO("seed ", seed, ", n ", p.n, ", channels ", in.channels);
    const std::int64_t n = batch * in.size();
    const Numbers x = seen<T>(draw.numbers(n, -3, 3)), dy = seen<T>(draw.numbers(n)), ax = absolute(x), ady = absolute(dy);
    const auto x_ = as<T>(x), dy_ = as<T>(dy);
    Numbers y(x.size()), dx(x.size()), size(x.size());
    reference::lrn_forward(in, batch, p, x.data(), y.data());
    const auto [got] =
        launch([&](Runner& run, T* out) { cuda::lrn_forward(run, in, batch, p, x_.data(), out); }, Out<T>(n));
    check_close("lrn_forward", got, y, map(y, [](double v) { return 3 * std::abs(v); }), p.n);
    const std::vector<T>& y_ = got;
    reference::lrn_backward(in, batch, p, x.data(), y.data(), dy.data(), dx.data());
    // Of magnitudes alone it is a difference a - b with a = |dy| scale^-beta known: a + b is what may be lost. A y that
    // was rounded to bfloat16 moves b by as much, in float's epsilons.
    reference::lrn_backward(in, batch, p, ax.data(), y.data(), ady.data(), size.data());
    const double terms = p.n * p.n, rounded = std::is_same_v<T, Bf16> ? 0x1p-8 / (0x1p-22 * (2 + std::sqrt(terms))) : 0;
    for (std::size_t i = 0; i < size.size(); ++i) {
      const double a = x[i] == 0 ? ady[i] : ady[i] * y[i] / x[i], b = a - size[i];
      size[i] = 3 * (a + b) + rounded * b;
    }
    const auto [got_dx] =
        launch([&](Runner& run, T* out) { cuda::lrn_backward(run, in, batch, p, x_.data(), y_.data(), dy_.data(), out); },
               Out<T>(n));
    check_close("lrn_backward", got_dx, dx, size, terms);
  }
}

TEST_CASE_TEMPLATE("batch normalisation", T, float, double, Bf16) {
  using C = Compute<T>;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    Draw draw(seed);
    const int channels = draw.between(1, 40);
    const Shape in = draw.chance(30) ? Shape{channels} : Shape{draw.between(1, 9), draw.between(1, 9), channels};
    const int batch = draw.between(1, 5);
    const double epsilon = draw.number(1e-3, 1e-2), momentum = draw.number(0.5, 0.99), offset = draw.number(-3, 3);
    INFO("seed ", seed, ": batch ", batch, ", ", in.height, "x", in.width, "x", channels);
    const std::int64_t n = batch * in.size(), rows = n / channels, work = cuda::batch_norm_scratch(in, batch);
    const Numbers x = seen<T>(draw.numbers(n, offset - 2, offset + 2)), dy = seen<T>(draw.numbers(n)),
                  gamma = draw.numbers(channels), beta = draw.numbers(channels), old_mean = draw.numbers(channels),
                  old_variance = draw.numbers(channels, 0.1, 2);
    const auto x_ = as<T>(x), dy_ = as<T>(dy);
    const auto gamma_ = as<C>(gamma), beta_ = as<C>(beta), old_mean_ = as<C>(old_mean), old_variance_ = as<C>(old_variance);
    const C epsilon_ = static_cast<C>(epsilon), momentum_ = static_cast<C>(momentum);
    const auto c_end = static_cast<std::size_t>(channels);
    const double terms = static_cast<double>(rows);

    Numbers y(x.size()), mean(c_end), inverse(c_end), new_mean = old_mean, new_variance = old_variance;
    reference::batch_norm_forward(in, batch, epsilon, momentum, x.data(), gamma.data(), beta.data(), new_mean.data(),
                                  new_variance.data(), mean.data(), inverse.data(), y.data());
    const auto [got, got_mean, got_inverse, running_mean, running_variance, scratch] = launch(
        [&](Runner& run, T* out, C* m, C* i, C* rm, C* rv, C* s) {
          cuda::batch_norm_forward(run, in, batch, epsilon_, momentum_, x_.data(), gamma_.data(), beta_.data(), rm, rv, m,
                                   i, out, s);
        },
        Out<T>(n), Out<C>(channels), Out<C>(channels), Out<C>(old_mean), Out<C>(old_variance), Out<C>(work));
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
    check_close("batch_norm_forward", got, y, y_size, terms);
    check_close("mean", got_mean, mean, level, terms);
    check_close("inverse stddev", got_inverse, inverse, inverse_size, terms);
    check_close("running mean", running_mean, new_mean, mean_size, terms);
    check_close("running variance", running_variance, new_variance, variance_size, terms);

    reference::batch_norm_inference(in, batch, epsilon, x.data(), gamma.data(), beta.data(), old_mean.data(),
                                    old_variance.data(), y.data());
    const auto [inferred] = launch(
        [&](Runner& run, T* out) {
          cuda::batch_norm_inference(run, in, batch, epsilon_, x_.data(), gamma_.data(), beta_.data(), old_mean_.data(),
                                     old_variance_.data(), out);
        },
        Out<T>(n));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t c = i % c_end;
      y_size[i] = std::abs(gamma[c]) * (std::abs(x[i]) + std::abs(old_mean[c])) / std::sqrt(old_variance[c] + epsilon) +
                  std::abs(beta[c]);
    }
    check_close("batch_norm_inference", inferred, y, y_size, 4);

    // Backward sees the statistics of this precision.
    const auto mean_ = as<C>(mean), inverse_ = as<C>(inverse);
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
    const auto backward = [&](Runner& run, const T* from, T* to, C* scale, C* shift, C* s) {
      cuda::batch_norm_backward(run, in, batch, x_.data(), gamma_.data(), mean_.data(), inverse_.data(), from, to, scale,
                                shift, s);
    };
    const auto [got_dx, got_dgamma, got_dbeta, sums] =
        launch([&](Runner& run, T* to, C* scale, C* shift, C* s) { backward(run, dy_.data(), to, scale, shift, s); },
               Out<T>(n), Out<C>(channels), Out<C>(channels), Out<C>(work));
    check_close("batch_norm_backward", got_dx, dx, dx_size, terms);
    check_close("gamma of batch_norm_backward", got_dgamma, dgamma, dgamma_size, terms);
    check_close("beta of batch_norm_backward", got_dbeta, dbeta, dbeta_size, terms);
    const auto [over, over_dgamma, over_dbeta, over_sums] =
        launch([&](Runner& run, T* to, C* scale, C* shift, C* s) { backward(run, to, to, scale, shift, s); }, Out<T>(dy),
               Out<C>(channels), Out<C>(channels), Out<C>(work));
    CHECK((same_bits(over, got_dx) && same_bits(over_dgamma, got_dgamma) && same_bits(over_dbeta, got_dbeta)));
    const auto [no_dgamma, no_dbeta, no_sums] =
        launch([&](Runner& run, C* scale, C* shift, C* s) { backward(run, dy_.data(), nullptr, scale, shift, s); },
               Out<C>(channels), Out<C>(channels), Out<C>(work));
    CHECK((same_bits(no_dgamma, got_dgamma) && same_bits(no_dbeta, got_dbeta)));
  }
  // The variance of numbers far from 0: what a difference of squares would lose.
  const int rows = 5000;
  Numbers x(rows), y(rows);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 64 + (i % 2 == 0 ? 0.5 : 0.0);
  const auto x_ = as<T>(x);
  const std::vector<C> one{1}, zero{0};
  const auto [got, mean, inverse, running, variance, scratch] = launch(
      [&](Runner& run, T* out, C* m, C* i, C* rm, C* rv, C* s) {
        cuda::batch_norm_forward(run, Shape{1}, rows, C{0}, C{0}, x_.data(), one.data(), zero.data(), rm, rv, m, i, out, s);
      },
      Out<T>(rows), Out<C>(1), Out<C>(1), Out<C>(Numbers{7}), Out<C>(Numbers{7}),
      Out<C>(cuda::batch_norm_scratch(Shape{1}, rows)));
  CHECK((mean[0] == C(64.25) && running[0] == C(64.25) && variance[0] == C(0.0625) && inverse[0] == C(4)));
}

}  // namespace
