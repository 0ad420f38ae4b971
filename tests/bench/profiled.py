#!/usr/bin/env python3
"""Where the processor's time of a request goes: samples of the served program, by what was running.

    profiled.py            builds the program with its names of functions, samples it, and keeps the numbers
    profiled.py PROGRAM    samples this one, and keeps nothing

A sample says which function was running, not on whose behalf. What a request takes is that of the threads' clocks, over the
same seconds, so the parts of one request add up to it. Needs `perf`, and root or kernel.perf_event_paranoid of 1.
"""

import re
import subprocess
import sys
import time
from collections import Counter

from cost import HASHING, LOG_IN, ONE_LOG_IN, ONE_TOKEN, REFRESH, TOKEN, clocks, kinds
from harness import (PLACE, ROUNDS, SECONDS, bearer, build, finished, median, must_guard, part, say, start_load,
                     stop)
from service import CHAINS, Program, token_of

GUARDED, FIRST_OPEN = "guarded call", "guarded call, first open"
# Of tokens that are opened for the first time: how many milliseconds each connection waits after an answer, and how many tokens a
# second that can use up at most.
OPEN_PAUSE, OPEN_MOST = 10, 3_300
PROFILED = (GUARDED, FIRST_OPEN, TOKEN, REFRESH, ONE_TOKEN, LOG_IN, ONE_LOG_IN)
# What was running, by the library or the name of the function; the first that matches counts. Of OpenSSL's own functions no
# names are left, and nothing but SHA-512 is asked of it.
KERNEL, CRYPTO, OTHER = "kernel", "cryptography", "other"
STORE, SQLITE = "sled", "SQLite"
GROUPS = {
    CRYPTO: r"graviola|nistz256|^(EC|ec|BN|bn|ossl|EVP|OPENSSL|CRYPTO|SHA512|aws_lc|ecdsa|ECDSA|pkey|Lbignum)_|p256|elliptic_curve|crypto_bigint|"
            r"primeorder|sha(256|512)|aes|gcm|ghash|hmac|chacha|subtle::|lacre::token::(curve|agreement|content|mac)",
    STORE: r"sled::|crossbeam|lacre_keystore",
    SQLITE: r"sqlite|sqlx|^(pcache|pager|btree|vdbe|wal|unix|yy|where)[A-Z0-9]|lacre::accounts",
    "memory given out, taken back, copied": r"malloc|calloc|realloc|cfree|^free$|_int_free|unlink_chunk|tcache|mem(cpy|set|move|cmp|chr)|"
                                            r"zeroize|stack::sweep",
    "JSON, base64, texts": r"serde|base64|itoa|ryu|core::(fmt|str)|alloc::(fmt|str|string)|utf8|lacre::token",
    "HTTP, tasks, locks": r"actix|tokio|http|mio::|futures|bytes::|hashbrown|ahash|local_channel|socket2|pthread|futex|parking_lot|flume|"
                          r"std::(sync|sys|thread)|^(syscall|epoll_wait|__send|__recv|send|recv|writev?|read)$|clock_gettime|vdso",
}


def group(name, library):
    if "[kernel" in library:
        return KERNEL
    if "libcrypto" in library:
        return CRYPTO
    return next((one for one, pattern in GROUPS.items() if re.search(pattern, name)), OTHER)


def sampled(child, seconds):
    """Samples of the program over some seconds, by group and by function, without the threads that hash passwords."""
    kept = PLACE / "perf.data"
    subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", "4999", "-p", str(child.pid), "-o", kept, "--", "sleep",
                    str(seconds)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    told = subprocess.run(["perf", "script", "-i", kept, "-F", "comm,ip,sym,dso"], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True).stdout
    found, names = Counter(), Counter()
    for line in told.splitlines():
        match = re.match(r"\s*(.+?)\s+([0-9a-f]+)\s+(.*?)\s+\((.*)\)\s*$", line)
        if match and not match[1].startswith(HASHING):
            one = group(match[3], match[4])
            found[one] += 1
            names[one, re.sub(r"::h[0-9a-f]{16}$", "", match[3]), match[4].rsplit("/", 1)[-1]] += 1
    return found, names


def begun(program, url, kind, seconds, first):
    """The load of a kind, and where it is put."""
    if kind == GUARDED:
        return start_load(f"{url}/headers", bearer(program.token), seconds=seconds)
    if kind == FIRST_OPEN:
        return start_load(f"{url}/headers", seconds=seconds, pause=OPEN_PAUSE,
                          tokens=program.minted(url, round(OPEN_MOST * seconds), "auth"))
    path, given = kinds(program)[kind]
    if path == "refresh":
        given = {**given, "spent": program.minted(url, CHAINS, "refresh")}
    return start_load(f"{url}/{path}", seconds=seconds, **given, **{"from": first})


def profile(program, url, child, kind, seconds, first):
    """One load: microseconds of each group for each request."""
    load = begun(program, url, kind, seconds + 1, first)
    before, opened = clocks(child.pid), program.first_opens()
    time.sleep(0.5)
    samples, names = sampled(child, seconds)
    # Log-ins may be sent away; what is guarded has a good token.
    report = finished(load, url, may_refuse=kind not in (GUARDED, FIRST_OPEN))
    now, opened = clocks(child.pid), program.first_opens() - opened
    if kind == FIRST_OPEN and opened < 0.95 * report["requests"]:
        sys.exit(f"of {report['requests']} first opens {opened} were first")
    spent = sum(now[one] - before[one] for one in now if one != HASHING) / report["requests"]
    whole = sum(samples.values())
    return {one: spent * count / whole for one, count in samples.items()}, names


def measure(lacre):
    seconds, found, functions = max(SECONDS, 2), {}, {}
    for kind in PROFILED:
        # Each with a store of its own: users who come to the most sessions that they may have cost more.
        program = Program(lacre, "profile")
        child, url = program.start()
        program.token = token_of(program, url)
        must_guard("the program", f"{url}/headers", program.token)
        rounds, functions[kind] = [], Counter()
        for turn in range(ROUNDS):
            groups, names = profile(program, url, child, kind, seconds, turn * 1_000_000)
            rounds.append(groups)
            functions[kind] += names
        found[kind] = medians(rounds)
        stop(child)
        say(f"profile: {kind}")
    return {"rounds": ROUNDS, "kinds": found, "functions": {kind: most(of) for kind, of in functions.items()}}


def medians(rounds):
    names = {name for one in rounds for name in one}
    of = {name: round(median([one.get(name, 0) for one in rounds]), 2) for name in names}
    return dict(sorted(of.items(), key=lambda it: -it[1]))


def most(names, count=12):
    """The functions that were seen most, with their share of all samples."""
    whole = sum(names.values())
    return [[round(times / whole, 4), *one] for one, times in names.most_common(count)]


def tell(numbers):
    for kind, of in numbers["kinds"].items():
        print(f"{kind}: {sum(of.values()):.1f} us: " + ", ".join(f"{name} {us:.1f}" for name, us in of.items()))
    return numbers


if __name__ == "__main__":
    if sys.argv[1:]:
        found = tell(measure(sys.argv[1]))
        for kind, of in found["functions"].items():
            print(f"\n{kind}\n" + "\n".join(f"{share:7.2%} {one:32} {name} {library}" for share, one, name, library in of))
    else:
        part("profile", lambda: tell(measure(build("lacre", "build", "--profile", "profiled", "--bin", "lacre"))))
