// SPDX-License-Identifier: BSL-1.0
// The functions of open_file.hpp.
#pragma once
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <strata/core/linkage.hpp>
#include <strata/util/open_file.hpp>
#include <strata/util/system.hpp>

namespace strata::inline STRATA_ABI::detail {

STRATA_DEFINE OpenFile::OpenFile(std::filesystem::path path, os::OpenFor use)
    : path_(std::move(path)), descriptor_(os::open(path_, use)) {
  if (descriptor_ < 0) fail("cannot open");
}

STRATA_DEFINE OpenFile::OpenFile(int descriptor, std::filesystem::path path)
    : path_(std::move(path)), descriptor_(descriptor) {}

STRATA_DEFINE OpenFile::~OpenFile() {
  if (descriptor_ >= 0) static_cast<void>(os::close(descriptor_));
}

STRATA_DEFINE void OpenFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::int64_t n = os::write(descriptor_, bytes.data(), bytes.size());
    if (n < 0) fail("cannot write to");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

STRATA_DEFINE void OpenFile::write(std::string_view bytes) { write(std::as_bytes(std::span(bytes))); }

STRATA_DEFINE std::size_t OpenFile::read(std::span<char> to) {
  const std::int64_t n = os::read(descriptor_, to.data(), to.size());
  if (n < 0) fail("cannot read");
  return static_cast<std::size_t>(n);
}

STRATA_DEFINE void OpenFile::sync() {
  if (!os::flush(descriptor_)) fail("cannot flush");
}

STRATA_DEFINE bool OpenFile::try_lock() { return os::try_lock(descriptor_); }

STRATA_DEFINE void OpenFile::close() {
  if (!os::close(std::exchange(descriptor_, -1))) fail("cannot close");
}

STRATA_DEFINE void OpenFile::fail(const char* what) const {
  throw std::system_error(errno, std::generic_category(), std::string(what) + " " + path_.string());
}

STRATA_DEFINE void publish(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code error;
  std::filesystem::rename(from, to, error);
  if (error) throw std::system_error(error, "cannot replace " + to.string());
  const std::filesystem::path directory = to.has_parent_path() ? to.parent_path() : ".";
  if (!os::flush_directory(directory))
    throw std::system_error(errno, std::generic_category(), "cannot flush " + directory.string());
}

}  // namespace strata::inline STRATA_ABI::detail
