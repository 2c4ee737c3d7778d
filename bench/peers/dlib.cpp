// SPDX-License-Identifier: BSL-1.0
// dlib: a network as a type too. Its products come from a BLAS, once an image.
#include <dlib/dnn.h>
#include <dlib/revision.h>

#include <iterator>

#include "peer.hpp"

namespace {

// SUBNET is innermost: the list reads from the last layer to the first.
template <long filters, int size, int stride, class SUBNET>
using conv = dlib::relu<dlib::add_layer<dlib::con_<filters, size, size, stride, stride, size / 2, size / 2>, SUBNET>>;
template <class SUBNET>
using pool = dlib::max_pool<3, 3, 2, 2, SUBNET>;
template <class SUBNET>
using features =
    pool<conv<256, 3, 1, conv<384, 3, 1, conv<384, 3, 1, pool<conv<256, 5, 2, pool<conv<96, 5, 1, SUBNET>>>>>>>>;
template <class SUBNET>
using plain_dense = dlib::relu<dlib::fc<4096, SUBNET>>;
template <class SUBNET>
using dense = dlib::dropout<plain_dense<SUBNET>>;
using Input = dlib::input<std::array<dlib::matrix<float>, 3>>;
using Net = dlib::loss_multiclass_log<dlib::fc<10, dense<dense<features<Input>>>>>;
using Plain = dlib::loss_multiclass_log<dlib::fc<10, plain_dense<plain_dense<features<Input>>>>>;

// Visits the parameters of convolutions and dense layers, last layer first.
template <class F>
class Visitor {
 public:
  explicit Visitor(F f) : f_(f) {}
  template <class Layer>
  void operator()(std::size_t, Layer& layer) {
    dlib::tensor& parameters = layer.layer_details().get_layer_params();
    if (parameters.size() > 0) f_(parameters);
  }
  template <class Loss, class Subnet>
  void operator()(std::size_t, dlib::add_loss_layer<Loss, Subnet>&) {}
  template <unsigned long id, class E>
  void operator()(std::size_t, dlib::add_tag_layer<id, E>&) {}
  void operator()(std::size_t, Input&) {}

 private:
  F f_;
};

template <class N>
class Dlib : public bench::Peer {
 public:
  Dlib(const bench::Setup& setup, const bench::Data& data) {
    const std::vector<float> images = bench::images_nchw(data);
    const auto size = static_cast<std::size_t>(setup.batch);
    for (std::size_t first = 0; first + size <= data.labels.size(); first += size) {
      dlib::resizable_tensor x(setup.batch, 3, 32, 32);
      std::copy_n(images.data() + first * bench::pixels, size * bench::pixels, x.host());
      batches_.push_back(std::move(x));
      labels_.emplace_back(data.labels.begin() + static_cast<std::ptrdiff_t>(first),
                           data.labels.begin() + static_cast<std::ptrdiff_t>(first + size));
    }
    // dlib wants to have made a tensor itself once, and allocates the parameters in the first forward pass.
    std::array<dlib::matrix<float>, 3> image;
    for (dlib::matrix<float>& channel : image) channel = dlib::zeros_matrix<float>(32, 32);
    dlib::resizable_tensor any;
    net_.to_tensor(&image, &image + 1, any);
    net_.subnet().forward(batches_[0]);
    int layer = bench::layer_count;
    visit([&](dlib::tensor& parameters) {
      const bench::Layer& l = bench::layers[--layer];
      count_ += parameters.size();
      // Convolutions are (out, in, H, W), dense layers (in, out), each with its bias behind.
      const std::vector<float> kernel = bench::kernel_oihw(data, layer);
      const float* from = layer < bench::convolutions ? kernel.data() : data.kernel(layer);
      std::copy_n(from, l.weights(), parameters.host());
      std::copy_n(data.bias(layer), l.out_channels, parameters.host() + l.weights());
    });
    if (layer != 0) throw std::logic_error("dlib's network has other layers");
    if (setup.training) {
      solvers_.assign(N::num_computational_layers, dlib::sgd(0.0F, static_cast<float>(bench::momentum)));
    } else if constexpr (std::is_same_v<N, Net>) {
      throw std::logic_error("for inference take the network without dropout");
    }
  }
  double step(int number) override {
    const auto i = static_cast<std::size_t>(number);
    const double loss = net_.compute_parameter_gradients(batches_[i], labels_[i].begin());
    net_.update_parameters(dlib::make_sstack(solvers_), bench::learning_rate);
    return loss;
  }
  const float* predict(int number) override {
    return net_.subnet().forward(batches_[static_cast<std::size_t>(number)]).host();
  }
  [[nodiscard]] std::size_t parameters() const override { return count_; }

 private:
  template <class F>
  void visit(F f) {
    dlib::visit_layers(net_, Visitor<F>(f));
  }

  N net_;
  std::vector<dlib::resizable_tensor> batches_;
  std::vector<std::vector<unsigned long>> labels_;
  std::vector<dlib::sgd> solvers_;
  std::size_t count_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const std::string version = std::to_string(DLIB_MAJOR_VERSION) + "." + std::to_string(DLIB_MINOR_VERSION);
  return bench::run(argc, argv, "dlib", version, [](const bench::Setup& setup, const bench::Data& data) {
    // Dropout is another layer for inference, so another type.
    if (setup.dropout) return std::unique_ptr<bench::Peer>(std::make_unique<Dlib<Net>>(setup, data));
    return std::unique_ptr<bench::Peer>(std::make_unique<Dlib<Plain>>(setup, data));
  });
}
