// SPDX-License-Identifier: BSL-1.0
// A trained network that labels pictures: its weights, the names of its classes, and how a picture becomes its input. All
// of it is in one file. Link strata::images.
//   save_classifier("w.safetensors", model, data, normalize);  // the data set that it was trained on
//   Classifier<Net> classifier("w.safetensors");
//   for (const auto& [number, name, probability] : classifier.classify("photo.jpg")) ...
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <strata/core/diagnose.hpp>
#include <strata/core/linkage.hpp>
#include <strata/data/image.hpp>
#include <strata/data/images.hpp>
#include <strata/io/class_probability.hpp>
#include <strata/io/data_info.hpp>
#include <strata/io/safetensors.hpp>
#include <strata/io/weights.hpp>
#include <strata/model/model.hpp>
#include <strata/util/file_error.hpp>

namespace strata::inline STRATA_ABI {

// Writes the weights with the class names and the preprocessing of a data set (data_info()), completely or not at all.
// Throws std::invalid_argument if the network does not take the data set's images or has another number of outputs than it
// has classes, and as save_weights() does.
template <class Net, class Backend, class Mode, class Data>
void save_classifier(const std::filesystem::path& file, Model<Net, Backend, Mode>& model, const Data& data,
                     const Normalize& normalize = {}) {
  static_assert(Data::image == Net::input, "strata: the network takes images of another shape than the data set has");
  const DataInfo info = data_info(data, normalize);
  if (info.classes.size() != static_cast<std::size_t>(Net::output.size()))
    throw std::invalid_argument("strata: the data set has " + std::to_string(info.classes.size()) +
                                " classes; the network has " + std::to_string(Net::output.size()) + " outputs");
  save_weights(model, file, metadata_of(info));
}

// One thread at a time may use it, as a model.
template <class Net, class Backend = Cpu>
class Classifier {
 public:
  // Reads a file of save_classifier(), of save_weights() with metadata_of(data_info(data)), or a checkpoint with these
  // metadata. Throws FileError if it is damaged, holds another network, or has no class names or as many as the network has
  // outputs.
  explicit Classifier(std::filesystem::path weights, const ModelOptions& options = {.batch = 1})
      : file_(std::move(weights)), info_(checked_info(file_)), model_(options) {
    load_weights(model_, file_);
  }

  [[nodiscard]] const DataInfo& info() const { return info_; }
  [[nodiscard]] const std::vector<std::string>& classes() const { return info_.classes; }
  [[nodiscard]] Model<Net, Backend, Inference>& model() { return model_; }

  // The probability of each class: outputs of a network that ends in Softmax or LogSoftmax as they are meant, other outputs
  // by softmax. Throws FileError if the weights give NaN or infinity, std::invalid_argument for an image that is not
  // valid().
  [[nodiscard]] std::vector<double> probabilities(const Image& image) {
    const std::span<const float> outputs = model_.predict(to_input(image, info_));
    std::vector<double> p = detail::probabilities_of(outputs, detail::analysed<Net>::table.ends_in);
    if (!std::all_of(p.begin(), p.end(), [](double x) { return std::isfinite(x); }))
      throw FileError(file_, "these weights give NaN or infinity");
    return p;
  }
  // The most likely classes, the likeliest first.
  [[nodiscard]] std::vector<ClassProbability> classify(const Image& image, int top = 5) {
    return detail::most_likely(probabilities(image), info_.classes, top);
  }
  // Throws DataError for a file that is no picture, too.
  [[nodiscard]] std::vector<ClassProbability> classify(const std::filesystem::path& picture, int top = 5) {
    const Image image = read_image_file(picture);
    try {
      return classify(image, top);
    } catch (const FileError& e) {
      throw FileError(e.path(), "these weights give NaN or infinity for " + picture.string());
    }
  }

 private:
  static DataInfo checked_info(const std::filesystem::path& file) {
    DataInfo info = read_data_info(SafetensorsFile(file));
    if (info.classes.size() != static_cast<std::size_t>(Net::output.size()) || !(info.image == Net::input))
      throw FileError(file, "its metadata describes other data than its network takes");
    return info;
  }

  std::filesystem::path file_;
  DataInfo info_;
  Model<Net, Backend, Inference> model_;
};

}  // namespace strata::inline STRATA_ABI
