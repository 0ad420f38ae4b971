#!/usr/bin/env python3
"""What sessions cost by the million: disk, memory, opening, guarded calls, full turnover.

    million.py [SESSIONS...]      1000 10000 100000 1000000 where none are given

For each number a data directory is filled and the program serves it. Calls come from at most 100 000
of the sessions, in random order, each called once before the measurement. The servers take turns.
Then all sessions of a directory are ended and begun anew, ten times.
"""

import json
import os
import subprocess
import sys
import time

from harness import (CONNECTIONS, ROUNDS, SECONDS, SERVER, build_bench, build_program, answer,
                     folder, part, load, median_report, resident_mib, say, started, stop)

ACTIVE = 100_000
TURNED = int(os.environ.get("TURNED", 100_000))
TURNS = 10
ISSUER = "http://127.0.0.1:8080"


def lines(*command):
    """Runs the store's program and returns what it prints, line by line."""
    done = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE,
                          text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def paths(place, sessions):
    """Where so many sessions are, and the tokens of those that call."""
    return place / f"data-{sessions}", place / f"tokens-{sessions}"


def fill(scale, lacre, place, sessions):
    """A directory with so many sessions, and what it takes."""
    data, tokens = paths(place, sessions)
    active = min(sessions, ACTIVE)
    # The program serves no directory that has sessions and no accounts.
    subprocess.run([lacre, "users", "add", "ada@example.com", "--password-stdin", "--data-dir", str(data)], check=True,
                   input="correct horse battery\n", text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    began = time.monotonic()
    [filled] = lines(scale, "begin", "--data-dir", data, "--sessions", sessions, "--tokens", active,
                     "--out", tokens)
    say(f"{sessions} sessions in {time.monotonic() - began:.0f} s")
    opened, read = lines(scale, "open", "--data-dir", data)
    return {
        "sessions": sessions, "active": active, "fill_s": filled["begin_s"] + filled["put_s"],
        "begin_s": filled["begin_s"], "put_s": filled["put_s"],
        "open_s": opened["open_s"], "resident_open_bytes": opened["resident_bytes"],
        "resident_read_bytes": read["resident_bytes"], "read_s": read["read_s"],
        "disk_bytes": read["disk_bytes"], "live_bytes": read["live_bytes"],
    }


def serve(lacre, data):
    """The program on that directory: the process, its address, seconds to the first answer."""
    environment = os.environ | {"LACRE_TOKEN__ISSUER": ISSUER, "LACRE_TOKEN__ACCESS_TTL": "1d"}
    began = time.monotonic()
    child, told, _ = started([*SERVER, lacre, "serve", "--data-dir", str(data), "--listen",
                              "127.0.0.1:0", "--management-listen", "127.0.0.1:0"], "listening",
                             env=environment)
    answer(told["listening on"] + "/open")
    return child, told["listening on"] + "/headers", time.monotonic() - began


def traffic(lacre, places, numbers):
    """Guarded calls of the active sessions, the servers in turns."""
    servers = {}
    for sessions, (data, tokens) in places.items():
        child, url, took = serve(lacre, data)
        numbers[sessions]["start_s"] = took
        active = numbers[sessions]["active"]
        # Each token once and in order: the first open of each.
        before, done = time.monotonic(), 0
        while done < active:
            done += load(url, tokens=tokens, seconds=(active - done) / 6000,
                         **{"from": done})["requests"]
        say(f"{sessions}: {active} tokens opened in {time.monotonic() - before:.0f} s")
        servers[sessions] = (child, url, tokens)
    reports = {sessions: [] for sessions in places}
    for number in range(ROUNDS):
        for sessions, (_, url, tokens) in servers.items():
            reports[sessions].append(load(url, tokens=tokens, order="random",
                                          seconds=max(SECONDS, 3)))
        say(f"guarded calls: round {number + 1} of {ROUNDS}")
    for sessions, (child, _, _) in servers.items():
        numbers[sessions]["resident_served_mib"] = resident_mib(child.pid)
        numbers[sessions]["guarded"] = median_report(reports[sessions])
        stop(child)


def measure(counts):
    scale, lacre = build_bench("scale"), build_program()
    place = folder("million")
    places, numbers = {}, {}
    for sessions in counts:
        numbers[sessions] = fill(scale, lacre, place, sessions)
        places[sessions] = paths(place, sessions)
    traffic(lacre, places, numbers)
    turned = TURNED if TURNED in places else counts[-1]
    began = time.monotonic()
    rounds = lines(scale, "turn", "--data-dir", places[turned][0], "--rounds", TURNS)
    say(f"{TURNS} turns of {turned} sessions in {time.monotonic() - began:.0f} s")
    return {"rounds": ROUNDS, "connections": CONNECTIONS, "levels": list(numbers.values()),
            "turned": {"sessions": turned, "live_bytes": numbers[turned]["live_bytes"],
                       "rounds": rounds}}


if __name__ == "__main__":
    counts = [int(count) for count in sys.argv[1:]] or [1_000, 10_000, 100_000, 1_000_000]
    part("million", lambda: measure(counts))
