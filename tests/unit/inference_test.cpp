// SPDX-License-Identifier: BSL-1.0
// A model for inference runs chains (model/chain.hpp): its outputs are those of a model for training, layer by layer,
// within rounding, on every kernel path and for every batch.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <strata/backend/cpu/path.hpp>
#include <strata/strata.hpp>

#include "files.hpp"

namespace {

using namespace strata;

struct SetPath {
  cpu::KernelPath before = cpu::detail::path_now();
  SetPath() = default;
  SetPath(const SetPath&) = delete;
  SetPath& operator=(const SetPath&) = delete;
  ~SetPath() { cpu::set_kernel_path(before); }
};

template <class T>
std::vector<T> images(std::int64_t count, std::uint64_t seed) {
  std::vector<T> x(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(2 * Random(seed, Purpose::user).uniform(i) - 1);
  return x;
}

// Numbers that a trained network could have, the same for models of the same network.
template <class Model>
void fill_tensors(Model& model, std::uint64_t seed) {
  using T = typename Model::T;
  std::uint64_t number = 0;
  model.for_each_tensor([&](const std::string& name, const TensorInfo& info, std::span<T> values) {
    const Random random(seed + number++, Purpose::user);
    const bool positive = name.ends_with("variance");
    const double size = info.rank > 1 ? 1.5 / std::sqrt(static_cast<double>(info.fan_in)) : 0.5;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double u = random.uniform(i);
      values[i] = static_cast<T>(positive ? 0.2 + u : name.ends_with("gamma") ? 0.5 + u : size * (2 * u - 1));
    }
  });
}

template <class T>
double distance(std::span<const T> a, std::span<const T> b) {
  REQUIRE(a.size() == b.size());
  double worst = 0, largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    worst = std::max(worst, std::abs(x - y)), largest = std::max(largest, std::abs(y));
    if (std::isnan(x)) return 1;
  }
  REQUIRE(largest > 0);
  return worst / largest;
}

template <class Net, class T>
void check_network(const char* name) {
  CAPTURE(name);
  using Backend = CpuOf<T>;
  const ModelOptions options{.batch = 17, .threads = 2, .seed = 3};
  Model<Net, Backend, Inference> chained{options};
  Model<Net, Backend> layered{options};
  fill_tensors(chained, 7), fill_tensors(layered, 7);
  const SetPath restore;
  for (const auto path :
       {cpu::KernelPath::baseline, cpu::KernelPath::avx2, cpu::KernelPath::avx512, cpu::KernelPath::eigen}) {
    if (!cpu::set_kernel_path(path)) continue;
    CAPTURE(cpu::kernel_path());
    CHECK(chained.predict({}).empty());
    for (const int batch : {1, 2, 7, 8, 17}) {
      CAPTURE(batch);
      const std::vector<T> x = images<T>(batch * Net::input.size(), 11);
      CHECK(distance<T>(chained.predict(x), layered.predict(x)) < (sizeof(T) == 4 ? 2e-5 : 1e-13));
    }
  }
  // Statistics of the batch are no constants that a product could be scaled by.
  const std::vector<T> x = images<T>(4 * Net::input.size(), 12);
  CHECK(distance<T>(chained.forward(x, true, 5), layered.forward(x, true, 5)) < (sizeof(T) == 4 ? 1e-4 : 1e-12));
  // They have moved the running ones.
  CHECK(distance<T>(chained.predict(x), layered.predict(x)) < (sizeof(T) == 4 ? 2e-5 : 1e-13));
}
template <class Net>
void check_network(const char* name) {
  check_network<Net, float>(name);
  check_network<Net, double>(name);
}

template <int Filters, class... Stride_>
using Unit = Sequential<Conv<3, Filters, Same, NoBias, Stride_...>, BatchNorm>;

// Products of every kind: by Winograd, by patches, of 1x1, in groups, depthwise, of few channels, of few positions.
using Plain = Sequential<Input<13, 11, 3>, Conv<5, 20, Same>, BatchNorm, ReLU, Conv<3, 24, Groups<4>>, SiLU, Conv<1, 33>,
                         BatchNormOf<NoScale>, Conv<3, 33, Groups<33>, Same>, BatchNorm, Clip<0, 6>, Conv<3, 40, Stride<2>>,
                         HardSwish, Conv<3, 17, Pad<1>>, BatchNormOf<NoShift>, Tanh, Flatten, Dense<19>, BatchNorm, ReLU,
                         Dense<7>, ELU, Dense<5>>;
// Its kernel is derived from the convolution's, so that it must not run as a convolution in a chain.
struct Doubled : Conv<3, 8> {};
}  // namespace
template <>
struct strata::Kernel<Doubled> : strata::Kernel<strata::Conv<3, 8>> {
  template <class P>
  static void forward(const P& p) {
    strata::Kernel<strata::Conv<3, 8>>::forward(p);
    for (std::int64_t i = 0; i < p.count_out(); ++i) p.y[i] *= 2;
  }
};
namespace {
using Derived = Sequential<Input<9, 9, 4>, Doubled, BatchNorm, ReLU, Flatten, Dense<3>>;
// One row; groups at few positions; a map behind the input.
using Odd = Sequential<Input<1, 40, 1>, Conv<Size<1, 5>, 8>, ReLU, Conv<Size<1, 3>, 16, Groups<4>>, BatchNorm, Conv<1, 8>,
                       ReLU, GlobalAvgPool, Dense<3>>;
using Wide = Sequential<Input<16, 16, 48>, Unit<56>, ReLU, Conv<3, 64, Same>, ReLU, Conv<3, 48, Same>, GELU, GlobalAvgPool,
                        Dense<6, NoBias>, BatchNorm>;
// Sums of every kind: the input, a shortcut, behind an activation or not; what is read twice is in no chain.
using Sums = Sequential<Input<9, 9, 8>, Unit<24>, ReLU, Residual<Unit<24>, ReLU, Unit<24>>, ReLU,
                        Residual<Unit<32, Stride<2>>, ReLU, Unit<32>, Shortcut<Conv<1, 32, Stride<2>>, BatchNorm>>, SiLU,
                        Residual<Conv<1, 32>, ReLU>, Residual<BatchNorm, ReLU, Conv<3, 32, Groups<32>, Same>>,
                        Concat<Conv<1, 5>, Sequential<Conv<3, 7, Same>, BatchNorm>, Sequential<>>,
                        Residual<Residual<Conv<1, 44>>, BatchNorm>, Gate<GlobalAvgPool, Dense<44>, Sigmoid>, BatchNorm,
                        ReLU, Dropout<0.3>, Conv<2, 9>, StochasticDepth<0.1>, Flatten, Dense<4>>;

// Branches that end in a chain of each kind write to the output of their Concat; others are copied to it.
using Joined = Sequential<
    Input<12, 12, 44>,
    Concat<Sequential<Conv<3, 40, Same, NoBias>, BatchNorm, ReLU>, Sequential<Conv<1, 12>, GELU>,
           Sequential<Conv<3, 44, Groups<44>, Same>, Clip<-1, 1>>, Sequential<Conv<3, 8, Groups<4>, Same>, BatchNorm>,
           Sequential<>, Sequential<MaxPool<3, 1, Same>, Conv<5, 6, Same>, ReLU>,
           Sequential<Conv<1, 5>, Residual<Conv<1, 5>>>, Sequential<Conv<1, 3>, ReLU, AvgPool<3, 1, Same>>>,
    BatchNorm, ReLU, Concat<Concat<Conv<1, 9>, Sequential<Conv<3, 7, Same>, Tanh>>, Sequential<Conv<1, 64>, Conv<1, 4>>>,
    Conv<5, 12, Stride<4>>, Concat<Conv<3, 8, Same>, Sequential<Conv<1, 8>, SiLU>>, GlobalAvgPool,
    Concat<Dense<6>, Dense<5>>, Dense<3>>;

// Maps so large that a batch passes in parts, with sums, branches and layers in place; then small maps.
using Large =
    Sequential<Input<64, 64, 3>, Conv<3, 32, Same>, ReLU, Residual<Conv<3, 32, Same, NoBias>, BatchNorm, ReLU>,
               Dropout<0.2>, ReLU, MaxPool<2>, Concat<Conv<1, 40>, Sequential<Conv<3, 24, Same>, GELU>, Sequential<>>, Tanh,
               Conv<3, 32, Stride<2>>, BatchNorm, Sigmoid, GlobalAvgPool, Dense<4>>;

// The map of 16 channels could take the place of the first layer's output, which later parts read.
using Growing = Sequential<Input<24, 24, 4>, Conv<3, 16, Same>, ReLU, Upsample<4>, Conv<1, 32>, ReLU, Conv<1, 16>, Tanh,
                           Conv<1, 24>, MaxPool<8>, Flatten, Dense<4>>;

template <class Net>
int layers_in_parts() {
  using Graph = strata::detail::Graph<Net, Cpu, false>;
  std::vector<strata::detail::NodePlan<Cpu::Ops>> plan(Graph::count);
  strata::detail::lay_out(Graph::program,
                          {.batch = 9, .threads = 1, .scalar = {4, 4}, .training = false, .capacity = 9, .engine = 0},
                          std::span<strata::detail::NodePlan<Cpu::Ops>>(plan));
  int count = 0;
  for (std::size_t i = 0; i < plan.size(); ++i)
    for (int j = static_cast<int>(i); j < plan[i].part_end; ++j)
      count += Graph::program.rows[static_cast<std::size_t>(j)].layer >= 0 ? 1 : 0;
  return count;
}

TEST_CASE("a batch in parts gives the same outputs") {
  CHECK(layers_in_parts<Large>() == 14);
  CHECK(layers_in_parts<Growing>() == 7);
  CHECK(layers_in_parts<Wide>() == 0);
  check_network<Large, float>("Large");
  check_network<Growing, float>("Growing");
  Model<Large, Cpu, Inference> chained{{.batch = 9, .threads = 2, .seed = 3}}, one{{.batch = 9, .threads = 1, .seed = 3}};
  Model<Large> layered{{.batch = 9, .threads = 1, .seed = 3}};
  const std::vector<float> x = images<float>(9 * Large::input.size(), 4);
  CHECK(distance<float>(chained.predict_with_dropout(x, 9), layered.predict_with_dropout(x, 9)) < 1e-5);
  const auto a = chained.predict(x), b = one.predict(x);
  CHECK(std::ranges::equal(a, b));
  CHECK(chained.first_not_finite(false).number == -1);
}

TEST_CASE("chains give the outputs of their layers") {
  check_network<Joined>("Joined");
  check_network<Plain>("Plain");
  check_network<Wide>("Wide");
  check_network<Sums>("Sums");
  check_network<Derived>("Derived");
  check_network<Odd>("Odd");
}

TEST_CASE("a NaN passes through a chain") {
  Model<Plain, Cpu, Inference> model{{.batch = 1, .threads = 1}};
  std::vector<float> x = images<float>(Plain::input.size(), 1);
  x[100] = std::nanf("");
  const auto y = model.predict(x);
  CHECK(std::ranges::any_of(y, [](float v) { return std::isnan(v); }));
}

TEST_CASE("dropout may be asked for between chains") {
  Model<Sums, Cpu, Inference> chained{{.batch = 2, .threads = 1, .seed = 3}};
  Model<Sums> layered{{.batch = 2, .threads = 1, .seed = 3}};
  const std::vector<float> x = images<float>(2 * Sums::input.size(), 4);
  const std::vector<float> plain(chained.predict(x).begin(), chained.predict(x).end());
  CHECK(distance<float>(chained.predict_with_dropout(x, 9), layered.predict_with_dropout(x, 9)) < 1e-5);
  CHECK(distance<float>(chained.predict_with_dropout(x, 9), plain) > 1e-3);
}

TEST_CASE("a prediction follows every way to change the weights") {
  const std::vector<float> x = images<float>(Sums::input.size(), 4);
  const ModelOptions options{.batch = 1, .threads = 1, .seed = 3};
  Model<Sums, Cpu, Inference> model{options};
  const auto predicted = [&] {
    const auto y = model.predict(x);
    return std::vector<float>(y.begin(), y.end());
  };
  auto before = predicted();
  const auto changed = [&] {
    const auto now = predicted();
    const bool other = now != before;
    before = now;
    return other;
  };
  CHECK_FALSE(changed());
  model.parameters()[5] += 1;
  CHECK(changed());
  model.state()[3] += 1;  // a running mean
  CHECK(changed());
  const Folder folder;
  save_weights(model, folder.path / "w.safetensors");  // reads them alone
  CHECK_FALSE(changed());
  fill_tensors(model, 1);
  CHECK(changed());
  load_weights(model, folder.path / "w.safetensors");
  CHECK(changed());
  model.for_each_tensor([&](const std::string& name, const TensorInfo&, std::span<float> values) {
    if (!name.ends_with("kernel")) return;
    static_cast<void>(changed());  // which packs what f has written before
    values[0] += 1;
  });
  CHECK(changed());
  auto session = model.session();
  const auto y = session.predict(x);
  CHECK(std::vector<float>(y.begin(), y.end()) == before);
  model.regions().parameters[7] += 1;
  const auto after = session.predict(x);
  CHECK(std::vector<float>(after.begin(), after.end()) != before);
  CHECK(changed());
}

TEST_CASE("sessions predict the model's bits while its weights are read") {
  Model<Plain, Cpu, Inference> model{{.batch = 2, .threads = 1, .seed = 3}};
  const std::vector<float> x = images<float>(2 * Plain::input.size(), 4);
  const auto y = model.predict(x);
  const std::vector<float> expected(y.begin(), y.end());
  const auto work = [&](Session<Plain, Cpu> session) {
    for (int i = 0; i < 20; ++i) {
      const auto now = session.predict(x);
      if (!std::ranges::equal(now, expected)) return false;
    }
    return true;
  };
  bool same[2] = {false, false};
  std::thread first([&] { same[0] = work(model.session({.threads = 1})); });
  std::thread second([&] { same[1] = work(model.session({.batch = 9, .threads = 2})); });
  const Folder folder;
  for (int i = 0; i < 5; ++i) save_weights(model, folder.path / "w.safetensors");
  first.join(), second.join();
  CHECK(same[0]);
  CHECK(same[1]);
}

TEST_CASE("weights are packed for the model's batch, and read by sessions of larger ones") {
  using Deep = Sequential<Input<8, 8, 64>, Unit<64>, ReLU, GlobalAvgPool, Dense<3>>;
  CHECK(Model<Deep, Cpu, Inference>::plan(1, 1).packed < Model<Deep, Cpu, Inference>::plan(9, 1).packed);
  Model<Deep, Cpu, Inference> one{{.batch = 1, .threads = 1}}, nine{{.batch = 9, .threads = 1}};
  fill_tensors(one, 5), fill_tensors(nine, 5);
  auto session = one.session({.batch = 9});
  const std::vector<float> x = images<float>(9 * Deep::input.size(), 2);
  CHECK(distance<float>(session.predict(x), nine.predict(x)) < 1e-5);
}

TEST_CASE("packed weights are in the plan") {
  Model<Plain, Cpu, Inference> model{{.batch = 3, .threads = 2}};
  constexpr MemoryPlan plan = Model<Plain, Cpu, Inference>::plan(3, 2);
  CHECK(plan.packed > plan.weights / 2);
  CHECK(plan.packed < 6 * plan.weights);  // panels of up to 32 filters, and small layers here
  CHECK(Model<Plain>::plan(3, 2).packed == 0);
  CHECK(plan.activations < Model<Plain>::plan(3, 2).activations);
}

}  // namespace
