// SPDX-License-Identifier: BSL-1.0
// A job of the MPI thread that waits for something other than a message, such as a GPU. So a process that waits hears of
// the failure of another one.
#pragma once
#include <functional>
#include <utility>

#include <strata/core/linkage.hpp>
#include <strata/parallel/mpi_job.hpp>

namespace strata::inline STRATA_ABI::detail {

class MpiWatch final : public MpiJob {
 public:
  // done is called in the thread of MPI until it returns true. What it throws is a failure of this process.
  explicit MpiWatch(std::function<bool()> done) : done_(std::move(done)) {}
  void start(const MpiCommunicators&) override {}
  bool poll(const MpiCommunicators&, bool) override { return done_(); }

 private:
  std::function<bool()> done_;
};

}  // namespace strata::inline STRATA_ABI::detail
