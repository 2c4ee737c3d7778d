// SPDX-License-Identifier: BSL-1.0
// Training as a user writes it, on any GPU backend, and what a benchmark asks of it.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/backend/cuda/steps.hpp>

#include "job.hpp"

namespace bench {

// Without Dropout: for the check alone.
using Plain = strata::Sequential<strata::Input<32, 32, 3>, strata::Conv<5, 96>, strata::ReLU, strata::MaxPool<3, 2>,
                                 strata::Conv<5, 256, strata::Stride<2>>, strata::ReLU, strata::MaxPool<3, 2>,
                                 strata::Conv<3, 384>, strata::ReLU, strata::Conv<3, 384>, strata::ReLU,
                                 strata::Conv<3, 256>, strata::ReLU, strata::MaxPool<3, 2>, strata::Flatten,
                                 strata::Dense<4096>, strata::ReLU, strata::Dense<4096>, strata::ReLU, strata::Dense<10>>;

template <class Net, class Backend>
class Steps {
 public:
  using Model = strata::Model<Net, Backend>;
  using Trainer = strata::Trainer<Model, strata::SoftmaxCrossEntropy, strata::SGD>;
  using System = typename Model::Engine::System;

  // The data must outlive it.
  Steps(const Data& data, const JobSetup& setup)
      : data_(data),
        batch_(static_cast<std::size_t>(setup.batch)),
        model_({.batch = setup.batch, .seed = 1, .device = setup.device, .autotune = setup.autotune}),
        trainer_(model_, strata::SoftmaxCrossEntropy{}, strata::SGD{.learning_rate = learning_rate, .momentum = momentum}),
        labels_(data.labels.begin(), data.labels.end()),
        indices_(batch_) {
    if (data.labels.size() < batch_)
      throw std::runtime_error("a batch of " + std::to_string(batch_) + " is more than the " +
                               std::to_string(data.labels.size()) + " images there are");
    load();
    std::iota(indices_.begin(), indices_.end(), std::uint32_t{0});
    auto& device = model_.engine().device();
    // Where the images are is all that differs from training on a data set: learn() copies from wherever they are. Labels
    // are looked at on the host.
    images_ = typename System::Memory(device, bytes(data.images), "the images");
    index_memory_ = typename System::Memory(device, bytes(indices_), "the indices");
    device.copy_bytes(images_.get(), data.images.data(), bytes(data.images));
    device.copy_bytes(index_memory_.get(), indices_.data(), bytes(indices_));
    device.finish();
  }

  void restart() {
    finish();
    load();
  }
  void step(int number) {
    const std::size_t first = static_cast<std::size_t>(number) % (data_.labels.size() / batch_) * batch_;
    const std::span<const float> images(reinterpret_cast<const float*>(images_.get()) + first * one, batch_ * one);
    const strata::cuda::StagedBatch batch{.size = static_cast<int>(batch_),
                                          .targets = std::span<const int>(labels_.data() + first, batch_),
                                          .indices = {reinterpret_cast<const std::uint32_t*>(index_memory_.get()), batch_},
                                          .pixels = std::as_bytes(images),
                                          .ready = true,
                                          .options = &options_};
    trainer_.learn(batch, tell());
  }
  double finish() {
    trainer_.drain(tell());
    model_.engine().finish();
    return loss_;
  }
  // Throws std::logic_error before the second step.
  void replay() {
    const auto* graph = trainer_.captured(static_cast<int>(batch_));
    if (!graph) throw std::logic_error("a step is captured the second time it is made");
    graph->launch(model_.engine().device().stream());
  }
  std::vector<float> logits(int number) {
    const std::size_t first = static_cast<std::size_t>(number) * batch_;
    const auto y = model_.predict(std::span(data_.images).subspan(first * one, batch_ * one));
    return {y.begin(), y.end()};
  }
  template <class Images_>
  std::vector<strata::EpochRecord> epochs(const Images_& images, int count) {
    restart();
    return strata::train(model_, images, strata::SoftmaxCrossEntropy{},
                         strata::SGD{.learning_rate = learning_rate, .momentum = momentum},
                         {.epochs = count, .augment = augmentation, .normalize = normalisation, .verbose = false});
  }
  Model& model() { return model_; }
  [[nodiscard]] std::size_t parameters() const { return static_cast<std::size_t>(Net::parameters); }

 private:
  static constexpr auto one = static_cast<std::size_t>(Net::input.size());

  template <class T>
  static std::int64_t bytes(const std::vector<T>& v) {
    return static_cast<std::int64_t>(v.size() * sizeof(T));
  }
  auto tell() {
    return [this](const strata::StepResult& r) { loss_ = r.loss / r.samples; };
  }
  // The data's weights: kernel and bias, layer after layer.
  void load() {
    const float* from = data_.weights.data();
    model_.for_each_tensor([&](const std::string&, const strata::TensorInfo&, std::span<float> values) {
      std::copy_n(from, values.size(), values.begin());
      from += values.size();
    });
  }

  const Data& data_;
  std::size_t batch_;
  Model model_;
  Trainer trainer_;
  std::vector<int, typename System::template PinnedAllocator<int>> labels_;
  std::vector<std::uint32_t> indices_;
  typename System::Memory images_, index_memory_;
  const strata::BatchOptions options_{};  // the images are ready
  double loss_ = 0;
};

template <class Backend>
class JobOf final : public Job {
 public:
  JobOf(const Data& data, const JobSetup& setup) : steps_(data, setup) {}
  void restart() override { steps_.restart(); }
  void step(int number) override { steps_.step(number); }
  double finish() override { return steps_.finish(); }
  void replay() override { steps_.replay(); }
  std::vector<strata::EpochRecord> epochs(const Images& images, int count) override { return steps_.epochs(images, count); }
  [[nodiscard]] std::size_t parameters() const override { return steps_.parameters(); }

 private:
  Steps<AlexNet, Backend> steps_;
};

template <class Backend>
CheckResult check_on(const Data& data, JobSetup setup) {
  constexpr std::size_t batch = 64;
  setup.batch = static_cast<int>(batch);
  Steps<Plain, Backend> steps(data, setup);
  CheckResult result;
  result.parameters = steps.parameters();
  const std::vector<float> y = steps.logits(1);
  result.logits.assign(y.begin(), y.begin() + classes);
  result.logits.insert(result.logits.end(), y.end() - classes, y.end());
  for (int i = 0; i < 4; ++i) {
    steps.step(i);
    result.losses.push_back(steps.finish());
  }
  return result;
}

}  // namespace bench
