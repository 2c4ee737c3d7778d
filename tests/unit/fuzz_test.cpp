// SPDX-License-Identifier: BSL-1.0
// Every reader of files on damaged ones: it gives what the file says, or throws what its header promises, and takes no
// memory that the file's size does not call for. Loading into a model: checkpoint_test.cpp. Sanitizers see the rest.
#include <doctest/doctest.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <strata/data/cifar.hpp>
#include <strata/data/download.hpp>
#include <strata/data/gzip.hpp>
#include <strata/data/idx.hpp>
#include <strata/data/images.hpp>
#include <strata/io/checkpoint.hpp>
#include <strata/io/data_info.hpp>
#include <strata/io/safetensors.hpp>
#include <strata/io/training_state.hpp>

#include "effort.hpp"
#include "files.hpp"
#include "mutate.hpp"
#include "pictures.hpp"
#include "tfrecords.hpp"

// The largest single allocation: 160 MiB hold 50 million pixels, and no length field may ask for more. Where a sanitizer
// has replaced operator new, it is told the same.
#if defined(__SANITIZE_ADDRESS__)
#define STRATA_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define STRATA_SANITIZED 1
#endif
#endif

#ifdef STRATA_SANITIZED
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "max_allocation_size_mb=160"; }
#else
namespace {
void* limited(std::size_t size) {
  if (size > std::size_t{160} << 20) {
    std::fprintf(stderr, "%zu bytes were asked for at once\n", size);
    std::abort();
  }
  if (void* p = std::malloc(size > 0 ? size : 1)) return p;
  throw std::bad_alloc();
}
}  // namespace
void* operator new(std::size_t size) { return limited(size); }
void* operator new[](std::size_t size) { return limited(size); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
#endif

namespace {
using namespace strata;
namespace fs = std::filesystem;
using Bytes = std::vector<std::uint8_t>;

const int rounds = as_many_as(1000);

std::string noise(std::size_t size, std::uint64_t seed) {
  Mutator draw(seed);
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(draw.below(256));
  return bytes;
}

// Calls read(bytes) for the file as it is, which has to work, and then damaged in many ways; read checks what it gets. All
// that may be thrown is Error, naming a file in the folder, and each of the two has to happen. header: where most of the
// format is.
template <class Error, class Read>
void fuzz(const fs::path& folder, const std::string& good, std::size_t header, std::uint64_t seed, Read read) {
  read(good);
  Mutator mutate(seed);
  int refused = 0;
  for (int i = 0; i < rounds; ++i) {
    CAPTURE(i);
    try {
      read(mutate(good, header));
    } catch (const Error& e) {
      ++refused;
      CHECK(std::string(e.what()).find(folder.string()) != std::string::npos);
    }
  }
  CHECK(refused > rounds / 4);
  CHECK(refused < rounds);
}

const std::array<float, 6> kernel{1, -2, 3.5F, 0, 1e-30F, 6};
const std::array<float, 1> number{7};

TEST_CASE("safetensors") {
  const Folder folder;
  const fs::path file = folder.path / "a";
  save_safetensors(file, std::vector<Tensor>{{"w", {2, 3}, kernel}, {"e", {0, 5}, {}}, {"s", {}, number}}, {{"k", "v"}});
  fuzz<FileError>(folder.path, bytes_of(file), 200, 1, [&](const std::string& bytes) {
    put(file, bytes);
    SafetensorsFile in(file);
    std::int64_t numbers = 0;
    for (const SafetensorsEntry& t : in.tensors()) {
      const std::vector<double> values = in.read<double>(t.name);
      CHECK(values.size() == static_cast<std::size_t>(t.size()));
      numbers += t.size();
    }
    CHECK(4 * numbers <= static_cast<std::int64_t>(bytes.size()));
  });
}

TEST_CASE("data information of weights") {
  const Folder folder;
  const fs::path file = folder.path / "a";
  const DataInfo info{.name = "set",
                      .classes = {"cat", "dog"},
                      .image = Shape{32, 30, 3},
                      .border = 2,
                      .normalize = {{0.5F, 0.25F, 0}, {1, 0.125F, 2}}};
  save_safetensors(file, std::vector<Tensor>{{"s", {}, number}}, metadata_of(info));
  fuzz<FileError>(folder.path, bytes_of(file), 300, 9, [&](const std::string& bytes) {
    put(file, bytes);
    const DataInfo found = read_data_info(SafetensorsFile(file));
    CHECK(found.image.size() > 0);
    CHECK(2 * found.border < std::min(found.image.height, found.image.width));
    CHECK_NOTHROW(found.normalize.validate(found.image.channels));
  });
}

TEST_CASE("checkpoints") {
  const Folder folder;
  const fs::path file = folder.path / "a";
  std::vector<float> weights(kernel.begin(), kernel.end());
  TrainingRun run{.tensors = {{"w", {2, 3}, weights}},
                  .weights = 1,
                  .architecture = "0123",
                  .summary = "a net",
                  .steps = 8,
                  .kernels = "avx2"};
  TrainingState state{.epoch = 2, .step = 3, .updates = 11, .seconds = 0.5, .history = {{.epoch = 1, .loss = 0.25}}};
  detail::write_checkpoint(file, run, "seed: 1\n", state);
  fuzz<FileError>(folder.path, bytes_of(file), 600, 13, [&](const std::string& bytes) {
    put(file, bytes);
    const detail::CheckpointContent c = detail::read_checkpoint(file);
    detail::check_fits(c, run, "seed: 1\n");
    // Every number has a checksum, so content that is accepted is the original.
    CHECK(c.tensors.at("w").second == weights);
    CHECK(detail::state_text(c.state) == detail::state_text(state));
  });
}

TEST_CASE("TFRecord") {
  const Folder folder;
  const fs::path file = folder.path / "a";
  const std::vector<std::string> records{"", "one", noise(40, 10)};
  std::string good;
  for (const std::string& r : records) good += tfrecord(r);
  fuzz<FileError>(folder.path, good, 30, 11, [&](const std::string& bytes) {
    const std::vector<std::string> found = read_tfrecords(file, bytes);
    // Every byte has a checksum, so accepted records are original ones.
    for (const std::string& r : found) CHECK(std::find(records.begin(), records.end(), r) != records.end());
  });
}

TEST_CASE("CIFAR") {
  const Folder folder;
  const fs::path file = folder.path / "a.bin";
  std::string good = noise(3 * 3074, 3);
  for (std::size_t i = 0; i < 3; ++i) good[i * 3074] = 7, good[i * 3074 + 1] = 70;
  constexpr std::array<int, 2> limits{20, 100};
  fuzz<DataError>(folder.path, good, 2, 3, [&](const std::string& bytes) {
    put(file, bytes);
    Bytes images;
    std::vector<int> labels;
    detail::read_cifar(file, 3, limits, 1, images, labels);
    CHECK(bytes.size() == good.size());
    CHECK(images.size() == 3 * 3072);
    CHECK(images.back() == static_cast<std::uint8_t>(bytes.back()));
    REQUIRE(labels.size() == 3);
    CHECK(std::all_of(labels.begin(), labels.end(), [](int l) { return l >= 0 && l < 100; }));
  });
}

TEST_CASE("IDX") {
  const Folder folder;
  const std::string images = std::string("\0\0\x08\x03\0\0\0\x03\0\0\0\x1c\0\0\0\x1c", 16) + noise(3 * 784, 4);
  const std::string labels("\0\0\x08\x01\0\0\0\x03\x09\0\x04", 11);
  const fs::path first = folder.path / "train-images-idx3-ubyte", second = folder.path / "train-labels-idx1-ubyte";
  const auto check = [&] {
    const Mnist data = Mnist::train(folder.path);
    REQUIRE(data.size() <= 3);
    for (std::size_t i = 0; i < data.size(); ++i) {
      CHECK(data.label(i) >= 0);
      CHECK(data.label(i) < 10);
      CHECK(std::equal(data.pixels(i).begin(), data.pixels(i).end(),
                       bytes_of(first).begin() + 16 + 784 * static_cast<int>(i),
                       [](std::uint8_t a, char b) { return a == static_cast<std::uint8_t>(b); }));
    }
  };
  put(second, labels);
  fuzz<DataError>(folder.path, images, 16, 4, [&](const std::string& bytes) { put(first, bytes), check(); });
  put(first, images);
  fuzz<DataError>(folder.path, labels, 8, 5, [&](const std::string& bytes) { put(second, bytes), check(); });
}

void pack(const fs::path& file, const std::string& bytes) {
  gzFile out = gzopen(file.c_str(), "wb");
  gzwrite(out, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(out);
}

TEST_CASE("gzip") {
  const Folder folder;
  const fs::path file = folder.path / "a.gz";
  const std::string inside = noise(2000, 6) + std::string(2000, 'a');
  pack(file, inside);
  fuzz<DataError>(folder.path, bytes_of(file), 12, 6, [&](const std::string& bytes) {
    put(file, bytes);
    const Bytes out = read_gzip_file(file);
    const std::string found(out.begin(), out.end());
    // Without the two bytes that mark it, it is a file like any other, and comes as it is.
    const bool packed = bytes.starts_with("\x1F\x8B");
    CHECK(found == (packed ? inside : bytes));
  });
}

TEST_CASE("archives") {
  const Folder folder;
  const Archive archive{"set.tar.gz", "", "set-bin", {"one.bin", "two.bin"}};
  const auto entry = [](const std::string& name, const std::string& body) {
    std::string header(512, '\0');
    header.replace(0, name.size(), name);
    char size[12];
    std::snprintf(size, sizeof size, "%011zo", body.size());
    header.replace(124, 11, size, 11);
    header[156] = '0';
    return header + body + std::string((512 - body.size() % 512) % 512, '\0');
  };
  const std::string one = noise(700, 7), two = noise(300, 8);
  const std::string good = entry("set-bin/one.bin", one) + entry("set-bin/read.me", "text") +
                           entry("set-bin/two.bin", two) + std::string(1024, '\0');
  const fs::path tar = folder.path / "set.tar.gz", cache = folder.path / "cache";
  fuzz<std::runtime_error>(folder.path, good, 157, 7, [&](const std::string& bytes) {
    pack(tar, bytes);
    fs::remove_all(cache);
    detail::unpack(archive, tar, cache);
    CHECK(names_in(folder.path) == std::vector<std::string>{"cache", "set.tar.gz"});
    CHECK(names_in(cache) == std::vector<std::string>{"set-bin"});
    CHECK(names_in(cache / "set-bin") == archive.files);
    CHECK(fs::file_size(cache / "set-bin/one.bin") <= bytes.size());
  });
}

// Whatever comes out has a size that fits its pixels.
Image read_checked(const fs::path& file, const std::string& bytes) {
  put(file, bytes);
  Image image = read_image_file(file);
  CHECK(image.height > 0);
  CHECK(image.width > 0);
  CHECK(image.pixels.size() == 3 * static_cast<std::size_t>(image.height) * static_cast<std::size_t>(image.width));
  return image;
}

TEST_CASE("PNG") {
  const Folder folder;
  const fs::path file = folder.path / "a.png";
  const std::string drawn = noise(11 * 9 * 4, 9);
  for (const int colour : {PNG_COLOR_TYPE_RGB_ALPHA, PNG_COLOR_TYPE_GRAY}) {
    const int channels = colour == PNG_COLOR_TYPE_GRAY ? 1 : 4;
    write_png(file, 11, 9, colour, 8, Bytes(drawn.begin(), drawn.begin() + 11 * 9 * channels), PNG_INTERLACE_ADAM7);
    const Image good = read_image_file(file);
    // Checksums stand behind every byte that matters.
    fuzz<DataError>(folder.path, bytes_of(file), 41, 9, [&](const std::string& bytes) {
      const Image image = read_checked(file, bytes);
      CHECK(image.pixels == good.pixels);
    });
  }
}

TEST_CASE("JPEG") {
  const Folder folder;
  const fs::path file = folder.path / "a.jpg";
  const std::string drawn = noise(21 * 19 * 3, 10);
  for (const bool progressive : {false, true}) {
    write_jpeg(file, 21, 19, JCS_RGB, Bytes(drawn.begin(), drawn.end()), progressive);
    fuzz<DataError>(folder.path, bytes_of(file), 700, 10,
                    [&](const std::string& bytes) { (void)read_checked(file, bytes); });
  }
}

}  // namespace
