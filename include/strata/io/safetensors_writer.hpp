// SPDX-License-Identifier: BSL-1.0
// Writes safetensors files.
#pragma once
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <strata/io/safetensors_header.hpp>
#include <strata/util/atomic_file.hpp>

namespace strata {

// One tensor to write: row-major, the last dimension fastest. An empty shape is one number.
struct Tensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::span<const float> data;
};

// Writes the tensors as F32 in the order given, and the metadata in the order of its keys. Equal arguments give equal
// bytes; no time, machine or path is stored. The file is written completely or not at all. Throws std::invalid_argument for
// names that occur twice, are "__metadata__" or are not UTF-8, and for shapes that do not fit their data; std::system_error
// with the path if writing fails.
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
      throw std::invalid_argument("strata: the tensor name " + t.name + " is used twice or reserved");
    const auto size = static_cast<std::int64_t>(t.data.size());
    if (detail::checked_product(1, t.shape) != size)
      throw std::invalid_argument("strata: tensor " + t.name + " has " + std::to_string(size) +
                                  " numbers, which do not fit its shape");
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

}  // namespace strata
