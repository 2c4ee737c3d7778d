// SPDX-License-Identifier: BSL-1.0
// The functions of open_file.hpp.
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

#include <strata/core/linkage.hpp>
#include <strata/util/open_file.hpp>

namespace strata::inline STRATA_ABI::detail {

STRATA_DEFINE OpenFile::OpenFile(std::filesystem::path path, int flags) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), flags | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail("cannot open");
}

STRATA_DEFINE OpenFile::OpenFile(int descriptor, std::filesystem::path path)
    : path_(std::move(path)), descriptor_(descriptor) {}

STRATA_DEFINE OpenFile::~OpenFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

STRATA_DEFINE void OpenFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ::ssize_t n = ::write(descriptor_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("cannot write to");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

STRATA_DEFINE void OpenFile::write(std::string_view bytes) { write(std::as_bytes(std::span(bytes))); }

STRATA_DEFINE std::size_t OpenFile::read(std::span<char> to) {
  for (;;) {
    const ::ssize_t n = ::read(descriptor_, to.data(), to.size());
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR) fail("cannot read");
  }
}

STRATA_DEFINE void OpenFile::sync() {
  if (::fsync(descriptor_) != 0 && errno != EINVAL) fail("cannot flush");
}

STRATA_DEFINE bool OpenFile::try_lock() {
  while (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0)
    if (errno != EINTR) return errno != EWOULDBLOCK;
  return true;
}

STRATA_DEFINE void OpenFile::close() {
  if (::close(std::exchange(descriptor_, -1)) != 0) fail("cannot close");
}

STRATA_DEFINE void OpenFile::fail(const char* what) const {
  throw std::system_error(errno, std::generic_category(), std::string(what) + " " + path_.string());
}

STRATA_DEFINE void publish(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0)
    throw std::system_error(errno, std::generic_category(), "cannot replace " + to.string());
  OpenFile(to.has_parent_path() ? to.parent_path() : ".", O_RDONLY | O_DIRECTORY).sync();
}

}  // namespace strata::inline STRATA_ABI::detail
