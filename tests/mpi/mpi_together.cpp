// SPDX-License-Identifier: BSL-1.0
// Run by mpirun: what several processes compute together is what one computes alone.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <strata/parallel.hpp>
#include <strata/strata.hpp>

namespace {
using namespace strata;

using Net = Sequential<Input<6, 6, 1>, Conv<3, 4>, ReLU, Dropout<0.3>, Flatten, Dense<5>, ReLU, Dropout<0.25>, Dense<3>>;
using Normalized = Sequential<Input<6, 6, 1>, Conv<3, 4>, BatchNorm, ReLU, Flatten, Dense<3>>;
using Data = ArrayDataset<Shape{6, 6, 1}, 3>;

// Class c is where row c is bright.
Data data(int samples) {
  std::vector<float> images;
  std::vector<int> labels;
  const Random random(1, Purpose::user);
  for (int i = 0; i < samples; ++i) {
    labels.push_back(i % 3);
    for (int p = 0; p < 36; ++p)
      images.push_back(random.uniform(static_cast<std::uint64_t>(36 * i + p)) + (p / 6 == i % 3 ? 0.5f : 0.f));
  }
  return {images, labels};
}

template <class N = Net>
Model<N> model_of(int batch) {
  return Model<N>{{.batch = batch, .threads = 1, .seed = 3}};
}

// All numbers of a model: weights, then state.
template <class M>
std::vector<float> numbers(M& model) {
  std::vector<float> all;
  model.for_each_tensor([&](const std::string&, const TensorInfo&, std::span<float> values) {
    all.insert(all.end(), values.begin(), values.end());
  });
  return all;
}

void check_near(const std::vector<float>& a, const std::vector<float>& b, double most) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    REQUIRE((std::isfinite(a[i]) && std::isfinite(b[i])));
    largest = std::max(largest, std::abs(static_cast<double>(a[i] - b[i])));
  }
  CHECK(largest < most);
}

// Whether all processes have these bits.
bool everywhere(const std::vector<float>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  const std::vector<std::string> all = Mpi{}()->all_gather({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return std::all_of(all.begin(), all.end(), [&](const std::string& other) { return other == all[0]; });
}

const Mpi mpi{};
const auto of_rank = [](int rank, std::size_t i) {
  return static_cast<float>(Random(static_cast<std::uint64_t>(rank), Purpose::user).uniform(i)) - 0.5f;
};

// The sum in the order of a binary tree, of which each level adds neighbours.
template <class T>
T tree_sum(std::vector<T> rows) {
  for (; rows.size() > 1;) {
    std::vector<T> next;
    for (std::size_t i = 0; i < rows.size(); i += 2) next.push_back(i + 1 < rows.size() ? rows[i] + rows[i + 1] : rows[i]);
    rows = std::move(next);
  }
  return rows[0];
}

template <class T>
void check_sums(bool bfloat16) {
  const auto processes = Mpi{.bfloat16 = bfloat16}();
  std::vector<std::vector<T>> all;
  for (const std::size_t count : {1U, 2U, 63U, 64U, 65U, 1000U, 4097U, 300001U}) {
    auto& values = all.emplace_back(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<T>(of_rank(mpi.rank(), i));
  }
  for (auto& values : all) processes->all_reduce(std::span<T>(values), Wire::as_chosen);
  processes->wait();
  for (const auto& values : all)
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::vector<T> rows;
      for (int r = 0; r < mpi.size(); ++r) rows.push_back(static_cast<T>(of_rank(r, i)));
      const T sum = tree_sum(rows);
      // Each term and the sum are rounded to 8 bits.
      const double error = bfloat16 && mpi.size() > 1 ? (mpi.size() * 0.5 + std::abs(static_cast<double>(sum))) / 256 : 0;
      if (std::abs(static_cast<double>(values[i] - sum)) <= error) continue;
      CHECK(values[i] == sum);
      return;
    }
  for (const auto& values : all) CHECK(everywhere({values.begin(), values.end()}));
}

TEST_CASE("sums are the same bits everywhere, in the order of a tree") {
  check_sums<float>(false);
  check_sums<double>(false);
}

TEST_CASE("pieces: each process has its sums, then all have all, also between whole sums") {
  const auto processes = mpi();
  std::vector<std::vector<float>> pieces, whole;
  for (const std::size_t count : {1U, 65U, 4097U, 300001U})
    for (auto* all : {&pieces, &whole}) {
      auto& values = all->emplace_back(count);
      for (std::size_t i = 0; i < count; ++i) values[i] = of_rank(mpi.rank(), i);
    }
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    processes->reduce_pieces(std::span(pieces[i]), Wire::as_chosen);
    processes->all_reduce(std::span(whole[i]), Wire::as_chosen);
  }
  processes->wait();
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const auto count = static_cast<std::int64_t>(pieces[i].size());
    const detail::Piece own = detail::piece_of(count, mpi.rank(), mpi.size());
    for (std::int64_t j = 0; j < count; ++j) {
      float& x = pieces[i][static_cast<std::size_t>(j)];
      if (j < own.first || j >= own.first + own.count)
        x = -7;  // what others send must replace it
      else if (x != whole[i][static_cast<std::size_t>(j)])
        FAIL("sum of the number " << j << " of " << count);
    }
  }
  // Gathers and whole sums use the same communicator.
  std::vector<std::vector<double>> sums(pieces.size(), std::vector<double>(100000, mpi.rank() == 0 ? 1. : 0.));
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    processes->all_reduce(std::span(sums[i]), Wire::exact);
    processes->gather_pieces(std::span(pieces[i]));
  }
  processes->wait();
  CHECK(pieces == whole);
  for (const auto& sum : sums) CHECK(sum == std::vector<double>(sum.size(), 1.));
}

TEST_CASE("sums of bfloat16 round each number and each sum once") { check_sums<float>(true); }

TEST_CASE("bytes are gathered and broadcast") {
  const auto processes = mpi();
  const auto all =
      processes->all_gather(std::string(static_cast<std::size_t>(3 * mpi.rank()), static_cast<char>('a' + mpi.rank())));
  REQUIRE(static_cast<int>(all.size()) == mpi.size());
  for (int r = 0; r < mpi.size(); ++r)
    CHECK(all[static_cast<std::size_t>(r)] == std::string(static_cast<std::size_t>(3 * r), static_cast<char>('a' + r)));
  std::vector<float> numbers(1000, static_cast<float>(mpi.rank() + 7));
  processes->broadcast(std::as_writable_bytes(std::span(numbers)));
  CHECK(numbers == std::vector<float>(1000, 7.f));
  processes->broadcast({});
}

TEST_CASE("the processes of each machine are numbered") {
  const detail::MpiWorld& world = detail::MpiWorld::get();
  const int own[] = {world.machine(), world.local_rank()};
  std::vector<int> next(static_cast<std::size_t>(mpi.size()));
  int rank = 0;
  for (const std::string& text : mpi()->all_gather({reinterpret_cast<const char*>(own), sizeof own})) {
    int other[2] = {};
    REQUIRE(text.size() == sizeof other);
    std::memcpy(other, text.data(), sizeof other);
    REQUIRE((other[0] >= 0 && other[0] <= rank));
    CHECK(other[1] == next[static_cast<std::size_t>(other[0])]++);
    CHECK((other[1] == 0) == (other[0] == rank));
    ++rank;
  }
}

// --- Training ------------------------------------------------------------------------------------------------------------

struct Result {
  std::vector<EpochRecord> history;
  std::vector<float> numbers;
};
template <class N = Net>
Result run(TrainOptions<Data> options, int samples = 45, int batch = 8) {
  auto model = model_of<N>(batch);
  options.verbose = false;
  options.validation = data(20);
  Result result;
  result.history = train(model, data(samples), SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05, .momentum = 0.9}, options);
  result.numbers = numbers(model);
  return result;
}

void check_like_one(TrainOptions<Data> options, int samples = 45, int batch = 8) {
  const Result alone = run(options, samples, batch);
  options.processes = mpi;
  const Result together = run(options, samples, batch);
  CHECK(everywhere(together.numbers));
  check_near(alone.numbers, together.numbers, 1e-5);
  REQUIRE(alone.history.size() == together.history.size());
  for (std::size_t e = 0; e < alone.history.size(); ++e) {
    const EpochRecord &a = alone.history[e], &b = together.history[e];
    CHECK(a.loss == doctest::Approx(b.loss).epsilon(1e-5));
    CHECK(a.accuracy == b.accuracy);
    CHECK(a.samples == b.samples);
    CHECK(a.step == b.step);
    CHECK(*a.validation_loss == doctest::Approx(*b.validation_loss).epsilon(1e-5));
    CHECK(*a.validation_accuracy == *b.validation_accuracy);
  }
}

TEST_CASE("a run of several processes is that of one: order, augmentation, dropout, the last batch") {
  // 45 images in batches of 8: the last has 5.
  check_like_one({.epochs = 3, .augment = {.width_shift = 0.2, .horizontal_flip = true}});
}

TEST_CASE("a last batch of fewer images than processes") {
  check_like_one({.epochs = 2}, 41);
  check_like_one({.epochs = 2}, 42);
}

TEST_CASE("gradients are accumulated and clipped, and weights averaged, as by one process") {
  check_like_one({.epochs = 3, .clip_norm = 0.5});
  check_like_one({.epochs = 3, .accumulate = 2});
  check_like_one({.epochs = 2, .clip_norm = 0.3, .average = EMA{.decay = 0.9}, .accumulate = 3});
}

TEST_CASE("a step of one's own takes the whole batch") {
  const Data d = data(14);
  std::vector<float> images;
  std::vector<int> labels;
  for (std::size_t i = 0; i < d.size(); ++i) {
    images.insert(images.end(), d.pixels(i).begin(), d.pixels(i).end());
    labels.push_back(d.label(i));
  }
  auto alone = model_of(14), together = model_of(14);
  // The others get the weights of rank 0.
  if (mpi.rank() > 0)
    for (float& w : together.parameters()) w = 0;
  Trainer one(alone, SoftmaxCrossEntropy{}, Adam{}), all(together, SoftmaxCrossEntropy{}, Adam{});
  all.work_with(mpi);
  for (int step = 0; step < 5; ++step) {
    const StepResult a = one.step(images, labels), b = all.step(images, labels);
    CHECK(a.samples == b.samples);
    CHECK(a.correct == b.correct);
    CHECK(a.decisions == b.decisions);
    CHECK(a.loss == doctest::Approx(b.loss).epsilon(1e-5));
  }
  CHECK(everywhere(numbers(together)));
  check_near(numbers(alone), numbers(together), 2e-5);
}

TEST_CASE("an average of the weights begins with those of rank 0") {
  const auto trained = [](float others) {
    auto model = model_of(8);
    if (mpi.rank() > 0)
      for (float& w : model.parameters()) w *= others;
    train(model, data(45), SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05},
          {.epochs = 1, .verbose = false, .average = EMA{.decay = 0.9}, .processes = mpi});
    return numbers(model);
  };
  const std::vector<float> same = trained(1), other = trained(0.5f);
  CHECK(everywhere(other));
  CHECK(same == other);
}

// 12 images and their labels.
struct Pictures {
  std::vector<float> images;
  std::vector<int> labels;
  Pictures() {
    const Data d = data(12);
    for (std::size_t i = 0; i < d.size(); ++i) {
      images.insert(images.end(), d.pixels(i).begin(), d.pixels(i).end());
      labels.push_back(d.label(i));
    }
  }
};
template <class M>
std::vector<float> statistics(M& model) {
  const auto regions = model.regions();
  return {regions.state, regions.state + regions.state_count};
}

TEST_CASE("processes that begin together later have the optimizer's memory and the average of rank 0") {
  const Pictures p;
  auto model = model_of(12);
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05, .momentum = 0.9});
  trainer.average_by(EMA{.decay = 0.5});
  for (int step = 0; step < 2 + mpi.rank(); ++step) trainer.step(p.images, p.labels);
  trainer.work_with(mpi);
  CHECK(trainer.updates() == 2);
  for (int step = 0; step < 3; ++step) trainer.step(p.images, p.labels);
  CHECK(everywhere(numbers(model)));
  CHECK(everywhere({trainer.memory(0).begin(), trainer.memory(0).end()}));
  trainer.exchange_average();
  CHECK(everywhere(numbers(model)));
}

TEST_CASE("BatchNorm's statistics are not rounded to bfloat16") {
  const Pictures p;
  std::vector<std::vector<float>> found;
  for (const bool bfloat16 : {false, true}) {
    auto model = model_of<Normalized>(12);
    Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05});
    trainer.work_with(Mpi{.bfloat16 = bfloat16});
    trainer.step(p.images, p.labels);
    found.push_back(statistics(model));
  }
  REQUIRE(!found[0].empty());
  CHECK(found[0] == found[1]);
}

TEST_CASE("synchronized BatchNorm trains as one process does") {
  using Deep = Sequential<Input<6, 6, 1>, Conv<3, 4>, BatchNorm, ReLU, Residual<Conv<3, 4>, BatchNorm>, ReLU, Flatten,
                          Dense<8>, BatchNorm, ReLU, Dense<3>>;
  const Mpi synchronized{.synchronized_batch_norm = true};
  for (const int accumulate : {1, 2}) {
    // Batches of 10, shared unevenly, and a last one of 2: with more processes, some have no image.
    const TrainOptions<Data> alone{.epochs = 2, .accumulate = accumulate};
    TrainOptions<Data> shared = alone;
    shared.processes = synchronized;
    const Result a = run<Deep>(alone, 42, 10), b = run<Deep>(shared, 42, 10);
    check_near(a.numbers, b.numbers, 5e-5);
    CHECK(everywhere(b.numbers));
    CHECK(a.history.back().loss == doctest::Approx(b.history.back().loss).epsilon(1e-5));
    shared.processes = mpi;
    double largest = 0;  // what the test would miss if statistics were those of the shares
    const Result local = run<Deep>(shared, 42, 10);
    for (std::size_t i = 0; i < a.numbers.size(); ++i)
      largest = std::max(largest, std::abs(static_cast<double>(a.numbers[i] - local.numbers[i])));
    if (mpi.size() > 1) CHECK(largest > 1e-3);
  }
}

TEST_CASE("a step that is not finite changes nothing, in no process") {
  for (const auto& [synchronized, split] : {std::pair(false, false), std::pair(true, false), std::pair(false, true)}) {
    Pictures p;
    auto model = model_of<Normalized>(12);
    Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05, .momentum = 0.9});
    trainer.work_with(Mpi{.synchronized_batch_norm = synchronized, .split_update = split});
    trainer.step(p.images, p.labels);
    const std::vector<float> before = numbers(model);
    p.images.back() = std::numeric_limits<float>::quiet_NaN();  // in the last share
    CHECK_THROWS_AS(trainer.step(p.images, p.labels), NotFiniteError);
    if (mpi.size() > 1) CHECK(numbers(model) == before);
    CHECK(everywhere(numbers(model)));
  }
}

// --- Split updates

// Three buckets. Pieces end within tensors.
using Large =
    Sequential<Input<6, 6, 1>, Conv<3, 4>, BatchNorm, ReLU, Flatten, Dense<2000>, ReLU, Dense<1000>, ReLU, Dense<3>>;

template <class O>
std::vector<float> trained(const O& optimizer, TrainOptions<Data> options, const Mpi& by, int samples = 27) {
  auto model = model_of<Large>(8);
  REQUIRE(static_cast<std::int64_t>(model.parameters().size()) > 2 * detail::numbers_of_bucket);
  options.verbose = false;
  options.processes = by;
  train(model, data(samples), SoftmaxCrossEntropy{}, optimizer, options);
  return numbers(model);
}
template <class O>
void check_split(const O& optimizer, const TrainOptions<Data>& options, Mpi by = {}, int samples = 27) {
  by.split_update = false;
  const std::vector<float> whole = trained(optimizer, options, by, samples);
  by.split_update = true;
  const std::vector<float> split = trained(optimizer, options, by, samples);
  CHECK(split == whole);
  CHECK(everywhere(split));
  CHECK(std::all_of(split.begin(), split.end(), [](float x) { return std::isfinite(x); }));
}

const SGD momentum{.learning_rate = 0.05, .momentum = 0.9};

TEST_CASE("a split update has the bits of a whole one") {
  check_split(momentum, {.epochs = 2}, {}, 25);  // the last batch has one image
  check_split(SGD{.learning_rate = 0.05}, {.epochs = 1});
  check_split(Adam{}, {.epochs = 2});
  check_split(Adam{}, {.epochs = 2, .accumulate = 3});
  check_split(momentum, {.epochs = 2, .average = EMA{.decay = 0.5}});
  check_split(momentum, {.epochs = 2, .average = Lookahead{.every = 2}});
  check_split(Adam{}, {.epochs = 1}, Mpi{.bfloat16 = true});
  check_split(Adam{}, {.epochs = 1}, Mpi{.synchronized_batch_norm = true});
  if (mpi.size() == 3) return;
  check_split(momentum, {.epochs = 2}, Mpi{.reproducible = true});
  check_split(momentum, {.epochs = 1, .accumulate = 2}, Mpi{.reproducible = true});
}

TEST_CASE("a split update follows groups: factors, and what is frozen from the start or later") {
  check_split(Adam{}, {.epochs = 2, .groups = {{.tensors = "*/bias", .learning_rate = 3, .weight_decay = 0}}});
  // The middle bucket is a part of a tensor that is frozen, then all of it is.
  check_split(momentum, {.epochs = 2, .groups = {{.tensors = "dense_1/kernel", .frozen = true}}});
  check_split(momentum, {.epochs = 2, .groups = {{.tensors = "dense*", .trained_updates = 3}}});
  check_split(momentum, {.epochs = 1, .groups = {{.frozen = true}}});
}

// Needs all gradients for each.
struct Largest final : Reducer<float> {
  void reduce(GradientEngine<float>& engine, int, float* gradients, std::int64_t count) override {
    float most = 1e-6f;
    for (std::int64_t i = 0; i < count; ++i) most = std::max(most, std::abs(gradients[i]));
    engine.scale_add(count, 0.01f / most, gradients, false, gradients);
  }
  [[nodiscard]] std::string describe() const override { return "Largest"; }
};

TEST_CASE("what needs all gradients or whole tensors is not split") {
  check_split(momentum, {.epochs = 2, .clip_norm = 0.5});
  check_split(momentum, {.epochs = 1, .reducer = std::make_shared<Largest>()});
  check_split(LAMB{}, {.epochs = 1});
}

TEST_CASE("after split updates each process has a part of the optimizer's memory, until it is gathered") {
  const Pictures p;
  auto split_model = model_of<Large>(12), whole_model = model_of<Large>(12);
  Trainer split(split_model, SoftmaxCrossEntropy{}, Adam{}), whole(whole_model, SoftmaxCrossEntropy{}, Adam{});
  split.work_with(Mpi{.split_update = true}), whole.work_with(mpi);  // by default a Trainer does not split
  const auto step = [&](int steps) {
    for (int i = 0; i < steps; ++i) split.step(p.images, p.labels), whole.step(p.images, p.labels);
  };
  const auto memory_of = [](auto& trainer) {
    std::vector<float> all;
    for (int slot = 0; slot < 2; ++slot) all.insert(all.end(), trainer.memory(slot).begin(), trainer.memory(slot).end());
    return all;
  };
  const auto file = std::filesystem::temp_directory_path() / ("strata_mpi_split_" + std::to_string(mpi.size()));
  step(2);
  if (mpi.size() > 1) {
    CHECK_THROWS_AS(static_cast<void>(split.memory(0)), std::logic_error);
    CHECK_THROWS_AS(save_checkpoint(split, {.updates = 2}, file, 9), std::logic_error);
    CHECK(!std::filesystem::exists(file));
  }
  split.gather_memory();
  CHECK(memory_of(split) == memory_of(whole));
  step(2);
  // Clipping needs all gradients, and whole updates the whole memory.
  split.clip_gradients(0.1), whole.clip_gradients(0.1);
  step(1);
  CHECK(memory_of(split) == memory_of(whole));
  split.clip_gradients(0), whole.clip_gradients(0);
  step(1);
  // Others than rank 0 go on from its memory, which is gathered first. Then each goes on alone.
  split.work_with(Mpi{.split_update = true});
  CHECK(memory_of(split) == memory_of(whole));
  step(1);
  split.work_with({}), whole.work_with({});
  step(1);
  CHECK(memory_of(split) == memory_of(whole));
  CHECK(numbers(split_model) == numbers(whole_model));
}

TEST_CASE("a run with split updates is resumed without them, and the other way round") {
  const auto folder = std::filesystem::temp_directory_path() / ("strata_mpi_resume_" + std::to_string(mpi.size()));
  const auto barrier = [] { static_cast<void>(mpi()->all_gather("")); };
  const std::vector<float> whole = trained(Adam{}, {.epochs = 3}, Mpi{.split_update = false});
  for (const bool first : {true, false})
    for (const std::int64_t every : {0, 3}) {
      barrier();
      if (mpi.rank() == 0) std::filesystem::remove_all(folder);
      barrier();
      TrainOptions<Data> options{.epochs = 3, .max_steps = 6};  // within the second epoch
      options.checkpoint = Checkpoints{.directory = folder, .every = every, .keep = 9};
      trained(Adam{}, options, Mpi{.split_update = first});
      barrier();
      // The one that was written between the ends of epochs is the newest.
      if (every > 0 && mpi.rank() == 0) {
        CHECK(std::filesystem::exists(folder / "step-000000003.safetensors"));
        std::filesystem::remove(folder / "step-000000006.safetensors");
        std::filesystem::remove(folder / "step-000000004.safetensors");
      }
      barrier();
      options.max_steps = 0, options.resume = true;
      CHECK(trained(Adam{}, options, Mpi{.split_update = !first}) == whole);
    }
  barrier();
  if (mpi.rank() == 0) std::filesystem::remove_all(folder);
}

TEST_CASE("loss and update are timed") {
  const Pictures p;
  auto model = model_of(12);
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05});
  trainer.work_with(mpi);
  Profile profile;
  trainer.watch(&profile);
  trainer.step(p.images, p.labels);
  trainer.watch(nullptr);
  for (const auto& row : profile.rows)
    if (row.name == "loss" || row.name == "update") CHECK(row.backward > 0);
  CHECK(profile.rows.back().name == "update");
}

TEST_CASE("bfloat16 on the wire stays near") {
  const Result exact = run({.epochs = 2}), rough = run({.epochs = 2, .processes = Mpi{.bfloat16 = true}});
  CHECK(everywhere(rough.numbers));
  check_near(exact.numbers, rough.numbers, 0.002);  // 0.0009 was measured
  if (mpi.size() > 1) CHECK(exact.numbers != rough.numbers);
}

TEST_CASE("the same number of processes gives the same bits") {
  const TrainOptions<Data> options{.epochs = 2, .processes = mpi};
  CHECK(run(options).numbers == run(options).numbers);
  CHECK(run<Normalized>(options).numbers == run<Normalized>(options).numbers);
  CHECK(everywhere(run<Normalized>(options).numbers));
}

// Rank 0 prints what runs with other numbers of processes must print too.
TEST_CASE("a reproducible run") {
  if (mpi.size() == 3) return;
  const TrainOptions<Data> options{.epochs = 2, .processes = Mpi{.reproducible = true}};
  TrainOptions<Data> accumulating = options;
  accumulating.accumulate = 2;
  for (const Result& result : {run(options, 41), run<Normalized>(options, 41), run<Normalized>(accumulating)}) {
    CHECK(everywhere(result.numbers));
    std::uint64_t sum = 0;
    for (const float x : result.numbers) sum = sum * 1099511628211ULL + std::bit_cast<std::uint32_t>(x);
    const auto bits = [](double x) { return static_cast<unsigned long long>(std::bit_cast<std::uint64_t>(x)); };
    if (mpi.rank() == 0)
      std::printf("reproducible: %016llx %016llx %016llx\n", static_cast<unsigned long long>(sum),
                  bits(result.history.back().loss), bits(*result.history.back().validation_loss));
  }
}

// --- Evaluation ----------------------------------------------------------------------------------------------------------

TEST_CASE("an evaluation of several processes has the bits of one") {
  auto model = model_of(4);
  const Data d = data(30);  // batches of 4, which no number of processes but 1, 2 and 4 divides
  const EvaluateOptions options{.dropout = true, .mistakes = 5, .metrics = {TopK{2}}, .views = mirror_views()};
  EvaluateOptions shared = options;
  shared.processes = mpi;
  const Evaluation a = evaluate(model, d, SoftmaxCrossEntropy{}, options),
                   b = evaluate(model, d, SoftmaxCrossEntropy{}, shared);
  CHECK(a.loss == b.loss);
  CHECK(a.accuracy == b.accuracy);
  CHECK(a.confusion.samples() == 30);
  for (int t = 0; t < 3; ++t)
    for (int p = -1; p < 3; ++p) CHECK(a.confusion.at(t, p) == b.confusion.at(t, p));
  REQUIRE(a.mistakes.size() == b.mistakes.size());
  REQUIRE(!a.mistakes.empty());
  for (std::size_t i = 0; i < a.mistakes.size(); ++i) {
    CHECK(a.mistakes[i].sample == b.mistakes[i].sample);
    CHECK(a.mistakes[i].probability == b.mistakes[i].probability);
  }
  CHECK(a.metrics == b.metrics);
}

// --- Checkpoints ---------------------------------------------------------------------------------------------------------

TEST_CASE("one process writes, all resume, and nothing shows it") {
  const auto folder = std::filesystem::temp_directory_path() / ("strata_mpi_" + std::to_string(mpi.size()));
  const auto barrier = [] { static_cast<void>(mpi()->all_gather("")); };
  if (mpi.rank() == 0) std::filesystem::remove_all(folder);
  int told = 0;
  TrainOptions<Data> options{.epochs = 3, .on_epoch = [&](auto) { ++told; }, .processes = mpi};
  const Result whole = run<Normalized>(options);
  CHECK(told == (mpi.rank() == 0 ? 3 : 0));
  // Every process has a folder of its own, as on machines without a shared one; only that of rank 0 is written.
  const auto own = folder / std::to_string(mpi.rank());
  options.checkpoint = Checkpoints{.directory = own};
  options.max_steps = 8;  // within the second epoch
  options.restore_best = true;
  run<Normalized>(options);
  barrier();
  CHECK(std::filesystem::exists(own) == (mpi.rank() == 0));
  options.max_steps = 0, options.resume = true, options.restore_best = false;
  const Result resumed = run<Normalized>(options);
  CHECK(resumed.numbers == whole.numbers);
  REQUIRE(resumed.history.size() == 3);
  for (std::size_t e = 0; e < 3; ++e) {
    CHECK(resumed.history[e].loss == whole.history[e].loss);
    CHECK(resumed.history[e].accuracy == whole.history[e].accuracy);
    CHECK(resumed.history[e].validation_loss == whole.history[e].validation_loss);
  }
  barrier();
  if (mpi.rank() == 0) std::filesystem::remove_all(folder);
}

TEST_CASE("a stop that one process is asked for ends all after the same step") {
  int asked = 0;
  const auto stop = [&] { return ++asked == 3 && mpi.rank() == mpi.size() - 1; };
  const Result result = run({.epochs = 5, .stop = stop, .processes = mpi});
  REQUIRE(result.history.size() == 1);
  CHECK(result.history[0].samples == 24);
  CHECK(everywhere(result.numbers));
}

TEST_CASE("each process has threads of its own") {
  CHECK(mpi.threads() >= 1);
  CHECK(mpi.threads() == detail::usable_processors());
  CHECK(ThreadPool().size() == mpi.threads());
}

TEST_CASE("a wait of any length, and what runs in all processes") {
  for (const double timeout : {1e10, std::numeric_limits<double>::infinity()}) {
    const auto all = Mpi{.timeout = timeout}()->all_gather("a");
    CHECK(static_cast<int>(all.size()) == mpi.size());
  }
  CHECK(mpi.run([] { return 7; }) == 7);
}

TEST_CASE("options that do not go together are refused") {
  CHECK_THROWS_AS((Mpi{.bfloat16 = true, .reproducible = true})(), std::invalid_argument);
  CHECK_THROWS_AS((Mpi{.reproducible = true, .parts = 3})(), std::invalid_argument);
  CHECK_THROWS_AS((Mpi{.reproducible = true, .synchronized_batch_norm = true})(), std::invalid_argument);
  CHECK_THROWS_AS((Mpi{.timeout = 0})(), std::invalid_argument);
  if (mpi.size() > 2) CHECK_THROWS_AS((Mpi{.reproducible = true, .parts = 2})(), std::invalid_argument);
}

}  // namespace

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  context.setOption("no-version", true);
  return context.run();
}
