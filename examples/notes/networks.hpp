// SPDX-License-Identifier: BSL-1.0
// The networks of the notes. All are one family; each differs from another in one line.
#pragma once
#include <strata/network.hpp>

namespace notes {
using namespace strata;

using Nothing = Sequential<>;  // a block without layers

// The parts that differ. The defaults give the network of row h.
struct Parts {
  static constexpr int classes = 100;
  using First = Conv<5, 96>;
  using Second = Conv<5, 256, Stride<2>>;
  using Fourth = Conv<3, 384>;
  using Fifth = Conv<3, 256>;
  using Pool = MaxPool<3, 2>;
  using Activation = ReLU;    // after the convolutions
  using Flat = Nothing;       // after Flatten
  using Hidden = ReLU;        // after the two hidden dense layers
  using Drop = Dropout<0.5>;  // after each of them
  using End = Nothing;        // after the last layer
};

template <class P>
using AlexNet = Sequential<Input<32, 32, 3>,                                              //
                           typename P::First, typename P::Activation, typename P::Pool,   //
                           typename P::Second, typename P::Activation, typename P::Pool,  //
                           Conv<3, 384>, typename P::Activation,                          //
                           typename P::Fourth, typename P::Activation,                    //
                           typename P::Fifth, typename P::Activation, typename P::Pool,   //
                           Flatten, typename P::Flat,                                     //
                           Dense<4096>, typename P::Hidden, typename P::Drop,             //
                           Dense<4096>, typename P::Hidden, typename P::Drop,             //
                           Dense<P::classes>, typename P::End>;

// --- The rows ---------------------------------------------------------------------------------------------------------
// Rows a to d do not say how the first convolution was padded. We use Same, as in the later Keras networks, and for a and c
// also a padding of 4, as in the list of layers above them.

// clang-format off
struct Ten      : Parts { static constexpr int classes = 10; };
struct A_       : Ten   { using First = Conv<11, 96>;          using Drop = Nothing;       };
struct APad4_   : Ten   { using First = Conv<11, 96, Pad<4>>;  using Drop = Nothing;       };
struct B_       : Ten   { using First = Conv<11, 96>;          using Drop = Dropout<0.25>; };
struct BPad4_   : B_    { using First = Conv<11, 96, Pad<4>>;  };
struct D_       : Ten   { using First = Conv<11, 96>;          };
struct E_       : Ten   { using First = Conv<7, 96>;           };
// Row h says that "the last three layers" have dropout, but its summary shows two. The third could only be here.
struct HThree_  : Parts { using Flat = Dropout<0.5>;           };

using A      = AlexNet<A_>;
using APad4  = AlexNet<APad4_>;
using B      = AlexNet<B_>;
using BPad4  = AlexNet<BPad4_>;
using D      = AlexNet<D_>;
using E      = AlexNet<E_>;
using F      = AlexNet<Ten>;
using H      = AlexNet<Parts>;
using HThree = AlexNet<HThree_>;

// --- Row h with one thing wrong ---------------------------------------------------------------------------------------

struct Keep15_      : Parts { using Drop = Dropout<Keep{0.15}>; };           // tf.nn.dropout took the fraction to keep
struct Rate15_      : Parts { using Drop = Dropout<0.15>; };
struct SoftmaxEnd_  : Parts { using End = Softmax; };                        // before a loss that contains a softmax
struct ReluEnd_     : Parts { using End = ReLU; };
struct LinearDense_ : Parts { using Hidden = Nothing; };
struct Linear_      : LinearDense_ { using Activation = Nothing; };
struct SameOne_     : Parts { using Pool = MaxPool<3, 2, Same>; using Second = Conv<5, 256>; };
struct Slip_        : Parts { using Second = Conv<5, 256, Stride<2>, Groups<32>>; };         // [5,5,3,256]
struct TwoGroups_   : Parts { using Fourth = Conv<3, 384, Groups<2>>; using Fifth = Conv<3, 256, Groups<2>>; };

using Keep15      = AlexNet<Keep15_>;
using Rate15      = AlexNet<Rate15_>;
using SoftmaxEnd  = AlexNet<SoftmaxEnd_>;
using ReluEnd     = AlexNet<ReluEnd_>;
using LinearDense = AlexNet<LinearDense_>;
using Linear      = AlexNet<Linear_>;
using SameOne     = AlexNet<SameOne_>;
using Slip        = AlexNet<Slip_>;
using TwoGroups   = AlexNet<TwoGroups_>;

// --- The rewrites -----------------------------------------------------------------------------------------------------

// tf.layers: the shapes of row h, with two readings of "dropout = 0.15" and two readings of the last layer.
struct Layers_       : SoftmaxEnd_ { using Drop = Dropout<Keep{0.15}>; };
struct LayersRate15_ : SoftmaxEnd_ { using Drop = Dropout<0.15>; };
struct LayersRelu_   : ReluEnd_    { using Drop = Dropout<0.15>; };          // as tf.nn's helper ends
// tf.nn with the printed helpers: Same and stride 1 everywhere, and a softmax or a ReLU at the end.
struct Nn_           : SameOne_    { using Drop = Dropout<Keep{0.15}>; using Second = Conv<5, 256, Groups<32>>; };
struct NnSoftmax_    : Nn_         { using End = Softmax; };
struct NnRelu_       : Nn_         { using End = ReLU; };
struct NnMended_     : NnRelu_     { using Second = Conv<5, 256>; };         // without the slip
struct NnLogits_     : NnMended_   { using End = Nothing; };
struct NnLinear_     : NnLogits_   { using Hidden = Nothing; };              // the variant that stopped at 35%
// The same two variants with 0.15 as the fraction dropped.
struct NnRateRelu_   : NnMended_   { using Drop = Dropout<0.15>; };
struct NnRateLinear_ : NnLinear_   { using Drop = Dropout<0.15>; };

using Layers       = AlexNet<Layers_>;
using LayersRate15 = AlexNet<LayersRate15_>;
using LayersRelu   = AlexNet<LayersRelu_>;
using NnSoftmax    = AlexNet<NnSoftmax_>;
using NnRelu       = AlexNet<NnRelu_>;
using NnMended     = AlexNet<NnMended_>;
using NnLogits     = AlexNet<NnLogits_>;
using NnLinear     = AlexNet<NnLinear_>;
using NnRateRelu   = AlexNet<NnRateRelu_>;
using NnRateLinear = AlexNet<NnRateLinear_>;
// clang-format on

}  // namespace notes
