#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The example import_model: small models against ONNX Runtime and Keras, what is written and what is refused. Exits with 77 where a
package is missing; import_files_test.py is about damaged and hostile files."""
import os
import pathlib
import unittest

from import_case import Case, difference, emulate, import_model, keras, load_file, Made, np, onnx, read_onnx, safe_open


class Networks(Case):
    def test_residual_gate_and_concat(self):
        m = Made(3, 12, 12)
        x = m("Relu", m.norm(m.conv("x", 3, 8, bias=False), 8))
        body = m.norm(m.conv(m("Relu", m.norm(m.conv(x, 8, 8, bias=False, group=8), 8)), 8, 8, bias=False), 8)
        squeezed = m.conv(m("GlobalAveragePool", body), 8, 2, k=1)
        gate = m("Sigmoid", m.conv(m("Relu", squeezed), 2, 8, k=1))
        x = m("Relu", m("Add", m("Mul", gate, body), x))
        x = m("Add", m.conv(x, 8, 6, k=1), m.conv(x, 8, 6))
        x = m("Concat", m.conv(x, 6, 4, k=1), m("MaxPool", x, kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1]), x, axis=1)
        x = m("Gemm", m("Flatten", m("GlobalAveragePool", x)), m.weight(5, 16), m.weight(5), transB=1)
        text = self.network(m, m("Softmax", x))
        for part in ("Gate<GlobalAvgPool, Dense<2>, ReLU, Dense<8>, Sigmoid>", "Concat<Conv<1, 4>, MaxPool<3, 1, Same>, Sequential<>>",
                     "Shortcut<Conv<3, 6>>", "Groups<8>"):
            self.assertIn(part, " ".join(text.split()))

    def test_flatten_has_another_order(self):
        for norm in (False, True):
            m = Made(3, 5, 4)
            x = m("Flatten", m.conv("x", 3, 6))
            if norm:
                x = m("PRelu", m.norm(x, 120), m.weight(120))
            x = m("Add", m("MatMul", x, m.weight(120, 7)), m.weight(7))
            self.assertIn("Flatten", self.network(m, m("Relu", x)))

    def test_vectors_of_two_branches_behind_flatten(self):
        m = Made(2, 4, 3)
        a, b = m("Flatten", m.conv("x", 2, 3)), m("Flatten", m.conv("x", 2, 5))
        x = m("Gemm", m("Concat", a, b, axis=1), m.weight(96, 4))
        self.network(m, x)

    def test_a_flattened_output_is_compared_in_its_order(self):
        m = Made(3, 4, 5)
        self.assertIn("Flatten", self.network(m, m("Flatten", m.conv("x", 3, 2))))

    def test_channels_last(self):
        m = Made(6, 5, 3)  # as tf2onnx writes it
        x = m("Transpose", m("Sub", "x", m.constant(np.float32([0.1, 0.2, 0.3]))), perm=[0, 3, 1, 2])
        x = m("Transpose", m("Relu", m.conv(x, 3, 4)), perm=[0, 2, 3, 1])
        x = m("MatMul", m("Reshape", x, m.constant(np.int64([-1, 120]))), m.weight(120, 6))
        self.assertIn("Input<6, 5, 3>", self.network(m, x))

    def test_shapes_that_are_computed(self):
        m = Made(3, 6, 6)
        x = m.conv("x", 3, 4)
        batch = m("Unsqueeze", m("Gather", m("Shape", x), m.constant(np.int64(0))), m.constant(np.int64([0])))
        shape = m("Concat", batch, m.constant(np.int64([-1])), axis=0)
        self.network(m, m("Gemm", m("Reshape", x, shape), m.weight(144, 3)))

    def test_activations_that_are_spelled_out(self):
        half, one, root = (np.float32(n) for n in (0.5, 1, 2 ** 0.5))
        three, six = np.float32(3), np.float32(6)

        def gelu(m, x):
            return m("Mul", m("Mul", x, m("Add", m("Erf", m("Div", x, m.constant(root))), m.constant(one))), m.constant(half))

        def hard_swish(m, x):
            return m("Div", m("Mul", x, m("Clip", m("Add", x, m.constant(three)), m.constant(np.float32(0)), m.constant(six))),
                     m.constant(six))

        def mish(m, x):
            return m("Mul", x, m("Tanh", m("Softplus", x)))

        for wanted, spell in (("GELU", gelu), ("HardSwish", hard_swish), ("SiLU", lambda m, x: m("Mul", m("Sigmoid", x), x)),
                              ("Gate<Softplus, Tanh>", mish), ("ReLU6", lambda m, x: m("Clip", x, m.constant(np.float32(0)),
                                                                                      m.constant(six)))):
            m = Made(2, 5, 5)
            self.assertIn(f"Conv<3, 3>, {wanted}", self.network(m, spell(m, m.conv("x", 2, 3))))

    def test_an_activation_inside_that_is_used_elsewhere_too(self):
        m = Made(2, 5, 5)
        x = m.conv("x", 2, 3)
        gate = m("Sigmoid", x)
        text = self.network(m, m("Concat", m("Mul", x, gate), gate, axis=1))
        self.assertIn("Concat<SiLU, Sigmoid>", text)

    def test_layer_norm_of_convnext(self):
        for opset in (13, 17):
            m = Made(4, 6, 6, opset=opset)
            x = m("Transpose", m.conv("x", 4, 4, group=4), perm=[0, 2, 3, 1])
            if opset == 17:
                x = m("LayerNormalization", x, m.weight(4), m.weight(4), axis=-1, epsilon=1e-6)
            else:
                centred = m("Sub", x, m("ReduceMean", x, axes=[-1]))
                variance = m("ReduceMean", m("Pow", centred, m.constant(np.float32(2))), axes=[-1])
                x = m("Div", centred, m("Sqrt", m("Add", variance, m.constant(np.float32(1e-6)))))
                x = m("Add", m("Mul", x, m.weight(4)), m.weight(4))
            x = m("Add", m("MatMul", x, m.weight(4, 8)), m.weight(8))
            x = m("Mul", m("Transpose", x, perm=[0, 3, 1, 2]), m.weight(8, 1, 1))
            self.assertIn("LayerNormOf<Epsilon<1e-6>", self.network(m, x))

    def test_dense_net_joins_again_and_again(self):
        m = Made(2, 4, 4)
        maps = ["x"]
        for i in range(3):
            joined = m("Concat", *maps, axis=1) if i else "x"
            maps.append(m.conv(m("Relu", joined), 2 + 3 * i, 3))
        text = self.network(m, m("Concat", *maps, axis=1))
        self.assertEqual(text.count("DenseLayer"), 4)  # its definition, and three

    def test_encoder_and_decoder(self):
        m = Made(2, 8, 8)
        down = m("MaxPool", m.conv("x", 2, 4), kernel_shape=[2, 2], strides=[2, 2])
        up = m("ConvTranspose", m.conv(down, 4, 6), m.weight(6, 4, 2, 2), m.weight(4), strides=[2, 2])
        x = m("Concat", up, "x", axis=1)
        bigger = m("Resize", x, "", m.constant(np.float32([1, 1, 2, 2])), mode="linear", coordinate_transformation_mode="half_pixel")
        out = m("ConvTranspose", bigger, m.weight(6, 3, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])
        text = self.network(m, m("Sigmoid", m("PRelu", out, m.weight(3, 1, 1))))
        for part in ("ConvTranspose<2, 4, Stride<2>>", "Upsample<2, Bilinear>", "OutputPadding<1>"):
            self.assertIn(part, text)

    def test_channel_shuffle(self):
        m = Made(6, 4, 4)
        x = m("Reshape", m.conv("x", 6, 6, group=3, k=1), m.constant(np.int64([0, 3, 2, 4, 4])))
        x = m("Reshape", m("Transpose", x, perm=[0, 2, 1, 3, 4]), m.constant(np.int64([0, 6, 4, 4])))
        self.assertIn("ChannelShuffle<3>", self.network(m, m.conv(x, 6, 4)))

    def test_a_shuffle_unit_splits_the_channels(self):
        m = Made(8, 6, 6)
        for spell in ("Split", "Slice", "Gather"):
            x = m("Relu", m.conv("x", 8, 8, k=1))
            if spell == "Split":
                kept, branch = m("Split", x, m.constant(np.int64([3, 5])), outputs=2, axis=1)
            elif spell == "Slice":
                kept, branch = (m("Slice", x, m.constant(np.int64([a])), m.constant(np.int64([b])), m.constant(np.int64([1])))
                                for a, b in ((0, 3), (3, 1 << 40)))
            else:
                kept, branch = (m("Gather", x, m.constant(np.arange(a, b)), axis=1) for a, b in ((0, 3), (3, 8)))
            text = self.network(m, m("Concat", kept, m("Relu", m.conv(branch, 5, 5)), axis=1))
            self.assertIn("Concat<Channels<0, 3>, Sequential<Channels<3, 5>, Conv<3, 5>, ReLU>>", text)
        for places in ([0, 2], [3, 2, 1], [[0, 1]], [-1, 0]):
            self.assertIn("neighbouring channels", self.refused(m, m("Gather", "x", m.constant(np.int64(places)), axis=1)))
        self.assertIn("neighbouring channels", self.refused(m, m("Slice", "x", m.constant(np.int64([0, 1])), m.constant(
            np.int64([2, 3])), m.constant(np.int64([1, 2])))))
        self.assertIn("Channels<7, 1>", self.network(m, m("Gather", "x", m.constant(np.int64([-1])), axis=1)))
        for sizes, channels in (([2, 2, 4, 0], 4), ([8, 0], 8)):  # the part without channels is not read
            parts = m("Split", "x", m.constant(np.int64(sizes)), outputs=len(sizes), axis=1)
            self.network(m, m.conv(parts[-2], channels, 2))
            self.assertIn("a part without channels", self.refused(m, m("Relu", parts[-1])))
        self.assertIn("its parts are", self.refused(m, m("Split", "x", m.constant(np.int64([3, 9])), outputs=2, axis=1)[0]))

    def test_a_decoder_makes_a_map_of_a_vector(self):
        m = Made(3, 4, 4)
        code = m("Gemm", m("Flatten", m.conv("x", 3, 4)), m.weight(64, 5), m.weight(5))
        wide = m("PRelu", m.norm(m("Gemm", code, m.weight(5, 24), m.weight(24)), 24), m.weight(24))
        for last in (False, True):
            x = m("Reshape", wide, m.constant(np.int64([0, 2, 4, 3] if last else [0, 3, 2, 4])))
            if last:
                x = m("Transpose", x, perm=[0, 3, 1, 2])
            text = " ".join(self.network(m, m("ConvTranspose", x, m.weight(3, 2, 2, 2), strides=[2, 2])).split())
            self.assertIn("Dense<24>, BatchNormOf<Epsilon<1e-5>, Momentum<0.9>>, PReLU, Reshape<2, 4, 3>, "
                          "ConvTranspose<2, 2, Stride<2>", text)
        shared = m("Relu", m("Reshape", code, m.constant(np.int64([0, 5, 1, 1]))))
        self.assertNotIn("Reshape", self.network(m, m.conv(shared, 5, 2, k=1)))
        # Of a vector that something else takes too, or that is no product: another order is not to be had.
        x = m("Reshape", wide, m.constant(np.int64([0, 3, 2, 4])))
        x = m("Concat", m("Flatten", m.conv(x, 3, 2)), wide, axis=1)
        self.assertIn("have another order in strata", self.refused(m, x))
        m = Made(3, 4, 4)
        x = m("Reshape", m("Flatten", "x"), m.constant(np.int64([0, 4, 3, 4])))
        self.assertIn("have another order in strata", self.refused(m, m.conv(x, 4, 2)))
        m = Made(3, 4, 4)  # a vector behind a global pool
        x = m("Reshape", m("GlobalAveragePool", m.conv("x", 3, 16)), m.constant(np.int64([0, 4, 2, 2])))
        self.assertIn("have another order in strata", self.refused(m, m.conv(x, 4, 2)))
        x = m("GlobalAveragePool", m.conv("x", 3, 16))
        x = m("Reshape", m("Conv", x, m.weight(16, 16, 1, 1)), m.constant(np.int64([0, 4, 2, 2])))
        self.assertIn("GlobalAvgPool, Dense<16, NoBias>, Reshape<2, 2, 4>", self.network(m, m.conv(x, 4, 2)))
        m = Made(3, 4, 4)
        x = m("Reshape", m.conv("x", 3, 4), m.constant(np.int64([0, 4, 16])))
        self.assertIn("maps of vectors, and groups of channels, and no other shape", self.refused(m, x))
        # There and back is nothing.
        x = m("Reshape", m("Relu", m("Flatten", "x")), m.constant(np.int64([0, 3, 4, 4])))
        self.assertIn("Flatten, ReLU, Reshape<4, 4, 3>, Conv", self.network(m, m.conv(x, 3, 2)))
        x = m("Flatten", m("Transpose", x, perm=[0, 2, 3, 1]))
        self.assertNotIn("Reshape", self.network(m, m("Gemm", x, m.weight(48, 2))))

    def test_a_map_of_one_pixel_or_one_row_made_of_a_vector(self):
        def code(*shape):
            m = Made(3, 4, 4)
            x = m("Gemm", m("Flatten", m("GlobalAveragePool", m.conv("x", 3, 4))), m.weight(4, 24), m.weight(24))
            return m, m("Reshape", x, m.constant(np.int64([0, *shape])))

        m, x = code(24, 1, 1)
        up = m("ConvTranspose", m("Relu", x), m.weight(24, 2, 2, 2), strides=[2, 2])
        self.assertIn("GlobalAvgPool, Dense<24>, ReLU, Reshape<1, 1, 24>, ConvTranspose<2, 2, Stride<2>, NoBias>",
                      " ".join(self.network(m, up).split()))
        m, x = code(24, 1, 1)
        self.network(m, m("Concat", m("ConvTranspose", x, m.weight(24, 2, 1, 1)), x, axis=1))
        m, x = code(24)
        x = m("Unsqueeze", x, m.constant(np.int64([2, 3])))
        x = m("Resize", x, "", m.constant(np.float32([1, 1, 3, 2])), mode="linear")
        self.assertIn("Reshape<1, 1, 24>, Upsample<Size<3, 2>, Bilinear>", self.network(m, x))
        for shape, wanted in (((1, 1, 24), "Reshape<1, 24, 1>"), ((1, 24, 1), "Reshape<24, 1, 1>")):
            m, x = code(*shape)
            self.assertIn(wanted, self.network(m, m.conv(x, 1, 2)))
        m, x = code(1, 1, 24)
        self.assertIn("Reshape<1, 1, 24>, Conv<3, 2>", self.network(m, m.conv(m("Transpose", x, perm=[0, 3, 1, 2]), 24, 2)))
        m = Made(24)
        x = m("Reshape", "x", m.constant(np.int64([0, 24, 1, 1])))
        self.assertIn("Conv<3, 2>", self.network(m, m.conv(x, 24, 2)))
        m = Made(2, 3, 4)  # Flatten has another order
        x = m("Reshape", m("Flatten", "x"), m.constant(np.int64([0, 24, 1, 1])))
        self.assertIn("takes a map, and gets a vector", self.refused(m, m.conv(x, 24, 2)))

    def test_group_norm_that_is_spelled_out(self):
        for scaled in (False, True):  # as PyTorch writes it before opset 18
            m = Made(4, 5, 3)
            x = m("Reshape", m.conv("x", 4, 6), m.constant(np.int64([0, 3, -1])))
            x = m("InstanceNormalization", x, m.constant(np.ones(3, np.float32)), m.constant(np.zeros(3, np.float32)))
            x = m("Reshape", x, m.constant(np.int64([0, 6, 5, 3])))
            if scaled:
                x = m("Add", m("Mul", x, m.weight(6, 1, 1)), m.weight(6, 1, 1))
            self.assertIn("GroupNorm<3, Epsilon<1e-5>>" if scaled else "GroupNorm<3, Epsilon<1e-5>, NoScale, NoShift>",
                          self.network(m, m("Relu", x)))
        m = Made(4, 5, 3)
        x = m("InstanceNormalization", m("Reshape", "x", m.constant(np.int64([0, 2, -1]))), m.weight(2), m.weight(2))
        self.assertIn("GroupNorm<2, Epsilon<1e-5>>", self.network(m, m("Reshape", x, m.constant(np.int64([0, 4, 5, 3])))))
        self.refused(m, m("Relu", x))

    def test_lrn_of_an_even_size(self):
        m = Made(6, 3, 3)
        self.assertIn("has it before", self.refused(m, m("LRN", "x", size=4)))
        for shift in (0, 1):  # the extra channel before, and behind
            m = Made(6, 3, 3)
            band = np.float32([[0.2 * (i - 2 + shift <= j < i + 2 + shift) for j in range(6)] for i in range(6)])
            sums = m("Conv", m("Mul", "x", "x"), m.constant(band[:, :, None, None]))
            x = m("Div", "x", m("Pow", m("Add", sums, m.constant(np.float32(1.5))), m.constant(np.float32(0.75))))
            if shift:
                self.assertIn("squares", self.refused(m, x))
            else:
                self.assertIn("LRN<4, 1.5, 0.2, 0.75>", self.network(m, x))
            # The same along another axis is no LRN of channels.
            m = Made(6, 6, 6)
            turned = m("Transpose", "x", perm=[0, 2, 3, 1])
            sums = m("Conv", m("Mul", turned, turned), m.constant(band[:, :, None, None]))
            x = m("Div", turned, m("Pow", m("Add", sums, m.constant(np.float32(1.5))), m.constant(np.float32(0.75))))
            self.refused(m, x)

    def test_padding_that_pools_ignore(self):
        m = Made(3, 6, 6)
        lowest, pads = m.constant(np.float32(-np.inf)), m.constant(np.int64([0, 0, 3, 0, 0, 0, 0, 2]))
        x = m("Pad", m.conv("x", 3, 2), pads, lowest)
        pooled = m("MaxPool", x, kernel_shape=[2, 2], strides=[1, 2])
        self.refused(m, pooled)  # its first row is minus infinity in the model, and 0 in strata
        mask = np.ones((1, 1, 8, 4), bool)
        mask[0, 0, :2] = mask[0, 0, :, 3] = False
        self.assertIn("Pad<3, 0, 0, 2>", self.network(m, m("Where", m.constant(mask), pooled, m.constant(np.float32(0)))))
        self.assertIn("chooses between", self.refused(m, m("Where", m.constant(~mask), pooled, m.constant(np.float32(0)))))
        self.assertIn("it pads with mode", self.refused(m, m("AveragePool", m("Pad", "x", pads, lowest), kernel_shape=[2, 2])))
        sums = m("Conv", "x", m.constant(np.ones((3, 1, 3, 3), np.float32)), group=3, pads=[1, 1, 1, 1])
        counts = np.float32([2, 3, 3, 3, 3, 2])
        x = m("Mul", sums, m.constant(1 / np.outer(counts, counts)[None, None]))
        self.assertIn("AvgPool<3, 1, Same>", self.network(m, x))
        self.refused(m, m("Mul", sums, m.constant(1.01 / np.outer(counts, counts)[None, None])))

    def test_pads_before_windows(self):
        m = Made(2, 7, 7)
        x = m("Relu", m.conv(m("Pad", "x", m.constant(np.int64([0, 0, 1, 0, 0, 0, 2, 3]))), 2, 4, pads=[0, 0, 0, 0]))
        x = m("MaxPool", m("Pad", x, m.constant(np.int64([0, 0, 1, 1, 0, 0, 1, 1]))), kernel_shape=[3, 3], strides=[2, 2])
        self.assertIn("Pad<1, 2, 0, 3>", self.network(m, x))
        m = Made(2, 7, 7)
        self.refused(m, m("MaxPool", m("Pad", "x", m.constant(np.int64([0, 0, 1, 1, 0, 0, 1, 1]))), kernel_shape=[3, 3]))

    def test_fold(self):
        m = Made(3, 6, 6)
        x = m("Relu", m.norm(m.conv("x", 3, 4, bias=False), 4))
        x = m.norm(m("ConvTranspose", x, m.weight(4, 3, 2, 2), strides=[2, 2]), 3)
        text = self.network(m, x, fold=True)
        self.assertNotIn("BatchNorm", text)
        self.assertNotIn("NoBias", text)

    def test_a_pool_whose_pixel_is_needed_as_a_map(self):
        m = Made(4, 4, 4)
        x = m("Resize", m.conv(m("GlobalAveragePool", "x"), 4, 3, k=1), "", m.constant(np.float32([1, 1, 4, 4])), mode="nearest",
              nearest_mode="floor", coordinate_transformation_mode="asymmetric")
        self.assertIn("AvgPool<4>, Conv<1, 3>, Upsample<4>", self.network(m, m("Concat", x, "x", axis=1)))

    def test_names_of_what_repeats(self):
        m = Made(3, 16, 16)
        x = m.conv("x", 3, 8)
        for filters in (8, 16, 32):
            squeezed = m("Relu", m.conv(x, filters // 2 if filters > 8 else 8, filters // 8, k=1))
            x = m("Concat", m("Relu", m.conv(squeezed, filters // 8, filters // 2, k=1)),
                  m("Relu", m.conv(squeezed, filters // 8, filters // 2)), axis=1)
        text = self.network(m, x)
        self.assertIn("template <int Filters>\nusing Fire = ", text)
        self.assertIn("Fire<1>, Fire<2>, Fire<4>", text)


@unittest.skipUnless("STRATA_ONNX_MODELS" in os.environ, "STRATA_ONNX_MODELS names no folder with models of the ONNX model zoo")
class Trained(Case):
    """Folders with model.onnx and test_data_set_N/{input,output}_0.pb, such as mnist-8."""

    def test_own_test_sets(self):
        paths = sorted(pathlib.Path(os.environ["STRATA_ONNX_MODELS"]).glob("*/model.onnx"))
        self.assertTrue(paths)
        for path in paths:
            reader = read_onnx.OnnxReader(path)
            network = import_model.network_of(reader, False)
            sets = sorted(path.parent.glob("test_data_set_*"))
            self.assertTrue(sets)
            for folder in sets:
                x, wanted = (onnx.numpy_helper.to_array(onnx.load_tensor(folder / f"{name}_0.pb")) for name in ("input", "output"))
                found = emulate(network.chain, x.transpose(0, 2, 3, 1).astype(np.float64))
                wanted = import_model.as_strata(wanted, network)
                self.assertLessEqual(difference(found, wanted), 1e-6, folder)
                self.assertEqual(found.argmax(), wanted.argmax())


class Files(Case):
    def tiny(self):
        m = Made(3, 6, 6)
        x = m("Relu", m.norm(m.conv("x", 3, 4), 4))
        logits = m("Gemm", m("Flatten", m("GlobalAveragePool", x)), m.weight(4, 5))
        return m.model(m("Softmax", logits)), logits

    def test_what_is_written(self):
        path = self.save(self.tiny()[0])
        (self.folder / "names.txt").write_text("a\nb c\nd\ne\nf\n")
        result = self.run_script(path, "--out", self.out, "--mean", "-0.5,0.4,0.3", "--std", "0.2,0.2,0.2", "--resize", "8",
                                 "--classes", self.folder / "names.txt")
        # argparse takes a mean that begins with a minus for an option, unless = is before it
        self.assertEqual(result.returncode, 2)
        result = self.run_script(path, "--out", self.out, "--mean=-0.5,0.4,0.3", "--std", "0.2,0.2,0.2", "--resize", "8",
                                 "--classes", self.folder / "names.txt")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(sorted(p.name for p in self.out.iterdir()), ["net.check.safetensors", "net.hpp", "net.safetensors"])
        tensors = load_file(self.out / "net.safetensors")
        self.assertEqual(tensors["conv2d/kernel"].shape, (3, 3, 3, 4))
        self.assertEqual(set(tensors), {"conv2d/kernel", "conv2d/bias", "dense/kernel", *(f"batch_normalization/{t}" for t in (
            "gamma", "beta", "moving_mean", "moving_variance"))})
        metadata = safe_open(self.out / "net.safetensors", "numpy").metadata()
        self.assertEqual(metadata["strata.classes"], "a\nb c\nd\ne\nf\n")
        self.assertEqual(metadata["strata.input"], "image 6 6 3\nborder 0\ngrey 0\nmean -0.5 0.4 0.3\ndeviation 0.2 0.2 0.2\n"
                                                   "short_side 8\n")
        self.assertIn("conv2d/kernel w0\n", metadata["source.names"])
        checked = load_file(self.out / "net.check.safetensors")
        self.assertEqual((checked["input"].shape, checked["output"].shape), ((2, 6, 6, 3), (2, 5)))
        text = (self.out / "net.hpp").read_text()
        for part in ("namespace net {", "ONNX opset 17", "sha256", "static_assert(Net::output == Shape{5} && Net::parameters == 140);"):
            self.assertIn(part, text)
        again = {p: p.read_bytes() for p in self.out.iterdir()}
        self.run_script(path, "--out", self.out, "--mean=-0.5,0.4,0.3", "--std", "0.2,0.2,0.2", "--resize", "8", "--classes",
                        self.folder / "names.txt")
        self.assertEqual(again, {p: p.read_bytes() for p in self.out.iterdir()})

    def test_output_and_input(self):
        model, logits = self.tiny()
        self.assertEqual(self.run_script(self.save(model), "--out", self.out, "--output", logits).returncode, 0)
        self.assertNotIn("Softmax", (self.out / "net.hpp").read_text())
        for dim in model.graph.input[0].type.tensor_type.shape.dim[2:]:
            dim.ClearField("dim_value")
        path = self.save(model, "open.onnx")
        result = self.run_script(path, "--out", self.out)
        self.assertIn("give --input HxWxC", result.stderr)
        self.assertEqual(self.run_script(path, "--out", self.out, "--input", "7x9x3").returncode, 0)
        self.assertIn("Input<7, 9, 3>", (self.out / "open.hpp").read_text())

    def test_wrong_options(self):
        path = self.save(self.tiny()[0])
        for options in (["--input", "7x9"], ["--mean", "1,2,3"], ["--std", "0,1,1", "--mean", "1,1,1"], ["--resize", "0"], ["--x"]):
            self.assertEqual(self.run_script(path, "--out", self.out, *options).returncode, 2, options)
        for options, says in ((["--name", "class"], "'class' cannot name"), (["--output", "none"], "computes no none"),
                              (["--input", "7x7x4"], "does not fit"), (["--mean", "1", "--std", "1"], "3 channels"),
                              (["--classes", self.folder / "none"], "cannot be read"), (["--resize", "5"], "--resize 5")):
            self.fails(path, says, options=options)
        self.fails(self.folder / "none.onnx", "cannot be read")

    def test_all_refusals_at_once(self):
        m = Made(4, 6, 6)
        a, b = m("Split", "x", m.constant(np.int64([3, 3])), outputs=2, axis=2)
        x = m("Concat", m.conv(a, 4, 2), b, axis=1)
        y = m("Softsign", m.conv("x", 4, 4))
        z = m("Clip", m.conv("x", 4, 4), m.constant(np.float32(2)), m.constant(np.float32(1)))
        self.fails(self.save(m.model(m("Sum", x, y, z))), "3 things cannot be expressed; nothing was written",
                   "Split 'node0': it takes a part of a value; strata's Channels takes neighbouring channels, and no more",
                   "Softsign 'node4': strata has no layer for Softsign", "Clip 'node6': it limits its values to [2.0, 1.0]", lines=4)

    def test_single_refusals(self):
        def made(build, says, sides=(2, 5, 5), opset=17):
            m = Made(*sides, opset=opset)
            self.assertIn(says, self.refused(m, build(m)))

        def crossed(m):
            a, b = m.conv("x", 2, 2), m.conv("x", 2, 2)
            return m("Add", m("Add", m("Relu", a), b), m("Concat", m.conv(a, 2, 1), m.conv(b, 2, 1), axis=1))

        made(crossed, "share")
        made(lambda m: m("Mul", m.conv("x", 2, 2), m.conv("x", 2, 2)), "strata's Gate multiplies a value by")
        made(lambda m: m("Mul", "x", m.conv("x", 2, 1)), "takes factors of the same shape, or one for each channel")
        made(lambda m: m("Softmax", m.conv("x", 2, 2), axis=1), "takes the softmax along axis 1")
        made(lambda m: m("Reshape", "x", m.constant(np.int64([0, 5, 5, 2]))), "and no other shape")
        made(lambda m: m("ConvTranspose", "x", m.weight(2, 1, 2, 2), group=2), "it has 2 groups")
        made(lambda m: m("Conv", "x", m.weight(2, 3, 3, 3)), "3 channels, and it gets 2")
        made(lambda m: m("Conv", "x", m.weight(2, 2, 9, 9)), "spans 9 elements")
        made(lambda m: m("Add", "x", m.weight(2, 5, 5)), "a number, or one for each channel")
        made(lambda m: m("Transpose", "x", perm=[1, 0, 2, 3]), "the axis of the images")
        made(lambda m: m("Resize", "x", "", m.constant(np.float32([1, 1, 0.5, 0.5]))), "enlarges by whole numbers")
        made(lambda m: m("MatMul", "x", "x"), "two computed matrices")

    def test_outputs_of_more_than_one(self):
        m = Made(2, 5, 5)
        a, b = m.conv("x", 2, 2), m.conv("x", 2, 3)
        self.fails(self.save(m.model(a, b)), f"the model has 2 outputs, {a}, {b}; name one with --output")


@unittest.skipIf(keras is None, "Keras is not installed")
class Keras(Case):
    def keras_model(self, arithmetic=True):
        layers = keras.layers
        x = inputs = keras.Input((16, 16, 3))
        x = layers.Rescaling(1 / 127.5, offset=-1)(x)
        x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
        x = layers.Conv2D(8, 3, strides=2, use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
        y = layers.DepthwiseConv2D(3, padding="same")(layers.Conv2D(16, 1, activation="silu")(x))
        gate = layers.GlobalAveragePooling2D(keepdims=True)(y)
        gate = layers.Conv2D(16, 1, activation="hard_sigmoid")(layers.Conv2D(4, 1, activation="relu")(gate))
        y = layers.Conv2D(8, 1)(layers.Multiply()([y, gate]))
        x = layers.Add()([x, y])
        x = layers.LeakyReLU()(layers.BatchNormalization(scale=False)(x))
        x = layers.PReLU(shared_axes=[1, 2])(layers.SeparableConv2D(6, 3, padding="same")(x))
        x = layers.Concatenate()([layers.MaxPooling2D(3, strides=1, padding="same")(x), layers.AveragePooling2D(3, strides=1,
                                                                                                               padding="same")(x)])
        x = layers.LayerNormalization()(layers.Conv2DTranspose(5, 3, strides=2, padding="same")(x))
        x = layers.GroupNormalization(5)(layers.UpSampling2D(2, interpolation="bilinear")(x))
        inner = keras.Sequential([keras.Input((32, 32, 5)), layers.MaxPooling2D(4), layers.Conv2D(4, 3, padding="same"),
                                  layers.Conv2D(4, 3), layers.Flatten()])
        x = layers.Dropout(0.2)(inner(x))
        x = x * 0.5 + 3.0 if arithmetic else x
        x = layers.Dense(7, activation="gelu")(x)
        x = layers.Flatten()(layers.Conv2D(2, 2)(layers.Reshape((3, 2, 4))(layers.Dense(24)(x))))
        model = keras.Model(inputs, layers.Dense(5, activation="softmax")(x))
        draw = np.random.default_rng(7)
        model.set_weights([draw.uniform(0.5, 1.5, w.shape) if "variance" in w.path or "gamma" in w.path else
                           draw.normal(0, 0.3, w.shape) for w in model.weights])
        return model

    def test_files_of_keras(self):
        for name in ("net.keras", "net.h5"):  # Keras does not read x * 0.5 from .h5
            with self.subTest(name):
                model = self.keras_model(name == "net.keras")
                model.save(self.folder / name)
                result = self.run_script(self.folder / name, "--out", self.out)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn("of the largest output", result.stdout)
                checked = load_file(self.out / "net.check.safetensors")
                expected = model.predict(checked["input"], verbose=0)
                self.assertLessEqual(difference(checked["output"], expected), 1e-6)

    def test_without_keras(self):
        model = self.keras_model()
        model.save(self.folder / "net.keras")
        import read_keras
        reader = read_keras.KerasReader(self.folder / "net.keras")
        network = import_model.network_of(reader, True)
        x = np.random.default_rng(1).normal(0, 60, (3, 16, 16, 3)).astype(np.float32)
        self.assertLessEqual(difference(emulate(network.chain, x.astype(np.float64)), model.predict(x, verbose=0)), 2e-6)

    def test_refusals(self):
        layers = keras.layers
        x = inputs = keras.Input((8, 8, 4))
        shared = layers.Conv2D(4, 3, padding="same")
        x = shared(shared(x))
        x = layers.UpSampling2D(2, interpolation="bicubic")(x)
        x = layers.MultiHeadAttention(2, 4)(x, x)
        keras.Model(inputs, x).save(self.folder / "net.keras")
        self.fails(self.folder / "net.keras", "Conv2D 'conv2d", "it is used twice", "strata has no attention", lines=3)


if __name__ == "__main__":
    unittest.main()
