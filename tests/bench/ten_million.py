#!/usr/bin/env python3
"""What ten million sessions cost: disk, memory, opening, and guarded calls by 100 000 of them beside a store of a
thousand.

    ten_million.py fill [SESSIONS]   fills the directories, which takes long, and keeps them below target/bench
    ten_million.py [SESSIONS]        measures what was filled, or fills first; some minutes

Filling isn't what is asked about, and any machine that is busy otherwise can do it before.
"""

import json
import shutil
import subprocess
import sys

from harness import CONNECTIONS, PLACE, ROUNDS, build_bench, build_program, part, say
from million import ACTIVE, fill, lines, paths, traffic

MANY, FEW = 10_000_000, 1_000
STORES = PLACE / "ten-million"


def kept_at(sessions):
    """What a directory took when it was filled."""
    return STORES / f"filled-{sessions}.json"


def filled(scale, lacre, sessions):
    if not kept_at(sessions).exists():
        for path in paths(STORES, sessions):
            shutil.rmtree(path, ignore_errors=True)
        STORES.mkdir(parents=True, exist_ok=True)
        kept_at(sessions).write_text(json.dumps(fill(scale, lacre, STORES, sessions)))
    return json.loads(kept_at(sessions).read_text())


def opened(scale, sessions):
    """Opening alone, as a new process does it whose files the system has in memory."""
    data, _ = paths(STORES, sessions)
    subprocess.run(["sh", "-c", 'find "$0" -type f -exec cat {} + >/dev/null', str(data)], check=True)
    [told] = lines(scale, "open", "--unread", "--data-dir", data)
    say(f"{sessions} sessions opened in {told['open_s']:.1f} s")
    return {"open_s": told["open_s"], "resident_open_bytes": told["resident_bytes"], "disk_bytes": told["disk_bytes"]}


def measure(many):
    scale, lacre = build_bench("scale"), build_program()
    numbers = {sessions: filled(scale, lacre, sessions) for sessions in (FEW, many)}
    for sessions, one in numbers.items():
        one |= opened(scale, sessions)
    traffic(lacre, {sessions: paths(STORES, sessions) for sessions in numbers}, numbers)
    return {"rounds": ROUNDS, "connections": CONNECTIONS, "levels": list(numbers.values())}


if __name__ == "__main__":
    arguments = sys.argv[1:]
    only_fill = arguments[:1] == ["fill"]
    many = next((int(count) for count in arguments if count.isdigit()), MANY)
    if only_fill:
        for count in (FEW, many):
            filled(build_bench("scale"), build_program(), count)
    elif many < ACTIVE:
        sys.exit(f"fewer than the {ACTIVE} that call")
    else:
        part("ten_million", lambda: measure(many))
