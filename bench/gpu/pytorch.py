# SPDX-License-Identifier: BSL-1.0
"""PyTorch on a GPU, channels last, as bench_gpu_step is measured and with the lines that it prints (step.cu); --variant is
how a step is run:
  eager              as written, fused SGD
  cudagraphs         the whole step captured once and replayed
  compile            torch.compile of network and loss
  max-autotune       the same with mode max-autotune, which tries kernels and has CUDA graphs of its own
  compile-cudagraphs compiled, and the whole step captured
More lines: `mode=missing batch=... precision=... reason=...`, where a variant cannot run; and, asked `busy`, `mode=busy ... ms=`:
for how long a step keeps the GPU busy, as the profiler saw it."""
import argparse
import json
import os
import queue
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "peers"))
import numpy as np  # noqa: E402
import peer  # noqa: E402

VARIANTS = ("eager", "cudagraphs", "compile", "max-autotune", "compile-cudagraphs")
PRECISIONS = ("tf32", "bf16", "float32")
SHIFT, MEAN, DEVIATION = 0.1, 0.5, 0.25
SEED = 1


def options(arguments=None):
    parser = argparse.ArgumentParser(prog="pytorch.py")
    parser.add_argument("--variant", choices=VARIANTS, default="eager")
    parser.add_argument("--data", required=True, help="what make_data wrote")
    parser.add_argument("--cifar", default="", help="epochs of CIFAR-10 from there; without it, of made images")
    parser.add_argument("--images", type=int, default=50000)
    parser.add_argument("--batches", default="128,1024")
    parser.add_argument("--precisions", default=",".join(PRECISIONS))
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--device", default="0", help="which GPU, or cpu")
    parser.add_argument("--no-autotune", action="store_true", help="cudnn.benchmark off")
    parser.add_argument("--setup-seconds", type=float, default=1e9, help="what would not be ready by then is missing")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--serve", action="store_true")
    o = parser.parse_args(arguments)
    for precision in o.precisions.split(","):
        if precision not in PRECISIONS:
            parser.error(f"--precisions: '{precision}' is none of {', '.join(PRECISIONS)}")
    return o


# --- Data, number by number as in job.hpp -------------------------------------------------------------------------------
def drawn(at):
    with np.errstate(over="ignore"):
        z = (at + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def made_images(count):
    pixel = np.arange(3072)
    square = (pixel // (32 * 3 * 8) * 4 + pixel // 3 % 32 // 8) * 3 + pixel % 3
    templates = drawn(np.arange(10, dtype=np.uint64)[:, None] * np.uint64(48) + square.astype(np.uint64)) >> np.uint64(57)
    labels = np.arange(count) * 7 % 10
    images = np.empty((count, 3072), np.uint8)
    for first in range(0, count, 4096):
        some = slice(first, min(first + 4096, count))
        at = np.arange(some.start * 3072, some.stop * 3072, dtype=np.uint64).reshape(-1, 3072) + np.uint64(1 << 40)
        images[some] = templates[labels[some]] + (drawn(at) >> np.uint64(57))
    return images.reshape(-1, 32, 32, 3), labels.astype(np.int64)


def cifar_images(folder, count):
    inside = os.path.join(folder, "cifar-10-batches-bin")
    folder = inside if os.path.isdir(inside) else folder
    records = np.concatenate([np.fromfile(os.path.join(folder, f"data_batch_{i}.bin"), np.uint8).reshape(-1, 3073)
                              for i in range(1, 6)])[:count]
    return (np.ascontiguousarray(records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)),
            records[:, 0].astype(np.int64))


def sum_of(images, labels):
    return int(images.sum(dtype=np.int64)) + int((labels * np.arange(1, len(labels) + 1)).sum())


# --- Network and step ---------------------------------------------------------------------------------------------------
class Training:
    """The network at one precision and size of batch: step(x, y) queues a step and gives its loss, on the device."""

    def __init__(self, data, batch, precision, variant, device, dropout=True):
        import torch  # this late, so that the rest is of use without it
        from pytorch_network import network
        self.torch, self.network = torch, network
        self.batch, self.precision, self.variant, self.device = batch, precision, variant, device
        self.captures = variant in ("cudagraphs", "compile-cudagraphs")
        if self.captures and device.type != "cuda":
            raise RuntimeError("CUDA graphs need a GPU")
        self.math()
        torch.manual_seed(SEED)
        self.net = network(data, dropout).to(device=device, memory_format=torch.channels_last).train()
        self.loss = torch.nn.CrossEntropyLoss()
        # One kernel for all parameters.
        self.optimizer = torch.optim.SGD(self.net.parameters(), peer.LEARNING_RATE, peer.MOMENTUM, fused=True)
        self.call = self.forward
        if variant.startswith("compile") or variant == "max-autotune":
            self.call = torch.compile(self.forward, dynamic=False,
                                      **({"mode": "max-autotune"} if variant == "max-autotune" else {}))
        self.graph = None

    def math(self):
        """What this process computes float32 products in, for whoever goes next."""
        tf32 = self.precision != "float32"
        self.torch.set_float32_matmul_precision("high" if tf32 else "highest")
        self.torch.backends.cudnn.allow_tf32 = tf32

    def forward(self, x, y):
        # While a graph is captured, weights must not come from a cache of casts made before.
        with self.torch.autocast(self.device.type, self.torch.bfloat16, enabled=self.precision == "bf16",
                                 cache_enabled=not self.captures):
            return self.loss(self.net(x), y)

    def run(self, call, x, y):
        self.optimizer.zero_grad(set_to_none=True)
        loss = call(x, y)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def capture(self, x, y):
        torch = self.torch
        self.x, self.y = x.clone(memory_format=torch.preserve_format), y.clone()
        side = torch.cuda.Stream()  # handles belong to streams: what captures has to have run before
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.run(self.call, self.x, self.y)
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, stream=side):
            self.graph_loss = self.run(self.call, self.x, self.y)

    def step(self, x, y):
        if len(x) != self.batch:  # an epoch's last batch: not worth a compilation
            return self.run(self.forward, x, y)
        if self.captures:
            if self.graph is None:
                self.capture(x, y)
            self.x.copy_(x)
            self.y.copy_(y)
            self.graph.replay()
            return self.graph_loss
        if self.variant == "max-autotune":
            self.torch.compiler.cudagraph_mark_step_begin()
        return self.run(self.call, x, y)

    def parameters(self):
        return sum(p.numel() for p in self.net.parameters())

    def synchronize(self):
        if self.device.type == "cuda":
            self.torch.cuda.synchronize()

    def load(self, data):
        """The data's weights again, and an optimizer that remembers nothing, in place: a captured graph knows where."""
        with self.torch.no_grad():
            for own, other in zip(self.net.parameters(), self.network(data, True).parameters()):
                own.copy_(other)
            for state in self.optimizer.state.values():
                if state.get("momentum_buffer") is not None:
                    state["momentum_buffer"].zero_()


# --- Epochs -------------------------------------------------------------------------------------------------------------
class Loader:
    """Batches of a data set on the host, shuffled: gathered by a thread into pinned memory, copied beside what is computed."""
    SLOTS = 4

    def __init__(self, torch, images, labels, batch, device):
        self.torch, self.device, self.batch = torch, device, batch
        self.images, self.labels = torch.from_numpy(images), torch.from_numpy(labels)
        pinned = device.type == "cuda"
        self.slots = [(torch.empty((batch, 32, 32, 3), dtype=torch.uint8, pin_memory=pinned),
                       torch.empty(batch, dtype=torch.int64, pin_memory=pinned)) for _ in range(self.SLOTS)]
        self.copies = torch.cuda.Stream() if pinned else None

    def __call__(self, epoch):
        torch = self.torch
        order = torch.randperm(len(self.images), generator=torch.Generator().manual_seed(SEED + epoch))
        free, ready = queue.Queue(), queue.Queue()
        for slot in range(self.SLOTS):
            free.put((slot, None))

        def gather():
            for first in range(0, len(order), self.batch):
                slot, copied = free.get()
                if copied is not None:
                    copied.synchronize()
                at = order[first:first + self.batch]
                x, y = (part[:len(at)] for part in self.slots[slot])
                torch.index_select(self.images, 0, at, out=x)
                torch.index_select(self.labels, 0, at, out=y)
                ready.put((slot, x, y))
            ready.put(None)

        thread = threading.Thread(target=gather, daemon=True)
        thread.start()
        while (item := ready.get()) is not None:
            slot, x, y = item
            if self.copies is None:
                yield x, y
                free.put((slot, None))
                continue
            with torch.cuda.stream(self.copies):
                x, y = x.to(self.device, non_blocking=True), y.to(self.device, non_blocking=True)
                copied = self.copies.record_event()
            current = torch.cuda.current_stream()
            current.wait_event(copied)
            x.record_stream(current)
            y.record_stream(current)
            free.put((slot, copied))
            yield x, y
        thread.join()


def augmented(torch, x):
    """(N,H,W,C) bytes: shifts by up to a tenth, linear between pixels, the edge repeated; half of them mirrored."""
    x = x.permute(0, 3, 1, 2).float() / 255
    n = len(x)
    theta = torch.zeros((n, 2, 3), device=x.device)
    theta[:, 0, 0] = (torch.rand(n, device=x.device) < 0.5).float() * 2 - 1
    theta[:, 1, 1] = 1
    theta[:, :, 2] = (torch.rand((n, 2), device=x.device) * 2 - 1) * (2 * SHIFT)
    grid = torch.nn.functional.affine_grid(theta, x.shape, align_corners=False)
    x = torch.nn.functional.grid_sample(x, grid, padding_mode="border", align_corners=False)
    return ((x - MEAN) / DEVIATION).contiguous(memory_format=torch.channels_last)


def epochs(training, loader, data, count):
    """Seconds and mean loss of each."""
    torch = training.torch
    training.math()
    training.load(data)
    seconds, losses = [], []
    for epoch in range(count):
        training.synchronize()
        begin = time.perf_counter()
        total, samples = torch.zeros((), device=training.device), 0
        for x, y in loader(epoch):
            total += training.step(augmented(torch, x), y) * len(y)
            samples += len(y)
        losses.append(total.item() / samples)
        seconds.append(time.perf_counter() - begin)
    return seconds, losses


# --- The clock: as measure_blocks in job.hpp ----------------------------------------------------------------------------
def measure_blocks(seconds, step, wait):
    at = 0

    def block(steps):
        nonlocal at
        begin = time.perf_counter()
        for _ in range(steps):
            step(at)
            at += 1
        wait()
        return (time.perf_counter() - begin) * 1e3 / steps

    block(10)
    steps = int(min(max(50 / block(10), 1), 2000))
    ms = []
    until = time.perf_counter() + seconds
    while len(ms) < 5 or time.perf_counter() < until:
        ms.append(block(steps))
    return ms


def busy_ms(trace):
    """Milliseconds in which a device did something, of a trace of the profiler: overlaps count once."""
    spans = sorted((e["ts"], e["ts"] + e["dur"]) for e in trace["traceEvents"]
                   if e.get("ph") == "X" and e.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset"))
    total, end = 0.0, float("-inf")
    for first, last in spans:
        total += max(last - max(first, end), 0)
        end = max(end, last)
    return total / 1e3


# --- The program --------------------------------------------------------------------------------------------------------
class Program:
    def __init__(self, o, torch):
        self.o, self.torch = o, torch
        self.device = torch.device("cpu" if o.device == "cpu" else f"cuda:{o.device}")
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        torch.backends.cudnn.benchmark = not o.no_autotune
        self.data = peer.Data(o.data)
        self.jobs = []

    def line(self, mode, rest):
        version = self.torch.__version__
        print(f"peer=pytorch-{self.o.variant} version={version} mode={mode} {rest}", flush=True)

    def batches(self, size):
        """The data's, on the device."""
        torch = self.torch
        images = torch.from_numpy(self.data.images_nchw()).to(self.device)
        labels = torch.from_numpy(self.data.labels).long().to(self.device)
        return [(x.contiguous(memory_format=torch.channels_last), y)
                for x, y in zip(images.split(size), labels.split(size)) if len(x) == size]

    def card(self):
        torch = self.torch
        if self.device.type == "cuda":
            name, cudnn = torch.cuda.get_device_name(self.device), str(torch.backends.cudnn.version())
        else:
            name, cudnn = "cpu", "none"
        self.line("card", f"card={name.replace(' ', '_')} runtime={torch.version.cuda} cudnn={cudnn}")

    def check(self):
        for precision in self.o.precisions.split(","):
            training = Training(self.data, 64, precision, self.o.variant, self.device, dropout=False)
            batches = self.batches(64)
            with self.torch.no_grad(), self.torch.autocast(self.device.type, self.torch.bfloat16,
                                                           enabled=precision == "bf16"):
                logits = training.net(batches[1][0]).float().cpu().numpy()
            losses = [training.step(*batches[i]).item() for i in range(4)]
            self.line("check", f"precision={precision} parameters={training.parameters()} "
                               f"logits={peer.text([*logits[0], *logits[63]])} losses={peer.text(losses)}")

    def start(self, precision, batch):
        begin = time.perf_counter()
        training = Training(self.data, batch, precision, self.o.variant, self.device)
        training.synchronize()
        setup = time.perf_counter() - begin
        batches = self.batches(batch)
        if not batches:
            raise RuntimeError(f"a batch of {batch} is more than the {len(self.data.labels)} images there are")
        training.synchronize()
        first, losses = [], []
        for i in range(30):
            begin = time.perf_counter()
            losses.append(training.step(*batches[i % len(batches)]).item())
            first.append(time.perf_counter() - begin)
        self.line("start", f"batch={batch} precision={precision} setup_ms={setup * 1e3:.6g} first_ms={first[0] * 1e3:.6g} "
                           f"second_ms={first[1] * 1e3:.6g} parameters={training.parameters()} "
                           f"learn={peer.text([sum(losses[:3]) / 3, sum(losses[-3:]) / 3])}")
        self.jobs.append((precision, batch, training, batches))
        if self.device.type == "cuda":
            self.torch.cuda.empty_cache()  # what trying kernels took; others share the card

    def start_all(self):
        began, longest = time.perf_counter(), 0.0
        for precision in self.o.precisions.split(","):
            for batch in map(int, self.o.batches.split(",")):
                here = time.perf_counter()
                where = f"batch={batch} precision={precision}"
                if here - began + longest > self.o.setup_seconds:
                    self.line("missing", f"{where} reason=not ready within {self.o.setup_seconds:.0f} s")
                    continue
                try:
                    self.start(precision, batch)
                except Exception as error:  # this one is missing, the others go on
                    text = " ".join(f"{type(error).__name__}: {error}".split())
                    self.line("missing", f"{where} reason={text[:300]}")
                longest = max(longest, time.perf_counter() - here)
        if self.o.epochs > 0 and self.jobs:
            self.images, self.labels = cifar_images(self.o.cifar, self.o.images) if self.o.cifar else \
                made_images(self.o.images)
            self.sum = sum_of(self.images, self.labels)
            self.loaders = {batch: Loader(self.torch, self.images, self.labels, batch, self.device)
                            for _, batch, _, _ in self.jobs}

    def each(self, f):
        for job in list(self.jobs):
            precision, batch, *_ = job
            try:
                f(*job)
            except Exception as error:
                text = " ".join(f"{type(error).__name__}: {error}".split())
                self.line("missing", f"batch={batch} precision={precision} reason={text[:300]}")
                self.jobs.remove(job)

    def round(self, precision, batch, training, batches):
        training.math()
        where = f"batch={batch} precision={precision}"
        training.load(self.data)
        ms = measure_blocks(self.o.seconds, lambda i: training.step(*batches[i % len(batches)]), training.synchronize)
        self.line("train", f"{where} ms={peer.text(ms)}")
        if self.o.epochs > 0:
            seconds, losses = epochs(training, self.loaders[batch], self.data, self.o.epochs)
            self.line("epoch", f"{where} first={seconds[0]:.6g} images={len(self.labels)} data={self.sum} "
                               f"seconds={peer.text(seconds[1:])} learn={peer.text([losses[0], losses[-1]])}")

    def busy(self, precision, batch, training, batches):
        steps = 10
        training.math()
        with self.torch.profiler.profile(activities=[self.torch.profiler.ProfilerActivity.CUDA]) as profile:
            for i in range(steps):
                training.step(*batches[i % len(batches)])
            training.synchronize()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "trace.json")
            profile.export_chrome_trace(path)
            with open(path) as file:
                busy = busy_ms(json.load(file))
        self.line("busy", f"batch={batch} precision={precision} ms={busy / steps:.6g}")

    def main(self):
        self.card()
        if self.o.check:
            self.check()
            return
        self.start_all()
        print("ready", flush=True)
        words = (line.strip() for line in sys.stdin) if self.o.serve else ["round"]
        for word in words:
            if word == "round":
                self.each(self.round)
            elif word == "busy" and self.device.type == "cuda":
                self.each(self.busy)
            print("done", flush=True)


def main():
    o = options()
    try:
        import torch
    except ImportError as error:
        sys.exit(f"pytorch.py: PyTorch is not there: {error}")
    if o.device != "cpu" and not torch.cuda.is_available():
        print("pytorch.py: SKIPPED: PyTorch sees no GPU here", file=sys.stderr)
        sys.exit(77)
    try:
        Program(o, torch).main()
    except Exception as error:  # one line, and the exit code
        print(f"pytorch.py: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
