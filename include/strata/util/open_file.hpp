// SPDX-License-Identifier: BSL-1.0
// Files by their descriptors, and how a finished file gets its name. For Linux and other POSIX systems.
#pragma once
#include <fcntl.h>
#include <sys/file.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <strata/util/no_copy.hpp>

namespace strata::detail {

// An open file or directory, closed with its owner. Errors are std::system_error with the path.
class OpenFile : NoCopy {
 public:
  // flags: as for open(2).
  OpenFile(std::filesystem::path path, int flags) : path_(std::move(path)) {
    descriptor_ = ::open(path_.c_str(), flags | O_CLOEXEC, 0666);
    if (descriptor_ < 0) fail("cannot open");
  }
  // Owns an open descriptor; `path` is for messages.
  OpenFile(int descriptor, std::filesystem::path path) : path_(std::move(path)), descriptor_(descriptor) {}
  ~OpenFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ::ssize_t n = ::write(descriptor_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail("cannot write to");
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
  }
  void write(std::string_view bytes) { write(std::as_bytes(std::span(bytes))); }
  // The bytes read; 0 at the end of the file.
  std::size_t read(std::span<char> to) {
    for (;;) {
      const ::ssize_t n = ::read(descriptor_, to.data(), to.size());
      if (n >= 0) return static_cast<std::size_t>(n);
      if (errno != EINTR) fail("cannot read");
    }
  }
  // Waits until the disk has it. Some file systems cannot flush a directory (EINVAL).
  void sync() {
    if (::fsync(descriptor_) != 0 && errno != EINVAL) fail("cannot flush");
  }
  // An exclusive lock until this is destroyed; false if another process has it. True if the file system has no locks.
  [[nodiscard]] bool try_lock() {
    while (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0)
      if (errno != EINTR) return errno != EWOULDBLOCK;
    return true;
  }
  void close() {
    if (::close(std::exchange(descriptor_, -1)) != 0) fail("cannot close");
  }
  [[nodiscard]] int descriptor() const { return descriptor_; }

  [[noreturn]] void fail(const char* what) const {
    throw std::system_error(errno, std::generic_category(), std::string(what) + " " + path_.string());
  }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

// Renames a flushed file to its final name and flushes the directory: only then is the new name on the disk. Replaces a
// file of that name.
inline void publish(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0)
    throw std::system_error(errno, std::generic_category(), "cannot replace " + to.string());
  OpenFile(to.has_parent_path() ? to.parent_path() : ".", O_RDONLY | O_DIRECTORY).sync();
}

}  // namespace strata::detail
