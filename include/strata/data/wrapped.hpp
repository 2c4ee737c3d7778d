// SPDX-License-Identifier: BSL-1.0
// The base of data sets that have another one inside, whose shape, names and preprocessing are theirs too.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>
#include <strata/data/dataset.hpp>

namespace strata::inline STRATA_ABI::detail {

template <class D>
struct BorderOf {};
template <class D>
  requires requires { int{D::border}, bool{D::grey}; }
struct BorderOf<D> {
  static constexpr int border = D::border;
  static constexpr bool grey = D::grey;
};

template <class D>
std::string name_of(const D& data) {
  if constexpr (requires { std::string(data.name()); })
    return data.name();
  else if constexpr (requires { std::string(D::name); })
    return std::string(D::name);
  else
    return "data";
}

template <class D>
class Wrapped : public BorderOf<D> {
 public:
  static constexpr Shape image = D::image;
  static constexpr bool decodes = detail::decodes<D>;

  [[nodiscard]] const D& data() const { return data_; }
  [[nodiscard]] std::vector<std::string> class_names() const { return strata::class_names(data_); }
  [[nodiscard]] std::string name() const { return name_of(data_); }
  [[nodiscard]] int short_side() const
    requires requires(const D& d) { int{d.short_side()}; }
  {
    return data_.short_side();
  }
  [[nodiscard]] std::string describe() const
    requires(Describes<D>)
  {
    return data_.describe();
  }

 protected:
  explicit Wrapped(D data) : data_(std::move(data)) {}
  D data_;
};

}  // namespace strata::inline STRATA_ABI::detail
