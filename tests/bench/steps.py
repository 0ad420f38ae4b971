#!/usr/bin/env python3
"""Each step on one core, as criterion measures it; the steps that bars compare, several times over.

    steps.py [NAME]     a name runs the steps that have it in theirs, and keeps nothing
"""

import json
import os
import subprocess
import sys

from harness import PLACE, ROUNDS, SERVER, build_bench, folder, part, median, say

# Measured in turns, for the machine may be quicker in one minute than in the next.
COMPARED = ["floor/ecdh_and_es256_verify", "open/whole", "deployed/guard_cold"]


def run(program, *arguments):
    environment = os.environ | {"CRITERION_HOME": str(PLACE / "criterion")}
    subprocess.run([*SERVER, program, "--bench", *arguments], check=True, env=environment)


def medians(place):
    """Nanoseconds, by the name of the step."""
    found = {}
    for path in sorted(place.glob("**/new/estimates.json")):
        name = "/".join(path.relative_to(place).parts[:-2])
        found[name] = json.loads(path.read_text())["median"]["point_estimate"]
    return found


def measure(program):
    place = folder("criterion")
    run(program, "--quiet")
    steps = medians(place)
    rounds = {name: [steps[name]] for name in COMPARED}
    for number in range(1, ROUNDS):
        run(program, "--quiet", "^(" + "|".join(COMPARED) + ")$")
        for name, ns in medians(place).items():
            if name in rounds:
                rounds[name].append(ns)
        say(f"steps: round {number + 1} of {ROUNDS}")
    steps |= {name: median(of) for name, of in rounds.items()}
    return {"rounds": ROUNDS, "ns": {name: round(ns, 1) for name, ns in steps.items()}}


if __name__ == "__main__":
    if sys.argv[1:]:
        run(build_bench("steps"), *sys.argv[1:])
    else:
        part("steps", lambda: measure(build_bench("steps")))
