// SPDX-License-Identifier: BSL-1.0
// The AlexNet of the paper (Krizhevsky, Sutskever, Hinton 2012) as a type, with every shape asserted. It takes one training
// step on random data, or with --data DIR trains on ImageNet's folders as the paper did. Also a list of layers that is
// often copied, with a padding of 4 instead of the paper's stride of 4.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/classifier.hpp>
#include <strata/data/image_folder.hpp>
#include <strata/report/report.hpp>
#include <strata/strata.hpp>

#include "../common/exit_code.hpp"
#include "../common/run_facts.hpp"
#include "../common/writable.hpp"
#include "command_line.hpp"

using namespace strata;

using AlexNet = Sequential<Input<227, 227, 3>,                                                               //
                           Conv<11, 96, Stride<4>, Valid, Exact>, Expect<55, 55, 96>, ReLU, LRN<>,           //
                           MaxPool<3, 2, Exact>, Expect<27, 27, 96>,                                         //
                           Conv<5, 256, Groups<2>>, ReLU, LRN<>, MaxPool<3, 2, Exact>, Expect<13, 13, 256>,  //
                           Conv<3, 384>, ReLU,                                                               //
                           Conv<3, 384, Groups<2>>, ReLU,                                                    //
                           Conv<3, 256, Groups<2>>, ReLU, MaxPool<3, 2, Exact>, Expect<6, 6, 256>,           //
                           Flatten, Expect<9216>,                                                            //
                           Dense<4096>, ReLU, Dropout<0.5>,                                                  //
                           Dense<4096>, ReLU, Dropout<0.5>,                                                  //
                           Dense<1000>>;
static_assert(AlexNet::output == Shape{1000});
static_assert(AlexNet::parameters == 60'965'224);

// Padding 4 instead of stride 4 gives the sizes 225, 112, 112, 55, 55, 55, 55, 27 and thirteen times the parameters.
template <class... Check>
using PadForStride =
    Sequential<Input<227, 227, 3>, Conv<11, 96, Pad<4>>, Check..., MaxPool<3, 2>, Conv<5, 256>, MaxPool<3, 2>, Conv<3, 384>,
               Conv<3, 384>, Conv<3, 256>, MaxPool<3, 2>, Flatten, Dense<4096>, Dense<4096>, Dense<1000>>;
static_assert(PadForStride<>::parameters == 789'041'512);
static_assert(PadForStride<>::shapes[1] == Shape{225, 225, 96} && PadForStride<>::shapes[8] == Shape{27, 27, 256});
// The verdict with an Expect after the first convolution.
constexpr Diagnosis verdict = diagnose<PadForStride<Expect<55, 55, 96>>>();
static_assert(verdict.fault == Fault::shape_differs && verdict.layer == 2);
static_assert(verdict.expected_shape == Shape{55, 55, 96} && verdict.got_shape == Shape{225, 225, 96});

namespace {

using Pictures = ImageFolder<AlexNet::input>;

Model<AlexNet> model_of(int batch, int threads, std::uint64_t seed) {
  return Model<AlexNet>{{.batch = batch,
                         .threads = threads,
                         .seed = seed,
                         .weights = alexnet_paper::weights,
                         .tensors = alexnet_paper::biases()}};
}

void one_step() {
  Model<AlexNet> model = model_of(2, 0, 1);
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.01, .momentum = 0.9, .weight_decay = 0.0005});
  std::vector<float> images(static_cast<std::size_t>(2 * AlexNet::input.size()));
  const Random random(1, Purpose::user);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = random.uniform(i);
  const StepResult r = trainer.step(images, std::vector<int>{7, 999});
  std::printf("%lld parameters; loss of a first step %.4f\n", static_cast<long long>(AlexNet::parameters),
              r.loss / r.samples);
  if (!std::isfinite(r.loss)) throw std::runtime_error("the loss is NaN or infinite");
}

// Section 5 of the paper: batches of 128, momentum 0.9, weight decay 0.0005, a rate of 0.01 that is divided by ten three
// times; section 4.1: windows of pictures whose short side is 256, mirrored, with noise along the colours' components.
void train_on(const Arguments& a) {
  for (const std::string& file : {a.save, a.report}) check_can_be_written(file);
  const Pictures pictures(std::filesystem::path(a.data) / "train", {.short_side = 256});
  const Pictures validation(std::filesystem::path(a.data) / "val", {.short_side = 256, .classes = pictures.class_names()});
  const Pictures training = pictures.varied(RandomCrop{.short_side = 256});
  std::printf("%zu training and %zu validation pictures of %d classes\n", training.size(), validation.size(),
              training.class_count());
  // As the paper's inputs: bytes minus a mean, here that of each colour over ImageNet.
  const Normalize centred{{0.485f, 0.456f, 0.406f}, {1 / 255.f, 1 / 255.f, 1 / 255.f}};

  Model<AlexNet> model = model_of(a.batch, a.threads, a.seed);
  const auto batch = static_cast<std::size_t>(a.batch), steps = (training.size() + batch - 1) / batch;
  const auto quarter = static_cast<std::int64_t>(steps) * a.epochs / 4;
  const StepDecay rate{.learning_rate = a.learning_rate, .factor = 0.1, .every = quarter > 0 ? quarter : 1};
  TrainOptions<Pictures> options{.epochs = a.epochs,
                                 .validation = validation,
                                 .augment = {.horizontal_flip = true, .transforms = {PcaColorNoise{}}},
                                 .normalize = centred,
                                 .max_steps = a.max_steps,
                                 .stop = was_interrupted,
                                 .resume = a.resume,
                                 .metrics = {TopK{5}}};
  if (!a.checkpoint.empty())
    options.checkpoint = Checkpoints{
        .directory = a.checkpoint, .every = a.checkpoint_every, .metadata = metadata_of(data_info(validation, centred))};
  const auto history = train(model, training, SoftmaxCrossEntropy{},
                             SGD{.learning_rate = rate, .momentum = 0.9, .weight_decay = 0.0005}, options);
  check_interrupted();
  if (!a.save.empty()) save_classifier(a.save, model, validation, centred);
  const auto [result, per_second] =
      timed_evaluation(model, validation, SoftmaxCrossEntropy{},
                       {.normalize = centred, .stop = was_interrupted, .mistakes = 40, .metrics = {TopK{5}}});
  check_interrupted();
  std::printf("\nvalidation accuracy %.4f, among the first five %.4f\n", result.accuracy, result.metrics[0].value);
  if (a.report.empty()) return;
  Report report = make_report(model, validation, history, result);
  report.title = "AlexNet on ImageNet";
  add_run_facts(report, a.command, hardware(model), per_second);
  write_report(a.report, report);
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  Arguments a;
  if (const int code = parse(argc, argv, a); code >= 0) return code;
  return exit_code(
      "alexnet_imagenet", [&] { a.data.empty() ? one_step() : train_on(a); },
      a.checkpoint.empty() ? "nothing was written" : "--resume continues from the last checkpoint",
      "not enough memory; take a smaller --batch");
}
