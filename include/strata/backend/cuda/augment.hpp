// SPDX-License-Identifier: BSL-1.0
// Prepares images on the device as Batches does on the host: bytes to [0, 1], augmentation, normalization. The functions
// (data/augment.hpp, data/pixels.hpp) and the random numbers are the same, so results differ only where the device's
// compiler fuses a product into a sum.
#pragma once
#include <strata/backend/cuda/index.hpp>
#include <strata/core/linkage.hpp>
#include <strata/data/augment.hpp>
#include <strata/data/pixels.hpp>

namespace strata::inline STRATA_ABI::cuda {

namespace detail {

// One call prepares one pixel of the batch with all its channels. Each draws the movement of its image again, which is
// cheaper than reading it.
template <class Pixel, class T>
struct FillImages {
  Shape shape;
  strata::detail::MovementRange range;
  bool moves;
  std::uint64_t seed;
  const std::uint64_t* epoch;
  const std::uint32_t* indices;
  const float *mean, *stddev;
  const Pixel* pixels;
  T* images;

  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t line = quotient(i, shape.width), n = quotient(line, shape.height);
    const int row = static_cast<int>(line - n * shape.height), column = static_cast<int>(i - line * shape.width);
    strata::detail::Movement m;
    if (moves) m = strata::detail::draw_movement(range, shape, seed, *epoch, indices[n]);
    const strata::detail::AxisMovement rows(m.down, m.crop_down, shape.height, m.reflect),
        columns(m.right, m.crop_right, shape.width, m.reflect);
    const int x = m.flip ? shape.width - 1 - column : column;
    const bool inside = rows.inside(row) && columns.inside(x);
    const Pixel* image = pixels + n * shape.size();
    const auto at = [&](int r, int k, int c) {
      return strata::detail::unit_value(image[(std::int64_t{r} * shape.width + k) * shape.channels + c]);
    };
    for (int c = 0; c < shape.channels; ++c) {
      float value = 0;
      if (!moves)
        value = at(row, column, c);
      else if (inside)
        value = strata::detail::bilinear(
            at(rows.first(row), columns.first(x), c), at(rows.first(row), columns.second(x), c),
            at(rows.second(row), columns.first(x), c), at(rows.second(row), columns.second(x), c), columns.part, rows.part);
      value = strata::detail::normalized(value, mean, stddev, c);
      images[i * shape.channels + c] = T(value);
    }
  }
};

}  // namespace detail

// images (N,H,W,C) from `pixels` (N,H,W,C), bytes or floats as a data set holds them. `indices` are those of the images in
// their data set: augmentation draws its numbers by them. mean and stddev (C) may be null. Everything but the shape, the
// augmentation and the seed is read on the device. Augment::transforms are left out: Batches runs them on the host
// (Augment::needs_host()).
template <Run R, class Pixel, class T>
void fill_images(R& run, Shape shape, int batch, const Augment& augment, std::uint64_t seed, const std::uint64_t* epoch,
                 const std::uint32_t* indices, const float* mean, const float* stddev, const Pixel* pixels, T* images) {
  const strata::detail::MovementRange range(augment);
  run(std::int64_t{batch} * shape.height * shape.width,
      detail::FillImages<Pixel, T>{shape, range, range.any(), seed, epoch, indices, mean, stddev, pixels, images});
}

}  // namespace strata::inline STRATA_ABI::cuda
