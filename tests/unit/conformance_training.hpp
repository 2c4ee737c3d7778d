// SPDX-License-Identifier: BSL-1.0
// The rows of the conformance table for losses and optimizers: the functors, and the fast paths of each backend, against
// the reference. See conformance_rows.hpp.
#pragma once
#include "conformance_rows.hpp"

#include <strata/backend/cpu/losses.hpp>
#include <strata/backend/cpu/optimizers.hpp>
#include <strata/backend/cuda/losses.hpp>
#include <strata/backend/cuda/optimizers.hpp>
#include <strata/backend/reference/losses.hpp>
#include <strata/backend/reference/optimizers.hpp>
#include <strata/losses/dice.hpp>
#include <strata/losses/losses.hpp>
#include <strata/optimizers/optimizers.hpp>

namespace conformance {

// ---- Losses ----------------------------------------------------------------------------------------------------------

// What bounds the error of a loss.
struct LossTraits {
  bool softmax = false;
  bool probabilities = false;  // outputs in [0, 1], clipped
  bool squares = false;
  bool mean = false;  // over the outputs of a row
};

// In the type of the numbers at x.
template <class T>
T number_like(const T* /*x*/, double value) {
  return static_cast<T>(value);
}

// Calls f(name, functor, reference, traits) for each loss: its row of the table.
template <class F>
void for_each_loss(F&& f) {
  f(
      "SoftmaxCrossEntropy", strata::SoftmaxCrossEntropy{}, [](auto... a) { reference::softmax_cross_entropy(a...); },
      LossTraits{.softmax = true});
  f(
      "NegativeLogLikelihood", strata::NegativeLogLikelihood{}, [](auto... a) { reference::negative_log_likelihood(a...); },
      LossTraits{});
  f(
      "CrossEntropy", strata::CrossEntropy{}, [](auto... a) { reference::cross_entropy(a...); },
      LossTraits{.probabilities = true});
  f(
      "MeanSquaredError", strata::MeanSquaredError{}, [](auto... a) { reference::mean_squared_error(a...); },
      LossTraits{.squares = true, .mean = true});
  f(
      "SigmoidCrossEntropy", strata::SigmoidCrossEntropy{}, [](auto... a) { reference::sigmoid_cross_entropy(a...); },
      LossTraits{.mean = true});
  f("AbsoluteError", strata::AbsoluteError{}, [](auto... a) { reference::absolute_error(a...); }, LossTraits{.mean = true});
  f(
      "Huber", strata::Huber{.delta = 0.75},
      [](int batch, int classes, auto* x, auto... a) { reference::huber(batch, classes, number_like(x, 0.75), x, a...); },
      LossTraits{.mean = true});
  f(
      "FocalCrossEntropy", strata::FocalCrossEntropy{},
      [](int batch, int classes, auto* x, auto... a) {
        reference::focal_cross_entropy(batch, classes, number_like(x, 2), number_like(x, -1), x, a...);
      },
      LossTraits{.mean = true});
  f(
      "FocalCrossEntropy, weighted", strata::FocalCrossEntropy{.gamma = 0.5, .alpha = 0.25},
      [](int batch, int classes, auto* x, auto... a) {
        reference::focal_cross_entropy(batch, classes, number_like(x, 0.5), number_like(x, 0.25), x, a...);
      },
      LossTraits{.mean = true});
}

template <class B, class Loss, class Slow>
void check_loss(const Loss& loss, const Slow& slow, const LossTraits& traits, std::uint64_t seed) {
  using T = typename B::T;
  using C = typename B::C;
  Draw draw(seed);
  const int batch = draw.chance(5) ? 1700 : draw.between(1, 9), classes = draw.between(1, 40);
  const double range = traits.probabilities ? 1 : draw.chance(20) ? 40 : 3;
  INFO("(", batch, ", ", classes, ")");
  const std::int64_t n = std::int64_t{batch} * classes;
  Numbers x = seen<T>(draw.numbers(n, traits.probabilities ? 0 : -range, range));
  // Both ends of the clip.
  if (traits.probabilities && draw.chance(30)) x = map(x, [](double v) { return std::round(v); });
  const auto labels = draw.labels(batch, classes);
  const auto x_ = as<T>(x);
  Numbers value(static_cast<std::size_t>(batch)), gradient(x.size());
  if (traits.probabilities) {
    // The upper end of the clip differs between precisions.
    const auto wide = as<C>(x);
    std::vector<C> value_(value.size()), gradient_(x.size());
    slow(batch, classes, wide.data(), labels.data(), value_.data(), gradient_.data());
    value = as_numbers(value_), gradient = as_numbers(gradient_);
  } else {
    slow(batch, classes, x.data(), labels.data(), value.data(), gradient.data());
  }
  // The terms are of the order of the inputs (for squared errors, of their squares), plus the label's 1.
  const double value_size = traits.squares ? (1 + range) * (1 + range) : 2 + 2 * range;
  const double divisor = batch * (traits.mean ? classes : 1);
  Numbers size(x.size(), (traits.squares ? 4 + 4 * range : 2) / divisor);
  if (traits.probabilities) size = absolute(gradient);
  if (traits.softmax)
    for (std::size_t i = 0; i < size.size(); ++i) {
      const bool own = static_cast<int>(i) % classes == labels[i / static_cast<std::size_t>(classes)];
      size[i] = own ? (4 + 2 * range) / batch : std::abs(gradient[i]) * (2 + 2 * range);  // p - 1 may cancel
    }
  const auto [each, dx] = run<B>(
      [&](const auto& ops, C* to, T* to_x) { ops.run_loss(loss, batch, classes, x_.data(), labels.data(), to, to_x); },
      Out<C>(batch), Out<T>(n));
  check_close("value", each, value, Numbers(value.size(), value_size), classes);
  check_close("gradient", dx, gradient, size, classes);
  const auto [alone] =
      run<B>([&](const auto& ops,
                 C* to) { ops.run_loss(loss, batch, classes, x_.data(), labels.data(), to, static_cast<T*>(nullptr)); },
             Out<C>(batch));
  CHECK_MESSAGE(same_bits(alone, each), "the value depends on whether its gradient is wanted");

  // The class index as numbers, 1 for the class.
  std::vector<float> one_hot(x.size(), 0.f);
  for (std::size_t i = 0; i < labels.size(); ++i)
    one_hot[i * static_cast<std::size_t>(classes) + static_cast<std::size_t>(labels[i])] = 1;
  const auto [by_numbers, dx_by_numbers] = run<B>(
      [&](const auto& ops, C* to, T* to_x) { ops.run_loss(loss, batch, classes, x_.data(), one_hot.data(), to, to_x); },
      Out<C>(batch), Out<T>(n));
  check_close("value of numbers", by_numbers, value, Numbers(value.size(), value_size), classes);
  check_close("gradient of numbers", dx_by_numbers, gradient, size, classes);
}

TEST_CASE_TEMPLATE("losses", B, CONFORMANCE_BACKENDS) {
  using T = typename B::T;
  using C = typename B::C;
  for_each_loss([](const char* name, const auto& loss, const auto& slow, const LossTraits& traits) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
      INFO(std::string(name), ", seed ", seed);
      check_loss<B>(loss, slow, traits, seed);
    }
  });
  // Logits whose exp overflows.
  const auto large = as<T>({1000, -1000});
  const std::vector<int> labels{1};
  const auto overflow = [&](const auto& loss, double value, double slope) {
    const auto [each, dx] =
        run<B>([&](const auto& ops, C* to, T* to_x) { ops.run_loss(loss, 1, 2, large.data(), labels.data(), to, to_x); },
               Out<C>(1), Out<T>(2));
    check_close("value", each, {value}, {2000}, 1);
    check_close("gradient", dx, {slope, -slope}, {1, 1}, 1);
  };
  const double logit = value_of(large[0]);
  overflow(strata::SoftmaxCrossEntropy{}, 2 * logit, 1);
  overflow(strata::SigmoidCrossEntropy{}, logit, 0.5);
  overflow(strata::FocalCrossEntropy{}, logit, 0.5);
}

// A loss of whole samples of several places.
template <class B, class Loss, class Element>
auto run_whole(const Loss& loss, int batch, int width, int places, const std::vector<typename B::T>& x,
               const std::vector<Element>& target) {
  using T = typename B::T;
  using C = typename B::C;
  return run<B>(
      [&](const auto& ops, C* to, T* to_x) {
        if constexpr (B::gpu)
          ops.elements(batch, strata::cuda::detail::LossOfRow<Loss, T, Element>{loss, batch, width, x.data(), target.data(),
                                                                                to, to_x, places});
        else
          strata::cpu::run_loss_by_rows(loss, batch, width, x.data(), target.data(), to, to_x, ops.pool(), places);
      },
      Out<C>(batch), Out<T>(std::int64_t{batch} * width));
}

TEST_CASE_TEMPLATE("Dice", B, CONFORMANCE_BACKENDS) {
  using T = typename B::T;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Draw draw(seed);
    const int batch = draw.between(1, 5), places = draw.between(1, 40), classes = draw.between(1, 9),
              width = places * classes;
    INFO("seed ", seed, ": (", batch, ", ", places, ", ", classes, ")");
    const double smoothing = draw.chance(50) ? 1 : 0.125;
    const Numbers x = seen<T>(draw.numbers(std::int64_t{batch} * width, -3, 3));
    const auto labels = draw.labels(batch * places, classes);
    Numbers value(static_cast<std::size_t>(batch)), gradient(x.size()), sums(2 * static_cast<std::size_t>(classes));
    reference::dice_of_maps(batch, places, classes, smoothing, x.data(), labels.data(), sums.data(), value.data(),
                            gradient.data());
    const strata::Dice dice{.smoothing = smoothing};
    const auto [each, dx] = run_whole<B>(dice, batch, width, places, as<T>(x), labels);
    check_close("value", each, value, Numbers(value.size(), 8), places);
    // The terms of a slope: 2 t / all + part / all^2, all at least the smoothing plus the share of the class.
    check_close("gradient", dx, gradient, Numbers(gradient.size(), 8 / smoothing / batch / classes), places);
    std::vector<float> mask(x.size());
    for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = static_cast<float>(i % 3 == seed % 3);
    reference::dice_of_labels(batch, width, smoothing, x.data(), mask.data(), value.data(), gradient.data());
    const auto [each_, dx_] = run_whole<B>(dice, batch, width, 1, as<T>(x), mask);
    check_close("value of labels", each_, value, Numbers(value.size(), 8), width);
    check_close("gradient of labels", dx_, gradient, Numbers(gradient.size(), 8 / smoothing / batch), width);
  }
}

TEST_CASE("Dice worked out by hand, and against finite differences") {
  // Two places, two classes, one each: probabilities 3/4 and 1/4, and 1/2 twice.
  const Numbers x{std::log(3.), 0, 0, 0};
  const std::vector<int> labels{0, 1};
  const strata::Dice dice{.smoothing = 0.5};
  const auto row = [&](const Numbers& at, Numbers* gradient) {
    if (gradient) gradient->assign(at.size(), 0);
    return dice(strata::LossRow<double, double, int>{.count = 4,
                                                     .outputs = at.data(),
                                                     .truth = labels.data(),
                                                     .slope = gradient ? gradient->data() : nullptr,
                                                     .rows = 1,
                                                     .places = 2});
  };
  const double first = (2 * 0.75 + 0.5) / (0.75 + 0.5 + 1 + 0.5), second = (2 * 0.5 + 0.5) / (0.25 + 0.5 + 1 + 0.5);
  Numbers slope;
  CHECK(row(x, &slope) == doctest::Approx(1 - (first + second) / 2));
  double value = 0;
  Numbers sums(4);
  reference::dice_of_maps<double>(1, 2, 2, 0.5, x.data(), labels.data(), sums.data(), &value, nullptr);
  CHECK(value == doctest::Approx(1 - (first + second) / 2));
  for (std::size_t i = 0; i < 4; ++i) {
    Numbers above = x, below = x;
    above[i] += 1e-5, below[i] -= 1e-5;
    CHECK((row(above, nullptr) - row(below, nullptr)) / 2e-5 == doctest::Approx(slope[i]).epsilon(1e-6));
  }
  // Of a mask: probabilities 1/2 and 3/4.
  const std::vector<float> mask{1, 0};
  const Numbers two{0, std::log(3.)};
  const double wanted = 1 - (2 * 0.5 + 0.5) / (1.25 + 1 + 0.5);
  const auto labelled = [&](const Numbers& at, Numbers* gradient) {
    if (gradient) gradient->assign(at.size(), 0);
    return dice(strata::LossRow<double, double, float>{
        .count = 2, .outputs = at.data(), .truth = mask.data(), .slope = gradient ? gradient->data() : nullptr, .rows = 1});
  };
  CHECK(labelled(two, &slope) == doctest::Approx(wanted));
  for (std::size_t i = 0; i < 2; ++i) {
    Numbers above = two, below = two;
    above[i] += 1e-5, below[i] -= 1e-5;
    CHECK((labelled(above, nullptr) - labelled(below, nullptr)) / 2e-5 == doctest::Approx(slope[i]).epsilon(1e-6));
  }
}

// A functor on one row of doubles.
template <class Loss, class Element>
double value_of_row(const Loss& loss, const Numbers& x, const std::vector<Element>& target, Numbers* gradient = nullptr) {
  if (gradient) gradient->assign(x.size(), 0);
  return loss(strata::LossRow<double, double, Element>{.count = static_cast<int>(x.size()),
                                                       .outputs = x.data(),
                                                       .truth = target.data(),
                                                       .slope = gradient ? gradient->data() : nullptr,
                                                       .rows = 1});
}

TEST_CASE("losses worked out by hand") {
  const auto slow = [](const auto& reference, const Numbers& x, int label) {
    double value = 0;
    reference(1, static_cast<int>(x.size()), x.data(), &label, &value, static_cast<double*>(nullptr));
    return value;
  };
  const auto both = [&](auto wanted, const Numbers& x, int label, double value) {
    for_each_loss([&](const char*, const auto& loss, const auto& reference, const LossTraits&) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(loss)>, decltype(wanted)>) {
        CHECK(slow(reference, x, label) == doctest::Approx(value));
        CHECK(value_of_row(loss, x, std::vector<int>{label}) == doctest::Approx(value));
      }
    });
  };
  both(strata::SoftmaxCrossEntropy{}, {3, 3}, 0, std::log(2.));
  both(strata::NegativeLogLikelihood{}, {-1, -5}, 1, 5);
  both(strata::CrossEntropy{}, {0.25, 0.75}, 0, std::log(4.));
  both(strata::CrossEntropy{}, {0, 1}, 0, 7 * std::log(10.));
  both(strata::MeanSquaredError{}, {0.5, 0.25, 0}, 0, (0.25 + 0.0625) / 3);
  both(strata::SigmoidCrossEntropy{}, {0, 0}, 1, std::log(2.));
  both(strata::AbsoluteError{}, {0.5, 0.25, 0}, 0, (0.5 + 0.25) / 3);
  both(strata::Huber{}, {0.5, 2.75}, 0, (0.125 + 0.75 * (2.75 - 0.375)) / 2);  // the table's delta
  // Targets of numbers.
  const std::vector<float> half{0.5f, 0.5f};
  CHECK(value_of_row(strata::SoftmaxCrossEntropy{}, {0, std::log(3.)}, half) ==
        doctest::Approx(0.5 * std::log(4.) + 0.5 * std::log(4. / 3)));
  CHECK(value_of_row(strata::NegativeLogLikelihood{}, {-1, -5}, half) == doctest::Approx(3));
  CHECK(value_of_row(strata::CrossEntropy{}, {0.25, 0.75}, half) == doctest::Approx(-0.5 * std::log(0.25 * 0.75)));
  CHECK(value_of_row(strata::MeanSquaredError{}, {3, -1}, std::vector<float>{1, 1}) == doctest::Approx(4));
  CHECK(value_of_row(strata::AbsoluteError{}, {3, -1}, std::vector<float>{1, 1}) == doctest::Approx(2));
  CHECK(value_of_row(strata::Huber{.delta = 2}, {3, -4}, std::vector<float>{2, 1}) == doctest::Approx((0.5 + 8) / 2));
  // Nothing is missing, not even in the last bit.
  Numbers slope;
  CHECK(value_of_row(strata::FocalCrossEntropy{.gamma = 0.5}, {1000, -1000}, std::vector<int>{0}, &slope) == 0);
  CHECK(slope == Numbers{0, 0});
  // Without gamma and alpha it is the binary cross-entropy, of shares too.
  CHECK(value_of_row(strata::FocalCrossEntropy{.gamma = 0}, {3, -1}, std::vector<float>{0.25f, 0.5f}) ==
        doctest::Approx(value_of_row(strata::SigmoidCrossEntropy{}, {3, -1}, std::vector<float>{0.25f, 0.5f})));
  // Half of the probability is missing, then a quarter: of the one label, a quarter of the weight, of the other the rest.
  CHECK(value_of_row(strata::FocalCrossEntropy{.gamma = 2, .alpha = 0.25}, {0, -std::log(3.)}, std::vector<float>{1, 0}) ==
        doctest::Approx((0.25 * 0.25 * std::log(2.) + 0.75 * 0.0625 * std::log(4. / 3)) / 2));
  CHECK(value_of_row(strata::SigmoidCrossEntropy{}, {0, 0}, std::vector<float>{1, 1}) == doctest::Approx(std::log(2.)));
  // The weight of the row's class, and of nothing else.
  const strata::ClassWeighted<2> weighted{.weights = {0.25f, 2}};
  CHECK(value_of_row(weighted, {0, std::log(3.)}, std::vector<int>{0}) == doctest::Approx(0.25 * std::log(4.)));
  CHECK(value_of_row(weighted, {0, std::log(3.)}, std::vector<int>{1}, &slope) == doctest::Approx(2 * std::log(4. / 3)));
  CHECK(slope[0] == doctest::Approx(2 * 0.25));
  CHECK(slope[1] == doctest::Approx(-2 * 0.25));
  const strata::ClassWeighted<2, strata::MeanSquaredError> other{.weights = {1, 3}};
  CHECK(value_of_row(other, {0.5, 0}, std::vector<int>{1}, &slope) == doctest::Approx(3 * (0.25 + 1) / 2));
  CHECK(slope[0] == doctest::Approx(3 * 0.5));
  CHECK(slope[1] == doctest::Approx(-3));
  // 0.8 of the class and 0.1 for each of the two.
  CHECK(value_of_row(strata::SoftmaxCrossEntropy{.label_smoothing = 0.2}, {0, std::log(3.)}, std::vector<int>{1}) ==
        doctest::Approx(0.1 * std::log(4.) + 0.9 * std::log(4. / 3)));
}

TEST_CASE("gradients of losses of numbers, against finite differences") {
  const auto check = [](const auto& loss, const Numbers& at, const std::vector<float>& target) {
    Numbers x = at, gradient;
    value_of_row(loss, x, target, &gradient);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double step = 1e-5, before = x[i];
      x[i] = before + step;
      const double above = value_of_row(loss, x, target);
      x[i] = before - step;
      const double below = value_of_row(loss, x, target);
      x[i] = before;
      CHECK((above - below) / (2 * step) == doctest::Approx(gradient[i]).epsilon(1e-6));
    }
  };
  const std::vector<float> shares{0.5f, 0.3f, 0.2f}, labels{1, 0, 1}, values{-2, 0.5f, 7};
  check(strata::SoftmaxCrossEntropy{}, {1, -2, 0.3}, shares);
  check(strata::SoftmaxCrossEntropy{.label_smoothing = 0.3}, {1, -2, 0.3}, shares);
  check(strata::NegativeLogLikelihood{}, {-1, -2, -0.3}, shares);
  check(strata::CrossEntropy{}, {0.2, 0.5, 0.3}, shares);
  check(strata::MeanSquaredError{}, {1, -2, 0.3}, values);
  check(strata::SigmoidCrossEntropy{}, {1, -2, 0.3}, labels);
  check(strata::AbsoluteError{}, {1, -2, 0.3}, values);
  check(strata::Huber{.delta = 2.75}, {1, -2, 0.3}, values);
  check(strata::FocalCrossEntropy{}, {1, -2, 0.3}, labels);
  check(strata::FocalCrossEntropy{.gamma = 1.5, .alpha = 0.25}, {1, -2, 0.3}, shares);
  check(strata::FocalCrossEntropy{.gamma = 0.5, .alpha = 0.25}, {1, -2, 0.3}, labels);
}

// ---- Optimizers ------------------------------------------------------------------------------------------------------

// Updates w, and the slots behind it, by the optimizer's functor. Where *halt is set, a GPU changes nothing.
template <class B, class Optimizer_>
auto run_optimizer(const Optimizer_& optimizer, const strata::UpdateStep& step, const Numbers& w, const Numbers& g,
                   const Numbers& slots, std::int32_t halted = 0) {
  using T = typename B::T;
  using C = typename B::C;
  using Element = typename strata::detail::element_of<Optimizer_, C>::type;
  const auto g_ = as<C>(g);
  const auto n = static_cast<std::int64_t>(w.size());
  const auto element = std::make_unique<Element>(optimizer.template element<C>(step));
  const auto halt = std::make_unique<std::int32_t>(halted);
  return run<B>(
      [&](const auto& ops, C* to, C* kept, [[maybe_unused]] T* copy) {
        if constexpr (B::gpu)
          ops.elements(n, strata::cuda::detail::UpdateParameter<Element, T>{element.get(), halt.get(), to, g_.data(), kept,
                                                                            n, copy});
        else
          strata::cpu::update_elements(*element, n, to, g_.data(), kept, n, ops.pool());
      },
      Out<C>(w), Out<C>(slots), Out<T>(B::gpu ? n : 0));
}

template <class B, class Optimizer_>
void check_optimizer(const Optimizer_& optimizer, const strata::UpdateStep& step, const Numbers& w, const Numbers& g,
                     const Numbers& slots, const Numbers& new_w, const Numbers& new_slots, const Numbers& w_size,
                     const Numbers& slot_size) {
  using T = typename B::T;
  using C = typename B::C;
  const auto [to, kept, copy] = run_optimizer<B>(optimizer, step, w, g, slots);
  check_close("parameters", to, new_w, w_size, 4);
  check_close("slots", kept, new_slots, slot_size, 4);
  if constexpr (B::gpu) {
    check_equal("copy", copy, seen<T>(as_numbers(to)));
    const auto [halted, halted_kept, halted_copy] = run_optimizer<B>(optimizer, step, w, g, slots, 1);
    CHECK((same_bits(halted, as<C>(w)) && same_bits(halted_kept, as<C>(slots))));
    check_equal("no copy", halted_copy, Numbers(w.size(), quiet_nan));
  }
}

template <class B>
void check_optimizers() {
  for (const std::int64_t n : {1, 3, 100, 65536, 70001})
    for (std::uint64_t seed = 1; seed <= 16; ++seed) {
      INFO(n, " parameters, seed ", seed);
      Draw draw(seed);
      const Numbers w = draw.numbers(n), g = draw.numbers(n), m = draw.numbers(n), v = draw.numbers(n, 0.01, 1);
      const double rate = draw.number(0.001, 0.1), first = draw.number(0.1, 0.95), second = draw.number(0.9, 0.999),
                   decay = draw.chance(50) ? 0 : draw.number(0, 0.1), epsilon = draw.number(1e-7, 1e-3),
                   factor = draw.chance(50) ? 1 : 0.5;
      const bool flag = draw.chance(50), plain = draw.chance(30);
      const std::int64_t number = draw.chance(30) ? 1 : draw.between(2, 10000);
      const strata::UpdateStep step{.number = number, .learning_rate = rate, .weight_decay = factor};

      Numbers new_w = w, new_m = m, w_size(w.size()), m_size(w.size());
      reference::sgd_update(n, rate, first, flag, decay * factor, new_w.data(), g.data(), plain ? nullptr : new_m.data());
      for (std::size_t i = 0; i < w.size(); ++i) {
        m_size[i] = std::abs(m[i]) + rate * (std::abs(g[i]) + decay * std::abs(w[i]));
        w_size[i] = std::abs(w[i]) + 2 * m_size[i];
      }
      const strata::SGD sgd{.momentum = plain ? 0 : first, .nesterov = flag && !plain, .weight_decay = decay};
      check_optimizer<B>(sgd, step, w, g, m, new_w, new_m, w_size, m_size);

      new_w = w, new_m = m;
      Numbers new_v = v, slots = m, new_slots, slot_size;
      slots.insert(slots.end(), v.begin(), v.end());
      reference::adam_update(n, rate, first, second, epsilon, decay * factor, flag, number, new_w.data(), g.data(),
                             new_m.data(), new_v.data());
      new_slots = new_m;
      new_slots.insert(new_slots.end(), new_v.begin(), new_v.end());
      const double corrected = rate * std::sqrt(1 - std::pow(second, number)) / (1 - std::pow(first, number));
      Numbers v_size(w.size());
      for (std::size_t i = 0; i < w.size(); ++i) {
        const double gradient = std::abs(g[i]) + decay * std::abs(w[i]);
        m_size[i] = std::abs(m[i]) + gradient;
        v_size[i] = v[i] + gradient * gradient;
        w_size[i] = 2 * std::abs(w[i]) + corrected * m_size[i] / std::sqrt(new_v[i]) * (1 + v_size[i] / new_v[i]);
      }
      slot_size = m_size;
      slot_size.insert(slot_size.end(), v_size.begin(), v_size.end());
      if (flag)
        check_optimizer<B>(strata::AdamW{.beta1 = first, .beta2 = second, .epsilon = epsilon, .weight_decay = decay}, step,
                           w, g, slots, new_w, new_slots, w_size, slot_size);
      else
        check_optimizer<B>(strata::Adam{.beta1 = first, .beta2 = second, .epsilon = epsilon, .weight_decay = decay}, step,
                           w, g, slots, new_w, new_slots, w_size, slot_size);

      // v, then the steps if there is momentum, then the mean gradient if centered.
      const bool centered = flag, heavy = !plain;
      Numbers a(w.size()), new_a;
      for (std::size_t i = 0; i < a.size(); ++i) a[i] = 0.5 * std::sqrt(v[i]) * (i % 2 == 0 ? 1 : -1);
      new_w = w, new_m = m, new_v = v, new_a = a;
      reference::rmsprop_update(n, rate, second, heavy ? first : 0., epsilon, decay * factor, new_w.data(), g.data(),
                                new_v.data(), heavy ? new_m.data() : nullptr, centered ? new_a.data() : nullptr);
      slots = v, new_slots = new_v, slot_size = v_size;
      Numbers a_size(w.size()), b_size(w.size());
      for (std::size_t i = 0; i < w.size(); ++i) {
        const double gradient = std::abs(g[i]) + decay * std::abs(w[i]);
        const double spread = new_v[i] - (centered ? new_a[i] * new_a[i] : 0) + epsilon;
        a_size[i] = std::abs(a[i]) + gradient;
        b_size[i] = std::abs(m[i]) + rate * gradient / std::sqrt(spread) * (1 + v_size[i] / spread);
        w_size[i] = 2 * std::abs(w[i]) + b_size[i];
      }
      const auto add_slot = [&](const Numbers& before, const Numbers& after, const Numbers& size) {
        slots.insert(slots.end(), before.begin(), before.end());
        new_slots.insert(new_slots.end(), after.begin(), after.end());
        slot_size.insert(slot_size.end(), size.begin(), size.end());
      };
      if (heavy) add_slot(m, new_m, b_size);
      if (centered) add_slot(a, new_a, a_size);
      check_optimizer<B>(strata::RMSprop{.rho = second,
                                         .momentum = heavy ? first : 0,
                                         .epsilon = epsilon,
                                         .centered = centered,
                                         .weight_decay = decay},
                         step, w, g, slots, new_w, new_slots, w_size, slot_size);

      // Signs must not hang on the last bit: gradients and means of the same sign.
      Numbers lion_m = m;
      for (std::size_t i = 0; i < w.size(); ++i) lion_m[i] = std::copysign(m[i], g[i]);
      new_w = w, new_m = lion_m;
      reference::lion_update(n, rate, first, second, decay * factor, new_w.data(), g.data(), new_m.data());
      for (std::size_t i = 0; i < w.size(); ++i)
        w_size[i] = 2 * std::abs(w[i]) + rate, m_size[i] = std::abs(m[i]) + std::abs(g[i]);
      check_optimizer<B>(strata::Lion{.beta1 = first, .beta2 = second, .weight_decay = decay}, step, w, g, lion_m, new_w,
                         new_m, w_size, m_size);
    }
}

TEST_CASE_TEMPLATE("LAMB, tensor by tensor", T, float, double) {
  for (const std::int64_t n : {1, 3, 100, 5000})
    for (std::uint64_t seed = 1; seed <= 16; ++seed) {
      INFO(n, " parameters, seed ", seed);
      Draw draw(seed);
      const auto size = static_cast<std::size_t>(n);
      Numbers w = draw.chance(20) ? Numbers(size, 0) : seen<T>(draw.numbers(n));
      const Numbers g = seen<T>(draw.numbers(n)), m = seen<T>(draw.numbers(n)), v = seen<T>(draw.numbers(n, 0.01, 1));
      const double rate = draw.number(0.001, 0.1), first = draw.number(0.1, 0.95), second = draw.number(0.9, 0.999),
                   decay = draw.chance(50) ? 0 : draw.number(0, 0.1), factor = draw.chance(50) ? 1 : 0.5;
      const std::int64_t number = draw.chance(30) ? 1 : draw.between(2, 10000);
      std::vector<T> parameters = as<T>(w), slots = as<T>(m), gradients = as<T>(g);
      for (const double x : v) slots.push_back(static_cast<T>(x));
      strata::LAMB{.beta1 = first, .beta2 = second, .weight_decay = decay}.update(
          {.number = number, .learning_rate = rate, .weight_decay = factor},
          strata::ParameterSlice<T>{.name = "dense/kernel",
                                    .info = {},
                                    .parameters = parameters,
                                    .gradients = gradients,
                                    .slot_data = slots.data(),
                                    .slot_stride = n});
      Numbers new_w = w, new_m = m, new_v = v, step(size), w_size(size), slot_size;
      reference::lamb_update(n, rate, first, second, 1e-6, decay * factor, number, new_w.data(), g.data(), new_m.data(),
                             new_v.data(), step.data());
      for (std::size_t i = 0; i < size; ++i) w_size[i] = std::abs(w[i]) + 16 * std::abs(new_w[i] - w[i]) + 1e-3 * rate;
      check_close("parameters", parameters, new_w, w_size, 4 + static_cast<int>(n) / 100);
      for (std::size_t i = 0; i < size; ++i) slot_size.push_back(std::abs(m[i]) + std::abs(g[i]));
      for (std::size_t i = 0; i < size; ++i) slot_size.push_back(v[i] + g[i] * g[i]);
      new_m.insert(new_m.end(), new_v.begin(), new_v.end());
      check_close("slots", slots, new_m, slot_size, 4);
    }
}

TEST_CASE_TEMPLATE("optimizers", B, CONFORMANCE_BACKENDS) {
  // A GPU's parameters are float32.
  if constexpr (!B::gpu || std::is_same_v<typename B::C, float>) check_optimizers<B>();
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
  {
    // v = 0.5 x 4 + 0.5 x 36 = 20; centered: a = 0.5 x 2 + 0.5 x 6 = 4, so 4 is left. Then b = 0.5 x 1 + 0.1 x 6 / 2.
    double w = 1, v = 4, a = 2, b = 1;
    const double g = 6;
    reference::rmsprop_update(1, 0.1, 0.5, 0.5, 0., 0., &w, &g, &v, &b, &a);
    CHECK(v == doctest::Approx(20));
    CHECK(a == doctest::Approx(4));
    CHECK(w == doctest::Approx(1 - 0.8));
    w = 1, v = 4;
    reference::rmsprop_update<double>(1, 0.1, 0.5, 0, 5, 0, &w, &g, &v, nullptr, nullptr);
    CHECK(w == doctest::Approx(1 - 0.6 / 5));
  }
  {
    // 0.9 x 1 - 0.1 x 5 = 0.4: up. m = 0.99 - 0.05.
    double w = 2, m = 1;
    const double g = -5;
    reference::lion_update(1, 0.1, 0.9, 0.99, 0.5, &w, &g, &m);
    CHECK(w == doctest::Approx(2 - 0.1 * (1 + 0.5 * 2)));
    CHECK(m == doctest::Approx(0.94));
  }
  {
    // The first step of each weight is 1, as long as (3, 4) after division by sqrt(2).
    Numbers w{3, 4}, m(2), v(2), step(2);
    const Numbers g{7, -0.5};
    reference::lamb_update<double>(2, 0.1, 0.9, 0.999, 0, 0, 1, w.data(), g.data(), m.data(), v.data(), step.data());
    CHECK(w[0] == doctest::Approx(3 - 0.5 / std::sqrt(2.)));
    CHECK(w[1] == doctest::Approx(4 + 0.5 / std::sqrt(2.)));
  }
}

}  // namespace conformance
