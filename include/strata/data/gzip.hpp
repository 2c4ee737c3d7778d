// SPDX-License-Identifier: BSL-1.0
// Reads .gz files with zlib. The CMake target strata::gzip links it.
//   FashionMnist::train("/usr/share/datasets/fashion-mnist", read_gzip_file, ".gz")
#pragma once
#include <strata/core/errors.hpp>
#include <strata/core/linkage.hpp>

#include <zlib.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <strata/data/file.hpp>

namespace strata::inline STRATA_ABI {

// The unpacked bytes; those of a file that is not packed are returned as they are. Throws DataError for a file that is
// missing, cut short or damaged, and if there are more than `most` bytes: a megabyte can unpack to a thousand.
inline std::vector<std::uint8_t> read_gzip_file_up_to(const std::filesystem::path& file, std::size_t most) {
  constexpr const char* expected = "a whole gzip file";
  constexpr unsigned piece = 1U << 20;
  const auto fail = [&](const std::string& found) { throw DataError(file.string(), DataError::whole, found, expected); };
  errno = 0;
#if defined(_WIN32)
  std::unique_ptr<gzFile_s, int (*)(gzFile)> in(gzopen_w(file.c_str(), "rb"), gzclose);  // its names are wide
#else
  std::unique_ptr<gzFile_s, int (*)(gzFile)> in(gzopen(file.c_str(), "rb"), gzclose);
#endif
  if (!in) fail(errno != 0 ? std::generic_category().message(errno) : "zlib is out of memory");
  std::vector<std::uint8_t> bytes;
  for (;;) {
    const std::size_t had = bytes.size();
    bytes.resize(had + piece);
    const int got = gzread(in.get(), bytes.data() + had, piece);
    int error = Z_OK;
    const std::string text = gzerror(in.get(), &error);
    if (got < 0 || (error != Z_OK && error != Z_STREAM_END))
      fail("damaged after " + std::to_string(had + static_cast<std::size_t>(got < 0 ? 0 : got)) +
           " unpacked bytes: " + (error == Z_ERRNO ? std::generic_category().message(errno) : text));
    bytes.resize(had + static_cast<std::size_t>(got));
    if (got == 0) break;
    if (bytes.size() > most) fail("it unpacks to more than " + std::to_string(most) + " bytes");
  }
  if (gzclose_r(in.release()) != Z_OK) fail("it is cut short");
  return bytes;
}

// At most 1 GiB; the largest of the MNIST files unpacks to 47 MB.
inline std::vector<std::uint8_t> read_gzip_file(const std::filesystem::path& file) {
  return read_gzip_file_up_to(file, std::size_t{1} << 30);
}

}  // namespace strata::inline STRATA_ABI
