// SPDX-License-Identifier: BSL-1.0
// Trains AlexNet for 32x32 images on CIFAR-10, CIFAR-100 or Fashion-MNIST. --help lists the options.
#include <cstdio>
#include <stdexcept>
#include <string>

#include "../common/exit_code.hpp"
#include "../common/sources.hpp"
#include "command_line.hpp"
#include "cpu_bf16.hpp"
#include "cuda.hpp"
#include "training.hpp"

using namespace alexnet_cifar;

namespace {

// Throws std::invalid_argument for values that no optimizer or schedule accepts.
void check_recipe(const Arguments& a) {
  with_optimizer(a, a.learning_rate, [](const auto& optimizer) { optimizer.validate(); });
  schedule_of(a, 1'000'000).validate();
}

// Reports mistakes before an hour of training, not after it.
void check(const Arguments& a) {
  if (!a.load.empty()) SafetensorsFile{a.load};
  check_outputs(a);
}

void describe(const Arguments& a) {
  const auto print = []<class Net>() { std::printf("%s", std::string(summary<Net>()).c_str()); };
  a.dataset == "cifar100" ? with_network<100>(a.dropout, print) : with_network<10>(a.dropout, print);
}

void start(Arguments& a) {
  if (a.any_gpu && a.processes.gpu >= 0) a.gpu = a.processes.gpu;
  if (!a.processes.writes) a.save = a.report = a.metrics = a.tensorboard = "";
  if (a.describe) return describe(a);
  check(a);
  const Source source = find_source(a.dataset, a.data, a.mirror);
  std::printf("%s from %s\n", source.dataset.c_str(), source.folder.c_str());
  if (a.device == "cpu") {
    const auto train_on_cpu = a.precision == "bf16" ? &train_on_cpu_bf16 : &train_on<Cpu>;
    return train_on_cpu(a, source.dataset, source.folder);
  }
#if defined(ALEXNET_CIFAR_CUDA)
  const auto train_on_gpu = a.precision == "bf16"      ? &train_on_cuda_bf16
                            : a.precision == "float32" ? &train_on_cuda_float32
                                                       : &train_on_cuda_tf32;
  train_on_gpu(a, source.dataset, source.folder);
#endif
}

}  // namespace

// Exit codes: 0 success, 1 failure, 2 wrong options, 130 Ctrl-C.
int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // a pipe receives each line at once
  Arguments a;
  if (const int code = parse(argc, argv, a); code >= 0) return code;
#if !defined(ALEXNET_CIFAR_CUDA)
  if (a.device == "cuda") {
    std::fprintf(stderr, "alexnet_cifar: --device cuda: this program was built without the CUDA toolkit and cuDNN\n");
    return 2;
  }
#endif
  try {
    check_recipe(a);
  } catch (const std::invalid_argument& e) {
    std::fprintf(stderr, "%s\nRun with --help for more information.\n", e.what());
    return 2;
  }
  return exit_code(
      "alexnet_cifar", [&] { run_together(a.processes, [&] { start(a); }); },
      a.checkpoint.empty() ? "nothing was saved" : "--resume continues from the newest checkpoint in " + a.checkpoint,
      "not enough memory; try a smaller --batch");
}
