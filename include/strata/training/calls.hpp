// SPDX-License-Identifier: BSL-1.0
// A loss and an optimizer as a trainer calls them, without their types.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/core/tensor_info.hpp>
#include <strata/losses/losses.hpp>
#include <strata/optimizers/parameter_groups.hpp>
#include <strata/optimizers/update.hpp>
#include <strata/training/right.hpp>
#include <strata/training/rows.hpp>
#include <strata/training/steps.hpp>
#include <strata/util/no_copy.hpp>

namespace strata::inline STRATA_ABI::detail {

template <class Backend>
class LossCalls : public Interface {
 public:
  using Steps = typename StepsOf<Backend>::type;
  using Engine = typename Backend::Engine;
  using A = typename Backend::activation;
  using T = typename Backend::scalar;

  // Losses of a step's n samples, and their gradient.
  virtual void step(Steps& steps, int n, const RowsOfSample& rows, const A* outputs, A* gradient) const = 0;
  // Losses of rows on the host.
  virtual void values(Engine& engine, std::int64_t rows, int width, int places, const T* outputs, const void* targets,
                      T* values) const = 0;
  // Throws std::invalid_argument if the loss does not fit so many classes.
  virtual void check_outputs(int width) const = 0;
  [[nodiscard]] virtual double probability(std::span<const T> outputs, int c) const = 0;
  [[nodiscard]] virtual double threshold() const = 0;
  [[nodiscard]] virtual std::string describe() const = 0;
};

template <class Backend, class Loss, TargetKind Kind>
class LossCallsOf final : public LossCalls<Backend> {
  using Base = LossCalls<Backend>;
  using typename Base::A, typename Base::Engine, typename Base::Steps, typename Base::T;

 public:
  // Throws std::invalid_argument for invalid numbers.
  explicit LossCallsOf(Loss loss) : loss_(std::move(loss)) { validate_loss(loss_); }
  [[nodiscard]] const Loss& loss() const { return loss_; }

  void step(Steps& steps, int n, const RowsOfSample& rows, const A* outputs, A* gradient) const override {
    steps.template loss<Kind>(loss_, n, rows, outputs, gradient);
  }
  void values(Engine& engine, std::int64_t rows, int width, int places, const T* outputs, const void* targets,
              T* values) const override {
    using Element = std::conditional_t<is_class(Kind), int, float>;
    Steps::host_loss(engine, plain_loss(loss_), rows, width, places, outputs, static_cast<const Element*>(targets), values);
  }
  void check_outputs(int width) const override {
    if constexpr (is_class(Kind)) validate_loss(loss_, width);
  }
  [[nodiscard]] double probability(std::span<const T> outputs, int c) const override {
    return strata::detail::probability(loss_, outputs, c);
  }
  [[nodiscard]] double threshold() const override { return decision_threshold(loss_); }
  [[nodiscard]] std::string describe() const override { return loss_.describe(); }

 private:
  Loss loss_;
};

template <class Backend>
class OptimizerCalls : public Interface {
 public:
  using Steps = typename StepsOf<Backend>::type;
  using T = typename Backend::scalar;

  [[nodiscard]] virtual int slot_count() const = 0;
  [[nodiscard]] virtual double learning_rate(std::int64_t update, const RunContext& run) const = 0;
  // What the rate depends on besides the update.
  [[nodiscard]] virtual bool follows_length() const = 0;
  [[nodiscard]] virtual bool follows_validation() const = 0;
  [[nodiscard]] virtual std::string describe() const = 0;
  // Whether it works on whole tensors, so that a range of parameters must not be more.
  [[nodiscard]] virtual bool whole_tensors() const = 0;
  [[nodiscard]] virtual std::int64_t element_bytes() const = 0;
  // The numbers of the update after `updates`, for each range.
  virtual void prepare(Steps& steps, std::int64_t updates, const RunContext& run,
                       std::span<const ParameterRange> ranges) = 0;
  // Range r, which is this tensor if the optimizer works on tensors.
  virtual void update(Steps& steps, std::int64_t updates, const RunContext& run, std::size_t r, const ParameterRange& range,
                      const ParameterTensor& tensor, T* parameters, const T* gradients) = 0;
};

template <class Backend, class O>
class OptimizerCallsOf final : public OptimizerCalls<Backend> {
  using Base = OptimizerCalls<Backend>;
  using typename Base::Steps, typename Base::T;
  static constexpr bool by_element = ElementOptimizer<O, T>;
  using Element = typename element_of<O, T>::type;
  static_assert(std::is_trivially_copyable_v<Element>, "strata: an optimizer's element is copied to the device as bytes");

 public:
  // Throws std::invalid_argument for invalid numbers.
  explicit OptimizerCallsOf(O optimizer) : optimizer_(std::move(optimizer)) { optimizer_.validate(); }
  [[nodiscard]] const O& optimizer() const { return optimizer_; }

  [[nodiscard]] int slot_count() const override { return optimizer_.slot_count(); }
  [[nodiscard]] double learning_rate(std::int64_t update, const RunContext& run) const override {
    return rate_of(optimizer_.learning_rate, update, run);
  }
  [[nodiscard]] bool follows_length() const override { return strata::detail::follows_length(optimizer_.learning_rate); }
  [[nodiscard]] bool follows_validation() const override {
    return strata::detail::follows_validation(optimizer_.learning_rate);
  }
  [[nodiscard]] std::string describe() const override { return optimizer_.describe(); }
  [[nodiscard]] bool whole_tensors() const override { return !by_element; }
  [[nodiscard]] std::int64_t element_bytes() const override { return static_cast<std::int64_t>(sizeof(Element)); }

  void prepare(Steps& steps, std::int64_t updates, const RunContext& run, std::span<const ParameterRange> ranges) override {
    if constexpr (by_element) {
      if (elements_.size() != ranges.size()) elements_.assign(ranges.size(), element(updates, run, ranges[0]));
      for (std::size_t r = 0; r < ranges.size(); ++r) elements_[r] = element(updates, run, ranges[r]);
      steps.set_elements(elements_.data(), static_cast<std::int64_t>(elements_.size() * sizeof(Element)));
    }
  }
  void update(Steps& steps, std::int64_t updates, const RunContext& run, std::size_t r, const ParameterRange& range,
              const ParameterTensor& tensor, T* parameters, const T* gradients) override {
    if constexpr (by_element) {
      steps.update(elements_[r], static_cast<std::int64_t>(r), range.first, range.count, parameters, gradients);
    } else {
      const auto count = static_cast<std::size_t>(range.count);
      optimizer_.update(
          numbers(updates, run, range),
          ParameterSlice<T>{.name = tensor.name,
                            .info = tensor.info,
                            .parameters = {parameters + range.first, count},
                            .gradients = {gradients + range.first, count},
                            .slot_data = optimizer_.slot_count() > 0 ? steps.slot_data() + range.first : nullptr,
                            .slot_stride = steps.slot_stride()});
    }
  }

 private:
  [[nodiscard]] UpdateStep numbers(std::int64_t updates, const RunContext& run, const ParameterRange& range) const {
    return {.number = updates + 1,
            .learning_rate = learning_rate(updates, run) * range.learning_rate,
            .weight_decay = range.weight_decay};
  }
  [[nodiscard]] Element element(std::int64_t updates, const RunContext& run, const ParameterRange& range) const {
    return optimizer_.template element<T>(numbers(updates, run, range));
  }

  O optimizer_;
  std::vector<Element> elements_;  // of the update to come, one for each range
};

}  // namespace strata::inline STRATA_ABI::detail
