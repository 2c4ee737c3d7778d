// SPDX-License-Identifier: BSL-1.0
// Test-time augmentation: the outputs for several views of an image, averaged by weight before loss, classes and metrics
// see them.
//   evaluate(model, data, loss, {.views = mirror_and_shift()});
//   const std::vector<float> logits = predict_views(model, images, mirror_and_shift());
#pragma once
#include <algorithm>
#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/core/shape.hpp>
#include <strata/data/augment.hpp>
#include <strata/model/model.hpp>

namespace strata::inline STRATA_ABI {

// The image moved by whole pixels, the border reflected without the edge itself (PyTorch's padding_mode "reflect"), then
// mirrored left to right.
struct View {
  bool mirror = false;
  int down = 0, right = 0;  // pixels
  double weight = 1;        // of this view's outputs in their mean
};

// The image and its mirror.
[[nodiscard]] std::vector<View> mirror_views();
// The same, and the image moved up and left, and down and right, with their mirrors, at half the weight: the evaluation of
// the CIFAR-10 recipe of Jordan 2024.
[[nodiscard]] std::vector<View> mirror_and_shift(int pixels = 1);

namespace detail {

// Throws std::invalid_argument for a move that is not within the image, and for weights that are negative or all 0.
void check_views(std::span<const View> views, Shape image);

// n images (n,H,W,C).
template <class T>
void make_view(const View& view, Shape s, const T* from, T* to, std::size_t n) {
  const auto channels = static_cast<std::size_t>(s.channels);
  for (std::size_t i = 0; i < n; ++i, from += s.size())
    for (int y = 0; y < s.height; ++y)
      for (int x = 0; x < s.width; ++x, to += channels) {
        const int column = view.mirror ? s.width - 1 - x : x;
        const int pixel = reflected(y - view.down, s.height) * s.width + reflected(column - view.right, s.width);
        std::copy_n(from + static_cast<std::size_t>(pixel) * channels, channels, to);
      }
}

// The weighted mean over checked views of what run(images) gives; refers to memory of its own.
template <class T>
class ViewedOutputs {
 public:
  template <class Run>
  std::span<const T> operator()(std::span<const View> views, Shape image, std::span<const T> images, const Run& run) {
    double all = 0;
    for (const View& view : views) all += view.weight;
    images_.resize(images.size());
    bool first = true;
    for (const View& view : views) {
      make_view(view, image, images.data(), images_.data(), images.size() / static_cast<std::size_t>(image.size()));
      const std::span<const T> outputs = run(std::span<const T>(images_));
      outputs_.resize(outputs.size());
      const T share = static_cast<T>(view.weight / all);
      for (std::size_t i = 0; i < outputs.size(); ++i)
        outputs_[i] = first ? share * outputs[i] : outputs_[i] + share * outputs[i];
      first = false;
    }
    return outputs_;
  }

 private:
  std::vector<T> images_, outputs_;
};

}  // namespace detail

// The mean outputs (N,output) for the views of images (N,H,W,C), of which there may be more than a batch; without views, of
// the images as they are. Throws std::invalid_argument for a size that is not a multiple of an image and for views that do
// not fit.
template <class Net, class Backend, class Mode>
[[nodiscard]] std::vector<typename Model<Net, Backend, Mode>::T> predict_views(
    Model<Net, Backend, Mode>& model, std::type_identity_t<std::span<const typename Model<Net, Backend, Mode>::T>> images,
    const std::vector<View>& views = {}) {
  using T = typename Model<Net, Backend, Mode>::T;
  detail::check_views(views, Net::input);
  const std::size_t batch = static_cast<std::size_t>(Net::input.size()) * static_cast<std::size_t>(model.options().batch);
  detail::ViewedOutputs<T> viewed;
  const auto run = [&](std::span<const T> x) { return model.predict(x); };
  std::vector<T> all;
  for (std::size_t at = 0; at < images.size(); at += batch) {
    const std::span<const T> some = images.subspan(at, std::min(batch, images.size() - at));
    const std::span<const T> outputs = views.empty() ? run(some) : viewed(views, Net::input, some, run);
    all.insert(all.end(), outputs.begin(), outputs.end());
  }
  return all;
}

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/training/views_impl.hpp>
#endif
