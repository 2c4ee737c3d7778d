// SPDX-License-Identifier: BSL-1.0
// Checkpoints: all that a run needs to go on as if it had never stopped, in one safetensors file. The model's tensors stand
// under their own names, what the optimizer keeps under optimizer/<slot>/<tensor>; the rest is metadata. Random numbers are
// functions of seed and step, and so is the order of the images: there is nothing of them to save.
//
// A directory belongs to one run. It holds step-<updates>.safetensors, the newest few, and, where there is validation,
// best.safetensors: weights alone, as save_weights writes them, of the epoch with the best validation accuracy (of equals
// the one with the lower loss, then the earlier). A file that is damaged, or whose next loss is NaN or infinite, gets
// ".damaged" or ".not-finite" to its name.
#pragma once
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <strata/io/seal.hpp>
#include <strata/io/weights.hpp>
#include <strata/training/run.hpp>
#include <strata/util/checksum.hpp>

namespace strata {

// What train() keeps: {.checkpoint = Checkpoints{.directory = "run"}}.
struct Checkpoints {
  std::filesystem::path directory{};  // made where it is missing
  std::int64_t every = 0;             // updates; beside it after each epoch and where training ends. 0: these alone
  int keep = 3;                       // the newest so many
  // Told of files that are passed over, and why; a line on stderr where nothing else is said.
  std::function<void(const std::string&)> notice{};
  // Goes into every file; metadata_of(data_info<Data>()) makes it one that can be used without the data.
  std::map<std::string, std::string> metadata{};

  // A MakeCheckpointer. Throws std::invalid_argument for options that cannot be meant, std::system_error or std::runtime_error
  // where the directory cannot be had, or has checkpoints of a run that this one is not to continue.
  std::unique_ptr<Checkpointer> operator()(TrainingRun run, bool resume) const;
};

namespace detail {

// --- The state as text --------------------------------------------------------------------------------------------------

// Words between spaces. Numbers that are not whole are written as their bits.
class StateWriter {
 public:
  StateWriter& word(std::string_view w) {
    if (!text_.empty() && text_.back() != '\n') text_ += ' ';
    text_ += w;
    return *this;
  }
  StateWriter& whole(std::int64_t n) { return word(std::to_string(n)); }
  StateWriter& real(double x) { return word(std::to_string(std::bit_cast<std::uint64_t>(x))); }
  StateWriter& real(const std::optional<double>& x) { return x ? real(*x) : word("-"); }
  void line() { text_ += '\n'; }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

inline std::string state_text(const TrainingState& s) {
  StateWriter w;
  w.word("epoch").whole(s.epoch).word("step").whole(s.step).word("updates").whole(s.updates).line();
  const RunningMean::Sums loss = s.loss.sums();
  w.word("loss").real(loss.sum).real(loss.lost).whole(loss.samples).line();
  w.word("accuracy").whole(s.accuracy.correct).whole(s.accuracy.samples).line();
  w.word("seconds").real(s.seconds).line();
  for (const EpochRecord& r : s.history) {
    w.word("record").whole(r.epoch).real(r.loss).real(r.accuracy).real(r.validation_loss).real(r.validation_accuracy);
    w.whole(r.samples).real(r.seconds).line();
  }
  return w.text();
}

class StateReader {
 public:
  StateReader(const std::filesystem::path& path, std::string_view text) : path_(path), text_(text) {}

  TrainingState read() {
    TrainingState s;
    key("epoch"), s.epoch = static_cast<int>(whole(1, std::numeric_limits<int>::max()));
    key("step"), s.step = whole();
    key("updates"), s.updates = whole();
    RunningMean::Sums loss;
    key("loss"), loss.sum = real(), loss.lost = real(), loss.samples = whole();
    s.loss = RunningMean(loss);
    key("accuracy"), s.accuracy.correct = whole(), s.accuracy.samples = whole();
    key("seconds"), s.seconds = seconds();
    while (!text_.empty()) {
      EpochRecord r;
      key("record"), r.epoch = static_cast<int>(whole(1, std::numeric_limits<int>::max()));
      r.loss = real(), r.accuracy = real();
      r.validation_loss = maybe(), r.validation_accuracy = maybe();
      r.samples = whole(), r.seconds = seconds();
      s.history.push_back(r);
      if (std::cmp_not_equal(r.epoch, s.history.size())) fail("the epochs do not follow each other");
    }
    if (std::cmp_not_equal(s.epoch, s.history.size() + 1)) fail("the epochs do not follow each other");
    return s;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const { throw FileError(path_, "the training state is damaged: " + why); }
  std::string_view word() {
    const std::size_t end = text_.find_first_of(" \n");
    if (end == 0 || end == std::string_view::npos) fail("it ends too early");
    const std::string_view w = text_.substr(0, end);
    text_.remove_prefix(end + 1);
    return w;
  }
  void key(std::string_view expected) {
    if (const std::string_view w = word(); w != expected)
      fail("\"" + std::string(w) + "\"; expected \"" + std::string(expected) + "\"");
  }
  template <class N>
  N number(std::string_view w) {
    N n{};
    const auto [end, error] = std::from_chars(w.data(), w.data() + w.size(), n);
    if (error != std::errc{} || end != w.data() + w.size())
      fail("\"" + std::string(w) + "\" is no number that can be meant");
    return n;
  }
  std::int64_t whole(std::int64_t least = 0, std::int64_t most = std::numeric_limits<std::int64_t>::max()) {
    const auto n = number<std::int64_t>(word());
    if (n < least || n > most) fail(std::to_string(n) + " cannot be meant");
    return n;
  }
  double real() { return std::bit_cast<double>(number<std::uint64_t>(word())); }
  double seconds() {
    const double s = real();
    if (!(s >= 0 && s < 1e9)) fail(std::to_string(s) + " seconds");
    return s;
  }
  std::optional<double> maybe() {
    const std::string_view w = word();
    if (w == "-") return {};
    return std::bit_cast<double>(number<std::uint64_t>(w));
  }

  const std::filesystem::path& path_;
  std::string_view text_;
};

// What has to be the same for a run to go on, a line "what: how" each; how long it is to be may change. Floats by their
// bits.
inline std::string recipe_text(const TrainingRun& run) {
  std::string text = "optimizer: " + run.optimizer + "\nloss: " + std::string(run.loss) +
                     "\nbatch: " + std::to_string(run.batch) + "\nseed: " + std::to_string(run.seed) +
                     "\nlayers: " + Checksum().text(run.summary).digits();
  text += "\naugmentation: " + run.augment.describe() + "\nnormalisation:";
  for (const auto* v : {&run.normalize.mean, &run.normalize.stddev}) {
    text += v == &run.normalize.mean ? " mean" : ", stddev";
    for (const float x : *v) text += " " + number_text(static_cast<double>(x));
  }
  return text + "\ngradients clipped to: " + number_text(run.clip_norm) + "\ntraining data: " + run.training_data +
         "\nvalidation data: " + run.validation_data + "\n";
}

// --- One file -----------------------------------------------------------------------------------------------------------

inline constexpr const char* state_key = "strata.training";
inline constexpr const char* recipe_key = "strata.recipe";

inline std::vector<Tensor> tensors_of(const TrainingRun& run, std::size_t count) {
  std::vector<Tensor> tensors;
  for (std::size_t i = 0; i < count; ++i)
    tensors.push_back({run.tensors[i].name, run.tensors[i].shape, run.tensors[i].values});
  return tensors;
}

inline void write_checkpoint(const std::filesystem::path& path, const TrainingRun& run, const std::string& recipe,
                             const TrainingState& state, std::map<std::string, std::string> metadata = {}) {
  metadata[state_key] = state_text(state);
  metadata[recipe_key] = recipe;
  metadata["strata.kernels"] = run.kernels;
  write_weights(path, tensors_of(run, run.tensors.size()), run.architecture, std::string(run.summary), std::move(metadata));
}

// A file that is whole, of whatever run.
struct CheckpointContent {
  std::filesystem::path path;
  std::map<std::string, std::string> metadata;
  std::map<std::string, std::pair<std::vector<std::int64_t>, std::vector<float>>> tensors;
  std::vector<std::string> names;  // as they stand in the file
  TrainingState state;
};

// Throws FileError where it is damaged, or none.
inline CheckpointContent read_checkpoint(const std::filesystem::path& path) {
  SafetensorsFile file(path);
  const Seal seal(file);
  CheckpointContent c{.path = path, .metadata = file.metadata(), .tensors = {}, .names = {}, .state = {}};
  const auto state = c.metadata.find(state_key);
  if (!seal.exists() || state == c.metadata.end())
    throw FileError(path, "no checkpoint: expected the metadata " + std::string(state_key) + " and " + checksums_key);
  for (const SafetensorsEntry& t : file.tensors()) {
    std::vector<float> values = file.read<float>(t.name);
    seal.check(t.name, t.shape, values);
    c.names.push_back(t.name);
    c.tensors.emplace(t.name, std::pair(t.shape, std::move(values)));
  }
  seal.check_complete(file);
  c.state = StateReader(path, state->second).read();
  return c;
}

// The first line in which two recipes differ.
inline void check_recipe(const std::filesystem::path& path, std::string_view found, std::string_view expected) {
  const auto line = [](std::string_view& text) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view first = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return first;
  };
  while (!found.empty() || !expected.empty())
    if (const std::string_view f = line(found), e = line(expected); f != e)
      throw FileError(path,
                      "this checkpoint is of another run: \"" + std::string(f) + "\"; expected \"" + std::string(e) + "\"");
}

// Throws FileError where it is of something else, for the first tensor that differs where one does.
inline void check_fits(const CheckpointContent& c, const TrainingRun& run, const std::string& recipe) {
  const auto check_tensor = [&](const RunTensor& t) {
    const auto found = c.tensors.find(t.name);
    if (found == c.tensors.end())
      throw FileError(c.path, "no tensor " + t.name + "; expected one of shape " + shape_text(t.shape));
    if (found->second.first != t.shape)
      throw FileError(c.path, "tensor " + t.name + " has the shape " + shape_text(found->second.first) +
                                  "; expected this network's, " + shape_text(t.shape));
  };
  const auto text = [&](const char* key) {
    const auto found = c.metadata.find(key);
    return found == c.metadata.end() ? std::string() : found->second;
  };
  const std::span<const RunTensor> all(run.tensors);
  for (const RunTensor& t : all.first(run.weights)) check_tensor(t);
  for (const std::string& name : c.names)
    if (!name.starts_with("optimizer/") && std::none_of(all.begin(), all.end(), [&](auto& t) { return t.name == name; }))
      throw FileError(c.path, "tensor " + name + " is none of this network's");
  if (const std::string found = text("strata.architecture"); found != run.architecture)
    throw FileError(c.path, "the tensors fit this network, but its layers are others: the architecture is " + found +
                                "; expected " + run.architecture + " (the file's metadata has a summary)");
  check_recipe(c.path, text(recipe_key), recipe);
  for (const RunTensor& t : all.subspan(run.weights)) check_tensor(t);
  if (c.names.size() != run.tensors.size())
    throw FileError(c.path, std::to_string(c.names.size()) + " tensors; expected " + std::to_string(run.tensors.size()));
  const TrainingState& s = c.state;
  if (run.steps < 1 || s.step > run.steps || s.epoch - 1 > (s.updates - s.step) / run.steps ||
      s.updates != (s.epoch - 1) * run.steps + s.step)
    throw FileError(c.path, "step " + std::to_string(s.step) + " of epoch " + std::to_string(s.epoch) + " after " +
                                std::to_string(s.updates) + " updates; an epoch has " + std::to_string(run.steps));
}

inline void check_not_beyond(const std::filesystem::path& path, const TrainingState& s, int epochs,
                             std::int64_t max_steps) {
  const bool beyond = s.epoch > epochs && (s.epoch > epochs + 1 || s.step > 0);
  if (beyond || (max_steps > 0 && s.updates > max_steps))
    throw FileError(path, std::to_string(s.updates) + " updates, in epoch " + std::to_string(s.epoch) +
                              ", are more than this run is to have: " + std::to_string(epochs) + " epochs" +
                              (max_steps > 0 ? " of at most " + std::to_string(max_steps) + " steps" : ""));
}

// Puts all numbers where they were taken from. check_fits() first.
inline void restore(const CheckpointContent& c, const TrainingRun& run) {
  for (const RunTensor& t : run.tensors) {
    const std::vector<float>& values = c.tensors.at(t.name).second;
    std::copy(values.begin(), values.end(), t.values.begin());
  }
}

// --- A directory of them ------------------------------------------------------------------------------------------------

class CheckpointFiles final : public Checkpointer {
 public:
  // Makes the directory, keeps other runs out of it as long as this lives, and removes what a killed run left half-written.
  CheckpointFiles(Checkpoints options, TrainingRun run, bool resume)
      : options_(std::move(options)), run_(std::move(run)), recipe_(recipe_text(run_)) {
    if (options_.directory.empty()) throw std::invalid_argument("strata: checkpoints need a directory");
    if (options_.every < 0 || options_.keep < 1)
      throw std::invalid_argument("strata: checkpoints every " + std::to_string(options_.every) + " updates, the newest " +
                                  std::to_string(options_.keep) + " kept; expected 0 or more, and 1 or more");
    const std::string directory = options_.directory.string();
    std::filesystem::create_directories(options_.directory);
    lock_.descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock_.descriptor < 0)
      throw std::system_error(errno, std::generic_category(), "cannot open the directory " + directory);
    // A file system without locks has to do without.
    if (::flock(lock_.descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
      throw std::runtime_error(directory + ": another run is writing its checkpoints here");
    if (!resume && (!steps().empty() || std::filesystem::exists(best())))
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

  // From the newest file that is whole. Damaged ones that are newer get ".damaged" to their names, and a notice; where all
  // are damaged or set aside, where one cannot be opened, and where the newest whole one is of something else or beyond
  // these ends of the run, FileError is thrown and nothing is changed. Null where there is none.
  std::optional<TrainingState> resume(int epochs, std::int64_t max_steps) override {
    std::vector<std::pair<std::filesystem::path, std::string>> damaged;
    std::optional<FileError> first;
    for (const std::int64_t step : steps()) {
      std::optional<CheckpointContent> content;
      try {
        content = read_checkpoint(file(step));
      } catch (const FileError& e) {
        if (!std::ifstream(e.path())) throw;  // permissions, a disk that is gone: what is in it may well be whole
        if (!first) first = e;
        damaged.emplace_back(e.path(), e.what());
        continue;
      }
      check_fits(*content, run_, recipe_);
      check_not_beyond(content->path, content->state, epochs, max_steps);
      restore(*content, run_);
      for (const auto& [path, why] : damaged) {
        std::filesystem::rename(path, path.string() + ".damaged");
        notice(why + "; it is now " + path.filename().string() + ".damaged, and an older one is taken");
      }
      if (const std::string& kernels = content->metadata["strata.kernels"]; kernels != run_.kernels)
        notice(content->path.string() + ": written by the kernels " + kernels + ", continued by " + run_.kernels +
               ": the last digits will differ from those of one run");
      remember(content->state);
      return std::move(content->state);
    }
    if (first)
      throw FileError(first->path(), std::string(first->what()).substr(first->path().string().size() + 2) +
                                         (damaged.size() > 1 ? "; nor is any older one whole" : "; there is no other"));
    for (const auto& entry : std::filesystem::directory_iterator(options_.directory))
      if (entry.path().extension() == not_finite)
        throw FileError(entry.path(), "the loss after it is NaN or infinite, and there is no older checkpoint");
    return {};
  }

  // Writes where the run is, unless that is what was written last, and removes what is too old. Numbers that are not finite
  // are no state to go back to: nothing is written then.
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
    write_weights(best(), tensors_of(run_, run_.weights), run_.architecture, std::string(run_.summary), options_.metadata);
  }

  // Not removed, since it may be the images that are at fault. Where it cannot be renamed it stays: there is an error to be
  // told already.
  void set_aside(std::int64_t updates) override {
    const std::filesystem::path path = file(updates);
    std::error_code failed;
    std::filesystem::rename(path, path.string() + not_finite, failed);
    if (!failed)
      notice(path.string() + ": the next loss is NaN or infinite; it is now " + path.filename().string() + not_finite);
  }

 private:
  struct Lock {
    int descriptor = -1;
    Lock() = default;
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    ~Lock() {
      if (descriptor >= 0) ::close(descriptor);
    }
  };

  void remember(const TrainingState& s) { saved_.updates = s.updates, saved_.epoch = s.epoch; }
  void notice(const std::string& text) const {
    if (options_.notice)
      options_.notice(text);
    else
      std::fprintf(stderr, "%s\n", text.c_str());
  }
  [[nodiscard]] std::filesystem::path best() const { return options_.directory / "best.safetensors"; }
  [[nodiscard]] std::filesystem::path file(std::int64_t updates) const {
    std::string digits = std::to_string(updates);
    digits.insert(0, digits.size() < 9 ? 9 - digits.size() : 0, '0');
    return options_.directory / ("step-" + digits + ".safetensors");
  }
  // Of the files there are, the newest first.
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
  Lock lock_;
  struct {
    std::int64_t updates = -1;
    int epoch = 0;
  } saved_;
};

}  // namespace detail

inline std::unique_ptr<Checkpointer> Checkpoints::operator()(TrainingRun run, bool resume) const {
  return std::make_unique<detail::CheckpointFiles>(*this, std::move(run), resume);
}

// For loops of your own around a Trainer. `recipe` is anything that has to be the same when the run goes on; `steps` are
// those of an epoch. The file is written whole or not at all.
template <class Trainer_>
void save_checkpoint(Trainer_& trainer, const TrainingState& state, const std::filesystem::path& path, std::int64_t steps,
                     const std::string& recipe = {}) {
  trainer.settle([](const StepResult&) {});
  trainer.to_host();
  TrainingRun run = trainer.run();
  run.steps = steps;
  detail::write_checkpoint(path, run, recipe, state);
}
// Throws FileError for a file that is damaged or of something else, naming the first tensor that differs; model and
// optimizer are then as they were.
template <class Trainer_>
TrainingState load_checkpoint(Trainer_& trainer, const std::filesystem::path& path, std::int64_t steps,
                              const std::string& recipe = {}) {
  detail::CheckpointContent content = detail::read_checkpoint(path);
  trainer.settle([](const StepResult&) {});
  TrainingRun run = trainer.run();
  run.steps = steps;
  detail::check_fits(content, run, recipe);
  detail::restore(content, run);
  trainer.from_host();
  trainer.continue_at(content.state.updates);
  return std::move(content.state);
}

}  // namespace strata
