// SPDX-License-Identifier: BSL-1.0
#include <doctest/doctest.h>

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <strata/io/safetensors.hpp>
#include <strata/util/atomic_file.hpp>

#include "files.hpp"
#include "mutate.hpp"

namespace {
using namespace strata;
namespace fs = std::filesystem;

// A file of this header, unpadded, and so many bytes of data.
std::string file_of(std::string_view header, std::size_t data) {
  std::string out(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(out.data(), &length, 8);
  return out.append(header).append(data, '\0');
}
template <class Open>
std::string error_of(const fs::path& path, const Open& open) {
  try {
    open();
  } catch (const FileError& e) {
    CHECK(e.path() == path);
    const std::string what = e.what();
    REQUIRE(what.starts_with(path.string() + ": "));
    return what.substr(path.string().size() + 2);
  }
  return {};
}
std::string error_of(const fs::path& path) {
  std::string error = error_of(path, [&] { SafetensorsFile file(path); });
  // The same bytes in memory give the same message.
  if (fs::is_regular_file(path)) {
    const std::string bytes = bytes_of(path);
    CHECK(error_of(path, [&] { SafetensorsFile file(in_memory(bytes), path); }) == error);
  }
  return error;
}
bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

const std::array<float, 6> kernel{1, -2, 3.5F, 0, 1e-30F, 6};
const std::array<float, 1> number{7};
const std::vector<Tensor> three{{"conv2d/kernel", {2, 3}, kernel}, {"empty", {0, 5}, {}}, {"scalar", {}, number}};

TEST_CASE("safetensors come back as they went") {
  const Folder folder;
  const fs::path path = folder.path / "a.safetensors";
  save_safetensors(path, three, {{"z", "last"}, {"a \"\\\n\x01", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"}});
  SafetensorsFile file(path);
  REQUIRE(file.tensors().size() == 3);
  CHECK(file.metadata() ==
        std::map<std::string, std::string>{{"a \"\\\n\x01", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"}, {"z", "last"}});
  const SafetensorsEntry* k = file.find("conv2d/kernel");
  REQUIRE(k != nullptr);
  CHECK(k->shape == std::vector<std::int64_t>{2, 3});
  CHECK(k->dtype == "F32");
  CHECK(file.read("conv2d/kernel") == std::vector<float>(kernel.begin(), kernel.end()));
  CHECK(file.read<double>("conv2d/kernel")[4] == static_cast<double>(1e-30F));
  CHECK(file.read("empty").empty());
  CHECK(file.read("scalar") == std::vector<float>{7});
  CHECK(file.find("conv2d") == nullptr);
  std::array<float, 5> small{};
  CHECK_THROWS_WITH_AS(file.read("conv2d/kernel", std::span<float>(small)),
                       doctest::Contains("tensor conv2d/kernel has 6 numbers; expected 5"), FileError);
  CHECK_THROWS_WITH_AS((void)file.read("conv2d"), doctest::Contains("no tensor conv2d"), FileError);
  CHECK(names_in(folder.path).size() == 1);
}

TEST_CASE("safetensors are these bytes") {
  const Folder folder;
  const fs::path path = folder.path / "a";
  const std::array<float, 2> two{1, 2};
  save_safetensors(path, std::vector<Tensor>{{"w", {2}, two}}, {{"b", "2"}, {"a", "1"}});
  std::string header = R"({"__metadata__":{"a":"1","b":"2"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  header.append((8 - header.size() % 8) % 8, ' ');
  std::string expected = file_of(header, 0);
  expected += std::string("\0\0\x80\x3F\0\0\0\x40", 8);
  CHECK(bytes_of(path) == expected);
  CHECK(bytes_of(path).size() % 8 == 0);
  save_safetensors(path, {}, {});
  CHECK(bytes_of(path) == file_of("{}      ", 0));
  CHECK(SafetensorsFile(path).tensors().empty());
}

TEST_CASE("what cannot be saved leaves the old file") {
  const Folder folder;
  const fs::path path = folder.path / "a";
  put(path, "old");
  const auto save = [&](std::vector<Tensor> t, std::map<std::string, std::string> m = {}) { save_safetensors(path, t, m); };
  CHECK_THROWS_AS(save({{"w", {7}, kernel}}), std::invalid_argument);
  CHECK_THROWS_AS(save({{"w", {-2, -3}, kernel}}), std::invalid_argument);
  CHECK_THROWS_AS(save({{"w", {0, -3}, {}}}), std::invalid_argument);
  CHECK_THROWS_AS(save({{"w", {std::int64_t{1} << 62, 4}, {}}}), std::invalid_argument);
  CHECK_THROWS_AS(save({{"w", {6}, kernel}, {"w", {6}, kernel}}), std::invalid_argument);
  CHECK_THROWS_AS(save({{"__metadata__", {6}, kernel}}), std::invalid_argument);
  CHECK_THROWS_AS(save({{"w\xFF", {6}, kernel}}), std::invalid_argument);
  CHECK_THROWS_AS(save({}, {{"a", "\xED\xA0\x80"}}), std::invalid_argument);
  CHECK(bytes_of(path) == "old");
  CHECK(names_in(folder.path).size() == 1);
}

TEST_CASE("a file is written whole or not at all") {
  const Folder folder;
  const fs::path path = folder.path / "a";
  const std::string_view text = "new";
  write_file_atomically(path, std::as_bytes(std::span(text)));
  CHECK(bytes_of(path) == "new");
  CHECK_THROWS_WITH(write_file_atomically(path,
                                          [&](AtomicFileWriter& w) {
                                            w.write(std::as_bytes(std::span(text)));
                                            throw std::runtime_error("stop");
                                          }),
                    "stop");
  CHECK(bytes_of(path) == "new");
  CHECK(names_in(folder.path).size() == 1);
  const fs::path directory = folder.path / "d";
  fs::create_directories(directory / "inside");
  CHECK_THROWS_WITH_AS(write_file_atomically(directory, {}), doctest::Contains(directory.c_str()), std::system_error);
  const fs::path nowhere = folder.path / "none" / "a";
  CHECK_THROWS_WITH_AS(write_file_atomically(nowhere, {}), doctest::Contains(nowhere.c_str()), std::system_error);
  CHECK_THROWS_AS(write_file_atomically("", {}), FileError);
  CHECK(names_in(folder.path).size() == 2);
}

TEST_CASE("writing a file keeps its mode, spares what is no file, and passes over what a killed process left") {
  const Folder folder;
  const fs::path path = folder.path / "a";
  const std::string_view text = "new";
  const auto write = [&](const fs::path& to) { write_file_atomically(to, std::as_bytes(std::span(text))); };
  put(path, "old");
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  write(path);
  CHECK(bytes_of(path) == "new");
  CHECK(fs::status(path).permissions() == (fs::perms::owner_read | fs::perms::owner_write));

  const fs::path pipe = folder.path / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THROWS_AS(write(pipe), FileError);
  CHECK(fs::is_fifo(pipe));
  CHECK_THROWS_AS(write("/dev/null"), FileError);
  CHECK(fs::is_character_file("/dev/null"));

  // Of this very process, as after a restart that gave it the same number.
  put(folder.path / "b", "old");
  for (int n = 0; n < 100; ++n)
    put(folder.path / (".b." + std::to_string(::getpid()) + "." + std::to_string(n) + ".tmp"), "");
  write(folder.path / "b");
  CHECK(bytes_of(folder.path / "b") == "new");
}

TEST_CASE("numbers of 16 bits become float32") {
  const Folder folder;
  const fs::path path = folder.path / "a";
  // Every pattern of bits: 65536 of each type.
  std::string bytes = file_of(
      R"({"b":{"dtype":"BF16","shape":[2,32768],"data_offsets":[0,131072]},"h":{"dtype":"F16","shape":[65536],"data_offsets":[131072,262144]}})",
      0);
  for (int type = 0; type < 2; ++type)
    for (unsigned i = 0; i < 65536; ++i) bytes += {static_cast<char>(i & 255), static_cast<char>(i >> 8)};
  put(path, bytes);
  SafetensorsFile file(path);
  CHECK(file.find("b")->size() == 65536);
  const std::vector<float> b = file.read("b"), h = file.read("h");
  const std::vector<double> wide = file.read<double>("h");
  int wrong = 0;
  for (unsigned i = 0; i < 65536; ++i) {
    const auto value = [&](unsigned exponent_bits, unsigned mantissa_bits) {
      const int most = (1 << exponent_bits) - 1, bias = most / 2, exponent = static_cast<int>(i >> mantissa_bits) & most;
      const unsigned mantissa = i & ((1U << mantissa_bits) - 1), one = 1U << mantissa_bits;
      const double sign = i & 0x8000 ? -1 : 1;
      if (exponent == most) return mantissa ? std::nan("") : sign * std::numeric_limits<double>::infinity();
      return sign * std::ldexp(exponent ? one + mantissa : mantissa,
                               std::max(exponent, 1) - bias - static_cast<int>(mantissa_bits));
    };
    const auto same = [](double x, double y) {
      return std::isnan(x) ? std::isnan(y) : x == y && std::signbit(x) == std::signbit(y);
    };
    if (!same(value(8, 7), static_cast<double>(b[i])) || !same(value(5, 10), static_cast<double>(h[i]))) ++wrong;
    if (!same(static_cast<double>(h[i]), wide[i])) ++wrong;
  }
  CHECK(wrong == 0);
  put(path, file_of(R"({"a":{"dtype":"F16","shape":[3],"data_offsets":[0,8]}})", 8));
  CHECK(contains(error_of(path), "has 8 bytes; expected 6"));
}

TEST_CASE("a header that is wrong is refused, with the reason") {
  const Folder folder;
  const fs::path path = folder.path / "a";
  const auto refused = [&](std::string_view header, std::size_t data, std::string_view reason) {
    CAPTURE(header);
    put(path, file_of(header, data));
    const std::string error = error_of(path);
    CHECK_MESSAGE(contains(error, reason), error);
  };
  const auto taken = [&](std::string_view header, std::size_t data) {
    CAPTURE(header);
    put(path, file_of(header, data));
    CHECK(error_of(path) == "");
  };
  taken(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8);
  taken("{ \"a\" : {\"shape\":[],\n\"data_offsets\":[0, 8],\t\"dtype\":\"F64\" } }\r  ", 8);
  taken(R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
        8);
  taken(R"({"\u00e9\ud83d\ude00\/":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"__metadata__":{}})", 0);
  CHECK(SafetensorsFile(path).find("\xC3\xA9\xF0\x9F\x98\x80/") != nullptr);

  refused("", 0, "begin with '{'");
  refused(" {}", 0, "begin with '{'");
  refused("{", 0, "expected a string");
  refused("{}x", 0, "nothing but spaces");
  refused("{},", 0, "nothing but spaces");
  refused(R"({"a":1})", 0, "to begin an object");
  refused(R"({"a":{},})", 0, "lacks one of");
  refused(R"({"__metadata__":{"a":1}})", 0, "expected a string");
  refused(R"({"__metadata__":{"a":"1","a":"2"}})", 0, "occurs twice");
  refused(R"({"__metadata__":{},"__metadata__":{}})", 0, "a second __metadata__");
  refused(R"({"__metadata__":{"a":"1",}})", 0, "expected a string: a key");
  refused(R"({"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", 4, "whole number");
  refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":{}}})", 4, "the key more");
  refused(R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4, "each once");
  refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, "expected 2");
  refused(R"({"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}})", 8,
          "tensor a has dtype I64; expected F32, F64, F16 or BF16");
  refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "ends before it begins");
  refused(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8, "has 8 bytes; expected 12");
  refused(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}})", 8, "whole number");
  refused(R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", 4, "or ',' after a number");
  refused(R"({"a":{"dtype":"F32","shape":[01],"data_offsets":[0,4]}})", 4, "leading zeros");
  refused(R"({"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}})", 4, "beyond 2^63 - 1");
  refused(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0, "more than 2^63 bytes");
  refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
          8, "the name a occurs twice");
  refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
          4, "tensor b overlaps another");
  refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "tensor a leaves a gap before it");
  refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 7, "cut off");
  refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 9, "too long");
  refused("{\"\xFF\":{}}", 0, "UTF-8");
  refused("{\"\xC0\xAF\":{}}", 0, "UTF-8");
  refused("{\"a\nb\":{}}", 0, "control character");
  refused(R"({"\x":{}})", 0, "escape that JSON does not define");
  refused(R"({"\ud83d":{}})", 0, "surrogate");
  refused(R"({"\ude00":{}})", 0, "surrogate");
  refused(R"({"\u12)", 0, "four hexadecimal digits");
  refused(std::string(100000, '{'), 0, "expected a string");
}

TEST_CASE("a file that is no safetensors is refused") {
  const Folder folder;
  const fs::path path = folder.path / "a";
  CHECK(contains(error_of(path), "cannot be read"));
  CHECK(contains(error_of(folder.path), "cannot be read"));
  put(path, "1234567");
  CHECK(contains(error_of(path), "7 bytes; expected at least the 8"));
  put(path, std::string("\x03\0\0\0\0\0\0\0{}", 10));
  CHECK(contains(error_of(path), "a header of 3 bytes, but only 2 follow"));
  put(path, "\x89HDF\r\n\x1a\n and more");
  CHECK(contains(error_of(path), "expected at most 100000000"));
}

// Cut anywhere, it is refused; changed, it is refused or holds together. Sanitizers see what else could go wrong.
TEST_CASE("damaged files are refused or consistent") {
  const Folder folder;
  const fs::path path = folder.path / "a";
  save_safetensors(path, three, {{"key", "va\"lue \xC3\xA9"}});
  const std::string good = bytes_of(path);
  for (std::size_t n = 0; n < good.size(); ++n) {
    put(path, good.substr(0, n));
    CHECK_FALSE(error_of(path).empty());
  }
  Mutator mutate(1);
  int refused = 0;
  const int rounds = 4000;
  for (int i = 0; i < rounds; ++i) {
    const std::string bytes = mutate(good, 300);
    put(path, bytes);
    error_of(path);
    // Exactly as large as the bytes, so that a sanitizer sees a read behind them.
    const std::vector<char> held(bytes.begin(), bytes.end());
    try {
      SafetensorsFile file(path), memory(std::as_bytes(std::span(held)), path);
      std::int64_t numbers = 0;
      for (const SafetensorsEntry& t : file.tensors()) {
        const std::vector<double> values = file.read<double>(t.name);
        CHECK(values.size() == static_cast<std::size_t>(t.size()));
        const std::vector<double> same = memory.read<double>(t.name);
        CHECK(std::memcmp(same.data(), values.data(), 8 * values.size()) == 0);  // NaN too
        numbers += t.size();
      }
      CHECK(numbers <= 7);
    } catch (const FileError&) {
      ++refused;
    }
  }
  CHECK(refused > rounds / 2);
  CHECK(refused < rounds);  // a bit of the numbers, or of a name
}

}  // namespace
