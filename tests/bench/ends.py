"""An end at one node, and when another node first refuses the token: by the clock of whoever asks both, over connections
that are kept.

A token is used at both nodes, so that both keep what is needed to let it in. Then the end is sent to the one, and the other
is asked by the token once in a millisecond from that moment on, until it has refused a request that was sent after the answer
of the end. What is measured begins with the sending of the end and goes to its answer, and to the answer of the first request
that was refused: at most a millisecond and one request later than the node knew.
"""

import random
import sys
import threading
import time

from deployed import Line, answered

# Between two requests to the other node.
PACE = 0.001
# Sessions that are ended side by side.
LANES = 4
# The longest between the use of a token and its end: more than a node's pause between two polls, so that ends come at any moment of it.
REST = 0.02
# After so long something is broken.
PATIENCE = 5


def end_one(a, b, token):
    """Milliseconds from the sending of an end at `a` to its answer and to the first refusal at `b`, how many requests were let in
    that were sent after the answer, and how many got neither yes nor no."""
    for line in (a, b):
        if line.ask("GET", "/headers", token) != 200:
            sys.exit("a good token was refused")
    time.sleep(random.uniform(0, REST))
    begun = due = a.send("POST", "/logout", token)
    ended = denied = asked = None
    late = unknown = 0
    while True:
        now = time.monotonic()
        if now > begun + PATIENCE:
            sys.exit("an end isn't answered, or isn't known")
        if asked is None and now >= due:
            asked = b.send("GET", "/headers", token)
            due = asked + PACE
        waiting = ([a] if ended is None else []) + ([b] if asked is not None else [])
        ready = answered(waiting, PATIENCE if asked is not None else due - now)
        if a in ready:
            said = a.status()
            ended = time.monotonic()
            if said != 204:
                sys.exit(f"an end was answered by {said}")
        if b not in ready:
            continue
        said, now = b.status(), time.monotonic()
        is_after = ended is not None and asked > ended
        asked = None
        if said == 200:
            late += is_after
        elif said == 401:
            denied = denied or now
            if is_after:
                break
        else:
            unknown += 1
    return {"answered_ms": (ended - begun) * 1000, "denied_ms": (denied - begun) * 1000, "late": late, "unknown": unknown}


def end_all_of(a_url, b_url, tokens):
    """The same of each of these tokens, some side by side."""
    waiting, found, lock = list(tokens), [], threading.Lock()
    failed = []

    def lane():
        a, b = Line(a_url), Line(b_url)
        try:
            while not failed:
                with lock:
                    if not waiting:
                        break
                    token = waiting.pop()
                found.append(end_one(a, b, token))
        except BaseException as error:  # told below, by the thread that ends the measurement
            failed.append(error)
        finally:
            a.close()
            b.close()

    lanes = [threading.Thread(target=lane) for _ in range(LANES)]
    for one in lanes:
        one.start()
    for one in lanes:
        one.join()
    if failed:
        raise failed[0]
    return found


def percentile(numbers, percent):
    """The smallest of them that so many per cent aren't above."""
    ordered = sorted(numbers)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def summary(rounds):
    """Of all ends of all rounds together, with each round's highest percentile beside."""
    found = [one for of in rounds for one in of]
    told = {"ends": len(found), "late": sum(one["late"] for one in found),
            "unknown": sum(one["unknown"] for one in found)}
    for name in ("answered_ms", "denied_ms"):
        numbers = [one[name] for one in found]
        told[name] = {str(percent): round(percentile(numbers, percent), 2) for percent in (50, 90, 99)}
        told[name]["most"] = round(max(numbers), 2)
        told[name]["rounds_99"] = [round(percentile([one[name] for one in of], 99), 2) for of in rounds]
    # From the answer on: nothing where it was known before.
    after = [max(0, one["denied_ms"] - one["answered_ms"]) for one in found]
    told["after_answer_ms"] = {str(percent): round(percentile(after, percent), 2) for percent in (50, 99)}
    return told
