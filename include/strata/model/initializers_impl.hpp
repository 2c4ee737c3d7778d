// SPDX-License-Identifier: BSL-1.0
// The functions of initializers.hpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/model/initializers.hpp>
#include <strata/util/pattern.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

STRATA_DEFINE double normal_quantile(double p) {
  static constexpr double middle_above[] = {2.5090809287301226727e+3, 3.3430575583588128105e+4, 6.7265770927008700853e+4,
                                            4.5921953931549871457e+4, 1.3731693765509461125e+4, 1.9715909503065514427e+3,
                                            1.3314166789178437745e+2, 3.3871328727963666080e+0};
  static constexpr double middle_below[] = {
      5.2264952788528545610e+3, 2.8729085735721942674e+4, 3.9307895800092710610e+4, 2.1213794301586595867e+4,
      5.3941960214247511077e+3, 6.8718700749205790830e+2, 4.2313330701600911252e+1, 1.0};
  static constexpr double tail_above[] = {7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
                                          1.27045825245236838258e+0, 3.64784832476320460504e+0, 5.76949722146069140550e+0,
                                          4.63033784615654529590e+0, 1.42343711074968357734e+0};
  static constexpr double tail_below[] = {
      1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
      6.89767334985100004550e-1, 1.67638483018380384940e+0, 2.05319162663775882187e+0, 1.0};
  const double q = p - 0.5;
  if (std::abs(q) <= 0.425) {
    const double r = 0.180625 - q * q;
    return q * polynomial(middle_above, r) / polynomial(middle_below, r);
  }
  const double r = std::sqrt(-std::log(q < 0 ? p : 1 - p)) - 1.6;
  const double x = polynomial(tail_above, r) / polynomial(tail_below, r);
  return q < 0 ? -x : x;
}

STRATA_DEFINE double symmetric_uniform(std::uint32_t word) { return 2 * open_uniform(word) - 1; }

STRATA_DEFINE double normal(std::uint32_t word) { return normal_quantile(open_uniform(word)); }

STRATA_DEFINE double truncated_normal(std::uint32_t word) {
  const double p = below_two_deviations + (1 - 2 * below_two_deviations) * open_uniform(word);
  return std::clamp(normal_quantile(p), -2.0, 2.0);
}

}  // namespace detail

STRATA_DEFINE void Constant::validate() const {
  if (!std::isfinite(value)) detail::refuse("an initial value", value, "a finite number");
}

STRATA_DEFINE std::string Constant::describe() const { return "Constant{" + detail::number_text(value) + "}"; }

STRATA_DEFINE void Uniform::validate() const { detail::check_not_negative("the limit of a Uniform", limit); }

STRATA_DEFINE std::string Uniform::describe() const { return "Uniform{limit " + detail::number_text(limit) + "}"; }

STRATA_DEFINE Initializer::Initializer() { hold(GlorotUniform{}); }
#if defined(STRATA_COMPILED)
STRATA_DEFINE Initializer::Initializer(const Constant& i) { hold(i); }
STRATA_DEFINE Initializer::Initializer(const Uniform& i) { hold(i); }
STRATA_DEFINE Initializer::Initializer(const Normal& i) { hold(i); }
STRATA_DEFINE Initializer::Initializer(const TruncatedNormal& i) { hold(i); }
STRATA_DEFINE Initializer::Initializer(const GlorotUniform& i) { hold(i); }
STRATA_DEFINE Initializer::Initializer(const GlorotNormal& i) { hold(i); }
STRATA_DEFINE Initializer::Initializer(const HeUniform& i) { hold(i); }
STRATA_DEFINE Initializer::Initializer(const HeNormal& i) { hold(i); }
STRATA_DEFINE Initializer::Initializer(const FanInUniform& i) { hold(i); }
#endif

namespace detail {

STRATA_DEFINE const Initializer* initializer_for(const std::string& tensor, std::span<const TensorInitializer> all) {
  const auto found =
      std::find_if(all.rbegin(), all.rend(), [&](const TensorInitializer& t) { return matches(t.tensor, tensor); });
  return found == all.rend() ? nullptr : &found->values;
}

STRATA_DEFINE void check_tensors(std::span<const TensorInitializer> all, std::span<const std::string> names) {
  for (const TensorInitializer& t : all) {
    const auto same = [&](const TensorInitializer& other) { return other.tensor == t.tensor; };
    if (std::count_if(all.begin(), all.end(), same) > 1)
      throw std::invalid_argument("strata: two initializers for the tensor " + t.tensor + "; expected one");
    const auto fits = [&](const std::string& name) { return matches(t.tensor, name); };
    if (std::any_of(names.begin(), names.end(), fits)) continue;
    std::string known;
    for (const std::string& name : names) known += (known.empty() ? "" : ", ") + name;
    throw std::invalid_argument("strata: an initializer for the tensor " + t.tensor + "; this network's are " + known);
  }
}

}  // namespace detail

namespace alexnet_paper {

STRATA_DEFINE std::vector<TensorInitializer> biases() {
  return {{"conv2d_1/bias", Constant{1}},
          {"conv2d_3/bias", Constant{1}},
          {"conv2d_4/bias", Constant{1}},
          {"dense/bias", Constant{1}},
          {"dense_1/bias", Constant{1}}};
}

}  // namespace alexnet_paper
}  // namespace strata::inline STRATA_ABI
