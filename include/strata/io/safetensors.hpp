// SPDX-License-Identifier: BSL-1.0
// The safetensors format, https://github.com/huggingface/safetensors: eight bytes of header length (little-endian), a
// header in JSON {"name": {"dtype", "shape", "data_offsets"}, "__metadata__": {"key": "text"}} padded with spaces, then the
// tensors, row-major, without holes. Reading one executes nothing and trusts nothing.
//
// The header is read by a parser of our own: the core needs the standard library alone, and this header is no general JSON
// but objects of two fixed depths holding strings, lists of non-negative integers, and nothing else. A fixed grammar has no
// recursion for a hostile file to exhaust, and accepts nothing that the format does not have.
#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/util/atomic_file.hpp>
#include <strata/util/utf8.hpp>

namespace strata {

static_assert(std::endian::native == std::endian::little, "strata: safetensors are little-endian, and so are we so far");
static_assert(std::numeric_limits<float>::is_iec559 && std::numeric_limits<double>::is_iec559);

// What save_safetensors() writes: row-major, the last dimension fastest; an empty shape is one number.
struct Tensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::span<const float> data;
};

namespace detail {

inline constexpr std::uint64_t safetensors_header_limit = 100'000'000;  // bytes, as in the reference implementation
inline constexpr std::string_view safetensors_metadata = "__metadata__";

inline void append_utf8(std::string& out, std::uint32_t c) {
  const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6), put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 0x3F)), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  }
}

// Appends `text` as a JSON string. Throws std::invalid_argument where it is not UTF-8.
inline void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t n = utf8_length(text.substr(i));
    const auto c = static_cast<unsigned char>(text[i]);
    if (n == 0)
      throw std::invalid_argument("strata: byte " + std::to_string(i) + " of a tensor's name or of metadata is not UTF-8");
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c < 0x20) {
      out += "\\u00";
      out += hex[c >> 4];
      out += hex[c & 15];
    } else {
      out += text.substr(i, n);
    }
    i += n;
  }
  out += '"';
}

inline void append_list(std::string& out, const std::vector<std::int64_t>& numbers) {
  out += '[';
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0) out += ',';
    out += std::to_string(numbers[i]);
  }
  out += ']';
}

// The product, or -1 where a factor is negative or it is beyond int64.
inline std::int64_t checked_product(std::int64_t start, const std::vector<std::int64_t>& factors) {
  if (std::find(factors.begin(), factors.end(), 0) != factors.end())
    return *std::min_element(factors.begin(), factors.end()) < 0 ? -1 : 0;
  for (const std::int64_t f : factors) {
    if (f < 0 || start > std::numeric_limits<std::int64_t>::max() / f) return -1;
    start *= f;
  }
  return start;
}

}  // namespace detail

// One tensor of a file. Offsets are bytes from the end of the header.
struct SafetensorsEntry {
  std::string name;
  std::string dtype;  // "F32" or "F64"
  std::vector<std::int64_t> shape;
  std::int64_t begin = 0, end = 0;
  [[nodiscard]] std::int64_t size() const { return (end - begin) / (dtype == "F64" ? 8 : 4); }
};

namespace detail {

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> tensors;  // in the order of their data
  std::map<std::string, std::string> metadata;
};

class SafetensorsParser {
 public:
  SafetensorsParser(const std::filesystem::path& path, std::string_view text) : path_(path), text_(text) {}

  SafetensorsHeader parse(std::int64_t data_bytes) {
    SafetensorsHeader header;
    std::set<std::string> names;
    bool metadata_seen = false;
    if (text_.empty() || text_[0] != '{') fail("expected the header to begin with '{'");
    object([&](std::string name) {
      if (name == safetensors_metadata) {
        if (std::exchange(metadata_seen, true)) fail("a second __metadata__");
        object([&](std::string key) {
          std::string value = string("the text of a metadata key");
          if (!header.metadata.emplace(std::move(key), std::move(value)).second) fail("a metadata key occurs twice");
        });
        return;
      }
      if (!names.insert(name).second) fail("the name " + name + " occurs twice; expected every name once");
      header.tensors.push_back(tensor(std::move(name)));
    });
    skip_space();
    if (at_ != text_.size()) fail("expected nothing but spaces after the header");
    check_layout(header.tensors, data_bytes);
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw FileError(path_, "safetensors header, byte " + std::to_string(at_) + ": " + problem);
  }
  [[noreturn]] void fail_tensor(const SafetensorsEntry& t, const std::string& problem) const {
    throw FileError(path_, "safetensors header: tensor " + t.name + " " + problem);
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }
  [[nodiscard]] bool accept(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c, const char* where) {
    if (!accept(c)) fail(std::string("expected '") + c + "' " + where);
  }

  // Calls value(key) where a value stands.
  template <class F>
  void object(F value) {
    expect('{', "to begin an object");
    if (accept('}')) return;
    do {
      std::string key = string("a key");
      expect(':', "after a key");
      value(std::move(key));
    } while (accept(','));
    expect('}', "or ',' after a value");
  }

  std::string string(const char* what) {
    if (!accept('"')) fail(std::string("expected a string: ") + what);
    std::string out;
    while (true) {
      const std::size_t n = utf8_length(text_.substr(at_));
      if (at_ == text_.size()) fail("the header ends within a string");
      if (n == 0) fail("expected UTF-8");
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c < 0x20) fail("a control character in a string; expected an escape");
      if (c != '\\') {
        const std::string_view character = text_.substr(at_, n);
        at_ += n;
        if (c == '"') return out;
        out += character;
        continue;
      }
      ++at_;
      escape(out);
    }
  }
  void escape(std::string& out) {
    constexpr std::string_view names = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
    if (at_ == text_.size()) fail("the header ends within a string");
    const char c = text_[at_++];
    if (c != 'u') {
      const std::size_t i = names.find(c);
      if (i == std::string_view::npos) fail("an escape that JSON does not have");
      out += meanings[i];
      return;
    }
    std::uint32_t code = hex4();
    if (code >= 0xD800 && code < 0xDC00) {  // the first half of a pair
      if (text_.substr(at_, 2) != "\\u") fail("expected the second half of a surrogate pair");
      at_ += 2;
      const std::uint32_t low = hex4();
      if (low < 0xDC00 || low >= 0xE000) fail("expected the second half of a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10 | (low - 0xDC00));
    } else if (code >= 0xDC00 && code < 0xE000) {
      fail("the second half of a surrogate pair without a first");
    }
    append_utf8(out, code);
  }
  std::uint32_t hex4() {
    std::uint32_t code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = at_ < text_.size() ? text_[at_] : ' ';
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) fail("expected four hexadecimal digits after \\u");
      code = code << 4 | static_cast<std::uint32_t>(digit);
    }
    return code;
  }

  std::int64_t integer() {
    skip_space();
    const auto digit = [this](std::size_t i) { return i < text_.size() && text_[i] >= '0' && text_[i] <= '9'; };
    if (!digit(at_)) fail("expected a whole number of zero or more");
    if (text_[at_] == '0' && digit(at_ + 1)) fail("a number with leading zeros");
    std::int64_t value = 0;
    for (; digit(at_); ++at_) {
      const int d = text_[at_] - '0';
      if (value > (std::numeric_limits<std::int64_t>::max() - d) / 10) fail("a number beyond 2^63 - 1");
      value = value * 10 + d;
    }
    return value;
  }
  std::vector<std::int64_t> list() {
    std::vector<std::int64_t> out;
    expect('[', "to begin a list of numbers");
    if (accept(']')) return out;
    do {
      out.push_back(integer());
    } while (accept(','));
    expect(']', "or ',' after a number");
    return out;
  }

  SafetensorsEntry tensor(std::string name) {
    SafetensorsEntry t;
    t.name = std::move(name);
    bool dtype = false, shape = false, offsets = false;
    object([&](const std::string& key) {
      if (key == "dtype" && !std::exchange(dtype, true)) {
        t.dtype = string("a dtype");
      } else if (key == "shape" && !std::exchange(shape, true)) {
        t.shape = list();
      } else if (key == "data_offsets" && !std::exchange(offsets, true)) {
        const std::vector<std::int64_t> both = list();
        if (both.size() != 2) fail("data_offsets of " + std::to_string(both.size()) + " numbers; expected 2");
        t.begin = both[0], t.end = both[1];
      } else {
        fail("the key " + key + " of tensor " + t.name + "; expected dtype, shape and data_offsets, each once");
      }
    });
    if (!dtype || !shape || !offsets) fail("tensor " + t.name + " lacks one of dtype, shape and data_offsets");
    if (t.dtype != "F32" && t.dtype != "F64") fail_tensor(t, "has dtype " + t.dtype + "; expected F32 or F64");
    if (t.begin > t.end) fail_tensor(t, "ends before it begins");
    const std::int64_t bytes = checked_product(t.dtype == "F64" ? 8 : 4, t.shape);
    if (bytes < 0) fail_tensor(t, "has a shape of more than 2^63 bytes");
    if (bytes != t.end - t.begin)
      fail_tensor(
          t, "has " + std::to_string(t.end - t.begin) + " bytes; expected " + std::to_string(bytes) + " from its shape");
    return t;
  }

  // Tightly packed, from the first byte after the header to the last of the file.
  void check_layout(std::vector<SafetensorsEntry>& tensors, std::int64_t data_bytes) const {
    std::sort(tensors.begin(), tensors.end(), [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.end != b.end ? a.end < b.end : a.name < b.name;
    });
    std::int64_t end = 0;
    for (const SafetensorsEntry& t : tensors) {
      if (t.begin != end)
        fail_tensor(t, std::string(t.begin < end ? "overlaps another" : "leaves a hole before it") +
                           ": it begins at byte " + std::to_string(t.begin) + " of the data; expected " +
                           std::to_string(end));
      end = t.end;
    }
    for (const SafetensorsEntry& t : tensors)
      if (t.end > data_bytes)
        fail_tensor(t, "ends at byte " + std::to_string(t.end) + " of the data; expected at most " +
                           std::to_string(data_bytes) + ", all there is: the file is cut off");
    if (end != data_bytes)
      throw FileError(path_, std::to_string(data_bytes) + " bytes of tensors; expected " + std::to_string(end) +
                                 " from the safetensors header: the file is too long");
  }

  const std::filesystem::path& path_;
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace detail

// Writes the tensors in the order given, as F32, and the metadata in the order of its keys. The same arguments give the
// same bytes: nothing of the time, the machine or the path goes in. The file appears whole or not at all. Throws
// std::invalid_argument for names that occur twice, are "__metadata__" or are not UTF-8, and for shapes that are not those
// of the data; std::system_error naming the path where it cannot be written.
inline void save_safetensors(const std::filesystem::path& path, std::span<const Tensor> tensors,
                             const std::map<std::string, std::string>& metadata = {}) {
  std::string header(8, '\0');
  header += '{';
  const auto begin_key = [&header](std::string_view key) {
    if (header.back() != '{') header += ',';
    detail::append_json_string(header, key);
    header += ':';
  };
  if (!metadata.empty()) {
    begin_key(detail::safetensors_metadata);
    header += '{';
    for (const auto& [key, value] : metadata) {
      begin_key(key);
      detail::append_json_string(header, value);
    }
    header += '}';
  }
  std::set<std::string_view> names;
  std::int64_t offset = 0;
  for (const Tensor& t : tensors) {
    if (t.name == detail::safetensors_metadata || !names.insert(t.name).second)
      throw std::invalid_argument("strata: the tensor name " + t.name + " is taken");
    const auto size = static_cast<std::int64_t>(t.data.size());
    if (detail::checked_product(1, t.shape) != size)
      throw std::invalid_argument("strata: tensor " + t.name + " has " + std::to_string(size) +
                                  " numbers, which is not what its shape says");
    begin_key(t.name);
    header += R"({"dtype":"F32","shape":)";
    detail::append_list(header, t.shape);
    header += R"(,"data_offsets":)";
    detail::append_list(header, {offset, offset + 4 * size});
    header += '}';
    offset += 4 * size;
  }
  header += '}';
  header.append((8 - header.size() % 8) % 8, ' ');
  const std::uint64_t length = header.size() - 8;
  if (length > detail::safetensors_header_limit)
    throw std::invalid_argument("strata: a safetensors header of " + std::to_string(length) + " bytes; at most 100000000");
  std::memcpy(header.data(), &length, 8);
  write_file_atomically(path, [&](AtomicFileWriter& writer) {
    writer.write(std::as_bytes(std::span(header)));
    for (const Tensor& t : tensors) writer.write(std::as_bytes(t.data));
  });
}

// A file opened for reading. The constructor checks the whole header against the size of the file; the numbers are read
// when they are asked for. All of it throws FileError for a file that cannot be read or is not safetensors of F32 and F64.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path) : path_(path) {
    std::error_code error;
    const std::uintmax_t bytes = std::filesystem::file_size(path_, error);
    if (error) throw FileError(path_, "cannot be read: " + error.message());
    in_.open(path_, std::ios::binary);
    if (!in_) throw FileError(path_, "cannot be opened");
    if (bytes < 8)
      throw FileError(path_, std::to_string(bytes) + " bytes; expected at least the 8 of a safetensors length");
    std::uint64_t length = 0;
    read_bytes(0, std::as_writable_bytes(std::span(&length, 1)));
    if (length > detail::safetensors_header_limit)
      throw FileError(path_,
                      "a header of " + std::to_string(length) + " bytes; expected at most 100000000: is this safetensors?");
    if (length > bytes - 8)
      throw FileError(path_, "a header of " + std::to_string(length) + " bytes, but only " + std::to_string(bytes - 8) +
                                 " follow: the file is cut off");
    std::string text(static_cast<std::size_t>(length), '\0');
    read_bytes(8, std::as_writable_bytes(std::span(text)));
    data_ = 8 + static_cast<std::int64_t>(length);
    header_ = detail::SafetensorsParser(path_, text).parse(static_cast<std::int64_t>(bytes) - data_);
    for (std::size_t i = 0; i < header_.tensors.size(); ++i) by_name_.emplace(header_.tensors[i].name, i);
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // In the order of their data.
  [[nodiscard]] std::span<const SafetensorsEntry> tensors() const { return header_.tensors; }
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  // Null where there is none of that name.
  [[nodiscard]] const SafetensorsEntry* find(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : &header_.tensors[found->second];
  }

  // Fills `out` with a tensor's numbers, converted between F32 and F64 where they differ. Throws FileError where there is
  // no such tensor or `out` is not of its size.
  template <class T>
    requires(std::is_same_v<T, float> || std::is_same_v<T, double>)
  void read(std::string_view name, std::span<T> out) {
    const SafetensorsEntry& t = entry(name);
    if (std::cmp_not_equal(t.size(), out.size()))
      throw FileError(path_, "tensor " + t.name + " has " + std::to_string(t.size()) + " numbers; expected " +
                                 std::to_string(out.size()));
    if ((t.dtype == "F64") == std::is_same_v<T, double>)
      read_bytes(data_ + t.begin, std::as_writable_bytes(out));
    else if constexpr (std::is_same_v<T, double>)
      convert<float>(t, out);
    else
      convert<double>(t, out);
  }
  template <class T = float>
  [[nodiscard]] std::vector<T> read(std::string_view name) {
    std::vector<T> out(static_cast<std::size_t>(entry(name).size()));
    read(name, std::span<T>(out));
    return out;
  }

 private:
  [[nodiscard]] const SafetensorsEntry& entry(std::string_view name) const {
    if (const SafetensorsEntry* t = find(name)) return *t;
    throw FileError(path_, "no tensor " + std::string(name) + "; expected one of that name");
  }
  template <class Stored, class T>
  void convert(const SafetensorsEntry& t, std::span<T> out) {
    std::vector<Stored> stored(out.size());
    read_bytes(data_ + t.begin, std::as_writable_bytes(std::span(stored)));
    std::transform(stored.begin(), stored.end(), out.begin(), [](Stored x) { return static_cast<T>(x); });
  }
  void read_bytes(std::int64_t at, std::span<std::byte> out) {
    in_.clear();
    in_.seekg(at);
    in_.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size()));
    if (!in_ || in_.gcount() != static_cast<std::streamsize>(out.size()))
      throw FileError(path_, "cannot read " + std::to_string(out.size()) + " bytes at byte " + std::to_string(at));
  }

  std::filesystem::path path_;
  std::ifstream in_;
  std::int64_t data_ = 0;  // bytes before the tensors
  detail::SafetensorsHeader header_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
};

}  // namespace strata
