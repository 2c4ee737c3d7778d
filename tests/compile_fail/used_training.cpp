// SPDX-License-Identifier: BSL-1.0
// A valid network with a loss or a data set that does not fit: in train, in evaluate, and in a training loop of one's own.
#include <strata/strata.hpp>
using namespace strata;

template <class... Last>
using Ends = Sequential<Input<32, 32, 3>, Conv<3, 8, Stride<4>>, ReLU, Flatten, Dense<10>, Last...>;

// cases: softmax relu sigmoid dropout probabilities logarithms classes images map three
// cases: evaluate_classes evaluate_loss evaluate_images step
using Data = Cifar10;
using Loss = SoftmaxCrossEntropy;
using Net = Ends<>;

#if defined CASE_softmax
// expect-error(softmax): error::loss_needs_logits<.*Softmax
auto trained(Model<Ends<Softmax>>& m, const Data& d) { return train(m, d, Loss{}, SGD{.learning_rate = 0.1}); }
#elif defined CASE_relu
// expect-error(relu): error::loss_needs_logits<
auto trained(Model<Ends<ReLU>>& m, const Data& d) { return train(m, d, Loss{}, SGD{.learning_rate = 0.1}); }
#elif defined CASE_sigmoid
// expect-error(sigmoid): error::loss_needs_logits<
auto trained(Model<Ends<Sigmoid>>& m, const Data& d) { return train(m, d, Loss{}, SGD{.learning_rate = 0.1}); }
#elif defined CASE_dropout
// expect-error(dropout): error::loss_needs_logits<
auto trained(Model<Ends<Dropout<0.5>>>& m, const Data& d) { return train(m, d, Loss{}, Adam{.learning_rate = 0.1}); }
#elif defined CASE_probabilities
// expect-error(probabilities): error::loss_needs_probabilities<
auto trained(Model<Net>& m, const Data& d) { return train(m, d, CrossEntropy{}, SGD{.learning_rate = 0.1}); }
#elif defined CASE_logarithms
// expect-error(logarithms): error::loss_needs_log_probabilities<
auto trained(Model<Net>& m, const Data& d) { return train(m, d, NegativeLogLikelihood{}, SGD{.learning_rate = 0.1}); }
#elif defined CASE_classes
// expect-error(classes): error::outputs_differ_from_classes<
auto trained(Model<Net>& m, const Cifar100<Fine>& d) { return train(m, d, Loss{}, SGD{.learning_rate = 0.1}); }
#elif defined CASE_images
// expect-error(images): error::images_differ_from_input<
auto trained(Model<Net>& m, const Mnist& d) { return train(m, d, Loss{}, SGD{.learning_rate = 0.1}, {.epochs = 2}); }
#elif defined CASE_map
// expect-error(map): error::outputs_differ_from_classes<.*expected_shape<10>.*got_shape<1, 1, 10>
using Map = Sequential<Input<32, 32, 3>, Conv<32, 10, Valid>>;
auto trained(Model<Map>& m, const Data& d) { return train(m, d, Loss{}, SGD{.learning_rate = 0.1}); }
#elif defined CASE_three
// Images, classes and loss are all wrong: one error, for the first of them.
// expect-error(three): error::images_differ_from_input<
using Three = Sequential<Input<28, 28, 1>, Flatten, Dense<100>, Softmax>;
auto trained(Model<Three>& m, const Data& d) { return train(m, d, Loss{}, SGD{.learning_rate = 0.1}); }
#elif defined CASE_evaluate_classes
// expect-error(evaluate_classes): error::outputs_differ_from_classes<
auto found(Model<Net>& m, const Cifar100<Coarse>& d) { return evaluate(m, d, Loss{}); }
#elif defined CASE_evaluate_loss
// expect-error(evaluate_loss): error::loss_needs_logits<
auto found(Model<Ends<Softmax>>& m, const Data& d) { return evaluate(m, d).accuracy; }
#elif defined CASE_evaluate_images
// expect-error(evaluate_images): error::images_differ_from_input<
auto found(Model<Net, Cpu, Inference>& m, const FashionMnist& d) { return evaluate(m, d, Loss{}); }
#elif defined CASE_step
// expect-error(step): error::loss_needs_logits<
auto stepped(Model<Ends<Tanh>>& m) { return Trainer(m, Loss{}, SGD{.learning_rate = 0.1}).step({}, {}); }
#else
auto trained(Model<Net>& m, const Data& d) { return train(m, d, Loss{}, SGD{.learning_rate = 0.1}, {.epochs = 2}); }
auto found(Model<Net>& m, const Data& d) { return evaluate(m, d, Loss{}); }
auto meant(Model<Ends<Softmax>>& m) { return Trainer(m, Unchecked<Loss>{}, SGD{.learning_rate = 0.1}).step({}, {}); }
#endif
