// SPDX-License-Identifier: BSL-1.0
// Networks compared with the summaries that Keras printed of them, in both of its layouts.
#include <strata/network.hpp>

#include "summary_of_h.hpp"

namespace {
using namespace strata;

template <int Classes, int Same_ = 0, int Second = 256>
using AlexNet =
    Sequential<Input<32, 32, 3>, Conv<5, 96>, ReLU,
               std::conditional_t<(Same_ & 1) != 0, MaxPool<3, 2, Same>, MaxPool<3, 2>>, Conv<5, Second, Stride<2>>, ReLU,
               std::conditional_t<(Same_ & 2) != 0, MaxPool<3, 2, Same>, MaxPool<3, 2>>, Conv<3, 384>, ReLU, Conv<3, 384>,
               ReLU, Conv<3, 256>, ReLU, std::conditional_t<(Same_ & 4) != 0, MaxPool<3, 2, Same>, MaxPool<3, 2>>,
               Flatten,  //
               Dense<4096>, ReLU, Dropout<0.5>, Dense<4096>, ReLU, Dropout<0.5>, Dense<Classes>>;

static_assert(keras_summary<AlexNet<100>, summary_of_h>);

// The row that differs, as a value, for all eight paddings of the three pools. One of them is right.
template <class Net, FixedString Text>
constexpr detail::KerasDifference difference = detail::keras_check<Net, Text>::difference;
template <int Same_>
constexpr bool told_at(int row, Shape expected, Shape got) {
  constexpr auto d = difference<AlexNet<100, Same_>, summary_of_h>;
  return d.fault == detail::KerasFault::row && d.row == row && d.expected_shape == expected && d.got_shape == got;
}
static_assert(difference<AlexNet<100, 0>, summary_of_h>.fault == detail::KerasFault::none);
static_assert(told_at<1>(2, Shape{15, 15, 96}, Shape{16, 16, 96}));
static_assert(told_at<2>(4, Shape{3, 3, 256}, Shape{4, 4, 256}));
static_assert(told_at<3>(2, Shape{15, 15, 96}, Shape{16, 16, 96}));
static_assert(told_at<4>(8, Shape{1, 1, 256}, Shape{2, 2, 256}));
static_assert(told_at<5>(2, Shape{15, 15, 96}, Shape{16, 16, 96}));
static_assert(told_at<6>(4, Shape{3, 3, 256}, Shape{4, 4, 256}));
static_assert(told_at<7>(2, Shape{15, 15, 96}, Shape{16, 16, 96}));
// With ten classes the last row differs, in shape and in parameters.
static_assert(difference<AlexNet<10>, summary_of_h>.row == 14);
static_assert(difference<AlexNet<10>, summary_of_h>.expected == 409'700 &&
              difference<AlexNet<10>, summary_of_h>.got == 40'970);
// The same shapes with other parameters: 32 groups by mistake.
using Grouped = Sequential<Input<8, 8, 96>, Conv<5, 256, Groups<32>>>;
constexpr auto grouped = difference<Grouped, "conv2d_1 (Conv2D)            (None, 8, 8, 256)         614656">;
static_assert(grouped.fault == detail::KerasFault::row && grouped.expected == 614'656 && grouped.got == 19'456);
static_assert(grouped.expected_shape == grouped.got_shape && grouped.row == 1 && grouped.node == 1);

// --- Keras 2 with rules between the rows, totals, and names that wrap ---------------------------------------------------
using Small = Sequential<Input<8, 8, 3>, Conv<3, 16, NoBias>, BatchNorm, ReLU, MaxPool<2>, Expect<4, 4, 16>, Flatten,
                         Dropout<0.5>, Dense<10>>;
static_assert(keras_summary<Small, R"(Model: "sequential_1"
_________________________________________________________________
 Layer (type)                Output Shape              Param #   
=================================================================
 conv2d_5 (Conv2D)           (None, 8, 8, 16)          432       
_________________________________________________________________
 batch_normalization (BatchN  (None, 8, 8, 16)         64        
 ormalization)                                                   
_________________________________________________________________
 max_pooling2d_3 (MaxPooling  (None, 4, 4, 16)         0         
 2D)                                                             
_________________________________________________________________
 flatten_1 (Flatten)         (None, 256)               0         
_________________________________________________________________
 dropout_2 (Dropout)         (None, 256)               0         
_________________________________________________________________
 dense_3 (Dense)             (None, 10)                2570      
=================================================================
Total params: 3,066
Trainable params: 3,034
Non-trainable params: 32
_________________________________________________________________
)">);
// A functional model: an input row with its brackets, activations as rows, a batch of fixed size, another column.
static_assert(keras_summary<Small, R"(
input_1 (InputLayer)         [(64, 8, 8, 3)]           0         []
conv2d (Conv2D)              (64, 8, 8, 16)            432       ['input_1[0][0]']
batch_normalization (BatchNo (64, 8, 8, 16)            64        ['conv2d[0][0]']
activation (Activation)      (64, 8, 8, 16)            0         ['batch_normalization[0][0]']
max_pooling2d (MaxPooling2D) (64, 4, 4, 16)            0         ['activation[0][0]']
flatten (Flatten)            (64, 256)                 0         ['max_pooling2d[0][0]']
dropout (Dropout)            (64, 256)                 0         ['flatten[0][0]']
dense (Dense)                (64, 10)                  2570      ['dropout[0][0]']
softmax (Softmax)            (64, 10)                  0         ['dense[0][0]']
)">);

// --- Keras 3: boxes, thousands separators, types on a line of their own -------------------------------------------------
static_assert(keras_summary<Small, R"(Model: "sequential"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
│ conv2d (Conv2D)                 │ (None, 8, 8, 16)       │           432 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ batch_normalization             │ (None, 8, 8, 16)       │            64 │
│ (BatchNormalization)            │                        │               │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ re_lu (ReLU)                    │ (None, 8, 8, 16)       │             0 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ max_pooling2d (MaxPooling2D)    │ (None, 4, 4, 16)       │             0 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ flatten (Flatten)               │ (None, 256)            │             0 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ dropout (Dropout)               │ (None, 256)            │             0 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ dense (Dense)                   │ (None, 10)             │         2,570 │
└─────────────────────────────────┴────────────────────────┴───────────────┘
 Total params: 3,066 (11.98 KB)
 Trainable params: 3,034 (11.85 KB)
 Non-trainable params: 32 (128.00 B)
)">);
static_assert(keras_summary<Sequential<Input<32, 32, 96>, Conv<5, 256, Stride<4>>>,
                            "│ conv2d_1 (Conv2D)               │ (None, 8, 8, 256)      │       614,656 │">);

// center=False, scale=False: the moving statistics alone.
static_assert(keras_summary<Sequential<Input<4, 4, 3>, BatchNormOf<NoShift, NoScale, Momentum<0.9>>>,
                            "batch_normalization (BatchNormalization) (None, 4, 4, 3) 6">);

// The other layers with Keras' names. A row of PReLU has its slopes; a Rescaling may be left out, as an activation.
using Newer = Sequential<Input<8, 8, 4>, Conv<3, 8>, GroupNorm<4>, PReLU, Gate<GlobalAvgPool, Dense<8, NoBias>, Sigmoid>,
                         ConvTranspose<3, 6, Stride<2>>, LayerNorm, Upsample<2>, GlobalMaxPool, Dense<3>, Scale<0.5>>;
constexpr FixedString newer = R"(
conv2d (Conv2D)                 (None, 8, 8, 8)   296
group_normalization (GroupNorm) (None, 8, 8, 8)   16
p_re_lu (PReLU)                 (None, 8, 8, 8)   8
global_average_pooling2d (Glob) (None, 8)         0
dense (Dense)                   (None, 8)         64
activation (Activation)         (None, 8)         0
multiply (Multiply)             (None, 8, 8, 8)   0
conv2d_transpose (Conv2DTransp) (None, 16, 16, 6) 438
layer_normalization (LayerNorm) (None, 16, 16, 6) 12
up_sampling2d (UpSampling2D)    (None, 32, 32, 6) 0
global_max_pooling2d (GlobalMa) (None, 6)         0
dense_1 (Dense)                 (None, 3)         21
rescaling (Rescaling)           (None, 3)         0
)";
static_assert(keras_summary<Newer, newer>);
static_assert(keras_summary<Sequential<Input<4, 4, 3>, PReLU, Conv<1, 2>, Scale<2>>,
                            "p_re_lu (None, 4, 4, 3) 3\n"
                            "conv2d (None, 4, 4, 2) 8">);
static_assert(difference<Sequential<Input<4, 4, 3>, PReLU>, "p_re_lu (PReLU) (None, 4, 4, 3) 48">.got == 3);

// --- What else can be wrong ---------------------------------------------------------------------------------------------
using Two = Sequential<Input<8, 8, 3>, Flatten, ReLU, Dense<10>>;
template <FixedString Text>
constexpr detail::KerasFault fault = difference<Two, Text>.fault;
static_assert(fault<"flatten (Flatten) (None, 192) 0\ndense (Dense) (None, 10) 1930"> == detail::KerasFault::none);
// The text has a row too few; or a row too many.
constexpr FixedString first_row = "flatten (Flatten) (None, 192) 0";
constexpr auto early = difference<Two, first_row>;
static_assert(early.fault == detail::KerasFault::rows && early.expected == 1 && early.got == 2);
static_assert(fault<"f (Flatten) (None, 192) 0\nd (Dense) (None, 10) 1930\nd (Dropout) (None, 10) 0"> ==
              detail::KerasFault::rows);
// An activation in the middle that the network lacks; a softmax at the end, which the loss contains.
static_assert(difference<Two, "a (Activation) (None, 8, 8, 3) 0\nf (Flatten) (None, 192) 0">.row == 1);
static_assert(fault<"f (Flatten) (None, 192) 0\nd (Dense) (None, 10) 1930\na (Activation) (None, 10) 0"> ==
              detail::KerasFault::none);
// A vector is not a map of one row.
static_assert(fault<"f (Flatten) (None, 1, 1, 192) 0\nd (Dense) (None, 10) 1930"> == detail::KerasFault::row);
// An empty text; a model that was not built; unknown sizes; not an image; no parameters.
static_assert(fault<""> == detail::KerasFault::unreadable);
static_assert(fault<"│ flatten (Flatten)  │ ?  │  0 (unbuilt) │"> == detail::KerasFault::unreadable);
static_assert(fault<"flatten (Flatten) multiple 0"> == detail::KerasFault::unreadable);
static_assert(fault<"conv (Conv2D) (None, None, None, 16) 432"> == detail::KerasFault::unreadable);
static_assert(fault<"lstm (LSTM) (None, 10, 20) 432"> == detail::KerasFault::unreadable);
static_assert(fault<"conv3d (Conv3D) (None, 4, 4, 4, 16) 432"> == detail::KerasFault::unreadable);
static_assert(fault<"flatten (Flatten) (None, 192)"> == detail::KerasFault::unreadable);
static_assert(fault<"flatten (Flatten) (None, 192"> == detail::KerasFault::unreadable);
static_assert(fault<"flatten (Flatten) (None, 99999999999999999999999) 0"> == detail::KerasFault::unreadable);

// An activation from outside the library needs no row, and may have one.
struct Swish {
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s;
    s.out = in;
    s.values = Values::any;
    return s;
  }
  template <class T>
  static T forward(T x) {
    return x;
  }
};
using Own = Sequential<Input<8, 8, 1>, Flatten, Swish, Dense<2>>;
static_assert(keras_summary<Own, "flatten (Flatten) (None, 64) 0\ndense (Dense) (None, 2) 130">);
static_assert(keras_summary<
              Own, "flatten (Flatten) (None, 64) 0\nactivation (Activation) (None, 64) 0\ndense (Dense) (None, 2) 130">);

}  // namespace
