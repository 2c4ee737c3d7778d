// SPDX-License-Identifier: BSL-1.0
// Data sets as types: the compiler knows the shape of the images and, in most cases, the target.
#pragma once
#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>
#include <strata/core/target.hpp>
#include <strata/data/targets.hpp>
#include <strata/util/checksum.hpp>
#include <strata/util/random.hpp>

namespace strata::inline STRATA_ABI {

// A file or an array with wrong content: "train.bin: record 7: label 12; expected 0 to 9".
class DataError : public std::runtime_error {
 public:
  static constexpr std::int64_t whole = -1;  // for `record`: the error concerns the whole file

  DataError(std::string file, std::int64_t record, const std::string& found, std::string expected);

  [[nodiscard]] const std::string& file() const noexcept { return file_; }
  [[nodiscard]] std::int64_t record() const noexcept { return record_; }  // from 0, or `whole`
  [[nodiscard]] const std::string& expected() const noexcept { return expected_; }

 private:
  std::string file_, expected_;
  std::int64_t record_;
};

namespace detail {

template <class D>
inline constexpr TargetKind target_kind = target_of<D>().kind;

// The type of a target's elements.
template <class D>
using TargetElement = std::conditional_t<is_class(target_kind<D>), int, float>;

// std::uint8_t or float.
template <class D>
using PixelOf = std::remove_cvref_t<decltype(*std::declval<const D&>().pixels(0).data())>;

// Elements of one sample's target.
template <class D>
inline constexpr auto target_size = static_cast<std::size_t>(target_of<D>().size());

template <class D>
concept GivesLabels = target_kind<D> == TargetKind::class_index && requires(const D& d, std::size_t i) {
  { d.label(i) } -> std::convertible_to<int>;
  requires target_of<D>().known() || requires {
    { d.class_count() } -> std::convertible_to<int>;
  };
};
template <class D>
concept GivesTargets = target_kind<D> != TargetKind::class_index && requires(const D& d, std::size_t i) {
  { d.targets(i) } -> std::convertible_to<std::span<const TargetElement<D>>>;
};

// Whether the data set varies its samples by random numbers, and names how.
template <class D>
concept Loads =
    requires(const D& d, std::size_t i, std::span<PixelOf<D>> to, const Random& random) { d.load(i, to, random); };
template <class D>
concept Describes = requires(const D& d) {
  { d.describe() } -> std::convertible_to<std::string>;
};
// Whether a sample takes so long to make that several threads should.
template <class D>
constexpr bool decodes_of() {
  if constexpr (requires { bool{D::decodes}; })
    return D::decodes;
  else
    return false;
}
template <class D>
inline constexpr bool decodes = decodes_of<D>();

}  // namespace detail

// A data set has size() samples. Sample i has pixels(i), `image.size()` bytes or floats in the order (H,W,C), and a target:
// - one class: a static `classes` and label(i) in [0, classes); or class_count() where the number is known at run time;
// - anything else: `static constexpr Target target` and targets(i), a span of target.size() elements, int for a class map
//   and float for labels, values and a distribution (core/target.hpp).
// A data set may also have `void load(i, to, random) const`, which batches then call instead of pixels(i): it writes sample
// i, varied by random numbers that belong to the sample and the epoch. Its describe() names how. With `static constexpr
// bool decodes = true` train() and evaluate() prepare batches by several threads. Batches scale bytes to [0, 1] and take
// floats as they are. The functions are called from a background thread, and from several at once if BatchOptions::threads
// is above 1; Batches::next rethrows what they throw. Batches copy the data set, so copies should be cheap.
template <class D>
concept Dataset = std::copy_constructible<D> && requires(const D& d, std::size_t i) {
  { D::image } -> std::convertible_to<Shape>;
  { d.size() } -> std::convertible_to<std::size_t>;
  requires detail::GivesLabels<D> || detail::GivesTargets<D>;
  requires std::convertible_to<decltype(d.pixels(i)), std::span<const std::uint8_t>> ||
               std::convertible_to<decltype(d.pixels(i)), std::span<const float>>;
};

// The number of classes; 0 if the targets are values.
template <Dataset D>
[[nodiscard]] int class_count(const D& data) {
  constexpr Target target = detail::target_of<D>();
  if constexpr (target.kind == TargetKind::values)
    return 0;
  else if constexpr (requires { data.class_count(); })
    return data.class_count();
  else
    return target.output.channels;
}

// The names of the classes: a static `class_names`, or a member function class_names() that gives them at run time. A class
// without a name gets its number.
template <Dataset D>
[[nodiscard]] std::vector<std::string> class_names(const D& data) {
  std::vector<std::string> names;
  if constexpr (requires { std::string_view(*std::begin(data.class_names())); })
    for (const auto& name : data.class_names()) names.emplace_back(name);
  else if constexpr (requires { std::string_view(D::class_names[0]); })
    for (const auto& name : D::class_names) names.emplace_back(name);
  const auto count = static_cast<std::size_t>(class_count(data));
  while (names.size() < count) names.push_back(std::to_string(names.size()));
  return names;
}

namespace detail {

// Throws DataError unless a data set gives the elements of a target that it declares.
void check_elements(std::size_t sample, std::size_t found, std::size_t expected);
// Copies the target of sample i to `to`, target_size<D> elements. Throws DataError if the data set gives another number.
template <class D>
void copy_target(const D& data, std::size_t i, TargetElement<D>* to) {
  if constexpr (target_kind<D> == TargetKind::class_index) {
    *to = data.label(i);
  } else {
    const auto found = data.targets(i);
    check_elements(i, found.size(), target_size<D>);
    std::copy_n(found.data(), target_size<D>, to);
  }
}

// Throws DataError unless the label of a sample is in [0, classes), and std::invalid_argument unless one_hot is for as many
// classes as a data set has.
void check_label(std::size_t sample, int label, int classes);
void check_one_hot(int found, int classes);
// Throws std::out_of_range unless the samples [first, first + count) are in a data set of this size.
void check_subset(std::size_t first, std::size_t count, std::size_t size);
// Throws DataError unless arrays fit: so many numbers of images with `pixels` each, and targets of a kind and a width with
// `each` elements a sample, each in its range.
void check_arrays(TargetKind kind, int width, std::size_t images, std::size_t pixels, const Targets& targets,
                  std::size_t each);

// The static members that declare a target, given as a Target or as a number of classes.
template <auto What>
struct Declared {
  static constexpr Target target = What;
};
template <auto What>
  requires std::convertible_to<decltype(What), int>
struct Declared<What> {
  static constexpr int classes = What;
};

// Images and targets in memory, shared by all copies; `Derived` is the type that subset() returns.
template <class Derived, Shape Image, auto What, class Pixel>
class StoredImages : public Declared<What> {
  static_assert(std::is_same_v<Pixel, float> || std::is_same_v<Pixel, std::uint8_t>,
                "strata: pixels are float or std::uint8_t");
  static constexpr Target own = target_of<Declared<What>>();
  static_assert(Image.size() > 0 && own.known(), "strata: a data set has pixels, and classes or target elements");

 public:
  static constexpr Shape image = Image;

  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  // i < size().
  [[nodiscard]] int label(std::size_t i) const
    requires(own.kind == TargetKind::class_index)
  {
    return (*targets_)[first_ + i];
  }
  [[nodiscard]] auto targets(std::size_t i) const
    requires(own.kind != TargetKind::class_index)
  {
    return std::span<const Element>(targets_->data() + (first_ + i) * elements, elements);
  }
  // (H,W,C) of sample i, valid as long as any copy of this set.
  [[nodiscard]] std::span<const Pixel> pixels(std::size_t i) const { return {images_->data() + (first_ + i) * one, one}; }

  // The samples [first, first + count), sharing the pixels. Throws std::out_of_range past the end.
  [[nodiscard]] Derived subset(std::size_t first, std::size_t count) const {
    check_subset(first, count, count_);
    Derived part = static_cast<const Derived&>(*this);
    StoredImages& base = part;
    base.first_ += first;
    base.count_ = count;
    return part;
  }

 protected:
  static constexpr auto one = static_cast<std::size_t>(Image.size());
  static constexpr auto elements = static_cast<std::size_t>(own.size());
  using Element = std::conditional_t<is_class(own.kind), int, float>;

  StoredImages() = default;
  // images (N,H,W,C), targets (N, elements); the caller has checked them.
  StoredImages(std::vector<Pixel>&& images, std::vector<Element>&& targets)
      : count_(targets.size() / elements),
        images_(std::make_shared<const std::vector<Pixel>>(std::move(images))),
        targets_(std::make_shared<const std::vector<Element>>(std::move(targets))) {}

 private:
  std::size_t first_ = 0, count_ = 0;
  std::shared_ptr<const std::vector<Pixel>> images_;
  std::shared_ptr<const std::vector<Element>> targets_;
};

}  // namespace detail

// Arrays in memory; copies share them. The second argument is the number of classes or a Target:
//   ArrayDataset<Shape{28, 28, 1}, 10>(images, labels)
//   ArrayDataset<Shape{28, 28, 1}, Target::values(Shape{4})>(images, boxes)
template <Shape Image, auto What, class Pixel = float>
class ArrayDataset : public detail::StoredImages<ArrayDataset<Image, What, Pixel>, Image, What, Pixel> {
  using Base = detail::StoredImages<ArrayDataset, Image, What, Pixel>;
  using Element = typename Base::Element;

 public:
  static constexpr std::string_view name = "arrays";

  ArrayDataset() = default;
  // images (N,H,W,C). targets: labels (N) in [0, classes); otherwise (N, elements of the target), classes in their range,
  // labels and probabilities from 0 to 1, the probabilities of a sample with the sum 1, values finite. Throws DataError
  // if the sizes do not fit each other or an element is out of its range.
  ArrayDataset(std::vector<Pixel> images, std::vector<Element> targets)
      : Base((check(images, targets), std::move(images)), std::move(targets)) {}

 private:
  static void check(const std::vector<Pixel>& images, const std::vector<Element>& targets) {
    constexpr Target target = detail::target_of<detail::Declared<What>>();
    detail::check_arrays(target.kind, target.output.channels, images.size(), Base::one, targets, Base::elements);
  }
};

// The size of a data set, how it varies its samples, and a checksum of at most 16 of its samples: reading all of a large
// one would take too long.
template <Dataset Data>
[[nodiscard]] std::string data_fingerprint(const Data& data) {
  constexpr std::size_t some = 16;
  const std::size_t n = data.size();
  detail::Checksum sum;
  for (std::size_t i = 0; i < std::min(n, some); ++i) {
    const std::size_t index = n <= some ? i : i * (n - 1) / (some - 1);
    const auto pixels = data.pixels(index);
    sum.bytes(std::as_bytes(std::span(pixels.data(), pixels.size())));
    if constexpr (detail::target_kind<Data> == TargetKind::class_index) {
      sum.word(static_cast<std::uint64_t>(data.label(index)));
    } else {
      const auto targets = data.targets(index);
      sum.bytes(std::as_bytes(std::span<const detail::TargetElement<Data>>(targets)));
    }
  }
  std::string text = std::to_string(n) + " images, " + sum.digits();
  if constexpr (detail::Describes<Data>)
    if (const std::string how = data.describe(); !how.empty()) text += ", " + how;
  return text;
}

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/data/dataset_impl.hpp>
#endif
