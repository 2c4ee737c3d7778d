// SPDX-License-Identifier: BSL-1.0
// Mixup (Zhang, Cisse, Dauphin, Lopez-Paz 2018) and CutMix (Yun et al. 2019): each image of a batch is mixed with the one
// before it, the first with the last, as torchvision's MixUp and CutMix do; the same for the targets. Unlike there, each
// image draws its own share, as Keras' MixUp does, from the seed, the epoch and its index. Only the partner depends on the
// batch.
#pragma once
#include <cstddef>
#include <span>

#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>
#include <strata/core/target.hpp>
#include <strata/data/augment.hpp>
#include <strata/util/random.hpp>

namespace strata::inline STRATA_ABI::detail {

// How an image is mixed with its partner.
struct Mixture {
  float share = 1;  // of the image; the rest is the partner's
  bool cut = false;
  int top = 0, left = 0, bottom = 0, right = 0;  // if cut: the box that shows the partner
};

// Beta(alpha, alpha), by two gamma variables (Marsaglia, Tsang 2000). Takes elements from `element` on.
[[nodiscard]] double draw_beta(double alpha, const Random& random, std::uint64_t element);
[[nodiscard]] Mixture draw_mixture(const Augment& augment, Shape shape, const Random& random);
// Throws std::invalid_argument if targets of this kind cannot be mixed.
void check_mixable(const Augment& augment, TargetKind kind);

// to = the image mixed with `partner`, (H,W,C). In place.
void mix_images(Shape shape, const Mixture& m, const float* partner, float* to);
void mix_targets(const Mixture& m, std::span<const float> partner, float* to);

}  // namespace strata::inline STRATA_ABI::detail

#if !defined(STRATA_COMPILED)
#include <strata/data/mix_impl.hpp>
#endif
