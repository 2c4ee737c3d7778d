// SPDX-License-Identifier: BSL-1.0
// Data information in a file of weights: how to make inputs of the network from images, and the names of its outputs.
// Metadata strata.data (the name of the data set), strata.classes (the class names, one a line) and strata.input.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>
#include <strata/data/augment.hpp>
#include <strata/data/dataset.hpp>
#include <strata/data/image.hpp>
#include <strata/data/wrapped.hpp>
#include <strata/io/safetensors.hpp>

namespace strata::inline STRATA_ABI {

struct DataInfo {
  std::string name;                    // "cifar10"
  std::vector<std::string> classes{};  // in the order of the outputs
  Shape image{};                       // the network's input, with the border
  int border = 0;                      // the width of a border of zeros
  bool grey = false;                   // every channel is the brightness
  int short_side = 0;                  // of an image before its middle is cut out; 0: images are stretched to the size
  Normalize normalize{};               // of pixels divided by 255
};

namespace detail {

inline constexpr const char* data_key = "strata.data";
inline constexpr const char* classes_key = "strata.classes";
inline constexpr const char* input_key = "strata.input";

template <class D>
concept NamedData = requires {
  std::string_view(D::name);
  std::string_view(D::class_names[0]);
};

template <class D>
void add_border(DataInfo& info) {
  if constexpr (requires { int{D::border}, bool{D::grey}; }) info.border = D::border, info.grey = D::grey;
}

}  // namespace detail

// For a data set type with a static name and static class names: data_info<Cifar10>().
template <detail::NamedData D>
[[nodiscard]] DataInfo data_info(const Normalize& normalize = {}) {
  DataInfo info{.name = std::string(D::name), .image = D::image, .normalize = normalize};
  for (const std::string_view name : D::class_names) info.classes.emplace_back(name);
  detail::add_border<D>(info);
  return info;
}

// For any data set. Class names may be known at run time alone; a class without a name gets its number (class_names() in
// data/dataset.hpp). The name is a static `name` or a member function name(), otherwise "data".
template <Dataset D>
[[nodiscard]] DataInfo data_info(const D& data, const Normalize& normalize = {}) {
  DataInfo info{.name = detail::name_of(data), .image = D::image, .normalize = normalize};
  if constexpr (requires { int{data.short_side()}; }) info.short_side = data.short_side();
  info.classes = class_names(data);
  detail::add_border<D>(info);
  return info;
}

// For save_weights(). Throws std::invalid_argument for a class name with a line break.
[[nodiscard]] std::map<std::string, std::string> metadata_of(const DataInfo& info);

// Reads it from a file. Throws FileError if it is missing or damaged.
[[nodiscard]] DataInfo read_data_info(const SafetensorsFile& file);

// An image as the network's input (H,W,C): resized, then prepared as Batches prepares the data. Its proportions change,
// unless the middle is cut out (short_side, resize_and_crop()). A grey image has three equal colours. Throws
// std::invalid_argument for an image that is not valid(), and if the network takes neither 1 nor 3 channels.
[[nodiscard]] std::vector<float> to_input(const Image& image, const DataInfo& info);

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/io/data_info_impl.hpp>
#endif
