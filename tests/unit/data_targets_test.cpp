// SPDX-License-Identifier: BSL-1.0
// Data sets of every kind of target, in batches.
#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <strata/data/batches.hpp>
#include <strata/data/dataset.hpp>
#include <strata/data/targets.hpp>

using namespace strata;

namespace {

constexpr Shape image{2, 2, 1};

std::vector<float> images(std::size_t n) { return std::vector<float>(n * 4, 0.5f); }

template <class Data>
using Element = detail::TargetElement<Data>;

// The targets of the first epoch, batch by batch.
template <class Data>
std::vector<Element<Data>> all_targets(const Data& data, BatchOptions options) {
  std::vector<Element<Data>> all;
  Batches<Data> batches(data, options);
  batches.start(0);
  while (const Batch* b = batches.next()) {
    std::span<const Element<Data>> found;
    if constexpr (std::is_same_v<Element<Data>, int>) {
      found = b->targets.classes;
      CHECK(b->targets.values.empty());
    } else {
      found = b->targets.values;
      CHECK(b->targets.classes.empty());
    }
    CHECK(found.size() == static_cast<std::size_t>(b->size) * detail::target_size<Data>);
    all.insert(all.end(), found.begin(), found.end());
  }
  return all;
}

using Vectors = ArrayDataset<image, Target::values(Shape{3})>;
using Maps = ArrayDataset<image, Target::values(Shape{2, 2, 2})>;
using ClassMaps = ArrayDataset<image, Target::class_map(2, 2, 5)>;
using Several = ArrayDataset<image, Target::labels(4)>;
using Mixed = ArrayDataset<image, Target::distribution(2)>;
using Plain = ArrayDataset<image, 3>;

static_assert(Dataset<Vectors> && Dataset<Maps> && Dataset<ClassMaps> && Dataset<Several> && Dataset<Mixed>);
static_assert(detail::target_size<Maps> == 8 && detail::target_size<ClassMaps> == 4 && detail::target_size<Plain> == 1);
static_assert(Dataset<ArrayDataset<image, Target::classes(3), std::uint8_t>>);
template <class D>
concept CountsClasses = requires { int{D::classes}; };
static_assert(CountsClasses<Plain> && !CountsClasses<Vectors>);

// Classes that a folder on the disk decides.
struct Folders {
  static constexpr Shape image{2, 2, 1};
  std::vector<std::string> folders{"ant", "bee"};
  std::array<std::uint8_t, 4> bytes{};
  [[nodiscard]] std::size_t size() const { return 5; }
  [[nodiscard]] int class_count() const { return 3; }
  [[nodiscard]] std::vector<std::string> class_names() const { return folders; }
  [[nodiscard]] int label(std::size_t i) const { return static_cast<int>(i % 3); }
  [[nodiscard]] std::span<const std::uint8_t> pixels(std::size_t) const { return bytes; }
};
struct NoCount {
  static constexpr Shape image{2, 2, 1};
  [[nodiscard]] std::size_t size() const { return 5; }
  [[nodiscard]] int label(std::size_t) const { return 0; }
  [[nodiscard]] std::span<const std::uint8_t> pixels(std::size_t) const { return {}; }
};
// A target of floats, given as ints.
struct WrongElement : NoCount {
  static constexpr Target target = Target::values(Shape{2});
  [[nodiscard]] std::span<const int> targets(std::size_t) const { return {}; }
};
static_assert(Dataset<Folders> && !Dataset<NoCount> && !Dataset<WrongElement>);

// Targets of a size that changes.
struct Ragged {
  static constexpr Shape image{2, 2, 1};
  static constexpr Target target = Target::values(Shape{2});
  std::array<float, 4> some{1, 2, 3, 4};
  [[nodiscard]] std::size_t size() const { return 4; }
  [[nodiscard]] std::span<const float> pixels(std::size_t) const { return some; }
  [[nodiscard]] std::span<const float> targets(std::size_t i) const { return std::span(some).first(i == 2 ? 3 : 2); }
};

template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const DataError& e) {
    return e.what();
  }
  return "no DataError";
}

}  // namespace

TEST_CASE("anything contiguous is a target") {
  const std::vector<int> labels{1, 2};
  const std::array<float, 3> values{1, 2, 3};
  const auto size = [](const Targets& t) { return t.classes.size() * 10 + t.values.size(); };
  CHECK(size(labels) == 20);
  CHECK(size(std::span<const int>(labels)) == 20);
  CHECK(size(values) == 3);
  CHECK(size(std::vector<float>(2)) == 2);
  CHECK(size({}) == 0);
  CHECK(Targets{}.empty());
  CHECK(!Targets(labels).empty());
}

TEST_CASE("batches have the targets of every kind") {
  const std::vector<float> boxes{1, 2, 3, 4, 5, 6, 7, 8, 9, -1, 0, 1e9f};
  std::vector<float> numbers(24);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i);
  const std::vector<int> map{0, 1, 2, 3, 4, 4, 3, 2, 1, 0, 0, 0};
  const std::vector<float> labels{0, 1, 1, 0, 1, 1, 1, 1, 0, 0, 0, 0}, parts{0.25f, 0.75f, 1, 0, 0.5f, 0.5f};
  for (const int threads : {0, 1, 3}) {
    const BatchOptions options{.batch = 2, .threads = threads};
    CHECK(all_targets(Vectors(images(4), boxes), options) == boxes);
    CHECK(all_targets(Maps(images(3), numbers), options) == numbers);
    CHECK(all_targets(ClassMaps(images(3), map), options) == map);
    CHECK(all_targets(Several(images(3), labels), options) == labels);
    CHECK(all_targets(Mixed(images(3), parts), options) == parts);
    CHECK(all_targets(Plain(images(3), {2, 0, 1}), options) == std::vector<int>{2, 0, 1});
    CHECK(all_targets(Folders{}, options) == std::vector<int>{0, 1, 2, 0, 1});
  }
}

TEST_CASE("targets stay with their images when the order changes") {
  std::vector<float> pixels, values;
  for (int i = 0; i < 20; ++i)
    for (int k = 0; k < 4; ++k) pixels.push_back(static_cast<float>(i)), values.push_back(static_cast<float>(100 * i + k));
  const ArrayDataset<image, Target::values(Shape{4})> data(pixels, values);
  Batches batches(data, {.batch = 3, .seed = 1, .shuffle = true});
  batches.start(0);
  bool moved = false;
  for (int at = 0; const Batch* b = batches.next(); at += b->size)
    for (std::size_t i = 0; i < static_cast<std::size_t>(b->size); ++i) {
      CHECK(b->targets.values[4 * i + 3] == 100 * b->images[4 * i] + 3);
      moved = moved || b->indices[i] != static_cast<std::uint32_t>(at) + i;
    }
  CHECK(moved);
  const auto part = data.subset(5, 3);
  CHECK(part.targets(1)[2] == 602);
}

TEST_CASE("targets of a wrong size are refused with their index") {
  Batches batches(Ragged{}, {.batch = 2});
  batches.start(0);
  CHECK(batches.next());
  CHECK(error_of([&] { (void)batches.next(); }) == "data set: record 2: 3 target elements; expected 2");
}

TEST_CASE("arrays of targets are checked") {
  CHECK(error_of([] { Vectors(images(2), std::vector<float>(5)); }) ==
        "arrays: record 1: 5 target elements; expected a multiple of 3, the elements of one sample");
  CHECK(error_of([] { Vectors(images(2), std::vector<float>(9)); }) ==
        "arrays: record 2: 8 numbers for 3 targets; expected 12, 4 an image");
  CHECK(error_of([] { Vectors(images(1), {1, std::numeric_limits<float>::infinity(), 2}); }) ==
        "arrays: record 0: a target of inf; expected a finite number");
  CHECK(error_of([] { Several(images(1), {0, 1, 1.5f, 0}); }) == "arrays: record 0: a target of 1.5; expected 0 to 1");
  CHECK(error_of([] { Mixed(images(2), {0, 1, 0.5f, 0.25f}); }) ==
        "arrays: record 1: probabilities that sum to 0.75; expected a sum of 1");
  CHECK(error_of([] { ClassMaps(images(1), {0, 4, 5, 0}); }) == "arrays: record 0: label 5; expected 0 to 4");
  CHECK(Vectors().size() == 0);
}

TEST_CASE("the fingerprint of data covers their targets") {
  const Vectors one(images(2), {1, 2, 3, 4, 5, 6}), same(images(2), {1, 2, 3, 4, 5, 6}),
      other(images(2), {1, 2, 3, 4, 5, 7});
  CHECK(data_fingerprint(one) == data_fingerprint(same));
  CHECK(data_fingerprint(one) != data_fingerprint(other));
  CHECK(data_fingerprint(ClassMaps(images(1), {0, 1, 2, 3})) != data_fingerprint(ClassMaps(images(1), {0, 1, 2, 4})));
  CHECK(data_fingerprint(Plain(images(1), {0})) != data_fingerprint(Plain(images(1), {1})));
}

TEST_CASE("the number of classes and their names at run time") {
  CHECK(class_count(Folders{}) == 3);
  CHECK(class_names(Folders{}) == std::vector<std::string>{"ant", "bee", "2"});
  CHECK(class_count(Plain()) == 3);
  CHECK(class_names(Plain()) == std::vector<std::string>{"0", "1", "2"});
  CHECK(class_count(ClassMaps()) == 5);
  CHECK(class_count(Several()) == 4);
  CHECK(class_count(Vectors()) == 0);
  CHECK(class_names(Vectors()).empty());
}
