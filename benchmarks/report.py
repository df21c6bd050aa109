# SPDX-License-Identifier: GPL-3.0-or-later
"""Times the report of a run of many members: its size and how long it takes to write.

    .venv/bin/python -m benchmarks.report [MEMBERS] [--keep DIR]

The events are those of a run that never was: members with needs, phases, packages, trials and a few
failures.  The limits for 200 members are 2 MB and one second of a
processor.
"""
from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


from debxcross.app.report import write_report
from debxcross.events import Event

MOST_BYTES, MOST_SECONDS = 2_000_000, 1.0
PHASES = ("unpacking the source", "resolving build dependencies", "fetching 43 packages (21.9 MB)",
          "installing 43 packages", "dpkg-buildpackage -aarmhf", "checking the results",
          "comparing with Debian's own packages")
SHARES = (0.02, 0.08, 0.03, 0.2, 0.55, 0.07, 0.05)


def events(count: int, workers: int = 4) -> list[Event]:
    """Return the events of a run of ``count`` members; the same for the same number."""
    chance = random.Random(count)
    names = [f"member{number}" for number in range(count)]
    needs = {name: sorted(chance.sample(names[max(0, number - 30):number], min(number, chance.randint(0, 3))))
             for number, name in enumerate(names)}
    start = 1_790_000_000.0
    found = [Event("run-started", "", "many", start, {
        "chain": "many", "architecture": "armhf", "release": "bookworm", "pid": 1,
        "members": ["build-root", *names, "repository", "device-trial"]})]

    def tell(kind: str, member: str, at: float, text: str = "", **data: Any) -> None:
        found.append(Event(kind, member, text, start + at, data))

    tell("plan", "plan", 2.0, planned=[
        {"name": name, "kind": "source", "version": f"1.{number}-2+deb12u1", "origin": "bookworm (source)",
         "state": "ready", "reason": "the store has no result for these inputs", "needs": needs[name]}
        for number, name in enumerate(names)])
    tell("state", "build-root", 2.0, state="ready")
    tell("state", "build-root", 2.0, state="building", worker=0)
    tell("state", "build-root", 40.0, state="built", seconds=38.0)
    free, ended, bad = [40.0] * workers, {"build-root": 40.0}, set[str]()
    for name in names:
        tell("state", name, 2.0, state="waiting", needs=["build-root", *needs[name]])
        if bad.intersection(needs[name]):
            bad.add(name)
            tell("state", name, 41.0, state="blocked", reason=f"needs {needs[name][0]}")
            continue
        ready = max(ended[one] for one in ("build-root", *needs[name]))
        worker = free.index(min(free))
        at = begin = max(ready, free[worker])
        tell("state", name, ready, state="ready")
        tell("state", name, begin, state="building", worker=worker)
        whole = chance.lognormvariate(4, 0.9)
        for phase, share in zip(PHASES, SHARES):
            tell("activity", name, at, phase)
            at += whole * share
        free[worker] = ended[name] = at
        if chance.random() < 0.02:
            bad.add(name)
            tell("state", name, at, state="failed", reason=f"{name}: the build failed", failure_class="build",
                 seconds=at - begin)
            tell("error", name, at, brief=f"{name} 1.0: the build failed", details="cc: error\n" * 40,
                 resolution="Read the log.", exit_status=20, failure_class="build")
            continue
        tell("changes", name, at, changes=[
            {"what": f"libc6:armhf{number}", "before": "2.36-9", "after": "2.36-10"} for number in range(3)])
        tell("gates", name, at, checks=chance.randint(20, 400), accepted=[], compared=[
            {"subject": f"lib{name}{number}", "found": "compared with 1.0-2 armhf: nothing is lost"}
            for number in range(5)])
        for number in range(5):
            tell("artifact", name, at, name=f"lib{name}-{number}_1.0-2_armhf.deb",
                 size=chance.randint(5_000, 4_000_000), sha256=f"{chance.getrandbits(256):064x}")
        tell("state", name, at, state="built", seconds=at - begin)
    tell("state", "plan", 0.5, state="building")
    tell("state", "plan", 2.0, state="built")
    tell("state", "repository", max(free), state="building", worker=0)
    tell("state", "repository", max(free) + 9, state="built", seconds=9.0)
    tell("state", "device-trial", max(free) + 9, state="building", worker=1)
    tell("state", "device-trial", max(free) + 30, state="built", seconds=21.0)
    tell("trial", "device-trial", max(free) + 29, results=[
        {"name": f"import module{number}", "ok": True, "text": "", "signal": 0, "attempts": 1}
        for number in range(count)])
    tell("run-ended", "", max(free) + 31, ok=not bad, seconds=max(free) + 31, exit_status=20 if bad else 0)
    return sorted(found, key=lambda event: event.time)


def measure(directory: Path, count: int) -> tuple[int, float, float]:
    """Write the report of such a run; return its size in bytes, and seconds of a processor and in all."""
    logs = directory / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    told = events(count)
    (logs / "events.jsonl").write_text("".join(f"{event.line()}\n" for event in told))
    for event in told:
        if event.data.get("state") == "failed":
            (logs / f"{event.member}.log").write_text("cc -c file.c -o file.o\n" * 5000)
    begin, used = time.perf_counter(), time.process_time()
    page = write_report(directory, {})
    return page.stat().st_size, time.process_time() - used, time.perf_counter() - begin


def main() -> None:
    """Print a line, and end with status 1 when a limit is passed."""
    arguments = sys.argv[1:]
    keep = arguments.index("--keep") if "--keep" in arguments else None
    place = Path(arguments[keep + 1]) if keep is not None else Path(tempfile.mkdtemp(prefix="report-"))
    count = int(arguments[0]) if arguments and arguments[0].isdecimal() else 200
    size, seconds, whole = measure(place, count)
    print(f"{count} members: {size / 1e6:.2f} MB, {seconds:.2f} s of a processor, {whole:.2f} s in all "
          f"({place / 'report' / 'index.html'})")
    sys.exit(count <= 200 and (size > MOST_BYTES or seconds > MOST_SECONDS))


if __name__ == "__main__":
    main()
