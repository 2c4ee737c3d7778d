// SPDX-License-Identifier: BSL-1.0
// How long each layer takes in real training steps. Layers that the backend does together share a row.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI {

// Sums over the watched steps, in seconds of wall-clock time.
struct LayerTime {
  std::string name;                  // "Conv + ReLU + MaxPool"
  int first = 0;                     // layer number, Input is 0; -1: no layer
  std::int64_t macs = 0;             // nominal multiply-adds of one sample, forward (see Sequential::macs)
  bool learns_before = true;         // a layer before it has parameters, so backward computes the gradient of its input
  double forward = 0, backward = 0;  // a row without layers has its time once per step in `backward`
};

// Model::watch fills it; Trainer adds rows for the loss and the update.
class Profile {
 public:
  std::vector<LayerTime> rows;
  std::int64_t steps = 0, samples = 0;

  // Adds the time from its construction to its destruction to a sum, which must live until then. If the sum is null, it
  // does nothing and does not read the clock.
  class Timer {
   public:
    explicit Timer(double* sum) : sum_(sum), begin_(sum ? now() : 0) {}
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    ~Timer() {
      if (sum_) *sum_ += now() - begin_;
    }

   private:
    // Seconds of a steady clock.
    static double now();
    double* sum_;
    double begin_;
  };

  [[nodiscard]] double seconds() const;

  // One line for each row: milliseconds per step, nominal GFLOP/s (a multiply-add is two; work that a kernel saves, such as
  // taps on padding, counts too), the fraction of the total.
  [[nodiscard]] std::string text() const;
};

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/model/profile_impl.hpp>
#endif
