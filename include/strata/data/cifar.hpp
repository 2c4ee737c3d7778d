// SPDX-License-Identifier: BSL-1.0
// CIFAR-10 and CIFAR-100 (Krizhevsky 2009) from the official binary files: records of one or two label bytes and 3072
// pixels, red plane, green plane, blue plane. 50,000 training and 10,000 test images of 32x32x3.
#pragma once
#include <algorithm>
#include <array>
#include <filesystem>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/data/dataset.hpp>
#include <strata/data/file.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

// Appends the pixels of `records` records to images, as HWC, and their labels to labels. A record begins with limits.size()
// label bytes, each below its limit; the label at position `which` is kept. Throws DataError if the file has another
// format.
void read_cifar(const std::filesystem::path& file, std::size_t records, std::span<const int> limits, std::size_t which,
                std::vector<std::uint8_t>& images, std::vector<int>& labels);

// dir / folder / file if that exists, otherwise dir / file.
std::filesystem::path in_folder(const std::filesystem::path& dir, std::string_view folder, std::string_view file);

// The first N words of a text, as the names of classes.
template <std::size_t N>
constexpr std::array<std::string_view, N> names_in(std::string_view text) {
  std::array<std::string_view, N> out;
  for (std::string_view& name : out) {
    name = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(name.size() + 1, text.size()));
  }
  return out;
}

}  // namespace detail

// dir contains cifar-10-batches-bin/ or its .bin files. Throws DataError for a file that is missing, too short or too long,
// and for a label above 9.
class Cifar10 : public detail::StoredImages<Cifar10, Shape{32, 32, 3}, 10, std::uint8_t> {
 public:
  static constexpr std::string_view name = "cifar10";
  static constexpr std::array<std::string_view, 10> class_names{"airplane", "automobile", "bird",  "cat",  "deer",
                                                                "dog",      "frog",       "horse", "ship", "truck"};

  static Cifar10 train(const std::filesystem::path& dir);
  static Cifar10 test(const std::filesystem::path& dir);

 private:
  Cifar10(std::vector<std::uint8_t> images, std::vector<int> labels) : StoredImages(std::move(images), std::move(labels)) {}

  static Cifar10 load(const std::filesystem::path& dir, std::initializer_list<std::string_view> files);
};

// The label of the two that Cifar100 gives.
struct Fine {
  static constexpr int classes = 100;
  static constexpr std::size_t label = 1;
  static constexpr std::string_view name = "cifar100";
  static constexpr std::array<std::string_view, 100> class_names = detail::names_in<100>(
      "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can "
      "castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin "
      "elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard "
      "lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear "
      "pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal "
      "shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank "
      "telephone television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm");
};
struct Coarse {
  static constexpr int classes = 20;
  static constexpr std::size_t label = 0;
  static constexpr std::string_view name = "cifar100-coarse";
  static constexpr std::array<std::string_view, 20> class_names = detail::names_in<20>(
      "aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices "
      "household_furniture insects large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes "
      "large_omnivores_and_herbivores medium_mammals non-insect_invertebrates people reptiles small_mammals trees "
      "vehicles_1 vehicles_2");
};

// dir contains cifar-100-binary/ or its .bin files. Fine: 100 classes; Coarse: the 20 superclasses. Throws DataError for a
// file that is missing, too short or too long, and for a label out of range.
template <class Labels = Fine>
class Cifar100 : public detail::StoredImages<Cifar100<Labels>, Shape{32, 32, 3}, Labels::classes, std::uint8_t> {
  using Base = detail::StoredImages<Cifar100, Shape{32, 32, 3}, Labels::classes, std::uint8_t>;

 public:
  static constexpr std::string_view name = Labels::name;
  static constexpr auto& class_names = Labels::class_names;

  static Cifar100 train(const std::filesystem::path& dir) { return load(dir, "train.bin", 50000); }
  static Cifar100 test(const std::filesystem::path& dir) { return load(dir, "test.bin", 10000); }

 private:
  Cifar100(std::vector<std::uint8_t> images, std::vector<int> labels) : Base(std::move(images), std::move(labels)) {}

  static Cifar100 load(const std::filesystem::path& dir, std::string_view file, std::size_t records) {
    constexpr std::array<int, 2> limits{Coarse::classes, Fine::classes};
    std::vector<std::uint8_t> images;
    std::vector<int> labels;
    detail::read_cifar(detail::in_folder(dir, "cifar-100-binary", file), records, limits, Labels::label, images, labels);
    return Cifar100(std::move(images), std::move(labels));
  }
};

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/data/cifar_impl.hpp>
#endif
