// SPDX-License-Identifier: BSL-1.0
// A report and its HTML page.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/data/image.hpp>
#include <strata/training/metrics.hpp>

namespace strata::inline STRATA_ABI {

// The content of a report. Empty members are left out.
struct Report {
  using Facts = std::vector<std::pair<std::string, std::string>>;  // name, value

  std::string title = "Training report";
  std::vector<EpochRecord> history{};
  std::optional<double> loss{}, accuracy{};  // of the final evaluation
  std::vector<MetricValue> metrics{};        // of the final evaluation
  ConfusionTable confusion{};                // of the final evaluation
  std::vector<std::string> class_names{};    // a class without a name gets its number
  std::vector<Mistake> mistakes{};
  std::vector<Image> mistake_images{};  // one for each mistake, or none
  std::vector<Image> filters{};
  std::string summary{};  // of the network
  Facts settings{};       // equal for runs with equal results
  Facts run{};            // may differ between such runs: the command, times
};

namespace detail {

// Writes the sections of a report, without the empty ones.
std::string page_text(const Report& report);

}  // namespace detail
}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/report/page_impl.hpp>
#endif
