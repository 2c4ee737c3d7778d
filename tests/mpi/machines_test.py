#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""machines_test.py RUN TOGETHER FAULTS: two machines, which are network namespaces of this one (bench/namespaces/run.sh)."""
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

RUN, TOGETHER, FAULTS = sys.argv[1:4]


def run(*command, timeout):
    begin = time.monotonic()
    process = subprocess.Popen([RUN, "1gbit", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        raise
    if process.returncode == 77:
        print(output)
        sys.exit(77)
    return process.returncode, output, time.monotonic() - begin


code, output, _ = run(TOGETHER, timeout=200)
assert code == 0, output
with tempfile.TemporaryDirectory() as name:
    for fault, says in (("throws", "picture 17 cannot be read"), ("killed", "signal|rank 1")):
        # The start of a daemon on the other machine takes some seconds.
        code, output, seconds = run(FAULTS, fault, str(pathlib.Path(name) / fault), timeout=40)
        lines = re.findall(r"^strata: rank (\d): (.*)$", output, re.M)
        assert code != 0 and re.search(says, dict(lines)["0"]), output
        assert len(lines) == (2 if fault == "throws" else 1), output
        print(f"{fault}: ended after {seconds:.1f} s")
