// SPDX-License-Identifier: BSL-1.0
// The epochs of a run as CSV and JSON lines.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <strata/io/metrics_file.hpp>
#include <strata/util/parse_number.hpp>

#include "files.hpp"

namespace {
using namespace strata;
namespace fs = std::filesystem;

std::vector<EpochRecord> history() {
  std::vector<EpochRecord> all(2);
  all[0] = {.epoch = 1, .loss = 2.25, .accuracy = 1.0 / 3, .samples = 30, .seconds = 0.5, .step = 8, .learning_rate = 1e-7};
  all[0].validation_loss = 0.1, all[0].validation_accuracy = 0.5;
  all[1] = {.epoch = 2, .loss = 1e300, .accuracy = 0, .samples = 0, .seconds = 0, .step = 9, .learning_rate = 0.1};
  return all;
}

TEST_CASE("a line an epoch") {
  CHECK(metrics_csv(history()) ==
        "epoch,step,learning_rate,loss,accuracy,val_loss,val_accuracy,seconds,images_per_second\n"
        "1,8,1e-07,2.25,0.3333333333333333,0.1,0.5,0.5,60\n"
        "2,9,0.1,1e+300,0,,,0,\n");
  CHECK(metrics_jsonl(history()) ==
        "{\"epoch\": 1, \"step\": 8, \"learning_rate\": 1e-07, \"loss\": 2.25, \"accuracy\": 0.3333333333333333, "
        "\"val_loss\": 0.1, \"val_accuracy\": 0.5, \"seconds\": 0.5, \"images_per_second\": 60}\n"
        "{\"epoch\": 2, \"step\": 9, \"learning_rate\": 0.1, \"loss\": 1e+300, \"accuracy\": 0, \"val_loss\": null, "
        "\"val_accuracy\": null, \"seconds\": 0, \"images_per_second\": null}\n");
  CHECK(metrics_csv({}) == "epoch,step,learning_rate,loss,accuracy,val_loss,val_accuracy,seconds,images_per_second\n");
  CHECK(metrics_jsonl({}).empty());
}

TEST_CASE("metrics of one's own are further columns") {
  auto all = history();
  all[1].validation_metrics = {{"top 5", 0.75}, {"a,\"b\"", std::numeric_limits<double>::quiet_NaN()}};
  CHECK(metrics_csv(all) ==
        "epoch,step,learning_rate,loss,accuracy,val_loss,val_accuracy,val_top 5,\"val_a,\"\"b\"\"\",seconds,"
        "images_per_second\n"
        "1,8,1e-07,2.25,0.3333333333333333,0.1,0.5,,,0.5,60\n"
        "2,9,0.1,1e+300,0,,,0.75,nan,0,\n");
  const std::string lines = metrics_jsonl(all);
  CHECK(lines.find("\"val_accuracy\": 0.5, \"val_top 5\": null, \"val_a,\\\"b\\\"\": null, \"seconds\"") !=
        std::string::npos);
  CHECK(lines.find("\"val_top 5\": 0.75, \"val_a") != std::string::npos);
}

TEST_CASE("numbers read back as they were") {
  auto all = history();
  for (double x : {0.1 + 0.2, 1 / 3.0, 2.3025850929940455, 5e-324, 1.7976931348623157e308}) {
    all[0].loss = x;
    const std::string csv = metrics_csv(all);
    const char* from = csv.data() + csv.find("1e-07,") + 6;
    double back = 0;
    detail::parse_number(from, csv.data() + csv.size(), back);
    CHECK(back == x);
  }
  all[0].validation_loss = std::numeric_limits<double>::infinity();
  all[0].loss = std::numeric_limits<double>::quiet_NaN();
  CHECK(metrics_csv(all).find(",nan,0.3333333333333333,inf,0.5") != std::string::npos);
  CHECK(metrics_jsonl(all).find("\"loss\": null, \"accuracy\": 0.3333333333333333, \"val_loss\": null, \"val_acc") !=
        std::string::npos);
}

TEST_CASE("the name says which, and the file is replaced as a whole") {
  const Folder temporary;
  const fs::path& folder = temporary.path;
  const auto read = [](const fs::path& file) {
    std::ifstream in(file);
    return std::string{std::istreambuf_iterator<char>(in), {}};
  };
  const auto all = history();
  write_metrics(folder / "m.csv", all);
  write_metrics(folder / "m.csv", {all.data(), 1});
  CHECK(read(folder / "m.csv") == metrics_csv({all.data(), 1}));
  write_metrics(folder / "m.jsonl", all);
  CHECK(read(folder / "m.jsonl") == metrics_jsonl(all));
  for (const char* name : {"m.json", "m.CSV", "m", "csv", ".csv"})
    CHECK_THROWS_WITH_AS(write_metrics(folder / name, all),
                         doctest::Contains("expected a name that ends in .csv or .jsonl"), std::invalid_argument);
  CHECK(std::distance(fs::directory_iterator(folder), {}) == 2);
  CHECK_THROWS_WITH_AS(write_metrics(folder / "none" / "m.csv", all),
                       doctest::Contains((std::filesystem::path("none") / "m.csv").string().c_str()), std::system_error);
}

}  // namespace
