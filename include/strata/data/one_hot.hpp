// SPDX-License-Identifier: BSL-1.0
// A data set of classes as one of distributions, which mixup and cutmix need:
//   train(model, one_hot(data), SoftmaxCrossEntropy{}, SGD{}, {.validation = one_hot(test), .augment = {.mixup = 0.2}});
#pragma once
#include <array>
#include <cstddef>
#include <span>
#include <utility>

#include <strata/core/linkage.hpp>
#include <strata/core/target.hpp>
#include <strata/data/dataset.hpp>
#include <strata/data/wrapped.hpp>
#include <strata/util/random.hpp>

namespace strata::inline STRATA_ABI {

// Each label becomes a row with 1 at the class and 0 elsewhere (Keras' to_categorical). targets() throws DataError for a
// label that is not in [0, Classes).
template <Dataset D, int Classes>
class OneHot : public detail::Wrapped<D> {
  using detail::Wrapped<D>::data_;
  using Row = std::array<float, static_cast<std::size_t>(Classes)>;

 public:
  static constexpr Target target = Target::distribution(Classes);

  explicit OneHot(D data) : detail::Wrapped<D>(std::move(data)) {}

  [[nodiscard]] std::size_t size() const { return data_.size(); }
  [[nodiscard]] decltype(auto) pixels(std::size_t i) const { return data_.pixels(i); }
  [[nodiscard]] Row targets(std::size_t i) const {
    const int label = data_.label(i);
    detail::check_label(i, label, Classes);
    Row row{};
    row[static_cast<std::size_t>(label)] = 1;
    return row;
  }
  void load(std::size_t i, std::span<detail::PixelOf<D>> to, const Random& random) const
    requires(detail::Loads<D>)
  {
    data_.load(i, to, random);
  }
};

template <Dataset D>
[[nodiscard]] auto one_hot(const D& data) {
  static_assert(detail::target_kind<D> == TargetKind::class_index && detail::target_of<D>().known(),
                "strata: one_hot is for data sets with a static number of classes; else write one_hot<Classes>(data)");
  return OneHot<D, detail::target_of<D>().output.channels>(data);
}
// For a data set whose classes are known at run time. Throws std::invalid_argument if they are another number.
template <int Classes, Dataset D>
[[nodiscard]] auto one_hot(const D& data) {
  detail::check_one_hot(class_count(data), Classes);
  return OneHot<D, Classes>(data);
}

}  // namespace strata::inline STRATA_ABI
