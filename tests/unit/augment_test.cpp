// SPDX-License-Identifier: BSL-1.0
// Flips in turn, reflected borders, dropped batches, mixed images, and data sets that vary their own samples.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/data/batches.hpp>
#include <strata/data/mix.hpp>
#include <strata/data/one_hot.hpp>

using namespace strata;

namespace {

constexpr Shape shape{6, 5, 2};
using Data = ArrayDataset<shape, 4>;

Data made(std::size_t n) {
  std::vector<float> images;
  std::vector<int> labels;
  const Random random(9, Purpose::user);
  for (std::size_t i = 0; i < n * 60; ++i) images.push_back(random.uniform(i));
  for (std::size_t i = 0; i < n; ++i) labels.push_back(static_cast<int>(i % 4));
  return {images, labels};
}

// An epoch's images and targets, sorted by the place of the sample in the data set.
struct Epoch {
  std::vector<std::vector<float>> images, targets;
  std::vector<int> sizes;
  std::vector<std::uint32_t> order;
};
template <class D>
Epoch epoch_of(const D& data, const BatchOptions& options, std::uint64_t epoch) {
  Batches<D> batches(data, options);
  Epoch e;
  e.images.resize(data.size()), e.targets.resize(data.size());
  batches.start(epoch);
  while (const Batch* b = batches.next()) {
    e.sizes.push_back(b->size);
    const std::size_t one = b->images.size() / static_cast<std::size_t>(b->size),
                      each = b->targets.values.size() / static_cast<std::size_t>(b->size);
    for (std::size_t i = 0; i < b->indices.size(); ++i) {
      const auto image = b->images.subspan(i * one, one);
      const auto target = b->targets.values.subspan(i * each, each);
      e.images[b->indices[i]].assign(image.begin(), image.end());
      e.targets[b->indices[i]].assign(target.begin(), target.end());
      e.order.push_back(b->indices[i]);
    }
  }
  return e;
}
std::vector<float> mirrored(std::span<const float> image) {
  std::vector<float> to;
  for (std::size_t y = 0; y < 6; ++y)
    for (std::size_t x = 5; x-- > 0;)
      for (std::size_t c = 0; c < 2; ++c) to.push_back(image[(y * 5 + x) * 2 + c]);
  return to;
}

TEST_CASE("flips in turn: each image is mirrored in every other epoch, half of them in the first") {
  const Data data = made(200);
  const BatchOptions options{.batch = 32, .seed = 5, .shuffle = true, .augment = {.alternating_flip = true}};
  std::vector<bool> first;
  for (const std::uint64_t epoch : {0U, 1U, 2U, 7U}) {
    const Epoch e = epoch_of(data, options, epoch);
    int flips = 0;
    for (std::size_t i = 0; i < 200; ++i) {
      const std::vector<float> own(data.pixels(i).begin(), data.pixels(i).end());
      const bool flipped = e.images[i] == mirrored(own);
      REQUIRE((flipped || e.images[i] == own));
      flips += flipped;
      if (epoch == 0) first.push_back(flipped);
      CHECK(flipped == (first[i] != (epoch % 2 == 1)));
    }
    CHECK(std::abs(flips - 100) < 30);
  }
  BatchOptions other = options;
  other.seed = 6;
  CHECK(epoch_of(data, other, 0).images != epoch_of(data, options, 0).images);
}

TEST_CASE("a reflected place, as numpy's pad of mode reflect gives it") {
  std::vector<int> places;
  for (int at = -7; at < 10; ++at) places.push_back(detail::reflected(at, 4));
  CHECK(places == std::vector<int>{1, 0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2, 3});
  CHECK(detail::reflected(-3, 1) == 0);
  CHECK(detail::reflected(2, 2) == 0);
}

TEST_CASE("moving an image with a reflected border, against the definition") {
  std::vector<float> from(60), to(60);
  const Random random(5, Purpose::user);
  for (std::size_t i = 0; i < 60; ++i) from[i] = random.uniform(i);
  const auto mirror = [](int at, int size) {
    while (at < 0 || at >= size) at = at < 0 ? -at : 2 * (size - 1) - at;
    return at;
  };
  const Augment draws{
      .width_shift = 0.9, .height_shift = 0.9, .horizontal_flip = true, .pad_crop = 3, .reflect_border = true};
  double worst = 0;
  for (std::uint64_t image = 0; image < 200; ++image) {
    detail::Movement m = detail::draw_movement(draws, shape, 1, 0, image);
    if (image % 4 == 0) m.crop_down = m.crop_right = 0;
    if (image % 4 == 1) m.down = m.right = 0;
    detail::move_image(shape, m, from.data(), to.data());
    // The shifted image: linear between the pixels of the image continued by reflection. Then the crop of that.
    const auto shifted = [&](int i, int j, int c) {
      const double y = i - static_cast<double>(m.down), x = j - static_cast<double>(m.right);
      double sum = 0;
      for (int k = -20; k < 26; ++k)
        for (int l = -20; l < 25; ++l)
          sum += std::max(0.0, 1 - std::abs(y - k)) * std::max(0.0, 1 - std::abs(x - l)) *
                 static_cast<double>(from[static_cast<std::size_t>((mirror(k, 6) * 5 + mirror(l, 5)) * 2 + c)]);
      return sum;
    };
    for (int i = 0; i < 6; ++i)
      for (int j = 0; j < 5; ++j)
        for (int c = 0; c < 2; ++c) {
          const int y = mirror(i - m.crop_down, 6), x = mirror((m.flip ? 4 - j : j) - m.crop_right, 5);
          worst = std::max(
              worst, std::abs(shifted(y, x, c) - static_cast<double>(to[static_cast<std::size_t>((i * 5 + j) * 2 + c)])));
        }
  }
  CHECK(worst < 1e-5);
  // The edge pixel is not repeated.
  detail::move_image(shape, {.crop_down = 1, .reflect = true}, from.data(), to.data());
  CHECK(std::equal(to.begin(), to.begin() + 10, from.begin() + 10));
}

TEST_CASE("drop_last leaves out the batch that is not full") {
  const Data data = made(11);
  BatchOptions options{.batch = 4, .seed = 2, .shuffle = true};
  const Epoch whole = epoch_of(data, options, 3);
  CHECK(whole.sizes == std::vector<int>{4, 4, 3});
  options.drop_last = true;
  for (const int threads : {0, 3}) {
    options.threads = threads;
    const Epoch full = epoch_of(data, options, 3);
    CHECK(full.sizes == std::vector<int>{4, 4});
    CHECK(std::equal(full.order.begin(), full.order.end(), whole.order.begin()));
  }
  CHECK(Batches<Data>(data, options).steps() == 2);
  CHECK(Batches<Data>(made(8), options).steps() == 2);
  CHECK(Batches<Data>(made(3), options).steps() == 0);
}

TEST_CASE("one_hot makes distributions of classes") {
  const auto data = one_hot(made(6));
  CHECK(data.size() == 6);
  CHECK(data.targets(5) == std::array<float, 4>{0, 1, 0, 0});
  CHECK(data.pixels(3).data() == data.data().pixels(3).data());
  CHECK(class_names(data) == std::vector<std::string>{"0", "1", "2", "3"});
  CHECK(data_fingerprint(data) == data_fingerprint(one_hot<4>(made(6))));
  CHECK_THROWS_WITH_AS((void)one_hot<5>(made(6)), "strata: the data set has 4 classes; one_hot is for 5",
                       std::invalid_argument);
}

TEST_CASE("mixup and cutmix mix images and targets by the same share") {
  const auto data = one_hot(made(23));
  for (const bool cut : {false, true}) {
    BatchOptions options{.batch = 8, .seed = 3, .shuffle = true, .threads = 0};
    const Epoch plain = epoch_of(data, options, 1);
    (cut ? options.augment.cutmix : options.augment.mixup) = 1;
    const Epoch mixed = epoch_of(data, options, 1);
    CHECK(mixed.order == plain.order);
    std::size_t changed = 0;
    for (std::size_t place = 0; place < 23; ++place) {
      const std::size_t first = place / 8 * 8, last = std::min<std::size_t>(first + 7, 22);
      const std::size_t i = plain.order[place], partner = plain.order[place == first ? last : place - 1];
      const detail::Mixture m =
          detail::draw_mixture(options.augment, shape, detail::transform_random(3, 1, i, detail::mix_numbers));
      CHECK(m.cut == cut);
      CHECK((m.share >= 0 && m.share <= 1));
      std::size_t from_partner = 0;
      for (std::size_t p = 0; p < 60; ++p) {
        const int y = static_cast<int>(p / 10), x = static_cast<int>(p / 2 % 5);
        const bool inside = y >= m.top && y < m.bottom && x >= m.left && x < m.right;
        from_partner += inside;
        const float expected = !cut     ? m.share * plain.images[i][p] + (1 - m.share) * plain.images[partner][p]
                               : inside ? plain.images[partner][p]
                                        : plain.images[i][p];
        CHECK(mixed.images[i][p] == expected);
      }
      if (cut) CHECK(static_cast<double>(m.share) == doctest::Approx(1 - static_cast<double>(from_partner) / 60));
      changed += mixed.images[i] != plain.images[i];
      float sum = 0;
      for (std::size_t c = 0; c < 4; ++c) {
        CHECK(mixed.targets[i][c] ==
              doctest::Approx(m.share * plain.targets[i][c] + (1 - m.share) * plain.targets[partner][c]));
        sum += mixed.targets[i][c];
      }
      CHECK(sum == doctest::Approx(1));
    }
    CHECK(changed > 12);
    for (const int threads : {1, 4}) {
      options.threads = threads;
      const Epoch again = epoch_of(data, options, 1);
      CHECK(again.images == mixed.images);
      CHECK(again.targets == mixed.targets);
    }
    CHECK(epoch_of(data, options, 2).images != mixed.images);
  }
}

TEST_CASE("random numbers counted from an element are those from there on") {
  const Random random(7, Purpose::dropout, 2, 5);
  for (const std::uint64_t first : {0U, 4U, 5U, 1022U, 1023U}) {
    const Random later = random.from(first);
    for (std::uint64_t i = 0; i < 12; ++i) {
      CHECK(later.bits(i) == random.bits(first + i));
      CHECK(later.block(i / 4)[i % 4] == random.bits(first + i));
    }
    CHECK(later.from(3).bits(1) == random.bits(first + 4));
  }
}

TEST_CASE("shares follow the Beta distribution") {
  for (const double alpha : {0.2, 1.0, 3.0}) {
    double sum = 0, squares = 0;
    constexpr int n = 20000;
    for (std::uint64_t i = 0; i < n; ++i) {
      const double x = detail::draw_beta(alpha, detail::transform_random(1, 0, i, detail::mix_numbers), 4);
      CHECK_UNARY(x >= 0 && x <= 1);
      sum += x, squares += x * x;
    }
    const double mean = sum / n, variance = squares / n - mean * mean;
    CHECK(std::abs(mean - 0.5) < 0.01);
    CHECK(std::abs(variance * 4 * (2 * alpha + 1) - 1) < 0.03);
  }
  // With both, either has about half of the images.
  int cuts = 0;
  for (std::uint64_t i = 0; i < 1000; ++i)
    cuts += detail::draw_mixture({.mixup = 0.2, .cutmix = 1}, shape, detail::transform_random(1, 0, i, 0)).cut;
  CHECK(std::abs(cuts - 500) < 60);
}

// Adds a random number to a byte, and counts.
struct Varied {
  static constexpr Shape image{1, 2, 1};
  static constexpr int classes = 2;
  static constexpr bool decodes = true;
  bool vary = true;
  [[nodiscard]] static std::size_t size() { return 9; }
  [[nodiscard]] static int label(std::size_t i) { return static_cast<int>(i % 2); }
  [[nodiscard]] static std::vector<std::uint8_t> pixels(std::size_t i) {
    return {static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i)};
  }
  void load(std::size_t i, std::span<std::uint8_t> to, const Random& random) const {
    for (std::size_t p = 0; p < 2; ++p) to[p] = static_cast<std::uint8_t>(i + (vary ? 10 * (1 + random.below(8, p)) : 0));
  }
  [[nodiscard]] std::string describe() const { return vary ? "varied" : ""; }
};
static_assert(Dataset<Varied> && Dataset<OneHot<Varied, 2>> && OneHot<Varied, 2>::decodes);

TEST_CASE("a data set varies its samples by numbers of sample and epoch") {
  BatchOptions options{.batch = 4, .seed = 3, .shuffle = true, .threads = 0};
  const Epoch first = epoch_of(Varied{}, options, 0);
  for (std::size_t i = 0; i < 9; ++i) {
    const float added = first.images[i][0] * 255 - static_cast<float>(i);
    CHECK(std::fmod(std::round(added), 10.f) == 0);
    CHECK(added > 9);
  }
  options.batch = 9, options.threads = 2;
  CHECK(epoch_of(Varied{}, options, 0).images == first.images);
  CHECK(epoch_of(one_hot(Varied{}), options, 0).images == first.images);
  CHECK(epoch_of(Varied{}, options, 1).images != first.images);
  CHECK(epoch_of(Varied{.vary = false}, options, 0).images[3][0] == detail::unit_value(std::uint8_t{3}));
  CHECK(data_fingerprint(Varied{}) == data_fingerprint(Varied{.vary = false}) + ", varied");
}

TEST_CASE("an Augment describes and checks these") {
  CHECK(Augment{.alternating_flip = true, .pad_crop = 2, .reflect_border = true}.describe() ==
        "width_shift 0, height_shift 0, alternating_flip, pad_crop 2, reflect_border");
  CHECK(Augment{.mixup = 0.2, .cutmix = 1}.describe() == "width_shift 0, height_shift 0, pad_crop 0, mixup 0.2, cutmix 1");
  CHECK(Augment{.alternating_flip = true}.any());
  CHECK(!Augment{.alternating_flip = true}.needs_host());
  CHECK(Augment{.mixup = 1}.needs_host());
  const auto refused = [](const Augment& augment, const char* why) {
    CHECK_THROWS_WITH_AS(augment.validate(shape), why, std::invalid_argument);
  };
  refused({.horizontal_flip = true, .alternating_flip = true},
          "strata: choose horizontal_flip or alternating_flip, not both");
  refused({.horizontal_flip = true, .reflect_border = true},
          "strata: reflect_border needs a shift or pad_crop, which show the border");
  refused({.mixup = -1}, "strata: mixup or cutmix of -1 is not at least 0");
  refused({.cutmix = std::nan("")}, "strata: mixup or cutmix of nan is not at least 0");
  CHECK_THROWS_WITH_AS(Batches<Data>(made(2), {.augment = {.mixup = 1}}),
                       "strata: mixup and cutmix mix targets, and a class index cannot be mixed; give train() "
                       "one_hot(data) of data/one_hot.hpp, for training and validation",
                       std::invalid_argument);
  using Values = ArrayDataset<shape, Target::values(Shape{1})>;
  const Values values(std::vector<float>(120), {1, 2});
  CHECK_THROWS_WITH_AS(Batches<Values>(values, {.augment = {.cutmix = 1}}),
                       "strata: cutmix is for distributions and labels, not for values; take mixup", std::invalid_argument);
  Batches<Values> mixed(values, {.augment = {.mixup = 1}});
}

}  // namespace
