// SPDX-License-Identifier: BSL-1.0
// Checkpoints of train(), in a directory that belongs to one run. It has step-<updates>.safetensors, the newest few, and,
// if there is a validation, best.safetensors: the weights alone, as save_weights writes them, of the best epoch
// (best_epoch()). A damaged file gets ".damaged" added to its name; a file whose next loss is NaN or infinite gets
// ".not-finite".
#pragma once
#include <strata/core/errors.hpp>
#include <strata/core/linkage.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include <strata/io/checkpoint_file.hpp>
#include <strata/training/run.hpp>

namespace strata::inline STRATA_ABI {

// For TrainOptions::checkpoint: {.checkpoint = Checkpoints{.directory = "run"}}.
struct Checkpoints {
  std::filesystem::path directory{};  // created if it is missing
  std::int64_t every = 0;             // updates between checkpoints; there is also one after each epoch and at the end
  int keep = 3;                       // how many checkpoints to keep, the newest
  // Called with a line about each file that is skipped, and why. Without it the line is printed on stderr.
  std::function<void(const std::string&)> notice{};
  // Added to every file; metadata_of(data_info<Data>()) makes a file that can be used without the data.
  std::map<std::string, std::string> metadata{};

  // A MakeCheckpointer. Throws std::invalid_argument for options out of range, std::system_error or std::runtime_error if
  // the directory cannot be used or has checkpoints of a run that is not resumed.
  std::unique_ptr<Checkpointer> operator()(TrainingRun run, bool resume) const;
};

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/io/checkpoint_impl.hpp>
#endif
