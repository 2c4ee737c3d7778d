// SPDX-License-Identifier: BSL-1.0
// Files that are written completely or not at all: after a crash, a full disk or an exception the old file is still there.
#pragma once
#include <concepts>
#include <cstddef>
#include <filesystem>
#include <span>
#include <utility>

#include <strata/core/linkage.hpp>
#include <strata/util/file_error.hpp>
#include <strata/util/no_copy.hpp>
#include <strata/util/open_file.hpp>

namespace strata::inline STRATA_ABI {

// The callback of write_file_atomically() writes its bytes here, in order. Nothing is buffered, so large pieces are faster.
class AtomicFileWriter : NoCopy {
 public:
  // Throws std::system_error with the path if the disk is full or fails.
  void write(std::span<const std::byte> bytes);

 private:
  template <std::invocable<AtomicFileWriter&> F>
  friend void write_file_atomically(const std::filesystem::path& path, F&& fill);

  explicit AtomicFileWriter(const std::filesystem::path& path);
  ~AtomicFileWriter();

  // Opens a temporary file in the same directory, since a rename cannot cross file systems. Its name has the process and a
  // count, so that two writers of one path do not share it; a name that a killed process left behind is skipped.
  int create();
  void commit();

  std::filesystem::path path_, temporary_;
  detail::OpenFile file_;
  bool published_ = false;
};

// Lets `fill(writer)` write a temporary file beside `path`, flushes it to the disk, and renames it to `path`, so that a
// reader sees either the old file or the complete new one. If anything throws, `fill` included, the temporary file is
// removed and the exception passes on. A symbolic link at `path` is replaced, not followed; permissions of a file at `path`
// are kept. Throws std::system_error or FileError with the path.
template <std::invocable<AtomicFileWriter&> F>
void write_file_atomically(const std::filesystem::path& path, F&& fill) {
  AtomicFileWriter writer(path);
  std::forward<F>(fill)(writer);
  writer.commit();
}

// The same for bytes in memory.
void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes);

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/util/atomic_file_impl.hpp>
#endif
