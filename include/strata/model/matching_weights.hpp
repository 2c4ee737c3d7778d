// SPDX-License-Identifier: BSL-1.0
// The weights of one model for another that shares some of its tensors: by name, and where the shapes are equal.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/core/tensor_info.hpp>
#include <strata/model/model.hpp>

namespace strata::inline STRATA_ABI {

struct MatchOptions {
  // Which tensors of the model to fill, by their names: "conv2d*"; * stands for any characters, ? for one.
  std::vector<std::string> tensors{"*"};
  // The name in the source of a tensor of the model, where names differ; empty: the same name.
  std::function<std::string(const std::string& name)> name_in_source{};
};

// What happened to each tensor of the model.
struct MatchReport {
  struct Left {
    std::string tensor, why;
  };
  std::vector<std::string> loaded{};
  std::vector<Left> left{};           // as they were, and why: "the shape is (10) there, (5) here"
  std::vector<std::string> unused{};  // tensors of the source that no tensor of the model took
  // A line for each tensor.
  [[nodiscard]] std::string text() const;
};

namespace detail {

std::string shape_text(std::span<const std::int64_t> shape);

// Offers each tensor of a model; then values(i) tells where the i-th of those that fit comes from.
class WeightMatch {
 public:
  using Shape = std::vector<std::int64_t>;
  // The source's tensors.
  WeightMatch(std::map<std::string, Shape> source, MatchOptions options);
  void offer(const std::string& name, const TensorInfo& info);
  // Throws std::invalid_argument for a pattern that fits no tensor of the model, and if nothing fits.
  MatchReport finish();
  // The source's name for a tensor of the model; null if it is not loaded.
  [[nodiscard]] const std::string* source_of(const std::string& name) const;

 private:
  std::map<std::string, Shape> source_;
  MatchOptions options_;
  std::vector<bool> fits_;  // of the patterns
  std::vector<std::string> names_;
  std::map<std::string, std::string> from_;
  MatchReport report_;
};

}  // namespace detail

// Copies the tensors that fit from one model to another. Throws std::invalid_argument for a pattern that fits no tensor of
// the model, and if nothing fits; the model is then unchanged.
template <class From, class To>
MatchReport copy_matching_weights(From& from, To& to, const MatchOptions& options = {}) {
  using T = typename To::T;
  std::map<std::string, std::vector<std::int64_t>> shapes;
  std::map<std::string, std::vector<T>> values;
  from.for_each_tensor([&](const std::string& name, const TensorInfo& info, auto v) {
    shapes[name].assign(info.shape.begin(), info.shape.begin() + info.rank);
    values[name].assign(v.begin(), v.end());
  });
  detail::WeightMatch match(std::move(shapes), options);
  to.for_each_tensor([&](const std::string& name, const TensorInfo& info, std::span<T>) { match.offer(name, info); });
  MatchReport report = match.finish();
  to.for_each_tensor([&](const std::string& name, const TensorInfo&, std::span<T> v) {
    if (const std::string* source = match.source_of(name))
      std::copy(values[*source].begin(), values[*source].end(), v.begin());
  });
  return report;
}

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/model/matching_weights_impl.hpp>
#endif
