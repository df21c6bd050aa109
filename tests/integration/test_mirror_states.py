# SPDX-License-Identifier: GPL-3.0-or-later
"""Mirrors that are not whole: between two states, stale, whole under another name only, gone."""
from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from debxcross.doors import process
from tests.integration.archive import (
    SigningHome, TinyPackage, TinySource, library, make_suite, sign, signing_home, toolchain,
    without_progress,
)
from tests.tools import need

ROOT = Path(__file__).resolve().parents[2]
HOST = "armel"
MAIN = "import sys; sys.argv[0] = 'debxcross'; from debxcross.cli import main; main()"
ALPHA = TinySource("alpha")
BETA = TinySource("beta", "debhelper, libalpha-dev",
                  binaries=(library("beta", "libalpha-dev, ${misc:Depends}"),))
GAMMA = TinySource("gamma", binaries=(library("gamma"),))
HOUR = 3600


@dataclass(frozen=True)
class Place:
    """Two whole states of one archive, what they are signed with, and this machine's architecture."""

    before: Path
    after: Path
    home: SigningHome
    build: str


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    need("apt-get", "apt-ftparchive", "dpkg", "dpkg-source", "gpg", "gpgv")
    build = process.run(["dpkg", "--print-architecture"]).stdout.strip()
    directory = tmp_path_factory.mktemp("states")
    packages = toolchain(build, HOST)
    with signing_home(directory / "keyring.gpg") as home:
        for name, more in (("before", ()), ("after", (TinyPackage("newcomer", HOST),))):
            (directory / name).mkdir()
            make_suite(directory / name, "sid", home, architectures=(build, HOST),
                       packages=(*packages, *more), sources=(ALPHA, BETA, GAMMA))
        yield Place(directory / "before", directory / "after", home, build)


class Mirror:
    """A mirror on loopback, which can be changed and stopped."""

    def __init__(self, place: Place, directory: Path) -> None:
        self.place, self.directory = place, directory
        shutil.copytree(place.before, directory)
        handler = partial(_Quiet, directory=str(directory))
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._stopped = False

    @property
    def suite(self) -> Path:
        return self.directory / "dists/sid"

    def stop(self) -> None:
        if not self._stopped:
            self._stopped = True
            self._http.shutdown()
            self._http.server_close()
            self._thread.join()

    def begin_update(self) -> None:
        """Have the new signed Release and the old indexes, as in the middle of a synchronisation."""
        for name in ("InRelease", "Release"):
            shutil.copy2(self.place.after / "dists/sid" / name, self.suite / name)

    def with_fields(self, **fields: str) -> None:
        """Sign the suite's Release again with more or other fields."""
        release = self.suite / "Release"
        names = {name.replace("_", "-"): value for name, value in fields.items()}
        kept = [line for line in release.read_text().splitlines() if line.partition(":")[0] not in names]
        release.write_text("".join(f"{name}: {value}\n" for name, value in names.items())
                           + "\n".join(kept) + "\n")
        sign(self.suite, self.place.home)


class _Quiet(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        # Two states that are made within a second would have one Last-Modified.
        del self.headers["If-Modified-Since"]
        super().do_GET()

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


class Desk:
    """A working directory with a configuration, a chain and a store of its own."""

    def __init__(self, mirror: Mirror, directory: Path) -> None:
        self.mirror, self.directory = mirror, directory
        self.configure()
        self.chain("alpha", "beta")

    def configure(self, more: str = "") -> None:
        (self.directory / "debxcross.toml").write_text(
            f'[mirrors]\nmain = ["{self.mirror.url}"]\nsecurity = ["{self.mirror.url}"]\n'
            f'keyrings = ["{self.mirror.place.home.keyring}"]\n{more}')

    def chain(self, *sources: str, release: str = "sid") -> None:
        members = "".join(f'\n[[source]]\nname = "{name}"\n' for name in sources)
        (self.directory / "tiny.toml").write_text(
            f'[chain]\nname = "tiny"\nrelease = "{release}"\n{members}')

    def age(self, seconds: float) -> None:
        """Let the indexes be as old as that."""
        (stamp,) = (self.directory / "store").glob("**/updated")
        before = time.time() - seconds
        os.utime(stamp, (before, before))

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Return exit status, standard output and standard error of a command line."""
        done = subprocess.run(
            [sys.executable, "-c", MAIN, *arguments], cwd=self.directory, text=True, capture_output=True,
            timeout=90, env={
                "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(self.directory),
                "DEBXCROSS_STORE": str(self.directory / "store"), "COLUMNS": "1000", "LC_ALL": "C.UTF-8",
                "no_proxy": "127.0.0.1"})
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout, without_progress(done.stderr)

    def plan(self, *more: str) -> tuple[int, str, str]:
        return self.run("plan", HOST, "--chain", "./tiny.toml", *more)


@pytest.fixture
def mirror(place: Place, tmp_path: Path) -> Iterator[Mirror]:
    made = Mirror(place, tmp_path / "mirror")
    yield made
    made.stop()


@pytest.fixture
def desk(mirror: Mirror, tmp_path: Path) -> Desk:
    (tmp_path / "desk").mkdir()
    return Desk(mirror, tmp_path / "desk")


def rows(said: str) -> dict[str, str]:
    return {match[1]: match[2] for match in re.finditer(r"^ *\d+\. (\S+) +(.*)$", said, re.MULTILINE)}


# Between two states

def test_indexes_by_hash_make_a_mirror_whole(desk: Desk, mirror: Mirror) -> None:
    """The named indexes are of the next state already; those of the signed Release are there by hash."""
    for path in sorted(mirror.suite.glob("main/*/*")):
        data = path.read_bytes()
        by_hash = path.parent / "by-hash/SHA512"  # the strongest digest that the Release lists
        by_hash.mkdir(parents=True, exist_ok=True)
        (by_hash / hashlib.sha512(data).hexdigest()).write_bytes(data)
        path.write_bytes(b"Package: of-another-state\n")
    mirror.with_fields(Acquire_By_Hash="yes")
    status, said, told = desk.plan()
    assert (status, told) == (0, "") and "Warnings" not in said


def test_a_first_run_between_two_states_ends_with_what_to_do(desk: Desk, mirror: Mirror) -> None:
    mirror.begin_update()
    status, _, told = desk.plan()
    assert status == 10
    assert "The mirror is between two states" in told and "mirrors.suites" in told


def test_the_last_whole_state_is_used_and_named(desk: Desk, mirror: Mirror) -> None:
    assert desk.plan()[0] == 0
    desk.age(3 * HOUR)
    mirror.begin_update()
    words = "indexes of 3 hours ago ("
    status, said, told = desk.plan()
    assert status == 0
    assert words in told and words in said.partition("\nWarnings:\n")[2]
    assert "--refresh insists" in said and "unexpected size" in said
    status, said, _ = desk.plan("--format", "json")
    assert status == 0 and words in json.loads(said)["warnings"][0]
    # It is used as it was, to the byte: what apt had replaced already is there again.
    (lists,) = (desk.directory / "store").glob("**/var/lib/apt/lists")
    (signed,) = lists.glob("*_InRelease")
    assert signed.read_bytes() == (mirror.place.before / "dists/sid/InRelease").read_bytes()


def test_refresh_refuses_an_older_state(desk: Desk, mirror: Mirror) -> None:
    assert desk.plan()[0] == 0
    mirror.begin_update()
    status, said, told = desk.plan("--refresh")
    assert status == 10 and said == "" and "indexes of" not in told
    # The older state is still whole: within its age nothing is asked, nothing is said.
    assert desk.plan()[0] == 0 and "Warnings" not in desk.plan()[1]


def test_a_state_that_is_whole_again_is_taken_silently(desk: Desk, mirror: Mirror) -> None:
    assert desk.plan()[0] == 0
    desk.age(3 * HOUR)
    mirror.begin_update()
    assert "Warnings" in desk.plan()[1]
    shutil.rmtree(mirror.suite)
    shutil.copytree(mirror.place.after / "dists/sid", mirror.suite)
    status, said, told = desk.plan()
    assert (status, told) == (0, "") and "Warnings" not in said


def test_the_older_state_is_named_at_the_end_of_a_run_and_in_its_status(desk: Desk, mirror: Mirror) -> None:
    """A run that builds nothing: the plan alone cannot work."""
    assert desk.plan()[0] == 0
    desk.age(49 * HOUR)
    mirror.begin_update()
    desk.chain("alpha", "nothing")
    status, _, told = desk.run("build-dep-chain", HOST, "--chain", "./tiny.toml", "--no-trial")
    assert status == 12 and "warning    indexes of 2 days ago (" in told
    status, said, _ = desk.run("status", HOST)
    assert "Warning: indexes of 2 days ago (" in said


def test_a_signature_that_is_not_right_is_no_reason_to_go_back(desk: Desk, mirror: Mirror) -> None:
    assert desk.plan()[0] == 0
    desk.age(3 * HOUR)
    signed = mirror.suite / "InRelease"
    signed.write_text(signed.read_text().replace("Origin: Tiny", "Origin: Tony"))
    status, said, told = desk.plan()
    assert status == 11 and said == "" and "indexes of" not in told


# Stale

def test_a_stale_mirror_is_refused_until_it_is_allowed_and_then_named(desk: Desk, mirror: Mirror) -> None:
    mirror.with_fields(Valid_Until="Sat, 03 Jan 2026 04:05:06 UTC")
    status, _, told = desk.plan()
    assert status == 11 and "mirrors.check-valid-until = false" in told
    desk.configure("check-valid-until = false\n")
    status, said, told = desk.plan()
    words = "the mirror is stale: sid by "
    assert status == 0 and words in told and words in said
    assert "its Valid-Until is 2026-01-03 04:05 UTC" in said
    # Not only when it was fetched, and not of one that is valid.
    assert words in desk.plan()[1]
    mirror.with_fields(Valid_Until="Sat, 03 Jan 2099 04:05:06 UTC")
    status, said, told = desk.plan("--refresh")
    assert (status, told) == (0, "") and "Warnings" not in said


# Whole under another name

def test_a_suite_may_have_another_name_on_a_mirror(desk: Desk, mirror: Mirror) -> None:
    mirror.suite.rename(mirror.directory / "dists/unstable")
    assert desk.plan()[0] == 10
    desk.configure('suites = { sid = "unstable" }\n')
    status, said, told = desk.plan()
    assert (status, told) == (0, "")
    assert rows(said) == {"alpha": "1.0  ready    its build environment is not resolved yet",
                          "beta": "1.0  waiting  waits for alpha"}
    assert said.count("from sid (source)") == 2 and "unstable" not in said


def test_a_source_is_taken_from_a_suite_of_another_name(desk: Desk, mirror: Mirror) -> None:
    mirror.suite.rename(mirror.directory / "dists/unstable")
    desk.configure('suites = { sid = "unstable" }\n')
    done = desk.run("build", "alpha/sid", "--arch", HOST, "--release", "sid", "--dry-run")
    assert done[0] == 0 and "from sid (source)" in done[1]


def test_the_code_name_behind_another_name_is_checked(desk: Desk, mirror: Mirror) -> None:
    mirror.with_fields(Codename="forky")
    mirror.suite.rename(mirror.directory / "dists/unstable")
    desk.configure('suites = { sid = "unstable" }\n')
    status, said, told = desk.plan()
    assert (status, said) == (11, "")
    assert "dists/unstable has the Codename forky, not sid" in told


@pytest.mark.parametrize("setting,words", [
    ('suites = { sit = "unstable" }\n', "Did you mean sid?"),
    ('suites = { sid = "../../etc" }\n', "is not the name of a suite or of a directory below dists"),
    ('suites = { sid = "a b" }\n', "is not the name of a suite or of a directory below dists"),
    ('suites = ["sid"]\n', "must be a table of strings"),
    ('suites = { sid = 1 }\n', "must be a table of strings"),
    ('check-valid-until = "no"\n', "must be true or false"),
])
def test_bad_settings_are_told(desk: Desk, setting: str, words: str) -> None:
    desk.configure(setting)
    status, said, told = desk.plan()
    assert (status, said) == (3, "") and words in told


# Gone

def test_a_network_that_is_gone_leaves_what_is_there(desk: Desk, mirror: Mirror) -> None:
    desk.chain("alpha")
    assert desk.plan()[0] == 0
    desk.age(3 * HOUR)
    mirror.stop()
    status, said, told = desk.plan()
    assert status == 0 and "indexes of 3 hours ago (" in said
    assert rows(said)["alpha"].startswith("1.0  ready")


def test_a_network_lost_in_the_middle_takes_only_what_needs_it(desk: Desk, mirror: Mirror) -> None:
    """The source of gamma is in the store, those of alpha, which beta needs, are not."""
    desk.chain("gamma")
    assert desk.plan()[0] == 0
    mirror.stop()
    desk.chain("alpha", "beta", "gamma")
    status, said, _ = desk.plan()
    found = rows(said)
    assert status == 10
    assert "ready" in found["gamma"]
    assert "excluded" in found["alpha"] and "could not be fetched" in found["alpha"]
    assert "excluded" in found["beta"]
    status, _, told = desk.run("build-dep-chain", HOST, "--chain", "./tiny.toml", "--no-trial")
    assert status != 0 and "what needs no network goes on" in told
    states = dict(re.findall(r"^\[ *\d+\.\ds\] (\S+) +(excluded|blocked|failed|building|ready)\b", told,
                             re.MULTILINE))
    assert states["alpha"] == "excluded" and states["repository"] == "excluded"
    assert states["gamma"] != "excluded"
