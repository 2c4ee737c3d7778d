// SPDX-License-Identifier: BSL-1.0
// The functions of atomic_file.hpp.
#pragma once
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>

#include <strata/core/linkage.hpp>
#include <strata/util/atomic_file.hpp>

namespace strata::inline STRATA_ABI {

STRATA_DEFINE void AtomicFileWriter::write(std::span<const std::byte> bytes) { file_.write(bytes); }

STRATA_DEFINE AtomicFileWriter::AtomicFileWriter(const std::filesystem::path& path) : path_(path), file_(create(), path) {}

STRATA_DEFINE AtomicFileWriter::~AtomicFileWriter() {
  if (!published_) ::unlink(temporary_.c_str());
}

STRATA_DEFINE int AtomicFileWriter::create() {
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

STRATA_DEFINE void AtomicFileWriter::commit() {
  file_.sync();
  file_.close();
  detail::publish(temporary_, path_);
  published_ = true;
}

STRATA_DEFINE void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  write_file_atomically(path, [bytes](AtomicFileWriter& writer) { writer.write(bytes); });
}

}  // namespace strata::inline STRATA_ABI
