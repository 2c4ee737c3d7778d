// SPDX-License-Identifier: BSL-1.0
// A trained network that labels pictures: its weights, the names of its classes, and how a picture becomes its input. All
// of it is in one file. Link strata::images.
//   save_classifier("w.safetensors", model, data, normalize);  // the data set that it was trained on
//   Classifier<Net> classifier("w.safetensors");
//   for (const auto& [number, name, probability] : classifier.classify("photo.jpg")) ...
// Weights may be embedded in the program (strata_embed_file() of CMake), and pictures may be pixels in memory:
//   Classifier<Net> classifier(embedded::w(), "w.safetensors");
//   classifier.classify(PixelView{.pixels = frame, .height = 480, .width = 640, .bgr = true}, 1);
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <memory>
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
#include <strata/model/session.hpp>
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

namespace detail {

// What a classifier and its sessions know beside the weights.
struct ClassifierInfo {
  std::filesystem::path file;
  DataInfo data;
};

// The calls of a classifier and of its sessions. Predictor: a Model or a Session.
template <class Net, class Predictor>
class ClassifierCalls {
 public:
  ClassifierCalls(std::shared_ptr<const ClassifierInfo> info, Predictor predictor)
      : info_(std::move(info)), predictor_(std::move(predictor)) {}

  [[nodiscard]] const DataInfo& info() const { return info_->data; }
  [[nodiscard]] const std::vector<std::string>& classes() const { return info_->data.classes; }

  // The probability of each class: outputs of a network that ends in Softmax or LogSoftmax as they are meant, other outputs
  // by softmax. Throws FileError if the weights give NaN or infinity, std::invalid_argument for an image that is not
  // valid().
  [[nodiscard]] std::vector<double> probabilities(const Image& image) {
    const std::span<const float> outputs = predictor_.predict(to_input(image, info_->data));
    std::vector<double> p = probabilities_of(outputs, analysed<Net>::table.ends_in);
    if (!std::all_of(p.begin(), p.end(), [](double x) { return std::isfinite(x); }))
      throw FileError(info_->file, "these weights give NaN or infinity");
    return p;
  }
  // The most likely classes, the likeliest first.
  [[nodiscard]] std::vector<ClassProbability> classify(const Image& image, int top = 5) {
    return most_likely(probabilities(image), classes(), top);
  }
  // Throws std::invalid_argument as to_image() does, too.
  [[nodiscard]] std::vector<ClassProbability> classify(const PixelView& pixels, int top = 5) {
    return classify(to_image(pixels), top);
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

 protected:
  std::shared_ptr<const ClassifierInfo> info_;
  Predictor predictor_;
};

}  // namespace detail

// Labels pictures in a thread of its own, with the weights of a Classifier, which it keeps alive: Classifier::session().
template <class Net, class Backend = Cpu>
class ClassifierSession : public detail::ClassifierCalls<Net, Session<Net, Backend>> {
 public:
  using detail::ClassifierCalls<Net, Session<Net, Backend>>::ClassifierCalls;
};

// One thread at a time may use it, as a model; each other thread takes a session().
template <class Net, class Backend = Cpu>
class Classifier : public detail::ClassifierCalls<Net, Model<Net, Backend, Inference>> {
  using Calls = detail::ClassifierCalls<Net, Model<Net, Backend, Inference>>;

 public:
  // Reads a file of save_classifier(), of save_weights() with metadata_of(data_info(data)), or a checkpoint with these
  // metadata. Classes without names get their numbers. Throws FileError if the file is damaged, holds another network, or
  // tells of other images or another number of classes than the network has outputs.
  explicit Classifier(const std::filesystem::path& weights, const ModelOptions& options = {.batch = 1})
      : Classifier(SafetensorsFile(weights), options) {}
  // The same from the bytes of such a file in memory, which are not needed afterwards; errors give `name` in place of a
  // path.
  Classifier(std::span<const std::byte> weights, const std::filesystem::path& name,
             const ModelOptions& options = {.batch = 1})
      : Classifier(SafetensorsFile(weights, name), options) {}

  [[nodiscard]] Model<Net, Backend, Inference>& model() { return this->predictor_; }

  // For another thread: see Model::session(). A session takes one picture at a time.
  [[nodiscard]] ClassifierSession<Net, Backend> session(const SessionOptions& options = {.batch = 1}) const
    requires Backend::on_host
  {
    return {this->info_, this->predictor_.session(options)};
  }

 private:
  Classifier(SafetensorsFile file, const ModelOptions& options)
      : Calls(std::make_shared<const detail::ClassifierInfo>(detail::ClassifierInfo{file.path(), checked_info(file)}),
              Model<Net, Backend, Inference>(options)) {
    load_weights(model(), std::move(file));
  }

  static DataInfo checked_info(const SafetensorsFile& file) {
    DataInfo info = read_data_info(file);
    const auto outputs = static_cast<std::size_t>(Net::output.size());
    if (info.classes.empty())
      for (std::size_t i = 0; i < outputs; ++i) info.classes.push_back(std::to_string(i));
    if (info.classes.size() != outputs || !(info.image == Net::input))
      throw FileError(file.path(), "its metadata describes other data than its network takes");
    return info;
  }
};

}  // namespace strata::inline STRATA_ABI
