// SPDX-License-Identifier: BSL-1.0
// The average of a model's weights and state, in the memory of the device.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include <strata/backend/cuda/element.hpp>
#include <strata/backend/cuda/host_copy.hpp>
#include <strata/core/linkage.hpp>
#include <strata/model/engine.hpp>
#include <strata/training/averages.hpp>

namespace strata::inline STRATA_ABI::cuda {

namespace detail {

// average[i] += take * (now[i] - average[i]), and now[i] becomes it if copy_back, unless *halt is not 0. copy, if not
// null, gets what now[i] becomes in the type of activations.
template <class A>
struct AverageElement {
  const std::int32_t* halt;
  float take;
  bool copy_back;
  float *now, *average;
  A* copy;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    if (*halt != 0) return;
    const float next = take == 1.f ? now[i] : average[i] + take * (now[i] - average[i]);  // as on the CPU
    average[i] = next;
    if (!copy_back) return;
    now[i] = next;
    if (copy) copy[i] = A(next);
  }
};
template <class A>
struct ExchangeElement {
  float *now, *average;
  A* copy;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    const float before = now[i];
    now[i] = average[i];
    average[i] = before;
    if (copy) copy[i] = A(now[i]);
  }
};

}  // namespace detail

// n numbers. copy: see above; null: none.
template <Run R, class A>
void average(R& run, std::int64_t n, const AverageStep& a, const std::int32_t* halt, float* now, float* average, A* copy) {
  run(n, detail::AverageElement<A>{halt, static_cast<float>(1 - a.keep), a.copy_back, now, average, copy});
}
template <Run R, class A>
void exchange(R& run, std::int64_t n, float* now, float* average, A* copy) {
  run(n, detail::ExchangeElement<A>{now, average, copy});
}

// Parameters, then state.
template <class System>
class WeightAverage {
  using Device = typename System::Device;
  using Regions = TensorRegions<float>;

 public:
  [[nodiscard]] float* memory() const { return reinterpret_cast<float*>(memory_.get()); }
  void start(Device& device, const Regions& r) {
    device.use();
    const std::int64_t bytes = (r.parameter_count + r.state_count) * static_cast<std::int64_t>(sizeof(float));
    if (!memory()) memory_ = typename System::Memory(device, bytes, "an average of the weights");
    numbers_.resize(static_cast<std::size_t>(r.parameter_count + r.state_count));
    device.copy_bytes(memory(), r.parameters, r.parameter_count * static_cast<std::int64_t>(sizeof(float)));
    device.copy_bytes(state(r), r.state, r.state_count * static_cast<std::int64_t>(sizeof(float)));
  }
  template <class A>
  void average(Device& device, const AverageStep& a, const Regions& r, const std::int32_t* halt, A* copy) {
    cuda::average(device, r.parameter_count, a, halt, r.parameters, memory(), copy);
    if (r.state_count > 0) cuda::average(device, r.state_count, a, halt, r.state, state(r), static_cast<A*>(nullptr));
  }
  template <class A>
  void exchange(Device& device, const Regions& r, A* copy) {
    cuda::exchange(device, r.parameter_count, r.parameters, memory(), copy);
    if (r.state_count > 0) cuda::exchange(device, r.state_count, r.state, state(r), static_cast<A*>(nullptr));
  }

  // On the host, each tensor as its TensorInfo says.
  [[nodiscard]] std::span<float> numbers() { return numbers_; }
  void download(Device& device, const Regions& r) {
    const float* parameters = parameters_.download(device, memory(), r.parameter_count, r.filters);
    const float* states = state_.download(device, state(r), r.state_count, {});
    std::copy(parameters, parameters + r.parameter_count, numbers_.begin());
    std::copy(states, states + r.state_count, numbers_.begin() + r.parameter_count);
  }
  void upload(Device& device, const Regions& r) {
    const float* from = numbers_.data();
    std::copy(from, from + r.parameter_count, parameters_.numbers(r.parameter_count).begin());
    std::copy(from + r.parameter_count, from + r.parameter_count + r.state_count, state_.numbers(r.state_count).begin());
    parameters_.upload(device, memory(), r.parameter_count, r.filters);
    state_.upload(device, state(r), r.state_count, {});
  }

 private:
  [[nodiscard]] float* state(const Regions& r) const { return memory() + r.parameter_count; }

  typename System::Memory memory_;
  HostCopy parameters_, state_;
  std::vector<float> numbers_;
};

}  // namespace strata::inline STRATA_ABI::cuda
