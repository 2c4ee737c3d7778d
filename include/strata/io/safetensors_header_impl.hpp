// SPDX-License-Identifier: BSL-1.0
// The functions of safetensors_header.hpp.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/io/safetensors_header.hpp>
#include <strata/util/file_error.hpp>
#include <strata/util/utf8.hpp>

namespace strata::inline STRATA_ABI {

STRATA_DEFINE std::int64_t SafetensorsEntry::element_bytes() const {
  return dtype == "F64" ? 8 : dtype == "F32" ? 4 : dtype == "F16" || dtype == "BF16" ? 2 : 0;
}

namespace detail {

STRATA_DEFINE void append_utf8(std::string& out, std::uint32_t c) {
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

STRATA_DEFINE void append_json_string(std::string& out, std::string_view text) {
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

STRATA_DEFINE void append_list(std::string& out, const std::vector<std::int64_t>& numbers) {
  out += '[';
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0) out += ',';
    out += std::to_string(numbers[i]);
  }
  out += ']';
}

STRATA_DEFINE std::int64_t checked_product(std::int64_t start, const std::vector<std::int64_t>& factors) {
  if (std::find(factors.begin(), factors.end(), 0) != factors.end())
    return *std::min_element(factors.begin(), factors.end()) < 0 ? -1 : 0;
  for (const std::int64_t f : factors) {
    if (f < 0 || start > std::numeric_limits<std::int64_t>::max() / f) return -1;
    start *= f;
  }
  return start;
}

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

  // Calls value(key) at each value.
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
      if (i == std::string_view::npos) fail("an escape that JSON does not define");
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
    const std::string_view digits = text_.substr(at_, 4);
    std::uint32_t code = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    if (error != std::errc{} || end != digits.data() + 4) fail("expected four hexadecimal digits after \\u");
    at_ += 4;
    return code;
  }

  std::int64_t integer() {
    skip_space();
    const auto digit = [this](std::size_t i) { return i < text_.size() && text_[i] >= '0' && text_[i] <= '9'; };
    if (!digit(at_)) fail("expected a whole number of zero or more");
    if (text_[at_] == '0' && digit(at_ + 1)) fail("a number with leading zeros");
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc{}) fail("a number beyond 2^63 - 1");
    at_ = static_cast<std::size_t>(end - text_.data());
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
    if (t.element_bytes() == 0) fail_tensor(t, "has dtype " + t.dtype + "; expected F32, F64, F16 or BF16");
    if (t.begin > t.end) fail_tensor(t, "ends before it begins");
    const std::int64_t bytes = checked_product(t.element_bytes(), t.shape);
    if (bytes < 0) fail_tensor(t, "has a shape of more than 2^63 bytes");
    if (bytes != t.end - t.begin)
      fail_tensor(
          t, "has " + std::to_string(t.end - t.begin) + " bytes; expected " + std::to_string(bytes) + " from its shape");
    return t;
  }

  // The tensors must follow each other without gaps, from the first byte after the header to the end of the file.
  void check_layout(std::vector<SafetensorsEntry>& tensors, std::int64_t data_bytes) const {
    std::sort(tensors.begin(), tensors.end(), [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.end != b.end ? a.end < b.end : a.name < b.name;
    });
    std::int64_t end = 0;
    for (const SafetensorsEntry& t : tensors) {
      if (t.begin != end)
        fail_tensor(t, std::string(t.begin < end ? "overlaps another" : "leaves a gap before it") + ": it begins at byte " +
                           std::to_string(t.begin) + " of the data; expected " + std::to_string(end));
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

STRATA_DEFINE SafetensorsHeader parse_safetensors_header(const std::filesystem::path& path, std::string_view text,
                                                         std::int64_t data_bytes) {
  return SafetensorsParser(path, text).parse(data_bytes);
}

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
