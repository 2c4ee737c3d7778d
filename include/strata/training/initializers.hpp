// SPDX-License-Identifier: BSL-1.0
// Initial values. Element i of a tensor is a function of the seed, the tensor and i alone.
#pragma once
#include <cmath>
#include <cstdint>
#include <numbers>
#include <span>
#include <variant>

#include <strata/core/random.hpp>

namespace strata {

// Inputs and outputs of one unit, as Keras counts them: kernel area times channels.
struct Fan {
  std::int64_t in = 1, out = 1;
};

namespace detail {
// Two words to a standard normal (Box, Muller 1958), in double.
inline double normal(const Random& random, std::uint64_t draw) {
  const double u = (static_cast<double>(random.bits(2 * draw)) + 0.5) * 0x1p-32;
  const double v = static_cast<double>(random.bits(2 * draw + 1)) * 0x1p-32;
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}
// Redrawn until within two deviations, as TensorFlow does; each element has draws of its own.
inline double truncated_normal(const Random& random, std::uint64_t element) {
  double x = 0;
  for (std::uint64_t attempt = 0; attempt < 64; ++attempt) {
    x = normal(random, element * 64 + attempt);
    if (std::abs(x) <= 2) return x;
  }
  return 0;  // 64 misses in a row: a chance of 1e-86
}
// The deviation of a standard normal cut at two: Keras divides by it, so that what it asks for is what it gets.
inline constexpr double truncated_deviation = 0.87962566103423978;
}  // namespace detail

#define STRATA_FILL(expression)                                                   \
  template <class T>                                                              \
  void operator()(std::span<T> w, Fan fan, const Random& random) const {          \
    (void)fan, (void)random;                                                      \
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<T>(expression); \
  }

struct Value {
  double value = 0;
  STRATA_FILL(value)
};
// Uniform in [-limit, limit).
struct Uniform {
  double limit = 0.05;
  STRATA_FILL(limit * (2 * static_cast<double>(random.uniform(i)) - 1))
};
struct Normal {
  double deviation = 0.01;
  STRATA_FILL(deviation* detail::normal(random, i))
};
// Cut at two deviations: tf.truncated_normal.
struct TruncatedNormal {
  double deviation = 0.01;
  STRATA_FILL(deviation* detail::truncated_normal(random, i))
};
// Glorot, Bengio 2010: uniform, limit sqrt(6 / (in + out)). Keras' default.
struct GlorotUniform {
  STRATA_FILL(std::sqrt(6.0 / static_cast<double>(fan.in + fan.out)) * (2 * static_cast<double>(random.uniform(i)) - 1))
};
struct GlorotNormal {
  STRATA_FILL(std::sqrt(2.0 / static_cast<double>(fan.in + fan.out)) / detail::truncated_deviation *
              detail::truncated_normal(random, i))
};
// He, Zhang, Ren, Sun 2015: variance 2 / in.
struct HeUniform {
  STRATA_FILL(std::sqrt(6.0 / static_cast<double>(fan.in)) * (2 * static_cast<double>(random.uniform(i)) - 1))
};
struct HeNormal {
  STRATA_FILL(std::sqrt(2.0 / static_cast<double>(fan.in)) / detail::truncated_deviation *
              detail::truncated_normal(random, i))
};
#undef STRATA_FILL

class Initializer {
 public:
  template <class I>
    requires std::constructible_from<
        std::variant<Value, Uniform, Normal, TruncatedNormal, GlorotUniform, GlorotNormal, HeUniform, HeNormal>, I>
  Initializer(I i) : any_(i) {}  // NOLINT: .weights = HeNormal{} is meant to work
  template <class T>
  void operator()(std::span<T> w, Fan fan, const Random& random) const {
    std::visit([&](const auto& i) { i(w, fan, random); }, any_);
  }

 private:
  std::variant<Value, Uniform, Normal, TruncatedNormal, GlorotUniform, GlorotNormal, HeUniform, HeNormal> any_;
};

}  // namespace strata
