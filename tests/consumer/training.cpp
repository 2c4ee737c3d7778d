// SPDX-License-Identifier: BSL-1.0
// A short training with files, whose output is the same in every form of the library, to the bit. It prints the form first.
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include <strata/io/metrics_file.hpp>
#include <strata/report/report.hpp>
#include <strata/strata.hpp>

namespace {

using Network =
    strata::Sequential<strata::Input<8, 8, 1>, strata::Conv<3, 4>, strata::ReLU, strata::Flatten, strata::Dense<3>>;
using Data = strata::ArrayDataset<strata::Shape{8, 8, 1}, 3>;

Data samples(std::size_t count) {
  std::vector<float> images;
  std::vector<int> labels;
  for (std::size_t i = 0; i < count; ++i) {
    labels.push_back(static_cast<int>(i % 3));
    for (std::size_t p = 0; p < 64; ++p) images.push_back(p % 3 == i % 3 ? 1.f : static_cast<float>(i * p % 7) * 0.1f);
  }
  return {images, labels};
}

// Without the seconds, which differ from run to run.
std::string table(std::vector<strata::EpochRecord> history) {
  for (strata::EpochRecord& record : history) record.seconds = 0;
  return strata::metrics_csv(history);
}

}  // namespace

int main() {
#if defined(STRATA_COMPILED)
  std::puts("compiled");
#else
  std::puts("headers");
#endif
  const Data data = samples(24);
  strata::Model<Network> model({.batch = 8, .threads = 1, .seed = 3, .weights = strata::HeNormal{}});
  const strata::SoftmaxCrossEntropy loss{.label_smoothing = 0.1};
  const auto folder =
      std::filesystem::temp_directory_path() / ("strata-training-" + std::to_string(std::random_device{}()));
  const auto history =
      strata::train(model, data, loss, strata::AdamW{.learning_rate = strata::Cosine{.learning_rate = 0.01, .total = 6}},
                    {.epochs = 2,
                     .validation = data,
                     .augment = {.width_shift = 0.2, .horizontal_flip = true},
                     .verbose = false,
                     .checkpoint = strata::Checkpoints{.directory = folder},
                     .groups = {strata::no_decay_of_biases_and_norms()},
                     .metrics = {strata::TopK{2}}});
  std::fputs(table(history).c_str(), stdout);

  // The weights of the best epoch have checksums that depend on every bit of them.
  std::ifstream file(folder / "best.safetensors", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  std::printf("%zu bytes\n%s\n", bytes.size(), bytes.substr(8, bytes.find('}', bytes.find("strata.checksums"))).c_str());
  strata::Model<Network> again({.batch = 8, .threads = 1});
  strata::load_weights(again, folder / "best.safetensors");
  const strata::Evaluation result = strata::evaluate(again, data, loss, {.mistakes = 3});
  std::printf("%a\n%s", result.loss, result.confusion.text({}).c_str());
  strata::Report report = strata::make_report(again, data, history, result);
  for (strata::EpochRecord& record : report.history) record.seconds = 0;
  std::fputs(strata::report_html(report).c_str(), stdout);
  std::filesystem::remove_all(folder);
  return bytes.empty() ? 1 : 0;
}
