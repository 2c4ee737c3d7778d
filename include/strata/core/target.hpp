// SPDX-License-Identifier: BSL-1.0
// What a loss asks of a network and of a data set: the kind of outputs, and the kind of targets.
#pragma once
#include <cstdint>
#include <initializer_list>

#include <strata/core/host_device.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>

namespace strata {

// The outputs that a loss takes.
enum class Takes { anything, logits, log_probabilities, probabilities };

// What a data set knows about each sample. N is the batch, `output` the network's output shape.
enum class TargetKind : unsigned {
  class_index = 1,   // one class                                int (N)
  class_map = 2,     // one class for each place of a map        int (N,H,W)
  labels = 4,        // several labels at once, each 0 or 1      float (N,output)
  values = 8,        // numbers, a vector or a map               float (N,output)
  distribution = 16  // probabilities of the classes, sum 1      float (N,output)
};

// Whether a target consists of class numbers (int) or of floats.
STRATA_HOST_DEVICE constexpr bool is_class(TargetKind kind) {
  return kind == TargetKind::class_index || kind == TargetKind::class_map;
}

// The kinds of targets that a loss takes.
class TargetKinds {
 public:
  constexpr TargetKinds(std::initializer_list<TargetKind> kinds) {
    for (const TargetKind kind : kinds) bits_ |= static_cast<unsigned>(kind);
  }
  [[nodiscard]] constexpr bool has(TargetKind kind) const { return (bits_ & static_cast<unsigned>(kind)) != 0; }

 private:
  unsigned bits_ = 0;
};

// The target of a data set, and the output that a network needs for it. A data set of one class an image may declare
// `classes` alone; any other declares `static constexpr Target target = Target::values(Shape{4});`.
struct Target {
  TargetKind kind = TargetKind::class_index;
  Shape output{};  // no size: the number of classes is known at run time alone

  [[nodiscard]] constexpr bool known() const { return output.size() > 0; }
  // Elements of one sample's target.
  [[nodiscard]] constexpr std::int64_t size() const {
    if (kind == TargetKind::class_index) return 1;
    return kind == TargetKind::class_map ? static_cast<std::int64_t>(output.height) * output.width : output.size();
  }
  friend constexpr bool operator==(const Target&, const Target&) = default;

  static constexpr Target classes(int count) { return {TargetKind::class_index, Shape{count}}; }
  static constexpr Target class_map(int height, int width, int count) {
    return {TargetKind::class_map, Shape{height, width, count}};
  }
  static constexpr Target labels(int count) { return {TargetKind::labels, Shape{count}}; }
  static constexpr Target values(Shape output) { return {TargetKind::values, output}; }
  static constexpr Target distribution(int classes) { return {TargetKind::distribution, Shape{classes}}; }
};

inline namespace STRATA_ABI {
namespace detail {

template <class Data>
constexpr Target target_of() {
  if constexpr (requires { Target(Data::target); })
    return Data::target;
  else if constexpr (requires { int{Data::classes}; })
    return Target::classes(Data::classes);
  else
    return {};
}

// A loss that does not say takes a class index.
template <class Loss>
constexpr TargetKinds targets_of() {
  if constexpr (requires { TargetKinds(Loss::targets); })
    return Loss::targets;
  else
    return {TargetKind::class_index};
}

}  // namespace detail
}  // namespace STRATA_ABI
}  // namespace strata
