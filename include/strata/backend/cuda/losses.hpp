// SPDX-License-Identifier: BSL-1.0
// Losses: one value a sample into loss (N), and the gradient of their MEAN into gradient (N,classes) unless it is null; and
// what a step counts. An index is a sample, for the reasons that softmax.hpp gives.
#pragma once
#include <strata/backend/cuda/softmax.hpp>

namespace strata::cuda {

// Of a batch; sums over its samples.
struct StepScore {
  double loss;
  std::int32_t correct;
  std::int32_t finite;  // 1 where the loss is a number, 0 where it is NaN or infinite
};

namespace detail {

template <class T>
struct SoftmaxCrossEntropyLoss {
  int batch, classes;
  const T* logits;
  const int* labels;
  Compute<T>* loss;
  T* gradient;
  STRATA_HOST_DEVICE void operator()(std::int64_t n) const {
    using C = Compute<T>;
    const T* x = logits + n * classes;
    const LogSum<C> all = log_sum_exp(classes, x);
    loss[n] = all.log - (static_cast<C>(x[labels[n]]) - all.top);
    for (int c = 0; gradient && c < classes; ++c) {
      const C p = std::exp(static_cast<C>(x[c]) - all.top - all.log);
      gradient[n * classes + c] = T((p - static_cast<C>(c == labels[n])) / static_cast<C>(batch));
    }
  }
};

template <class T>
struct NegativeLogLikelihoodLoss {
  int batch, classes;
  const T* x;
  const int* labels;
  Compute<T>* loss;
  T* gradient;
  STRATA_HOST_DEVICE void operator()(std::int64_t n) const {
    using C = Compute<T>;
    loss[n] = -static_cast<C>(x[n * classes + labels[n]]);
    for (int c = 0; gradient && c < classes; ++c)
      gradient[n * classes + c] = c == labels[n] ? T(C{-1} / static_cast<C>(batch)) : T(0);
  }
};

// Probabilities are clipped to [1e-7, 1 - 1e-7], as Keras does; where the clip holds the gradient is 0.
template <class T>
struct CrossEntropyLoss {
  int batch, classes;
  const T* x;
  const int* labels;
  Compute<T>* loss;
  T* gradient;
  STRATA_HOST_DEVICE void operator()(std::int64_t n) const {
    using C = Compute<T>;
    const C p = static_cast<C>(x[n * classes + labels[n]]), low = static_cast<C>(1e-7), high = 1 - low;
    const bool clipped = p < low || p > high;
    loss[n] = -std::log(p < low ? low : p > high ? high : p);
    for (int c = 0; gradient && c < classes; ++c)
      gradient[n * classes + c] = c != labels[n] || clipped ? T(0) : T(C{-1} / (p * static_cast<C>(batch)));
  }
};

template <class T>
struct MeanSquaredErrorLoss {
  int batch, classes;
  const T* x;
  const int* labels;
  Compute<T>* loss;
  T* gradient;
  STRATA_HOST_DEVICE void operator()(std::int64_t n) const {
    using C = Compute<T>;
    const C divisor = static_cast<C>(classes) * static_cast<C>(batch);
    C sum{0};
    for (int c = 0; c < classes; ++c) {
      const C d = static_cast<C>(x[n * classes + c]) - static_cast<C>(c == labels[n]);
      sum += d * d;
      if (gradient) gradient[n * classes + c] = T(2 * d / divisor);
    }
    loss[n] = sum / static_cast<C>(classes);
  }
};

template <class T>
struct SigmoidCrossEntropyLoss {
  int batch, classes;
  const T* x;
  const int* labels;
  Compute<T>* loss;
  T* gradient;
  STRATA_HOST_DEVICE void operator()(std::int64_t n) const {
    using C = Compute<T>;
    const C divisor = static_cast<C>(classes) * static_cast<C>(batch);
    C sum{0};
    for (int c = 0; c < classes; ++c) {
      const C z = static_cast<C>(x[n * classes + c]), target = static_cast<C>(c == labels[n]);
      // max(z, 0) - z target + log(1 + exp(-|z|))
      sum += (z > C{0} ? z : C{0}) - z * target + std::log1p(std::exp(z > C{0} ? -z : z));
      if (gradient) gradient[n * classes + c] = T((1 / (1 + std::exp(-z)) - target) / divisor);
    }
    loss[n] = sum / static_cast<C>(classes);
  }
};

// Is the largest output, the first of equals, that of the label? Never, where an output is NaN.
template <class T>
struct IsRight {
  int classes;
  const T* outputs;
  const int* labels;
  std::int32_t* right;
  STRATA_HOST_DEVICE void operator()(std::int64_t n) const {
    using C = Compute<T>;
    int best = 0;
    C top = static_cast<C>(outputs[n * classes]);
    bool number = top == top;
    for (int c = 1; c < classes; ++c) {
      const C v = static_cast<C>(outputs[n * classes + c]);
      number = number && v == v;
      if (v > top) top = v, best = c;
    }
    right[n] = number && best == labels[n];
  }
};
// One index takes all, in order; read ahead in pieces, so that adding waits for memory once a piece.
template <class C>
struct AddScores {
  int batch;
  const C* losses;
  const std::int32_t* right;
  StepScore* score;
  STRATA_HOST_DEVICE void operator()(std::int64_t) const {
    constexpr int piece = 32;
    double loss = 0;
    std::int32_t correct = 0;
    int n = 0;
    for (; n + piece <= batch; n += piece) {
      C next[piece];
      for (int k = 0; k < piece; ++k) next[k] = losses[n + k], correct += right[n + k];
      for (int k = 0; k < piece; ++k) loss += static_cast<double>(next[k]);
    }
    for (; n < batch; ++n) loss += static_cast<double>(losses[n]), correct += right[n];
    *score = {loss, correct, loss - loss == 0};  // infinity - infinity is NaN
  }
};

}  // namespace detail

template <Run R, class T>
void softmax_cross_entropy(R& run, int batch, int classes, const T* logits, const int* labels, Compute<T>* loss,
                           T* gradient) {
  run(batch, detail::SoftmaxCrossEntropyLoss<T>{batch, classes, logits, labels, loss, gradient});
}
template <Run R, class T>
void negative_log_likelihood(R& run, int batch, int classes, const T* x, const int* labels, Compute<T>* loss, T* gradient) {
  run(batch, detail::NegativeLogLikelihoodLoss<T>{batch, classes, x, labels, loss, gradient});
}
template <Run R, class T>
void cross_entropy(R& run, int batch, int classes, const T* x, const int* labels, Compute<T>* loss, T* gradient) {
  run(batch, detail::CrossEntropyLoss<T>{batch, classes, x, labels, loss, gradient});
}
template <Run R, class T>
void mean_squared_error(R& run, int batch, int classes, const T* x, const int* labels, Compute<T>* loss, T* gradient) {
  run(batch, detail::MeanSquaredErrorLoss<T>{batch, classes, x, labels, loss, gradient});
}
template <Run R, class T>
void sigmoid_cross_entropy(R& run, int batch, int classes, const T* x, const int* labels, Compute<T>* loss, T* gradient) {
  run(batch, detail::SigmoidCrossEntropyLoss<T>{batch, classes, x, labels, loss, gradient});
}

// scratch (N)
template <Run R, class T>
void score(R& run, int batch, int classes, const T* outputs, const int* labels, const Compute<T>* losses, StepScore* result,
           std::int32_t* scratch) {
  run(batch, detail::IsRight<T>{classes, outputs, labels, scratch});
  run(1, detail::AddScores<Compute<T>>{batch, losses, scratch, result});
}

}  // namespace strata::cuda
