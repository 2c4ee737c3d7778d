// SPDX-License-Identifier: BSL-1.0
// diagnose: the first fault of a network, alone or with the loss and the data that it is used with, as a constexpr value.
// The functions that train turn the same diagnosis into an error, through detail::checked.
#pragma once
#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

#include <strata/core/linkage.hpp>
#include <strata/core/sequential.hpp>
#include <strata/core/target.hpp>

namespace strata {
inline namespace STRATA_ABI {
namespace detail {

template <class Net>
struct analysed;
template <class... Layers>
struct analysed<Sequential<Layers...>> {
  using nodes = typename expand<Sequential<Layers...>>::type;
  static constexpr const auto& table = table_of<nodes>::value;
};

template <class Loss>
concept HasTakes = requires {
  { Loss::takes } -> std::convertible_to<Takes>;
};

constexpr Fault loss_fault(Values ends_in, Takes takes) {
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

template <class Given, class Element>
concept SpanOf = std::convertible_to<Given, std::span<const Element>>;

// Whether a data set that declares `target` also has the member function that gives it.
template <class Data>
constexpr bool gives_target() {
  if constexpr (requires { Target(Data::target); }) {
    constexpr TargetKind kind = Target(Data::target).kind;
    if constexpr (kind == TargetKind::class_index)
      return requires(const Data& data, std::size_t i) {
        { data.label(i) } -> std::convertible_to<int>;
        requires std::integral<std::remove_cvref_t<decltype(data.label(i))>>;
      };
    else if constexpr (kind == TargetKind::class_map)
      return requires(const Data& data, std::size_t i) {
        { data.targets(i) } -> SpanOf<int>;
      };
    else
      return requires(const Data& data, std::size_t i) {
        { data.targets(i) } -> SpanOf<float>;
      };
  }
  return true;
}

}  // namespace detail
}  // namespace STRATA_ABI

// The first fault of a network.
template <class Net>
constexpr Diagnosis diagnose() {
  return detail::analysed<Net>::table.diagnosis;
}

// Of a network and a loss: first the network, then what the loss takes.
template <class Net, class Loss>
constexpr Diagnosis diagnose() {
  Diagnosis d = diagnose<Net>();
  if (!d.ok()) return d;
  constexpr const auto& table = detail::analysed<Net>::table;
  if constexpr (detail::HasTakes<Loss>)
    d.fault = detail::loss_fault(table.ends_in, Loss::takes);
  else
    d.fault = Fault::not_a_loss;
  if (!d.ok()) d.node = table.nodes - 1, d.layer = table.layers - 1;
  return d;
}

// Of a network, a loss and a data set, in the order in which a reader would look: the network, the images, the target that
// the loss takes, the network's output, the data set's member functions, the outputs that the loss takes. A data set whose
// classes are known at run time only is not compared with the network's output here.
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
  constexpr Target target = detail::target_of<Data>();
  if constexpr (detail::HasTakes<Loss>) {
    d.node = table.nodes - 1, d.layer = table.layers - 1;
    if (!detail::targets_of<Loss>().has(target.kind)) {
      d.fault = Fault::loss_takes_other_target;
      return d;
    }
    if (target.known() && !(table.output == target.output)) {
      d.fault =
          target.kind == TargetKind::class_index ? Fault::outputs_differ_from_classes : Fault::outputs_differ_from_target;
      d.expected = target.output.size(), d.got = table.output.size();
      d.expected_shape = target.output, d.got_shape = table.output;
      return d;
    }
    if (!detail::gives_target<Data>()) {
      d.fault = Fault::target_not_given;
      return d;
    }
  }
  return diagnose<Net, Loss>();
}

inline namespace STRATA_ABI {
namespace detail {

template <TargetKind Kind>
struct target_tag;
#define STRATA_TARGET(kind)             \
  template <>                           \
  struct target_tag<TargetKind::kind> { \
    using type = target::kind;          \
  };                                    \
  template <class Loss>                 \
  using if_takes_##kind = std::conditional_t<targets_of<Loss>().has(TargetKind::kind), List<target::kind>, List<>>
STRATA_TARGET(class_index);
STRATA_TARGET(class_map);
STRATA_TARGET(labels);
STRATA_TARGET(values);
STRATA_TARGET(distribution);
#undef STRATA_TARGET

template <class Targets>
struct expected_target_of;
template <class... Targets>
struct expected_target_of<List<Targets...>> {
  using type = expected_target<Targets...>;
};

// A network with a loss, or with a loss and a data set.
template <class... Parts>
struct use {
  static constexpr Diagnosis diagnosis = diagnose<Parts...>();
};
template <Fault F, class Of, class Net, class Loss, class Data>
struct use_verdict {
  static_assert(!diagnose<Net>().ok(), "strata: core/diagnose.hpp has no verdict on this fault");
  using type = ok;  // the network has reported the fault itself
};
template <class Of, class Net, class Loss, class Data>
struct use_verdict<Fault::none, Of, Net, Loss, Data> {
  using type = ok;
};
template <class Of, class Net>
using last_layer = typename node<typename pick<Of::diagnosis.node, typename analysed<Net>::nodes>::type>::layer;
template <class Loss>
using taken_targets =
    typename expected_target_of<typename concat<if_takes_class_index<Loss>, if_takes_class_map<Loss>, if_takes_labels<Loss>,
                                                if_takes_values<Loss>, if_takes_distribution<Loss>>::type>::type;
template <class Data>
using target_of_data = typename target_tag<target_of<Data>().kind>::type;
template <class Data>
using missing_member =
    std::conditional_t<target_of<Data>().kind == TargetKind::class_index, missing::label_giving_int,
                       std::conditional_t<target_of<Data>().kind == TargetKind::class_map,
                                          missing::targets_giving_span_of_int, missing::targets_giving_span_of_float>>;

// One line for each fault of a use: the words that its error takes.
#define STRATA_USE_VERDICT(fault, ...)                    \
  template <class Of, class Net, class Loss, class Data>  \
  struct use_verdict<Fault::fault, Of, Net, Loss, Data> { \
    using w = words<Of>;                                  \
    using type = error::fault<__VA_ARGS__>;               \
  }
STRATA_USE_VERDICT(loss_needs_logits, Loss, last_layer<Of, Net>);
STRATA_USE_VERDICT(loss_needs_log_probabilities, Loss, last_layer<Of, Net>);
STRATA_USE_VERDICT(loss_needs_probabilities, Loss, last_layer<Of, Net>);
STRATA_USE_VERDICT(images_differ_from_input, Data, typename w::wanted_shape, typename w::shape_here);
STRATA_USE_VERDICT(outputs_differ_from_classes, Data, typename w::wanted_shape, typename w::shape_here);
STRATA_USE_VERDICT(outputs_differ_from_target, Data, typename w::wanted_shape, typename w::shape_here);
STRATA_USE_VERDICT(loss_takes_other_target, Loss, Data, taken_targets<Loss>, got_target<target_of_data<Data>>);
STRATA_USE_VERDICT(target_not_given, Data, target_of_data<Data>, missing_member<Data>);
STRATA_USE_VERDICT(not_a_loss, Loss);
#undef STRATA_USE_VERDICT

template <class Net, class Loss, class Data = void>
struct verdict_of_use {
  using of = use<Net, Loss, Data>;
  using type = typename use_verdict<of::diagnosis.fault, of, Net, Loss, Data>::type;
};
template <class Net, class Loss>
struct verdict_of_use<Net, Loss, void> {
  using of = use<Net, Loss>;
  using type = typename use_verdict<of::diagnosis.fault, of, Net, Loss, void>::type;
};
// The result of every function that brings a network, a loss and data together: `checked<...>::result`. A network that is
// broken by itself has reported already and adds nothing here. (The error has to stand inside a class: raised directly in a
// signature, clang takes it for a failed substitution and adds "no matching function".)
template <class Result, class Net, class Loss, class Data = void>
struct checked {
  static_assert(sizeof(typename verdict_of_use<Net, Loss, Data>::type) != 0);
  using result = Result;
};

}  // namespace detail
}  // namespace STRATA_ABI
}  // namespace strata
