// SPDX-License-Identifier: BSL-1.0
// The outputs of an inner layer, as features of images: for another classifier, for a search by likeness.
#pragma once
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/core/sequential.hpp>
#include <strata/core/type_list.hpp>
#include <strata/model/matching_weights.hpp>
#include <strata/model/model.hpp>
#include <strata/training/views.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

template <class Net, class Indices>
struct beginning;
template <class... Layers, int... Index>
struct beginning<Sequential<Layers...>, std::integer_sequence<int, Index...>> {
  using type = Sequential<typename pick<Index, List<Layers...>>::type...>;
};
template <class Net>
struct elements_of;
template <class... Layers>
struct elements_of<Sequential<Layers...>> {
  static constexpr int count = static_cast<int>(sizeof...(Layers));
};

}  // namespace detail

// The network up to its element `Last`, by its place in the list: Input is 0, a block is one element. A negative number
// counts from the end: with -2 all but the last element. Its tensors have the names that they have in the whole network. A
// network for another task is Sequential<UpTo<Net, -2>, Dense<5>>. Keras' Model(inputs, layers[Last].output); PyTorch's
// net[:Last + 1].
template <class Net, int Last>
using UpTo = typename detail::beginning<
    Net, std::make_integer_sequence<int, (Last < 0 ? detail::elements_of<Net>::count + Last : Last) + 1>>::type;

// The outputs of that element for images (N,H,W,C): (N, its output). Dropout is off, BatchNorm predicts. Makes a model of
// the part; who asks often makes Model<UpTo<Net, Last>> himself and calls copy_matching_weights() once. Throws what
// predict_views() does.
template <int Last, class Net, class Backend, class Mode>
[[nodiscard]] std::vector<typename Model<Net, Backend, Mode>::T> features(
    Model<Net, Backend, Mode>& model, std::type_identity_t<std::span<const typename Model<Net, Backend, Mode>::T>> images) {
  using Part = UpTo<Net, Last>;
  ModelOptions options = model.options();
  options.tensors.clear();  // initial values of tensors that the part may not have
  Model<Part, Backend, Inference> part(options);
  if constexpr (Part::parameters > 0) copy_matching_weights(model, part);
  return predict_views(part, images);
}

}  // namespace strata::inline STRATA_ABI
