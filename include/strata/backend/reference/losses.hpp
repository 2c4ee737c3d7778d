// SPDX-License-Identifier: BSL-1.0
// Losses: one value a sample into loss (N), and the gradient of their MEAN into gradient (N,classes) unless it is null.
#pragma once
#include <cmath>
#include <cstdint>

#include <strata/backend/reference/softmax.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::reference {

template <class T>
void softmax_cross_entropy(int batch, int classes, const T* logits, const int* labels, T* loss, T* gradient) {
  using std::exp;
  for (std::int64_t n = 0; n < batch; ++n) {
    const T* x = logits + n * classes;
    const T all = detail::log_sum_exp(classes, x);
    loss[n] = all - x[labels[n]];
    for (int c = 0; gradient && c < classes; ++c)
      gradient[n * classes + c] = (exp(x[c] - all) - T(c == labels[n])) / static_cast<T>(batch);
  }
}

template <class T>
void negative_log_likelihood(int batch, int classes, const T* x, const int* labels, T* loss, T* gradient) {
  for (std::int64_t n = 0; n < batch; ++n) {
    loss[n] = -x[n * classes + labels[n]];
    for (int c = 0; gradient && c < classes; ++c) gradient[n * classes + c] = -T(c == labels[n]) / static_cast<T>(batch);
  }
}

// Probabilities are clipped to [1e-7, 1 - 1e-7], as Keras does; where the clip holds the gradient is 0.
template <class T>
void cross_entropy(int batch, int classes, const T* x, const int* labels, T* loss, T* gradient) {
  using std::log;
  for (std::int64_t n = 0; n < batch; ++n) {
    const T p = x[n * classes + labels[n]], low = static_cast<T>(1e-7), high = T(1) - low;
    const bool clipped = p < low || p > high;
    loss[n] = -log(p < low ? low : p > high ? high : p);
    for (int c = 0; gradient && c < classes; ++c)
      gradient[n * classes + c] = c != labels[n] || clipped ? T(0) : T(-1) / p / static_cast<T>(batch);
  }
}

// Against the one-hot label, mean over classes.
template <class T>
void mean_squared_error(int batch, int classes, const T* x, const int* labels, T* loss, T* gradient) {
  for (std::int64_t n = 0; n < batch; ++n) {
    loss[n] = T(0);
    for (int c = 0; c < classes; ++c) {
      const T difference = x[n * classes + c] - T(c == labels[n]);
      loss[n] += difference * difference / static_cast<T>(classes);
      if (gradient) gradient[n * classes + c] = T(2) * difference / static_cast<T>(classes) / static_cast<T>(batch);
    }
  }
}

// Logits against the one-hot label, mean over classes: log(1 + exp(z)) - z * target, written so that exp cannot overflow.
template <class T>
void sigmoid_cross_entropy(int batch, int classes, const T* x, const int* labels, T* loss, T* gradient) {
  using std::exp;
  using std::log1p;
  for (std::int64_t n = 0; n < batch; ++n) {
    loss[n] = T(0);
    for (int c = 0; c < classes; ++c) {
      const T z = x[n * classes + c], target = T(c == labels[n]);
      loss[n] += ((z > T(0) ? z + log1p(exp(-z)) : log1p(exp(z))) - z * target) / static_cast<T>(classes);
      if (gradient)
        gradient[n * classes + c] = (T(1) / (T(1) + exp(-z)) - target) / static_cast<T>(classes) / static_cast<T>(batch);
    }
  }
}

template <class T>
void absolute_error(int batch, int classes, const T* x, const int* labels, T* loss, T* gradient) {
  using std::abs;
  for (std::int64_t n = 0; n < batch; ++n) {
    loss[n] = T(0);
    for (int c = 0; c < classes; ++c) {
      const T difference = x[n * classes + c] - T(c == labels[n]);
      loss[n] += abs(difference) / static_cast<T>(classes);
      if (gradient)
        gradient[n * classes + c] = (T(difference > T(0)) - T(difference < T(0))) / static_cast<T>(classes * batch);
    }
  }
}

template <class T>
void huber(int batch, int classes, T delta, const T* x, const int* labels, T* loss, T* gradient) {
  using std::abs;
  for (std::int64_t n = 0; n < batch; ++n) {
    loss[n] = T(0);
    for (int c = 0; c < classes; ++c) {
      const T difference = x[n * classes + c] - T(c == labels[n]), size = abs(difference);
      const bool linear = size > delta;
      loss[n] += (linear ? delta * (size - delta / T(2)) : size * size / T(2)) / static_cast<T>(classes);
      if (gradient)
        gradient[n * classes + c] =
            (linear ? difference / size * delta : difference) / static_cast<T>(classes) / static_cast<T>(batch);
    }
  }
}

// The label's output z costs a (1 - p)^gamma (-log p), with p = sigmoid(z). For the others 1 - p takes the place of p.
template <class T>
void focal_cross_entropy(int batch, int classes, T gamma, T alpha, const T* x, const int* labels, T* loss, T* gradient) {
  using std::exp, std::log1p, std::pow;
  for (std::int64_t n = 0; n < batch; ++n) {
    loss[n] = T(0);
    for (int c = 0; c < classes; ++c) {
      const bool own = c == labels[n];
      const T sign = own ? T(1) : T(-1), z = sign * x[n * classes + c], share = own ? alpha : T(1) - alpha;
      const T a = (alpha < T(0) ? T(1) : share) / static_cast<T>(classes);
      const T cost = z > T(0) ? log1p(exp(-z)) : log1p(exp(z)) - z, wrong = T(1) / (T(1) + exp(z)),
              right = T(1) / (T(1) + exp(-z));
      loss[n] += a * pow(wrong, gamma) * cost;
      // d cost / dz = -wrong; d wrong / dz = -wrong right
      if (gradient)
        gradient[n * classes + c] =
            -sign * a / static_cast<T>(batch) * (pow(wrong, gamma) * wrong + gamma * pow(wrong, gamma) * right * cost);
    }
  }
}

// Soft Dice of class maps: x (N,places,classes), labels (N,places). sums: scratch (2,classes).
template <class T>
void dice_of_maps(int batch, int places, int classes, T smoothing, const T* x, const int* labels, T* sums, T* loss,
                  T* gradient) {
  using std::exp;
  T *part = sums, *all = sums + classes;
  for (std::int64_t n = 0; n < batch; ++n) {
    const T* own = x + n * places * classes;
    const int* truth = labels + n * places;
    const auto p = [&](int i, int c) {
      return exp(own[i * classes + c] - detail::log_sum_exp(classes, own + i * classes));
    };
    loss[n] = T(1);
    for (int c = 0; c < classes; ++c) {
      part[c] = all[c] = smoothing;
      for (int i = 0; i < places; ++i) {
        const T t = T(truth[i] == c);
        part[c] += T(2) * p(i, c) * t, all[c] += p(i, c) + t;
      }
      loss[n] -= part[c] / all[c] / static_cast<T>(classes);
    }
    for (int i = 0; gradient && i < places; ++i)
      for (int k = 0; k < classes; ++k) {
        T sum = T(0);
        for (int c = 0; c < classes; ++c) {
          const T t = T(truth[i] == c),
                  slope = -(T(2) * t * all[c] - part[c]) / (all[c] * all[c]) / static_cast<T>(classes);
          sum += slope * p(i, c) * (T(c == k) - p(i, k));
        }
        gradient[(n * places + i) * classes + k] = sum / static_cast<T>(batch);
      }
  }
}

// Dice where targets are labels: x and target are (N,outputs).
template <class T, class Target>
void dice_of_labels(int batch, int outputs, T smoothing, const T* x, const Target* target, T* loss, T* gradient) {
  using std::exp;
  for (std::int64_t n = 0; n < batch; ++n) {
    T part = smoothing, all = smoothing;
    const auto p = [&](int i) { return T(1) / (T(1) + exp(-x[n * outputs + i])); };
    const auto t = [&](int i) { return static_cast<T>(target[n * outputs + i]); };
    for (int i = 0; i < outputs; ++i) part += T(2) * p(i) * t(i), all += p(i) + t(i);
    loss[n] = T(1) - part / all;
    for (int i = 0; gradient && i < outputs; ++i)
      gradient[n * outputs + i] = -(T(2) * t(i) / all - part / all / all) * p(i) * (T(1) - p(i)) / static_cast<T>(batch);
  }
}

}  // namespace strata::inline STRATA_ABI::reference
