# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks on the machine out of a build root, as root and as a user; docs/security.md has the table.

Only marker files in directories of the tests are tried; every hog has bounds inside and ends by itself.
"""
from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from debxcross.core.bounds import Bounds
from debxcross.doors.chroot import Chroots, Session
from debxcross.doors.host import gather
from debxcross.errors import BoundError
from tests.smallroot import PROGRAMS, give_to_roots, make_plain
from tests.tools import need

ROOT = Path(__file__).resolve().parents[2]
SECRET = "the machine's own"
#: The oldest way out: a root directory below the current one, then up, and there is the machine's.
SECOND_CHROOT = ('mkdir "/trap"; chroot("/trap") or die "refused: $!\\n"; chdir("..") for 1..64; chroot(".");'
                 ' open(my $file, "<", $ARGV[0]) or die "not there: $!\\n"; print <$file>')


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("plain") / "root"
    make_plain(place, (*PROGRAMS, "perl"))
    (place / "trick.pl").write_text(SECOND_CHROOT)
    return place


@pytest.fixture
def session(plain: Path, tmp_path: Path) -> Iterator[Session]:
    chroots = Chroots("unshare", Bounds(processes=150, log_size=200 << 20, time=60))
    chroots.check()
    give_to_roots(plain, tmp_path / "base")
    yield chroots.session(tmp_path / "base", tmp_path / "session")
    chroots.remove(tmp_path / "session")
    chroots.remove(tmp_path / "base")


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    (tmp_path / "marker").write_text(SECRET)
    return tmp_path / "marker"


def test_the_second_chroot_works_where_there_is_only_the_first(plain: Path, marker: Path) -> None:
    """The trick itself is sound: without a sandbox it reads the machine's file."""
    if os.geteuid():
        pytest.skip("only root can call chroot without a namespace")
    said = subprocess.run(["unshare", "--mount", "chroot", str(plain), "perl", "/trick.pl", str(marker)],
                          capture_output=True, text=True)
    (plain / "trap").rmdir()
    assert said.stdout == SECRET, said.stderr


def test_the_second_chroot_leads_nowhere(session: Session, marker: Path) -> None:
    done = session.run(["perl", "/trick.pl", str(marker)])
    assert SECRET not in done.stdout
    assert "refused: Operation not permitted" in done.stderr


#: keyctl(2), bpf(2), io_uring_setup(2) by their numbers on amd64; ioctl_tty(2), TIOCSTI.
CALLS = """
for (250, 321, 425) { my $said = syscall($_, 0, 0, 0); print "$!\n" }
my $typed = "x"; ioctl(STDIN, 0x5412, $typed); print "$!\n";
"""


def test_system_calls_are_refused(session: Session) -> None:
    if os.uname().machine != "x86_64" or not gather(session.directory, session.directory, ()).seccomp.ok:
        pytest.skip("only tried on amd64, with python3-seccomp")
    session.write("/calls.pl", CALLS)
    assert session.run(["perl", "/calls.pl"]).stdout.splitlines() == [
        *["Function not implemented"] * 3, "Operation not permitted"]


def test_every_escape_as_an_ordinary_user(tmp_path: Path) -> None:
    """Runs the tests of the door once more as a user who is made now and removed afterwards."""
    need("useradd", "userdel", "newuidmap")
    if os.geteuid():
        pytest.skip("only root can make a user")
    user = f"debxcross-{os.getpid()}"
    subprocess.run(["useradd", "--create-home", "--add-subids-for-system", "--system", user], check=True)
    try:
        done = subprocess.run(
            ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--reset-env", sys.executable,
             "-m", "pytest", "-q", "-m", "", "-p", "no:cacheprovider", "-W", "ignore",
             "--basetemp", f"/home/{user}/t", "-rs", "tests/doors/test_chroot_escape.py",
             "tests/proof/test_escape.py::test_the_second_chroot_leads_nowhere"],
            cwd=ROOT, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "skipped" not in done.stdout, done.stdout
    finally:
        subprocess.run(["userdel", "--remove", user], check=True, capture_output=True)


def test_a_fork_bomb_does_not_hinder_another_step(session: Session, tmp_path: Path) -> None:
    other = Chroots().session(session.base, tmp_path / "other")
    told: list[str] = []

    def bomb() -> None:
        try:
            session.run(["bash", "-c", "b() { b | b & }; b; sleep 30"], user="builder")
        except BoundError as error:
            told.append(error.brief)
    thread = threading.Thread(target=bomb)
    thread.start()
    began = time.monotonic()
    try:
        for number in range(20):
            assert other.run(["sh", "-c", f"echo {number} | cat"]).stdout == f"{number}\n"
        assert time.monotonic() - began < 60
    finally:
        thread.join()
        other.chroots.remove(other.directory)
    assert told and "limits.processes" in told[0]


def test_output_without_end_costs_no_memory(session: Session, tmp_path: Path) -> None:
    log = tmp_path / "log"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BoundError, match="limits.log-size"):
        session.run(["sh", "-c", "cat /dev/zero"], log=log)
    assert log.stat().st_size < (200 << 20) + 200
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000, "kB"


def test_a_log_of_a_failed_step_costs_no_memory(session: Session, tmp_path: Path) -> None:
    log = tmp_path / "log"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert session.run(["sh", "-c", "head -c 150000000 /dev/zero; exit 3"], log=log).exit_status == 3
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000, "kB"
