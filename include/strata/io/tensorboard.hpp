// SPDX-License-Identifier: BSL-1.0
// Event files for TensorBoard. The CMake target strata::tensorboard links protobuf.
//   TensorBoardRun log("logs/first");
//   train(model, data, loss, optimizer, {.on_epoch = [&](auto history) { log.write(history); }});
// Without CMake: run protoc --proto_path=include --cpp_out=include strata/io/tensorboard.proto and compile its output.
#pragma once
#include <strata/core/errors.hpp>
#include <strata/core/linkage.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <strata/io/tensorboard.pb.h>
#include <strata/data/bmp.hpp>
#include <strata/data/image.hpp>
#include <strata/io/tfrecord.hpp>
#include <strata/training/metrics.hpp>
#include <strata/util/no_copy.hpp>
#include <strata/util/open_file.hpp>
#include <strata/util/system.hpp>

namespace strata::inline STRATA_ABI {

// One event file. Events are appended one by one, because TensorBoard reads the file while it grows; if the process dies,
// the events until then are in it.
class TensorBoardWriter : NoCopy {
 public:
  // Makes the directory and a new file in it. Events of step `first` and later in older files there are declared void: they
  // belong to a run that continues from an earlier step. Throws std::filesystem::filesystem_error or std::system_error.
  explicit TensorBoardWriter(const std::filesystem::path& directory, std::int64_t first = 0)
      : path_(new_file(directory)), file_(path_, detail::os::OpenFor::creating) {
    tensorboard::Event head;
    head.set_file_version("brain.Event:2");
    write(0, head);
    tensorboard::Event start;
    start.mutable_session_log()->set_status(tensorboard::SessionLog::START);
    write(first, start);
  }

  // Throw std::system_error if writing fails, std::invalid_argument for an image that bmp() refuses.
  void scalar(const std::string& tag, double value, std::int64_t step) {
    tensorboard::Event event;
    tensorboard::Summary::Value& v = *event.mutable_summary()->add_value();
    v.set_tag(tag);
    v.set_simple_value(static_cast<float>(value));
    write(step, event);
  }
  void image(const std::string& tag, const Image& image, std::int64_t step) {
    tensorboard::Event event;
    tensorboard::Summary::Value& v = *event.mutable_summary()->add_value();
    v.set_tag(tag);
    tensorboard::Summary::Image& encoded = *v.mutable_image();
    const std::vector<std::uint8_t> bytes = bmp(image);
    encoded.set_height(image.height);
    encoded.set_width(image.width);
    encoded.set_colorspace(image.channels);
    encoded.set_encoded_image_string(bytes.data(), bytes.size());
    write(step, event);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  // Makes the directory. Readers take its files in the order of their names, so the name is the time.
  static std::filesystem::path new_file(const std::filesystem::path& directory) {
    std::filesystem::create_directories(directory);
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    std::string digits = std::to_string(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
    digits.insert(digits.size() - 9, ".");
    return directory / ("events.out.tfevents." + digits + ".strata");
  }
  void write(std::int64_t step, tensorboard::Event& event) {
    event.set_wall_time(std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count());
    event.set_step(step);
    file_.write(tfrecord(event.SerializeAsString()));
  }

  std::filesystem::path path_;
  detail::OpenFile file_;
};

// The epochs of a run, each at its last step: loss, accuracy, val_loss, val_accuracy, val_<metric>, learning_rate.
class TensorBoardRun {
 public:
  // A directory belongs to one run, which may be stopped and resumed. Makes it. Throws std::filesystem::filesystem_error if
  // that fails and std::system_error if it cannot be written to. The event file is made by the first write: it voids
  // events of older files, and the run may still be refused before.
  explicit TensorBoardRun(std::filesystem::path directory) : directory_(std::move(directory)) {
    std::filesystem::create_directories(directory_);
    if (!detail::os::may_write(directory_))
      throw std::system_error(errno, std::generic_category(), "cannot write to " + directory_.string());
  }

  // Takes all epochs so far and writes those that it has not written. A resumed run writes its earlier epochs again, into
  // the new file; they replace those in older files.
  void write(std::span<const EpochRecord> history) {
    for (const EpochRecord& r : history.subspan(std::min(written_, history.size()))) {
      const auto scalar = [&](const std::string& tag, std::optional<double> x) {
        if (x) writer().scalar(tag, *x, r.step);
      };
      scalar("loss", r.loss);
      scalar("accuracy", r.accuracy);
      scalar("val_loss", r.validation_loss);
      scalar("val_accuracy", r.validation_accuracy);
      for (const MetricValue& m : r.validation_metrics) scalar("val_" + m.name, m.value);
      scalar("learning_rate", r.learning_rate);
      ++written_;
    }
  }
  [[nodiscard]] TensorBoardWriter& writer() {
    if (!writer_) writer_.emplace(directory_);
    return *writer_;
  }

 private:
  std::filesystem::path directory_;
  std::optional<TensorBoardWriter> writer_;
  std::size_t written_ = 0;
};

}  // namespace strata::inline STRATA_ABI
