// SPDX-License-Identifier: BSL-1.0
// The AlexNet of the paper (Krizhevsky, Sutskever, Hinton 2012) as a type, with every shape asserted, and one training step
// on random data. Also a list of layers that is often copied, with a padding of 4 instead of the paper's stride of 4.
#include <cmath>
#include <cstdio>
#include <vector>

#include <strata/strata.hpp>

using namespace strata;

using AlexNet = Sequential<Input<227, 227, 3>,                                                               //
                           Conv<11, 96, Stride<4>, Valid, Exact>, Expect<55, 55, 96>, ReLU, LRN<>,           //
                           MaxPool<3, 2, Exact>, Expect<27, 27, 96>,                                         //
                           Conv<5, 256, Groups<2>>, ReLU, LRN<>, MaxPool<3, 2, Exact>, Expect<13, 13, 256>,  //
                           Conv<3, 384>, ReLU,                                                               //
                           Conv<3, 384, Groups<2>>, ReLU,                                                    //
                           Conv<3, 256, Groups<2>>, ReLU, MaxPool<3, 2, Exact>, Expect<6, 6, 256>,           //
                           Flatten, Expect<9216>,                                                            //
                           Dense<4096>, ReLU, Dropout<0.5>,                                                  //
                           Dense<4096>, ReLU, Dropout<0.5>,                                                  //
                           Dense<1000>>;
static_assert(AlexNet::output == Shape{1000});
static_assert(AlexNet::parameters == 60'965'224);

// Padding 4 instead of stride 4 gives the sizes 225, 112, 112, 55, 55, 55, 55, 27 and thirteen times the parameters.
template <class... Check>
using PadForStride =
    Sequential<Input<227, 227, 3>, Conv<11, 96, Pad<4>>, Check..., MaxPool<3, 2>, Conv<5, 256>, MaxPool<3, 2>, Conv<3, 384>,
               Conv<3, 384>, Conv<3, 256>, MaxPool<3, 2>, Flatten, Dense<4096>, Dense<4096>, Dense<1000>>;
static_assert(PadForStride<>::parameters == 789'041'512);
static_assert(PadForStride<>::shapes[1] == Shape{225, 225, 96} && PadForStride<>::shapes[8] == Shape{27, 27, 256});
// The verdict with an Expect after the first convolution.
constexpr Diagnosis verdict = diagnose<PadForStride<Expect<55, 55, 96>>>();
static_assert(verdict.fault == Fault::shape_differs && verdict.layer == 2);
static_assert(verdict.expected_shape == Shape{55, 55, 96} && verdict.got_shape == Shape{225, 225, 96});

int main() {
  Model<AlexNet> model{{.batch = 2, .seed = 1, .weights = alexnet_paper::weights, .tensors = alexnet_paper::biases()}};
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.01, .momentum = 0.9, .weight_decay = 0.0005});
  std::vector<float> images(static_cast<std::size_t>(2 * AlexNet::input.size()));
  const Random random(1, Purpose::user);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = random.uniform(i);
  const StepResult r = trainer.step(images, std::vector<int>{7, 999});
  std::printf("%lld parameters; loss of a first step %.4f\n", static_cast<long long>(AlexNet::parameters),
              r.loss / r.samples);
  return std::isfinite(r.loss) ? 0 : 1;
}
