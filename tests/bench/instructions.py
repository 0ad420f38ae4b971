#!/usr/bin/env python3
"""Counts the instructions of single operations and compares them with those in the repository.

    instructions.py            fails where an operation takes more than 5 % more than it did
    instructions.py --write    keeps the new counts in docs/performance/instructions.json

Times differ from one machine to another and from one minute to the next; counts hardly do. Each is
that of 2N operations less that of N, by callgrind. What a count depends on besides our code is held
still: valgrind offers programs the same processor wherever it runs on one with AVX2; what it would
pass on from the real one, and what libraries ask elsewhere, is masked below. The compiler is what
remains, so its version is kept beside the counts.
"""

import os
import platform
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import build, keep, kept, output, say

# Operations, and how many of each: enough that one more allocation somewhere is no percent.
TIMES = {"open": 40, "guard_first": 40, "guard_warm": 400, "seal": 60, "issue": 30}
MARGIN = 0.05

STEADY = {
    # aws-lc and OpenSSL: no RDRAND (bit 62 of the first word); in the second no RDSEED, ADX and SHA,
    # and nothing of AVX-512, VAES and their kin.
    "OPENSSL_ia32cap": "~0x4000000000000000:~0x5f42f02f0000",
    # The C library: neither its choice by vendor nor by cache size.
    "GLIBC_TUNABLES": "glibc.cpu.x86_non_temporal_threshold=0x1000000:"
                      "glibc.cpu.x86_rep_movsb_threshold=0x1000000:"
                      "glibc.cpu.x86_rep_stosb_threshold=0x1000000",
}


def count(program, name, times):
    """All instructions of one run, in all its threads."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "callgrind"
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", program, name,
                   str(times)]
        environment = {"PATH": os.environ["PATH"], "HOME": place, **STEADY}
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env=environment)
        if done.returncode != 0:
            sys.exit(f"{name}: callgrind failed:\n{done.stdout}")
        return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.M)[1])


def counts(program):
    runs = [(name, times * factor) for name, times in TIMES.items() for factor in (1, 2)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(runs, pool.map(lambda run: count(program, *run), runs)))
    return {name: round((found[name, times * 2] - found[name, times]) / times)
            for name, times in TIMES.items()}


def main():
    program = build("instructions", "bench", "--bench", "instructions", "--no-run",
                    "--profile", "instructions")
    now, kind = counts(program), platform.machine()
    before = kept("instructions")
    if sys.argv[1:] == ["--write"]:
        keep("instructions", {"counts": before.get("counts", {}) | {kind: now}})
        for name, number in now.items():
            print(f"{name:12} {number:>9,}")
        return
    known = before.get("counts", {}).get(kind)
    if known is None:
        sys.exit(f"there are no counts for {kind} yet: make bench-instructions ARGS=--write")
    grown = []
    for name, number in now.items():
        if name not in known:
            sys.exit(f"{name} has no count yet: make bench-instructions ARGS=--write")
        change = number / known[name] - 1
        print(f"{name:12} {known[name]:>9,} -> {number:>9,}  {change:+.2%}")
        if change > MARGIN:
            grown.append(name)
    if grown:
        compilers = {before.get("rustc"), output("rustc", "--version")}
        say(f"more than {MARGIN:.0%} more instructions: {', '.join(grown)}.")
        say("If that is meant: make bench-instructions ARGS=--write, and say why in the commit.")
        if len(compilers) > 1:
            say(f"The counts are by another compiler: {compilers}")
        sys.exit(1)


main()
