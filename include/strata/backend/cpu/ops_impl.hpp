// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <strata/backend/cpu/batch_norm.hpp>
#include <strata/backend/cpu/combine.hpp>
#include <strata/backend/cpu/conv.hpp>
#include <strata/backend/cpu/conv_pool.hpp>
#include <strata/backend/cpu/dense.hpp>
#include <strata/backend/cpu/dropout.hpp>
#include <strata/backend/cpu/group_norm.hpp>
#include <strata/backend/cpu/inference.hpp>
#include <strata/backend/cpu/lrn.hpp>
#include <strata/backend/cpu/ops.hpp>
#include <strata/backend/cpu/pool.hpp>
#include <strata/backend/cpu/prelu.hpp>
#include <strata/backend/cpu/softmax.hpp>
#include <strata/backend/cpu/upsample.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu {

template <class T>
void Ops<T>::add(std::int64_t n, const T* a, const T* b, T* y) const {
  add_forward(n, a, b, y, *pool_);
}
template <class T>
void Ops<T>::add_relu(std::int64_t n, const T* a, const T* b, T* y) const {
  cpu::add_relu(n, a, b, y, *pool_);
}
template <class T>
void Ops<T>::concat_copy(std::int64_t rows, int channels, const T* branch, int total, int offset, T* whole) const {
  cpu::concat_copy(rows, channels, branch, total, offset, whole, *pool_);
}
template <class T>
void Ops<T>::concat_take(std::int64_t rows, int channels, T* branch, int total, int offset, const T* whole) const {
  cpu::concat_take(rows, channels, branch, total, offset, whole, *pool_);
}
template <class T>
void Ops<T>::gate_forward(std::int64_t samples, std::int64_t area, int channels, const T* x, const T* gate, T* y) const {
  cpu::gate_forward(samples, area, channels, x, gate, y, *pool_);
}
template <class T>
void Ops<T>::gate_backward(std::int64_t samples, std::int64_t area, int channels, const T* x, const T* gate, const T* dy,
                           T* dx, T* dgate) const {
  cpu::gate_backward(samples, area, channels, x, gate, dy, dx, dgate, *pool_);
}
template <class T>
void Ops<T>::conv_transpose_forward(const Geometry& g, int batch, const T* x, const T* w, const T* bias, T* y,
                                    T* scratch) const {
  cpu::conv_transpose_forward(g, batch, x, w, bias, y, *pool_, scratch);
}
template <class T>
void Ops<T>::conv_transpose_backward(const Geometry& g, int batch, const T* x, const T* w, const T* dy, T* dx, T* dw, T* db,
                                     T* scratch) const {
  cpu::conv_transpose_backward(g, batch, x, w, dy, dx, dw, db, *pool_, scratch);
}
template <class T>
void Ops<T>::upsample_forward(const Upsampling& u, int batch, const T* x, T* y) const {
  cpu::upsample_forward(u, batch, x, y, *pool_);
}
template <class T>
void Ops<T>::upsample_backward(const Upsampling& u, int batch, const T* dy, T* dx) const {
  cpu::upsample_backward(u, batch, dy, dx, *pool_);
}
template <class T>
void Ops<T>::shuffle_channels(std::int64_t rows, int channels, int groups, const T* x, T* y) const {
  cpu::shuffle_channels(rows, channels, groups, x, y, *pool_);
}
template <class T>
void Ops<T>::prelu_forward(std::int64_t rows, int channels, const T* x, const T* slopes, T* y) const {
  cpu::prelu_forward(rows, channels, x, slopes, y, *pool_);
}
template <class T>
void Ops<T>::prelu_backward(std::int64_t rows, int channels, const T* x, const T* slopes, const T* dy, T* dx, T* dslopes,
                            T* /*scratch*/) const {
  cpu::prelu_backward(rows, channels, x, slopes, dy, dx, dslopes, *pool_);
}
template <class T>
void Ops<T>::drop_samples(int batch, std::int64_t size, double rate, const Random& random, const T* x, T* y) const {
  cpu::drop_samples(batch, size, rate, random, x, y, *pool_);
}
template <class T>
void Ops<T>::group_norm_forward(std::int64_t samples, std::int64_t area, int channels, int groups, T epsilon, const T* x,
                                const T* gamma, const T* beta, T* mean, T* inverse_deviation, T* y) const {
  cpu::group_norm_forward(samples, area, channels, groups, epsilon, x, gamma, beta, mean, inverse_deviation, y, *pool_);
}
template <class T>
void Ops<T>::group_norm_backward(std::int64_t samples, std::int64_t area, int channels, int groups, const T* x,
                                 const T* gamma, const T* mean, const T* inverse_deviation, const T* dy, T* dx, T* dgamma,
                                 T* dbeta, T* /*scratch*/) const {
  cpu::group_norm_backward(samples, area, channels, groups, x, gamma, mean, inverse_deviation, dy, dx, dgamma, dbeta,
                           *pool_);
}
template <class T>
void Ops<T>::conv_forward(const Geometry& g, int batch, const T* x, const T* w, const T* bias, T* y, bool relu,
                          bool training, T* scratch) const {
  cpu::conv_forward(g, batch, x, w, bias, y, *pool_, scratch, relu, !training);
}
template <class T>
void Ops<T>::conv_backward(const Geometry& g, int batch, const T* x, const T* w, const T* dy, T* dx, T* dw, T* db,
                           T* scratch) const {
  conv_backward_weights(g, batch, x, dy, dw, db, *pool_, scratch);
  if (dx) conv_backward_input(g, batch, dy, w, dx, *pool_, scratch);
}
template <class T>
void Ops<T>::conv_pool_backward(const Geometry& conv, const Geometry& pool, int batch, bool relu, const T* x, const T* w,
                                const T* pooled, const T* dpooled, const std::int32_t* argmax, T* dw, T* db, T* dx,
                                T* to_pool, T* scratch) const {
  cpu::conv_pool_backward(conv, pool, batch, relu, x, w, pooled, dpooled, argmax, dw, db, dx, to_pool, *pool_, scratch);
}
template <class T>
void Ops<T>::dense_forward(int in, int units, int batch, const T* x, const T* w, const T* bias, T* y, bool relu,
                           bool training, T* scratch) const {
  cpu::dense_forward(in, units, batch, x, w, bias, y, *pool_, scratch, !training);
  if (relu) activation_forward<ReLU>(std::int64_t{batch} * units, y, y);
}
template <class T>
void Ops<T>::dense_backward(int in, int units, int batch, const T* x, const T* w, const T* dy, T* dx, T* dw, T* db,
                            T* scratch) const {
  dense_backward_weights(in, units, batch, x, dy, dw, db, *pool_, scratch);
  if (dx) dense_backward_input(in, units, batch, dy, w, dx, *pool_, scratch);
}
template <class T>
void Ops<T>::max_pool_forward(const Geometry& g, int batch, const T* x, T* y, std::int32_t* argmax) const {
  cpu::max_pool_forward(g, batch, x, y, argmax, *pool_);
}
template <class T>
void Ops<T>::max_pool_backward(const Geometry& g, int batch, const T* dy, const std::int32_t* argmax, T* dx) const {
  cpu::max_pool_backward(g, batch, dy, argmax, dx, *pool_);
}
template <class T>
void Ops<T>::avg_pool_forward(const Geometry& g, bool count_padding, int batch, const T* x, T* y) const {
  cpu::avg_pool_forward(g, count_padding, batch, x, y, *pool_);
}
template <class T>
void Ops<T>::avg_pool_backward(const Geometry& g, bool count_padding, int batch, const T* dy, T* dx) const {
  cpu::avg_pool_backward(g, count_padding, batch, dy, dx, *pool_);
}
template <class T>
void Ops<T>::global_avg_pool_forward(Shape in, int batch, const T* x, T* y) const {
  cpu::global_avg_pool_forward(in, batch, x, y, *pool_);
}
template <class T>
void Ops<T>::global_avg_pool_backward(Shape in, int batch, const T* dy, T* dx) const {
  cpu::global_avg_pool_backward(in, batch, dy, dx, *pool_);
}
template <class T>
void Ops<T>::softmax_forward(int batch, int classes, const T* x, T* y) const {
  cpu::softmax_forward(batch, classes, x, y, *pool_);
}
template <class T>
void Ops<T>::softmax_backward(int batch, int classes, const T* y, const T* dy, T* dx) const {
  cpu::softmax_backward(batch, classes, y, dy, dx, *pool_);
}
template <class T>
void Ops<T>::log_softmax_forward(int batch, int classes, const T* x, T* y) const {
  cpu::log_softmax_forward(batch, classes, x, y, *pool_);
}
template <class T>
void Ops<T>::log_softmax_backward(int batch, int classes, const T* y, const T* dy, T* dx) const {
  cpu::log_softmax_backward(batch, classes, y, dy, dx, *pool_);
}
template <class T>
void Ops<T>::dropout_forward(std::int64_t n, double rate, const Random& random, const T* x, T* y) const {
  cpu::dropout_forward(n, rate, random, x, y, *pool_);
}
template <class T>
void Ops<T>::dropout_backward(std::int64_t n, double rate, const Random& random, const T* dy, T* dx) const {
  cpu::dropout_backward(n, rate, random, dy, dx, *pool_);
}
template <class T>
void Ops<T>::batch_norm_forward(Shape in, int batch, T epsilon, T momentum, const T* x, const T* gamma, const T* beta,
                                T* running_mean, T* running_variance, T* mean, T* inverse_deviation, T* y, T* scratch,
                                const NormActivation<T>& activation) const {
  cpu::batch_norm_forward(in, batch, epsilon, momentum, x, gamma, beta, running_mean, running_variance, mean,
                          inverse_deviation, y, *pool_, sums_, scratch, activation);
}
template <class T>
void Ops<T>::batch_norm_inference(Shape in, int batch, T epsilon, const T* x, const T* gamma, const T* beta,
                                  const T* running_mean, const T* running_variance, T* y) const {
  cpu::batch_norm_inference(in, batch, epsilon, x, gamma, beta, running_mean, running_variance, y, *pool_);
}
template <class T>
void Ops<T>::batch_norm_backward(Shape in, int batch, const T* x, const T* gamma, const T* mean, const T* inverse_deviation,
                                 const T* dy, T* dx, T* dgamma, T* dbeta, T* scratch,
                                 const NormActivation<T>& activation) const {
  cpu::batch_norm_backward(in, batch, x, gamma, mean, inverse_deviation, dy, dx, dgamma, dbeta, *pool_, sums_, scratch,
                           activation);
}
template <class T>
void Ops<T>::lrn_forward(Shape in, int batch, const LrnParameters& p, const T* x, T* y) const {
  cpu::lrn_forward(in, batch, p, x, y, *pool_);
}
template <class T>
void Ops<T>::lrn_backward(Shape in, int batch, const LrnParameters& p, const T* x, const T* y, const T* dy, T* dx) const {
  cpu::lrn_backward(in, batch, p, x, y, dy, dx, *pool_);
}
template <class T>
void Ops<T>::pack_conv(const Geometry& g, const T* w, const T* bias, bool normalized, int capacity, T* packed) const {
  cpu::pack_conv(g, w, bias, normalized, capacity, packed, *pool_);
}
template <class T>
void Ops<T>::conv_inference(const Geometry& g, int batch, const T* x, const T* w, const T* packed, const ChainEnd<T>& end,
                            T* y, T* scratch) const {
  cpu::conv_inference(g, batch, x, w, packed, end, y, *pool_, scratch);
}
template <class T>
void Ops<T>::pack_dense(int units, const T* bias, bool normalized, T* packed) const {
  detail::pack_shift(units, bias, normalized, packed);
}
template <class T>
void Ops<T>::dense_inference(int in, int units, int batch, const T* x, const T* w, const T* packed, const ChainEnd<T>& end,
                             T* y, T* scratch) const {
  cpu::dense_inference(in, units, batch, x, w, packed, end, y, *pool_, scratch);
}
template <class T>
void Ops<T>::normalization_inference(std::int64_t rows, int channels, const T* x, const T* packed, const ChainEnd<T>& end,
                                     T* y) const {
  cpu::normalization_inference(rows, channels, x, packed, end, y, *pool_);
}

#if defined(STRATA_COMPILED)
template class Ops<float>;
template class Ops<double>;
#endif

}  // namespace strata::inline STRATA_ABI::cpu
