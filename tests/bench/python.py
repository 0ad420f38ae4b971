#!/usr/bin/env python3
"""One route of Flask, in one worker with one thread: behind Flask-JWT-Extended, behind the same with a
blocklist in Redis, and behind the package for Python, each with its round trip.

The worker has one core; lacre, Redis and the load generator share the other. The guards take turns,
and medians over the rounds are compared.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error

from harness import (LOAD, ROOT, ROUNDS, SERVER, answer, bearer, build_program, folder, free_port, load,
                     median_report, must_guard, part, say, start, started, status, stop)
from peers import PACKAGES, redis

GUARDS = {
    "none": "no guard",
    "original": "Flask-JWT-Extended, HS256",
    "blocklist": "Flask-JWT-Extended, HS256, blocklist in Redis",
    "lacre": "lacre.flask",
    "renamed": "lacre.flask_jwt_extended",
}
EMAIL, PASSWORD = "ada@example.com", "correct horse battery"
# A worker with one thread answers one connection; others wait in the kernel.
CONNECTIONS = 4


def lacre_settings():
    """A running lacre with a client, on the load generator's core: what a back end asks it with."""
    program = build_program()
    place = folder("python")
    data = ["--data-dir", str(place / "data")]
    socket = f"unix:{place}/gateway.sock" if os.environ.get("LACRE_BENCH_UNIX") else None
    gateway = socket or f"127.0.0.1:{free_port()}"
    environment = {"LACRE_GATEWAY__LISTEN": gateway}
    def tell(*command, typed=""):
        done = subprocess.run([program, *command, "--json", *data], check=True, input=typed, env=environment,
                              cwd=place, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return json.loads(done.stdout)

    tell("users", "add", EMAIL, "--password-stdin", typed=PASSWORD + "\n")
    client = tell("clients", "add", "bench", "--own-users")
    serve = [*LOAD, program, "serve", *data, "--listen", "127.0.0.1:0", "--management-listen", "127.0.0.1:0"]
    child, told, _ = started(serve, "listening", env=environment, cwd=place)
    return child, {
        "BENCH_LACRE_GATEWAY": socket or f"http://{gateway}",
        "BENCH_LACRE_URL": told["listening on"],
        "BENCH_LACRE_CLIENT_ID": client["id"],
        "BENCH_LACRE_CLIENT_SECRET": client["secret"],
    }


def logged_in(url):
    """The token of an account of lacre's own."""
    sent = json.dumps({"email": EMAIL, "password": PASSWORD}).encode()
    return json.loads(answer(f"{url}/getToken", "Content-Type: application/json", data=sent))["auth"]


def worker(guard, settings):
    """A worker of gunicorn with this guard: the process and its address."""
    address = f"127.0.0.1:{free_port()}"
    command = [*SERVER, str(PACKAGES / "venv/bin/gunicorn"), "--bind", address, "--workers", "1",
               "--worker-class", "gthread", "--threads", "1", "--keep-alive", "60",
               "--chdir", str(ROOT / "tests/bench/peers"), "flask_guards:app"]
    environment = os.environ | settings | {"LACRE_BENCH_GUARD": guard,
                                           "PYTHONPATH": str(ROOT / "clients/python/src"),
                                           "PYTHONDONTWRITEBYTECODE": "1"}
    child = start(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://{address}"
    for _ in range(100):
        time.sleep(0.1)
        try:
            status(f"{url}/guarded")
            return child, url
        except urllib.error.URLError:
            pass
    sys.exit(f"{guard}: the worker doesn't answer")


def measure():
    lacre, settings = lacre_settings()
    beside, settings["BENCH_REDIS"] = redis(LOAD)
    workers, asked = [lacre, beside], {}
    for guard, name in GUARDS.items():
        child, url = worker(guard, settings)
        workers.append(child)
        token = None
        if guard == "lacre":
            token = logged_in(settings["BENCH_LACRE_URL"])
        elif guard != "none":
            token = answer(f"{url}/token").decode()
        if token:
            # 422 is Flask-JWT-Extended's answer to a spoilt token.
            must_guard(name, f"{url}/guarded", token, refusals=(401, 403, 422))
        asked[name] = (f"{url}/guarded", [bearer(token)] if token else [])
    reports = {name: [] for name in asked}
    for turn in range(ROUNDS):
        for name, (url, headers) in asked.items():
            reports[name].append(load(url, *headers, connections=CONNECTIONS))
        say(f"round {turn + 1}: " + ", ".join(f"{name} {one[-1]['rate']:.0f}" for name, one in reports.items()))
    for child in workers:
        stop(child)
    return {"variants": {name: median_report(one) for name, one in reports.items()}}


if __name__ == "__main__":
    part("python", measure)
