// SPDX-License-Identifier: BSL-1.0
// The functions of safetensors_writer.hpp.
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

#include <strata/core/linkage.hpp>
#include <strata/io/safetensors_header.hpp>
#include <strata/io/safetensors_writer.hpp>
#include <strata/util/atomic_file.hpp>

namespace strata::inline STRATA_ABI {

STRATA_DEFINE void save_safetensors(const std::filesystem::path& path, std::span<const Tensor> tensors,
                                    const std::map<std::string, std::string>& metadata) {
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

}  // namespace strata::inline STRATA_ABI
