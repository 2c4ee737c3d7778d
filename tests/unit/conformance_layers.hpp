// SPDX-License-Identifier: BSL-1.0
// More rows of the conformance table: group and layer normalization, gates, enlarged maps, slopes of channels, orders of
// channels, dropped samples. See conformance_rows.hpp.
#pragma once
#include "conformance_rows.hpp"

#include <strata/backend/reference/group_norm.hpp>
#include <strata/backend/reference/prelu.hpp>
#include <strata/backend/reference/upsample.hpp>
#include <strata/model/kernels_maps.hpp>

namespace conformance {

inline double largest_of(const Numbers& v) {
  double most = 0;
  for (const double x : v) most = std::max(most, std::abs(x));
  return most;
}

TEST_CASE_TEMPLATE("group normalization", B, CONFORMANCE_BACKENDS) {
  using T = typename B::T;
  using C = typename B::C;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Draw draw(seed);
    // Rows alone, as of a layer normalization; or wide ones, of several blocks.
    const bool rows = draw.chance(30), wide = draw.chance(5);
    const int groups = rows ? 1 : draw.between(1, 5), channels = groups * (wide ? 2500 : draw.between(1, 20));
    const std::int64_t samples = rows ? draw.between(1, 60) : draw.between(1, 4), area = rows ? 1 : draw.between(1, 30);
    const double epsilon = draw.number(1e-3, 1e-2), offset = draw.number(-3, 3);
    INFO("seed ", seed, ": ", samples, "x", area, "x", channels, ", groups ", groups);
    const std::int64_t n = samples * area * channels, statistics = samples * groups;
    const Numbers x = seen<T>(draw.numbers(n, offset - 2, offset + 2)), dy = seen<T>(draw.numbers(n));
    Numbers gamma = draw.numbers(channels), beta = draw.numbers(channels);
    const bool scaled = seed % 2 == 0, shifted = seed % 4 < 2;
    if (!scaled) std::fill(gamma.begin(), gamma.end(), 1.0);
    if (!shifted) std::fill(beta.begin(), beta.end(), 0.0);
    const auto x_ = as<T>(x), dy_ = as<T>(dy);
    const auto gamma_ = as<C>(gamma), beta_ = as<C>(beta);
    const C *gamma_or_null = scaled ? gamma_.data() : nullptr, *beta_or_null = shifted ? beta_.data() : nullptr;
    const auto count = static_cast<double>(area * (channels / groups));
    const auto group_of = [&](std::size_t i) {
      const auto at = static_cast<std::int64_t>(i);
      return static_cast<std::size_t>(at / (area * channels) * groups + at % channels / (channels / groups));
    };
    const auto channel_of = [&](std::size_t i) { return i % static_cast<std::size_t>(channels); };

    Numbers y(x.size()), mean = zeros(statistics), inverse = mean, level = mean, y_size(x.size()), inverse_size = mean;
    reference::group_norm_forward(samples, area, channels, groups, epsilon, x.data(), gamma.data(), beta.data(),
                                  mean.data(), inverse.data(), y.data());
    const auto [got, got_mean, got_inverse] = run<B>(
        [&](const auto& ops, T* out, C* m, C* i) {
          ops.group_norm_forward(samples, area, channels, groups, static_cast<C>(epsilon), x_.data(), gamma_or_null,
                                 beta_or_null, m, i, out);
        },
        Out<T>(n), Out<C>(statistics), Out<C>(statistics));
    // An error of the mean moves every difference from it, and the variance by that times the mean difference.
    for (std::size_t i = 0; i < x.size(); ++i) level[group_of(i)] += std::abs(x[i]) / count;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t g = group_of(i), c = channel_of(i);
      const double normal = std::abs(x[i] - mean[g]) * inverse[g];
      y_size[i] =
          std::abs(gamma[c]) * (inverse[g] * (std::abs(x[i]) + level[g]) * (1 + normal) + normal) + std::abs(beta[c]);
    }
    for (std::size_t g = 0; g < mean.size(); ++g) inverse_size[g] = inverse[g] * (1 + 2 * level[g] * inverse[g]);
    check_close("group_norm_forward", got, y, y_size, count);
    check_close("mean", got_mean, mean, level, count);
    check_close("inverse stddev", got_inverse, inverse, inverse_size, count);

    // Backward gets the statistics of this precision.
    const auto mean_ = as<C>(mean), inverse_ = as<C>(inverse);
    mean = as_numbers(mean_), inverse = as_numbers(inverse_);
    Numbers dx(x.size()), dgamma = zeros(channels), dbeta = dgamma, dgamma_size = dgamma, dbeta_size = dgamma,
                          dx_size(x.size()), sums = zeros(statistics), products = sums;
    reference::group_norm_backward(samples, area, channels, groups, x.data(), gamma.data(), mean.data(), inverse.data(),
                                   dy.data(), dx.data(), dgamma.data(), dbeta.data());
    const auto far = [&](std::size_t i) { return (std::abs(x[i]) + std::abs(mean[group_of(i)])) * inverse[group_of(i)]; };
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double d = std::abs(dy[i] * gamma[channel_of(i)]);
      sums[group_of(i)] += d / count;
      products[group_of(i)] += d * far(i) / count;
      dbeta_size[channel_of(i)] += std::abs(dy[i]);
      dgamma_size[channel_of(i)] += std::abs(dy[i]) * far(i);
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t g = group_of(i);
      dx_size[i] = inverse[g] * (std::abs(dy[i] * gamma[channel_of(i)]) + sums[g] + far(i) * products[g]);
    }
    const Scratch scratch = [&](int) { return B::Ops::group_norm_scratch(samples, area, channels, groups); };
    const auto backward = [&](const auto& ops, C* work, const T* from, T* to, C* scale, C* shift) {
      ops.group_norm_backward(samples, area, channels, groups, x_.data(), gamma_or_null, mean_.data(), inverse_.data(),
                              from, to, scale, shift, work);
    };
    const auto [got_dx, got_dgamma, got_dbeta] = run_with<B>(
        scratch,
        [&](const auto& ops, C* work, T* to, C* scale, C* shift) { backward(ops, work, dy_.data(), to, scale, shift); },
        Out<T>(n), Out<C>(channels), Out<C>(channels));
    const auto terms = static_cast<double>(samples * area);
    check_close("group_norm_backward", got_dx, dx, dx_size, count);
    check_close("gamma of group_norm_backward", got_dgamma, dgamma, dgamma_size, terms);
    check_close("beta of group_norm_backward", got_dbeta, dbeta, dbeta_size, terms);
    // In place, and what is not wanted left out.
    const auto [over, alone] = run_with<B>(
        scratch,
        [&](const auto& ops, C* work, T* to, C* scale) {
          backward(ops, work, to, nullptr, scale, nullptr);
          backward(ops, work, to, to, nullptr, nullptr);
        },
        Out<T>(dy), Out<C>(channels));
    CHECK((same_bits(over, got_dx) && same_bits(alone, got_dgamma)));
    const auto [shift] = run_with<B>(
        scratch, [&](const auto& ops, C* work, C* to) { backward(ops, work, dy_.data(), nullptr, nullptr, to); },
        Out<C>(channels));
    CHECK(same_bits(shift, got_dbeta));
  }
}

TEST_CASE_TEMPLATE("gates", B, CONFORMANCE_BACKENDS) {
  using T = typename B::T;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Draw draw(seed);
    const std::int64_t samples = draw.between(1, 5), area = draw.chance(10) ? 2000 : draw.between(1, 40);
    const int channels = draw.chance(10) ? 150 : draw.between(1, 20);
    INFO("seed ", seed, ": ", samples, "x", area, "x", channels);
    const std::int64_t n = samples * area * channels, gates = samples * channels;
    const Numbers x = seen<T>(draw.numbers(n)), gate = seen<T>(draw.numbers(gates)), dy = seen<T>(draw.numbers(n));
    const auto x_ = as<T>(x), gate_ = as<T>(gate), dy_ = as<T>(dy);
    const Numbers ax = absolute(x), agate = absolute(gate), ady = absolute(dy);
    Numbers want(x.size()), want_gate(gate.size()), size(x.size()), size_gate(gate.size());
    reference::gate_forward(samples, area, channels, x.data(), gate.data(), want.data());
    const auto [y] =
        run<B>([&](const auto& ops, T* out) { ops.gate_forward(samples, area, channels, x_.data(), gate_.data(), out); },
               Out<T>(n));
    check_close("gate_forward", y, want, absolute(want), 0);
    reference::gate_backward(samples, area, channels, x.data(), gate.data(), dy.data(), want.data(), want_gate.data());
    reference::gate_backward(samples, area, channels, ax.data(), agate.data(), ady.data(), size.data(), size_gate.data());
    const auto backward = [&](const auto& ops, T* dx, T* dgate) {
      ops.gate_backward(samples, area, channels, x_.data(), gate_.data(), dy_.data(), dx, dgate);
    };
    const auto [dx, dgate] = run<B>(backward, Out<T>(n), Out<T>(gates));
    check_close("gate_backward", dx, want, size, 0);
    check_close("gate of gate_backward", dgate, want_gate, size_gate, static_cast<double>(area));
    const auto [alone] = run<B>([&](const auto& ops, T* out) { backward(ops, out, nullptr); }, Out<T>(n));
    const auto [other] = run<B>([&](const auto& ops, T* out) { backward(ops, nullptr, out); }, Out<T>(gates));
    CHECK((same_bits(alone, dx) && same_bits(other, dgate)));
  }
}

TEST_CASE_TEMPLATE("enlarged maps", B, CONFORMANCE_BACKENDS) {
  using T = typename B::T;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Draw draw(seed);
    const strata::Upsampling u{.in = Shape{draw.between(1, 9), draw.between(1, 9), draw.between(1, 20)},
                               .rows = draw.between(1, 4),
                               .columns = draw.between(1, 4),
                               .bilinear = seed % 2 == 0};
    const int batch = draw.between(1, 3);
    INFO("seed ", seed, ": ", u.in.height, "x", u.in.width, "x", u.in.channels, " by ", u.rows, "x", u.columns);
    const std::int64_t in = batch * u.in.size(), out = batch * u.out().size();
    const Numbers x = seen<T>(draw.numbers(in)), dy = seen<T>(draw.numbers(out));
    const auto x_ = as<T>(x), dy_ = as<T>(dy);
    Numbers want = zeros(out), back = zeros(in), size = back;
    reference::upsample_forward(u, batch, x.data(), want.data());
    const auto [y] = run<B>([&](const auto& ops, T* to) { ops.upsample_forward(u, batch, x_.data(), to); }, Out<T>(out));
    // A share is as exact as the place on the smaller axis.
    const double place = u.bilinear ? std::max(u.in.height, u.in.width) : 0;
    check_close("upsample_forward", y, want, Numbers(want.size(), place * largest_of(x)), 4);
    reference::upsample_backward(u, batch, dy.data(), back.data());
    const Numbers ones(dy.size(), 1.0);
    reference::upsample_backward(u, batch, ones.data(), size.data());
    const auto [dx] = run<B>([&](const auto& ops, T* to) { ops.upsample_backward(u, batch, dy_.data(), to); }, Out<T>(in));
    check_close("upsample_backward", dx, back, map(size, [=](double s) { return s * (1 + place); }),
                4.0 * u.rows * u.columns);
  }
}

TEST_CASE_TEMPLATE("slopes of channels", B, CONFORMANCE_BACKENDS) {
  using T = typename B::T;
  using C = typename B::C;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Draw draw(seed);
    const std::int64_t rows = draw.chance(10) ? draw.between(1000, 3000) : draw.between(1, 60);
    const int channels = draw.chance(10) ? 100 : draw.between(1, 20);
    INFO("seed ", seed, ": ", rows, "x", channels);
    const std::int64_t n = rows * channels;
    Numbers x = seen<T>(draw.numbers(n));
    x[0] = 0;
    const Numbers slopes = draw.numbers(channels), dy = seen<T>(draw.numbers(n));
    const auto x_ = as<T>(x), dy_ = as<T>(dy);
    const auto slopes_ = as<C>(slopes);
    Numbers want(x.size()), dslopes = zeros(channels), size = dslopes;
    reference::prelu_forward(rows, channels, x.data(), slopes.data(), want.data());
    const auto [y] = run<B>(
        [&](const auto& ops, T* to) { ops.prelu_forward(rows, channels, x_.data(), slopes_.data(), to); }, Out<T>(n));
    check_close("prelu_forward", y, want, absolute(want), 0);
    reference::prelu_backward(rows, channels, x.data(), slopes.data(), dy.data(), want.data(), dslopes.data());
    for (std::size_t i = 0; i < x.size(); ++i)
      if (x[i] <= 0) size[i % static_cast<std::size_t>(channels)] += std::abs(x[i] * dy[i]);
    const auto backward = [&](const auto& ops, C* work, T* dx, C* to) {
      ops.prelu_backward(rows, channels, x_.data(), slopes_.data(), dy_.data(), dx, to, work);
    };
    const Scratch scratch = [&](int) { return B::Ops::prelu_scratch(rows, channels); };
    const auto [dx, got] = run_with<B>(scratch, backward, Out<T>(n), Out<C>(channels));
    check_close("prelu_backward", dx, want, absolute(want), 0);
    check_close("slopes of prelu_backward", got, dslopes, size, static_cast<double>(rows));
    const auto [alone] =
        run_with<B>(scratch, [&](const auto& ops, C* work, C* to) { backward(ops, work, nullptr, to); }, Out<C>(channels));
    CHECK(same_bits(alone, got));
  }
  const std::vector<T> nan{number<T>(quiet_nan)};
  const std::vector<C> slope{number<C>(0.25)};
  const auto [y] =
      run<B>([&](const auto& ops, T* to) { ops.prelu_forward(1, 1, nan.data(), slope.data(), to); }, Out<T>(1));
  CHECK(std::isnan(value_of(y[0])));
}

TEST_CASE_TEMPLATE("orders of channels", B, CONFORMANCE_BACKENDS) {
  using T = typename B::T;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Draw draw(seed);
    const std::int64_t rows = draw.chance(10) ? 3000 : draw.between(1, 40);
    const int groups = draw.between(1, 6), width = draw.between(1, 7), channels = groups * width;
    const Numbers x = seen<T>(draw.numbers(rows * channels));
    const auto x_ = as<T>(x);
    Numbers want(x.size());
    reference::shuffle_channels(rows, channels, groups, x.data(), want.data());
    const auto [y] = run<B>([&](const auto& ops, T* to) { ops.shuffle_channels(rows, channels, groups, x_.data(), to); },
                            Out<T>(rows * channels));
    check_equal("shuffle_channels", y, want);
    const std::vector<T>& shuffled = y;
    const auto [back] =
        run<B>([&](const auto& ops, T* to) { ops.shuffle_channels(rows, channels, width, shuffled.data(), to); },
               Out<T>(rows * channels));
    check_equal("shuffled back", back, x);
  }
}

TEST_CASE_TEMPLATE("some of the channels", B, CONFORMANCE_BACKENDS) {
  using T = typename B::T;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Draw draw(seed);
    const std::int64_t rows = draw.chance(10) ? 3000 : draw.between(1, 40);
    const int count = draw.between(1, 9), first = draw.between(0, 5), channels = first + count + draw.between(0, 5);
    const auto width = static_cast<std::size_t>(count), whole = static_cast<std::size_t>(channels);
    const Numbers x = seen<T>(draw.numbers(rows * channels)), dy = seen<T>(draw.numbers(rows * count));
    const auto x_ = as<T>(x), dy_ = as<T>(dy);
    Numbers y(dy.size()), dx(x.size(), 0);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const std::size_t at = i / width * whole + static_cast<std::size_t>(first) + i % width;
      y[i] = x[at], dx[at] = dy[i];
    }
    const auto [got] = run<B>([&](const auto& ops, T* to) { ops.concat_take(rows, count, to, channels, first, x_.data()); },
                              Out<T>(rows * count));
    check_equal("channels", got, y);
    const auto [back] =
        run<B>([&](const auto& ops,
                   T* to) { strata::detail::channels_backward(ops, rows, channels, first, count, dy_.data(), to); },
               Out<T>(rows * channels));
    check_equal("gradients of channels", back, dx);
  }
}

TEST_CASE_TEMPLATE("dropped samples", B, CONFORMANCE_BACKENDS) {
  using T = typename B::T;
  for (const int batch : {1, 7, 100})
    for (const std::int64_t size : {1, 5, 400})
      for (const double rate : {0.0, 0.3, 0.9}) {
        INFO(batch, "x", size, " at rate ", rate);
        const std::uint64_t seed = 0xABCDEF0123456789, step = 0x1'2345'6789;
        const Random random(seed, Purpose::dropout, 3, step);
        const auto own = B::random(seed, 3, step);
        Draw draw(9);
        const Numbers x = seen<T>(draw.numbers(batch * size, 1, 2));
        const auto x_ = as<T>(x);
        Numbers want(x.size());
        reference::drop_samples(size, batch, rate, random, x.data(), want.data());
        const auto [got] = run<B>([&](const auto& ops, T* to) { ops.drop_samples(batch, size, rate, own, x_.data(), to); },
                                  Out<T>(batch * size));
        check_close("drop_samples", got, want, absolute(want), 4);
        const auto [over] =
            run<B>([&](const auto& ops, T* to) { ops.drop_samples(batch, size, rate, own, to, to); }, Out<T>(x));
        CHECK(same_bits(over, got));
        if (batch < 100) continue;
        const double share = static_cast<double>(std::count(want.begin(), want.end(), 0.0)) / static_cast<double>(x.size());
        CHECK(std::abs(share - rate) <= 4 * std::sqrt(rate * (1 - rate) / batch));
      }
}

}  // namespace conformance
