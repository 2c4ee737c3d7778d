// SPDX-License-Identifier: BSL-1.0
#include <doctest/doctest.h>

#include <string_view>

#include <strata/network.hpp>

namespace {
using namespace strata;

using AlexNet = Sequential<Input<32, 32, 3>, Conv<5, 96>, ReLU, MaxPool<3, 2>, Conv<5, 256, Stride<2>>, ReLU, MaxPool<3, 2>,
                           Conv<3, 384>, ReLU, Conv<3, 384>, ReLU, Conv<3, 256>, ReLU, MaxPool<3, 2>, Flatten, Dense<4096>,
                           ReLU, Dropout<0.5>, Dense<4096>, ReLU, Dropout<0.5>, Dense<10>>;
using Branches =
    Sequential<Input<8, 9, 4>, Conv<Size<3, 5>, 8, Dilation<2>, Groups<2>>, BatchNorm,
               Residual<Conv<3, 8>, Residual<ReLU>, Shortcut<Conv<1, 8, Pad<0>>>>,
               Concat<AvgPool<Size<2, 3>, Size<2, 1>, Pad<0, 1, 0, 2>>, MaxPool<Size<4, 3>, Size<2, 1>, Pad<1, 2, 0, 2>>>,
               GlobalAvgPool, Dropout<Keep{0.15}>, Dense<10, NoBias>>;

static_assert(!summary<AlexNet>().empty());
// It is there before the program runs.
static_assert(summary<AlexNet>().find("Conv 5x5 /2 same ") != std::string_view::npos);
static_assert(summary<AlexNet>().back() == '\n');
static_assert(summary<Sequential<Input<1, 1, 1>>>().find("(None, 1, 1, 1)") != std::string_view::npos);

struct Nameless {
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s;
    s.out = in;
    return s;
  }
};
static_assert(summary<Sequential<Input<1, 1, 1>, Nameless>>().find("\nlayer  ") != std::string_view::npos);
// The widest there is: nothing is cut.
constexpr std::string_view wide =
    summary<Sequential<Input<32768, 65535, 1>, Conv<Size<32767, 65534>, 1, Stride<1, 16384>, Valid>>>();
static_assert(wide.find("(None, 32768, 65535, 1)") != std::string_view::npos && wide.back() == '\n');
static_assert(wide.find("Conv 32,767x65,534 /1x16,384") != std::string_view::npos);

template <class L>
constexpr bool has_label(std::string_view label) {
  return summary<Sequential<Input<8, 8, 4>, Conv<1, 4>, L>>().find(label) != std::string_view::npos;
}
static_assert(has_label<AvgPool<3, 2, Pad<1>, CountPadding, CeilMode>>("\nAvgPool 3x3 /2 pad 1 counted ceil  "));
static_assert(has_label<ConvTranspose<3, 4, Stride<2>>>("\nConvTranspose 3x3 /2 same  "));
static_assert(has_label<Upsample<Size<2, 1>, Bilinear>>("\nUpsample 2x1 bilinear  "));
static_assert(has_label<GroupNorm<2>>("\nGroupNorm groups 2  ") &&
              has_label<ChannelShuffle<4>>("\nChannelShuffle groups 4  "));
static_assert(has_label<Channels<1, 3>>("\nChannels 1 to 3  ") && has_label<Reshape<4, 8, 8>>("\nReshape  "));
static_assert(has_label<Scale<-1.5>>("\nScale -1.5  ") && has_label<Scale<1000>>("\nScale 1,000  "));
static_assert(has_label<StochasticDepth<0.1>>("\nStochasticDepth 0.1  ") && has_label<LayerNorm>("\nLayerNorm  "));
// Behind a layer that enlarges the map, neighbours see parts of the image that are nearer to each other.
constexpr std::string_view enlarged =
    summary<Sequential<Input<8, 8, 4>, Conv<3, 4, Stride<2>>, ConvTranspose<2, 4, Stride<2>>, Conv<3, 5>, Upsample<2>,
                       Conv<3, 6>>>();
static_assert(enlarged.find("(None, 8, 8, 5)                  185          11,520          1,280      5x5") !=
              std::string_view::npos);

// Shapes and parameters are those of Keras' model.summary() of this network. What a number sees: 5, then 2 and 4 x 2 and
// 2 x 4 and 3 x 2 x 8 and 2 x 8 more.
TEST_CASE("AlexNet") {
  CHECK(
      summary<AlexNet>() ==
      R"(_______________________________________________________________________________________________________________________
Layer                               Output shape              Parameters            MACs          Bytes     Sees Unread
=======================================================================================================================
Input                               (None, 32, 32, 3)                  0               0         12,288      1x1
Conv 5x5 same                       (None, 32, 32, 96)             7,296       7,372,800        393,216      5x5
ReLU                                (None, 32, 32, 96)                 0               0        393,216      5x5
MaxPool 3x3 /2                      (None, 15, 15, 96)                 0               0         86,400      7x7    1x1
Conv 5x5 /2 same                    (None, 8, 8, 256)            614,656      39,321,600         65,536    15x15
ReLU                                (None, 8, 8, 256)                  0               0         65,536    15x15
MaxPool 3x3 /2                      (None, 3, 3, 256)                  0               0          9,216    23x23    1x1
Conv 3x3 same                       (None, 3, 3, 384)            885,120       7,962,624         13,824    39x39
ReLU                                (None, 3, 3, 384)                  0               0         13,824    39x39
Conv 3x3 same                       (None, 3, 3, 384)          1,327,488      11,943,936         13,824    55x55
ReLU                                (None, 3, 3, 384)                  0               0         13,824    55x55
Conv 3x3 same                       (None, 3, 3, 256)            884,992       7,962,624          9,216    71x71
ReLU                                (None, 3, 3, 256)                  0               0          9,216    71x71
MaxPool 3x3 /2                      (None, 1, 1, 256)                  0               0          1,024    87x87
Flatten                             (None, 256)                        0               0          1,024    87x87
Dense                               (None, 4096)               1,052,672       1,048,576         16,384      all
ReLU                                (None, 4096)                       0               0         16,384      all
Dropout 0.5                         (None, 4096)                       0               0         16,384      all
Dense                               (None, 4096)              16,781,312      16,777,216         16,384      all
ReLU                                (None, 4096)                       0               0         16,384      all
Dropout 0.5                         (None, 4096)                       0               0         16,384      all
Dense                               (None, 10)                    40,970          40,960             40      all
=======================================================================================================================
Trainable parameters                21,594,506
Non-trainable parameters            0
Multiply-adds, one image            92,430,336
Bytes to train, batch of 128        566,213,240
)");
}

TEST_CASE("branches, groups, dilation, padding, batch normalization") {
  CHECK(
      summary<Branches>() ==
      R"(_______________________________________________________________________________________________________________________
Layer                               Output shape              Parameters            MACs          Bytes     Sees Unread
=======================================================================================================================
Input                               (None, 8, 9, 4)                    0               0          1,152      1x1
Conv 3x5 same dilation 2 groups 2   (None, 8, 9, 8)                  248          17,280          2,304      5x9
BatchNorm                           (None, 8, 9, 8)                   32               0          2,304      5x9
| Conv 3x3 same                     (None, 8, 9, 8)                  584          41,472          2,304     7x11
| | ReLU                            (None, 8, 9, 8)                    0               0          2,304     7x11
| Residual                          (None, 8, 9, 8)                    0               0          2,304     7x11
| Conv 1x1 pad 0                    (None, 8, 9, 8)                   72           4,608          2,304      5x9
Residual                            (None, 8, 9, 8)                    0               0          2,304     7x11
| AvgPool 2x3 /2x1 pad 0,1,0,2      (None, 4, 9, 8)                    0               0          1,152     8x13    1x0
| MaxPool 4x3 /2x1 pad 1,2,0,2      (None, 4, 9, 8)                    0               0          1,152    10x13    1x0
Concat                              (None, 4, 9, 16)                   0               0          2,304    10x13
GlobalAvgPool                       (None, 16)                         0               0             64    16x21
Dropout 0.85                        (None, 16)                         0               0             64    16x21
Dense                               (None, 10)                       160             160             40      all
=======================================================================================================================
Trainable parameters                1,080
Non-trainable parameters            16
Multiply-adds, one image            63,520
Bytes to train, batch of 128        5,659,360
)");
}

// The column "Sees" of a row.
std::string sees(std::string_view text, const std::string& layer) {
  const std::string_view row = text.substr(text.find('\n' + layer) + 1);
  const std::string_view cells = row.substr(0, row.find('\n'));
  const auto end = cells.find_last_not_of(' ') + 1;
  const auto begin = cells.find_last_of(' ', end - 1) + 1;
  return std::string(cells.substr(begin, end - begin));
}

TEST_CASE("behind a Reshape that moves positions, an element may depend on the whole image") {
  using Moved = Sequential<Input<12, 10, 3>, Conv<3, 6>, Reshape<1, 1, 720>, Conv<1, 5>>;
  CHECK(sees(summary<Moved>(), "Conv 3x3") == "3x3");
  CHECK(sees(summary<Moved>(), "Reshape") == "all");
  CHECK(sees(summary<Moved>(), "Conv 1x1") == "all");
  CHECK(sees(summary<Sequential<Input<4, 4, 3>, Conv<3, 2>, Flatten, Reshape<8, 2, 2>, Conv<1, 5>>>(), "Conv 1x1") ==
        "all");
  CHECK(sees(summary<Sequential<Input<4, 4, 3>, Conv<3, 2>, Reshape<4, 4, 2>, Conv<1, 5>>>(), "Conv 1x1") == "3x3");
  // As many elements, and no move: a window says which.
  CHECK(sees(summary<Sequential<Input<8, 8, 3>, Conv<3, 12, Stride<2>>, ReLU>>(), "ReLU") == "3x3");
}

TEST_CASE("a momentum that is not Keras' is in the text, by which a run knows its network") {
  using Slow = Sequential<Input<2, 2, 3>, BatchNorm>;
  using Fast = Sequential<Input<2, 2, 3>, BatchNormOf<Momentum<0.6>>>;
  CHECK(std::string(summary<Slow>()).find("momentum") == std::string::npos);
  CHECK(std::string(summary<Fast>()).find("BatchNorm momentum 0.6 ") != std::string::npos);
}

}  // namespace
