// SPDX-License-Identifier: BSL-1.0
// Upsample: a larger map.
#pragma once
#include <array>
#include <cstddef>

#include <strata/core/options.hpp>
#include <strata/core/upsample.hpp>

namespace strata {

// Enlarges a map by a whole factor. Each element is repeated; with Bilinear an output is a mixture of the four elements
// around it.
// Formula: y[i,j,c] = x[i / rows, j / columns, c], rounded down. Bilinear: x at the place
//          ((i + 1/2) / rows - 1/2, (j + 1/2) / columns - 1/2), interpolated; beyond the outermost elements it is constant
// Shapes: (N,H,W,C) -> (N,H*rows,W*columns,C)
// Options: Factor, a number or Size<rows, columns>; Bilinear
// Errors: needs_feature_map, not_a_size, not_positive, option_not_taken, options_contradict, size_overflows
// Example:
//   using Net = Sequential<Input<8, 8, 32>, Upsample<2>, Conv<3, 16>, Upsample<Size<2, 3>, Bilinear>>;
//   static_assert(Net::output == Shape{32, 48, 16});
// Keras: UpSampling2D(Factor), and with interpolation="bilinear"
// PyTorch: nn.Upsample(scale_factor=Factor), and with mode="bilinear", whose align_corners is False
template <auto Factor, class... Options>
struct Upsample {
  static constexpr const char* name = "Upsample";
  static constexpr Extent factors = detail::extent(Factor);
  static constexpr bool bilinear = detail::read_options<detail::sets_interpolation, Options...>({}).bilinear;
  static constexpr std::array<double, std::size_t{bilinear ? 1 : 0}> numbers{};

  static constexpr LayerInfo infer(Shape in) {
    constexpr detail::Settings settings = detail::read_options<detail::sets_interpolation, Options...>({});
    const int rows = detail::at_least_one(factors.height), columns = detail::at_least_one(factors.width);
    LayerInfo s;
    s.out = Shape{detail::saturate_to_int(detail::saturating_multiply(in.height, rows)),
                  detail::saturate_to_int(detail::saturating_multiply(in.width, columns)), in.channels};
    s.window.kernel_h = bilinear && rows > 1 ? 2 : 1, s.window.kernel_w = bilinear && columns > 1 ? 2 : 1;
    s.enlarged_rows = rows, s.enlarged_columns = columns;
    if (!detail::is_size<decltype(Factor)>) s.fail(Fault::not_a_size);
    s.fail(settings.fault);
    for (const int factor : {factors.height, factors.width})
      if (factor < 1) s.fail(Fault::not_positive, 1, factor, Parameter::factor);
    if (in.flat) s.fail(Fault::needs_feature_map, 0, in.channels);
    return s;
  }
  [[gnu::always_inline]] static constexpr Upsampling upsampling(Shape in) {
    constexpr Extent by = factors;  // a constant of this function's own: `factors` gets no symbol
    return Upsampling{in, by.height, by.width, bilinear};
  }
};

}  // namespace strata
