#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""nccl_faults_test.py MPIRUN PROGRAM: the calls of NCCL in order, and that a failure ends the sums that GPUs wait in."""
from faults_test import PROCESSES, check_fault, end, expect, start

ORDER = ("stream -5; graph; event 1 in model; own waits for event 1; 7 doubles summed in own; event 1 in model; "
         "own waits for event 1; 5 floats summed in own; event 1 in model; own waits for event 1; 3 bfloat16 summed in own; "
         "event 2 in own; model waits for event 2; asked 5 times")


def check_end(fault, processes, ended, code):
    """ended: what becomes of the communicator of each process."""
    process = start(fault, ".", processes=processes)
    output, seconds = end(process, fault)
    expect(process.returncode == code, f"{fault}: {process.returncode}", output)
    expect(ORDER in output, f"{fault}: other calls", output)
    for word in ("destroyed", "aborted"):
        expect(output.count(f"communicator {word}") == (processes if word == ended else 0), f"{fault}: not {ended}", output)
    print(f"{fault}, {processes} processes: ended after {seconds:.1f} s")


def main():
    for processes in (1, PROCESSES):
        check_end("none", processes, "destroyed", 0)
    # The others may not come to the end of the communicator.
    check_end("throws", 1, "aborted", 3)
    check_fault("same", "the processes of rank 0 and 1 use the same GPU", ".")
    check_fault("connecting", "rank 1 has failed: NCCL: connecting: another error; the link is down", ".",
                own="^NCCL: connecting: another error; the link is down$")
    for fault, says in (("failed", "there is no GPU here"), ("error", "NCCL: adding gradients: a remote error; the link is down")):
        check_fault(fault, f"rank 1 has failed: {says}", ".", own=f"^{says}$")
        process = start(fault, ".")
        output, _ = end(process, fault)
        expect(output.count("communicator aborted") == PROCESSES and "destroyed" not in output, f"{fault}: sums go on", output)


if __name__ == "__main__":
    main()
