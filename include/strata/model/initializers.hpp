// SPDX-License-Identifier: BSL-1.0
// Initial values. Element i of what is drawn for a tensor is a function of the seed, the tensor and i: one random word an
// element. So the values are independent of the number of threads, and a larger tensor begins like a smaller one. All of
// them are structural types, so Normal{0.01} can be a template argument.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/core/tensor_info.hpp>
#include <strata/util/numbers.hpp>
#include <strata/util/random.hpp>

namespace strata::inline STRATA_ABI {

// The inputs and outputs of one unit, counted as in Keras: kernel area times input channels, kernel area times output
// channels. Those of a bias are the kernel's.
struct Fan {
  std::int64_t in = 1, out = 1;
};

namespace detail {

// In (0, 1), 32 bits. The middle of each step is taken, so it is symmetric and never 0 or 1.
constexpr double open_uniform(std::uint32_t word) { return (static_cast<double>(word) + 0.5) * 0x1p-32; }

// The polynomial with these coefficients, the one of the highest power first.
template <std::size_t Count>
double polynomial(const double (&coefficients)[Count], double x) {
  double sum = coefficients[0];
  for (std::size_t i = 1; i < Count; ++i) sum = sum * x + coefficients[i];
  return sum;
}

// The quantile of the standard normal distribution: Wichura 1988, algorithm AS 241 (PPND16), to about 1e-15: near the
// middle and in the tails it is a quotient of two polynomials. The third branch of AS 241 is for p < 1e-10, which 32 bits
// never reach.
double normal_quantile(double p);

// The probability of a value below -2, and the stddev of a standard normal truncated at two deviations.
inline constexpr double below_two_deviations = 0.022750131948179207200;
inline constexpr double truncated_deviation = 0.87962566103423978;

double symmetric_uniform(std::uint32_t word);
double normal(std::uint32_t word);
// A normal whose values beyond two deviations are drawn again, as in TensorFlow: the quantile of a uniform number between
// the probabilities of -2 and 2, so that one word is enough.
double truncated_normal(std::uint32_t word);

template <class T, class F>
void fill_random(std::span<T> w, const Random& random, double factor, F number) {
  for (std::size_t i = 0; i < w.size(); i += 4) {
    const auto words = random.block(i / 4);
    const std::size_t n = std::min<std::size_t>(4, w.size() - i);
    for (std::size_t j = 0; j < n; ++j) w[i + j] = static_cast<T>(factor * number(words[j]));
  }
}

}  // namespace detail

// All elements have the same value.
struct Constant {
  double value = 0;
  template <class T>
  void operator()(std::span<T> w, Fan, const Random&) const {
    std::fill(w.begin(), w.end(), static_cast<T>(value));
  }
  void validate() const;
  [[nodiscard]] std::string describe() const;
};

// Uniform between -limit and limit; stddev limit / sqrt(3).
struct Uniform {
  double limit = 0.05;
  template <class T>
  void operator()(std::span<T> w, Fan, const Random& random) const {
    detail::fill_random(w, random, limit, detail::symmetric_uniform);
  }
  void validate() const;
  [[nodiscard]] std::string describe() const;
};

namespace detail {
template <bool Truncated>
struct NormalOf {
  double stddev = Truncated ? 0.05 : 0.01;
  template <class T>
  void operator()(std::span<T> w, Fan, const Random& random) const {
    fill_random(w, random, stddev, Truncated ? truncated_normal : normal);
  }
  void validate() const { check_not_negative(std::string("the stddev of a ") + name, stddev); }
  [[nodiscard]] std::string describe() const { return name + ("{stddev " + number_text(stddev)) + "}"; }

 private:
  static constexpr const char* name = Truncated ? "TruncatedNormal" : "Normal";
};

enum class Scaling { glorot, he, fan_in };
// As Keras' VarianceScaling: a truncated normal is divided by the stddev that the truncation leaves, so that its variance
// is that of the uniform numbers. As there, a fan below 1 counts as 1.
template <Scaling By, bool Normal>
struct VarianceScaling {
  template <class T>
  void operator()(std::span<T> w, Fan fan, const Random& random) const {
    const double in = static_cast<double>(fan.in), out = static_cast<double>(fan.out);
    const double inputs = std::max(1.0, By == Scaling::glorot ? (in + out) / 2 : in);
    constexpr double variance = By == Scaling::he ? 2 : By == Scaling::glorot ? 1 : 1. / 3;
    if (Normal)
      fill_random(w, random, std::sqrt(variance / inputs) / truncated_deviation, truncated_normal);
    else
      fill_random(w, random, std::sqrt(3 * variance / inputs), symmetric_uniform);
  }
  void validate() const {}
  [[nodiscard]] std::string describe() const {
    const std::string by = By == Scaling::he ? "He" : By == Scaling::glorot ? "Glorot" : "FanIn";
    return by + (Normal ? "Normal{}" : "Uniform{}");
  }
};
}  // namespace detail

// Mean 0. Not truncated, but 32 bits reach 6.3 deviations only.
using Normal = detail::NormalOf<false>;
// A normal truncated at two deviations: Keras' TruncatedNormal. As there, `stddev` is the value before truncation; the
// stddev of the result is 0.8796 of it.
using TruncatedNormal = detail::NormalOf<true>;

// Glorot, Bengio 2010: variance 2 / (in + out). Uniform within sqrt(6 / (in + out)), which is Keras' default for weights;
// or normal.
using GlorotUniform = detail::VarianceScaling<detail::Scaling::glorot, false>;
using GlorotNormal = detail::VarianceScaling<detail::Scaling::glorot, true>;

// He, Zhang, Ren, Sun 2015: variance 2 / in, for networks of ReLU. Uniform within sqrt(6 / in); or normal.
using HeUniform = detail::VarianceScaling<detail::Scaling::he, false>;
using HeNormal = detail::VarianceScaling<detail::Scaling::he, true>;

// Uniform within 1 / sqrt(in): what PyTorch gives convolutions and linear layers, biases too, if the user says nothing.
//   Model<Net> model{{.weights = FanInUniform{}, .biases = FanInUniform{}}};
using FanInUniform = detail::VarianceScaling<detail::Scaling::fan_in, false>;

// Lets a convolution begin as the identity, laid over the values of another initializer: filter i of a group, for as many
// as the group has input channels, copies channel i; the other filters keep what `other` drew. Element (KH/2, KW/2) of such
// a filter is 1 at its channel, and all others are 0: PyTorch's dirac_(w[:w.size(1)]). Tensors that are no convolution's
// kernel get `other` alone, so that it may be the initializer of all weights, or of some by name:
//   Model<Net> model{{.tensors = {{"conv2d_*/kernel", Dirac{FanInUniform{}}}}}};
template <class Other = GlorotUniform>
struct Dirac {
  Other other{};
  template <class T>
    requires requires(const Other& o, std::span<T> w, const Random& random) { o(w, Fan{}, random); }
  void operator()(std::span<T> w, const TensorInfo& info, const Random& random) const {
    other(w, Fan{info.fan_in, info.fan_out}, random);
    if (info.layout != TensorLayout::filters) return;
    const auto [rows, columns, channels, filters] = info.shape;
    const std::int64_t in_group = filters / info.groups, centre = rows / 2 * columns + columns / 2;
    for (std::int64_t f = 0; f < filters; ++f) {
      const std::int64_t channel = f % in_group;
      if (channel >= channels) continue;
      for (std::int64_t tap = 0; tap < rows * columns * channels; ++tap)
        w[static_cast<std::size_t>(tap * filters + f)] = tap == centre * channels + channel ? T{1} : T{0};
    }
  }
  void validate() const {
    if constexpr (requires { other.validate(); }) other.validate();
  }
  [[nodiscard]] std::string describe() const { return "Dirac{" + other.describe() + "}"; }
};

// An initializer is a struct that fills a tensor and says what it is. `random` belongs to this tensor: its elements 0,
// 1, 2... are the numbers to use. One of your own works like those above:
//   struct Ramp {
//     template <class T>
//     void operator()(std::span<T> w, Fan, const Random&) const {
//       for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<T>(i);
//     }
//     std::string describe() const { return "Ramp{}"; }
//   };
// operator() for float is enough: a model of double gets the values rounded to float. It may take the whole TensorInfo
// (shape, fans, role, groups) in place of the Fan. A member `void validate() const`, if
// there is one, throws std::invalid_argument if a field is out of range.
template <class Function>
concept InitializerFunction = std::copy_constructible<Function> && requires(const Function& i) {
  { i.describe() } -> std::convertible_to<std::string>;
} && (requires(const Function& i, std::span<float> w, const Random& random) {
                                i(w, Fan{}, random);
                              } || requires(const Function& i, std::span<float> w, const Random& random) {
                                i(w, TensorInfo{}, random);
                              });

// Any initializer as one type. Copies share it, since it never changes. GlorotUniform by default; for biases,
// Initializer{Constant{0}}.
class Initializer {
 public:
  Initializer();
#if defined(STRATA_COMPILED)
  // The initializers of the library are compiled once.
  Initializer(const Constant& i);         // NOLINT: .biases = Constant{1}
  Initializer(const Uniform& i);          // NOLINT: likewise
  Initializer(const Normal& i);           // NOLINT
  Initializer(const TruncatedNormal& i);  // NOLINT
  Initializer(const GlorotUniform& i);    // NOLINT
  Initializer(const GlorotNormal& i);     // NOLINT
  Initializer(const HeUniform& i);        // NOLINT
  Initializer(const HeNormal& i);         // NOLINT
  Initializer(const FanInUniform& i);     // NOLINT
#endif
  template <class Function>
    requires(!std::same_as<Function, Initializer> && InitializerFunction<Function>)
  Initializer(Function i) {  // NOLINT
    hold(std::move(i));
  }

  void operator()(std::span<float> w, const TensorInfo& info, const Random& random) const { fill_floats_(w, info, random); }
  void operator()(std::span<double> w, const TensorInfo& info, const Random& random) const {
    fill_doubles_(w, info, random);
  }
  // Of a tensor without a shape of its own.
  template <class T>
  void operator()(std::span<T> w, Fan fan, const Random& random) const {
    TensorInfo info;
    info.shape[0] = static_cast<std::int64_t>(w.size()), info.rank = 1;
    info.fan_in = fan.in, info.fan_out = fan.out;
    (*this)(w, info, random);
  }
  // Throws std::invalid_argument for a limit or stddev that is negative, infinite or NaN.
  void validate() const { validate_(); }
  [[nodiscard]] std::string describe() const { return describe_(); }

 private:
  template <class Function>
  void hold(Function i) {
    const auto own = std::make_shared<const Function>(std::move(i));
    fill_floats_ = [own](std::span<float> w, const TensorInfo& info, const Random& random) {
      static_cast<void>(call(*own, w, info, random));
    };
    fill_doubles_ = [own](std::span<double> w, const TensorInfo& info, const Random& random) {
      if (call(*own, w, info, random)) return;
      std::vector<float> floats(w.size());
      static_cast<void>(call(*own, std::span<float>(floats), info, random));
      std::copy(floats.begin(), floats.end(), w.begin());
    };
    validate_ = [own] {
      if constexpr (requires { own->validate(); }) own->validate();
    };
    describe_ = [own] { return own->describe(); };
  }

  // False if the function does not take numbers of this type.
  template <class Function, class T>
  static bool call(const Function& own, std::span<T> w, const TensorInfo& info, const Random& random) {
    if constexpr (requires { own(w, info, random); })
      own(w, info, random);
    else if constexpr (requires { own(w, Fan{}, random); })
      own(w, Fan{info.fan_in, info.fan_out}, random);
    else
      return false;
    return true;
  }

  std::function<void(std::span<float>, const TensorInfo&, const Random&)> fill_floats_;
  std::function<void(std::span<double>, const TensorInfo&, const Random&)> fill_doubles_;
  std::function<void()> validate_;
  std::function<std::string()> describe_;
};

// For the tensors whose names in files fit a pattern: {"conv2d_1/bias", Constant{1}}, {"conv2d*/kernel", HeNormal{}}. Of
// several that fit a tensor the last one counts.
struct TensorInitializer {
  std::string tensor;  // * stands for any characters, ? for one
  Initializer values;
};

namespace detail {
// Null if there is none.
const Initializer* initializer_for(const std::string& tensor, std::span<const TensorInitializer> all);
// Throws std::invalid_argument for a pattern that fits none of `names`, and for two initializers with the same pattern.
void check_tensors(std::span<const TensorInitializer> all, std::span<const std::string> names);
}  // namespace detail

// Krizhevsky, Sutskever, Hinton 2012, section 5: weights of stddev 0.01; biases of 1 in the second, fourth and fifth
// convolution and in the hidden dense layers, which gives the ReLUs positive inputs at the beginning; otherwise 0. For
// networks of five convolutions and three dense layers:
//   Model<AlexNet> model{{.weights = alexnet_paper::weights, .tensors = alexnet_paper::biases()}};
namespace alexnet_paper {
inline constexpr Normal weights{0.01};
std::vector<TensorInitializer> biases();
}  // namespace alexnet_paper

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/model/initializers_impl.hpp>
#endif
