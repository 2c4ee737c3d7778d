// SPDX-License-Identifier: BSL-1.0
// The library's own transforms: what they compute, what they draw, and what they refuse.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/data/batches.hpp>
#include <strata/data/transforms.hpp>

using namespace strata;

namespace {

std::vector<float> noise(Shape s, std::uint64_t seed = 1) {
  std::vector<float> image(static_cast<std::size_t>(s.size()));
  const Random random(seed, Purpose::user);
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = random.uniform(i);
  return image;
}
Random numbers(std::uint64_t i) { return detail::transform_random(7, 3, i, 0); }
void near(std::span<const float> found, const std::vector<float>& expected, float by = 1e-5f) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(std::abs(found[i] - expected[i]) <= by);
}
template <class T>
void refused(const T& transform, Shape s, const std::string& why) {
  CHECK_THROWS_WITH_AS(transform.validate(s), why.c_str(), std::invalid_argument);
}

TEST_CASE("RandomErasing paints one box in the ranges") {
  constexpr Shape s{40, 30, 2};
  const RandomErasing erasing{.probability = 0.25, .least_area = 0.05, .most_area = 0.2, .value = -1};
  int painted = 0;
  std::set<int> tops, lefts;
  double smallest = 1, largest = 0, flattest = 9, tallest = 0;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const std::vector<float> before = noise(s);
    std::vector<float> image = before;
    erasing(image, s, numbers(i));
    int top = 40, left = 30, bottom = 0, right = 0, count = 0;
    for (int y = 0; y < 40; ++y)
      for (int x = 0; x < 30; ++x) {
        const auto at = static_cast<std::size_t>((y * 30 + x) * 2);
        CHECK_UNARY((image[at] == -1) == (image[at + 1] == -1));
        if (image[at] != -1) {
          CHECK_UNARY(image[at] == before[at]);
          continue;
        }
        ++count;
        top = std::min(top, y), left = std::min(left, x), bottom = std::max(bottom, y + 1), right = std::max(right, x + 1);
      }
    if (count == 0) continue;
    ++painted;
    REQUIRE(count == (bottom - top) * (right - left));
    const double area = count / 1200.0, aspect = static_cast<double>(bottom - top) / (right - left);
    smallest = std::min(smallest, area), largest = std::max(largest, area);
    flattest = std::min(flattest, aspect), tallest = std::max(tallest, aspect);
    tops.insert(top), lefts.insert(left);
  }
  CHECK(std::abs(painted - 500) < 80);
  CHECK((smallest > 0.04 && smallest < 0.06 && largest < 0.22 && largest > 0.17));
  CHECK((flattest > 0.25 && flattest < 0.45 && tallest > 2.4 && tallest < 4.2));
  CHECK((tops.size() > 25 && lefts.size() > 15));
  refused(RandomErasing{.probability = 2}, s, "strata: RandomErasing has the probability 2");
  refused(RandomErasing{.least_area = 0.5}, s,
          "strata: RandomErasing has areas from 0.5 to 0.33; expected more than 0, up to 1");
  refused(RandomErasing{.least_aspect = 0}, s,
          "strata: RandomErasing has aspects from 0 to 3.3333333333333335; expected more than 0");
}

TEST_CASE("RandomResizedCrop takes parts in the ranges, and resizes them") {
  const RandomResizedCrop crop{};
  double smallest = 1, largest = 0, narrowest = 9, widest = 0, mean = 0;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const ImageBox b = crop.draw(300, 400, numbers(i));
    REQUIRE((b.top >= 0 && b.left >= 0 && b.top + b.height <= 300 && b.left + b.width <= 400));
    const double area = b.height * b.width / 120000.0, aspect = static_cast<double>(b.width) / b.height;
    smallest = std::min(smallest, area), largest = std::max(largest, area), mean += area / 2000;
    narrowest = std::min(narrowest, aspect), widest = std::max(widest, aspect);
  }
  CHECK((smallest > 0.078 && smallest < 0.085 && largest > 0.95));
  CHECK((narrowest > 0.74 && narrowest < 0.76 && widest > 1.31 && widest < 1.35));
  CHECK(std::abs(mean - 0.429) < 0.015);  // by a simulation: the largest do not always fit
  // None fits: the largest in the middle.
  const ImageBox middle = RandomResizedCrop{.least_area = 1, .most_area = 1}.draw(100, 400, numbers(0));
  CHECK((middle.top == 0 && middle.height == 100 && middle.width == 133 && middle.left == 133));
  const ImageBox high = RandomResizedCrop{.least_area = 1, .most_area = 1}.draw(400, 90, numbers(0));
  CHECK((high.left == 0 && high.width == 90 && high.height == 120 && high.top == 140));
  // On an image: as resize() does with the part.
  constexpr Shape s{9, 12, 3};
  Image bytes{9, 12, 3, {}};
  std::vector<float> image;
  for (std::size_t i = 0; i < 324; ++i) {
    bytes.pixels.push_back(static_cast<std::uint8_t>(i * i * 31));
    image.push_back(static_cast<float>(bytes.pixels.back()) / 255);
  }
  crop(image, s, numbers(5));
  const Image expected = resize(bytes, crop.draw(9, 12, numbers(5)), 9, 12);
  for (std::size_t i = 0; i < 324; ++i) CHECK(std::abs(image[i] * 255 - static_cast<float>(expected.pixels[i])) < 0.51f);
  for (const int channels : {1, 2}) {  // each channel for itself
    const Shape other{9, 12, channels};
    std::vector<float> planes;
    for (std::size_t i = 0; i < 108; ++i)
      for (int c = 0; c < channels; ++c) planes.push_back(static_cast<float>(bytes.pixels[3 * i + std::size_t(c)]) / 255);
    crop(planes, other, numbers(5));
    for (std::size_t i = 0; i < 108; ++i)
      for (std::size_t c = 0; c < std::size_t(channels); ++c)
        CHECK(planes[i * std::size_t(channels) + c] == image[3 * i + c]);
  }
  refused(RandomResizedCrop{.most_area = 1.5}, s,
          "strata: RandomResizedCrop has areas from 0.08 to 1.5; expected more than 0, up to 1");
}

TEST_CASE("an image turned and enlarged, against the definition") {
  constexpr Shape s{7, 5, 2};
  const std::vector<float> from = noise(s);
  const auto at = [&](int y, int x, int c, bool reflect) -> double {
    const auto mirror = [](int k, int size) {
      while (k < 0 || k >= size) k = k < 0 ? -k : 2 * (size - 1) - k;
      return k;
    };
    if (!reflect && (y < 0 || y >= 7 || x < 0 || x >= 5)) return 0.25;
    return static_cast<double>(from[static_cast<std::size_t>((mirror(y, 7) * 5 + mirror(x, 5)) * 2 + c)]);
  };
  for (const bool reflect : {false, true})
    for (std::uint64_t i = 0; i < 20; ++i) {
      const double u = static_cast<double>(numbers(i).uniform(0));
      const double angle = (-120 + 240 * u) * 3.14159265358979 / 180, factor = 0.5 + 2 * u;
      std::vector<float> turned = from, enlarged = from;
      RandomRotation{.degrees = 120, .reflect = reflect, .value = 0.25}(turned, s, numbers(i));
      RandomZoom{.least = 0.5, .most = 2.5, .reflect = reflect, .value = 0.25}(enlarged, s, numbers(i));
      for (int y = 0; y < 7; ++y)
        for (int x = 0; x < 5; ++x)
          for (int c = 0; c < 2; ++c) {
            const auto value = [&](double v, double h) {
              double sum = 0;
              for (int k = -20; k < 28; ++k)
                for (int l = -20; l < 28; ++l) {
                  const double w = std::max(0.0, 1 - std::abs(v - k)) * std::max(0.0, 1 - std::abs(h - l));
                  if (w > 0) sum += w * at(k, l, c, reflect);
                }
              return sum;
            };
            const auto place = static_cast<std::size_t>((y * 5 + x) * 2 + c);
            const double cosine = std::cos(angle), sine = std::sin(angle);
            CHECK(static_cast<double>(turned[place]) ==
                  doctest::Approx(value(3 + cosine * (y - 3) + sine * (x - 2), 2 - sine * (y - 3) + cosine * (x - 2)))
                      .epsilon(1e-4));
            CHECK(static_cast<double>(enlarged[place]) ==
                  doctest::Approx(value(3 + (y - 3) / factor, 2 + (x - 2) / factor)).epsilon(1e-4));
          }
    }
  refused(RandomRotation{.degrees = 181}, s, "strata: RandomRotation by 181 degrees; expected 0 to 180");
  refused(RandomZoom{.least = 0}, s, "strata: RandomZoom by 0 to 1.2; expected more than 0");
}

// Values by Python: colorsys for the hue, torchvision's formulas for the others.
TEST_CASE("colours change as torchvision changes them") {
  const std::vector<float> two{0.2f, 0.4f, 0.6f, 0.9f, 0.5f, 0.1f};
  const auto after = [&](auto change) {
    std::vector<float> image = two;
    change(std::span<float>(image));
    return image;
  };
  near(after([](auto x) { detail::adjust_brightness(x, 1.5f); }), {0.3f, 0.6f, 0.9f, 1, 0.75f, 0.15f});
  // Brightness 0.36298 and 0.57391, mean 0.468445.
  near(after([](auto x) { detail::adjust_contrast(x, 3, 0.5f); }),
       {0.3342225f, 0.4342225f, 0.5342225f, 0.6842225f, 0.4842225f, 0.2842225f});
  near(after([](auto x) { detail::adjust_contrast(x.first(2), 1, 2); }), {0.1f, 0.5f, 0.6f, 0.9f, 0.5f, 0.1f});
  near(after([](auto x) { detail::adjust_saturation(x, 0); }),
       {0.36298f, 0.36298f, 0.36298f, 0.57391f, 0.57391f, 0.57391f});
  near(after([](auto x) { detail::adjust_saturation(x, 2); }), {0.03702f, 0.43702f, 0.83702f, 1, 0.42609f, 0});
  near(after([](auto x) { detail::adjust_hue(x, 0.25f); }), {0.6f, 0.2f, 0.6f, 0.1f, 0.9f, 0.1f});
  near(after([](auto x) { detail::adjust_hue(x, -0.4f); }), {0.56f, 0.6f, 0.2f, 0.18f, 0.1f, 0.9f});
  near(after([](auto x) { detail::adjust_hue(x, 0); }), two);
  near(after([](auto x) { detail::adjust_hue(x, 0.5f), detail::adjust_hue(x, 0.5f); }), two);
  std::vector<float> grey{0.3f, 0.3f, 0.3f};
  detail::adjust_hue(grey, 0.3f);
  CHECK(grey == std::vector<float>{0.3f, 0.3f, 0.3f});
}

TEST_CASE("ColorJitter draws factors in the ranges, in every order") {
  constexpr Shape one{1, 1, 3};
  float least = 9, most = 0;
  for (std::uint64_t i = 0; i < 500; ++i) {
    std::vector<float> image{0.5f, 0.25f, 0.125f};
    ColorJitter{.brightness = 0.4}(image, one, numbers(i));
    CHECK(image[0] == 2 * image[1]);
    least = std::min(least, image[0] / 0.5f), most = std::max(most, image[0] / 0.5f);
  }
  CHECK((least > 0.6f - 1e-5f && least < 0.62f && most > 1.38f && most <= 1.4f + 1e-5f));
  // Brightness that cuts off at 1 does not commute with saturation: both orders occur.
  std::set<bool> orders;
  for (std::uint64_t i = 0; i < 50; ++i) {
    std::vector<float> image = noise({4, 4, 3}), first = image;
    const ColorJitter jitter{.brightness = 3, .saturation = 3};
    jitter(image, {4, 4, 3}, numbers(i));
    const auto factor = [&](std::uint64_t element) {
      return static_cast<float>(4 * static_cast<double>(numbers(i).uniform(element)));
    };
    detail::adjust_brightness(first, factor(8)), detail::adjust_saturation(first, factor(10));
    orders.insert(image == first);
  }
  CHECK(orders.size() == 2);
  std::vector<float> same = noise(one);
  ColorJitter{}(same, one, numbers(1));
  CHECK(same == noise(one));
  refused(ColorJitter{.hue = 0.6}, one, "strata: ColorJitter turns the hue by 0.6; expected 0 to 0.5");
  refused(ColorJitter{.contrast = -1}, one, "strata: ColorJitter by -1; expected 0 or more");
  refused(ColorJitter{.saturation = 1}, {4, 4, 1},
          "strata: ColorJitter needs three channels, or one for brightness and contrast alone; the images have 1");
  ColorJitter{.brightness = 1, .contrast = 1}.validate({4, 4, 1});
}

TEST_CASE("PcaColorNoise adds one colour to all pixels, with the covariance of the paper") {
  constexpr Shape s{2, 2, 3};
  const PcaColorNoise noise_{};
  std::array<double, 3> squares{}, products{};
  constexpr int n = 20000;
  for (std::uint64_t i = 0; i < n; ++i) {
    std::vector<float> image(12, 0.f);
    noise_(image, s, numbers(i));
    for (std::size_t p = 3; p < 12; ++p) CHECK_UNARY(image[p] == image[p - 3]);
    for (std::size_t c = 0; c < 3; ++c) {
      const double x = static_cast<double>(image[c]);
      squares[c] += x * x / n, products[c] += x * static_cast<double>(image[(c + 1) % 3]) / n;
    }
  }
  for (std::size_t c = 0; c < 3; ++c) {
    double variance = 0, covariance = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      const double amount = 0.1 * noise_.values[k];
      variance += amount * amount * noise_.vectors[c][k] * noise_.vectors[c][k];
      covariance += amount * amount * noise_.vectors[c][k] * noise_.vectors[(c + 1) % 3][k];
    }
    CHECK(std::abs(squares[c] / variance - 1) < 0.04);
    CHECK(std::abs(products[c] / covariance - 1) < 0.04);
  }
  refused(noise_, {2, 2, 1}, "strata: PcaColorNoise needs three channels; the images have 1");
}

TEST_CASE("every transform is described, and the same for any number of threads and any batch") {
  constexpr Shape s{12, 10, 3};
  using Data = ArrayDataset<s, 2>;
  std::vector<float> pixels;
  for (std::uint64_t i = 0; i < 17; ++i)
    for (const float x : noise(s, i)) pixels.push_back(x);
  const Data data(pixels, std::vector<int>(17));
  const std::vector<ImageTransform> all{RandomErasing{},
                                        RandomResizedCrop{},
                                        RandomRotation{},
                                        RandomZoom{.reflect = true},
                                        ColorJitter{.brightness = 0.4, .contrast = 0.4, .saturation = 0.4, .hue = 0.1},
                                        PcaColorNoise{}};
  std::string described;
  for (const ImageTransform& t : all) described += t.describe() + "\n";
  CHECK(
      described ==
      "RandomErasing{probability 0.5, area 0.02 to 0.33, aspect 0.3 to 3.3333333333333335, value 0}\n"
      "RandomResizedCrop{area 0.08 to 1, aspect 0.75 to 1.3333333333333333}\n"
      "RandomRotation{degrees 10, value 0}\n"
      "RandomZoom{0.8 to 1.2, reflect}\n"
      "ColorJitter{brightness 0.4, contrast 0.4, saturation 0.4, hue 0.1}\n"
      "PcaColorNoise{stddev 0.1, values 0.2175 0.0188 0.0045, vectors -0.5675 0.7192 0.4009 -0.5808 -0.0045 -0.814 -0.5836 "
      "-0.6948 0.4203}\n");
  const auto run = [&](int batch, int threads) {
    Batches<Data> batches(data, {.batch = batch, .seed = 4, .augment = {.transforms = all}, .threads = threads});
    batches.start(2);
    std::vector<float> images;
    while (const Batch* b = batches.next()) images.insert(images.end(), b->images.begin(), b->images.end());
    return images;
  };
  const std::vector<float> expected = run(17, 0);
  CHECK(expected != pixels);
  CHECK(run(4, 0) == expected);
  CHECK(run(5, 3) == expected);
}

}  // namespace
