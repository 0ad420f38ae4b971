#!/usr/bin/env python3
"""Several nodes on one store: when an end is known elsewhere, what a warm guard costs, how throughput grows with nodes, and what
a store has to do for nodes that do nothing.

    nodes.py              ends, guard, growth, idle and statements, in ten minutes
    nodes.py PART...      some of them, which keeps nothing

Nodes have one core, and the stores and the load generator the other. Where nodes are counted, each is given the same share of
its core, so that three of them find what they need, and the number of nodes is what changes and not the machine.
"""

import contextlib
import json
import os
import subprocess
import sys
import time

from deployed import Deployment, Line, nodes_of
from ends import end_all_of, summary
from harness import CONNECTIONS, LOAD, ROUNDS, SECONDS, build_program, finished, load, median, part, say, start_load, undisturbed
from nodes_guard import guard
from service import CHAINS
from stores import Cluster, Group, Postgres, Redis

ENGINES = ("postgres", "redis", "cluster")
# Of one core, for each node.
SHARE = float(os.environ.get("LACRE_BENCH_SHARE", 0.2))
MOST = 3
# Rates of one node differ by a factor of two between rounds, as the machine's own do.
GROWTH_ROUNDS = ROUNDS
# What is done in bursts, for each needs something new: a token that the node hasn't opened, a session that hasn't ended.
BURST = max(1, SECONDS / 2)
# Connections that end sessions, of each node: an end waits for a lease, so these could end 1200 a second.
ENDERS = 64
OPS = ("first opens", "getToken", "refresh", "revoke")
# More than a node with a whole core does of each in a second.
OPENS, REVOKES = 6000 * SHARE + 500, 3500 * SHARE + 300
# How many ends of each engine in a round.
ENDS = int(os.environ.get("ENDS", max(40, -(-1000 // ROUNDS))))
# How many of each are counted, and how many of them at once: what the node does in any case is little beside them.
COUNTED, AT_ONCE = 400, 40


class Bench:
    """The stores, and a deployment on each engine."""

    def __init__(self, lacre, settings=()):
        self.postgres = Postgres("postgres", settings)
        self.redis, self.cluster = Redis(), Cluster()
        stores = {"sled": None, "postgres": None, "redis": self.redis, "cluster": self.cluster}
        self.deployments = {engine: Deployment(lacre, engine, self.postgres, store) for engine, store in stores.items()}
        self.shares = [Group(f"node-{number}") for number in range(MOST)]

    def stores_seconds(self, engine):
        """What the stores of an engine were on the processor: PostgreSQL, and the servers of Redis."""
        redis = {"redis": self.redis, "cluster": self.cluster}.get(engine)
        return {"postgres": self.postgres.group.seconds(), "redis": redis.group.seconds() if redis else 0}

    def stop(self):
        for one in (self.postgres, self.redis, self.cluster):
            one.stop()


def ends(bench):
    """Ends at one node, and the first refusal at another."""
    rounds = {engine: [] for engine in ENGINES}
    late = dict.fromkeys(ENGINES, 0)
    for number in range(ROUNDS):
        for engine in ENGINES:
            deployment, found, fresh = bench.deployments[engine], [], []
            with nodes_of(deployment, 2) as (a, b):
                def some():
                    if len(fresh) < AT_ONCE:
                        fresh.extend(line.split()[0] for line in deployment.sessions_of(a.url, ENDS))
                    of = end_all_of(a.url, b.url, [fresh.pop() for _ in range(AT_ONCE)])
                    # Also of those that are measured again.
                    late[engine] += sum(one["late"] for one in of)
                    return of

                while len(found) < ENDS:
                    found += undisturbed(some)
                rounds[engine].append(found)
        say(f"ends: round {number + 1} of {ROUNDS}")
    return {engine: summary(of) | {"late": late[engine]} for engine, of in rounds.items()}


def together(loads):
    """All loads at the same time: good answers a second, and how many weren't good."""
    running = [(start_load(url, **given), url) for url, given in loads]
    reports = [finished(one, url, may_refuse=True) for one, url in running]
    refused, asked = (sum(one[name] for one in reports) for name in ("refused", "requests"))
    if refused > asked / 100:
        say(f"{loads[0][0]}: {refused} of {asked} were refused")
    return {"rate": sum((one["requests"] - one["refused"]) / one["seconds"] for one in reports), "requests": asked,
            "refused": refused, "seconds": max(one["seconds"] for one in reports),
            "p99_ms": max(one["latency_us"]["99"] for one in reports) / 1000}


class Growth:
    """One engine with so many nodes, each with its share of a core."""

    def __init__(self, bench, engine, count, opened):
        self.bench, self.deployment, self.engine = bench, bench.deployments[engine], engine
        self.count, self.opened, self.found = count, opened, {}
        self.groups = bench.shares[:count]

    def share(self, share):
        for group in self.groups:
            group.limit(share)

    def measured(self, op, loads):
        """A load of nodes with their shares, and what it cost nodes and stores."""
        self.share(SHARE)
        time.sleep(0.1)
        of_nodes = sum(group.seconds() for group in self.groups)
        of_stores = self.bench.stores_seconds(self.engine)
        report = together(loads)
        took, stores = report["seconds"], self.bench.stores_seconds(self.engine)
        nodes = sum(group.seconds() for group in self.groups) - of_nodes
        self.share(None)
        spent = {name: stores[name] - of_stores[name] for name in stores}
        self.found[op] = report | {
            "node_us": nodes * 1e6 / report["requests"], "share_used": nodes / took / SHARE / self.count,
            "store_us": {name: seconds * 1e6 / report["requests"] for name, seconds in spent.items()},
            "stores_busy": sum(spent.values()) / took}

    def run(self):
        place = self.deployment.place
        self.share(None)
        with nodes_of(self.deployment, self.count, self.groups) as self.nodes:
            urls = [node.url for node in self.nodes]
            # As well the first of everything: connections, and what is made with them.
            begun = [self.deployment.sessions_of(url, 1) for url in urls]
            opens = self.nodes[0].metric("lacre_token_open_duration_seconds_count")
            self.measured("first opens", [
                (f"{url}/headers", {"tokens": self.opened, "from": round(number * OPENS * BURST), "seconds": BURST})
                for number, url in enumerate(urls)])
            first = self.nodes[0].metric("lacre_token_open_duration_seconds_count") - opens
            if first * self.count < self.found["first opens"]["requests"] * 0.8:
                sys.exit(f"{first} tokens were opened for the first time, of {self.found['first opens']['requests']}")
            kept = [place / f"kept-{number}" for number in range(self.count)]
            self.measured("getToken", [
                (f"{url}/getToken", self.deployment.asking() | {"connections": CONNECTIONS, "keep": file, "member": "auth,refresh"})
                for url, file in zip(urls, kept)])
            need = round(REVOKES * SECONDS) + CHAINS
            for number, (url, file) in enumerate(zip(urls, kept)):
                lines = [line for line in begun[number] + file.read_text().splitlines() if len(line.split()) == 2]
                if len(lines) < need:
                    lines += self.deployment.sessions_of(url, need - len(lines))
                pairs = [line.split() for line in lines]
                (place / f"spent-{number}").write_text("".join(refresh + "\n" for _, refresh in pairs[:CHAINS]))
                (place / f"ended-{number}").write_text("".join(auth + "\n" for auth, _ in pairs[CHAINS:]))
            self.measured("refresh", [
                (f"{url}/refresh", {"spent": place / f"spent-{number}", "member": "refresh"})
                for number, url in enumerate(urls)])
            self.measured("revoke", [
                (f"{url}/logout", {"connections": ENDERS, "tokens": place / f"ended-{number}", "method": "POST"}) for number, url in enumerate(urls)])
            lapses = sum(node.metric("lacre_lease_lapses_total") for node in self.nodes) if self.engine != "sled" else 0
        return self.found | {"lapses": lapses}


def growth(bench):
    """Requests a second of one, two and three nodes."""
    kinds = [("sled", 1)] + [(engine, count) for engine in ENGINES for count in range(1, MOST + 1)]
    opened = {}
    for engine in ("sled", *ENGINES):
        deployment = bench.deployments[engine]
        with nodes_of(deployment, 1) as [node]:
            lines = deployment.sessions_of(node.url, round(MOST * OPENS * BURST))
        opened[engine] = deployment.place / "opened"
        opened[engine].write_text("".join(line.split()[0] + "\n" for line in lines))
    rounds = {kind: [] for kind in kinds}
    for number in range(GROWTH_ROUNDS):
        for engine, count in kinds if number % 2 else reversed(kinds):
            rounds[engine, count].append(Growth(bench, engine, count, opened[engine]).run())
        say(f"growth: round {number + 1} of {GROWTH_ROUNDS}")
    told = {engine: {} for engine, _ in kinds}
    for (engine, count), of in rounds.items():
        told[engine][str(count)] = {op: medians([one[op] for one in of]) | {"of_one": of_one(of, rounds[engine, 1], op)}
                                    for op in OPS} | {"lapses": [one["lapses"] for one in of]}
    return told


def of_one(here, alone, op):
    """The rate against that of one node: the median of the ratios of each round, whose parts are minutes closer than rounds."""
    return round(median([many[op]["rate"] / one[op]["rate"] for many, one in zip(here, alone)]), 3)


def medians(reports):
    """Each number's median over the rounds."""
    told = {"rates": [round(one["rate"], 1) for one in reports]}
    for name, value in reports[0].items():
        if isinstance(value, dict):
            told[name] = {inner: round(median([one[name][inner] for one in reports]), 1) for inner in value}
        else:
            told[name] = round(median([one[name] for one in reports]), 3)
    return told


def idle(bench):
    """Processor time of the stores for nodes that are asked nothing, in milliseconds a second."""
    spent = {engine: {count: [] for count in range(MOST + 1)} for engine in ENGINES}
    of_node = {engine: [] for engine in ENGINES}
    for number in range(ROUNDS):
        for engine in ENGINES:
            with contextlib.ExitStack() as all_nodes:
                nodes = []
                for count in spent[engine]:
                    if count:
                        nodes.append(bench.deployments[engine].node(count - 1, bench.shares[count - 1]))
                        all_nodes.callback(nodes[-1].stop)
                    time.sleep(0.5)
                    began, before = time.monotonic(), bench.stores_seconds(engine)
                    groups = [node.group.seconds() for node in nodes]
                    time.sleep(BURST)
                    took, now = time.monotonic() - began, bench.stores_seconds(engine)
                    spent[engine][count].append({name: (now[name] - before[name]) / took * 1000 for name in now})
                    of_node[engine] += [(node.group.seconds() - was) / took * 1000 for node, was in zip(nodes, groups)]
        say(f"idle: round {number + 1} of {ROUNDS}")
    return {engine: {"node_ms": round(median(of_node[engine]), 2), "stores_ms": {
        str(count): {name: round(median([one[name] for one in of]), 2) for name in of[0]} for count, of in counts.items()}}
        for engine, counts in spent.items()}


def statements(lacre):
    """Statements to PostgreSQL and commands to Redis, of a node that is asked nothing in a second, and of each thing it is asked
    for: counted by the servers, which they do not while anything else is measured."""
    bench = Bench(lacre, ["shared_preload_libraries=pg_stat_statements"])
    found = {engine: counted(bench, engine) for engine in ENGINES}
    bench.stop()
    return found


def counted(bench, engine):
    deployment, postgres = bench.deployments[engine], bench.postgres
    database, redis = deployment.database, {"redis": bench.redis, "cluster": bench.cluster}.get(engine)
    postgres.sql("CREATE EXTENSION pg_stat_statements", database)

    def now():
        asked = "SELECT sum(calls) FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE datname = current_database()"
        asked += " AND query NOT LIKE '%pg_stat_statements%'"
        return time.monotonic(), int(postgres.sql(asked, database) or 0), redis.commands() if redis else 0

    def between(before, after, count, idle=None):
        """For one of so many, less what the node does in any case."""
        took = after[0] - before[0]
        found = {"postgres": after[1] - before[1], "redis": after[2] - before[2]}
        return {name: round((value - (idle[name] * took if idle else 0)) / (count or took), 1) for name, value in found.items()}

    with nodes_of(deployment, 1) as [node]:
        lines = [line.split() for line in deployment.sessions_of(node.url, 3 * COUNTED)]
    # Another process opens what this one has made.
    tokens = {"first opens": [line[0] for line in lines[:COUNTED]],
              "refresh": [line[1] for line in lines[COUNTED:2 * COUNTED]],
              "revoke": [line[0] for line in lines[2 * COUNTED:3 * COUNTED]]}
    with nodes_of(deployment, 1) as [node]:
        time.sleep(1)
        before = now()
        time.sleep(max(SECONDS, 2))
        told = {"idle, a second": between(before, now(), 0)}
        asked = {"first opens": ("GET", "/headers"), "refresh": ("POST", "/refresh"), "revoke": ("POST", "/logout")}
        for op, (method, path) in asked.items():
            lines, before = [Line(node.url) for _ in range(AT_ONCE)], now()
            for first in range(0, COUNTED, AT_ONCE):
                for line, token in zip(lines, tokens[op][first:]):
                    line.send(method, path, token)
                if any(line.status() not in (200, 204) for line in lines):
                    sys.exit(f"{op} was refused")
            told[op] = between(before, now(), COUNTED, told["idle, a second"])
            for line in lines:
                line.close()
        before = now()
        report = load(f"{node.url}/getToken", **deployment.asking(), seconds=1, may_refuse=True)
        told["getToken"] = between(before, now(), report["requests"], told["idle, a second"])
    return told


def beside_the_load():
    """Has this process, which asks nodes itself, stay on the load generator's cores."""
    asked = "import json, os; print(json.dumps(sorted(os.sched_getaffinity(0))))"
    told = subprocess.run([*LOAD, sys.executable, "-c", asked], check=True, stdout=subprocess.PIPE, text=True).stdout
    os.sched_setaffinity(0, json.loads(told))


PARTS = {"ends": ends, "guard": guard, "growth": growth, "idle": idle}


def measure(wanted):
    lacre = build_program()
    beside_the_load()
    bench = Bench(lacre)
    numbers = {"rounds": ROUNDS, "seconds": SECONDS, "share": SHARE, "lease_ms": 50}
    for name in wanted:
        if name == "statements":
            bench.stop()
        began = time.monotonic()
        try:
            numbers[name] = statements(lacre) if name == "statements" else PARTS[name](bench)
        except (SystemExit, OSError, ValueError) as failed:  # the other parts don't depend on it
            say(f"{name} wasn't measured: {failed!r}")
        say(f"{name}: {time.monotonic() - began:.0f} s")
    return numbers


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(measure(sys.argv[1:]), indent=1))
    else:
        part("nodes", lambda: measure([*PARTS, "statements"]))
