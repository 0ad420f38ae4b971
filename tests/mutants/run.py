"""Changes the code that judges tokens and records in every small way, and counts what the tests
notice: `make mutants`.

    run.py [--again] [PART...] [-- FLAGS_OF_CARGO_MUTANTS...]

PART is `token`, `guard` or `keystore`; without one, all three. `--again` tries only what a run before
didn't catch, for instance since there are new tests. Each change costs a build and a run of
the tests, so this works on a copy that has the rooms in question, their own tests and the list of
attacks (`tests/hostile`), and none of the rooms that don't take part: no HTTP, accounts, command line.
What stays uncaught is in `target/mutants/PART/mutants.out/missed.txt`; exit status 1 where a part
has less than nine tenths caught.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLACE = ROOT / "target" / "mutants"
# Rooms that neither the token nor the guard needs.
LEFT_OUT = ["accounts", "ops", "http", "service", "telemetry", "deployment"]
# Dependencies of those rooms.
UNUSED = [
    "actix-web", "actix-http", "serde_urlencoded", "argon2", "sqlx", "clap", "jiff",
    "env_logger", "reqwest", "criterion", "jsonwebtoken",
]
PARTS = {
    "token": ["--package", "lacre", "--file", "src/token/**/*.rs", "--file", "src/token/*.rs"],
    "guard": ["--package", "lacre", "--file", "src/sessions/guard.rs", "--file", "src/sessions/even_time.rs",
        "--file", "src/sessions/content_keys.rs",
    ],
    "keystore": [
        "--package", "lacre-keystore", "--file", "keystore/src/seal/codec.rs",
        "--file", "keystore/src/record.rs",
    ],
}
# What cargo builds and which of it runs. The quick tests first; what they miss is tried once more with
# the others.
TESTS = {
    "token": [
        (["--lib"], ["token::"]),
        # A token that is known is opened for the guard's tests alone.
        (["--lib", "--test=main"],
         ["token::", "hostile::", "guard::", "content_keys::", "issue::", "refresh::"]),
    ],
    "guard": [
        (["--lib"], ["guard::", "content_keys::"]),
        (["--lib"], ["guard::", "content_keys::", "sessions::"]),
    ],
    "keystore": [(["--lib"], [])],
}
MAIN = """//! The attacks alone.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]
mod hostile { mod attacks; pub(crate) mod builder; mod published; mod vectors; }
mod support { pub(crate) mod vectors; }
"""


def tree():
    """The copy."""
    copy = PLACE / "tree"
    shutil.rmtree(copy, ignore_errors=True)
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.splitlines()
    for name in names:
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    change(copy / "src" / "lib.rs", trimmed_lib)
    change(copy / "src" / "lacre" / "testing.rs", trimmed_fixture)
    change(copy / "Cargo.toml", trimmed_manifest)
    (copy / "tests" / "main.rs").write_text(MAIN)
    shutil.rmtree(copy / "tests" / "fuzz")
    for name in ["main.rs", "cli.rs"]:
        (copy / "src" / name).unlink()
    return copy


def seed_build():
    """Takes over what the project's own tests depend on, where that is compiled already."""
    own, theirs = PLACE / "build" / "debug", ROOT / "target" / "debug"
    if theirs.is_dir() and not own.is_dir():
        own.mkdir(parents=True)
        parts = [str(theirs / name) for name in [".fingerprint", "build", "deps"]]
        subprocess.run(["cp", "-a", "--reflink=auto", *parts, str(own)], check=True)


def change(path, how):
    path.write_text(how(path.read_text()))


def trimmed_lib(text):
    rooms = "|".join(LEFT_OUT)
    text = re.sub(rf"(?m)^(pub )?mod ({rooms});\n", "", text)
    text = re.sub(rf"(?m)^pub use ({rooms})::.*;\n", "", text)
    text = text.replace('#[doc = include_str!("../README.md")]', "")
    return "#![allow(dead_code, rustdoc::all)]\n" + text


def trimmed_fixture(text):
    begun = text.index("/// The same with accounts")
    end = text.index("pub(crate) fn grant(")
    text = text[:begun] + text[end:]
    return re.sub(r"(?m)^use (crate::accounts|crate::service|tempfile)::.*\n", "", text)


def trimmed_manifest(text):
    text = re.sub(r"(?m)^(%s) = .*\n" % "|".join(UNUSED), "", text)
    text = re.sub(r"(?ms)^\[\[(bench|example)\]\].*?(?=^\[)", "", text)
    return text.replace('default-run = "lacre"\n', "")


def noted(path):
    """The lines of a file, none where there is none."""
    return set(path.read_text().splitlines()) if path.exists() else set()


def run(part, copy, again, flags):
    out = PLACE / part
    environment = {
        "LACRE_VECTORS": str(ROOT.parent / "shared" / "vectors"),
        "CARGO_TARGET_DIR": str(PLACE / "build"),
        # The properties are there to find what nobody thought of; a mutant is coarser than that.
        "PROPTEST_CASES": "32",
        **os.environ,
    }
    viable = None
    never = noted(out / "unviable") if again else set()
    for number, (built, tests) in enumerate(TESTS[part]):
        command = [
            "cargo", "mutants", "--dir", str(copy), "--output", str(out), "--no-shuffle",
            "--in-place", "--timeout", "120", *["--iterate"][:again + number], *PARTS[part], *flags,
            *[f"--cargo-arg={what}" for what in built], "--", "--", *tests,
        ]
        # 2: some were missed; 3: some took too long. Anything else means that none were tried.
        if subprocess.run(command, cwd=ROOT, env=environment).returncode not in (0, 2, 3):
            sys.exit(f"{part}: the changes could not be tried")
        told = json.loads((out / "mutants.out" / "outcomes.json").read_text())
        missed = told["missed"]
        # What doesn't build is no change that a test could notice.
        never |= noted(out / "mutants.out" / "unviable.txt")
        (out / "unviable").write_text("".join(line + "\n" for line in sorted(never)))
        before = len(noted(out / "mutants.out" / "previously_caught.txt") - never)
        viable = viable or told["caught"] + told["timeout"] + missed + before
        if missed == 0:
            break
    caught = viable - missed
    print(f"{part}: {caught} of {viable} caught ({caught / max(1, viable):.1%})", flush=True)
    return viable > 0 and caught / viable >= 0.9


def main(arguments):
    at = arguments.index("--") if "--" in arguments else len(arguments)
    copy = tree()
    seed_build()
    again = "--again" in arguments[:at]
    parts = [part for part in arguments[:at] if part in PARTS] or PARTS
    results = [run(part, copy, again, arguments[at + 1 :]) for part in parts]
    return 0 if all(results) else 1



if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
