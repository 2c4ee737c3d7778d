// SPDX-License-Identifier: BSL-1.0
// Models as ONNX files, opset 17. The CMake target strata::onnx links protobuf.
//   save_onnx(model, "net.onnx", {.metadata = metadata_of(data_info<Cifar10>(normalize))});
// Without CMake: run protoc --proto_path=include --cpp_out=include strata/io/onnx.proto and compile its output.
#pragma once
#include <strata/core/errors.hpp>
#include <strata/core/linkage.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <strata/io/onnx.pb.h>
#include <strata/io/onnx_graph.hpp>
#include <strata/io/onnx_layers.hpp>
#include <strata/model/model.hpp>
#include <strata/util/atomic_file.hpp>
#include <strata/util/version.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

inline void set_attribute(onnx::AttributeProto& to, const OnnxAttribute& from) {
  to.set_name(from.name);
  if (const auto* number = std::get_if<std::int64_t>(&from.value)) {
    to.set_type(onnx::AttributeProto::INT);
    to.set_i(*number);
  } else if (const auto* real = std::get_if<float>(&from.value)) {
    to.set_type(onnx::AttributeProto::FLOAT);
    to.set_f(*real);
  } else if (const auto* text = std::get_if<std::string>(&from.value)) {
    to.set_type(onnx::AttributeProto::STRING);
    to.set_s(*text);
  } else {
    to.set_type(onnx::AttributeProto::INTS);
    for (const std::int64_t n : std::get<std::vector<std::int64_t>>(from.value)) to.add_ints(n);
  }
}

inline void set_port(onnx::ValueInfoProto& to, const OnnxPort& from) {
  to.set_name(from.name);
  onnx::TypeProto::Tensor& type = *to.mutable_type()->mutable_tensor_type();
  type.set_elem_type(static_cast<std::int32_t>(OnnxType::float32));
  type.mutable_shape()->add_dim()->set_dim_param("N");
  for (const std::int64_t n : from.sample) type.mutable_shape()->add_dim()->set_dim_value(n);
}

inline onnx::ModelProto onnx_message(OnnxGraph graph) {
  onnx::ModelProto model;
  model.set_ir_version(8);  // that of opset 17
  model.set_producer_name("strata");
  model.set_producer_version(std::string(version));
  model.add_opset_import()->set_version(17);
  onnx::GraphProto& to = *model.mutable_graph();
  to.set_name("strata");
  set_port(*to.add_input(), graph.input);
  set_port(*to.add_output(), graph.output);
  for (const OnnxNode& from : graph.nodes()) {
    onnx::NodeProto& n = *to.add_node();
    n.set_name(from.name);
    n.set_op_type(from.op);
    for (const std::string& input : from.inputs) n.add_input(input);
    n.add_output(from.output);
    for (const OnnxAttribute& attribute : from.attributes) set_attribute(*n.add_attribute(), attribute);
  }
  for (OnnxConstant& from : graph.take_constants()) {
    onnx::TensorProto& t = *to.add_initializer();
    t.set_name(from.name);
    t.set_data_type(static_cast<std::int32_t>(from.type));
    for (const std::int64_t n : from.shape) t.add_dims(n);
    t.set_raw_data(std::move(from.bytes));
  }
  for (const auto& [key, value] : graph.metadata) {
    onnx::StringStringEntryProto& entry = *model.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  }
  return model;
}

class OnnxStream final : public google::protobuf::io::CopyingOutputStream {
 public:
  explicit OnnxStream(AtomicFileWriter& writer) : writer_(writer) {}
  bool Write(const void* bytes, int size) override {
    try {
      writer_.write({static_cast<const std::byte*>(bytes), static_cast<std::size_t>(size)});
      return true;
    } catch (...) {  // protobuf is not written for exceptions
      error_ = std::current_exception();
      return false;
    }
  }
  [[nodiscard]] const std::exception_ptr& error() const { return error_; }

 private:
  AtomicFileWriter& writer_;
  std::exception_ptr error_;
};

}  // namespace detail

// Writes a graph. Throws as save_onnx() does.
inline void write_onnx(const std::filesystem::path& file, OnnxGraph graph) {
  const onnx::ModelProto message = detail::onnx_message(std::move(graph));
  constexpr std::size_t most = std::numeric_limits<std::int32_t>::max();
  if (const std::size_t bytes = message.ByteSizeLong(); bytes > most)
    throw std::invalid_argument("strata: " + file.string() + ": this network takes " + std::to_string(bytes) +
                                " bytes; an ONNX file holds at most " + std::to_string(most));
  write_file_atomically(file, [&](AtomicFileWriter& writer) {
    detail::OnnxStream stream(writer);
    google::protobuf::io::CopyingOutputStreamAdaptor buffered(&stream, 1 << 20);
    const bool written = message.SerializeToZeroCopyStream(&buffered) && buffered.Flush();
    if (stream.error()) std::rethrow_exception(stream.error());
    if (!written) throw std::runtime_error("strata: protobuf cannot write " + file.string());
  });
}

// Writes what the network computes when it predicts, as an ONNX file with a free batch size. The input is a float32 tensor
// (N,C,H,W), or (N,H,W,C) by option, and so is an output that is a map; a flat output is (N,n). Dropout, StochasticDepth
// and Expect vanish. The metadata given, and the network's fingerprint, become the model's metadata_props. Equal models
// give equal bytes; the file is written completely or not at all. A layer of your own that has no OnnxLayer (see
// io/onnx_graph.hpp) does not compile. Throws std::invalid_argument for the name of an input or output that is empty or
// taken, and if the file would exceed 2 GiB; std::system_error or FileError if it cannot be written.
template <class Net, class Backend, class Mode>
void save_onnx(Model<Net, Backend, Mode>& model, const std::filesystem::path& file, const OnnxOptions& options = {}) {
  write_onnx(file, onnx_graph(model, options));
}

}  // namespace strata::inline STRATA_ABI
