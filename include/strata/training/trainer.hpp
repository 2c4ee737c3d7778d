// SPDX-License-Identifier: BSL-1.0
// Trainer: a model, a loss, and an optimizer with its memory, for training loops of your own, on every backend.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/core/diagnose.hpp>
#include <strata/core/summary.hpp>
#include <strata/model/fingerprint.hpp>
#include <strata/optimizers/optimizers.hpp>
#include <strata/optimizers/parameter_groups.hpp>
#include <strata/training/evaluator.hpp>
#include <strata/training/not_finite_error.hpp>
#include <strata/training/reducer.hpp>
#include <strata/training/training_run.hpp>
#include <strata/util/no_copy.hpp>

namespace strata {

//   Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.01, .momentum = 0.9});
//   for (...) const StepResult r = trainer.step(images, labels);
// A step is: forward and loss, backward, reduction of the gradients, update. It allocates nothing. Kind: of the targets,
// where a loss takes several.
template <class M, class Loss, class Optimizer_, TargetKind Kind = detail::default_target<Loss, typename M::network>()>
class Trainer : NoCopy {
  static_assert(sizeof(detail::checked<void, typename M::network, Loss>) != 0);
  static_assert(detail::targets_of<Loss>().has(Kind), "strata: the loss does not take this kind of target");

 public:
  using T = typename M::T;
  using Net = typename M::network;
  using Backend = typename M::backend;
  using Steps = typename StepsOf<Backend>::type;
  static_assert(ElementOptimizer<Optimizer_, T> || (Steps::on_host && TensorOptimizer<Optimizer_, T>),
                "strata: an optimizer has element(UpdateStep), or on the processor update(UpdateStep, ParameterSlice)");

  // The model must outlive the trainer. Throws std::invalid_argument for a loss or an optimizer with invalid numbers.
  Trainer(M& model, Loss loss, Optimizer_ optimizer)
      : model_(model),
        optimizer_((optimizer.validate(), std::move(optimizer))),
        evaluator_(model, sound(std::move(loss))),
        tensors_(model.parameter_tensors()),
        steps_(model.engine(), {.parameters = Net::parameters,
                                .slot_count = optimizer_.slot_count(),
                                .batch = model.options().batch,
                                .input = Net::input,
                                .rows = Rows::each,
                                .target = Rows::target,
                                .ranges = static_cast<std::int64_t>(tensors_.size()),
                                .element_bytes = element_bytes()}) {
    groups({});
  }

  // images (N,H,W,C) and their targets, N up to the model's batch. Loss and accuracy are those before the update. Without
  // images nothing happens. Throws std::invalid_argument for sizes and targets that do not fit, before anything changes;
  // and NotFiniteError, which leaves parameters and the optimizer's memory as they were, and BatchNorm's statistics finite.
  StepResult step(std::span<const T> images, const Targets& targets) {
    drain([](const StepResult&) {});
    if (images.empty() && targets.empty()) return {};
    const std::size_t one = static_cast<std::size_t>(Net::input.size()), n = images.size() / one;
    if (images.size() != n * one || n > static_cast<std::size_t>(model_.options().batch))
      throw std::invalid_argument("strata: " + std::to_string(images.size()) + " numbers are not up to " +
                                  std::to_string(model_.options().batch) + " images of " + std::to_string(one) +
                                  " numbers");
    check(targets, n, {});
    steps_.put({.update = updates_, .epoch = 0}, images, Rows::data(targets));
    queue(static_cast<int>(n));
    StepResult result;
    drain([&](const StepResult& r) { result = r; });
    return result;
  }

  // Loss and accuracy without training. Throws std::invalid_argument for sizes and targets that do not fit.
  StepResult evaluate(std::span<const T> images, const Targets& targets, const detail::Observers& observers = {},
                      std::optional<std::uint64_t> draw = {}, std::span<const std::uint32_t> indices = {}) {
    return evaluator_.evaluate(images, targets, observers, draw, indices);
  }

  // From now on each step adds its times to the profile (see Model::watch), with a row for the loss and one for the update;
  // null ends that. The profile must live until then. On a GPU each layer is waited for.
  void watch(Profile* profile) {
    drain([](const StepResult&) {});
    model_.watch(profile);
    profile_ = profile;
    steps_.forget_captured();
    if (!profile) return;
    profile->rows.push_back({.name = "loss", .first = -1});
    profile->rows.push_back({.name = "update", .first = -1});
  }

  // The number of updates done; on a GPU of those queued, until drain().
  [[nodiscard]] std::int64_t updates() const { return updates_; }
  [[nodiscard]] const Optimizer_& optimizer() const { return optimizer_; }
  [[nodiscard]] const auto& loss() const { return evaluator_.loss(); }
  [[nodiscard]] M& model() { return model_; }
  // What the optimizer keeps, on the host, in the order of the model's parameters; slot in [0, optimizer().slot_count()).
  // On a GPU as of the last download().
  [[nodiscard]] std::span<T> memory(int slot) { return steps_.memory(slot); }

  // From now on gradients whose norm, over all parameters that are not frozen, is larger are scaled down to it before the
  // update (Pascanu, Mikolov, Bengio 2013); 0: none. A step whose norm is infinite or NaN throws NotFiniteError. Throws
  // std::invalid_argument for a negative norm.
  void clip_gradients(double norm) {
    detail::check_not_negative("the norm that gradients are clipped to", norm);
    if (norm != clip_norm_) steps_.forget_captured();
    clip_norm_ = norm;
  }
  // Factors for learning rate and weight decay, and frozen tensors; replaces those of an earlier call. Throws
  // std::invalid_argument for a group that fits no tensor or has a negative factor.
  void groups(std::vector<ParameterGroup> groups) {
    ranges_ = detail::parameter_ranges(tensors_, groups, !ElementOptimizer<Optimizer_, T>);
    groups_ = std::move(groups);
    if constexpr (ElementOptimizer<Optimizer_, T>) elements_.assign(ranges_.size(), element(0));
    steps_.forget_captured();
  }
  // Stands between gradients and update from now on; null: nothing does.
  void reduce_by(std::shared_ptr<Reducer<T>> reducer) {
    drain([](const StepResult&) {});
    reducer_ = std::move(reducer);
    steps_.forget_captured();
  }

  // What is trained, for a checkpoint; without loss, data and steps of an epoch, which the loop knows. Its tensors are on
  // the host: download() and upload() exchange them with the backend's.
  [[nodiscard]] TrainingRun run()
    requires std::is_same_v<T, float>
  {
    return detail::training_run(*this);
  }
  // After parameters and memory were restored: counts on from this number of updates.
  void continue_at(std::int64_t updates) { updates_ = updates; }
  void download() { steps_.download(model_.regions()); }
  void upload() { steps_.upload(model_.regions()); }

  [[nodiscard]] double clip_norm() const { return clip_norm_; }
  [[nodiscard]] const std::vector<ParameterGroup>& groups() const { return groups_; }
  [[nodiscard]] const Reducer<T>* reducer() const { return reducer_.get(); }

  // What train() needs: batches as the backend wants them, and steps whose results may come later. report(StepResult) is
  // called once for each step, in order.
  template <class Data>
  using Feed = typename Steps::template Feed<Data>;
  template <class B, class Report>
  void learn(const B& batch, const Report& report) {
    if (steps_.full()) finish(report);
    check(batch.targets, static_cast<std::size_t>(batch.size), batch.indices);
    steps_.stage({.update = updates_, .epoch = batch.epoch}, batch, Rows::data(batch.targets));
    queue(batch.size);
    if constexpr (Steps::in_flight == 1) finish(report);
  }
  // Waits for the steps under way.
  template <class Report>
  void drain(const Report& report) {
    while (steps_.pending()) finish(report);
  }
  // The captured step of n images, for whoever measures it; null if there is none. See cuda::Steps.
  [[nodiscard]] auto captured(int n) const { return steps_.captured(n, phase()); }

 private:
  using A = typename Backend::activation;
  using Rows = detail::LossRows<Net, Kind>;
  using Element = typename detail::element_of<Optimizer_, T>::type;
  static_assert(std::is_trivially_copyable_v<Element>, "strata: an optimizer's element is copied to the device as bytes");
  static constexpr std::int64_t element_bytes() { return static_cast<std::int64_t>(sizeof(Element)); }

  // A loss that does not fit has been reported; a stand-in keeps it from adding other errors.
  static constexpr bool fits = diagnose<Net, Loss>().ok();
  using Sound = std::conditional_t<fits, Loss, Unchecked<MeanSquaredError>>;
  static Sound sound([[maybe_unused]] Loss loss) {
    if constexpr (fits)
      return loss;
    else
      return {};
  }

  static void check(const Targets& targets, std::size_t n, std::span<const std::uint32_t> indices) {
    detail::check_targets(Kind, targets, n, static_cast<std::size_t>(Rows::target), Rows::width, indices);
  }
  [[nodiscard]] int phase() const { return reducer_ ? reducer_->phase() : 0; }
  [[nodiscard]] UpdateStep update_step(std::size_t range) const {
    return {.number = updates_ + 1,
            .learning_rate = optimizer_.learning_rate(updates_) * ranges_[range].learning_rate,
            .weight_decay = ranges_[range].weight_decay};
  }
  [[nodiscard]] Element element(std::size_t range) const { return optimizer_.template element<T>(update_step(range)); }

  // Images and targets are in place.
  void queue(int n) {
    if constexpr (ElementOptimizer<Optimizer_, T>) {
      for (std::size_t r = 0; r < ranges_.size(); ++r) elements_[r] = element(r);
      steps_.set_elements(elements_.data(), static_cast<std::int64_t>(elements_.size() * sizeof(Element)));
    }
    const int now = phase();
    steps_.execute(n, now, profile_ != nullptr, [this, n, now] { compute(n, now); });
    if (!reducer_ || reducer_->updates(now)) ++updates_;
    if (reducer_) reducer_->advance();
    if (profile_) ++profile_->steps, profile_->samples += n;
  }

  void compute(int n, int now) {
    const A* outputs = model_.run_on_engine(steps_.images(), n, true, true, static_cast<std::uint64_t>(steps_.update()));
    {
      const Profile::Timer timer(profile_ ? &profile_->rows[profile_->rows.size() - 2].backward : nullptr);
      steps_.template loss<Kind>(evaluator_.loss(), n, Rows::each, Rows::width, outputs, model_.output_gradient());
      if (profile_) model_.engine().finish();
    }
    if (steps_.halted()) return;
    if (reducer_)
      model_.backward([&](std::int64_t first, std::int64_t count) {
        reducer_->ready(steps_, now, model_.engine_gradients() + first, count);
      });
    else
      model_.backward();
    const Profile::Timer timer(profile_ ? &profile_->rows.back().backward : nullptr);
    if (reducer_) reducer_->reduce(steps_, now, model_.engine_gradients(), Net::parameters);
    if (!reducer_ || reducer_->updates(now)) update();
    steps_.publish();
    if (profile_) model_.engine().finish();
  }

  void update() {
    T* w = model_.regions().parameters;
    T* g = model_.engine_gradients();
    if (clip_norm_ > 0) steps_.clip(ranges_, clip_norm_, g);
    if (steps_.halted()) return;
    for (std::size_t r = 0; r < ranges_.size(); ++r) {
      const detail::ParameterRange& range = ranges_[r];
      if (range.frozen) continue;
      if constexpr (ElementOptimizer<Optimizer_, T>) {
        steps_.update(elements_[r], static_cast<std::int64_t>(r), range.first, range.count, w, g);
      } else {
        const auto count = static_cast<std::size_t>(range.count);
        optimizer_.update(
            update_step(r),
            ParameterSlice<T>{.name = tensors_[r].name,
                              .info = tensors_[r].info,
                              .parameters = {w + range.first, count},
                              .gradients = {g + range.first, count},
                              .slot_data = optimizer_.slot_count() > 0 ? steps_.slot_data() + range.first : nullptr,
                              .slot_stride = steps_.slot_stride()});
      }
    }
  }

  // Waits for the oldest step under way and reports it.
  template <class Report>
  void finish(const Report& report) {
    const FinishedStep done = steps_.finish();
    if (!done.finite) {
      // Later steps that were queued have changed nothing but BatchNorm's statistics, since the loss halts the device.
      updates_ = done.number.update;
      if (steps_.restage(done))
        model_.run_on_engine(steps_.images(), done.samples, true, true, static_cast<std::uint64_t>(updates_));
      throw NotFiniteError(updates_, model_.first_not_finite(true));
    }
    if (!done.finite_gradients) {
      updates_ = done.number.update;
      throw NotFiniteError::of_gradients(updates_);
    }
    report(detail::step_result<Kind>(done, Rows::each, Rows::width));
  }

  M& model_;
  Optimizer_ optimizer_;
  Evaluator<M, Sound, Kind> evaluator_;
  std::vector<ParameterTensor> tensors_;
  std::vector<ParameterGroup> groups_;
  std::vector<detail::ParameterRange> ranges_;
  std::vector<Element> elements_;  // of the update to come, one for each range
  Steps steps_;
  std::shared_ptr<Reducer<T>> reducer_;
  std::int64_t updates_ = 0;
  double clip_norm_ = 0;
  Profile* profile_ = nullptr;
};

}  // namespace strata
