// SPDX-License-Identifier: BSL-1.0
// Reads PNG and JPEG files through libpng and libjpeg: a target of its own, strata::images, so that the core needs neither.
#pragma once
// jpeglib.h takes size_t and FILE from here.
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
#include <fstream>
#include <initializer_list>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <strata/data/dataset.hpp>
#include <strata/data/image.hpp>

namespace strata {
namespace detail {

// What is larger is refused before any memory is taken for it, whatever a damaged header says.
inline constexpr std::uintmax_t image_file_limit = std::uintmax_t{1} << 28;  // bytes
inline constexpr std::int64_t image_pixel_limit = 50'000'000;

[[noreturn]] inline void fail_image(const std::filesystem::path& file, const std::string& found,
                                    const char* expected = "a whole PNG or JPEG file") {
  throw DataError(file.string(), DataError::whole, found, expected);
}

inline std::size_t checked_pixels(const std::filesystem::path& file, std::int64_t height, std::int64_t width) {
  if (height < 1 || width < 1 || height > image_pixel_limit / width)
    fail_image(file, std::to_string(width) + "x" + std::to_string(height) + " pixels", "at most 50 million");
  return static_cast<std::size_t>(height * width);
}

// libpng's simplified interface, which makes any kind of PNG what is asked for.
class PngReader {
 public:
  PngReader() { image_.version = PNG_IMAGE_VERSION; }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
  ~PngReader() { png_image_free(&image_); }

  Image read(const std::filesystem::path& file, std::span<const std::uint8_t> bytes) {
    if (png_image_begin_read_from_memory(&image_, bytes.data(), bytes.size()) == 0) fail_image(file, image_.message);
    Image out;
    out.pixels.resize(3 * checked_pixels(file, image_.height, image_.width));
    out.height = static_cast<int>(image_.height), out.width = static_cast<int>(image_.width);
    image_.format = PNG_FORMAT_RGB;
    image_.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;  // where a file does not say, its 16 bits mean what 8 do
    const png_color white{255, 255, 255};
    if (png_image_finish_read(&image_, &white, out.pixels.data(), 0, nullptr) == 0) fail_image(file, image_.message);
    return out;
  }

 private:
  png_image image_{};
};

// libjpeg reports errors by a function that must not return. Ours jumps back to where libjpeg was called; an exception
// must not cross its frames. Between there and here stands no object with a destructor: all that is kept is in members.
class JpegReader {
 public:
  JpegReader() {
    decoder_.err = jpeg_std_error(&errors_);
    decoder_.client_data = this;
    errors_.error_exit = [](j_common_ptr d) { jump(d); };
    // Libjpeg warns and makes pixels up where data are damaged. Bytes between its segments are harmless, and frequent.
    errors_.emit_message = [](j_common_ptr d, int level) {
      if (level < 0 && d->err->msg_code != JWRN_EXTRANEOUS_DATA) jump(d);
    };
  }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
  ~JpegReader() { jpeg_destroy_decompress(&decoder_); }

  Image read(const std::filesystem::path& file, std::span<const std::uint8_t> bytes) {
    if (!begin(bytes)) fail_image(file, message_.data());
    if (decoder_.jpeg_color_space == JCS_CMYK || decoder_.jpeg_color_space == JCS_YCCK)
      fail_image(file, "a JPEG in the colours of printing, CMYK", "grey or RGB");
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
  // False where libjpeg refuses; message_ says why.
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

// The picture in a PNG or JPEG file, told by its first bytes. Grey becomes three equal colours, 16 bits become 8, what
// shows through stands on white; the orientation that a camera noted (EXIF) is not followed. Throws DataError for a file
// that is missing, larger than 256 MiB, neither of the two, damaged, cut short, of more than 50 million pixels, or a JPEG
// in CMYK.
inline Image read_image_file(const std::filesystem::path& file) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(file, error);
  if (error) detail::fail_image(file, error.message());
  if (size > detail::image_file_limit) detail::fail_image(file, std::to_string(size) + " bytes", "at most 256 MiB");
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
  std::ifstream in(file, std::ios::binary);
  if (!in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size())))
    detail::fail_image(file, "cannot be read");
  const auto begins = [&bytes](std::initializer_list<std::uint8_t> with) {
    return bytes.size() >= with.size() && std::equal(with.begin(), with.end(), bytes.begin());
  };
  if (begins({0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'})) return detail::PngReader().read(file, bytes);
  if (begins({0xFF, 0xD8, 0xFF})) return detail::JpegReader().read(file, bytes);
  detail::fail_image(file, bytes.empty() ? "an empty file" : "neither PNG nor JPEG");
}

}  // namespace strata
