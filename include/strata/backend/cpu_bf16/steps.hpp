// SPDX-License-Identifier: BSL-1.0
// Training steps of CpuBF16: those of float32, with images rounded and outputs widened for the loss.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include <strata/backend/cpu/steps.hpp>
#include <strata/backend/cpu_bf16/backend.hpp>
#include <strata/core/linkage.hpp>
#include <strata/training/train_core_impl.hpp>

namespace strata::inline STRATA_ABI {
namespace cpu::bf16 {

class Steps final : public cpu::Steps<float> {
  using Base = cpu::Steps<float>;

 public:
  Steps(CpuBf16Engine& engine, const StepSizes& sizes)
      : Base(engine, sizes),
        engine_(engine),
        image_(sizes.input.size()),
        gradient_(static_cast<std::size_t>(sizes.batch * sizes.output)) {}

  template <class Compute>
  void execute(int n, int phase, bool profiled, const Compute& compute) {
    images_ = engine_.upload({all_images(), static_cast<std::size_t>(n * image_)}, 0);
    Base::execute(n, phase, profiled, compute);
  }
  [[nodiscard]] const Bf16* images() const { return images_ + (Base::images() - all_images()); }

  template <TargetKind Kind, class Loss>
  void loss(const Loss& loss, int n, const strata::detail::RowsOfSample& rows, const Bf16* outputs, Bf16* gradient) {
    const std::int64_t count = n * rows.each * rows.width;
    const float* widened = engine_.download(outputs, static_cast<std::size_t>(count)).data();
    Base::template loss<Kind>(loss, n, rows, widened, gradient_.data());
    round(count, gradient_.data(), gradient);
  }

 private:
  CpuBf16Engine& engine_;
  std::int64_t image_;            // numbers of an image
  const Bf16* images_ = nullptr;  // all of the step's
  std::vector<float> gradient_;   // of the network's outputs, before it is rounded
};

}  // namespace cpu::bf16

template <>
struct StepsOf<CpuBF16> {
  using type = cpu::bf16::Steps;
};

}  // namespace strata::inline STRATA_ABI
