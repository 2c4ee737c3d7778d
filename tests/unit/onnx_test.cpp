// SPDX-License-Identifier: BSL-1.0
// The files that save_onnx() writes, read with its messages. tests/onnx/onnx_test.py runs such files in other programs.
#include <doctest/doctest.h>

#include <sys/resource.h>

#include <csignal>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <strata/io/onnx.hpp>
#include <strata/strata.hpp>

#include "files.hpp"

// A layer with a number for each channel, and an activation, both of a user: how they are written as ONNX is below.
struct Shift {
  static constexpr const char* name = "Shift";
  static constexpr strata::LayerInfo infer(strata::Shape in) {
    strata::LayerInfo s = strata::detail::keep(in, strata::Values::any);
    s.parameters = in.channels;
    return s;
  }
  static constexpr std::array<strata::TensorInfo, 1> tensors(strata::Shape in) {
    return {strata::TensorInfo{"offset", strata::Role::shift, {in.channels}, 1, 0, 0}};
  }
};
template <>
struct strata::Kernel<Shift> : strata::KernelTraits {
  template <class P>
  static void forward(const P& p) {
    for (std::int64_t i = 0; i < p.count_in(); ++i) p.y[i] = p.x[i] + p.parameters[i % p.in.channels];
  }
};
template <>
struct strata::OnnxLayer<Shift> {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) {
    return graph.node("Add", {in.x, graph.constant(in.tensors[0].name, in.tensors[0].shape, in.tensors[0].data)});
  }
};
struct Twice : strata::Activation<strata::Values::any> {
  static constexpr const char* name = "Twice";
  template <class T>
  static T forward(T x) {
    return 2 * x;
  }
  template <class T>
  static T backward(T, T dy) {
    return 2 * dy;
  }
};
template <>
struct strata::OnnxLayer<Twice> : strata::OnnxElementwise {
  static std::string write(OnnxGraph& graph, const OnnxInput& in) { return graph.node("Add", {in.x, in.x}); }
};

namespace {
using namespace strata;
namespace fs = std::filesystem;

// Weights 0, 1, 2, ... in each tensor.
template <class Net>
Model<Net, Cpu, Inference> counting() {
  Model<Net, Cpu, Inference> model{{.batch = 1, .threads = 1}};
  model.for_each_tensor(
      [](const std::string&, const TensorInfo&, std::span<float> values) { std::iota(values.begin(), values.end(), 0.f); });
  return model;
}
onnx::ModelProto read(const fs::path& file) {
  onnx::ModelProto message;
  std::ifstream in(file, std::ios::binary);
  REQUIRE(message.ParseFromIstream(&in));
  return message;
}
template <class Net>
onnx::ModelProto written(const OnnxOptions& options = {}) {
  const Folder folder;
  auto model = counting<Net>();
  save_onnx(model, folder.path / "net.onnx", options);
  return read(folder.path / "net.onnx");
}

// "Conv(x, w) -> y; Relu(y) -> z"
std::string text_of(const onnx::ModelProto& message) {
  std::string text;
  for (const onnx::NodeProto& n : message.graph().node()) {
    text += (text.empty() ? "" : "; ") + n.op_type() + "(";
    for (int i = 0; i < n.input_size(); ++i) text += (i > 0 ? ", " : "") + n.input(i);
    text += ") -> " + n.output(0);
  }
  return text;
}
std::string port_text(const onnx::ValueInfoProto& port) {
  std::string text = port.name();
  CHECK(port.type().tensor_type().elem_type() == 1);
  for (const auto& d : port.type().tensor_type().shape().dim())
    text += " " + (d.has_dim_param() ? d.dim_param() : std::to_string(d.dim_value()));
  return text;
}
std::vector<std::int64_t> list_of(const onnx::NodeProto& n, const std::string& name) {
  for (const onnx::AttributeProto& a : n.attribute())
    if (a.name() == name) {
      CHECK(a.type() == onnx::AttributeProto::INTS);
      return {a.ints().begin(), a.ints().end()};
    }
  FAIL("no attribute " << name);
  return {};
}
const onnx::TensorProto& tensor_named(const onnx::ModelProto& message, const std::string& name) {
  for (const onnx::TensorProto& t : message.graph().initializer())
    if (t.name() == name) return t;
  FAIL("no tensor " << name);
  return message.graph().initializer(0);
}
std::vector<float> floats_of(const onnx::TensorProto& t) {
  CHECK(t.data_type() == 1);
  std::vector<float> values(t.raw_data().size() / 4);
  std::memcpy(values.data(), t.raw_data().data(), 4 * values.size());
  return values;
}
using Integers = std::vector<std::int64_t>;

TEST_CASE("a network as ONNX: nodes, shapes, order of the weights, metadata") {
  using Net =
      Sequential<Input<3, 2, 2>, Conv<Size<1, 2>, 2, Pad<0, 1, 2, 3>, Stride<1, 2>>, ReLU, Flatten, Dropout<0.5>, Dense<1>>;
  static_assert(Net::shapes[1] == Shape{4, 3, 2});
  const onnx::ModelProto message = written<Net>({.metadata = {{"strata.data", "mine"}}});
  CHECK(message.ir_version() == 8);
  CHECK(message.producer_name() == "strata");
  CHECK(message.producer_version() == version);
  REQUIRE(message.opset_import_size() == 1);
  CHECK(message.opset_import(0).version() == 17);
  CHECK(message.opset_import(0).domain().empty());
  std::map<std::string, std::string> metadata;
  for (const auto& entry : message.metadata_props()) metadata[entry.key()] = entry.value();
  CHECK(metadata == std::map<std::string, std::string>{{"strata.architecture", architecture_fingerprint<Net>()},
                                                       {"strata.data", "mine"}});

  const onnx::GraphProto& graph = message.graph();
  CHECK(text_of(message) ==
        "Conv(input, conv2d/kernel, conv2d/bias) -> Conv_1/Conv; Relu(Conv_1/Conv) -> ReLU_2/Relu; "
        "Flatten(ReLU_2/Relu) -> Dense_5/Flatten; Gemm(Dense_5/Flatten, dense/kernel, dense/bias) -> output");
  REQUIRE(graph.input_size() == 1);
  REQUIRE(graph.output_size() == 1);
  CHECK(port_text(graph.input(0)) == "input N 2 3 2");
  CHECK(port_text(graph.output(0)) == "output N 1");
  CHECK(list_of(graph.node(0), "kernel_shape") == Integers{1, 2});
  CHECK(list_of(graph.node(0), "strides") == Integers{1, 2});
  CHECK(list_of(graph.node(0), "pads") == Integers{0, 2, 1, 3});
  CHECK(list_of(graph.node(0), "dilations") == Integers{1, 1});

  // (KH,KW,C,F) with the number ((kw C + c) F + f) becomes (F,C,KH,KW).
  const onnx::TensorProto& kernel = tensor_named(message, "conv2d/kernel");
  CHECK(Integers(kernel.dims().begin(), kernel.dims().end()) == Integers{2, 2, 1, 2});
  CHECK(floats_of(kernel) == std::vector<float>{0, 4, 2, 6, 1, 5, 3, 7});
  // The map of 4x3x2 before the Dense: row (y 3 + x) 2 + c comes to (c 4 + y) 3 + x.
  std::vector<float> rows;
  for (int c = 0; c < 2; ++c)
    for (int place = 0; place < 12; ++place) rows.push_back(static_cast<float>(2 * place + c));
  CHECK(floats_of(tensor_named(message, "dense/kernel")) == rows);
}

TEST_CASE("the layout and the names by option") {
  using Net = Sequential<Input<3, 5, 2>, ReLU>;
  const onnx::ModelProto message = written<Net>({.layout = OnnxLayout::nhwc, .input = "pixels", .output = "map"});
  CHECK(text_of(message) ==
        "Transpose(pixels) -> Input_0/Transpose; Relu(Input_0/Transpose) -> ReLU_1/Relu; "
        "Transpose(ReLU_1/Relu) -> map");
  CHECK(list_of(message.graph().node(0), "perm") == Integers{0, 3, 1, 2});
  CHECK(list_of(message.graph().node(2), "perm") == Integers{0, 2, 3, 1});
  CHECK(port_text(message.graph().input(0)) == "pixels N 3 5 2");
  CHECK(port_text(message.graph().output(0)) == "map N 3 5 2");
  CHECK(port_text(written<Net>().graph().output(0)) == "output N 2 3 5");
  CHECK(text_of(written<Sequential<Input<3, 5, 2>, Expect<3, 5, 2>>>()) == "Identity(input) -> output");

  auto model = counting<Net>();
  const Folder folder;
  const auto refuses = [&](const OnnxOptions& options, const char* says) {
    CHECK_THROWS_WITH_AS(save_onnx(model, folder.path / "a", options), doctest::Contains(says), std::invalid_argument);
  };
  refuses({.input = ""}, "the input of an ONNX graph has no name");
  refuses({.output = ""}, "the output of an ONNX graph is named \"\"");
  refuses({.input = "x", .output = "x"}, "named \"x\", which is empty or the name of another value");
  CHECK(names_in(folder.path).empty());
  // Names that nodes would have had.
  CHECK(text_of(written<Net>({.input = "ReLU_1/Relu"})) == "Relu(ReLU_1/Relu) -> output");
  CHECK(text_of(written<Net>({.output = "ReLU_1/Relu"})) == "Relu(input) -> ReLU_1/Relu");
}

TEST_CASE("a vector of channels, rows, columns is ordered anew only where it matters") {
  using Map = Input<2, 1, 3>;
  CHECK(text_of(written<Sequential<Map, Flatten, ReLU, Softmax, Dense<2>>>()).find("Transpose") == std::string::npos);
  CHECK(text_of(written<Sequential<Map, Flatten>>()) ==
        "Transpose(input) -> Output/Transpose; Flatten(Output/Transpose) -> output");
  CHECK(text_of(written<Sequential<Map, Flatten, ReLU>>()) ==
        "Flatten(input) -> ReLU_2/Flatten; Relu(ReLU_2/Flatten) -> ReLU_2/Relu; "
        "Reshape(ReLU_2/Relu, Output/constant) -> Output/Reshape; Transpose(Output/Reshape) -> Output/Transpose; "
        "Flatten(Output/Transpose) -> output");
  // One place, or one channel: both orders are one.
  CHECK(text_of(written<Sequential<Input<1, 1, 3>, Flatten>>()) == "Flatten(input) -> output");
  CHECK(text_of(written<Sequential<Input<3, 2, 1>, Flatten>>()) == "Flatten(input) -> output");
}

TEST_CASE("layers of a user are written as they say") {
  const onnx::ModelProto message = written<Sequential<Input<2, 1, 2>, Flatten, Twice, Shift, Dense<1>>>();
  // Twice keeps any order; Shift, which does not say so, gets strata's.
  CHECK(text_of(message) ==
        "Flatten(input) -> Twice_2/Flatten; Add(Twice_2/Flatten, Twice_2/Flatten) -> Twice_2/Add; "
        "Reshape(Twice_2/Add, Shift_3/constant) -> Shift_3/Reshape; Transpose(Shift_3/Reshape) -> Shift_3/Transpose; "
        "Flatten(Shift_3/Transpose) -> Shift_3/Flatten; Add(Shift_3/Flatten, Shift/offset) -> Shift_3/Add; "
        "Gemm(Shift_3/Add, dense/kernel, dense/bias) -> output");
  CHECK(floats_of(tensor_named(message, "Shift/offset")) == std::vector<float>{0, 1, 2, 3});
  CHECK(floats_of(tensor_named(message, "dense/kernel")) == std::vector<float>{0, 1, 2, 3});
}

TEST_CASE("joins, and names that occur once") {
  using Net = Sequential<Input<4, 4, 2>, Residual<Conv<3, 2, NoBias>, GELU>, Concat<ReLU, Conv<1, 1, NoBias>>,
                         Gate<GlobalAvgPool, Dense<3>, Sigmoid>, Residual<Tanh, Shortcut<Tanh>>>;
  const onnx::ModelProto message = written<Net>();
  std::map<std::string, int> seen;
  for (const auto& n : message.graph().node()) {
    ++seen[n.output(0)];
    CHECK(n.name().find('/') != std::string::npos);
  }
  for (const auto& t : message.graph().initializer()) ++seen[t.name()];
  ++seen["input"];
  for (const auto& [name, times] : seen) CHECK_MESSAGE(times == 1, name);
  // Every input is known before.
  std::map<std::string, bool> known{{"input", true}};
  for (const auto& t : message.graph().initializer()) known[t.name()] = true;
  for (const auto& n : message.graph().node()) {
    for (const std::string& x : n.input()) CHECK_MESSAGE(known[x], x);
    known[n.output(0)] = true;
  }
  const std::string text = text_of(message);
  CHECK(text.find("Add(GELU_2/Mul_1, input) -> Residual_3/Add") != std::string::npos);
  CHECK(text.find("Concat(ReLU_4/Relu, Conv_5/Conv) -> Concat_6/Concat") != std::string::npos);
  CHECK(text.find("Mul(Concat_6/Concat, Gate_10/Unsqueeze) -> Gate_10/Mul") != std::string::npos);
  CHECK(text.ends_with("Add(Tanh_11/Tanh, Tanh_12/Tanh) -> output"));
}

TEST_CASE("the file is written as a whole or not at all, and equal models give equal bytes") {
  const Folder folder;
  auto model = counting<Sequential<Input<8, 8, 3>, Conv<3, 8>, Flatten, Dense<900>>>();
  const fs::path file = folder.path / "net.onnx";
  save_onnx(model, file);
  const std::string bytes = bytes_of(file);
  CHECK(bytes.size() > 4 * 512 * 900);
  save_onnx(model, folder.path / "other.onnx");
  CHECK(bytes_of(folder.path / "other.onnx") == bytes);

  CHECK_THROWS_AS(save_onnx(model, folder.path / "none" / "net.onnx"), std::system_error);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto old = std::signal(SIGXFSZ, SIG_IGN);  // write() fails with EFBIG then
  const rlimit little{1 << 20, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &little) == 0);
  std::string said;
  try {
    save_onnx(model, file);
  } catch (const std::system_error& e) {
    said = e.what();
  }
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, old);
  CHECK(said.find(file.string()) != std::string::npos);
  CHECK(bytes_of(file) == bytes);
  CHECK(names_in(folder.path) == std::vector<std::string>{"net.onnx", "other.onnx"});
}

}  // namespace
