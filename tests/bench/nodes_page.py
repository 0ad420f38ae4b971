"""The parts of the page that are about several nodes, and the arithmetic of docs/scaling.md by the numbers measured last."""

import math

from check import at, ratio, shown
from harness import kept
from nodes import ENGINES, OPS
from plots import spaced

NAMES = {"sled": "one process, embedded", "postgres": "PostgreSQL", "redis": "Redis, one server", "cluster": "Redis, a cluster of six"}

# The arithmetic of docs/scaling.md: what is to be served.
SESSIONS, CALLS = 100_000_000, 1_000_000
# One session in ten is in use at a time; its access token is renewed each quarter of an hour; one lives for thirty days.
IN_USE, RENEWED_S, LIVES_S = 10, 900, 30 * 86_400
# Cores of a machine for a node, and how full they may be, so that one machine may be missing.
CORES, FULL = 8, 0.5


def table(head, rows):
    rule = "|".join("---" for _ in head)
    return "\n".join([f"| {' | '.join(head)} |", f"|{rule}|"]
                     + [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows])


def cell(number, factor=1):
    return "-" if number is None else shown(number * factor)


def ends_table(nodes):
    rows = []
    for engine in ENGINES:
        one = at(nodes, "ends", engine)
        if one:
            answered, denied = one["answered_ms"], one["denied_ms"]
            rows.append((NAMES[engine], spaced(one["ends"]), *(shown(answered[name]) for name in ("50", "99", "most")),
                         *(shown(denied[name]) for name in ("50", "99", "most")), shown(one["after_answer_ms"]["99"]),
                         one["late"]))
    return table(("sessions on", "ends", "end answered, ms: p50", "p99", "most", "first refusal elsewhere, ms: p50", "p99", "most",
                  "from the answer, p99", "let in after the answer"), rows)


def guard_table(nodes):
    return table(("a node's sessions on", "a call, µs of the workers", "all other threads, ms a second", "calls a second of one core",
                  "the embedded engine beside stores as busy", "of it"),
                 [(NAMES[engine], shown(one["us"]), shown(one["rest_ms"]), spaced(one["core"]), spaced(one["sled"]["core"]),
                   f"{one['of_sled']:.3f}") for engine, one in (at(nodes, "guard") or {}).items()])


def cost(nodes, engine, op, count="1"):
    """Microseconds of a node and of the stores for one of what is asked, without what they do for nodes that are asked nothing."""
    one, rest = at(nodes, "growth", engine, count, op), at(nodes, "idle", engine)
    if one is None or (rest is None and engine != "sled"):
        return None
    # Of each second; the rate is that of good answers, the cost of all.
    asked = one["requests"] / one["seconds"]
    node, stores = rest["node_ms"] if rest else 0, rest["stores_ms"] if rest else {}
    spent = {name: us - (stores[count][name] if rest else 0) * 1000 / asked for name, us in one["store_us"].items()}
    return {"node": max(0, one["node_us"] - node * int(count) * 1000 / asked), "stores": {name: max(0, us) for name, us in spent.items()}}


def growth_table(nodes):
    rows = []
    for op in OPS:
        for engine, counts in (at(nodes, "growth") or {}).items():
            of = {count: one[op] for count, one in counts.items()}
            rates, alone = {count: one["rate"] for count, one in of.items()}, cost(nodes, engine, op)
            most = of[max(of)]
            rows.append((op, NAMES[engine], *(cell(rates.get(count)) for count in "123"),
                         *(cell(of.get(count, {}).get("of_one")) for count in "23"),
                         cell(at(alone, "node")), cell(sum(alone["stores"].values()) if alone and engine != "sled" else None),
                         *(cell(of.get(count, {}).get("share_used")) for count in "12"), cell(most["stores_busy"])))
    return table(("what is asked", "sessions on", "one node, a second", "two", "three", "two of one", "three of one", "node, µs for each",
                  "stores, µs for each", "share used: one node", "two", "stores busy, cores, most nodes"), rows)


def growth_words(nodes):
    """What the table of one, two and three nodes can't show: what a node that is alone pays besides, and how leases fared."""
    grown = {engine: counts for engine, counts in (at(nodes, "growth") or {}).items() if engine != "sled"}
    alone = [(counts["1"][op]["node_us"] / counts[max(counts)][op]["node_us"], op, engine)
             for engine, counts in grown.items() for op in OPS]
    if not alone:
        return ""
    most, op, engine = max(alone)
    lapses = ", ".join(f"{sum(sum(one['lapses']) for one in counts.values()):g} times on {NAMES[engine]}"
                       for engine, counts in grown.items())
    return (f"A node that is alone leaves its core idle four fifths of the time, and what it is asked then takes up to {shown(most)} times what it takes one "
            f"of three ({op}, {NAMES[engine]}): ratios above the number of nodes are that. In all rounds together leases lapsed {lapses}: "
            "now and then a node with a fifth of a core, or a store beside the load generator, answers later than a lease allows.")


def idle_table(nodes):
    rows = []
    for engine, one in (at(nodes, "idle") or {}).items():
        for name in ("postgres", "redis"):
            spent = [of[name] for of in one["stores_ms"].values()]
            if max(spent) > 0:
                rows.append((NAMES[engine], {"postgres": "PostgreSQL", "redis": "Redis"}[name], *(shown(ms) for ms in spent)))
        rows.append((NAMES[engine], "each node", "", *([shown(one["node_ms"])] * 3)))
    return table(("sessions on", "whose processor time, ms a second", "no node", "one", "two", "three"), rows)


def statement_table(nodes):
    rows = [(what, *(f"{one[engine][what]['postgres']:g}, {one[engine][what]['redis']:g}" for engine in one))
            for one in [at(nodes, "statements") or {}] for what in next(iter(one.values()), {})]
    return table(("what is asked of a node", *(NAMES[engine] for engine in (at(nodes, "statements") or ENGINES))), rows)


def million_table(million):
    rows = []
    for one in million.get("levels", []):
        few, mib = few_of(million, one["engine"]), 2**20
        guarded, before = one["guarded"], few["guarded"]
        rows.append((NAMES[one["engine"]], spaced(one["sessions"]), spaced(one["active"]), shown(one["disk_bytes"] / mib),
                     shown(one["store_mib"]), cell(bytes_of(million, one["engine"]) if one is not few else None),
                     shown(one["ready_ms"]), shown(one["node_ready_mib"]), shown(one["node_served_mib"]),
                     spaced(one["listing_us"]["50"]), spaced(guarded["latency_us"]["50"]), spaced(guarded["latency_us"]["99"]),
                     shown(ratio(guarded["latency_us"]["99"], before["latency_us"]["99"]))))
    return table(("sessions on", "sessions", "of them calling", "disk, MiB", "memory of the store, MiB", "bytes for each session",
                  "a new node ready, ms", "memory of the node then, MiB", "after calls, MiB", "listing of a user, p50, µs",
                  "guarded calls, p50, µs", "p99, µs", "of a thousand"), rows)


def of_engine(million, engine):
    return sorted((one for one in million.get("levels", []) if one["engine"] == engine), key=lambda one: one["sessions"])


def few_of(million, engine):
    return next(iter(of_engine(million, engine)), None)


def bytes_of(million, engine):
    """What one more session takes: of PostgreSQL on the disk, of Redis in memory."""
    levels, name = of_engine(million, engine), {"postgres": "sessions_bytes", "redis": "used_bytes"}[engine]
    if len(levels) < 2:
        return None
    return (levels[-1][name] - levels[0][name]) / (levels[-1]["sessions"] - levels[0]["sessions"])


def idle_of(nodes, engine, store):
    """What each node that is asked nothing costs a store, in milliseconds of the processor a second."""
    spent = at(nodes, "idle", engine, "stores_ms")
    return (spent["3"][store] - spent["0"][store]) / 3 if spent else None


def hash_ms():
    """What the hash of a log-in by password takes of a node."""
    hashed = at(kept("service"), "issuing", "log-ins by password", "rate")
    return 1000 / hashed if hashed else None


def kept_bytes(million, engine):
    """What a node keeps of a token in use."""
    levels = of_engine(million, engine)
    return (levels[-1]["node_served_mib"] - levels[-1]["node_ready_mib"]) * 2**20 / levels[-1]["active"] if levels else None


def needs(nodes, million, engine):
    """What the calls and sessions of the arithmetic need, by engine; `None` where anything isn't measured."""
    warm, costs = at(nodes, "guard", engine, "core"), {op: cost(nodes, engine, op) for op in OPS}
    size, token, polls = bytes_of(million, engine), kept_bytes(million, engine), at(nodes, "idle", engine)
    asked, hashed = at(nodes, "statements", engine), hash_ms()
    if not (warm and all(costs.values()) and size and token and polls and asked and hashed):
        return None
    refreshes, log_ins = SESSIONS / IN_USE / RENEWED_S, SESSIONS / LIVES_S
    # Each renewed token is opened once where a session's calls come to one node.
    events = {"first opens": refreshes, "refresh": refreshes, "getToken": log_ins, "revoke": log_ins}
    cores = CALLS / warm + log_ins * hashed / 1000 + sum(rate * costs[op]["node"] for op, rate in events.items()) / 1e6
    count = math.ceil(cores / FULL / CORES)
    idle = {name: idle_of(nodes, engine, name) / 1000 for name in ("postgres", "redis")}
    stores = {name: sum(rate * costs[op]["stores"][name] for op, rate in events.items()) / 1e6 + count * idle[name]
              for name in idle}
    said = {name: sum(rate * asked[op][name] for op, rate in events.items()) + count * asked["idle, a second"][name]
            for name in idle}
    return {"refreshes": refreshes, "log_ins": log_ins, "warm_cores": CALLS / warm, "cores": cores, "nodes": count,
            "node_gib": SESSIONS / IN_USE * token / count / 2**30, "size": size, "gib": SESSIONS * size / 2**30,
            "store_cores": stores, "statements": said}


def sizing(nodes, million):
    """The table of docs/scaling.md."""
    found = {engine: needs(nodes, million, engine) or {} for engine in ENGINES[:2]}

    def row(what, *path, then=shown):
        values = [at(found[engine], *path) for engine in found]
        return (what, *("-" if value is None else then(value) for value in values))

    return table(("100 million sessions, one in ten in use, 1 million guarded calls a second", *(NAMES[engine] for engine in found)), [
        row("refreshes a second, and as many first opens", "refreshes"),
        row("log-ins a second, and as many ends", "log_ins"),
        row("cores for calls by tokens in use", "warm_cores"),
        row("cores for all of it", "cores"),
        row(f"nodes of {CORES} cores, half full", "nodes"),
        row("memory of each for tokens in use, GiB", "node_gib"),
        row("what a session takes in the store, bytes", "size"),
        row("all sessions: of PostgreSQL on its disk, of Redis in memory, GiB", "gib"),
        row("cores of PostgreSQL", "store_cores", "postgres"),
        row("cores of Redis", "store_cores", "redis"),
        row("statements to PostgreSQL a second", "statements", "postgres"),
        row("commands to Redis a second", "statements", "redis"),
    ])


def measured(nodes, million):
    """Numbers that stand in the text of docs/scaling.md."""
    def first(*path):
        return cell(at(nodes, *path))

    levels = {engine: of_engine(million, engine) for engine in ENGINES[:2]}
    found = {
        "idle_postgres": cell(idle_of(nodes, "postgres", "postgres")),
        "warm": first("guard", "postgres", "core"), "hash_ms": cell(hash_ms()),
        "kept": cell(kept_bytes(million, "postgres"), 1 / 1024),
        "postgres_bytes": cell(bytes_of(million, "postgres")), "redis_bytes": cell(bytes_of(million, "redis")),
    }
    for op in OPS:
        name = op.replace(" ", "_").lower()
        for engine in ENGINES[:2]:
            one = cost(nodes, engine, op)
            found[f"{engine}_{name}_node"] = cell(at(one, "node"))
            found[f"{engine}_{name}_store"] = cell(sum(one["stores"].values()) if one else None)
    for engine, of in levels.items():
        found[f"{engine}_ready"] = cell(of[-1]["ready_ms"] if of else None)
        found[f"{engine}_ready_few"] = cell(of[0]["ready_ms"] if of else None)
    found["held_s"] = cell(levels["postgres"][-1]["held_ms"] if levels["postgres"] else None, 1 / 1000)
    found["move_s"] = cell(levels["postgres"][-1]["move_s"] if levels["postgres"] else None)
    return found
