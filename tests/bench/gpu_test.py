# SPDX-License-Identifier: BSL-1.0
"""gpu_test.py COMPILER...: what bench/gpu does without a GPU. COMPILER with its options compiles job.hpp, whose made images
are compared with those of pytorch.py where numpy is there."""
import contextlib
import importlib.util
import io
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
GPU = os.path.join(ROOT, "bench", "gpu")
COMPILER = []


def load(name):
    spec = importlib.util.spec_from_file_location(name, os.path.join(GPU, name + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


measure = load("measure")
NUMPY = importlib.util.find_spec("numpy") is not None
LEARN = "learn=2.3,0.1"
LINES = f"""\
peer=strata version=1 mode=card card=NVIDIA_H200 capability=9.0 driver=13.0 runtime=13.0 cudnn=9.19.0
peer=pytorch-eager version=2 mode=card card=NVIDIA_H200 runtime=13.0 cudnn=91900
peer=strata version=1 mode=start batch=128 precision=tf32 setup_ms=900 first_ms=20 second_ms=5 parameters=21594506 {LEARN}
peer=pytorch-eager version=2 mode=start batch=128 precision=tf32 setup_ms=80 first_ms=900 second_ms=3 parameters=21594506 {LEARN}
peer=pytorch-cudagraphs version=2 mode=start batch=128 precision=tf32 setup_ms=80 first_ms=999 second_ms=3 parameters=21594506 {LEARN}
peer=strata version=1 mode=train batch=128 precision=tf32 ms=0.4,0.5,9
peer=strata version=1 mode=graph batch=128 precision=tf32 ms=0.45,0.45,0.45
peer=pytorch-eager version=2 mode=train batch=128 precision=tf32 ms=2,2,2
peer=pytorch-cudagraphs version=2 mode=train batch=128 precision=tf32 ms=0.7,0.8,0.9
peer=clock mode=clock driver=580 sm=1980 sm_max=1980 memory=3201 celsius=40 watt_limit=700
peer=strata version=1 mode=train batch=128 precision=tf32 ms=0.3,0.3,0.3
peer=strata version=1 mode=train batch=128 precision=tf32 ms=0.7,0.7,0.7
peer=pytorch-cudagraphs version=2 mode=train batch=128 precision=tf32 ms=0.6
peer=pytorch-cudagraphs version=2 mode=busy batch=128 precision=tf32 ms=0.56
peer=strata version=1 mode=epoch batch=1024 precision=tf32 first=3 images=50000 data=7 seconds=0.8,0.9 {LEARN}
peer=pytorch-eager version=2 mode=epoch batch=1024 precision=tf32 first=4 images=50000 data=7 seconds=1.5 {LEARN}
peer=pytorch-compile version=2 mode=missing batch=128 precision=tf32 reason=InductorError: no compiler here
peer=clock mode=clock driver=580 sm=1755 sm_max=1980 memory=3201 celsius=55 watt_limit=700
"""


def results(text):
    r = measure.Results()
    for line in text.splitlines():
        r.add(line)
    return r


class Table(unittest.TestCase):
    def test_the_median_of_medians_over_the_best_peer(self):
        r = results(LINES)
        self.assertEqual(r.median("train", "strata", "tf32", 128), 0.5)
        # cudagraphs: 0.8 and 0.6; eager is slower.
        self.assertEqual(r.ratio("tf32", 128), "1.40")
        self.assertEqual(r.last_lines(), ["train128_tf32 strata/best-peer 1.40", "train1024_tf32 strata/best-peer nan",
                                          "train128_bf16 strata/best-peer nan", "train1024_bf16 strata/best-peer nan",
                                          "epoch1024 0.85 s"])

    def test_text(self):
        text = results(LINES).text(["head"])
        for row in ("| tf32, batch 128 | strata | 3 | 0.300 / 0.500 / 0.700 | 256000 | 1.00 |",
                    "| tf32, batch 128 | pytorch-cudagraphs | 2 | 0.600 / 0.700 / 0.800 | 182857 | 1.40 |",
                    "| tf32, batch 128 | pytorch-eager | 1 | 2.000 / 2.000 / 2.000 | 64000 | 4.00 |",
                    "| tf32, batch 1024, 50000 images | strata | 0.800 / 0.850 / 0.900 | 58824 | 3.00 |",
                    "| tf32, batch 128 | strata | 900.0 | 20.0 | 5.0 |",
                    "| tf32, batch 128 | strata | 0.450 | 90% |",
                    "| tf32, batch 128 | pytorch-cudagraphs | 0.560 | 80% |",
                    "- MISSING: pytorch-compile (tf32, batch 128): InductorError: no compiler here"):
            self.assertIn(row + "\n", text)
        self.assertIn("NVIDIA H200, compute capability 9.0, driver for CUDA 13.0; strata 1: CUDA 13.0, cuDNN 9.19.0\n", text)
        self.assertIn("PyTorch 2: CUDA 13.0, cuDNN 91900\n", text)
        self.assertIn("Driver 580; after each round: SM 1755-1980 MHz of 1980, memory 3201 MHz, 40-55 degrees, limit 700 W\n",
                      text)
        # The fastest stands first.
        self.assertLess(text.index("| strata | 3 |"), text.index("| pytorch-cudagraphs | 2 |"))

    def test_what_is_missing_does_not_count(self):
        r = results(LINES + "peer=pytorch-cudagraphs version=2 mode=missing batch=128 precision=tf32 reason=out of memory\n")
        self.assertEqual(r.ratio("tf32", 128), "4.00")
        self.assertIn("- MISSING: pytorch-cudagraphs (tf32, batch 128): out of memory\n", r.text([]))

    def test_nothing_recorded(self):
        r = results("")
        self.assertEqual(r.last_lines()[-1], "epoch1024 nan s")
        self.assertIn("nvidia-smi is not there", r.text([]))

    def test_who_computes_something_else_is_out(self):
        for old, new, why in (("peer=pytorch-cudagraphs version=2 mode=start batch=128 precision=tf32 setup_ms=80 first_ms=999 "
                               "second_ms=3 parameters=21594506", "peer=pytorch-cudagraphs version=2 mode=start batch=128 "
                               "precision=tf32 setup_ms=80 first_ms=999 second_ms=3 parameters=5", "5 parameters for 21594506"),
                              ("seconds=1.5 " + LEARN, "seconds=1.5 learn=2.3,2.4", "does not learn in epochs"),
                              ("seconds=1.5 " + LEARN, "seconds=1.5 learn=2.3,nan", "does not learn in epochs"),
                              ("data=7 seconds=1.5", "data=8 seconds=1.5", "its epochs are of other images")):
            self.assertIn(old, LINES)
            self.assertIn(why, results(LINES.replace(old, new)).text([]))

    def test_check(self):
        own = "peer=strata version=1 mode=check precision=tf32 parameters=21594506 logits=1,-2 losses=2.3,2.2\n"
        other = own.replace("peer=strata", "peer=pytorch-eager")
        self.assertEqual(results(own + other).wrong("pytorch-eager", "tf32"), "")
        self.assertEqual(results(own).wrong("pytorch-eager", "tf32"), "no check")
        for old, new, why in (("logits=1,-2", "logits=1.03,-2", "other logits"), ("2.3,2.2", "2.3,nan", "other losses"),
                              ("2.3,2.2", "2.3", "other losses"), ("=21594506", "=6", "6 parameters")):
            self.assertIn(why, results(own + other.replace(old, new)).wrong("pytorch-eager", "tf32"))

    def test_recorded_lines_from_a_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "raw.txt")
            with open(path, "w") as file:
                file.write(LINES)
            done = subprocess.run([sys.executable, os.path.join(GPU, "measure.py"), "--lines", path], stdout=subprocess.PIPE,
                                  text=True, check=True)
        self.assertTrue(done.stdout.endswith("\n\n" + "\n".join(results(LINES).last_lines()) + "\n"))


# Programs as the real ones talk: lines, `ready`, and `done` after each word.
TALKER = """
import sys
print('peer=x version=3 mode=card card=a runtime=1 cudnn=2'); print('noise'); print('ready', flush=True)
for word in sys.stdin:
    {}
    print('peer=x version=3 mode=train batch=128 precision=tf32 ms=5'); print('done', flush=True)
"""


class Processes(unittest.TestCase):
    def setUp(self):
        self.lines = []
        self.log = open(os.devnull, "w")
        self.addCleanup(self.log.close)

    def process(self, inside="pass"):
        p = measure.Process("x", [sys.executable, "-c", TALKER.format(inside)], self.lines.append, self.log)
        self.addCleanup(p.child.stdout.close)
        self.addCleanup(p.end)
        return p

    def test_rounds(self):
        p = self.process()
        p.until("ready", 30)
        for count in (2, 3):
            p.tell("round")
            p.until("done", 30)
            self.assertEqual(len(self.lines), count)
        p.end()
        self.assertEqual(p.child.returncode, 0)

    def test_one_that_ends_is_told_apart_from_one_that_takes_too_long(self):
        p = self.process("sys.exit(3)")
        p.until("ready", 30)
        p.tell("round")
        with self.assertRaisesRegex(RuntimeError, "exit code 3"):
            p.until("done", 30)
        p = self.process("sys.stdin.readline()")  # waits until there is no more to read
        p.until("ready", 30)
        p.tell("round")
        with self.assertRaisesRegex(RuntimeError, "not done within 0 s"):
            p.until("done", 0.1)
        self.assertIsNotNone(p.child.returncode)


# Stands for bench_gpu_step and, as a python that ignores its script, for PyTorch: neither runs without a GPU.
STAND_IN = """#!{python}
import sys
a = sys.argv
value = lambda key: a[a.index(key) + 1]
name = 'pytorch-' + value('--variant') if '--variant' in a else 'strata'
if name == 'pytorch-compile':
    sys.exit('no compiler')
ms = {{'strata': 1, 'pytorch-eager': 3, 'pytorch-cudagraphs': 2}}.get(name, 1.5)
def say(mode, rest):
    print('peer=' + name + ' version=1 mode=' + mode, rest, flush=True)
say('card', 'card=c runtime=1 cudnn=2')
if '--check' in a:
    for p in value('--precisions').split(','):
        off = 2.5 if name != 'strata' and p == 'bf16' else 2
        say('check', 'precision=' + p + ' parameters=21594506 logits=1,%g losses=2' % off)
    sys.exit()
for p in value('--precisions').split(','):
    for b in (128, 1024):
        say('start', 'batch=%d precision=%s setup_ms=1 first_ms=1 second_ms=1 parameters=21594506 learn=2,1' % (b, p))
print('ready', flush=True)
for word in sys.stdin:
    for p in value('--precisions').split(','):
        for b in (128, 1024):
            if word.strip() == 'busy':
                say('busy', 'batch=%d precision=%s ms=%g' % (b, p, ms / 2))
                continue
            say('train', 'batch=%d precision=%s ms=%g' % (b, p, ms * b / 128))
            if a[len(a) - 1 - a[::-1].index('--epochs') + 1] != '0':
                say('epoch', 'batch=%d precision=%s first=9 images=50 data=3 seconds=0.5 learn=2,1' % (b, p))
    print('done', flush=True)
"""


class Run(unittest.TestCase):
    def run_measure(self, *arguments):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        program = os.path.join(folder.name, "program")
        with open(program, "w") as file:
            file.write(STAND_IN.format(python=sys.executable))
        os.chmod(program, 0o755)
        done = subprocess.run([sys.executable, os.path.join(GPU, "measure.py"), "--build", folder.name, "--data", "d", "--step",
                               program, "--python", program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(folder.name, "table.md")) as file:
            self.assertTrue(done.stdout.startswith(file.read()))
        with open(os.path.join(folder.name, "raw.txt")) as file:
            lines = [measure.parse(line) for line in file]
        # Of one job, who was measured when.
        self.turns = [line["peer"] for line in lines if line["mode"] == "train" and line["precision"] == "tf32"
                      and line["batch"] == "128"]
        return done.stdout

    def test_rounds_in_turns_and_what_is_missing(self):
        out = self.run_measure("--torch", "--rounds", "2")
        self.assertTrue(out.endswith("train128_tf32 strata/best-peer 1.50\ntrain1024_tf32 strata/best-peer 1.50\n"
                                     "train128_bf16 strata/best-peer nan\ntrain1024_bf16 strata/best-peer nan\n"
                                     "epoch1024 0.50 s\n"), out)
        for row in ("| tf32, batch 128 | pytorch-max-autotune | 2 | 1.500 / 1.500 / 1.500 |",
                    "| float32, batch 1024 | pytorch-cudagraphs | 2 | 16.000 / 16.000 / 16.000 |",
                    "| tf32, batch 128 | pytorch-eager | 1.500 | 50% |",
                    "- MISSING: pytorch-eager (bf16): other logits than strata's",
                    "- MISSING: pytorch-compile: setting it up: ended with exit code 1"):
            self.assertIn(row, out)
        for no_row in ("| float32, batch 128 | pytorch-max-autotune", "| tf32, batch 128, 50 images | pytorch-max-autotune"):
            self.assertNotIn(no_row, out)
        peers = ["strata", "pytorch-eager", "pytorch-cudagraphs", "pytorch-max-autotune", "pytorch-compile-cudagraphs"]
        self.assertEqual(self.turns, peers + peers[1:] + peers[:1])

    def test_without_pytorch(self):
        out = self.run_measure("--rounds", "1", "--variants", "eager")
        self.assertIn("- MISSING: pytorch-eager: PyTorch is not installed, or sees no GPU", out)
        self.assertIn("train128_tf32 strata/best-peer nan\n", out)
        self.assertIn("| tf32, batch 128 | strata | 1 | 1.000 / 1.000 / 1.000 |", out)

    def test_time_that_is_up_ends_the_rounds(self):
        out = self.run_measure("--torch", "--rounds", "50", "--minutes", "0.0001", "--variants", "eager")
        self.assertIn(" 1 rounds;", out)
        self.assertIn("- MISSING: pytorch-eager: no time left to set it up", out)


@unittest.skipUnless(NUMPY, "numpy is not installed")
class PyTorchSide(unittest.TestCase):
    def setUp(self):
        self.pytorch = load("pytorch")

    def test_both_make_the_same_images(self):
        with tempfile.TemporaryDirectory() as folder:
            source, program = os.path.join(folder, "sum.cpp"), os.path.join(folder, "sum")
            with open(source, "w") as file:
                file.write(f'#include "{GPU}/job.hpp"\n'
                           'int main() {\n'
                           '  const bench::Images images = bench::made_images(5000);\n'
                           '  std::printf("%llu %d", static_cast<unsigned long long>(bench::sum_of(images)),\n'
                           '              images.pixels(4999)[3071]);\n}\n')
            subprocess.run([*COMPILER, "-O1", source, "-o", program, "-pthread"], check=True)
            told = subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True).stdout
        images, labels = self.pytorch.made_images(5000)
        self.assertEqual(told, f"{self.pytorch.sum_of(images, labels)} {images[4999].flatten()[3071]}")

    def test_the_sum_tells_images_and_labels_apart(self):
        images, labels = self.pytorch.made_images(20)
        here = self.pytorch.sum_of(images, labels)
        images[3, 4, 5, 1] ^= 1
        self.assertNotEqual(self.pytorch.sum_of(images, labels), here)
        images[3, 4, 5, 1] ^= 1
        self.assertNotEqual(self.pytorch.sum_of(images, labels[::-1]), here)

    def test_busy_counts_overlaps_once_and_the_host_not_at_all(self):
        def event(cat, ts, dur, ph="X"):
            return {"ph": ph, "cat": cat, "ts": ts, "dur": dur}

        trace = {"traceEvents": [event("kernel", 100, 50), event("gpu_memcpy", 120, 10), event("kernel", 140, 30),
                                 event("gpu_memset", 300, 5), event("cpu_op", 0, 1000), event("gpu_user_annotation", 0, 1000),
                                 {"ph": "M", "name": "process_name"}]}
        self.assertAlmostEqual(self.pytorch.busy_ms(trace), 0.075)

    def test_options(self):
        o = self.pytorch.options(["--data", "d", "--variant", "max-autotune", "--precisions", "bf16,tf32"])
        self.assertEqual((o.data, o.variant, o.precisions), ("d", "max-autotune", "bf16,tf32"))
        for wrong in ([], ["--data", "d", "--precisions", "fp8"], ["--data", "d", "--variant", "jit"]):
            with self.assertRaises(SystemExit) as end, contextlib.redirect_stderr(io.StringIO()):
                self.pytorch.options(wrong)
            self.assertEqual(end.exception.code, 2)


class Script(unittest.TestCase):
    def run_script(self, *arguments):
        return subprocess.run([os.path.join(GPU, "run.sh"), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def test_help_and_mistakes(self):
        done = self.run_script("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("--no-autotune", done.stdout)
        done = self.run_script("--rundos", "3")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--rundos is not an option", done.stderr)

    @unittest.skipIf(measure.no_device() == "", "there is a GPU here")
    def test_no_gpu(self):
        done = self.run_script("--no-install")
        self.assertEqual(done.returncode, 77)
        self.assertRegex(done.stderr, r"^bench/gpu/run.sh: SKIPPED: .+; nothing is measured\n$")
        self.assertEqual(done.stdout, "")


if __name__ == "__main__":
    COMPILER[:] = sys.argv[1:]
    unittest.main(argv=sys.argv[:1], verbosity=2)
