// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <algorithm>
#include <stdexcept>
#include <utility>

#include <strata/core/linkage.hpp>
#include <strata/training/evaluator_impl.hpp>
#include <strata/training/not_finite_error.hpp>
#include <strata/training/trainer_core.hpp>
#include <strata/util/no_copy.hpp>
#include <strata/util/numbers.hpp>

namespace strata::inline STRATA_ABI::detail {

// While it lives, BatchNorm takes the statistics of the batch of all processes.
template <class Engine>
class SummedBatches : NoCopy {
 public:
  SummedBatches(Engine& engine, BatchSums* sums) : engine_(engine) { engine_.sum_batches_by(sums); }
  ~SummedBatches() { engine_.sum_batches_by(nullptr); }

 private:
  Engine& engine_;
};

template <class Backend>
TrainerCore<Backend>::TrainerCore(std::shared_ptr<Core> model, std::unique_ptr<LossCalls<Backend>> loss,
                                  std::unique_ptr<OptimizerCalls<Backend>> optimizer, const RowsOfSample& rows)
    : model_(std::move(model)),
      optimizer_(std::move(optimizer)),
      evaluator_(model_, std::move(loss), rows),
      tensors_(model_->parameter_tensors()),
      steps_(model_->engine(), {.parameters = model_->program().parameters,
                                .slot_count = optimizer_->slot_count(),
                                .batch = model_->options().batch,
                                .input = model_->program().input,
                                .output = model_->program().output.size(),
                                .rows = rows.decision_rows(),
                                .target = rows.target,
                                .ranges = static_cast<std::int64_t>(tensors_.size()),
                                .element_bytes = optimizer_->element_bytes()}) {
  groups({});
}

template <class Backend>
StepResult TrainerCore<Backend>::step(std::span<const T> images, const Targets& targets) {
  drain([](const StepResult&) {});
  if (images.empty() && targets.empty() && !parts_) return {};
  together(processes(), [&] { put(images, targets); });
  StepResult result;
  drain([&](const StepResult& r) { result = r; });
  return result;
}

template <class Backend>
void TrainerCore<Backend>::put(std::span<const T> images, const Targets& targets) {
  if (images.empty() && targets.empty())
    throw std::invalid_argument("strata: a step of several processes needs images, and the same ones in each process");
  const std::size_t one = static_cast<std::size_t>(model_->program().input.size()), n = images.size() / one;
  const int batch = model_->options().batch;
  if (images.size() != n * one || n > static_cast<std::size_t>(batch))
    throw std::invalid_argument("strata: " + std::to_string(images.size()) + " numbers were given; expected up to " +
                                std::to_string(batch) + " images of " + std::to_string(one) + " numbers");
  evaluator_.check(targets, n, {});
  // Each process takes its share.
  const BatchShare share = parts_ ? parts_->share() : BatchShare{};
  whole_ = static_cast<int>(n), first_ = static_cast<int>(share.begin(whole_));
  const auto own = static_cast<std::size_t>(share.size(whole_)), before = static_cast<std::size_t>(first_);
  const RowsOfSample& rows = evaluator_.rows();
  steps_.put({.update = updates_, .step = steps_done_, .epoch = 0}, images.subspan(before * one, own * one),
             rows.data(targets.part(before, own, static_cast<std::size_t>(rows.target))));
  queue(static_cast<int>(own));
}

template <class Backend>
void TrainerCore<Backend>::check_share(int first, int whole, int size) const {
  const BatchShare share = parts_->share();
  if (whole == 0 || first != share.begin(whole) || size != share.size(whole))
    throw std::invalid_argument(
        "strata: the batch is not the share of this process; prepare batches with the option share");
}

template <class Backend>
void TrainerCore<Backend>::make_room(const ReportStep& report) {
  if (steps_.full()) finish(report);
}

template <class Backend>
void TrainerCore<Backend>::drain(const ReportStep& report) {
  while (steps_.pending()) finish(report);
}

template <class Backend>
void TrainerCore<Backend>::watch(Profile* profile) {
  drain([](const StepResult&) {});
  model_->runner().watch(profile);
  profile_ = profile;
  steps_.forget_captured();
  if (!profile) return;
  profile->rows.push_back({.name = "loss", .first = -1});
  profile->rows.push_back({.name = "update", .first = -1});
}

template <class Backend>
void TrainerCore<Backend>::clip_gradients(double norm) {
  check_not_negative("the norm that gradients are clipped to", norm);
  if (norm != clip_norm_) steps_.forget_captured();
  clip_norm_ = norm;
}

template <class Backend>
void TrainerCore<Backend>::groups(std::vector<ParameterGroup> groups) {
  ranges_ = parameter_ranges(tensors_, groups, optimizer_->whole_tensors());
  groups_ = std::move(groups);
  steps_.forget_captured();
}

template <class Backend>
void TrainerCore<Backend>::reduce_by(std::shared_ptr<Reducer<T>> reducer) {
  drain([](const StepResult&) {});
  reducer_ = std::move(reducer);
  if (reducer_) reducer_->attach(steps_);
  steps_.forget_captured();
}

template <class Backend>
void TrainerCore<Backend>::work_with(std::shared_ptr<Processes> processes) {
  drain([](const StepResult&) {});
  parts_.reset();
  if constexpr (!Steps::on_host) steps_.sum_by(nullptr, model_->regions());
  // One process on a GPU sums too, so that its graph is that of several.
  const bool on_device = !Steps::on_host && processes && processes->device_sums();
  if (!processes || (processes->parts() == 1 && !on_device)) return;
  const int batch = model_->options().batch;
  if (processes->parts() > batch)
    throw std::invalid_argument("strata: " + std::to_string(processes->size()) + " processes compute each batch in " +
                                std::to_string(processes->parts()) + " parts, but a batch has only " +
                                std::to_string(batch) + " images");
  if constexpr (Steps::on_host) {
    parts_ = std::make_unique<Parts>(std::move(processes), model_->regions());
  } else {
    auto parts = std::make_unique<Parts>(processes);
    steps_.sum_by(std::move(processes), model_->regions());
    parts_ = std::move(parts);
  }
}

template <class Backend>
void TrainerCore<Backend>::share_weights() {
  if (!parts_ || parts_->processes().size() == 1) return;
  Processes& all = parts_->processes();
  const auto broadcast = [&all](auto* values, std::int64_t count) {
    all.broadcast(std::as_writable_bytes(std::span(values, static_cast<std::size_t>(count))));
  };
  const auto regions = model_->regions();
  model_->on_host([&](const auto& host) {
    broadcast(host.parameters, regions.parameter_count);
    broadcast(host.state, regions.state_count);
  });
  broadcast(&updates_, 1), broadcast(&steps_done_, 1);
  averaging_ = false;
  if (updates_ == 0) return;
  steps_.download(regions);  // on a GPU memory() is that of the last download
  for (int slot = 0; slot < optimizer_->slot_count(); ++slot) broadcast(memory(slot).data(), regions.parameter_count);
  steps_.upload(regions);
}

template <class Backend>
void TrainerCore<Backend>::queue(int n) {
  freeze();
  optimizer_->prepare(steps_, updates_, context(), ranges_);
  if (average_) begin_average();
  const int now = phase();
  const bool updates = !reducer_ || reducer_->updates(now);
  const AverageStep after = updates && average_ ? average_(updates_ + 1, context()) : AverageStep{};  // may throw
  if constexpr (!Steps::on_host)
    if (parts_) steps_.sums().of_batch(whole_);
  steps_.execute(n, now, profile_ != nullptr, [this, n, now] { compute(n, now); });
  between_updates_ = updates;
  ++steps_done_;
  if (updates) ++updates_;
  if (after.keep != 1 || after.copy_back) steps_.average(after, model_->regions());
  if (reducer_) reducer_->advance();
  if (profile_) ++profile_->steps, profile_->samples += n;
}

template <class Backend>
void TrainerCore<Backend>::freeze() {
  bool changed = false;
  for (ParameterRange& range : ranges_) {
    const auto over = [this](std::int64_t end) { return end > 0 && updates_ >= end; };
    const bool frozen =
        range.always_frozen || over(range.trained_updates) ||
        (range.trained_epochs > 0 && over(range.trained_epochs * updates_of_epoch(context(), "a parameter group")));
    changed = changed || frozen != range.frozen;
    range.frozen = frozen;
  }
  if (changed) steps_.forget_captured();
}

template <class Backend>
void TrainerCore<Backend>::plan(std::int64_t epoch, std::int64_t updates) {
  if (epoch < 0 || updates < 0)
    throw std::invalid_argument("strata: a run of " + std::to_string(updates) + " updates, " + std::to_string(epoch) +
                                " an epoch; expected 0 (not known) or more");
  epoch_ = epoch, run_updates_ = updates;
}

template <class Backend>
void TrainerCore<Backend>::average_by(Average average) {
  average.validate();
  drain([](const StepResult&) {});
  average_ = std::move(average);
  averaging_ = false;
}

template <class Backend>
void TrainerCore<Backend>::begin_average() {
  if (!averaging_) steps_.start_average(model_->regions());
  averaging_ = true;
}

template <class Backend>
void TrainerCore<Backend>::exchange_average() {
  if (!average_) throw std::logic_error("strata: there is no average of the weights; average_by() begins one");
  drain([](const StepResult&) {});
  begin_average();
  steps_.exchange_average(model_->regions());
}

template <class Backend>
void TrainerCore<Backend>::compute_parts([[maybe_unused]] int n, int now) {
  T* gradients = model_->runner().gradients();
  const std::int64_t count = model_->program().parameters;
  const bool updates = !reducer_ || reducer_->updates(now);
  if constexpr (Steps::on_host) {
    // The bits of reproducible sums depend on their order.
    const bool after = reducer_ && reducer_->linear() && !parts_->processes().reproducible();
    const FinishedStep all =
        parts_->run(steps_, gradients, count, !after,
                    [this](int part, double& weight, GradientSum<T>* sum) { return compute_part(part, weight, sum); });
    steps_.put_results(whole_, all);
    if (steps_.halted()) return;
    const Profile::Timer timer(profile_ ? &profile_->rows.back().backward : nullptr);
    if (reducer_) reducer_->reduce(steps_, now, gradients, count);
    if (after && updates) parts_->sum(gradients, count);
    if (updates) update();
  } else {
    const auto last = [&] {
      const Profile::Timer timer(profile_ ? &profile_->rows.back().backward : nullptr);
      if (updates) update();
      steps_.publish();
      if (profile_) model_->engine().finish();
    };
    parts_->run(
        steps_, model_->runner(), {.first = first_, .size = n, .parameters = count}, reducer_.get(), now,
        [this, n](const A* outputs) { compute_loss(n, outputs); }, last);
  }
}

template <class Backend>
void TrainerCore<Backend>::compute_loss(int n, const A* outputs) {
  const Profile::Timer timer(profile_ ? &profile_->rows[profile_->rows.size() - 2].backward : nullptr);
  evaluator_.loss().step(steps_, n, evaluator_.rows(), outputs, model_->runner().output_gradient());
  if (profile_) model_->engine().finish();
}

template <class Backend>
PartResult TrainerCore<Backend>::compute_part(int part, double& weight, GradientSum<T>* sum) {
  PartResult result{.part = part, .whole = whole_, .step = steps_done_};
  if constexpr (Steps::on_host) {
    Runner<typename Backend::Engine>& runner = model_->runner();
    const BatchShare share = parts_->share();
    const std::int64_t first = share.begin_of(part, whole_), n = share.begin_of(part + 1, whole_) - first;
    // Then all processes run all layers, also without images or with a loss that is not finite: each layer sums.
    const bool synchronized = parts_->processes().synchronizes_batch_norm();
    if (n == 0) std::fill_n(runner.gradients(), model_->program().parameters, T{0});
    if (n == 0 && !synchronized) return result;
    weight = static_cast<double>(n) / whole_;
    steps_.take_part(first - first_, weight);
    SumsOfProcesses sums(parts_->processes());
    const SummedBatches summed(model_->engine(), synchronized ? &sums : nullptr);
    const A* outputs = runner.run_on_engine(steps_.images(), static_cast<int>(n), true, true,
                                            static_cast<std::uint64_t>(steps_.step()), first);
    compute_loss(static_cast<int>(n), outputs);
    const FinishedStep& done = steps_.now();
    if ((done.finite || synchronized) && sum)
      runner.backward([&](std::int64_t from, std::int64_t ready) { sum->ready(from, ready); });
    else if (done.finite)
      runner.backward({});
    result.loss = done.loss, result.correct = done.correct, result.finite = done.finite ? 1 : 0;
  }
  return result;
}

template <class Backend>
void TrainerCore<Backend>::compute(int n, int now) {
  if (parts_) return compute_parts(n, now);
  Runner<typename Backend::Engine>& runner = model_->runner();
  const A* outputs = runner.run_on_engine(steps_.images(), n, true, true, static_cast<std::uint64_t>(steps_.step()));
  compute_loss(n, outputs);
  if (steps_.halted()) return;
  if (reducer_)
    runner.backward(
        [&](std::int64_t first, std::int64_t count) { reducer_->ready(steps_, now, runner.gradients() + first, count); });
  else
    runner.backward({});
  const Profile::Timer timer(profile_ ? &profile_->rows.back().backward : nullptr);
  if (reducer_) reducer_->reduce(steps_, now, runner.gradients(), model_->program().parameters);
  if (!reducer_ || reducer_->updates(now)) update();
  steps_.publish();
  if (profile_) model_->engine().finish();
}

template <class Backend>
void TrainerCore<Backend>::update() {
  T* w = model_->runner().parameters();
  T* g = model_->runner().gradients();
  if (clip_norm_ > 0) steps_.clip(ranges_, clip_norm_, g);
  if (steps_.halted()) return;
  for (std::size_t r = 0; r < ranges_.size(); ++r)
    if (!ranges_[r].frozen)
      optimizer_->update(steps_, updates_, context(), r, ranges_[r], tensors_[optimizer_->whole_tensors() ? r : 0], w, g);
}

template <class Backend>
void TrainerCore<Backend>::finish(const ReportStep& report) {
  const FinishedStep done = steps_.finish();
  Runner<typename Backend::Engine>& runner = model_->runner();
  if (!done.finite) {
    // Later steps that were queued have changed nothing but BatchNorm's statistics, since the loss halts the device.
    updates_ = done.number.update, steps_done_ = done.number.step;
    if (parts_) parts_->throw_not_finite(steps_, runner, done);
    if (steps_.restage(done))
      runner.run_on_engine(steps_.images(), done.samples, true, true, static_cast<std::uint64_t>(steps_done_));
    throw NotFiniteError(updates_, runner.first_not_finite(true));
  }
  if (!done.finite_gradients) {
    updates_ = done.number.update, steps_done_ = done.number.step;
    throw NotFiniteError::of_gradients(updates_);
  }
  const RowsOfSample& rows = evaluator_.rows();
  if (report) report(step_result(rows, done));
}

template <class Backend>
TrainingRun TrainerCore<Backend>::recipe(std::string architecture, std::string summary) const {
  TrainingRun run{.architecture = std::move(architecture),
                  .summary = std::move(summary),
                  .optimizer = optimizer_->describe(),
                  .loss = evaluator_.loss().describe(),
                  .batch = model_->options().batch,
                  .seed = model_->options().seed,
                  .clip_norm = clip_norm_,
                  .kernels = model_->engine().kernels()};
  for (const auto& group : groups_) run.more.push_back("parameter group: " + group.describe());
  if (reducer_) run.more.push_back("reducer: " + reducer_->describe());
  if (average_) run.more.push_back("average of the weights: " + average_.describe());
  if (optimizer_->follows_length() || average_.follows_length())
    run.more.push_back("updates of the run: " + std::to_string(run_updates_));
  return run;
}

template <class Backend>
TrainingRun TrainerCore<Backend>::run(std::string architecture, std::string summary)
  requires std::is_same_v<T, float>
{
  TrainingRun run = recipe(std::move(architecture), std::move(summary));
  if (average_) begin_average();
  std::vector<RunTensor> kept, averaged;
  std::size_t offset = 0;
  model_->on_host([&](const HostTensors<T>& host) {
    for (const NamedTensor& t : model_->tensors()) {
      const auto size = static_cast<std::size_t>(t.info.size());
      const std::vector<std::int64_t> shape(t.info.shape.begin(), t.info.shape.begin() + t.info.rank);
      run.tensors.push_back({t.name, shape, std::span<float>(Core::values(host, t), size)});
      if (average_) {
        const std::int64_t at = t.offset + (t.info.trainable() ? 0 : model_->program().parameters);
        averaged.push_back(
            {average_prefix + t.name, shape, steps_.average_memory().subspan(static_cast<std::size_t>(at), size)});
      }
      if (!t.info.trainable()) continue;
      for (int slot = 0; slot < optimizer_->slot_count(); ++slot)
        kept.push_back({optimizer_prefix + std::to_string(slot) + "/" + t.name, shape, memory(slot).subspan(offset, size)});
      offset += size;
    }
  });
  run.weights = run.tensors.size();
  run.tensors.insert(run.tensors.end(), kept.begin(), kept.end());
  run.tensors.insert(run.tensors.end(), averaged.begin(), averaged.end());
  return run;
}

}  // namespace strata::inline STRATA_ABI::detail
