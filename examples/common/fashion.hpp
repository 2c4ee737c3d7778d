// SPDX-License-Identifier: BSL-1.0
// Fashion-MNIST of Debian's package dataset-fashion-mnist, for the small examples.
#pragma once
#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <stdexcept>
#include <string>

#include <strata/data/gzip.hpp>
#include <strata/data/idx.hpp>

// The first images of the training or the test part. folder: with the four files, packed or not; if empty, the package's.
// Throws std::runtime_error or strata::DataError if they are not there.
inline strata::FashionMnist fashion(bool training, std::size_t count, const std::string& folder = {}) {
  const std::filesystem::path from = folder.empty() ? "/usr/share/datasets/fashion-mnist" : folder;
  if (folder.empty() && !std::filesystem::exists(from))
    throw std::runtime_error("there is no " + from.string() + "; install Debian's dataset-fashion-mnist, or name a folder");
  const char* suffix = std::filesystem::exists(from / "train-images-idx3-ubyte") ? "" : ".gz";
  const auto all = training ? strata::FashionMnist::train(from, strata::read_gzip_file, suffix)
                            : strata::FashionMnist::test(from, strata::read_gzip_file, suffix);
  return all.subset(0, std::min(count, all.size()));
}
