// SPDX-License-Identifier: BSL-1.0
// The conformance table: one row for each thing that kernels compute, checked for every backend and type of numbers against
// the reference in double precision. A row draws cases, bounds the error by the magnitude of what is added up, and calls
// the kernel through the backend's table of entry points.
//
// Before including this, define CONFORMANCE_BACKENDS: a list of structs with
//   T, C           the types of activations and parameters
//   Ops            the table of entry points
//   gpu            whether it has the entry points that only a GPU has
//   each(f)        calls f(ops, threads, what) for each way to run: numbers of threads, or orders of the indices
//   random(seed, layer, step)  Ops::Random
//   lengths()      of element-wise work
// conformance_layers.hpp, conformance_products.hpp and conformance_training.hpp have more rows.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

#include <strata/backend/cpu/dropout.hpp>
#include <strata/backend/reference/activations.hpp>
#include <strata/backend/reference/batch_norm.hpp>
#include <strata/backend/reference/combine.hpp>
#include <strata/backend/reference/dropout.hpp>
#include <strata/backend/reference/lrn.hpp>
#include <strata/backend/reference/pool.hpp>
#include <strata/backend/reference/softmax.hpp>
#include <strata/layers/activations.hpp>
#include <strata/model/pass.hpp>

#include "conformance.hpp"

namespace conformance {

constexpr double quiet_nan = std::numeric_limits<double>::quiet_NaN();

using Scratch = std::function<std::int64_t(int threads)>;

// Runs kernel(ops, scratch, pointers to the outputs) in each way and returns the outputs. All ways must give the same bits.
template <class B, class Kernel, class... T>
std::tuple<std::vector<T>...> run_with(const Scratch& scratch, Kernel&& kernel, const Out<T>&... outputs) {
  Runs<T...> runs(outputs...);
  B::each([&](const typename B::Ops& ops, int threads, const std::string& what) {
    Guarded<typename B::C> work(scratch ? scratch(threads) : 0);
    runs.add(what, [&](auto*... out) { kernel(ops, work.data(), out...); });
    CHECK_MESSAGE(work.intact(), "wrote outside its scratch");
  });
  return runs.outputs();
}
// kernel(ops, pointers to the outputs)
template <class B, class Kernel, class... T>
std::tuple<std::vector<T>...> run(Kernel&& kernel, const Out<T>&... outputs) {
  return run_with<B>({}, [&](const auto& ops, auto*, auto*... out) { kernel(ops, out...); }, outputs...);
}

// ---- Activations -----------------------------------------------------------------------------------------------------

// The reference in double: y from x, and dx from x, y and dy. `magnitude` is that of the terms of dx, and `size` that of
// the terms of y, if it is not that of y.
struct ActivationRow {
  std::function<void(std::int64_t, const double*, double*)> forward;
  std::function<void(std::int64_t, const double*, const double*, const double*, double*)> backward;
  std::function<double(double x, double y, double dy)> magnitude;
  std::function<double(double x, double y)> size = [](double, double y) { return std::abs(y); };
};

// A new activation needs a row here and nothing else. Checks forward and backward of the activation F, in place and not,
// and of NaN.
template <class B, class F>
void check_activation(const ActivationRow& row) {
  using T = typename B::T;
  constexpr bool in_place = strata::detail::BackwardFromOutput<F>;
  for (const std::int64_t n : B::lengths()) {
    INFO(std::string(F::name), " of ", n);
    Draw draw(static_cast<std::uint64_t>(n));
    Numbers x = draw.numbers(n, -9, 9);
    x[0] = 0;
    if (n > 30) x[5] = 800, x[17] = -800;
    x = seen<T>(x);
    const Numbers dy = seen<T>(draw.numbers(n));
    const auto x_ = as<T>(x), dy_ = as<T>(dy);
    Numbers y(x.size()), dx(x.size()), size(x.size());
    row.forward(n, x.data(), y.data());
    for (std::size_t i = 0; i < size.size(); ++i) size[i] = row.size(x[i], y[i]);
    const auto forward = [&](const auto& ops, const T* from, T* to) { ops.template activation_forward<F>(n, from, to); };
    const auto [got] = run<B>([&](const auto& ops, T* out) { forward(ops, x_.data(), out); }, Out<T>(n));
    check_close("forward", got, y, size, 16);
    const auto [over] = run<B>([&](const auto& ops, T* out) { forward(ops, out, out); }, Out<T>(x));
    check_close("forward in place", over, y, size, 16);

    // Backward gets the outputs of this precision.
    const std::vector<T>& y_ = got;
    y = as_numbers(y_);
    row.backward(n, x.data(), y.data(), dy.data(), dx.data());
    for (std::size_t i = 0; i < size.size(); ++i) size[i] = row.magnitude(x[i], y[i], dy[i]);
    const auto backward = [&](const auto& ops, const std::vector<T>& in, const std::vector<T>& out, const T* from, T* to) {
      ops.template activation_backward<F>(n, in_place ? nullptr : in.data(), out.data(), from, to);
    };
    const auto [got_dx] = run<B>([&](const auto& ops, T* out) { backward(ops, x_, y_, dy_.data(), out); }, Out<T>(n));
    check_close("backward", got_dx, dx, size, 4);
    if constexpr (in_place) {
      const auto [over_dx] = run<B>([&](const auto& ops, T* out) { backward(ops, x_, y_, out, out); }, Out<T>(dy));
      check_close("backward in place", over_dx, dx, size, 4);
    }

    const Numbers nans(static_cast<std::size_t>(n), quiet_nan);
    const auto nans_ = as<T>(nans);
    const auto [passed] = run<B>([&](const auto& ops, T* out) { forward(ops, nans_.data(), out); }, Out<T>(n));
    check_equal("forward of NaN", passed, nans);
    row.backward(n, nans.data(), nans.data(), dy.data(), dx.data());
    const auto [back] = run<B>([&](const auto& ops, T* out) { backward(ops, nans_, nans_, dy_.data(), out); }, Out<T>(n));
    check_close("backward of NaN", back, dx, absolute(dy), 1);
  }
}

TEST_CASE_TEMPLATE("activations", B, CONFORMANCE_BACKENDS) {
  const auto from_output = [](auto backward) {
    return [=](std::int64_t n, const double*, const double* y, const double* dy, double* dx) { backward(n, y, dy, dx); };
  };
  const auto plain = [](double, double, double dy) { return std::abs(dy); };
  check_activation<B, strata::ReLU>(
      {reference::relu_forward<double>, from_output(reference::relu_backward<double>), plain});
  check_activation<B, strata::LeakyReLUOf<0.25>>(
      {[](auto n, auto x, auto y) { reference::leaky_relu_forward(n, 0.25, x, y); },
       from_output([](auto n, auto y, auto dy, auto dx) { reference::leaky_relu_backward(n, 0.25, y, dy, dx); }), plain});
  check_activation<B, strata::Sigmoid>({reference::sigmoid_forward<double>,
                                        from_output(reference::sigmoid_backward<double>),
                                        [](double, double y, double dy) { return std::abs(dy * y * (1 + y)); }});
  check_activation<B, strata::Tanh>({reference::tanh_forward<double>, from_output(reference::tanh_backward<double>),
                                     [](double, double y, double dy) { return std::abs(dy) * (1 + y * y); }});
  const auto from_input = [](auto backward) {
    return [=](std::int64_t n, const double* x, const double*, const double* dy, double* dx) { backward(n, x, dy, dx); };
  };
  const auto of_input = [](double x, double, double dy) { return std::abs(dy) * (1 + std::abs(x)); };
  const auto input = [](double x, double) { return std::abs(x); };
  check_activation<B, strata::GELU>(
      {reference::gelu_forward<double>, from_input(reference::gelu_backward<double>), of_input, input});
  check_activation<B, strata::GELUTanh>(
      {reference::gelu_tanh_forward<double>, from_input(reference::gelu_tanh_backward<double>), of_input, input});
  check_activation<B, strata::SiLU>(
      {reference::silu_forward<double>, from_input(reference::silu_backward<double>), of_input});
  check_activation<B, strata::HardSigmoid>(
      {reference::hard_sigmoid_forward<double>, from_output(reference::hard_sigmoid_backward<double>), plain});
  check_activation<B, strata::HardSwish>(
      {reference::hard_swish_forward<double>, from_input(reference::hard_swish_backward<double>), of_input});
  const auto check_clip = [&]<class Clip>(Clip) {
    check_activation<B, Clip>({[](auto n, auto x, auto y) { reference::clip_forward(n, Clip::low, Clip::high, x, y); },
                               from_output([](auto n, auto y, auto dy, auto dx) {
                                 reference::clip_backward(n, Clip::low, Clip::high, y, dy, dx);
                               }),
                               plain});
  };
  check_clip(strata::ReLU6{});
  check_clip(strata::Clip<-1.5, 4>{});
  check_activation<B, strata::Scale<-0.3>>(
      {[](auto n, auto x, auto y) { reference::scale_forward(n, -0.3, x, y); },
       [](auto n, auto, auto, auto dy, auto dx) { reference::scale_backward(n, -0.3, dy, dx); },
       [](double, double, double dy) { return 0.3 * std::abs(dy); }});
  check_activation<B, strata::ELUOf<0.5>>(
      {[](auto n, auto x, auto y) { reference::elu_forward(n, 0.5, x, y); },
       from_output([](auto n, auto y, auto dy, auto dx) { reference::elu_backward(n, 0.5, y, dy, dx); }),
       [](double, double y, double dy) { return std::abs(dy) * (std::abs(y) + 0.5); }});
  check_activation<B, strata::Softplus>(
      {reference::softplus_forward<double>, from_output(reference::softplus_backward<double>), plain});
}

// ---- Where branches meet ---------------------------------------------------------------------------------------------

TEST_CASE_TEMPLATE("sums and copies", B, CONFORMANCE_BACKENDS) {
  using T = typename B::T;
  for (const std::int64_t n : B::lengths()) {
    INFO("length ", n);
    Draw draw(static_cast<std::uint64_t>(n));
    const Numbers a = seen<T>(draw.numbers(n)), b = seen<T>(draw.numbers(n));
    const auto a_ = as<T>(a), b_ = as<T>(b);
    Numbers want(a.size()), size(a.size());
    reference::add_forward(n, a.data(), b.data(), want.data());
    for (std::size_t i = 0; i < a.size(); ++i) size[i] = std::abs(a[i]) + std::abs(b[i]);
    const auto [sum] = run<B>([&](const auto& ops, T* out) { ops.add(n, a_.data(), b_.data(), out); }, Out<T>(n));
    check_close("add", sum, want, size, 1);
    const auto [over] = run<B>([&](const auto& ops, T* out) { ops.add(n, out, b_.data(), out); }, Out<T>(a));
    CHECK(same_bits(over, sum));
    if constexpr (strata::adds_and_rectifies<typename B::Ops>) {
      auto nan = a_;
      nan[0] = static_cast<T>(quiet_nan);
      for (double& v : want) v = std::max(v, 0.0);
      want[0] = quiet_nan;
      const auto [rectified] =
          run<B>([&](const auto& ops, T* out) { ops.add_relu(n, nan.data(), b_.data(), out); }, Out<T>(n));
      check_close("add_relu", rectified, want, size, 1);
    }
    const auto [copied] = run<B>([&](const auto& ops, T* out) { ops.copy(n, a_.data(), out); }, Out<T>(n));
    CHECK(same_bits(copied, a_));
  }
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Draw draw(seed);
    const std::int64_t rows = draw.chance(10) ? draw.between(500, 1500) : draw.between(1, 40);
    const int channels = draw.between(1, 9), offset = draw.between(0, 5), total = channels + offset + draw.between(0, 5);
    INFO("seed ", seed);
    const Numbers branch = seen<T>(draw.numbers(rows * channels)), whole = seen<T>(draw.numbers(rows * total));
    const auto branch_ = as<T>(branch), whole_ = as<T>(whole);
    Numbers want = whole;
    reference::concat_copy(rows, channels, branch.data(), total, offset, want.data());
    const auto [joined] =
        run<B>([&](const auto& ops, T* out) { ops.concat_copy(rows, channels, branch_.data(), total, offset, out); },
               Out<T>(whole));
    check_equal("concat_copy", joined, want);
    want.resize(branch.size());
    reference::concat_take(rows, channels, want.data(), total, offset, whole.data());
    const auto [taken] =
        run<B>([&](const auto& ops, T* out) { ops.concat_take(rows, channels, out, total, offset, whole_.data()); },
               Out<T>(rows * channels));
    check_equal("concat_take", taken, want);
  }
}

// A function object for a layer of the user's.
template <class T, class C>
struct Reversed {
  std::int64_t n;
  const T* x;
  T* y;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const { y[i] = T(2 * static_cast<C>(x[n - 1 - i])); }
};
TEST_CASE_TEMPLATE("a function of the user's for each element", B, CONFORMANCE_BACKENDS) {
  using T = typename B::T;
  for (const std::int64_t n : B::lengths()) {
    Draw draw(static_cast<std::uint64_t>(n));
    const Numbers x = seen<T>(draw.numbers(n));
    const auto x_ = as<T>(x);
    Numbers want(x.rbegin(), x.rend());
    for (double& v : want) v *= 2;
    const auto [got] =
        run<B>([&](const auto& ops, T* out) { ops.elements(n, Reversed<T, typename B::Ops::Compute>{n, x_.data(), out}); },
               Out<T>(n));
    check_equal("elements", got, want);
  }
}

// ---- Dropout ---------------------------------------------------------------------------------------------------------

TEST_CASE_TEMPLATE("dropout", B, CONFORMANCE_BACKENDS) {
  using T = typename B::T;
  using C = typename B::Ops::Compute;
  strata::ThreadPool pool(1);
  for (const std::int64_t n : B::lengths())
    for (const double rate : {0.0, 0.1, 0.3, 0.5, 0.7, 0.999}) {
      INFO(n, " at rate ", rate);
      const std::uint64_t seed = 0xABCDEF0123456789, step = 0x1'2345'6789 + static_cast<std::uint64_t>(n);
      const Random random(seed, Purpose::dropout, 3, step);
      const auto own = B::random(seed, 3, step);
      Draw draw(9);
      const Numbers x = seen<T>(draw.numbers(n, 1, 2));
      const auto x_ = as<T>(x);
      Numbers want(x.size());
      reference::dropout_forward(n, 1, rate, random, x.data(), want.data());
      const auto [got] =
          run<B>([&](const auto& ops, T* out) { ops.dropout_forward(n, rate, own, x_.data(), out); }, Out<T>(n));
      check_close("dropout_forward", got, want, absolute(want), 4);
      const auto [over] = run<B>([&](const auto& ops, T* out) { ops.dropout_backward(n, rate, own, out, out); }, Out<T>(x));
      CHECK(same_bits(over, got));
      // All backends compute the same, rounded to the type.
      std::vector<C> cpu(x.size());
      const auto c = as<C>(x);
      strata::cpu::dropout_forward(n, rate, random, c.data(), cpu.data(), pool);
      check_equal("the CPU's values", got, seen<T>(as_numbers(cpu)));
      if (n > 10000) {
        const double share = static_cast<double>(std::count(want.begin(), want.end(), 0.0)) / static_cast<double>(n);
        CHECK(std::abs(share - rate) <= 5 * std::sqrt(rate * (1 - rate) / static_cast<double>(n)));
      }
    }
  // A rate just above a number that may be drawn: an element is dropped iff its number is below the rate, exactly.
  const Random random(1, Purpose::dropout);
  const auto own = B::random(1, 0, 0);
  const std::vector<T> ones(50, T(1));
  for (std::uint64_t i = 0; i < 50; ++i) {
    const double rate = std::nextafter(static_cast<double>(random.uniform(i)), 1.0);
    const auto [got] =
        run<B>([&](const auto& ops, T* out) { ops.dropout_forward(50, rate, own, ones.data(), out); }, Out<T>(50));
    CHECK(value_of(got[i]) == 0);
  }
}

// ---- Pools -----------------------------------------------------------------------------------------------------------

TEST_CASE_TEMPLATE("pools of drawn geometries", B, CONFORMANCE_BACKENDS) {
  using T = typename B::T;
  for (std::uint64_t seed = 1; seed <= 600; ++seed) {
    Draw draw(seed);
    const int channels = draw.chance(80) ? draw.between(1, 9) : draw.between(10, 40);
    const Shape in{draw.between(1, 10), draw.chance(90) ? draw.between(1, 10) : draw.between(11, 40), channels};
    WindowSpec window = draw_window(draw, in, 4);
    window.ceil = seed % 3 == 0;
    const Geometry g = place(window, in);
    const int batch = draw.between(1, 3);
    const bool padding = seed % 2 == 0;
    INFO("seed ", seed, ": ", describe(g, batch));
    Numbers x = seen<T>(draw.numbers(batch * in.size(), -3, draw.chance(50) ? 1 : 3));
    const Numbers dy = seen<T>(draw.numbers(batch * g.out.size())), ady = absolute(dy), ax = absolute(x);
    const double taps = g.window.kernel_h * g.window.kernel_w;
    auto x_ = as<T>(x);
    const auto dy_ = as<T>(dy);
    const std::int64_t count_in = batch * in.size(), count_out = batch * g.out.size();

    Numbers want(dy.size()), size(dy.size());
    reference::avg_pool_forward(g, padding, batch, x.data(), want.data());
    reference::avg_pool_forward(g, padding, batch, ax.data(), size.data());
    const auto [mean] = run<B>([&](const auto& ops, T* out) { ops.avg_pool_forward(g, padding, batch, x_.data(), out); },
                               Out<T>(count_out));
    check_close("avg_pool_forward", mean, want, size, taps);
    want = size = Numbers(x.size());
    reference::avg_pool_backward(g, padding, batch, dy.data(), want.data());
    reference::avg_pool_backward(g, padding, batch, ady.data(), size.data());
    const auto [mean_dx] = run<B>(
        [&](const auto& ops, T* out) { ops.avg_pool_backward(g, padding, batch, dy_.data(), out); }, Out<T>(count_in));
    check_close("avg_pool_backward", mean_dx, want, size, taps);

    const Numbers flat = seen<T>(draw.numbers(std::int64_t{batch} * in.channels));
    const auto flat_ = as<T>(flat);
    want = size = Numbers(flat.size());
    reference::global_avg_pool_forward(in, batch, x.data(), want.data());
    reference::global_avg_pool_forward(in, batch, ax.data(), size.data());
    const auto [all] = run<B>([&](const auto& ops, T* out) { ops.global_avg_pool_forward(in, batch, x_.data(), out); },
                              Out<T>(std::int64_t{batch} * in.channels));
    check_close("global_avg_pool_forward", all, want, size, in.height * in.width);
    want = Numbers(x.size());
    reference::global_avg_pool_backward(in, batch, flat.data(), want.data());
    const auto [all_dx] = run<B>(
        [&](const auto& ops, T* out) { ops.global_avg_pool_backward(in, batch, flat_.data(), out); }, Out<T>(count_in));
    check_close("global_avg_pool_backward", all_dx, want, absolute(want), 1);

    // Ties in half of the cases, NaNs in some.
    if (draw.chance(50)) x = map(x, [](double v) { return std::round(v); });
    if (draw.chance(20)) x = map(x, [&](double v) { return draw.chance(5) ? quiet_nan : v; });
    x_ = as<T>(x);
    Numbers best(dy.size());
    std::vector<std::int32_t> places(dy.size());
    reference::max_pool_forward(g, batch, x.data(), best.data(), places.data());
    const auto [y_, argmax] =
        run<B>([&](const auto& ops, T* out, std::int32_t* at) { ops.max_pool_forward(g, batch, x_.data(), out, at); },
               Out<T>(count_out), Out<std::int32_t>(count_out));
    check_equal("max_pool_forward", y_, best);
    CHECK(argmax == places);
    const auto [alone] = run<B>([&](const auto& ops, T* out) { ops.max_pool_forward(g, batch, x_.data(), out, nullptr); },
                                Out<T>(count_out));
    check_equal("max_pool_forward without places", alone, best);
    want = size = Numbers(x.size());
    reference::max_pool_backward(g, batch, dy.data(), places.data(), want.data());
    reference::max_pool_backward(g, batch, ady.data(), places.data(), size.data());
    const auto [dx] =
        run<B>([&](const auto& ops, T* out) { ops.max_pool_backward(g, batch, dy_.data(), places.data(), out); },
               Out<T>(count_in));
    check_close("max_pool_backward", dx, want, size, taps);
    if constexpr (B::gpu) {
      Numbers masked(x.size());
      reference::relu_backward(count_in, x.data(), want.data(), masked.data());
      const auto [relu_dx] = run<B>(
          [&](const auto& ops, T* out) { ops.relu_max_pool_backward(g, batch, x_.data(), dy_.data(), places.data(), out); },
          Out<T>(count_in));
      check_close("relu_max_pool_backward", relu_dx, masked, size, taps);
    }
  }
}

// ---- Softmax ---------------------------------------------------------------------------------------------------------

TEST_CASE_TEMPLATE("softmax and its logarithm", B, CONFORMANCE_BACKENDS) {
  using T = typename B::T;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Draw draw(seed);
    const int batch = draw.chance(5) ? 1700 : draw.between(1, 9), classes = draw.between(1, 40);
    const double range = draw.chance(20) ? 40 : 3;
    INFO("seed ", seed, ": (", batch, ", ", classes, ")");
    const std::int64_t n = std::int64_t{batch} * classes;
    const Numbers x = seen<T>(draw.numbers(n, -range, range)), dy = seen<T>(draw.numbers(n));
    const auto x_ = as<T>(x), dy_ = as<T>(dy);
    Numbers y(x.size()), want(x.size()), size(x.size());
    // exp(x - top) is as exact as the difference, which `range` bounds.
    reference::softmax_forward(batch, classes, x.data(), y.data());
    const auto [soft] =
        run<B>([&](const auto& ops, T* out) { ops.softmax_forward(batch, classes, x_.data(), out); }, Out<T>(n));
    check_close("softmax_forward", soft, y, map(y, [=](double v) { return v * (2 + 2 * range); }), classes);
    const std::vector<T>& soft_ = soft;
    y = as_numbers(soft_);
    reference::softmax_backward(batch, classes, y.data(), dy.data(), want.data());
    const Numbers dots = by_row(batch, classes, [&](std::size_t i) { return std::abs(y[i] * dy[i]); });
    for (std::size_t i = 0; i < size.size(); ++i) size[i] = y[i] * (std::abs(dy[i]) + dots[i]);
    const auto [soft_dx] = run<B>(
        [&](const auto& ops, T* out) { ops.softmax_backward(batch, classes, soft_.data(), dy_.data(), out); }, Out<T>(n));
    check_close("softmax_backward", soft_dx, want, size, classes);

    reference::log_softmax_forward(batch, classes, x.data(), y.data());
    const auto [logs] =
        run<B>([&](const auto& ops, T* out) { ops.log_softmax_forward(batch, classes, x_.data(), out); }, Out<T>(n));
    check_close("log_softmax_forward", logs, y, Numbers(y.size(), 2 + 2 * range), classes);
    const std::vector<T>& logs_ = logs;
    y = as_numbers(logs_);
    reference::log_softmax_backward(batch, classes, y.data(), dy.data(), want.data());
    const Numbers sums = by_row(batch, classes, [&](std::size_t i) { return std::abs(dy[i]); });
    for (std::size_t i = 0; i < size.size(); ++i)
      size[i] = std::abs(dy[i]) + std::exp(y[i]) * (1 + std::abs(y[i])) * sums[i];
    const auto [logs_dx] =
        run<B>([&](const auto& ops, T* out) { ops.log_softmax_backward(batch, classes, logs_.data(), dy_.data(), out); },
               Out<T>(n));
    check_close("log_softmax_backward", logs_dx, want, size, classes);
  }
  // These overflow unless the largest is subtracted first.
  const auto large = as<T>({1000, 0, -1000});
  const auto [one, log] = run<B>(
      [&](const auto& ops, T* out, T* logs) {
        ops.softmax_forward(1, 3, large.data(), out);
        ops.log_softmax_forward(1, 3, large.data(), logs);
      },
      Out<T>(3), Out<T>(3));
  check_close("softmax of 1000", one, {1, 0, 0}, {1, 0, 0}, 1);
  check_close("log_softmax of 1000", log, {0, -1000, -2000}, {1, 1000, 2000}, 1);
}

// ---- Normalizations --------------------------------------------------------------------------------------------------

TEST_CASE_TEMPLATE("local response normalization", B, CONFORMANCE_BACKENDS) {
  using T = typename B::T;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Draw draw(seed);
    const bool wide = draw.chance(4);  // more channels than a CPU kernel takes at once
    const Shape in = wide ? Shape{1, draw.between(1, 2), draw.between(250, 600)}
                          : Shape{draw.between(1, 5), draw.between(1, 5), draw.between(1, 20)};
    const int batch = draw.between(1, wide ? 1 : 4),
              neighbours = wide && draw.chance(30) ? 270 : draw.between(1, wide ? 40 : 9);
    const strata::LrnParameters p{neighbours, draw.number(0.5, 2), draw.number(0, 0.5), draw.number(0.3, 1)};
    INFO("seed ", seed, ", n ", p.n, ", channels ", in.channels);
    const std::int64_t n = batch * in.size();
    const Numbers x = seen<T>(draw.numbers(n, -3, 3)), dy = seen<T>(draw.numbers(n)), ax = absolute(x), ady = absolute(dy);
    const auto x_ = as<T>(x), dy_ = as<T>(dy);
    Numbers y(x.size()), dx(x.size()), size(x.size());
    reference::lrn_forward(in, batch, p, x.data(), y.data());
    const auto [got] = run<B>([&](const auto& ops, T* out) { ops.lrn_forward(in, batch, p, x_.data(), out); }, Out<T>(n));
    check_close("lrn_forward", got, y, map(y, [](double v) { return 3 * std::abs(v); }), p.n);
    const std::vector<T>& y_ = got;
    reference::lrn_backward(in, batch, p, x.data(), y.data(), dy.data(), dx.data());
    // Of magnitudes alone it is a difference a - b, of which a = |dy| scale^-beta is known; the bound is a + b. Rounding y
    // to bfloat16 moves b by as much, here in float's epsilons.
    reference::lrn_backward(in, batch, p, ax.data(), y.data(), ady.data(), size.data());
    const double terms = p.n * p.n, rounded = std::is_same_v<T, Bf16> ? 0x1p-8 / (0x1p-22 * (2 + std::sqrt(terms))) : 0;
    for (std::size_t i = 0; i < size.size(); ++i) {
      const double a = x[i] == 0 ? ady[i] : ady[i] * y[i] / x[i], b = a - size[i];
      size[i] = 3 * (a + b) + rounded * b;
    }
    const auto [got_dx] = run<B>(
        [&](const auto& ops, T* out) { ops.lrn_backward(in, batch, p, x_.data(), y_.data(), dy_.data(), out); }, Out<T>(n));
    check_close("lrn_backward", got_dx, dx, size, terms);
  }
}

TEST_CASE_TEMPLATE("batch normalization", B, CONFORMANCE_BACKENDS) {
  using T = typename B::T;
  using C = typename B::C;
  using Ops = typename B::Ops;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Draw draw(seed);
    const int channels = draw.between(1, 40);
    const Shape in = draw.chance(30) ? Shape{channels} : Shape{draw.between(1, 9), draw.between(1, 9), channels};
    const int batch = draw.between(1, 5);
    const double epsilon = draw.number(1e-3, 1e-2), momentum = draw.number(0.5, 0.99), offset = draw.number(-3, 3);
    INFO("seed ", seed, ": batch ", batch, ", ", in.height, "x", in.width, "x", channels);
    const std::int64_t n = batch * in.size(), rows = n / channels;
    const Numbers x = seen<T>(draw.numbers(n, offset - 2, offset + 2)), dy = seen<T>(draw.numbers(n));
    Numbers gamma = draw.numbers(channels), beta = draw.numbers(channels);
    const Numbers old_mean = draw.numbers(channels), old_variance = draw.numbers(channels, 0.1, 2);
    // Where the kernels get no gamma or beta, the reference gets ones or zeros.
    const bool scaled = seed % 2 == 0, shifted = seed % 4 < 2;
    if (!scaled) std::fill(gamma.begin(), gamma.end(), 1.0);
    if (!shifted) std::fill(beta.begin(), beta.end(), 0.0);
    const auto x_ = as<T>(x), dy_ = as<T>(dy);
    const auto gamma_ = as<C>(gamma), beta_ = as<C>(beta), old_mean_ = as<C>(old_mean), old_variance_ = as<C>(old_variance);
    const C *gamma_or_null = scaled ? gamma_.data() : nullptr, *beta_or_null = shifted ? beta_.data() : nullptr;
    const C epsilon_ = static_cast<C>(epsilon), momentum_ = static_cast<C>(momentum);
    const auto c_end = static_cast<std::size_t>(channels);
    const double terms = static_cast<double>(rows);
    const Scratch scratch = [&](int) { return Ops::batch_norm_scratch(in, batch); };

    Numbers y(x.size()), mean(c_end), inverse(c_end), new_mean = old_mean, new_variance = old_variance;
    reference::batch_norm_forward(in, batch, epsilon, momentum, x.data(), gamma.data(), beta.data(), new_mean.data(),
                                  new_variance.data(), mean.data(), inverse.data(), y.data());
    const auto [got, got_mean, got_inverse, running_mean, running_variance] = run_with<B>(
        scratch,
        [&](const auto& ops, C* work, T* out, C* m, C* i, C* rm, C* rv) {
          ops.batch_norm_forward(in, batch, epsilon_, momentum_, x_.data(), gamma_or_null, beta_or_null, rm, rv, m, i, out,
                                 work);
        },
        Out<T>(n), Out<C>(channels), Out<C>(channels), Out<C>(old_mean), Out<C>(old_variance));
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
    const auto [inferred] = run<B>(
        [&](const auto& ops, T* out) {
          ops.batch_norm_inference(in, batch, epsilon_, x_.data(), gamma_or_null, beta_or_null, old_mean_.data(),
                                   old_variance_.data(), out);
        },
        Out<T>(n));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t c = i % c_end;
      y_size[i] = std::abs(gamma[c]) * (std::abs(x[i]) + std::abs(old_mean[c])) / std::sqrt(old_variance[c] + epsilon) +
                  std::abs(beta[c]);
    }
    check_close("batch_norm_inference", inferred, y, y_size, 4);

    // Backward gets the statistics of this precision.
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
    const auto backward = [&](const auto& ops, C* work, const T* from, T* to, C* scale, C* shift) {
      ops.batch_norm_backward(in, batch, x_.data(), gamma_or_null, mean_.data(), inverse_.data(), from, to, scale, shift,
                              work);
    };
    const auto [got_dx, got_dgamma, got_dbeta] = run_with<B>(
        scratch,
        [&](const auto& ops, C* work, T* to, C* scale, C* shift) { backward(ops, work, dy_.data(), to, scale, shift); },
        Out<T>(n), Out<C>(channels), Out<C>(channels));
    check_close("batch_norm_backward", got_dx, dx, dx_size, terms);
    check_close("gamma of batch_norm_backward", got_dgamma, dgamma, dgamma_size, terms);
    check_close("beta of batch_norm_backward", got_dbeta, dbeta, dbeta_size, terms);
    const auto [over, over_dgamma, over_dbeta] = run_with<B>(
        scratch, [&](const auto& ops, C* work, T* to, C* scale, C* shift) { backward(ops, work, to, to, scale, shift); },
        Out<T>(dy), Out<C>(channels), Out<C>(channels));
    CHECK((same_bits(over, got_dx) && same_bits(over_dgamma, got_dgamma) && same_bits(over_dbeta, got_dbeta)));
    if constexpr (B::gpu) {
      const auto [no_dgamma, no_dbeta] = run_with<B>(
          scratch,
          [&](const auto& ops, C* work, C* scale, C* shift) { backward(ops, work, dy_.data(), nullptr, scale, shift); },
          Out<C>(channels), Out<C>(channels));
      CHECK((same_bits(no_dgamma, got_dgamma) && same_bits(no_dbeta, got_dbeta)));
    }
  }
  // The variance of numbers far from 0, which a difference of squares would lose.
  const int rows = 5000;
  Numbers x(rows);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 64 + (i % 2 == 0 ? 0.5 : 0.0);
  const auto x_ = as<T>(x);
  const std::vector<C> one{1}, zero{0};
  const auto [got, mean, inverse, running, variance] = run_with<B>(
      [&](int) { return Ops::batch_norm_scratch(Shape{1}, rows); },
      [&](const auto& ops, C* work, T* out, C* m, C* i, C* rm, C* rv) {
        ops.batch_norm_forward(Shape{1}, rows, C{0}, C{0}, x_.data(), one.data(), zero.data(), rm, rv, m, i, out, work);
      },
      Out<T>(rows), Out<C>(1), Out<C>(1), Out<C>(Numbers{7}), Out<C>(Numbers{7}));
  check_close("mean far from 0", mean, {64.25}, {64.25}, 1);
  check_close("variance far from 0", variance, {0.0625}, {0.0625}, 1);
  if constexpr (B::gpu)
    CHECK((mean[0] == C(64.25) && running[0] == C(64.25) && variance[0] == C(0.0625) && inverse[0] == C(4)));
}

}  // namespace conformance
