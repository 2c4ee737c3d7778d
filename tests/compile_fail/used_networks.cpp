// SPDX-License-Identifier: BSL-1.0
// Mistakes in a network as most users meet them: they include the whole library, and use the network in assertions,
// summaries, training and prediction. None of these uses may add a second error.
#include <strata/strata.hpp>
using namespace strata;

template <class... Layers>
using With = Sequential<Input<32, 32, 3>, Layers..., Flatten, Dense<10>>;

// cases: channels shape shortcut layer input empty first size rate number checkpoint overflow several branch
#if defined CASE_channels
// expect-error(channels): error::input_channels_differ<
using Net = With<Conv<5, 96>, ReLU, MaxPool<3, 2>, Conv<5, 256, In<3>>>;
#elif defined CASE_shape
// expect-error(shape): error::shape_differs<.*at_layer<2>.*expected_shape<55, 55, 96>.*got_shape<225, 225, 96>
using Net = Sequential<Input<227, 227, 3>, Conv<11, 96, Pad<4>>, Expect<55, 55, 96>, ReLU, MaxPool<3, 2>,
                       Conv<5, 256, Pad<2>>, ReLU, MaxPool<3, 2>, Conv<3, 384>, ReLU, Conv<3, 384>, ReLU, Conv<3, 256>,
                       ReLU, MaxPool<3, 2>, Flatten, Dense<4096>, ReLU, Dense<4096>, ReLU, Dense<10>>;
#elif defined CASE_shortcut
// expect-error(shortcut): error::shortcut_misplaced<
using Net = With<Residual<Conv<3, 8>, Shortcut<Conv<1, 8>>, Shortcut<Conv<1, 8>>>>;
#elif defined CASE_layer
// expect-error(layer): error::not_a_layer<
using Net = With<Conv<3, 8>, void, std::string, Same>;
#elif defined CASE_input
// expect-error(input): error::no_input<
using Net = Sequential<Conv<3, 8>, Flatten, Dense<10>>;
#elif defined CASE_empty
// expect-error(empty): error::empty_network<
using Net = Sequential<>;
#elif defined CASE_first
// expect-error(first): error::input_not_first<
using Net = With<Concat<Sequential<Input<32, 32, 3>, Conv<1, 3>>, Conv<1, 3>>>;
#elif defined CASE_size
// expect-error(size): error::not_positive<
using Net = With<Conv<3, -8>, MaxPool<2, 0>, Flatten, Dense<0>>;
#elif defined CASE_rate
// expect-error(rate): error::rate_outside_range<
using Net = With<Dropout<1>, Dropout<Keep{0.0}>>;
#elif defined CASE_number
// expect-error(number): error::not_a_size<
using Net = With<Conv<2.5, 8>, MaxPool<nullptr>>;
#elif defined CASE_checkpoint
// expect-error(checkpoint): error::not_a_shape<
using Net = With<Conv<3, 8>, Expect<32, 32>>;
#elif defined CASE_overflow
// expect-error(overflow): error::size_overflows<
using Net = With<Conv<3, 2147483647, Pad<2147483647>, Dilation<2147483647>>, Conv<2147483647, 2147483647>>;
#elif defined CASE_several
// expect-error(several): error::input_channels_differ<.*at_layer<1>
using Net = With<Conv<3, 8, In<5>>, MaxPool<100>, Flatten, Conv<3, 3>, Dense<0>, Dropout<2>, int>;
#elif defined CASE_branch
// expect-error(branch): error::options_contradict<.*at_layer<3>
using Net = With<Conv<3, 8>, Residual<Concat<Sequential<ReLU, MaxPool<3, 1, Same, Valid>>>, Conv<1, 8>>>;
#else
using Net = With<Conv<3, 8>>;
#endif

#ifndef CASE_empty  // has no output
static_assert(Net::output == Shape{10});
static_assert(Net::layers >= 3 && Net::shapes.back() == Net::output);
#endif
static_assert(Net::layers >= 0 && Net::parameters >= 0 && Net::macs >= 0);
static_assert(Net::training_bytes(128) >= Net::inference_bytes(1));
static_assert(keras_summary<Net,
                            "conv2d (Conv2D) (None, 32, 32, 8) 224\nflatten (Flatten) (None, 8192) 0\n"
                            "dense (Dense) (None, 10) 81930">);
constexpr std::string_view table = summary<Net>();

int main() {
  const Cifar10 data = Cifar10::train("data");
  Model<Net> model{{.batch = 128, .threads = 2, .seed = 1}};
  train(model, data, SoftmaxCrossEntropy{}, SGD{.learning_rate = InverseTimeDecay{0.01, 0.0005}, .momentum = 0.9},
        {.epochs = 20, .validation = data});
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.01});
  trainer.step({}, {});
  evaluate(model, data, SoftmaxCrossEntropy{});
  model.predict({});
  Model<Net, Cpu, Inference> other{{.batch = 1}};
  other.predict({});
  return static_cast<int>(table.size());
}
