// SPDX-License-Identifier: BSL-1.0
// make_data FOLDER: writes what all peers read, the same on every machine: images.f32, labels.i32 (ten templates with
// noise, so that there is something to learn) and weights.f32 (He's uniform distribution, a tenth of it in the
// last layer; biases zero).
#include <cmath>

#include "peer.hpp"

namespace {

class Numbers {
 public:
  explicit Numbers(std::uint64_t seed) : state_(seed) {}
  // In [-1, 1). SplitMix64.
  float operator()() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return static_cast<float>((z ^ (z >> 31)) >> 40) * 0x1p-23F - 1.0F;
  }

 private:
  std::uint64_t state_;
};

template <class T>
void write(const std::string& path, const std::vector<T>& values) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(T)));
  if (!file) throw std::runtime_error(path + ": cannot be written");
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) throw std::runtime_error("usage: make_data FOLDER");
  const std::string folder = argv[1];
  constexpr std::size_t count = 1024;

  Numbers numbers(1);
  std::vector<float> templates(bench::classes * bench::pixels);  // of squares of 8x8 pixels
  for (std::size_t label = 0; label < bench::classes; ++label) {
    float colours[4][4][3];
    for (auto& row : colours)
      for (auto& square : row)
        for (float& colour : square) colour = numbers();
    for (std::size_t p = 0; p < bench::pixels; ++p)
      templates[label * bench::pixels + p] = colours[p / (32 * 3 * 8)][p / 3 % 32 / 8][p % 3];
  }
  std::vector<float> images(count * bench::pixels);
  std::vector<std::int32_t> labels(count);
  for (std::size_t n = 0; n < count; ++n) {
    const std::size_t label = n * 7 % 10;
    labels[n] = static_cast<std::int32_t>(label);
    for (std::size_t p = 0; p < bench::pixels; ++p)
      images[n * bench::pixels + p] = templates[label * bench::pixels + p] + 0.5F * numbers();
  }

  std::vector<float> weights;
  weights.reserve(bench::parameter_count);
  for (const bench::Layer& layer : bench::layers) {
    const int fan_in = layer.kernel * layer.kernel * layer.in_channels;
    const float limit = std::sqrt(6.0F / static_cast<float>(fan_in)) * (layer.out_channels == bench::classes ? 0.1F : 1.0F);
    for (std::size_t i = 0; i < layer.weights(); ++i) weights.push_back(limit * numbers());
    weights.resize(weights.size() + static_cast<std::size_t>(layer.out_channels), 0.0F);
  }
  write(folder + "/images.f32", images);
  write(folder + "/labels.i32", labels);
  write(folder + "/weights.f32", weights);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "make_data: %s\n", e.what());
  return 1;
}
