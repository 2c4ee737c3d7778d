// SPDX-License-Identifier: BSL-1.0
// What bench_gpu_step measures is training: its steps beside the trainer's, on the emulated GPU.
#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "../../bench/gpu/job_of.hpp"
#include "gpu_emulated.hpp"
#include "numbers_of.hpp"

using namespace strata;

namespace {

using Net = Sequential<Input<8, 8, 3>, Conv<3, 8>, ReLU, MaxPool<2>, Flatten, Dense<16>, ReLU, Dropout<0.25>, Dense<10>>;
constexpr int batch = 6;
constexpr auto one = static_cast<std::size_t>(Net::input.size());
using Steps = bench::Steps<Net, emulated::Gpu<>>;
using Model_ = Model<Net, emulated::Gpu<>>;

// Images whose first pixels tell the label, and weights as make_data writes them.
bench::Data data() {
  const Random random(3, Purpose::user);
  bench::Data d;
  for (std::size_t n = 0; n < 20; ++n) {
    d.labels.push_back(static_cast<int>(n % 10));
    for (std::size_t p = 0; p < one; ++p) d.images.push_back((p == n % 10 ? 2.f : 0.f) + random.uniform(n * one + p));
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(Net::parameters); ++i)
    d.weights.push_back(0.2f * random.uniform(std::uint64_t{1} << 30 | i) - 0.1f);
  return d;
}

// The same by hand, images on the host.
struct ByHand {
  explicit ByHand(const bench::Data& d) : data(d) {
    std::size_t at = 0;
    model.for_each_tensor([&](const std::string&, const TensorInfo&, std::span<float> v) {
      for (float& x : v) x = data.weights[at++];
    });
  }
  double step(std::size_t number) {
    const std::size_t first = number % 3 * batch;
    const StepResult r = trainer.step(std::span(data.images).subspan(first * one, batch * one),
                                      std::span(data.labels).subspan(first, batch));
    return r.loss / r.samples;
  }
  const bench::Data& data;
  Model_ model{{.batch = batch, .seed = 1}};
  Trainer<Model_, SoftmaxCrossEntropy, SGD> trainer{
      model, {}, SGD{.learning_rate = bench::learning_rate, .momentum = bench::momentum}};
};

bench::StepOptions parse(std::vector<const char*> arguments) { return bench::parse_step_options(arguments); }

}  // namespace

TEST_CASE("a step on images of the device is the trainer's, batch after batch") {
  const bench::Data d = data();
  Steps steps(d, {.batch = batch});
  ByHand hand(d);
  CHECK(numbers_of(steps.model()) == d.weights);
  for (int i = 0; i < 5; ++i) {  // three batches there are
    steps.step(i);
    CHECK(steps.finish() == hand.step(static_cast<std::size_t>(i)));
  }
  CHECK(numbers_of(steps.model()) == numbers_of(hand.model));
  CHECK(numbers_of(steps.model()) != d.weights);
  CHECK(steps.parameters() == d.weights.size());
  steps.restart();
  CHECK(numbers_of(steps.model()) == d.weights);
}

TEST_CASE("steps may be queued without waiting") {
  const bench::Data d = data();
  Steps steps(d, {.batch = batch});
  ByHand hand(d);
  double last = 0;
  for (int i = 0; i < 8; ++i) {
    steps.step(i);
    last = hand.step(static_cast<std::size_t>(i));
  }
  CHECK(steps.finish() == last);
  CHECK(numbers_of(steps.model()) == numbers_of(hand.model));
}

TEST_CASE("what is replayed is the captured step: the last one again") {
  const bench::Data d = data();
  Steps steps(d, {.batch = batch});
  ByHand hand(d);
  CHECK_THROWS_AS(steps.replay(), std::logic_error);
  for (int i = 0; i < 3; ++i) {
    steps.step(i);
    hand.step(static_cast<std::size_t>(i));
  }
  steps.finish();
  auto& counts = steps.model().engine().device().counts;
  const std::int64_t launches = counts.launches, replays = counts.replays;
  steps.replay();
  steps.finish();
  CHECK(counts.launches == launches);
  CHECK(counts.replays == replays + 1);
  hand.trainer.continue_at(2);
  hand.step(2);
  CHECK(numbers_of(steps.model()) == numbers_of(hand.model));
}

TEST_CASE("epochs begin with the data's weights, and learn") {
  const bench::Data d = data();
  std::vector<std::uint8_t> bytes;
  for (const float x : d.images) bytes.push_back(static_cast<std::uint8_t>(80 * x));
  const ArrayDataset<Net::input, 10, std::uint8_t> images(bytes, d.labels);
  Steps steps(d, {.batch = batch});
  const auto first = steps.epochs(images, 3);
  REQUIRE(first.size() == 3);
  CHECK(first[2].loss < first[0].loss);
  CHECK(first[0].samples == 20);  // the last batch is a smaller one
  steps.step(0);
  const auto second = steps.epochs(images, 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(second[i].loss == first[i].loss);
}

TEST_CASE("a batch larger than the data is refused") {
  const bench::Data d = data();
  CHECK_THROWS_WITH_AS(Steps(d, {.batch = 21}), "a batch of 21 is more than the 20 images there are", std::runtime_error);
}

TEST_CASE("blocks of steps: each step is counted, and waited for") {
  int queued = 0, waits = 0, last = -1;
  const auto ms = bench::measure_blocks(
      0.01,
      [&](int i) {
        CHECK(i == last + 1);
        last = i;
        ++queued;
      },
      [&] { ++waits; });
  CHECK(ms.size() >= 5);
  CHECK(waits == static_cast<int>(ms.size()) + 2);
  const int steps = (queued - 20) / static_cast<int>(ms.size());
  CHECK(queued == 20 + steps * static_cast<int>(ms.size()));
  CHECK(steps > 10);  // steps that take no time come in large blocks
  for (const double x : ms) CHECK(x >= 0);
}

TEST_CASE("the command line") {
  const bench::StepOptions o = parse({"--data", "d", "--batches", "4,8", "--precisions", "bf16", "--seconds", "0.25",
                                      "--epochs", "0", "--no-autotune", "--serve", "--device", "1", "--cifar", "c"});
  CHECK(o.data == "d");
  CHECK(o.cifar == "c");
  CHECK(o.batches == std::vector<int>{4, 8});
  CHECK(o.precisions == std::vector<std::string>{"bf16"});
  CHECK(o.seconds == 0.25);
  CHECK(o.epochs == 0);
  CHECK(o.device == 1);
  CHECK(o.serve);
  CHECK_FALSE(o.autotune);
  CHECK_FALSE(o.check);
  CHECK(parse({"--help"}).help);
  CHECK_THROWS_WITH(parse({}), "--data is missing; see --help");
  CHECK_THROWS_WITH(parse({"--data"}), "--data needs a value");
  CHECK_THROWS_WITH(parse({"--dta", "d"}), "--dta is not an option; see --help");
  CHECK_THROWS_WITH(parse({"--batches", "4,"}), "--batches: '' is not a whole number from 1 on");
  CHECK_THROWS_WITH(parse({"--batches", "0"}), "--batches: '0' is not a whole number from 1 on");
  CHECK_THROWS_WITH(parse({"--images", "5x"}), "--images: '5x' is not a whole number from 1 on");
  CHECK_THROWS_WITH(parse({"--precisions", "fp16"}), "--precisions: 'fp16' is none of tf32, bf16, float32");
  CHECK_THROWS_WITH(parse({"--seconds", "-1"}), "--seconds: '-1' is not above 0");
}
