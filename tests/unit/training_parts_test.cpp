// SPDX-License-Identifier: BSL-1.0
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <strata/losses/dice.hpp>
#include <strata/losses/losses.hpp>
#include <strata/model/initializers.hpp>
#include <strata/optimizers/optimizers.hpp>
#include <strata/optimizers/schedules.hpp>
#include <strata/training/class_metrics.hpp>
#include <strata/training/metrics.hpp>
#include <strata/training/progress.hpp>

namespace {
using namespace strata;
using doctest::Approx;
constexpr double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
Approx near(double x) { return Approx(x).epsilon(1e-12); }

// --- Random numbers -----------------------------------------------------------------------------------------------------

// Random123's kat_vectors for philox4x32 with 10 rounds.
using Words = std::array<std::uint32_t, 4>;
static_assert(philox4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
static_assert(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
              Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
static_assert(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
              Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});

TEST_CASE("random words differ by seed, purpose, layer, step and element") {
  const auto first = [](Random r) { return r.block(0); };
  const Words a = first({1, Purpose::user, 2, 3});
  CHECK(a == first({1, Purpose::user, 2, 3}));
  CHECK(a != first({2, Purpose::user, 2, 3}));
  CHECK(a != first({std::uint64_t{1} << 32 | 1, Purpose::user, 2, 3}));
  CHECK(a != first({1, Purpose::dropout, 2, 3}));
  CHECK(a != first({1, Purpose::user, 3, 3}));
  CHECK(a != first({1, Purpose::user, 2, 4}));
  CHECK(a != first({1, Purpose::user, 2, std::uint64_t{1} << 32 | 3}));
  const Random r(1, Purpose::user, 2, 3);
  for (std::uint64_t i = 0; i < 8; ++i) CHECK(r.bits(i) == r.block(i / 4)[i % 4]);
  CHECK(Random::to_uniform(0xffffffff) < 1.0F);
}

// --- Schedules ----------------------------------------------------------------------------------------------------------

static_assert(ConstantRate{0.5}(7) == 0.5);
static_assert(InverseTimeDecay{0.5, 0.25}(4) == 0.25);
static_assert(StepDecay{8, 0.5, 10}(9) == 8 && StepDecay{8, 0.5, 10}(10) == 4 && StepDecay{8, 0.5, 10}(39) == 1);
static_assert(WarmUp{ConstantRate{1}, 4}(0) == 0 && WarmUp{ConstantRate{1}, 4}(3) == 0.75 &&
              WarmUp{ConstantRate{1}, 4}(4) == 1);

TEST_CASE("schedules give the rates of Keras and PyTorch") {
  // Keras 2.10: lr = lr / (1 + decay * iterations).
  const InverseTimeDecay old{0.01, 0.0005};
  CHECK(old(0) == 0.01);
  CHECK(old(782) == near(0.01 / 1.391));
  CHECK(old(2000) == near(0.005));
  // keras CosineDecay(1, 4, alpha=0.5).
  const Cosine cosine{1, 4, 0.5};
  CHECK(cosine(0) == near(1));
  CHECK(cosine(1) == near(0.5 + 0.25 * (1 + std::sqrt(0.5))));
  CHECK(cosine(2) == near(0.75));
  CHECK(cosine(4) == 0.5);
  CHECK(cosine(1000) == 0.5);
  // The decay begins where the warm-up ends.
  const WarmUp<Cosine> warm{{1, 4}, 2};
  CHECK(warm(1) == near(0.5));
  CHECK(warm(2) == near(1));
  CHECK(warm(4) == near(0.5));
  CHECK(warm(6) == 0);
  CHECK(StepDecay{0.1, 0.1, 30}(95) == near(1e-4));
  CHECK(StepDecay{0.1, 0.1, 1}(std::int64_t{1} << 40) == 0);
}

TEST_CASE("OneCycle is PyTorch's OneCycleLR") {
  // total_steps 10: up until step 0.3 * 10 - 1 = 2, down until 9.
  const OneCycle cycle{1, 10};
  const auto between = [](double a, double b, double t) { return b + (a - b) / 2 * (1 + std::cos(std::acos(-1.0) * t)); };
  CHECK(cycle(0) == near(0.04));
  CHECK(cycle(1) == near(0.52));
  CHECK(cycle(2) == near(1));
  CHECK(cycle(3) == near(between(1, 4e-6, 1.0 / 7)));
  CHECK(cycle(8) == near(between(1, 4e-6, 6.0 / 7)));
  CHECK(cycle(9) == near(4e-6));
  CHECK(cycle(99) == near(4e-6));
  // A peak between two updates, no way up, no way down.
  const OneCycle odd{1, 9};
  CHECK(odd(1) == near(between(0.04, 1, 1 / 1.7)));
  CHECK(odd(2) == near(between(1, 4e-6, 0.3 / 6.3)));
  CHECK(OneCycle{1, 10, 0.1}(0) == near(1));
  for (std::int64_t n = 1; n < 100; ++n) CHECK(OneCycle{1, n, 1 / static_cast<double>(n)}(0) == near(1));
  CHECK(std::isfinite(OneCycle{1, 10, 0}(0)));
  CHECK(OneCycle{1, 10, 1}(9) == near(1));
  CHECK(std::isfinite(OneCycle{1, 1}(0)));
}

TEST_CASE("restarts, steps, lines") {
  // CosineAnnealingWarmRestarts(T_0=4, T_mult=2, eta_min=0.2) of a rate of 1; CosineDecayRestarts(m_mul=0.5).
  const auto half = [](double top, double t) { return 0.2 + (top - 0.2) / 2 * (1 + std::cos(std::acos(-1.0) * t)); };
  const CosineRestarts doubled{1, 4, 2, 0.5, 0.2};
  CHECK(doubled(0) == near(1));
  CHECK(doubled(3) == near(half(1, 0.75)));
  CHECK(doubled(4) == near(0.5));
  CHECK(doubled(11) == near(half(0.5, 7. / 8)));
  CHECK(doubled(12) == near(0.25));
  CHECK(doubled(20) == near(half(0.25, 0.5)));
  const CosineRestarts equal{.learning_rate = 1, .first = 3, .peak = 0.5, .final = 0.2};
  CHECK(equal(2) == near(half(1, 2. / 3)));
  CHECK(equal(3) == near(0.5));
  CHECK(equal(7) == near(half(0.25, 1. / 3)));
  const MultiStep steps{1, 0.5, {2, 5}};
  CHECK(steps(1) == 1);
  CHECK(steps(2) == 0.5);
  CHECK(steps(4) == 0.5);
  CHECK(steps(5) == 0.25);
  CHECK(steps(1000) == 0.25);
  // The rate of the CIFAR-10 recipe.
  const PiecewiseLinear lines{{{10, 0.2}, {23, 1}, {100, 0.07}}};
  CHECK(lines(0) == 0.2);
  CHECK(lines(10) == 0.2);
  CHECK(lines(11) == near(0.2 + 0.8 / 13));
  CHECK(lines(23) == 1);
  CHECK(lines(99) == near(0.07 + 0.93 / 77));
  CHECK(lines(100) == 0.07);
  CHECK(lines(101) == 0.07);
  const PiecewiseLinear epochs{lines.points, Unit::epochs}, share{{{0, 0.2}, {0.5, 1}, {1, 0}}, Unit::runs};
  CHECK(epochs(165, {.epoch = 10}) == near(0.6));
  CHECK(share(75, {.updates = 100}) == near(0.5));
  CHECK_THROWS_AS((void)epochs(1), std::invalid_argument);
  CHECK_THROWS_AS((void)share(1), std::invalid_argument);
  // After a warm-up, the rest of the run.
  CHECK(WarmUp{share, 10}(85, {.updates = 110}) == near(0.5));
  CHECK(WarmUp{share, 10}(5, {.updates = 110}) == near(0.1));
  CHECK(PerEpoch{steps}(49, {.epoch = 10}) == 0.5);
  CHECK(PerEpoch{steps}(50, {.epoch = 10}) == 0.25);
}

TEST_CASE("ReduceOnPlateau is Keras' ReduceLROnPlateau") {
  const auto rate = [](const ReduceOnPlateau& s, const std::vector<double>& losses) {
    return s(7, {.validation_losses = losses});
  };
  const ReduceOnPlateau two{.learning_rate = 1, .factor = 0.5, .patience = 2, .threshold = 0.1, .least = 0.2};
  CHECK(rate(two, {}) == 1);
  CHECK(rate(two, {3, 2, 1.95}) == 1);       // 2 is the lowest; 1.95 is not lower by more than 0.1
  CHECK(rate(two, {3, 2, 1.95, 1.5}) == 1);  // in time
  CHECK(rate(two, {3, 2, 1.95, 1.92}) == 0.5);
  CHECK(rate(two, {3, 2, 1.95, 1.92, 2}) == 0.5);
  CHECK(rate(two, {3, 2, 1.95, 1.92, 2, 2}) == 0.25);
  CHECK(rate(two, {3, 2, 2, 2, 2, 2, 2, 2, 2, 2}) == 0.2);
  CHECK(rate(two, {nan, nan, 2}) == 0.5);
  ReduceOnPlateau cooled = two;
  cooled.cooldown = 2;
  // Keras counts the epoch in which the cooldown ends.
  CHECK(rate(cooled, {1, 1, 1, 1, 1}) == 0.5);
  CHECK(rate(cooled, {1, 1, 1, 1, 1, 1}) == 0.25);
}

TEST_CASE("a Schedule is any of them") {
  CHECK(SGD{.learning_rate = 0.5}.learning_rate(3) == 0.5);
  CHECK(SGD{.learning_rate = 1}.learning_rate(3) == 1);
  CHECK(SGD{.learning_rate = InverseTimeDecay{0.5, 0.25}}.learning_rate(4) == 0.25);
  CHECK(Adam{.learning_rate = WarmUp{Cosine{1, 4}, 2}}.learning_rate(1) == near(0.5));
  CHECK(AdamW{.learning_rate = OneCycle{1, 10}}.learning_rate(2) == near(1));
  static_assert(!std::is_convertible_v<std::string, Schedule> && !std::is_convertible_v<Constant, Schedule>);
  CHECK(Schedule(0.01).describe() == "0.01");
  CHECK(Schedule(WarmUp{Cosine{0.1, 100}, 10}).describe() ==
        "WarmUp{Cosine{learning_rate 0.1, total 100, final 0}, updates 10}");
  CHECK(Schedule(OneCycle{1, 10}).describe() ==
        "OneCycle{max 1, total 10, fraction 0.3, start_divisor 25, final_divisor 10000}");
  CHECK(Schedule(PerEpoch{MultiStep{0.1, 0.5, {2, 3}}}).describe() ==
        "PerEpoch{MultiStep{learning_rate 0.1, factor 0.5, at 2 3}}");
  CHECK(Schedule(CosineRestarts{.first = 5}).describe() ==
        "CosineRestarts{learning_rate 0.01, first 5, factor 1, peak 1, final 0}");
  CHECK(Schedule(PiecewiseLinear{{{0, 0.1}, {1, 0}}, Unit::runs}).describe() == "PiecewiseLinear{0: 0.1, 1: 0, in runs}");
  CHECK(Schedule(ReduceOnPlateau{}).describe() ==
        "ReduceOnPlateau{learning_rate 0.01, factor 0.1, patience 10, threshold 0.0001, cooldown 0, least 0}");
  CHECK(Schedule(WarmUp{PerEpoch{ReduceOnPlateau{}}, 1}).follows_validation());
  CHECK(Schedule(PerEpoch{PiecewiseLinear{{{0, 1}}, Unit::runs}}).follows_length());
  CHECK_FALSE(Schedule(PiecewiseLinear{{{0, 1}}}).follows_length());
  CHECK_FALSE(Schedule(OneCycle{1, 10}).follows_validation());
}

TEST_CASE("schedules that cannot be meant are refused") {
  const auto refused = [](Schedule s, const char* why) {
    CAPTURE(s.describe());
    CHECK_THROWS_WITH_AS(s.validate(), why, std::invalid_argument);
  };
  refused(-0.01, "strata: the learning rate is -0.01; expected zero or more");
  refused(nan, "strata: the learning rate is nan; expected zero or more");
  refused(infinity, "strata: the learning rate is inf; expected zero or more");
  refused(InverseTimeDecay{0.1, -1}, "strata: the decay of the learning rate is -1; expected zero or more");
  refused(StepDecay{0.1, 0.1, 0}, "strata: the step of a StepDecay is 0 updates; expected at least 1");
  refused(StepDecay{0.1, 0, 1}, "strata: the factor of a StepDecay is 0; expected more than 0, at most 1");
  refused(Cosine{0.1, 0}, "strata: the length of a Cosine is 0 updates; expected at least 1");
  refused(Cosine{0.1, 1, -1}, "strata: the final learning rate is -1; expected zero or more");
  refused(OneCycle{0.1, -5}, "strata: the length of a OneCycle is -5 updates; expected at least 1");
  refused(OneCycle{0.1, 5, 1.5}, "strata: the fraction of a OneCycle is 1.5; expected between 0 and 1");
  refused(OneCycle{0.1, 5, 0.3, 0}, "strata: the start divisor of a OneCycle is 0; expected more than zero");
  refused(WarmUp{Cosine{nan, 1}, 1}, "strata: the learning rate is nan; expected zero or more");
  refused(WarmUp{ConstantRate{1}, 0}, "strata: the length of a WarmUp is 0 updates; expected at least 1");
  refused(CosineRestarts{.first = 0}, "strata: the first cycle of CosineRestarts is 0 updates; expected at least 1");
  refused(CosineRestarts{.factor = 0}, "strata: the factor of CosineRestarts is 0; expected at least 1");
  refused(CosineRestarts{.peak = 2}, "strata: the peak of CosineRestarts is 2; expected more than 0, at most 1");
  refused(MultiStep{.at = {0}}, "strata: a step of a MultiStep is 0 updates; expected at least 1");
  refused(MultiStep{.factor = -1}, "strata: the factor of a MultiStep is -1; expected zero or more");
  refused(PiecewiseLinear{}, "strata: a PiecewiseLinear has no points");
  refused(PiecewiseLinear{{{1, 0}, {1, 1}}},
          "strata: a point of a PiecewiseLinear is 1; expected more than the point before");
  refused(PiecewiseLinear{{{0, 0}, {2, 1}}, Unit::runs},
          "strata: a point of a PiecewiseLinear of fractions of the run is 2; expected at most 1");
  refused(PiecewiseLinear{{{0, -1}}}, "strata: the learning rate is -1; expected zero or more");
  refused(ReduceOnPlateau{.factor = 1}, "strata: the factor of a ReduceOnPlateau is 1; expected more than 0, less than 1");
  refused(ReduceOnPlateau{.patience = 0}, "strata: the patience of a ReduceOnPlateau is 0; expected at least 1 epoch");
  refused(ReduceOnPlateau{.least = 1}, "strata: the least learning rate is 1; expected at most the learning rate");
  CHECK_NOTHROW(Schedule(ReduceOnPlateau{}).validate());
  CHECK_NOTHROW(Schedule(0.0).validate());
}

// --- Losses -------------------------------------------------------------------------------------------------------------

TEST_CASE("losses say what they are and refuse nonsense") {
  CHECK(Huber{.delta = 0.5}.describe() == "Huber{delta 0.5}");
  CHECK(AbsoluteError{}.describe() == "AbsoluteError{}");
  CHECK(FocalCrossEntropy{.alpha = 0.25}.describe() == "FocalCrossEntropy{gamma 2, alpha 0.25}");
  CHECK_NOTHROW(Huber{}.validate());
  CHECK_NOTHROW(FocalCrossEntropy{}.validate());
  const auto refused = [](const auto& loss, const char* why) {
    CHECK_THROWS_WITH_AS(loss.validate(), why, std::invalid_argument);
  };
  refused(Huber{.delta = 0}, "strata: delta is 0; expected more than 0");
  refused(Huber{.delta = nan}, "strata: delta is nan; expected more than 0");
  CHECK(Dice{}.describe() == "Dice{smoothing 1}");
  refused(Dice{.smoothing = 0}, "strata: the smoothing of Dice is 0; expected more than 0");
  CHECK(ClassWeighted<2>{.weights = {1, 0.5f}}.describe() ==
        "ClassWeighted{weights 1 0.5, SoftmaxCrossEntropy{label_smoothing 0}}");
  CHECK_NOTHROW(ClassWeighted<2>{.weights = {1, 0}}.validate());
  refused(ClassWeighted<2>{.weights = {1, -1}}, "strata: the weight of a class is -1; expected zero or more");
  refused(ClassWeighted<2>{}, "strata: the weights of all classes are 0");
  refused(ClassWeighted<1>{{1}, {.label_smoothing = 1}},
          "strata: the label smoothing is 1; expected at least 0, less than 1");
  refused(FocalCrossEntropy{.gamma = -1}, "strata: gamma is -1; expected at least 0");
  refused(FocalCrossEntropy{.alpha = 1.5}, "strata: alpha is 1.5; expected at most 1");
}

// --- Optimizers ---------------------------------------------------------------------------------------------------------

static_assert(Optimizer<SGD> && Optimizer<Adam> && Optimizer<AdamW> && !Optimizer<Schedule>);
static_assert(ElementOptimizer<RMSprop, float> && ElementOptimizer<Lion, float> && TensorOptimizer<LAMB, float>);

TEST_CASE("optimizers begin with Keras' numbers, say what they are and refuse nonsense") {
  CHECK(SGD{}.describe() == "SGD{learning_rate 0.01, momentum 0, weight_decay 0}");
  CHECK(SGD{.momentum = 0.9, .nesterov = true, .weight_decay = 0.0005}.describe() ==
        "SGD{learning_rate 0.01, momentum 0.9, nesterov, weight_decay 0.0005}");
  CHECK(Adam{}.describe() == "Adam{learning_rate 0.001, beta1 0.9, beta2 0.999, epsilon 1e-07, weight_decay 0}");
  CHECK(AdamW{}.describe() == "AdamW{learning_rate 0.001, beta1 0.9, beta2 0.999, epsilon 1e-07, weight_decay 0.004}");
  CHECK(RMSprop{}.describe() == "RMSprop{learning_rate 0.001, rho 0.9, momentum 0, epsilon 1e-07, weight_decay 0}");
  CHECK(RMSprop{.momentum = 0.5, .centered = true}.describe() ==
        "RMSprop{learning_rate 0.001, rho 0.9, momentum 0.5, epsilon 1e-07, centered, weight_decay 0}");
  CHECK(Lion{}.describe() == "Lion{learning_rate 0.0001, beta1 0.9, beta2 0.99, weight_decay 0}");
  CHECK(LAMB{}.describe() == "LAMB{learning_rate 0.001, beta1 0.9, beta2 0.999, epsilon 1e-06, weight_decay 0.01}");
  CHECK(RMSprop{}.slot_count() == 1);
  CHECK(RMSprop{.momentum = 0.5, .centered = true}.slot_count() == 3);
  CHECK_NOTHROW(RMSprop{}.validate());
  CHECK_NOTHROW(Lion{}.validate());
  CHECK_NOTHROW(LAMB{}.validate());
  CHECK(SGD{}.slot_count() == 0);
  CHECK(SGD{.momentum = 0.9}.slot_count() == 1);
  CHECK(Adam::slot_count() == 2);
  CHECK(AdamW::slot_count() == 2);
  CHECK_NOTHROW(SGD{}.validate());
  CHECK_NOTHROW(Adam{}.validate());
  CHECK_NOTHROW(AdamW{}.validate());
  const auto refused = [](const auto& optimizer, const char* why) {
    CHECK_THROWS_WITH_AS(optimizer.validate(), why, std::invalid_argument);
  };
  refused(SGD{.learning_rate = -1}, "strata: the learning rate is -1; expected zero or more");
  refused(SGD{.momentum = 1}, "strata: the momentum is 1; expected at least 0, less than 1 in float32");
  refused(SGD{.momentum = nan}, "strata: the momentum is nan; expected at least 0, less than 1 in float32");
  refused(SGD{.nesterov = true}, "strata: the momentum is 0; expected more than 0 with nesterov");
  refused(SGD{.weight_decay = -1}, "strata: the weight decay is -1; expected zero or more");
  refused(Adam{.beta1 = 1}, "strata: beta1 is 1; expected at least 0, less than 1 in float32");
  refused(Adam{.beta2 = 1 - 1e-8}, "strata: beta2 is 0.99999999; expected at least 0, less than 1 in float32");
  refused(Adam{.epsilon = 1e-50}, "strata: epsilon is 1e-50; expected more than zero in float32");
  refused(Adam{.beta2 = -0.5}, "strata: beta2 is -0.5; expected at least 0, less than 1 in float32");
  refused(AdamW{.epsilon = 0}, "strata: epsilon is 0; expected more than zero");
  refused(AdamW{.weight_decay = nan}, "strata: the weight decay is nan; expected zero or more");
  refused(RMSprop{.rho = 1}, "strata: rho is 1; expected at least 0, less than 1 in float32");
  refused(RMSprop{.epsilon = 0}, "strata: epsilon is 0; expected more than zero");
  refused(Lion{.beta2 = 1}, "strata: beta2 is 1; expected at least 0, less than 1 in float32");
  refused(Lion{.weight_decay = -1}, "strata: the weight decay is -1; expected zero or more");
  refused(LAMB{.beta1 = 1}, "strata: beta1 is 1; expected at least 0, less than 1 in float32");
}

// --- Initializers -------------------------------------------------------------------------------------------------------

template <Normal N>
constexpr double deviation_of = N.stddev;
static_assert(deviation_of<Normal{0.02}> == 0.02);

TEST_CASE("the normal quantile is AS 241") {
  // statistics.NormalDist().inv_cdf of Python 3.
  CHECK(detail::normal_quantile(0.5) == 0);
  CHECK(detail::normal_quantile(0.001) == near(-3.090232306167813));
  CHECK(detail::normal_quantile(0.025) == near(-1.9599639845400538));
  CHECK(detail::normal_quantile(0.3) == near(-0.5244005127080407));
  CHECK(detail::normal_quantile(0.9) == near(1.2815515655446008));
  CHECK(detail::normal_quantile(1e-9) == near(-5.9978070150076865));
  for (double x = -6; x <= 6; x += 0.01) {
    const double p = std::erfc(-x / std::sqrt(2)) / 2;
    CHECK(std::abs(detail::normal_quantile(p) - x) < 1e-6);
  }
  CHECK(detail::below_two_deviations == near(std::erfc(std::sqrt(2)) / 2));
}

// Mean, variance and extremes of n draws. A sample mean is off by stddev / sqrt(n), a sample variance by
// variance * sqrt((kurtosis - 1) / n), kurtosis being at most 3 here: five of each is a chance of about 1e-6.
void check_moments(const Initializer& initializer, Fan fan, double stddev, double limit) {
  CAPTURE(initializer.describe());
  const std::size_t n = 200'000;
  std::vector<double> w(n, nan);
  initializer(std::span<double>(w), fan, Random(7, Purpose::initialize, 3));
  double sum = 0, squares = 0, largest = 0;
  for (const double x : w) sum += x, squares += x * x, largest = std::max(largest, std::abs(x));
  const double count = static_cast<double>(n), variance = stddev * stddev;
  CHECK(std::abs(sum / count) < 5 * stddev / std::sqrt(count));
  CHECK(std::abs(squares / count - variance) < 5 * variance * std::sqrt(2 / count));
  CHECK(largest <= limit);
  CHECK(largest > 0.99 * std::min(limit, 4 * stddev));
}

TEST_CASE("initializers have the moments that they say") {
  const Fan fan{300, 100};
  const double cut = 0.87962566103423978;
  check_moments(GlorotUniform{}, fan, std::sqrt(2.0 / 400), std::sqrt(6.0 / 400));
  check_moments(GlorotNormal{}, fan, std::sqrt(2.0 / 400), 2 * std::sqrt(2.0 / 400) / cut);
  check_moments(HeUniform{}, fan, std::sqrt(2.0 / 300), std::sqrt(6.0 / 300));
  check_moments(HeNormal{}, fan, std::sqrt(2.0 / 300), 2 * std::sqrt(2.0 / 300) / cut);
  check_moments(TruncatedNormal{0.05}, fan, 0.05 * cut, 0.1);
  check_moments(Normal{0.01}, fan, 0.01, 0.064);
  check_moments(Uniform{0.3}, fan, 0.3 / std::sqrt(3), 0.3);
  check_moments(Initializer{}, fan, std::sqrt(2.0 / 400), std::sqrt(6.0 / 400));
}

TEST_CASE("a normal has a normal's shape") {
  std::vector<float> w(200'000);
  Normal{1}(std::span<float>(w), {}, Random(1, Purpose::initialize));
  for (const double x : {-2.0, -1.0, -0.3, 0.0, 0.7, 1.5, 3.0}) {
    const double p = std::erfc(-x / std::sqrt(2)) / 2, n = static_cast<double>(w.size());
    const auto below = static_cast<double>(std::count_if(w.begin(), w.end(), [x](float v) { return v < x; }));
    CHECK(std::abs(below / n - p) < 5 * std::sqrt(p * (1 - p) / n));
  }
}

TEST_CASE("an element depends on its index alone") {
  const Random random(5, Purpose::initialize, 1);
  for (const Initializer& i : {Initializer(HeNormal{}), Initializer(Uniform{1}), Initializer(Normal{1})}) {
    std::vector<float> small(7), large(64);
    i(std::span<float>(small), Fan{9, 9}, random);
    i(std::span<float>(large), Fan{9, 9}, random);
    CHECK(std::equal(small.begin(), small.end(), large.begin()));
    i(std::span<float>(small), Fan{9, 9}, Random(5, Purpose::initialize, 2));
    CHECK(!std::equal(small.begin(), small.end(), large.begin()));
  }
  std::vector<double> none;
  HeNormal{}(std::span<double>(none), {}, random);
}

TEST_CASE("values, fans of nothing, nonsense") {
  std::array<float, 5> w{};
  Initializer{Constant{0.5}}(std::span<float>(w), Fan{}, Random(0, Purpose::initialize));
  CHECK(w == std::array<float, 5>{0.5F, 0.5F, 0.5F, 0.5F, 0.5F});
  GlorotUniform{}(std::span<float>(w), Fan{0, 0}, Random(0, Purpose::initialize));
  for (const float x : w) CHECK(std::abs(x) <= std::sqrt(3.0F));
  CHECK_THROWS_WITH_AS(Initializer(Normal{-1}).validate(), "strata: the stddev of a Normal is -1; expected zero or more",
                       std::invalid_argument);
  CHECK_THROWS_AS(Initializer(TruncatedNormal{nan}).validate(), std::invalid_argument);
  CHECK_THROWS_AS(Initializer(Uniform{infinity}).validate(), std::invalid_argument);
  CHECK_THROWS_AS(Initializer(Constant{nan}).validate(), std::invalid_argument);
}

// --- Metrics ------------------------------------------------------------------------------------------------------------

TEST_CASE("the predicted class is the first largest, and none where an output is NaN") {
  const auto of = [](std::vector<double> x) { return predicted_class(std::span<const double>(x)); };
  CHECK(of({1, 3, 3, 2}) == 1);
  CHECK(of({-infinity, -infinity}) == 0);
  CHECK(of({nan, 1}) == -1);
  CHECK(of({1, nan}) == -1);
  CHECK(of({}) == -1);
}

TEST_CASE("means and shares") {
  Accuracy a;
  CHECK(a.value() == 0);
  a.add(2, 2), a.add(1, 2), a.add(0, -1), a.add(-1, -1);
  CHECK(a.value() == 0.25);
  RunningMean m;
  CHECK(m.value() == 0);
  m.add(1), m.add(4, 3);
  CHECK(m.value() == 3.25);
  CHECK(m.samples() == 4);
  RunningMean hard;
  hard.add(1e100), hard.add(1), hard.add(-1e100), hard.add(1);
  CHECK(hard.value() == 0.5);
  m.add(infinity);
  CHECK(m.value() == infinity);
  m.add(nan);
  CHECK(std::isnan(m.value()));
}

TEST_CASE("a confusion table") {
  ConfusionTable t(3);
  CHECK(t.accuracy() == 0);
  for (int i = 0; i < 8; ++i) t.add(0, 0);
  t.add(0, 1), t.add(0, 1), t.add(1, 1), t.add(1, 0), t.add(1, 1);
  CHECK(t.at(0, 1) == 2);
  CHECK(t.samples() == 13);
  CHECK(t.accuracy() == near(10.0 / 13));
  CHECK(t.recall(0) == near(0.8));
  CHECK(t.precision(0) == near(8.0 / 9));
  CHECK(t.precision(1) == near(0.5));
  CHECK(t.recall(2) == 0);
  CHECK(t.precision(2) == 0);
  const std::array<std::string_view, 2> names{"airplane", "cat"};
  CHECK(t.text(names) ==
        "          airplane   cat     2 recall\n"
        "airplane         8     2     0  0.800\n"
        "cat              1     2     0  0.667\n"
        "2                0     0     0  0.000\n"
        "precision    0.889 0.500 0.000\n");
  t.add(2, -1);
  CHECK(t.recall(2) == 0);
  CHECK(t.text().find("    none recall\n") != std::string::npos);
  CHECK_THROWS_WITH_AS(t.add(3, 0), "strata: class 3 taken for 0 in a confusion table of 3 classes", std::out_of_range);
  CHECK_THROWS_AS(t.add(-1, 0), std::out_of_range);
  CHECK_THROWS_AS(t.add(0, 3), std::out_of_range);
  CHECK_THROWS_AS(t.add(0, -2), std::out_of_range);
  CHECK_THROWS_AS(ConfusionTable(-1), std::invalid_argument);
  CHECK(ConfusionTable().text() == "          recall\nprecision\n");
}

// --- Progress -----------------------------------------------------------------------------------------------------------

std::string text_of(const ProgressLine& line) {
  char buffer[512];
  const std::size_t n = line.format(buffer);
  CHECK(buffer[n] == 0);
  return {buffer, n};
}

TEST_CASE("metrics of classes") {
  // Truth 0 0 0 1 2, predicted 0 1 none 1 1: class 3 does not occur.
  const auto filled = [](Metric m) {
    const std::vector<std::vector<float>> outputs{{2, 1, 0, 0}, {0, 2, 1, 0}, {nan, 1, 0, 0}, {0, 2, 0, 0}, {0, 1, 0, 0}};
    const std::vector<int> labels{0, 0, 0, 1, 2};
    for (std::size_t n = 0; n < labels.size(); ++n)
      m.add({outputs[n], Shape{4}, TargetKind::class_index, std::span(labels).subspan(n, 1)});
    return m.values();
  };
  using Values = std::vector<MetricValue>;
  CHECK(filled(F1{}) == Values{{"f1", (0.5 + 0.5 + 0) / 3}});
  CHECK(filled(F1{.per_class = true}) ==
        Values{{"f1", (0.5 + 0.5 + 0) / 3}, {"f1_0", 0.5}, {"f1_1", 0.5}, {"f1_2", 0}, {"f1_3", 0}});
  CHECK(filled(IoU{.per_class = true}) ==
        Values{{"mean_iou", (1. / 3 + 1. / 3) / 3}, {"iou_0", 1. / 3}, {"iou_1", 1. / 3}, {"iou_2", 0}, {"iou_3", 0}});
  CHECK(filled(ClassAccuracy{}) == Values{{"balanced_accuracy", (1. / 3 + 1 + 0) / 3},
                                          {"accuracy_0", 1. / 3},
                                          {"accuracy_1", 1},
                                          {"accuracy_2", 0},
                                          {"accuracy_3", 0}});
  CHECK(filled(TopK{2}) == Values{{"top_2", 2. / 5}});
  // A distribution stands for its most likely class.
  const std::vector<float> of_three{1, 3, 2}, likely{0.2f, 0.1f, 0.7f};
  for (auto [metric, value] : {std::pair{Metric(TopK{1}), 0.}, {Metric(TopK{2}), 1.}, {Metric(ClassAccuracy{}), 0.}}) {
    metric.add({of_three, Shape{3}, TargetKind::distribution, std::span<const float>(likely)});
    CHECK(metric.values().front().value == value);
  }
  CHECK(Metric(F1{}).values() == Values{{"f1", 0}});
  // A map: each place counts.
  Metric map(IoU{});
  map.add({std::vector<float>{1, 0, 1, 0, 0, 1}, Shape{1, 3, 2}, TargetKind::class_map, std::vector<int>{0, 1, 1}});
  CHECK(map.values() == Values{{"mean_iou", 0.5}});
  // Labels: the threshold decides.
  const std::vector<float> truth{1, 0, 1}, outputs{0.6f, 0.4f, -1};
  Metric logits(F1{}), probabilities(F1{.threshold = 0.5});
  for (Metric* m : {&logits, &probabilities}) m->add({outputs, Shape{3}, TargetKind::labels, truth});
  CHECK(logits.values() == Values{{"f1", 1. / 3}});
  CHECK(probabilities.values() == Values{{"f1", 1. / 2}});
}

TEST_CASE("progress lines are Keras'") {
  ProgressLine line{.step = 782, .steps = 782, .seconds = 30.6, .finished = true, .loss = 0.5243, .accuracy = 0.8158};
  line.validation_loss = 0.7617, line.validation_accuracy = 0.7490;
  CHECK(text_of(line) ==
        "782/782 [==============================] - 31s 39ms/step - loss: 0.5243 - accuracy: 0.8158 - val_loss: 0.7617 - "
        "val_accuracy: 0.7490");
  line = {.step = 391, .steps = 782, .seconds = 15, .loss = 2.3026, .accuracy = 0.1};
  CHECK(text_of(line) == "391/782 [==============>...............] - ETA: 15s - loss: 2.3026 - accuracy: 0.1000");
  line.step = 7, line.seconds = 0.7;
  CHECK(text_of(line) == "  7/782 [..............................] - ETA: 1:17 - loss: 2.3026 - accuracy: 0.1000");
  line.seconds = 70;
  CHECK(text_of(line) == "  7/782 [..............................] - ETA: 2:09:10 - loss: 2.3026 - accuracy: 0.1000");
  line = {.step = 4, .steps = 4, .seconds = 8, .finished = true, .loss = 0.0005, .accuracy = 0};
  CHECK(text_of(line) == "4/4 [==============================] - 8s 2s/step - loss: 5.0000e-04 - accuracy: 0.0000e+00");
  line.seconds = 0.001;
  line.loss = -nan;
  CHECK(text_of(line) == "4/4 [==============================] - 0s 250us/step - loss: nan - accuracy: 0.0000e+00");
  line = {.finished = true};
  CHECK(text_of(line).starts_with("0/0 [==============================] - 0s 0s/step - "));
  // Whatever it is given, it stays within its buffer.
  line = {.step = std::numeric_limits<std::int64_t>::max() / 30, .steps = 1, .seconds = infinity, .loss = 1e300};
  CHECK(text_of(line).size() < 200);
  char small[10];
  CHECK(line.format(small) == 9);
  CHECK(line.format({}) == 0);
}

std::string printed(bool terminal, bool validated) {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  Progress progress(file, 3, terminal);
  for (int step = 1; step <= 3; ++step) progress.update(step, 1.0 / step, 0.5);
  if (validated)
    progress.finish(0.25, 0.75, 0.5, 0.625);
  else
    progress.finish(0.25, 0.75);
  std::rewind(file);
  std::string out(2000, '\0');
  out.resize(std::fread(out.data(), 1, out.size(), file));
  std::fclose(file);
  return out;
}

TEST_CASE("progress is redrawn on a terminal and one line elsewhere") {
  const std::string plain = printed(false, true);
  CHECK(plain.starts_with("3/3 [==============================] - "));
  CHECK(plain.ends_with("/step - loss: 0.2500 - accuracy: 0.7500 - val_loss: 0.5000 - val_accuracy: 0.6250\n"));
  CHECK(plain.find('\r') == std::string::npos);
  CHECK(std::count(plain.begin(), plain.end(), '\n') == 1);
  const std::string drawn = printed(true, false);
  CHECK(drawn.starts_with("\r1/3 [=========>....................] - ETA: "));
  CHECK(drawn.find("s - loss: 1.0000 - accuracy: 0.5000") != std::string::npos);
  CHECK(std::count(drawn.begin(), drawn.end(), '\n') == 1);
  CHECK(std::count(drawn.begin(), drawn.end(), '\r') >= 3);
  CHECK(drawn.back() == '\n');
  // Long epochs say something before they end.
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  Progress slow(file, 9, false);
  slow.resume(4, 31);
  for (int step = 5; step <= 9; ++step) slow.update(step, 1, 0.5);
  std::rewind(file);
  char first[200] = {}, second[2] = {};
  CHECK(std::fgets(first, sizeof first, file) != nullptr);
  // 31 s / 5 x 4 = 24 s, and what this took.
  CHECK(std::string(first).starts_with("5/9 [===============>..............] - ETA: 2"));
  CHECK(std::string(first).find("s - loss: 1.0000") != std::string::npos);
  CHECK(std::fgets(second, sizeof second, file) == nullptr);
  std::fclose(file);
  Progress silent(nullptr, 3);
  silent.update(1, 1, 1);
  silent.finish(1, 1);
}

}  // namespace
