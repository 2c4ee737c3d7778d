// SPDX-License-Identifier: BSL-1.0
// Why Adam starts to learn with one seed and not with another: trains row a or b of the notes for its first updates, and
// prints after every twentieth how many channels of the last convolution any image still activates. A channel that none
// does gets no gradient. --bias changes the run by rounding alone. Prints CSV.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include <strata/strata.hpp>

#include "../common/exit_code.hpp"
#include "../common/number_text.hpp"
#include "../common/options.hpp"
#include "../common/sources.hpp"
#include "../notes/experiment.hpp"

using namespace strata;

namespace {

constexpr std::size_t looked_at = 200;  // test images
constexpr int last_pool = 13;           // its element in the list of layers, after the last convolution and its ReLU
constexpr const char* last_bias = "dense_2/bias";

struct Arguments {
  std::string row, data;
  std::uint64_t seed = 1;
  int seeds = 1, updates = 80, threads = 0;
  std::vector<double> biases{0};
};

template <class Net>
int active_channels(Model<Net>& model, std::span<const float> images) {
  const std::vector<float> outputs = features<last_pool>(model, images);
  constexpr std::size_t channels = UpTo<Net, last_pool>::output.size();
  std::vector<bool> active(channels);
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i] > 0) active[i % channels] = true;
  return static_cast<int>(std::count(active.begin(), active.end(), true));
}

// The run that `notes --row a` begins with the same seed, with the biases of the last layer at `bias` instead of 0. All
// outputs get the same, so a softmax is unchanged but for rounding.
template <class Net>
void first_updates(const Arguments& a, std::uint64_t seed, double bias, const Cifar10& data,
                   std::span<const float> images) {
  const notes::Recipe recipe{.rate = notes::constant(0.001)};
  Model<Net> model{{.batch = recipe.batch,
                    .threads = a.threads,
                    .seed = seed,
                    .weights = recipe.weights,
                    .biases = recipe.biases,
                    .tensors = {{last_bias, Constant{bias}}}}};
  Trainer trainer(model, SoftmaxCrossEntropy{}, notes::optimizer_of<Adam>(recipe, a.updates));
  Batches<Cifar10> batches(data, {.batch = recipe.batch, .seed = seed, .shuffle = true, .augment = recipe.augment});
  batches.start(0);
  for (int update = 1; update <= a.updates; ++update) {
    const Batch* batch = batches.next();
    const StepResult step = trainer.step(batch->images, batch->targets);
    check_interrupted();
    const bool look = update % 20 == 0 || update == a.updates;
    std::printf("%s,%llu,%s,%s,%d,%s,%s\n", a.row.c_str(), static_cast<unsigned long long>(seed),
                shortest_text(bias).c_str(), cpu::kernel_path(), update,
                shortest_text(step.loss / static_cast<double>(step.samples)).c_str(),
                look ? std::to_string(active_channels(model, images)).c_str() : "");
  }
}

void start(const Arguments& a) {
  const auto folder = find_source("cifar10", a.data, DownloadOptions{}.base).folder;
  const Cifar10 data = Cifar10::train(folder), test = Cifar10::test(folder).subset(0, looked_at);
  Batches<Cifar10> view(test, {.batch = static_cast<int>(looked_at)});
  view.start(0);
  const Batch* images = view.next();
  std::printf("row,seed,bias,kernels,update,loss,active channels\n");
  for (const double bias : a.biases)
    for (std::uint64_t seed = a.seed; seed < a.seed + static_cast<std::uint64_t>(a.seeds); ++seed)
      (a.row == "a" ? first_updates<notes::A> : first_updates<notes::B>)(a, seed, bias, data, images->images);
}

}  // namespace

// Exit codes: 0 success, 1 failure, 2 wrong options, 130 Ctrl-C.
int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  Arguments a;
  CLI::App app{
      "The first updates of rows a and b of the notes with Adam, and the channels that are still active after them"};
  app.add_option("--row", a.row, "a or b")->required()->check(CLI::IsMember({"a", "b"}));
  app.add_option("--data", a.data,
                 "folder with cifar-10-batches-bin/; default: a cached copy, or the archive is downloaded")
      ->check(CLI::ExistingDirectory);
  app.add_option("--seed", a.seed, "the first seed")->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--seeds", a.seeds, "number of seeds")->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--updates", a.updates, "number of updates")->check(CLI::Range(1, 782))->capture_default_str();
  app.add_option("--threads", a.threads, "number of threads; 0: all usable processors")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--bias", a.biases, "initial biases of the last layer; may be repeated")->check(CLI::Number);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  return exit_code("first_updates", [&] { start(a); }, "the updates above are complete", "not enough memory");
}
