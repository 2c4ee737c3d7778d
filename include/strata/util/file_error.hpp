// SPDX-License-Identifier: BSL-1.0
// The exception for files with wrong content.
#pragma once
#include <filesystem>
#include <stdexcept>
#include <string>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI {

// A file with wrong content. what() begins with the path and says what was expected.
class FileError : public std::runtime_error {
 public:
  FileError(std::filesystem::path path, const std::string& problem);
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/util/file_error_impl.hpp>
#endif
