// SPDX-License-Identifier: BSL-1.0
// Runs the experiments of the notes: rows a to h, the rows proposed after them, and the post-mortem of the rewrites. --help
// lists the options, --list the experiments.
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/data/download.hpp>
#include <strata/strata.hpp>

#include "../common/exit_code.hpp"
#include "../common/signals.hpp"
#include "../common/sources.hpp"
#include "arguments.hpp"
#include "experiment.hpp"
#include "results.hpp"
#include "rows.hpp"
#include "suspects.hpp"

namespace fs = std::filesystem;
using namespace notes;

namespace {

// Reads a data set when the first network needs it.
class Images {
 public:
  explicit Images(const Arguments& a) : a_(a) {}
  void give(int classes, Job& job) {
    if (classes == 10) {
      if (!cifar10_) cifar10_ = load<Cifar10>("cifar10");
      job.cifar10 = &*cifar10_;
    } else {
      if (!cifar100_) cifar100_ = load<Cifar100<Fine>>("cifar100");
      job.cifar100 = &*cifar100_;
    }
  }

 private:
  template <class Data>
  Sets<Data> load(const char* dataset) const {
    const auto some = [](const Data& data, std::size_t n) {
      return n == 0 ? data : data.subset(0, std::min(data.size(), n));
    };
    const auto asked = static_cast<std::size_t>(a_.images);
    const Source source = find_source(dataset, a_.data, a_.mirror);
    Sets<Data> sets{some(Data::train(source.folder), asked > 0     ? asked
                                                     : a_.suspects ? Budget::images
                                                                   : 0),
                    some(Data::test(source.folder), asked > 0     ? asked
                                                    : a_.suspects ? Budget::test_images
                                                                  : 0)};
    check_interrupted();
    std::printf("%s from %s: %zu training and %zu test images\n", dataset, source.folder.c_str(), sets.training.size(),
                sets.test.size());
    return sets;
  }

  const Arguments& a_;
  std::optional<Sets<Cifar10>> cifar10_;
  std::optional<Sets<Cifar100<Fine>>> cifar100_;
};

std::vector<Experiment> chosen(const Arguments& a) {
  std::vector<Experiment> known, out;
  if (a.suspects) {
    known = suspects();
    if (a.rows.empty()) return known;
  } else {
    known = rows();
    const std::size_t first = known.size();
    for (Experiment& e : further_rows()) known.push_back(std::move(e));
    if (a.all) out.assign(known.begin(), known.begin() + static_cast<std::ptrdiff_t>(first));
    if (a.further) out.insert(out.end(), known.begin() + static_cast<std::ptrdiff_t>(first), known.end());
  }
  for (const std::string& name : a.rows) {
    const auto is_it = [&](const Experiment& e) { return e.name == name; };
    const auto found = std::find_if(known.begin(), known.end(), is_it);
    if (found == known.end())
      throw std::invalid_argument("--row " + name + ": there is no such " + (a.suspects ? "suspect" : "row") +
                                  "; --list names them");
    if (std::none_of(out.begin(), out.end(), is_it)) out.push_back(*found);
  }
  return out;
}

void list() {
  const auto print = [](const char* option, const std::vector<Experiment>& all) {
    std::printf("%s\n", option);
    for (const Experiment& e : all) std::printf("  %-20s %s\n", e.name.c_str(), e.what.c_str());
  };
  print("--all", rows());
  print("--further", further_rows());
  print("--suspects", suspects());
}

// Removes the checkpoints of a finished run, because they are large, except the last, which a later --save or --report
// needs. A run that ended in NaN keeps all. Returns whether one is left.
bool remove_checkpoints(const fs::path& folder, const Result& result) {
  if (!fs::is_directory(folder)) return false;
  std::vector<fs::path> steps;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (entry.path().filename().string().starts_with("step-") && entry.path().extension() == ".safetensors")
      steps.push_back(entry.path());
  if (!result.outcome.diverged.empty()) return !steps.empty();
  std::sort(steps.begin(), steps.end());
  const bool left = !steps.empty();
  if (left) steps.pop_back();
  for (const fs::path& step : steps) fs::remove(step);
  return left;
}

// Empty if there is no file. Throws FileError if the file is damaged, is of another run, or resume is false.
std::optional<Result> earlier_result(const fs::path& file, const RunKey& key, bool resume) {
  if (!fs::exists(file)) return {};
  if (!resume) throw strata::FileError(file, "is the result of an earlier run; --resume reads it");
  Result found = read_result(file);
  const auto text = [](const RunKey& k) {
    return std::to_string(k.epochs) + " epochs of " + std::to_string(k.images) + " images, " + k.recipe;
  };
  if (found.key != key) throw strata::FileError(file, "is of another run, " + text(found.key) + "; expected " + text(key));
  return found;
}

// The earlier result, or that of a run started here; empty if the run ended before its last epoch.
std::optional<Result> result_of(const Experiment& e, std::uint64_t seed, const Arguments& a, Images& images) {
  Job job{.seed = seed,
          .epochs = a.epochs > 0 ? a.epochs
                    : a.suspects ? Budget::epochs
                                 : e.recipe.epochs,
          .threads = a.threads,
          .gpu = std::max(a.gpu, 0),
          .max_steps = a.max_steps,
          .checkpoint_every = a.checkpoint_every,
          .resume = a.resume,
          .title = e.name + ", seed " + std::to_string(seed),
          .what = e.what,
          .command = a.command,
          .stop = was_interrupted};
  images.give(e.classes, job);
  const auto sizes = [](const auto& sets) { return std::pair(sets.training.size(), sets.test.size()); };
  const auto [training, test] = e.classes == 10 ? sizes(*job.cifar10) : sizes(*job.cifar100);
  const auto batch = static_cast<std::size_t>(e.recipe.batch);
  const auto updates = static_cast<std::int64_t>((training + batch - 1) / batch) * job.epochs;
  const RunKey key{.run = e.name,
                   .seed = seed,
                   .images = training,
                   .test_images = test,
                   .epochs = job.epochs,
                   .recipe = recipe_text(e, updates, a.gpu >= 0)};
  job.recipe = key.recipe;
  // A GPU rounds differently, so its runs are kept apart from those on a CPU.
  const std::string which = "seed-" + std::to_string(seed) + (a.gpu >= 0 ? "-cuda" : "");
  const std::string output = (a.suspects ? "suspect-" : "") + e.name + "-" + which;
  if (!a.save.empty()) job.save = fs::path(a.save) / (output + ".safetensors");
  if (!a.report.empty()) job.report = fs::path(a.report) / (output + ".html");
  std::optional<Result> found;
  const fs::path folder = fs::path(a.checkpoint) / e.name, file = folder / (which + ".csv");
  if (!a.checkpoint.empty()) {
    fs::create_directories(folder);
    job.checkpoints = folder / which;
    if ((found = earlier_result(file, key, a.resume))) {
      const bool left = remove_checkpoints(job.checkpoints, *found);
      if ((job.save.empty() && job.report.empty()) || !found->outcome.diverged.empty()) return found;
      if (!left)
        throw strata::FileError(job.checkpoints,
                                "has no checkpoint of this finished run, so weights or a report cannot be written");
      job.max_steps = 0;  // the run is finished; only evaluate it
    }
  }
  std::printf("\n%s, seed %llu: %s\n%s\n", e.name.c_str(), static_cast<unsigned long long>(seed), e.what.c_str(),
              key.recipe.c_str());
  Result r{.key = key, .outcome = (a.gpu >= 0 ? e.train_on_gpu : e.train)(e.recipe, job)};
  check_interrupted();
  if (found) return found;
  if (!r.outcome.diverged.empty()) std::printf("%s\n", r.outcome.diverged.c_str());
  if (!r.outcome.complete) {
    std::printf("%s, seed %llu: ended before its last epoch; not in the table\n", e.name.c_str(),
                static_cast<unsigned long long>(seed));
    return {};
  }
  if (!a.checkpoint.empty()) {
    write_result(file, r);
    remove_checkpoints(job.checkpoints, r);
  }
  return r;
}

void start(const Arguments& a) {
  if (a.list) return list();
  const std::vector<Experiment> experiments = chosen(a);
  if (a.gpu >= 0 && !experiments.front().train_on_gpu)
    throw std::runtime_error("this program was built without CUDA; see the preset cuda");
  for (const std::string& folder : {a.save, a.report}) {
    if (folder.empty()) continue;
    fs::create_directories(folder);
    if (access(folder.c_str(), W_OK) != 0) throw std::runtime_error(folder + ": this folder cannot be written to");
  }
  Images images(a);
  std::vector<Result> results;
  // Seed by seed, because a table with fewer seeds is better than a table with gaps.
  for (int seed = a.first_seed; seed < a.first_seed + a.seeds; ++seed)
    for (const Experiment& e : experiments)
      if (auto r = result_of(e, static_cast<std::uint64_t>(seed), a, images)) results.push_back(std::move(*r));
  std::printf("\n%s", table_of(experiments, results).c_str());
}

}  // namespace

// Exit codes: 0 success, 1 failure, 2 wrong options, 130 Ctrl-C.
int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // a pipe receives each line at once
  Arguments a;
  if (const int code = parse(argc, argv, a); code >= 0) return code;
  return exit_code(
      "notes", [&] { start(a); }, a.checkpoint.empty() ? "nothing was saved" : "--resume continues from the checkpoints",
      "not enough memory");
}
