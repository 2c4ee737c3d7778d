// SPDX-License-Identifier: BSL-1.0
// The processes of MPI as training sees them.
#pragma once
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
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
  std::optional<bool> split_update;
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
  // On several machines a slow network may take longer for the parameters than the update takes, and cannot send them while
  // gradients are computed. Parameters are sent in float32, so that bfloat16 would gain less.
  [[nodiscard]] bool splits_update(bool by_train) const override {
    return options_.split_update.value_or(by_train && world_.one_machine() && !options_.bfloat16);
  }
  void all_reduce(std::span<float> values, Wire wire) override { sum(values, wire, false); }
  void all_reduce(std::span<double> values, Wire wire) override { sum(values, wire, false); }
  void reduce_pieces(std::span<float> values, Wire wire) override { sum(values, wire, true); }
  void reduce_pieces(std::span<double> values, Wire wire) override { sum(values, wire, true); }
  void gather_pieces(std::span<float> values) override { gather(values); }
  void gather_pieces(std::span<double> values) override { gather(values); }
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
           ", synchronized_batch_norm " + word(options_.synchronized_batch_norm) + ", split_update " +
           (options_.split_update ? word(*options_.split_update) : "automatic") + ", parts " +
           std::to_string(options_.parts) + "}";
  }

 private:
  template <class T>
  void sum(std::span<T> values, Wire wire, bool pieces) {
    if (size() == 1 || values.empty()) return;
    if constexpr (std::is_same_v<T, float>)
      if (options_.bfloat16 && wire != Wire::exact)
        return world_.begin(std::make_unique<MpiAllReduce<T, Bf16>>(values, world_.buffers(), pieces));
    world_.begin(std::make_unique<MpiAllReduce<T, T>>(values, world_.buffers(), pieces));
  }
  template <class T>
  void gather(std::span<T> values) {
    if (size() > 1 && !values.empty()) world_.begin(std::make_unique<MpiGatherPieces<T>>(values));
  }

  MpiWorld& world_ = MpiWorld::get();
  MpiOptions options_;
};

}  // namespace strata::inline STRATA_ABI::detail
