// SPDX-License-Identifier: BSL-1.0
// The checkpoints of several processes: rank 0 has the files, the others get what it reads.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/training/processes.hpp>
#include <strata/training/run.hpp>

namespace strata::inline STRATA_ABI::detail {

class SharedCheckpointer final : public Checkpointer {
 public:
  // all_save: every process takes part in a checkpoint, and must know when one is due.
  SharedCheckpointer(Processes& processes, TrainingRun run, const MakeCheckpointer& make, bool resume, bool all_save)
      : processes_(processes), tensors_(run.tensors), weights_(run.weights), all_save_(all_save) {
    if (processes.rank() == 0) own_ = make(std::move(run), resume);
  }
  std::optional<TrainingState> resume(int epochs, std::int64_t max_steps) override;
  [[nodiscard]] std::string where() const override { return own_ ? own_->where() : where_; }
  [[nodiscard]] bool due(std::int64_t updates) const override;
  void save(const TrainingState& state) override {
    if (own_) own_->save(state);
  }
  void save_best() override {
    if (own_) own_->save_best();
  }
  [[nodiscard]] std::vector<std::vector<float>> best() override;
  void set_aside(std::int64_t updates) override {
    if (own_) own_->set_aside(updates);
  }

 private:
  Processes& processes_;
  std::vector<RunTensor> tensors_;
  std::size_t weights_;
  bool all_save_;
  std::string where_;                  // of rank 0
  std::unique_ptr<Checkpointer> own_;  // of rank 0 alone
};

// A state as bytes, for processes of the same program.
[[nodiscard]] std::string packed_state(const TrainingState& state);
[[nodiscard]] TrainingState unpacked_state(const std::string& bytes);

}  // namespace strata::inline STRATA_ABI::detail

#if !defined(STRATA_COMPILED)
#include <strata/training/shared_checkpointer_impl.hpp>
#endif
