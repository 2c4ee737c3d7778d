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
#include <utility>
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

TEST_CASE("pixels of others become an image, whatever their order and gaps") {
  const std::vector<std::uint8_t> bytes{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  const auto pixels_of = [&](PixelView view) {
    view.pixels = bytes.data();
    const Image image = to_image(view);
    CHECK(image.valid());
    CHECK(image.channels == (view.channels == 1 ? 1 : 3));
    return image.pixels;
  };
  CHECK(pixels_of({.height = 1, .width = 2}) == Bytes{1, 2, 3, 4, 5, 6});
  CHECK(pixels_of({.height = 1, .width = 2, .bgr = true}) == Bytes{3, 2, 1, 6, 5, 4});
  CHECK(pixels_of({.height = 2, .width = 2, .channels = 4}) == Bytes{1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15});
  CHECK(pixels_of({.height = 2, .width = 1, .channels = 4, .stride = 8, .bgr = true}) == Bytes{3, 2, 1, 11, 10, 9});
  CHECK(pixels_of({.height = 2, .width = 3, .channels = 1, .stride = 5, .bgr = true}) == Bytes{1, 2, 3, 6, 7, 8});
  const PixelView upwards{.pixels = &bytes[12], .height = 4, .width = 1, .stride = -4};
  CHECK(to_image(upwards).pixels == Bytes{13, 14, 15, 9, 10, 11, 5, 6, 7, 1, 2, 3});

  const auto refused = [&](const PixelView& view, const char* says) {
    CHECK_THROWS_WITH_AS((void)to_image(view), doctest::Contains(says), std::invalid_argument);
  };
  refused({.height = 1, .width = 1}, "strata: pixels of 1x1x3 with a stride of 0: there are none");
  refused({.pixels = bytes.data(), .height = 0, .width = 1}, "expected sides of 1 or more");
  refused({.pixels = bytes.data(), .height = 1, .width = 1, .channels = 2}, "expected 1, 3 or 4 channels");
  refused({.pixels = bytes.data(), .height = 1, .width = 2, .stride = 5}, "with a stride of 5: rows overlap");
  refused({.pixels = bytes.data(), .height = 1, .width = 2, .stride = -5}, "rows overlap");
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

// Values by Pillow 13.0, which rounds to bytes between its two passes.
TEST_CASE("sizes and parts as Pillow has them") {
  Image image{11, 17, 3, {}};
  for (int y = 0; y < 11; ++y)
    for (int x = 0; x < 17; ++x)
      for (int c = 0; c < 3; ++c)
        image.pixels.push_back(static_cast<std::uint8_t>(((y * 17 + x) * 3 + c) * ((y + 1) * 7 + c * 5 + x)));
  const auto near = [](const Image& found, int height, int width, const Bytes& pillow) {
    CHECK(found.height == height);
    CHECK(found.width == width);
    REQUIRE(found.pixels.size() == pillow.size());
    int apart = 0;
    for (std::size_t i = 0; i < pillow.size(); ++i) {
      CHECK(std::abs(found.pixels[i] - pillow[i]) <= 1);
      apart += found.pixels[i] != pillow[i];
    }
    CHECK(apart * 3 < static_cast<int>(pillow.size()));
  };
  // image.resize((6, 5), BILINEAR)
  near(resize(image, 5, 6), 5, 6,
       {84,  109, 138, 145, 133, 126, 145, 129, 145, 127, 137, 128, 137, 141, 126, 150, 158, 166, 130, 161, 80,  148, 158,
        116, 160, 114, 147, 106, 166, 127, 149, 150, 134, 144, 154, 147, 130, 110, 152, 168, 114, 147, 141, 97,  130, 124,
        135, 136, 117, 110, 100, 163, 139, 72,  87,  122, 179, 143, 146, 146, 129, 128, 131, 130, 129, 141, 114, 130, 135,
        131, 125, 131, 99,  140, 93,  100, 163, 92,  106, 142, 154, 150, 139, 148, 126, 133, 149, 98,  146, 166});
  // image.resize((3, 21), BILINEAR)
  near(resize(image, 21, 3), 21, 3,
       {86,  98,  120, 144, 133, 141, 126, 138, 150, 107, 110, 131, 140, 129, 138, 127, 139, 142, 145, 132, 152,
        133, 122, 131, 130, 140, 127, 143, 138, 143, 132, 136, 132, 149, 151, 135, 117, 135, 117, 135, 162, 138,
        178, 168, 156, 132, 155, 97,  137, 152, 141, 169, 165, 148, 163, 185, 78,  139, 129, 144, 145, 155, 129,
        154, 161, 99,  135, 136, 130, 118, 145, 129, 136, 125, 128, 129, 150, 113, 91,  135, 134, 147, 110, 127,
        133, 137, 118, 120, 124, 93,  162, 97,  122, 137, 122, 125, 155, 112, 48,  156, 102, 168, 138, 88,  151,
        156, 120, 80,  147, 109, 207, 137, 63,  172, 154, 128, 111, 114, 126, 171, 121, 115, 140, 136, 127, 129,
        91,  141, 143, 113, 156, 116, 120, 126, 142, 115, 143, 152, 133, 148, 127, 113, 124, 132, 131, 142, 152,
        148, 144, 139, 111, 125, 132, 126, 135, 128, 146, 146, 152, 120, 138, 160, 111, 140, 101, 134, 145, 156,
        123, 144, 171, 78,  165, 68,  105, 141, 144, 116, 140, 153, 60,  178, 50,  89,  138, 137, 112, 138, 144});
  // image.crop((4, 2, 13, 9)).resize((4, 6), BILINEAR)
  near(resize(image, {2, 4, 7, 9}, 6, 4), 6, 4,
       {148, 89,  184, 139, 156, 152, 107, 193, 123, 198, 155, 134, 159, 112, 131, 184, 98,  147,
        87,  169, 119, 90,  126, 165, 150, 94,  136, 151, 119, 92,  121, 166, 130, 109, 153, 124,
        179, 67,  178, 141, 73,  158, 120, 102, 167, 133, 101, 79,  168, 107, 146, 105, 122, 130,
        120, 118, 124, 95,  146, 131, 167, 154, 142, 133, 178, 109, 149, 118, 164, 102, 104, 95});
  // Of image.resize((12, 8), BILINEAR) the middle 7x6 pixels, from column 2 and row 1 on.
  near(resize_and_crop(image, 8, 6, 7), 6, 7,
       {149, 145, 92,  145, 116, 157, 164, 115, 149, 139, 157, 169, 56,  157, 114, 164, 156, 93,  178, 184, 143,
        147, 218, 76,  154, 130, 138, 173, 58,  169, 181, 137, 147, 88,  172, 95,  89,  177, 164, 129, 107, 152,
        159, 177, 111, 168, 98,  142, 120, 94,  105, 172, 131, 90,  114, 160, 127, 121, 176, 133, 99,  144, 124,
        184, 117, 154, 197, 63,  187, 136, 80,  151, 143, 65,  167, 105, 93,  208, 142, 109, 92,  122, 100, 84,
        119, 178, 122, 157, 138, 163, 167, 103, 86,  74,  172, 136, 117, 114, 128, 147, 149, 132, 72,  132, 125,
        125, 188, 125, 148, 154, 114, 163, 118, 117, 108, 154, 164, 155, 144, 179, 193, 162, 159, 109, 101, 101});
}

TEST_CASE("parts of images") {
  const Image image{4, 5, 3, pattern(4, 5, 3)};
  const Image part = crop(image, {1, 2, 2, 3});
  CHECK((part.height == 2 && part.width == 3));
  CHECK(part.pixels[0] == image.pixels[(5 + 2) * 3]);
  CHECK(part.pixels[17] == image.pixels[(2 * 5 + 4) * 3 + 2]);
  CHECK(resize(image, {1, 2, 2, 3}, 2, 3).pixels == part.pixels);
  CHECK(resize(image, {1, 2, 2, 3}, 3, 7).pixels == resize(part, 3, 7).pixels);
  for (const ImageBox& outside : {ImageBox{-1, 0, 2, 2}, {0, 0, 5, 1}, {3, 0, 2, 1}, {0, 4, 1, 2}, {0, 0, 0, 1}}) {
    CHECK_THROWS_AS(crop(image, outside), std::invalid_argument);
    CHECK_THROWS_AS(resize(image, outside, 2, 2), std::invalid_argument);
  }
  CHECK_THROWS_WITH_AS(crop(image, {3, 0, 2, 1}), "strata: no part of 2x1 at row 3 and column 0 of an image of 4x5",
                       std::invalid_argument);
  CHECK(resize_and_crop(image, 0, 4, 4).pixels == crop(image, {0, 0, 4, 4}).pixels);  // half a pixel goes to the even side
  CHECK_THROWS_WITH_AS(resize_and_crop(image, 7, 8, 8), "strata: 8x8 cannot be cut from an image with the short side 7",
                       std::invalid_argument);
  CHECK_THROWS_AS(resize_and_crop(Image{}, 8, 8, 8), std::invalid_argument);
}

// EXIF with an orientation, the low byte first or the high one, and an entry before it.
Bytes exif(int orientation, bool low_first = false) {
  const auto byte = static_cast<std::uint8_t>(orientation);
  if (low_first)
    return {'I', 'I', 42, 0, 8, 0,    0, 0, 2, 0, 0x0F, 1, 3, 0,    1, 0, 0,
            0,   7,   0,  0, 0, 0x12, 1, 3, 0, 1, 0,    0, 0, byte, 0, 0, 0};
  return {'M', 'M', 0, 42, 0, 0, 0,    8, 0, 2, 1, 0x0F, 0, 3, 0,    0, 0,
          1,   0,   7, 0,  0, 1, 0x12, 0, 3, 0, 0, 0,    1, 0, byte, 0, 0};
}

TEST_CASE("pictures stand upright, as Pillow's exif_transpose turns them") {
  struct Turn {
    int orientation, height, width;
    Bytes pixels;
  };
  const Folder folder;
  for (const auto& [orientation, height, width, pixels] : std::vector<Turn>{{1, 2, 3, {1, 2, 3, 4, 5, 6}},
                                                                            {2, 2, 3, {3, 2, 1, 6, 5, 4}},
                                                                            {3, 2, 3, {6, 5, 4, 3, 2, 1}},
                                                                            {4, 2, 3, {4, 5, 6, 1, 2, 3}},
                                                                            {5, 3, 2, {1, 4, 2, 5, 3, 6}},
                                                                            {6, 3, 2, {4, 1, 5, 2, 6, 3}},
                                                                            {7, 3, 2, {6, 3, 5, 2, 4, 1}},
                                                                            {8, 3, 2, {3, 6, 2, 5, 1, 4}},
                                                                            {9, 2, 3, {1, 2, 3, 4, 5, 6}}}) {
    CAPTURE(orientation);
    const Image turned = upright({2, 3, 1, {1, 2, 3, 4, 5, 6}}, orientation);
    CHECK((turned.height == height && turned.width == width));
    CHECK(turned.pixels == pixels);
    // In a PNG.
    const fs::path png = folder.path / "a.png", jpeg = folder.path / "a.jpg";
    Bytes chunk = exif(orientation, orientation % 2 == 0);
    write_png(png, 2, 3, PNG_COLOR_TYPE_GRAY, 8, {1, 2, 3, 4, 5, 6}, PNG_INTERLACE_NONE,
              [&](png_structp p, png_infop info) {
                png_set_eXIf_1(p, info, static_cast<png_uint_32>(chunk.size()), chunk.data());
              });
    const Image from_png = read_image_file(png);
    CHECK((from_png.height == height && from_png.width == width));
    for (std::size_t i = 0; i < 6; ++i) CHECK(from_png.pixels[3 * i] == pixels[i]);
    // In a JPEG, behind an XMP segment: blocks of one colour, so that the format loses little.
    Bytes blocks;
    for (int y = 0; y < 16; ++y)
      for (int x = 0; x < 24; ++x) blocks.push_back(static_cast<std::uint8_t>(40 * (y / 8 * 3 + x / 8 + 1)));
    Bytes segment{'E', 'x', 'i', 'f', 0, 0};
    segment.insert(segment.end(), chunk.begin(), chunk.end());
    write_jpeg(jpeg, 16, 24, JCS_GRAYSCALE, blocks, false, {{'h', 't', 't', 'p', ':', '/', '/', 0}, segment});
    for (const int shrunk : {1, 2, 8}) {
      int upright_height = 0, upright_width = 0;
      const Image from_jpeg = read_image_file(jpeg, [&](int h, int w) {
        upright_height = h, upright_width = w;
        return shrunk;
      });
      CHECK((upright_height == 8 * height && upright_width == 8 * width));
      const int side = 8 / shrunk;
      REQUIRE((from_jpeg.height == side * height && from_jpeg.width == side * width));
      for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x) {
          const auto at = static_cast<std::size_t>((y * side * from_jpeg.width + x * side) * 3);
          CHECK(std::abs(from_jpeg.pixels[at] - 40 * pixels[static_cast<std::size_t>(y * width + x)]) <= 2);
        }
    }
  }
}

TEST_CASE("damaged EXIF data name no orientation, and read nothing that is not there") {
  for (const bool low_first : {false, true}) {
    const Bytes whole = exif(6, low_first);
    CHECK(exif_orientation(whole) == 6);
    for (std::size_t n = 0; n + 2 < whole.size(); ++n) {
      const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));  // of its own, for the sanitizer
      CHECK(exif_orientation(part) == 1);
    }
    for (std::size_t at = 0; at < whole.size(); ++at)
      for (const int value : {0, 1, 127, 255}) {
        Bytes other = whole;
        other[at] = static_cast<std::uint8_t>(value);
        const int found = exif_orientation(other);
        CHECK((found >= 1 && found <= 8));
      }
  }
  CHECK(exif_orientation(exif(9)) == 1);
  CHECK(exif_orientation(exif(0)) == 1);
}

TEST_CASE("a JPEG read smaller is near to the mean of its pixels") {
  const Folder folder;
  const fs::path file = folder.path / "a.jpg";
  Bytes bytes;
  for (int y = 0; y < 33; ++y)
    for (int x = 0; x < 50; ++x) bytes.push_back(static_cast<std::uint8_t>(100 + 60 * std::sin(x / 8.0) + 2 * y));
  write_jpeg(file, 33, 50, JCS_GRAYSCALE, bytes);
  for (const auto& [factor, by] : {std::pair{1, 1}, {0, 1}, {2, 2}, {3, 2}, {7, 4}, {8, 8}, {100, 8}}) {
    const Image image = read_image_file(file, [f = factor](int, int) { return f; });
    REQUIRE((image.height == (33 + by - 1) / by && image.width == (50 + by - 1) / by));
    for (int y = 0; y < 33 / by; ++y)
      for (int x = 0; x < 50 / by; ++x) {
        double mean = 0;
        for (int i = 0; i < by * by; ++i)
          mean += bytes[static_cast<std::size_t>((y * by + i / by) * 50 + x * by + i % by)] / double(by * by);
        CHECK(std::abs(image.pixels[static_cast<std::size_t>((y * image.width + x) * 3)] - mean) < 3);
      }
  }
}

}  // namespace
