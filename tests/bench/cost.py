#!/usr/bin/env python3
"""What a request costs the processor, by the clocks of the program's threads: tokens for a client, log-ins by
password without the hash, and those sent away by a full queue of passwords.

Times on the wall tell little where a machine has other things to do; these tell more. Nothing is kept.

    cost.py          builds the program and measures it
    cost.py PROGRAM  measures this one
"""

import json
import re
import sys
from collections import Counter
from pathlib import Path

from harness import ROUNDS, SECONDS, build_program, load, median, stop
from service import EMAIL, ISSUERS, PASSWORD, STORM, STORM_PAUSE, Program

# The thread that hashes passwords, which is not what is asked about.
HASHING = "hashing"


def clocks(process):
    """Microseconds of each group of threads so far."""
    spent = Counter()
    for thread in Path(f"/proc/{process}/task").iterdir():
        try:
            name = (thread / "comm").read_text().strip()
            nanoseconds = int((thread / "schedstat").read_text().split()[0])
        except OSError:
            continue
        spent[re.sub(r"[-_ ]?\d+$", "", name)] += nanoseconds / 1000
    return spent


def kinds(program):
    """Loads on `getToken`, by their names."""
    mails = program.place / "mails"
    mails.write_text("".join(f"{one}@example.com\n" for one in program.ids[1:]))
    token = {"body": '{"id": "{u}", "user_session": "s{i}"}', "users": program.place / "users",
             "basic": program.basic}
    # Each by another user: of one who is at the cap, all sessions are read as well.
    log_in = {"body": json.dumps({"email": "{u}", "password": PASSWORD}), "users": mails}
    storm = {"body": json.dumps({"email": EMAIL, "password": PASSWORD}), "pause": STORM_PAUSE}
    return {"token for a client": {"connections": ISSUERS, **token},
            "the same, one at a time": {"connections": 1, **token},
            "log-in by password": {"connections": 8, **log_in},
            "storm of log-ins": {"connections": STORM, **storm}}


def main():
    program = Program(sys.argv[1] if sys.argv[1:] else build_program())
    child, url = program.start()
    spent = {kind: [] for kind in kinds(program)}
    for turn in range(ROUNDS + 1):
        for place, (kind, given) in enumerate(kinds(program).items()):
            before = clocks(child.pid)
            report = load(f"{url}/getToken", seconds=max(SECONDS, 2), may_refuse=True, **given,
                          **{"from": (turn * len(spent) + place) * 1_000_000})
            now = clocks(child.pid)
            # The first round warms up.
            if turn:
                spent[kind].append({name: (now[name] - before[name]) / report["requests"]
                                    for name in now})
    stop(child)
    for kind, rounds in spent.items():
        names = {name for one in rounds for name in one} - {HASHING}
        parts = {name: median([one.get(name, 0) for one in rounds]) for name in names}
        whole = median([sum(one.values()) - one.get(HASHING, 0) for one in rounds])
        told = [f"{name} {part:.1f}" for name, part in sorted(parts.items(), key=lambda it: -it[1])
                if part >= 0.1]
        print(f"{kind:24} {whole:7.1f} us: {', '.join(told)}")


main()
