// SPDX-License-Identifier: BSL-1.0
// The functions of mix.hpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <stdexcept>

#include <strata/core/linkage.hpp>
#include <strata/data/mix.hpp>

namespace strata::inline STRATA_ABI::detail {

// The logarithm of a gamma variable. A shape below 1 is drawn at shape + 1 and multiplied by u^(1 / shape).
STRATA_DEFINE double draw_log_gamma(double shape, const Random& random, std::uint64_t& element) {
  // In (0, 1): a logarithm is taken.
  const auto uniform = [&] { return (static_cast<double>(random.bits(element++)) + 0.5) * 0x1p-32; };
  const double lift = shape < 1 ? std::log(uniform()) / shape : 0;
  const double d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double radius = std::sqrt(-2 * std::log(uniform()));
    const double normal = radius * std::cos(2 * std::numbers::pi * uniform()), root = 1 + c * normal;
    const double limit = std::log(uniform());
    if (root <= 0) continue;
    const double v = root * root * root;
    if (limit < normal * normal / 2 + d - d * v + d * std::log(v)) return std::log(d * v) + lift;
  }
}

STRATA_DEFINE double draw_beta(double alpha, const Random& random, std::uint64_t element) {
  const double x = draw_log_gamma(alpha, random, element), y = draw_log_gamma(alpha, random, element);
  return 1 / (1 + std::exp(y - x));
}

STRATA_DEFINE Mixture draw_mixture(const Augment& augment, Shape shape, const Random& random) {
  Mixture m;
  m.cut = augment.cutmix > 0 && (augment.mixup == 0 || random.uniform(0) < 0.5f);
  const double share = draw_beta(m.cut ? augment.cutmix : augment.mixup, random, 4);
  m.share = static_cast<float>(share);
  if (!m.cut) return m;
  // A box with the partner's share of the area, at a random centre. What is outside the image is cut off, and the share is
  // the area that is left.
  const double side = std::sqrt(1 - share);
  const auto range = [&](int size, unsigned which, int& from, int& to) {
    const auto centre = static_cast<int>(random.below(static_cast<std::uint32_t>(size), which));
    const int half = static_cast<int>(side * size / 2);
    from = std::max(centre - half, 0), to = std::min(centre + half, size);
  };
  range(shape.height, 1, m.top, m.bottom);
  range(shape.width, 2, m.left, m.right);
  const double area = static_cast<double>(m.bottom - m.top) * (m.right - m.left);
  m.share = static_cast<float>(1 - area / (static_cast<double>(shape.height) * shape.width));
  return m;
}

STRATA_DEFINE void check_mixable(const Augment& augment, TargetKind kind) {
  if (!augment.mixes()) return;
  if (is_class(kind))
    throw std::invalid_argument(
        "strata: mixup and cutmix mix targets, and a class index cannot be mixed; give train() "
        "one_hot(data) of data/one_hot.hpp, for training and validation");
  if (augment.cutmix > 0 && kind == TargetKind::values)
    throw std::invalid_argument("strata: cutmix is for distributions and labels, not for values; take mixup");
}

STRATA_DEFINE void mix_images(Shape shape, const Mixture& m, const float* partner, float* to) {
  if (!m.cut) {
    const auto n = static_cast<std::size_t>(shape.size());
    for (std::size_t i = 0; i < n; ++i) to[i] = m.share * to[i] + (1 - m.share) * partner[i];
    return;
  }
  const std::ptrdiff_t row = std::ptrdiff_t{shape.width} * shape.channels;
  for (int y = m.top; y < m.bottom; ++y)
    std::copy(partner + y * row + m.left * shape.channels, partner + y * row + m.right * shape.channels,
              to + y * row + m.left * shape.channels);
}

STRATA_DEFINE void mix_targets(const Mixture& m, std::span<const float> partner, float* to) {
  for (std::size_t i = 0; i < partner.size(); ++i) to[i] = m.share * to[i] + (1 - m.share) * partner[i];
}

}  // namespace strata::inline STRATA_ABI::detail
