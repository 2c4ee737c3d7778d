// SPDX-License-Identifier: BSL-1.0
// strata's predictions of known networks, and the same networks as ONNX files for its peers.
//   networks write DIR          DIR/NAME.onnx, and DIR/NAME.logits.f32 of two images of `image()`
//   networks infer NAME --batches 1,32 --threads 2 --seconds 2
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <strata/io/onnx.hpp>
#include <strata/strata.hpp>

#include "../networks.hpp"
#include "peer.hpp"

namespace {

using namespace networks;

// Numbers that every peer can make: sin(i).
std::vector<float> images(std::int64_t count) {
  std::vector<float> x(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(std::sin(static_cast<double>(i)));
  return x;
}

// Random weights, with statistics that are not 0 and 1, so that a normalization that is left out is seen.
template <class Model>
void fill(Model& model) {
  std::uint64_t number = 0;
  model.for_each_tensor([&](const std::string& name, const TensorInfo&, std::span<float> values) {
    const Random random(number++, Purpose::user);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (name.ends_with("gamma") || name.ends_with("variance")) values[i] = 0.8f + 0.4f * random.uniform(i);
      if (name.ends_with("beta") || name.ends_with("mean")) values[i] = 0.2f * random.uniform(i) - 0.1f;
    }
  });
}

template <class Net>
void write(const std::string& folder, const std::string& name) {
  Model<Net, Cpu, Inference> model{{.batch = 2, .seed = 1, .weights = HeNormal{}}};
  fill(model);
  save_onnx(model, folder + "/" + name + ".onnx");
  const auto logits = model.predict(images(2 * Net::input.size()));
  std::ofstream file(folder + "/" + name + ".logits.f32", std::ios::binary);
  file.write(reinterpret_cast<const char*>(logits.data()), static_cast<std::streamsize>(logits.size_bytes()));
  if (!file.flush()) throw std::runtime_error("cannot write " + folder + "/" + name + ".logits.f32");
}

template <class Net>
void infer(const bench::Options& o, const std::string& name) {
  for (const int batch : o.batches) {
    Model<Net, Cpu, Inference> model{{.batch = batch, .threads = o.threads, .seed = 1, .weights = HeNormal{}}};
    fill(model);
    const std::vector<float> x = images(batch * Net::input.size());
    const std::vector<double> ms = bench::measure(o.seconds, 2, [&](int) { static_cast<void>(model.predict(x)); }, [] {});
    std::printf("peer=strata version=%s network=%s mode=infer batch=%d threads=%d state=warm", cpu::kernel_path(),
                name.c_str(), batch, o.threads);
    bench::print_list("ms", ms);
    std::printf("\n");
    std::fflush(stdout);
  }
}

// Calls f<Net>(name) for each network, or the one that is named.
template <class F>
bool for_networks(std::string_view only, F&& f) {
  bool found = false;
  const auto one = [&]<class Net>(const char* name) {
    if (only.empty() || only == name) found = true, f.template operator()<Net>(name);
  };
  one.template operator()<LeNet>("lenet");
  one.template operator()<SqueezeNet>("squeezenet");
  one.template operator()<ResNet18>("resnet18");
  one.template operator()<ResNet18Cifar>("resnet18cifar");
  one.template operator()<MobileNetV2>("mobilenetv2");
  one.template operator()<VGG16>("vgg16");
  one.template operator()<cifar_fast::Net>("cifar_fast");
  return found;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string_view mode = argc > 2 ? argv[1] : "";
  if (mode == "write") {
    for_networks({}, [&]<class Net>(const char* name) { write<Net>(argv[2], name); });
    return 0;
  }
  if (mode != "infer") throw std::runtime_error("call it as: networks write DIR, or: networks infer NAME OPTION...");
  const bench::Options o = bench::parse(argc - 2, argv + 2);
  if (!for_networks(argv[2], [&]<class Net>(const char* name) { infer<Net>(o, name); }))
    throw std::runtime_error(std::string("there is no network ") + argv[2]);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "networks: %s\n", e.what());
  return 1;
}
