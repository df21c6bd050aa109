# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares making a sysroot with unpacking the same packages by other means, and its size with theirs.

    .venv/bin/python benchmarks/sysroot.py [ARCH] [RELEASE] [--cold] [--package NAME]… [OPTION…]

Warm: `sysroot create` as a directory and as an archive, against `dpkg-deb --extract` of the
same .debs one after the other; the best of three, interleaved.  With --cold: an empty
store, indexes and packages fetched, against `mmdebstrap --variant=extract` of the same set,
the median of seven, in turn.
Other options go to `sysroot create`.
"""
from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DEBXCROSS = Path(sys.executable).with_name("debxcross")
ROUNDS = 3
ROUNDS_COLD = 7


def seconds(argv: list[str]) -> float:
    """Return the wall time of a command that must end well, in seconds."""
    started = time.perf_counter()
    done = subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)} ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    return time.perf_counter() - started


def size(directory: Path) -> float:
    """Return the size of all files below a directory, in megabytes."""
    return sum(path.lstat().st_size for path in directory.rglob("*")
               if path.is_file() and not path.is_symlink()) / 1e6


def warm(create: list[str], place: Path) -> Path:
    """Measure with everything fetched; return the sysroot that was made."""
    sysroot = place / "sysroot"
    seconds([*create, "--output", str(sysroot)])
    manifest = json.loads((sysroot / "debxcross/manifest.json").read_text())
    objects = Path(os.environ.get("DEBXCROSS_STORE") or Path.home() / ".cache/debxcross") / "objects"
    debs = [objects / one["sha256"][:2] / one["sha256"] for one in manifest["packages"]]
    best = {"dpkg-deb": 1e9, "directory": 1e9, "archive": 1e9}
    for _ in range(ROUNDS):
        shutil.rmtree(place / "plain", ignore_errors=True)
        loop = 'for deb in "$@"; do dpkg-deb --extract "$deb" "$0"; done'
        best["dpkg-deb"] = min(best["dpkg-deb"], seconds(
            ["sh", "-c", loop, str(place / "plain"), *map(str, debs)]))
        for kind, name in (("directory", "again"), ("archive", "again.tar.zst")):
            shutil.rmtree(place / name, ignore_errors=True)
            (place / name).unlink(missing_ok=True)
            best[kind] = min(best[kind], seconds([*create, "--output", str(place / name)]))
    print(f"{len(debs)} packages")
    print(f"{'dpkg-deb --extract':<38} {best['dpkg-deb']:8.2f}s {size(place / 'plain'):8.1f} MB")
    print(f"{'sysroot create, a directory':<38} {best['directory']:8.2f}s {size(sysroot):8.1f} MB")
    print(f"{'sysroot create, an archive':<38} {best['archive']:8.2f}s "
          f"{(place / 'again.tar.zst').stat().st_size / 1e6:8.1f} MB")
    print(f"{'time: ratio (target 1.10)':<38} {best['directory'] / best['dpkg-deb']:8.2f}")
    print(f"{'size: ratio (target below 0.50)':<38} {size(sysroot) / size(place / 'plain'):8.2f}")
    return sysroot


def cold(create: list[str], sysroot: Path, place: Path) -> None:
    """Measure from nothing."""
    manifest = json.loads((sysroot / "debxcross/manifest.json").read_text())
    names = ",".join(one["name"] for one in manifest["packages"])
    ours, theirs = [], []
    for number in range(ROUNDS_COLD):  # nothing is removed in between: that would go on in the background
        here = place / f"cold{number}"
        ours.append(seconds([*create, "--store", str(here / "store"), "--output", str(here / "ours")]))
        theirs.append(seconds([
            "mmdebstrap", "--variant=extract", f"--architectures={manifest['architecture']}",
            f"--include={names}", manifest["release"], str(here / "theirs")]))
    for name, times in (("sysroot create from nothing", ours), ("mmdebstrap --variant=extract", theirs)):
        print(f"{name:<38} {statistics.median(times):8.2f}s {min(times):8.2f}s at best")
    ratio = statistics.median(ours) / statistics.median(theirs)
    print(f"{'ratio of medians (target below 1.00)':<38} {ratio:8.2f}")


def main() -> None:
    """Measure and print."""
    words = [word for word in sys.argv[1:] if word != "--cold"]
    first = next((number for number, word in enumerate(words) if word.startswith("-")), len(words))
    arch, release = (*words[:first], "armel", "bookworm")[:2] if first != 1 else (words[0], "bookworm")
    create = [str(DEBXCROSS), "sysroot", "create", arch, "--release", release, *words[first:]]
    with tempfile.TemporaryDirectory(prefix="debxcross-") as directory:
        sysroot = warm(create, Path(directory))
        if "--cold" in sys.argv:
            cold(create, sysroot, Path(directory))


if __name__ == "__main__":
    main()
