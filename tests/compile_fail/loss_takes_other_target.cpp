// SPDX-License-Identifier: BSL-1.0
// A loss for one class an image, with a data set of values to predict.
#include <cstddef>
#include <span>

#include <strata/network.hpp>

#include "stand_in.hpp"
using namespace strata;

// expect-error: the loss does not take the data set's kind of target
// expect-error: loss_takes_other_target<.*ClassLoss.*Steering.*expected_target<.*class_index.*got_target<.*values
struct ClassLoss {
  static constexpr Takes takes = Takes::logits;
  static constexpr TargetKinds targets{TargetKind::class_index};
};
struct SquaredError {
  static constexpr Takes takes = Takes::anything;
  static constexpr TargetKinds targets{TargetKind::values};
};
using Net = Sequential<Input<8, 8, 3>, Flatten, Dense<2>>;
struct Steering {  // angle and speed for each image
  static constexpr Shape image{8, 8, 3};
  static constexpr Target target = Target::values(Shape{2});
  std::span<const float> targets(std::size_t) const { return {}; }
};
#ifdef EXPECT_COMPILE_FAIL
bool trained = train<Net, ClassLoss, Steering>();
#else
bool trained = train<Net, SquaredError, Steering>();
#endif
static_assert(Net::output == Shape{2});
