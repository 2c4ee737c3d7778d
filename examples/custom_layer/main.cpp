// SPDX-License-Identifier: BSL-1.0
// A layer of your own, outside the library: its shape rule, its compile-time error, its kernel.
#include <cmath>
#include <cstdint>
#include <vector>

#include <strata/strata.hpp>

using namespace strata;

// Maxout (Goodfellow et al. 2013): the largest of each group of Pieces neighbouring channels. (N,H,W,C) -> (N,H,W,C/Pieces)
template <int Pieces>
struct Maxout {
  static constexpr const char* name = "Maxout";
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s;
    s.out = in;
    s.out.channels = in.channels / Pieces;
    s.values = Values::any;
    if (in.channels % Pieces != 0) s.fault = Fault::custom, s.expected = Pieces, s.got = in.channels;
    return s;
  }
  template <class At, class Layer, class Expected, class Got>
  struct error {
    static_assert(strata::error::never<At, Layer, Expected, Got>, "Maxout: the pieces must divide the channels");
  };
};

// The work of one element, on any backend. Values are compared in C: bfloat16 has no arithmetic.
template <class T, class C>
struct MaxoutForward {
  int pieces;
  const T* x;
  T* y;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    std::int64_t largest = i * pieces;
    for (std::int64_t k = largest + 1; k < (i + 1) * pieces; ++k)
      if (static_cast<C>(x[k]) > static_cast<C>(x[largest])) largest = k;
    y[i] = x[largest];
  }
};
template <class T, class C>
struct MaxoutBackward {
  int pieces;
  const T *x, *dy;
  T* dx;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    std::int64_t largest = i * pieces;
    for (std::int64_t k = largest + 1; k < (i + 1) * pieces; ++k)
      if (static_cast<C>(x[k]) > static_cast<C>(x[largest])) largest = k;
    for (std::int64_t k = i * pieces; k < (i + 1) * pieces; ++k) dx[k] = k == largest ? dy[i] : T(0);
  }
};

// One kernel for all backends: the CPU runs it in its threads, a GPU launches it.
template <int Pieces>
struct strata::Kernel<Maxout<Pieces>> : KernelTraits {
  template <class P>
  static void forward(const P& p) {
    p.ops.elements(p.count_out(), MaxoutForward<typename P::A, typename P::Compute>{Pieces, p.x, p.y});
  }
  template <class P>
  static void backward(const P& p) {
    if (!p.dx) return;
    p.ops.elements(p.count_out(), MaxoutBackward<typename P::A, typename P::Compute>{Pieces, p.x, p.dy, p.dx});
  }
};

using Net = Sequential<Input<6, 6, 1>, Conv<3, 12>, Maxout<3>, Flatten, Dense<20>, Maxout<2>, Dense<2>>;
static_assert(Net::shapes[2] == Shape{6, 6, 4});

// The layer's own error, as a value: 12 channels in groups of 5.
constexpr Diagnosis wrong = diagnose<Sequential<Input<6, 6, 1>, Conv<3, 12>, Maxout<5>, Flatten, Dense<2>>>();
static_assert(wrong.fault == Fault::custom && wrong.layer == 2 && wrong.expected == 5 && wrong.got == 12);

int main() {
  std::vector<float> images;
  std::vector<int> labels;
  for (int i = 0; i < 256; ++i) {
    labels.push_back(i % 2);
    for (int p = 0; p < 36; ++p) images.push_back(std::sin(static_cast<float>(i * 7 + p * (1 + i % 2))));
  }
  const ArrayDataset<Shape{6, 6, 1}, 2> data(images, labels);
  Model<Net> model{{.batch = 32, .seed = 1}};
  const auto history = train(model, data, SoftmaxCrossEntropy{}, Adam{.learning_rate = 0.005}, {.epochs = 10});
  return history.back().loss < history.front().loss ? 0 : 1;
}
