// SPDX-License-Identifier: BSL-1.0
// Pictures of your own: trains on a folder with a folder for each class, and labels other pictures. The number of classes
// is part of the network's type: examples/run.sh counts them and builds this program for so many.
#include <cstdio>
#include <stdexcept>
#include <string>

#include <strata/data/image_folder.hpp>
#include <strata/report/report.hpp>
#include <strata/strata.hpp>

#include "../common/exit_code.hpp"
#include "../common/picture_arguments.hpp"
#include "../common/print_classes.hpp"
#include "../common/run_facts.hpp"
#include "../common/writable.hpp"

using namespace strata;

#if !defined(STRATA_CLASSES)
#define STRATA_CLASSES 2
#endif

using Norm = BatchNormOf<Momentum<0.9>>;  // a small folder has few steps to find the statistics in
template <int Filters>                    // halves the sides
using Stage = Sequential<MaxPool<2>, Conv<3, Filters, NoBias>, Norm, ReLU,
                         Residual<Conv<3, Filters, NoBias>, Norm, ReLU, Conv<3, Filters, NoBias>, Norm>, ReLU>;
using Net = Sequential<Input<64, 64, 3>, Conv<3, 32, NoBias>, Norm, ReLU,  //
                       Stage<64>, Stage<128>, Stage<256>, GlobalAvgPool, Dropout<0.2>, Dense<STRATA_CLASSES>>;
using Pictures = ImageFolder<Net::input>;
// Mean and deviation of the colours of photos, over ImageNet.
const Normalize colours{{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};

void train_on(const PictureArguments& a) {
  for (const std::string& file : {a.save, a.report}) check_can_be_written(file);
  const Pictures found(a.folder, {.short_side = 72});
  if (found.class_count() != Net::output.channels)
    throw std::runtime_error(
        a.folder + ": " + std::to_string(found.class_count()) +
        " classes; this program was built for another number (examples/run.sh builds it for a folder)");
  const Pictures pictures = found.without_broken(a.threads);
  auto [training, test] = random_split(pictures, 0.1, a.seed);
  training = training.with(pictures.varied(RandomResizedCrop{.least_area = 0.3}));
  std::printf("%zu training and %zu test pictures of %d classes\n", training.size(), test.size(), found.class_count());

  Model<Net> model{{.batch = a.batch, .threads = a.threads, .seed = a.seed}};
  const auto batch = static_cast<std::size_t>(a.batch), steps = (training.size() + batch - 1) / batch;
  const OneCycle rate{.max = a.learning_rate, .total = static_cast<std::int64_t>(steps) * a.epochs};
  const auto history = train(model, training, SoftmaxCrossEntropy{}, AdamW{.learning_rate = rate, .weight_decay = 0.01},
                             {.epochs = a.epochs,
                              .validation = test,
                              .augment = {.horizontal_flip = true, .transforms = {ColorJitter{0.2, 0.2, 0.2}}},
                              .normalize = colours,
                              .stop = was_interrupted});
  check_interrupted();
  const auto [result, per_second] =
      timed_evaluation(model, test, SoftmaxCrossEntropy{}, {.normalize = colours, .stop = was_interrupted, .mistakes = 40});
  check_interrupted();
  std::printf("\ntest accuracy %.4f\n", result.accuracy);
  if (!a.save.empty()) save_classifier(a.save, model, test, colours);
  if (a.report.empty()) return;
  Report report = make_report(model, test, history, result);
  report.title = "Pictures of " + pictures.name();
  add_run_facts(report, a.command, hardware(model), per_second);
  write_report(a.report, report);
}

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  PictureArguments a;
  if (const int code = parse(argc, argv, a); code >= 0) return code;
  int failed = 0;
  const auto run = [&] {
    if (a.train) return train_on(a);
    Classifier<Net> classifier(a.weights, {.batch = 1, .threads = a.threads});
    failed = print_classes("own_pictures", classifier, a.pictures, a.top);
  };
  const int code = exit_code("own_pictures", run, "nothing was written", "not enough memory; take a smaller --batch");
  return failed > 0 ? 1 : code;
}
