// SPDX-License-Identifier: BSL-1.0
// Event files for TensorBoard: a target of its own, strata::tensorboard, which needs protobuf.
//   TensorBoardRun log("logs/first");
//   train(model, data, loss, optimizer, {.on_epoch = [&](auto history) { log.write(history); }});
// Without CMake: protoc --proto_path=include --cpp_out=include strata/io/tensorboard.proto, and compile what it makes.
#pragma once
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <strata/io/tensorboard.pb.h>
#include <strata/io/tfrecord.hpp>
#include <strata/report/picture.hpp>
#include <strata/training/metrics.hpp>

namespace strata {

// One event file, appended to event by event as TensorBoard expects while it watches: it is never there as a whole, and a
// process that dies leaves what was logged until then.
class TensorBoardWriter {
 public:
  // Makes the directory and a new file in it. What other files there say of step `first` and later is declared void, as it
  // is about a run that goes on from an earlier point. Throws std::filesystem::filesystem_error or std::system_error.
  explicit TensorBoardWriter(const std::filesystem::path& directory, std::int64_t first = 0) {
    std::filesystem::create_directories(directory);
    // Readers take the files of a directory in the order of their names: later ones have to come later.
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    std::string digits = std::to_string(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
    digits.insert(digits.size() - 9, ".");
    path_ = directory / ("events.out.tfevents." + digits + ".strata");
    file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    if (file_ < 0) fail("cannot create");
    tensorboard::Event head;
    head.set_file_version("brain.Event:2");
    write(0, head);
    tensorboard::Event start;
    start.mutable_session_log()->set_status(tensorboard::SessionLog::START);
    write(first, start);
  }
  TensorBoardWriter(const TensorBoardWriter&) = delete;
  TensorBoardWriter& operator=(const TensorBoardWriter&) = delete;
  ~TensorBoardWriter() { ::close(file_); }

  // Throw std::system_error where it cannot be written, std::invalid_argument for a picture that is none.
  void scalar(const std::string& tag, double value, std::int64_t step) {
    tensorboard::Event event;
    tensorboard::Summary::Value& v = *event.mutable_summary()->add_value();
    v.set_tag(tag);
    v.set_simple_value(static_cast<float>(value));
    write(step, event);
  }
  void image(const std::string& tag, const Picture& picture, std::int64_t step) {
    tensorboard::Event event;
    tensorboard::Summary::Value& v = *event.mutable_summary()->add_value();
    v.set_tag(tag);
    tensorboard::Summary::Image& image = *v.mutable_image();
    const std::vector<std::uint8_t> bytes = detail::bmp(picture);
    image.set_height(picture.height);
    image.set_width(picture.width);
    image.set_colorspace(picture.channels);
    image.set_encoded_image_string(bytes.data(), bytes.size());
    write(step, event);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  void write(std::int64_t step, tensorboard::Event& event) {
    event.set_wall_time(std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count());
    event.set_step(step);
    const std::string record = tfrecord(event.SerializeAsString());
    for (std::string_view rest = record; !rest.empty();) {
      const ::ssize_t n = ::write(file_, rest.data(), rest.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail("cannot write to");
      rest.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  [[noreturn]] void fail(const char* what) const {
    throw std::system_error(errno, std::generic_category(), std::string(what) + " " + path_.string());
  }

  std::filesystem::path path_;
  int file_ = -1;
};

// The epochs of a run, at the step of their ends: loss, accuracy, val_loss, val_accuracy, learning_rate.
class TensorBoardRun {
 public:
  // A directory belongs to one run, however often it is stopped and goes on. Makes it; throws
  // std::filesystem::filesystem_error where that fails and std::system_error where it cannot be written to. The file is
  // made when there is something to write: it voids what older ones say, and a run may yet be refused.
  explicit TensorBoardRun(std::filesystem::path directory) : directory_(std::move(directory)) {
    std::filesystem::create_directories(directory_);
    if (::access(directory_.c_str(), W_OK) != 0)
      throw std::system_error(errno, std::generic_category(), "cannot write to " + directory_.string());
  }

  // Of all epochs so far; those that this has written are passed over. So a run that goes on writes its earlier epochs once
  // more, in the new file, where they replace what is in older ones.
  void write(std::span<const EpochRecord> history) {
    for (const EpochRecord& r : history.subspan(std::min(written_, history.size()))) {
      const auto scalar = [&](const char* tag, std::optional<double> x) {
        if (x) writer().scalar(tag, *x, r.step);
      };
      scalar("loss", r.loss);
      scalar("accuracy", r.accuracy);
      scalar("val_loss", r.validation_loss);
      scalar("val_accuracy", r.validation_accuracy);
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

}  // namespace strata
