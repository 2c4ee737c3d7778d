// SPDX-License-Identifier: BSL-1.0
// Training on a folder of JPEGs: pictures/s of the decoder alone, of the network alone, and of an epoch, in which they
// share the cores. bench_folder DIR [PICTURES [THREADS]]: makes the pictures, 256x256, if they are not there.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <jpeglib.h>  // after the standard headers, which it needs

#include <strata/data/image_folder.hpp>
#include <strata/strata.hpp>

namespace {

using namespace strata;

constexpr int classes = 10, side = 256, batch = 64;

// The network of examples/own_pictures.
template <int Filters>
using Stage = Sequential<MaxPool<2>, Conv<3, Filters, NoBias>, BatchNorm, ReLU,
                         Residual<Conv<3, Filters, NoBias>, BatchNorm, ReLU, Conv<3, Filters, NoBias>, BatchNorm>, ReLU>;
using Net = Sequential<Input<64, 64, 3>, Conv<3, 32, NoBias>, BatchNorm, ReLU, Stage<64>, Stage<128>, Stage<256>,
                       GlobalAvgPool, Dense<classes>>;
using Pictures = ImageFolder<Net::input>;

void write_jpeg(const std::filesystem::path& path, const std::vector<std::uint8_t>& rgb) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (!file) throw std::runtime_error("cannot write " + path.string());
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  jpeg_stdio_dest(&jpeg, file);
  jpeg.image_width = jpeg.image_height = side;
  jpeg.input_components = 3, jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, 90, TRUE);
  jpeg_start_compress(&jpeg, TRUE);
  while (jpeg.next_scanline < jpeg.image_height) {
    JSAMPROW row = const_cast<JSAMPROW>(rgb.data()) + std::size_t{jpeg.next_scanline} * side * 3;
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  if (std::fclose(file) != 0) throw std::runtime_error("cannot write " + path.string());
}

// Waves and noise: about 30 KB, like a photograph.
void make_pictures(const std::filesystem::path& folder, int count) {
  std::vector<std::uint8_t> rgb(std::size_t{side} * side * 3);
  for (int i = 0; i < count; ++i) {
    const std::filesystem::path path =
        folder / ("class" + std::to_string(i % classes)) / (std::to_string(i / classes) + ".jpg");
    if (std::filesystem::exists(path)) continue;
    std::filesystem::create_directories(path.parent_path());
    const Random random(static_cast<std::uint64_t>(i), Purpose::user);
    const float fx = 0.02f + 0.1f * random.uniform(0), fy = 0.02f * static_cast<float>(1 + i % classes);
    for (int y = 0; y < side; ++y)
      for (int x = 0; x < side; ++x)
        for (int c = 0; c < 3; ++c) {
          const std::size_t at =
              (static_cast<std::size_t>(y) * side + static_cast<std::size_t>(x)) * 3 + static_cast<std::size_t>(c);
          const float wave = std::sin(fx * static_cast<float>(x) + fy * static_cast<float>(y) + static_cast<float>(c));
          rgb[at] =
              static_cast<std::uint8_t>(std::clamp(128 + 90 * wave + 40 * (random.uniform(at + 1) - 0.5f), 0.0f, 255.0f));
        }
    write_jpeg(path, rgb);
  }
}

template <class F>
double seconds(F&& f) {
  const auto begin = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) throw std::runtime_error("call it as: bench_folder DIR [PICTURES [THREADS]]");
  const std::filesystem::path folder = argv[1];
  const int count = argc > 2 ? std::atoi(argv[2]) : 2000, threads = argc > 3 ? std::atoi(argv[3]) : 2;
  make_pictures(folder, count);
  const Pictures pictures = Pictures(folder, {.short_side = 72}).varied(RandomResizedCrop{.least_area = 0.3});
  const auto size = static_cast<double>(pictures.size());

  const double decoding = seconds([&] {
    Batches<Pictures> batches(pictures, {.batch = batch, .shuffle = true, .threads = threads});
    batches.start(0);
    while (batches.next()) {
    }
  });
  std::printf("decoder %.0f pictures/s\n", size / decoding);

  Model<Net> model{{.batch = batch, .threads = threads, .seed = 1}};
  {
    Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.01, .momentum = 0.9});
    const std::vector<float> images(static_cast<std::size_t>(batch * Net::input.size()), 0.5f);
    const std::vector<int> labels(batch);
    trainer.step(images, labels);
    constexpr int steps = 8;
    const double network = seconds([&] {
      for (int i = 0; i < steps; ++i) trainer.step(images, labels);
    });
    std::printf("network %.0f pictures/s\n", steps * batch / network);
    const double before = peak_megabytes();
    const double epoch = seconds(
        [&] { train(model, pictures, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.01, .momentum = 0.9}, {.epochs = 1}); });
    const double both = 1 / (network / (steps * batch) + decoding / size);
    std::printf("epoch %.0f pictures/s, %.2f of the rate of both in turn (%.0f)\n", size / epoch, size / epoch / both,
                both);
    std::printf("memory: %.0f MB before the epoch, %.0f after it, for %zu pictures\n", before, peak_megabytes(),
                pictures.size());
  }
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "bench_folder: %s\n", e.what());
  return 1;
}
