// SPDX-License-Identifier: BSL-1.0
// The processes of MPI, with sums of gradients by NCCL.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/parallel/nccl_sums.hpp>
#include <strata/training/processes.hpp>

namespace strata::inline STRATA_ABI::detail {

class NcclProcesses final : public Processes {
 public:
  NcclProcesses(std::shared_ptr<Processes> host, bool bfloat16, double timeout)
      : host_(std::move(host)), sums_(*host_, bfloat16, timeout) {}

  [[nodiscard]] int rank() const override { return host_->rank(); }
  [[nodiscard]] int size() const override { return host_->size(); }
  void all_reduce(std::span<float> values, Wire wire) override { host_->all_reduce(values, wire); }
  void all_reduce(std::span<double> values, Wire wire) override { host_->all_reduce(values, wire); }
  void wait() override { host_->wait(); }
  [[nodiscard]] DeviceSums* device_sums() override { return &sums_; }
  [[nodiscard]] std::vector<std::string> all_gather(std::string_view own) override { return host_->all_gather(own); }
  void broadcast(std::span<std::byte> bytes) override { host_->broadcast(bytes); }
  [[nodiscard]] ProcessError failed(const std::string& cause) override { return host_->failed(cause); }
  // NCCL of one version connects to no other.
  [[nodiscard]] std::string describe() const override {
    int version = 0;
    nccl_call(ncclGetVersion(&version), "version");
    return std::string("Nccl{bfloat16 ") + (sums_.bfloat16() ? "true" : "false") + ", version " + std::to_string(version) +
           "}";
  }

 private:
  std::shared_ptr<Processes> host_;
  NcclSums sums_;
};

}  // namespace strata::inline STRATA_ABI::detail
