#!/usr/bin/env python3
"""Writes docs/performance.md and its plots from tests/bench/page.md and the numbers measured last, and the numbers of
docs/scaling.md from tests/bench/sizing.md.

The prose is the template's, written by hand; `{{name}}` stands for a table or a number. A name that
nothing was measured for is shown as a dash.
"""

import re

from beside import OURS, PEERS
from check import at, bars, kept, ratio, shown
from cost import KEY_PAIR, LOG_IN, ONE_LOG_IN, ONE_TOKEN, SEAL, TOKEN
from gateway import HANDLER, INTROSPECT, NGINX
import nodes_page
from nodes import ENDERS
from nodes_guard import GUARD_SHARE
from harness import HERE, RESULTS, ROOT
from service import FIRST, STORMS
from plots import COLOURS, bars as bar_plot, lines, spaced, stacked
from profiled import KERNEL, STORE

PARTS = ("guards", "steps", "service", "million", "instructions", "python", "gateway", "cost", "peers", "ten_million",
         "nodes", "nodes_million", "profile")
# Of the parts of a guard's instructions, those without which no token is decrypted.
DECRYPTING = ("SHA-512", "AES", "base64")
WORKER, SQLITE_THREAD = "actix-server wo", "sqlx-sqlite-wor"
GUARDS = [
    ("no guard", "no guard"),
    ("lacre", "**lacre's guard, token in use**"),
    ("HS256 JWT", "HS256 JWT (jsonwebtoken, same claims)"),
    ("ES256 JWT", "ES256 JWT (jsonwebtoken, same claims)"),
    ("Fastify, no guard", "Fastify, no guard"),
    ("Fastify, jose JWE", "Fastify, JWE by panva/jose (same claims)"),
    ("Flask, no guard", "Flask on gunicorn, no guard"),
    ("Flask, jwcrypto JWE", "Flask on gunicorn, JWE by jwcrypto"),
    ("no guard, bare actix", "no guard, bare actix"),
    ("lacre, bare actix", "lacre's guard, bare actix"),
]
STEPS = [
    ("form and strict header", "open/parse_and_header", None),
    ("ECDH, key derivation, unwrap", "open/ecdh_and_unwrap", None),
    ("MAC and decryption of 256 bytes", "content/open/256", None),
    ("MAC and decryption of 1300 bytes", "content/open/1300", None),
    ("MAC and decryption of 5600 bytes", "content/open/5600", None),
    ("inner ES256 signature", "floor/es256_verify", "josekit/es256_verify"),
    ("claims into their types", "open/claims", None),
    ("**first open of a session**, all of it", "open/whole", "josekit/whole"),
    ("first open through the guard, keystore on disk", "deployed/guard_cold", None),
    ("**a further request of the same token** through the guard", "deployed/guard_warm", None),
    ("sign and seal", "make/seal", "josekit/seal"),
    ("new key pair with its public half", "make/key_pair", None),
    ("begin a session, durable, one at a time", "deployed/issue_durable", None),
    ("floor: one ECDH and one ES256 verification", "floor/ecdh_and_es256_verify", None),
]


def micro(ns):
    return "" if ns is None else shown(ns / 1000)


def table(head, rows):
    rule = "|".join("---" for _ in head)
    return "\n".join([f"| {' | '.join(head)} |", f"|{rule}|"]
                     + [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows])


def bar_table():
    rows = [(bar.what, bar.wanted(), f"**{bar.got()}**" if bar.reached() else f"{bar.got()}, short")
            for bar in bars()]
    return table(("what", "bar", "measured"), rows)


def measured_table(parts):
    def others(one):
        return f"{one['busy_before']:.0%}" if "busy_before" in one else ""

    def taken(one):
        return f"{one['repeated']}; {one['most_taken']:.1%}" if "repeated" in one else ""

    rows = [(f"`{name}`", one.get("date", "-"), one.get("commit", "-"), one.get("machine", "-"),
             others(one), taken(one)) for name, one in parts.items()]
    return table(("part", "date", "commit", "machine", "busy with others before", "measured again; taken by the host at most"), rows)


def guard_table(guards):
    variants = guards.get("variants", {})
    first = at(variants, "no guard", "rate")
    rows = []
    for name, words in GUARDS:
        if name in variants:
            one = variants[name]
            rows.append((words, spaced(one["rate"]), shown(ratio(one["rate"], first)),
                         spaced(one["latency_us"]["50"]), spaced(one["latency_us"]["99"])))
    return table(("in front of the handler", "requests a second", "of no guard", "p50, µs",
                  "p99, µs"), rows)


def python_table(python):
    variants = python.get("variants", {})
    first = at(variants, "Flask-JWT-Extended, HS256", "rate")
    rows = [(name, spaced(one["rate"]), shown(ratio(one["rate"], first)), spaced(one["latency_us"]["50"]))
            for name, one in variants.items()]
    return table(("in front of the route", "requests a second", "of HS256", "p50, µs"), rows)


def gateway_table(gateway):
    variants = gateway.get("variants", {})
    handler = at(variants, HANDLER, "rate")
    asking = at(variants, NGINX["all"], "rate")
    rows = []
    for name, one in variants.items():
        beside = "" if name == INTROSPECT else shown(ratio(one["rate"], asking if "nginx" in name else handler))
        rows.append((name, spaced(one["rate"]), beside, spaced(one["latency_us"]["50"]), spaced(one["latency_us"]["99"])))
    return table(("what is asked", "requests a second", "of the handler, or of nginx that asks for nothing", "p50, µs",
                  "p99, µs"), rows)


def peer_table(peers):
    variants = peers.get("variants", {})
    first = at(variants, OURS, "rate")
    rows = [(f"**{name}**" if name == OURS else name, spaced(variants[name]["rate"]),
             shown(ratio(first, variants[name]["rate"])), spaced(variants[name]["latency_us"]["50"]),
             spaced(variants[name]["latency_us"]["99"]))
            for name in [OURS, *PEERS] if name in variants]
    return table(("what guards", "requests a second", "lacre's against it", "p50, µs", "p99, µs"), rows)


def cost_table(cost):
    rows = []
    for kind, one in cost.get("kinds", {}).items():
        threads = ", ".join(f"{name} {shown(part)}" for name, part in one["threads"].items() if part >= 1)
        rows.append((kind, shown(one["us"]), shown(one["hashing_us"]) if one["hashing_us"] else "", threads))
    alone = cost.get("alone", {})
    rows += [(name, shown(alone[step]), "", "") for name, step in
             (("signing and sealing one token, alone", SEAL), ("a key pair, alone", KEY_PAIR)) if step in alone]
    return table(("what is asked", "processor, µs", "argon2 beside, µs", "of it, by threads"), rows)


def step_table(steps):
    ns = steps.get("ns", {})
    return table(("step", "lacre, µs", "josekit alone, µs"),
                 [(words, micro(ns.get(ours)), micro(ns.get(theirs)) if theirs else "")
                  for words, ours, theirs in STEPS])


def issue_table(service):
    rows = [(name, shown(one["rate"]), spaced(one["latency_us"]["50"] / 1000),
             spaced(one["latency_us"]["99"] / 1000))
            for name, one in service.get("issuing", {}).items()]
    return table(("what is asked", "a second", "p50, ms", "p99, ms"), rows)


def trouble_table(service):
    rows = []
    for call, kinds in service.get("calls", {}).items():
        for kind, one in kinds.items():
            quiet = kinds["quiet"]
            trouble = at(service, "troubles", kind) or {}
            rows.append((
                "as fast as answered" if call == "full" else "at leisure", kind,
                spaced(one["rate"]), shown(ratio(one["rate"], quiet["rate"])),
                spaced(one["latency_us"]["50"]), spaced(one["latency_us"]["99"]),
                shown(ratio(one["latency_us"]["99"], quiet["latency_us"]["99"])),
                spaced(trouble["rate"]) if trouble else ""))
    return table(("good callers", "beside them", "requests a second", "of quiet", "p50, µs",
                  "p99, µs", "of quiet", "the others, a second"), rows)


def level_table(million):
    rows = []
    for one in million.get("levels", []):
        guarded = one["guarded"]
        rows.append((spaced(one["sessions"]), spaced(one["active"]), spaced(guarded["rate"]),
                     spaced(guarded["latency_us"]["50"]), spaced(guarded["latency_us"]["99"]),
                     shown(one["disk_bytes"] / 2**20),
                     shown(ratio(one["disk_bytes"], one["live_bytes"])), shown(one["open_s"]),
                     shown(one["resident_open_bytes"] / 2**20), shown(one["resident_served_mib"])))
    return table(("sessions", "of them calling", "requests a second", "p50, µs", "p99, µs",
                  "disk, MiB", "of live bytes", "open, s", "memory opened, MiB",
                  "memory in use, MiB"), rows)


def turn_table(million):
    live = at(million, "turned", "live_bytes")
    rows = [(one["round"], shown(one["disk_bytes"] / 2**20), shown(one["disk_bytes"] / live),
             shown(one["resident_bytes"] / 2**20), shown(one["end_s"]) if "end_s" in one else "",
             shown(one["put_s"]) if "put_s" in one else "")
            for one in at(million, "turned", "rounds") or []]
    return table(("turnover", "disk, MiB", "of live bytes", "memory, MiB", "ending all, s",
                  "beginning all, s"), rows)


def instruction_table(instructions):
    kinds = instructions.get("counts", {})
    rows = [(name, *(spaced(one[name]) for one in kinds.values()))
            for name in next(iter(kinds.values()), {})]
    return table(("operation", *kinds), rows)


def parts_plot(instructions):
    rows = [(f"a token in use, {machine}", of, f"{spaced(sum(of.values()))}") for machine, of in instructions["parts"].items()]
    return stacked("What the instructions of a token in use are for", rows, "instructions")


def parts_table(instructions):
    rows = [(part, spaced(number)) for of in instructions.get("parts", {}).values() for part, number in of.items()]
    return table(("what they are for", "instructions"), rows)


def by_length(steps):
    """{length: µs} of the guard, warm and cold."""
    found = {"warm": {}, "cold": {}}
    for name, ns in steps.get("ns", {}).items():
        match = re.fullmatch(r"length/guard_(warm|cold)/(\d+)", name)
        if match:
            found[match[1]][int(match[2])] = ns / 1000
    return {kind: dict(sorted(of.items())) for kind, of in found.items()}


def length_table(steps):
    of = by_length(steps)
    return table(("characters of the token", *(spaced(length) for length in of["warm"])),
                 [(f"{words}, µs", *(shown(us) for us in of[kind].values()))
                  for kind, words in (("warm", "a further request"), ("cold", "the first"))])


def throughput_plot(guards):
    colours = {"lacre": COLOURS[0]}
    rows = [(name, guards["variants"][name]["rate"], colours.get(name, COLOURS[5]))
            for name, _ in GUARDS[:8] if name in guards["variants"]]
    return bar_plot("One handler behind each guard, on one core", rows, "requests a second")


def latency_plot(service):
    names = ["50", "90", "99", "99.9"]
    return lines("Guarded calls at leisure: latency by percentile",
                 {kind: [(number, one["latency_us"][p] / 1000) for number, p in enumerate(names)]
                  for kind, one in service["calls"]["leisure"].items()},
                 "percentile of requests", "milliseconds (log scale)", list(range(len(names))),
                 log_y=True, x_names=[f"p{name}" for name in names])


def session_plot(million, ten):
    # Ten million were measured on another day, and another machine: of these percentiles the ratio of the two ends counts.
    series = {
        f"{name}{run}": [(one["sessions"], one["guarded"]["latency_us"][p]) for one in part["levels"]]
        for run, part in (("", million), (", to ten million", ten)) if part
        for name, p in (("p50", "50"), ("p99", "99"), ("p99.9", "99.9"))}
    ticks = sorted({sessions for points in series.values() for sessions, _ in points})
    return lines("Guarded calls by live sessions", series, "live sessions in the store (log scale)", "microseconds (log scale)",
                 ticks, log_x=True, log_y=True)


def length_plot(steps):
    of = by_length(steps)
    return lines("The guard by length of the token", {
        "first request": list(of["cold"].items()),
        "a further one": list(of["warm"].items()),
    }, "characters of the token", "microseconds", [1_000, 2_000, 4_000, 6_000, 8_000])


def turn_plot(million):
    rounds = million["turned"]["rounds"]
    return lines(f"Disk in use while {spaced(million['turned']['sessions'])} sessions turn over", {
        "on the disk": [(one["round"], one["disk_bytes"] / 2**20) for one in rounds],
        "live": [(one["round"], million["turned"]["live_bytes"] / 2**20) for one in rounds],
    }, "turnovers", "MiB", list(range(len(rounds))))


def profile_table(profile):
    kinds = profile.get("kinds", {})
    groups = list(dict.fromkeys(group for of in kinds.values() for group in of))
    return table(("what is asked", "all, µs", *(f"{group}, µs" for group in groups)),
                 [(kind, shown(sum(of.values())), *(shown(of.get(group, 0)) for group in groups)) for kind, of in kinds.items()])


def profile_plot(profile):
    rows = []
    for kind, of in profile["kinds"].items():
        whole = sum(of.values())
        rows.append((kind, {group: 100 * us / whole for group, us in of.items()}, f"{shown(whole)} µs"))
    return stacked("What the processor does for a request", rows, "per cent of its time")


def opening_plot(steps):
    ns = steps["ns"]
    first = {words: ns[step] / 1000 for words, step in (
        ("form and strict header", "open/parse_and_header"), ("ECDH, key derivation, unwrap", "open/ecdh_and_unwrap"),
        ("inner ES256 signature", "floor/es256_verify"), ("claims into their types", "open/claims"))}
    known = sum(first.values())
    whole, guard, floor = (ns[step] / 1000 for step in ("open/whole", "deployed/guard_cold", "floor/ecdh_and_es256_verify"))
    first["MAC, decryption, the rest"] = max(whole - known, 0)
    through = {**first, "record read, content key kept": max(guard - whole, 0)}
    return stacked("A token that is opened for the first time", [
        ("first open", first, f"{shown(whole)} µs"), ("the same through the guard", through, f"{shown(guard)} µs"),
        ("floor", {"one ECDH and one ES256 verification": floor}, f"{shown(floor)} µs")], "microseconds")


def issue_plot(service):
    rows = [(name, one["rate"], COLOURS[5 if "Flask" in name else 0]) for name, one in service["issuing"].items()]
    return bar_plot("Tokens a second, on one core", rows, "answers a second")


def peer_plot(peers, guards):
    rows = [(name, peers["variants"][name]["rate"], COLOURS[0 if name == OURS else 5])
            for name in [OURS, *PEERS] if name in peers["variants"]]
    if guards:
        rows.append(("no guard (other run)", guards["variants"]["no guard"]["rate"], COLOURS[7]))
    return bar_plot("A guarded call of the whole service, on one core", rows, "requests a second")


def trouble_plot(service):
    rows = [(f"{'full load' if call == 'full' else 'leisure'}: {kind}", one["latency_us"]["99"], COLOURS[0 if call == "full" else 1])
            for call, kinds in service["calls"].items() for kind, one in kinds.items()]
    return bar_plot("Guarded calls beside trouble, on one core", rows, "99th percentile, microseconds")


def plots(guards, steps, service, million, ten, peers, profile, instructions):
    """The plots whose numbers are there."""
    drawn = {}
    if instructions.get("parts"):
        drawn["instructions"] = parts_plot(instructions)
    if profile:
        drawn["profile"] = profile_plot(profile)
    if peers:
        drawn["peers"] = peer_plot(peers, guards)
    if steps:
        drawn["opening"] = opening_plot(steps)
    if service:
        drawn["issuing"] = issue_plot(service)
        drawn["trouble"] = trouble_plot(service)
    if guards:
        drawn["throughput"] = throughput_plot(guards)
    if service:
        drawn["latency"] = latency_plot(service)
    if steps:
        drawn["length"] = length_plot(steps)
    if million:
        drawn["sessions"] = session_plot(million, ten)
        drawn["turnover"] = turn_plot(million)
    return drawn


def arithmetic(guards, steps, cost, peers, service):
    """What would be left where a bar leaves less than what is needed, by the numbers of the tables."""
    def rate(name):
        return at(guards, "variants", name, "rate")

    def left(bar, name):
        return 1e6 / (bar * rate(name)) - 1e6 / rate("no guard") if rate(name) else None

    seal, pair = (at(cost, "alone", name) for name in (SEAL, KEY_PAIR))
    token, opening = at(cost, "kinds", TOKEN, "us"), at(steps, "ns", "open/whole")
    found = {"hs256_left": left(1.25, "HS256 JWT"), "es256_left": left(6, "ES256 JWT"),
             "guard_takes": left(1, "lacre")}
    if seal and pair and token and opening:
        crypto, opening = 2 * seal + pair, opening / 1000
        found |= {"sealing": seal, "crypto": crypto, "rest": token - crypto, "rest_left": 0.7 * crypto,
                  "refresh_crypto": crypto / (2 * seal + opening),
                  "refresh_like": token / (token - pair + opening)}
        if flask := at(service, "issuing", "Flask, jwcrypto, not durable", "rate"):
            found |= {"flask_crypto": 1e6 / crypto / flask}
    own = at(cost, "kinds", LOG_IN, "threads")
    if own and token:
        found |= {"login_most": 1.2 * token, "login_flush": own.get("lacre-committer", 0) + own.get("sled-io", 0),
                  "login_sqlite": own.get("sqlx-sqlite-wor", 0)}
    whole, best = at(peers, "variants", OURS, "rate"), max((at(peers, "variants", name, "rate") or 0 for name in PEERS), default=0)
    if whole and best and rate("no guard"):
        found |= {"whole_takes": 1e6 / whole, "best_takes": 1e6 / best, "twice_takes": 1e6 / best / 2,
                  "open_takes": 1e6 / rate("no guard"), "whole_left": 1e6 / best / 2 - 1e6 / rate("no guard")}
    quiet, beside = (at(service, "calls", "full", kind, "rate") for kind in ("quiet", FIRST))
    opens = at(service, "troubles", FIRST, "rate")
    if quiet and beside and opens:
        found |= {"first_us": (1 - beside / quiet) * 1e6 / opens, "first_left": beside / quiet, "first_floor": quiet / beside}
    names = ("first_us", "first_left", "first_floor", "sealing", "crypto", "rest", "rest_left", "refresh_crypto", "refresh_like", "flask_crypto", "whole_takes",
             "best_takes", "twice_takes", "open_takes", "whole_left", "login_most", "login_flush", "login_sqlite")
    return {name: "-" for name in names} | {name: "-" if one is None else shown(one) for name, one in found.items()}


def guard_floor(guards, instructions, wanted=DECRYPTING):
    """Microseconds of the guard that these parts of it take, by their share of its instructions."""
    parts = next(iter(instructions.get("parts", {}).values()), None)
    open_rate, rate = (at(guards, "variants", name, "rate") for name in ("no guard", "lacre"))
    if not parts or not open_rate or not rate:
        return None
    return (1e6 / rate - 1e6 / open_rate) * sum(parts[one] for one in wanted) / sum(parts.values())


def without_memory(guards, instructions):
    """The rate against HS256 of a guard that does all that ours does, and neither gives out nor copies any memory."""
    hs256, bare = (at(guards, "variants", name, "rate") for name in ("HS256 JWT", "no guard"))
    spent = guard_floor(guards, instructions, (*DECRYPTING, "claims", "all else"))
    return shown(1e6 / (1e6 / bare + spent) / hs256) if spent and hs256 else "-"


def bounds_table(parts):
    """Of each bar of a request, what bounds it."""
    guards, steps, service, cost, peers, profile, instructions = (
        parts[name] for name in ("guards", "steps", "service", "cost", "peers", "profile", "instructions"))
    known = {bar.what: bar for bar in bars()}
    rows = []

    def row(beginning, bound, why, by, plot):
        found = [bar for what, bar in known.items() if what.startswith(beginning)]
        rows.append((found[0].what, found[0].wanted(), found[0].got(), "-" if bound is None else shown(bound), why, by,
                     f"[{plot}](performance/{plot}.svg)"))

    def rate(name):
        return at(guards, "variants", name, "rate")

    least = guard_floor(guards, instructions)
    most = 1e6 / (1e6 / rate("no guard") + least) if least else None
    decrypts = "the MAC, the cipher and base64 of a token, and nothing else in the guard"
    for name, beginning in (("no guard", "warm guard against no guard"), ("HS256 JWT", "warm guard against HS256"),
                            ("ES256 JWT", "warm guard against ES256")):
        row(beginning, ratio(most, rate(name)), decrypts, "`guards`, `instructions`", "throughput")
    of_warm = next(iter(instructions.get("parts", {}).values()), {})
    row("warm guard by callgrind", sum(of_warm.get(one, 0) for one in DECRYPTING) or None, "the same", "`instructions`", "instructions")
    for beginning in ("first open against", "the same through the guard"):
        row(beginning, 1, "one ECDH and one verified signature", "`steps`", "opening")
    seal, pair = (at(cost, "alone", name) for name in (SEAL, KEY_PAIR))
    crypto = 2 * seal + pair if seal and pair else None
    flask = at(service, "issuing", "Flask, jwcrypto, not durable", "rate")
    row("`getToken` by a client", ratio(1e6 / crypto, flask) if crypto else None,
        "two tokens and a key pair, and nothing else on the core", "`cost`, `service`", "issuing")
    of_token = at(profile, "kinds", TOKEN) or {}
    # Of what was sampled, which itself takes time, the share counts.
    share = ratio(of_token.get(KERNEL, 0) + of_token.get(STORE, 0), sum(of_token.values()))
    given = share * (at(cost, "kinds", TOKEN, "us") or 0) if share else None
    row("the same, processor time of it all", ratio(crypto + given, crypto) if crypto and given else None,
        "the same, what the kernel and the store do for it, and nothing for HTTP, tasks, texts, memory and the log", "`cost`, `profile`", "profile")

    def spent(kind, what):
        return at(cost, "kinds", kind, what)

    one, log_in = spent(ONE_TOKEN, "wall_us"), spent(ONE_LOG_IN, "threads") or {}
    asked = log_in.get(SQLITE_THREAD, 0)
    colder = log_in.get(WORKER, 0) - (spent(ONE_TOKEN, "threads") or {}).get(WORKER, 0)
    row("log-in by password, one at a time", ratio(one + asked + colder, one) if one and log_in else None,
        "a token, one question to SQLite, and the worker on caches that argon2 has emptied", "`cost`", "profile")
    row("log-ins by password, as fast", ratio(spent(ONE_TOKEN, "us") + asked, spent(TOKEN, "us")) if one and log_in else None,
        "a token that nobody shares a flush with, and one question to SQLite", "`cost`", "profile")
    opening = at(steps, "ns", "open/whole")
    row("refresh, durable", ratio(spent(TOKEN, "us"), spent(TOKEN, "us") - pair + opening / 1000) if crypto and opening else None,
        "a `getToken` without its key pair, and one token opened", "`cost`, `steps`", "issuing")
    for storm in STORMS:
        again = "each again after" if "pause" in STORMS[storm] else "each again at once"
        for beginning in (f"p99 at full load in a storm of log-ins, {again}", f"p99 at leisure in a storm of log-ins, {again}"):
            row(beginning, 1, "a storm that nobody feels", "", "trouble")
    for call in ("at full load", "at leisure"):
        row(f"p99 {call} while 1000 first", 1, "first opens that nobody feels", "", "trouble")
    row("ten million sessions: disk", 1, "the live bytes", "", "sessions")
    row("p99 with ten million", 1, "a store whose size nobody feels", "", "sessions")
    best = max((at(peers, "variants", name, "rate") or 0 for name in PEERS), default=0)
    row("guarded call of the whole", ratio(most, best), "no guard, and " + decrypts, "`guards`, `instructions`, `peers`", "peers")
    return table(("what", "bar", "measured", "bound", "of what", "by", "plot"), rows)


def several(nodes, many):
    """What is said of several nodes."""
    waiting = "Not measured yet: `make bench-nodes`."
    tables = {"ends": nodes_page.ends_table, "guard": nodes_page.guard_table, "growth": nodes_page.growth_table, "growth_words": nodes_page.growth_words,
              "idle": nodes_page.idle_table, "statements": nodes_page.statement_table}
    told = nodes_page.measured(nodes, many)
    moved = f"in {told['move_s']} s, changes refused for {told['held_s']} s of them" if many else "whose time is shown"
    return {**{f"nodes_{name}": made(nodes) if nodes else waiting for name, made in tables.items()},
            "nodes_million": nodes_page.million_table(many) if many else "Not measured yet: `make bench-nodes-million`.",
            "nodes_share": shown(nodes.get("share", 0.2)), "guard_share": shown(GUARD_SHARE), "enders": ENDERS, "listed": many.get("listed", 10), "move": moved}


def sized(nodes, many):
    """Puts the numbers into docs/scaling.md."""
    page = ROOT / "docs" / "scaling.md"
    known = nodes_page.measured(nodes, many) | {"sizing": nodes_page.sizing(nodes, many)}
    text = re.sub(r"\{\{(\w+)\}\}", lambda found: known[found[1]], (HERE / "sizing.md").read_text())
    page.write_text(re.sub(r"(<!-- numbers: .*? -->\n).*?(<!-- end of numbers -->)", lambda found: found[1] + text + found[2],
                           page.read_text(), flags=re.S))


def values(parts):
    guards, steps, service, million, instructions, python, gateway, cost, peers, ten, nodes, many, profile = parts.values()
    return {
        **several(nodes, many),
        "bars": bar_table(),
        "measured": measured_table(parts),
        "guards": guard_table(guards),
        "steps": step_table(steps),
        "issuing": issue_table(service),
        "trouble": trouble_table(service),
        "levels": level_table(million),
        "ten": level_table(ten) if ten else "Not measured yet: `make bench-ten-million`.",
        "cost": cost_table(cost) if cost else "Not measured yet: `make bench-cost`.",
        "peers": peer_table(peers) if peers else "Not measured yet: `make bench-peers`.",
        "turns": turn_table(million),
        "turned": spaced(at(million, "turned", "sessions") or 0),
        "lengths": length_table(steps),
        "instructions": instruction_table(instructions),
        "bounds": bounds_table(parts),
        "without_memory": without_memory(guards, instructions),
        "warm": spaced(at(instructions, "counts", "x86_64", "guard_warm") or 0),
        "floor": spaced(sum(at(instructions, "parts", "x86_64", one) or 0 for one in DECRYPTING)),
        "parts": parts_table(instructions),
        "profile": profile_table(profile) if profile else "Not measured yet: `make bench-profile`.",
        "python": python_table(python),
        "gateway": gateway_table(gateway),
        **arithmetic(guards, steps, cost, peers, service),
        "short": "\n".join(f"- {bar.what}: {bar.got()}, where {bar.wanted()} is the bar."
                           for bar in bars() if not bar.reached()) or "Nothing.",
    }


def main():
    parts = {name: kept(name) for name in PARTS}
    known = values(parts)
    template = (HERE / "page.md").read_text()
    if not parts["million"]:  # takes long: the rest of the page doesn't wait for it
        template = re.sub(r"(## Sessions by the million\n).*?(?=\n## )",
                          r"\1\nNot measured yet: `make bench-million`.\n", template, flags=re.S)
    page = re.sub(r"\{\{(\w+)\}\}", lambda found: str(known[found[1]]), template)
    (ROOT / "docs" / "performance.md").write_text(page)
    sized(parts["nodes"], parts["nodes_million"])
    drawn = plots(*(parts[name] for name in ("guards", "steps", "service", "million", "ten_million", "peers", "profile", "instructions")))
    for name, svg in drawn.items():
        (RESULTS / f"{name}.svg").write_text(svg)


if __name__ == "__main__":
    main()
