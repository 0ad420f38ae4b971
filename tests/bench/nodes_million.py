#!/usr/bin/env python3
"""What a million sessions cost in the stores that nodes share: memory, disk, the time to move them there, to start a node, to list a
user's; and guarded calls by 100 000 of them beside a store of a thousand.

    nodes_million.py [SESSIONS]      1 000 000 where none is given; ten minutes

PostgreSQL gets them by `lacre keystore migrate` from a directory that is filled first, for that is wanted as well. Redis gets
them one put after the other, many at once, as log-ins would.
"""

import json
import os
import subprocess
import sys
import time

from deployed import Node, shared
from harness import (CONNECTIONS, ROUNDS, SECONDS, answer, bearer, build_bench, build_program, folder, load, median,
                     median_report, part, resident_mib, say)
from million import ACTIVE, ISSUER, fill, paths
from stores import Postgres, Redis, disk_bytes

FEW, MANY = 1_000, 1_000_000
# What a user has whose sessions are listed.
LISTED = 10
TOKEN = {"LACRE_TOKEN__ISSUER": ISSUER, "LACRE_TOKEN__ACCESS_TTL": "1d"}


def command(lacre, environment, *words, typed=""):
    done = subprocess.run([lacre, *words, "--json"], input=typed, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=os.environ | environment)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}: {done.stderr}")
    return json.loads(done.stdout)


class Level:
    """So many sessions by one engine, and a node at work on them."""

    def __init__(self, engine, sessions, place):
        self.engine, self.sessions, self.place = engine, sessions, place
        self.active = min(sessions, ACTIVE)
        self.tokens = paths(place, sessions)[1]
        self.numbers = {"engine": engine, "sessions": sessions, "active": self.active}

    def start(self, lacre):
        """The time of a new node to its readiness, three times; the last one stays."""
        took = []
        for number in range(3):
            self.node = Node(lacre, self.place / f"node-{self.engine}-{self.sessions}-{number}", self.environment)
            took.append(self.node.ready_s * 1000)
            if number < 2:
                self.node.stop()
        self.numbers |= {"ready_ms": round(median(took), 1), "node_ready_mib": round(resident_mib(self.node.child.pid), 1)}

    def opened(self):
        """Each token once and in order: the first open of each."""
        began, done, url = time.monotonic(), 0, f"{self.node.url}/headers"
        while done < self.active:
            done += load(url, tokens=self.tokens, seconds=(self.active - done) / 6000, **{"from": done})["requests"]
        self.numbers["first_opens"] = round(done / (time.monotonic() - began))
        say(f"{self.engine}, {self.sessions}: {done} first opens in {time.monotonic() - began:.0f} s")


class OnPostgres(Level):
    def __init__(self, sessions, place, postgres):
        super().__init__("postgres", sessions, place)
        self.postgres, self.database = postgres, f"sessions_{sessions}"
        data = paths(place, sessions)[0]
        self.environment = TOKEN | shared("postgres", postgres.database(self.database), None, data / "master.key")

    def fill(self, scale, lacre):
        data = paths(self.place, self.sessions)[0]
        filled = fill(scale, lacre, self.place, self.sessions)
        began = time.monotonic()
        moved = command(lacre, TOKEN, "keystore", "migrate", "--data-dir", str(data), "--to",
                        self.environment["LACRE_ACCOUNTS__URL"])
        took = time.monotonic() - began
        if moved["sessions"] != self.sessions:
            sys.exit(f"{moved} were moved")
        say(f"{self.sessions} sessions moved in {took:.0f} s")
        self.numbers |= {"sled_fill_s": round(filled["fill_s"], 1), "sled_disk_bytes": filled["disk_bytes"],
                         "live_bytes": filled["live_bytes"], "move_s": round(took, 2), "held_ms": moved["held_ms"]}

    def sizes(self):
        self.postgres.sql("CHECKPOINT", self.database)
        table = self.postgres.sql("SELECT pg_total_relation_size('keystore_sessions')", self.database)
        whole = self.postgres.sql("SELECT pg_database_size(current_database())", self.database)
        return {"sessions_bytes": int(table), "disk_bytes": int(whole), "store_mib": round(self.postgres.group.memory_mib(), 1),
                "log_bytes": disk_bytes(self.postgres.data / "pg_wal")}


class OnRedis(Level):
    def __init__(self, sessions, place, postgres):
        super().__init__("redis", sessions, place)
        self.redis, self.database = Redis(f"redis-{sessions}"), f"beside_{sessions}"
        self.environment = TOKEN | shared("redis", postgres.database(self.database), self.redis.url,
                                          place / f"redis-{sessions}.key")
        self.tokens = place / f"redis-tokens-{sessions}"

    def fill(self, scale, lacre):
        node = self.place / f"filling-{self.sessions}"
        command(lacre, self.environment, "users", "add", "ada@example.com", "--password-stdin", "--data-dir", str(node),
                typed="correct horse battery\n")
        began = time.monotonic()
        done = subprocess.run([scale, "begin", "--node", "--data-dir", node, "--sessions", str(self.sessions), "--tokens",
                               str(self.active), "--out", self.tokens], check=True, stdout=subprocess.PIPE, text=True,
                              env=os.environ | self.environment)
        [filled] = [json.loads(line) for line in done.stdout.splitlines()]
        took = time.monotonic() - began
        say(f"{self.sessions} sessions on Redis in {took:.0f} s")
        self.numbers |= {"begin_s": round(filled["begin_s"], 1), "put_s": round(filled["put_s"], 1)}

    def sizes(self):
        return {"used_bytes": self.redis.info("used_memory"), "store_mib": round(self.redis.info("used_memory_rss") / 2**20, 1),
                "disk_bytes": disk_bytes(self.redis.home)}


def listing(level, lacre):
    """The list of a user's own sessions, one question after the other."""
    data = str(level.place / f"command-{level.engine}-{level.sessions}")
    user = command(lacre, level.environment, "users", "add", "eve@example.com", "--password-stdin", "--data-dir", data,
                   typed="correct horse battery\n")
    asked = json.dumps({"id": user["id"], "password": "correct horse battery"}).encode()
    for _ in range(LISTED):
        token = json.loads(answer(f"{level.node.url}/getToken", "Content-Type: application/json", data=asked))["auth"]
    url = f"{level.node.url}/sessions"
    if len(json.loads(answer(url, bearer(token)))) != LISTED:
        sys.exit("not all of the user's sessions are listed")
    report = load(url, bearer(token), connections=1, seconds=SECONDS)
    level.numbers["listing_us"] = report["latency_us"]


def measure(many):
    scale, lacre = build_bench("scale"), build_program()
    place, postgres = folder("nodes-million"), Postgres("postgres")
    levels = [kind(sessions, place, postgres) for sessions in (FEW, many) for kind in (OnPostgres, OnRedis)]
    for level in levels:
        level.fill(scale, lacre)
        level.numbers |= level.sizes()
    for level in levels:
        level.start(lacre)
        level.opened()
        listing(level, lacre)
    reports = {level: [] for level in levels}
    for number in range(ROUNDS):
        for level in levels if number % 2 else reversed(levels):
            reports[level].append(load(f"{level.node.url}/headers", tokens=level.tokens, order="random", seconds=max(SECONDS, 3)))
        say(f"guarded calls: round {number + 1} of {ROUNDS}")
    for level in levels:
        level.numbers |= {"guarded": median_report(reports[level]),
                          "node_served_mib": round(resident_mib(level.node.child.pid), 1)}
        level.node.stop()
    postgres.stop()
    return {"rounds": ROUNDS, "connections": CONNECTIONS, "listed": LISTED, "levels": [level.numbers for level in levels]}


if __name__ == "__main__":
    many = next((int(count) for count in sys.argv[1:] if count.isdigit()), MANY)
    if many <= FEW:
        sys.exit(f"not more than {FEW}")
    part("nodes_million", lambda: measure(many))
