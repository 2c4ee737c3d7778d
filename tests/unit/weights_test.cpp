// SPDX-License-Identifier: BSL-1.0
// Weights in files: names, layouts, what is refused. The format itself: safetensors_test.cpp.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include <strata/io/weights.hpp>
#include <strata/strata.hpp>

#include "files.hpp"
#include "numbers_of.hpp"

namespace {
using namespace strata;
namespace fs = std::filesystem;

template <int Filters = 5, class Between = ReLU, class Pool = MaxPool<2>>
using NetOf = Sequential<Input<6, 6, 2>, Conv<Size<3, 2>, 4>, BatchNorm, Between, Residual<Conv<3, 4>, Tanh>, Pool,
                         Conv<1, Filters>, Flatten, Dense<7, NoBias>, Dropout<0.5>, Dense<3>>;
using Net = NetOf<>;

template <class N>
Model<N> model_of(std::uint64_t seed) {
  return Model<N>{{.batch = 2, .threads = 1, .seed = seed, .biases = Uniform{1}}};
}
TEST_CASE("weights are saved under Keras' names and layouts, and nothing else is") {
  const Folder folder;
  const fs::path file = folder.path / "net.safetensors";
  auto model = model_of<Net>(1);
  save_weights(model, file, {{"note", "kept"}});
  SafetensorsFile in(file);
  std::string found;
  std::int64_t numbers = 0;
  for (const SafetensorsEntry& t : in.tensors()) {
    found += t.name + detail::shape_text(t.shape) + " ";
    numbers += t.size();
  }
  CHECK(found ==
        "conv2d/kernel(3, 2, 2, 4) conv2d/bias(4) batch_normalization/gamma(4) batch_normalization/beta(4) "
        "batch_normalization/moving_mean(4) batch_normalization/moving_variance(4) conv2d_1/kernel(3, 3, 4, 4) "
        "conv2d_1/bias(4) conv2d_2/kernel(1, 1, 4, 5) conv2d_2/bias(5) dense/kernel(45, 7) dense_1/kernel(7, 3) "
        "dense_1/bias(3) ");
  CHECK(numbers == Net::parameters + 8);
  CHECK(in.metadata().size() == 4);
  CHECK(in.metadata().at("note") == "kept");
  CHECK(in.metadata().at("strata.summary") == summary<Net>());
  CHECK(in.metadata().at("strata.architecture") == architecture_fingerprint<Net>());
  CHECK(in.metadata().at("strata.checksums").find(" dense_1/bias\n") != std::string::npos);
  // Nothing of the time, the place or the process.
  auto again = model_of<Net>(1);
  save_weights(again, folder.path / "other name", {{"note", "kept"}});
  CHECK(bytes_of(file) == bytes_of(folder.path / "other name"));
  CHECK(names_in(folder.path).size() == 2);
}

TEST_CASE("weights come back") {
  const Folder folder;
  const fs::path file = folder.path / "net.safetensors";
  auto model = model_of<Net>(1);
  save_weights(model, file);
  Model<Net, Cpu, Inference> reader{{.batch = 2, .threads = 1, .seed = 2}};
  CHECK(numbers_of(reader) != numbers_of(model));
  load_weights(reader, file);
  CHECK(numbers_of(reader) == numbers_of(model));
  const std::string bytes = bytes_of(file);
  Model<Net, Cpu, Inference> from_memory{{.batch = 2, .threads = 1, .seed = 2}};
  load_weights(from_memory, in_memory(bytes), "built in");
  CHECK(numbers_of(from_memory) == numbers_of(model));
  CHECK_THROWS_WITH_AS(load_weights(from_memory, {}, "built in"),
                       "built in: 0 bytes; expected at least the 8 of a safetensors length", FileError);
  // Files of others have no fingerprint, and their tensors in any order.
  std::vector<Tensor> tensors;
  model.for_each_tensor([&](const std::string& name, const TensorInfo& info, std::span<float> values) {
    tensors.insert(tensors.begin(), {name, {info.shape.begin(), info.shape.begin() + info.rank}, values});
  });
  save_safetensors(folder.path / "foreign", tensors);
  Model<Net, Cpu, Inference> other{{.batch = 2, .threads = 1, .seed = 3}};
  load_weights(other, folder.path / "foreign");
  CHECK(numbers_of(other) == numbers_of(model));
  // A checkpoint has them too, beside what is its optimizer's.
  const std::vector<float> momentum(3);
  tensors.push_back({"optimizer/0/dense_1/bias", {3}, momentum});
  save_safetensors(folder.path / "checkpoint", tensors);
  Model<Net, Cpu, Inference> third{{.batch = 2, .threads = 1, .seed = 4}};
  load_weights(third, folder.path / "checkpoint");
  CHECK(numbers_of(third) == numbers_of(model));
}

TEST_CASE("weights of another network leave the model as it was") {
  const Folder folder;
  const fs::path file = folder.path / "net.safetensors";
  const auto refused = [&]<class N>(Model<N> model, const std::string& why) {
    const auto before = numbers_of(model);
    CHECK_THROWS_WITH_AS(load_weights(model, file), doctest::Contains(why.c_str()), FileError);
    CHECK(numbers_of(model) == before);
    // From memory it is the same message, behind the name given.
    std::string said;
    try {
      load_weights(model, file);
    } catch (const FileError& e) {
      said = e.what();
    }
    REQUIRE(said.starts_with(file.string()));
    const std::string bytes = bytes_of(file);
    CHECK_THROWS_WITH_AS(load_weights(model, in_memory(bytes), "built in"),
                         ("built in" + said.substr(file.string().size())).c_str(), FileError);
    CHECK(numbers_of(model) == before);
  };
  auto model = model_of<Net>(1);
  save_weights(model, file);
  refused(model_of<NetOf<6>>(2),
          "tensor conv2d_2/kernel has the shape (1, 1, 4, 5); expected this network's, (1, 1, 4, 6)");
  refused(model_of<Sequential<Input<2, 2, 1>, Flatten, Dense<2>, Dense<2>, Dense<2>>>(2),
          "tensor dense/kernel has the shape (45, 7)");
  refused(model_of<Sequential<Input<5, 1, 9>, Flatten, Dense<7, NoBias>, Dense<3>, Dense<3>>>(2),
          "no tensor dense_2/kernel; this network has one of shape (3, 3)");
  refused(model_of<Sequential<Input<5, 1, 9>, Flatten, Dense<7, NoBias>, Dense<3>>>(2),
          "tensor conv2d/kernel is not in this network");
  // The same tensors, other layers between them.
  refused(model_of<NetOf<5, Sigmoid>>(2), "the tensors fit this network, but the layers differ");
  refused(model_of<NetOf<5, ReLU, AvgPool<2>>>(2), "the tensors fit this network, but the layers differ");
  refused(model_of<NetOf<5, ReLU, MaxPool<3, 2, Pad<1, 0, 1, 0>>>>(2),
          "the tensors fit this network, but the layers differ");
  const std::string whole = bytes_of(file);
  put(file, whole.substr(0, whole.size() - 1));
  refused(model_of<Net>(2), "tensor dense_1/bias ends at byte");
  std::string flipped = whole;
  flipped[flipped.size() - 20] ^= 1;
  put(file, flipped);
  refused(model_of<Net>(2), "tensor dense_1/kernel is damaged: its checksum is");
  flipped = whole;
  flipped[flipped.find("strata.summary") + 40] ^= 1;
  put(file, flipped);
  refused(model_of<Net>(2), "the metadata is damaged");
}

TEST_CASE("the fingerprint is the same whatever is dropped while training") {
  using Less = Sequential<Input<2, 2, 1>, Flatten, Dense<4>, Dropout<0.25>, Dense<2>>;
  using None = Sequential<Input<2, 2, 1>, Flatten, Dense<4>, Dense<2>>;
  CHECK(architecture_fingerprint<Less>() == architecture_fingerprint<None>());
  CHECK(architecture_fingerprint<None>() ==
        architecture_fingerprint<Sequential<Input<2, 2, 1>, Flatten, Dense<4>, StochasticDepth<0.5>, Dense<2>>>());
  CHECK(architecture_fingerprint<None>() != architecture_fingerprint<Net>());
  CHECK(architecture_fingerprint<None>().size() == 16);
}

TEST_CASE("numbers that change what a layer computes are in the fingerprint") {
  const auto of = []<class L>(L) { return architecture_fingerprint<Sequential<Input<2, 2, 4>, L, Flatten, Dense<2>>>(); };
  CHECK(of(LeakyReLU{}) == of(LeakyReLUOf<0.01>{}));
  CHECK(of(LeakyReLU{}) != of(LeakyReLUOf<0.3>{}));
  // Written before there were options.
  CHECK(of(BatchNorm{}) == "e08c5bc51430e86c");
  CHECK(of(BatchNorm{}) == of(BatchNormOf<Momentum<0.9>>{}));  // it does nothing outside of training
  CHECK(of(BatchNorm{}) != of(BatchNormOf<Epsilon<1e-5>>{}));
  CHECK(of(BatchNorm{}) != of(BatchNormOf<NoScale>{}));
  CHECK(of(BatchNormOf<NoShift>{}) != of(BatchNormOf<NoScale>{}));
  CHECK(of(ELU{}) != of(ELUOf<0.5>{}));
  CHECK(of(ReLU6{}) == of(Clip<0.0, 6.0>{}));
  CHECK(of(ReLU6{}) != of(Clip<0, 1>{}));
  CHECK(of(GELU{}) != of(GELUTanh{}));
  CHECK(of(LRN<>{}) == of(LRN<5, 2.0, 1e-4, 0.75>{}));
  CHECK(of(LRN<>{}) != of(LRN<3, 2.0, 1e-4, 0.75>{}));
  CHECK(of(LRN<>{}) != of(LRN<5, 1.0, 1e-4, 0.75>{}));
  CHECK(of(LRN<>{}) != of(LRN<5, 2.0, 1e-3, 0.75>{}));
  CHECK(of(LRN<>{}) != of(LRN<5, 2.0, 1e-4, 0.5>{}));
  CHECK(of(Scale<2>{}) == of(Scale<2.0>{}));
  CHECK(of(Scale<2>{}) != of(Scale<3>{}));
  CHECK(of(GroupNorm<2>{}) != of(GroupNorm<4>{}));
  CHECK(of(GroupNorm<2>{}) == of(GroupNorm<2, Epsilon<1e-3>>{}));
  CHECK(of(GroupNorm<2>{}) != of(GroupNorm<2, Epsilon<1e-5>>{}));
  CHECK(of(LayerNorm{}) == of(LayerNormOf<>{}));
  CHECK(of(LayerNorm{}) != of(LayerNormOf<Epsilon<1e-6>>{}));
  CHECK(of(LayerNormOf<NoScale>{}) != of(LayerNormOf<NoShift>{}));
  CHECK(of(ChannelShuffle<2>{}) != of(ChannelShuffle<4>{}));
  CHECK(of(Channels<0, 4>{}) != of(Channels<4, 4>{}));
  CHECK(of(Upsample<2>{}) != of(Upsample<2, Bilinear>{}));
  CHECK(of(AvgPool<3, 1, Pad<1>>{}) != of(AvgPool<3, 1, Pad<1>, CountPadding>{}));
  CHECK(of(MaxPool<2>{}) == of(MaxPool<2, 2, CeilMode>{}));  // the same windows
  CHECK(of(Gate<Sigmoid>{}) != of(Residual<Sigmoid>{}));
  // The same shape and parameters, cut at other ends.
  CHECK(of(ConvTranspose<3, 4, Stride<2>>{}) != of(ConvTranspose<3, 4, Stride<2>, Pad<1>, OutputPadding<1>>{}));
  CHECK(of(ConvTranspose<3, 4, Stride<2>>{}) == of(ConvTranspose<3, 4, Stride<2>, Same>{}));
}

}  // namespace
