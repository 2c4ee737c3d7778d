// SPDX-License-Identifier: BSL-1.0
// The functions of recipe.hpp.
#pragma once
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/training/recipe.hpp>
#include <strata/util/checksum.hpp>
#include <strata/util/numbers.hpp>

namespace strata::inline STRATA_ABI::detail {

STRATA_DEFINE std::string normalize_text(const Normalize& normalize) {
  std::string text = "normalisation:";
  for (const auto* v : {&normalize.mean, &normalize.stddev}) {
    text += v == &normalize.mean ? " mean" : ", stddev";
    for (const float x : *v) text += " " + number_text(static_cast<double>(x));
  }
  return text;
}

STRATA_DEFINE std::string recipe_text(const TrainingRun& run) {
  std::string text = "optimizer: " + run.optimizer + "\nloss: " + std::string(run.loss) +
                     "\nbatch: " + std::to_string(run.batch) + "\nseed: " + std::to_string(run.seed) +
                     "\nlayers: " + Checksum().text(run.summary).digits() + "\naugmentation: " + run.augment.describe() +
                     "\n" + normalize_text(run.normalize) + "\ngradients clipped to: " + number_text(run.clip_norm);
  for (const std::string& line : run.more) text += "\n" + line;
  return text + "\ntraining data: " + run.training_data + "\nvalidation data: " + run.validation_data + "\n";
}

}  // namespace strata::inline STRATA_ABI::detail
