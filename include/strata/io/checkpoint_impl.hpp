// SPDX-License-Identifier: BSL-1.0
// The functions of checkpoint.hpp.
#pragma once
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/io/checkpoint.hpp>
#include <strata/io/checkpoint_file.hpp>
#include <strata/io/weights_file.hpp>
#include <strata/training/recipe.hpp>
#include <strata/util/file_error.hpp>
#include <strata/util/open_file.hpp>
#include <strata/util/system.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

class CheckpointFiles final : public Checkpointer {
 public:
  // Creates the directory, locks it against other runs until this is destroyed, and removes temporary files of killed runs.
  CheckpointFiles(Checkpoints options, TrainingRun run, bool resume)
      : options_(std::move(options)), run_(std::move(run)), recipe_(recipe_text(run_)) {
    if (options_.directory.empty()) throw std::invalid_argument("strata: checkpoints need a directory");
    if (options_.every < 0 || options_.keep < 1)
      throw std::invalid_argument("strata: checkpoints every " + std::to_string(options_.every) + " updates, the newest " +
                                  std::to_string(options_.keep) + " kept; expected 0 or more, and 1 or more");
    const std::string directory = options_.directory.string();
    std::filesystem::create_directories(options_.directory);
    lock_.emplace(options_.directory, os::OpenFor::directory);
    if (!lock_->try_lock()) throw std::runtime_error(directory + ": another run is writing its checkpoints here");
    if (!resume && (!steps().empty() || std::filesystem::exists(best_file())))
      throw std::runtime_error(directory +
                               ": there are checkpoints of an earlier run; resume it, or name another directory");
    for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
      const std::string name = entry.path().filename().string();
      if (name.ends_with(".tmp") && (name.starts_with(".step-") || name.starts_with(".best.")))
        std::filesystem::remove(entry.path());
    }
  }

  [[nodiscard]] std::string where() const override { return file(saved_.updates).string(); }
  [[nodiscard]] bool due(std::int64_t updates) const override {
    return options_.every > 0 && updates % options_.every == 0;
  }

  // Restores the newest undamaged file; null if there is no file. Newer, damaged files get ".damaged" added to their names,
  // and a notice. Throws FileError, and changes nothing, if all files are damaged or set aside, one cannot be opened, or
  // the newest undamaged one belongs to another run or is beyond the end of this one.
  std::optional<TrainingState> resume(int epochs, std::int64_t max_steps) override {
    std::vector<std::pair<std::filesystem::path, std::string>> damaged;
    std::optional<FileError> first;
    for (const std::int64_t step : steps()) {
      std::optional<CheckpointContent> content;
      try {
        content = read_checkpoint(file(step));
      } catch (const OtherVersion&) {
        throw;
      } catch (const FileError& e) {
        if (!std::ifstream(e.path())) throw;  // it cannot be read (permissions, a lost disk) and may be undamaged
        if (!first) first = e;
        damaged.emplace_back(e.path(), e.what());
        continue;
      }
      check_fits(*content, run_, recipe_);
      check_not_beyond(content->path, content->state, epochs, max_steps);
      restore(*content, run_);
      for (const auto& [path, why] : damaged) {
        std::filesystem::rename(path, path.string() + ".damaged");
        notice(why + "; it is now " + path.filename().string() + ".damaged, and the previous one is used");
      }
      if (const std::string& kernels = content->metadata["strata.kernels"]; kernels != run_.kernels)
        notice(content->path.string() + ": written with the kernels " + kernels + ", continued with " + run_.kernels +
               ": the last digits will differ from an uninterrupted run");
      remember(content->state);
      return std::move(content->state);
    }
    if (first)
      throw FileError(first->path(), std::string(first->what()).substr(first->path().string().size() + 2) +
                                         (damaged.size() > 1 ? "; all older ones are damaged too" : "; there is no other"));
    for (const auto& entry : std::filesystem::directory_iterator(options_.directory))
      if (entry.path().extension() == not_finite)
        throw FileError(entry.path(), "the loss after it is NaN or infinite, and there is no older checkpoint");
    return {};
  }

  // Writes a checkpoint, unless the last one is of this state, and removes the oldest. Writes nothing if a number is NaN or
  // infinite, since a run could not continue from there.
  void save(const TrainingState& state) override {
    if (state.updates == 0 || (state.updates == saved_.updates && state.epoch == saved_.epoch)) return;
    for (const RunTensor& t : run_.tensors)
      if (!std::all_of(t.values.begin(), t.values.end(), [](float x) { return std::isfinite(x); })) return;
    write_checkpoint(file(state.updates), run_, recipe_, state, options_.metadata);
    remember(state);
    const std::vector<std::int64_t> all = steps();
    for (std::size_t i = static_cast<std::size_t>(options_.keep); i < all.size(); ++i)
      std::filesystem::remove(file(all[i]));
  }

  // The weights alone.
  void save_best() override {
    write_weights(best_file(), tensors_of(run_, run_.weights), run_.architecture, run_.summary, options_.metadata);
  }

  [[nodiscard]] std::vector<std::vector<float>> best() override {
    std::vector<std::vector<float>> values;
    if (!std::filesystem::exists(best_file())) return values;
    WeightsToLoad weights{SafetensorsFile(best_file())};
    for (const RunTensor& t : std::span(run_.tensors).first(run_.weights)) weights.expect(t.name, t.shape);
    weights.read(run_.architecture);
    for (const RunTensor& t : std::span(run_.tensors).first(run_.weights))
      weights.next(values.emplace_back(t.values.size()));
    return values;
  }

  // Renamed, not removed: the images may be the cause. Failure is ignored, because the caller reports an error already.
  void set_aside(std::int64_t updates) override {
    const std::filesystem::path path = file(updates);
    std::error_code failed;
    std::filesystem::rename(path, path.string() + not_finite, failed);
    if (!failed)
      notice(path.string() + ": the next loss is NaN or infinite; it is now " + path.filename().string() + not_finite);
  }

 private:
  void remember(const TrainingState& s) { saved_.updates = s.updates, saved_.epoch = s.epoch; }
  void notice(const std::string& text) const {
    if (options_.notice)
      options_.notice(text);
    else
      std::fprintf(stderr, "%s\n", text.c_str());
  }
  [[nodiscard]] std::filesystem::path best_file() const { return options_.directory / "best.safetensors"; }
  [[nodiscard]] std::filesystem::path file(std::int64_t updates) const {
    std::string digits = std::to_string(updates);
    digits.insert(0, digits.size() < 9 ? 9 - digits.size() : 0, '0');
    return options_.directory / ("step-" + digits + ".safetensors");
  }
  // The updates of the files in the directory, the newest first.
  [[nodiscard]] std::vector<std::int64_t> steps() const {
    std::vector<std::int64_t> found;
    for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
      std::string name = entry.path().filename().string();
      if (!name.starts_with("step-")) continue;
      std::int64_t updates = 0;
      if (std::from_chars(name.data() + 5, name.data() + name.size(), updates).ec != std::errc{}) continue;
      if (updates >= 0 && entry.path().filename() == file(updates).filename()) found.push_back(updates);
    }
    std::sort(found.begin(), found.end(), std::greater<>());
    return found;
  }

  static constexpr const char* not_finite = ".not-finite";
  Checkpoints options_;
  TrainingRun run_;
  std::string recipe_;
  std::optional<OpenFile> lock_;
  struct {
    std::int64_t updates = -1;
    int epoch = 0;
  } saved_;
};

}  // namespace detail

STRATA_DEFINE std::unique_ptr<Checkpointer> Checkpoints::operator()(TrainingRun run, bool resume) const {
  return std::make_unique<detail::CheckpointFiles>(*this, std::move(run), resume);
}

}  // namespace strata::inline STRATA_ABI
