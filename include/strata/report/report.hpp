// SPDX-License-Identifier: BSL-1.0
// A run as one HTML file. It contains everything it shows, loads nothing, and needs no script.
//   const std::vector<EpochRecord> history = train(model, data, loss, optimizer, {.epochs = 20, .validation = test});
//   const Evaluation result = evaluate(model, test, loss, {.mistakes = 40});
//   write_report("report.html", make_report(model, test, history, result));
#pragma once
#include <cmath>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/data/dataset.hpp>
#include <strata/model/summary_text.hpp>
#include <strata/report/image.hpp>
#include <strata/report/page.hpp>
#include <strata/training/metrics.hpp>
#include <strata/util/version.hpp>

namespace strata::inline STRATA_ABI {

// The page. Runs with equal results give equal text, except for the section "This run". Throws std::invalid_argument for
// images that are not valid() or not as many as the mistakes.
[[nodiscard]] std::string report_html(const Report& report);

// The file is written completely or not at all. Throws as report_html() and write_file_atomically() do.
void write_report(const std::filesystem::path& path, const Report& report);

// A report about a model, the data it was evaluated on, the result of train() and that of evaluate(). The caller may set
// the title and add settings and facts about the run.
template <class M, class Data, class Result, class Names>
Report make_report(M& model, const Data& data, std::vector<EpochRecord> history, const Result& result, const Names& names) {
  Report r;
  r.history = std::move(history);
  r.loss = result.loss;
  if (!std::isnan(result.accuracy)) r.accuracy = result.accuracy;
  if constexpr (requires { result.metrics; }) r.metrics = result.metrics;
  r.confusion = result.confusion;
  for (const auto& name : names) r.class_names.emplace_back(name);
  r.mistakes = result.mistakes;
  for (const Mistake& m : r.mistakes) r.mistake_images.push_back(image_of(data, m.sample));
  r.filters = filter_images(model);
  r.summary = strata::detail::summary_text(strata::detail::summary_numbers<typename M::network>());
  r.settings = {{"seed", std::to_string(model.options().seed)},
                {"batch", std::to_string(model.options().batch)},
                {"strata", std::string(version)},
                {"compiler", compiler_name()},
                {"kernels", model.engine().kernels()},
                {"libraries", model.engine().libraries()}};
  return r;
}

// With the class names of the data set.
template <class M, Dataset Data, class Result>
Report make_report(M& model, const Data& data, std::vector<EpochRecord> history, const Result& result) {
  return make_report(model, data, std::move(history), result, class_names(data));
}

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/report/report_impl.hpp>
#endif
