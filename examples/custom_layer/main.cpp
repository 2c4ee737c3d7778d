// SPDX-License-Identifier: BSL-1.0
// A layer of one's own, outside the library: its shape rule, its error while compiling, its kernel.
#include <algorithm>
#include <cmath>
#include <cstdio>
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

template <int Pieces>
struct strata::CpuKernel<Maxout<Pieces>> : KernelTraits {
  template <class T>
  static void forward(const Pass<T>& p) {
    for (std::int64_t i = 0; i < p.count_out(); ++i) p.y[i] = *std::max_element(p.x + i * Pieces, p.x + (i + 1) * Pieces);
  }
  template <class T>
  static void backward(const Pass<T>& p) {
    if (!p.dx) return;
    for (std::int64_t i = 0; i < p.count_out(); ++i) {
      const T* from = p.x + i * Pieces;
      const auto largest = std::max_element(from, from + Pieces) - from;
      for (int k = 0; k < Pieces; ++k) p.dx[i * Pieces + k] = k == largest ? p.dy[i] : T{0};
    }
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
