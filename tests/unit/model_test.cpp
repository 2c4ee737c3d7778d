// SPDX-License-Identifier: BSL-1.0
// Whole models: gradients of every layer against finite differences in double, the same bits for any number of threads,
// layers of the user's own. What models allocate: allocation_test.cpp.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <strata/strata.hpp>

#include "gpu_emulated.hpp"

using namespace strata;

namespace {

// Distinct values keep max pools and ReLUs away from their kinks.
template <class T>
std::vector<T> numbers(std::size_t n, std::uint64_t seed) {
  std::vector<T> v(n);
  const Random random(seed, Purpose::user);
  for (std::size_t i = 0; i < n; ++i) v[i] = static_cast<T>(2 * random.uniform(i) - 1);
  return v;
}

// Largest difference between backward and central differences, relative to the largest gradient.
template <class Net, class Loss>
double gradient_error(int batch) {
  Model<Net, CpuOf<double>> model{{.batch = batch, .threads = 2, .seed = 3, .biases = Uniform{0.3}}};
  const auto images = numbers<double>(static_cast<std::size_t>(batch * Net::input.size()), 5);
  const int classes = static_cast<int>(Net::output.size());
  std::vector<int> labels;
  for (int i = 0; i < batch; ++i) labels.push_back(i % classes);
  std::vector<double> losses(static_cast<std::size_t>(batch));
  const auto loss_at = [&](double* gradient) {
    const auto y = model.forward(images, true, 9);
    model.engine().ops().run_loss(Loss{}, batch, classes, y.data(), labels.data(), losses.data(), gradient);
    double sum = 0;
    for (const double l : losses) sum += l;
    return sum / batch;
  };
  loss_at(model.output_gradient());
  for (double& g : model.gradients()) g = std::nan("");  // all must be written
  model.backward();
  const std::vector<double> gradients(model.gradients().begin(), model.gradients().end());
  double worst = 0, largest = 1e-6;
  for (const double g : gradients) largest = std::max(largest, std::abs(g));
  const std::size_t stride = std::max<std::size_t>(1, gradients.size() / 150);
  for (std::size_t i = 0; i < gradients.size(); i += stride) {
    const double h = 1e-6, before = model.parameters()[i];
    model.parameters()[i] = before + h;
    const double up = loss_at(nullptr);
    model.parameters()[i] = before - h;
    const double down = loss_at(nullptr);
    model.parameters()[i] = before;
    const double difference = std::abs((up - down) / (2 * h) - gradients[i]);
    worst = std::isnan(difference) ? 1e9 : std::max(worst, difference);
  }
  return worst / largest;
}

using Plain = Sequential<Input<7, 6, 3>, Conv<3, 4>, Tanh, Conv<Size<2, 3>, 6, Stride<2>, Pad<1, 0, 2, 1>>, Sigmoid,
                         Flatten, Dense<5>>;
using Pools = Sequential<Input<9, 9, 2>, Conv<3, 4, Groups<2>, Dilation<2>>, ReLU, MaxPool<3, 2>, AvgPool<2, 1, Same>,
                         Flatten, Dense<4, NoBias>, LeakyReLU, Dropout<0.25>, Dense<3>>;
using Norms =
    Sequential<Input<5, 5, 3>, Conv<3, 8, NoBias>, BatchNorm, ReLU, LRN<3, 1.0, 0.1, 0.5>, GlobalAvgPool, Dense<4>>;
using NormsOf = Sequential<Input<5, 5, 3>, Conv<3, 8>, BatchNormOf<NoScale>, Tanh, Conv<3, 6, NoBias>, BatchNormOf<NoShift>,
                           Tanh, Conv<3, 4>, BatchNormOf<NoScale, NoShift, Epsilon<1e-5>>, Tanh, BatchNormOf<Momentum<0.5>>,
                           GlobalAvgPool, Dense<4>>;
using Branches =
    Sequential<Input<6, 6, 4>, Residual<Conv<3, 4>, Tanh, Conv<3, 4>>,
               Residual<Conv<3, 6, Stride<2>>, Shortcut<Conv<1, 6, Stride<2>>>>,
               Concat<Conv<1, 2>, Sequential<Conv<1, 3>, Sigmoid, Conv<3, 4>>, Sequential<>>, Tanh, Flatten, Dense<3>>;
// Sums that are rectified at once; branches that share the gradient of their sum, and one that ends in a layer in place and
// does not; a sum of sums.
using Sums =
    Sequential<Input<6, 6, 3>, Conv<3, 4>, BatchNorm, ReLU, Residual<Conv<3, 4>, BatchNorm, ReLU, Conv<3, 4>, BatchNorm>,
               ReLU, Residual<Conv<3, 6, Stride<2>>, BatchNorm, Shortcut<Conv<1, 6, Stride<2>>>>, ReLU,
               Residual<Conv<3, 6>, Tanh>, ReLU, Residual<Residual<Conv<1, 6>>>, ReLU, Residual<Conv<1, 6>>,
               Residual<Conv<1, 6>>, Flatten, Dense<3>>;
using Nested =
    Sequential<Input<4, 4, 2>, Conv<3, 2>, Tanh, Residual<Concat<Conv<1, 1>, Residual<Conv<3, 2>>>, Tanh, Conv<1, 2>>,
               Concat<Conv<1, 2>>, Flatten, Dense<3>>;
// A Sigmoid works in place, but not where a ReLU before it, or a max pool, still asks for signs.
using Signs =
    Sequential<Input<6, 6, 2>, Conv<3, 4>, ReLU, MaxPool<2>, Sigmoid, Conv<3, 5>, ReLU, Sigmoid, Flatten, Dense<16>, ReLU,
               Dropout<0.25>, Sigmoid, Dense<12>, ReLU, Tanh, Dense<9>, ReLU, LeakyReLU, Dense<3>>;
template <class Last>
using Ends = Sequential<Input<2, 2, 2>, Flatten, Dense<6>, Tanh, Dense<4>, Last>;

// An activation that is defined here and works in place: x / (1 + |x|).
struct Softsign : Activation<Values::squashed> {
  static constexpr const char* name = "Softsign";
  template <class T>
  STRATA_HOST_DEVICE static T forward(T x) {
    return x / (T{1} + std::abs(x));
  }
  template <class T>
  STRATA_HOST_DEVICE static T backward(T y, T dy) {
    return dy * (T{1} - std::abs(y)) * (T{1} - std::abs(y));
  }
};
// Clip and ELU work in place; a max pool and a ReLU before them ask for signs.
using Smooth = Sequential<Input<6, 6, 2>, Conv<3, 4>, GELU, Conv<3, 4>, ReLU, MaxPool<2>, ELU, Residual<Conv<3, 4>, SiLU>,
                          GELUTanh, Conv<3, 4>, ReLU, ReLU6, HardSwish, Flatten, Dense<9>, Softplus, Dense<8>, ReLU,
                          Clip<-1, 2>, Dense<6>, HardSigmoid, Dense<3>>;
// Every gate, where a layer that works in place follows, inside a Residual and at the images.
using Gates = Sequential<Input<5, 6, 3>, Gate<Conv<1, 3>, Sigmoid>, Conv<3, 8>, ReLU,
                         Gate<GlobalAvgPool, Dense<3>, Tanh, Dense<8>, Sigmoid>, Tanh,
                         Residual<Conv<3, 8>, Gate<GlobalMaxPool, Dense<8>>, ELU>,
                         Gate<AvgPool<Size<5, 6>>, Conv<1, 8>, Sigmoid>, Flatten, Gate<Dense<240>>, Dense<3>>;
using Enlarged =
    Sequential<Input<4, 5, 2>, ConvTranspose<3, 4, Stride<2>>, Tanh, MaxPool<2, 2, CeilMode>,
               ConvTranspose<Size<2, 3>, 3, Stride<2, 3>, Valid, NoBias>, Upsample<2>, Conv<3, 4, Stride<2>>,
               ConvTranspose<3, 3, Stride<2>, Pad<1>, OutputPadding<1>, Dilation<2>>, Upsample<Size<1, 2>, Bilinear>, Tanh,
               AvgPool<3, 2, Pad<1>, CountPadding>, AvgPool<4, 3, Pad<1>, CountPadding, CeilMode>, Flatten, Dense<3>>;
using SampleNorms =
    Sequential<Input<5, 5, 3>, Conv<3, 8>, GroupNorm<4>, PReLU, Conv<3, 6, NoBias>, LayerNorm, ChannelShuffle<3>,
               Scale<-1.5>, GroupNorm<1, NoScale>, PReLU, Conv<3, 4>, GroupNorm<2, NoScale, NoShift, Epsilon<1e-5>>, Tanh,
               LayerNormOf<NoShift>, Residual<Conv<3, 4>, StochasticDepth<0.4>>, Scale<2>, Flatten, LayerNorm, Dense<6>,
               PReLU, GroupNorm<3>, Dense<4>, Scale<0.5>>;
// Two halves of a shuffle unit, a vector that becomes a map, and a map that becomes another.
using Parts = Sequential<Input<4, 3, 5>, Concat<Channels<0, 2>, Sequential<Channels<2, 3>, Conv<3, 4>, Tanh>>,
                         Channels<1, 5>, Flatten, Dense<24>, Reshape<2, 3, 4>, Conv<3, 6>, Tanh, Reshape<3, 4, 3>,
                         Conv<2, 2>, Flatten, Concat<Channels<20, 4>, Channels<3, 9>>, Dense<3>>;
using Own = Sequential<Input<6, 6, 2>, Conv<3, 4>, SiLU, Residual<Conv<3, 4>, SiLU, Softsign>, Softsign, Flatten, Dense<6>,
                       SiLU, Dense<3>>;

}  // namespace

TEST_CASE("a sum and the ReLU behind it are one step") {
  Model<Sums> model{{.batch = 2, .threads = 1}};
  Profile profile;
  model.watch(&profile);
  const auto named = [&](std::string_view name) { return std::ranges::count(profile.rows, name, &LayerTime::name); };
  CHECK(named("Residual + ReLU") == 4);
  CHECK(named("Residual") == 3);
}

TEST_CASE("backward agrees with finite differences") {
  CHECK(gradient_error<Plain, SoftmaxCrossEntropy>(3) < 1e-6);
  CHECK(gradient_error<Pools, SoftmaxCrossEntropy>(2) < 1e-6);
  CHECK(gradient_error<Norms, SoftmaxCrossEntropy>(4) < 1e-6);
  CHECK(gradient_error<NormsOf, SoftmaxCrossEntropy>(4) < 1e-6);
  CHECK(gradient_error<Branches, SoftmaxCrossEntropy>(2) < 1e-6);
  CHECK(gradient_error<Sums, SoftmaxCrossEntropy>(3) < 1e-6);
  CHECK(gradient_error<Nested, SoftmaxCrossEntropy>(2) < 1e-6);
  CHECK(gradient_error<Signs, SoftmaxCrossEntropy>(2) < 1e-6);
  CHECK(gradient_error<Own, SoftmaxCrossEntropy>(2) < 1e-6);
  CHECK(gradient_error<Smooth, SoftmaxCrossEntropy>(2) < 1e-6);
  CHECK(gradient_error<Gates, SoftmaxCrossEntropy>(2) < 1e-6);
  CHECK(gradient_error<Enlarged, SoftmaxCrossEntropy>(3) < 1e-6);
  CHECK(gradient_error<SampleNorms, SoftmaxCrossEntropy>(4) < 1e-6);
  CHECK(gradient_error<Parts, SoftmaxCrossEntropy>(3) < 1e-6);
  CHECK(gradient_error<Plain, SigmoidCrossEntropy>(3) < 1e-6);
  CHECK(gradient_error<Plain, MeanSquaredError>(1) < 1e-6);
  CHECK(gradient_error<Ends<Softmax>, CrossEntropy>(4) < 1e-6);
  CHECK(gradient_error<Ends<LogSoftmax>, NegativeLogLikelihood>(4) < 1e-6);
  CHECK(gradient_error<Ends<Softmax>, Unchecked<SoftmaxCrossEntropy>>(4) < 1e-6);
}

namespace {
// Gradients for a given gradient of the output.
template <class Net, class Backend>
std::vector<double> gradients_on(int batch) {
  using M = Model<Net, Backend>;
  using T = typename M::T;
  M model{{.batch = batch, .threads = 2, .seed = 3, .biases = Uniform{0.3}}};
  const auto images = numbers<T>(static_cast<std::size_t>(batch * Net::input.size()), 5);
  model.forward(images, true, 9);
  using A = typename Backend::activation;
  const auto dy = numbers<float>(static_cast<std::size_t>(batch * Net::output.size()), 6);
  for (std::size_t i = 0; i < dy.size(); ++i) model.output_gradient()[i] = static_cast<A>(dy[i]);
  model.backward();
  const T* g = model.engine_gradients();
  std::vector<double> all(g, g + Net::parameters);
  // A GPU has the filters of a convolution first.
  if constexpr (!Backend::on_host)
    for (const FilterTensor& f : model.regions().filters) {
      std::vector<float> turned(static_cast<std::size_t>(f.taps * f.filters));
      cuda::transpose(f.filters, f.taps, g + f.offset, turned.data());
      std::copy(turned.begin(), turned.end(), all.begin() + f.offset);
    }
  return all;
}
double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double worst = 0, largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, std::abs(a[i] - b[i]));
    largest = std::max(largest, std::abs(b[i]));
  }
  return a.size() == b.size() ? worst / largest : 1e9;
}
}  // namespace

TEST_CASE("activations defined here run on every backend") {
  const auto exact = gradients_on<Own, CpuOf<double>>(3);
  CHECK(largest_difference(gradients_on<Own, Cpu>(3), exact) < 1e-5);
  CHECK(largest_difference(gradients_on<Own, emulated::Gpu<>>(3), exact) < 1e-5);
  CHECK(largest_difference(gradients_on<Own, emulated::Gpu<cuda::BFloat16>>(3), exact) < 0.1);
}

TEST_CASE("backward tells which gradients are final, last layers first") {
  using Net = Sequential<Input<6, 6, 2>, Conv<3, 4>, ReLU, BatchNorm, Flatten, Dense<6>, Tanh, Dense<3, NoBias>>;
  Model<Net> model{{.batch = 2, .threads = 1}};
  std::vector<std::string> names;
  std::int64_t offset = 0;
  for (const ParameterTensor& t : model.parameter_tensors()) {
    CHECK(t.offset == offset);
    offset += t.info.size();
    names.push_back(t.name);
  }
  CHECK(offset == Net::parameters);
  CHECK(names == std::vector<std::string>{"conv2d/kernel", "conv2d/bias", "batch_normalization/gamma",
                                          "batch_normalization/beta", "dense/kernel", "dense/bias", "dense_1/kernel"});
  const auto images = numbers<float>(2 * 72, 1);
  const auto run = [&](auto&&... ready) {
    model.forward(images, true, 0);
    std::fill_n(model.output_gradient(), 2 * 3, 0.25f);
    for (float& g : model.gradients()) g = std::nanf("");
    model.backward(ready...);
  };
  run();
  const std::vector<float> want(model.gradients().begin(), model.gradients().end());
  std::int64_t left = Net::parameters;
  run([&](std::int64_t first, std::int64_t n) {
    CHECK(first + n == left);
    left = first;
    for (std::int64_t i = first; i < first + n; ++i)
      if (model.gradients()[static_cast<std::size_t>(i)] != want[static_cast<std::size_t>(i)]) FAIL_CHECK("not final");
  });
  CHECK(left == 0);
}

TEST_CASE("a model refuses a call while another one is running") {
  Model<Sequential<Input<6, 6, 2>, Flatten, Dense<3>>> model{{.batch = 2, .threads = 1}};
  const auto images = numbers<float>(2 * 72, 1);
  model.forward(images, true, 0);
  std::fill_n(model.output_gradient(), 2 * 3, 0.25f);
  CHECK_THROWS_AS(model.backward([&](std::int64_t, std::int64_t) { model.predict(images); }), std::logic_error);
  CHECK(model.predict(images).size() == 6);
}

TEST_CASE("a layer that works in place takes no memory, unless another layer needs the old values") {
  using Dense_ = Sequential<Input<1, 1, 16>, Flatten, Dense<64>, ReLU, Dense<2>>;
  const auto activations = []<class N>(N) { return Model<N>::plan(8, 1).activations; };
  const std::int64_t alone = activations(Dense_{}), one = 64 * 8 * 4;
  CHECK(activations(Sequential<Input<1, 1, 16>, Flatten, Dense<64>, ReLU, Tanh, Dense<2>>{}) == alone);
  CHECK(activations(Sequential<Input<1, 1, 16>, Flatten, Dense<64>, ReLU, Dropout<0.5>, Dense<2>>{}) == alone);
  CHECK(activations(Sequential<Input<1, 1, 16>, Flatten, Dense<64>, Sigmoid, Dense<2>>{}) == alone);
  CHECK(activations(Sequential<Input<1, 1, 16>, Flatten, Dense<64>, ReLU, Sigmoid, Dense<2>>{}) == alone + one);
  CHECK(activations(Sequential<Input<1, 1, 16>, Flatten, Dense<64>, Tanh, ReLU, Dense<2>>{}) == alone + one);
}

namespace {
using Small = Sequential<Input<12, 12, 3>, Conv<5, 16>, ReLU, MaxPool<3, 2>, BatchNorm, Conv<3, 32>, ReLU, Flatten,
                         Dense<300>, ReLU, Dropout<0.5>, Dense<10>>;

template <class Optimizer_>
std::vector<float> trained(int threads, int steps, Optimizer_ optimizer) {
  Model<Small> model{{.batch = 20, .threads = threads, .seed = 7}};
  Trainer trainer(model, SoftmaxCrossEntropy{}, optimizer);
  std::vector<int> labels;
  for (int i = 0; i < 20; ++i) labels.push_back(i % 10);
  const auto images = numbers<float>(20 * 12 * 12 * 3, 1);
  for (int i = 0; i < steps; ++i) trainer.step(images, labels);
  return {model.parameters().begin(), model.parameters().end()};
}
}  // namespace

TEST_CASE("the same seed gives the same bits with 1, 2 and 4 threads") {
  const auto one = trained(1, 4, SGD{.learning_rate = 0.05, .momentum = 0.9});
  CHECK(one == trained(2, 4, SGD{.learning_rate = 0.05, .momentum = 0.9}));
  CHECK(one == trained(4, 4, SGD{.learning_rate = 0.05, .momentum = 0.9}));
  CHECK(one != trained(1, 4, SGD{.learning_rate = 0.04, .momentum = 0.9}));
}

TEST_CASE("training and inference models predict the same") {
  Model<Small> model{{.batch = 4, .threads = 1, .seed = 2}};
  Model<Small, Cpu, Inference> reader{{.batch = 4, .threads = 1, .seed = 2}};
  const auto images = numbers<float>(4 * 12 * 12 * 3, 1);
  const auto a = model.predict(images), b = reader.predict(images);
  CHECK(std::vector<float>(a.begin(), a.end()) == std::vector<float>(b.begin(), b.end()));
}

TEST_CASE("a batch may be empty") {
  using Net = Sequential<Input<4, 4, 8>, Conv<3, 8, Groups<8>>, BatchNorm, Gate<GlobalAvgPool, Dense<8>, Sigmoid>,
                         Residual<Conv<1, 8>>, Flatten, Dense<2>>;
  Model<Net> model{{.batch = 4, .threads = 2, .seed = 1}};
  CHECK(model.predict({}).empty());
  CHECK(model.forward({}, true, 0).empty());
  CHECK_NOTHROW(model.backward());
}

TEST_CASE("infinite numbers meet activations") {
  using Net = Sequential<Input<1, 1, 20>, Flatten, HardSwish>;
  Model<Net> model{{.batch = 1}};
  std::vector<float> x(20, -std::numeric_limits<float>::infinity());
  x[3] = -x[3];
  const auto y = model.predict(x);
  for (std::size_t i = 0; i < x.size(); ++i) CHECK(y[i] == (i == 3 ? x[3] : 0.f));
}

TEST_CASE("a network learns, and smaller last batches work") {
  std::vector<float> images = numbers<float>(50 * 12 * 12 * 3, 4);
  std::vector<int> labels;
  for (int i = 0; i < 50; ++i) {
    labels.push_back(i % 10);
    images[static_cast<std::size_t>(i) * 432 + static_cast<std::size_t>(i % 10)] += 6.f;
  }
  const ArrayDataset<Shape{12, 12, 3}, 10> data(images, labels);
  Model<Small> model{{.batch = 16, .threads = 2, .seed = 1}};
  const auto history = train(model, data, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.02, .momentum = 0.9},
                             {.epochs = 30, .verbose = false});
  CHECK(history.front().loss > 2);
  CHECK(history.back().loss < 0.5);
  const Evaluation e = evaluate(model, data);
  std::int64_t counted = 0;
  for (int t = 0; t < 10; ++t)
    for (int p = 0; p < 10; ++p) counted += e.confusion.at(t, p);
  CHECK(counted == 50);
}

TEST_CASE("a network without computation returns its input") {
  Model<Sequential<Input<2, 2, 1>, Flatten>> model{{.batch = 1, .threads = 1}};
  const std::vector<float> image{1, 2, 3, 4};
  const auto out = model.predict(image);
  CHECK(std::vector<float>(out.begin(), out.end()) == image);
}

TEST_CASE("wrong calls are refused") {
  CHECK_THROWS_AS((Model<Small>{{.batch = 0}}), std::invalid_argument);
  Model<Small> model{{.batch = 2, .threads = 1}};
  const std::vector<float> images(3 * 432);
  CHECK_THROWS_AS(model.predict(images), std::invalid_argument);
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{});
  const std::vector<int> labels{0, 10};
  CHECK_THROWS_AS(trainer.step({images.data(), 864}, labels), std::invalid_argument);
  CHECK_THROWS_AS(Trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = -1.0}), std::invalid_argument);
}
