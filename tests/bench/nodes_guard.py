"""What a warm guard of a node costs beside that of the embedded engine."""

import contextlib
import sys
import time

from cost import clocks
from harness import CONNECTIONS, ROUNDS, SECONDS, bearer, finished, median, must_guard, say, start_load, status, undisturbed
from service import token_of
from stores import Group

# The threads of a node that answer.
WORKERS = "actix-server wo"
# Of one core, for each of the two that are compared; the rest is for what both do besides.
GUARD_SHARE = 0.45
# An even number: each of the two is loaded first as often as the other.
GUARD_ROUNDS = 4 * ROUNDS
# One process is quicker than another of the same program by up to three hundredths, as its memory lies: after so many rounds others are started.
GUARD_STARTED = 4
BURST = max(1, SECONDS)


def awake(engine, url, token):
    """Waits until a node that has slept has asked its stores."""
    for _ in range(100):
        said = status(url, bearer(token))
        if said == 200:
            return
        time.sleep(0.1)
    sys.exit(f"a node on {engine} says {said} to its token")


def core(calls):
    """How many calls a second one core answers that has nothing else to do but what the node's other threads do."""
    return (1e6 - calls["rest_ms"] * 1000) / calls["us"]


def called(pair):
    """Guarded calls by one token each at two nodes at the same time: what each call took of the threads that answer it, and what all
    others took in a second."""
    began, before = time.monotonic(), [clocks(node.child.pid) for node, _ in pair]
    loads = [start_load(f"{node.url}/headers", bearer(token), connections=CONNECTIONS, seconds=BURST) for node, token in pair]
    reports = [finished(one, node.url) for one, (node, _) in zip(loads, pair)]
    took, found = time.monotonic() - began, []
    for (node, _), was, report in zip(pair, before, reports):
        spent = clocks(node.child.pid) - was
        workers = spent.pop(WORKERS)
        found.append({"us": workers / report["requests"], "rest_ms": sum(spent.values()) / 1000 / took, "rate": report["rate"]})
    return found


class Guards:
    """A node of each engine with a token in use; those that aren't measured stand still."""

    def __init__(self, bench, all_nodes):
        self.nodes, self.tokens = {}, {}
        for engine, deployment in bench.deployments.items():
            # In a group of its own, which has its share of the core.
            node = self.nodes[engine] = deployment.node(0, Group(f"guard-{engine}"))
            all_nodes.callback(node.stop)
            self.tokens[engine] = token_of(deployment, node.url)
            must_guard(engine, f"{node.url}/headers", self.tokens[engine])
            node.pause(True)
            all_nodes.callback(node.pause, False)

    def compared(self, engines):
        """Two of them, in the order in which they are loaded."""
        pair = [(self.nodes[engine], self.tokens[engine]) for engine in engines]
        for node, _ in pair:
            node.pause(False)
        for engine, (node, token) in zip(engines, pair):
            awake(engine, f"{node.url}/headers", token)
        time.sleep(0.2)
        for node, _ in pair:
            node.group.limit(GUARD_SHARE)
        found = undisturbed(lambda: called(pair))
        for node, _ in pair:
            node.group.limit(None)
            node.pause(True)
        return dict(zip(engines, found))


def guard(bench):
    """A warm token at a node of each engine, and at the same time at one with the embedded engine on the same core."""
    engines = [engine for engine in bench.deployments if engine != "sled"]
    rounds = {engine: [] for engine in engines}
    for start in range(0, GUARD_ROUNDS, GUARD_STARTED):
        with contextlib.ExitStack() as all_nodes:
            guards = Guards(bench, all_nodes)
            for number in range(start, min(start + GUARD_STARTED, GUARD_ROUNDS)):
                for engine in engines:
                    rounds[engine].append(guards.compared(("sled", engine) if number % 2 else (engine, "sled")))
                say(f"guard: round {number + 1} of {GUARD_ROUNDS}")
    return {engine: told([one[engine] for one in of], [one["sled"] for one in of]) for engine, of in rounds.items()}


def told(calls, embedded):
    """Medians of a node's calls, and of their ratios to those of the embedded engine."""
    def each(of):
        return {"us": round(median([one["us"] for one in of]), 3), "rest_ms": round(median([one["rest_ms"] for one in of]), 3),
                "core": round(median([core(one) for one in of]), 1), "each_us": [round(one["us"], 3) for one in of],
                "each_rest_ms": [round(one["rest_ms"], 2) for one in of]}

    ratios = [core(here) / core(there) for here, there in zip(calls, embedded)]
    return each(calls) | {"of_sled": round(median(ratios), 4), "ratios": [round(one, 3) for one in ratios], "sled": each(embedded)}
