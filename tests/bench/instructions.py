#!/usr/bin/env python3
"""Counts the instructions of single operations and compares them with those in the repository.

    instructions.py            fails where an operation takes more than 5 % more than it did
    instructions.py --write    keeps the new counts in docs/performance/instructions.json

Times differ from one machine to another and from one minute to the next; counts hardly do. What they
depend on besides our code is held still: randomness is seeded, the tokens to open are kept beside the
counts, valgrind offers programs the same processor wherever it runs on one with AVX2, and what it
would pass on from the real one, and what libraries ask elsewhere, is masked below. The compiler is
what remains, so its version is kept, too.
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

# Operations, how many of each, and which token they are given.
OPERATIONS = {"open": (30, "open"), "guard_first": (30, "guard"), "guard_warm": (300, "guard"),
              "seal": (60, None), "issue": (40, None)}
MARGIN = 0.05

# What the instructions of a token in use are for, by the library or the name of the function; the first that matches counts.
WARM = "guard_warm"
PARTS = {
    "SHA-512": r"libcrypto", "AES": r"aes|aws_lc", "base64": r"base64",
    "claims": r"claims|serde|handle::Handle|from_utf8", "memory given out and taken back": r"malloc|free|alloc",
    "memory copied and compared": r"mem(cpy|set|move|cmp|chr)",
}

STEADY = {
    # aws-lc and OpenSSL: no RDRAND (bit 62 of the first word); in the second no RDSEED, ADX and SHA,
    # and nothing of AVX-512, VAES and their kin.
    "OPENSSL_ia32cap": "~0x4000000000000000:~0x5f42f02f0000",
    # The C library: neither its choice by vendor nor by cache size.
    "GLIBC_TUNABLES": "glibc.cpu.x86_non_temporal_threshold=0x1000000:"
                      "glibc.cpu.x86_rep_movsb_threshold=0x1000000:"
                      "glibc.cpu.x86_rep_stosb_threshold=0x1000000",
}


def run(program, *arguments, wrapper=()):
    """Runs the program where everything that could change a count is the same."""
    with tempfile.TemporaryDirectory() as place:
        environment = {"PATH": os.environ["PATH"], "HOME": place, **STEADY}
        done = subprocess.run([*wrapper, program, *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"{arguments[0]} failed:\n{done.stderr}\n"
                 "Where the token's form has changed: make bench-instructions ARGS=--write")
    return done.stdout.strip()


def counted(program, name, tokens, out):
    """Writes down the instructions of one operation, on the thread that does it, and returns their number."""
    times, token = OPERATIONS[name]
    given = [tokens[token]] if token else []
    run(program, name, str(times), *given,
        wrapper=["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--toggle-collect=*instructions::counted*"])
    total = int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.M)[1])
    if total < times * 1000:
        sys.exit(f"{name}: callgrind did not find what to count")
    return round(total / times)


def count(program, name, tokens):
    with tempfile.TemporaryDirectory() as place:
        return counted(program, name, tokens, Path(place) / "callgrind")


def parts(program, tokens):
    """What the instructions of a token in use are for."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "callgrind"
        whole = counted(program, WARM, tokens, out)
        told = subprocess.run(["callgrind_annotate", "--threshold=100", out], check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True).stdout
    found, times = dict.fromkeys([*PARTS, "all else"], 0), OPERATIONS[WARM][0]
    # Behind the numbers stand the file and the function, and the library in brackets.
    for number, where in re.findall(r"^ *([\d,]+) \([^)]*\)  (\S*:.*)$", told, re.M):
        part = next((part for part, pattern in PARTS.items() if re.search(pattern, where)), "all else")
        found[part] += int(number.replace(",", "")) / times
    if abs(sum(found.values()) / whole - 1) > 0.01:
        sys.exit(f"{sum(found.values()):.0f} of {whole} instructions have a name")
    return {part: round(number) for part, number in found.items()}


def counts(program, tokens):
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda name: count(program, name, tokens), OPERATIONS)
        return dict(zip(OPERATIONS, found))


def main():
    # Or it would be told that there is no ADX, and points were multiplied as on few processors.
    os.environ["VALGRIND_BUG_494162"] = "1"
    program = build("instructions", "build", "--package", "lacre-instructions",
                    "--profile", "instructions")
    before, kind = kept("instructions"), platform.machine()
    if sys.argv[1:] == ["--write"]:
        tokens = {name: run(program, f"token_{name}") for name in ("open", "guard")}
        now = counts(program, tokens)
        keep("instructions", {"counts": {kind: now}, "parts": {kind: parts(program, tokens)}, "tokens": tokens})
        for name, number in now.items():
            print(f"{name:12} {number:>9,}")
        return
    known = before.get("counts", {}).get(kind)
    if known is None:
        sys.exit(f"there are no counts for {kind} yet: make bench-instructions ARGS=--write")
    now, grown = counts(program, before["tokens"]), []
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
