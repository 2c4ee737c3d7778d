// SPDX-License-Identifier: BSL-1.0
// strata's predictions and training steps of known networks, and the same networks as ONNX files for its peers.
//   networks write DIR          DIR/NAME.onnx, DIR/NAME.logits.f32 of two images, DIR/NAME.losses.f32 of a few steps
//   networks infer NAME --batches 1,32 --threads 2 --seconds 2
//   networks train|bf16 NAME --batches 128 --threads 2 --seconds 2 --least 2
#include <algorithm>
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

#include <strata/cpu_bf16.hpp>
#include <strata/io/onnx.hpp>
#include <strata/strata.hpp>

#include "../networks.hpp"
#include "peer.hpp"

namespace {

using namespace networks;

constexpr float learning_rate = 0.002f, momentum = 0.9f;
constexpr int check_batch = 4, check_steps = 3;

// Noise between -1 and 1 that every peer can make: a hash of the element's number.
std::vector<float> images(std::int64_t count) {
  std::vector<float> x(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < x.size(); ++i) {
    auto h = static_cast<std::uint32_t>(i) * 2654435761u;
    h = (h ^ (h >> 15)) * 2246822519u;
    h ^= h >> 13;
    x[i] = static_cast<float>(h >> 8) * 0x1p-23f - 1;
  }
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

std::vector<int> labels(int count, int classes) {
  std::vector<int> y;
  for (int i = 0; i < count; ++i) y.push_back(i % classes);
  return y;
}

// Training without Dropout, so that all peers compute the same losses.
template <class Layers>
struct WithoutDropout;
template <class... L>
struct WithoutDropout<Sequential<L...>> {
  template <class Kept, class... Rest>
  struct Walk {
    using type = Kept;
  };
  template <class... Kept, class First, class... Rest>
  struct Walk<Sequential<Kept...>, First, Rest...> : Walk<Sequential<Kept..., First>, Rest...> {};
  template <class... Kept, auto Rate, class... Rest>
  struct Walk<Sequential<Kept...>, Dropout<Rate>, Rest...> : Walk<Sequential<Kept...>, Rest...> {};
  using type = typename Walk<Sequential<>, L...>::type;
};

template <class Net, class Backend = Cpu>
class TrainingRun {
 public:
  TrainingRun(int batch, int threads)
      : model_({.batch = batch, .threads = threads, .seed = 1, .weights = HeNormal{}}),
        trainer_(model_, Loss{}, SGD{.learning_rate = learning_rate, .momentum = momentum}),
        images_(images(batch * Net::input.size())),
        labels_(labels(batch, static_cast<int>(Net::output.channels))) {
    fill(model_);
  }
  float step() {
    const StepResult r = trainer_.step(images_, labels_);
    return static_cast<float>(r.loss / r.samples);
  }

 private:
  using Model = strata::Model<typename WithoutDropout<Net>::type, Backend>;
  using Loss = Unchecked<SoftmaxCrossEntropy>;  // SqueezeNet ends in a ReLU
  Model model_;
  Trainer<Model, Loss, SGD> trainer_;
  std::vector<float> images_;
  std::vector<int> labels_;
};

void write_file(const std::string& path, std::span<const float> values) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size_bytes()));
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

template <class Net>
void write(const std::string& folder, const std::string& name) {
  Model<Net, Cpu, Inference> model{{.batch = 2, .seed = 1, .weights = HeNormal{}}};
  fill(model);
  save_onnx(model, folder + "/" + name + ".onnx");
  write_file(folder + "/" + name + ".logits.f32", model.predict(images(2 * Net::input.size())));
  TrainingRun<Net> run(check_batch, 1);
  std::vector<float> losses;
  for (int i = 0; i < check_steps; ++i) losses.push_back(run.step());
  write_file(folder + "/" + name + ".losses.f32", losses);
}

void print_line(const bench::Options& o, const std::string& name, const char* mode, int batch,
                const std::vector<double>& ms) {
  std::printf("peer=strata version=%s network=%s mode=%s batch=%d threads=%d state=warm", cpu::kernel_path(), name.c_str(),
              mode, batch, o.threads);
  bench::print_list("ms", ms);
  std::printf("\n");
  std::fflush(stdout);
}

template <class Net, class Backend>
void train(const bench::Options& o, const std::string& name, const char* mode) {
  for (const int batch : o.batches) {
    TrainingRun<Net, Backend> run(batch, o.threads);
    print_line(o, name, mode, batch,
               bench::measure(o.seconds, 1, [&](int) { static_cast<void>(run.step()); }, [] {}, o.least));
  }
}

template <class Net>
void infer(const bench::Options& o, const std::string& name) {
  for (const int batch : o.batches) {
    Model<Net, Cpu, Inference> model{{.batch = batch, .threads = o.threads, .seed = 1, .weights = HeNormal{}}};
    fill(model);
    const std::vector<float> x = images(batch * Net::input.size());
    print_line(o, name, "infer", batch,
               bench::measure(o.seconds, 2, [&](int) { static_cast<void>(model.predict(x)); }, [] {}, o.least));
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
  if (mode != "infer" && mode != "train" && mode != "bf16")
    throw std::runtime_error("call it as: networks write DIR, or: networks infer|train|bf16 NAME OPTION...");
  const bench::Options o = bench::parse(argc - 2, argv + 2);
  const bool found = for_networks(argv[2], [&]<class Net>(const char* name) {
    if (mode == "infer")
      infer<Net>(o, name);
    else if (mode == "train")
      train<Net, Cpu>(o, name, "train");
    else
      train<Net, CpuBF16>(o, name, "bf16");
  });
  if (!found) throw std::runtime_error(std::string("there is no network ") + argv[2]);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "networks: %s\n", e.what());
  return 1;
}
