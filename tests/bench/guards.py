#!/usr/bin/env python3
"""One handler behind each guard: requests a second on one core, in turns, medians over the rounds.

Ours, those of signed tokens in Rust, and those of encrypted tokens in other languages. Each is shown
to refuse a spoilt token, no token, and a token of somebody else, before it is measured.
"""

import tempfile
from pathlib import Path

from harness import (CONNECTIONS, ROUNDS, SECONDS, SERVER, bearer, build_bench, part, load,
                     median_report, must_guard, say, started, stop)
from peers import fastify, flask


def ours(program, folder):
    """Our server, with the guards of signed tokens in it."""
    child, told, _ = started([*SERVER, program, "--out", folder, "--sessions", "1000",
                              "--tokens", "2"], "bare")
    token = {path: (Path(folder) / path).read_text().split("\n")
             for path in ("guarded", "hs256", "es256")}
    edge, bare = (f"http://{told[name]}" for name in ("edge", "bare"))
    variants = {
        "no guard": (edge + "/plain", None),
        "lacre": (edge + "/guarded", token["guarded"]),
        "HS256 JWT": (edge + "/hs256", token["hs256"]),
        "ES256 JWT": (edge + "/es256", token["es256"]),
        "no guard, bare actix": (bare + "/plain", None),
        "lacre, bare actix": (bare + "/guarded", token["guarded"]),
    }
    claims = (Path(folder) / "claims").read_text()
    return child, variants, claims


def measure():
    program = build_bench("server")
    with tempfile.TemporaryDirectory() as place:
        rust, variants, claims = ours(program, place)
        node, more = fastify(claims)
        variants |= more
        python, more = flask()
        variants |= more
        everyone = [tokens[0] for _, tokens in variants.values() if tokens]
        for name, (url, tokens) in variants.items():
            if tokens:
                strangers = {token for token in everyone if token not in tokens}
                must_guard(name, url, tokens[0], strangers)
        reports = {name: [] for name in variants}
        # One round more than counted, and the first one dropped: it warms caches and compilers.
        for number in range(ROUNDS + 1):
            for name, (url, tokens) in variants.items():
                headers = [bearer(tokens[0])] if tokens else []
                report = load(url, *headers, seconds=SECONDS if number else 1)
                if number:
                    reports[name].append(report)
            say(f"guards: round {number} of {ROUNDS}")
        for child in (rust, node, python):
            stop(child)
    return {
        "rounds": ROUNDS,
        "seconds": SECONDS,
        "connections": CONNECTIONS,
        "token_characters": {name: len(tokens[0]) for name, (_, tokens) in variants.items()
                             if tokens},
        "variants": {name: median_report(of) for name, of in reports.items()},
    }


if __name__ == "__main__":
    part("guards", measure)
