// SPDX-License-Identifier: BSL-1.0
// embedded TEXT: whether the embedded file is this text.
#include <cstring>

#include <embedded/weights.hpp>

int main(int argc, char** argv) {
  const std::span<const std::byte> bytes = embedded::weights();
  return argc == 2 && bytes.size() == std::strlen(argv[1]) && std::memcmp(bytes.data(), argv[1], bytes.size()) == 0 ? 0 : 1;
}
