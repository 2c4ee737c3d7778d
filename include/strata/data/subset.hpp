// SPDX-License-Identifier: BSL-1.0
// Some of the samples of a data set, and a split into two parts.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/core/target.hpp>
#include <strata/data/dataset.hpp>
#include <strata/data/wrapped.hpp>
#include <strata/util/random.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

// Throws std::out_of_range for a place that a data set of this size does not have.
void check_places(std::span<const std::uint32_t> places, std::size_t size);

}  // namespace detail

// The samples of `data` at these places, in this order. PyTorch's Subset.
template <Dataset D>
class Subset : public detail::Wrapped<D> {
  using detail::Wrapped<D>::data_;

 public:
  static constexpr Target target = detail::target_of<D>();

  // Throws std::out_of_range for a place that the data set does not have.
  Subset(D data, std::vector<std::uint32_t> places)
      : Subset(std::move(data), std::make_shared<const std::vector<std::uint32_t>>(std::move(places))) {}

  [[nodiscard]] std::size_t size() const { return places_->size(); }
  [[nodiscard]] std::size_t place(std::size_t i) const { return places_->at(i); }  // in data()
  [[nodiscard]] decltype(auto) pixels(std::size_t i) const { return data_.pixels(place(i)); }
  [[nodiscard]] int label(std::size_t i) const
    requires(detail::GivesLabels<D>)
  {
    return data_.label(place(i));
  }
  [[nodiscard]] decltype(auto) targets(std::size_t i) const
    requires(detail::GivesTargets<D>)
  {
    return data_.targets(place(i));
  }
  [[nodiscard]] int class_count() const
    requires(!target.known())
  {
    return data_.class_count();
  }
  void load(std::size_t i, std::span<detail::PixelOf<D>> to, const Random& random) const
    requires(detail::Loads<D>)
  {
    data_.load(place(i), to, random);
  }
  // The same places of another data set, such as one that varies its pictures. Throws as the constructor.
  [[nodiscard]] Subset with(D data) const { return Subset(std::move(data), places_); }

 private:
  Subset(D data, std::shared_ptr<const std::vector<std::uint32_t>> places)
      : detail::Wrapped<D>(std::move(data)), places_(std::move(places)) {
    detail::check_places(*places_, data_.size());
  }

  std::shared_ptr<const std::vector<std::uint32_t>> places_;  // shared by copies
};

namespace detail {

// The places of two parts, each in rising order. labels: of each sample, or empty.
std::pair<std::vector<std::uint32_t>, std::vector<std::uint32_t>> split_places(std::size_t size,
                                                                               std::span<const int> labels, double fraction,
                                                                               std::uint64_t seed);

}  // namespace detail

// Two parts at random: all but a fraction, and the fraction. With one class a sample each class is split for itself, so
// that both parts have its share (scikit-learn's train_test_split with stratify); a class of two or more samples has one in
// each part at least. The same seed gives the same parts. Throws std::invalid_argument unless the fraction is between 0
// and 1.
template <Dataset D>
[[nodiscard]] std::pair<Subset<D>, Subset<D>> random_split(const D& data, double fraction, std::uint64_t seed = 0) {
  std::vector<int> labels;
  if constexpr (detail::GivesLabels<D>)
    for (std::size_t i = 0; i < data.size(); ++i) labels.push_back(data.label(i));
  auto [most, rest] = detail::split_places(data.size(), labels, fraction, seed);
  return {Subset<D>(data, std::move(most)), Subset<D>(data, std::move(rest))};
}

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/data/subset_impl.hpp>
#endif
