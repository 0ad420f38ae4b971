"""Mutates a good token at random and asks `lacre token open` about each: `make mutations`.

    mutations.py LACRE [HOW_MANY] [SEED]

The keys and the token are those of the worked example in docs/token-format.md. The good token itself
goes in between now and then, and must be accepted each time: else a program that refuses everything
would pass. Exit status 1 where a mutation is accepted or the good token isn't.
"""

import collections
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
OTHERS = [chr(code) for code in range(1, 256) if chr(code) not in ALPHABET + "\n"]
GOOD_EVERY = 100_000
BATCH = 1000


def mutation(good, draw):
    """The good token with one to four changes; never the good token."""
    text = good
    while text == good:
        for _ in range(1 if draw.random() < 0.7 else draw.randrange(2, 5)):
            kind, at = draw.random(), draw.randrange(len(text) or 1)
            if kind < 0.60:  # another character of the alphabet
                text = text[:at] + draw.choice(ALPHABET) + text[at + 1 :]
            elif kind < 0.68:  # one that no token has
                text = text[:at] + draw.choice(OTHERS) + text[at + 1 :]
            elif kind < 0.76:
                text = text[:at] + text[at + 1 :]
            elif kind < 0.84:
                text = text[:at] + draw.choice(ALPHABET + ".=") + text[at:]
            elif kind < 0.90:  # two neighbours exchanged
                text = text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :]
            elif kind < 0.94:  # a part again, or a part less
                end = at + draw.randrange(1, 40)
                text = text[:end] + text[at:] if draw.random() < 0.5 else text[:at] + text[end:]
            elif kind < 0.97:  # four characters of it elsewhere: three bytes moved
                other = draw.randrange(len(text) or 1)
                text = text[:at] + text[other : other + 4] + text[at + 4 :]
            else:  # two parts between dots exchanged, or one emptied
                parts = text.split(".")
                one, two = draw.randrange(len(parts)), draw.randrange(len(parts))
                if one == two:
                    parts[one] = ""
                parts[one], parts[two] = parts[two], parts[one]
                text = ".".join(parts)
    return text


def feed(pipe, good, how_many, draw):
    with pipe:
        for begun in range(0, how_many, BATCH):
            count = min(BATCH, how_many - begun)
            lines = [mutation(good, draw) for _ in range(count)]
            if begun % GOOD_EVERY == 0:
                lines.insert(draw.randrange(count), good)
            pipe.write(("\n".join(lines) + "\n").encode("latin-1"))


def main(lacre, how_many=10_000_000, seed=1):
    page = (ROOT / "docs" / "token-format.md").read_text()
    files = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", page, re.DOTALL))
    good = files["token.txt"].strip()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for name in ["session.jwk", "signer.pub.jwk"]:
            (pathlib.Path(folder) / name).write_text(files[name])
        command = [
            lacre, "token", "open", "--recipient", f"{folder}/session.jwk",
            "--signer", f"{folder}/signer.pub.jwk", "--issuer", "https://issuer.example",
            "--audience", "api", "--now", "1800000000",
        ]
        asked = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        work = (asked.stdin, good, how_many, random.Random(seed))
        feeder = threading.Thread(target=feed, args=work, daemon=True)
        feeder.start()
        verdicts = collections.Counter()
        for line in asked.stdout:
            accepted = line.startswith(b'{"ok":true') or b'"ok":true' in line
            verdicts["accepted" if accepted else line.decode().split('"code":"')[1].split('"')[0]] += 1
        feeder.join()
        status = asked.wait()
    good_ones = -(-how_many // GOOD_EVERY)
    for verdict, count in verdicts.most_common():
        print(f"{count:12} {verdict}")
    taken = time.monotonic() - begun
    right = (
        status == 0
        and verdicts["accepted"] == good_ones
        and verdicts.total() == how_many + good_ones
    )
    print(
        f"{how_many} mutations and {good_ones} times the good token in {taken:.0f} s (seed {seed}): "
        + ("none was accepted but the good one" if right else "WRONG")
    )
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:4])))
