// SPDX-License-Identifier: BSL-1.0
// The functions of optimizers.hpp.
#pragma once
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/optimizers/optimizers.hpp>
#include <strata/util/numbers.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

STRATA_DEFINE void check_fraction(const char* what, double x) {
  if (!(x >= 0 && static_cast<float>(x) < 1)) refuse(what, x, "at least 0, less than 1 in float32");
}

STRATA_DEFINE void check_adam(double beta1, double beta2, double epsilon, double weight_decay) {
  check_fraction("beta1", beta1);
  check_fraction("beta2", beta2);
  check_positive("epsilon", epsilon);  // with 0, a weight without gradients would be 0 / 0
  if (!(static_cast<float>(epsilon) > 0)) refuse("epsilon", epsilon, "more than zero in float32");
  check_not_negative("the weight decay", weight_decay);
}
STRATA_DEFINE std::string adam_text(const char* name, const Schedule& learning_rate, double beta1, double beta2,
                                    double epsilon, double weight_decay) {
  return std::string(name) + "{learning_rate " + learning_rate.describe() + ", beta1 " + number_text(beta1) + ", beta2 " +
         number_text(beta2) + ", epsilon " + number_text(epsilon) + ", weight_decay " + number_text(weight_decay) + "}";
}

}  // namespace detail

STRATA_DEFINE void SGD::validate() const {
  learning_rate.validate();
  detail::check_fraction("the momentum", momentum);
  detail::check_not_negative("the weight decay", weight_decay);
  if (nesterov && momentum == 0) detail::refuse("the momentum", momentum, "more than 0 with nesterov");
}

STRATA_DEFINE std::string SGD::describe() const {
  return "SGD{learning_rate " + learning_rate.describe() + ", momentum " + detail::number_text(momentum) +
         (nesterov ? ", nesterov" : "") + ", weight_decay " + detail::number_text(weight_decay) + "}";
}

STRATA_DEFINE void RMSprop::validate() const {
  learning_rate.validate();
  detail::check_fraction("rho", rho);
  detail::check_fraction("the momentum", momentum);
  detail::check_positive("epsilon", epsilon);  // with 0, a weight without gradients would be 0 / 0
  if (!(static_cast<float>(epsilon) > 0)) detail::refuse("epsilon", epsilon, "more than zero in float32");
  detail::check_not_negative("the weight decay", weight_decay);
}

STRATA_DEFINE std::string RMSprop::describe() const {
  return "RMSprop{learning_rate " + learning_rate.describe() + ", rho " + detail::number_text(rho) + ", momentum " +
         detail::number_text(momentum) + ", epsilon " + detail::number_text(epsilon) + (centered ? ", centered" : "") +
         ", weight_decay " + detail::number_text(weight_decay) + "}";
}

STRATA_DEFINE void Lion::validate() const {
  learning_rate.validate();
  detail::check_fraction("beta1", beta1);
  detail::check_fraction("beta2", beta2);
  detail::check_not_negative("the weight decay", weight_decay);
}

STRATA_DEFINE std::string Lion::describe() const {
  return "Lion{learning_rate " + learning_rate.describe() + ", beta1 " + detail::number_text(beta1) + ", beta2 " +
         detail::number_text(beta2) + ", weight_decay " + detail::number_text(weight_decay) + "}";
}

}  // namespace strata::inline STRATA_ABI
