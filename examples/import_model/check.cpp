// SPDX-License-Identifier: BSL-1.0
// Compares an imported network with the model that it was made of, and times it. import_model.py wrote the files:
//   g++ -std=c++20 -O2 -I.../strata/include -isystem .../eigen3 -include DIR/NAME.hpp -DNAME=NAME check.cpp -o check
//   -pthread
//   ./check DIR
// Exit codes: 0 the outputs agree, 1 they do not or a file is bad, 2 wrong options.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/io/safetensors_reader.hpp>
#include <strata/io/weights.hpp>
#include <strata/strata.hpp>

#if !defined(NAME)
#error "compile with -include DIR/NAME.hpp -DNAME=NAME, of what import_model.py wrote"
#endif
#define STRATA_TEXT_OF(x) #x
#define STRATA_TEXT(x) STRATA_TEXT_OF(x)

namespace {

using namespace strata;
using Net = NAME::Net;

// Between the model's outputs and ours, in units of the largest output.
constexpr double largest_difference = 1e-5;

struct Arguments {
  std::filesystem::path folder;
  int threads = 0, seconds = 1;
};

int usage() {
  std::fprintf(stderr, "check_%s: expected DIR [--threads N] [--seconds N]; DIR has %s.safetensors\n", STRATA_TEXT(NAME),
               STRATA_TEXT(NAME));
  return 2;
}

// False for options that it does not know.
bool parse(int argc, char** argv, Arguments& a) {
  for (int i = 1; i < argc; ++i) {
    int* const number = std::strcmp(argv[i], "--threads") == 0   ? &a.threads
                        : std::strcmp(argv[i], "--seconds") == 0 ? &a.seconds
                                                                 : nullptr;
    if (!number) {
      if (!a.folder.empty() || argv[i][0] == '-') return false;
      a.folder = argv[i];
      continue;
    }
    if (++i == argc) return false;
    const char* const end = argv[i] + std::strlen(argv[i]);
    if (const auto [at, error] = std::from_chars(argv[i], end, *number); error != std::errc{} || at != end) return false;
    if (*number < 0 || *number > 1024) return false;
  }
  return !a.folder.empty();
}

// The milliseconds of one image: the median of many predictions, after a first that is not counted.
double milliseconds(Model<Net, Cpu, Inference>& model, std::span<const float> image, int seconds) {
  using Clock = std::chrono::steady_clock;
  model.predict(image);
  std::vector<double> times;
  for (const auto start = Clock::now(); times.empty() || Clock::now() - start < std::chrono::seconds(seconds);) {
    const auto begin = Clock::now();
    model.predict(image);
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

bool agrees(const Arguments& a) {
  const std::string name = STRATA_TEXT(NAME);
  SafetensorsFile file(a.folder / (name + ".check.safetensors"));
  const std::vector<float> images = file.read("input"), expected = file.read("output");
  const auto input = static_cast<std::size_t>(Net::input.size()), outputs = static_cast<std::size_t>(Net::output.size());
  const std::size_t count = images.size() / input;
  if (count == 0 || images.size() != count * input || expected.size() != count * outputs)
    throw FileError(file.path(), "its tensors are not inputs and outputs of this network");

  Model<Net, Cpu, Inference> model({.batch = static_cast<int>(count), .threads = a.threads});
  load_weights(model, a.folder / (name + ".safetensors"));
  const std::span<const float> found = model.predict(images);
  double difference = 0, largest = 0;
  std::size_t same = 0;
  for (std::size_t n = 0; n < count; ++n) {
    const auto* const theirs = &expected[n * outputs];
    const auto* const ours = &found[n * outputs];
    same += std::max_element(ours, ours + outputs) - ours == std::max_element(theirs, theirs + outputs) - theirs;
    for (std::size_t i = 0; i < outputs; ++i) {
      const double d = std::abs(static_cast<double>(ours[i]) - static_cast<double>(theirs[i]));
      if (!(d <= difference)) difference = d;  // NaN too
      largest = std::max(largest, std::abs(static_cast<double>(theirs[i])));
    }
  }
  if (largest > 0) difference /= largest;
  const bool good = difference <= largest_difference && same == count;
  std::printf("%s: largest difference %.1e of the largest output, same class for %zu of %zu images%s\n", name.c_str(),
              difference, same, count, good ? "" : ": DIFFERENT");
  if (a.seconds > 0)
    std::printf("%s: %.2f ms for an image\n", name.c_str(), milliseconds(model, std::span(images).first(input), a.seconds));
  return good;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments a;
  if (!parse(argc, argv, a)) return usage();
  try {
    return agrees(a) ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "check_%s: %s\n", STRATA_TEXT(NAME), e.what());
  }
  return 1;
}
