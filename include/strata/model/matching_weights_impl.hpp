// SPDX-License-Identifier: BSL-1.0
// The functions of matching_weights.hpp.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/model/matching_weights.hpp>
#include <strata/util/pattern.hpp>

namespace strata::inline STRATA_ABI {

STRATA_DEFINE std::string MatchReport::text() const {
  std::string out;
  for (const std::string& name : loaded) out += name + ": loaded\n";
  for (const Left& l : left) out += l.tensor + ": left as it was, " + l.why + "\n";
  for (const std::string& name : unused) out += name + ": not used\n";
  return out;
}

namespace detail {

STRATA_DEFINE std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "(";
  for (const std::int64_t n : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(n);
  return text + ")";
}

STRATA_DEFINE WeightMatch::WeightMatch(std::map<std::string, Shape> source, MatchOptions options)
    : source_(std::move(source)), options_(std::move(options)), fits_(options_.tensors.size()) {}

STRATA_DEFINE void WeightMatch::offer(const std::string& name, const TensorInfo& info) {
  names_.push_back(name);
  bool chosen = false;
  for (std::size_t i = 0; i < fits_.size(); ++i)
    if (matches(options_.tensors[i], name)) fits_[i] = true, chosen = true;
  if (!chosen) return report_.left.push_back({name, "not chosen"});
  const std::string wanted = options_.name_in_source ? options_.name_in_source(name) : name;
  const auto found = source_.find(wanted);
  if (found == source_.end()) return report_.left.push_back({name, "there is no " + wanted});
  const auto shape = std::span(info.shape).first(static_cast<std::size_t>(info.rank));
  if (!std::equal(shape.begin(), shape.end(), found->second.begin(), found->second.end()))
    return report_.left.push_back(
        {name, "the shape is " + shape_text(found->second) + " there, " + shape_text(shape) + " here"});
  from_[name] = wanted;
  report_.loaded.push_back(name);
}

STRATA_DEFINE MatchReport WeightMatch::finish() {
  std::string all;
  for (const std::string& name : names_) all += (all.empty() ? "" : ", ") + name;
  for (std::size_t i = 0; i < fits_.size(); ++i)
    if (!fits_[i])
      throw std::invalid_argument("strata: the pattern " + options_.tensors[i] + " fits no tensor; this network's are " +
                                  all);
  std::set<std::string> used;
  for (const auto& [name, source] : from_) used.insert(source);
  for (const auto& [name, shape] : source_)
    if (!used.contains(name)) report_.unused.push_back(name);
  if (from_.empty()) throw std::invalid_argument("strata: no tensor fits this network:\n" + report_.text());
  return report_;
}

STRATA_DEFINE const std::string* WeightMatch::source_of(const std::string& name) const {
  const auto found = from_.find(name);
  return found == from_.end() ? nullptr : &found->second;
}

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
