// SPDX-License-Identifier: BSL-1.0
// Sums over several processes during a step. They are queued on the device, and add up results, gradients, and the change
// of the state, such as BatchNorm's running statistics.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <strata/backend/cuda/combine.hpp>
#include <strata/backend/cuda/element.hpp>
#include <strata/backend/cuda/gpu_engine.hpp>
#include <strata/backend/cuda/losses.hpp>
#include <strata/core/alignment.hpp>
#include <strata/core/bf16.hpp>
#include <strata/core/linkage.hpp>
#include <strata/model/engine.hpp>
#include <strata/training/device_sums.hpp>
#include <strata/training/processes.hpp>
#include <strata/util/no_copy.hpp>

namespace strata::inline STRATA_ABI::cuda {

namespace detail {

// The results of a step as numbers to be summed. Of the batch's size and the step's number the squares are summed too: that
// shows whether all processes have the same ones.
inline constexpr int packed_results = 7;
struct PackResults {
  StepScore* score;
  const StepNumbers* numbers;
  double whole;
  double* packed;
  STRATA_HOST_DEVICE void operator()(std::int64_t) const {
    score->own_finite = score->finite;
    // Squares of so many bits are exact, and so are their sums.
    const double step = static_cast<double>(numbers->step % (1U << 20));
    packed[0] = score->loss, packed[1] = static_cast<double>(score->correct), packed[2] = score->finite != 0 ? 0 : 1;
    packed[3] = whole, packed[4] = whole * whole, packed[5] = step, packed[6] = step * step;
  }
};
// finite becomes 0 too if the processes compute different batches: the host then asks them.
struct UnpackResults {
  double processes;
  const double* packed;
  StepScore* score;
  std::int32_t* halt;
  STRATA_HOST_DEVICE void operator()(std::int64_t) const {
    const bool same = packed[3] * packed[3] == processes * packed[4] && packed[5] * packed[5] == processes * packed[6];
    score->loss = packed[0], score->correct = static_cast<std::int64_t>(packed[1]);
    score->finite = packed[2] == 0 && same ? 1 : 0;
    if (score->finite == 0) *halt = 1;
  }
};

// The change, so that a state that stays as it is keeps its bits.
struct StateChange {
  float weight;
  const float *before, *now;
  float* change;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const { change[i] = weight * (now[i] - before[i]); }
};
struct ChangedState {
  const std::int32_t* halt;
  const float *before, *change;
  float* now;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const { now[i] = *halt != 0 ? before[i] : before[i] + change[i]; }
};

}  // namespace detail

template <class System>
class StepSums : NoCopy {
  using Device = typename System::Device;

 public:
  // Where a trainer keeps the results of a step on the device.
  struct Results {
    StepScore* score;
    std::int32_t* halt;
    const StepNumbers* numbers;
  };

  // Throws CudaError if there is not enough memory.
  StepSums(Device& device, std::shared_ptr<Processes> processes, const TensorRegions<float>& r, const Results& results)
      : device_(device),
        processes_(std::move(processes)),
        sums_(processes_->device_sums()),
        state_(r.state),
        state_count_(r.state_count),
        results_(results) {
    using strata::detail::aligned;
    constexpr auto size = static_cast<std::int64_t>(sizeof(float));
    const std::int64_t packed = aligned(detail::packed_results * static_cast<std::int64_t>(sizeof(double))),
                       state = aligned(state_count_ * size), narrow = sums_->bfloat16() ? r.parameter_count * 2 : 0;
    memory_ = typename System::Memory(device_, packed + 2 * state + narrow, "sums over processes");
    std::byte* at = memory_.get();
    packed_ = reinterpret_cast<double*>(at), at += packed;
    before_ = reinterpret_cast<float*>(at), at += state;
    change_ = reinterpret_cast<float*>(at), at += state;
    if (narrow > 0) narrow_ = reinterpret_cast<Bf16*>(at);
  }

  // Sets how many samples all processes together have in the next step.
  void of_batch(int whole) { whole_ = whole; }
  [[nodiscard]] int whole() const { return whole_; }

  // --- Queued, in this order
  // Before forward. gradients: of all parameters.
  void begin(float* gradients) {
    gradients_ = gradients;
    device_.copy_bytes(before_, state_, state_bytes());
  }
  // After the loss of n samples.
  void results(int n) {
    device_(1, detail::PackResults{results_.score, results_.numbers, static_cast<double>(whole_), packed_});
    sums_->all_reduce(device_.stream(), packed_, detail::packed_results, DeviceNumber::float64);
    if (state_count_ == 0) return;
    const float weight = static_cast<float>(static_cast<double>(n) / whole_);
    device_(state_count_, detail::StateChange{weight, before_, state_, change_});
    sums_->all_reduce(device_.stream(), change_, state_count_, DeviceNumber::float32);
  }
  // Gradients that are final; they are summed after join().
  void all_reduce(std::span<float> gradients, Wire wire) {
    const auto count = static_cast<std::int64_t>(gradients.size());
    if (!narrow_ || wire == Wire::exact)
      return sums_->all_reduce(device_.stream(), gradients.data(), count, DeviceNumber::float32);
    Bf16* const sent = narrow_ + (gradients.data() - gradients_);
    convert(device_, count, static_cast<const float*>(gradients.data()), sent);
    sums_->all_reduce(device_.stream(), sent, count, DeviceNumber::bfloat16);
    narrowed_.push_back(gradients);
  }
  void join() {
    sums_->join(device_.stream());
    for (const std::span<float>& gradients : std::exchange(narrowed_, {}))
      convert(device_, static_cast<std::int64_t>(gradients.size()),
              static_cast<const Bf16*>(narrow_ + (gradients.data() - gradients_)), gradients.data());
  }
  // After join(): the results are those of all processes, and a step that is not finite changes no state.
  void finish() {
    device_(1, detail::UnpackResults{static_cast<double>(processes_->size()), packed_, results_.score, results_.halt});
    device_(state_count_, detail::ChangedState{results_.halt, before_, change_, state_});
  }

  // The state is again that before the last step.
  void restore_state() { device_.copy_bytes(state_, before_, state_bytes()); }
  // Until the event has happened, or a process fails.
  void wait(const typename System::Event& event) {
    sums_->wait([&event] { return event.happened(); });
  }

 private:
  [[nodiscard]] std::int64_t state_bytes() const { return state_count_ * static_cast<std::int64_t>(sizeof(float)); }

  Device& device_;
  std::shared_ptr<Processes> processes_;
  DeviceSums* sums_;
  float* state_;
  std::int64_t state_count_;
  Results results_;
  typename System::Memory memory_;
  double* packed_ = nullptr;
  float *before_ = nullptr, *change_ = nullptr, *gradients_ = nullptr;
  Bf16* narrow_ = nullptr;  // null: gradients are sent as they are
  std::vector<std::span<float>> narrowed_;
  int whole_ = 0;
};

}  // namespace strata::inline STRATA_ABI::cuda
