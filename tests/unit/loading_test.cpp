// SPDX-License-Identifier: BSL-1.0
// Runs of train() that drop the last batch, mix images, load by several threads, and vary their samples: stopped anywhere
// and resumed, they end as if they had not been.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <strata/classifier.hpp>
#include <strata/data/images.hpp>
#include <strata/strata.hpp>

#include "files.hpp"
#include "numbers_of.hpp"
#include "pictures.hpp"

namespace {
using namespace strata;
namespace fs = std::filesystem;

constexpr Shape shape{6, 6, 3};
using Net = Sequential<Input<6, 6, 3>, Conv<3, 4>, ReLU, Flatten, Dense<3>>;
using Data = ArrayDataset<shape, 3>;

Data data(int count, std::uint64_t seed = 1) {
  std::vector<float> images;
  std::vector<int> labels;
  const Random random(seed, Purpose::user);
  for (int i = 0; i < count; ++i) {
    labels.push_back(i % 3);
    for (int p = 0; p < 108; ++p)
      images.push_back(0.5f * random.uniform(static_cast<std::uint64_t>(108 * i + p)) + (p % 3 == i % 3 ? 0.5f : 0.f));
  }
  return {images, labels};
}

const Augment all{.alternating_flip = true,
                  .pad_crop = 2,
                  .reflect_border = true,
                  .transforms = {RandomErasing{}, RandomRotation{}, ColorJitter{0.2, 0.2, 0.2, 0.1}},
                  .mixup = 0.4,
                  .cutmix = 1};

struct Outcome {
  std::vector<float> numbers;
  std::vector<double> losses;
  std::vector<std::int64_t> samples;
  bool operator==(const Outcome&) const = default;
};
template <class D>
Outcome outcome(const D& training, const TrainOptions<D>& options) {
  Model<Net> model{{.batch = 4, .threads = 1, .seed = 5}};
  Outcome out;
  for (const EpochRecord& r :
       train(model, training, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.02, .momentum = 0.9}, options)) {
    out.losses.insert(out.losses.end(), {r.loss, r.validation_loss.value_or(-1)});
    out.samples.push_back(r.samples);
  }
  out.numbers = numbers_of(model);
  return out;
}
template <class D>
TrainOptions<D> options_for(const D& validation, const fs::path& folder = {}) {
  TrainOptions<D> options{.epochs = 3, .validation = validation, .augment = all, .drop_last = true, .verbose = false};
  if (!folder.empty()) options.checkpoint = Checkpoints{.directory = folder, .every = 1};
  return options;
}

TEST_CASE("a run with these options is the same by any number of loaders, and after a stop anywhere") {
  const auto training = one_hot(data(30)), validation = one_hot(data(9, 2));
  const Outcome whole = outcome(training, options_for(validation));
  CHECK(whole.samples == std::vector<std::int64_t>{28, 28, 28});
  CHECK(whole.losses[4] < whole.losses[0]);
  for (const int loaders : {2, 5}) {
    auto options = options_for(validation);
    options.loader_threads = loaders;
    CHECK(outcome(training, options) == whole);
  }
  for (const int at : {1, 6, 7, 8, 13, 20}) {
    const Folder folder;
    auto options = options_for(validation, folder.path);
    options.max_steps = at;
    (void)outcome(training, options);
    options.max_steps = 0, options.resume = true;
    CHECK(outcome(training, options) == whole);
  }
}

TEST_CASE("a run goes on with the same options alone") {
  const auto training = one_hot(data(28)), validation = one_hot(data(9, 2));  // 7 full batches: drop_last changes nothing
  const Folder folder;
  auto options = options_for(validation, folder.path);
  options.max_steps = 3;
  (void)outcome(training, options);
  options.resume = true, options.max_steps = 0;
  const auto refused = [&](auto change, const char* named) {
    auto other = options;
    change(other);
    CHECK_THROWS_WITH_AS((void)outcome(training, other), doctest::Contains(named), FileError);
  };
  refused([](auto& o) { o.drop_last = false; }, "drop_last");
  refused([](auto& o) { o.augment.mixup = 0.3; }, "mixup");
  refused([](auto& o) { o.augment.reflect_border = false; }, "reflect_border");
  refused([](auto& o) { o.augment.alternating_flip = false, o.augment.horizontal_flip = true; }, "alternating_flip");
  (void)outcome(training, options);
}

TEST_CASE("options that leave nothing to train on, or cannot be, are refused") {
  const auto refused = [](const auto& training, auto options, const char* why) {
    CHECK_THROWS_WITH_AS((void)outcome(training, options), doctest::Contains(why), std::invalid_argument);
  };
  const Data plain = data(9);
  refused(data(3), TrainOptions<Data>{.drop_last = true},
          "strata: the data set to train on has less than one batch, and drop_last leaves that out");
  refused(plain, TrainOptions<Data>{.augment = {.mixup = 1}}, "a class index cannot be mixed; give train() one_hot(data)");
  refused(plain, TrainOptions<Data>{.loader_threads = -1}, "threads -1 is below 0");
}

TEST_CASE("a classifier keeps names and preprocessing with its weights") {
  const Folder folder;
  const fs::path file = folder.path / "w.safetensors", picture = folder.path / "a.png";
  std::vector<std::uint8_t> pixels;
  for (int i = 0; i < 9 * 14 * 3; ++i) pixels.push_back(static_cast<std::uint8_t>(i * i));
  write_png(picture, 9, 14, PNG_COLOR_TYPE_RGB, 8, pixels);

  Model<Net> model{{.batch = 2, .threads = 1, .seed = 3}};
  const Data set = data(3);
  const Normalize normalize{{0.4f, 0.5f, 0.6f}, {0.2f, 0.3f, 0.4f}};
  save_classifier(file, model, set, normalize);
  Classifier<Net> classifier(file);
  CHECK(classifier.classes() == std::vector<std::string>{"0", "1", "2"});
  const std::vector<float> input = to_input(read_image_file(picture), data_info(set, normalize));
  const std::span<const float> logits = model.predict(input);
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x));
  const std::vector<double> p = classifier.probabilities(read_image_file(picture));
  for (std::size_t c = 0; c < 3; ++c) CHECK(std::abs(p[c] - std::exp(static_cast<double>(logits[c])) / sum) < 1e-6);
  const auto classes = classifier.classify(picture, 2);
  REQUIRE(classes.size() == 2);
  CHECK(classes[0].probability == *std::max_element(p.begin(), p.end()));
  CHECK(classes[0].probability >= classes[1].probability);
  CHECK(classes[0].name == std::to_string(classes[0].number));
  CHECK(classifier.classify(picture, 9).size() == 3);
  CHECK_THROWS_AS((void)classifier.classify(folder.path / "none.png"), DataError);

  // From memory, after which the bytes are not needed.
  std::string held = bytes_of(file);
  Classifier<Net> built_in(in_memory(held), "built in");
  CHECK(built_in.probabilities(read_image_file(picture)) == p);
  held[held.size() - 2] ^= 1;
  CHECK_THROWS_WITH_AS(Classifier<Net>(in_memory(held), "built in"), doctest::Contains("built in: tensor"), FileError);
  std::fill(held.begin(), held.end(), '\0');
  CHECK(built_in.probabilities(read_image_file(picture)) == p);

  // Pixels, which this picture has in another order and with gaps, from the bottom up.
  std::vector<std::uint8_t> frame(9 * 64);
  for (std::size_t y = 0; y < 9; ++y)
    for (std::size_t i = 0; i < 14 * 3; ++i) frame[(8 - y) * 64 + i] = pixels[y * 14 * 3 + i / 3 * 3 + 2 - i % 3];
  const PixelView view{.pixels = &frame[8 * 64], .height = 9, .width = 14, .stride = -64, .bgr = true};
  CHECK(to_image(view).pixels == pixels);
  const auto of_frame = classifier.classify(view);
  CHECK(of_frame[0].name == classes[0].name);
  CHECK(of_frame[0].probability == classes[0].probability);

  // Sessions, in threads, which outlive the classifier.
  std::vector<std::vector<double>> by_session(3);
  {
    std::vector<ClassifierSession<Net>> sessions;
    {
      const Classifier<Net> gone(file);
      for (int i = 0; i < 3; ++i) sessions.push_back(gone.session({.batch = 1, .threads = 1}));
    }
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < 3; ++i)
      threads.emplace_back([&, i] {
        for (int n = 0; n < 5; ++n) by_session[i] = sessions[i].probabilities(read_image_file(picture));
      });
    for (std::thread& thread : threads) thread.join();
    CHECK(sessions[0].classes() == classifier.classes());
    CHECK(sessions[1].classify(picture)[0].name == classes[0].name);
  }
  for (const std::vector<double>& session : by_session) CHECK(session == p);

  // A network without names.
  DataInfo unnamed = data_info(set, normalize);
  unnamed.classes.clear();
  save_weights(model, folder.path / "unnamed", metadata_of(unnamed));
  Classifier<Net> by_number(folder.path / "unnamed");
  CHECK(by_number.classes() == std::vector<std::string>{"0", "1", "2"});
  CHECK(by_number.classify(picture)[0].number == classes[0].number);

  // Outputs of other kinds.
  const std::vector<float> outputs{-1, 0, -2};
  const auto close = [](const std::vector<double>& found, const std::vector<double>& expected) {
    for (std::size_t c = 0; c < 3; ++c) CHECK(std::abs(found[c] - expected[c]) < 1e-6);
  };
  close(detail::probabilities_of(outputs, Values::any), {0.244728, 0.665241, 0.090031});
  close(detail::probabilities_of(outputs, Values::log_probabilities), {0.367879, 1, 0.135335});
  close(detail::probabilities_of(outputs, Values::probabilities), {-1, 0, -2});

  // Other networks, other data, other files.
  using Two = Sequential<Input<6, 6, 3>, Flatten, Dense<2>>;
  Model<Two> two{{.batch = 1, .threads = 1}};
  CHECK_THROWS_WITH_AS(save_classifier(folder.path / "two", two, set),
                       "strata: the data set has 3 classes; the network has 2 outputs", std::invalid_argument);
  CHECK(!fs::exists(folder.path / "two"));
  CHECK_THROWS_WITH_AS(Classifier<Two>{file}, doctest::Contains("describes other data than its network takes"), FileError);
  using Other = Sequential<Input<6, 6, 3>, Flatten, Dense<3>>;
  CHECK_THROWS_AS(Classifier<Other>{file}, FileError);
  save_weights(model, folder.path / "bare");
  CHECK_THROWS_WITH_AS(Classifier<Net>{folder.path / "bare"}, doctest::Contains("no metadata strata.data"), FileError);
  for (float& x : model.parameters()) x = std::nanf("");
  save_classifier(file, model, set);
  Classifier<Net> broken(file);
  CHECK_THROWS_WITH_AS((void)broken.classify(picture),
                       (file.string() + ": these weights give NaN or infinity for " + picture.string()).c_str(), FileError);
}

}  // namespace
