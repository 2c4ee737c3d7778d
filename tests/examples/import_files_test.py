#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Damaged and hostile files in the example import_model: ONNX, .h5 and .keras. Exits with 77 where a package is missing."""
import json
import os
import subprocess
import sys
import unittest
import zipfile

from import_case import AllRefused, Case, DRAW, EFFORT, FOLDER, h5py, helper, import_model, keras, Made, np, read_onnx, \
    Refused, TensorProto
import onnx_patterns as patterns
from made_onnx import every_layer


class Hostile(Case):
    def model(self):
        m = Made(2, 5, 5)
        return m.model(m("Relu", m.conv("x", 2, 3)))

    def test_no_model(self):
        for data in (b"", b"\x00", b"text that is no model at all, but long enough", os.urandom(4000), b"\x3a\xff\xff\xff\x7f"):
            self.fails(self.save(data), "nothing was written")

    def test_every_truncation(self):
        data = self.model().SerializeToString()
        path = self.folder / "cut.onnx"
        for end in range(0, len(data), 1 if EFFORT >= 10 else 7):
            path.write_bytes(data[:end])
            with self.assertRaises((Refused, AllRefused), msg=end):
                import_model.network_of(read_onnx.OnnxReader(path), False)

    def test_sizes_that_overflow(self):
        for dims, says in (([1 << 40, 1 << 40, 3, 3], "elements"), ([-3, 2, 3, 3], "not negative"), ([3, 2, 3, 4], "not the numbers"),
                           ([1 << 20, 1 << 20], "elements")):
            model = self.model()
            del model.graph.initializer[0].dims[:]
            model.graph.initializer[0].dims.extend(dims)
            path = self.save(model)
            with self.assertRaises((Refused, AllRefused), msg=dims) as caught:
                import_model.network_of(read_onnx.OnnxReader(path), False)
            self.assertIn(says, str(caught.exception))
        for attribute, value in (("strides", [0, 0]), ("strides", [1 << 60, 1]), ("pads", [-1] * 4), ("pads", [1 << 40] * 4),
                                 ("dilations", [1 << 62, 1]), ("group", 0), ("group", -(1 << 60)), ("kernel_shape", [1 << 50, 3]),
                                 ("strides", [1, 1, 1]), ("strides", "text"), ("auto_pad", "ELSE"), ("pads", [1 << 14] * 4)):
            model = self.model()
            node = model.graph.node[0]
            for old in [a for a in node.attribute if a.name == attribute]:
                node.attribute.remove(old)
            node.attribute.append(helper.make_attribute(attribute, value))
            with self.assertRaises((Refused, AllRefused), msg=(attribute, value)):
                import_model.network_of(read_onnx.OnnxReader(self.save(model)), False)

    def test_constants_that_grow(self):
        m = Made(2, 5, 5)
        name = m.constant(np.zeros(1 << 20, np.float32))
        for _ in range(40):
            name = m("Concat", name, name, axis=0)
        self.assertIn("constants of more than", self.refused(m, m("Add", "x", name)))
        m = Made(2, 5, 5)
        huge = m("ConstantOfShape", m.constant(np.int64([1 << 40, 1 << 40])))
        self.assertIn("elements", self.refused(m, m("Add", "x", huge)))

    def limited(self, path, *says, lines=1, memory=2 << 30):
        """Within so much memory more than the packages need themselves."""
        program = f"""
import pathlib, resource, runpy, sys
import h5py, numpy, onnx, onnxruntime
limit = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + {memory}
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sys.path.insert(0, {str(FOLDER)!r})
sys.argv = ["import_model.py", {str(path)!r}, "--out", {str(self.out)!r}]
runpy.run_path({str(FOLDER / 'import_model.py')!r}, run_name="__main__")
"""
        result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=300)
        self.assertEqual(result.returncode, 1, result.stderr[-2000:])
        for part in says:
            self.assertIn(part, result.stderr)
        self.assertNotIn("MemoryError", result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), lines, result.stderr[-2000:])
        self.assertFalse(self.out.exists())

    def test_a_billion_nodes(self):
        path = self.folder / "many.onnx"
        count = 500_000_000  # two bytes each: an empty node
        with open(path, "wb") as file:
            body = count * 2
            length, head = body, b"\x3a"
            while length >= 128:
                head += bytes([length & 127 | 128])
                length >>= 7
            file.write(b"\x08\x08" + head + bytes([length]))
            part = b"\x0a\x00" * (1 << 20)
            for _ in range(0, count, 1 << 20):
                file.write(part[:min(len(part), body)])
                body -= min(len(part), body)
        self.limited(path, "more than")

    def test_small_files_that_ask_for_much_memory(self):
        size, sides = 32768, np.int64([0, 0, 1, 1])

        def average():  # a convolution that sums, and shares that no pool has
            m = Made(1, 3, 3)
            x = m("Conv", "x", m.constant(np.ones((1, 1, 3, 3), np.float32)), pads=[0, 0, size, size], strides=[size, size])
            return m, m("Mul", x, m.constant(np.float32([[[[0.1, 0.2], [0.3, 0.4]]]]))), "strata takes a number"

        def window():  # a window of padding alone, on either axis
            m = Made(1, 1, 1)
            x = m("MaxPool", "x", kernel_shape=[size, size], pads=[size] * 4, dilations=[1, 1])
            return m, x, "padding alone"

        def enlarged(mode):
            m = Made(1, 4, 4)
            x = m("Resize", "x", "", m.constant(np.float32([1, 1, 1e9, 1])), mode=mode, nearest_mode="floor",
                  coordinate_transformation_mode="asymmetric")
            return m, x, "elements"

        def parts(cut):
            m = Made(1 << 28)
            if cut == "Split":
                return m, m("Split", "x", m.constant(np.int64([1, 0, (1 << 28) - 1])), outputs=3, axis=1)[1], "without channels"
            if cut == "Gather":
                return m, m("Gather", "x", m.constant(np.int64([5, 3])), axis=1), "neighbouring channels"
            first, end, axis, step = (m.constant(np.int64([n])) for n in (0, 1 << 28, 1, 2))
            return m, m("Slice", "x", first, end, axis, step), "neighbouring channels"

        for made, output, says in (average(), window(), enlarged("nearest"), enlarged("linear"), parts("Split"), parts("Gather"),
                                   parts("Slice")):
            self.limited(self.save(made.model(output)), says, lines=2, memory=128 << 20)

    def test_operators_without_their_inputs(self):
        """Each is refused by name, or is nothing; none ends the reader."""
        for kind in sorted({*read_onnx._OPERATORS, *patterns._ELEMENTWISE}):
            for inputs in ([], ["x"], ["x", "x"], ["", "x"]):
                m = Made(2, 5, 5)
                path = self.save(m.model(m("Relu", m(kind, *inputs))))
                try:
                    import_model.network_of(read_onnx.OnnxReader(path), False)
                except AllRefused as refused:
                    self.assertIn(f"{kind} 'node0'", str(refused), inputs)
                except Refused as refused:
                    self.assertFalse("x" in inputs, (kind, inputs, refused))  # of no input is computed at once
        for power in (False, True):  # half of a normalization
            m = Made(2, 5, 5)
            plus = m("Add", "x")
            x = m("Div", "x", m("Pow", plus) if power else m("Sqrt", plus))
            self.assertIn("Add 'node0': it needs two inputs, and has 1", self.refused(m, x))

    def test_groups_of_channels_alone(self):
        for kind in ("HardSigmoid", "Relu"):
            m = Made(4, 5, 3)
            x = m("InstanceNormalization", m("Reshape", "x", m.constant(np.int64([0, 2, -1]))), m.weight(2), m.weight(2))
            x = m("Reshape", m(kind, x), m.constant(np.int64([0, 4, 5, 3])))
            self.assertNotIn("damaged", self.refused(m, x))

    def test_external_data(self):
        secret = self.folder / "secret.bin"
        secret.write_bytes(bytes(1000))
        inner = self.folder / "model"
        inner.mkdir()
        (inner / "data.bin").write_bytes(DRAW.normal(0, 1, 54 + 10).astype("<f4").tobytes())
        (inner / "link.bin").symlink_to(secret)

        def external(**entries):
            model = self.model()
            tensor = model.graph.initializer[0]
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in entries.items():
                entry = tensor.external_data.add()
                entry.key, entry.value = key, str(value)
            path = inner / "net.onnx"
            path.write_bytes(model.SerializeToString())
            return path

        for entries, says in (({"location": "../secret.bin"}, "in the model's folder"), ({"location": secret}, "in the model's folder"),
                              ({"location": "link.bin"}, "in the model's folder"), ({"location": ""}, "in the model's folder"),
                              ({"location": "none.bin"}, "cannot be read"), ({"location": "data.bin", "offset": 200}, "ends behind"),
                              ({"location": "data.bin", "offset": -1}, "expected 216"),
                              ({"location": "data.bin", "length": 1 << 60}, "expected 216"),
                              ({"location": "data.bin", "offset": "x"}, "cannot be read"), ({"location": "."}, "cannot be read")):
            self.fails(external(**entries), says)
        self.assertEqual(self.run_script(external(location="data.bin", offset=40), "--out", self.out).returncode, 0)

    def test_deep_nesting(self):
        """Graphs in graphs, and a chain of nodes as long as the stack is not."""
        def message(field, body):
            size, length = len(body), b""
            while size >= 128:
                length, size = length + bytes([size & 127 | 128]), size >> 7
            return bytes([field << 3 | 2]) + length + bytes([size]) + body

        for depth in (20, 50, 5000):
            graph = b""
            for _ in range(depth):  # a node with an attribute that is a graph
                graph = message(1, message(5, message(6, graph)))
            self.fails(self.save(message(7, graph)), "nothing was written")
        m, x = Made(2, 5, 5), "x"
        for _ in range(20_000):
            x = m("Relu", x)
        import_model.network_of(read_onnx.OnnxReader(self.save(m.model(x))), False)

    def test_cycles(self):
        nodes = [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
        value = helper.make_tensor_value_info
        graph = helper.make_graph(nodes, "g", [value("x", 1, [1, 2, 4, 4])], [value("b", 1, None)])
        self.fails(self.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])), "takes what it computes itself")

    def test_damaged_bytes(self):
        """Whatever a damaged file says, the reader answers with a refusal or with a network."""
        draw = np.random.default_rng(5)
        for model, tries in ((self.model(), 600), (every_layer(), 300)):
            data, bare = model.SerializeToString(), type(model)()
            bare.CopyFrom(model)
            bare.graph.ClearField("initializer")
            most = len(bare.SerializeToString())  # the nodes are before the weights
            outcomes = {"network": 0, "refused": 0}
            for _ in range(int(tries * EFFORT)):
                damaged = bytearray(data)
                for _ in range(draw.integers(1, 4)):
                    damaged[draw.integers(most)] = draw.integers(256)
                try:
                    import_model.network_of(read_onnx.OnnxReader(self.save(bytes(damaged))), False)
                    outcomes["network"] += 1
                except (Refused, AllRefused):
                    outcomes["refused"] += 1
            self.assertTrue(all(outcomes.values()), outcomes)


class Hdf5(Case):
    """Files .h5 as Keras 2 writes them; h5py alone makes them here."""

    def file(self, change=None, config=None):
        path = self.folder / "net.h5"
        layers = [{"class_name": "InputLayer", "config": {"name": "input_1", "batch_input_shape": [None, 6, 6, 2]}},
                  {"class_name": "Conv2D", "config": {"name": "conv2d", "filters": 3, "kernel_size": [3, 3], "activation": "relu"}}]
        model = {"class_name": "Sequential", "config": {"name": "net", "layers": layers}}
        with h5py.File(path, "w") as file:
            file.attrs["keras_version"] = "2.15.0"
            file.attrs["model_config"] = json.dumps(model) if config is None else config
            group = file.create_group("model_weights/conv2d")
            group.attrs["weight_names"] = [b"conv2d/kernel:0", b"conv2d/bias:0"]
            group["conv2d/kernel:0"] = np.random.default_rng(1).normal(0, 1, (3, 3, 2, 3)).astype(np.float32)
            group["conv2d/bias:0"] = np.float32([1, 2, 3])
            if change is not None:
                change(file, group)
        return path

    def read(self, path):
        import read_keras
        return import_model.network_of(read_keras.KerasReader(path), False)

    def test_a_good_one(self):
        self.assertEqual(self.read(self.file()).output, (4, 4, 3))

    def test_every_truncation(self):
        path = self.file()
        data = path.read_bytes()
        for end in range(0, len(data), 7 if EFFORT >= 10 else 97):
            path.write_bytes(data[:end])
            with self.assertRaises((Refused, AllRefused), msg=end):
                self.read(path)

    def test_hostile_files(self):
        kernel = "conv2d/kernel:0"

        def other(link):
            def change(_, group):
                del group[kernel]
                group[kernel] = link
            return change

        def dataset(**options):
            def change(_, group):
                del group[kernel]
                group.create_dataset(kernel, **options)
            return change

        for change, says in ((lambda file, _: file.attrs.pop("model_config"), "it has no model_config"),
                             (lambda file, _: file.pop("model_weights"), "where it should be"),
                             (other(h5py.ExternalLink("/etc/passwd", "/0")), "where it should be"),
                             (other(h5py.SoftLink("/model_weights")), "where it should be"),
                             (dataset(shape=(3, 3, 2, 3), dtype="f4", external=[(str(self.folder / "x.bin"), 0, 216)]), "another file"),
                             (dataset(shape=(1 << 20, 1 << 20, 1 << 10), dtype="f4", chunks=(64, 64, 64)), "elements"),
                             (dataset(shape=(3, 3, 2, 3), dtype="i4"), "have the type int32"),
                             (dataset(shape=(3, 3, 7, 3), dtype="f4"), "7 channels"),
                             (dataset(shape=(), dtype="f4"), "0 axes")):
            path = self.file(change)
            with self.assertRaises((Refused, AllRefused)) as caught:
                self.read(path)
            self.assertIn(says, str(caught.exception))
        for config in ("{", "[" * 100_000, "7", "{}", '{"class_name": "Sequential", "config": {"layers": [3]}}',
                       '{"class_name": "Sequential", "config": {"layers": ' + "[" * 900 + "]" * 900 + "}}"):
            with self.assertRaises((Refused, AllRefused), msg=config[:80]):
                self.read(self.file(config=config))
        self.fails(self.file(config="{"), "is no JSON")

    def test_damaged_bytes(self):
        path = self.file()
        data, draw = path.read_bytes(), np.random.default_rng(5)
        outcomes = {"network": 0, "refused": 0}
        for _ in range(int(300 * EFFORT)):
            damaged = bytearray(data)
            for _ in range(draw.integers(1, 6)):
                damaged[draw.integers(len(damaged))] = draw.integers(256)
            path.write_bytes(damaged)
            try:
                self.read(path)
                outcomes["network"] += 1
            except (Refused, AllRefused):
                outcomes["refused"] += 1
        self.assertTrue(all(outcomes.values()), outcomes)


@unittest.skipIf(keras is None, "Keras is not installed")
class Archive(Case):
    """Files .keras, which are archives."""

    good = {}

    def damaged(self, change):
        if not self.good:
            keras.Sequential([keras.Input((6, 6, 2)), keras.layers.Conv2D(3, 3)]).save(self.folder / "good.keras")
            with zipfile.ZipFile(self.folder / "good.keras") as archive:
                self.good.update({name: archive.read(name) for name in archive.namelist()})
        entries = dict(self.good)
        change(entries)
        with zipfile.ZipFile(self.folder / "net.keras", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in entries.items():
                archive.writestr(name, data)
        return self.folder / "net.keras"

    def weights(self, change):
        def changed(entries):
            path = self.folder / "w.h5"
            path.write_bytes(entries["model.weights.h5"])
            with h5py.File(path, "r+") as file:
                change(file["layers/conv2d/vars"])
            entries["model.weights.h5"] = path.read_bytes()
        return self.damaged(changed)

    def test_hostile_files(self):
        for data in (b"", b"PK\x03\x04", os.urandom(3000), b"\x89HDF\r\n\x1a\n" + os.urandom(2000)):
            path = self.folder / "net.keras"
            path.write_bytes(data)
            self.fails(path, "nothing was written")
        self.fails(self.damaged(lambda e: e.pop("config.json")), "no Keras model")
        self.fails(self.damaged(lambda e: e.update({"config.json": b"{"})), "is no JSON")
        self.fails(self.damaged(lambda e: e.update({"config.json": b"[" * 100000})), "is no JSON")
        self.fails(self.damaged(lambda e: e.update({"config.json": b" " * (65 << 20)})), "more than")
        self.fails(self.damaged(lambda e: e.update({"model.weights.h5": e["model.weights.h5"][:500]})), "nothing was written")

        def other(file, link):
            del file["0"]
            file["0"] = link

        self.fails(self.weights(lambda g: other(g, h5py.ExternalLink("/etc/passwd", "/0"))), "where it should be", lines=2)
        self.fails(self.weights(lambda g: other(g, h5py.SoftLink("/layers"))), "where it should be", lines=2)

        def huge(group):
            del group["0"]
            group.create_dataset("0", shape=(1 << 20, 1 << 20, 1 << 10), dtype="f4", chunks=(64, 64, 64))

        self.fails(self.weights(huge), "elements", lines=2)

        def loop(entries):
            config = json.loads(entries["config.json"])
            for _ in range(100):
                config = {"class_name": "Sequential", "config": {"name": "s", "layers": [config]}}
            entries["config.json"] = json.dumps(config).encode()

        self.fails(self.damaged(loop), "give --input HxWxC", lines=2)
        self.fails(self.damaged(loop), "models in models too deeply", options=("--input", "6x6x2"), lines=2)

    def test_damaged_bytes(self):
        path = self.damaged(lambda e: None)
        with zipfile.ZipFile(path) as archive:
            config = archive.read("config.json")
        draw = np.random.default_rng(5)
        outcomes = {"network": 0, "refused": 0}
        import read_keras
        for _ in range(int(60 * EFFORT)):
            text = bytearray(config)
            for _ in range(draw.integers(1, 3)):
                text[draw.integers(len(text))] = draw.integers(32, 127)
            damaged = self.damaged(lambda e: e.update({"config.json": bytes(text)}))
            try:
                import_model.network_of(read_keras.KerasReader(damaged), False)
                outcomes["network"] += 1
            except (Refused, AllRefused):
                outcomes["refused"] += 1
        self.assertTrue(all(outcomes.values()), outcomes)


if __name__ == "__main__":
    unittest.main()
