#!/usr/bin/env python3
"""What a request costs the processor, by the clocks of the program's threads: tokens for a client, log-ins by
password without the hash, and those sent away by a full queue of passwords. Beside them, in turns, what two tokens and
a key pair cost alone, and how long one request after another takes.

Times on the wall tell little where a machine has other things to do; clocks of threads tell more.

    cost.py            builds the program, measures it, and keeps the numbers
    cost.py PROGRAM    measures this one, and keeps nothing
"""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from harness import (PLACE, ROUNDS, SECONDS, SERVER, build_bench, build_program, load, median, part, say, stop)
from service import CHAINS, EMAIL, ISSUERS, PASSWORD, SESSION, STORM, STORM_PAUSE, Program
from steps import medians

# The threads that hash passwords, which are not what is asked about.
HASHING = "hashing"
TOKEN, ONE_TOKEN, REFRESH = "token for a client", "token for a client, one at a time", "refresh"
LOG_IN, ONE_LOG_IN = "log-in by password", "log-in by password, one at a time"
# What a pair of tokens is made of.
SEAL, KEY_PAIR = "make/seal", "make/key_pair"


def clocks(process):
    """Microseconds of each group of threads so far."""
    spent = Counter()
    for thread in Path(f"/proc/{process}/task").iterdir():
        try:
            name = (thread / "comm").read_text().strip()
            nanoseconds = int((thread / "schedstat").read_text().split()[0])
        except OSError:
            continue
        spent[re.sub(r"(-low)?[-_ ]?\d+$", "", name)] += nanoseconds / 1000
    return spent


def kinds(program):
    """Loads by their names: the path, and what is asked there."""
    mails = program.place / "mails"
    mails.write_text("".join(f"{one}@example.com\n" for one in program.ids[1:]))
    token = {"body": SESSION, "users": program.place / "users", "basic": program.basic}
    # Each by another user: of one who is at the cap, all sessions are read as well.
    log_in = {"body": json.dumps({"email": "{u}", "password": PASSWORD}), "users": mails}
    storm = {"body": json.dumps({"email": EMAIL, "password": PASSWORD}), "pause": STORM_PAUSE}
    return {TOKEN: ("getToken", {"connections": ISSUERS, **token}),
            ONE_TOKEN: ("getToken", {"connections": 1, **token}),
            REFRESH: ("refresh", {"connections": ISSUERS, "member": "refresh"}),
            LOG_IN: ("getToken", {"connections": 8, **log_in}),
            ONE_LOG_IN: ("getToken", {"connections": 1, **log_in}),
            "storm of log-ins": ("getToken", {"connections": STORM, **storm})}


def asked(program, url, child, path, given, first):
    """One load: each group of threads' microseconds for each request, and the time between two answers to a
    connection."""
    if path == "refresh":
        given = {**given, "spent": program.minted(url, CHAINS, "refresh")}
    before = clocks(child.pid)
    report = load(f"{url}/{path}", seconds=max(SECONDS, 2), may_refuse=True, **given, **{"from": first})
    now = clocks(child.pid)
    wall = report["seconds"] * 1e6 * given["connections"] / report["requests"]
    return {name: (now[name] - before[name]) / report["requests"] for name in now}, wall


def alone(steps):
    """Microseconds of a token and of a key pair, by the clock of the thread that makes them."""
    environment = os.environ | {"CRITERION_HOME": str(PLACE / "criterion-cost")}
    subprocess.run([*SERVER, steps, "--bench", "--quiet", f"^({SEAL}|{KEY_PAIR})$"], check=True, env=environment,
                   stdout=subprocess.DEVNULL)
    found = medians(PLACE / "criterion-cost")
    return {name: found[name] / 1000 for name in (SEAL, KEY_PAIR)}


def measure(lacre, steps):
    program = Program(lacre)
    child, url = program.start()
    spent = {kind: [] for kind in kinds(program)}
    walls = {kind: [] for kind in spent}
    crypto = {SEAL: [], KEY_PAIR: []}
    for turn in range(ROUNDS + 1):
        for place, (kind, (path, given)) in enumerate(kinds(program).items()):
            first = (turn * len(spent) + place) * 1_000_000
            threads, wall = asked(program, url, child, path, given, first)
            # The first round warms up.
            if turn:
                spent[kind].append(threads)
                walls[kind].append(wall)
        if steps and turn:
            for name, microseconds in alone(steps).items():
                crypto[name].append(microseconds)
        say(f"cost: round {turn} of {ROUNDS}")
    stop(child)
    return {"rounds": ROUNDS, "kinds": {kind: summed(of, walls[kind]) for kind, of in spent.items()},
            "alone": {name: round(median(of), 2) for name, of in crypto.items() if of}}


def summed(rounds, walls):
    """Medians over the rounds, in microseconds for each request."""
    names = {name for one in rounds for name in one}
    threads = {name: round(median([one.get(name, 0) for one in rounds]), 1) for name in names}
    whole = [sum(one.values()) - one.get(HASHING, 0) for one in rounds]
    hashing = threads.pop(HASHING, 0)
    threads = dict(sorted(threads.items(), key=lambda it: -it[1]))
    return {"us": round(median(whole), 1), "wall_us": round(median(walls), 1), "hashing_us": hashing,
            "threads": {name: part for name, part in threads.items() if part >= 0.1}}


def tell(numbers):
    for kind, one in numbers["kinds"].items():
        told = ", ".join(f"{name} {part:.1f}" for name, part in one["threads"].items())
        print(f"{kind:34} {one['us']:7.1f} us: {told}")
    for name, microseconds in numbers["alone"].items():
        print(f"{name:34} {microseconds:7.1f} us")
    return numbers


if __name__ == "__main__":
    if sys.argv[1:]:
        tell(measure(sys.argv[1], None))
    else:
        part("cost", lambda: tell(measure(build_program(), build_bench("steps"))))
