// SPDX-License-Identifier: BSL-1.0
// onnx_networks FOLDER: writes each network of networks.hpp as N.onnx, with inputs and outputs in N.safetensors, in both
// layouts; onnx_test.py compares them with other programs.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <strata/io/onnx.hpp>
#include <strata/io/safetensors.hpp>
#include <strata/strata.hpp>

#include "networks.hpp"

namespace {
using namespace strata;

// Numbers by which a mix-up of channels or places shows. A third of the slopes and scales are negative; variances are not.
template <class Net>
void fill(Model<Net, Cpu, Inference>& model, std::mt19937& random) {
  std::uniform_real_distribution<float> any(-1, 1), positive(0.2f, 2);
  model.for_each_tensor([&](const std::string&, const TensorInfo& info, std::span<float> values) {
    const float scale = info.role == Role::weight ? 1.5f / std::sqrt(static_cast<float>(info.fan_in)) : 1.f;
    for (float& x : values) {
      x = info.role == Role::running_variance ? positive(random) : scale * any(random);
      if (info.role == Role::scale) x += x < 0 ? -0.3f : 0.3f;
    }
  });
}

struct Writer {
  std::filesystem::path folder;
  int count = 0;

  template <class Net>
  void operator()(const char* text) {
    std::mt19937 random(static_cast<std::uint32_t>(count));
    constexpr int batch = 3;
    Model<Net, Cpu, Inference> model{{.batch = batch, .threads = 1}};
    fill(model, random);
    std::vector<float> input(static_cast<std::size_t>(batch * Net::input.size()));
    std::normal_distribution<float> normal;
    for (float& x : input) x = normal(random);
    const std::span<const float> output = model.predict(input);

    const std::filesystem::path base = folder / std::to_string(count++);
    const auto shape = [](Shape s) {
      return s.flat ? std::vector<std::int64_t>{batch, s.channels}
                    : std::vector<std::int64_t>{batch, s.height, s.width, s.channels};
    };
    save_safetensors(base.string() + ".safetensors",
                     std::vector<Tensor>{{"input", shape(Net::input), input}, {"output", shape(Net::output), output}},
                     {{"network", text}});
    save_onnx(model, base.string() + ".nchw.onnx", {.metadata = {{"strata.data", "drawn"}}});
    save_onnx(model, base.string() + ".nhwc.onnx", {.layout = OnnxLayout::nhwc, .input = "pixels", .output = "scores"});
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "onnx_networks FOLDER\n");
    return 2;
  }
  try {
    Writer writer{argv[1]};
    onnx_networks::for_each_network(writer);
    std::printf("%d\n", writer.count);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "onnx_networks: %s\n", e.what());
    return 1;
  }
  return 0;
}
