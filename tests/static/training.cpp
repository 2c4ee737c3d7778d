// SPDX-License-Identifier: BSL-1.0
// Training as it is meant to be written, on every data set there is: compiled, never run.
#include <filesystem>
#include <vector>

#include <strata/io/metrics_file.hpp>
#include <strata/report/report.hpp>
#include <strata/strata.hpp>

namespace {
using namespace strata;

template <int Classes>
using Net = Sequential<Input<32, 32, 3>, GlobalAvgPool, Dense<Classes>>;

template <class Data>
[[maybe_unused]] double learn(const std::filesystem::path& dir, const std::vector<float>& images) {
  Model<Net<Data::classes>> model{{.batch = 128, .threads = 2, .seed = 1}};
  train(model, Data::train(dir), SoftmaxCrossEntropy{},
        SGD{.learning_rate = InverseTimeDecay{0.01, 0.0005}, .momentum = 0.9},
        {.epochs = 20, .validation = Data::test(dir)});
  train(model, Data::train(dir), SoftmaxCrossEntropy{}, AdamW{.learning_rate = WarmUp{Cosine{0.001, 1000}, 100}});
  const Evaluation e = evaluate(model, Data::test(dir));
  evaluate(model, Data::test(dir), MeanSquaredError{}, {.normalize = {{0.5f, 0.5f, 0.5f}, {}}});
  const auto history = train(model, Data::train(dir), SoftmaxCrossEntropy{}, SGD{},
                             {.on_epoch = [](auto epochs) { write_metrics("metrics.csv", epochs); }});
  const Evaluation result = evaluate(model, Data::test(dir), SoftmaxCrossEntropy{}, {.mistakes = 40});
  write_report("report.html", make_report(model, Data::test(dir), history, result, Data::class_names));
  return e.accuracy + static_cast<double>(model.predict(images)[0]);
}
[[maybe_unused]] constexpr auto fine = &learn<Cifar100<Fine>>;
[[maybe_unused]] constexpr auto coarse = &learn<Cifar100<Coarse>>;
[[maybe_unused]] constexpr auto ten = &learn<Cifar10>;

}  // namespace
