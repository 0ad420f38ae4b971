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

from harness import (CONNECTIONS, ROUNDS, SECONDS, SERVER, TRIES, answer, bearer, build_program,
                     folder, part, load, median, median_report, must_guard, resident_mib, say,
                     start_load, started, status, stop, undisturbed_load)
from peers import USERS, flask_server

EMAIL, PASSWORD = "ada@example.com", "correct horse battery"
# A session for a client, of a name that no other has.
SESSION = '{"id": "{u}", "user_session": "s{i}"}'
REFRESH = "refresh, durable"
# Who asks for tokens: enough at once for group commit to have something to group.
ISSUERS = 64
# A storm fills the one thread that hashes here and its queue of 64 twice over. Each of its
# connections asks again this long after its answer.
STORM, STORM_PAUSE = 128, 50
STORMS = {"storm of log-ins": {"pause": STORM_PAUSE}, "storm of log-ins, at once": {}}
# Floods: as many connections as the good callers', as fast as they are answered; and a steady one.
FLOODS = {"flood, as many connections": {}, "flood, 1000 a second": {"pause": 32}}
# Tokens that are used for the first time, about so many a second, by as many connections as the good callers'.
FIRST = "first opens, 1000 a second"
FIRST_RATE, FIRST_PAUSE = 1000, 31
# Sessions whose refresh tokens are spent, more than connections: of each the next token is asked for in its turn.
CHAINS = 512
# Callers at leisure: each waits so long after an answer.
LEISURE = 10


class Program:
    """The program with a data directory of its own, a client and many users."""

    def __init__(self, lacre, name="service", **environment):
        self.lacre = lacre
        self.place = folder(name)
        self.environment = os.environ | environment
        # Names of sessions that no measurement has by itself.
        self.sessions = 500_000_000
        self.data = ["--data-dir", str(self.place / "data")]
        user = self.tell("users", "add", EMAIL, "--password-stdin", typed=PASSWORD + "\n")
        client = self.tell("clients", "add", "bench")
        self.basic = b64encode(f"{client['id']}:{client['secret']}".encode()).decode()
        self.ids = [user["id"]] + self.more_users(user["id"])
        # Whose token is guarded logs in no more: a user's sessions beyond the cap push the oldest one out.
        others = [one for one in self.ids if one != self.ids[1]]
        (self.place / "users").write_text("\n".join(others) + "\n")
        self.serve = [*SERVER, lacre, "serve", *self.data, "--listen", "127.0.0.1:0",
                      "--management-listen", "127.0.0.1:0"]

    def tell(self, *command, typed=""):
        done = subprocess.run([self.lacre, *command, *self.data, "--json"], check=True, input=typed,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=self.environment)
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
        child, told, _ = started(self.serve, "listening", env=self.environment)
        self.management = told["management on"]
        return child, told["listening on"]

    def minted(self, url, count, member):
        """A file with one token of so many new sessions, or more, one a line."""
        kept, whole = self.place / f"minted-{member}", []
        while len(whole) < count:
            # A node may refuse one while something else keeps the machine busy, and a refusal has no token.
            load(f"{url}/getToken", connections=ISSUERS, seconds=(count - len(whole)) / 1500, keep=kept, member=member,
                 body=SESSION, users=self.place / "users", basic=self.basic, may_refuse=True, **{"from": self.sessions})
            self.sessions += 1_000_000
            whole += [line for line in kept.read_text().splitlines() if line.strip()]
        kept.write_text("\n".join(whole) + "\n")
        return kept

    def first_opens(self):
        """How many tokens were opened whose content key wasn't kept."""
        text = answer(f"{self.management}/metrics").decode()
        return int(re.search(r"^lacre_token_open_duration_seconds_count (\d+)", text, re.M)[1])


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
    """Tokens for clients, beside the same question to Flask, which syncs nothing, and beside new tokens for sessions
    that are there."""
    flask, flask_url, _ = flask_server()
    flask_users = program.place / "flask-users"
    flask_users.write_text("".join(f"user-{number:04}\n" for number in range(USERS)))
    ask = {
        "lacre, durable": (url, {
            "body": SESSION, "users": program.place / "users", "basic": program.basic}),
        "Flask, jwcrypto, not durable": (flask_url, {
            "body": '{"id": "{u}", "user_session": "a.s{i}.b"}', "users": flask_users}),
    }
    reports = {name: [] for name in [*ask, REFRESH]}
    for number in range(ROUNDS + 1):
        for name, (address, given) in ask.items():
            # Sessions are new ones in each round.
            report = load(f"{address}/getToken", connections=ISSUERS, **given,
                          **{"from": number * 1_000_000})
            if number:
                reports[name].append(report)
        spent = program.minted(url, CHAINS, "refresh")
        report = load(f"{url}/refresh", connections=ISSUERS, spent=spent, member="refresh")
        if number:
            reports[REFRESH].append(report)
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


def token_of(program, url, name="guarded"):
    # Of a user for whom nobody else asks for tokens.
    asked = json.dumps({"id": program.ids[1], "user_session": name}).encode()
    told = answer(f"{url}/getToken", "Content-Type: application/json",
                  f"Authorization: Basic {program.basic}", data=asked)
    return json.loads(told)["auth"]


class Trouble:
    """A storm, a flood or first opens beside the good callers; with a moment to come up."""

    def __init__(self, kind, program, url, token, fresh):
        self.kind, self.program = kind, program
        self.opened = program.first_opens()
        if kind.startswith("storm"):
            self.load = start_load(f"{url}/getToken", connections=STORM, seconds=60, **STORMS[kind],
                                   body=json.dumps({"email": EMAIL, "password": PASSWORD}))
        elif kind == FIRST:
            self.load = start_load(f"{url}/headers", connections=CONNECTIONS, seconds=60, pause=FIRST_PAUSE,
                                   tokens=fresh)
        else:
            self.load = start_load(f"{url}/headers", connections=CONNECTIONS, seconds=60, junk=token, **FLOODS[kind])
        time.sleep(1)

    def ended(self):
        """Its report; how it was answered shows that it was there."""
        self.load.send_signal(signal.SIGINT)
        out = self.load.communicate()[0]
        report = json.loads(re.search(r"^RESULT (.*)$", out, re.M)[1])
        refused, seconds = report["refused"], report["seconds"]
        if self.kind == FIRST:
            opened = self.program.first_opens() - self.opened
            if refused or opened < report["requests"]:
                sys.exit(f"of {report['requests']} first opens {refused} were refused and {opened} were first:\n{out}")
            if not 0.9 < report["requests"] / seconds / FIRST_RATE < 1.1:
                say(f"first opens came in at {report['requests'] / seconds:.0f} a second")
        elif not refused:
            sys.exit(f"a load that must be refused in part was not:\n{out}")
        return {"rate": report["requests"] / seconds, "refused_rate": refused / seconds}


def troubled(program, url, token):
    """Guarded calls in quiet and in trouble, at full load and at leisure."""
    must_guard("the program", f"{url}/headers", token)
    kinds = ["quiet", *STORMS, *FLOODS, FIRST]
    calls = {"full": {}, "leisure": {"pause": LEISURE}}
    reports = {call: {kind: [] for kind in kinds} for call in calls}
    troubles = {kind: [] for kind in kinds[1:]}
    # A moment to come up, two measurements, some to spare, and the same again where others disturb.
    most = round(FIRST_RATE * 1.2 * (3 + 2 * TRIES * max(SECONDS, 1)))
    for number in range(ROUNDS):
        for kind in kinds:
            fresh = program.minted(url, most, "auth") if kind == FIRST else None
            trouble = None if kind == "quiet" else Trouble(kind, program, url, token, fresh)
            for call, given in calls.items():
                reports[call][kind].append(undisturbed_load(f"{url}/headers", bearer(token), **given))
            if trouble:
                troubles[kind].append(trouble.ended())
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
    numbers |= troubled(program, url, token_of(program, url))
    stop(child)
    return numbers


if __name__ == "__main__":
    part("service", measure)
