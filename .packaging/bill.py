#!/usr/bin/env python3
"""Writes what a program is made of: the licences of all libraries that are built into it, and a bill of materials.

    .packaging/bill.py DIRECTORY        (from the root of the sources)

Makes DIRECTORY/licences.txt and DIRECTORY/sbom.cdx.json (CycloneDX 1.5). Reads `cargo metadata` and the sources that cargo
has fetched, and nothing else; SOURCE_DATE_EPOCH is the time in the bill. Fails where a library has no licence.
"""

import json
import os
import pathlib
import subprocess
import sys
import tomllib
import uuid
from datetime import datetime, timezone

TARGET = "x86_64-unknown-linux-gnu"
TEXTS = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT", "UNLICENSE")


def metadata():
    """What cargo would build for the target, with default features."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", TARGET]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def built(found):
    """The packages that get into the program, and those that each of them uses; nothing that only tests or builds use."""
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    uses, ahead = {}, [found["resolve"]["root"]]
    while ahead:
        package = ahead.pop()
        if package in uses:
            continue
        normal = [dep["pkg"] for dep in nodes[package]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
        uses[package] = normal
        ahead.extend(normal)
    return uses


def texts(package):
    """The licence texts that came with a package."""
    folder = pathlib.Path(package["manifest_path"]).parent
    named = [path for path in folder.iterdir() if path.is_file() and path.name.upper().startswith(TEXTS)]
    if package.get("license_file"):
        named.append(folder / package["license_file"])
    return [path.read_text(errors="replace").strip() for path in sorted(set(named))]


def name(package):
    return f"{package['name']} {package['version']}"


def write_licences(path, packages):
    """One list of all packages, then each text once, with those that came with it."""
    by_text, lines = {}, ["The libraries that are built into lacre, with their licences.", ""]
    for package in packages:
        lines.append(f"{name(package)}: {package['license'] or 'see its text'}")
        for text in texts(package):
            by_text.setdefault(text, []).append(name(package))
    for text, of in sorted(by_text.items(), key=lambda entry: entry[1]):
        lines += ["", "=" * 80, *of, "=" * 80, "", text]
    path.write_text("\n".join(lines) + "\n")


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, kind, checksums):
    one = {
        "type": kind,
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
    }
    if package["license"]:
        # The form from before SPDX had expressions.
        one["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if package.get("description"):
        one["description"] = " ".join(package["description"].split())
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        one["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return one


def write_bill(path, root, packages, uses, checksums):
    by_id = {package["id"]: package for package in [root, *packages]}
    components = [component(package, "library", checksums) for package in packages]
    dependencies = [
        {"ref": purl(by_id[package]), "dependsOn": sorted({purl(by_id[used]) for used in uses[package]})}
        for package in sorted(by_id, key=lambda package: purl(by_id[package]))
    ]
    # The same sources have the same bill.
    content = json.dumps([components, dependencies], sort_keys=True)
    when = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), timezone.utc)
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}",
        "version": 1,
        "metadata": {
            "timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": component(root, "application", checksums),
        },
        "components": components,
        "dependencies": dependencies,
    }
    path.write_text(json.dumps(bill, indent=2, ensure_ascii=False) + "\n")


def main():
    out = pathlib.Path(sys.argv[1])
    found = metadata()
    uses = built(found)
    by_id = {package["id"]: package for package in found["packages"]}
    root = by_id[found["resolve"]["root"]]
    packages = sorted(
        (by_id[package] for package in uses if package != root["id"]), key=lambda one: (one["name"], one["version"])
    )
    bare = [name(package) for package in packages if not package["license"] and not texts(package)]
    if bare:
        sys.exit(f"no licence: {', '.join(bare)}")
    with open("Cargo.lock", "rb") as lock:
        locked = tomllib.load(lock)["package"]
    checksums = {(one["name"], one["version"]): one["checksum"] for one in locked if "checksum" in one}
    write_licences(out / "licences.txt", packages)
    write_bill(out / "sbom.cdx.json", root, packages, uses, checksums)


main()
