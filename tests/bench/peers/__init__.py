"""Starts the servers that ours is compared with. `.ci/need bench` installs their packages."""

import json
import os
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request

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
    child, url = gunicorn("flask_jwcrypto:app", "/plain", {"LACRE_BENCH_DATA": str(data)})
    return child, url, ids


def gunicorn(app, path, settings):
    """An application of Flask on gunicorn: the process and its address, when this path is answered."""
    address = f"127.0.0.1:{free_port()}"
    command = [*SERVER, str(PACKAGES / "venv" / "bin" / "gunicorn"), "--bind", address,
               *WORKERS, "--chdir", str(HERE / "peers"), app]
    child = start(command, env=os.environ | settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://{address}"
    for _ in range(100):
        time.sleep(0.1)
        try:
            status(f"{url}{path}")
            return child, url
        except urllib.error.URLError:
            pass
    sys.exit(f"{app} doesn't answer")


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


def redis(core):
    """A Redis that keeps nothing on the disk, on this core: the process and its address."""
    port = free_port()
    child = start([*core, "redis-server", "--port", str(port), "--save", "", "--appendonly", "no"],
                  stdout=subprocess.DEVNULL)
    time.sleep(0.5)
    return child, f"redis://127.0.0.1:{port}/0"


def cookie(url, path="/log-in", data=b"", **headers):
    """The cookie of a session that the server at this address has begun."""
    with urllib.request.urlopen(urllib.request.Request(url + path, data, headers)) as got:
        return "Cookie: " + got.headers["Set-Cookie"].split(";")[0]


def actix_session(store):
    """actix-session with its sessions in this Redis: the process and its address."""
    source = HERE / "peers" / "actix_session"
    target = os.environ.get("LACRE_BENCH_PEER_TARGET") or str(PLACE / "actix-session")
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=source, check=True,
                   env=os.environ | {"CARGO_TARGET_DIR": target})
    child, told, _ = started([*SERVER, f"{target}/release/lacre-bench-actix-session", store], "listening")
    return child, told["listening"]


def node(script, **settings):
    """A server of Node.js that prints its address: the process and it."""
    environment = os.environ | {"LACRE_BENCH_DIR": str(PACKAGES), "NODE_ENV": "production"} | settings
    child, told, _ = started([*SERVER, "node", str(HERE / "peers" / script)], "listening", env=environment)
    return child, told["listening"]


def express_session(store, **settings):
    return node("express_session.mjs", BENCH_REDIS=store, **settings)


def better_auth():
    return node("better_auth.mjs", BENCH_PORT=str(free_port()), LACRE_BENCH_DATA=str(folder("better-auth")))
