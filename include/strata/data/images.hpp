// SPDX-License-Identifier: BSL-1.0
// Reads PNG and JPEG files with libpng and libjpeg. The CMake target strata::images links them.
#pragma once
// jpeglib.h needs size_t and FILE from these.
#include <cstddef>
#include <cstdio>

#include <jerror.h>
#include <jpeglib.h>
#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include <strata/data/file.hpp>
#include <strata/data/image.hpp>
#include <strata/util/no_copy.hpp>

namespace strata {
namespace detail {

// Larger files are refused before memory is allocated, since a damaged header may ask for any amount.
inline constexpr std::uintmax_t image_file_limit = std::uintmax_t{1} << 28;  // bytes
inline constexpr std::int64_t image_pixel_limit = 50'000'000;

inline constexpr const char* whole_image = "a whole PNG or JPEG file";

[[noreturn]] inline void fail_image(const std::filesystem::path& file, const std::string& found,
                                    const char* expected = whole_image) {
  throw DataError(file.string(), DataError::whole, found, expected);
}

inline std::size_t checked_pixels(const std::filesystem::path& file, std::int64_t height, std::int64_t width) {
  if (height < 1 || width < 1 || height > image_pixel_limit / width)
    fail_image(file, std::to_string(width) + "x" + std::to_string(height) + " pixels", "at most 50 million");
  return static_cast<std::size_t>(height * width);
}

// libpng's simplified interface, which converts every kind of PNG.
class PngReader : NoCopy {
 public:
  PngReader() { image_.version = PNG_IMAGE_VERSION; }
  ~PngReader() { png_image_free(&image_); }

  Image read(const std::filesystem::path& file, std::span<const std::uint8_t> bytes) {
    if (png_image_begin_read_from_memory(&image_, bytes.data(), bytes.size()) == 0) fail_image(file, image_.message);
    Image out;
    out.pixels.resize(3 * checked_pixels(file, image_.height, image_.width));
    out.height = static_cast<int>(image_.height), out.width = static_cast<int>(image_.width);
    image_.format = PNG_FORMAT_RGB;
    image_.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;  // if a file does not say, its 16 bits are sRGB like 8 bits
    const png_color white{255, 255, 255};
    if (png_image_finish_read(&image_, &white, out.pixels.data(), 0, nullptr) == 0) fail_image(file, image_.message);
    return out;
  }

 private:
  png_image image_{};
};

// libjpeg reports errors through a function that must not return, and an exception must not cross its frames. So the
// function jumps back to the caller of libjpeg. No object with a destructor lives in between: all state is in members.
class JpegReader : NoCopy {
 public:
  JpegReader() {
    decoder_.err = jpeg_std_error(&errors_);
    decoder_.client_data = this;
    errors_.error_exit = [](j_common_ptr d) { jump(d); };
    // libjpeg warns and invents pixels if data are damaged. Extra bytes between segments are harmless and frequent.
    errors_.emit_message = [](j_common_ptr d, int level) {
      if (level < 0 && d->err->msg_code != JWRN_EXTRANEOUS_DATA) jump(d);
    };
  }
  ~JpegReader() { jpeg_destroy_decompress(&decoder_); }

  Image read(const std::filesystem::path& file, std::span<const std::uint8_t> bytes) {
    if (!begin(bytes)) fail_image(file, message_.data());
    if (decoder_.jpeg_color_space == JCS_CMYK || decoder_.jpeg_color_space == JCS_YCCK)
      fail_image(file, "a JPEG in CMYK, the colours of printing", "grey or RGB");
    Image out;
    out.pixels.resize(3 * checked_pixels(file, decoder_.image_height, decoder_.image_width));
    out.height = static_cast<int>(decoder_.image_height), out.width = static_cast<int>(decoder_.image_width);
    if (!finish(out.pixels.data())) fail_image(file, message_.data());
    return out;
  }

 private:
  [[noreturn]] static void jump(j_common_ptr d) {
    auto& self = *static_cast<JpegReader*>(d->client_data);
    d->err->format_message(d, self.message_.data());
    std::longjmp(self.back_, 1);
  }
  // False if libjpeg fails; message_ says why.
  bool begin(std::span<const std::uint8_t> bytes) {
    if (setjmp(back_) != 0) return false;
    jpeg_create_decompress(&decoder_);
    jpeg_mem_src(&decoder_, bytes.data(), static_cast<unsigned long>(bytes.size()));
    jpeg_read_header(&decoder_, TRUE);
    return true;
  }
  bool finish(std::uint8_t* pixels) {
    if (setjmp(back_) != 0) return false;
    decoder_.out_color_space = JCS_RGB;
    decoder_.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&decoder_);
    while (decoder_.output_scanline < decoder_.output_height) {
      JSAMPROW row = pixels + 3 * std::size_t{decoder_.output_width} * decoder_.output_scanline;
      jpeg_read_scanlines(&decoder_, &row, 1);
    }
    jpeg_finish_decompress(&decoder_);
    return true;
  }

  jpeg_decompress_struct decoder_{};
  jpeg_error_mgr errors_{};
  std::jmp_buf back_{};
  std::array<char, JMSG_LENGTH_MAX> message_{};
};

}  // namespace detail

// The image in a PNG or JPEG file; its first bytes say which. Always three channels: grey becomes three equal colours. 16
// bits become 8, transparent pixels are blended with white, and the orientation in EXIF is ignored. Throws DataError for a
// file that is missing, larger than 256 MiB, of another format, damaged, cut short, of more than 50 million pixels, or a
// JPEG in CMYK.
inline Image read_image_file(const std::filesystem::path& file) {
  const std::vector<std::uint8_t> bytes = detail::read_whole_file(file, detail::whole_image, detail::image_file_limit);
  const auto begins = [&bytes](std::initializer_list<std::uint8_t> with) {
    return bytes.size() >= with.size() && std::equal(with.begin(), with.end(), bytes.begin());
  };
  if (begins({0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'})) return detail::PngReader().read(file, bytes);
  if (begins({0xFF, 0xD8, 0xFF})) return detail::JpegReader().read(file, bytes);
  detail::fail_image(file, bytes.empty() ? "an empty file" : "neither PNG nor JPEG");
}

}  // namespace strata
