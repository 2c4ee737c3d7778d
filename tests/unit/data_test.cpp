// SPDX-License-Identifier: BSL-1.0
#include <doctest/doctest.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/data/batches.hpp>
#include <strata/data/cifar.hpp>
#include <strata/data/gzip.hpp>
#include <strata/data/idx.hpp>
#include <strata/data/normalize_for.hpp>
#include <strata/data/one_hot.hpp>
#include <strata/util/numbers.hpp>

#include "files.hpp"

using namespace strata;
namespace fs = std::filesystem;
using Bytes = std::vector<std::uint8_t>;

namespace {

// With one file after the other.
struct DataFolder : Folder {
  fs::path write(const std::string& name, const Bytes& bytes) const {
    put(path / name, bytes);
    return path / name;
  }
};

// Records of CIFAR: label bytes, then value(record, channel, pixel).
std::uint8_t pixel(std::size_t record, std::size_t c, std::size_t p) {
  return static_cast<std::uint8_t>(record * 7 + c * 50 + p);
}
Bytes cifar(const std::vector<Bytes>& labels) {
  Bytes bytes;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    bytes.insert(bytes.end(), labels[i].begin(), labels[i].end());
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t p = 0; p < 1024; ++p) bytes.push_back(pixel(i, c, p));
  }
  return bytes;
}

// The DataError that f throws.
template <class F>
DataError error_of(F f) {
  try {
    f();
  } catch (const DataError& e) {
    return e;
  }
  throw std::logic_error("no DataError");
}

bool says(const DataError& e, const std::string& part) { return std::string(e.what()).find(part) != std::string::npos; }

Bytes idx(std::uint32_t magic, const std::vector<std::uint32_t>& sizes, const Bytes& body) {
  Bytes bytes;
  const auto word = [&](std::uint32_t w) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(w >> shift));
  };
  word(magic);
  for (const std::uint32_t s : sizes) word(s);
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

Bytes grey(std::size_t images) {
  Bytes body(images * 784);
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<std::uint8_t>(i * 31 + i / 784);
  return body;
}

using Small = ArrayDataset<Shape{5, 4, 3}, 7>;
Small small(std::size_t n) {
  std::vector<float> images(n * 60);
  const Random random(99, Purpose::user);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = random.uniform(i);
  std::vector<int> labels(n);
  for (std::size_t i = 0; i < n; ++i) labels[i] = static_cast<int>(i % 7);
  return Small(std::move(images), std::move(labels));
}

struct Seen {
  std::vector<float> images;
  std::vector<int> labels, sizes;
  bool operator==(const Seen&) const = default;
};
template <class D>
Seen rest(Batches<D>& batches) {
  Seen seen;
  while (const Batch* b = batches.next()) {
    seen.images.insert(seen.images.end(), b->images.begin(), b->images.end());
    const std::span<const int> labels = b->targets.classes;
    seen.labels.insert(seen.labels.end(), labels.begin(), labels.end());
    seen.sizes.push_back(b->size);
  }
  return seen;
}

const Augment everything{.width_shift = 0.3, .height_shift = 0.2, .horizontal_flip = true, .pad_crop = 1};
const Normalize scale{{0.1f, 0.2f, 0.3f}, {0.5f, 0.25f, 2.f}};

// A user's own: no base class, no name, pixels made on the fly.
struct Stripes {
  static constexpr Shape image{2, 2, 1};
  static constexpr int classes = 2;
  std::size_t broken = 1000;
  std::vector<std::array<std::uint8_t, 4>> made{{0, 51, 102, 255}, {255, 0, 255, 0}};
  [[nodiscard]] std::size_t size() const { return 40; }
  [[nodiscard]] int label(std::size_t i) const { return static_cast<int>(i % 2); }
  [[nodiscard]] std::span<const std::uint8_t> pixels(std::size_t i) const {
    if (i == broken) throw DataError("stripes", static_cast<std::int64_t>(i), "torn", "whole");
    return made[i % 2];
  }
};
struct NoPixels {
  static constexpr Shape image{2, 2, 1};
  static constexpr int classes = 2;
  [[nodiscard]] std::size_t size() const { return 0; }
  [[nodiscard]] int label(std::size_t) const { return 0; }
};
struct DoublePixels : NoPixels {
  [[nodiscard]] std::span<const double> pixels(std::size_t) const { return {}; }
};

static_assert(Dataset<Cifar10> && Dataset<Cifar100<>> && Dataset<Cifar100<Coarse>> && Dataset<Mnist> &&
              Dataset<FashionMnist>);
static_assert(Dataset<PaddedRgb<FashionMnist>> && Dataset<Small> && Dataset<Stripes>);
static_assert(!Dataset<NoPixels> && !Dataset<DoublePixels> && !Dataset<int>);
static_assert(Cifar10::class_names.size() == 10 && Cifar10::class_names[9] == "truck");
static_assert(Cifar100<>::class_names[99] == "worm" && Cifar100<Coarse>::class_names[19] == "vehicles_2");
static_assert(Cifar100<>::classes == 100 && Cifar100<Coarse>::classes == 20 && Cifar100<>::name == "cifar100");

}  // namespace

TEST_CASE("arrays are checked") {
  const Small data = small(3);
  CHECK(data.size() == 3);
  CHECK(data.pixels(2).size() == 60);
  const DataError sizes = error_of([] { Small(std::vector<float>(119), {0, 1}); });
  CHECK(says(sizes, "119 numbers for 2 labels; expected 120"));
  const DataError label = error_of([] { Small(std::vector<float>(120), {0, 7}); });
  CHECK(label.record() == 1);
  CHECK(says(label, "record 1: label 7; expected 0 to 6"));
  CHECK_THROWS_AS(Small(std::vector<float>(60), {-1}), DataError);
  CHECK(Small().size() == 0);
}

TEST_CASE("a subset shares pixels and has the same type") {
  const Small data = small(10);
  const Small part = data.subset(3, 5).subset(1, 2);
  CHECK(part.size() == 2);
  CHECK(part.pixels(0).data() == data.pixels(4).data());
  CHECK(part.label(1) == data.label(5));
  CHECK(data.subset(10, 0).size() == 0);
  CHECK_THROWS_AS((void)data.subset(8, 3), std::out_of_range);
  CHECK_THROWS_AS((void)data.subset(11, 0), std::out_of_range);
  CHECK_THROWS_AS((void)data.subset(1, static_cast<std::size_t>(-1)), std::out_of_range);
}

TEST_CASE("CIFAR records become HWC") {
  const DataFolder folder;
  const fs::path file = folder.write("two.bin", cifar({{3, 99}, {19, 0}}));
  constexpr std::array<int, 2> limits{20, 100};
  for (const std::size_t which : {0U, 1U}) {
    Bytes images;
    std::vector<int> labels;
    detail::read_cifar(file, 2, limits, which, images, labels);
    CHECK(labels == (which == 0 ? std::vector<int>{3, 19} : std::vector<int>{99, 0}));
    REQUIRE(images.size() == 2 * 3072);
    bool same = true;
    for (std::size_t i = 0; i < 2; ++i)
      for (std::size_t p = 0; p < 1024; ++p)
        for (std::size_t c = 0; c < 3; ++c) same &= images[i * 3072 + p * 3 + c] == pixel(i, c, p);
    CHECK(same);
  }
}

TEST_CASE("CIFAR files that are not right") {
  const DataFolder folder;
  constexpr std::array<int, 1> ten{10};
  Bytes images;
  std::vector<int> labels;
  const auto read = [&](const fs::path& file) {
    return error_of([&] { detail::read_cifar(file, 3, ten, 0, images, labels); });
  };
  Bytes bytes = cifar({{1}, {2}, {3}});
  SUBCASE("missing") {
    const DataError e = read(folder.path / "none.bin");
    CHECK(e.file() == (folder.path / "none.bin").string());
    CHECK(e.record() == DataError::whole);
    CHECK(says(e, "No such file"));
    CHECK(says(e, "expected 3 records of 3073 bytes, 9219 in all"));
  }
  SUBCASE("a folder") { CHECK(read(folder.path).file() == folder.path.string()); }
  SUBCASE("truncated") {
    bytes.resize(2 * 3073 + 5);
    const DataError e = read(folder.write("short.bin", bytes));
    CHECK(e.record() == 2);
    CHECK(says(e, "record 2: the file ends after 6151 bytes"));
  }
  SUBCASE("truncated between records") {
    bytes.resize(2 * 3073);
    CHECK(read(folder.write("short.bin", bytes)).record() == 2);
  }
  SUBCASE("oversized") {
    bytes.push_back(0);
    const DataError e = read(folder.write("long.bin", bytes));
    CHECK(e.record() == 3);
    CHECK(says(e, "the file continues to 9220 bytes"));
  }
  SUBCASE("empty") { CHECK(read(folder.write("empty.bin", {})).record() == 0); }
  SUBCASE("mislabelled") {
    bytes[3073] = 10;
    const DataError e = read(folder.write("label.bin", bytes));
    CHECK(e.record() == 1);
    CHECK(says(e, "record 1: label 10; expected 0 to 9"));
  }
}

TEST_CASE("both labels of CIFAR-100 are checked") {
  const DataFolder folder;
  constexpr std::array<int, 2> limits{20, 100};
  Bytes images;
  std::vector<int> labels;
  const auto read = [&](const Bytes& coarse_fine) {
    const fs::path file = folder.write("train.bin", cifar({{19, 99}, coarse_fine}));
    return error_of([&] { detail::read_cifar(file, 2, limits, 0, images, labels); });
  };
  CHECK(says(read({20, 0}), "train.bin: record 1: label 20; expected 0 to 19"));
  CHECK(says(read({0, 100}), "train.bin: record 1: label 100; expected 0 to 99"));
}

TEST_CASE("CIFAR loaders find their files") {
  const DataFolder folder;
  const auto zeros = [&](const fs::path& file, std::uintmax_t size) {  // sparse: takes no room
    fs::create_directories((folder.path / file).parent_path());
    std::ofstream(folder.path / file).close();
    fs::resize_file(folder.path / file, size);
  };
  CHECK(error_of([&] { Cifar10::train(folder.path); }).file() == (folder.path / "data_batch_1.bin").string());
  zeros("cifar-10-batches-bin/test_batch.bin", 30'730'000);
  zeros("cifar-100-binary/test.bin", 30'740'000);
  CHECK(Cifar10::test(folder.path).size() == 10000);
  CHECK(Cifar10::test(folder.path / "cifar-10-batches-bin").subset(9999, 1).label(0) == 0);
  CHECK(Cifar100<Coarse>::test(folder.path).size() == 10000);
  zeros("cifar-100-binary/train.bin", 30'740'000);
  CHECK(error_of([&] { Cifar100<>::train(folder.path); }).record() == 10000);
  zeros("cifar-10-batches-bin/data_batch_1.bin", 30'730'000);
  zeros("cifar-10-batches-bin/data_batch_2.bin", 30'730'001);
  CHECK(error_of([&] { Cifar10::train(folder.path); }).file() ==
        (folder.path / "cifar-10-batches-bin" / "data_batch_2.bin").string());
}

TEST_CASE("IDX files, plain and packed") {
  const DataFolder folder;
  const Bytes images = idx(0x803, {3, 28, 28}, grey(3)), labels = idx(0x801, {3}, {9, 0, 4});
  const auto pack = [&](const std::string& name, const Bytes& bytes) {
    gzFile out = gzopen((folder.path / name).string().c_str(), "wb");
    gzwrite(out, bytes.data(), static_cast<unsigned>(bytes.size()));
    gzclose(out);
  };
  SUBCASE("plain") {
    folder.write("train-images-idx3-ubyte", images);
    folder.write("train-labels-idx1-ubyte", labels);
    const Mnist data = Mnist::train(folder.path);
    CHECK(data.size() == 3);
    CHECK(data.label(0) == 9);
    CHECK(std::equal(data.pixels(2).begin(), data.pixels(2).end(), grey(3).begin() + 2 * 784));
    CHECK(FashionMnist::train(folder.path, read_gzip_file).size() == 3);  // reads plain files as well
  }
  SUBCASE("packed") {
    pack("t10k-images-idx3-ubyte.gz", images);
    pack("t10k-labels-idx1-ubyte.gz", labels);
    const FashionMnist data = FashionMnist::test(folder.path, read_gzip_file, ".gz");
    CHECK(data.label(2) == 4);
    CHECK(std::equal(data.pixels(1).begin(), data.pixels(1).end(), grey(3).begin() + 784));
    const fs::path whole = folder.path / "t10k-images-idx3-ubyte.gz";
    CHECK(read_gzip_file_up_to(whole, images.size()) == images);
    CHECK(says(error_of([&] { read_gzip_file_up_to(whole, images.size() - 1); }), "it unpacks to more than"));
    Bytes packed = read_plain_file(folder.path / "t10k-images-idx3-ubyte.gz");
    const auto broken = [&](Bytes bytes) {
      const fs::path file = folder.write("t10k-images-idx3-ubyte.gz", bytes);
      const DataError e = error_of([&] { FashionMnist::test(folder.path, read_gzip_file, ".gz"); });
      CHECK(e.file() == file.string());
      CHECK(says(e, "expected a whole gzip file"));
    };
    for (const std::size_t keep : {packed.size() - 1, packed.size() - 8, packed.size() / 2})
      broken(Bytes(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(keep)));
    packed[packed.size() - 6] ^= 1;  // the checksum
    broken(packed);
  }
  SUBCASE("missing") {
    CHECK(says(error_of([&] { Mnist::train(folder.path); }), "train-images-idx3-ubyte: No such file"));
    CHECK(says(error_of([&] { Mnist::train(folder.path, read_gzip_file, ".gz"); }), "idx3-ubyte.gz: No such file"));
  }
  SUBCASE("not right") {
    const auto wrong = [&](const Bytes& i, const Bytes& l) {
      folder.write("train-images-idx3-ubyte", i);
      folder.write("train-labels-idx1-ubyte", l);
      return error_of([&] { Mnist::train(folder.path); });
    };
    CHECK(says(wrong({1, 2, 3}, labels), "3 bytes; expected an IDX header of 16"));
    CHECK(says(wrong(labels, labels), "expected an IDX header"));
    CHECK(says(wrong(idx(0x801, {3, 28, 28}, grey(3)), labels), "expected the IDX magic 2051"));
    CHECK(says(wrong(idx(0x803, {3, 28, 27}, grey(3)), labels), "records have size 27; expected 28"));
    const DataError cut = wrong(Bytes(images.begin(), images.end() - 1), labels);
    CHECK(cut.record() == 2);
    CHECK(says(cut, "the file ends after 2367 bytes; expected 3 records of 784 bytes"));
    Bytes longer = images;
    longer.push_back(0);
    CHECK(says(wrong(longer, labels), "continues to"));
    CHECK(says(wrong(images, idx(0x801, {2}, {1, 2})), "2 labels; expected 3"));
    const DataError label = wrong(images, idx(0x801, {3}, {1, 2, 10}));
    CHECK(label.record() == 2);
    CHECK(says(label, "label 10; expected 0 to 9"));
  }
}

TEST_CASE("grey images widened to 32x32x3") {
  std::vector<float> images(2 * 784);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(i + 1);
  const ArrayDataset<Shape{28, 28, 1}, 10> grey_data(images, {4, 5});
  const PaddedRgb wide(grey_data);
  static_assert(Dataset<decltype(wide)>);
  CHECK(wide.label(1) == 5);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t r = 0; r < 32; ++r)
      for (std::size_t c = 0; c < 32; ++c)
        for (std::size_t k = 0; k < 3; ++k) {
          const bool inside = r >= 2 && r < 30 && c >= 2 && c < 30;
          const float expected = inside ? images[i * 784 + (r - 2) * 28 + c - 2] : 0.f;
          wrong += wide.pixels(i)[(r * 32 + c) * 3 + k] != expected;
        }
  CHECK(wrong == 0);
}

TEST_CASE("moving an image, against the definition") {
  constexpr Shape s{6, 5, 2};
  std::vector<float> from(60), to(60);
  const Random random(5, Purpose::user);
  for (std::size_t i = 0; i < 60; ++i) from[i] = random.uniform(i);
  // The image at a real place: the sum over all pixels of a tent, at the nearest place inside.
  const auto at = [&](double y, double x, int c) {
    y = std::clamp(y, 0.0, 5.0), x = std::clamp(x, 0.0, 4.0);
    double sum = 0;
    for (int i = 0; i < 6; ++i)
      for (int j = 0; j < 5; ++j)
        sum += std::max(0.0, 1 - std::abs(y - i)) * std::max(0.0, 1 - std::abs(x - j)) *
               static_cast<double>(from[static_cast<std::size_t>((i * 5 + j) * 2 + c)]);
    return sum;
  };
  const Augment draws{.width_shift = 0.9, .height_shift = 0.9, .horizontal_flip = true, .pad_crop = 2};
  double worst = 0;
  for (std::uint64_t image = 0; image < 200; ++image) {
    detail::Movement m = detail::draw_movement(draws, s, 1, 0, image);
    if (image % 4 == 0) m.crop_down = m.crop_right = 0;
    if (image % 4 == 1) m.down = m.right = 0;
    detail::move_image(s, m, from.data(), to.data());
    for (int i = 0; i < 6; ++i)
      for (int j = 0; j < 5; ++j)
        for (int c = 0; c < 2; ++c) {
          const int y = i - m.crop_down, x = (m.flip ? 4 - j : j) - m.crop_right;
          const bool inside = y >= 0 && y < 6 && x >= 0 && x < 5;
          const double expected = inside ? at(y - static_cast<double>(m.down), x - static_cast<double>(m.right), c) : 0;
          worst =
              std::max(worst, std::abs(expected - static_cast<double>(to[static_cast<std::size_t>((i * 5 + j) * 2 + c)])));
        }
  }
  CHECK(worst < 1e-5);
}

TEST_CASE("flips and whole shifts are exact") {
  constexpr Shape s{3, 4, 2};
  std::vector<float> from(24), once(24), twice(24);
  for (std::size_t i = 0; i < 24; ++i) from[i] = 0.1f * static_cast<float>(i);
  detail::move_image(s, {.flip = true}, from.data(), once.data());
  detail::move_image(s, {.flip = true}, once.data(), twice.data());
  CHECK(once != from);
  CHECK(twice == from);
  CHECK(once[0] == from[6]);
  detail::move_image(s, {}, from.data(), once.data());
  CHECK(once == from);
  detail::move_image(s, {.down = 1, .right = -2}, from.data(), once.data());
  CHECK(once[8] == from[4]);  // (1,0) comes from (0,2)
  CHECK(once[6] == from[6]);  // (0,3) from (-1,5): the corner
  detail::move_image(s, {.crop_down = 1}, from.data(), once.data());
  CHECK(std::all_of(once.begin(), once.begin() + 8, [](float x) { return x == 0; }));
  CHECK(std::equal(once.begin() + 8, once.end(), from.begin()));
}

TEST_CASE("what is drawn stays in range and covers it") {
  constexpr Shape s{32, 16, 3};
  const Augment a{.width_shift = 0.25, .height_shift = 0.125, .horizontal_flip = true, .pad_crop = 4};
  int flips = 0, wrong = 0;
  float lowest = 0, highest = 0;
  std::array<int, 9> crops{};
  for (std::uint64_t i = 0; i < 4000; ++i) {
    const auto m = detail::draw_movement(a, s, 3, 17, i);
    flips += m.flip;
    wrong += std::abs(m.down) > 4 || std::abs(m.right) > 4 || std::abs(m.crop_down) > 4 || std::abs(m.crop_right) > 4;
    lowest = std::min(lowest, m.right), highest = std::max(highest, m.right);
    ++crops.at(static_cast<std::size_t>(m.crop_right + 4));
  }
  CHECK(wrong == 0);
  CHECK(std::abs(flips - 2000) < 150);
  CHECK(lowest < -3.9f);
  CHECK(highest > 3.9f);
  CHECK(*std::min_element(crops.begin(), crops.end()) > 350);
  const auto m = detail::draw_movement({}, s, 3, 17, 1);
  CHECK((m.down == 0 && m.right == 0 && m.crop_down == 0 && !m.flip));
}

TEST_CASE("an epoch has every sample once, in the data's order or another") {
  const Small data = small(11);
  Batches<Small> plain(data, {.batch = 4});
  CHECK(plain.steps() == 3);
  plain.start(0);
  const Seen all = rest(plain);
  CHECK(all.sizes == std::vector<int>{4, 4, 3});
  CHECK(std::equal(all.images.begin(), all.images.end(), data.pixels(0).data()));
  CHECK(all.labels == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3});
  CHECK(plain.next() == nullptr);

  Batches<Small> mixed(data, {.batch = 4, .seed = 8, .shuffle = true});
  mixed.start(0);
  Seen first = rest(mixed);
  mixed.start(1);
  const Seen second = rest(mixed);
  mixed.start(0);
  CHECK(rest(mixed) == first);
  CHECK(first.labels != all.labels);
  CHECK(first.labels != second.labels);
  std::vector<float> sorted = all.images;
  std::sort(sorted.begin(), sorted.end());
  std::sort(first.images.begin(), first.images.end());
  CHECK(first.images == sorted);
}

TEST_CASE("bytes are scaled, then normalised") {
  Batches<Stripes> batches(Stripes{}, {.batch = 3});
  batches.start(0);
  const Batch* b = batches.next();
  REQUIRE(b);
  CHECK(b->images[1] == 0.2f);
  CHECK(b->images[3] == 1.f);
  Batches<Stripes> scaled(Stripes{}, {.batch = 3, .normalize = {{0.5f}, {0.25f}}});
  scaled.start(0);
  b = scaled.next();
  REQUIRE(b);
  CHECK(b->images[3] == 2.f);
  CHECK(b->images[0] == -2.f);
}

TEST_CASE("what normalize_for finds brings every channel to mean 0 and stddev 1") {
  std::vector<float> images;
  for (int i = 0; i < 7 * 15; ++i)
    for (const float pixel : {static_cast<float>(i % 11), 1e3f + static_cast<float>(i * i % 13) / 64, 0.1f})
      images.push_back(pixel);
  const ArrayDataset<Shape{5, 3, 3}, 2> data(images, std::vector<int>(7));
  const Normalize found = normalize_for(data);
  Batches batches(data, {.batch = 7, .normalize = found, .threads = 0});
  batches.start(0);
  const Batch* b = batches.next();
  REQUIRE(b);
  for (std::size_t c = 0; c < 3; ++c) {
    double sum = 0, squares = 0;
    for (std::size_t i = c; i < b->images.size(); i += 3) {
      const double x = static_cast<double>(b->images[i]);
      sum += x, squares += x * x;
    }
    CHECK(std::abs(sum / 105) < 1e-3);
    CHECK(squares / 105 == doctest::Approx(c < 2 ? 1 : 0).epsilon(1e-3));
  }
  CHECK(found.mean[2] == 0.1f);
  CHECK(found.stddev[2] == 1.f);

  // Bytes on the scale of batches: (0 + 51 + 102 + 255 + 2 * 255) / 8 / 255, and the stddev of the eight.
  const Normalize bytes = normalize_for(Stripes{});
  CHECK(bytes.mean.at(0) == doctest::Approx(0.45));
  CHECK(bytes.stddev.at(0) == doctest::Approx(std::sqrt((0.2 * 0.2 + 0.4 * 0.4 + 3) / 8 - 0.45 * 0.45)));
  CHECK_THROWS_WITH_AS((void)normalize_for(ArrayDataset<Shape{5, 3, 3}, 2>{}),
                       "strata: there are no images to compute a mean and a stddev of", std::invalid_argument);
}

TEST_CASE("the same bits from any number of threads, and after a resume") {
  const Small data = small(53);
  BatchOptions options{.batch = 5, .seed = 4, .shuffle = true, .augment = everything, .normalize = scale, .threads = 0};
  Batches<Small> alone(data, options);
  alone.start(2);
  const Seen expected = rest(alone);
  CHECK(expected.labels.size() == 53);
  for (const int threads : {1, 2, 5, 16}) {
    options.threads = threads;
    Batches<Small> batches(data, options);
    batches.start(2);
    CHECK(rest(batches) == expected);
    for (const std::size_t from : {0U, 1U, 7U, 10U, 11U}) {
      batches.start(1);
      (void)batches.next();  // dropped in the middle
      batches.start(2, from);
      const Seen later = rest(batches);
      CHECK(std::equal(later.images.begin(), later.images.end(),
                       expected.images.begin() + std::min(static_cast<long>(from) * 300, 3180L), expected.images.end()));
      CHECK(later.sizes.size() == 11 - from);
    }
  }
  CHECK_THROWS_AS(alone.start(0, 12), std::out_of_range);
}

TEST_CASE("augmentation does not depend on the batch") {
  const Small data = small(12);
  Batches<Small> threes(data, {.batch = 3, .seed = 4, .augment = everything}),
      fives(data, {.batch = 5, .seed = 4, .augment = everything});
  threes.start(6), fives.start(6);
  CHECK(rest(threes).images == rest(fives).images);
}

TEST_CASE("the shares of several processes are the batches of one, and so is every n-th batch") {
  const auto data = one_hot(small(23));
  using Mixed = Batches<decltype(one_hot(small(23)))>;
  BatchOptions options{.batch = 8, .seed = 3, .shuffle = true, .augment = {.width_shift = 0.3, .mixup = 1}, .threads = 1};
  const auto equal = [](auto part, auto whole, std::size_t first, std::size_t count, std::size_t each) {
    return part.size() == count * each && std::ranges::equal(part, whole.subspan(first * each, count * each));
  };
  for (const int parts : {2, 3, 5, 8}) {
    std::vector<std::size_t> samples(3, 0);  // of each step so far
    for (int part = 0; part < parts; ++part) {
      Mixed all(data, options);
      BatchOptions shared = options;
      shared.share = {.parts = parts, .first = part, .last = part + 1};
      Mixed share(data, shared);
      CHECK(share.steps() == 3);
      all.start(1), share.start(1);
      for (std::size_t step = 0; const Batch* b = share.next(); ++step) {
        const Batch* const whole = all.next();  // the last batch has 7 images
        REQUIRE(whole);
        const std::size_t first = samples[step], count = b->indices.size();
        CHECK(b->whole == whole->size);
        CHECK(b->first == static_cast<int>(first));
        CHECK((b->size == b->whole / parts || b->size == b->whole / parts + 1));
        CHECK(equal(b->indices, whole->indices, first, count, 1));
        CHECK(equal(b->images, whole->images, first, count, 60));
        CHECK(equal(b->targets.values, whole->targets.values, first, count, 7));
        samples[step] += count;
      }
    }
    CHECK(samples == std::vector<std::size_t>{8, 8, 7});
  }
  for (int offset = 0; offset < 2; ++offset) {
    Mixed all(data, options);
    options.stride = 2, options.offset = offset;
    Mixed some(data, options);
    options.stride = 1, options.offset = 0;
    CHECK(some.steps() == (offset == 0 ? 2 : 1));
    all.start(1), some.start(1);
    if (offset == 1) all.next();
    CHECK(std::ranges::equal(some.next()->indices, all.next()->indices));
  }
  options.stride = 2, options.offset = 2;
  CHECK_THROWS_AS(Mixed(data, options), std::invalid_argument);
  options.offset = 0, options.share = {.parts = 2, .first = 1, .last = 3};
  CHECK_THROWS_AS(Mixed(data, options), std::invalid_argument);
}

TEST_CASE("a batch stays until the next call, while threads work ahead") {
  const Small data = small(40);
  Batches<Small> batches(data, {.batch = 2, .threads = 3});
  batches.start(0);
  for (std::size_t step = 0; const Batch* b = batches.next(); ++step) {
    const std::vector<float> before(b->images.begin(), b->images.end());
    std::this_thread::yield();
    CHECK(std::equal(before.begin(), before.end(), b->images.begin()));
    CHECK(std::equal(before.begin(), before.end(), data.pixels(2 * step).begin()));
  }
}

TEST_CASE("an exception of the data set reaches the caller at its step") {
  for (const int threads : {0, 1, 3}) {
    Batches<Stripes> batches(Stripes{.broken = 13}, {.batch = 5, .threads = threads});
    batches.start(0);
    CHECK(batches.next());
    CHECK(batches.next());
    CHECK(error_of([&] { (void)batches.next(); }).record() == 13);
    CHECK_THROWS_AS((void)batches.next(), DataError);
    batches.start(1);
    CHECK(batches.next());
  }
}

TEST_CASE("stops at any moment") {
  const Small data = small(30);
  for (int round = 0; round < 60; ++round) {
    Batches<Small> batches(data, {.batch = 1, .shuffle = true, .threads = round % 4});
    if (round % 5 == 0) continue;
    batches.start(0);
    for (int i = 0; i < round % 7; ++i) (void)batches.next();
  }
}

TEST_CASE("invalid options are refused") {
  const Small data = small(2);
  const auto refused = [&](BatchOptions options) { CHECK_THROWS_AS(Batches<Small>(data, options), std::invalid_argument); };
  refused({.batch = 0});
  refused({.threads = -1});
  refused({.augment = {.width_shift = -0.1}});
  refused({.augment = {.height_shift = 1.5}});
  refused({.augment = {.width_shift = std::nan("")}});
  refused({.augment = {.pad_crop = -1}});
  refused({.augment = {.pad_crop = std::min(Small::image.height, Small::image.width) + 1}});
  refused({.normalize = {{0.5f}, {}}});
  refused({.normalize = {{}, {1.f, 0.f, 1.f}}});
  Batches<Small> batches(data, {});
  CHECK_THROWS_AS((void)batches.next(), std::logic_error);
  Batches<Small> empty(Small(), {});
  CHECK(empty.steps() == 0);
  empty.start(0);
  CHECK(empty.next() == nullptr);
}

namespace {

// Transforms of a user's own.
struct Invert {
  double probability = 1;
  void operator()(std::span<float> image_, Shape, const Random& random) const {
    if (random.uniform(0) < static_cast<float>(probability))
      for (float& x : image_) x = 1 - x;
  }
  [[nodiscard]] std::string describe() const { return "Invert{" + detail::number_text(probability) + "}"; }
};
struct Noise {
  float amount = 0.1f;
  void operator()(std::span<float> image_, Shape shape, const Random& random) const {
    CHECK(static_cast<std::int64_t>(image_.size()) == shape.size());
    for (std::size_t i = 0; i < image_.size(); ++i) image_[i] += amount * random.uniform(i);
  }
  [[nodiscard]] std::string describe() const { return "Noise{" + detail::number_text(static_cast<double>(amount)) + "}"; }
  void validate(Shape shape) const {
    if (shape.channels == 2) throw std::invalid_argument("no noise on two channels");
  }
};
struct NoDescription {
  void operator()(std::span<float>, Shape, const Random&) const {}
};
static_assert(ImageTransformKind<Invert> && ImageTransformKind<Noise>);
static_assert(!ImageTransformKind<NoDescription> && !std::is_constructible_v<ImageTransform, NoDescription>);

}  // namespace

TEST_CASE("transforms of one's own run in order, before normalisation") {
  const auto first = [](BatchOptions options) {
    Batches<Stripes> batches(Stripes{}, std::move(options));
    batches.start(0);
    const Batch* b = batches.next();
    return std::vector<float>(b->images.begin(), b->images.begin() + 4);  // bytes 0, 51, 102, 255
  };
  CHECK(first({.augment = {.transforms = {Invert{}}}}) == std::vector<float>{1, 0.8f, 1 - 0.4f, 0});
  CHECK(first({.augment = {.transforms = {Invert{}, Invert{}}}})[0] == 0);
  CHECK(first({.augment = {.transforms = {Invert{}}}, .normalize = {{0.5f}, {0.25f}}})[0] == 2);
  const std::vector<float> ab = first({.augment = {.transforms = {Noise{}, Invert{}}}}),
                           ba = first({.augment = {.transforms = {Invert{}, Noise{}}}});
  CHECK(ab != ba);
  // The same kind twice draws different numbers.
  const std::vector<float> once = first({.augment = {.transforms = {Noise{}}}}),
                           twice = first({.augment = {.transforms = {Noise{}, Noise{}}}});
  CHECK(twice[0] != 2 * once[0]);
  int inverted = 0;
  Batches<Stripes> half(Stripes{}, {.batch = 40, .augment = {.transforms = {Invert{0.5}}}});
  for (std::uint64_t epoch = 0; epoch < 20; ++epoch) {
    half.start(epoch);
    const Batch* b = half.next();
    for (std::size_t i = 0; i < 40; i += 2) inverted += b->images[4 * i] == 1;
  }
  CHECK(std::abs(inverted - 200) < 50);
}

TEST_CASE("transforms do not depend on threads and batches") {
  const Small data = small(23);
  Augment augment = everything;
  augment.transforms = {Noise{0.5f}, Invert{0.5}};
  BatchOptions options{.batch = 5, .seed = 4, .shuffle = true, .augment = augment, .normalize = scale, .threads = 0};
  Batches<Small> alone(data, options);
  alone.start(3);
  const Seen expected = rest(alone);
  alone.start(4);
  CHECK(rest(alone).images != expected.images);
  for (const int threads : {1, 2, 5}) {
    options.threads = threads;
    Batches<Small> batches(data, options);
    batches.start(3);
    CHECK(rest(batches) == expected);
  }
  options.batch = 23;
  Batches<Small> whole(data, options);
  whole.start(3);
  CHECK(rest(whole).images == expected.images);
}

TEST_CASE("an Augment knows, describes and checks its transforms") {
  const Augment none, one{.transforms = {Noise{0.25f}}};
  CHECK(!none.any());
  CHECK(!none.needs_host());
  CHECK(one.any());
  CHECK(one.needs_host());
  CHECK(none.describe() == "width_shift 0, height_shift 0, pad_crop 0");
  CHECK(one.describe() == "width_shift 0, height_shift 0, pad_crop 0, Noise{0.25}");
  CHECK(everything.describe() == "width_shift 0.3, height_shift 0.2, horizontal_flip, pad_crop 1");
  one.validate(Shape{4, 4, 3});
  CHECK_THROWS_WITH_AS(one.validate(Shape{4, 4, 2}), "no noise on two channels", std::invalid_argument);
  const Augment copy = one;
  CHECK(copy.describe() == one.describe());
  using Raw = Batches<Small, RawImages<std::allocator>>;
  CHECK_THROWS_AS(Raw(small(2), {.augment = one}), std::invalid_argument);
  Batches<Small, ReadyImagesIn<std::allocator>> ready(small(2), {.augment = one});
}
