// SPDX-License-Identifier: BSL-1.0
// bench_gpu_step: AlexNet on a GPU by strata's public face: Model, Trainer, train. See --help. As the peers, it prints
// one line a measurement, as key=value; `peer=strata version=... mode=...` and
//   mode=card   card=... capability=... driver=... runtime=... cudnn=...  (the CUDA version that the driver is made for)
//   mode=check  precision=... parameters=... logits=... losses=...
//   mode=start  batch=... precision=... setup_ms=... first_ms=... second_ms=... parameters=... learn=first,last
//   mode=train  batch=... precision=... ms=... (a step, of each block)     mode=graph: the captured step, back to back
//   mode=epoch  batch=... precision=... seconds=... first=... images=... data=... learn=first,last
// Then a line `ready`, and `done` after each round. Exit code 77: there is no GPU to measure.
#include <cuda_runtime_api.h>
#include <cudnn_graph.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <strata/backend/cuda/error.hpp>
#include <strata/backend/cuda/precision.hpp>
#include <strata/data/cifar.hpp>
#include <strata/util/version.hpp>

#include "job.hpp"

namespace bench {

// In the sources named after them.
extern template struct Jobs<strata::cuda::TF32>;
extern template struct Jobs<strata::cuda::BFloat16>;
extern template struct Jobs<strata::cuda::Float32>;

namespace {

using Clock = std::chrono::steady_clock;

std::unique_ptr<Job> job_at(const std::string& precision, const Data& data, const JobSetup& setup) {
  if (precision == "tf32") return Jobs<strata::cuda::TF32>::make(data, setup);
  if (precision == "bf16") return Jobs<strata::cuda::BFloat16>::make(data, setup);
  return Jobs<strata::cuda::Float32>::make(data, setup);
}
CheckResult check_at(const std::string& precision, const Data& data, const JobSetup& setup) {
  if (precision == "tf32") return Jobs<strata::cuda::TF32>::check(data, setup);
  if (precision == "bf16") return Jobs<strata::cuda::BFloat16>::check(data, setup);
  return Jobs<strata::cuda::Float32>::check(data, setup);
}

void begin_line(const char* mode) { std::printf("peer=strata version=%s mode=%s", strata::version.data(), mode); }
void end_line() {
  std::printf("\n");
  std::fflush(stdout);
}

void print_card(int index) {
  cudaDeviceProp properties{};
  int driver = 0, runtime = 0;
  strata::cuda::check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  strata::cuda::check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  strata::cuda::check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  std::string name = properties.name;
  std::replace(name.begin(), name.end(), ' ', '_');
  begin_line("card");
  const auto cudnn = cudnnGetVersion();  // the library's: 91900
  std::printf(" card=%s capability=%d.%d driver=%s runtime=%s cudnn=%zu.%zu.%zu", name.c_str(), properties.major,
              properties.minor, strata::cuda::detail::cuda_version(driver).c_str(),
              strata::cuda::detail::cuda_version(runtime).c_str(), cudnn / 10000, cudnn / 100 % 100, cudnn % 100);
  end_line();
}

Images read_images(const StepOptions& o) {
  if (o.cifar.empty()) return made_images(static_cast<std::size_t>(o.images));
  const auto cifar = strata::Cifar10::train(o.cifar);
  const std::size_t count = std::min(cifar.size(), static_cast<std::size_t>(o.images));
  std::vector<std::uint8_t> images;
  std::vector<int> labels;
  images.reserve(count * pixels);
  for (std::size_t i = 0; i < count; ++i) {
    const auto p = cifar.pixels(i);
    images.insert(images.end(), p.begin(), p.end());
    labels.push_back(cifar.label(i));
  }
  return Images(std::move(images), std::move(labels));
}

struct Measured {
  std::string precision;
  int batch;
  std::unique_ptr<Job> job;
};

// The network ready to train and its first steps, each by itself: the first makes plans, the second captures.
Measured start(const std::string& precision, int batch, const Data& data, const StepOptions& o) {
  const auto at = [](auto begin) { return milliseconds_since(begin); };
  auto begin = Clock::now();
  Measured m{precision, batch, job_at(precision, data, {.batch = batch, .device = o.device, .autotune = o.autotune})};
  const double setup = at(begin);
  std::vector<double> first, losses;
  for (int i = 0; i < 2; ++i) {
    begin = Clock::now();
    m.job->step(i);
    losses.push_back(m.job->finish());
    first.push_back(at(begin));
  }
  for (int i = 2; i < 30; ++i) {
    m.job->step(i);
    losses.push_back(m.job->finish());
  }
  begin_line("start");
  std::printf(" batch=%d precision=%s setup_ms=%.6g first_ms=%.6g second_ms=%.6g parameters=%zu", batch, precision.c_str(),
              setup, first[0], first[1], m.job->parameters());
  print_list("learn", {(losses[0] + losses[1] + losses[2]) / 3, (losses[27] + losses[28] + losses[29]) / 3});
  end_line();
  return m;
}

void measure_round(std::vector<Measured>& jobs, const Images& images, std::uint64_t sum, const StepOptions& o) {
  for (Measured& m : jobs) {
    const auto line = [&](const char* mode) {
      begin_line(mode);
      std::printf(" batch=%d precision=%s", m.batch, m.precision.c_str());
    };
    const auto wait = [&] { static_cast<void>(m.job->finish()); };
    m.job->restart();
    const auto steps = measure_blocks(o.seconds, [&](int i) { m.job->step(i); }, wait);
    line("train");
    print_list("ms", steps);
    end_line();
    const auto replays = measure_blocks(o.seconds / 2, [&](int) { m.job->replay(); }, wait);
    line("graph");
    print_list("ms", replays);
    end_line();
    if (o.epochs == 0) continue;
    const auto records = m.job->epochs(images, o.epochs);
    std::vector<double> seconds;
    for (std::size_t i = 1; i < records.size(); ++i) seconds.push_back(records[i].seconds);
    line("epoch");
    std::printf(" first=%.6g images=%zu data=%llu", records.front().seconds, images.size(),
                static_cast<unsigned long long>(sum));
    print_list("seconds", seconds);
    print_list("learn", {records.front().loss, records.back().loss});
    end_line();
  }
}

int run_step(const StepOptions& o) {
  int devices = 0;
  const cudaError_t code = cudaGetDeviceCount(&devices);
  if (code != cudaSuccess || devices == 0) {
    std::fprintf(stderr, "bench_gpu_step: SKIPPED: %s\n",
                 strata::cuda::no_device_message(code == cudaSuccess ? cudaErrorNoDevice : code).c_str());
    return 77;
  }
  if (o.device >= devices) throw std::runtime_error(strata::cuda::no_such_device_message(o.device, devices));
  // The driver's own start is nobody's.
  strata::cuda::check(cudaSetDevice(o.device), "cudaSetDevice");
  strata::cuda::check(cudaFree(nullptr), "cudaFree");
  print_card(o.device);
  const Data data = Data::read(o.data);
  if (o.check) {
    for (const std::string& precision : o.precisions) {
      const CheckResult result = check_at(precision, data, {.device = o.device, .autotune = o.autotune});
      begin_line("check");
      std::printf(" precision=%s parameters=%zu", precision.c_str(), result.parameters);
      print_list("logits", result.logits);
      print_list("losses", result.losses);
      end_line();
    }
    return 0;
  }
  std::vector<Measured> jobs;
  for (const std::string& precision : o.precisions)
    for (const int batch : o.batches) jobs.push_back(start(precision, batch, data, o));
  const Images images = o.epochs > 0 ? read_images(o) : Images{};
  const std::uint64_t sum = sum_of(images);
  const auto round = [&] {
    measure_round(jobs, images, sum, o);
    std::printf("done\n");
    std::fflush(stdout);
  };
  std::printf("ready\n");
  std::fflush(stdout);
  if (!o.serve) {
    round();
    return 0;
  }
  for (std::string word; std::cin >> word;)
    if (word == "round") round();
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) try {
  const std::vector<const char*> arguments(argv + 1, argv + argc);
  bench::StepOptions options;
  try {
    options = bench::parse_step_options(arguments);
  } catch (const std::runtime_error& e) {
    std::fprintf(stderr, "bench_gpu_step: %s\n", e.what());
    return 2;
  }
  if (options.help) {
    std::fputs(bench::step_help, stdout);
    return 0;
  }
  return bench::run_step(options);
} catch (const std::exception& e) {
  std::fprintf(stderr, "bench_gpu_step: %s\n", e.what());
  return 1;
}
