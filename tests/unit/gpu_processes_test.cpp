// SPDX-License-Identifier: BSL-1.0
// Several processes that train one model, each on an emulated GPU: as one process on the processor does.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <strata/strata.hpp>

#include <strata/backend/cuda/steps.hpp>

#include "gpu_emulated.hpp"
#include "numbers_of.hpp"
#include "processes_of_threads.hpp"

namespace {
using namespace strata;
using emulated::in_processes, emulated::ProcessOptions;

using Net = Sequential<Input<6, 6, 1>, Conv<3, 5>, ReLU, Dropout<0.3>, Residual<Conv<3, 5>, StochasticDepth<0.2>>, Flatten,
                       Dense<7>, ReLU, Dropout<0.25>, Dense<3>>;
using Normalized = Sequential<Input<6, 6, 1>, Conv<3, 4>, BatchNorm, ReLU, Flatten, Dense<3>>;
using Data = ArrayDataset<Shape{6, 6, 1}, 3>;
using Gpu = emulated::Gpu<>;
constexpr int sizes[] = {1, 2, 3, 5};

// Class c is where row c is bright.
struct Pictures {
  std::vector<float> images;
  std::vector<int> labels;
  explicit Pictures(int samples) {
    const Random random(1, Purpose::user);
    for (int i = 0; i < samples; ++i) {
      labels.push_back(i % 3);
      for (int p = 0; p < 36; ++p)
        images.push_back(random.uniform(static_cast<std::uint64_t>(36 * i + p)) + (p / 6 == i % 3 ? 0.5f : 0.f));
    }
  }
};
Data data(int samples) {
  Pictures p(samples);
  return {std::move(p.images), std::move(p.labels)};
}

struct Result {
  std::vector<EpochRecord> history;
  std::vector<float> numbers;
};
template <class N, class Backend>
Result run(TrainOptions<Data> options, int samples, int batch) {
  Model<N, Backend> model{{.batch = batch, .threads = 1, .seed = 3}};
  options.verbose = false;
  options.validation = data(20);
  Result result;
  result.history = train(model, data(samples), SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05, .momentum = 0.9}, options);
  result.numbers = numbers_of(model);
  return result;
}
template <class N, class Backend = Gpu>
Result run_together(int size, TrainOptions<Data> options, int samples = 45, int batch = 8, ProcessOptions how = {}) {
  how.on_devices = !Backend::on_host;
  const std::vector<Result> all = in_processes(size, how, [&](const MakeProcesses& make, int) {
    TrainOptions<Data> own = options;
    own.processes = make;
    return run<N, Backend>(own, samples, batch);
  });
  for (const Result& other : all) CHECK(other.numbers == all[0].numbers);
  return all[0];
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    REQUIRE((std::isfinite(a[i]) && std::isfinite(b[i])));
    largest = std::max(largest, std::abs(static_cast<double>(a[i] - b[i])));
  }
  return largest;
}
void check_near(const Result& a, const Result& b) {
  CHECK(distance(a.numbers, b.numbers) < 2e-5);
  REQUIRE(a.history.size() == b.history.size());
  for (std::size_t e = 0; e < a.history.size(); ++e) {
    const EpochRecord &x = a.history[e], &y = b.history[e];
    CHECK(x.loss == doctest::Approx(y.loss).epsilon(1e-5));
    CHECK(x.accuracy == y.accuracy);
    CHECK(x.samples == y.samples);
    CHECK(x.step == y.step);
    CHECK(*x.validation_loss == doctest::Approx(*y.validation_loss).epsilon(1e-5));
    CHECK(*x.validation_accuracy == *y.validation_accuracy);
  }
}
void check_like_one(const TrainOptions<Data>& options, int samples = 45) {
  const Result alone = run<Net, Cpu>(options, samples, 8);
  for (const int size : sizes) {
    CAPTURE(size);
    check_near(alone, run_together<Net>(size, options, samples));
  }
}

TEST_CASE("a run on several GPUs is that of one process: order, augmentation, dropout, the last batch") {
  // 45 images in batches of 8: the last has 5.
  check_like_one({.epochs = 3, .augment = {.width_shift = 0.2, .horizontal_flip = true}});
}

TEST_CASE("shares without an image take part in the sums") {
  check_like_one({.epochs = 3}, 41);
  check_like_one({.epochs = 3}, 42);
}

TEST_CASE("gradients are accumulated and clipped on GPUs, and weights averaged, as by one process") {
  check_like_one({.epochs = 3, .clip_norm = 0.5});
  check_like_one({.epochs = 3, .accumulate = 2});
  check_like_one({.epochs = 2, .clip_norm = 0.3, .average = EMA{.decay = 0.9}, .accumulate = 3});
}

TEST_CASE("BatchNorm on GPUs has the statistics of several processes on the CPU") {
  for (const int size : sizes)
    for (const int accumulate : {1, 2}) {
      CAPTURE(size);
      CAPTURE(accumulate);
      const TrainOptions<Data> options{.epochs = 2, .accumulate = accumulate};
      // Shares of one image have a variance of 0, by which rounding grows.
      const Result host = run_together<Normalized, Cpu>(size, options, 45, 16),
                   device = run_together<Normalized>(size, options, 45, 16);
      check_near(host, device);
      if (size > 1) CHECK(distance(run<Normalized, Cpu>(options, 45, 16).numbers, device.numbers) > 1e-3);
    }
}

TEST_CASE("bfloat16 between GPUs stays near") {
  const Result exact = run<Net, Cpu>({.epochs = 1}, 45, 8),
               rough = run_together<Net>(3, {.epochs = 1}, 45, 8, {.bfloat16 = true});
  CHECK(distance(exact.numbers, rough.numbers) < 0.01);
  CHECK(distance(exact.numbers, rough.numbers) > 1e-5);
  // And BatchNorm's statistics are not rounded.
  const auto statistics = [](bool bfloat16) {
    return in_processes(2, {.bfloat16 = bfloat16}, [](const MakeProcesses& make, int) {
      const Pictures p(12);
      Model<Normalized, Gpu> model{{.batch = 12, .threads = 1, .seed = 3}};
      Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.0});
      trainer.work_with(make);
      trainer.step(p.images, p.labels);
      return numbers_of(model);
    })[0];
  };
  CHECK(statistics(false) == statistics(true));
}

TEST_CASE("a step of one's own takes the whole batch, and its sums are in the captured graph") {
  for (const int size : sizes) {
    CAPTURE(size);
    const Pictures p(14);
    Model<Net> alone{{.batch = 14, .threads = 1, .seed = 3}};
    Trainer one(alone, SoftmaxCrossEntropy{}, Adam{.epsilon = 1e-3});
    std::vector<StepResult> expected;
    for (int step = 0; step < 5; ++step) expected.push_back(one.step(p.images, p.labels));
    const auto all = in_processes(size, {}, [&](const MakeProcesses& make, int rank) {
      Model<Net, Gpu> model{{.batch = 14, .threads = 1, .seed = 3}};
      if (rank > 0)  // the others get the weights of rank 0
        model.for_each_tensor([](const std::string&, const TensorInfo&, std::span<float> values) {
          std::fill(values.begin(), values.end(), 0.f);
        });
      Trainer trainer(model, SoftmaxCrossEntropy{}, Adam{.epsilon = 1e-3});
      std::shared_ptr<Processes> made;
      trainer.work_with([&] { return made = make(); });
      const auto& queued = static_cast<emulated::ThreadProcesses&>(*made).queued;
      std::vector<StepResult> results;
      for (int step = 0; step < 5; ++step) {
        const int before = queued.sums;
        results.push_back(trainer.step(p.images, p.labels));
        // The first step runs as it is, the second is captured, the others are replayed.
        if ((queued.sums > before) != (step < 2)) throw std::logic_error("sums outside of the graph");
      }
      if (model.engine().device().counts.captures != 1) throw std::logic_error("not one graph");
      return std::pair(results, numbers_of(model));
    });
    for (const auto& [results, numbers] : all) {
      for (std::size_t i = 0; i < results.size(); ++i) {
        CHECK(results[i].samples == expected[i].samples);
        CHECK(results[i].correct == expected[i].correct);
        CHECK(results[i].decisions == expected[i].decisions);
        CHECK(results[i].loss == doctest::Approx(expected[i].loss).epsilon(1e-5));
      }
      CHECK(numbers == all[0].second);
      CHECK(distance(numbers, numbers_of(alone)) < 2e-5);
    }
  }
}

TEST_CASE("GPUs that begin together later have the optimizer's memory of rank 0") {
  const Pictures p(12);
  const auto all = in_processes(3, {}, [&](const MakeProcesses& make, int rank) {
    Model<Net, Gpu> model{{.batch = 12, .threads = 1, .seed = 3}};
    Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05, .momentum = 0.9});
    for (int step = 0; step < 2 + rank; ++step) trainer.step(p.images, p.labels);
    trainer.work_with(make);
    for (int step = 0; step < 3; ++step) trainer.step(p.images, p.labels);
    trainer.download();
    const std::span<const float> memory = trainer.memory(0);
    // And alone again, from there.
    trainer.work_with(nullptr);
    trainer.step(p.images, p.labels);
    return std::tuple(numbers_of(model), std::vector<float>(memory.begin(), memory.end()), trainer.updates());
  });
  Model<Net> alone{{.batch = 12, .threads = 1, .seed = 3}};
  Trainer one(alone, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05, .momentum = 0.9});
  for (int step = 0; step < 6; ++step) one.step(p.images, p.labels);
  for (const auto& [numbers, memory, updates] : all) {
    CHECK(numbers == std::get<0>(all[0]));
    CHECK(memory == std::get<1>(all[0]));
    CHECK(updates == 6);
    CHECK(distance(numbers, numbers_of(alone)) < 2e-5);
  }
}

TEST_CASE("accumulated gradients are summed once, in the step that updates") {
  const auto sums = in_processes(2, {}, [](const MakeProcesses& make, int) {
    const Pictures p(12);
    Model<Net, Gpu> model{{.batch = 12, .threads = 1, .seed = 3}};
    Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05});
    trainer.reduce_by(std::make_shared<Accumulate<float>>(3));
    std::shared_ptr<Processes> made;
    trainer.work_with([&] { return made = make(); });
    const auto& queued = static_cast<emulated::ThreadProcesses&>(*made).queued;
    std::vector<int> all;
    for (int step = 0; step < 3; ++step) {
      const int before = queued.sums;
      trainer.step(p.images, p.labels);
      all.push_back(queued.sums - before);
    }
    return all;
  })[0];
  CHECK(sums == std::vector<int>{1, 1, 2});  // the results, and one bucket of gradients
}

TEST_CASE("loss and update are timed on GPUs") {
  const auto all = in_processes(2, {}, [](const MakeProcesses& make, int) {
    const Pictures p(12);
    Model<Net, Gpu> model{{.batch = 12, .threads = 1, .seed = 3}};
    Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05});
    trainer.work_with(make);
    Profile profile;
    trainer.watch(&profile);
    trainer.step(p.images, p.labels);
    trainer.watch(nullptr);
    return std::pair(profile.rows.at(profile.rows.size() - 2), profile.rows.back());
  });
  for (const auto& [loss, update] : all) {
    CHECK((loss.name == "loss" && loss.backward > 0));
    CHECK((update.name == "update" && update.backward > 0));
  }
}

TEST_CASE("an evaluation of several processes with GPUs is that of one") {
  Model<Net, Gpu> alone{{.batch = 4, .threads = 1, .seed = 3}};
  const Evaluation expected = evaluate(alone, data(30));
  const auto all = in_processes(3, {}, [](const MakeProcesses& make, int) {
    Model<Net, Gpu> model{{.batch = 4, .threads = 1, .seed = 3}};
    const Evaluation e = evaluate(model, data(30), SoftmaxCrossEntropy{}, {.processes = make});
    return std::pair(e.loss, e.accuracy);
  });
  for (const auto& [loss, accuracy] : all) CHECK((loss == expected.loss && accuracy == expected.accuracy));
}

// --- Faults --------------------------------------------------------------------------------------------------------------

TEST_CASE("a step that is not finite changes nothing on any GPU, and training goes on") {
  for (const int size : sizes) {
    CAPTURE(size);
    const auto all = in_processes(size, {}, [&](const MakeProcesses& make, int) {
      Pictures p(12);
      Model<Normalized, Gpu> model{{.batch = 12, .threads = 1, .seed = 3}};
      Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05});
      trainer.work_with(make);
      for (int step = 0; step < 3; ++step) trainer.step(p.images, p.labels);
      const std::vector<float> before = numbers_of(model);
      const float was = std::exchange(p.images.back(), std::numeric_limits<float>::quiet_NaN());  // in the last share
      std::string what;
      int layer = -2;
      try {
        trainer.step(p.images, p.labels);
      } catch (const NotFiniteError& e) {
        what = e.what(), layer = e.layer();
      }
      const bool kept = numbers_of(model) == before;
      p.images.back() = was;
      const StepResult next = trainer.step(p.images, p.labels);
      return std::tuple(what, layer, kept, next.loss, trainer.updates(), numbers_of(model) != before);
    });
    const std::size_t last = all.size() - 1;
    for (std::size_t rank = 0; rank < all.size(); ++rank) {
      const auto& [what, layer, kept, loss, updates, goes_on] = all[rank];
      CHECK(kept);
      CHECK((std::isfinite(loss) && updates == 4 && goes_on));
      CHECK(layer == (rank == last ? 0 : -1));
      CHECK((what.find("rank " + std::to_string(last)) != std::string::npos) == (rank != last));
    }
  }
}

TEST_CASE("looking for the layer that is not finite moves no statistics") {
  const auto all = in_processes(2, {}, [](const MakeProcesses& make, int) {
    const Pictures p(12);
    Model<Normalized, Gpu> model{{.batch = 12, .threads = 1, .seed = 3}};
    model.for_each_tensor([](const std::string& name, const TensorInfo&, std::span<float> values) {
      if (name == "dense/kernel") values[3] = std::numeric_limits<float>::infinity();
    });
    Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05});
    trainer.work_with(make);
    const std::vector<float> before = numbers_of(model);
    int layer = -2;
    try {
      trainer.step(p.images, p.labels);
    } catch (const NotFiniteError& e) {
      layer = e.layer();
    }
    return std::pair(layer, numbers_of(model) == before);
  });
  CHECK((all[0].first == 5 && all[1].first == -1));  // the first process looks
  CHECK((all[0].second && all[1].second));
}

TEST_CASE("train() on GPUs ends in each process with a loss that is not finite") {
  for (const int size : {2, 3}) {
    Pictures p(45);
    p.images[17 * 36 + 4] = std::numeric_limits<float>::infinity();
    const Data broken(p.images, p.labels);
    const auto all = in_processes(size, {}, [&](const MakeProcesses& make, int) {
      Model<Normalized, Gpu> model{{.batch = 8, .threads = 1, .seed = 3}};
      std::string what;
      try {
        train(model, broken, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05},
              {.epochs = 2, .verbose = false, .processes = make});
      } catch (const ProcessError& e) {
        what = e.what();
      }
      return std::pair(what, numbers_of(model));
    });
    for (const auto& [what, numbers] : all) {
      CHECK(what.find("is NaN or infinite") != std::string::npos);
      CHECK(numbers == all[0].second);
      for (const float x : numbers) REQUIRE(std::isfinite(x));
    }
  }
}

TEST_CASE("gradients whose norm is not finite end the step on each GPU") {
  const auto all = in_processes(2, {}, [](const MakeProcesses& make, int) {
    using Linear = Sequential<Input<6, 6, 1>, Flatten, Dense<3>>;
    Pictures p(12);
    Model<Linear, Gpu> model{{.batch = 12, .threads = 1, .seed = 3}};
    Trainer trainer(model, MeanSquaredError{}, SGD{.learning_rate = 0.05});
    trainer.clip_gradients(1);
    trainer.work_with(make);
    // The loss is a number, and its gradient by the weights is none in one process.
    p.images.back() = 1e30f;
    std::vector<float> targets(36, 0.f);
    const std::vector<float> before = numbers_of(model);
    std::string what;
    try {
      trainer.step(p.images, targets);
    } catch (const std::exception& e) {
      what = e.what();
    }
    return std::pair(what, numbers_of(model) == before);
  });
  for (const auto& [what, kept] : all) {
    CHECK(what == all[0].first);
    CHECK(!what.empty());
    CHECK(kept);
  }
}

TEST_CASE("GPUs that compute different batches are found out") {
  const auto what_of = [](const std::function<void(Trainer<Model<Net, Gpu>, SoftmaxCrossEntropy, SGD>&, int)>& work) {
    return in_processes(3, {}, [&](const MakeProcesses& make, int rank) {
      Model<Net, Gpu> model{{.batch = 6, .threads = 1, .seed = 3}};
      Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05});
      trainer.work_with(make);
      try {
        work(trainer, rank);
      } catch (const std::exception& e) {
        return std::string(e.what());
      }
      return std::string();
    });
  };
  const Pictures p(6);
  const std::span<const float> images(p.images);
  const std::span<const int> labels(p.labels);
  for (const std::string& what : what_of([&](auto& trainer, int rank) {
         const std::size_t n = rank == 1 ? 3 : 6;
         trainer.step(images.first(n * 36), labels.first(n));
       })) {
    CHECK(what.find("do not fit together") != std::string::npos);
    CHECK(what.find("of 3") != std::string::npos);
  }
  for (const std::string& what : what_of([&](auto& trainer, int rank) {
         trainer.step(images, labels);
         if (rank == 2) trainer.continue_at(7);
         trainer.step(images, labels);
       }))
    CHECK(what.find("do not fit together") != std::string::npos);
  // And a batch that is no share.
  for (const std::string& what : what_of([&](auto& trainer, int) {
         const Data d = data(12);
         typename std::remove_reference_t<decltype(trainer)>::template Feed<Data> whole(d, {.batch = 6});
         whole.start(0);
         trainer.learn(*whole.next(), [](const StepResult&) {});
       }))
    CHECK(what.find("is not the share of this process") != std::string::npos);
}

TEST_CASE("a process that fails ends those that wait for it") {
  const auto all = in_processes(3, {}, [](const MakeProcesses& make, int rank) {
    Model<Net, Gpu> model{{.batch = 8, .threads = 1, .seed = 3}};
    TrainOptions<Data> options{.epochs = 5, .verbose = false, .processes = make};
    int asked = 0;
    options.stop = [&] {
      if (rank == 1 && ++asked == 4) throw std::runtime_error("the disk is full");
      return false;
    };
    try {
      train(model, data(45), SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05}, options);
    } catch (const ProcessError& e) {
      return std::string(e.what());
    }
    return std::string();
  });
  for (const std::string& what : all) CHECK(what == "rank 1: the disk is full");
}

TEST_CASE("what GPUs cannot do together is said") {
  const auto refused = [](const ProcessOptions& how, int batch) {
    return in_processes(2, how, [&](const MakeProcesses& make, int) {
      Model<Net, Gpu> model{{.batch = batch, .threads = 1, .seed = 3}};
      Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.05});
      try {
        trainer.work_with(make);
      } catch (const std::exception& e) {
        return std::string(e.what());
      }
      return std::string();
    })[0];
  };
  CHECK(refused({}, 8).empty());
  CHECK(refused({.on_devices = false}, 8).find("with Nccl") != std::string::npos);
  CHECK(refused({.synchronized = true}, 8).find("leave out reproducible and synchronized_batch_norm") != std::string::npos);
  CHECK(refused({}, 1).find("a batch has only 1 images") != std::string::npos);
}

}  // namespace
