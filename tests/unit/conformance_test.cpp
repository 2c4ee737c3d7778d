// SPDX-License-Identifier: BSL-1.0
// The conformance table on the CPU, and the reference itself against small cases worked out by hand and against finite
// differences.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <strata/backend/cpu/ops.hpp>
#include <strata/backend/reference/conv.hpp>
#include <strata/backend/reference/dense.hpp>

#include "conformance_cpu.hpp"

#if defined(STRATA_TEST_WITHOUT_DOUBLE)
#define CONFORMANCE_BACKENDS OnCpu<float>
#else
#define CONFORMANCE_BACKENDS OnCpu<float>, OnCpu<double>
#endif
#include "conformance_layers.hpp"
#include "conformance_products.hpp"
#include "conformance_rows.hpp"
#include "conformance_training.hpp"

namespace {

using namespace conformance;
namespace cpu = strata::cpu;
using strata::ThreadPool;

// ---- Pools -----------------------------------------------------------------------------------------------------------

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
  reference::avg_pool_forward(g, false, 1, x.data(), y.data());
  CHECK(y == Numbers{2, 3.5});  // the padding is not counted
  s.padding = Padding::explicit_, s.left = s.right = 1;
  g = place(s, in);
  reference::avg_pool_forward(g, false, 1, x.data(), y.data());
  CHECK(y == Numbers{1.5, 3});
  reference::avg_pool_forward(g, true, 1, x.data(), y.data());
  CHECK(y == Numbers{1, 3});  // (0 + 1 + 2) / 3
  reference::max_pool_forward(g, 1, negative.data(), y.data(), argmax.data());
  CHECK(y == Numbers{-3, -1});  // nor picked
  s = {.kernel_w = 2, .stride_w = 2, .padding = Padding::explicit_, .left = 2};
  g = place(s, in);
  y.resize(3), argmax.resize(3);
  reference::max_pool_forward(g, 1, negative.data(), y.data(), argmax.data());
  CHECK(y == Numbers{0, -3, -1});
  CHECK(argmax == std::vector<std::int32_t>{-1, 1, 3});
  // Rounded up. Of the last window PyTorch counts what lies on the padded input: here 3, 4 and a zero.
  s = {.kernel_w = 3, .stride_w = 2, .padding = Padding::explicit_, .left = 0, .right = 1, .ceil = true};
  y.resize(2), argmax.resize(2);
  reference::avg_pool_forward(place(s, in), true, 1, x.data(), y.data());
  CHECK(y == Numbers{2, 7. / 3});
  s.kernel_w = 2, s.stride_w = 3, s.right = 0;
  reference::avg_pool_forward(place(s, in), true, 1, x.data(), y.data());
  CHECK(y == Numbers{1.5, 4});
  y.resize(3), argmax.resize(3);
  const Numbers equal{5, 5, 5, 5};
  reference::max_pool_forward(g, 1, equal.data(), y.data(), argmax.data());
  CHECK(argmax == std::vector<std::int32_t>{-1, 0, 2});
}

// ---- Enlarged maps ---------------------------------------------------------------------------------------------------

TEST_CASE("enlarged maps worked out by hand") {
  const Numbers x{1, 2};
  Numbers y(4);
  reference::upsample_forward({Shape{1, 2, 1}, 1, 2, false}, 1, x.data(), y.data());
  CHECK(y == Numbers{1, 1, 2, 2});
  reference::upsample_forward({Shape{1, 2, 1}, 1, 2, true}, 1, x.data(), y.data());
  CHECK(y == Numbers{1, 1.25, 1.75, 2});  // as PyTorch's with align_corners=False, and TensorFlow's of half pixels
  // Each element is spread over three outputs, which overlap at one.
  const Numbers w{1, 10, 100}, bias{0.5};
  y.resize(5);
  const Geometry g = place({.kernel_w = 3, .stride_w = 2}, Shape{1, 5, 1}, 1);
  reference::conv_transpose_forward(g, 1, x.data(), w.data(), bias.data(), y.data());
  CHECK(y == Numbers{1.5, 10.5, 102.5, 20.5, 200.5});
  const Numbers channels{1, 2, 3, 4, 5, 6};
  y.resize(6);
  reference::shuffle_channels(1, 6, 2, channels.data(), y.data());
  CHECK(y == Numbers{1, 4, 2, 5, 3, 6});
}

// ---- Normalizations --------------------------------------------------------------------------------------------------

TEST_CASE("means of more numbers than a float can count") {
  constexpr int side = 4200;  // squared, above 2^24
  const std::vector<float> x(static_cast<std::size_t>(side) * side, 1.f);
  ThreadPool pool(1);
  const cpu::Ops<float> ops(pool);
  float y = 0;
  ops.global_avg_pool_forward(Shape{side, side, 1}, 1, x.data(), &y);
  CHECK(y == doctest::Approx(1).epsilon(1e-6));
  const float one = 1, zero = 0;
  float running_mean = 0, running_variance = 1, mean = 0, inverse = 0;
  constexpr Shape map{side, side, 1};
  std::vector<float> z(x.size()), scratch(static_cast<std::size_t>(ops.batch_norm_scratch(map, 1)));
  ops.batch_norm_forward(map, 1, 1e-3f, 0.f, x.data(), &one, &zero, &running_mean, &running_variance, &mean, &inverse,
                         z.data(), scratch.data());
  CHECK(mean == doctest::Approx(1).epsilon(1e-6));
  CHECK(running_variance < 1e-6f);
  float dgamma = 0, dbeta = 0;
  ops.batch_norm_backward(map, 1, z.data(), &one, &zero, &one, x.data(), z.data(), &dgamma, &dbeta, scratch.data());
  CHECK(dbeta == doctest::Approx(static_cast<double>(side) * side).epsilon(1e-6));
}

TEST_CASE("BatchNorm of a batch that two processes share") { check_shared_batch_norm<cpu::Ops<float>>(1e-5); }

TEST_CASE("normalizations worked out by hand") {
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
  // Two positions, two groups of two channels: 1, 3, 1, 3 and 0, 0, 4, 4.
  const Numbers map{1, 3, 0, 0, 1, 3, 4, 4}, gamma{1, 1, 1, 10}, beta{0, 0, 0, 5};
  Numbers means(2), inverses(2);
  y.resize(8);
  reference::group_norm_forward(1, 2, 4, 2, 0., map.data(), gamma.data(), beta.data(), means.data(), inverses.data(),
                                y.data());
  CHECK(means == Numbers{2, 2});
  CHECK(inverses == Numbers{1, 0.5});
  CHECK(y == Numbers{-1, 1, -1, -5, -1, 1, 1, 15});
}

// ---- The reference's gradients against finite differences ------------------------------------------------------------

// Compares `gradient` with the differences of value(), which depends on x.
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
// Numbers that are far enough apart that a small change does not move a maximum.
Numbers distinct(Draw& draw, std::int64_t n) {
  Numbers v = zeros(n);
  for (std::size_t i = 0; i < v.size(); ++i) {
    v[i] = 0.1 * static_cast<double>(i) - 1.03;
    std::swap(v[i], v[static_cast<std::size_t>(draw.between(0, static_cast<int>(i)))]);
  }
  return v;
}

TEST_CASE("gradients of convolutions and pools") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Draw draw(seed);
    const int groups = draw.between(1, 2), batch = draw.between(1, 2);
    const Shape in{draw.between(1, 5), draw.between(1, 5), groups * draw.between(1, 2)};
    WindowSpec window = draw_window(draw, in, 3);
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
    Numbers spread = draw.numbers(batch * g.out.size()), dspread(spread.size()), to(x.size()),
            dto = draw.numbers(batch * g.in.size()), bias = draw.numbers(g.in.channels), dbias(bias.size());
    const auto transposed = [&] {
      reference::conv_transpose_forward(g, batch, spread.data(), w.data(), bias.data(), to.data());
      return dot(to, dto);
    };
    reference::conv_transpose_backward(g, batch, spread.data(), w.data(), dto.data(), dspread.data(), dw.data(),
                                       dbias.data());
    check_gradient("conv_transpose x", spread, dspread, transposed);
    check_gradient("conv_transpose w", w, dw, transposed);
    check_gradient("conv_transpose bias", bias, dbias, transposed);

    window.ceil = seed % 2 == 0;
    const bool padding = seed % 3 == 0;
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
    reference::avg_pool_backward(g, padding, batch, dy.data(), dx.data());
    check_gradient("avg_pool", x, dx, [&] {
      reference::avg_pool_forward(g, padding, batch, x.data(), y.data());
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
        "gelu", [&](auto i, auto o) { reference::gelu_forward(n, i, o); },
        [&](auto, auto g, auto i) { reference::gelu_backward<double>(n, x.data(), g, i); });
    unary(
        "gelu_tanh", [&](auto i, auto o) { reference::gelu_tanh_forward(n, i, o); },
        [&](auto, auto g, auto i) { reference::gelu_tanh_backward<double>(n, x.data(), g, i); });
    unary(
        "silu", [&](auto i, auto o) { reference::silu_forward(n, i, o); },
        [&](auto, auto g, auto i) { reference::silu_backward<double>(n, x.data(), g, i); });
    unary(
        "scale", [&](auto i, auto o) { reference::scale_forward(n, -0.3, i, o); },
        [&](auto, auto g, auto i) { reference::scale_backward(n, -0.3, g, i); });
    unary(
        "clip", [&](auto i, auto o) { reference::clip_forward(n, -0.5, 0.8, i, o); },
        [&](auto o, auto g, auto i) { reference::clip_backward(n, -0.5, 0.8, o, g, i); });
    unary(
        "elu", [&](auto i, auto o) { reference::elu_forward(n, 0.7, i, o); },
        [&](auto o, auto g, auto i) { reference::elu_backward(n, 0.7, o, g, i); });
    unary(
        "softplus", [&](auto i, auto o) { reference::softplus_forward(n, i, o); },
        [&](auto o, auto g, auto i) { reference::softplus_backward(n, o, g, i); });
    for (double& v : x) v *= 4;  // beyond the limits of both
    unary(
        "hard_sigmoid", [&](auto i, auto o) { reference::hard_sigmoid_forward(n, i, o); },
        [&](auto o, auto g, auto i) { reference::hard_sigmoid_backward(n, o, g, i); });
    unary(
        "hard_swish", [&](auto i, auto o) { reference::hard_swish_forward(n, i, o); },
        [&](auto, auto g, auto i) { reference::hard_swish_backward<double>(n, x.data(), g, i); });
    for (double& v : x) v /= 4;
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

    const std::int64_t area = n / batch / classes;
    const int groups = classes % 2 == 0 ? 2 : 1;
    Numbers means = zeros(std::int64_t{batch} * groups), inverses = means;
    const auto group_norm = [&] {
      reference::group_norm_forward(batch, area, classes, groups, 1e-3, x.data(), gamma.data(), beta.data(), means.data(),
                                    inverses.data(), y.data());
      return dot(y, dy);
    };
    group_norm();
    reference::group_norm_backward(batch, area, classes, groups, x.data(), gamma.data(), means.data(), inverses.data(),
                                   dy.data(), dx.data(), dgamma.data(), dbeta.data());
    check_gradient("group_norm x", x, dx, group_norm);
    check_gradient("group_norm gamma", gamma, dgamma, group_norm);
    check_gradient("group_norm beta", beta, dbeta, group_norm);

    const auto prelu = [&] {
      reference::prelu_forward(n / classes, classes, x.data(), gamma.data(), y.data());
      return dot(y, dy);
    };
    reference::prelu_backward(n / classes, classes, x.data(), gamma.data(), dy.data(), dx.data(), dgamma.data());
    check_gradient("prelu x", x, dx, prelu);
    check_gradient("prelu slopes", gamma, dgamma, prelu);

    Numbers gate = draw.numbers(std::int64_t{batch} * classes), dgate(gate.size());
    const auto gated = [&] {
      reference::gate_forward(batch, area, classes, x.data(), gate.data(), y.data());
      return dot(y, dy);
    };
    reference::gate_backward(batch, area, classes, x.data(), gate.data(), dy.data(), dx.data(), dgate.data());
    check_gradient("gate x", x, dx, gated);
    check_gradient("gate", gate, dgate, gated);

    unary(
        "shuffle_channels", [&](auto i, auto o) { reference::shuffle_channels(n / classes, classes, groups, i, o); },
        [&](auto, auto d, auto i) { reference::shuffle_channels(n / classes, classes, classes / groups, d, i); });
    unary(
        "drop_samples", [&](auto i, auto o) { reference::drop_samples(n / batch, batch, 0.4, random, i, o); },
        [&](auto, auto d, auto i) { reference::drop_samples(n / batch, batch, 0.4, random, d, i); });
    for (const bool bilinear : {false, true}) {
      const strata::Upsampling u{.in = map_shape, .rows = 3, .columns = draw.between(1, 3), .bilinear = bilinear};
      Numbers large = zeros(batch * u.out().size()), dlarge = draw.numbers(batch * u.out().size());
      reference::upsample_backward(u, batch, dlarge.data(), dx.data());
      check_gradient("upsample", x, dx, [&] {
        reference::upsample_forward(u, batch, x.data(), large.data());
        return dot(large, dlarge);
      });
    }
  }
}

TEST_CASE("gradients of the losses") {
  for_each_loss([](const char* name, const auto&, const auto& slow, const LossTraits& traits) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      INFO(std::string(name), ", seed ", seed);
      Draw draw(seed);
      const int batch = draw.between(1, 4), classes = draw.between(1, 5);
      Numbers x = traits.probabilities ? draw.numbers(batch * classes, 0.1, 0.9) : draw.numbers(batch * classes, -2, 2);
      const auto labels = draw.labels(batch, classes);
      Numbers each(static_cast<std::size_t>(batch)), gradient(x.size());
      slow(batch, classes, x.data(), labels.data(), each.data(), gradient.data());
      check_gradient("x", x, gradient, [&] {
        slow(batch, classes, x.data(), labels.data(), each.data(), static_cast<double*>(nullptr));
        return dot(each, Numbers(each.size(), 1. / batch));
      });
    }
  });
}

}  // namespace
