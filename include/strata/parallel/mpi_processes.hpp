// SPDX-License-Identifier: BSL-1.0
// The processes of MPI as training sees them.
#pragma once
#include <cstddef>
#include <limits>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <strata/core/bf16.hpp>
#include <strata/core/linkage.hpp>
#include <strata/parallel/mpi_job.hpp>
#include <strata/parallel/mpi_world.hpp>
#include <strata/training/processes.hpp>

namespace strata::inline STRATA_ABI::detail {

// The options of Mpi, checked.
struct MpiOptions {
  bool bfloat16, reproducible, synchronized_batch_norm;
  int parts;
  double timeout;
};

class MpiProcesses final : public Processes {
 public:
  explicit MpiProcesses(const MpiOptions& options) : options_(options) {}

  [[nodiscard]] int rank() const override { return world_.rank(); }
  [[nodiscard]] int size() const override { return world_.size(); }
  [[nodiscard]] int parts() const override { return options_.parts; }
  [[nodiscard]] bool reproducible() const override { return options_.reproducible; }
  [[nodiscard]] bool synchronizes_batch_norm() const override { return options_.synchronized_batch_norm; }
  void all_reduce(std::span<float> values, Wire wire) override { sum(values, wire); }
  void all_reduce(std::span<double> values, Wire wire) override { sum(values, wire); }
  void wait() override {
    if (size() > 1) world_.wait(options_.timeout);
  }
  [[nodiscard]] std::vector<std::string> all_gather(std::string_view own) override {
    if (size() == 1) return {std::string(own)};
    if (own.size() > static_cast<std::size_t>(std::numeric_limits<int>::max() / size()))
      throw std::length_error("strata: the outputs of a batch are too many bytes to be gathered; take a smaller batch");
    std::vector<std::string> all;
    world_.run(std::make_unique<MpiAllGather>(own, all), options_.timeout);
    return all;
  }
  void broadcast(std::span<std::byte> bytes) override {
    if (size() > 1) world_.run(std::make_unique<MpiBroadcast>(bytes), options_.timeout);
  }
  [[nodiscard]] ProcessError failed(const std::string& cause) override { return world_.failed(cause); }
  [[nodiscard]] std::string describe() const override {
    const auto word = [](bool value) { return value ? "true" : "false"; };
    return std::string("Mpi{bfloat16 ") + word(options_.bfloat16) + ", reproducible " + word(options_.reproducible) +
           ", synchronized_batch_norm " + word(options_.synchronized_batch_norm) + ", parts " +
           std::to_string(options_.parts) + "}";
  }

 private:
  template <class T>
  void sum(std::span<T> values, Wire wire) {
    if (size() == 1 || values.empty()) return;
    if constexpr (std::is_same_v<T, float>)
      if (options_.bfloat16 && wire != Wire::exact)
        return world_.begin(std::make_unique<MpiAllReduce<T, Bf16>>(values, world_.buffers()));
    world_.begin(std::make_unique<MpiAllReduce<T, T>>(values, world_.buffers()));
  }

  MpiWorld& world_ = MpiWorld::get();
  MpiOptions options_;
};

}  // namespace strata::inline STRATA_ABI::detail
