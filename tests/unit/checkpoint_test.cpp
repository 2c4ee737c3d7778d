// SPDX-License-Identifier: BSL-1.0
// Checkpoints: a run that is stopped, killed, or robbed of a file ends as one that was left alone, bit by bit.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <strata/io/seal.hpp>
#include <strata/io/training_state.hpp>
#include <strata/strata.hpp>

#include "files.hpp"
#include "mutate.hpp"
#include "numbers_of.hpp"

namespace {
using namespace strata;
namespace fs = std::filesystem;

using Strings = std::vector<std::string>;

using Data = ArrayDataset<Shape{6, 6, 2}, 3>;
Data data(int samples, std::uint64_t seed = 1) {
  std::vector<float> images;
  std::vector<int> labels;
  const Random random(seed, Purpose::user);
  for (int i = 0; i < samples; ++i) {
    labels.push_back(i % 3);
    for (int p = 0; p < 72; ++p)
      images.push_back(random.uniform(static_cast<std::uint64_t>(72 * i + p)) + (p % 3 == i % 3 ? 0.3f : 0.f));
  }
  return {images, labels};
}

// What has a state of its own, and what draws random numbers.
using Net = Sequential<Input<6, 6, 2>, Conv<3, 4>, BatchNorm, ReLU, MaxPool<2>, Flatten, Dropout<0.25>, Dense<3>>;
using Plain = Sequential<Input<6, 6, 2>, Flatten, Dense<5>, ReLU, Dropout<0.5>, Dense<3>>;

constexpr int steps = 8;  // of an epoch: 30 images, 4 a step

template <class N = Net>
Model<N> model_of(std::uint64_t seed = 1) {
  return Model<N>{{.batch = 4, .threads = 1, .seed = seed}};
}
// No folder: no checkpoints.
TrainOptions<Data> options_for(const fs::path& folder, bool resume, Checkpoints checkpoints = {.every = 3}) {
  TrainOptions<Data> options{.epochs = 3,
                             .validation = data(9, 2),
                             .augment = {.width_shift = 0.2, .horizontal_flip = true},
                             .verbose = false,
                             .resume = resume};
  checkpoints.directory = folder;
  if (!folder.empty()) options.checkpoint = checkpoints;
  return options;
}

// An augmentation of a user's own.
struct Darken {
  double factor = 0.5;
  void operator()(std::span<float> image, Shape, const Random& random) const {
    for (float& x : image) x *= 1 - static_cast<float>(factor) * random.uniform(0);
  }
  [[nodiscard]] std::string describe() const { return "Darken{" + detail::number_text(factor) + "}"; }
};

// All numbers of a model, and of the epochs but for the seconds.
struct Outcome {
  std::vector<float> numbers;
  std::vector<double> figures;
  bool operator==(const Outcome&) const = default;
};
template <class N, class O>
Outcome outcome(const O& optimizer, const TrainOptions<Data>& options, std::uint64_t seed = 1) {
  Model<N> model = model_of<N>(seed);
  Outcome out;
  for (const EpochRecord& r : train(model, data(30), SoftmaxCrossEntropy{}, optimizer, options))
    out.figures.insert(out.figures.end(), {static_cast<double>(r.epoch), r.loss, r.accuracy, r.validation_loss.value_or(-1),
                                           r.validation_accuracy.value_or(-1), static_cast<double>(r.samples),
                                           static_cast<double>(r.step), r.learning_rate});
  out.numbers = numbers_of(model);
  return out;
}
const SGD sgd{.learning_rate = InverseTimeDecay{0.05, 0.01}, .momentum = 0.9, .weight_decay = 0.001};

// --- In one process -----------------------------------------------------------------------------------------------------

template <class N, class O>
void stop_everywhere(const O& optimizer) {
  const Outcome whole = outcome<N>(optimizer, options_for({}, false));
  CHECK(whole.figures.size() == 24);
  const Folder all;
  CHECK(outcome<N>(optimizer, options_for(all.path, false)) == whole);
  for (int at = 1; at <= 3 * steps; ++at) {
    CAPTURE(at);
    const Folder folder;
    auto options = options_for(folder.path, false);
    options.max_steps = at;
    const Outcome first = outcome<N>(optimizer, options);
    options.resume = true;
    CHECK(outcome<N>(optimizer, options, 1) == first);  // there is nothing left to do
    options.max_steps = at + 5;
    (void)outcome<N>(optimizer, options);
    options.max_steps = 0;
    CHECK(outcome<N>(optimizer, options) == whole);
    CHECK(outcome<N>(optimizer, options) == whole);
    CHECK(bytes_of(folder.path / "best.safetensors") == bytes_of(all.path / "best.safetensors"));
  }
}

TEST_CASE("a run that is stopped anywhere goes on as if it had not been") {
  stop_everywhere<Net>(sgd);
  stop_everywhere<Net>(Adam{.learning_rate = 0.01});
  stop_everywhere<Plain>(AdamW{.learning_rate = 0.01});
  stop_everywhere<Plain>(SGD{.learning_rate = Cosine{0.1, 24}, .momentum = 0.8, .nesterov = true});
}

TEST_CASE("one that is asked to stop writes where it is, in a validation too") {
  const Outcome whole = outcome<Net>(sgd, options_for({}, false));
  for (const int at : {1, 2, steps - 1, steps, steps + 1, steps + 3, steps + 4, 2 * steps + 5}) {
    CAPTURE(at);
    const Folder folder;
    auto options = options_for(folder.path, false);
    int asked = 0;
    options.stop = [&] { return ++asked >= at; };
    (void)outcome<Net>(sgd, options);
    // An epoch asks after its steps, and after the three batches of its validation.
    const int updates = at / (steps + 3) * steps + std::min(at % (steps + 3), steps);
    const Strings names = names_in(folder.path);
    REQUIRE_FALSE(names.empty());
    CHECK(names.back() == "step-0000000" + std::string(updates < 10 ? "0" : "") + std::to_string(updates) + ".safetensors");
    options.stop = {};
    options.resume = true;
    CHECK(outcome<Net>(sgd, options) == whole);
  }
}

TEST_CASE("a run may become longer, and not shorter") {
  const Folder folder;
  auto options = options_for(folder.path, false);
  const Outcome whole = outcome<Net>(sgd, options_for({}, false));
  options.epochs = 2;
  (void)outcome<Net>(sgd, options);
  options.epochs = 3, options.resume = true;
  CHECK(outcome<Net>(sgd, options) == whole);
  options.epochs = 2;
  CHECK_THROWS_WITH_AS(outcome<Net>(sgd, options),
                       doctest::Contains("24 updates, in epoch 4, exceed the length of this run"), FileError);
  options.epochs = 3, options.max_steps = 20;
  CHECK_THROWS_WITH_AS(outcome<Net>(sgd, options), doctest::Contains("3 epochs of at most 20 steps"), FileError);
}

TEST_CASE("what is told of epochs includes those before a resume, and comes after their checkpoint") {
  const Folder folder;
  auto options = options_for(folder.path, false);
  std::vector<std::size_t> sizes;
  std::vector<int> epochs;
  options.on_epoch = [&](std::span<const EpochRecord> all) {
    sizes.push_back(all.size());
    epochs.clear();
    for (const EpochRecord& r : all) epochs.push_back(r.epoch);
    std::string name = std::to_string(all.back().step);
    name.insert(0, 9 - name.size(), '0');
    CHECK(fs::exists(folder.path / ("step-" + name + ".safetensors")));
  };
  options.max_steps = steps + 2;
  (void)outcome<Net>(sgd, options);
  CHECK(sizes == std::vector<std::size_t>{1, 2});
  options.max_steps = 0, options.resume = true;
  (void)outcome<Net>(sgd, options);
  CHECK(sizes == std::vector<std::size_t>{1, 2, 1, 2, 3});
  CHECK(epochs == std::vector<int>{1, 2, 3});
}

TEST_CASE("the newest are kept, and the best") {
  const Folder folder;
  const fs::path directory = folder.path / "deep" / "er";
  auto options = options_for(directory, false, {.every = 3, .keep = 2});
  Model<Net> model = model_of();
  const auto history = train(model, data(30), SoftmaxCrossEntropy{}, sgd, options);
  CHECK(names_in(directory) == Strings{"best.safetensors", "step-000000021.safetensors", "step-000000024.safetensors"});
  const EpochRecord* best = best_epoch(history);
  REQUIRE(best != nullptr);
  Model<Net> reader = model_of(7);
  load_weights(reader, directory / "best.safetensors");
  const Evaluation e = evaluate(reader, *options.validation);
  CHECK(e.loss == best->validation_loss.value());
  CHECK(e.accuracy == best->validation_accuracy.value());

  const auto record = [](double accuracy, double loss) {
    EpochRecord r;
    r.validation_accuracy = accuracy, r.validation_loss = loss;
    return r;
  };
  const std::vector<EpochRecord> records{record(0.5, 1), record(0.7, 2), record(0.7, 1), record(0.7, 1), record(0.6, 0)};
  CHECK(best_epoch(records) == &records[2]);
  CHECK(best_epoch({records.data(), 2}) == &records[1]);
  CHECK(best_epoch(std::vector<EpochRecord>(3)) == nullptr);

  options.resume = true, options.epochs = 4, options.validation = {};
  CHECK_THROWS_WITH_AS(outcome<Net>(sgd, options), doctest::Contains("expected \"validation data: none\""), FileError);
}

TEST_CASE("a checkpoint after each epoch and at the end alone") {
  const Folder folder;
  auto options = options_for(folder.path, false, {.keep = 9});
  options.max_steps = 2 * steps + 3;
  (void)outcome<Net>(sgd, options);
  CHECK(names_in(folder.path) == Strings{"best.safetensors", "step-000000008.safetensors", "step-000000016.safetensors",
                                         "step-000000019.safetensors"});
}

TEST_CASE("what cannot be meant is refused") {
  const Folder folder;
  auto options = options_for({}, true);
  CHECK_THROWS_AS(outcome<Net>(sgd, options), std::invalid_argument);
  options.checkpoint = Checkpoints{};
  CHECK_THROWS_AS(outcome<Net>(sgd, options), std::invalid_argument);
  CHECK_THROWS_AS(outcome<Net>(sgd, options_for(folder.path, false, {.keep = 0})), std::invalid_argument);
  CHECK_THROWS_AS(outcome<Net>(sgd, options_for(folder.path, false, {.every = -1})), std::invalid_argument);
  put(folder.path / "file", "");
  options = options_for(folder.path / "file", false);
  CHECK_THROWS_AS(outcome<Net>(sgd, options), std::system_error);
  // Resumed where there is nothing, it begins; begun where there is something, it does not.
  options = options_for(folder.path / "new", true);
  options.epochs = 1;
  (void)outcome<Net>(sgd, options);
  options.resume = false;
  CHECK_THROWS_WITH_AS(outcome<Net>(sgd, options), doctest::Contains("checkpoints of an earlier run"), std::runtime_error);
  // The best weights alone are one, too.
  const std::string best = bytes_of(folder.path / "new/best.safetensors");
  for (const std::string& name : names_in(folder.path / "new"))
    if (name.starts_with("step-")) fs::rename(folder.path / "new" / name, folder.path / name);
  CHECK_THROWS_WITH_AS(outcome<Net>(sgd, options), doctest::Contains("checkpoints of an earlier run"), std::runtime_error);
  CHECK(bytes_of(folder.path / "new/best.safetensors") == best);
  for (const std::string& name : names_in(folder.path))
    if (name.starts_with("step-")) fs::rename(folder.path / name, folder.path / "new" / name);
  // Two runs at once.
  options.resume = true, options.epochs = 2;
  options.stop = [&]() -> bool {
    auto other = options;
    other.stop = {};
    CHECK_THROWS_WITH_AS(outcome<Net>(sgd, other), doctest::Contains("another run is writing"), std::runtime_error);
    return true;
  };
  (void)outcome<Net>(sgd, options);
}

TEST_CASE("numbers that are none are no state to go back to") {
  const Folder folder;
  auto options = options_for(folder.path, false, {.every = 1});
  options.max_steps = 6;
  Model<Net> model = model_of();
  int asked = 0;
  options.stop = [&] {
    // Of BatchNorm's mean, which no step of training reads.
    if (++asked == 2) model.state()[0] = std::numeric_limits<float>::infinity();
    return false;
  };
  train(model, data(30), SoftmaxCrossEntropy{}, sgd, options);
  CHECK(asked == 6);
  CHECK(names_in(folder.path) == Strings{"step-000000001.safetensors", "step-000000002.safetensors"});

  const Folder other;
  options = options_for(other.path, false, {.every = 1});
  CHECK_THROWS_AS(outcome<Plain>(SGD{.learning_rate = WarmUp{ConstantRate{1e38}, 4}}, options), NotFiniteError);
  CHECK_FALSE(names_in(other.path).empty());
}

TEST_CASE("numbers that lead to a loss that is none are no state to go back to") {
  const Folder folder;
  Strings told;
  auto options = options_for(folder.path, false);
  const auto keep = [&](bool resume) {
    options.checkpoint =
        Checkpoints{.directory = folder.path, .every = 1, .notice = [&](const std::string& text) { told.push_back(text); }};
    options.resume = resume;
  };
  // The first update changes nothing, the second leaves numbers that are finite, and too large to multiply.
  const SGD optimizer{.learning_rate = WarmUp{ConstantRate{1e30}, 2}};
  for (const bool resume : {false, true}) {
    CAPTURE(resume);
    keep(resume), told.clear();
    CHECK_THROWS_WITH_AS(outcome<Plain>(optimizer, options), doctest::Contains("the loss of update 2 is NaN or infinite"),
                         NotFiniteError);
    CHECK(names_in(folder.path) == Strings{"step-000000001.safetensors", "step-000000002.safetensors.not-finite"});
    REQUIRE(told.size() == 1);
    CHECK(told[0].find("step-000000002.safetensors: the next loss is NaN or infinite") != std::string::npos);
  }
  // Without an older one there is nothing to go on from, and no run begins anew unasked.
  fs::remove(folder.path / "step-000000001.safetensors");
  CHECK_THROWS_WITH_AS(outcome<Plain>(optimizer, options), doctest::Contains("there is no older checkpoint"), FileError);
}

// --- Files that are not what they should be -----------------------------------------------------------------------------

TEST_CASE("another run is refused, with the first thing that differs") {
  const Folder folder;
  auto options = options_for(folder.path, false);
  options.max_steps = 4;
  (void)outcome<Net>(sgd, options);
  const auto refused = [&]<class N>(Model<N> model, const auto& optimizer, const auto& change, const std::string& why) {
    CAPTURE(why);
    auto changed = options;
    changed.resume = true;
    change(changed);
    const auto before = numbers_of(model);
    const auto names = names_in(folder.path);
    CHECK_THROWS_WITH_AS(train(model, data(30), SoftmaxCrossEntropy{}, optimizer, changed), doctest::Contains(why.c_str()),
                         FileError);
    CHECK(numbers_of(model) == before);
    CHECK(names_in(folder.path) == names);
  };
  const auto same = [](auto&) {};
  using More = Sequential<Input<6, 6, 2>, Conv<3, 5>, BatchNorm, ReLU, MaxPool<2>, Flatten, Dropout<0.25>, Dense<3>>;
  using Other = Sequential<Input<6, 6, 2>, Conv<3, 4>, BatchNorm, Tanh, MaxPool<2>, Flatten, Dropout<0.25>, Dense<3>>;
  using Less = Sequential<Input<6, 6, 2>, Conv<3, 4>, BatchNorm, ReLU, MaxPool<2>, Flatten, Dropout<0.5>, Dense<3>>;
  refused(model_of<More>(), sgd, same,
          "tensor conv2d/kernel has the shape (3, 3, 2, 4); expected this network's, (3, 3, 2, 5)");
  refused(model_of<Plain>(), sgd, same, "tensor dense/kernel has the shape (36, 3)");
  refused(model_of<Other>(), sgd, same, "the layers differ");
  refused(model_of<Less>(), sgd, same, "\"layers: ");
  refused(model_of(2), sgd, same, "\"seed: 1\"; expected \"seed: 2\"");
  refused(model_of(), Adam{}, same, "\"optimizer: SGD{learning_rate InverseTimeDecay");
  refused(model_of(), sgd, [](auto& o) { o.augment.pad_crop = 1; }, "pad_crop 0\"; expected \"augmentation");
  refused(model_of(), sgd, [](auto& o) { o.augment.transforms = {Darken{0.5}}; }, "pad_crop 0, Darken{0.5}\"");
  refused(model_of(), sgd, [](auto& o) { o.normalize.mean = {0.5f, 0.25f}; }, "expected \"normalisation: mean 0.5 0.25");
  refused(model_of(), sgd, [](auto& o) { o.validation = data(9, 3); }, "\"validation data: 9 images, ");
  Model<Net> wide{{.batch = 5, .threads = 1, .seed = 1}};
  auto again = options;
  again.resume = true;
  CHECK_THROWS_WITH_AS(train(wide, data(30), SoftmaxCrossEntropy{}, sgd, again), doctest::Contains("\"batch: 4\""),
                       FileError);
  Model<Net> model = model_of();
  CHECK_THROWS_WITH_AS(train(model, data(31), SoftmaxCrossEntropy{}, sgd, again), doctest::Contains("\"training data: 30"),
                       FileError);
  CHECK_THROWS_WITH_AS(train(model, data(30), MeanSquaredError{}, sgd, again), doctest::Contains("\"loss: Softmax"),
                       FileError);
  // Weights alone are no checkpoint.
  fs::remove(folder.path / "step-000000003.safetensors");
  save_weights(model, folder.path / "step-000000004.safetensors");
  CHECK_THROWS_WITH_AS(train(model, data(30), SoftmaxCrossEntropy{}, sgd, again), doctest::Contains("not a checkpoint"),
                       FileError);
}

TEST_CASE("the state reads back from its text") {
  TrainingState state{.epoch = 3, .step = 2, .updates = 18, .seconds = 0.25};
  state.loss.add(0.3, 8);
  state.accuracy = {3, 8};
  state.history = {{.epoch = 1, .loss = 0.1, .accuracy = std::nan("")}, {.epoch = 2, .loss = 1e-300, .samples = 9}};
  state.history[1].validation_loss = -0.0;
  state.history[1].validation_metrics = {
      {"top 5%\n", 0.1}, {"", 1e300}, {"plain", std::numeric_limits<double>::infinity()}};
  const std::string text = detail::state_text(state);
  const TrainingState back = detail::StateReader("f", text).read();
  CHECK(detail::state_text(back) == text);
  CHECK(back.history[1].validation_metrics == state.history[1].validation_metrics);
  for (const char* bad : {"%zz", "a%"}) {
    std::string damaged = text;
    damaged.replace(damaged.find("top%20"), 6, bad);
    CHECK_THROWS_AS((void)detail::StateReader("f", damaged).read(), FileError);
  }
  for (std::size_t n = 0; n < text.size(); ++n)
    CHECK_THROWS_AS((void)detail::StateReader("f", text.substr(0, n)).read(), FileError);
}

TEST_CASE("a transform whose fields differ makes another run") {
  const Folder folder;
  auto options = options_for(folder.path, false);
  options.augment.transforms = {Darken{0.5}};
  const Outcome whole = outcome<Net>(sgd, [&] {
    auto alone = options;
    alone.checkpoint = {};
    return alone;
  }());
  CHECK(whole != outcome<Net>(sgd, options_for({}, false)));
  options.max_steps = 4;
  (void)outcome<Net>(sgd, options);
  options.resume = true, options.max_steps = 0;
  auto other = options;
  other.augment.transforms = {Darken{0.25}};
  CHECK_THROWS_WITH_AS(outcome<Net>(sgd, other), doctest::Contains("Darken{0.5}\"; expected \"augmentation: "), FileError);
  CHECK(outcome<Net>(sgd, options) == whole);
}

// The checkpoint without, or with another, strata.version.
void rewrite_version(const fs::path& file, const std::string& version) {
  SafetensorsFile in(file);
  auto metadata = in.metadata();
  metadata.erase("strata.version"), metadata.erase("strata.checksums");
  if (!version.empty()) metadata["strata.version"] = version;
  std::vector<std::vector<float>> values;
  std::vector<Tensor> tensors;
  for (const SafetensorsEntry& t : in.tensors()) values.push_back(in.read<float>(t.name));
  for (std::size_t i = 0; i < values.size(); ++i)
    tensors.push_back({in.tensors()[i].name, in.tensors()[i].shape, values[i]});
  detail::seal(metadata, tensors);
  save_safetensors(file, tensors, metadata);
}

TEST_CASE("a checkpoint of another version is refused, and its weights load") {
  const Folder folder;
  auto options = options_for(folder.path, false);
  options.max_steps = 4;
  const Outcome first = outcome<Net>(sgd, options);
  const fs::path file = folder.path / "step-000000004.safetensors";
  options.resume = true;
  CHECK(SafetensorsFile(file).metadata().at("strata.version") == version);
  const std::string now(version);
  for (const std::string& other : {std::string(), std::string("0.1.7"), std::string("9.0"), std::string("9")}) {
    CAPTURE(other);
    rewrite_version(file, other);
    const Strings names = names_in(folder.path);
    CHECK_THROWS_WITH_AS(
        outcome<Net>(sgd, options),
        (file.string() + ": strata " + (other.empty() ? "0.1" : other) + " wrote this checkpoint, and strata " + now +
         " cannot resume it; load_weights() reads its weights")
            .c_str(),
        FileError);
    CHECK(names_in(folder.path) == names);
    Model<Net> model = model_of(5);
    load_weights(model, file);
    CHECK(numbers_of(model) == first.numbers);
  }
  rewrite_version(file, now.substr(0, now.rfind('.')) + ".99");  // a fix of the same version
  CHECK(outcome<Net>(sgd, options) == first);
}

TEST_CASE("weights of another version load") {
  const Folder folder;
  Model<Net> model = model_of(), other = model_of(2);
  save_weights(model, folder.path / "a");
  rewrite_version(folder.path / "a", "");
  load_weights(other, folder.path / "a");
  CHECK(numbers_of(model) == numbers_of(other));
}

TEST_CASE("a damaged file is set aside for the one before, and none is left for nothing") {
  const Outcome whole = outcome<Net>(sgd, options_for({}, false));
  const Folder folder;
  auto options = options_for(folder.path, false);
  options.max_steps = 11;
  (void)outcome<Net>(sgd, options);
  const fs::path newest = folder.path / "step-000000011.safetensors", older = folder.path / "step-000000009.safetensors";
  const std::string good = bytes_of(newest);
  options.resume = true;
  // One that cannot be opened may be whole: it is not passed over.
  fs::remove(newest);
  fs::create_symlink(newest.filename(), newest);
  const Strings with_link = names_in(folder.path);
  CHECK_THROWS_WITH_AS(outcome<Net>(sgd, options), doctest::Contains("cannot be read"), FileError);
  CHECK(names_in(folder.path) == with_link);
  fs::remove(newest);

  put(newest, good.substr(0, good.size() - 3));
  Strings told;
  options.checkpoint =
      Checkpoints{.directory = folder.path, .every = 3, .notice = [&](const std::string& text) { told.push_back(text); }};
  options.max_steps = 0;
  CHECK(outcome<Net>(sgd, options) == whole);
  REQUIRE(told.size() == 1);
  CHECK(told[0].find(newest.string() + ": safetensors header: tensor optimizer/0/dense/bias ends at byte") == 0);
  CHECK(told[0].find("the file is cut off; it is now step-000000011.safetensors.damaged, and the previous one is used") !=
        std::string::npos);
  CHECK(bytes_of(newest.string() + ".damaged").size() == good.size() - 3);

  const auto names = names_in(folder.path);
  for (const std::string& name : names)
    if (name.starts_with("step-") && !name.ends_with("damaged")) put(folder.path / name, "gone");
  CHECK_THROWS_WITH_AS(outcome<Net>(sgd, options), doctest::Contains("all older ones are damaged too"), FileError);
  CHECK(names_in(folder.path) == names);
}

TEST_CASE("going on with other kernels is told") {
  using cpu::KernelPath;
  const struct Restore {
    KernelPath before = cpu::detail::path_now();
    ~Restore() { cpu::set_kernel_path(before); }
  } restore;
  const Folder folder;
  auto options = options_for(folder.path, false);
  options.max_steps = 3;
  REQUIRE(cpu::set_kernel_path(KernelPath::eigen));
  (void)outcome<Net>(sgd, options);
  Strings told;
  options.checkpoint =
      Checkpoints{.directory = folder.path, .notice = [&](const std::string& text) { told.push_back(text); }};
  options.resume = true;
  options.max_steps = 4;
  (void)outcome<Net>(sgd, options);
  CHECK(told.empty());
  REQUIRE(cpu::set_kernel_path(KernelPath::baseline));
  options.max_steps = 5;
  (void)outcome<Net>(sgd, options);
  REQUIRE(told.size() == 1);
  CHECK(told[0].find(std::string("written with the kernels eigen, continued with ") + cpu::kernel_path()) !=
        std::string::npos);
}

TEST_CASE("whatever happens to a file, it is refused and nothing changes, or it is the same") {
  const Folder folder;
  const fs::path file = folder.path / "a";
  const Data d = data(8);
  const auto images = [&] {
    std::vector<float> all;
    for (std::size_t i = 0; i < 4; ++i) all.insert(all.end(), d.pixels(i).begin(), d.pixels(i).end());
    return all;
  }();
  const std::vector<int> labels{0, 1, 2, 0};
  Model<Net> model = model_of();
  Trainer trainer(model, SoftmaxCrossEntropy{}, Adam{});
  for (int i = 0; i < 5; ++i) trainer.step(images, labels);
  TrainingState state{.epoch = 2, .step = 2, .updates = 5, .seconds = 0.25, .history = {{.epoch = 1, .loss = 0.1}}};
  state.loss.add(0.3, 8);
  state.accuracy = {3, 8};
  save_checkpoint(trainer, state, file, 3, "mine");
  const std::string good = bytes_of(file);

  Model<Net> other = model_of(2);
  Trainer reader(other, SoftmaxCrossEntropy{}, Adam{});
  const auto all_of = [](auto& m, auto& t) {
    std::vector<float> all = numbers_of(m);
    for (int slot = 0; slot < 2; ++slot) all.insert(all.end(), t.memory(slot).begin(), t.memory(slot).end());
    return all;
  };
  CHECK(all_of(model, trainer) != all_of(other, reader));
  CHECK_THROWS_WITH_AS(load_checkpoint(reader, file, 3, "yours"), doctest::Contains("\"mine\"; expected \"yours\""),
                       FileError);
  CHECK_THROWS_WITH_AS(load_checkpoint(reader, file, 4, "mine"), doctest::Contains("step 2 of epoch 2 after 5"), FileError);
  const TrainingState back = load_checkpoint(reader, file, 3, "mine");
  CHECK(all_of(model, trainer) == all_of(other, reader));
  CHECK(detail::state_text(back) == detail::state_text(state));
  CHECK(reader.updates() == 5);
  const auto weights = folder.path / "w";
  save_weights(model, weights);

  // Read into models that differ in every number.
  const auto try_it = [&](const std::string& bytes) {
    put(file, bytes);
    std::fill(other.parameters().begin(), other.parameters().end(), 7.f);
    std::fill(other.state().begin(), other.state().end(), 7.f);
    std::fill(reader.memory(0).begin(), reader.memory(0).end(), 7.f);
    std::fill(reader.memory(1).begin(), reader.memory(1).end(), 7.f);
    try {
      (void)load_checkpoint(reader, file, 3, "mine");
    } catch (const FileError&) {
      const auto all = all_of(other, reader);
      REQUIRE(std::all_of(all.begin(), all.end(), [](float x) { return x == 7; }));
      return false;
    }
    REQUIRE(all_of(model, trainer) == all_of(other, reader));
    return true;
  };
  CHECK(try_it(good));
  for (std::size_t n = 0; n < good.size(); ++n) CHECK_FALSE(try_it(good.substr(0, n)));
  std::uint64_t header = 0;
  std::copy_n(good.begin(), 8, reinterpret_cast<char*>(&header));
  // Every single bit of the numbers is watched over; in the header a space may become another.
  Mutator mutate(1);
  const auto any_bit = [&](std::size_t at) { return Mutator::flipped(good, at, static_cast<unsigned>(mutate.below(8))); };
  for (std::size_t at = 8 + header; at < good.size(); ++at) CHECK_FALSE(try_it(any_bit(at)));
  for (std::size_t at = 0; at < 8 + header; ++at) (void)try_it(any_bit(at));
  for (int i = 0; i < 2000; ++i) (void)try_it(mutate(good, 900));  // the first 900: the header
  // The same of a file of weights: a bit in a tensor is told by its name.
  const std::string saved = bytes_of(weights);
  put(weights, Mutator::flipped(saved, saved.size() - 5, 3));
  CHECK_THROWS_WITH_AS(load_weights(other, weights), doctest::Contains("tensor dense/bias is damaged: its checksum is"),
                       FileError);
}

TEST_CASE("a training state is read or refused") {
  const fs::path path = "file";
  TrainingState s{.epoch = 3, .step = 1, .updates = 9, .seconds = 2};
  s.history = {{.epoch = 1, .loss = 0.5, .validation_loss = std::nan(""), .validation_accuracy = 0.25, .samples = 30},
               {.epoch = 2, .loss = 0.25, .samples = 30, .seconds = 1.5}};
  const std::string good = detail::state_text(s);
  const auto read = [&](const std::string& text) { return detail::StateReader(path, text).read(); };
  CHECK(detail::state_text(read(good)) == good);
  CHECK(read(good).history[1].seconds == 1.5);
  for (std::size_t n = 0; n < good.size(); ++n)
    if (good[n - (n > 0)] != '\n' || n == 0) CHECK_THROWS_AS(read(good.substr(0, n)), FileError);
  const Random random(3, Purpose::user);
  std::uint64_t draw = 0;
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string bad = good;
    for (std::uint32_t n = 1 + random.below(3, draw++); n > 0; --n, draw += 2)
      bad[random.below(static_cast<std::uint32_t>(bad.size()), draw)] = "0123456789 -\nxen"[random.below(16, draw + 1)];
    try {
      (void)detail::state_text(read(bad));
    } catch (const FileError& e) {
      REQUIRE(std::string(e.what()).starts_with("file: the training state is damaged: "));
      ++refused;
    }
  }
  CHECK(refused > 10000);
  CHECK(refused < 20000);
}

// --- Killed -------------------------------------------------------------------------------------------------------------

// Trains in a process of its own, which calls `each` after every step; returns how it ended, for waitpid's macros.
template <class F, class G>
int in_child(const fs::path& folder, F each, G meanwhile) {
  const ::pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    int code = 1;
    try {
      auto options = options_for(folder / "run", true);
      int step = 0;
      options.stop = [&] {
        each(++step);
        return false;
      };
      Model<Net> model = model_of();
      (void)train(model, data(30), SoftmaxCrossEntropy{}, sgd, options);
      save_weights(model, folder / "weights");
      code = 0;
    } catch (...) {
    }
    ::_exit(code);
  }
  meanwhile(child);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return status;
}
const auto nothing = [](auto) {};
bool done(int status) { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }
bool by_kill(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL; }

// Ends the run in `folder` and compares it with one that was left alone.
void check_end(const fs::path& folder) {
  static const Folder whole;
  if (!fs::exists(whole.path / "weights")) REQUIRE(done(in_child(whole.path, nothing, nothing)));
  REQUIRE(done(in_child(folder, nothing, nothing)));
  CHECK(bytes_of(folder / "weights") == bytes_of(whole.path / "weights"));
  CHECK(names_in(folder / "run") == names_in(whole.path / "run"));
  CHECK(bytes_of(folder / "run/best.safetensors") == bytes_of(whole.path / "run/best.safetensors"));
}
constexpr int asked = 3 * (steps + 3);  // how often a whole run calls stop

TEST_CASE("killed after some steps again and again, it ends in the same bits") {
  const Random random(5, Purpose::user);
  std::uint64_t draw = 0;
  int killed = 0;
  for (int round = 0; round < 12; ++round) {
    const Folder folder;
    for (int kills = 0; kills < 4; ++kills) {
      const int at = 1 + static_cast<int>(random.below(asked / 2, draw++));
      const int status =
          in_child(folder.path, [at](int step) { return step == at ? (void)::raise(SIGKILL) : void(); }, nothing);
      CHECK((done(status) || by_kill(status)));
      killed += by_kill(status);
    }
    check_end(folder.path);
  }
  CHECK(killed > 12);
}

// The parent hears of `count` steps, waits for up to two more, and kills. However slow it is, the child is still there: it
// holds still after its second step more, so that fewer than 11 calls of stop are spent on a try.
TEST_CASE("killed at any moment from outside, it ends in the same bits") {
  const Folder whole;
  const auto begin = std::chrono::steady_clock::now();
  REQUIRE(done(in_child(whole.path, nothing, nothing)));
  const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - begin;
  const auto two_steps = static_cast<std::uint32_t>(std::clamp(2 * taken.count() / asked, 1.0, 1e5));
  const Random random(6, Purpose::user);
  std::uint64_t draw = 0;
  for (int round = 0; round < 12; ++round) {
    const Folder folder;
    int killed = 0;
    for (int tries = 0; tries < 6; ++tries) {
      int pipe[2];
      REQUIRE(::pipe(pipe) == 0);
      const int count = static_cast<int>(random.below(9, draw++));
      const auto wait = random.below(two_steps, draw++);
      const int status = in_child(
          folder.path,
          [&](int step) {
            const char one = 1;
            (void)!::write(pipe[1], &one, 1);
            while (step == count + 2) ::pause();
          },
          [&](::pid_t child) {
            ::close(pipe[1]);
            char one = 0;
            for (int i = 0; i < count && ::read(pipe[0], &one, 1) == 1; ++i) {
            }
            ::usleep(wait);
            ::kill(child, SIGKILL);
          });
      ::close(pipe[0]);
      CHECK((done(status) || by_kill(status)));
      killed += by_kill(status);
    }
    CHECK(killed >= 3);  // before its end no child can get away
    check_end(folder.path);
  }
}

// The kernel kills a process whose file grows beyond its limit: in the midst of saving, at that very byte.
TEST_CASE("killed while saving, at any byte, it ends in the same bits") {
  const Random random(7, Purpose::user);
  std::uint64_t draw = 0;
  const Folder sizes;
  REQUIRE(done(in_child(sizes.path, nothing, nothing)));
  const auto size = static_cast<std::uint32_t>(fs::file_size(sizes.path / "run/step-000000024.safetensors"));
  for (int round = 0; round < 24; ++round) {
    const Folder folder;
    for (int kills = 0; kills < 2; ++kills) {
      const int at = static_cast<int>(random.below(steps, draw++));
      const ::rlim_t bytes = random.below(size - 200, draw++);
      const auto limit = [at, bytes](int step) {
        const ::rlimit most{bytes, bytes};
        if (step == at + 1) ::setrlimit(RLIMIT_FSIZE, &most);
      };
      const int status = in_child(folder.path, limit, nothing);
      CHECK(WIFSIGNALED(status));
      CHECK(WTERMSIG(status) == SIGXFSZ);
      const auto names = names_in(folder.path / "run");
      CHECK(std::any_of(names.begin(), names.end(), [](auto& name) { return name.ends_with(".tmp"); }));
    }
    check_end(folder.path);
  }
}

}  // namespace
