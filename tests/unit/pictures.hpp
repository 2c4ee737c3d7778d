// SPDX-License-Identifier: BSL-1.0
// PNG and JPEG files of tests, written by libpng and libjpeg.
#pragma once
#include <cstddef>
#include <cstdio>

#include <doctest/doctest.h>
#include <jpeglib.h>
#include <png.h>

#include <cstdint>
#include <filesystem>
#include <vector>

// bytes: (H,W,channels of the colour type), 16 bits the high byte first, rows of less than 8 bits packed. more(png, info)
// may add a palette and other chunks.
template <class More = void (*)(png_structp, png_infop)>
inline void write_png(
    const std::filesystem::path& file, int height, int width, int colour, int bits, const std::vector<std::uint8_t>& bytes,
    int interlace = PNG_INTERLACE_NONE, const More& more = [](png_structp, png_infop) {}) {
  std::FILE* out = std::fopen(file.c_str(), "wb");
  REQUIRE(out != nullptr);
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_init_io(png, out);
  png_set_IHDR(png, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), bits, colour, interlace,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  more(png, info);
  const std::size_t row = bytes.size() / static_cast<std::size_t>(height);
  std::vector<png_bytep> rows;
  for (std::size_t y = 0; y < static_cast<std::size_t>(height); ++y)
    rows.push_back(const_cast<png_bytep>(bytes.data()) + y * row);  // libpng's is not const; it only reads them
  png_set_rows(png, info, rows.data());
  png_write_png(png, info, PNG_TRANSFORM_IDENTITY, nullptr);
  png_destroy_write_struct(&png, &info);
  std::fclose(out);
}

// bytes: (H,W,channels of the space). Each of `app1` becomes a segment as EXIF and XMP have them.
inline void write_jpeg(const std::filesystem::path& file, int height, int width, J_COLOR_SPACE space,
                       const std::vector<std::uint8_t>& bytes, bool progressive = false,
                       const std::vector<std::vector<std::uint8_t>>& app1 = {}) {
  std::FILE* out = std::fopen(file.c_str(), "wb");
  REQUIRE(out != nullptr);
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  jpeg_stdio_dest(&jpeg, out);
  jpeg.image_height = static_cast<JDIMENSION>(height), jpeg.image_width = static_cast<JDIMENSION>(width);
  jpeg.input_components = space == JCS_GRAYSCALE ? 1 : space == JCS_CMYK ? 4 : 3;
  jpeg.in_color_space = space;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, 100, TRUE);
  if (progressive) jpeg_simple_progression(&jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  for (const auto& segment : app1)
    jpeg_write_marker(&jpeg, JPEG_APP0 + 1, segment.data(), static_cast<unsigned>(segment.size()));
  const std::size_t row = bytes.size() / static_cast<std::size_t>(height);
  while (jpeg.next_scanline < jpeg.image_height) {
    JSAMPROW line = const_cast<JSAMPROW>(bytes.data()) + jpeg.next_scanline * row;
    jpeg_write_scanlines(&jpeg, &line, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  std::fclose(out);
}
