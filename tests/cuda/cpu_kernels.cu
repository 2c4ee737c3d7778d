// SPDX-License-Identifier: BSL-1.0
// The test is that nvcc compiles the CPU's kernels, as a program with models on both has them. nvcc 13.0 crashes on some
// vector code that g++ and clang take.
#include <strata/strata.hpp>

namespace cpu_kernels {

using namespace strata;

using Activations = Sequential<ReLU, Tanh, Sigmoid, GELU, GELUTanh, SiLU, HardSwish, HardSigmoid, Clip<0, 6>, ELU, Softplus,
                               LeakyReLU, PReLU, Scale<0.5>>;
using Maps = Sequential<MaxPool<3, 2, Same>, AvgPool<3, 1, Same>, LRN<>, BatchNorm, GroupNorm<4>, LayerNorm,
                        ChannelShuffle<2>, Channels<0, 16>, Upsample<2>, Upsample<2, Bilinear>>;
using Products = Sequential<Conv<3, 16, Groups<16>, Same>, Conv<3, 16, Groups<4>, Same>, Conv<3, 16, Same>, Conv<1, 16>,
                            ConvTranspose<3, 16, Same>>;
using Net = Sequential<Input<8, 8, 16>, Activations, Products, Maps, Gate<GlobalAvgPool, Dense<16>, Sigmoid>, GlobalMaxPool,
                       Dropout<0.5>, Dense<5>>;

template <class Scalar>
void train_one() {
  Model<Net, CpuOf<Scalar>> model{{.batch = 8}};
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{});
  Model<Net, CpuOf<Scalar>, Inference> predicting{{.batch = 8}};
}
template void train_one<float>();

}  // namespace cpu_kernels
