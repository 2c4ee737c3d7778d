// SPDX-License-Identifier: BSL-1.0
// Every error that a network can raise while compiling. You are probably here because your compiler sent you: the sentence
// says what is wrong and what to do, the names in the angle brackets say where. docs/errors/ has a page for each.
#pragma once

// Checks the system and the flags. It includes a file that does not exist, because that ends the compilation with one
// message; after an #error the compiler would print one for each missing function.
#if defined(_WIN32)
#include <strata needs a POSIX system such as Linux; on Windows, compile it in WSL>
#elif !defined(__cpp_exceptions)
#include <strata reports errors as exceptions; compile without -fno-exceptions>
#endif

// Macros of these names break std::min(). libstdc++ removes them too, in the first of its headers that is included.
#undef min
#undef max

// Under these flags std::isfinite is always true: training would go on with NaN and save it in every checkpoint.
#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error "strata: compile without -ffast-math, -Ofast and -ffinite-math-only, since they remove the tests for NaN"
#if defined(__clang__)  // one error is enough
#pragma clang diagnostic ignored "-Wunknown-warning-option"
#pragma clang diagnostic ignored "-Wnan-infinity-disabled"
#endif
#endif

namespace strata {

// The words of an error. `at_layer` counts from Input, which is 0, and counts the layers of nested blocks.
template <int Index>
struct at_layer;
template <int Row>
struct at_row;
template <long long Value>
struct expected;
template <long long Value>
struct got;
template <int... Dimensions>
struct expected_shape;  // height, width, channels; or one number: a flat vector
template <int... Dimensions>
struct got_shape;
namespace parameter {
struct kernel;
struct stride;
struct filters;
struct units;
struct groups;
struct dilation;
struct factor;
struct declared_input;
struct input_size;
}  // namespace parameter
// The kind of target that a data set has, and the kinds that a loss takes.
namespace target {
struct class_index;
struct class_map;
struct labels;
struct values;
struct distribution;
}  // namespace target
// The member function that gives a target: label(i) or targets(i).
namespace missing {
struct label_giving_int;
struct targets_giving_span_of_int;
struct targets_giving_span_of_float;
}  // namespace missing
template <class... Targets>
struct expected_target;
template <class Target>
struct got_target;

}  // namespace strata

namespace strata::error {

// A condition that names all the tags: clang prints them beside the sentence, GCC and nvcc in the line above it.
template <class...>
inline constexpr bool never = false;

template <class At, class Layer, class Expected, class Got>
struct input_channels_differ {
  static_assert(never<At, Layer, Expected, Got>,
                "strata: In<...> is not the number of input channels that arrive; correct In<...>, or the layer before");
};
template <class At, class Layer, class Expected, class Got>
struct kernel_larger_than_padded_input {
  static_assert(never<At, Layer, Expected, Got>,
                "strata: the kernel or window is larger than its padded input; shrink it, pad more, or pool less before");
};
template <class At, class Layer, class Got>
struct needs_flat_input {
  static_assert(never<At, Layer, Got>, "strata: this layer needs a flat input and gets a map; insert Flatten before it");
};
template <class At, class Layer, class Got>
struct needs_feature_map {
  static_assert(never<At, Layer, Got>, "strata: this layer needs a map and gets a flat vector; move it before Flatten");
};
template <class At, class Layer, class Expected, class Got>
struct shape_differs {
  static_assert(never<At, Layer, Expected, Got>,
                "strata: the shape here is not the one expected; look at padding and stride of the layers before");
};
template <class Loss, class Last>
struct loss_needs_logits {
  static_assert(never<Loss, Last>,
                "strata: the loss takes logits; remove the activation or dropout that the network ends in");
};
template <class Loss, class Last>
struct loss_needs_log_probabilities {
  static_assert(never<Loss, Last>,
                "strata: the loss takes log-probabilities; end in LogSoftmax or use SoftmaxCrossEntropy");
};
template <class Loss, class Last>
struct loss_needs_probabilities {
  static_assert(never<Loss, Last>, "strata: the loss takes probabilities; end in Softmax or use SoftmaxCrossEntropy");
};
template <class Data, class Expected, class Got>
struct outputs_differ_from_classes {
  static_assert(never<Data, Expected, Got>,
                "strata: the number of outputs differs from the number of classes of the data set; resize the last layer");
};
template <class Data, class Expected, class Got>
struct outputs_differ_from_target {
  static_assert(never<Data, Expected, Got>,
                "strata: the network's output does not have the shape of the data set's target; resize the last layer");
};
template <class Loss, class Data, class Expected, class Got>
struct loss_takes_other_target {
  static_assert(
      never<Loss, Data, Expected, Got>,
      "strata: the loss does not take the data set's kind of target; choose another loss, or change the data set");
};
template <class Data, class Target, class Missing>
struct target_not_given {
  static_assert(never<Data, Target, Missing>,
                "strata: the data set declares a target but does not give it; add the member function named here");
};
template <class Loss>
struct not_a_loss {
  static_assert(never<Loss>, "strata: this type is not a loss; a loss has `static constexpr Takes takes`");
};
template <class Data, class Expected, class Got>
struct images_differ_from_input {
  static_assert(never<Data, Expected, Got>,
                "strata: the data set's images do not have the shape of the network's Input; change Input or the data");
};
template <class At, class Layer, class Expected, class Got>
struct groups_do_not_divide_channels {
  static_assert(never<At, Layer, Expected, Got>,
                "strata: the groups must divide the input channels, and the filters of a Conv; choose a common divisor");
};
template <class At, class Layer, class Expected, class Got>
struct residual_shapes_differ {
  static_assert(never<At, Layer, Expected, Got>,
                "strata: Residual adds two different shapes; keep the shape, or project with Shortcut<Conv<1, ...>>");
};
template <class At, class Layer, class Expected, class Got>
struct concat_shapes_differ {
  static_assert(never<At, Layer, Expected, Got>,
                "strata: Concat needs the same height and width in every branch; align strides and padding");
};
template <class At, class Layer, class Expected, class Got>
struct gate_shapes_differ {
  static_assert(never<At, Layer, Expected, Got>,
                "strata: a Gate's layers must give its input's shape, or one number per channel; resize their last layer");
};
template <class At, class Layer, class Expected, class Got>
struct reshape_sizes_differ {
  static_assert(never<At, Layer, Expected, Got>,
                "strata: Reshape keeps the number of elements; height x width x channels must be as many as arrive");
};
template <class At, class Layer, class Expected, class Got>
struct channels_outside_range {
  static_assert(never<At, Layer, Expected, Got>,
                "strata: Channels<first, count> takes at least one channel, and only channels that its input has; correct "
                "first or count");
};
template <class At, class Layer>
struct shortcut_misplaced {
  static_assert(never<At, Layer>,
                "strata: a Shortcut is the last layer of a Residual, and its only Shortcut; move or remove this one");
};
template <class At, class Layer>
struct not_a_layer {
  static_assert(never<At, Layer>,
                "strata: this type is not a layer; a layer has `static constexpr LayerInfo infer(Shape)`");
};
template <class Net>
struct no_input {
  static_assert(never<Net>, "strata: the network has no Input; start it with Input<height, width, channels>");
};
template <class At, class Layer>
struct input_not_first {
  static_assert(never<At, Layer>,
                "strata: Input is not the first layer; a network has exactly one Input, and it comes first");
};
template <class Net>
struct empty_network {
  static_assert(never<Net>, "strata: the network is empty; start it with Input<height, width, channels>");
};
template <class At, class Layer, class Which, class Got>
struct not_positive {
  static_assert(never<At, Layer, Which, Got>, "strata: a size of this layer is zero or negative; it must be at least 1");
};
template <class At, class Layer, class Got>
struct negative_padding {
  static_assert(never<At, Layer, Got>, "strata: the padding is negative; Pad<...> takes zero or more");
};
template <class At, class Layer, class Got>
struct padding_removes_output {
  static_assert(never<At, Layer, Got>,
                "strata: the padding of this ConvTranspose removes its whole output; pad less, or enlarge the kernel");
};
template <class At, class Layer>
struct rate_outside_range {
  static_assert(never<At, Layer>,
                "strata: a dropout rate is the fraction dropped, in [0, 1); Keep{p} takes the fraction kept, in (0, 1]");
};
template <class At, class Layer>
struct number_outside_range {
  static_assert(
      never<At, Layer>,
      "strata: a number here is out of range; slope, alpha, beta >= 0; k, epsilon > 0; momentum in [0, 1); low < high; a "
      "factor is finite; an output padding in [0, stride)");
};
template <class At, class Layer>
struct options_contradict {
  static_assert(never<At, Layer>, "strata: two options of this layer set the same thing; keep one");
};
template <class At, class Layer>
struct option_not_taken {
  static_assert(never<At, Layer>, "strata: this layer does not take one of its options; remove it");
};
template <class At, class Layer>
struct not_a_size {
  static_assert(never<At, Layer>,
                "strata: a kernel, window or stride here is not a size; give an int or Size<rows, columns>");
};
template <class At, class Layer>
struct not_a_shape {
  static_assert(
      never<At, Layer>,
      "strata: a shape is three numbers, height, width and channels; Expect also takes one, n; each is at least 1");
};
template <class At, class Layer, class Expected, class Got>
struct window_does_not_tile {
  static_assert(never<At, Layer, Expected, Got>,
                "strata: with Exact, the windows must read all padded rows and columns; change input, kernel or stride");
};
template <class At, class Layer, class Got>
struct size_overflows {
  static_assert(never<At, Layer, Got>,
                "strata: a map or weight of this layer has 2^31 elements or more; make the layer smaller");
};

// A Keras summary that differs from the network. Expected is what Keras printed, got is what the network has.
template <class At, class Layer, class ExpectedShape, class GotShape, class Expected, class Got>
struct keras_row_differs {
  static_assert(
      never<At, Layer, ExpectedShape, GotShape, Expected, Got>,
      "strata: shape or parameters differ from this row of the Keras summary; look at this layer and those before");
};
template <class Expected, class Got>
struct keras_rows_missing {
  static_assert(never<Expected, Got>,
                "strata: the Keras summary and the network differ in their number of rows; add what is missing in one");
};
template <class At>
struct keras_summary_unreadable {
  static_assert(never<At>, "strata: a row of the Keras summary cannot be read; build the model and paste all of summary()");
};

}  // namespace strata::error
