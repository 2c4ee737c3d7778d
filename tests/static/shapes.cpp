// SPDX-License-Identifier: BSL-1.0
// Shapes and counts of networks whose numbers are known from elsewhere.
#include <array>
#include <cstdint>

#include <strata/network.hpp>

namespace {
using namespace strata;

// Compares the output shapes of all layers.
template <class Net>
constexpr bool shapes_are(const Shape (&expected)[Net::layers]) {
  for (int i = 0; i < Net::layers; ++i)
    if (!(Net::shapes[static_cast<std::size_t>(i)] == expected[i])) return false;
  return true;
}

// --- AlexNet for CIFAR, as the notes' Keras summary has it -------------------------------------------------------------
template <int Classes>
using AlexNet = Sequential<Input<32, 32, 3>,                                  // 0
                           Conv<5, 96>, ReLU, MaxPool<3, 2>,                  // 1
                           Conv<5, 256, Stride<2>>, ReLU, MaxPool<3, 2>,      // 4
                           Conv<3, 384>, ReLU, Conv<3, 384>, ReLU,            // 7
                           Conv<3, 256>, ReLU, MaxPool<3, 2>, Flatten,        // 11
                           Dense<4096>, ReLU, Dropout<0.5>,                   // 15
                           Dense<4096>, ReLU, Dropout<0.5>, Dense<Classes>>;  // 18
static_assert(AlexNet<10>::layers == 22);
static_assert(AlexNet<10>::input == Shape{32, 32, 3});
static_assert(AlexNet<10>::output == Shape{10});
static_assert(AlexNet<10>::parameters == 21'594'506);
static_assert(AlexNet<100>::parameters == 21'963'236);
static_assert(AlexNet<10>::macs == 92'430'336);
static_assert(shapes_are<AlexNet<10>>({Shape{32, 32, 3}, Shape{32, 32, 96}, Shape{32, 32, 96}, Shape{15, 15, 96},
                                       Shape{8, 8, 256}, Shape{8, 8, 256},  Shape{3, 3, 256},  Shape{3, 3, 384},
                                       Shape{3, 3, 384}, Shape{3, 3, 384},  Shape{3, 3, 384},  Shape{3, 3, 256},
                                       Shape{3, 3, 256}, Shape{1, 1, 256},  Shape{256},        Shape{4096},
                                       Shape{4096},      Shape{4096},       Shape{4096},       Shape{4096},
                                       Shape{4096},      Shape{10}}));
// Weights, gradients and momentum alone are three times the parameters.
static_assert(AlexNet<10>::training_bytes(128) > 12 * AlexNet<10>::parameters);
static_assert(AlexNet<10>::training_bytes(128) < 6_GiB);
static_assert(AlexNet<10>::inference_bytes(1) < AlexNet<10>::training_bytes(1));

// --- Same or Valid in each of the three pools: all eight are different networks, and Expect after each pool knows -------
template <bool IsSame>
struct pool_;
template <>
struct pool_<false> {
  using type = MaxPool<3, 2>;
};
template <>
struct pool_<true> {
  using type = MaxPool<3, 2, Same>;
};
template <int Bits, int Which>
using Pool = typename pool_<((Bits >> Which) & 1) != 0>::type;

// The bits of `Is` give the padding of the pools, the bits of `Should` the shapes that Expect checks.
template <int Is, int Should>
using Pools = Sequential<Input<32, 32, 3>, Conv<5, 96>, ReLU, Pool<Is, 0>,                      //
                         Expect<(Should & 1) != 0 ? 16 : 15, (Should & 1) != 0 ? 16 : 15, 96>,  //
                         Conv<5, 256, Stride<2>>, ReLU, Pool<Is, 1>,
                         Expect<(Should & 2) != 0 ? 4 : 3, (Should & 2) != 0 ? 4 : 3, 256>,  //
                         Conv<3, 384>, Conv<3, 384>, Conv<3, 256>, Pool<Is, 2>,
                         Expect<(Should & 4) != 0 ? 2 : 1, (Should & 4) != 0 ? 2 : 1, 256>,  //
                         Flatten, Dense<10>>;
template <int Is, int Should>
constexpr bool told() {
  constexpr Diagnosis d = diagnose<Pools<Is, Should>>();
  if (Is == Should) return d.ok();
  constexpr int first = ((Is ^ Should) & 1) != 0 ? 4 : ((Is ^ Should) & 2) != 0 ? 8 : 13;
  return d.fault == Fault::shape_differs && d.layer == first;
}
template <int Is, int... Should>
constexpr bool told_among(std::integer_sequence<int, Should...>) {
  return (told<Is, Should>() && ...);
}
template <int... Is>
constexpr bool all_told(std::integer_sequence<int, Is...> all) {
  return (told_among<Is>(all) && ...);
}
static_assert(all_told(std::make_integer_sequence<int, 8>{}));
// Without Expect, two of the seven mistakes have the same flat size and the same number of parameters at the end.
template <int Bits>
using Unchecked_ = Sequential<Input<32, 32, 3>, Conv<5, 96>, Pool<Bits, 0>, Conv<5, 256, Stride<2>>, Pool<Bits, 1>,
                              Conv<3, 384>, Conv<3, 384>, Conv<3, 256>, Pool<Bits, 2>, Flatten, Dense<10>>;
static_assert(Unchecked_<1>::parameters == Unchecked_<0>::parameters);
static_assert(Unchecked_<2>::parameters == Unchecked_<0>::parameters);
static_assert(Unchecked_<7>::shapes[9] == Shape{1024} && Unchecked_<0>::shapes[9] == Shape{256});

// --- AlexNet as published (Krizhevsky, Sutskever, Hinton 2012) ----------------------------------------------------------
template <int Count>
using Published = Sequential<Input<227, 227, 3>, Conv<11, 96, Stride<4>, Valid, Exact>, ReLU, LRN<>, MaxPool<3, 2>,
                             Conv<5, 256, Groups<Count>>, ReLU, LRN<>, MaxPool<3, 2>, Conv<3, 384>, ReLU,
                             Conv<3, 384, Groups<Count>>, ReLU, Conv<3, 256, Groups<Count>>, ReLU, MaxPool<3, 2>, Flatten,
                             Dense<4096>, ReLU, Dropout<0.5>, Dense<4096>, ReLU, Dropout<0.5>, Dense<1000>>;
static_assert(Published<2>::parameters == 60'965'224);
static_assert(Published<1>::parameters == 62'378'344);
static_assert(shapes_are<Published<2>>({Shape{227, 227, 3}, Shape{55, 55, 96},  Shape{55, 55, 96},  Shape{55, 55, 96},
                                        Shape{27, 27, 96},  Shape{27, 27, 256}, Shape{27, 27, 256}, Shape{27, 27, 256},
                                        Shape{13, 13, 256}, Shape{13, 13, 384}, Shape{13, 13, 384}, Shape{13, 13, 384},
                                        Shape{13, 13, 384}, Shape{13, 13, 256}, Shape{13, 13, 256}, Shape{6, 6, 256},
                                        Shape{9216},        Shape{4096},        Shape{4096},        Shape{4096},
                                        Shape{4096},        Shape{4096},        Shape{4096},        Shape{1000}}));

// --- The notes' list of it, "11x11, pad = 4" and no stride: another network ---------------------------------------------
template <class... First>
using Listed =
    Sequential<Input<227, 227, 3>, First..., MaxPool<3, 2>, Conv<5, 256, Pad<2>>, MaxPool<3, 2>, Conv<3, 384, Pad<1>>,
               Conv<3, 384, Pad<1>>, Conv<3, 256, Pad<1>>, MaxPool<3, 2>, Flatten, Dense<4096>, Dense<4096>, Dense<1000>>;
using Literal = Listed<Conv<11, 96, Pad<4>>>;
static_assert(shapes_are<Literal>({Shape{227, 227, 3}, Shape{225, 225, 96}, Shape{112, 112, 96}, Shape{112, 112, 256},
                                   Shape{55, 55, 256}, Shape{55, 55, 384}, Shape{55, 55, 384}, Shape{55, 55, 256},
                                   Shape{27, 27, 256}, Shape{186'624}, Shape{4096}, Shape{4096}, Shape{1000}}));
static_assert(Literal::parameters == 789'041'512);
// The reason given for the padding, "so that the image does not shrink", needs a padding of 5.
static_assert(Listed<Conv<11, 96, Pad<5>>>::shapes[1] == Shape{227, 227, 96});
// With stride 4 the padding does not change the flat size; only the maps in between differ.
using Both = Listed<Conv<11, 96, Stride<4>, Pad<4>>>;
static_assert(shapes_are<Both>({Shape{227, 227, 3}, Shape{57, 57, 96}, Shape{28, 28, 96}, Shape{28, 28, 256},
                                Shape{13, 13, 256}, Shape{13, 13, 384}, Shape{13, 13, 384}, Shape{13, 13, 256},
                                Shape{6, 6, 256}, Shape{9216}, Shape{4096}, Shape{4096}, Shape{1000}}));
static_assert(Both::parameters == Published<1>::parameters);

// --- Windows ------------------------------------------------------------------------------------------------------------
template <class L>
constexpr LayerInfo after(Shape in) {
  return L::infer(in);
}
template <class L>
constexpr Shape leaves(Shape in) {
  return L::infer(in).out;
}
static_assert(leaves<Conv<Size<3, 5>, 8, Valid>>(Shape{20, 31, 3}) == Shape{18, 27, 8});
static_assert(leaves<Conv<Size<3, 5>, 8, Stride<2, 3>>>(Shape{20, 31, 3}) == Shape{10, 11, 8});
static_assert(leaves<Conv<Size<3, 5>, 8, Stride<2, 3>, Valid>>(Shape{20, 31, 3}) == Shape{9, 9, 8});
static_assert(after<Conv<Size<3, 5>, 8>>(Shape{20, 31, 3}).parameters == (3 * 5 * 3 + 1) * 8);
static_assert(after<Conv<Size<3, 5>, 8, NoBias>>(Shape{20, 31, 3}).parameters == 3 * 5 * 3 * 8);
static_assert(after<Conv<3, 8, Groups<4>>>(Shape{20, 31, 4}).parameters == (3 * 3 * 1 + 1) * 8);
static_assert(after<Conv<3, 8, Groups<4>>>(Shape{20, 31, 4}).macs == 20 * 31 * 8 * 9);
static_assert(leaves<Conv<3, 8, Dilation<3>, Valid>>(Shape{20, 20, 3}) == Shape{14, 14, 8});
static_assert(leaves<Conv<3, 8, Dilation<3>>>(Shape{20, 20, 3}) == Shape{20, 20, 8});
static_assert(leaves<Conv<3, 8, Dilation<1, 4>, Valid>>(Shape{20, 20, 3}) == Shape{18, 12, 8});
static_assert(leaves<Conv<5, 8, Pad<0, 2>>>(Shape{32, 32, 3}) == Shape{30, 28, 8});
static_assert(leaves<Conv<5, 8, Pad<0, 2, 1, 3>>>(Shape{32, 32, 3}) == Shape{30, 32, 8});
static_assert(leaves<Conv<5, 8, Pad<2>>>(Shape{32, 32, 3}) == Shape{32, 32, 8});
static_assert(leaves<Conv<5, 8, Pad<1, 1, 2, 2>>>(Shape{32, 32, 3}) == Shape{30, 32, 8});
static_assert(leaves<MaxPool<2>>(Shape{9, 9, 7}) == Shape{4, 4, 7});
static_assert(leaves<MaxPool<2, 1>>(Shape{9, 9, 7}) == Shape{8, 8, 7});
static_assert(leaves<MaxPool<2, 2, Same>>(Shape{9, 9, 7}) == Shape{5, 5, 7});
static_assert(leaves<MaxPool<3, 2, Pad<1>>>(Shape{9, 9, 7}) == Shape{5, 5, 7});
static_assert(leaves<AvgPool<Size<3, 2>, Size<1, 2>>>(Shape{9, 9, 7}) == Shape{7, 4, 7});
static_assert(leaves<MaxPool<3, 3, Stride<2>>>(Shape{9, 9, 7}) == Shape{4, 4, 7});
static_assert(leaves<GlobalAvgPool>(Shape{9, 9, 7}) == Shape{7});
// Same as in TensorFlow: an odd row of padding is at the end. 32 with 5x5 and stride 2 pads 1 before and 2 after.
static_assert(after<Conv<5, 8, Stride<2>>>(Shape{32, 32, 3}).window.pad_top == 1);
static_assert(after<Conv<5, 8, Stride<2>>>(Shape{32, 32, 3}).window.pad_bottom == 2);
// Unread rows and columns: one each in the first and second pool of AlexNet, none in the third.
static_assert(after<MaxPool<3, 2>>(Shape{32, 32, 96}).unread_rows == 1);
static_assert(after<MaxPool<3, 2>>(Shape{32, 32, 96}).unread_columns == 1);
static_assert(after<MaxPool<3, 2>>(Shape{8, 8, 256}).unread_rows == 1);
static_assert(after<MaxPool<3, 2>>(Shape{3, 3, 256}).unread_rows == 0);
// AlexNet's first layer: 224 does not tile, 227 does.
static_assert(after<Conv<11, 96, Stride<4>, Valid>>(Shape{224, 224, 3}).unread_rows == 1);
static_assert(after<Conv<11, 96, Stride<4>, Valid>>(Shape{227, 227, 3}).unread_rows == 0);

// The output of Same is the ceiling of input / stride, for every kernel and dilation.
constexpr bool same_is_ceiling() {
  for (int input = 1; input <= 40; ++input)
    for (int kernel = 1; kernel <= 12; ++kernel)
      for (int stride = 1; stride <= 5; ++stride)
        for (int dilation = 1; dilation <= 3; ++dilation) {
          const Axis a = slide(input, kernel, stride, dilation, Padding::same, 0, 0);
          if (a.output != (input + stride - 1) / stride || a.after - a.before < 0 || a.after - a.before > 1) return false;
        }
  return true;
}
static_assert(same_is_ceiling());

// --- Blocks and branches ------------------------------------------------------------------------------------------------
using Block = Sequential<Conv<3, 16>, ReLU>;
using Nested =
    Sequential<Input<8, 8, 3>, Sequential<Block, Sequential<>, Sequential<Block, MaxPool<2>>>, Flatten, Dense<10>>;
using Plain = Sequential<Input<8, 8, 3>, Conv<3, 16>, ReLU, Conv<3, 16>, ReLU, MaxPool<2>, Flatten, Dense<10>>;
static_assert(Nested::layers == Plain::layers && Nested::shapes == Plain::shapes);
static_assert(Nested::parameters == Plain::parameters && Nested::macs == Plain::macs);

template <int Filters, class... Option>
using Basic = Residual<Conv<3, Filters, Option..., NoBias>, BatchNorm, ReLU, Conv<3, Filters, NoBias>, BatchNorm>;
using Identity = Sequential<Input<8, 8, 16>, Basic<16>, ReLU>;
static_assert(Identity::output == Shape{8, 8, 16});
static_assert(Identity::parameters == 2 * (3 * 3 * 16 * 16 + 2 * 16));
static_assert(Identity::layers == 8);
using Projected =
    Sequential<Input<8, 8, 16>, Residual<Conv<3, 32, Stride<2>>, ReLU, Conv<3, 32>, Shortcut<Conv<1, 32, Stride<2>>>>>;
static_assert(Projected::output == Shape{4, 4, 32});
static_assert(Projected::parameters == (3 * 3 * 16 + 1) * 32 + (3 * 3 * 32 + 1) * 32 + (16 + 1) * 32);

// The first inception module of GoogLeNet (Szegedy et al. 2014), table 1: 28x28x256.
using Inception =
    Sequential<Input<28, 28, 192>, Concat<Sequential<Conv<1, 64>, ReLU>, Sequential<Conv<1, 96>, ReLU, Conv<3, 128>, ReLU>,
                                          Sequential<Conv<1, 16>, ReLU, Conv<5, 32>, ReLU>,
                                          Sequential<MaxPool<3, 1, Same>, Conv<1, 32>, ReLU>>>;
static_assert(Inception::output == Shape{28, 28, 256});
static_assert(Inception::parameters == 193 * 64 + 193 * 96 + (9 * 96 + 1) * 128 + 193 * 16 + (25 * 16 + 1) * 32 + 193 * 32);
// Branches in branches, an empty branch, and one branch alone.
using Deep =
    Sequential<Input<8, 8, 4>,
               Concat<Sequential<>, Residual<Conv<3, 4>>, Concat<Conv<1, 3>, Sequential<Conv<1, 2>, Residual<ReLU>>>>,
               Concat<Conv<1, 5>>>;
static_assert(Deep::output == Shape{8, 8, 5});
static_assert(Deep::shapes[Deep::layers - 3] == Shape{8, 8, 13});
// Concat of vectors.
static_assert(Sequential<Input<2, 2, 1>, Flatten, Concat<Dense<3>, Dense<4>>>::output == Shape{7});

// --- The rest -----------------------------------------------------------------------------------------------------------
static_assert(Dropout<0.25>::rate == 0.25 && Dropout<Keep{0.75}>::rate == 0.25 && Dropout<0>::rate == 0);
static_assert(after<Dropout<Keep{1.0}>>(Shape{10}).fault == Fault::none);
static_assert(after<BatchNorm>(Shape{4, 4, 7}).parameters == 14 && after<BatchNorm>(Shape{4, 4, 7}).state == 14);
static_assert(after<BatchNormOf<NoScale>>(Shape{4, 4, 7}).parameters == 7 &&
              after<BatchNormOf<NoShift>>(Shape{4, 4, 7}).parameters == 7 &&
              after<BatchNormOf<NoShift, NoScale>>(Shape{7}).parameters == 0 &&
              after<BatchNormOf<NoShift, NoScale>>(Shape{7}).state == 14);
static_assert(BatchNorm::momentum == 0.99 && BatchNorm::epsilon == 1e-3);
static_assert(BatchNormOf<Epsilon<1e-5>, Momentum<0.9>>::momentum == 0.9 &&
              BatchNormOf<Epsilon<1e-5>, Momentum<0.9>>::epsilon == 1e-5);
constexpr auto shift_alone = BatchNormOf<NoScale>::tensors(Shape{4, 4, 7});
static_assert(shift_alone.size() == 3 && shift_alone[0].role == Role::shift && shift_alone[1].role == Role::running_mean);
static_assert(Sequential<Input<4, 4, 7>, BatchNorm>::training_bytes(1) == 4 * (3 * 14 + 14 + 2 * 2 * 4 * 4 * 7));
// Group and layer normalization, slopes, orders of channels: they keep the shape.
static_assert(after<GroupNorm<7>>(Shape{4, 4, 14}).parameters == 28 && after<GroupNorm<7>>(Shape{4, 4, 14}).state == 0);
static_assert(after<GroupNorm<2, NoScale>>(Shape{14}).parameters == 14 &&
              after<LayerNormOf<NoShift, NoScale>>(Shape{14}).parameters == 0 &&
              after<LayerNorm>(Shape{14}).parameters == 28);
static_assert(GroupNorm<7>::epsilon == 1e-3 && LayerNormOf<Epsilon<1e-6>>::epsilon == 1e-6);
static_assert(LayerNormOf<NoScale>::tensors(Shape{4, 4, 7})[0].role == Role::shift &&
              LayerNormOf<NoScale, NoShift>::tensors(Shape{7}).empty());
static_assert(leaves<LayerNorm>(Shape{2, 3, 4}) == Shape{2, 3, 4} && leaves<ChannelShuffle<2>>(Shape{8}) == Shape{8});
static_assert(leaves<Reshape<3, 4, 2>>(Shape{24}) == Shape{3, 4, 2} &&
              leaves<Reshape<2, 3, 4>>(Shape{4, 3, 2}) == Shape{2, 3, 4});
static_assert(leaves<Channels<2, 3>>(Shape{4, 5, 6}) == Shape{4, 5, 3} && leaves<Channels<0, 6>>(Shape{6}) == Shape{6});
static_assert(after<PReLU>(Shape{4, 4, 7}).parameters == 7 && PReLU::tensors(Shape{4, 4, 7})[0].role == Role::slope);
static_assert(leaves<Scale<2>>(Shape{2, 3, 4}) == Shape{2, 3, 4} && Scale<0.5f>::factor == 0.5);
static_assert(StochasticDepth<Keep{0.75}>::rate == 0.25);

// Pools: PyTorch's ceil_mode, of which no window begins in the padding at the end.
static_assert(leaves<MaxPool<3, 2>>(Shape{8, 112, 4}) == Shape{3, 55, 4});
static_assert(leaves<MaxPool<3, 2, CeilMode>>(Shape{8, 112, 4}) == Shape{4, 56, 4});
static_assert(leaves<MaxPool<2, 2, Pad<1>, CeilMode>>(Shape{3, 4, 4}) == Shape{2, 3, 4});  // not 3 rows
static_assert(leaves<MaxPool<2, 2, Pad<1>>>(Shape{3, 4, 4}) == Shape{2, 3, 4});
static_assert(leaves<AvgPool<1, 3, CeilMode>>(Shape{5, 6, 4}) == Shape{2, 2, 4});
static_assert(leaves<AvgPool<3, 2, Same, CeilMode>>(Shape{7, 8, 4}) == leaves<AvgPool<3, 2, Same>>(Shape{7, 8, 4}));
static_assert(after<MaxPool<3, 2, CeilMode>>(Shape{8, 8, 4}).unread_rows == 0);
static_assert(leaves<GlobalMaxPool>(Shape{3, 5, 7}) == Shape{7});

// Larger maps. Same and Valid: Keras' Conv2DTranspose; Pad: PyTorch's ConvTranspose2d.
static_assert(leaves<Upsample<2>>(Shape{3, 5, 7}) == Shape{6, 10, 7});
static_assert(leaves<Upsample<Size<1, 3>, Bilinear>>(Shape{3, 5, 7}) == Shape{3, 15, 7});
static_assert(leaves<ConvTranspose<3, 8, Stride<2>>>(Shape{5, 7, 4}) == Shape{10, 14, 8});
static_assert(leaves<ConvTranspose<3, 8, Stride<2>, Valid>>(Shape{5, 7, 4}) == Shape{11, 15, 8});
static_assert(leaves<ConvTranspose<2, 8, Stride<3>, Valid>>(Shape{5, 7, 4}) == Shape{15, 21, 8});
static_assert(leaves<ConvTranspose<2, 8, Stride<3>, Pad<0>>>(Shape{5, 7, 4}) == Shape{14, 20, 8});
static_assert(leaves<ConvTranspose<3, 8, Stride<2>, Pad<1>>>(Shape{5, 7, 4}) == Shape{9, 13, 8});
static_assert(leaves<ConvTranspose<3, 8, Stride<2>, Pad<1>, OutputPadding<1, 0>>>(Shape{5, 7, 4}) == Shape{10, 13, 8});
static_assert(leaves<ConvTranspose<3, 8, Stride<2>, Dilation<2>, Pad<0>>>(Shape{5, 7, 4}) == Shape{13, 17, 8});
static_assert(after<ConvTranspose<3, 8>>(Shape{5, 7, 4}).parameters == 9 * 4 * 8 + 8);
static_assert(after<ConvTranspose<Size<3, 2>, 8, NoBias, Stride<2>>>(Shape{5, 7, 4}).macs == 5 * 7 * 4 * 6 * 8);
static_assert(ConvTranspose<Size<3, 2>, 8>::tensors(Shape{5, 7, 4})[0].shape == std::array<std::int64_t, 4>{3, 2, 8, 4});
// The convolution that it is the transpose of has its input as output.
template <class L>
constexpr bool transposes(Shape in) {
  const Geometry g = L::geometry(in);
  return g.in == leaves<L>(in) && g.out == in;
}
template <int Kernel, int Step, class... Options>
constexpr bool transposes_all() {
  bool all = true;
  for (int size = 1; size < 9; ++size)
    all = all && transposes<ConvTranspose<Kernel, 3, Stride<Step>, Options...>>(Shape{size, 9 - size, 2});
  return all;
}
static_assert(transposes_all<3, 2>() && transposes_all<2, 3>() && transposes_all<5, 1>() && transposes_all<1, 4>());
static_assert(transposes_all<3, 2, Valid>() && transposes_all<2, 3, Valid>() && transposes_all<1, 4, Valid>());
static_assert(transposes_all<3, 2, Pad<1>>() && transposes_all<3, 3, Pad<0, 1, 1, 0>, OutputPadding<2>, Dilation<2>>());

// Gates: by a number a channel, or an element each.
using Excited = Sequential<Input<8, 8, 4>, Conv<3, 16>, Gate<GlobalAvgPool, Dense<4>, ReLU, Dense<16>, Sigmoid>>;
static_assert(Excited::output == Shape{8, 8, 16} && Excited::layers == 8);
static_assert(Excited::parameters == (9 * 4 + 1) * 16 + 17 * 4 + 5 * 16);
static_assert(Sequential<Input<8, 8, 4>, Gate<AvgPool<8>, Conv<1, 4>>>::output == Shape{8, 8, 4});
static_assert(Sequential<Input<8, 8, 4>, Gate<Conv<3, 4>, Sigmoid>>::output == Shape{8, 8, 4});
static_assert(Sequential<Input<1, 1, 4>, Flatten, Gate<Dense<4>>>::output == Shape{4});

static_assert(after<Dense<10, NoBias>>(Shape{256}).parameters == 2560 && after<Dense<10>>(Shape{256}).macs == 2560);
static_assert(leaves<Flatten>(Shape{3, 5, 7}) == Shape{105} && leaves<Flatten>(Shape{105}) == Shape{105});
static_assert(Shape{1, 1, 256} != Shape{256});

}  // namespace
