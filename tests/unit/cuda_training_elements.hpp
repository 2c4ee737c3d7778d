// SPDX-License-Identifier: BSL-1.0
// The GPU's own kernels of a training step beside losses and optimizers, which are in the conformance table: the score and
// the images, against the CPU's to the bit, and clipping.
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
#include <strata/data/batches.hpp>
#include <strata/training/metrics.hpp>

#include "cuda_elements.hpp"

namespace {

using namespace conformance;

// ---- The score ---------------------------------------------------------------------------------------------------------

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
    for (std::size_t i = 0; i < labels.size(); ++i) {  // as on the CPU
      const auto size = static_cast<std::size_t>(classes);
      loss += value_of(each_[i]);
      correct += strata::predicted_class(std::span<const double>(outputs).subspan(i * size, size)) == labels[i];
    }
    right += correct, wrong += batch - correct;
    for (const Runner::Order order : Runner::orders) {
      Runner run(order);
      const auto score = std::make_unique<cuda::StepScore>();
      Guarded<std::int32_t> scratch(batch);
      cuda::score<strata::TargetKind::class_index>(run, batch, classes, 0, outputs_.data(), labels.data(), each_.data(),
                                                   score.get(), scratch.data());
      CHECK(scratch.intact());
      CHECK((score->loss == loss || (std::isnan(score->loss) && std::isnan(loss))));
      CHECK(score->correct == correct);
      CHECK(score->finite == (std::isfinite(loss) ? 1 : 0));
    }
  }
  CHECK(right > 500);
  CHECK(wrong > 500);
}

// ---- The update --------------------------------------------------------------------------------------------------------

TEST_CASE("more right decisions than 2^31") {
  const std::vector<std::int32_t> right(35, 1 << 30);
  const std::vector<float> values(35, 0.5f);
  cuda::StepScore score{};
  cuda::detail::AddScores<float>{35, values.data(), right.data(), &score}(0);
  CHECK(score.correct == std::int64_t{35} << 30);
  CHECK(score.loss == 17.5);
  CHECK(score.finite == 1);
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
  const strata::Augment reflected{
      .width_shift = 0.4, .height_shift = 1, .alternating_flip = true, .pad_crop = 6, .reflect_border = true};
  for (const strata::Augment& augment :
       {strata::Augment{}, strata::Augment{.width_shift = 0.1, .height_shift = 0.1}, strata::Augment{.width_shift = 1},
        strata::Augment{.horizontal_flip = true}, strata::Augment{.pad_crop = 1}, all, reflected,
        strata::Augment{.alternating_flip = true}})
    for (const strata::Normalize& normalize :
         {strata::Normalize{}, scale, strata::Normalize{scale.mean, {}}, strata::Normalize{{}, scale.stddev}})
      for (const std::uint64_t epoch : {std::uint64_t{0}, std::uint64_t{3}, std::uint64_t{1} << 34})
        check_images(
            data,
            {.batch = 32, .seed = 0x123456789, .shuffle = true, .augment = augment, .normalize = normalize, .threads = 0},
            epoch);
}

}  // namespace
