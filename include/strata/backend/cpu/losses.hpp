// SPDX-License-Identifier: BSL-1.0
// Losses: one value a sample into loss (N), and the gradient of their MEAN into gradient (N,classes) unless it is null.
#pragma once
#include <cmath>

#include <strata/backend/cpu/softmax.hpp>

namespace strata::cpu {

template <class T>
void softmax_cross_entropy(int batch, int classes, const T* logits, const int* labels, T* loss, T* gradient,
                           ThreadPool& pool) {
  detail::for_rows(batch, classes, pool, [=](std::int64_t i) {
    const ConstArray<T> in(logits + i * classes, classes);
    const T top = in.maxCoeff();
    const T sum = (in - top).exp().sum();
    loss[i] = std::log(sum) - (in[labels[i]] - top);
    if (!gradient) return;
    Array<T> g(gradient + i * classes, classes);
    g = (in - top).exp() / sum;
    g[labels[i]] -= T{1};
    g /= static_cast<T>(batch);
  });
}

template <class T>
void negative_log_likelihood(int batch, int classes, const T* x, const int* labels, T* loss, T* gradient,
                             ThreadPool& pool) {
  detail::for_rows(batch, classes, pool, [=](std::int64_t i) {
    loss[i] = -x[i * classes + labels[i]];
    if (!gradient) return;
    Array<T>(gradient + i * classes, classes).setZero();
    gradient[i * classes + labels[i]] = T{-1} / static_cast<T>(batch);
  });
}

// Probabilities are clipped to [1e-7, 1 - 1e-7], as Keras does; where the clip holds the gradient is 0.
template <class T>
void cross_entropy(int batch, int classes, const T* x, const int* labels, T* loss, T* gradient, ThreadPool& pool) {
  detail::for_rows(batch, classes, pool, [=](std::int64_t i) {
    const T low = static_cast<T>(1e-7), high = T{1} - low, p = x[i * classes + labels[i]];
    const T clipped = p < low ? low : p > high ? high : p;
    loss[i] = -std::log(clipped);
    if (!gradient) return;
    Array<T>(gradient + i * classes, classes).setZero();
    if (clipped == p) gradient[i * classes + labels[i]] = T{-1} / (p * static_cast<T>(batch));
  });
}

template <class T>
void mean_squared_error(int batch, int classes, const T* x, const int* labels, T* loss, T* gradient, ThreadPool& pool) {
  detail::for_rows(batch, classes, pool, [=](std::int64_t i) {
    T sum{0};
    for (int c = 0; c < classes; ++c) {
      const T d = x[i * classes + c] - (c == labels[i] ? T{1} : T{0});
      sum += d * d;
      if (gradient) gradient[i * classes + c] = T{2} * d / (static_cast<T>(classes) * static_cast<T>(batch));
    }
    loss[i] = sum / static_cast<T>(classes);
  });
}

template <class T>
void sigmoid_cross_entropy(int batch, int classes, const T* x, const int* labels, T* loss, T* gradient, ThreadPool& pool) {
  detail::for_rows(batch, classes, pool, [=](std::int64_t i) {
    T sum{0};
    for (int c = 0; c < classes; ++c) {
      const T z = x[i * classes + c], target = c == labels[i] ? T{1} : T{0};
      // max(z, 0) - z target + log(1 + exp(-|z|))
      sum += (z > T{0} ? z : T{0}) - z * target + std::log1p(std::exp(-std::abs(z)));
      if (gradient)
        gradient[i * classes + c] =
            (T{1} / (T{1} + std::exp(-z)) - target) / (static_cast<T>(classes) * static_cast<T>(batch));
    }
    loss[i] = sum / static_cast<T>(classes);
  });
}

}  // namespace strata::cpu
