// SPDX-License-Identifier: BSL-1.0
// The functions of file_error.hpp.
#pragma once
#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>

#include <strata/core/linkage.hpp>
#include <strata/util/file_error.hpp>

namespace strata::inline STRATA_ABI {

STRATA_DEFINE FileError::FileError(std::filesystem::path path, const std::string& problem)
    : std::runtime_error(path.string() + ": " + problem), path_(std::move(path)) {}

}  // namespace strata::inline STRATA_ABI
