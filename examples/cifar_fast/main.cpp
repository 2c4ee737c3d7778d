// SPDX-License-Identifier: BSL-1.0
// CIFAR-10 to 94% in ten epochs: the recipe of Jordan 2024 (arXiv 2404.00498, airbench94). --help lists the options.
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include <strata/cpu_bf16.hpp>

#include "../common/exit_code.hpp"
#include "../common/sources.hpp"
#include "../common/writable.hpp"
#include "command_line.hpp"
#include "network.hpp"

using namespace strata;
using cifar_fast::Net;

const Normalize colours{{0.4914f, 0.4822f, 0.4465f}, {0.2470f, 0.2435f, 0.2616f}};

// The first convolution is not learned. Its filters are the principal components of the 2x2 patches of 5,000 images, so
// scaled that each answers with variance 1, and the same negated.
struct Whitening {
  Cifar10 images;

  void operator()(std::span<float> kernel, const TensorInfo&, const Random&) const {
    constexpr int size = 12, side = 32;
    Eigen::MatrixXd covariance = Eigen::MatrixXd::Zero(size, size);
    Eigen::VectorXd patch(size);
    double patches = 0;
    for (std::size_t image = 0; image < std::min<std::size_t>(5000, images.size()); ++image)
      for (int row = 0; row + 1 < side; ++row)
        for (int column = 0; column + 1 < side; ++column, ++patches) {
          for (int i = 0; i < size; ++i) {
            const int pixel = (row + i / 6) * side + column + i % 6 / 3, channel = i % 3;
            const double value = images.pixels(image)[static_cast<std::size_t>(pixel * 3 + channel)] / 255.0;
            patch[i] = (value - at(colours.mean, channel)) / at(colours.stddev, channel);
          }
          covariance.selfadjointView<Eigen::Lower>().rankUpdate(patch);
        }
    covariance /= patches;
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> components(covariance);  // the smallest first
    for (int f = 0; f < size; ++f) {
      const int which = size - 1 - f;
      const Eigen::VectorXd filter =
          components.eigenvectors().col(which) / std::sqrt(components.eigenvalues()[which] + 5e-4);
      for (int i = 0; i < size; ++i) {
        kernel[static_cast<std::size_t>(i * 2 * size + f)] = static_cast<float>(filter[i]);
        kernel[static_cast<std::size_t>(i * 2 * size + size + f)] = static_cast<float>(-filter[i]);
      }
    }
  }
  static std::string describe() { return "Whitening{}"; }

 private:
  static double at(const std::vector<float>& of, int channel) { return of[static_cast<std::size_t>(channel)]; }
};

// The recipe's numbers are for a rate that does not depend on momentum, and for a loss that is summed over 1,024 images.
constexpr double momentum = 0.85, per_update = 1 + 1 / (1 - momentum);
constexpr double rate = 11.5 / per_update, weight_decay = 0.0153 / 11.5;

template <class Backend>
void train_on(Arguments& a) {
  constexpr int batch = 1024;
  if (!a.processes.writes) a.save.clear();
  if (!a.save.empty()) check_can_be_written(a.save);
  const Source source = find_source("cifar10", a.data, {});
  const Cifar10 training = Cifar10::train(source.folder), test = Cifar10::test(source.folder);
  const double steps = std::ceil(a.epochs * static_cast<double>(training.size() / batch));

  Model<Net, Backend> model{
      {.batch = batch,
       .threads = a.threads,
       .seed = a.seed,
       .weights = FanInUniform{},
       .tensors = {{"conv2d/kernel", Whitening{training}}, {"conv2d_*/kernel", Dirac{FanInUniform{}}}}}};
  const PiecewiseLinear schedule{.points = {{0, 0.2 * rate}, {0.23, rate}, {1, 0.07 * rate}}, .unit = Unit::runs};
  const SGD sgd{.learning_rate = schedule, .momentum = momentum, .nesterov = true, .weight_decay = weight_decay};
  TrainOptions<Cifar10> options{.epochs = static_cast<int>(std::ceil(a.epochs)),
                                .validation = test,
                                .augment = {.alternating_flip = true, .pad_crop = 2, .reflect_border = true},
                                .normalize = colours,
                                .drop_last = true,
                                .max_steps = static_cast<std::int64_t>(steps),
                                .stop = was_interrupted,
                                .resume = a.resume,
                                .groups = {{.tensors = "conv2d/kernel", .frozen = true},
                                           {.tensors = "conv2d/bias", .trained_epochs = 3},
                                           // Shifts learn faster; a step takes as much of them away as of other weights.
                                           {.roles = {Role::shift}, .learning_rate = 64, .weight_decay = 1.0 / 64}},
                                .average = Lookahead{.every = 5, .keep = std::pow(0.95, 5), .power = 3, .first = 3},
                                .processes = a.processes.make};
  if (!a.checkpoint.empty()) options.checkpoint = Checkpoints{.directory = a.checkpoint};
  train(model, training, SoftmaxCrossEntropy{.label_smoothing = 0.2}, sgd, options);
  check_interrupted();

  const Evaluation result =
      evaluate(model, test, SoftmaxCrossEntropy{},
               {.normalize = colours, .stop = was_interrupted, .views = mirror_and_shift(), .processes = a.processes.make});
  check_interrupted();
  if (!a.save.empty()) save_weights(model, a.save, metadata_of(data_info<Cifar10>(colours)));
  std::printf("\ntest accuracy %.4f\n", result.accuracy);
}

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  Arguments a;
  if (const int code = parse(argc, argv, a); code >= 0) return code;
  return exit_code(
      "cifar_fast",
      [&] { run_together(a.processes, [&] { a.precision == "bf16" ? train_on<CpuBF16>(a) : train_on<Cpu>(a); }); },
      a.checkpoint.empty() ? "nothing was saved" : "--resume continues from the newest checkpoint in " + a.checkpoint,
      "not enough memory");
}
