#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""strata_add_model() in a project of its own, with an installed strata: import_cmake_test.py BUILD_DIR COMPILER GENERATOR. Exits
with 77 where a package is missing."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
try:
    import onnx  # noqa: F401
    import onnxruntime  # noqa: F401, the importer takes it
except ImportError as missing:
    print(f"SKIPPED: no model was imported in a build: {missing}", file=sys.stderr)
    sys.exit(77)
from made_onnx import Made, every_layer

BUILD, COMPILER, GENERATOR = sys.argv[1:4]
PROJECT = """\
cmake_minimum_required(VERSION 3.25)
project(user LANGUAGES CXX)
find_package(strata REQUIRED OPTIONAL_COMPONENTS compiled)
add_executable(user main.cpp)
target_link_libraries(user PRIVATE strata::strata)
strata_add_model(user every-layer.onnx)
strata_add_model(user every-layer.onnx NAME folded FOLD)
strata_add_model(user tiny.onnx OUTPUT logits MEAN -0.5,0.4,0.3 STD 0.2,0.2,0.2 CLASSES classes.txt)
"""
PROGRAM = """\
#include <tiny.hpp>
#include <cstdio>
#include <strata/io/data_info.hpp>
#include <strata/io/weights.hpp>
#include <strata/strata.hpp>
int main() {
  strata::Model<tiny::Net, strata::Cpu, strata::Inference> model({.batch = 1, .threads = 1});
  strata::load_weights(model, tiny_WEIGHTS);
  const strata::DataInfo info = strata::read_data_info(strata::SafetensorsFile(tiny_WEIGHTS));
  std::printf("%s %.1f %zu\\n", info.classes.at(1).c_str(), static_cast<double>(info.normalize.mean.at(0)),
              model.predict(std::vector<float>(8 * 8 * 3)).size());
}
"""


def tiny():
    """Ends in logits and their softmax."""
    m = Made(3, 8, 8)
    x = m("GlobalAveragePool", m("Relu", m.conv("x", 3, 4)))
    m("Gemm", m("Flatten", x), m.weight(4, 5))
    m.nodes[-1].output[0] = "logits"
    return m.model(m("Softmax", "logits"))


class Build(unittest.TestCase):
    def step(self, *command, fails=None):
        result = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
        text = result.stdout + result.stderr
        if fails is None:
            self.assertEqual(result.returncode, 0, text)
        else:
            self.assertNotEqual(result.returncode, 0, text)
            self.assertIn(fails, text)
        return text

    def test_a_project_imports_a_model(self):
        with tempfile.TemporaryDirectory(prefix="strata-import-") as name:
            folder = pathlib.Path(name)
            self.step("cmake", "--install", BUILD, "--prefix", folder / "prefix")
            user = folder / "user"
            user.mkdir()
            (user / "CMakeLists.txt").write_text(PROJECT)
            (user / "main.cpp").write_text(PROGRAM)
            (user / "classes.txt").write_text("cat\ndog\nhorse\nship\nfrog\n")
            (user / "tiny.onnx").write_bytes(tiny().SerializeToString())
            (user / "every-layer.onnx").write_bytes(every_layer().SerializeToString())
            self.step("cmake", "-S", user, "-B", folder / "build", "-G", GENERATOR, f"-DCMAKE_CXX_COMPILER={COMPILER}",
                      f"-DCMAKE_PREFIX_PATH={folder / 'prefix'}", f"-DPython3_EXECUTABLE={sys.executable}",
                      "-DCMAKE_BUILD_TYPE=Release")
            text = self.step("cmake", "--build", folder / "build")
            for model in ("tiny", "every_layer", "folded"):
                self.assertIn(f"{model}: largest difference", text)
            self.assertEqual(self.step(folder / "build/user"), "dog -0.5 5\n")
            # A second build has nothing to do; a changed model is imported again, and a bad one stops the build.
            self.assertNotIn("largest difference", self.step("cmake", "--build", folder / "build"))
            (user / "tiny.onnx").write_bytes((user / "tiny.onnx").read_bytes()[:200])
            self.step("cmake", "--build", folder / "build", fails="is no ONNX model, or a damaged one")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
