// SPDX-License-Identifier: BSL-1.0
// Reads PNG and JPEG files with libpng and libjpeg. The CMake target strata::images links them.
#pragma once
#include <strata/core/errors.hpp>
#include <strata/core/linkage.hpp>

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
#include <iterator>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <strata/data/file.hpp>
#include <strata/data/image.hpp>
#include <strata/util/no_copy.hpp>

namespace strata::inline STRATA_ABI {

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

// As with libjpeg below: an error jumps back to the caller of libpng, and all state is in members. The simplified interface
// of libpng would be shorter, but up to 1.6.50 it reads interlaced images of 16 bits wrongly.
class PngReader : NoCopy {
 public:
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }

  Image read(const std::filesystem::path& file, std::span<const std::uint8_t> bytes) {
    bytes_ = bytes;
    if (!begin()) fail_image(file, message_);
    const std::size_t pixels = checked_pixels(file, png_get_image_height(png_, info_), png_get_image_width(png_, info_));
    out_.height = static_cast<int>(png_get_image_height(png_, info_));
    out_.width = static_cast<int>(png_get_image_width(png_, info_));
    // Each pass over an interlaced image adds pixels to all rows; otherwise one row is enough.
    const bool interlaced = png_get_interlace_type(png_, info_) != PNG_INTERLACE_NONE;
    step_ = interlaced ? 4 * static_cast<std::size_t>(out_.width) : 0;
    rgba_.resize(4 * (interlaced ? pixels : static_cast<std::size_t>(out_.width)));
    out_.pixels.resize(3 * pixels);
    if (!finish()) fail_image(file, message_);
    return upright(std::move(out_), orientation());
  }

 private:
  [[noreturn]] static void jump(png_structp png, png_const_charp message) {
    auto& self = *static_cast<PngReader*>(png_get_error_ptr(png));
    std::snprintf(self.message_, sizeof self.message_, "%s", message);
    std::longjmp(self.back_, 1);
  }
  static void take(png_structp png, png_bytep to, std::size_t n) {
    auto& self = *static_cast<PngReader*>(png_get_io_ptr(png));
    if (n > self.bytes_.size()) png_error(png, "the file is cut off");
    std::copy_n(self.bytes_.begin(), n, to);
    self.bytes_ = self.bytes_.subspan(n);
  }
  // False if libpng fails; message_ says why.
  bool begin() {
    if (setjmp(back_) != 0) return false;
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, jump, [](png_structp, png_const_charp) {});
    if (!png_ || !(info_ = png_create_info_struct(png_))) {
      std::snprintf(message_, sizeof message_, "libpng finds no memory");
      return false;
    }
    png_set_read_fn(png_, this, take);
    png_read_info(png_, info_);
    return true;
  }
  bool finish() {
    if (setjmp(back_) != 0) return false;
    // Any kind of PNG becomes red, green, blue and alpha of 8 bits.
    png_set_expand(png_);
    png_set_scale_16(png_);
    png_set_gray_to_rgb(png_);
    png_set_add_alpha(png_, 255, PNG_FILLER_AFTER);
    const int passes = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    if (png_get_rowbytes(png_, info_) != 4 * static_cast<std::size_t>(out_.width))
      png_error(png_, "an unknown kind of PNG");
    for (int pass = 0; pass < passes; ++pass)
      for (std::size_t y = 0; y < static_cast<std::size_t>(out_.height); ++y) {
        png_read_row(png_, rgba_.data() + y * step_, nullptr);
        if (pass == passes - 1) put_on_white(y);
      }
    return true;
  }
  [[nodiscard]] int orientation() {
#if defined(PNG_eXIf_SUPPORTED)
    png_bytep exif = nullptr;
    png_uint_32 bytes = 0;
    if (png_get_eXIf_1(png_, info_, &bytes, &exif) != 0 && exif) return exif_orientation({exif, std::size_t{bytes}});
#endif
    return 1;
  }
  void put_on_white(std::size_t y) {
    const auto width = static_cast<std::size_t>(out_.width);
    const std::uint8_t* from = rgba_.data() + y * step_;
    std::uint8_t* to = out_.pixels.data() + 3 * y * width;
    for (std::size_t x = 0; x < width; ++x, from += 4)
      for (std::size_t c = 0; c < 3; ++c) {
        const unsigned alpha = from[3];
        *to++ = static_cast<std::uint8_t>((from[c] * alpha + 255 * (255 - alpha) + 127) / 255);
      }
  }

  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf back_{};
  char message_[128] = "";
  std::span<const std::uint8_t> bytes_;  // not yet read
  std::vector<std::uint8_t> rgba_;
  std::size_t step_ = 0;  // from one row of rgba_ to the next
  Image out_;
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

  Image read(const std::filesystem::path& file, std::span<const std::uint8_t> bytes, ShrinkPicture shrink) {
    if (!begin(bytes)) fail_image(file, message_.data());
    if (decoder_.jpeg_color_space == JCS_CMYK || decoder_.jpeg_color_space == JCS_YCCK)
      fail_image(file, "a JPEG in CMYK, the colours of printing", "grey or RGB");
    checked_pixels(file, decoder_.image_height, decoder_.image_width);
    const int turn = orientation();
    const auto height = static_cast<int>(decoder_.image_height), width = static_cast<int>(decoder_.image_width);
    const int factor = turn >= 5 ? shrink(width, height) : shrink(height, width);
    const int by = factor >= 8 ? 8 : factor >= 4 ? 4 : factor >= 2 ? 2 : 1;
    decoder_.scale_num = 1, decoder_.scale_denom = static_cast<unsigned>(by);
    const auto scaled = [by](int side) { return (side + by - 1) / by; };
    Image out{scaled(height), scaled(width), 3, {}};
    out.pixels.resize(3 * static_cast<std::size_t>(out.height) * static_cast<std::size_t>(out.width));
    if (!finish(out)) fail_image(file, message_.data());
    return upright(std::move(out), turn);
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
    jpeg_save_markers(&decoder_, JPEG_APP0 + 1, 0xFFFF);  // EXIF
    jpeg_read_header(&decoder_, TRUE);
    return true;
  }
  // The first segment that is EXIF; XMP has the same marker.
  [[nodiscard]] int orientation() const {
    constexpr std::uint8_t name[] = {'E', 'x', 'i', 'f', 0, 0};
    for (const jpeg_marker_struct* m = decoder_.marker_list; m; m = m->next)
      if (m->marker == JPEG_APP0 + 1 && m->data_length >= 6 && std::equal(std::begin(name), std::end(name), m->data))
        return exif_orientation({m->data, std::size_t{m->data_length}});
    return 1;
  }
  bool finish(Image& out) {
    if (setjmp(back_) != 0) return false;
    decoder_.out_color_space = JCS_RGB;
    decoder_.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&decoder_);
    if (decoder_.output_height != static_cast<JDIMENSION>(out.height) ||
        decoder_.output_width != static_cast<JDIMENSION>(out.width)) {
      std::snprintf(message_.data(), message_.size(), "libjpeg decodes another size than it was asked for");
      return false;
    }
    while (decoder_.output_scanline < decoder_.output_height) {
      JSAMPROW row = out.pixels.data() + 3 * std::size_t{decoder_.output_width} * decoder_.output_scanline;
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
// bits become the nearest 8. A pixel of opacity a becomes a * colour + (1 - a) * white, in the numbers that the file
// stores, as Pillow and browsers do. The picture is turned as the orientation in its EXIF data says. Colour profiles and
// gAMA of a PNG are ignored. Throws DataError for a file that is missing, larger than 256 MiB, of another format, damaged,
// cut short, of more than 50 million pixels, or a JPEG in CMYK.
inline Image read_image_file(const std::filesystem::path& file, ShrinkPicture shrink) {
  const std::vector<std::uint8_t> bytes = detail::read_whole_file(file, detail::whole_image, detail::image_file_limit);
  const auto begins = [&bytes](std::initializer_list<std::uint8_t> with) {
    return bytes.size() >= with.size() && std::equal(with.begin(), with.end(), bytes.begin());
  };
  if (begins({0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'})) return detail::PngReader().read(file, bytes);
  if (begins({0xFF, 0xD8, 0xFF})) return detail::JpegReader().read(file, bytes, shrink);
  detail::fail_image(file, bytes.empty() ? "an empty file" : "neither PNG nor JPEG");
}
inline Image read_image_file(const std::filesystem::path& file) {
  return read_image_file(file, [](int, int) { return 1; });
}

}  // namespace strata::inline STRATA_ABI
