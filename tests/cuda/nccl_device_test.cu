// SPDX-License-Identifier: BSL-1.0
// Training with NCCL in the captured graph: one process with one GPU, or by mpirun -n P with P of them.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <strata/cuda.hpp>
#include <strata/nccl.hpp>

#include "../unit/every_layer.hpp"
#include "../unit/numbers_of.hpp"

namespace {
using namespace strata;

// Without BatchNorm, whose statistics are those of each share.
using Plain = Sequential<Input<12, 10, 3>, Conv<3, 6>, ReLU, MaxPool<3, 2>, Dropout<0.25>, Flatten, Dense<20>, ReLU,
                         Dropout<0.5>, Dense<5>>;
using Data = ArrayDataset<Shape{12, 10, 3}, 5>;
using Gpu = CudaOf<cuda::Float32>;
const Nccl nccl{};

struct Pictures {
  std::vector<float> images;
  std::vector<int> labels;
  explicit Pictures(int samples) {
    const Random random(1, Purpose::user);
    for (int i = 0; i < samples; ++i) {
      labels.push_back(i * 7 % 5);
      for (int p = 0; p < 360; ++p)
        images.push_back(random.uniform(static_cast<std::uint64_t>(360 * i + p)) +
                         0.1f * static_cast<float>(labels.back()));
    }
  }
};

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    REQUIRE((std::isfinite(a[i]) && std::isfinite(b[i])));
    largest = std::max(largest, std::abs(static_cast<double>(a[i] - b[i])));
  }
  return largest;
}
bool everywhere(const std::vector<float>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  const auto all = nccl()->all_gather({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return std::all_of(all.begin(), all.end(), [&](const std::string& other) { return other == all[0]; });
}

struct Result {
  std::vector<EpochRecord> history;
  std::vector<float> numbers;
};
template <class N>
Result run(TrainOptions<Data> options) {
  Model<N, Gpu> model{{.batch = 8, .threads = 1, .seed = 3, .device = nccl.device()}};
  const Pictures p(45);  // the last batch has 5
  options.verbose = false;
  Result result;
  result.history =
      train(model, Data(p.images, p.labels), SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.02, .momentum = 0.9}, options);
  result.numbers = numbers_of(model);
  return result;
}
template <class N>
void check_like_one(TrainOptions<Data> options, double most, const Nccl& how = nccl) {
  const Result alone = run<N>(options);
  options.processes = how;
  const Result together = run<N>(options);
  CHECK(everywhere(together.numbers));
  CHECK(distance(alone.numbers, together.numbers) < most);
  REQUIRE(alone.history.size() == together.history.size());
  for (std::size_t e = 0; e < alone.history.size(); ++e) {
    CHECK(alone.history[e].loss == doctest::Approx(together.history[e].loss).epsilon(most));
    CHECK(alone.history[e].samples == together.history[e].samples);
  }
}

TEST_CASE("a run with NCCL is that of one process") {
  check_like_one<Plain>({.epochs = 3, .augment = {.width_shift = 0.2, .horizontal_flip = true}}, 1e-4);
  check_like_one<Plain>({.epochs = 3, .clip_norm = 0.5}, 1e-4);
  check_like_one<Plain>({.epochs = 3, .average = EMA{.decay = 0.9}, .accumulate = 2}, 1e-4);
  check_like_one<Plain>({.epochs = 2}, 2e-2, Nccl{.bfloat16 = true});
  if (nccl.size() == 1) check_like_one<Net>({.epochs = 3}, 1e-3);
}

TEST_CASE("the sums are in the captured graph") {
  const Pictures p(8);
  Model<Plain, Gpu> model{{.batch = 8, .threads = 1, .seed = 3, .device = nccl.device()}};
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.02});
  trainer.work_with(nccl);
  double first = 0, last = 0;
  for (int step = 0; step < 30; ++step) {
    last = trainer.step(p.images, p.labels).loss;
    if (step == 0) first = last;
  }
  CHECK(trainer.captured(8) != nullptr);
  CHECK(last < first);
  CHECK(everywhere(numbers_of(model)));
}

TEST_CASE("a step that is not finite changes nothing, in no process") {
  Pictures p(8);
  Model<Net, Gpu> model{{.batch = 8, .threads = 1, .seed = 3, .device = nccl.device()}};
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.02});
  trainer.work_with(nccl);
  for (int step = 0; step < 3; ++step) trainer.step(p.images, p.labels);
  const std::vector<float> before = numbers_of(model);
  const float was = std::exchange(p.images.back(), std::numeric_limits<float>::quiet_NaN());
  CHECK_THROWS_AS(trainer.step(p.images, p.labels), NotFiniteError);
  CHECK(numbers_of(model) == before);
  p.images.back() = was;
  CHECK(std::isfinite(trainer.step(p.images, p.labels).loss));
}

}  // namespace
