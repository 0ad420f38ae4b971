#!/usr/bin/env python3
"""What the whole service does in a second, on one core, beside the same handler without a guard.

    make bench            builds everything, runs the steps and this, writes docs/performance.md

The server is pinned to one core and the load generator (wrk) to another; variants take turns, and
medians over the rounds are compared in the same run. Absolute numbers are those of one machine.
"""
import json, os, platform, re, signal, statistics, subprocess, sys, tempfile, time, urllib.request
from base64 import b64encode
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROUNDS, SECONDS, CONNECTIONS = 5, 2, 32
SERVER, LOAD = ["taskset", "-c", "0"], ["taskset", "-c", "1"]
EMAIL, PASSWORD = "ada@example.com", "correct horse battery"


def build(name, *arguments):
    """Builds and returns the path of the program of that name."""
    command = ["cargo", *arguments, "--locked", "--message-format=json"]
    lines = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    built = [json.loads(line) for line in lines.splitlines()]
    return next(one["executable"] for one in built
                if one.get("executable") and one["target"]["name"] == name)


def wrk(url, *more):
    """Requests a second; an answer that isn't 2xx stops everything."""
    command = [*LOAD, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", *more, url]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"{url}: not every request was answered well:\n{out}")
    return float(re.search(r"Requests/sec:\s+([0-9.]+)", out)[1])


def started(command, last):
    """Starts a program and reads its lines up to the one that begins with `last`."""
    began = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    told = {}
    for line in child.stdout:
        name, _, address = line.strip().rpartition(" ")
        told[name] = address
        if line.startswith(last):
            return child, told, time.monotonic() - began
    sys.exit(f"{command} ended without a word")


def stop(child):
    child.send_signal(signal.SIGTERM)
    child.wait()


def guards(program):
    """The same handler without a guard and behind four, in turns."""
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        child, told, _ = started([*SERVER, program, "--out", folder, "--sessions", "1000"], "bare")
        variants = {
            "no guard": (told["edge"], "plain"),
            "lacre": (told["edge"], "guarded"),
            "HS256 JWT": (told["edge"], "hs256"),
            "ES256 JWT": (told["edge"], "es256"),
            "no guard, bare actix": (told["bare"], "plain"),
            "lacre, bare actix": (told["bare"], "guarded"),
        }
        for _ in range(ROUNDS):
            for name, (address, path) in variants.items():
                token = (Path(folder) / path).read_text().split("\n")[0]
                rate = wrk(f"http://{address}/{path}", "-H", f"Authorization: Bearer {token}")
                results.setdefault(name, []).append(rate)
        stop(child)
    return {name: statistics.median(rates) for name, rates in results.items()}


def post(body, basic=None):
    """A wrk script that posts `body`; {n} in it is one of 90 numbers, fewer than a user may have sessions."""
    head = f'wrk.headers["Authorization"] = "Basic {basic}"\n' if basic else ""
    return f"""wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
{head}local n = 0
request = function()
  n = n + 1
  return wrk.format(nil, nil, nil, (string.gsub('{body}', "{{n}}", n % 90)))
end
"""


def issuing(lacre):
    """Tokens by client credentials, log-ins, start-up and memory of the real program."""
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        data = ["--data-dir", f"{folder}/data"]

        def tell(*command, typed=""):
            done = subprocess.run([lacre, *command, *data, "--json"], check=True, input=typed,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            return json.loads(done.stdout)

        user = tell("users", "add", EMAIL, "--password-stdin", typed=PASSWORD + "\n")
        client = tell("clients", "add", "bench")
        serve = [*SERVER, lacre, "serve", *data, "--listen", "127.0.0.1:0",
                 "--management-listen", "127.0.0.1:0"]
        starts, rests = [], []
        for _ in range(ROUNDS):
            child, told, took = started(serve, "listening")
            urllib.request.urlopen(told["listening on"] + "/open").read()
            starts.append(took)
            status = Path(f"/proc/{child.pid}/status").read_text()
            rests.append(int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024)
            stop(child)
        results["start-up, ms"] = statistics.median(starts) * 1000
        results["memory at rest, MiB"] = statistics.median(rests)
        results["program, MiB"] = os.path.getsize(lacre) / 2**20

        child, told, _ = started(serve, "listening")
        basic = b64encode(f"{client['id']}:{client['secret']}".encode()).decode()
        scripts = {
            "getToken by a client, durable, 1/s": post(
                f'{{"id": "{user["id"]}", "user_session": "s{{n}}"}}', basic),
            "log-ins by password, 1/s": post(
                f'{{"email": "{EMAIL}", "password": "{PASSWORD}"}}'),
        }
        for name, script in scripts.items():
            path = Path(folder) / "post.lua"
            path.write_text(script)
            rates = [wrk(told["listening on"] + "/getToken", "-s", str(path)) for _ in range(3)]
            results[name] = statistics.median(rates)
        stop(child)
    return results


def main():
    rates = guards(build("server", "bench", "--bench", "server", "--no-run"))
    service = issuing(build("lacre", "build", "--release", "--bin", "lacre"))
    print(f"Machine: {cpu()}, {os.cpu_count()} cores. Date: {date.today()}. Commit: {commit()}.\n")
    print("| the same handler | requests a second | of no guard |\n|---|---|---|")
    for name, rate in rates.items():
        base = rates["no guard, bare actix" if "bare" in name else "no guard"]
        print(f"| {name} | {rate:,.0f} | {rate / base:.2f} |")
    print(f"\nlacre against HS256: {rates['lacre'] / rates['HS256 JWT']:.2f}; "
          f"against ES256: {rates['lacre'] / rates['ES256 JWT']:.2f}\n")
    print("| the service | |\n|---|---|")
    for name, value in service.items():
        print(f"| {name} | {value:,.0f} |")


def cpu():
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return names[0] if names else platform.machine()


def commit():
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout.strip()


main()
