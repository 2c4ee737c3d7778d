// SPDX-License-Identifier: BSL-1.0
// The functions of report.hpp.
#pragma once
#include <filesystem>
#include <span>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/report/report.hpp>
#include <strata/util/atomic_file.hpp>

namespace strata::inline STRATA_ABI {

STRATA_DEFINE std::string report_html(const Report& report) { return detail::page_text(report); }

STRATA_DEFINE void write_report(const std::filesystem::path& path, const Report& report) {
  const std::string text = report_html(report);
  write_file_atomically(path, std::as_bytes(std::span(text)));
}

}  // namespace strata::inline STRATA_ABI
