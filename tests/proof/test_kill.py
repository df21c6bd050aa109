# SPDX-License-Identifier: GPL-3.0-or-later
"""A publication is killed, or its system calls fail, at every call that changes anything.

strace injects: SIGKILL, or an error, at the Nth call of a kind, for every N there is.
"""
from __future__ import annotations

import collections
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from debxcross.doors import gpg
from tests.proof.bench import CHECKOUT, CODENAME, Bench
from tests.tools import need

CALLS = ("rename", "link", "linkat", "unlink", "unlinkat", "rmdir", "mkdir", "symlink", "fsync", "write",
         "utimensat", "chmod", "fchmod", "fchmodat")
ERRORS = {"write": "ENOSPC", "fsync": "EIO", "rename": "EIO", "linkat": "EIO", "link": "EIO",
          "mkdir": "EACCES", "symlink": "EROFS"}
#: Every how manieth call is hit, starting from which; all of them by default.
STRIDE = int(os.environ.get("DEBXCROSS_PROOF_STRIDE", "1"))
OFFSET = int(os.environ.get("DEBXCROSS_PROOF_OFFSET", "0"))

PROGRAM = """
import sys
from pathlib import Path
from debxcross.repository.core.index import RepositorySettings
from debxcross.errors import DebxcrossError
from debxcross.repository.steps.publish import publish
web, state, url, codename, now, *debs = sys.argv[1:]
settings = RepositorySettings(codename, codename, ("amd64", "armel"), url)
try:
    publish(Path(web), Path(state), settings, [Path(deb) for deb in debs], now=lambda: float(now))
except DebxcrossError as error:
    sys.stderr.write(f"{type(error).__name__}: {error.brief}: {error.details}")
    sys.exit(error.exit_status)
"""


def traced(bench: Bench, deb: Path, *options: str) -> tuple[int, str]:
    """Publish as a process of its own under strace; return its exit status and what it said."""
    argv = ["strace", "-qq", *options, sys.executable, "-c", PROGRAM, str(bench.web), str(bench.state),
            bench.url, CODENAME, str(bench.now), str(deb)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(bench.directory)}
    done = subprocess.run(argv, cwd=CHECKOUT, env=environment, text=True, capture_output=True, timeout=120)
    return done.returncode, done.stderr


def calls_of(bench: Bench, deb: Path) -> collections.Counter[str]:
    """Return how often a publication makes each call."""
    log = bench.directory / "strace.log"
    traced(bench, deb, "-o", str(log), "-e", f"trace=?{',?'.join(CALLS)}")
    return collections.Counter(re.findall(r"^(\w+)\(", log.read_text(), re.MULTILINE))


def packages(bench: Bench) -> set[str]:
    """Return what a client finds, having followed InRelease to every deb."""
    found = bench.verify()
    names = ("by-hash", "InRelease", "pool/")
    assert [fault for fault in found.faults if any(name in fault.path for name in names)] == []
    keyring = bench.web / "debxcross-archive-keyring.gpg"
    text = gpg.verify(keyring, bench.web / "dists" / CODENAME / "InRelease").text
    lines = text.splitlines()[::-1]
    sha256 = next(line.split()[0] for line in lines if line.endswith("binary-amd64/Packages"))
    index = bench.web / f"dists/{CODENAME}/main/binary-amd64/by-hash/SHA256/{sha256}"
    return set(re.findall(r"^Filename: .*/(tiny_.*)_amd64.deb$", index.read_text(), re.MULTILINE))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    need("strace")
    bench = Bench(tmp_path)
    bench.publish(bench.deb("staying", "1"), bench.deb("tiny", "0"))
    return bench


def every_call(bench: Bench, calls: tuple[str, ...]) -> list[tuple[str, int]]:
    bench.now += 1
    counted = calls_of(bench, bench.deb("tiny", "1"))
    print(f"\ncalls of one publication: {dict(counted)}")
    assert counted["rename"] > 10 and counted["fsync"] > 3
    found = [(name, number) for name in calls for number in range(1, counted[name] + 1)]
    return found[OFFSET::STRIDE]


@pytest.mark.slow
def test_killed_at_every_call_clients_see_old_or_new(bench: Bench) -> None:
    killed = 0
    version = 1
    for name, number in every_call(bench, CALLS):
        bench.now += 1
        version += 1
        deb = bench.deb("tiny", f"{version}")
        status, _ = traced(bench, deb, "-e", f"trace={name}", "-o", "/dev/null",
                           "-e", f"inject={name}:signal=SIGKILL:when={number}")
        killed += status != 0
        assert packages(bench) <= {f"tiny_{version - 1}", f"tiny_{version}"}, (name, number)
        # The next publication neither waits nor needs help, and everything is whole.
        bench.now += 1
        bench.publish(deb)
        assert packages(bench) == {f"tiny_{version}"}
        assert bench.verify().faults == [], (name, number)
        assert not (bench.web / ".staging").exists()
    print(f"kill, every {STRIDE} from {OFFSET}: {killed} killed runs, each healed by the next publication")
    assert killed > 10


@pytest.mark.slow
def test_failing_calls_leave_the_old_repository_and_name_the_file(bench: Bench) -> None:
    failed = unnamed = 0
    version = 1
    for name, number in every_call(bench, tuple(ERRORS)):
        bench.now += 1
        version += 1
        deb = bench.deb("tiny", f"{version}")
        status, told = traced(bench, deb, "-e", f"trace={name}", "-o", "/dev/null",
                              "-e", f"inject={name}:error={ERRORS[name]}:when={number}")
        assert packages(bench) <= {f"tiny_{version - 1}", f"tiny_{version}"}, (name, number)
        if status:
            failed += 1
            assert "Traceback" not in told, told
            assert "Error: " in told, told
            unnamed += not re.search(r"/(web|state|debxcross-)", told)
        bench.now += 1
        bench.publish(deb)
        assert packages(bench) == {f"tiny_{version}"}
        assert bench.verify().faults == [], (name, number)
    print(f"errors, every {STRIDE} from {OFFSET}: {failed} failed runs, {unnamed} without a file name, "
          "each healed by the next publication")
    assert failed > 10
