# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks and the command line, on a tiny archive: plans from a lock alone, and what deviates."""
from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from debxcross.core.archive.world import Archive, SuiteUse, World
from debxcross.core.chain.chain import Chain, SourceMember
from debxcross.core.chain.lock import PARTS, Lock, LockedFile, LockedMember, chain_digest, to_text
from debxcross.doors import process
from debxcross.doors.apt import AptRoot
from debxcross.errors import VerificationError
from tests.integration.archive import (
    SigningHome, TinySource, library, make_suite, sign, signing_home, toolchain,
)
from tests.tools import need

ROOT = Path(__file__).resolve().parents[2]
HOST = "armel"
MAIN = "import sys; sys.argv[0] = 'debxcross'; from debxcross.cli import main; main()"
SOURCES = (TinySource("alpha"), TinySource("beta", "debhelper, libalpha-dev",
                                           binaries=(library("beta", "libalpha-dev"),)))
PATCH = "Description: x\nAuthor: x\n\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SigningHome]:
    need("apt-get", "apt-ftparchive", "dpkg", "dpkg-source", "gpg", "gpgv")
    with signing_home(tmp_path_factory.mktemp("keys") / "keyring.gpg") as home:
        yield home


@pytest.fixture(scope="module")
def archive(home: SigningHome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    build = process.run(["dpkg", "--print-architecture"]).stdout.strip()
    directory = tmp_path_factory.mktemp("archive")
    make_suite(directory, "sid", home, architectures=(build, HOST), packages=toolchain(build, HOST),
               sources=SOURCES)
    (directory / "build").write_text(build)
    return directory


class Desk:
    """A working directory with a configuration, a chain and the lock of its two sources."""

    def __init__(self, archive: Path, home: SigningHome, directory: Path) -> None:
        self.archive, self.directory = archive, directory
        (directory / "debxcross.toml").write_text(
            f'[mirrors]\nmain = ["file:{archive}"]\nsecurity = ["file:{archive}"]\n'
            f'keyrings = ["{home.keyring}"]\n')
        self.chain("tiny", "alpha", "beta")
        chain = Chain("tiny", "sid", tuple(SourceMember(one.name) for one in SOURCES))
        self.lock = Lock(
            "tiny", chain_digest(chain), "sid", (archive / "build").read_text(), HOST, (("sid", "0" * 64),),
            {part: () for part in PARTS}, tuple(self.member(one.name) for one in SOURCES))
        self.write(self.lock)

    def chain(self, name: str, *sources: str) -> None:
        members = "".join(f'[[source]]\nname = "{source}"\n' for source in sources)
        (self.directory / "tiny.toml").write_text(f'[chain]\nname = "{name}"\nrelease = "sid"\n{members}')

    def member(self, name: str) -> LockedMember:
        files = []
        for path in sorted((self.archive / "pool/sid").glob(f"{name}_*")):
            content = path.read_bytes()
            files.append(LockedFile(path.name, hashlib.sha256(content).hexdigest(), len(content),
                                    f"main/pool/sid/{path.name}"))
        return LockedMember(name, "source", "1.0", "sid", "", tuple(files), (), ())

    def write(self, lock: Lock) -> None:
        (self.directory / "tiny.lock").write_text(to_text(lock))

    def run(self, *arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*prefix, sys.executable, "-c", MAIN, *arguments], cwd=self.directory, text=True,
            capture_output=True, timeout=60, env={
                "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(self.directory),
                "DEBXCROSS_STORE": str(self.directory / "store"), "COLUMNS": "1000"})

    def plan(self, *arguments: str, host: str = HOST,
             prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        return self.run("build-dep-chain", host, "--chain", "./tiny.toml", "--dry-run", "--locked",
                        "tiny.lock", *arguments, prefix=prefix)


@pytest.fixture
def desk(archive: Path, home: SigningHome, tmp_path: Path) -> Desk:
    return Desk(archive, home, tmp_path)


def test_a_lock_replaces_the_indexes_and_the_store_the_network(desk: Desk) -> None:
    done = desk.plan()
    assert done.returncode == 0, done.stderr
    assert "1. alpha  1.0  ready" in done.stdout and "waits for alpha" in done.stdout
    # No index was fetched, only the two .dsc files.
    assert not list((desk.directory / "store/apt").glob("*/var/lib/apt/lists/*_*"))
    assert len(list((desk.directory / "store/objects").glob("??/*"))) == 2
    (desk.directory / "debxcross.toml").unlink()
    need("unshare")
    alone = ("unshare", *(() if os.geteuid() == 0 else ("--map-root-user",)), "--net", "--")
    again = desk.plan("--offline", prefix=alone)
    assert (again.returncode, again.stdout) == (0, done.stdout), again.stderr


def test_offline_names_what_the_store_lacks(desk: Desk) -> None:
    done = desk.plan("--offline")
    assert done.returncode == 10
    assert "alpha: the store lacks 1 file, and --offline" in done.stderr
    assert f"alpha_1.0.dsc ({desk.lock.members[0].files[0].sha256[:12]}…)" in done.stderr


def test_a_file_that_nobody_has_any_more_is_named(desk: Desk) -> None:
    alpha = desk.lock.members[0]
    gone = replace(alpha.files[0], place="main/pool/sid/alpha_0.9.dsc")
    desk.write(replace(desk.lock, members=(replace(alpha, files=(gone, *alpha.files[1:])),
                                           desk.lock.members[1])))
    done = desk.plan()
    assert done.returncode == 10
    assert "pool/sid/alpha_0.9.dsc: no such file" in done.stderr and "snapshot" in done.stderr


def test_other_bytes_are_refused(desk: Desk) -> None:
    alpha = desk.lock.members[0]
    other = replace(alpha.files[0], sha256="f" * 64)
    desk.write(replace(desk.lock, members=(replace(alpha, files=(other, *alpha.files[1:])),
                                           desk.lock.members[1])))
    done = desk.plan()
    assert done.returncode == 11 and "f" * 64 in done.stderr
    assert not list((desk.directory / "store/objects").glob("??/*"))


def test_locks_of_something_else(desk: Desk) -> None:
    done = desk.plan(host="armhf")
    assert done.returncode == 17
    assert "host architecture: the lock is for armel, this run for armhf" in done.stderr
    desk.chain("other", "alpha", "beta")
    done = desk.plan()
    assert done.returncode == 17 and "chain: the lock is for tiny, this run for other" in done.stderr
    desk.chain("tiny", "alpha")
    done = desk.plan()
    assert done.returncode == 17 and "the chain tiny is not what it was" in done.stderr
    text = (desk.directory / "tiny.lock").read_text()
    (desk.directory / "tiny.lock").write_text(text.replace("schema = 1", "schema = 99"))
    done = desk.plan()
    assert done.returncode == 17 and "tiny.lock has schema 99" in done.stderr
    (desk.directory / "tiny.lock").write_text("schema = [")
    done = desk.plan()
    assert done.returncode == 17 and "tiny.lock has 1 fault" in done.stderr
    (desk.directory / "tiny.lock").unlink()
    done = desk.plan()
    assert done.returncode == 2 and "there is no lock tiny.lock" in done.stderr


def test_patches_must_be_those_of_the_lock(desk: Desk) -> None:
    place = desk.directory / "patches/alpha"
    place.mkdir(parents=True)
    (place / "new.patch").write_text(PATCH)
    done = desk.plan("--patches", "patches")
    assert done.returncode == 17
    assert "the patch new applies, but is not in the lock" in done.stderr
    assert "debxcross lock armel --update alpha" in done.stderr
    alpha = replace(desk.lock.members[0], patches=(("new", "e" * 64), ("old", "d" * 64)))
    desk.write(replace(desk.lock, members=(alpha, desk.lock.members[1])))
    done = desk.plan("--patches", "patches")
    assert done.returncode == 17 and "alpha: 2 of its inputs deviate" in done.stderr
    assert "the patch new is locked at eeeeeeeeeeee…, found " in done.stderr
    assert "the patch old is in the lock, but in none of the directories" in done.stderr


def test_offline_needs_a_lock_and_a_lock_needs_a_build(desk: Desk) -> None:
    done = desk.run("build-dep-chain", HOST, "--chain", "./tiny.toml", "--offline", "-n")
    assert done.returncode == 2 and "--offline needs --locked" in done.stderr
    done = desk.run("lock", HOST, "--chain", "./tiny.toml", "-o", "new.lock")
    assert done.returncode == 2
    assert "the base root is not built yet" in done.stderr and "build-dep-chain armel" in done.stderr
    done = desk.run("lock", HOST, "--chain", "./tiny.toml", "-o", "new.lock", "--update", "gamma")
    assert done.returncode == 2
    assert "It has: alpha, beta, build-root, device-root, device." in done.stderr
    assert not (desk.directory / "new.lock").exists()
    done = desk.run("lock", HOST, "--chain", "./tiny.toml", "-o", "nowhere/new.lock")
    assert done.returncode == 2 and "nowhere/new.lock cannot be written" in done.stderr
    done = desk.run("build", "alpha", "--arch", HOST, "--locked", "tiny.lock")
    assert done.returncode == 2 and "locks are for chains" in done.stderr and "[[source]]" in done.stderr
    done = desk.run("lock", HOST, "--chain", "security-bookworm")
    assert done.returncode == 12 and "cannot be locked" in done.stderr


def test_snapshots_may_be_older_than_their_valid_until(
    archive: Path, home: SigningHome, tmp_path: Path
) -> None:
    build = (archive / "build").read_text()
    for name in ("today", "20200101T000000Z"):
        shutil.copytree(archive, tmp_path / name)
        place = tmp_path / name / "dists/sid"
        release = (place / "Release").read_text()
        (place / "Release").write_text("Valid-Until: Thu, 09 Jan 2020 00:00:00 UTC\n" + release)
        sign(place, home)

    def update(uri: Path) -> bool:
        use = SuiteUse("sid", Archive("main", (f"file:{uri}",), (str(home.keyring),)), (build, HOST))
        root = AptRoot(tmp_path / f"apt-{uri.name}", World(build, HOST, (use,)), ())
        root.write()
        return root.update(0)

    with pytest.raises(VerificationError, match="could not be fetched") as raised:
        update(tmp_path / "today")
    assert "expired" in raised.value.details and "this machine's clock" in raised.value.resolution
    assert update(tmp_path / "20200101T000000Z")


def test_a_clock_that_was_set_back_is_told(desk: Desk, home: SigningHome, tmp_path: Path) -> None:
    """To a machine whose clock is behind, an index is from the future."""
    shutil.copytree(desk.archive, tmp_path / "mirror")
    release = tmp_path / "mirror/dists/sid/Release"
    text = release.read_text()
    assert "\nDate: " in text
    release.write_text(re.sub("\nDate: .*", "\nDate: Fri, 01 Jan 2100 00:00:00 UTC", text))
    sign(release.parent, home)
    configuration = desk.directory / "debxcross.toml"
    configuration.write_text(configuration.read_text().replace(str(desk.archive), str(tmp_path / "mirror")))
    done = desk.run("plan", HOST, "--chain", "./tiny.toml")
    assert done.returncode == 11
    assert "is not valid yet" in done.stderr and "Compare this machine's clock" in done.stderr
