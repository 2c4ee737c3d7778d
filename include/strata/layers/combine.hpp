// SPDX-License-Identifier: BSL-1.0
// Layers made of layers: branches that start at the same input and meet again. core/nodes.hpp unrolls them.
#pragma once
#include <strata/core/options.hpp>

namespace strata {

// The projected side of a Residual, whose last layer it is:
// Residual<Conv<3, 64, Stride<2>>, ..., Shortcut<Conv<1, 64, Stride<2>>>>.
template <class... Layers>
struct Shortcut {
  static constexpr const char* name = "Shortcut";
  // Asked only where a Shortcut stands elsewhere.
  static constexpr LayerInfo infer(Shape in) { return detail::fault(in, Fault::shortcut_misplaced); }
};

// Adds its input (or its Shortcut of it) to what its layers make of it (He, Zhang, Ren, Sun 2016).
template <class... Layers>
struct Residual {
  static constexpr const char* name = "Residual";
  // Shapes of the branch and of the shortcut.
  static constexpr LayerInfo join(Shape sum, Shape next) {
    LayerInfo s;
    s.out = sum;
    s.values = Values::any;
    if (!(sum == next)) s.fault = Fault::residual_shapes_differ;
    return s;
  }
};

// Puts the channels of its branches side by side. Each argument is a branch: a layer, or a Sequential of layers.
template <class... Branches>
struct Concat {
  static constexpr const char* name = "Concat";
  static constexpr LayerInfo join(Shape sum, Shape next) {
    LayerInfo s;
    s.out = sum;
    s.out.channels = narrow(static_cast<std::int64_t>(sum.channels) + next.channels);
    s.values = Values::any;
    if (sum.height != next.height || sum.width != next.width || sum.flat != next.flat)
      s.fault = Fault::concat_shapes_differ;
    return s;
  }
};

}  // namespace strata
