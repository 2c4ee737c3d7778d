// SPDX-License-Identifier: BSL-1.0
// cuDNN's shape rules against this library's (layers/conv.hpp): for thousands of random layers, valid and invalid, both
// accept the same, refuse the same and compute the same output size.
//
// There is one difference: cuDNN infers the number of groups from the channels of the weights. Groups that do not divide
// the channels may thus become another number of groups that does.
#include <doctest/doctest.h>

#include <random>
#include <vector>

#include <strata/backend/cuda/conv.hpp>
#include <strata/layers/conv.hpp>

using namespace strata;
using namespace strata::cuda;

namespace {

// A layer's options and its input.
struct Layer {
  strata::detail::Settings settings;
  Shape in;
  int filters = 1;
  int batch = 1;

  // What Conv::infer says.
  [[nodiscard]] LayerInfo infer() const { return strata::detail::slide_over(in, settings, &filters); }
  // Exactly these numbers, even if they are invalid.
  [[nodiscard]] Geometry asked(LayerInfo step) const {
    const WindowSpec& w = settings.window;
    Geometry g{in, {step.out.height, step.out.width, filters}, step.window, settings.groups};
    g.window.kernel_h = w.kernel_h, g.window.kernel_w = w.kernel_w;
    g.window.stride_h = w.stride_h, g.window.stride_w = w.stride_w;
    g.window.dilation_h = w.dilation_h, g.window.dilation_w = w.dilation_w;
    if (w.padding == Padding::explicit_) {
      g.window.pad_top = w.top, g.window.pad_bottom = w.bottom;
      g.window.pad_left = w.left, g.window.pad_right = w.right;
    }
    return g;
  }
};

class Draw {
 public:
  explicit Draw(unsigned seed) : random_(seed) {}
  int number(int least, int most) { return std::uniform_int_distribution<int>(least, most)(random_); }
  bool chance(int one_in) { return number(1, one_in) == 1; }

  // A layer that is valid unless its window does not fit.
  Layer layer() {
    Layer l;
    WindowSpec& w = l.settings.window;
    w.kernel_h = number(1, 7), w.kernel_w = number(1, 7);
    w.stride_h = number(1, 4), w.stride_w = number(1, 4);
    w.dilation_h = number(1, 3), w.dilation_w = number(1, 3);
    w.padding = chance(3) ? Padding::same : chance(2) ? Padding::valid : Padding::explicit_;
    if (w.padding == Padding::explicit_)
      for (int* pad : {&w.top, &w.bottom, &w.left, &w.right}) *pad = number(0, 4);
    l.settings.groups = chance(2) ? 1 : number(2, 5);
    l.in = Shape{number(1, 24), number(1, 24), l.settings.groups * number(1, 4)};
    l.filters = l.settings.groups * number(1, 4);
    l.batch = number(1, 5);
    return l;
  }
  template <std::size_t N>
  int& one_of(int* const (&numbers)[N]) {
    return *numbers[number(0, N - 1)];
  }

 private:
  std::mt19937 random_;
};

constexpr ConvOperation operations[] = {ConvOperation::forward, ConvOperation::backward_input,
                                        ConvOperation::backward_weights};

// For how many of the three operations cuDNN accepts a geometry.
int taken(const Geometry& g, int batch) {
  int count = 0;
  for (const ConvOperation operation : operations) {
    try {
      static_cast<void>(conv_graph({operation, g, batch, Math::tf32})->finalize());
      ++count;
    } catch (const CudnnError& e) {
      // A refusal and no other failure.
      REQUIRE(CUDNN_STATUS_CATEGORY(e.status()) == CUDNN_STATUS_BAD_PARAM);
    }
  }
  return count;
}

// Outputs that are a pixel too high, low, wide or narrow.
std::vector<Geometry> neighbours(const Geometry& g) {
  std::vector<Geometry> all(4, g);
  ++all[0].out.height, --all[1].out.height, ++all[2].out.width, --all[3].out.width;
  return all;
}

std::string describe(const Layer& l, const Geometry& g) {
  return ConvPlan::describe({ConvOperation::forward, g, l.batch, Math::tf32});
}

}  // namespace

TEST_CASE("cuDNN takes the layers that fit, with this size of output and no other") {
  Draw draw(1);
  int fit = 0, do_not_fit = 0;
  for (int i = 0; i < 6000; ++i) {
    const Layer l = draw.layer();
    const LayerInfo step = l.infer();
    const Geometry g = l.asked(step);
    CAPTURE(describe(l, g));
    if (step.fault == Fault::none) {
      ++fit;
      CHECK(taken(g, l.batch) == 3);
      for (const Geometry& other : neighbours(g)) CHECK(taken(other, l.batch) == 0);
    } else {
      ++do_not_fit;
      REQUIRE(step.fault == Fault::kernel_larger_than_padded_input);
      CHECK(taken(g, l.batch) == 0);
      for (const Geometry& other : neighbours(g)) CHECK(taken(other, l.batch) == 0);
    }
  }
  CHECK(fit > 2000);
  CHECK(do_not_fit > 1000);
}

TEST_CASE("cuDNN refuses sizes, strides, dilations, filters and groups that are not positive") {
  Draw draw(2);
  for (int i = 0; i < 2000; ++i) {
    Layer l = draw.layer();
    WindowSpec& w = l.settings.window;
    draw.one_of({&w.kernel_h, &w.kernel_w, &w.stride_h, &w.stride_w, &w.dilation_h, &w.dilation_w, &l.filters,
                 &l.settings.groups}) = draw.number(-3, 0);
    const LayerInfo step = l.infer();
    const Geometry g = l.asked(step);
    CAPTURE(describe(l, g));
    CHECK(step.fault == Fault::not_positive);
    CHECK(taken(g, l.batch) == 0);
  }
}

TEST_CASE("cuDNN refuses groups that do not divide, unless the weights' channels make other groups") {
  Draw draw(3);
  int refused = 0, other_groups = 0;
  for (int i = 0; i < 6000; ++i) {
    Layer l = draw.layer();
    if (draw.chance(2))
      l.in.channels += draw.number(1, 4);
    else
      l.filters += draw.number(1, 4);
    const LayerInfo step = l.infer();
    if (step.fault != Fault::groups_do_not_divide_channels) continue;
    const Geometry g = l.asked(step);
    CAPTURE(describe(l, g));
    // Its window fits in any case.
    Layer whole = l;
    whole.settings.groups = 1;
    const bool fits = whole.infer().fault == Fault::none;
    const int each = l.in.channels / l.settings.groups;
    const bool others_divide = each > 0 && l.in.channels % each == 0 && l.filters % (l.in.channels / each) == 0;
    CHECK(taken(g, l.batch) == (fits && others_divide ? 3 : 0));
    (fits && others_divide ? other_groups : refused) += 1;
  }
  CHECK(refused > 500);
  CHECK(other_groups > 10);
}

TEST_CASE("cuDNN refuses paddings below zero") {
  Draw draw(4);
  for (int i = 0; i < 2000; ++i) {
    Layer l = draw.layer();
    WindowSpec& w = l.settings.window;
    w.padding = Padding::explicit_;
    draw.one_of({&w.top, &w.bottom, &w.left, &w.right}) = draw.number(-3, -1);
    const LayerInfo step = l.infer();
    Geometry g = l.asked(step);
    CAPTURE(describe(l, g));
    CHECK(step.fault == Fault::negative_padding);
    CHECK(taken(g, l.batch) == 0);
    // Nor the size that the formula gives for a cropped input.
    g.out.height = static_cast<int>(slide_rows(w, l.in.height).output);
    g.out.width = static_cast<int>(slide_columns(w, l.in.width).output);
    CHECK(taken(g, l.batch) == 0);
  }
}
