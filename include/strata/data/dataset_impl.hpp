// SPDX-License-Identifier: BSL-1.0
// The functions of dataset.hpp.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

#include <strata/core/compiled.hpp>
#include <strata/data/dataset.hpp>

namespace strata {

STRATA_DEFINE DataError::DataError(std::string file, std::int64_t record, const std::string& found, std::string expected)
    : std::runtime_error(file + (record == whole ? "" : ": record " + std::to_string(record)) + ": " + found +
                         "; expected " + expected),
      file_(std::move(file)),
      expected_(std::move(expected)),
      record_(record) {}

}  // namespace strata
