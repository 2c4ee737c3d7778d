// SPDX-License-Identifier: BSL-1.0
// What examples/notes writes of its runs, reads again, and puts into its table.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "../../examples/notes/results.hpp"
#include "files.hpp"
#include "mutate.hpp"

namespace {
using namespace notes;
namespace fs = std::filesystem;

EpochRecord epoch(int number, double accuracy) {
  EpochRecord e;
  e.epoch = number;
  e.loss = 1.0 / 3, e.accuracy = 0.7;
  e.validation_loss = 1e-300, e.validation_accuracy = accuracy;
  e.seconds = 12.5;
  return e;
}
Result result(std::uint64_t seed, double accuracy) {
  Result r{.key = {.run = "f", .seed = seed, .images = 64, .test_images = 10000, .epochs = 2, .recipe = "SGD{\"a\", b}, c"},
           .outcome = {}};
  r.outcome.complete = true;
  r.outcome.history = {epoch(1, 0.25), epoch(2, accuracy)};
  r.outcome.dropout_on.emplace();
  r.outcome.dropout_on->loss = 2.5, r.outcome.dropout_on->accuracy = 0.125;
  return r;
}
Experiment row(std::string name, std::optional<Figures> figures = {}) {
  return {std::move(name), "what it is", 10, {}, figures, nullptr, nullptr};
}

}  // namespace

TEST_CASE("a result is read as it was written, to the last bit") {
  const Folder folder;
  const fs::path file = folder.path / "seed-1.csv";
  const Result written = result(1, 0.1 + 0.2);
  write_result(file, written);
  const Result read = read_result(file);
  CHECK(read.key == written.key);
  REQUIRE(read.outcome.history.size() == 2);
  const EpochRecord &last = read.outcome.history.back(), &expected = written.outcome.history.back();
  CHECK(last.epoch == 2);
  CHECK(last.loss == expected.loss);
  CHECK(last.accuracy == expected.accuracy);
  CHECK(last.validation_loss == expected.validation_loss);
  CHECK(last.validation_accuracy == expected.validation_accuracy);
  CHECK(last.seconds == expected.seconds);
  REQUIRE(read.outcome.dropout_on.has_value());
  CHECK(read.outcome.dropout_on->loss == 2.5);
  CHECK(read.outcome.dropout_on->accuracy == 0.125);
  CHECK(read.outcome.complete);
  CHECK(to_csv(read) == to_csv(written));
}

TEST_CASE("a run that diverged is a result, without epochs or with fewer") {
  const Folder folder;
  const fs::path file = folder.path / "seed-1.csv";
  for (const std::size_t epochs : {0u, 1u}) {
    Result written = result(1, 0.5);
    written.outcome.history.resize(epochs);
    written.outcome.dropout_on.reset();
    written.outcome.diverged = "the loss of update 3 is NaN or infinite; layer 2, \"Conv\"";
    write_result(file, written);
    const Result read = read_result(file);
    CHECK(read.outcome.diverged == written.outcome.diverged);
    CHECK(read.outcome.history.size() == epochs);
    CHECK_FALSE(read.outcome.dropout_on.has_value());
    CHECK(read.outcome.complete);
  }
}

TEST_CASE("a damaged result is read or refused, never more") {
  const Folder folder;
  const fs::path file = folder.path / "seed-1.csv";
  const std::string good = to_csv(result(1, 0.5));
  Mutator mutate(3);
  int refused = 0;
  for (int i = 0; i < 1000; ++i) {
    CAPTURE(i);
    put(file, mutate(good, good.size()));
    try {
      const Result read = read_result(file);
      CHECK(read.outcome.complete);
    } catch (const FileError& e) {
      ++refused;
      CHECK(std::string(e.what()).find(file.string()) != std::string::npos);
    }
  }
  CHECK(refused > 300);
  CHECK(refused < 1000);
}

TEST_CASE("mean, spread and sampling error") {
  CHECK(mean_of(std::vector<double>{}).count == 0);
  CHECK(mean_of(std::vector{0.75}).mean == 0.75);
  CHECK(mean_of(std::vector{0.75}).spread == 0);
  const Mean m = mean_of(std::vector{1.0, 2.0, 4.0});
  CHECK(m.mean == doctest::Approx(7.0 / 3));
  CHECK(m.spread == doctest::Approx(std::sqrt(7.0 / 3)));                              // (16 + 1 + 25) / 9 over 2
  CHECK(100 * sampling_error(0.749, 10000) == doctest::Approx(0.4336).epsilon(1e-3));  // the notes' 0.43 points
}

TEST_CASE("the table has a row an experiment, over seeds, and the notes' figures below") {
  const std::vector<Experiment> rows{row("a"), row("f", Figures{0.5036, 0.8234, 0.6227, 0.7931}), row("g")};
  Result lost = result(1, 0.5);
  lost.key.run = "g", lost.outcome.history.clear(), lost.outcome.diverged = "NaN";
  // Epochs before it diverged are no figures of the end.
  Result late = result(3, 0.125);
  late.outcome.diverged = "NaN";
  const std::string text = table_of(rows, std::vector{result(1, 0.5), result(2, 0.25), lost, late});
  CHECK(text.find("\na ") == std::string::npos);  // it has not run
  CHECK(text.find(
            "\nf                  2      3   0.3750 +- 0.1768   0.7000 +- 0.0000   0.0000 +- 0.0000   0.3333 +- 0.0000") !=
        std::string::npos);
  CHECK(text.find("the notes   0.7931            0.8234            0.6227            0.5036\n") != std::string::npos);
  CHECK(text.find("\ng                  2      1                 -") != std::string::npos);
  CHECK(text.find("what it is (1 diverged)\n") != text.rfind("what it is (1 diverged)\n"));
  CHECK(text.find("of 10000 images, has a sampling error of up to 0.50 points") != std::string::npos);
}

TEST_CASE("a recipe says all that a result depends on") {
  Experiment e = row("f");
  e.optimizer = [](const Recipe& r, std::int64_t updates) { return optimizer_of<SGD>(r, updates).describe(); };
  e.recipe = {.rate = cosine(0.5), .weight_decay = 0.25};
  const std::string plain = recipe_text(e, 10);
  CHECK(plain ==
        "SGD{learning_rate Cosine{learning_rate 0.5, total 10, final 0}, momentum 0.9, weight_decay 0.25}, batch 64, shift "
        "0.1, flip, weights GlorotUniform{}, biases Constant{0}, kernels " +
            std::string(strata::cpu::kernel_path()));
  CHECK(recipe_text(e, 10, true) == plain.substr(0, plain.find(", kernels ")) + ", on a GPU in TF32");
  const auto changed = [&](auto change) {
    Experiment other = e;
    change(other.recipe);
    return recipe_text(other, 10) != plain;
  };
  CHECK(changed([](Recipe& r) { r.rate = one_cycle(0.5); }));
  CHECK(changed([](Recipe& r) { r.momentum = 0.8; }));
  CHECK(changed([](Recipe& r) { r.nesterov = true; }));
  CHECK(changed([](Recipe& r) { r.batch = 128; }));
  CHECK(changed([](Recipe& r) { r.augment = no_augmentation; }));
  CHECK(changed([](Recipe& r) { r.augment = crop_and_flip; }));
  CHECK(changed([](Recipe& r) { r.inputs = Inputs::standardized; }));
  CHECK(changed([](Recipe& r) { r.weights = Normal{0.01}; }));
  CHECK(changed([](Recipe& r) { r.biases = Constant{0.1}; }));
  CHECK(changed([](Recipe& r) { r.tensors.push_back({"conv2d/bias", Constant{1}}); }));
  // The paper's three rates.
  const SGD steps = optimizer_of<SGD>({.rate = two_steps(1)}, 9);
  CHECK(steps.learning_rate(2) == 1);
  CHECK(steps.learning_rate(3) == doctest::Approx(0.1));
  CHECK(steps.learning_rate(8) == doctest::Approx(0.01));
}
