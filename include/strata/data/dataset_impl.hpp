// SPDX-License-Identifier: BSL-1.0
// The functions of dataset.hpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

#include <strata/core/linkage.hpp>
#include <strata/data/dataset.hpp>

namespace strata::inline STRATA_ABI {

STRATA_DEFINE DataError::DataError(std::string file, std::int64_t record, const std::string& found, std::string expected)
    : std::runtime_error(file + (record == whole ? "" : ": record " + std::to_string(record)) + ": " + found +
                         "; expected " + expected),
      file_(std::move(file)),
      expected_(std::move(expected)),
      record_(record) {}

namespace detail {

STRATA_DEFINE void check_elements(std::size_t sample, std::size_t found, std::size_t expected) {
  if (found != expected)
    throw DataError("data set", static_cast<std::int64_t>(sample), std::to_string(found) + " target elements",
                    std::to_string(expected));
}

STRATA_DEFINE void check_label(std::size_t sample, int label, int classes) {
  if (label < 0 || label >= classes)
    throw DataError("data set", static_cast<std::int64_t>(sample), "label " + std::to_string(label),
                    "0 to " + std::to_string(classes - 1));
}

STRATA_DEFINE void check_one_hot(int found, int classes) {
  if (found != classes)
    throw std::invalid_argument("strata: the data set has " + std::to_string(found) + " classes; one_hot is for " +
                                std::to_string(classes));
}

STRATA_DEFINE void check_subset(std::size_t first, std::size_t count, std::size_t size) {
  if (first > size || count > size - first)
    throw std::out_of_range("strata: no " + std::to_string(count) + " samples from " + std::to_string(first) +
                            " on in a data set of " + std::to_string(size));
}

STRATA_DEFINE void check_arrays(TargetKind kind, int width, std::size_t images, std::size_t pixels, const Targets& targets,
                                std::size_t each) {
  const std::size_t elements = is_class(kind) ? targets.classes.size() : targets.values.size();
  const std::size_t count = elements / each;
  if (elements % each != 0)
    throw DataError("arrays", static_cast<std::int64_t>(count), std::to_string(elements) + " target elements",
                    "a multiple of " + std::to_string(each) + ", the elements of one sample");
  if (images != count * pixels)
    throw DataError("arrays", static_cast<std::int64_t>(images / pixels),
                    std::to_string(images) + " numbers for " + std::to_string(count) +
                        (kind == TargetKind::class_index ? " labels" : " targets"),
                    std::to_string(count * pixels) + ", " + std::to_string(pixels) + " an image");
  for (std::size_t i = 0; i < count; ++i)
    if (const auto fault = target_fault(kind, width, targets.sample(i, each)))
      throw DataError("arrays", static_cast<std::int64_t>(i), fault->found, fault->expected);
}

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
