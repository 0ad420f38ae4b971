"""What all parts of the measurement share: building, pinning, load, and results as JSON.

A part is one file beside this one; it measures one group of questions and keeps its numbers in
`docs/performance/PART.json`, with the machine, the date and the commit, so that the page can be
composed of parts that were measured one at a time.
"""

import atexit
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "bench"
PLACE = ROOT / "target" / "bench"
RESULTS = ROOT / "docs" / "performance"

ROUNDS = int(os.environ.get("ROUNDS", 5))
SECONDS = float(os.environ.get("SECONDS_EACH", 2))
CONNECTIONS = 32
# The server has one core and the load generator another; nothing of ours runs beside them.
# On a machine that isn't quiet the others can be kept to the load generator's core, which then needs a right of way:
# LACRE_BENCH_SERVER="taskset -c 1" LACRE_BENCH_LOAD="chrt -r 5 taskset -c 0".
SERVER = os.environ.get("LACRE_BENCH_SERVER", "taskset -c 0").split()
LOAD = os.environ.get("LACRE_BENCH_LOAD", "taskset -c 1").split()


# Where others of the host take more of the processors than this while something is measured (steal), it is measured again, so
# often at most: a pause of some milliseconds that none of this machine's processes has made is a 99th percentile by itself.
TAKEN, TRIES = 0.01, int(os.environ.get("TRIES", 8))
disturbed = {"repeated": 0, "most_taken": 0.0}

# What was started and may still run: none of it outlives a measurement that stops half way.
children = []


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def start(command, **more):
    child = subprocess.Popen(command, text=True, **more)
    children.append(child)
    return child


@atexit.register
def end_all():
    for child in children:
        if child.poll() is None:
            child.kill()
            child.wait()


def build(name, *arguments):
    """Builds and returns the path of the program of that name."""
    flags = os.environ.get("CARGO_FLAGS", "").split()
    command = ["cargo", *arguments, "--locked", *flags, "--message-format=json-render-diagnostics"]
    lines = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    built = [json.loads(line) for line in lines.splitlines()]
    return next(one["executable"] for one in built
                if one.get("executable") and one["target"]["name"] == name)


def build_bench(name):
    """A program of ours that measures; LACRE_BENCH_BUILT_ and its name is one that is built already."""
    return os.environ.get(f"LACRE_BENCH_BUILT_{name.upper()}") or build(name, "bench", "--bench", name, "--no-run")


def build_program():
    """The program; LACRE_BENCH_PROGRAM is one that is built already."""
    return os.environ.get("LACRE_BENCH_PROGRAM") or build("lacre", "build", "--release", "--bin", "lacre")


def whole_seconds(seconds):
    return f"{max(1, round(seconds))}s"


def load(url, *headers, connections=CONNECTIONS, seconds=None, may_refuse=False, **given):
    """Puts a server under load and returns what tests/bench/lua/load.lua reports, with `rate`."""
    return finished(start_load(url, *headers, connections=connections, seconds=seconds, **given),
                    url, may_refuse)


def undisturbed(measure):
    """What `measure` finds while the host leaves this machine its processors; where it never does, the least disturbed of all
    it found. What is measured must be the same each time."""
    least = None
    for turn in range(TRIES):
        before = times()
        found = measure()
        spent = [now - then for now, then in zip(times(), before)]
        taken = spent[7] / max(sum(spent[:8]), 1)
        if least is None or taken < least[0]:
            least = (taken, found)
        if taken <= TAKEN:
            break
        disturbed["repeated"] += turn + 1 < TRIES
    disturbed["most_taken"] = round(max(disturbed["most_taken"], least[0]), 4)
    return least[1]


def undisturbed_load(url, *headers, **given):
    """The same of a load that uses nothing up."""
    return undisturbed(lambda: load(url, *headers, **given))


def start_load(url, *headers, connections=CONNECTIONS, seconds=None, **given):
    if "pause" in given:
        given["connections"] = connections
    command = [*LOAD, "wrk", "-t1", f"-c{connections}", f"-d{whole_seconds(seconds or SECONDS)}",
               "--timeout", "10s", "-s", str(HERE / "lua" / "load.lua")]
    for header in headers:
        command += ["-H", header]
    command += [url, "--", *(f"{name}={value}" for name, value in given.items())]
    return start(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finished(running, url, may_refuse=False):
    """The report of a load; an answer that isn't 2xx or 3xx stops everything unless expected."""
    out = running.communicate()[0]
    found = re.search(r"^RESULT (.*)$", out, re.M)
    if running.returncode != 0 or not found:
        sys.exit(f"{url}: the load generator failed:\n{out}")
    report = json.loads(found[1])
    report["rate"] = report["requests"] / report["seconds"]
    if report["broken"] or (report["refused"] and not may_refuse):
        sys.exit(f"{url}: not every request was answered well:\n{out}")
    if not report["requests"]:
        sys.exit(f"{url}: no request was answered")
    return report


def status(url, *headers, data=None):
    """The status of one request."""
    pairs = dict(header.split(": ", 1) for header in headers)
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, pairs)) as answer:
            answer.read()
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code


def answer(url, *headers, data=None):
    """The body of one request that must succeed."""
    pairs = dict(header.split(": ", 1) for header in headers)
    with urllib.request.urlopen(urllib.request.Request(url, data, pairs)) as got:
        return got.read()


def bearer(token):
    return f"Authorization: Bearer {token}"


def spoilt(token):
    """The token with one character of its content changed: of the right form, and not authentic."""
    parts = token.split(".")
    at = -2 if len(parts) == 5 else -1
    text = parts[at]
    middle = len(text) // 2
    parts[at] = text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1:]
    return ".".join(parts)


def must_guard(name, url, token, others=(), refusals=(401, 403)):
    """A guard that lets anything in measures nothing: the good token in, all others out."""
    good = status(url, bearer(token))
    bad = [status(url)] + [status(url, bearer(one)) for one in (spoilt(token), *others)]
    if good != 200 or any(code not in refusals for code in bad):
        sys.exit(f"{name} is no guard: the good token got {good}, the others {bad}")


def started(command, last, **more):
    """Starts a program and reads its lines `NAME ADDRESS` up to the one that begins with `last`."""
    began = time.monotonic()
    child = start(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **more)
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


def free_port():
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return any_port.getsockname()[1]


def resident_mib(pid):
    """Memory of a process that is in RAM, in MiB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def folder(name):
    """An empty folder on a real disk, below target/."""
    place = PLACE / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return place


def median(numbers):
    return statistics.median(numbers)


def median_report(reports):
    """Of several reports of one load, each number's median."""
    latency = {p: median([one["latency_us"][p] for one in reports])
               for p in reports[0]["latency_us"]}
    return {"rate": round(median([one["rate"] for one in reports]), 1), "latency_us": latency,
            "rates": [round(one["rate"], 1) for one in reports],
            "p99_us": [one["latency_us"]["99"] for one in reports]}


def machine():
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    system = re.search(r'PRETTY_NAME="(.*)"', Path("/etc/os-release").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, "
            f"{memory:.0f} GiB, {system[1] if system else platform.system()}")


def output(*command):
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.strip()


def commit():
    changed = output("git", "status", "--porcelain", "--", "src", "keystore", "Cargo.lock")
    return output("git", "rev-parse", "--short", "HEAD") + (" and changes" if changed else "")


def times():
    """Ticks of all processors so far: at work in seven ways, the fourth and fifth of which are none, and taken by others."""
    return [int(one) for one in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]


def busy():
    """How much of the machine others are using: 0 to 1, over two seconds."""
    before = times()
    time.sleep(2)
    spent = [now - then for now, then in zip(times(), before)]
    return round(1 - (spent[3] + spent[4]) / max(sum(spent), 1), 3)


def part(name, measure):
    """Measures a part and keeps its numbers, with how busy the machine was with other things."""
    before = busy()
    if before > 0.05:
        say(f"{before:.0%} of this machine is busy with something else: the numbers will tell little")
    began = time.monotonic()
    numbers = measure()
    again = disturbed if any(disturbed.values()) else {}
    keep(name, {"busy_before": before, "took_s": round(time.monotonic() - began), **again, **numbers})


def keep(part, numbers):
    """Stores a part's numbers, and what they were measured on."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    whole = {"part": part, "date": str(date.today()), "commit": commit(), "machine": machine(),
             "rustc": output("rustc", "--version"), **numbers}
    (RESULTS / f"{part}.json").write_text(json.dumps(whole, indent=1) + "\n")


def kept(part):
    """A part's numbers; an empty table where it wasn't measured yet."""
    path = RESULTS / f"{part}.json"
    return json.loads(path.read_text()) if path.exists() else {}
