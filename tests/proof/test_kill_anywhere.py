# SPDX-License-Identifier: GPL-3.0-or-later
"""A law: killed anywhere, the next run ends with the same bytes.  And Ctrl-C leaves nobody behind.

DEBXCROSS_KILLS is how many random points are tried (10), DEBXCROSS_KILL_SOURCES what is built
("zlib libffi"); DEBXCROSS_SEED makes them the same again.  A real small chain is built each
time, so this needs the configured mirror.
"""
from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from debxcross.doors.chroot import Chroots
from debxcross.doors.store import Store
from debxcross.steps.store import gc
from tests.tools import need

pytestmark = [pytest.mark.slow, pytest.mark.network]

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("DEBXCROSS_KILLS", "10"))
SEED = int(os.environ.get("DEBXCROSS_SEED", str(random.SystemRandom().randrange(10**6))))
SOURCES = os.environ.get("DEBXCROSS_KILL_SOURCES", "zlib libffi").split()
CHAIN = '[chain]\nname = "small"\nrelease = "bookworm"\n' + "".join(
    f'\n[[source]]\nname = "{name}"\n' for name in SOURCES)
#: An interrupted run may take this long to end, in seconds.
PATIENCE = 5.0


class Bench:
    """A store of its own, and runs on it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = directory / "store"
        self.chain = directory / "small.toml"
        self.chain.write_text(CHAIN)

    def start(self, output: str) -> subprocess.Popen[bytes]:
        """Start a run in a session of its own."""
        return subprocess.Popen(
            [sys.executable, "-c", "from debxcross.cli import main; main()", "build-dep-chain", "armel",
             "--chain", str(self.chain), "--no-trial", "--store", str(self.store),
             "--output", str(self.directory / output)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "DEBXCROSS_KEYS": str(self.directory / "keys")},
            cwd=self.directory, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
            # Whoever runs this in the background of a shell has inherited that Ctrl-C is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))

    def run(self, output: str) -> dict[str, str]:
        """Run to the end; return the sha256 of every .deb by name."""
        process = self.start(output)
        _, stderr = process.communicate(timeout=900)
        assert process.returncode == 0, stderr.decode(errors="replace")[-3000:]
        summary = json.loads((self.directory / output / "summary.json").read_text())
        return {deb["file"]: deb["sha256"] for deb in summary["debs"]}

    def forget_results(self) -> None:
        """Leave base roots, sources and packages; drop every result and resolved environment."""
        for name in ("artifacts", "memo/environment", "memo/history", "memo/publication"):
            shutil.rmtree(self.store / name, ignore_errors=True)
        (self.store / "artifacts").mkdir()

    def processes(self) -> list[str]:
        """Return the command lines of all processes that work below this directory."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                mounts = (path / "mountinfo").read_text()
            except OSError:
                continue
            if int(path.name) != os.getpid() and (str(self.directory) in words
                                                  or str(self.directory) in mounts):
                found.append(words)
        return found


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    need("mmdebstrap", "unshare", "gpg")
    made = Bench(tmp_path_factory.mktemp("kill"))
    yield made
    Chroots().remove(made.store)


@pytest.fixture(scope="module")
def expected(bench: Bench) -> dict[str, str]:
    """Build once, undisturbed."""
    return bench.run("first")


def length(bench: Bench) -> float:
    """Return how long a run takes that builds the members but not the base root, in seconds."""
    bench.forget_results()
    begin = time.monotonic()
    bench.run("timed")
    return time.monotonic() - begin


def test_killed_anywhere_the_next_run_ends_with_the_same_bytes(
        bench: Bench, expected: dict[str, str]) -> None:
    chance = random.Random(SEED)
    seconds = length(bench)
    for number in range(KILLS):
        bench.forget_results()
        shutil.rmtree(bench.directory / "out", ignore_errors=True)
        process = bench.start("out")
        moment = chance.uniform(0, seconds)
        time.sleep(moment)
        process.kill()
        process.communicate(timeout=60)
        where = f"kill {number} of seed {SEED}, after {moment:.2f} of {seconds:.1f} s"
        end = time.monotonic() + PATIENCE
        while bench.processes() and time.monotonic() < end:
            time.sleep(0.1)
        assert bench.processes() == [], where
        assert bench.run("out") == expected, where
        store = Store(bench.store)
        assert not gc.verify(store, Chroots()).found, where
        assert store.abandoned() == () and list((bench.store / "work").iterdir()) == [], where


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_soon_and_leaves_nobody(
        bench: Bench, expected: dict[str, str], number: signal.Signals) -> None:
    chance = random.Random(SEED)
    seconds = length(bench)
    interrupted = 0
    for _ in range(max(1, KILLS // 3)):
        bench.forget_results()
        process = bench.start("out")
        time.sleep(chance.uniform(1.0, seconds * 0.8))
        process.send_signal(number)
        begin = time.monotonic()
        _, stderr = process.communicate(timeout=60)
        took = time.monotonic() - begin
        if process.returncode == 0 and b"the run is done" in stderr:
            continue  # quicker than the one whose length was taken
        interrupted += 1
        assert process.returncode == 130, stderr.decode(errors="replace")[-2000:]
        assert took < PATIENCE, f"seed {SEED}: it took {took:.1f} s"
        assert bench.processes() == [] and b"Run the same command again" in stderr
    assert interrupted and bench.run("out") == expected
    # Deleting build roots would have taken its time: the next run does it.
    assert list((bench.store / "work").iterdir()) == []
