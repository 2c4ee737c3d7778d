// SPDX-License-Identifier: BSL-1.0
// The functions of matching_weights.hpp.
#pragma once
#include <algorithm>
#include <filesystem>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/io/matching_weights.hpp>
#include <strata/io/seal.hpp>
#include <strata/training/run.hpp>

namespace strata::inline STRATA_ABI::detail {

STRATA_DEFINE std::map<std::string, std::vector<std::int64_t>> shapes_in(const SafetensorsFile& file) {
  std::map<std::string, std::vector<std::int64_t>> shapes;
  for (const SafetensorsEntry& entry : file.tensors())
    if (!of_training(entry.name)) shapes[entry.name] = entry.shape;
  return shapes;
}

STRATA_DEFINE MatchingFile::MatchingFile(SafetensorsFile file, const MatchOptions& options)
    : file_(std::move(file)), match_(shapes_in(file_), options) {}

STRATA_DEFINE MatchReport MatchingFile::read() {
  MatchReport report;
  try {
    report = match_.finish();
  } catch (const std::invalid_argument& e) {
    throw std::invalid_argument(file_.path().string() + ": " + e.what());
  }
  const Seal seal(file_);
  for (const std::string& name : report.loaded) {
    const std::string& source = *match_.source_of(name);
    std::vector<float> values = file_.read<float>(source);
    seal.check(source, file_.find(source)->shape, values);
    values_.emplace(name, std::move(values));
  }
  return report;
}

STRATA_DEFINE void MatchingFile::fill(const std::string& name, std::span<float> values) const {
  if (const auto found = values_.find(name); found != values_.end())
    std::copy(found->second.begin(), found->second.end(), values.begin());
}

}  // namespace strata::inline STRATA_ABI::detail
