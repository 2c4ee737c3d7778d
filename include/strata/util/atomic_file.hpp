// SPDX-License-Identifier: BSL-1.0
// Files that are written whole or not at all: a crash, a full disk or an exception leaves what was there before.
#pragma once
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace strata {

// A file that is not what it should be. what() begins with the path and says what was expected.
class FileError : public std::runtime_error {
 public:
  FileError(std::filesystem::path path, const std::string& problem)
      : std::runtime_error(path.string() + ": " + problem), path_(std::move(path)) {}
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

// Where the callback of write_file_atomically() puts its bytes, in order. Writes go straight to the file: give large
// pieces.
class AtomicFileWriter {
 public:
  // Throws std::system_error naming the path where the disk is full or broken.
  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ::ssize_t n = ::write(descriptor_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail("cannot write to", errno);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
  }
  AtomicFileWriter(const AtomicFileWriter&) = delete;
  AtomicFileWriter& operator=(const AtomicFileWriter&) = delete;

 private:
  template <std::invocable<AtomicFileWriter&> F>
  friend void write_file_atomically(const std::filesystem::path& path, F&& fill);

  explicit AtomicFileWriter(const std::filesystem::path& path) : path_(path) {
    if (!path.has_filename()) throw FileError(path, "this is not the name of a file to write");
    // In the same directory, since a rename cannot cross file systems; by process and count, since two writers of one path
    // must not share it.
    // What a killed process of the same number left is passed over.
    static std::atomic<std::uint64_t> count{0};
    struct stat there{};
    const bool replaces = ::lstat(path.c_str(), &there) == 0;
    if (replaces && !S_ISREG(there.st_mode) && !S_ISLNK(there.st_mode) && !S_ISDIR(there.st_mode))
      throw FileError(path, "this is a device or a pipe; expected the name of a file");
    do {
      temporary_ = path;
      temporary_.replace_filename("." + path.filename().string() + "." + std::to_string(::getpid()) + "." +
                                  std::to_string(count++) + ".tmp");
      descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (descriptor_ < 0 && errno == EEXIST);
    if (descriptor_ < 0) fail("cannot create a file to write", errno);
    // Who may read it stays; a file system that knows no such thing does without.
    if (replaces && S_ISREG(there.st_mode)) static_cast<void>(::fchmod(descriptor_, there.st_mode & 07777));
  }
  ~AtomicFileWriter() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!renamed_) ::unlink(temporary_.c_str());
  }

  void commit() {
    if (::fsync(descriptor_) != 0) fail("cannot flush", errno);
    if (::close(std::exchange(descriptor_, -1)) != 0) fail("cannot close", errno);
    if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot replace", errno);
    renamed_ = true;
    // The new name is on the disk only once the directory is.
    const std::filesystem::path parent = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
    const int directory = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) fail("cannot open the directory of", errno);
    // EINVAL: a file system whose directories cannot be flushed.
    const int error = ::fsync(directory) != 0 && errno != EINVAL ? errno : 0;
    ::close(directory);
    if (error != 0) fail("cannot flush the directory of", error);
  }

  [[noreturn]] void fail(const char* what, int error) const {
    throw std::system_error(error, std::generic_category(), std::string(what) + " " + path_.string());
  }

  std::filesystem::path path_, temporary_;
  int descriptor_ = -1;
  bool renamed_ = false;
};

// Writes what `fill(writer)` gives to a temporary file beside `path`, flushes it to the disk, and gives it its name, so
// that a reader sees the old file or the new one and nothing between. Whatever is thrown, by `fill` too, passes on, and the
// temporary file is removed. A symbolic link at `path` is replaced, not followed; the mode of a file there stays.
// Throws std::system_error or FileError naming the path.
template <std::invocable<AtomicFileWriter&> F>
void write_file_atomically(const std::filesystem::path& path, F&& fill) {
  AtomicFileWriter writer(path);
  std::forward<F>(fill)(writer);
  writer.commit();
}

// The same for bytes that are already there.
inline void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  write_file_atomically(path, [bytes](AtomicFileWriter& writer) { writer.write(bytes); });
}

}  // namespace strata
