// SPDX-License-Identifier: BSL-1.0
// The functions of summary_text.hpp.
#pragma once
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/model/summary_text.hpp>

namespace strata::inline STRATA_ABI::detail {

struct GrowingText : TextWriter<GrowingText> {
  std::string characters;

  using TextWriter<GrowingText>::put;
  GrowingText& put(char c) {
    characters += c;
    return *this;
  }
};

STRATA_DEFINE std::string summary_text(const SummaryNumbers& numbers) {
  GrowingText text;
  std::vector<ReceptiveField> fields(numbers.rows.size());
  find_receptive_fields(numbers.rows, fields);
  write_summary(text, numbers, fields);
  return text.characters;
}

}  // namespace strata::inline STRATA_ABI::detail
