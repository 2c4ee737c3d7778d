// SPDX-License-Identifier: BSL-1.0
// The epochs of a run as a table for other programs: CSV or JSON lines.
//   train(model, data, loss, optimizer, {.on_epoch = [](auto history) { write_metrics("metrics.csv", history); }});
#pragma once
#include <strata/core/errors.hpp>
#include <strata/core/linkage.hpp>

#include <filesystem>
#include <span>
#include <string>

#include <strata/training/metrics.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

// In quotes if it has a comma, a quote or a line break (RFC 4180).
std::string csv_field(const std::string& text);

}  // namespace detail

// A line of names, then a line for each epoch. Fields are empty for an epoch without a validation. step: updates of the
// whole run; learning_rate: of the last update; seconds: of the training steps.
[[nodiscard]] std::string metrics_csv(std::span<const EpochRecord> history);

// A JSON object for each epoch, with the same names; null if there was no validation, and for NaN and infinities, which
// JSON does not have. Throws std::invalid_argument for a metric whose name is not UTF-8.
[[nodiscard]] std::string metrics_jsonl(std::span<const EpochRecord> history);

// Throws std::invalid_argument for a name that ends in neither .csv nor .jsonl.
void check_metrics_name(const std::filesystem::path& path);

// All epochs, as CSV or as JSON lines, by the extension. The file is written completely or not at all. Call it after each
// epoch with the history so far: no row is lost or repeated, however often the run is stopped. Throws as
// check_metrics_name() and write_file_atomically() do.
void write_metrics(const std::filesystem::path& path, std::span<const EpochRecord> history);

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/io/metrics_file_impl.hpp>
#endif
