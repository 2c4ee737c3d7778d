// SPDX-License-Identifier: BSL-1.0
// Engines of GPU backends share this: memory, and transfers between host and device. Products are those of the derived
// class: engine.hpp has cuDNN and cuBLASLt; tests compute them on the host.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <strata/backend/cuda/backend.hpp>
#include <strata/backend/cuda/host_copy.hpp>
#include <strata/core/alignment.hpp>
#include <strata/core/linkage.hpp>
#include <strata/model/engine.hpp>

namespace strata::inline STRATA_ABI::cuda {

// What differs from step to step, in the device's memory. Everything else in a step is the same each time, so that it can
// be captured once and replayed.
struct StepNumbers {
  std::uint64_t step = 0;   // picks dropout's random numbers
  std::uint64_t epoch = 0;  // picks augmentation's
  std::uint64_t slot = 0;   // where to write the score
};

// System: a struct with the types of device.hpp: Device, Memory, Event, Graph, CopyStream, PinnedAllocator.
template <class Precision, class System_>
class GpuEngine {
 public:
  using System = System_;
  using Device = typename System::Device;
  using Activation = typename Precision::Activation;
  using Parameter = float;
  using A = Activation;
  using precision = Precision;

  explicit GpuEngine(const EngineOptions& options) : device_(options.device), staged_numbers_(numbers_in_flight) {}

  // Bytes of the arena that the engine needs for itself: the step's numbers, the images as floats and in the activations'
  // type, the weights' copy.
  static constexpr std::int64_t own_bytes(std::int64_t parameters, std::int64_t images, std::int64_t /*outputs*/) {
    using strata::detail::aligned;
    const std::int64_t floats = aligned(sizeof(StepNumbers)) + aligned(images * static_cast<std::int64_t>(sizeof(float)));
    if (!copies) return floats;
    return floats + aligned(images * static_cast<std::int64_t>(sizeof(A))) +
           aligned(parameters * static_cast<std::int64_t>(sizeof(A)));
  }

  [[nodiscard]] Device& device() { return device_; }
  [[nodiscard]] static int threads() { return 1; }
  // Which device and precision run, since others give other last digits: "NVIDIA H200, TF32".
  [[nodiscard]] std::string kernels() const { return device_.name() + ", " + Precision::name; }

  // Places its own things in the part of the arena that own_bytes() asked for.
  void use_arena(std::byte* arena, const ArenaRequest& request) {
    using strata::detail::aligned;
    parameters_ = reinterpret_cast<const float*>(arena);
    std::byte* own = arena + request.own;
    numbers_ = reinterpret_cast<StepNumbers*>(own);
    own += aligned(sizeof(StepNumbers));
    float_images_ = reinterpret_cast<float*>(own);
    own += aligned(request.images * static_cast<std::int64_t>(sizeof(float)));
    images_ = reinterpret_cast<A*>(float_images_);
    if constexpr (copies) {
      images_ = reinterpret_cast<A*>(own);
      own += aligned(request.images * static_cast<std::int64_t>(sizeof(A)));
      copy_ = reinterpret_cast<A*>(own);
    }
  }

  // Where forward reads a batch of images: (N,H,W,C).
  [[nodiscard]] A* images() const { return images_; }
  [[nodiscard]] const StepNumbers* numbers() const { return numbers_; }
  // Queues the numbers for all work that is queued after them. The argument is copied.
  void set(const StepNumbers& numbers) {
    StepNumbers& staged = staged_numbers_[next_numbers_++ % numbers_in_flight];
    staged = numbers;
    device_.copy_bytes(numbers_, &staged, sizeof(StepNumbers));
  }

  const A* upload(std::span<const float> images, std::uint64_t step) {
    device_.use();
    set({.step = step});
    const auto n = static_cast<std::int64_t>(images.size());
    device_.copy_bytes(float_images_, images.data(), n * static_cast<std::int64_t>(sizeof(float)));
    if constexpr (copies) convert(device_, n, static_cast<const float*>(float_images_), images_);
    return images_;
  }
  std::span<const float> download(const A* outputs, std::size_t n) {
    downloaded_.resize(n);
    downloaded_as_.resize(n);
    device_.copy_bytes(downloaded_as_.data(), outputs, static_cast<std::int64_t>(n * sizeof(A)));
    device_.finish();
    std::transform(downloaded_as_.begin(), downloaded_as_.end(), downloaded_.begin(),
                   [](A x) { return static_cast<float>(x); });
    return downloaded_;
  }

  HostTensors<float> open_tensors(const TensorRegions<float>& r) {
    device_.use();
    return {host_parameters_.download(device_, r.parameters, r.parameter_count, r.filters),
            host_state_.download(device_, r.state, r.state_count, {})};
  }
  // Updates the copy of the weights too.
  void close_tensors(const TensorRegions<float>& r) {
    device_.use();
    host_parameters_.upload(device_, r.parameters, r.parameter_count, r.filters);
    host_state_.upload(device_, r.state, r.state_count, {});
    if constexpr (copies) convert(device_, r.parameter_count, static_cast<const float*>(r.parameters), copy_);
  }

  [[nodiscard]] StepRandom random(std::uint64_t seed, std::uint32_t layer, std::uint64_t /*step*/) const {
    return {seed, layer, &numbers_->step};
  }
  void finish() { device_.finish(); }
  // How batches of this size are computed. Whoever captured work of that size keeps this, because the work refers to it,
  // and captures again if the engine has other plans by then. An engine without plans has null.
  [[nodiscard]] std::shared_ptr<const void> plans_of(int /*batch*/) { return nullptr; }
  [[nodiscard]] bool all_finite(const A* x, std::int64_t n) {
    std::vector<A> values(static_cast<std::size_t>(n));
    device_.copy_bytes(values.data(), x, n * static_cast<std::int64_t>(sizeof(A)));
    device_.finish();
    return std::all_of(values.begin(), values.end(), [](A v) { return std::isfinite(static_cast<float>(v)); });
  }

  // Where products read these parameters.
  [[nodiscard]] const A* weights(const float* parameters) const {
    if constexpr (copies)
      return copy_ + (parameters - parameters_);
    else
      return parameters;
  }
  // Of all parameters, for the optimizer; null if products read the parameters themselves.
  [[nodiscard]] A* weights_copy() const { return copy_; }

 protected:
  static constexpr bool copies = !std::is_same_v<A, float>;

 private:
  static constexpr std::size_t numbers_in_flight = 64;  // far more than the steps that are queued between two waits

  Device device_;
  std::vector<StepNumbers, typename System::template PinnedAllocator<StepNumbers>> staged_numbers_;
  std::size_t next_numbers_ = 0;
  const float* parameters_ = nullptr;
  StepNumbers* numbers_ = nullptr;
  float* float_images_ = nullptr;
  A *images_ = nullptr, *copy_ = nullptr;
  HostCopy host_parameters_, host_state_;
  std::vector<float> downloaded_;
  std::vector<A> downloaded_as_;
};

}  // namespace strata::inline STRATA_ABI::cuda
