// SPDX-License-Identifier: BSL-1.0
// The networks of examples/notes, against the figures of the notes.
#include "../../examples/notes/networks.hpp"
#include "summary_of_h.hpp"

namespace {
using namespace notes;

static_assert(keras_summary<H, summary_of_h>);
static_assert(H::parameters == 21'963'236 && F::parameters == 21'594'506);

// A first convolution of KxK has KxKx3x96 weights; what follows has the same shapes, also behind a pad of 4.
constexpr std::int64_t first_of_f = 5 * 5 * 3 * 96;
static_assert(E::parameters - F::parameters == 7 * 7 * 3 * 96 - first_of_f);
static_assert(A::parameters - F::parameters == 11 * 11 * 3 * 96 - first_of_f);
static_assert(B::parameters == A::parameters && D::parameters == A::parameters && APad4::parameters == A::parameters);
static_assert(A::macs > APad4::macs);
static_assert(AlexNet<Parts>::output == Shape{100} && AlexNet<Ten>::output == Shape{10});
// Dropout is all that these differ in.
static_assert(A::layers + 2 == B::layers && HThree::layers == H::layers + 1);
static_assert(HThree::parameters == H::parameters && Keep15::parameters == H::parameters);
static_assert(Keep15_::Drop::rate == 0.85 && Rate15_::Drop::rate == 0.15);

// The slip: [5,5,3,256] and 256 biases in place of [5,5,96,256]. It is 32 groups, and costs nothing but the parameters.
static_assert(H::parameters - Slip::parameters == 614'656 - 19'456);
static_assert(Sequential<Input<15, 15, 96>, Slip_::Second>::parameters == 19'456);
static_assert(Sequential<Input<15, 15, 96>, Slip_::Second>::output == Sequential<Input<15, 15, 96>, Parts::Second>::output);
// [3,3,192,384] and [3,3,192,256] of the network that the notes were compared with.
static_assert(H::parameters - TwoGroups::parameters == 3 * 3 * 192 * (384 + 256));

// Same and stride 1: 32, 16, 16, 8, 8, 4 and a flatten of 4096.
static_assert(SameOne::parameters - H::parameters == (4096 - 256) * std::int64_t{4096});
static_assert(Sequential<Input<32, 32, 3>, Parts::First, SameOne_::Pool, SameOne_::Second, SameOne_::Pool, Conv<3, 256>,
                         SameOne_::Pool>::output == Shape{4, 4, 256});
static_assert(NnRelu::parameters == SameOne::parameters - (614'656 - 19'456));
static_assert(NnMended::parameters == SameOne::parameters && NnLinear::parameters == SameOne::parameters);
static_assert(Layers::parameters == H::parameters);

// What strata says of them: the ends that the rewrites have are refused, and nothing else of them is.
template <class Net>
constexpr Fault verdict = diagnose<Net, SoftmaxCrossEntropy>().fault;
static_assert(verdict<H> == Fault::none && verdict<Linear> == Fault::none && verdict<NnLinear> == Fault::none);
static_assert(verdict<SoftmaxEnd> == Fault::loss_needs_logits && verdict<ReluEnd> == Fault::loss_needs_logits);
static_assert(verdict<Layers> == Fault::loss_needs_logits && verdict<NnSoftmax> == Fault::loss_needs_logits);
static_assert(verdict<NnRelu> == Fault::loss_needs_logits && verdict<NnMended> == Fault::loss_needs_logits);
static_assert(diagnose<Layers, Unchecked<SoftmaxCrossEntropy>>().ok());
}  // namespace
