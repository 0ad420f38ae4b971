#!/usr/bin/env python3
"""A guarded call of the whole service, beside the same of what others take: each looks a session up that can be ended
at once, and answers the same few bytes.

The server has one core; Redis, where one is asked, and the load generator share the other. All take turns, and medians
over the rounds are compared. Before that, each has let a session in, and refused a spoilt one, none at all, and one
that was ended.
"""

import json
import sys

from harness import LOAD, ROUNDS, SECONDS, answer, bearer, build_program, load, median_report, part, say, spoilt, status, stop
from peers import actix_session, better_auth, cookie, express_session, gunicorn, redis
from service import Program, token_of

BODY = b"Access Granted"
OURS = "lacre"
SIGN_UP = {"email": "ada@example.com", "password": "correct horse battery", "name": "Ada Lovelace"}


def by_cookie(url, **log_in):
    """Two sessions of a server with cookies, the second of them ended."""
    kept, ended = cookie(url, **log_in), cookie(url, **log_in)
    answer(f"{url}/log-out", ended, data=b"")
    return kept, ended


def ours():
    program = Program(build_program())
    child, url = program.start()
    kept, ended = (bearer(token_of(program, url, name)) for name in ("kept", "ended"))
    answer(f"{url}/logout", ended, data=b"")
    return [child], f"{url}/headers", kept, ended


def actix(store):
    child, url = actix_session(store)
    return [child], f"{url}/guarded", *by_cookie(url)


def express(store):
    child, url = express_session(store, BENCH_TOUCH="1")
    return [child], f"{url}/guarded", *by_cookie(url)


def better(_):
    child, url = better_auth()
    headers = {"Content-Type": "application/json", "Origin": url}
    kept = cookie(url, "/api/auth/sign-up/email", json.dumps(SIGN_UP).encode(), **headers)
    ended = cookie(url, "/api/auth/sign-in/email", json.dumps(SIGN_UP).encode(), **headers)
    answer(f"{url}/api/auth/sign-out", ended, *(f"{name}: {value}" for name, value in headers.items()), data=b"{}")
    return [child], f"{url}/guarded", kept, ended


def flask(store):
    child, url = gunicorn("flask_guards:app", "/guarded", {"LACRE_BENCH_GUARD": "blocklist", "BENCH_REDIS": store})
    kept, ended = (bearer(answer(f"{url}/token").decode()) for _ in range(2))
    answer(f"{url}/log-out", ended, data=b"")
    return [child], f"{url}/guarded", kept, ended


PEERS = {
    "actix-session, Redis": actix,
    "express-session, Redis": express,
    "better-auth, SQLite": better,
    "Flask-JWT-Extended, blocklist in Redis": flask,
}


def must_look(name, url, kept, ended):
    """Whoever lets a session in that isn't one, or isn't one any more, is no peer."""
    if answer(url, kept) != BODY:
        sys.exit(f"{name} doesn't answer {BODY}")
    kind, _, proof = kept.partition(": ")
    if "=" in proof:
        # Of a cookie, a character in the middle of its value.
        middle = len(proof) * 2 // 3
        wrong = proof[:middle] + ("A" if proof[middle] != "A" else "B") + proof[middle + 1:]
    else:
        wrong = "Bearer " + spoilt(proof.removeprefix("Bearer "))
    codes = [status(url), status(url, f"{kind}: {wrong}"), status(url, ended)]
    # 422 is Flask-JWT-Extended's answer to a spoilt token.
    if any(code not in (401, 403, 422) for code in codes):
        sys.exit(f"{name} answers {codes} to no session, a spoilt one and an ended one")


def measure():
    beside, store = redis(LOAD)
    children, asked = [beside], {}
    for name, begin in {OURS: lambda _: ours(), **PEERS}.items():
        more, url, kept, ended = begin(store)
        children += more
        must_look(name, url, kept, ended)
        asked[name] = (url, kept)
    reports = {name: [] for name in asked}
    # One round more than counted, and the first one dropped: it warms caches and compilers.
    for turn in range(ROUNDS + 1):
        for name, (url, kept) in asked.items():
            report = load(url, kept, seconds=SECONDS if turn else 1)
            if turn:
                reports[name].append(report)
        say(f"beside others: round {turn} of {ROUNDS}")
    for child in children:
        stop(child)
    return {"rounds": ROUNDS, "seconds": SECONDS,
            "variants": {name: median_report(of) for name, of in reports.items()}}


if __name__ == "__main__":
    part("peers", measure)
