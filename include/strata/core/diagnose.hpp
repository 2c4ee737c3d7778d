// SPDX-License-Identifier: BSL-1.0
// diagnose: the verdict on a network, alone or with the loss and the data it is to meet, as a constexpr value. And the
// same verdict as an error, for the functions that train.
#pragma once
#include <strata/core/sequential.hpp>
#include <strata/core/target.hpp>

namespace strata {
namespace detail {

template <class Net>
struct analysed;
template <class... Layers>
struct analysed<Sequential<Layers...>> {
  using nodes = typename expand<Sequential<Layers...>>::type;
  static constexpr const auto& table = table_of<nodes>::value;
};

constexpr Fault fit(Values ends_in, Takes takes) {
  switch (takes) {
    case Takes::logits:
      return ends_in == Values::any ? Fault::none : Fault::loss_needs_logits;
    case Takes::log_probabilities:
      return ends_in == Values::log_probabilities ? Fault::none : Fault::loss_needs_log_probabilities;
    case Takes::probabilities:
      return ends_in == Values::probabilities ? Fault::none : Fault::loss_needs_probabilities;
    case Takes::anything:
      break;
  }
  return Fault::none;
}

}  // namespace detail

template <class Net>
constexpr Diagnosis diagnose() {
  return detail::analysed<Net>::table.diagnosis;
}

template <class Net, class Loss>
constexpr Diagnosis diagnose() {
  Diagnosis d = diagnose<Net>();
  if (!d.ok()) return d;
  constexpr const auto& table = detail::analysed<Net>::table;
  d.fault = detail::fit(table.ends_in, Loss::takes);
  if (!d.ok()) d.node = table.nodes - 1, d.layer = table.layers - 1;
  return d;
}

// Images first, then classes, then the loss: the order in which a reader would look.
template <class Net, class Loss, class Data>
constexpr Diagnosis diagnose() {
  Diagnosis d = diagnose<Net>();
  if (!d.ok()) return d;
  constexpr const auto& table = detail::analysed<Net>::table;
  if (!(table.input == Data::image)) {
    d.fault = Fault::images_differ_from_input, d.layer = d.node = 0;
    d.expected_shape = table.input, d.got_shape = Data::image;
    return d;
  }
  if (!(table.output == Shape{Data::classes})) {
    d.fault = Fault::outputs_differ_from_classes, d.node = table.nodes - 1, d.layer = table.layers - 1;
    d.expected = Data::classes, d.got = table.output.size();
    d.expected_shape = Shape{Data::classes}, d.got_shape = table.output;
    return d;
  }
  return diagnose<Net, Loss>();
}

namespace detail {

template <class... What>
struct meeting {
  static constexpr Diagnosis diagnosis = diagnose<What...>();
};
template <Fault F, class Of, class Net, class Loss, class Data>
struct meeting_verdict {
  using type = ok;
};
#define STRATA_LOSS_VERDICT(fault)                                                                             \
  template <class Of, class Net, class Loss, class Data>                                                       \
  struct meeting_verdict<Fault::fault, Of, Net, Loss, Data> {                                                  \
    using last = typename node<typename pick<Of::diagnosis.node, typename analysed<Net>::nodes>::type>::layer; \
    using type = error::fault<Loss, last>;                                                                     \
  }
STRATA_LOSS_VERDICT(loss_needs_logits);
STRATA_LOSS_VERDICT(loss_needs_log_probabilities);
STRATA_LOSS_VERDICT(loss_needs_probabilities);
#undef STRATA_LOSS_VERDICT
template <class Of, class Net, class Loss, class Data>
struct meeting_verdict<Fault::images_differ_from_input, Of, Net, Loss, Data> {
  using type = error::images_differ_from_input<Data, typename words<Of>::wanted_shape, typename words<Of>::shape_here>;
};
template <class Of, class Net, class Loss, class Data>
struct meeting_verdict<Fault::outputs_differ_from_classes, Of, Net, Loss, Data> {
  using type = error::outputs_differ_from_classes<Data, typename words<Of>::wanted_shape, typename words<Of>::shape_here>;
};

template <class Net, class Loss, class Data = void>
struct verdict_of_meeting {
  using of = meeting<Net, Loss, Data>;
  using type = typename meeting_verdict<of::diagnosis.fault, of, Net, Loss, Data>::type;
};
template <class Net, class Loss>
struct verdict_of_meeting<Net, Loss, void> {
  using of = meeting<Net, Loss>;
  using type = typename meeting_verdict<of::diagnosis.fault, of, Net, Loss, void>::type;
};
// Hung on the signature of whatever brings a network, a loss and data together, as its result: `checked<...>::result`.
// A network that is broken by itself has reported already, and adds nothing here. (The error has to stand inside a class:
// raised directly in a signature, clang takes it for a failed substitution and adds "no matching function".)
template <class Result, class Net, class Loss, class Data = void>
struct checked {
  static_assert(sizeof(typename verdict_of_meeting<Net, Loss, Data>::type) != 0);
  using result = Result;
};

}  // namespace detail
}  // namespace strata
