// SPDX-License-Identifier: BSL-1.0
// The GPU's own kernels of a training step: losses and optimizers against the reference in double precision, what a step
// counts and what is done to its images against the CPU's, to the bit.
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <strata/backend/cuda/augment.hpp>
#include <strata/backend/cuda/losses.hpp>
#include <strata/backend/cuda/optimizers.hpp>
#include <strata/backend/reference/optimizers.hpp>
#include <strata/data/batches.hpp>
#include <strata/training/metrics.hpp>

#include "cuda_elements.hpp"

namespace {

using namespace conformance;

// ---- Losses ----------------------------------------------------------------------------------------------------------

template <class T>
void fast_loss(Runner& run, Loss which, int batch, int classes, const T* x, const int* labels, Compute<T>* loss,
               T* gradient) {
  switch (which) {
    case Loss::softmax_cross_entropy:
      return cuda::softmax_cross_entropy(run, batch, classes, x, labels, loss, gradient);
    case Loss::negative_log_likelihood:
      return cuda::negative_log_likelihood(run, batch, classes, x, labels, loss, gradient);
    case Loss::cross_entropy:
      return cuda::cross_entropy(run, batch, classes, x, labels, loss, gradient);
    case Loss::mean_squared_error:
      return cuda::mean_squared_error(run, batch, classes, x, labels, loss, gradient);
    case Loss::sigmoid_cross_entropy:
      return cuda::sigmoid_cross_entropy(run, batch, classes, x, labels, loss, gradient);
  }
}

TEST_CASE_TEMPLATE("losses", T, float, double, Bf16) {
  using C = Compute<T>;
  for (std::size_t l = 0; l < std::size(losses); ++l)
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
      const Loss which = losses[l];
      Draw draw(seed);
      const int batch = draw.between(1, 9), classes = draw.between(1, 40);
      const bool probabilities = which == Loss::cross_entropy;
      const double range = probabilities ? 1 : draw.chance(20) ? 40 : 3;
      INFO(std::string(loss_names[l]), ", seed ", seed, ": (", batch, ", ", classes, ")");
      const std::int64_t n = std::int64_t{batch} * classes;
      Numbers x = seen<T>(draw.numbers(n, probabilities ? 0 : -range, range));
      if (probabilities && draw.chance(30)) x = map(x, [](double v) { return std::round(v); });  // both ends of the clip
      const auto labels = draw.labels(batch, classes);
      const auto x_ = as<T>(x);
      Numbers loss(static_cast<std::size_t>(batch)), gradient(x.size());
      if (probabilities) {
        // The upper end of the clip is another number in each precision.
        const auto wide = as<C>(x);
        std::vector<C> loss_(loss.size()), gradient_(x.size());
        slow_loss(which, batch, classes, wide.data(), labels.data(), loss_.data(), gradient_.data());
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
      const auto [got, slope] = launch(
          [&](Runner& run, C* each, T* to) { fast_loss(run, which, batch, classes, x_.data(), labels.data(), each, to); },
          Out<C>(batch), Out<T>(n));
      check_close("loss", got, loss, Numbers(loss.size(), loss_size), classes);
      check_close("gradient", slope, gradient, size, classes);
      const auto [alone] = launch(
          [&](Runner& run, C* each) { fast_loss<T>(run, which, batch, classes, x_.data(), labels.data(), each, nullptr); },
          Out<C>(batch));
      CHECK_MESSAGE(same_bits(alone, got), "the loss depends on whether its gradient is wanted");
    }
  // Logits that overflow where exp is taken of them.
  const auto large = as<T>({1000, -1000});
  const std::vector<int> labels{1};
  for (const Loss which : {Loss::softmax_cross_entropy, Loss::sigmoid_cross_entropy}) {
    const auto [loss, gradient] =
        launch([&](Runner& run, C* each, T* to) { fast_loss(run, which, 1, 2, large.data(), labels.data(), each, to); },
               Out<C>(1), Out<T>(2));
    const bool sigmoid = which == Loss::sigmoid_cross_entropy;
    const double logit = value_of(large[0]);
    check_close("loss", loss, {sigmoid ? logit : 2 * logit}, {2000}, 1);
    check_close("gradient", gradient, {sigmoid ? 0.5 : 1, sigmoid ? -0.5 : -1}, {1, 1}, 1);
  }
}

TEST_CASE_TEMPLATE("the score of a batch", T, float, double, Bf16) {
  using C = Compute<T>;
  int right = 0, wrong = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Draw draw(seed);
    const int batch = draw.chance(30) ? draw.between(100, 300) : draw.between(1, 70), classes = draw.between(1, 5);
    INFO("seed ", seed, ": (", batch, ", ", classes, ")");
    Numbers outputs = draw.numbers(std::int64_t{batch} * classes, -2, 2);
    if (draw.chance(50)) outputs = map(outputs, [](double v) { return std::round(v); });  // ties
    if (draw.chance(50))
      outputs = map(outputs, [&](double v) { return draw.chance(10) ? std::numeric_limits<double>::quiet_NaN() : v; });
    Numbers each = draw.numbers(batch, 0, 5);
    if (draw.chance(30))
      each[static_cast<std::size_t>(draw.between(0, batch - 1))] =
          draw.chance(50) ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
    outputs = seen<T>(outputs);
    const auto outputs_ = as<T>(outputs);
    const auto each_ = as<C>(each);
    const auto labels = draw.labels(batch, classes);
    double loss = 0;
    std::int32_t correct = 0;
    for (std::size_t i = 0; i < labels.size(); ++i) {  // as training/trainer.hpp counts
      const auto size = static_cast<std::size_t>(classes);
      loss += value_of(each_[i]);
      correct += strata::predicted_class(std::span<const double>(outputs).subspan(i * size, size)) == labels[i];
    }
    right += correct, wrong += batch - correct;
    for (const Runner::Order order : Runner::orders) {
      Runner run(order);
      const auto score = std::make_unique<cuda::StepScore>();
      Guarded<std::int32_t> scratch(batch);
      cuda::score(run, batch, classes, outputs_.data(), labels.data(), each_.data(), score.get(), scratch.data());
      CHECK(scratch.intact());
      CHECK((score->loss == loss || (std::isnan(score->loss) && std::isnan(loss))));
      CHECK(score->correct == correct);
      CHECK(score->finite == (std::isfinite(loss) ? 1 : 0));
    }
  }
  CHECK(right > 500);
  CHECK(wrong > 500);
}

// ---- Optimizers ------------------------------------------------------------------------------------------------------

TEST_CASE_TEMPLATE("optimizers", Copy, float, Bf16) {
  for (std::int64_t n : {1, 3, 100, 5000})
    for (std::uint64_t seed = 1; seed <= 16; ++seed) {
      INFO(n, " parameters, seed ", seed);
      Draw draw(seed);
      const Numbers w = draw.numbers(n), g = draw.numbers(n), m = draw.numbers(n), v = draw.numbers(n, 0.01, 1);
      const auto g_ = as<float>(g), w_ = as<float>(w), m_ = as<float>(m), v_ = as<float>(v);
      const double rate = draw.number(0.001, 0.1), first = draw.number(0, 0.95), second = draw.number(0.9, 0.999),
                   decay = draw.chance(50) ? 0 : draw.number(0, 0.1), epsilon = draw.number(1e-7, 1e-3);
      const bool flag = draw.chance(50), plain = draw.chance(30), copies = draw.chance(70);
      const std::int64_t step = draw.chance(30) ? 1 : draw.between(2, 10000);
      const double corrected = rate * std::sqrt(1 - std::pow(second, step)) / (1 - std::pow(first, step));
      const auto numbers = std::make_unique<cuda::UpdateNumbers>(
          cuda::UpdateNumbers{static_cast<float>(rate), static_cast<float>(corrected)});
      const auto halt = std::make_unique<std::int32_t>();
      const auto f = [](double x) { return static_cast<float>(x); };
      const Out<Copy> copy(copies ? n : 0);

      const auto sgd = [&](std::int32_t halted) {
        *halt = halted;
        return launch(
            [&](Runner& run, float* to, float* velocity, Copy* other) {
              cuda::sgd_update(run, n, numbers.get(), halt.get(), f(first), flag, f(decay), to, g_.data(),
                               plain ? nullptr : velocity, copies ? other : nullptr);
            },
            Out<float>(w), Out<float>(m), copy);
      };
      Numbers new_w = w, new_m = m, w_size(w.size()), m_size(w.size());
      reference::sgd_update(n, rate, first, flag, decay, new_w.data(), g.data(), plain ? nullptr : new_m.data());
      for (std::size_t i = 0; i < w.size(); ++i) {
        m_size[i] = std::abs(m[i]) + rate * (std::abs(g[i]) + decay * std::abs(w[i]));
        w_size[i] = std::abs(w[i]) + 2 * m_size[i];
      }
      {
        const auto [to, velocity, other] = sgd(0);
        check_close("w of sgd", to, new_w, w_size, 4);
        check_close("velocity of sgd", velocity, new_m, m_size, 4);
        if (copies) check_equal("copy of sgd", other, seen<Copy>(as_numbers(to)));
        const auto [halted, halted_velocity, halted_other] = sgd(1);
        CHECK((same_bits(halted, w_) && same_bits(halted_velocity, m_)));
        check_equal("no copy", halted_other, Numbers(halted_other.size(), std::nan("")));
      }

      const auto adam = [&](std::int32_t halted) {
        *halt = halted;
        return launch(
            [&](Runner& run, float* to, float* mean, float* square, Copy* other) {
              cuda::adam_update(run, n, numbers.get(), halt.get(), f(first), f(second), f(epsilon), f(decay), flag, to,
                                g_.data(), mean, square, copies ? other : nullptr);
            },
            Out<float>(w), Out<float>(m), Out<float>(v), copy);
      };
      new_w = w, new_m = m;
      Numbers new_v = v, v_size(w.size());
      reference::adam_update(n, rate, first, second, epsilon, decay, flag, step, new_w.data(), g.data(), new_m.data(),
                             new_v.data());
      for (std::size_t i = 0; i < w.size(); ++i) {
        const double gradient = std::abs(g[i]) + decay * std::abs(w[i]);
        m_size[i] = std::abs(m[i]) + gradient;
        v_size[i] = v[i] + gradient * gradient;
        w_size[i] = 2 * std::abs(w[i]) + corrected * m_size[i] / std::sqrt(new_v[i]) * (1 + v_size[i] / new_v[i]);
      }
      const auto [to, mean, square, other] = adam(0);
      check_close("w of adam", to, new_w, w_size, 4);
      check_close("m of adam", mean, new_m, m_size, 4);
      check_close("v of adam", square, new_v, v_size, 4);
      if (copies) check_equal("copy of adam", other, seen<Copy>(as_numbers(to)));
      const auto [halted, halted_mean, halted_square, halted_other] = adam(1);
      CHECK((same_bits(halted, w_) && same_bits(halted_mean, m_) && same_bits(halted_square, v_)));
      check_equal("no copy", halted_other, Numbers(halted_other.size(), std::nan("")));
    }
}

TEST_CASE("once a loss is not finite, training halts and stays so") {
  Runner run(Runner::orders[0]);
  const auto halt = std::make_unique<std::int32_t>(0);
  const auto score = std::make_unique<cuda::StepScore>(cuda::StepScore{2, 0, 1});
  cuda::halt_unless_finite(run, score.get(), halt.get());
  CHECK(*halt == 0);
  score->finite = 0;
  cuda::halt_unless_finite(run, score.get(), halt.get());
  CHECK(*halt == 1);
  score->finite = 1;
  cuda::halt_unless_finite(run, score.get(), halt.get());
  CHECK(*halt == 1);
}

TEST_CASE("gradients clipped by their norm") {
  for (const std::int64_t n : {1, 31, 32, 5000, 1'500'000}) {
    INFO(n, " gradients");
    Draw draw(static_cast<std::uint64_t>(n));
    Numbers g = draw.numbers(n);
    double square = 0;
    for (const double v : g) square += v * v;
    const double norm = std::sqrt(square);
    const auto clipped = [&](double limit, int halted = 0) {
      const Numbers before{static_cast<double>(halted)}, five{5};
      const auto [to, scratch, halt, finite] = launch(
          [&](Runner& run, float* out, double* work, std::int32_t* h, std::int32_t* f) {
            cuda::clip_by_norm(run, n, limit, out, work, h, f);
          },
          Out<float>(g), Out<double>(cuda::clip_by_norm_scratch(n)), Out<std::int32_t>(before), Out<std::int32_t>(five));
      const bool number = std::isfinite(g[0]);
      CHECK(halt[0] == (number ? halted : 1));
      CHECK(finite[0] == (number || halted ? 5 : cuda::gradients_not_finite));
      CHECK(std::none_of(scratch.begin(), scratch.end() - 1, [](double x) { return x == 0; }));
      return to;
    };
    check_close("a third", clipped(norm / 3), map(g, [](double v) { return v / 3; }), absolute(g), 1);
    check_equal("short enough", clipped(norm * 1.001), g);
    for (const double odd : {std::numeric_limits<double>::infinity(), std::nan("")}) {
      g[0] = odd;
      check_equal("no norm", clipped(norm / 3), g);
      check_equal("no norm, halted before", clipped(norm / 3, 1), g);
    }
  }
}

// ---- Images ----------------------------------------------------------------------------------------------------------

// Every batch of an epoch as Batches makes it and as the device does, from the images that the host would stage.
template <class Data>
void check_images(const Data& data, const strata::BatchOptions& options, std::uint64_t epoch) {
  using Pixel = std::remove_cvref_t<decltype(data.pixels(0)[0])>;
  strata::Batches<Data> batches(data, options);
  const auto size = static_cast<std::size_t>(Data::image.size());
  const auto& [mean, stddev] = options.normalize;
  const auto epoch_ = std::make_unique<std::uint64_t>(epoch);
  std::size_t images = 0;
  batches.start(epoch);
  while (const strata::Batch* b = batches.next()) {
    std::vector<Pixel> staged;
    std::vector<std::uint32_t> indices;
    for (const int label : b->targets.classes) {  // a label is an index here
      indices.push_back(static_cast<std::uint32_t>(label));
      const auto pixels = data.pixels(static_cast<std::size_t>(label));
      staged.insert(staged.end(), pixels.begin(), pixels.end());
    }
    const auto fill = [&](Runner& run, auto* out) {
      cuda::fill_images(run, Data::image, b->size, options.augment, options.seed, epoch_.get(), indices.data(),
                        mean.empty() ? nullptr : mean.data(), stddev.empty() ? nullptr : stddev.data(), staged.data(), out);
    };
    const auto n = static_cast<std::int64_t>(b->images.size());
    const auto [floats, rounded] =
        launch([&](Runner& run, float* out, Bf16* half) { fill(run, out), fill(run, half); }, Out<float>(n), Out<Bf16>(n));
    const std::vector<float> want(b->images.begin(), b->images.end());
    CHECK(same_bits(floats, want));
    CHECK(same_bits(rounded, as<Bf16>(as_numbers(want))));
    images += b->images.size() / size;
  }
  CHECK(images == data.size());
}

TEST_CASE_TEMPLATE("images as the CPU fills batches with them", Pixel, std::uint8_t, float) {
  using Data = strata::ArrayDataset<Shape{7, 6, 3}, 100, Pixel>;
  Draw draw(5);
  std::vector<Pixel> pixels;
  std::vector<int> labels;
  for (int i = 0; i < 100; ++i) {
    labels.push_back(i);
    for (std::int64_t k = 0; k < Data::image.size(); ++k)
      pixels.push_back(std::is_same_v<Pixel, float> ? number<Pixel>(draw.number(-3, 3))
                                                    : number<Pixel>(draw.between(0, 255)));
  }
  const Data data(pixels, labels);
  const strata::Normalize scale{.mean = {0.25f, -0.5f, 0.1f}, .stddev = {0.3f, 2.f, 0.7f}};
  const strata::Augment all{.width_shift = 0.4, .height_shift = 0.3, .horizontal_flip = true, .pad_crop = 2};
  for (const strata::Augment& augment :
       {strata::Augment{}, strata::Augment{.width_shift = 0.1, .height_shift = 0.1}, strata::Augment{.width_shift = 1},
        strata::Augment{.horizontal_flip = true}, strata::Augment{.pad_crop = 1}, all})
    for (const strata::Normalize& normalize :
         {strata::Normalize{}, scale, strata::Normalize{scale.mean, {}}, strata::Normalize{{}, scale.stddev}})
      for (const std::uint64_t epoch : {std::uint64_t{0}, std::uint64_t{3}, std::uint64_t{1} << 34})
        check_images(
            data,
            {.batch = 32, .seed = 0x123456789, .shuffle = true, .augment = augment, .normalize = normalize, .threads = 0},
            epoch);
}

}  // namespace
