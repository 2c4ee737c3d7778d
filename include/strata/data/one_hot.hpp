// SPDX-License-Identifier: BSL-1.0
// A data set of classes as one of distributions, which mixup and cutmix need:
//   train(model, one_hot(data), SoftmaxCrossEntropy{}, SGD{}, {.validation = one_hot(test), .augment = {.mixup = 0.2}});
#pragma once
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/core/target.hpp>
#include <strata/data/dataset.hpp>

namespace strata::inline STRATA_ABI {

// Each label becomes a row with 1 at the class and 0 elsewhere (Keras' to_categorical). Throws DataError for a label that
// is not in [0, Classes).
template <Dataset D, int Classes>
class OneHot {
 public:
  static constexpr Shape image = D::image;
  static constexpr Target target = Target::distribution(Classes);
  static constexpr bool decodes = detail::decodes<D>;

  explicit OneHot(D data) : data_(std::move(data)) {}

  [[nodiscard]] std::size_t size() const { return data_.size(); }
  [[nodiscard]] decltype(auto) pixels(std::size_t i) const { return data_.pixels(i); }
  [[nodiscard]] std::array<float, static_cast<std::size_t>(Classes)> targets(std::size_t i) const {
    const int label = data_.label(i);
    detail::check_label(i, label, Classes);
    std::array<float, static_cast<std::size_t>(Classes)> row{};
    row[static_cast<std::size_t>(label)] = 1;
    return row;
  }
  void load(std::size_t i, std::span<detail::PixelOf<D>> to, const Random& random) const
    requires(detail::Loads<D>)
  {
    data_.load(i, to, random);
  }
  [[nodiscard]] std::string describe() const
    requires(detail::Describes<D>)
  {
    return data_.describe();
  }
  [[nodiscard]] std::vector<std::string> class_names() const { return strata::class_names(data_); }
  [[nodiscard]] std::string name() const {
    if constexpr (requires { std::string(data_.name()); })
      return data_.name();
    else if constexpr (requires { std::string(D::name); })
      return std::string(D::name);
    else
      return "data";
  }
  [[nodiscard]] const D& data() const { return data_; }

 private:
  D data_;
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
