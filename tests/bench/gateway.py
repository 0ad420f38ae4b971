#!/usr/bin/env python3
"""The gateway on one core: `/authz` beside the same guard in front of a handler, introspections, and a request
behind nginx that asks lacre, that asks nobody, that asks a server which lets everybody in without looking, and
that asks servers which look a session up in Redis.

The server, nginx, the service behind it and Redis share one core, and the load generator has the other. All take turns,
and medians over the rounds are compared.
"""

import json
import subprocess
import sys
import time
import urllib.error
from base64 import b64encode

from harness import (ROOT, ROUNDS, SERVER, answer, bearer, build_program, folder, free_port, load, median_report,
                     must_guard, part, say, start, started, status, stop)
from peers import actix_session, cookie, express_session, redis

EMAIL, PASSWORD = "ada@example.com", "correct horse battery"
RECIPE = ROOT / "docs" / "proxies" / "nginx.conf"
HANDLER, AUTHZ, INTROSPECT = "a handler behind the guard", "/authz", "introspection"
NGINX = {
    "alone": "nginx alone",
    "all": "nginx, asking a server that answers 200 without looking",
    "lacre": "nginx, asking lacre",
    "actix": "nginx, asking actix-session with Redis",
    "express": "nginx, asking express-session with Redis",
}


def lacre(place):
    """The program with a gateway: its process, its addresses, a client's credentials and a user's token."""
    program = build_program()
    (place / "lacre.toml").write_text('[service.wiki]\nroles = ["user"]\n')
    gateway = f"127.0.0.1:{free_port()}"
    environment = {"LACRE_GATEWAY__LISTEN": gateway}
    data = ["--data-dir", str(place / "data")]

    def tell(*command, typed=""):
        done = subprocess.run([program, *command, "--json", *data], check=True, input=typed, env=environment,
                              cwd=place, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return json.loads(done.stdout)

    tell("users", "add", EMAIL, "--name", "Ada Lovelace", "--password-stdin", typed=PASSWORD + "\n")
    client = tell("clients", "add", "bench", "--service", "wiki")
    serve = [*SERVER, program, "serve", *data, "--config", str(place / "lacre.toml"), "--listen", "127.0.0.1:0",
             "--management-listen", "127.0.0.1:0"]
    child, told, _ = started(serve, "listening", env=environment, cwd=place)
    url = told["listening on"]
    asked = json.dumps({"email": EMAIL, "password": PASSWORD}).encode()
    token = json.loads(answer(f"{url}/getToken", "Content-Type: application/json", data=asked))["auth"]
    return child, url, f"http://{gateway}", client, token


def nginx(place, kind, service, asked):
    """nginx by the recipe of the documentation with this server to ask, on one core: its process and address."""
    port = free_port()
    text = RECIPE.read_text()
    text = text.replace("worker_processes auto;", "worker_processes 1; daemon off; pid nginx.pid; error_log stderr;")
    text = text.replace("http {", "http {\n    access_log access.log;", 1)
    text = text.replace("listen 127.0.0.1:8000;", f"listen 127.0.0.1:{port};")
    text = text.replace("server 127.0.0.1:3000;", f"server {service.removeprefix('http://')};")
    if asked:
        address, path = asked
        text = text.replace("server 127.0.0.1:9091;", f"server {address.removeprefix('http://')};")
        text = text.replace("proxy_pass http://gateway/authz/wiki;", f"proxy_pass http://gateway{path};")
    else:
        text = "\n".join(line for line in text.split("\n") if "auth_request /authz;" not in line)
    prefix = place / kind
    prefix.mkdir(parents=True)
    (prefix / "nginx.conf").write_text(text)
    child = start([*SERVER, "nginx", "-p", str(prefix), "-c", "nginx.conf"], stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/service"
    for _ in range(50):
        time.sleep(0.1)
        try:
            status(url)
            return child, url
        except urllib.error.URLError:
            pass
    sys.exit(f"nginx for {kind} doesn't answer")


def measure():
    place = folder("gateway")
    running, public, gateway, client, token = lacre(place)
    beside, store = redis(SERVER)
    actix, actix_url = actix_session(store)
    express, express_url = express_session(store)
    children = [running, beside, actix, express]
    must_guard(AUTHZ, f"{gateway}/authz/wiki", token)
    must_guard(HANDLER, f"{public}/headers", token)
    pair = f"{client['id']}:{client['secret']}"
    form = {"body": f"token={token}", "basic": b64encode(pair.encode()).decode(),
            "type": "application/x-www-form-urlencoded"}
    asked = {
        HANDLER: (f"{public}/headers", [bearer(token)], {}),
        AUTHZ: (f"{gateway}/authz/wiki", [bearer(token)], {}),
        INTROSPECT: (f"{gateway}/oauth2/introspect", [], form),
    }
    servers = {
        "alone": (None, bearer(token)),
        "all": ((actix_url, "/authz/all"), bearer(token)),
        "lacre": ((gateway, "/authz/wiki"), bearer(token)),
        "actix": ((actix_url, "/authz/redis"), cookie(actix_url)),
        "express": ((express_url, "/authz/redis"), cookie(express_url)),
    }
    for kind, (server, proof) in servers.items():
        child, url = nginx(place, kind, actix_url, server)
        children.append(child)
        codes = [status(url, proof), status(url)]
        if codes != ([200, 200] if kind in ("alone", "all") else [200, 401]):
            sys.exit(f"nginx for {kind} answers {codes}")
        asked[NGINX[kind]] = (url, [proof], {})
    reports = {name: [] for name in asked}
    # One round more than counted, and the first one dropped: it warms caches and compilers.
    for turn in range(ROUNDS + 1):
        for name, (url, headers, given) in asked.items():
            report = load(url, *headers, seconds=None if turn else 1, **given)
            if turn:
                reports[name].append(report)
        say(f"gateway: round {turn} of {ROUNDS}")
    for child in children:
        stop(child)
    return {"variants": {name: median_report(of) for name, of in reports.items()}}


if __name__ == "__main__":
    part("gateway", measure)
