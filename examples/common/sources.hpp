// SPDX-License-Identifier: BSL-1.0
// Finds the images: in a folder, a cached copy, the official archive or a Debian package.
#pragma once
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>

#include <strata/data/download.hpp>
#include <strata/data/gzip.hpp>
#include <strata/strata.hpp>

#include "signals.hpp"

// --- Download -----------------------------------------------------------------------------------------------------------

// Redraws one line on a terminal, and prints one line for each tenth elsewhere.
class DownloadProgress {
 public:
  explicit DownloadProgress(std::string address) : address_(std::move(address)) {}
  DownloadProgress(const DownloadProgress&) = delete;
  DownloadProgress& operator=(const DownloadProgress&) = delete;
  ~DownloadProgress() {
    if (terminal_ && drawn_ >= 0) std::printf("\n");
  }
  void operator()(std::uint64_t done, std::uint64_t all) {
    check_interrupted();
    if (!begun_) std::printf("fetching %s\n", address_.c_str());
    begun_ = true;
    const int percent = all > 0 ? static_cast<int>(100 * done / all) : 0;
    if (all == 0 || percent < drawn_ + (terminal_ ? 1 : 10)) return;
    drawn_ = percent;
    std::printf(terminal_ ? "\r%3d%% of %.0f MiB" : "%3d%% of %.0f MiB\n", percent, static_cast<double>(all) / 1048576);
    std::fflush(stdout);
  }

 private:
  std::string address_;
  bool begun_ = false, terminal_ = isatty(STDOUT_FILENO) != 0;
  int drawn_ = -1;
};

inline std::filesystem::path fetched(const strata::Archive& archive, strata::DownloadOptions options) {
  if (!options.base.ends_with('/')) options.base += '/';
  DownloadProgress progress(options.base + archive.file);
  options.progress = [&](std::uint64_t done, std::uint64_t all) { progress(done, all); };
  const std::filesystem::path folder = strata::download(archive, options);
  check_interrupted();
  return folder;
}

// --- Source ------------------------------------------------------------------------------------------------------------

struct Source {
  std::string dataset;
  std::filesystem::path folder;
};

inline const std::filesystem::path debian_fashion = "/usr/share/datasets/fashion-mnist";

// name: cifar10, cifar100 or fashion-mnist; if empty, CIFAR-10, or Fashion-MNIST if CIFAR-10 is not available. data: a
// folder; if empty, the function searches for one. mirror: the address of the archives. Throws what download() throws,
// std::runtime_error if there is no data, and Interrupted.
inline Source find_source(const std::string& name, const std::string& data, const std::string& mirror) {
  const std::string dataset = name.empty() ? "cifar10" : name;
  if (!data.empty()) {
    for (const char* file : {"train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"})
      if (const auto path = std::filesystem::path(data) / file; name.empty() && std::filesystem::exists(path))
        throw std::runtime_error(path.string() + ": not a file of CIFAR-10; did you mean --dataset fashion-mnist?");
    return {dataset, data};
  }
  const bool packaged = std::filesystem::exists(debian_fashion);
  if (dataset == "fashion-mnist") {
    if (packaged) return {dataset, debian_fashion};
    throw std::runtime_error("fashion-mnist: there is no " + debian_fashion.string() +
                             "; install Debian's dataset-fashion-mnist, or give --data DIR with the four files of "
                             "https://github.com/zalandoresearch/fashion-mnist");
  }
  strata::DownloadOptions options{.base = mirror};
  if (!name.empty()) {
    const auto archive = dataset == "cifar100" ? strata::cifar100_archive() : strata::cifar10_archive();
    return {dataset, fetched(archive, options)};
  }
  // The user named no data set, so do not wait long for this one.
  options.connect_timeout = 5;
  try {
    return {dataset, fetched(strata::cifar10_archive(), options)};
  } catch (const std::exception& e) {
    if (!packaged)
      throw std::runtime_error(std::string(e.what()) + "; Debian's package dataset-fashion-mnist is not installed either");
    std::printf("CIFAR-10 is not available: %s.\nTraining on Fashion-MNIST from %s instead, padded to 32x32x3.\n", e.what(),
                debian_fashion.c_str());
    return {"fashion-mnist", debian_fashion};
  }
}
