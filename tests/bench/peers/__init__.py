"""Starts the servers that ours is compared with. `.ci/need bench` installs their packages."""

import json
import os
import sqlite3
import subprocess
import sys
import time
import urllib.error

from harness import HERE, PLACE, SERVER, answer, folder, free_port, start, started, status

PACKAGES = PLACE / "peers"
USERS = 1000
# The quickest of those tried: synchronous workers cannot keep connections, more threads only wait.
WORKERS = ["--workers", "2", "--worker-class", "gthread", "--threads", "8"]


def fastify(claims):
    """Fastify with panva/jose: the process, and what to ask it."""
    environment = os.environ | {"LACRE_BENCH_DIR": str(PACKAGES), "LACRE_BENCH_CLAIMS": claims,
                                "NODE_ENV": "production"}
    child, told, _ = started([*SERVER, "node", str(HERE / "peers" / "fastify_jose.mjs")],
                             "listening", env=environment)
    address = told["listening"]
    return child, {
        "Fastify, no guard": (f"{address}/plain", None),
        "Fastify, jose JWE": (f"{address}/guarded", [told["token"]]),
    }


def flask_server():
    """Flask on gunicorn with jwcrypto: the process, its address and its users' ids."""
    data = folder("flask")
    ids = [f"user-{number:04}" for number in range(USERS)]
    with sqlite3.connect(data / "users.sqlite") as users:
        users.execute("CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT, role TEXT)")
        users.executemany("INSERT INTO users VALUES (?, ?, 'user')",
                          [(one, f"{one}@example.com") for one in ids])
    address = f"127.0.0.1:{free_port()}"
    command = [*SERVER, str(PACKAGES / "venv" / "bin" / "gunicorn"), "--bind", address,
               *WORKERS, "--chdir", str(HERE / "peers"), "flask_jwcrypto:app"]
    child = start(command, env=os.environ | {"LACRE_BENCH_DATA": str(data)},
                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://{address}"
    for _ in range(100):
        time.sleep(0.1)
        try:
            if status(f"{url}/plain") == 200:
                return child, url, ids
        except urllib.error.URLError:
            pass
    sys.exit("the Flask server doesn't answer")


def flask():
    """The same, and what to ask it."""
    child, url, ids = flask_server()
    asked = json.dumps({"id": ids[0], "user_session": "a.s1.b"}).encode()
    token = json.loads(answer(f"{url}/getToken", "Content-Type: application/json",
                              data=asked))["auth"]
    place = f'{url}/guarded/%7B%22id%22:%22{ids[0]}%22,%22user_session%22:%22s1%22%7D'
    return child, {
        "Flask, no guard": (f"{url}/plain", None),
        "Flask, jwcrypto JWE": (place, [token]),
    }
