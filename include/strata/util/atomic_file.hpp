// SPDX-License-Identifier: BSL-1.0
// Files that are written completely or not at all: after a crash, a full disk or an exception the old file is still there.
#pragma once
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <strata/util/no_copy.hpp>
#include <strata/util/open_file.hpp>

namespace strata {

// A file with wrong content. what() begins with the path and says what was expected.
class FileError : public std::runtime_error {
 public:
  FileError(std::filesystem::path path, const std::string& problem)
      : std::runtime_error(path.string() + ": " + problem), path_(std::move(path)) {}
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

// The callback of write_file_atomically() writes its bytes here, in order. Nothing is buffered, so large pieces are faster.
class AtomicFileWriter : NoCopy {
 public:
  // Throws std::system_error with the path if the disk is full or fails.
  void write(std::span<const std::byte> bytes) { file_.write(bytes); }

 private:
  template <std::invocable<AtomicFileWriter&> F>
  friend void write_file_atomically(const std::filesystem::path& path, F&& fill);

  explicit AtomicFileWriter(const std::filesystem::path& path) : path_(path), file_(create(), path) {}
  ~AtomicFileWriter() {
    if (!published_) ::unlink(temporary_.c_str());
  }

  // Opens a temporary file in the same directory, since a rename cannot cross file systems. Its name has the process and a
  // count, so that two writers of one path do not share it; a name that a killed process left behind is skipped.
  int create() {
    if (!path_.has_filename()) throw FileError(path_, "this is not the name of a file to write");
    static std::atomic<std::uint64_t> count{0};
    struct stat there{};
    const bool replaces = ::lstat(path_.c_str(), &there) == 0;
    if (replaces && !S_ISREG(there.st_mode) && !S_ISLNK(there.st_mode) && !S_ISDIR(there.st_mode))
      throw FileError(path_, "this is a device or a pipe; expected the name of a file");
    int descriptor = -1;
    do {
      temporary_ = path_;
      temporary_.replace_filename("." + path_.filename().string() + "." + std::to_string(::getpid()) + "." +
                                  std::to_string(count++) + ".tmp");
      descriptor = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (descriptor < 0 && errno == EEXIST);
    if (descriptor < 0)
      throw std::system_error(errno, std::generic_category(), "cannot create a file to write " + path_.string());
    // Keeps the permissions of the old file. Some file systems have none, so failure is ignored.
    if (replaces && S_ISREG(there.st_mode)) static_cast<void>(::fchmod(descriptor, there.st_mode & 07777));
    return descriptor;
  }
  void commit() {
    file_.sync();
    file_.close();
    detail::publish(temporary_, path_);
    published_ = true;
  }

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
inline void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  write_file_atomically(path, [bytes](AtomicFileWriter& writer) { writer.write(bytes); });
}

}  // namespace strata
