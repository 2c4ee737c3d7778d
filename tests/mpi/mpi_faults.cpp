// SPDX-License-Identifier: BSL-1.0
// Run by mpirun: one process does something wrong. mpi_faults FAULT FOLDER [UPDATES]; faults_test.py says what must follow.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/parallel.hpp>
#include <strata/parallel/mpi_watch.hpp>
#include <strata/strata.hpp>

namespace {
using namespace strata;

using Net = Sequential<Input<8, 8, 1>, Flatten, Dense<200>, ReLU, Dense<3>>;

// Images that the class can be seen in. One of them cannot be read, or is not a number.
struct Pictures {
  static constexpr Shape image{8, 8, 1};
  static constexpr int classes = 3;
  std::size_t count = 60, unreadable = 1000, no_number = 1000;

  [[nodiscard]] std::size_t size() const { return count; }
  [[nodiscard]] int label(std::size_t i) const { return static_cast<int>(i % 3); }
  [[nodiscard]] std::vector<float> pixels(std::size_t i) const {
    if (i == unreadable) throw std::runtime_error("picture 17 cannot be read");
    std::vector<float> all(64, i == no_number ? std::numeric_limits<float>::quiet_NaN() : 0.1f);
    all[i % 3] = 1;
    return all;
  }
};

// A process does something else than the others with a Trainer or an evaluation.
void differ(const std::string& fault, const Mpi& mpi, bool odd) {
  Pictures pictures;
  const bool weights = fault == "weights", size = fault == "evaluated", batches = fault == "batches";
  if (size && odd) pictures.count = 61;
  Model<Net> model{{.batch = 6, .threads = 1, .seed = 1}};
  if (weights && odd) model.parameters()[0] += 1;
  if (weights || size) {
    evaluate(model, pictures, SoftmaxCrossEntropy{}, {.processes = mpi});
    return;
  }
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = fault == "rates" && odd ? 0.5 : 0.1});
  trainer.work_with(mpi);
  if (fault == "whole") {
    Batches<Pictures> whole(pictures, {.batch = 6});
    whole.start(0);
    trainer.learn(*whole.next(), [](const StepResult&) {});
    return;
  }
  const std::size_t n = batches && odd ? 3 : 6;
  std::vector<float> images(n * 64, 0.1f);
  std::vector<int> labels(fault == "targets" && odd ? n - 1 : n);
  if (fault == "empty" && odd) images.clear(), labels.clear();
  if (fault == "calls" && odd)
    evaluate(model, pictures, SoftmaxCrossEntropy{}, {.processes = mpi});
  else
    trainer.step(images, labels);
}

std::atomic<int> handled{0};
void handle(int number, siginfo_t* info, void*) { handled = info->si_signo == number ? number : -1; }

// The program has handlers of its own, and ignores Ctrl-C.
int keep_handlers() {
  struct sigaction own{};
  own.sa_sigaction = handle;
  own.sa_flags = SA_SIGINFO;
  sigaction(SIGTERM, &own, nullptr);
  std::signal(SIGINT, SIG_IGN);
  const Mpi mpi{};
  static_cast<void>(mpi()->all_gather(""));
  std::raise(SIGTERM);
  std::raise(SIGINT);
  const bool alarmed = alarm(0) != 0;
  static_cast<void>(mpi()->all_gather(""));
  std::printf("handled %d, alarm %d\n", handled.load(), alarmed ? 1 : 0);
  return 0;
}

// Each waits for a GPU whose work never ends, as NcclSums does. One process fails meanwhile, or is gone.
int wait_for_gpu(const std::string& fault, const Mpi& mpi, bool odd) {
  static_cast<void>(mpi()->all_gather(""));
  detail::MpiWorld& world = detail::MpiWorld::get();
  world.at_failure(&mpi, [] { std::printf("the sums are ended\n"); });
  world.at_failure(&world, [] { std::printf("forgotten\n"); });
  world.forget(&world);
  if (odd && fault == "gpu_failed") throw mpi.failed("there is no GPU here");
  if (odd && fault == "gpu_killed") std::raise(SIGKILL);
  if (odd && fault == "gpu_left") return 0;
  world.run(std::make_unique<detail::MpiWatch>([&] {
              if (odd && fault == "gpu_error") throw std::runtime_error("NCCL: an error");
              return false;
            }),
            600);
  return 0;
}

int run(const std::string& fault, const std::string& folder, std::int64_t updates) {
  if (fault == "handlers") return keep_handlers();
  const Mpi mpi{};
  const bool odd = mpi.rank() == 1;
  for (const char* different : {"weights", "evaluated", "rates", "whole", "batches", "targets", "empty", "calls"})
    if (fault == different) return differ(fault, mpi, odd), 0;
  if (fault == "lines" && odd) throw mpi.failed("one cause\nin two lines");
  if (fault.starts_with("gpu_")) return wait_for_gpu(fault, mpi, odd);
  if (fault == "leaves" && odd) return 0;
  if (fault == "before" && odd) throw mpi.failed("there is no file here");
  Model<Net> model{
      {.batch = fault == "large" ? mpi.size() - 1 : 6, .threads = 1, .seed = fault == "seed" && odd ? 2U : 1U}};
  Pictures pictures;
  if (fault == "size" && odd) pictures.count = 61;
  if (fault == "throws" && odd) pictures.unreadable = 17;
  // Only one process finds it; which one depends on the order.
  if (fault == "nan") pictures.no_number = 17;
  TrainOptions<Pictures> options{
      .epochs = 1'000'000,
      .verbose = updates > 0,  // it says where a run is resumed
      .max_steps = updates,
      .checkpoint = Checkpoints{.directory = folder,
                                .every = 5,
                                .notice = [](const std::string& text) { std::printf("%s\n", text.c_str()); }},
      .resume = true,
      .processes = mpi};
  if (fault == "options" && odd) options.clip_norm = 1;
  int steps = 0;
  if (fault == "killed")
    options.stop = [&] {
      if (++steps == 20 && odd) std::raise(SIGKILL);
      return false;
    };
  if (fault == "signal")
    options.stop = [&] {
      if (++steps != 20 || !odd) return false;
      std::raise(SIGINT);
      throw std::runtime_error("the disk is full");
    };
  if (fault == "on_epoch") options.on_epoch = [](auto) { throw std::runtime_error("the disk is full"); };
  const auto history = train(model, pictures, SoftmaxCrossEntropy{}, SGD{.learning_rate = 1e-4}, options);
  if (mpi.rank() == 0) std::printf("ended after %lld updates\n", static_cast<long long>(history.back().step));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const bool own = std::string(argv[1]) == "own";  // the program starts and ends MPI itself
  try {
    if (own) {
      int level = 0;
      MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
      const int code = run("none", argv[2], 12);
      MPI_Finalize();
      std::printf("MPI is ended\n");
      return code;
    }
    return run(argv[1], argv[2], argc > 3 ? std::atoll(argv[3]) : 0);
  } catch (const strata::ProcessError&) {  // it has been printed
    return 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "not a ProcessError: %s\n", e.what());
    return 3;
  }
}
