// SPDX-License-Identifier: BSL-1.0
// The test is that nvcc compiles a kernel of every element, in every type of numbers.
#include <cstdint>

#include <strata/backend/cuda/activations.hpp>
#include <strata/backend/cuda/augment.hpp>
#include <strata/backend/cuda/averages.hpp>
#include <strata/backend/cuda/batch_norm.hpp>
#include <strata/backend/cuda/bias.hpp>
#include <strata/backend/cuda/combine.hpp>
#include <strata/backend/cuda/dropout.hpp>
#include <strata/backend/cuda/group_norm.hpp>
#include <strata/backend/cuda/losses.hpp>
#include <strata/backend/cuda/lrn.hpp>
#include <strata/backend/cuda/optimizers.hpp>
#include <strata/backend/cuda/pool.hpp>
#include <strata/backend/cuda/prelu.hpp>
#include <strata/backend/cuda/softmax.hpp>
#include <strata/backend/cuda/upsample.hpp>
#include <strata/losses/dice.hpp>
#include <strata/losses/losses.hpp>
#include <strata/optimizers/optimizers.hpp>

namespace elements {

template <class Element>
__global__ void visit(std::int64_t n, Element element) {
  const std::int64_t i = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x;
  if (i < n) element(i);
}

struct Launcher {
  template <class Element>
  void operator()(std::int64_t n, Element element) const {
    static_assert(std::is_trivially_copyable_v<Element>);
    visit<<<static_cast<unsigned>((n + 255) / 256), 256>>>(n, element);
  }
};

template <class F, class T>
void activation(Launcher& run, T* t) {
  const T* in = t;
  strata::cuda::activation_forward<F>(run, 9, in, t);
  strata::cuda::activation_backward<F>(run, 9, in, in, in, t);
}

template <class T>
void all_of(Launcher& run, T* t) {
  using namespace strata;
  using C = cuda::Compute<T>;
  C* c = nullptr;
  const T* in = t;
  const C* from = c;
  const int* labels = nullptr;
  const float* targets = nullptr;
  std::int32_t* where = nullptr;
  const std::uint64_t* step = nullptr;
  const Geometry g = place({.kernel_h = 3, .kernel_w = 3, .stride_h = 2, .stride_w = 2}, Shape{9, 9, 4});
  activation<ReLU>(run, t);
  activation<LeakyReLU>(run, t);
  activation<Sigmoid>(run, t);
  activation<Tanh>(run, t);
  activation<GELU>(run, t);
  activation<GELUTanh>(run, t);
  activation<SiLU>(run, t);
  activation<HardSigmoid>(run, t);
  activation<HardSwish>(run, t);
  activation<ReLU6>(run, t);
  activation<Clip<-1.5, 4>>(run, t);
  activation<ELU>(run, t);
  activation<Softplus>(run, t);
  activation<Scale<0.5>>(run, t);
  cuda::add_bias(run, 9, 4, from, t, true);
  cuda::bias_gradient(run, 9, 4, in, c, c);
  cuda::max_pool_forward(run, g, 1, in, t, where);
  cuda::max_pool_backward(run, g, 1, in, where, t);
  cuda::relu_max_pool_backward(run, g, 1, in, in, where, t);
  cuda::avg_pool_forward(run, g, true, 1, in, t);
  cuda::avg_pool_backward(run, g, true, 1, in, t);
  cuda::global_avg_pool_forward(run, g.in, 1, in, t);
  cuda::global_avg_pool_backward(run, g.in, 1, in, t);
  cuda::batch_norm_forward(run, g.in, 1, C{1}, C{1}, in, from, from, c, c, c, c, t, c);
  cuda::batch_norm_inference(run, g.in, 1, C{1}, in, from, from, from, from, t);
  cuda::batch_norm_backward(run, g.in, 1, in, from, from, from, in, t, c, c, c);
  cuda::lrn_forward(run, g.in, 1, {}, in, t);
  cuda::lrn_backward(run, g.in, 1, {}, in, in, in, t);
  cuda::softmax_forward(run, 9, 4, in, t);
  cuda::softmax_backward(run, 9, 4, in, in, t);
  cuda::log_softmax_forward(run, 9, 4, in, t);
  cuda::log_softmax_backward(run, 9, 4, in, in, t);
  cuda::dropout_forward(run, 9, 0.5, 1, 2, step, in, t);
  cuda::dropout_backward(run, 9, 0.5, 1, 2, step, in, t);
  cuda::relu_dropout_backward(run, 9, 0.5, in, in, t);
  cuda::drop_samples(run, 9, 4, 0.5, 1, 2, step, in, t);
  cuda::group_norm_forward(run, 9, 4, 4, 2, C{1}, in, from, from, c, c, t);
  cuda::group_norm_backward(run, 9, 4, 4, 2, in, from, from, from, in, t, c, c, c);
  cuda::gate_forward(run, 9, 4, 4, in, in, t);
  cuda::gate_backward(run, 9, 4, 4, in, in, in, t, t);
  cuda::shuffle_channels(run, 9, 4, 2, in, t);
  cuda::prelu_forward(run, 9, 4, in, from, t);
  cuda::prelu_backward(run, 9, 4, in, from, in, t, c, c);
  const Upsampling u{g.in, 2, 2, true};
  cuda::upsample_forward(run, u, 1, in, t);
  cuda::upsample_backward(run, u, 1, in, t);
  cuda::run_loss(run, SoftmaxCrossEntropy{}, 9, 4, in, labels, c, t);
  cuda::run_loss(run, SoftmaxCrossEntropy{}, 9, 4, in, targets, c, t);
  cuda::run_loss(run, NegativeLogLikelihood{}, 9, 4, in, labels, c, t);
  cuda::run_loss(run, CrossEntropy{}, 9, 4, in, labels, c, t);
  cuda::run_loss(run, MeanSquaredError{}, 9, 4, in, targets, c, t);
  cuda::run_loss(run, SigmoidCrossEntropy{}, 9, 4, in, targets, c, t);
  cuda::run_loss(run, FocalCrossEntropy{}, 9, 4, in, labels, c, t);
  cuda::run_loss(run, AbsoluteError{}, 9, 4, in, targets, c, t);
  cuda::run_loss(run, Huber{}, 9, 4, in, targets, c, t);
  cuda::run_loss(run, ClassWeighted<4>{.weights = {1, 1, 2, 0}}, 9, 4, in, labels, c, t);
  cuda::run_loss(run, Dice{}, 9, 8, in, labels, c, t, 2);
  cuda::run_loss(run, Dice{}, 9, 8, in, targets, c, t);
  cuda::StepScore* score = nullptr;
  cuda::score<TargetKind::class_index>(run, 9, 4, 0, in, labels, from, score, where);
  cuda::score<TargetKind::labels>(run, 9, 4, 0, in, targets, from, score, where);
  cuda::score<TargetKind::distribution>(run, 9, 4, 0, in, targets, from, score, where);
  cuda::add_forward(run, 9, in, in, t);
  cuda::concat_copy(run, 9, 4, in, 8, 0, t);
  cuda::concat_take(run, 9, 4, t, 8, 0, in);
  cuda::copy(run, 9, in, t);
  cuda::convert(run, 9, in, c);
  cuda::convert(run, 9, from, t);
}

template <class T>
void for_training(Launcher& run, T* t) {
  using namespace strata;
  float* f = nullptr;
  const float* g = f;
  std::int32_t* halt = nullptr;
  const auto update = [&](const auto& optimizer) {
    const auto element = optimizer.template element<float>(UpdateStep{});
    cuda::update(run, 9, static_cast<const decltype(element)*>(nullptr), halt, f, g, f, 9, t);
  };
  update(SGD{}), update(Adam{}), update(AdamW{}), update(RMSprop{}), update(Lion{});
  cuda::average(run, 9, AverageStep{}, halt, f, f, t);
  cuda::exchange(run, 9, f, f, t);
  cuda::halt_unless_finite(run, static_cast<const cuda::StepScore*>(nullptr), halt);
  cuda::clip_by_norm(run, 9, 1, f, static_cast<double*>(nullptr), halt, halt);
  const std::uint64_t* epoch = nullptr;
  const std::uint32_t* indices = nullptr;
  cuda::fill_images(run, Shape{9, 9, 3}, 1, {}, 1, epoch, indices, g, g, g, t);
  cuda::fill_images(run, Shape{9, 9, 3}, 1, {}, 1, epoch, indices, g, g, static_cast<const std::uint8_t*>(nullptr), t);
}

}  // namespace elements

void every_kernel() {
  using elements::all_of, elements::for_training;
  elements::Launcher run;
  all_of(run, static_cast<float*>(nullptr));
  all_of(run, static_cast<double*>(nullptr));
  all_of(run, static_cast<strata::Bf16*>(nullptr));
  for_training(run, static_cast<float*>(nullptr));
  for_training(run, static_cast<strata::Bf16*>(nullptr));
}
