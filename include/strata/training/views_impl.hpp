// SPDX-License-Identifier: BSL-1.0
// The functions of views.hpp.
#pragma once
#include <cmath>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/training/views.hpp>
#include <strata/util/numbers.hpp>

namespace strata::inline STRATA_ABI {

STRATA_DEFINE std::vector<View> mirror_views() { return {{.mirror = false}, {.mirror = true}}; }

STRATA_DEFINE std::vector<View> mirror_and_shift(int pixels) {
  std::vector<View> views;
  for (const int by : {0, -pixels, pixels})
    for (const bool mirror : {false, true})
      views.push_back(View{.mirror = mirror, .down = by, .right = by, .weight = by == 0 ? 1 : 0.5});
  return views;
}

namespace detail {

STRATA_DEFINE void check_views(std::span<const View> views, Shape image) {
  double all = 0;
  for (const View& view : views) {
    if (std::abs(view.down) >= image.height || std::abs(view.right) >= image.width)
      throw std::invalid_argument("strata: a view moves the image by " + std::to_string(view.down) + " and " +
                                  std::to_string(view.right) + " pixels; it has " + std::to_string(image.height) + "x" +
                                  std::to_string(image.width));
    check_not_negative("the weight of a view", view.weight);
    all += view.weight;
  }
  if (!views.empty() && !(all > 0)) throw std::invalid_argument("strata: the weights of all views are 0");
}

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
