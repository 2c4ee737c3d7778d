// SPDX-License-Identifier: BSL-1.0
// The parts of training on several GPUs that need none. One process, which is not started by mpirun.
#include <doctest/doctest.h>

#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/nccl.hpp>
#include <strata/strata.hpp>

#include "../unit/numbers_of.hpp"

namespace {
using namespace strata;

TEST_CASE("two processes on one GPU are refused, and the message says what to do") {
  detail::check_own_gpus({"a"});
  detail::check_own_gpus({"a", "b", "c"});
  CHECK_THROWS_WITH_AS(detail::check_own_gpus({"a", "b", "c", "b"}),
                       doctest::Contains("strata: the processes of rank 1 and 3 use the same GPU"), std::runtime_error);
}

TEST_CASE("errors of NCCL and CUDA say what failed") {
  detail::nccl_call(ncclSuccess, "adding gradients");
  CHECK_THROWS_WITH_AS(detail::nccl_call(ncclRemoteError, "adding gradients"),
                       doctest::Contains("NCCL: adding gradients: remote process"), std::runtime_error);
  CHECK_THROWS_WITH_AS(detail::cuda_call(cudaErrorInvalidValue, "cudaEventRecord"),
                       doctest::Contains("cudaEventRecord failed: cudaErrorInvalidValue"), std::runtime_error);
}

TEST_CASE("a model on the CPU is trained as by Mpi") {
  using Net = Sequential<Input<4, 4, 1>, Flatten, Dense<2>>;
  const ArrayDataset<Shape{4, 4, 1}, 2> data(std::vector<float>(16 * 16, 0.5f), std::vector<int>(16, 1));
  const auto numbers = [&](const MakeProcesses& processes) {
    Model<Net> model{{.batch = 8, .threads = 1, .seed = 1}};
    train(model, data, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.1},
          {.epochs = 2, .verbose = false, .processes = processes});
    return numbers_of(model);
  };
  const Nccl nccl{};
  CHECK(numbers(nccl) == numbers({}));
  CHECK((nccl.rank() == 0 && nccl.size() == 1 && nccl.local_rank() == 0 && nccl.device() == 0));
  CHECK(nccl.run([] { return 5; }) == 5);
  CHECK(nccl()->describe().find("Nccl{bfloat16 false, version 2") == 0);
  CHECK(Nccl{.bfloat16 = true}()->describe().find("Nccl{bfloat16 true") == 0);
  CHECK_THROWS_WITH_AS(Nccl{.timeout = 0}(), doctest::Contains("is not above 0 seconds"), std::invalid_argument);
}

TEST_CASE("without a GPU nothing is summed, and the message says why") {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0) return;
  static_cast<void>(cudaGetLastError());
  const auto processes = Nccl{}();
  REQUIRE(processes->device_sums() != nullptr);
  CHECK_THROWS_WITH_AS(processes->device_sums()->connect(), doctest::Contains(" failed: cudaError"), std::runtime_error);
  CHECK_THROWS_AS(processes->device_sums()->all_reduce(nullptr, nullptr, 1, DeviceNumber::float32), ProcessError);
}

}  // namespace
