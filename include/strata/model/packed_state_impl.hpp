// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <cstring>

#include <strata/core/linkage.hpp>
#include <strata/model/packed_state.hpp>

namespace strata::inline STRATA_ABI::detail {

// FNV-1a over words instead of bytes, in four independent lanes, since each multiplication waits for the one before it.
STRATA_DEFINE std::uint64_t hash_of_words(std::span<const std::byte> bytes) {
  constexpr std::size_t lanes = 4;
  constexpr std::uint64_t prime = 1099511628211u, start = 14695981039346656037u;
  std::uint64_t hash[lanes] = {start, start + 1, start + 2, start + 3};
  std::size_t at = 0;
  for (; at + lanes * 4 <= bytes.size(); at += lanes * 4) {
    std::uint32_t words[lanes];
    std::memcpy(words, bytes.data() + at, sizeof words);
    for (std::size_t i = 0; i < lanes; ++i) hash[i] = (hash[i] ^ words[i]) * prime;
  }
  for (; at + 4 <= bytes.size(); at += 4) {
    std::uint32_t word;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    hash[0] = (hash[0] ^ word) * prime;
  }
  for (std::size_t i = 1; i < lanes; ++i) hash[0] = (hash[0] ^ hash[i]) * prime;
  return hash[0];
}

STRATA_DEFINE void PackedState::refresh(std::span<const std::byte> tensors, int kernels, FunctionRef<void()> pack) {
  const auto fresh = [&] {
    return settled_.load(std::memory_order_acquire) == suspicions_.load(std::memory_order_acquire) &&
           kernels_.load(std::memory_order_acquire) == kernels;
  };
  if (fresh()) return;
  const std::lock_guard lock(mutex_);
  if (fresh()) return;                                                           // another thread was faster
  const std::uint32_t suspicions = suspicions_.load(std::memory_order_acquire);  // later ones are for the next call
  const std::uint64_t hash = hash_of_words(tensors);
  if (hash != hash_ || kernels_.load(std::memory_order_relaxed) != kernels) pack();
  hash_ = hash;
  kernels_.store(kernels, std::memory_order_release);
  settled_.store(suspicions, std::memory_order_release);  // last, since who reads it uses the packed weights
}

}  // namespace strata::inline STRATA_ABI::detail
