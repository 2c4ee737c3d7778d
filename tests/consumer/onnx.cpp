// SPDX-License-Identifier: BSL-1.0
#include <strata/io/onnx.hpp>

int main() { return strata::onnx::ModelProto().graph().node_size(); }
