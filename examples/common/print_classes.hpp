// SPDX-License-Identifier: BSL-1.0
// Labels picture files, as predict and own_pictures do.
#pragma once
#include <cstdio>
#include <string>
#include <vector>

#include <strata/classifier.hpp>

// Prints the path of each picture and its most likely classes, or on stderr why a file cannot be labelled. Returns how many
// cannot.
template <class Net>
int print_classes(const char* program, strata::Classifier<Net>& classifier, const std::vector<std::string>& files,
                  int top) {
  int failed = 0;
  for (const std::string& file : files) try {
      const auto classes = classifier.classify(std::filesystem::path(file), top);
      std::printf("%s\n", file.c_str());
      for (const auto& [number, name, probability] : classes)
        std::printf("  %6.2f%%  %s\n", 100 * probability, name.c_str());
    } catch (const strata::DataError& e) {
      std::fprintf(stderr, "%s: %s\n", program, e.what());
      ++failed;
    }
  return failed;
}
