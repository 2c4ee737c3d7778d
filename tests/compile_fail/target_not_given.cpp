// SPDX-License-Identifier: BSL-1.0
// The data set declares values as its target, but gives class numbers.
#include <cstddef>
#include <span>

#include <strata/network.hpp>

#include "stand_in.hpp"
using namespace strata;

// expect-error: the data set declares a target but does not give it
// expect-error: target_not_given<.*Steering.*target::values.*missing::targets_giving_span_of_float
struct Steering {
  static constexpr Shape image{8, 8, 3};
  static constexpr Target target = Target::values(Shape{2});
#ifdef EXPECT_COMPILE_FAIL
  int label(std::size_t) const { return 0; }
#else
  std::span<const float> targets(std::size_t) const { return {}; }
#endif
};
struct SquaredError {
  static constexpr Takes takes = Takes::anything;
  static constexpr TargetKinds targets{TargetKind::values};
};
using Net = Sequential<Input<8, 8, 3>, Flatten, Dense<2>>;
bool trained = train<Net, SquaredError, Steering>();
static_assert(Net::output == Shape{2});
