// SPDX-License-Identifier: BSL-1.0
// The GPU's own kernels of the layers: the conformance table, and what only a GPU has. Include cuda_loop.hpp or a device's
// Runner first.
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <strata/backend/cuda/activations.hpp>
#include <strata/backend/cuda/bias.hpp>
#include <strata/backend/cuda/combine.hpp>
#include <strata/layers/activations.hpp>

#include "conformance_gpu.hpp"

#if defined(STRATA_TEST_WITHOUT_DOUBLE)
#define CONFORMANCE_BACKENDS OnGpu<float>, OnGpu<strata::Bf16>
#else
#define CONFORMANCE_BACKENDS OnGpu<float>, OnGpu<double>, OnGpu<strata::Bf16>
#endif
#include "conformance_layers.hpp"
#include "conformance_rows.hpp"
#include "conformance_training.hpp"

namespace {

using namespace conformance;

// ---- Bf16 ------------------------------------------------------------------------------------------------------------

// The nearest number with 8 bits, ties to even, by arithmetic in double.
double nearest_bf16(double x) {
  if (!std::isfinite(x) || x == 0) return x;
  const double place = std::ldexp(1.0, std::max(std::ilogb(x), -126) - 7);
  const double rounded = std::nearbyint(x / place) * place;
  return std::abs(rounded) >= 0x1p128 ? std::copysign(std::numeric_limits<double>::infinity(), x) : rounded;
}

TEST_CASE("every upper half of a float, with lower halves that round differently") {
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
  CHECK(kept == 0x10000 - 2 * 63);                              // except signalling NaNs, which become quiet
  static_assert(static_cast<float>(Bf16(1.00390625f)) == 1.f);  // a tie: to the even one
  static_assert(static_cast<float>(Bf16(1.01171875f)) == 1.015625f);
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
    CHECK(std::none_of(scratch.begin(), scratch.end(), [](C x) { return x != x; }));  // all of it is used
  }
  static_assert(cuda::row_shares(1) == 1 && cuda::row_shares(63) == 1 && cuda::row_shares(64) == 2);
  static_assert(cuda::row_shares(1'000'000) == 512);
}

TEST_CASE_TEMPLATE("conversions", T, float, double, Bf16) {
  for (const std::int64_t n : {1, 31, 1000}) {
    Draw draw(static_cast<std::uint64_t>(n));
    const auto floats = as<float>(draw.numbers(n));
    const Numbers a = seen<T>(draw.numbers(n));
    const auto a_ = as<T>(a);
    const auto [converted] = launch([&](Runner& run, T* out) { cuda::convert(run, n, floats.data(), out); }, Out<T>(n));
    check_equal("convert", converted, seen<T>(as_numbers(floats)));
    const auto [back] = launch([&](Runner& run, float* out) { cuda::convert(run, n, a_.data(), out); }, Out<float>(n));
    check_equal("convert back", back, seen<float>(a));
  }
}

// From the dropout's output alone it is what the two steps give.
TEST_CASE_TEMPLATE("backward through a ReLU and a dropout", T, float, double, Bf16) {
  using B = OnGpu<T>;
  for (const std::int64_t n : {1, 2, 3, 4, 5, 31, 1000, 4099})
    for (const double rate : {0.0, 0.1, 0.3, 0.5, 0.7, 0.999}) {
      INFO(n, " at rate ", rate);
      Draw draw(9);
      Numbers x = draw.numbers(n);
      if (n > 30) x[7] = quiet_nan, x[8] = 0, x[9] = -0.0;
      const auto x_ = as<T>(x), dy_ = as<T>(draw.numbers(n));
      const auto random = B::random(0xABCDEF0123456789, 3, static_cast<std::uint64_t>(n));
      std::vector<T> rectified(x_.size()), y_(x_.size()), dropped(x_.size()), dx_(x_.size());
      typename B::Engine engine{Runner(Runner::orders[0])};
      const typename B::Ops ops(engine);
      ops.template activation_forward<strata::ReLU>(n, x_.data(), rectified.data());
      ops.dropout_forward(n, rate, random, rectified.data(), y_.data());
      ops.dropout_backward(n, rate, random, dy_.data(), dropped.data());
      ops.template activation_backward<strata::ReLU>(n, nullptr, rectified.data(), dropped.data(), dx_.data());
      const auto [back] = run<B>(
          [&](const auto& table, T* out) { table.relu_dropout_backward(n, rate, y_.data(), dy_.data(), out); }, Out<T>(n));
      check_equal("relu_dropout_backward", back, as_numbers(dx_));
    }
}

TEST_CASE("places beyond 32 bits") {
  const Shape s{7, 5, 3};
  for (const std::int64_t sample : {std::int64_t{0}, std::int64_t{41}, std::int64_t{1} << 33}) {
    const cuda::detail::Place p = cuda::detail::place_of(s, ((sample * 7 + 6) * 5 + 2) * 3 + 1);
    CHECK((p.sample == sample && p.row == 6 && p.column == 2 && p.channel == 1));
  }
}

}  // namespace
