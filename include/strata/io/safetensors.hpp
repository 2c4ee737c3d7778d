// SPDX-License-Identifier: BSL-1.0
// The safetensors format, https://github.com/huggingface/safetensors: the length of the header in eight bytes
// (little-endian); a header in JSON {"name": {"dtype", "shape", "data_offsets"}, "__metadata__": {"key": "text"}}, padded
// with spaces; then the tensors, row-major, without gaps.
#pragma once
#include <strata/io/safetensors_reader.hpp>
#include <strata/io/safetensors_writer.hpp>
