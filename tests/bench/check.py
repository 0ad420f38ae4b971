#!/usr/bin/env python3
"""The bars, and what was measured last against each. Exit status 1 where one falls short.

What wasn't measured falls short. Numbers are read from docs/performance/, and nothing is run.
"""

import sys
from dataclasses import dataclass

from beside import OURS
from cost import KEY_PAIR, LOG_IN, ONE_LOG_IN, ONE_TOKEN, SEAL, TOKEN
from gateway import AUTHZ, HANDLER, NGINX
from harness import kept
from nodes import ENGINES, OPS
from service import FIRST, REFRESH, STORMS


@dataclass
class Bar:
    """A question, the answer, and what it must be."""

    what: str
    value: float | None
    limit: float
    least: bool
    unit: str = ""
    note: str = ""

    def reached(self):
        if self.value is None:
            return False
        return self.value >= self.limit if self.least else self.value <= self.limit

    def wanted(self):
        return f"{'≥' if self.least else '≤'} {shown(self.limit)}{self.unit}"

    def got(self):
        return "not measured" if self.value is None else f"{shown(self.value)}{self.unit}"


def shown(number):
    if abs(number) >= 20 or number == int(number):
        return f"{number:,.0f}".replace(",", " ")
    return f"{number:.2f}" if abs(number) < 10 else f"{number:.1f}"


def at(tree, *path):
    """What lies at a path of nested tables; None where anything on it is missing."""
    for name in path:
        if not isinstance(tree, dict) or name not in tree:
            return None
        tree = tree[name]
    return tree


def ratio(above, below):
    return above / below if above is not None and below else None


def level(million, sessions):
    """What was measured with so many sessions."""
    return next((one for one in million.get("levels", []) if one["sessions"] == sessions), {})


def node_bars(nodes):
    """Of several nodes on one store."""
    words = {"postgres": "PostgreSQL", "redis": "Redis", "cluster": "a cluster of Redis"}
    found = []
    for engine in ENGINES:
        one = at(nodes, "ends", engine)
        due = nodes.get("lease_ms", 50) + 20
        found += [
            Bar(f"nodes on {words[engine]}: an end at one node, from its sending to the first refusal at another, p99",
                at(one, "denied_ms", "99"), 50, False, " ms"),
            Bar(f"nodes on {words[engine]}: an end answered, p99", at(one, "answered_ms", "99"), due, False, " ms"),
            Bar(f"nodes on {words[engine]}: let in after the answer of an end", at(one, "late"), 0, False),
            Bar(f"warm guard of a node on {words[engine]} against the embedded engine",
                at(nodes, "guard", engine, "of_sled"), 0.97, True),
        ]
    for engine in ENGINES:
        for op in OPS:
            two = at(nodes, "growth", engine, "2", op)
            is_full = two and (two["stores_busy"] > 0.85 or two["share_used"] < 0.85)
            found.append(Bar(f"{op}: two nodes on {words[engine]} against one" +
                             (", where the store is the limit" if is_full else ""),
                             at(two, "of_one"), 1.8, True))
    return found


def bars():
    guards, steps, service, million, python, gateway, cost, peers, ten, counts = (
        kept(part) for part in ("guards", "steps", "service", "million", "python", "gateway", "cost", "peers",
                                "ten_million", "instructions"))

    def rate(name):
        return at(guards, "variants", name, "rate")

    def flask(name):
        return at(python, "variants", name, "rate")

    def asked(name):
        return at(gateway, "variants", name, "rate")

    def p99(call, kind):
        return at(service, "calls", call, kind, "latency_us", "99")

    def good(call, kind):
        return at(service, "calls", call, kind, "rate")

    def step(name):
        return at(steps, "ns", name)

    def issue(name):
        return at(service, "issuing", name, "rate")

    def spent(kind, what="us"):
        return at(cost, "kinds", kind, what)

    seal, pair = (at(cost, "alone", name) for name in (SEAL, KEY_PAIR))
    crypto = 2 * seal + pair if seal and pair else None
    hashed = spent(ONE_LOG_IN, "hashing_us")
    outside = spent(ONE_LOG_IN, "wall_us") - hashed if hashed else None
    others = {name: one["rate"] for name, one in peers.get("variants", {}).items() if name != OURS}
    best = max(others, key=others.get) if others else "the best of them"
    few_of_ten, ten = level(ten, 1_000), level(ten, 10_000_000)

    floor = step("floor/ecdh_and_es256_verify")
    few, many = level(million, 1_000), level(million, 1_000_000)
    flood = "flood, as many connections"
    turned = at(million, "turned", "rounds") or []
    # Three rounds together: sled gives space back in steps, and one round says where in a step it is.
    three = [sum(one["disk_bytes"] for one in turned[first:first + 3]) for first in (5, 8)]
    flat = ratio(three[1], three[0]) if len(turned) > 10 else None
    turned_live = at(million, "turned", "live_bytes")
    memory = at(many, "resident_served_mib")
    return [
        Bar("warm guard against no guard", ratio(rate("lacre"), rate("no guard")), 0.72, True),
        Bar("warm guard against HS256", ratio(rate("lacre"), rate("HS256 JWT")), 1.25, True),
        Bar("warm guard against ES256", ratio(rate("lacre"), rate("ES256 JWT")), 6, True),
        Bar("warm guard against Fastify and jose",
            ratio(rate("lacre"), rate("Fastify, jose JWE")), 60, True),
        Bar("warm guard against Flask and jwcrypto",
            ratio(rate("lacre"), rate("Flask, jwcrypto JWE")), 60, True),
        Bar("first open against one ECDH and one ES256 verification",
            ratio(step("open/whole"), floor), 1.25, False),
        Bar("the same through the guard, with the record read from the store",
            ratio(step("deployed/guard_cold"), floor), 1.25, False),
        Bar("warm guard by callgrind, instructions", at(counts, "counts", "x86_64", "guard_warm"), 40_000, False),
        Bar("`getToken` by a client, durable, against Flask and jwcrypto, not durable",
            ratio(issue("lacre, durable"), issue("Flask, jwcrypto, not durable")), 5, True),
        Bar("the same, processor time of it all, against its two tokens and key pair alone",
            ratio(spent(TOKEN), crypto), 1.7, False),
        Bar("log-in by password, one at a time: time outside of argon2, against that of `getToken` by a client",
            ratio(outside, spent(ONE_TOKEN, "wall_us")), 1.2, False),
        Bar("log-ins by password, as fast as they are hashed: processor time outside of argon2, against that of "
            "`getToken` by 64 connections", ratio(spent(LOG_IN), spent(TOKEN)), 1.2, False),
        Bar("refresh, durable, against `getToken` by a client", ratio(issue(REFRESH), issue("lacre, durable")),
            1.2, True),
        Bar("p99 with a million sessions, 100 000 of them calling, against a thousand",
            ratio(at(many, "guarded", "latency_us", "99"), at(few, "guarded", "latency_us", "99")),
            1.5, False),
        Bar("a million sessions: disk against live bytes",
            ratio(at(many, "disk_bytes"), at(many, "live_bytes")), 4, False),
        Bar("a million sessions: opening the store", at(many, "open_s"), 5, False, " s"),
        Bar("a million sessions: memory after calls by 100 000 of them", memory, 1024, False, " MiB"),
        Bar("disk after turnovers eight to ten against five to seven", flat, 1.1, False),
        Bar("disk against live bytes after ten turnovers",
            ratio(turned[-1]["disk_bytes"], turned_live) if flat else None, 4, False),
        *(Bar(f"p99 {words} in a storm of log-ins, {again}, against quiet",
              ratio(p99(call, storm), p99(call, "quiet")), limit, False)
          for storm, again in zip(STORMS, ("each again after 50 ms", "each again at once"))
          for call, words, limit in (("full", "at full load", 3), ("leisure", "at leisure", 2))),
        *(Bar(f"p99 {words} while 1000 first opens a second come in, against quiet",
              ratio(p99(call, FIRST), p99(call, "quiet")), 2, False)
          for call, words in (("full", "at full load"), ("leisure", "at leisure"))),
        Bar("ten million sessions: opening the store", at(ten, "open_s"), 30, False, " s"),
        Bar("ten million sessions: memory after calls by 100 000 of them", at(ten, "resident_served_mib"), 2048, False,
            " MiB"),
        Bar("ten million sessions: disk against live bytes", ratio(at(ten, "disk_bytes"), at(ten, "live_bytes")), 3,
            False),
        Bar("p99 with ten million sessions, 100 000 of them calling, against a thousand",
            ratio(at(ten, "guarded", "latency_us", "99"), at(few_of_ten, "guarded", "latency_us", "99")), 2, False),
        Bar(f"guarded call of the whole service against {best}, the best of four",
            ratio(at(peers, "variants", OURS, "rate"), others.get(best)), 2, True),
        Bar("good callers in a flood of junk by as many connections, against quiet",
            ratio(good("full", flood), good("full", "quiet")), 0.5, True),
        Bar("`/authz` against the same guard in front of a handler",
            ratio(asked(AUTHZ), asked(HANDLER)), 0.9, True),
        Bar("nginx that asks lacre against nginx that asks a server which answers 200 without looking",
            ratio(asked(NGINX["lacre"]), asked(NGINX["all"])), 0.6, True),
        Bar("a route of Flask behind `lacre.flask`, its round trip included, against HS256",
            ratio(flask("lacre.flask"), flask("Flask-JWT-Extended, HS256")), 0.5, True),
        Bar("the same behind `lacre.flask_jwt_extended`",
            ratio(flask("lacre.flask_jwt_extended"), flask("Flask-JWT-Extended, HS256")), 0.5, True),
        *(Bar(f"a route of Flask behind `{ours}` against HS256 with a blocklist in Redis",
              ratio(flask(ours), flask("Flask-JWT-Extended, HS256, blocklist in Redis")), 1, True)
          for ours in ("lacre.flask", "lacre.flask_jwt_extended")),
        *node_bars(kept("nodes")),
        Bar("start-up to the first answer", at(service, "rest", "start_ms"), 200, False, " ms"),
        Bar("memory at rest", at(service, "rest", "rest_mib"), 30, False, " MiB"),
        Bar("the program's size", at(service, "rest", "program_mib"), 30, False, " MiB"),
    ]


def main():
    short = missing = 0
    for bar in bars():
        mark = "    ok" if bar.reached() else " SHORT"
        short += not bar.reached()
        missing += bar.value is None
        print(f"{mark}  {bar.got():>12}  {bar.wanted():>10}  {bar.what}")
    commits = {kept(part).get("commit") for part in ("guards", "steps", "service", "cost", "peers", "million",
                                                     "ten_million", "nodes", "nodes_million")}
    if len(commits) > 1:
        print(f"\nThe parts were measured at different commits: "
              f"{', '.join(sorted(str(one) for one in commits))}.")
    if short:
        print(f"\n{short} fall short" + (f", {missing} of them for want of a measurement." if missing else "."))
    sys.exit(1 if short else 0)


if __name__ == "__main__":
    main()
