#!/usr/bin/env python3
"""The whole program on one core: tokens made, guarded calls under a storm of log-ins and under a flood
of junk, start-up, memory and size.

Each kind of load takes turns with its own quiet, and with what it is compared to; medians over the
rounds are compared.
"""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from base64 import b64encode

from harness import (CONNECTIONS, ROUNDS, SECONDS, SERVER, answer, bearer, build_program,
                     folder, part, load, median, median_report, must_guard, resident_mib, say,
                     start_load, started, status, stop)
from peers import USERS, flask_server

EMAIL, PASSWORD = "ada@example.com", "correct horse battery"
# Who asks for tokens: enough at once for group commit to have something to group.
ISSUERS = 64
# A storm fills the one thread that hashes here and its queue of 64 twice over. Each of its
# connections asks again this long after its answer.
STORM, STORM_PAUSE = 128, 50
# Floods: as many connections as the good callers', as fast as they are answered; and a steady one.
FLOODS = {"flood, as many connections": {}, "flood, 1000 a second": {"pause": 32}}
# Callers at leisure: each waits so long after an answer.
LEISURE = 10


class Program:
    """The program with a data directory of its own, a client and many users."""

    def __init__(self, lacre):
        self.lacre = lacre
        self.place = folder("service")
        self.data = ["--data-dir", str(self.place / "data")]
        user = self.tell("users", "add", EMAIL, "--password-stdin", typed=PASSWORD + "\n")
        client = self.tell("clients", "add", "bench")
        self.basic = b64encode(f"{client['id']}:{client['secret']}".encode()).decode()
        self.ids = [user["id"]] + self.more_users(user["id"])
        (self.place / "users").write_text("\n".join(self.ids) + "\n")
        self.serve = [*SERVER, lacre, "serve", *self.data, "--listen", "127.0.0.1:0",
                      "--management-listen", "127.0.0.1:0"]

    def tell(self, *command, typed=""):
        done = subprocess.run([self.lacre, *command, *self.data, "--json"], check=True, input=typed,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return json.loads(done.stdout)

    def more_users(self, like):
        """Copies an account, for hashing a thousand passwords takes a while."""
        ids = [f"user-{number:04}" for number in range(USERS - 1)]
        with sqlite3.connect(self.place / "data" / "accounts.sqlite") as accounts:
            row = accounts.execute("SELECT * FROM accounts WHERE id = ?", (like,))
            columns = [column[0] for column in row.description]
            first = dict(zip(columns, row.fetchone()))
            for one in ids:
                mail = f"{one}@example.com"
                new = first | {"id": one, "email": mail, "email_lookup": mail}
                marks = ", ".join("?" * len(columns))
                accounts.execute(f"INSERT INTO accounts VALUES ({marks})", list(new.values()))
        return ids

    def start(self):
        child, told, _ = started(self.serve, "listening")
        return child, told["listening on"]


def resting(program):
    """Start-up to the first answer, and memory then."""
    starts, rests = [], []
    for _ in range(ROUNDS):
        began = time.monotonic()
        child, url = program.start()
        answer(url + "/open")
        starts.append((time.monotonic() - began) * 1000)
        rests.append(resident_mib(child.pid))
        stop(child)
    return {"start_ms": median(starts), "rest_mib": median(rests),
            "program_mib": os.path.getsize(program.lacre) / 2**20}


def issuing(program, url):
    """Tokens for clients, beside the same question to Flask, which syncs nothing."""
    flask, flask_url, _ = flask_server()
    flask_users = program.place / "flask-users"
    flask_users.write_text("".join(f"user-{number:04}\n" for number in range(USERS)))
    ask = {
        "lacre, durable": (url, {
            "body": '{"id": "{u}", "user_session": "s{i}"}',
            "users": program.place / "users", "basic": program.basic}),
        "Flask, jwcrypto, not durable": (flask_url, {
            "body": '{"id": "{u}", "user_session": "a.s{i}.b"}', "users": flask_users}),
    }
    reports = {name: [] for name in ask}
    for number in range(ROUNDS + 1):
        for name, (address, given) in ask.items():
            # Sessions are new ones in each round.
            report = load(f"{address}/getToken", connections=ISSUERS, **given,
                          **{"from": number * 1_000_000})
            if number:
                reports[name].append(report)
        say(f"issuing: round {number} of {ROUNDS}")
    stop(flask)
    logins = []
    for _ in range(3):
        # Few connections: one thread hashes, and the others wait within its queue.
        logins.append(load(f"{url}/getToken", connections=8, seconds=max(SECONDS, 2),
                           body=json.dumps({"email": EMAIL, "password": PASSWORD})))
        settle(url)
    variants = {name: median_report(of) for name, of in reports.items()}
    return variants | {"log-ins by password": median_report(logins)}


def token_of(program, url):
    # Not of the user who logs in: log-ins beyond the cap push the oldest session out.
    asked = json.dumps({"id": program.ids[1], "user_session": "guarded"}).encode()
    told = answer(f"{url}/getToken", "Content-Type: application/json",
                  f"Authorization: Basic {program.basic}", data=asked)
    return json.loads(told)["auth"]


def start_trouble(kind, url, token):
    """Begins a storm or a flood, and gives it a moment to come up."""
    if kind == "storm of log-ins":
        trouble = start_load(f"{url}/getToken", connections=STORM, seconds=60, pause=STORM_PAUSE,
                             body=json.dumps({"email": EMAIL, "password": PASSWORD}))
    else:
        trouble = start_load(f"{url}/headers", connections=CONNECTIONS, seconds=60, junk=token,
                             **FLOODS[kind])
    time.sleep(1)
    return trouble


def end_trouble(trouble):
    """Its report; that it was answered, with refusals, shows that it was there."""
    trouble.send_signal(signal.SIGINT)
    out = trouble.communicate()[0]
    report = json.loads(re.search(r"^RESULT (.*)$", out, re.M)[1])
    if not report["refused"]:
        sys.exit(f"a load that must be refused in part was not:\n{out}")
    return {"rate": report["requests"] / report["seconds"],
            "refused_rate": report["refused"] / report["seconds"]}


def troubled(url, token):
    """Guarded calls in quiet and in trouble, at full load and at leisure."""
    must_guard("the program", f"{url}/headers", token)
    kinds = ["quiet", "storm of log-ins", *FLOODS]
    calls = {"full": {}, "leisure": {"pause": LEISURE}}
    reports = {call: {kind: [] for kind in kinds} for call in calls}
    troubles = {kind: [] for kind in kinds[1:]}
    for number in range(ROUNDS):
        for kind in kinds:
            trouble = None if kind == "quiet" else start_trouble(kind, url, token)
            for call, given in calls.items():
                reports[call][kind].append(load(f"{url}/headers", bearer(token), **given))
            if trouble:
                troubles[kind].append(end_trouble(trouble))
                # What waits for a thread to hash is worked off before the next measurement.
                settle(url)
        say(f"storm and flood: round {number + 1} of {ROUNDS}")
    return {
        "calls": {call: {kind: median_report(of) for kind, of in kinds.items()}
                  for call, kinds in reports.items()},
        "troubles": {kind: {name: round(median([one[name] for one in of]), 1) for name in of[0]}
                     for kind, of in troubles.items()},
    }


def settle(url):
    """Waits until a log-in is answered quickly: nobody waits for a thread to hash any more."""
    asked = json.dumps({"email": EMAIL, "password": PASSWORD}).encode()
    for _ in range(200):
        began = time.monotonic()
        code = status(f"{url}/getToken", "Content-Type: application/json", data=asked)
        if code == 200 and time.monotonic() - began < 0.2:
            return
        time.sleep(0.1)
    say("the server doesn't come to rest: something else keeps this machine busy")


def measure():
    program = Program(build_program())
    numbers = {"rounds": ROUNDS, "seconds": SECONDS, "connections": CONNECTIONS,
               "issuers": ISSUERS, "storm": STORM, "rest": resting(program)}
    child, url = program.start()
    numbers["issuing"] = issuing(program, url)
    numbers |= troubled(url, token_of(program, url))
    stop(child)
    return numbers


if __name__ == "__main__":
    part("service", measure)
