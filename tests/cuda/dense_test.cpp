// SPDX-License-Identifier: BSL-1.0
// Which products a Dense becomes, told by computing them as cuBLASLt says it does: by columns.
#include <doctest/doctest.h>

#include <random>
#include <vector>

#include <strata/backend/cuda/dense.hpp>
#include <strata/backend/reference/dense.hpp>

using namespace strata;
using namespace strata::cuda;

namespace {

using Numbers = std::vector<double>;

// What cublasLtMatmul documents: column-major matrices without gaps, op() before the product, the bias along the rows of d.
Numbers multiply(const MatmulProblem& p, const Numbers& a, const Numbers& b, const Numbers& bias) {
  const auto at = [](std::int64_t row, std::int64_t column, std::int64_t rows) {
    return static_cast<std::size_t>(column * rows + row);
  };
  Numbers d(static_cast<std::size_t>(p.rows * p.columns));
  for (std::int64_t column = 0; column < p.columns; ++column) {
    for (std::int64_t row = 0; row < p.rows; ++row) {
      double sum = 0;
      for (std::int64_t k = 0; k < p.depth; ++k)
        sum += (p.transpose_a ? a[at(k, row, p.depth)] : a[at(row, k, p.rows)]) *
               (p.transpose_b ? b[at(column, k, p.columns)] : b[at(k, column, p.depth)]);
      if (p.epilogue == Epilogue::bias) sum += bias[static_cast<std::size_t>(row)];
      d[at(row, column, p.rows)] = sum;
    }
  }
  return d;
}

void check_equal(const Numbers& got, const Numbers& expected) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == expected[i]);
}

}  // namespace

TEST_CASE("The products of a Dense are those of the reference") {
  std::mt19937 random(1);
  const auto drawn = [&](int count) {  // whole numbers: sums are exact in any order
    Numbers n(static_cast<std::size_t>(count));
    for (double& x : n) x = std::uniform_int_distribution<int>(-9, 9)(random);
    return n;
  };
  for (int round = 0; round < 50; ++round) {
    const auto size = [&] { return std::uniform_int_distribution<int>(1, 9)(random); };
    const int batch = size(), inputs = size(), units = size();
    const Numbers x = drawn(batch * inputs), w = drawn(inputs * units), bias = drawn(units), dy = drawn(batch * units);
    Numbers y(dy.size()), dx(x.size()), dw(w.size());
    DenseProblem p{.inputs = inputs, .units = units, .batch = batch};

    for (const bool has_bias : {false, true}) {
      p.bias = has_bias;
      reference::dense_forward<double>(inputs, units, batch, x.data(), w.data(), has_bias ? bias.data() : nullptr,
                                       y.data());
      check_equal(multiply(dense_product(p), w, x, bias), y);
    }
    p.operation = DenseOperation::backward_input;
    reference::dense_backward_input<double>(inputs, units, batch, dy.data(), w.data(), dx.data());
    check_equal(multiply(dense_product(p), w, dy, {}), dx);

    p.operation = DenseOperation::backward_weights;
    reference::dense_backward_weights<double>(inputs, units, batch, x.data(), dy.data(), dw.data(),
                                              static_cast<double*>(nullptr));
    check_equal(multiply(dense_product(p), dy, x, {}), dw);
  }
}

TEST_CASE("What a product is stored as") {
  DenseProblem p{.inputs = 3, .units = 5, .batch = 7, .math = Math::bf16};
  CHECK(dense_product(p).output == Number::bf16);
  p.output = Number::float32;  // logits
  CHECK(dense_product(p).output == Number::float32);
  p.operation = DenseOperation::backward_input;
  CHECK(dense_product(p).output == Number::bf16);
  p.operation = DenseOperation::backward_weights;
  CHECK(dense_product(p).output == Number::float32);
  p.math = Math::tf32;
  p.operation = DenseOperation::backward_input;
  CHECK(dense_product(p).output == Number::float32);
}

TEST_CASE("cuBLASLt takes the descriptors, and holds what was asked for") {
  for (const Math math : {Math::float32, Math::tf32, Math::bf16}) {
    for (const auto operation :
         {DenseOperation::forward, DenseOperation::backward_input, DenseOperation::backward_weights}) {
      DenseProblem p{operation, 4096, 10, 80, math, true, activation(math)};
      MatmulProblem product = dense_product(p);
      cuda::detail::MatmulOperation descriptor(product);
      const auto get = [&](cublasLtMatmulDescAttributes_t name, auto value) {
        std::size_t size = 0;
        check(cublasLtMatmulDescGetAttribute(descriptor.get(), name, &value, sizeof(value), &size), "get");
        CHECK(size == sizeof(value));
        return value;
      };
      CHECK(get(CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, CUBLAS_COMPUTE_16F) ==
            (math == Math::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F));
      CHECK((get(CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_C) == CUBLAS_OP_T) == product.transpose_a);
      CHECK((get(CUBLASLT_MATMUL_DESC_TRANSB, CUBLAS_OP_C) == CUBLAS_OP_T) == product.transpose_b);
      CHECK(get(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_GELU) ==
            (operation == DenseOperation::forward ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT));
      CHECK_NOTHROW(static_cast<void>(cuda::detail::matrix_layout(product.output, product.rows, product.columns)));
      CHECK_NOTHROW(static_cast<void>(cuda::detail::matmul_preference(1 << 20)));
    }
  }
}
