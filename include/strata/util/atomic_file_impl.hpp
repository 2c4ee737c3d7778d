// SPDX-License-Identifier: BSL-1.0
// The functions of atomic_file.hpp.
#pragma once
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
#include <strata/util/system.hpp>

namespace strata::inline STRATA_ABI {

STRATA_DEFINE void AtomicFileWriter::write(std::span<const std::byte> bytes) { file_.write(bytes); }

STRATA_DEFINE AtomicFileWriter::AtomicFileWriter(const std::filesystem::path& path) : path_(path), file_(create(), path) {}

STRATA_DEFINE AtomicFileWriter::~AtomicFileWriter() {
  std::error_code ignored;
  if (!published_) std::filesystem::remove(temporary_, ignored);
}

STRATA_DEFINE int AtomicFileWriter::create() {
  if (!path_.has_filename()) throw FileError(path_, "this is not the name of a file to write");
  static std::atomic<std::uint64_t> count{0};
  std::error_code ignored;
  const std::filesystem::file_status there = std::filesystem::symlink_status(path_, ignored);
  if (std::filesystem::is_other(there)) throw FileError(path_, "this is a device or a pipe; expected the name of a file");
  int descriptor = -1;
  do {
    temporary_ = path_;
    temporary_.replace_filename("." + path_.filename().string() + "." + std::to_string(detail::os::process_id()) + "." +
                                std::to_string(count++) + ".tmp");
    descriptor = detail::os::open(temporary_, detail::os::OpenFor::creating);
  } while (descriptor < 0 && errno == EEXIST);
  if (descriptor < 0)
    throw std::system_error(errno, std::generic_category(), "cannot create a file to write " + path_.string());
  // Keeps the permissions of the old file. Some file systems have none, so failure is ignored.
  if (std::filesystem::is_regular_file(there)) detail::os::set_permissions(descriptor, there.permissions());
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
