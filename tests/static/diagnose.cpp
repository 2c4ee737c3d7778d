// SPDX-License-Identifier: BSL-1.0
// Every fault as a value, with its place and its numbers; and the output with which a network continues after a fault.
#include <cstddef>
#include <limits>
#include <span>

#include <strata/network.hpp>

namespace {
using namespace strata;

// The output of a broken network. Sequential itself would stop the compiler.
template <class Net>
inline constexpr Shape recovered = detail::analysed<Net>::table.output;

constexpr bool is(const Diagnosis& d, Fault fault, int layer, std::int64_t expected = 0, std::int64_t got = 0,
                  Parameter which = Parameter::none) {
  return d.fault == fault && d.layer == layer && d.expected == expected && d.got == got && d.parameter == which;
}
constexpr bool is_shape(const Diagnosis& d, Fault fault, int layer, Shape expected, Shape got) {
  return d.fault == fault && d.layer == layer && d.expected_shape == expected && d.got_shape == got;
}
// Two layers after a map of 15x15x96, the map after AlexNet's first pool: the layer in question is number 4.
template <class... L>
using Four = Sequential<Input<32, 32, 3>, Conv<5, 96>, ReLU, MaxPool<3, 2>, L..., Flatten, Dense<10>>;
template <class... L>
inline constexpr Diagnosis at_map = diagnose<Four<L...>>();
// The layer in question is number 2, after a vector of 192.
template <class... L>
using Two = Sequential<Input<8, 8, 3>, Flatten, L...>;
template <class... L>
inline constexpr Diagnosis at_vector = diagnose<Two<L...>>();

static_assert(at_map<Conv<3, 8>>.ok() && at_vector<Dense<10>>.ok());
static_assert(at_map<Conv<3, 8>>.layer == -1 && at_map<Conv<3, 8>>.node == -1);

// --- input_channels_differ ----------------------------------------------------------------------------------------------
static_assert(is(at_map<Conv<5, 256, In<3>>>, Fault::input_channels_differ, 4, 3, 96));
static_assert(is(at_map<Conv<5, 256, In<48>>>, Fault::input_channels_differ, 4, 48, 96));  // divides 96, and is wrong
static_assert(is(at_map<Conv<5, 256, In<48>, Groups<2>>>, Fault::input_channels_differ, 4, 48,
                 96));  // In counts the channels of all groups
static_assert(at_map<Conv<5, 256, In<96>, Groups<2>>>.ok());
static_assert(is(at_map<Conv<3, 384>, Conv<3, 384, In<192>>>, Fault::input_channels_differ, 5, 192, 384));
static_assert(is(at_map<MaxPool<3, 2, In<3>>>, Fault::input_channels_differ, 4, 3, 96));
static_assert(is(at_vector<Dense<10, In<4096>>>, Fault::input_channels_differ, 2, 4096, 192));
static_assert(recovered<Four<Conv<5, 256, In<3>>>> == Shape{10} && recovered<Two<Dense<10, In<4096>>>> == Shape{10});

// --- kernel_larger_than_padded_input ------------------------------------------------------------------------------------
static_assert(is(at_map<Conv<17, 8, Valid>>, Fault::kernel_larger_than_padded_input, 4, 17, 15));
static_assert(is(at_map<Conv<18, 8, Pad<1>>>, Fault::kernel_larger_than_padded_input, 4, 18, 17));
static_assert(at_map<Conv<17, 8, Pad<1>>>.ok() && at_map<Conv<17, 8>>.ok());
static_assert(is(at_map<Conv<5, 8, Valid, Dilation<4>>>, Fault::kernel_larger_than_padded_input, 4, 17, 15));
static_assert(is(at_map<Conv<Size<3, 16>, 8, Valid>>, Fault::kernel_larger_than_padded_input, 4, 16, 15));
static_assert(is(at_map<MaxPool<16>>, Fault::kernel_larger_than_padded_input, 4, 16, 15));
static_assert(is(at_map<AvgPool<16>>, Fault::kernel_larger_than_padded_input, 4, 16, 15));
static_assert(recovered<Four<MaxPool<16>>> == Shape{10});
static_assert(recovered<Sequential<Input<4, 4, 3>, Conv<5, 8, Valid>>> == Shape{1, 1, 8});

// --- needs_flat_input, needs_feature_map --------------------------------------------------------------------------------
static_assert(is(at_map<Dense<10>>, Fault::needs_flat_input, 4, 0, 15 * 15 * 96));
static_assert(at_map<Dense<10>>.got_shape == Shape{15, 15, 96});
static_assert(is(at_map<Softmax>, Fault::needs_flat_input, 4, 0, 15 * 15 * 96));
static_assert(is(at_map<LogSoftmax>, Fault::needs_flat_input, 4, 0, 15 * 15 * 96));
static_assert(is(at_map<MaxPool<15>, Dense<10>>, Fault::needs_flat_input, 5, 0, 96));  // 1x1x96 is a map
static_assert(is(at_vector<Conv<3, 8>>, Fault::needs_feature_map, 2, 0, 192));
static_assert(is(at_vector<MaxPool<2>>, Fault::needs_feature_map, 2, 0, 192));
static_assert(is(at_vector<AvgPool<2>>, Fault::needs_feature_map, 2, 0, 192));
static_assert(is(at_vector<LRN<>>, Fault::needs_feature_map, 2, 0, 192));
static_assert(is(at_vector<GlobalAvgPool>, Fault::needs_feature_map, 2, 0, 192));
static_assert(is(at_vector<GlobalMaxPool>, Fault::needs_feature_map, 2, 0, 192));
static_assert(is(at_vector<Upsample<2>>, Fault::needs_feature_map, 2, 0, 192));
static_assert(is(at_vector<ConvTranspose<3, 8>>, Fault::needs_feature_map, 2, 0, 192));
static_assert(at_vector<Conv<3, 8>>.got_shape == Shape{192});
static_assert(at_vector<BatchNorm, ReLU, Dropout<0.5>, Softmax>.ok());
static_assert(recovered<Four<Dense<10>>> == Shape{10});
static_assert(recovered<Two<GlobalAvgPool>> == Shape{192});

// --- shape_differs ------------------------------------------------------------------------------------------------------
static_assert(is_shape(at_map<Expect<16, 16, 96>>, Fault::shape_differs, 4, Shape{16, 16, 96}, Shape{15, 15, 96}));
static_assert(is_shape(at_vector<Expect<193>>, Fault::shape_differs, 2, Shape{193}, Shape{192}));
static_assert(is_shape(at_vector<Expect<8, 8, 3>>, Fault::shape_differs, 2, Shape{8, 8, 3}, Shape{192}));
static_assert(is_shape(at_map<Expect<21600>>, Fault::shape_differs, 4, Shape{21600}, Shape{15, 15, 96}));
static_assert(at_map<Expect<15, 15, 96>>.ok() && at_vector<Expect<192>>.ok());
static_assert(recovered<Two<Expect<193>>> == Shape{193});  // continues with the shape in Expect

// --- not_a_shape, not_a_size --------------------------------------------------------------------------------------------
static_assert(is(at_map<Expect<15, 15>>, Fault::not_a_shape, 4) &&
              is(at_vector<Expect<1, 1, 1, 192>>, Fault::not_a_shape, 2));
static_assert(is(at_map<Expect<15, 0, 96>>, Fault::not_a_shape, 4) && is(at_vector<Expect<-1>>, Fault::not_a_shape, 2));
static_assert(recovered<Four<Expect<15, 15>>> == Shape{10} && recovered<Two<Expect<-1>>> == Shape{192});
static_assert(is(at_map<Conv<2.5, 8>>, Fault::not_a_size, 4) && is(at_map<Conv<3.0, 8>>, Fault::not_a_size, 4));
static_assert(is(at_map<Conv<true, 8>>, Fault::not_a_size, 4) && is(at_map<Conv<'3', 8>>, Fault::not_a_size, 4));
static_assert(is(at_map<MaxPool<nullptr>>, Fault::not_a_size, 4) && is(at_map<AvgPool<3, 1.5>>, Fault::not_a_size, 4));
static_assert(at_map<Conv<3u, 8>>.ok() && at_map<Conv<3L, 8>>.ok() && at_map<Conv<Size<3, 3>, 8>>.ok());
// A number beyond int does not become a small one.
static_assert(is(at_map<Conv<4294967299, 8, Valid>>, Fault::kernel_larger_than_padded_input, 4, detail::max_elements, 15));
static_assert(is(at_map<Conv<-4294967297, 8>>, Fault::not_positive, 4, 1, -1, Parameter::kernel));
static_assert(recovered<Four<Conv<2.5, 8>>> == Shape{10} && recovered<Four<MaxPool<nullptr>>> == Shape{10});

// --- groups_do_not_divide_channels --------------------------------------------------------------------------------------
static_assert(is(at_map<Conv<3, 250, Groups<5>>>, Fault::groups_do_not_divide_channels, 4, 5, 96));   // the input's 96
static_assert(is(at_map<Conv<3, 250, Groups<3>>>, Fault::groups_do_not_divide_channels, 4, 3, 250));  // the filters' 250
static_assert(is(at_map<Conv<3, 192, Groups<192>>>, Fault::groups_do_not_divide_channels, 4, 192, 96));
static_assert(at_map<Conv<3, 192, Groups<96>>>.ok() && at_map<Conv<3, 96, Groups<32>>>.ok());

static_assert(is(at_map<GroupNorm<7>>, Fault::groups_do_not_divide_channels, 4, 7, 96));
static_assert(is(at_map<ChannelShuffle<5>>, Fault::groups_do_not_divide_channels, 4, 5, 96));
static_assert(at_map<GroupNorm<96>, ChannelShuffle<96>, GroupNorm<1>>.ok() && at_vector<GroupNorm<3>>.ok());
static_assert(recovered<Four<GroupNorm<7>>> == Shape{10});

// --- gate_shapes_differ -------------------------------------------------------------------------------------------------
static_assert(is_shape(at_map<Gate<GlobalAvgPool, Dense<95>>>, Fault::gate_shapes_differ, 6, Shape{15, 15, 96}, Shape{95}));
static_assert(is_shape(at_map<Gate<Conv<1, 1>>>, Fault::gate_shapes_differ, 5, Shape{15, 15, 96}, Shape{15, 15, 1}));
static_assert(is_shape(at_vector<Gate<Dense<1>>>, Fault::gate_shapes_differ, 3, Shape{192}, Shape{1}));
static_assert(at_map<Gate<GlobalMaxPool>, Gate<>>.ok() && at_vector<Gate<Sigmoid>>.ok());
static_assert(recovered<Four<Gate<Conv<1, 1>>>> == Shape{10});

// --- reshape_sizes_differ, channels_outside_range -----------------------------------------------------------------------
static_assert(is_shape(at_map<Reshape<15, 14, 96>>, Fault::reshape_sizes_differ, 4, Shape{15, 14, 96}, Shape{15, 15, 96}));
static_assert(is_shape(at_vector<Reshape<8, 8, 4>>, Fault::reshape_sizes_differ, 2, Shape{8, 8, 4}, Shape{192}));
static_assert(is_shape(at_vector<Reshape<65536, 65536, 65536>>, Fault::reshape_sizes_differ, 2, Shape{65536, 65536, 65536},
                       Shape{192}));
static_assert(is(at_map<Reshape<0, 15, 96>>, Fault::not_a_shape, 4) &&
              is(at_vector<Reshape<1, 192, -1>>, Fault::not_a_shape, 2));
static_assert(at_map<Reshape<15, 96, 15>, Reshape<15, 15, 96>>.ok() && at_vector<Reshape<8, 8, 3>, Flatten>.ok());
static_assert(is(at_map<Channels<90, 7>>, Fault::channels_outside_range, 4, 96, 97));
static_assert(is(at_map<Channels<-1, 7>>, Fault::channels_outside_range, 4, 96, -1));
static_assert(is(at_vector<Channels<1, 0>>, Fault::channels_outside_range, 2, 192, 0));
static_assert(is(at_map<Channels<2147483647, 2147483647>>, Fault::channels_outside_range, 4, 96, 4294967294));
static_assert(at_map<Channels<95, 1>>.ok() && at_map<Channels<0, 96>>.ok() && at_vector<Channels<191, 1>>.ok());
static_assert(recovered<Four<Channels<0, 97>>> == Shape{10} && recovered<Four<Reshape<1, 1, 1>>> == Shape{10});

// --- shortcut_misplaced -------------------------------------------------------------------------------------------------
template <class... L>
inline constexpr bool misplaced = at_map<L...>.fault == Fault::shortcut_misplaced;
static_assert(misplaced<Shortcut<Conv<3, 96>>> && misplaced<Sequential<Conv<3, 96>, Shortcut<>>>);
static_assert(misplaced<Residual<Shortcut<Conv<1, 96>>, Conv<3, 96>>>);
static_assert(misplaced<Residual<Conv<3, 96>, Shortcut<>, Shortcut<>>> && misplaced<Residual<ReLU, Shortcut<Shortcut<>>>>);
static_assert(misplaced<Concat<Conv<3, 96>, Shortcut<Conv<1, 96>>>>);
static_assert(misplaced<Residual<Concat<ReLU, Shortcut<>>, Shortcut<Conv<1, 192>>>>);
static_assert(at_map<Residual<ReLU, Shortcut<>>, Residual<Residual<ReLU>, Shortcut<Residual<ReLU, Shortcut<ReLU>>>>>.ok());
static_assert(recovered<Four<Residual<Shortcut<Conv<1, 8>>, Conv<3, 96>>>> == Shape{10});

// --- not_positive -------------------------------------------------------------------------------------------------------
static_assert(is(at_map<Conv<0, 8>>, Fault::not_positive, 4, 1, 0, Parameter::kernel));
static_assert(is(at_map<Conv<Size<3, -3>, 8>>, Fault::not_positive, 4, 1, -3, Parameter::kernel));
static_assert(is(at_map<MaxPool<0>>, Fault::not_positive, 4, 1, 0, Parameter::kernel));
static_assert(is(at_map<LRN<0>>, Fault::not_positive, 4, 1, 0, Parameter::kernel));
static_assert(is(at_map<Conv<3, 8, Stride<0>>>, Fault::not_positive, 4, 1, 0, Parameter::stride));
static_assert(is(at_map<Conv<3, 8, Stride<1, -2>>>, Fault::not_positive, 4, 1, -2, Parameter::stride));
static_assert(is(at_map<MaxPool<3, 0>>, Fault::not_positive, 4, 1, 0, Parameter::stride));
static_assert(is(at_map<Conv<3, 8, Dilation<0>>>, Fault::not_positive, 4, 1, 0, Parameter::dilation));
static_assert(is(at_map<Conv<3, 0>>, Fault::not_positive, 4, 1, 0, Parameter::filters));
static_assert(is(at_map<Conv<3, -8>>, Fault::not_positive, 4, 1, -8, Parameter::filters));
static_assert(is(at_map<Conv<3, 8, Groups<0>>>, Fault::not_positive, 4, 1, 0, Parameter::groups));
static_assert(is(at_map<Conv<3, 8, In<0>>>, Fault::not_positive, 4, 1, 0, Parameter::declared_input));
static_assert(is(at_vector<Dense<10, In<-1>>>, Fault::not_positive, 2, 1, -1, Parameter::declared_input));
static_assert(is(at_vector<Dense<0>>, Fault::not_positive, 2, 1, 0, Parameter::units));
static_assert(is(at_vector<Dense<-10>>, Fault::not_positive, 2, 1, -10, Parameter::units));
static_assert(is(at_map<GroupNorm<0>>, Fault::not_positive, 4, 1, 0, Parameter::groups));
static_assert(is(at_map<ChannelShuffle<-2>>, Fault::not_positive, 4, 1, -2, Parameter::groups));
static_assert(is(at_map<Upsample<0>>, Fault::not_positive, 4, 1, 0, Parameter::factor));
static_assert(is(at_map<Upsample<Size<2, -1>>>, Fault::not_positive, 4, 1, -1, Parameter::factor));
static_assert(is(at_map<ConvTranspose<3, 0>>, Fault::not_positive, 4, 1, 0, Parameter::filters));
static_assert(is(at_map<ConvTranspose<3, 8, Stride<0>>>, Fault::not_positive, 4, 1, 0, Parameter::stride));
static_assert(is(diagnose<Sequential<Input<0, 32, 3>>>(), Fault::not_positive, 0, 1, 0, Parameter::input_size));
static_assert(is(diagnose<Sequential<Input<32, -1, 3>>>(), Fault::not_positive, 0, 1, -1, Parameter::input_size));
static_assert(is(diagnose<Sequential<Input<32, 32, 0>>>(), Fault::not_positive, 0, 1, 0, Parameter::input_size));
static_assert(recovered<Four<Conv<0, 8, Stride<0>, Dilation<0>, Groups<0>>>> == Shape{10});
static_assert(recovered<Sequential<Input<0, 0, 0>, Conv<3, 0>, Flatten, Dense<0>>> == Shape{1});
static_assert(recovered<Sequential<Input<8, 8, 3>, Conv<3, 16, Stride<0>>>> == Shape{8, 8, 16});

// --- negative_padding, rate_outside_range, number_outside_range ---------------------------------------------------------
static_assert(is(at_map<Conv<3, 8, Pad<-1>>>, Fault::negative_padding, 4, 0, -1));
static_assert(is(at_map<Conv<3, 8, Pad<0, 0, 0, -4>>>, Fault::negative_padding, 4, 0, -4));
static_assert(is(at_map<MaxPool<3, 2, Pad<1, -2>>>, Fault::negative_padding, 4, 0, -2));
static_assert(at_map<Conv<3, 8, Pad<0>>>.ok());
static_assert(is(at_map<ConvTranspose<3, 8, Pad<-1>>>, Fault::negative_padding, 4, 0, -1));
static_assert(is(at_map<ConvTranspose<3, 8, Pad<9>>>, Fault::padding_removes_output, 4, 1, -1));
static_assert(at_map<ConvTranspose<3, 8, Pad<8>>>.ok());
static_assert(is(at_vector<Dropout<1.0>>, Fault::rate_outside_range, 2));
static_assert(is(at_map<StochasticDepth<1.0>>, Fault::rate_outside_range, 4));
static_assert(is(at_vector<Scale<std::numeric_limits<double>::infinity()>>, Fault::number_outside_range, 2));
static_assert(is(at_vector<Scale<nullptr>>, Fault::number_outside_range, 2));
static_assert(is(at_vector<LayerNormOf<Epsilon<0.0>>>, Fault::number_outside_range, 2));
static_assert(is(at_map<ConvTranspose<3, 8, Stride<2>, Pad<1>, OutputPadding<2>>>, Fault::number_outside_range, 4));
static_assert(is(at_map<ConvTranspose<3, 8, Stride<2>, Pad<1>, OutputPadding<1, -1>>>, Fault::number_outside_range, 4));
static_assert(is(at_vector<Dropout<-0.1>>, Fault::rate_outside_range, 2));
static_assert(is(at_vector<Dropout<50>>, Fault::rate_outside_range, 2));
static_assert(is(at_vector<Dropout<Keep{0.0}>>, Fault::rate_outside_range, 2));
static_assert(is(at_vector<Dropout<Keep{1.5}>>, Fault::rate_outside_range, 2));
static_assert(at_vector<Dropout<0.0>>.ok() && at_vector<Dropout<Keep{0.15}>>.ok());
static_assert(is(at_vector<LeakyReLUOf<-0.01>>, Fault::number_outside_range, 2));
static_assert(is(at_vector<LeakyReLUOf<std::numeric_limits<double>::quiet_NaN()>>, Fault::number_outside_range, 2));
static_assert(is(at_map<LRN<5, 0.0>>, Fault::number_outside_range, 4));
static_assert(is(at_map<LRN<5, 2.0, -1e-4>>, Fault::number_outside_range, 4));
static_assert(is(at_map<LRN<5, 2.0, 1e-4, -0.75>>, Fault::number_outside_range, 4));
static_assert(is(at_vector<ELUOf<-0.5>>, Fault::number_outside_range, 2));
static_assert(is(at_vector<Clip<6, 6>>, Fault::number_outside_range, 2));
static_assert(is(at_vector<Clip<1, -1.5>>, Fault::number_outside_range, 2));
static_assert(at_vector<Clip<-1.5, 1>, ReLU6, ELUOf<0.0>>.ok());
static_assert(is(at_map<BatchNormOf<Momentum<1.0>>>, Fault::number_outside_range, 4));
static_assert(is(at_map<BatchNormOf<Momentum<-0.1>>>, Fault::number_outside_range, 4));
static_assert(is(at_map<BatchNormOf<Epsilon<0.0>>>, Fault::number_outside_range, 4));
static_assert(at_map<BatchNormOf<Momentum<0.0>, Epsilon<1e-9>, NoScale, NoShift>>.ok());
static_assert(at_vector<LeakyReLUOf<0.0>>.ok() && at_map<LRN<5, 1e-9, 0.0, 0.0>>.ok());

// --- options_contradict, option_not_taken -------------------------------------------------------------------------------
static_assert(is(at_map<Conv<3, 8, Same, Valid>>, Fault::options_contradict, 4));
static_assert(is(at_map<BatchNormOf<Momentum<0.9>, Momentum<0.9>>>, Fault::options_contradict, 4));
static_assert(is(at_map<BatchNormOf<NoBias>>, Fault::option_not_taken, 4));
static_assert(is(at_map<Conv<3, 8, NoScale>>, Fault::option_not_taken, 4));
static_assert(is(at_map<Conv<3, 8, Valid, Pad<1>>>, Fault::options_contradict, 4));
static_assert(is(at_map<Conv<3, 8, Stride<2>, Stride<2>>>, Fault::options_contradict, 4));
static_assert(is(at_map<Conv<3, 8, In<96>, NoBias, In<96>>>, Fault::options_contradict, 4));
static_assert(is(at_map<MaxPool<3, 2, Stride<2>>>, Fault::options_contradict, 4));
static_assert(at_map<MaxPool<3, 3, Stride<2>>>.ok());
static_assert(is(at_map<MaxPool<3, 2, Groups<2>>>, Fault::option_not_taken, 4));
static_assert(is(at_map<MaxPool<3, 2, NoBias>>, Fault::option_not_taken, 4));
static_assert(is(at_vector<Dense<10, Stride<2>>>, Fault::option_not_taken, 2));
static_assert(is(at_vector<Dense<10, Same>>, Fault::option_not_taken, 2));
static_assert(is(at_map<Conv<3, 8, ReLU>>, Fault::option_not_taken, 4));  // a layer is not an option
static_assert(is(at_map<Conv<3, 8, CeilMode>>, Fault::option_not_taken, 4));
static_assert(is(at_map<MaxPool<3, 2, CountPadding>>, Fault::option_not_taken, 4));
static_assert(is(at_map<AvgPool<3, 2, CeilMode, CeilMode>>, Fault::options_contradict, 4));
static_assert(is(at_map<ConvTranspose<3, 8, Groups<2>>>, Fault::option_not_taken, 4));
static_assert(is(at_map<ConvTranspose<3, 8, Stride<2>, OutputPadding<1>>>, Fault::option_not_taken, 4));  // without Pad
static_assert(is(at_map<Upsample<2, Same>>, Fault::option_not_taken, 4));
static_assert(is(at_map<GroupNorm<3, Momentum<0.9>>>, Fault::option_not_taken, 4));
static_assert(is(at_vector<LayerNormOf<NoScale, NoScale>>, Fault::options_contradict, 2));
static_assert(recovered<Four<Conv<3, 8, Same, Valid>>> == Shape{10});
static_assert(recovered<Sequential<Input<8, 8, 3>, Conv<3, 16, Valid, Same>>> ==
              Shape{6, 6, 16});  // the first of the two is used

// --- window_does_not_tile -----------------------------------------------------------------------------------------------
static_assert(is(at_map<MaxPool<2, 2, Exact>>, Fault::window_does_not_tile, 4, 15, 14));
static_assert(is(at_map<Conv<4, 8, Valid, Stride<1, 3>, Exact>>, Fault::window_does_not_tile, 4, 15, 13));
static_assert(is(at_map<MaxPool<3, 2, Pad<0, 1>, Exact>>, Fault::window_does_not_tile, 4, 16, 15));
static_assert(at_map<MaxPool<3, 2, Exact>>.ok() && at_map<Conv<4, 8, Stride<3>, Exact>>.ok());
static_assert(at_map<MaxPool<2>>.ok());  // legal without Exact

// --- size_overflows -----------------------------------------------------------------------------------------------------
static_assert(is(at_vector<Dense<2'000'000'000>>, Fault::size_overflows, 2, 0, 193LL * 2'000'000'000));
static_assert(is(at_map<Conv<3, 2'000'000'000>>, Fault::size_overflows, 4, 0, 225LL * 2'000'000'000));
static_assert(is(diagnose<Sequential<Input<40'000, 40'000, 3>, Flatten>>(), Fault::size_overflows, 0, 0, 4'800'000'000));
static_assert(is(diagnose<Sequential<Input<448, 448, 3>, Flatten, Dense<4096>>>(), Fault::size_overflows, 2, 0,
                 602'112LL * 4096 + 4096));
// Extreme numbers give a diagnosis. This would not compile if anything overflowed.
constexpr int huge = 2'147'483'647;
static_assert(!diagnose<Sequential<Input<huge, huge, huge>, Conv<huge, huge, Stride<huge>, Dilation<huge>>, Flatten,
                                   Dense<huge>, Dense<huge>, Dense<huge>>>()
                   .ok());
static_assert(!diagnose<Sequential<Input<huge, huge, huge>, ConvTranspose<huge, huge, Stride<huge>, Dilation<huge>>,
                                   ConvTranspose<huge, huge, Stride<huge>, Dilation<huge>, Pad<0>>, Upsample<huge>,
                                   MaxPool<huge, 1, Pad<huge>, CeilMode>, Flatten, Dense<huge>>>()
                   .ok());
static_assert(!diagnose<Sequential<Input<huge, huge, huge>, Conv<huge, huge, Pad<huge>>, MaxPool<huge, 1, Pad<huge>>,
                                   BatchNorm, Concat<ReLU, ReLU, ReLU>, GlobalAvgPool, Dense<huge>>>()
                   .ok());
constexpr int least = -huge - 1;
static_assert(!diagnose<Sequential<Input<least, least, least>, Conv<least, least, Stride<least>, Pad<least>, Groups<least>>,
                                   MaxPool<least>, Flatten, Dense<least>>>()
                   .ok());

// --- residual_shapes_differ, concat_shapes_differ -----------------------------------------------------------------------
static_assert(is_shape(at_map<Residual<Conv<3, 64>, ReLU>>, Fault::residual_shapes_differ, 6, Shape{15, 15, 64},
                       Shape{15, 15, 96}));
static_assert(is_shape(at_map<Residual<Conv<3, 96, Stride<2>>>>, Fault::residual_shapes_differ, 5, Shape{8, 8, 96},
                       Shape{15, 15, 96}));
static_assert(is_shape(at_map<Residual<Conv<3, 64, Stride<2>>, Shortcut<Conv<1, 64>>>>, Fault::residual_shapes_differ, 6,
                       Shape{8, 8, 64}, Shape{15, 15, 64}));
static_assert(is_shape(at_map<Concat<Conv<1, 8>, Conv<3, 8, Valid>>>, Fault::concat_shapes_differ, 6, Shape{15, 15, 8},
                       Shape{13, 13, 8}));
// The third branch is compared with the concatenation of the first two.
static_assert(is_shape(at_map<Concat<Conv<1, 8>, Conv<3, 4>, MaxPool<3, 1>>>, Fault::concat_shapes_differ, 7,
                       Shape{15, 15, 12}, Shape{13, 13, 96}));
static_assert(is_shape(at_map<Concat<Conv<1, 8>, Flatten>>, Fault::concat_shapes_differ, 6, Shape{15, 15, 8},
                       Shape{15 * 15 * 96}));
// A fault inside a branch comes before the one of the join.
static_assert(is(at_map<Residual<Conv<3, 64, In<3>>>>, Fault::input_channels_differ, 4, 3, 96));
static_assert(recovered<Four<Residual<Conv<3, 64>>>> == Shape{10});
static_assert(recovered<Sequential<Input<8, 8, 3>, Concat<Conv<1, 8>, Conv<3, 8, Valid>>>> == Shape{8, 8, 16});

// --- what the network as a whole can do wrong ---------------------------------------------------------------------------
struct Sgd {};
struct Half {  // infer() with another result
  static constexpr int infer(Shape) { return 0; }
};
static_assert(is(at_vector<Sgd>, Fault::not_a_layer, 2) && is(at_vector<int>, Fault::not_a_layer, 2));
static_assert(Half::infer(Shape{}) == 0);
static_assert(is(at_vector<Half>, Fault::not_a_layer, 2) && recovered<Two<Half>> == Shape{192});
static_assert(is(at_vector<SoftmaxCrossEntropy>, Fault::not_a_layer, 2));
static_assert(is(diagnose<Sequential<Flatten, Dense<10>>>(), Fault::no_input, -1));
static_assert(is(diagnose<Sequential<>>(), Fault::empty_network, -1));
static_assert(detail::analysed<Sequential<Conv<3, 8>>>::table.input.size() == 1 && recovered<Sequential<>>.size() == 1);
static_assert(is(diagnose<Sequential<Sequential<>, Sequential<Sequential<>>>>(), Fault::empty_network, -1));
static_assert(is(diagnose<Sequential<ReLU, Input<8, 8, 3>>>(), Fault::input_not_first, 1));
static_assert(is(diagnose<Sequential<Input<8, 8, 3>, ReLU, Sequential<Input<8, 8, 3>, ReLU>>>(), Fault::input_not_first,
                 2));
static_assert(diagnose<Sequential<Sequential<Input<8, 8, 3>, ReLU>, ReLU>>()
                  .ok());  // the Input of the inner network is the first layer

// Only the first fault is reported, and within a layer the one that explains the others.
static_assert(is(at_map<Conv<3, 8, In<3>>, Dense<10>, Conv<0, 8>>, Fault::input_channels_differ, 4, 3, 96));
static_assert(is(at_map<Conv<0, 0, Same, Valid>>, Fault::options_contradict, 4));

// --- a layer of one's own, with its own fault ---------------------------------------------------------------------------
struct Even {
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s;
    s.out = in;
    if (in.height % 2 != 0) s.fault = Fault::custom, s.expected = in.height + 1, s.got = in.height;
    return s;
  }
};
static_assert(is(at_map<Even>, Fault::custom, 4, 16, 15) && at_map<MaxPool<2>, Even>.layer == 5);

// --- what a loss takes --------------------------------------------------------------------------------------------------
template <class... Last>
using Ends = Sequential<Input<8, 8, 3>, Flatten, Dense<10>, Last...>;
template <class Loss, class... Last>
inline constexpr Fault meets = diagnose<Ends<Last...>, Loss>().fault;
template <class Loss>
inline constexpr bool takes_only_logits =
    meets<Loss> == Fault::none && meets<Loss, ReLU> == Fault::loss_needs_logits &&
    meets<Loss, LeakyReLU> == Fault::loss_needs_logits && meets<Loss, Sigmoid> == Fault::loss_needs_logits &&
    meets<Loss, Tanh> == Fault::loss_needs_logits && meets<Loss, Dropout<0.5>> == Fault::loss_needs_logits &&
    meets<Loss, Softmax> == Fault::loss_needs_logits && meets<Loss, LogSoftmax> == Fault::loss_needs_logits &&
    meets<Loss, Softmax, Expect<10>> == Fault::loss_needs_logits &&
    meets<Loss, Softmax, Flatten> == Fault::loss_needs_logits;
static_assert(takes_only_logits<SoftmaxCrossEntropy> && takes_only_logits<SigmoidCrossEntropy>);
static_assert(meets<SoftmaxCrossEntropy, ReLU, Dense<10>> == Fault::none);
static_assert(meets<SoftmaxCrossEntropy, ReLU, BatchNorm> == Fault::none);
static_assert(meets<NegativeLogLikelihood, LogSoftmax> == Fault::none);
static_assert(meets<NegativeLogLikelihood> == Fault::loss_needs_log_probabilities);
static_assert(meets<NegativeLogLikelihood, Softmax> == Fault::loss_needs_log_probabilities);
static_assert(meets<CrossEntropy, Softmax> == Fault::none);
static_assert(meets<CrossEntropy> == Fault::loss_needs_probabilities);
static_assert(meets<CrossEntropy, LogSoftmax> == Fault::loss_needs_probabilities);
static_assert(meets<CrossEntropy, Sigmoid> == Fault::loss_needs_probabilities);
static_assert(meets<MeanSquaredError> == Fault::none && meets<MeanSquaredError, Softmax> == Fault::none);
static_assert(meets<Unchecked<SoftmaxCrossEntropy>, Softmax> == Fault::none);
static_assert(diagnose<Ends<Softmax>, SoftmaxCrossEntropy>().layer == 3);

// --- what the data have -------------------------------------------------------------------------------------------------
struct Cifar {
  static constexpr Shape image{32, 32, 3};
  static constexpr int classes = 10;
};
struct Small {
  static constexpr Shape image{8, 8, 3};
  static constexpr int classes = 10;
};
struct Hundred {
  static constexpr Shape image{8, 8, 3};
  static constexpr int classes = 100;
};
struct Turned {  // the same number of elements in another order
  static constexpr Shape image{3, 8, 8};
  static constexpr int classes = 10;
};
template <class Data, class... Last>
inline constexpr Diagnosis trains = diagnose<Ends<Last...>, SoftmaxCrossEntropy, Data>();
static_assert(trains<Small>.ok());
static_assert(is_shape(trains<Cifar>, Fault::images_differ_from_input, 0, Shape{8, 8, 3}, Shape{32, 32, 3}));
static_assert(is_shape(trains<Turned>, Fault::images_differ_from_input, 0, Shape{8, 8, 3}, Shape{3, 8, 8}));
static_assert(is_shape(trains<Hundred>, Fault::outputs_differ_from_classes, 2, Shape{100}, Shape{10}));
static_assert(trains<Hundred>.expected == 100 && trains<Hundred>.got == 10);
static_assert(trains<Small, Softmax>.fault == Fault::loss_needs_logits);
// In the order in which a reader would look: the network, then images, classes, loss.
static_assert(trains<Hundred, Softmax>.fault == Fault::outputs_differ_from_classes);
static_assert(trains<Cifar, Dropout<2>>.fault == Fault::rate_outside_range);
// 1x1x10 is a map, not a vector of ten.
static_assert(diagnose<Sequential<Input<8, 8, 3>, Conv<8, 10, Valid>>, SoftmaxCrossEntropy, Small>().fault ==
              Fault::outputs_differ_from_classes);

// --- targets that are not one class an image -----------------------------------------------------------------------------
struct AnyTarget : Unchecked<SoftmaxCrossEntropy> {
  static constexpr TargetKinds targets{TargetKind::class_index, TargetKind::class_map, TargetKind::labels,
                                       TargetKind::values, TargetKind::distribution};
};
struct Regression {
  static constexpr Takes takes = Takes::logits;
  static constexpr TargetKinds targets{TargetKind::values, TargetKind::distribution};
};
template <class Element>
struct Gives {
  std::span<const Element> targets(std::size_t) const { return {}; }
};
template <TargetKind Kind, class Base = Gives<float>>
struct With : Base {
  static constexpr Shape image{8, 8, 3};
  static constexpr Target target{Kind, Shape{10}};
};
template <class Data, class Loss, class... Last>
inline constexpr Diagnosis used = diagnose<Ends<Last...>, Loss, Data>();
static_assert(used<With<TargetKind::values>, Regression>.ok() && used<With<TargetKind::distribution>, Regression>.ok());
static_assert(used<With<TargetKind::labels>, Regression>.fault == Fault::loss_takes_other_target);
static_assert(used<Small, Regression>.fault == Fault::loss_takes_other_target);
static_assert(used<With<TargetKind::values>, SoftmaxCrossEntropy>.fault == Fault::loss_takes_other_target);
static_assert(used<With<TargetKind::values>, AnyTarget>.ok() && used<Small, AnyTarget>.ok());
// The network's output has the target's shape.
struct Map : Gives<int> {
  static constexpr Shape image{8, 8, 3};
  static constexpr Target target = Target::class_map(8, 8, 21);
};
static_assert(is_shape(used<Map, AnyTarget>, Fault::outputs_differ_from_target, 2, Shape{8, 8, 21}, Shape{10}));
static_assert(diagnose<Sequential<Input<8, 8, 3>, Conv<1, 21>>, AnyTarget, Map>().ok());
struct Boxes : Gives<float> {
  static constexpr Shape image{8, 8, 3};
  static constexpr Target target = Target::values(Shape{4});
};
static_assert(is_shape(used<Boxes, Regression>, Fault::outputs_differ_from_target, 2, Shape{4}, Shape{10}));
// A data set whose classes are known at run time only.
struct Folder {
  static constexpr Shape image{8, 8, 3};
  static int class_count() { return 7; }
};
static_assert(used<Folder, SoftmaxCrossEntropy>.ok() && used<Folder, Regression>.fault == Fault::loss_takes_other_target);
// A data set has to give the target that it declares, with the right elements.
static_assert(used<With<TargetKind::values, Gives<int>>, Regression>.fault == Fault::target_not_given);
static_assert(used<With<TargetKind::class_map>, AnyTarget>.fault == Fault::target_not_given);
static_assert(used<With<TargetKind::class_map, Gives<int>>, AnyTarget>.ok());
static_assert(used<With<TargetKind::labels, Folder>, AnyTarget>.fault == Fault::target_not_given);
template <class Label>
struct Labelled {
  Label label(std::size_t) const { return 0; }
};
static_assert(used<With<TargetKind::class_index, Labelled<int>>, SoftmaxCrossEntropy>.ok());
static_assert(used<With<TargetKind::class_index, Labelled<unsigned char>>, SoftmaxCrossEntropy>.ok());
static_assert(used<With<TargetKind::class_index, Labelled<float>>, SoftmaxCrossEntropy>.fault == Fault::target_not_given);
static_assert(used<With<TargetKind::class_index>, SoftmaxCrossEntropy>.fault == Fault::target_not_given);
// In the order in which a reader would look.
static_assert(used<Cifar, Regression>.fault == Fault::images_differ_from_input);
static_assert(used<Hundred, Regression>.fault == Fault::loss_takes_other_target);
static_assert(used<Boxes, Regression, Softmax>.fault == Fault::outputs_differ_from_target);
static_assert(used<With<TargetKind::values, Gives<int>>, Regression, Softmax>.fault == Fault::target_not_given);
static_assert(used<With<TargetKind::values>, Regression, Softmax>.fault == Fault::loss_needs_logits);
// Types that are not losses.
static_assert(meets<Sgd> == Fault::not_a_loss && meets<ReLU> == Fault::not_a_loss && meets<int> == Fault::not_a_loss);
static_assert(used<Small, Sgd>.fault == Fault::not_a_loss && used<Cifar, Sgd>.fault == Fault::images_differ_from_input);

}  // namespace
