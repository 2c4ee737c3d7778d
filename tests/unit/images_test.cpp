// SPDX-License-Identifier: BSL-1.0
// PNG and JPEG files as libpng and libjpeg write them, and what is wrong with others.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/data/images.hpp>

#include "files.hpp"
#include "pictures.hpp"

namespace {
using namespace strata;
namespace fs = std::filesystem;
using Bytes = std::vector<std::uint8_t>;

// (H,W,channels), no two neighbours alike.
Bytes pattern(int height, int width, int channels, int step = 37) {
  Bytes bytes(static_cast<std::size_t>(height * width * channels));
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * static_cast<std::size_t>(step));
  return bytes;
}
std::string error_of(const fs::path& file) {
  try {
    (void)read_image_file(file);
  } catch (const DataError& e) {
    CHECK(e.file() == file.string());
    CHECK(e.record() == DataError::whole);
    return e.what();
  }
  return "";
}
void refused(const fs::path& file, const std::string& why) {
  const std::string error = error_of(file);
  CHECK_MESSAGE(error.find(why) != std::string::npos, error);
}

TEST_CASE("a PNG of colours comes as it is") {
  const Folder folder;
  const fs::path file = folder.path / "a.png";
  const Bytes bytes = pattern(5, 7, 3);
  for (const int interlace : {PNG_INTERLACE_NONE, PNG_INTERLACE_ADAM7}) {
    write_png(file, 5, 7, PNG_COLOR_TYPE_RGB, 8, bytes, interlace);
    const Image image = read_image_file(file);
    CHECK(image.height == 5);
    CHECK(image.width == 7);
    CHECK(image.pixels == bytes);
  }
}

TEST_CASE("other kinds of PNG become colours of eight bits") {
  const Folder folder;
  const fs::path file = folder.path / "a.png";
  SUBCASE("grey") {
    const Bytes grey = pattern(4, 3, 1);
    write_png(file, 4, 3, PNG_COLOR_TYPE_GRAY, 8, grey);
    const Image image = read_image_file(file);
    for (std::size_t i = 0; i < 36; ++i) CHECK(image.pixels[i] == grey[i / 3]);
  }
  SUBCASE("grey of one bit") {
    write_png(file, 1, 8, PNG_COLOR_TYPE_GRAY, 1, {0b10110000});
    const Image image = read_image_file(file);
    for (std::size_t i = 0; i < 8; ++i) CHECK(image.pixels[3 * i + 1] == (0b10110000 >> (7 - i) & 1 ? 255 : 0));
  }
  SUBCASE("what shows through stands on white") {
    write_png(file, 1, 3, PNG_COLOR_TYPE_RGB_ALPHA, 8, {10, 20, 30, 255, 10, 20, 30, 0, 0, 0, 0, 0});
    CHECK(read_image_file(file).pixels == Bytes{10, 20, 30, 255, 255, 255, 255, 255, 255});
    write_png(file, 1, 1, PNG_COLOR_TYPE_GRAY_ALPHA, 8, {0, 128});
    CHECK(read_image_file(file).pixels == Bytes{127, 127, 127});
  }
  SUBCASE("sixteen bits are taken for what eight are") {
    write_png(file, 1, 4, PNG_COLOR_TYPE_GRAY, 16, {0, 0, 0x40, 0x40, 0x80, 0x80, 0xFF, 0xFF});
    const Bytes grey = read_image_file(file).pixels;
    CHECK(Bytes{grey[0], grey[3], grey[6], grey[9]} == Bytes{0, 0x40, 0x80, 0xFF});
  }
}

// Every colour type, depth and transparency, with random numbers: interlaced or not, the image is what the definition says.
TEST_CASE("interlaced PNGs are the same images") {
  const Folder folder;
  const fs::path file = folder.path / "a.png";
  constexpr int height = 11, width = 13;
  std::uint32_t state = 1;
  const auto random = [&state](unsigned below) { return (state = state * 1664525 + 1013904223) >> 8 & (below - 1); };
  struct Kind {
    int colour, channels;
    std::vector<int> depths;
  };
  for (const auto& [colour, channels, depths] : std::vector<Kind>{{PNG_COLOR_TYPE_GRAY, 1, {1, 2, 4, 8, 16}},
                                                                  {PNG_COLOR_TYPE_RGB, 3, {8, 16}},
                                                                  {PNG_COLOR_TYPE_PALETTE, 1, {1, 2, 4, 8}},
                                                                  {PNG_COLOR_TYPE_GRAY_ALPHA, 2, {8, 16}},
                                                                  {PNG_COLOR_TYPE_RGB_ALPHA, 4, {8, 16}}})
    for (const int depth : depths)
      for (const bool transparent : {false, true}) {
        if (transparent && (colour & PNG_COLOR_MASK_ALPHA) != 0) continue;
        CAPTURE(colour);
        CAPTURE(depth);
        CAPTURE(transparent);
        const unsigned values = 1u << depth;
        std::vector<png_color> palette;
        Bytes opacity;
        if (colour == PNG_COLOR_TYPE_PALETTE)
          for (unsigned i = 0; i < values; ++i) {
            const auto byte = [&] { return static_cast<std::uint8_t>(random(256)); };
            palette.push_back({byte(), byte(), byte()});
            opacity.push_back(transparent ? byte() : std::uint8_t{255});
          }
        std::vector<unsigned> numbers(static_cast<std::size_t>(height * width * channels));
        for (unsigned& n : numbers) n = random(values);
        // The colour of the first pixel is transparent.
        const auto number = [&](std::size_t i) { return static_cast<std::uint16_t>(numbers[i]); };
        png_color_16 hidden{};
        hidden.gray = hidden.red = number(0), hidden.green = number(1), hidden.blue = number(2);

        Bytes packed, expected;
        for (int y = 0; y < height; ++y) {
          unsigned bits = 0, used = 0;
          for (int x = 0; x < width; ++x) {
            const unsigned* pixel = numbers.data() + (y * width + x) * channels;
            for (int c = 0; c < channels; ++c) {
              if (depth == 16) packed.push_back(static_cast<std::uint8_t>(pixel[c] >> 8));
              bits = bits << depth | pixel[c], used += static_cast<unsigned>(depth);
              if (used < 8) continue;
              packed.push_back(static_cast<std::uint8_t>(bits));
              bits = used = 0;
            }
            const auto byte = [&](unsigned n) { return std::round(n * 255.0 / (values - 1)); };
            double rgb[3], alpha = 255;
            for (int c = 0; c < 3; ++c) rgb[c] = byte(pixel[colour & PNG_COLOR_MASK_COLOR ? c % channels : 0]);
            if (colour == PNG_COLOR_TYPE_PALETTE) {
              const png_color& p = palette[pixel[0]];
              rgb[0] = p.red, rgb[1] = p.green, rgb[2] = p.blue, alpha = opacity[pixel[0]];
            } else if (colour & PNG_COLOR_MASK_ALPHA) {
              alpha = byte(pixel[channels - 1]);
            } else if (transparent && std::equal(pixel, pixel + channels, numbers.data())) {
              alpha = 0;
            }
            for (const double v : rgb)
              expected.push_back(static_cast<std::uint8_t>(std::round((v * alpha + 255 * (255 - alpha)) / 255)));
          }
          if (used > 0) packed.push_back(static_cast<std::uint8_t>(bits << (8 - used)));
        }
        for (const int interlace : {PNG_INTERLACE_NONE, PNG_INTERLACE_ADAM7}) {
          CAPTURE(interlace);
          write_png(file, height, width, colour, depth, packed, interlace, [&](png_structp png, png_infop info) {
            if (!palette.empty()) png_set_PLTE(png, info, palette.data(), static_cast<int>(palette.size()));
            if (transparent) png_set_tRNS(png, info, opacity.data(), static_cast<int>(opacity.size()), &hidden);
          });
          const Image image = read_image_file(file);
          CHECK(image.height == height);
          CHECK(image.width == width);
          CHECK(image.pixels == expected);
        }
      }
}

TEST_CASE("the gamma of a PNG is ignored") {
  const Folder folder;
  const fs::path file = folder.path / "a.png";
  for (const int bits : {8, 16}) {
    write_png(file, 1, 1, PNG_COLOR_TYPE_GRAY, bits, Bytes(static_cast<std::size_t>(bits) / 8, 100), PNG_INTERLACE_NONE,
              [](png_structp png, png_infop info) { png_set_gAMA_fixed(png, info, 100000); });
    CHECK(read_image_file(file).pixels == Bytes{100, 100, 100});
  }
}

TEST_CASE("JPEGs come back but for what the format loses") {
  const Folder folder;
  const fs::path file = folder.path / "a.jpg";
  const auto near = [&](const Bytes& found, const Bytes& expected) {
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(std::abs(found[i] - expected[i]) <= 1);
  };
  Bytes flat;
  for (int i = 0; i < 17 * 9; ++i) flat.insert(flat.end(), {200, 30, 90});
  for (const bool progressive : {false, true}) {
    write_jpeg(file, 17, 9, JCS_RGB, flat, progressive);
    const Image image = read_image_file(file);
    CHECK(image.height == 17);
    CHECK(image.width == 9);
    near(image.pixels, flat);
  }
  const Bytes grey = pattern(8, 8, 1, 3);
  write_jpeg(file, 8, 8, JCS_GRAYSCALE, grey);
  Bytes three;
  for (const std::uint8_t g : grey) three.insert(three.end(), {g, g, g});
  near(read_image_file(file).pixels, three);
}

TEST_CASE("what is no picture is refused, with the reason") {
  const Folder folder;
  const fs::path file = folder.path / "a";
  refused(folder.path / "none.png", "none.png: No such file or directory; expected a whole PNG or JPEG file");
  refused(folder.path, "expected a whole PNG or JPEG file");
  put(file, "");
  refused(file, "a: an empty file; expected a whole PNG or JPEG file");
  put(file, "GIF89a");
  refused(file, "a: neither PNG nor JPEG; expected a whole PNG or JPEG file");
  put(file, std::string("\xFF\xD8\xFF", 3));
  refused(file, "Premature end of JPEG file");
  put(file, "\x89PNG\r\n\x1a\n");
  refused(file, "expected a whole PNG or JPEG file");
  write_jpeg(file, 8, 8, JCS_CMYK, pattern(8, 8, 4));
  refused(file, "a JPEG in CMYK, the colours of printing; expected grey or RGB");
  fs::resize_file(file, std::uintmax_t{1} << 29);
  refused(file, "536870912 bytes; expected at most 268435456 bytes");
}

TEST_CASE("what is cut short is refused wherever the cut is") {
  const Folder folder;
  const fs::path file = folder.path / "a";
  const auto cut_everywhere = [&](std::size_t harmless) {
    const std::string whole = bytes_of(file);
    for (std::size_t n = 0; n + harmless < whole.size(); ++n) {
      CAPTURE(n);
      put(file, whole.substr(0, n));
      CHECK_FALSE(error_of(file).empty());
    }
  };
  write_png(file, 6, 5, PNG_COLOR_TYPE_RGB, 8, pattern(6, 5, 3));
  cut_everywhere(12);  // the last chunk marks the end and holds nothing
  write_jpeg(file, 9, 8, JCS_RGB, pattern(9, 8, 3));
  cut_everywhere(0);
  write_jpeg(file, 9, 8, JCS_RGB, pattern(9, 8, 3), true);
  cut_everywhere(0);
}

TEST_CASE("sizes that no picture has take no memory") {
  const Folder folder;
  const fs::path file = folder.path / "a";
  write_jpeg(file, 8, 8, JCS_GRAYSCALE, pattern(8, 8, 1));
  std::string bytes = bytes_of(file);
  const std::size_t frame = bytes.find("\xFF\xC0");  // length 2, precision 1, height 2, width 2
  REQUIRE(frame != std::string::npos);
  bytes.replace(frame + 5, 4, "\xFF\xDC\xFF\xDC");
  put(file, bytes);
  refused(file, "65500x65500 pixels; expected at most 50 million");

  // Rows of one bit pack well: a small file, and a whole one.
  const auto side = 8000;
  write_png(file, side, side, PNG_COLOR_TYPE_GRAY, 1, Bytes(std::size_t{side} * side / 8));
  CHECK(fs::file_size(file) < 100'000);
  refused(file, "8000x8000 pixels; expected at most 50 million");
}

// The definition: a mean of the pixels near, weighted by a triangle.
double expected(const Image& in, int height, int width, int y, int x, int c) {
  const auto weight = [](int k, int i, int from, int to) {
    const double scale = static_cast<double>(from) / to;
    return std::max(0.0, 1 - std::abs(k - ((i + 0.5) * scale - 0.5)) / std::max(scale, 1.0));
  };
  double sum = 0, weights = 0;
  for (int r = 0; r < in.height; ++r)
    for (int k = 0; k < in.width; ++k) {
      const double w = weight(r, y, in.height, height) * weight(k, x, in.width, width);
      sum += w * in.pixels[static_cast<std::size_t>((r * in.width + k) * 3 + c)];
      weights += w;
    }
  return sum / weights;
}

TEST_CASE("another size, against the definition") {
  const Image image{9, 14, 3, pattern(9, 14, 3)};
  for (const auto& [height, width] : {std::pair{9, 14}, {4, 5}, {20, 3}, {1, 1}, {18, 28}, {32, 32}}) {
    CAPTURE(height);
    const Image out = resize(image, height, width);
    REQUIRE(out.height == height);
    REQUIRE(out.width == width);
    REQUIRE(out.pixels.size() == static_cast<std::size_t>(3 * height * width));
    double worst = 0;
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        for (int c = 0; c < 3; ++c)
          worst = std::max(worst, std::abs(out.pixels[static_cast<std::size_t>((y * width + x) * 3 + c)] -
                                           expected(image, height, width, y, x, c)));
    CHECK(worst <= 0.501);  // rounding to whole numbers
  }
  CHECK(resize(image, 9, 14).pixels == image.pixels);
  const Image flat{5, 5, 3, Bytes(75, 255)};
  CHECK(resize(flat, 33, 2).pixels == Bytes(198, 255));
  CHECK_THROWS_AS(resize(image, 0, 5), std::invalid_argument);
  CHECK_THROWS_AS(resize(Image{}, 5, 5), std::invalid_argument);
  CHECK_THROWS_AS(resize(Image{2, 2, 3, Bytes(5)}, 5, 5), std::invalid_argument);
}

}  // namespace
