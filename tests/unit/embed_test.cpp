// SPDX-License-Identifier: BSL-1.0
// Files that strata_embed_file() of CMake put into this program; tests/CMakeLists.txt names them.
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <embedded/nothing.hpp>
#include <embedded/odd_name.hpp>
#include <embedded/pytorch_net.hpp>
#include <strata/io/safetensors.hpp>

#include "files.hpp"

namespace {

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST_CASE("embedded files are the files") {
  const std::string file = bytes_of("tests/data/exchange/pytorch_net.safetensors");
  REQUIRE(file.size() > 1000);
  CHECK(text_of(embedded::pytorch_net()) == file);
  CHECK(reinterpret_cast<std::uintptr_t>(embedded::pytorch_net().data()) % 64 == 0);
  CHECK(text_of(embedded::odd_name()) == "three");  // its path has spaces, its size is no multiple of eight
  CHECK(embedded::nothing().empty());
  const strata::SafetensorsFile weights(embedded::pytorch_net(), "pytorch_net");
  CHECK(weights.find("conv2d/kernel") != nullptr);
}

}  // namespace
