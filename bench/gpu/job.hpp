// SPDX-License-Identifier: BSL-1.0
// The jobs of bench_gpu_step, by precision: job_of.hpp has the work, tf32.cu and the others compile it, step.cu runs it.
#pragma once
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "../alexnet.hpp"
#include "../peers/peer.hpp"

namespace bench {

struct JobSetup {
  int batch = 128, device = 0;
  bool autotune = true;
};

// For epochs: as CIFAR-10's.
using Images = strata::ArrayDataset<AlexNet::input, 10, std::uint8_t>;

// AlexNet at one precision and size of batch, with the data's weights, and the data's images on the device.
class Job {
 public:
  Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  virtual ~Job() = default;
  virtual void restart() = 0;               // from the data's weights
  virtual void step(int batch_number) = 0;  // queued
  virtual double finish() = 0;              // waits for all of them; the loss of the last
  virtual void replay() = 0;                // queues the captured step once more, without anything around it
  virtual std::vector<strata::EpochRecord> epochs(const Images& images, int count) = 0;  // from the data's weights
  [[nodiscard]] virtual std::size_t parameters() const = 0;
};

struct CheckResult {
  std::size_t parameters = 0;
  std::vector<double> logits, losses;
};

// Precision: of strata/backend/cuda/precision.hpp.
template <class Precision>
struct Jobs {
  static std::unique_ptr<Job> make(const Data& data, const JobSetup& setup);
  // Logits of the first and the last image of the second batch of 64, and the losses of four steps without dropout.
  static CheckResult check(const Data& data, const JobSetup& setup);
};

// --- Training as pytorch.py does it, number by number -------------------------------------------------------------------

inline const strata::Augment augmentation{.width_shift = 0.1, .height_shift = 0.1, .horizontal_flip = true};
inline const strata::Normalize normalisation{.mean = {0.5F, 0.5F, 0.5F}, .stddev = {0.25F, 0.25F, 0.25F}};

// A number that is drawn from `at` (SplitMix64's mixing).
constexpr std::uint64_t drawn(std::uint64_t at) {
  std::uint64_t z = (at + 1) * 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

// Learnable, where there is no CIFAR: ten templates of 4x4 squares, with noise.
inline Images made_images(std::size_t count) {
  constexpr std::uint64_t noise = std::uint64_t{1} << 40;
  std::vector<std::uint8_t> images(count * pixels);
  std::vector<int> labels(count);
  for (std::size_t n = 0; n < count; ++n) {
    const std::size_t label = n * 7 % 10;
    labels[n] = static_cast<int>(label);
    for (std::size_t p = 0; p < pixels; ++p) {
      const std::size_t square = (p / (32 * 3 * 8) * 4 + p / 3 % 32 / 8) * 3 + p % 3;
      images[n * pixels + p] =
          static_cast<std::uint8_t>((drawn(label * 48 + square) >> 57) + (drawn(noise + n * pixels + p) >> 57));
    }
  }
  return Images(std::move(images), std::move(labels));
}

// Of all pixels and labels: whoever trains on the same has the same.
inline std::uint64_t sum_of(const Images& images) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < images.size(); ++i) {
    sum += static_cast<std::uint64_t>(images.label(i)) * (i + 1);
    for (const std::uint8_t pixel : images.pixels(i)) sum += pixel;
  }
  return sum;
}

// --- The clock ----------------------------------------------------------------------------------------------------------

inline double milliseconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

// Milliseconds a step, of blocks of steps: step(i) queues, wait() waits for all. A block lasts about a twentieth of a
// second, so that waiting for its last step does not count; at least five, then until the time is up.
template <class Step, class Wait>
std::vector<double> measure_blocks(double seconds, Step&& step, Wait&& wait) {
  using Clock = std::chrono::steady_clock;
  constexpr int warm_up = 10;
  int i = 0;
  const auto block = [&](int steps) {
    const auto begin = Clock::now();
    for (int k = 0; k < steps; ++k) step(i++);
    wait();
    return milliseconds_since(begin) / steps;
  };
  block(warm_up);
  const double one = block(warm_up);
  const int steps = static_cast<int>(std::min(std::max(50 / one, 1.0), 2000.0));
  std::vector<double> ms;
  const auto until = Clock::now() + std::chrono::duration<double>(seconds);
  while (ms.size() < 5 || Clock::now() < until) ms.push_back(block(steps));
  return ms;
}

// --- The command line ---------------------------------------------------------------------------------------------------

struct StepOptions {
  std::string data, cifar;
  std::vector<int> batches{128, 1024};
  std::vector<std::string> precisions{"tf32", "bf16", "float32"};
  double seconds = 0.5;
  int epochs = 3, images = 50000, device = 0;
  bool check = false, serve = false, autotune = true, help = false;
};

inline constexpr const char* step_help =
    "bench_gpu_step --data DIR [OPTION...]: training steps and epochs of strata on a GPU; one line a measurement\n"
    "  --data DIR          what make_data wrote\n"
    "  --cifar DIR         epochs of CIFAR-10 from there; without it, of made images\n"
    "  --images N          so many of them (50000)\n"
    "  --batches A,B,...   (128,1024)\n"
    "  --precisions A,...  of tf32, bf16, float32 (all)\n"
    "  --seconds S         of each measurement (0.5)\n"
    "  --epochs N          of each measurement; the first is told apart (3); 0: none\n"
    "  --device N          which GPU (0)\n"
    "  --no-autotune       takes what cuDNN's and cuBLASLt's heuristics say\n"
    "  --check             logits, losses, parameters, to compare; nothing is timed\n"
    "  --serve             measures each time it reads a line `round`, until there is no more to read\n";

inline std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    parts.push_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  return parts;
}

// Throws std::runtime_error for what it does not understand.
inline StepOptions parse_step_options(std::span<const char* const> arguments) {
  StepOptions o;
  const auto number = [](const std::string& key, const std::string& text, int least) {
    std::size_t used = 0;
    int n = least - 1;
    try {
      n = std::stoi(text, &used);
    } catch (const std::exception&) {
    }
    if (used != text.size() || n < least)
      throw std::runtime_error(key + ": '" + text + "' is not a whole number from " + std::to_string(least) + " on");
    return n;
  };
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string key = arguments[i];
    if (key == "--check") {
      o.check = true;
    } else if (key == "--serve") {
      o.serve = true;
    } else if (key == "--no-autotune") {
      o.autotune = false;
    } else if (key == "--help" || key == "-h") {
      o.help = true;
    } else {
      static constexpr std::array<const char*, 8> with_value{"--data",    "--cifar",  "--batches", "--precisions",
                                                             "--seconds", "--epochs", "--images",  "--device"};
      if (std::find(with_value.begin(), with_value.end(), key) == with_value.end())
        throw std::runtime_error(key + " is not an option; see --help");
      if (i + 1 == arguments.size()) throw std::runtime_error(key + " needs a value");
      const std::string value = arguments[++i];
      if (key == "--data") {
        o.data = value;
      } else if (key == "--cifar") {
        o.cifar = value;
      } else if (key == "--batches") {
        o.batches.clear();
        for (const std::string& part : split(value)) o.batches.push_back(number(key, part, 1));
      } else if (key == "--precisions") {
        o.precisions = split(value);
        for (const std::string& p : o.precisions)
          if (p != "tf32" && p != "bf16" && p != "float32")
            throw std::runtime_error(key + ": '" + p + "' is none of tf32, bf16, float32");
      } else if (key == "--seconds") {
        std::size_t used = 0;
        try {
          o.seconds = std::stod(value, &used);
        } catch (const std::exception&) {
        }
        if (used != value.size() || !(o.seconds > 0)) throw std::runtime_error(key + ": '" + value + "' is not above 0");
      } else if (key == "--epochs") {
        o.epochs = number(key, value, 0);
      } else if (key == "--images") {
        o.images = number(key, value, 1);
      } else {
        o.device = number(key, value, 0);
      }
    }
  }
  if (!o.help && o.data.empty()) throw std::runtime_error("--data is missing; see --help");
  return o;
}

}  // namespace bench
