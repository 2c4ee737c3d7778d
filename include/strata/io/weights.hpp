// SPDX-License-Identifier: BSL-1.0
// A model's parameters to and from safetensors, under Keras' names and layouts (conv2d_1/kernel: height, width, in, out;
// dense/kernel: in, out).
#pragma once
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <strata/core/summary.hpp>
#include <strata/io/checksum.hpp>
#include <strata/io/safetensors.hpp>
#include <strata/model/model.hpp>

namespace strata {
namespace detail {

// FNV-1a, 64 bits.
struct Fnv {
  std::uint64_t hash = 0xcbf29ce484222325;
  constexpr Fnv& byte(unsigned b) {
    hash = (hash ^ b) * 0x100000001b3;
    return *this;
  }
  constexpr Fnv& text(std::string_view s) {
    for (const char c : s) byte(static_cast<unsigned char>(c));
    return byte(0);
  }
  constexpr Fnv& number(std::int64_t n) {
    for (int shift = 0; shift < 64; shift += 8) byte(static_cast<std::uint64_t>(n) >> shift & 255);
    return *this;
  }
};

template <class N>
constexpr std::string_view name_of_node() {
  if constexpr (node<N>::kind == Kind::layer || node<N>::kind == Kind::join) {
    if constexpr (requires { std::string_view(node<N>::layer::name); }) return node<N>::layer::name;
  }
  return {};
}

template <class Nodes>
struct fingerprint_of;
template <class... Nodes>
struct fingerprint_of<List<Nodes...>> {
  static constexpr std::uint64_t value(const auto& table) {
    Fnv f;
    std::size_t i = 0;
    const auto add = [&](std::string_view name) {
      const Row& row = table.rows[i++];
      if (name == "Dropout") return;
      const Window& w = row.step.window;
      f.number(static_cast<int>(row.kind)).text(name).number(row.step.parameters);
      for (const int n :
           {row.out.flat ? 1 : 0, row.out.height, row.out.width, row.out.channels, w.kernel_h, w.kernel_w, w.stride_h,
            w.stride_w, w.dilation_h, w.dilation_w, w.pad_top, w.pad_bottom, w.pad_left, w.pad_right})
        f.number(n);
    };
    (add(name_of_node<Nodes>()), ...);
    return f.hash;
  }
};

inline std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "(";
  for (const std::int64_t n : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(n);
  return text + ")";
}

inline void write_weights(const std::filesystem::path& path, std::span<const Tensor> tensors,
                          const std::string& architecture, const std::string& summary,
                          std::map<std::string, std::string> metadata = {}) {
  metadata["strata.architecture"] = architecture;
  metadata["strata.summary"] = summary;
  seal(metadata, tensors);
  save_safetensors(path, tensors, metadata);
}

}  // namespace detail

// Sixteen hexadecimal digits that are the same for networks of the same layers, windows and shapes. Dropout does not count:
// without training there is none. For telling files apart; no protection against a forger.
template <class Net>
[[nodiscard]] std::string architecture_fingerprint() {
  constexpr auto hash = detail::fingerprint_of<typename detail::analysed<Net>::nodes>::value(detail::analysed<Net>::table);
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[hash >> shift & 15];
  return text;
}

// The tensors and nothing else; the metadata gets the network's summary ("strata.summary"), its fingerprint
// ("strata.architecture") and checksums ("strata.checksums") beside what is given. Equal models give equal bytes. The file
// is written whole or not at all. Throws std::system_error or FileError where it cannot be written.
template <class Net, class Mode>
void save_weights(Model<Net, Cpu, Mode>& model, const std::filesystem::path& path,
                  std::map<std::string, std::string> metadata = {}) {
  std::vector<Tensor> tensors;
  model.for_each_tensor([&](const std::string& name, const TensorInfo& info, std::span<float> values) {
    tensors.push_back({name, {info.shape.begin(), info.shape.begin() + info.rank}, values});
  });
  detail::write_weights(path, tensors, architecture_fingerprint<Net>(), std::string(summary<Net>()), std::move(metadata));
}

// From a file of save_weights, or any with these tensors (then without a fingerprint and checksums to compare). Throws
// FileError where it cannot be read or is damaged, and for the first tensor that is missing, of another shape, or not the
// network's, and where the tensors fit but the layers between them do not; the model is then as it was.
template <class Net, class Mode>
void load_weights(Model<Net, Cpu, Mode>& model, const std::filesystem::path& path) {
  SafetensorsFile file(path);
  std::vector<std::string> names;
  model.for_each_tensor([&](const std::string& name, const TensorInfo& info, std::span<float>) {
    const SafetensorsEntry* entry = file.find(name);
    const std::vector<std::int64_t> shape(info.shape.begin(), info.shape.begin() + info.rank);
    if (!entry) throw FileError(path, "no tensor " + name + "; this network has one of shape " + detail::shape_text(shape));
    if (entry->shape != shape)
      throw FileError(path, "tensor " + name + " has the shape " + detail::shape_text(entry->shape) +
                                "; expected this network's, " + detail::shape_text(shape));
    names.push_back(name);
  });
  for (const SafetensorsEntry& entry : file.tensors())
    if (std::find(names.begin(), names.end(), entry.name) == names.end())
      throw FileError(path, "tensor " + entry.name + " is none of this network's");
  const auto fingerprint = file.metadata().find("strata.architecture");
  if (fingerprint != file.metadata().end() && fingerprint->second != architecture_fingerprint<Net>())
    throw FileError(path, "the tensors fit this network, but its layers are others: the architecture is " +
                              fingerprint->second + "; expected " + architecture_fingerprint<Net>() +
                              " (the file's metadata has a summary)");
  std::vector<std::vector<float>> read;  // all of it before the first is changed
  const detail::Seal seal(file);
  for (const std::string& name : names) {
    read.push_back(file.read<float>(name));
    seal.check(name, file.find(name)->shape, read.back());
  }
  auto next = read.begin();
  model.for_each_tensor([&](const std::string&, const TensorInfo&, std::span<float> values) {
    std::copy(next->begin(), next->end(), values.begin());
    ++next;
  });
}

}  // namespace strata
