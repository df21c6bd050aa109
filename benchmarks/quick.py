# SPDX-License-Identifier: GPL-3.0-or-later
"""Times what a person waits for when nothing needs building, and the orchestrator's memory.

    .venv/bin/python benchmarks/quick.py [ARCH]

Run the chain once before: the second run is what is measured.  Then the same for a chain of
200 members (many.py tells how it is made), which needs neither mirror nor build.  Prints
medians of several runs beside the target, and the ratio to starting the bare interpreter in
the same minute, which tells how loaded the machine was.
"""
from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.many import make_chain  # noqa: E402

DEBXCROSS = Path(sys.executable).with_name("debxcross")
MANY = 200


def median_seconds(argv: list[str], runs: int, directory: Path | None = None) -> float:
    """Return the median wall time of a command, in seconds, after one run that does not count."""
    times = []
    for number in range(runs + 1):
        started = time.perf_counter()
        done = subprocess.run(
            argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=directory)
        if done.returncode:
            raise SystemExit(f"{' '.join(argv)} ended with status {done.returncode}:\n{done.stderr[-2000:]}")
        if number:
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def many(arch: str) -> list[tuple[str, float, float]]:
    """Measure a run and a plan of a chain of made-up members in which nothing has changed."""
    with tempfile.TemporaryDirectory(prefix="debxcross-many-") as place:
        directory = Path(place)
        make_chain(directory, arch, MANY)
        chain = ["--chain", "./many.toml"]
        return [
            (f"second run, {MANY} members", median_seconds(
                [str(DEBXCROSS), "build-dep-chain", arch, "--no-trial", *chain], 5, directory), 3.0),
            (f"plan, {MANY} members", median_seconds(
                [str(DEBXCROSS), "plan", arch, *chain], 5, directory), 3.0)]


def main() -> None:
    """Measure and print."""
    arch = sys.argv[1] if len(sys.argv) > 1 else "armel"
    bare = median_seconds([sys.executable, "-c", "pass"], 9)
    rows = [
        ("debxcross --help", median_seconds([str(DEBXCROSS), "--help"], 9), 0.3),
        ("second run, nothing changed",
         median_seconds([str(DEBXCROSS), "build-dep-chain", arch], 5), 1.5),
        ("plan, nothing changed", median_seconds([str(DEBXCROSS), "plan", arch], 5), 1.5),
    ]
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    rows += many(arch)
    print(f"{'what':<30} {'median':>8} {'target':>8} {'× bare interpreter':>20}")
    for name, seconds, target in rows:
        print(f"{name:<30} {seconds:7.2f}s {target:7.2f}s {seconds / bare:19.1f}x")
    print(f"{'largest process':<30} {peak:6.0f}MB {150:6}MB")


if __name__ == "__main__":
    main()
