// SPDX-License-Identifier: BSL-1.0
// Reads safetensors files, and the same bytes in memory. Nothing in a file is executed, and everything is checked.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/io/safetensors_header.hpp>
#include <strata/util/file_error.hpp>

namespace strata::inline STRATA_ABI {

// A file open for reading. The constructor checks the whole header against the size of the file; read() reads the numbers.
// All members throw FileError if the file cannot be read or is not safetensors of F32, F64, F16 and BF16.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);
  // The bytes of a file, such as one that is embedded in the program; they must live as long as this. Errors give `name` in
  // place of a path.
  SafetensorsFile(std::span<const std::byte> bytes, std::filesystem::path name);
  ~SafetensorsFile();
  SafetensorsFile(SafetensorsFile&&) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&&) noexcept;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // Sorted by the position of their data.
  [[nodiscard]] std::span<const SafetensorsEntry> tensors() const { return header_.tensors; }
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  // Null if there is no tensor of that name.
  [[nodiscard]] const SafetensorsEntry* find(std::string_view name) const;

  // Fills `out` with the numbers of a tensor, converted if they are of another type. Throws FileError if there is no such
  // tensor or `out` has another size.
  void read(std::string_view name, std::span<float> out);
  void read(std::string_view name, std::span<double> out);
  template <class T = float>
  [[nodiscard]] std::vector<T> read(std::string_view name) {
    std::vector<T> out(static_cast<std::size_t>(entry(name).size()));
    read(name, std::span<T>(out));
    return out;
  }

 private:
  [[nodiscard]] const SafetensorsEntry& entry(std::string_view name) const;
  template <class T>
  void read_as(std::string_view name, std::span<T> out);
  template <class Stored, class T, class Value>
  void convert(const SafetensorsEntry& t, std::span<T> out, const Value& value);
  // Reads the header; `bytes` is the size of the file.
  void open(std::uintmax_t bytes);
  void read_bytes(std::int64_t at, std::span<std::byte> out);

  std::filesystem::path path_;
  std::unique_ptr<std::istream> in_;  // null: the bytes are in memory
  std::span<const std::byte> memory_;
  std::int64_t data_ = 0;  // bytes before the tensors
  detail::SafetensorsHeader header_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
};

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/io/safetensors_reader_impl.hpp>
#endif
