// SPDX-License-Identifier: BSL-1.0
// What Batches does to an image, on the device: bytes to [0, 1], augmentation, normalisation. The same functions
// (data/augment.hpp) with the same random numbers, so that the device only differs where its compiler fuses a product into
// a sum.
#pragma once
#include <strata/backend/cuda/index.hpp>
#include <strata/data/augment.hpp>

namespace strata::cuda {

namespace detail {

// An index is a pixel of the batch with all its channels; each draws the movement of its image anew, which is cheaper than
// reading it.
template <class Pixel, class T>
struct FillImages {
  Shape shape;
  Augment augment;
  bool moves;
  std::uint64_t seed;
  const std::uint64_t* epoch;
  const std::uint32_t* indices;
  const float *mean, *stddev;
  const Pixel* pixels;
  T* images;

  STRATA_HOST_DEVICE static float number(float x) { return x; }
  STRATA_HOST_DEVICE static float number(std::uint8_t x) { return static_cast<float>(x) / 255.f; }

  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    using strata::detail::between;
    const std::int64_t line = quotient(i, shape.width), n = quotient(line, shape.height);
    const int row = static_cast<int>(line - n * shape.height), column = static_cast<int>(i - line * shape.width);
    strata::detail::Movement m;
    if (moves) m = strata::detail::draw_movement(augment, shape, Random(seed, Purpose::augment, 0, *epoch), indices[n]);
    const strata::detail::AxisMovement rows(m.down, m.crop_down, shape.height), columns(m.right, m.crop_right, shape.width);
    const int x = m.flip ? shape.width - 1 - column : column;
    const bool inside = rows.inside(row) && columns.inside(x);
    const Pixel* image = pixels + n * shape.size();
    const auto at = [&](int r, int k, int c) {
      return number(image[(std::int64_t{r} * shape.width + k) * shape.channels + c]);
    };
    for (int c = 0; c < shape.channels; ++c) {
      float value = 0;
      if (!moves)
        value = at(row, column, c);
      else if (inside)
        value = between(
            between(at(rows.near(row), columns.near(x), c), at(rows.near(row), columns.far(x), c), columns.part),
            between(at(rows.far(row), columns.near(x), c), at(rows.far(row), columns.far(x), c), columns.part), rows.part);
      if (mean) value -= mean[c];
      if (stddev) value /= stddev[c];
      images[i * shape.channels + c] = T(value);
    }
  }
};

}  // namespace detail

// images (N,H,W,C) of `batch` images as a data set holds them: pixels (N,H,W,C), bytes or floats, and the index of each in
// its data set, by which it is augmented. mean and stddev (C), or null; they are subtracted and divided by, as on the
// CPU, whose bits these are. All but shape, augment and seed is read on the device.
template <Run R, class Pixel, class T>
void fill_images(R& run, Shape shape, int batch, const Augment& augment, std::uint64_t seed, const std::uint64_t* epoch,
                 const std::uint32_t* indices, const float* mean, const float* stddev, const Pixel* pixels, T* images) {
  run(std::int64_t{batch} * shape.height * shape.width,
      detail::FillImages<Pixel, T>{shape, augment, augment.any(), seed, epoch, indices, mean, stddev, pixels, images});
}

}  // namespace strata::cuda
