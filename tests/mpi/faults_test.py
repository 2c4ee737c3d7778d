#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""faults_test.py MPIRUN PROGRAM [KILLS]: when one process fails, all end soon, each with one line, and the last checkpoint is whole.

KILLS: how often a process is killed at a random moment (default 10; the project's own figure is from 200).
"""
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

MPIRUN, PROGRAM = sys.argv[1:3]
KILLS = int(sys.argv[3]) if len(sys.argv) > 3 else 10
PROCESSES = 3
LIMIT = 20  # seconds
LINE = re.compile(r"^strata: rank (\d+): (.*)$", re.M)


def start(fault, folder, *more, processes=PROCESSES, **options):
    return subprocess.Popen([MPIRUN, "-n", str(processes), PROGRAM, fault, str(folder), *more], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, **options)


def end(process, what):
    """The output of a run, which must end in time."""
    begin = time.monotonic()
    try:
        output, _ = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"{what}: still running after {LIMIT} s") from None
    return output, time.monotonic() - begin


def expect(condition, what, output):
    if not condition:
        raise AssertionError(f"{what}\n{output}")


def lines_of(output, living, what):
    """The causes that the living processes give: one each."""
    causes = {}
    for rank, cause in LINE.findall(output):
        expect(int(rank) not in causes, f"{what}: rank {rank} has two lines", output)
        causes[int(rank)] = cause
    expect(set(causes) >= set(living), f"{what}: lines of the ranks {sorted(causes)}, expected {sorted(living)}", output)
    return causes


def check_fault(fault, says, folder, living=range(PROCESSES), own=None):
    """own: what the rank that failed says."""
    process = start(fault, folder)
    output, seconds = end(process, fault)
    causes = lines_of(output, living, fault)
    expect(process.returncode != 0, f"{fault}: the run did not fail", output)
    for rank, cause in causes.items():
        wanted = own if own and rank == 1 else says
        expect(re.search(wanted, cause), f"{fault}: rank {rank} does not say {wanted!r}", output)
    expect("not a ProcessError" not in output, fault, output)
    if fault.startswith("gpu_") and fault != "gpu_killed":  # mpirun kills the others after a second or two
        expect(output.count("the sums are ended") >= len(living) and "forgotten" not in output, f"{fault}: sums go on", output)
    print(f"{fault}: ended after {seconds:.1f} s")


def check_resumes(folder, what):
    """A run of one process goes on from the newest checkpoint, which is whole."""
    done = newest(folder)
    output, _ = end(start("none", folder, str(done + 3), processes=1), what)
    damaged = list(pathlib.Path(folder).glob("*damaged*"))
    expect(not damaged, f"{what}: damaged: {damaged}", output)
    if done > 0:
        expect(re.search(f"resumed from .*step-{done:09}\\b", output), f"{what}: not resumed from update {done}", output)
    expect(f"ended after {done + 3} updates" in output, f"{what}: cannot be resumed from update {done}", output)
    return done


def check_sees_damage(folder, to):
    """The check above finds a checkpoint that is cut off."""
    shutil.copytree(folder, to)
    file = to / f"step-{newest(to):09}.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    try:
        check_resumes(to, "cut off")
    except AssertionError:
        return
    raise AssertionError("a checkpoint that was cut off was not found")


def check_signal(folder):
    """A failure after a signal is printed too."""
    process = start("signal", folder)
    output, _ = end(process, "signal")
    lines = [cause for rank, cause in LINE.findall(output) if rank == "1"]
    expect(process.returncode != 0 and len(lines) == 2, "signal: not two lines of rank 1", output)
    expect(re.match("told to end by signal 2", lines[0]) and lines[1] == "the disk is full", "signal", output)


def check_success(fault, folder, says):
    """A run in which nothing fails."""
    process = start(fault, folder)
    output, seconds = end(process, fault)
    expect(process.returncode == 0 and output.count(says) == PROCESSES, f"{fault}: no success", output)
    print(f"{fault}: ended after {seconds:.1f} s")


def children(pid):
    """The processes that a process has started, and theirs, by their ids."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *children(int(child))]
    return found


def ranks_of(process):
    return [pid for pid in children(process.pid)
            if pathlib.Path(PROGRAM).name in pathlib.Path(f"/proc/{pid}/cmdline").read_text()]


def lives(pid):
    try:
        return bool(pathlib.Path(f"/proc/{pid}/cmdline").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return False


def newest(folder):
    """The updates of the newest checkpoint."""
    return max((int(p.stem[5:]) for p in pathlib.Path(folder).glob("step-*.safetensors")), default=0)


def wait_for_checkpoint(folder, process):
    begin, before = time.monotonic(), newest(folder)
    while newest(folder) == before:
        expect(process.poll() is None and time.monotonic() - begin < 60, "the run did not begin", "")
        time.sleep(0.01)


def check_kills(scratch):
    """Kills one process at a random moment, KILLS times; every run resumes the one before. Every third is killed while the
    processes start, when they cannot speak yet."""
    folder, slowest, updates = scratch / "kills", 0, 0
    for number in range(KILLS):
        process = start("none", folder)
        speaks = number % 3 != 2
        if speaks:
            wait_for_checkpoint(folder, process)
        ranks, begin = [], time.monotonic()
        while len(ranks) < PROCESSES:
            expect(time.monotonic() - begin < 60, "kills: the processes are not there", ranks)
            ranks = ranks_of(process)
        time.sleep(random.uniform(0, 1))
        killed = time.monotonic()
        os.kill(random.choice(ranks), signal.SIGKILL)
        output, seconds = end(process, "kills")
        slowest = max(slowest, seconds)
        lines = lines_of(output, [], "kills")
        if speaks:
            expect(len(lines) == PROCESSES - 1, "kills: not one line of each process that lives", output)
        for pid in ranks:
            while lives(pid):  # mpirun may end a moment before its processes
                expect(time.monotonic() - killed < LIMIT, f"kills: process {pid} is still there", output)
                time.sleep(0.01)
        now = check_resumes(folder, f"kill {number + 1}")
        expect(now >= updates, "kills: updates were lost", output)
        updates = now
    print(f"{KILLS} kills: the slowest end after {slowest:.1f} s, {updates} updates in all")


def check_stop(scratch):
    """Ctrl-C reaches mpirun."""
    process = start("none", scratch / "stop")
    wait_for_checkpoint(scratch / "stop", process)
    process.send_signal(signal.SIGINT)
    output, seconds = end(process, "Ctrl-C")
    lines_of(output, range(PROCESSES), "Ctrl-C")
    check_resumes(scratch / "stop", "Ctrl-C")
    print(f"Ctrl-C: ended after {seconds:.1f} s")


def check_full_disk(scratch):
    """A file system of 256 KiB, where that is allowed; a checkpoint has 53 KB."""
    folder = scratch / "full"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", folder], stderr=subprocess.DEVNULL).returncode != 0:
        print("full disk: SKIPPED: file systems cannot be mounted here")
        return
    try:
        (folder / "other").write_bytes(bytes(150 * 1024))
        check_fault("none", "No space left on device", folder)
        check_resumes_elsewhere(folder, scratch / "moved")
    finally:
        subprocess.run(["umount", folder], check=True)


def check_resumes_elsewhere(folder, to):
    to.mkdir()
    for file in folder.glob("*.safetensors"):
        shutil.copy(file, to)
    expect(check_resumes(to, "full disk") > 0, "full disk: no checkpoint was left", "")


def main():
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        before = "the processes do not fit together: rank 0 has .*, rank 1 has "
        check_fault("seed", before + '"seed: 2"', scratch / "a")
        check_fault("size", before + '"training data: ', scratch / "b")
        check_fault("options", before + '"gradients clipped to: 1"', scratch / "c")
        check_fault("large", "3 processes compute each batch in 3 parts, but a batch has only 2 images", scratch / "d")
        check_fault("before", "rank 1 has failed: there is no file here", scratch / "e", own="^there is no file here$")
        check_fault("leaves", "rank 1 has ended its program|has failed: rank 1 has ended its program", scratch / "f",
                    living=(0, 2), own="rank . has failed")
        check_fault("throws", "rank 1 has failed: picture 17 cannot be read", scratch / "g", own="^picture 17 cannot be read$")
        check_fault("nan", "the loss of update \\d+ is NaN or infinite", scratch / "h", own="the loss of update")
        check_fault("on_epoch", "the disk is full", scratch / "i")
        check_fault("killed", "signal|rank 1", scratch / "j", living=(0, 2))
        check_resumes(scratch / "j", "killed")
        check_sees_damage(scratch / "j", scratch / "k")
        # Trainers and evaluations.
        check_fault("rates", before + ".*learning_rate 0.5", scratch / "l")
        check_fault("weights", before + '"weights: ', scratch / "l")
        check_fault("evaluated", before + '"evaluation of 61 images', scratch / "l")
        check_fault("batches", "this one computes step 0 of", scratch / "l")
        check_fault("whole", "the batch is not the share of this process", scratch / "l")
        check_fault("targets", "rank 1 has failed: .*targets", scratch / "l", own="^5 .*|targets")
        check_fault("empty", "a step of several processes needs images", scratch / "l")
        check_fault("calls", "the processes make different calls", scratch / "l")
        check_fault("lines", "rank 1 has failed: one cause in two lines$", scratch / "l", own="^one cause in two lines$")
        # While the others wait for a GPU.
        check_fault("gpu_failed", "rank 1 has failed: there is no GPU here", scratch / "l", own="^there is no GPU here$")
        check_fault("gpu_error", "rank 1 has failed: NCCL: an error", scratch / "l", own="^NCCL: an error$")
        check_fault("gpu_killed", "signal|rank 1", scratch / "l", living=(0, 2))
        check_fault("gpu_left", "rank 1 has ended its program|has failed: rank 1 has ended its program", scratch / "l",
                    living=(0, 2), own="rank . has failed")
        check_signal(scratch / "m")
        check_success("handlers", scratch / "l", "handled 15, alarm 0")
        check_success("own", scratch / "n", "MPI is ended")
        check_full_disk(scratch)
        check_stop(scratch)
        check_kills(scratch)


if __name__ == "__main__":
    main()
