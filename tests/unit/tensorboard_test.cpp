// SPDX-License-Identifier: BSL-1.0
// TensorBoard's event files: the framing, and what is in it. tests/examples/alexnet_cifar_test.py has TensorBoard read
// some.
#include <doctest/doctest.h>

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <strata/io/tensorboard.hpp>

#include "files.hpp"
#include "tfrecords.hpp"

namespace {
using namespace strata;
namespace fs = std::filesystem;

std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
std::vector<tensorboard::Event> events_of(const fs::path& file) {
  std::vector<tensorboard::Event> events;
  for (const std::string& record : read_tfrecords(file, bytes_of(file)))
    REQUIRE(events.emplace_back().ParseFromString(record));
  return events;
}
std::vector<EpochRecord> history(int epochs) {
  std::vector<EpochRecord> all;
  for (int e = 1; e <= epochs; ++e) {
    all.push_back({.epoch = e, .loss = 2.0 / e, .accuracy = 0.25 * e, .step = 10 * e, .learning_rate = 0.5});
    if (e < 3) all.back().validation_loss = 1.5, all.back().validation_accuracy = 0.125;
  }
  return all;
}

TEST_CASE("CRC-32C as in RFC 3720, appendix B.4") {
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AA);
  CHECK(crc32c(std::string(32, '\xFF')) == 0x62A8AB43);
  CHECK(crc32c("123456789") == 0xE3069283);
  CHECK(crc32c("") == 0);
}

TEST_CASE("records read back, and any byte that turned is noticed") {
  const std::vector<std::string> records{"", "one", std::string(300, 'x')};
  std::string bytes;
  for (const std::string& r : records) bytes += tfrecord(r);
  CHECK(bytes.size() == 3 * 16 + 303);
  CHECK(read_tfrecords("f", bytes) == records);
  CHECK(read_tfrecords("f", "").empty());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 4);
    CHECK_THROWS_AS((void)read_tfrecords("f", damaged), FileError);
    if (i != 0 && i != 16 && i != 35) CHECK_THROWS_AS((void)read_tfrecords("f", bytes.substr(0, i)), FileError);
  }
  CHECK_THROWS_WITH_AS((void)read_tfrecords("f", bytes.substr(0, 34)),
                       "f: record 1, at byte 16: 3 bytes long, but the file ends before; expected at most 2", FileError);
}

TEST_CASE("the epochs of a run, once each, and once more in the file of a run that goes on") {
  const Folder temporary;
  const fs::path folder = temporary.path / "deep" / "er";
  const auto scalars = [](const std::vector<tensorboard::Event>& events, const std::string& tag) {
    std::vector<std::pair<std::int64_t, float>> found;
    for (const auto& e : events)
      for (const auto& v : e.summary().value())
        if (v.tag() == tag && v.has_simple_value()) found.emplace_back(e.step(), v.simple_value());
    return found;
  };
  using Points = std::vector<std::pair<std::int64_t, float>>;
  fs::path first, second;
  {
    TensorBoardRun run(folder);
    first = run.writer().path();
    run.write(history(1));
    run.write(history(2));
    run.write(history(2));
  }
  {
    TensorBoardRun run(folder);
    second = run.writer().path();
    run.write(history(3));
    run.writer().image("filters", {1, 2, 1, {7, 9}}, 30);
    CHECK_THROWS_AS(run.writer().image("filters", {1, 2, 1, {7}}, 30), std::invalid_argument);
  }
  // A run that never tells of an epoch leaves no file, which would void the others.
  {
    TensorBoardRun run(folder);
  }
  CHECK(std::distance(fs::directory_iterator(folder), {}) == 2);
  CHECK(first.filename().string() < second.filename().string());
  CHECK(second.filename().string().find(".tfevents.") != std::string::npos);
  const auto events = events_of(second);
  REQUIRE(events.size() > 2);
  CHECK(events[0].file_version() == "brain.Event:2");
  CHECK(events[1].session_log().status() == tensorboard::SessionLog::START);
  CHECK(events[1].step() == 0);
  CHECK(std::all_of(events.begin(), events.end(), [](auto& e) { return e.wall_time() > 1.7e9; }));
  CHECK(scalars(events_of(first), "loss") == Points{{10, 2}, {20, 1}});
  CHECK(scalars(events, "loss") == Points{{10, 2}, {20, 1}, {30, 2.f / 3}});
  CHECK(scalars(events, "accuracy") == Points{{10, 0.25}, {20, 0.5}, {30, 0.75}});
  CHECK(scalars(events, "val_loss") == Points{{10, 1.5}, {20, 1.5}});
  CHECK(scalars(events, "val_accuracy") == Points{{10, 0.125}, {20, 0.125}});
  CHECK(scalars(events, "learning_rate") == Points{{10, 0.5}, {20, 0.5}, {30, 0.5}});
  const auto& image = events.back().summary().value(0).image();
  CHECK(image.width() == 2);
  CHECK(image.colorspace() == 1);
  CHECK(image.encoded_image_string().substr(0, 2) == "BM");
  CHECK_THROWS_AS(TensorBoardRun("/dev/null/x"), fs::filesystem_error);
}

TEST_CASE("a writer whose first event does not fit closes its file") {
  const Folder folder;
  const auto descriptors = [] { return std::distance(fs::directory_iterator("/proc/self/fd"), {}); };
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto old = std::signal(SIGXFSZ, SIG_IGN);  // write() fails with EFBIG then
  const rlimit nothing{0, before.rlim_max};
  const auto open = descriptors();
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &nothing) == 0);
  int refused = 0;
  for (int i = 0; i < 3; ++i) try {
      TensorBoardWriter writer(folder.path);
    } catch (const std::system_error&) {
      ++refused;
    }
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, old);
  CHECK(refused == 3);
  CHECK(descriptors() == open);
}

}  // namespace
