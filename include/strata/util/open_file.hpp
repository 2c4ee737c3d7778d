// SPDX-License-Identifier: BSL-1.0
// Files by their descriptors, and how a finished file gets its name.
#pragma once
#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include <strata/core/linkage.hpp>
#include <strata/util/no_copy.hpp>
#include <strata/util/system.hpp>

namespace strata::inline STRATA_ABI::detail {

// An open file or directory, closed with its owner. Errors are std::system_error with the path.
class OpenFile : NoCopy {
 public:
  OpenFile(std::filesystem::path path, os::OpenFor use);
  // Owns an open descriptor; `path` is for messages.
  OpenFile(int descriptor, std::filesystem::path path);
  ~OpenFile();

  void write(std::span<const std::byte> bytes);
  void write(std::string_view bytes);
  // The bytes read; 0 at the end of the file.
  std::size_t read(std::span<char> to);
  // Waits until the disk has it.
  void sync();
  // An exclusive lock until this is destroyed; false if another process has it. True if the file system has no locks.
  [[nodiscard]] bool try_lock();
  void close();
  [[nodiscard]] int descriptor() const { return descriptor_; }

  [[noreturn]] void fail(const char* what) const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

// Renames a flushed file to its final name and flushes the directory: only then is the new name on the disk. Replaces a
// file of that name.
void publish(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace strata::inline STRATA_ABI::detail

#if !defined(STRATA_COMPILED)
#include <strata/util/open_file_impl.hpp>
#endif
