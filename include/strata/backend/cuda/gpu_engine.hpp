// SPDX-License-Identifier: BSL-1.0
// What any engine of a GPU backend does without a product: memory, what crosses between host and device, where branches
// meet. The products are those of whoever derives from it: engine.hpp with cuDNN and cuBLASLt; tests compute them on the
// host.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <strata/backend/cuda/combine.hpp>
#include <strata/backend/cuda/host_copy.hpp>
#include <strata/backend/cuda/kernels.hpp>
#include <strata/core/alignment.hpp>
#include <strata/model/engine.hpp>

namespace strata::cuda {

// What differs from step to step, in the device's memory: the rest of a step is the same each time.
struct StepNumbers {
  std::uint64_t step = 0;   // picks dropout's random numbers
  std::uint64_t epoch = 0;  // picks those of augmentation
  std::uint64_t slot = 0;  // where the score goes
};

// System: the names of device.hpp, as a struct: Device, Memory, Event, Graph, CopyStream, PinnedAllocator.
template <class Precision, class System_>
class GpuEngine {
 public:
  using System = System_;
  using Device = typename System::Device;
  using Activation = typename Precision::Activation;
  using A = Activation;
  using precision = Precision;

  explicit GpuEngine(const EngineOptions& options) : device_(options.device), staged_numbers_(numbers_in_flight) {}

  // Of the arena, for itself: the step's numbers, the images as floats and in the activations' type, the weights' copy.
  static constexpr std::int64_t own_bytes(std::int64_t parameters, std::int64_t images) {
    using strata::detail::aligned;
    const std::int64_t floats = aligned(sizeof(StepNumbers)) + aligned(images * static_cast<std::int64_t>(sizeof(float)));
    if (!copies) return floats;
    return floats + aligned(images * static_cast<std::int64_t>(sizeof(A))) +
           aligned(parameters * static_cast<std::int64_t>(sizeof(A)));
  }

  [[nodiscard]] Device& device() { return device_; }
  [[nodiscard]] static int threads() { return 1; }
  // What computes: "NVIDIA H200, TF32". With another the last digits differ.
  [[nodiscard]] std::string kernels() const { return device_.name() + ", " + Precision::name; }

  // Where things are within what `own_bytes` asked for.
  void settle_in(std::byte* arena, const ArenaRequest& request) {
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

  // Where a batch of images is computed from: (N,H,W,C).
  [[nodiscard]] A* images() const { return images_; }
  [[nodiscard]] const StepNumbers* numbers() const { return numbers_; }
  // Queues them for what is queued after; they may change at once.
  void set(const StepNumbers& numbers) {
    StepNumbers& staged = staged_numbers_[next_numbers_++ % numbers_in_flight];
    staged = numbers;
    device_.copy_bytes(numbers_, &staged, sizeof(StepNumbers));
  }

  const A* bring(std::span<const float> images, std::uint64_t step) {
    device_.use();
    set({.step = step});
    const auto n = static_cast<std::int64_t>(images.size());
    device_.copy_bytes(float_images_, images.data(), n * static_cast<std::int64_t>(sizeof(float)));
    if constexpr (copies) convert(device_, n, static_cast<const float*>(float_images_), images_);
    return images_;
  }
  std::span<const float> fetch(const A* outputs, std::size_t n) {
    fetched_.resize(n);
    fetched_as_.resize(n);
    device_.copy_bytes(fetched_as_.data(), outputs, static_cast<std::int64_t>(n * sizeof(A)));
    device_.finish();
    std::transform(fetched_as_.begin(), fetched_as_.end(), fetched_.begin(), [](A x) { return static_cast<float>(x); });
    return fetched_;
  }

  HostTensors<float> open_tensors(const TensorRegions<float>& r) {
    device_.use();
    return {host_parameters_.pull(device_, r.parameters, r.parameter_count, r.filters),
            host_state_.pull(device_, r.state, r.state_count, {})};
  }
  // And the copy of the weights follows.
  void close_tensors(const TensorRegions<float>& r) {
    device_.use();
    host_parameters_.push(device_, r.parameters, r.parameter_count, r.filters);
    host_state_.push(device_, r.state, r.state_count, {});
    if constexpr (copies) convert(device_, r.parameter_count, static_cast<const float*>(r.parameters), copy_);
  }

  [[nodiscard]] StepRandom random(std::uint64_t seed, std::uint32_t layer, std::uint64_t /*step*/) const {
    return {seed, layer, &numbers_->step};
  }
  void finish() { device_.finish(); }
  [[nodiscard]] bool all_finite(const A* x, std::int64_t n) {
    std::vector<A> values(static_cast<std::size_t>(n));
    device_.copy_bytes(values.data(), x, n * static_cast<std::int64_t>(sizeof(A)));
    device_.finish();
    return std::all_of(values.begin(), values.end(), [](A v) { return std::isfinite(static_cast<float>(v)); });
  }

  void add(std::int64_t n, const A* a, const A* b, A* y) { cuda::add_forward(device_, n, a, b, y); }
  void copy(std::int64_t n, const A* from, A* to) { cuda::copy(device_, n, from, to); }
  void concat_copy(std::int64_t rows, int channels, const A* branch, int total, int offset, A* whole) {
    cuda::concat_copy(device_, rows, channels, branch, total, offset, whole);
  }
  void concat_take(std::int64_t rows, int channels, A* branch, int total, int offset, const A* whole) {
    cuda::concat_take(device_, rows, channels, branch, total, offset, whole);
  }

  // Parameters as products read them.
  [[nodiscard]] const A* weights(const float* parameters) const {
    if constexpr (copies)
      return copy_ + (parameters - parameters_);
    else
      return parameters;
  }
  // Of all parameters, for whoever updates them; null where products read the parameters themselves.
  [[nodiscard]] A* weights_copy() const { return copy_; }

 protected:
  static constexpr bool copies = !std::is_same_v<A, float>;

 private:
  static constexpr std::size_t numbers_in_flight = 64;  // far more than steps are ever queued before somebody waits

  Device device_;
  std::vector<StepNumbers, typename System::template PinnedAllocator<StepNumbers>> staged_numbers_;
  std::size_t next_numbers_ = 0;
  const float* parameters_ = nullptr;
  StepNumbers* numbers_ = nullptr;
  float* float_images_ = nullptr;
  A *images_ = nullptr, *copy_ = nullptr;
  HostCopy host_parameters_, host_state_;
  std::vector<float> fetched_;
  std::vector<A> fetched_as_;
};

}  // namespace strata::cuda
