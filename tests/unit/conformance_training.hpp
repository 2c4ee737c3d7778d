// SPDX-License-Identifier: BSL-1.0
// The rows of the conformance table for losses and optimizers. See conformance_rows.hpp.
#pragma once
#include "conformance_rows.hpp"

#include <strata/backend/cpu/losses.hpp>
#include <strata/backend/cpu/optimizers.hpp>
#include <strata/backend/reference/losses.hpp>
#include <strata/backend/reference/optimizers.hpp>

namespace conformance {

namespace cpu = strata::cpu;
using strata::ThreadPool;

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

TEST_CASE_TEMPLATE("losses", B, CONFORMANCE_BACKENDS) {
  using T = typename B::T;
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
        // The upper end of the clip differs from precision to precision.
        std::vector<T> loss_(loss.size()), gradient_(x.size());
        slow_loss(which, batch, classes, x_.data(), labels.data(), loss_.data(), gradient_.data());
        loss = as_numbers(loss_), gradient = as_numbers(gradient_);
      } else {
        slow_loss(which, batch, classes, x.data(), labels.data(), loss.data(), gradient.data());
      }
      // The terms are of the order of the inputs (for squared errors, of their squares), plus the label's 1.
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
      const auto [each, dx] =
          run<B>([&](const auto& ops, T* to,
                     T* to_x) { fast_loss(which, batch, classes, x_.data(), labels.data(), to, to_x, ops.pool()); },
                 Out<T>(batch), Out<T>(n));
      check_close("loss", each, loss, Numbers(loss.size(), loss_size), classes);
      check_close("gradient", dx, gradient, size, classes);
      const auto [alone] =
          run<B>([&](const auto& ops,
                     T* to) { fast_loss<T>(which, batch, classes, x_.data(), labels.data(), to, nullptr, ops.pool()); },
                 Out<T>(batch));
      CHECK_MESSAGE(same_bits(alone, each), "the loss depends on whether its gradient is wanted");
    }
  // Logits whose exp overflows.
  const std::vector<T> large{T(1000), T(-1000)};
  const int label = 1;
  for (const Loss which : {Loss::softmax_cross_entropy, Loss::sigmoid_cross_entropy}) {
    const auto [loss, gradient] = run<B>(
        [&](const auto& ops, T* to, T* to_x) { fast_loss<T>(which, 1, 2, large.data(), &label, to, to_x, ops.pool()); },
        Out<T>(1), Out<T>(2));
    const bool sigmoid = which == Loss::sigmoid_cross_entropy;
    check_close("loss", loss, {sigmoid ? 1000. : 2000.}, {2000}, 1);
    check_close("gradient", gradient, {sigmoid ? 0.5 : 1, sigmoid ? -0.5 : -1}, {1, 1}, 1);
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

TEST_CASE_TEMPLATE("optimizers", B, CONFORMANCE_BACKENDS) {
  using T = typename B::T;
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
      const auto [sgd_w, sgd_m] = run<B>(
          [&](const auto& ops, T* to, T* velocity) {
            cpu::sgd_update<T>(n, t(rate), t(first), flag, t(decay), to, g_.data(), plain ? nullptr : velocity, ops.pool());
          },
          Out<T>(w), Out<T>(m));
      check_close("w of sgd", sgd_w, new_w, w_size, 4);
      check_close("velocity of sgd", sgd_m, new_m, m_size, 4);

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
      const auto [adam_w, adam_m, adam_v] = run<B>(
          [&](const auto& ops, T* to, T* to_m, T* to_v) {
            cpu::adam_update<T>(n, t(rate), t(first), t(second), t(epsilon), t(decay), flag, step, to, g_.data(), to_m,
                                to_v, ops.pool());
          },
          Out<T>(w), Out<T>(m), Out<T>(v));
      check_close("w of adam", adam_w, new_w, w_size, 4);
      check_close("m of adam", adam_m, new_m, m_size, 4);
      check_close("v of adam", adam_v, new_v, v_size, 4);
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
    // The first step is as long as the rate, for any gradient.
    double w = 1, m = 0, v = 0;
    const double g = 2;
    reference::adam_update<double>(1, 0.1, 0.9, 0.999, 0, 0.5, decoupled, 1, &w, &g, &m, &v);
    CHECK(w == doctest::Approx(decoupled ? 0.85 : 0.9));
    CHECK(m == doctest::Approx(decoupled ? 0.2 : 0.25));
  }
}

}  // namespace conformance
