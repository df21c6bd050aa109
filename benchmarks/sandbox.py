# SPDX-License-Identifier: GPL-3.0-or-later
"""Times one command in a root: what entering and leaving it costs.

    .venv/bin/python benchmarks/sandbox.py [CHECKOUT]

Prints the median of 20 runs of "true" in a tiny root, as the door enters it, beside that of "true" on
this machine through the door to processes.  CHECKOUT is another checkout, to compare with: its doors
are then used.
"""
from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(Path(sys.argv[1]).resolve()) if len(sys.argv) > 1 else str(ROOT)]

from debxcross.doors import process  # noqa: E402
from debxcross.doors.chroot import Chroots  # noqa: E402

sys.path.append(str(ROOT))

RUNS = 20


def median(run: Callable[[], object]) -> float:
    """Return the median of some runs in seconds, after one that does not count."""
    times = []
    for _ in range(RUNS + 1):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def main() -> None:
    """Measure and print."""
    from tests import smallroot

    chroots = Chroots()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        base = place / "plain"
        smallroot.make_plain(base)
        if hasattr(chroots, "make_directory"):
            smallroot.give_to_roots(base, place / "base")
            base = place / "base"
        session = chroots.session(base, place / "session")
        inside = median(lambda: session.run(["true"]))
        outside = median(lambda: process.run(["true"]))
        for path in place.iterdir():
            chroots.remove(path)
    print(f"a command in a root: {inside:.3f} s; on the machine: {outside:.3f} s")


if __name__ == "__main__":
    main()
