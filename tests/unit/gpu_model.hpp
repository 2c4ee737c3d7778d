// SPDX-License-Identifier: BSL-1.0
// The GPU backend's model and trainer beside the CPU's: with an emulated engine in unit/, on a device in cuda/. Who
// includes this defines before it: Gpu<Precision>, the backend; gpu_rounding, by which its sums may differ more than the
// emulated ones.
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/strata.hpp>

#include <strata/backend/cuda/steps.hpp>

#include "every_layer.hpp"
#include "files.hpp"
#include "numbers_of.hpp"

using namespace strata;

namespace {

std::vector<float> numbers(std::size_t n, std::uint64_t seed) {
  const Random random(seed, Purpose::user);
  std::vector<float> v(n);
  for (std::size_t i = 0; i < n; ++i) v[i] = 2 * random.uniform(i) - 1;
  return v;
}

double largest(const std::vector<float>& v) {
  double m = 0;
  for (const float x : v) m = std::max(m, std::abs(static_cast<double>(x)));
  return m;
}
// Of the largest number there is; a NaN is as far as can be.
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    worst = std::isnan(d) ? 1e9 : std::max(worst, d);
  }
  return worst / largest(b);
}
std::vector<float> copy(std::span<const float> v) { return {v.begin(), v.end()}; }

struct Made {
  static constexpr Shape image{12, 10, 3};
  static constexpr int classes = 5;
  std::vector<std::uint8_t> bytes;
  explicit Made(std::size_t n) : bytes(n * 360) {
    const Random random(8, Purpose::user);
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<std::uint8_t>(random.below(200, i) + 10 * (i / 360 * 7 % 5));
  }
  [[nodiscard]] std::size_t size() const { return bytes.size() / 360; }
  int wrong = -1;  // this one's label is none
  [[nodiscard]] int label(std::size_t i) const { return static_cast<int>(i) == wrong ? 5 : static_cast<int>(i * 7 % 5); }
  [[nodiscard]] std::span<const std::uint8_t> pixels(std::size_t i) const { return {bytes.data() + i * 360, 360}; }
};

// What an emulated engine counts, and a real one does not.
template <class Engine>
std::optional<int> prepared(const Engine& engine) {
  if constexpr (requires { engine.prepared; })
    return engine.prepared;
  else
    return {};
}
struct Graphs {
  std::int64_t captures, replays, allocations;
};
template <class Device>
std::optional<Graphs> graphs(const Device& device) {
  if constexpr (requires { device.counts; })
    return Graphs{device.counts.captures, device.counts.replays, device.counts.allocations};
  else
    return {};
}

constexpr int batch = 8;
const ModelOptions options{.batch = batch, .threads = 1, .seed = 5, .biases = Uniform{0.2}};

}  // namespace

// A layer of one's own, whose weights have four dimensions but are no convolution's: y = x * w, element by element.
struct ScaleEach {
  static constexpr const char* name = "ScaleEach";
  static constexpr const char* keras = "scale_each";
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s;
    s.out = in, s.parameters = in.size(), s.values = Values::any;
    return s;
  }
  static constexpr std::array<TensorInfo, 1> tensors(Shape in) {
    return {TensorInfo{"scale", Role::weight, {1, in.height, in.width, in.channels}, 4, 1, 1}};
  }
};
template <class A, class Number>
struct ScaleElement {
  std::int64_t size;
  const A* x;
  const Number* w;
  A* y;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    y[i] = static_cast<A>(static_cast<Number>(x[i]) * w[i % size]);
  }
};
template <>
struct strata::Kernel<ScaleEach> : KernelTraits {
  template <class P>
  static void forward(const P& p) {
    p.ops.elements(p.count_in(), ScaleElement<typename P::A, typename P::Parameter>{p.in.size(), p.x, p.parameters, p.y});
  }
  template <class P>
  static void backward(const P&) {}
};

TEST_CASE("a weight of four dimensions that is no convolution's is in the same order on both backends") {
  using Scaled = Sequential<Input<2, 3, 4>, Conv<1, 5>, ScaleEach>;
  Model<Scaled, Cpu, Inference> cpu{{.batch = 2, .threads = 1, .seed = 5}};
  Model<Scaled, Gpu<cuda::Float32>, Inference> gpu{{.batch = 2, .threads = 1, .seed = 5}};
  CHECK(numbers_of(gpu) == numbers_of(cpu));
  const std::vector<float> images = numbers(2 * 24, 9);
  CHECK(distance(copy(gpu.predict(images)), copy(cpu.predict(images))) < 1e-6 * gpu_rounding);
}

TEST_CASE("what f wrote into tensors is in the device's memory, also if f throws") {
  Model<Net, Gpu<cuda::Float32>> model{options};
  const auto fill = [&](float value, int most) {
    int seen = 0;
    model.for_each_tensor([&](const std::string&, const TensorInfo&, std::span<float> v) {
      std::fill(v.begin(), v.end(), value);
      if (++seen == most) throw std::runtime_error("enough");
    });
  };
  CHECK_THROWS_AS(fill(2, 3), std::runtime_error);
  int twos = 0;
  model.for_each_tensor([&](const std::string&, const TensorInfo&, std::span<float> v) { twos += v[0] == 2; });
  CHECK(twos == 3);
}

TEST_CASE("a model on the GPU begins and predicts as on the CPU") {
  Model<Net> cpu{options};
  Model<Net, Gpu<cuda::Float32>> gpu{options};
  CHECK(numbers_of(cpu) == numbers_of(gpu));
  const auto images = numbers(batch * Net::input.size(), 1);
  CHECK(distance(copy(gpu.predict(images)), copy(cpu.predict(images))) < 1e-5 * gpu_rounding);
  // Fewer, and with dropout, whose masks are the same.
  const std::span<const float> few(images.data(), 3 * static_cast<std::size_t>(Net::input.size()));
  CHECK(distance(copy(gpu.predict(few)), copy(cpu.predict(few))) < 1e-5 * gpu_rounding);
  CHECK(distance(copy(gpu.predict_with_dropout(images, 4)), copy(cpu.predict_with_dropout(images, 4))) <
        1e-5 * gpu_rounding);
  CHECK(distance(copy(gpu.predict_with_dropout(images, 4)), copy(cpu.predict_with_dropout(images, 5))) > 1e-2);
}

TEST_CASE("a model for inference has no gradients on the GPU either") {
  Model<Net, Gpu<cuda::Float32>> trains{options};
  Model<Net, Gpu<cuda::Float32>, Inference> predicts{options};
  CHECK(predicts.plan(batch, 1).gradients == 0);
  CHECK(predicts.plan(batch, 1).total() < trains.plan(batch, 1).total());
  // Forward and both backwards, but for the gradient of the images.
  CHECK(prepared(predicts.engine()).value_or(13) == 13);
  CHECK(prepared(trains.engine()).value_or(3 * 13 - 1) == 3 * 13 - 1);
  CHECK(numbers_of(predicts) == numbers_of(trains));
}

TEST_CASE_TEMPLATE("steps on the GPU are the CPU's", Optimizer_, SGD, Adam, AdamW) {
  Optimizer_ optimizer{.learning_rate = InverseTimeDecay{0.02, 0.1}, .weight_decay = 0.01};
  if constexpr (std::is_same_v<Optimizer_, SGD>)
    optimizer.momentum = 0.9, optimizer.nesterov = true;
  else
    optimizer.epsilon = 1e-3;  // or a gradient near 0 makes a step of any sign
  Model<Net> cpu{options};
  Model<Net, Gpu<cuda::Float32>> gpu{options};
  const std::vector<float> before = numbers_of(cpu);
  Trainer<Model<Net>, SoftmaxCrossEntropy, Optimizer_> on_cpu(cpu, {}, optimizer);
  Trainer<Model<Net, Gpu<cuda::Float32>>, SoftmaxCrossEntropy, Optimizer_> on_gpu(gpu, {}, optimizer);
  on_cpu.clip_gradients(0.7), on_gpu.clip_gradients(0.7);
  for (int step = 0; step < 6; ++step) {
    const int n = step % 3 == 2 ? 5 : batch;  // a partial batch now and then
    const auto images = numbers(static_cast<std::size_t>(n * Net::input.size()), 10 + static_cast<std::uint64_t>(step));
    std::vector<int> labels;
    for (int i = 0; i < n; ++i) labels.push_back((i + step) % 5);
    const StepResult a = on_cpu.step(images, labels), b = on_gpu.step(images, labels);
    INFO("step ", step);
    CHECK(b.samples == n);
    CHECK(b.correct == a.correct);
    CHECK(b.loss == doctest::Approx(a.loss).epsilon(1e-5 * gpu_rounding));
    CHECK(distance(numbers_of(gpu), numbers_of(cpu)) < 2e-6 * gpu_rounding);
  }
  CHECK(on_gpu.updates() == 6);
  CHECK(distance(numbers_of(gpu), before) > 1e-3);
  if (const auto counts = graphs(gpu.engine().device())) {
    CHECK(counts->captures == 2);  // of either size, the second time it comes
    CHECK(counts->replays == 4);
    CHECK(counts->allocations == 2);  // the model's and the trainer's: a step has none
  }
}

TEST_CASE("what is kept for a batch size goes when others have been used since") {
  cuda::PerBatchSize<int> kept;
  constexpr int most = static_cast<int>(cuda::PerBatchSize<int>::most);
  CHECK((kept.empty() && !kept.full()));
  for (int size = 1; size <= most; ++size) CHECK(kept.add(size, 10 * size) == 10 * size);
  CHECK(kept.full());
  REQUIRE(kept.find(1));
  CHECK(*kept.find(1) == 10);
  CHECK(kept.peek(2));  // does not count as a use
  kept.add(100, 1000);
  CHECK(!kept.find(2));
  for (const int size : {1, 3, most, 100}) CHECK(kept.find(size));
  kept.clear();
  CHECK((kept.empty() && !kept.peek(100)));
}

TEST_CASE("steps of many sizes are the CPU's, and only those used last stay captured") {
  constexpr int most = static_cast<int>(cuda::PerBatchSize<int>::most), sizes = most + 1;
  ModelOptions more = options;
  more.batch = sizes;
  Model<Net> cpu{more};
  Model<Net, Gpu<cuda::Float32>> gpu{more};
  Trainer on_cpu(cpu, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.01});
  Trainer on_gpu(gpu, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.01});
  std::uint64_t seed = 0;
  const auto step = [&](int n) {
    const auto images = numbers(static_cast<std::size_t>(n * Net::input.size()), ++seed);
    const std::vector<int> labels(static_cast<std::size_t>(n), n % 5);
    CHECK(on_gpu.step(images, labels).samples == on_cpu.step(images, labels).samples);
  };
  const auto expect = [&](std::int64_t captures, std::int64_t replays) {
    const auto counts = graphs(gpu.engine().device());
    if (!counts) return;
    CHECK(counts->captures == captures);
    CHECK(counts->replays == replays);
  };
  for (int n = 1; n <= sizes; ++n) step(n), step(n);
  expect(sizes, sizes);
  step(2);  // captured, and now used last but one
  expect(sizes, sizes + 1);
  step(1);  // forgotten for the sake of `sizes`; takes the place of 3
  expect(sizes, sizes + 1);
  CHECK((on_gpu.captured(2) && on_gpu.captured(4) && !on_gpu.captured(1) && !on_gpu.captured(3)));
  step(1);
  expect(sizes + 1, sizes + 2);
  CHECK(distance(numbers_of(gpu), numbers_of(cpu)) < 2e-6 * gpu_rounding);
}

TEST_CASE_TEMPLATE("layers begin wherever those before end", Precision, cuda::Float32, cuda::TF32, cuda::BFloat16) {
  // Of odd numbers of parameters, each.
  using Odd = Sequential<Input<9, 7, 3>, Conv<3, 5>, ReLU, MaxPool<2>, Conv<Size<3, 1>, 7>, ReLU, Conv<1, 8, NoBias>,
                         Flatten, Dense<3>, ReLU, Dense<16>, ReLU, Dense<9, NoBias>, Dense<5>>;
  // Of products, and of what is stored.
  constexpr double rounding = std::is_same_v<Precision, cuda::Float32> ? 1e-5 * gpu_rounding
                              : std::is_same_v<Precision, cuda::TF32>  ? 1e-2
                                                                       : 5e-2;
  Model<Odd> cpu{options};
  Model<Odd, Gpu<Precision>> gpu{options};
  const auto images = numbers(batch * Odd::input.size(), 1);
  const std::vector<int> labels{0, 1, 2, 3, 4, 0, 1, 2};
  Trainer on_cpu(cpu, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05});
  Trainer on_gpu(gpu, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05});
  CHECK(distance(copy(gpu.predict(images)), copy(cpu.predict(images))) < rounding);
  for (int i = 0; i < 4; ++i)
    CHECK(on_gpu.step(images, labels).loss == doctest::Approx(on_cpu.step(images, labels).loss).epsilon(rounding));
  CHECK(distance(numbers_of(gpu), numbers_of(cpu)) < rounding);
}

TEST_CASE("bfloat16 follows float32 as far as its numbers go") {
  Model<Net> cpu{options};
  Model<Net, Gpu<cuda::BFloat16>> gpu{options};
  CHECK(numbers_of(cpu) == numbers_of(gpu));  // the weights themselves are float32
  const auto images = numbers(batch * Net::input.size(), 1);
  const double d = distance(copy(gpu.predict(images)), copy(cpu.predict(images)));
  CHECK(d > 1e-5);
  CHECK(d < 5e-2);
  Trainer on_cpu(cpu, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.005, .momentum = 0.9});
  Trainer on_gpu(gpu, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.005, .momentum = 0.9});
  const std::vector<int> labels{0, 1, 2, 3, 4, 0, 1, 2};
  const std::vector<float> before = numbers_of(cpu);
  for (int step = 0; step < 12; ++step)
    CHECK(on_gpu.step(images, labels).loss == doctest::Approx(on_cpu.step(images, labels).loss).epsilon(0.1));
  CHECK(distance(numbers_of(gpu), before) > 1e-2);
  CHECK(distance(numbers_of(gpu), numbers_of(cpu)) < 0.25 * distance(numbers_of(gpu), before));
}

TEST_CASE("train() on the GPU: the same batches, order, augmentation and results") {
  const Made data(37), test(11);
  const TrainOptions<Made> recipe{
      .epochs = 3,
      .validation = test,
      .augment = {.width_shift = 0.2, .height_shift = 0.1, .horizontal_flip = true},
      .normalize = {.mean = {0.4f, 0.5f, 0.6f}, .stddev = {0.2f, 0.3f, 0.4f}},
      .verbose = false,
  };
  Model<Net> cpu{options};
  Model<Net, Gpu<cuda::Float32>> gpu{options};
  const SGD sgd{.learning_rate = 0.05, .momentum = 0.9};
  const auto a = train(cpu, data, SoftmaxCrossEntropy{}, sgd, recipe),
             b = train(gpu, data, SoftmaxCrossEntropy{}, sgd, recipe);
  REQUIRE(a.size() == 3);
  REQUIRE(b.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(b[i].loss == doctest::Approx(a[i].loss).epsilon(1e-5 * gpu_rounding));
    CHECK(b[i].accuracy == a[i].accuracy);
    CHECK(b[i].samples == 37);
    CHECK(*b[i].validation_loss == doctest::Approx(*a[i].validation_loss).epsilon(1e-5 * gpu_rounding));
    CHECK(*b[i].validation_accuracy == *a[i].validation_accuracy);
  }
  CHECK(distance(numbers_of(gpu), numbers_of(cpu)) < 1e-5 * gpu_rounding);
  const Evaluation e = evaluate(gpu, test, SoftmaxCrossEntropy{}, {.normalize = recipe.normalize});
  CHECK(e.loss == doctest::Approx(*b[2].validation_loss));
}

TEST_CASE("the images of each feed are normalized by its own numbers") {
  const Made data(batch);
  Model<Net> cpu{options};
  Model<Net, Gpu<cuda::Float32>> gpu{options};
  Trainer on_cpu(cpu, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.01});
  Trainer on_gpu(gpu, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.01});
  std::optional<decltype(on_gpu)::Feed<Made>> feed;  // each where the one before it was
  for (const float mean : {0.1F, 0.6F}) {
    const BatchOptions how{.batch = batch, .normalize = {.mean = {mean, mean, mean}, .stddev = {0.3F, 0.3F, 0.3F}}};
    feed.emplace(data, how);
    Batches<Made> same(data, how);
    feed->start(0), same.start(0);
    const auto* ready = same.next();
    double loss = 0;
    on_gpu.learn(*feed->next(), [](const StepResult&) {});
    on_gpu.drain([&](const StepResult& r) { loss = r.loss; });
    CHECK(loss == doctest::Approx(on_cpu.step(ready->images, ready->targets).loss).epsilon(1e-5 * gpu_rounding));
  }
}

TEST_CASE("a label that is none does not reach the GPU") {
  Made data(37);
  data.wrong = 20;
  Model<Net, Gpu<cuda::Float32>> gpu{options};
  CHECK_THROWS_WITH_AS(train(gpu, data, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05}, {.verbose = false}),
                       doctest::Contains("has label 5; expected 0 to "), std::invalid_argument);
  Trainer trainer(gpu, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05});
  const auto images = numbers(2 * Net::input.size(), 1);
  CHECK_THROWS_AS(trainer.step(images, std::vector<int>{0, 5}), std::invalid_argument);
  CHECK_THROWS_AS(trainer.step(images, std::vector<int>{0}), std::invalid_argument);
  CHECK_THROWS_AS(trainer.step(std::span<const float>(images.data(), 7), std::vector<int>{0}), std::invalid_argument);
  CHECK(trainer.step({}, {}).samples == 0);
  CHECK(trainer.updates() == 0);
}

TEST_CASE("what one backend keeps, the other goes on with") {
  const Made data(37);
  const Folder folder;
  const SGD sgd{.learning_rate = 0.05, .momentum = 0.9};
  std::vector<std::string> told;
  Checkpoints checkpoints{.directory = folder.path / "run", .every = 2};
  checkpoints.notice = [&](const std::string& text) { told.push_back(text); };
  const auto recipe = [&](int epochs, std::int64_t steps) {
    return TrainOptions<Made>{.epochs = epochs,
                              .augment = {.horizontal_flip = true},
                              .verbose = false,
                              .max_steps = steps,
                              .checkpoint = checkpoints,
                              .resume = true};
  };
  // Steps within an epoch on the GPU, then the CPU, then the GPU again: as the CPU by itself.
  Model<Net, Gpu<cuda::Float32>> first{options}, third{options};
  Model<Net> second{options}, alone{options};
  train(first, data, SoftmaxCrossEntropy{}, sgd, recipe(2, 3));
  train(second, data, SoftmaxCrossEntropy{}, sgd, recipe(2, 7));
  CHECK(distance(numbers_of(second), numbers_of(first)) > 1e-3);
  const auto history = train(third, data, SoftmaxCrossEntropy{}, sgd, recipe(2, 0));
  TrainOptions<Made> plain = recipe(2, 0);
  plain.checkpoint = {}, plain.resume = false;
  const auto expected = train(alone, data, SoftmaxCrossEntropy{}, sgd, plain);
  REQUIRE(told.size() == 2);
  const std::string on_gpu = first.engine().kernels(), on_cpu = second.engine().kernels();
  CHECK(told[0].find("written with the kernels " + on_gpu + ", continued with " + on_cpu) != std::string::npos);
  CHECK(told[1].find("written with the kernels " + on_cpu + ", continued with " + on_gpu) != std::string::npos);
  REQUIRE(history.size() == 2);
  CHECK(history[0].loss == doctest::Approx(expected[0].loss).epsilon(1e-5 * gpu_rounding));
  CHECK(history[1].loss == doctest::Approx(expected[1].loss).epsilon(1e-5 * gpu_rounding));
  CHECK(distance(numbers_of(third), numbers_of(alone)) < 1e-5 * gpu_rounding);

  // And weights, both ways, to the bit.
  save_weights(third, folder.path / "w.safetensors");
  load_weights(second, folder.path / "w.safetensors");
  CHECK(numbers_of(second) == numbers_of(third));
  load_weights(first, folder.path / "w.safetensors");
  CHECK(numbers_of(first) == numbers_of(third));
}

TEST_CASE("a checkpoint of one's own loop holds what the GPU has, and the GPU gets what it holds") {
  const Folder folder;
  const auto images = numbers(batch * Net::input.size(), 1);
  const std::vector<int> labels{0, 1, 2, 3, 4, 0, 1, 2};
  const Adam adam{.learning_rate = 0.01};
  Model<Net, Gpu<cuda::Float32>> first{options}, second{options};
  Trainer writer(first, SoftmaxCrossEntropy{}, adam), reader(second, SoftmaxCrossEntropy{}, adam);
  for (int i = 0; i < 3; ++i) writer.step(images, labels);
  save_checkpoint(writer, {.step = 3, .updates = 3}, folder.path / "a", 9);
  CHECK(load_checkpoint(reader, folder.path / "a", 9).updates == 3);
  CHECK(numbers_of(second) == numbers_of(first));
  // With the optimizer's memory, or these steps would not be the same.
  for (int i = 0; i < 2; ++i) CHECK(writer.step(images, labels).loss == reader.step(images, labels).loss);
  CHECK(numbers_of(second) == numbers_of(first));
}

TEST_CASE("a batch that is not finite leaves BatchNorm's statistics finite, and its layer is found whatever ran before") {
  Model<Net, Gpu<cuda::Float32>> model{options};
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05});
  auto images = numbers(batch * Net::input.size(), 1);
  const std::vector<int> labels{0, 1, 2, 3, 4, 0, 1, 2};
  for (int i = 0; i < 3; ++i) trainer.step(images, labels);  // from the third on a graph runs
  const std::span<const float> two(images.data(), 2 * static_cast<std::size_t>(Net::input.size()));
  trainer.evaluate(two, std::vector<int>{0, 1});
  images[5 * static_cast<std::size_t>(Net::input.size()) + 7] = std::numeric_limits<float>::infinity();
  try {
    trainer.step(images, labels);
    FAIL("no exception");
  } catch (const NotFiniteError& e) {
    CHECK(e.layer() == 0);
  }
  for (const float x : numbers_of(model)) REQUIRE(std::isfinite(x));
}

namespace {
// Sizes that fused kernels take: none of their ReLUs may hide a number that is none.
template <class First, class Second>
using Fused = Sequential<First, Second, ReLU, MaxPool<2>, Conv<3, 32>, ReLU, Flatten, Dense<64>, ReLU, Dropout<0.5>,
                         Dense<32>, ReLU, Dense<8>>;

template <class Wide, class Precision>
void notices_what_is_not_finite() {
  Model<Wide, Gpu<Precision>> model{{.batch = batch, .threads = 1, .seed = 5}};
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05});
  auto images = numbers(batch * Wide::input.size(), 1);
  const std::vector<int> labels{0, 1, 2, 3, 4, 0, 1, 2};
  trainer.step(images, labels);
  const std::vector<float> before = numbers_of(model);
  const float was = images[70];
  for (const float value : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    CAPTURE(value);
    images[70] = value;
    CHECK_THROWS_AS(trainer.step(images, labels), NotFiniteError);
    CHECK(numbers_of(model) == before);
    images[70] = was;
  }
  // And in a weight of the first convolution, and of the first dense layer.
  for (const std::string tensor : {"conv2d/kernel", "dense/kernel"}) {
    CAPTURE(tensor);
    float kept = 0;
    const auto set = [&](float value) {
      model.for_each_tensor([&](const std::string& name, const TensorInfo&, std::span<float> v) {
        if (name == tensor) kept = std::exchange(v[3], value);
      });
    };
    set(std::numeric_limits<float>::quiet_NaN());
    const float right = kept;
    CHECK_THROWS_AS(trainer.step(images, labels), NotFiniteError);
    set(right);
    CHECK(numbers_of(model) == before);
  }
}
}  // namespace

TEST_CASE_TEMPLATE("what is not finite in an image is noticed, whatever products are computed in", Precision, cuda::Float32,
                   cuda::TF32, cuda::BFloat16) {
  notices_what_is_not_finite<Fused<Input<16, 16, 8>, Conv<3, 32>>, Precision>();
  notices_what_is_not_finite<Fused<Input<16, 16, 3>, Conv<5, 96>>, Precision>();
}

TEST_CASE("a loss that is not finite stops training on the GPU, with the weights from before") {
  using Bare = Sequential<Input<12, 10, 3>, Conv<3, 4>, ReLU, MaxPool<3, 2>, Flatten, Dense<5>>;
  Model<Bare, Gpu<cuda::Float32>> model{{.batch = batch, .threads = 1, .seed = 5}};
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05, .momentum = 0.9});
  auto images = numbers(batch * Bare::input.size(), 1);
  const std::vector<int> labels{0, 1, 2, 3, 4, 0, 1, 2};
  trainer.step(images, labels);
  std::vector<float> before = numbers_of(model);
  images[7] = std::numeric_limits<float>::infinity();
  try {
    trainer.step(images, labels);
    FAIL("no exception");
  } catch (const NotFiniteError& e) {
    CHECK(e.update() == 1);
    CHECK(e.layer() == 0);
  }
  CHECK(numbers_of(model) == before);
  CHECK(trainer.updates() == 1);
  images[7] = 0;
  trainer.step(images, labels);  // goes on
  CHECK(numbers_of(model) != before);

  // In train(), which hears of it some steps later; a weight is infinite from the beginning.
  model.for_each_tensor([](const std::string& name, const TensorInfo&, std::span<float> v) {
    if (name == "dense/kernel") v[3] = std::numeric_limits<float>::infinity();
  });
  before = numbers_of(model);
  try {
    train(model, Made(37), SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05}, {.epochs = 2, .verbose = false});
    FAIL("no exception");
  } catch (const NotFiniteError& e) {
    CHECK(e.update() == 0);
    CHECK(e.layer() == 5);
  }
  CHECK(numbers_of(model) == before);

  // By the validation, after a last update that was too large.
  Model<Bare, Gpu<cuda::Float32>> other{{.batch = batch, .threads = 1, .seed = 5}};
  try {
    train(other, Made(2 * batch), SoftmaxCrossEntropy{}, SGD{.learning_rate = WarmUp{ConstantRate{1e38}, 2}},
          {.epochs = 1, .validation = Made(batch), .verbose = false});
    FAIL("no exception");
  } catch (const NotFiniteError& e) {
    CHECK(e.update() == 2);
    CHECK(e.layer() >= 1);
  }
}
