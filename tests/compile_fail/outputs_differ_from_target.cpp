// SPDX-License-Identifier: BSL-1.0
// Segmentation: a class for each pixel, and a network that halves the map.
#include <cstddef>
#include <span>

#include <strata/network.hpp>

#include "stand_in.hpp"
using namespace strata;

// expect-error: the network's output does not have the shape of the data set's target
// expect-error: outputs_differ_from_target<.*Streets.*expected_shape<8, 8, 21>.*got_shape<4, 4, 21>
#ifdef EXPECT_COMPILE_FAIL
using Net = Sequential<Input<8, 8, 3>, Conv<3, 16, Stride<2>>, ReLU, Conv<1, 21>>;
#else
using Net = Sequential<Input<8, 8, 3>, Conv<3, 16>, ReLU, Conv<1, 21>>;
#endif
struct PixelLoss {
  static constexpr Takes takes = Takes::logits;
  static constexpr TargetKinds targets{TargetKind::class_map};
};
struct Streets {
  static constexpr Shape image{8, 8, 3};
  static constexpr Target target = Target::class_map(8, 8, 21);
  std::span<const int> targets(std::size_t) const { return {}; }
};
bool trained = train<Net, PixelLoss, Streets>();
static_assert(Net::layers == 4 && Net::parameters > 0);
