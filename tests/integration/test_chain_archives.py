# SPDX-License-Identifier: GPL-3.0-or-later
"""[[archive]] tables: a vendor's archive, backports, another component; and what is wrong with them."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from debxcross.core.openpgp import armor, public_keys
from debxcross.doors import process
from tests.integration.archive import (
    SigningHome, TinyPackage, TinySource, library, make_suite, sign, signing_home, toolchain,
    without_progress,
)
from tests.tools import need

ROOT = Path(__file__).resolve().parents[2]
HOST = "armel"
MAIN = "import sys; sys.argv[0] = 'debxcross'; from debxcross.cli import main; main()"
SAME = {"Multi-Arch": "same"}
OWN = TinySource("own", "debhelper, libvendor-dev",
                 binaries=(library("own", "libvendor-dev, ${misc:Depends}"),))
NEWER = TinySource("newer", "debhelper, libport-dev (>= 2)",
                   binaries=(library("newer", "libport-dev (>= 2), ${misc:Depends}"),))
BLOB = TinySource("blob", "debhelper, blob-data",
                  binaries=(library("blob", "blob-data, ${misc:Depends}"),))


@dataclass(frozen=True)
class Place:
    """Debian's archive and a vendor's, each with its key, and this machine's architecture."""

    debian: Path
    vendor: Path
    home: SigningHome
    other: SigningHome
    build: str


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    need("apt-get", "apt-ftparchive", "dpkg", "dpkg-source", "gpg", "gpgv")
    build = process.run(["dpkg", "--print-architecture"]).stdout.strip()
    directory = tmp_path_factory.mktemp("archives")
    both = (build, HOST)
    for name in ("debian", "vendor"):
        (directory / name).mkdir()
    debian, vendor = directory / "debian", directory / "vendor"
    with signing_home(directory / "debian.gpg") as home, signing_home(directory / "vendor.gpg", "v") as other:
        port = tuple(TinyPackage("libport-dev", one, "1.0", SAME) for one in both)
        make_suite(debian, "bookworm", home, architectures=both, packages=(*toolchain(build, HOST), *port),
                   sources=(OWN, NEWER))
        make_suite(debian, "bookworm-updates", home, architectures=both)
        make_suite(debian, "bookworm-security", home, architectures=both)
        # Backports, as Debian makes them.
        make_suite(debian, "bookworm-backports", home, architectures=both,
                   packages=[TinyPackage("libport-dev", one, "2.0", SAME) for one in both])
        add_component(debian, "bookworm", "non-free-firmware", home, both)
        make_suite(vendor, "stable", other, architectures=both, packages=[
            TinyPackage("libvendor-dev", HOST, "3.0", SAME), TinyPackage("libport-dev", HOST, "9.0", SAME)],
            sources=(TinySource("thing"),))
        make_suite(vendor, "intel", other, architectures=(build,))
        yield Place(debian, vendor, home, other, build)


def add_component(archive: Path, suite: str, component: str, home: SigningHome,
                  both: tuple[str, ...]) -> None:
    """Give a suite a second component, which has a source and a package for all architectures."""
    scratch = archive.parent / "component"
    scratch.mkdir()
    data = TinyPackage("blob-data", "all", fields={"Multi-Arch": "foreign"})
    make_suite(scratch, suite, home, architectures=both, packages=[data], sources=(BLOB,))
    shutil.copytree(scratch / "pool" / suite, archive / "pool" / suite, dirs_exist_ok=True)
    shutil.copytree(scratch / "dists" / suite / "main", archive / "dists" / suite / component)
    place = archive / "dists" / suite
    names = {"Origin": "Tiny", "Suite": suite, "Codename": suite, "Components": f"main {component}",
             "Architectures": " ".join(both)}
    (place / "Release").unlink()
    (place / "InRelease").unlink()
    release = archive / "Release.new"
    process.run(["apt-ftparchive", *(f"-oAPT::FTPArchive::Release::{name}={value}"
                                     for name, value in names.items()), "release", str(place)],
                stdout_path=release)
    release.rename(place / "Release")
    sign(place, home)


class Desk:
    """A working directory with a configuration, a store and a chain."""

    def __init__(self, place: Place, directory: Path) -> None:
        self.place, self.directory = place, directory
        uri = f"file:{place.debian}"
        (directory / "debxcross.toml").write_text(
            f'[mirrors]\nmain = ["{uri}"]\nsecurity = ["{uri}"]\nkeyrings = ["{place.home.keyring}"]\n')
        shutil.copy(place.other.keyring, directory / "vendor.gpg")

    def chain(self, *tables: str) -> None:
        (self.directory / "tiny.toml").write_text(
            '[chain]\nname = "tiny"\nrelease = "bookworm"\n\n' + "\n\n".join(tables) + "\n")

    def run(self, *arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-c", MAIN, *arguments], cwd=self.directory, text=True, capture_output=True,
            timeout=90, env={
                "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(self.directory),
                "DEBXCROSS_STORE": str(self.directory / "store"), "COLUMNS": "1000", "LC_ALL": "C.UTF-8"})
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout, without_progress(done.stderr)

    def plan(self, *tables: str) -> tuple[int, dict[str, Any], str]:
        """Return exit status, the plan and standard error for a chain of these tables."""
        self.chain(*tables)
        status, said, told = self.run("plan", HOST, "--chain", "./tiny.toml", "--format", "json")
        return status, json.loads(said) if said else {}, told

    def vendor(self, **more: str) -> str:
        """Return the vendor's table, with some keys given as TOML."""
        keys = {"name": '"vendor"', "url": f'"file:{self.place.vendor}"', "suite": '"stable"',
                "key": '"vendor.gpg"', **more}
        return "[[archive]]\n" + "\n".join(f"{name} = {value}" for name, value in keys.items() if value)


@pytest.fixture
def desk(place: Place, tmp_path: Path) -> Desk:
    return Desk(place, tmp_path)


def source(name: str, more: str = "") -> str:
    return f'[[source]]\nname = "{name}"\n{more}'


def fine(answer: tuple[int, dict[str, Any], str]) -> bool:
    status, plan, told = answer
    assert (status, told, plan.get("problems")) == (0, "", []), (plan.get("problems"), told)
    return True


BACKPORTS = '[[archive]]\nsuite = "bookworm-backports"'
FIRMWARE = '[[archive]]\nsuite = "bookworm"\ncomponents = ["non-free-firmware"]'


# A vendor's archive

def test_a_library_of_a_vendor_serves_build_and_device(desk: Desk) -> None:
    status, plan, _ = desk.plan(source("own"))
    assert status == 13 and "libvendor-dev" in str(plan["problems"])
    assert fine(desk.plan(source("own"), desk.vendor()))


def test_the_key_may_be_armoured_or_a_fingerprint(desk: Desk) -> None:
    content = desk.place.other.keyring.read_bytes()
    (desk.directory / "keys").mkdir()
    (desk.directory / "keys/vendor.asc").write_text(armor(content))
    assert fine(desk.plan(source("own"), desk.vendor(key='"keys/vendor.asc"')))
    # A fingerprint is looked for in the keyrings of the configuration and of the machine.
    (desk.directory / "all.gpg").write_bytes(desk.place.home.keyring.read_bytes() + content)
    configuration = desk.directory / "debxcross.toml"
    configuration.write_text(configuration.read_text().replace(
        str(desk.place.home.keyring), str(desk.directory / "all.gpg")))
    assert fine(desk.plan(source("own"), desk.vendor(key=f'"{public_keys(content)[0].fingerprint}"')))


def test_the_release_wins_and_a_pin_can_change_that(desk: Desk) -> None:
    """The vendor has libport-dev 9.0 for the device alone: 1.0 of the release, for both, is taken."""
    wanted = source("newer")
    status, plan, _ = desk.plan(wanted, desk.vendor())
    assert status == 13 and "libport-dev" in str(plan["problems"])
    status, plan, _ = desk.plan(wanted, desk.vendor(pin="600"))
    # Now the device takes it; and a build root, which the build architecture's package does not hinder.
    assert (status, plan["problems"]) == (0, [])


def test_a_source_of_a_vendor_is_built(desk: Desk) -> None:
    answer = desk.plan(source("thing", 'suite = "vendor"'), desk.vendor())
    assert fine(answer)
    (member,) = answer[1]["members"]
    assert (member["name"], member["origin"]) == ("thing", "vendor (source)")


# Backports and components

def test_a_package_of_backports(desk: Desk) -> None:
    status, plan, _ = desk.plan(source("newer"), BACKPORTS)
    assert status == 13  # below the release: libport-dev 1.0 stays
    assert fine(desk.plan(source("newer"), f"{BACKPORTS}\npin = 500"))


def test_another_component_of_the_release(desk: Desk) -> None:
    status, plan, _ = desk.plan(source("blob"))
    assert status == 12
    assert "the source blob is not in main, but in non-free-firmware of bookworm" in str(plan["problems"])
    text = desk.run("plan", HOST, "--chain", "./tiny.toml")[1]
    for line in FIRMWARE.splitlines():
        assert line in text
    assert fine(desk.plan(source("blob"), FIRMWARE))


def test_a_target_of_another_component_is_told_too(desk: Desk) -> None:
    status, said, _ = desk.run("build", "blob", "--arch", HOST, "--release", "bookworm", "--dry-run")
    assert status == 12 and "in non-free-firmware of bookworm" in said


def test_all_of_them_at_once(desk: Desk) -> None:
    answer = desk.plan(source("own"), source("newer"), source("blob"), desk.vendor(),
                       f"{BACKPORTS}\npin = 500", FIRMWARE)
    assert fine(answer)
    assert {one["name"] for one in answer[1]["members"]} == {"own", "newer", "blob"}


# What is wrong

@pytest.mark.parametrize("more,status,words", [
    ({"key": '"debian.gpg"'}, 11, "the archive vendor of the chain cannot be used"),
    ({"suite": '"intel"'}, 12, "vendor does not carry armel; it carries"),
    ({"components": '["mian"]'}, 12, "vendor has no component mian; it has main"),
    ({"suite": '"nowhere"'}, 10, "the archive vendor of the chain cannot be used"),
    ({"url": '"http://127.0.0.1:9/debian"'}, 10, "the archive vendor of the chain cannot be used"),
    ({"key": '"none.gpg"'}, 3, "archive[vendor].key: none.gpg cannot be read: No such file or directory"),
    ({"key": '"tiny.toml"'}, 3, "archive[vendor].key: tiny.toml is no OpenPGP key"),
    ({"key": '"link.gpg"'}, 3, "archive[vendor].key: link.gpg leads out of the chain's directory"),
    ({"key": f'"{"A" * 40}"'}, 3, f"no keyring of this machine has the key {'A' * 40}"),
], ids=["key", "architecture", "component", "suite", "server", "no-key", "no-keyring", "link", "fingerprint"])
def test_an_archive_that_is_not_what_the_chain_says(desk: Desk, more: dict[str, str], status: int,
                                                    words: str) -> None:
    shutil.copy(desk.place.home.keyring, desk.directory / "debian.gpg")
    (desk.directory / "link.gpg").symlink_to(desk.place.home.keyring)
    found, _, told = desk.plan(source("own"), desk.vendor(**more))
    assert found == status and words in told and "Next: " in told, told


def test_the_release_itself_needs_no_address(desk: Desk) -> None:
    shutil.copy(desk.place.home.keyring, desk.directory / "debian.gpg")
    status, _, told = desk.plan(source("own"), desk.vendor(
        url=f'"file:{desk.place.debian}"', suite='"bookworm"', key='"debian.gpg"'))
    assert status == 12 and "vendor says that it is the release itself" in told


def test_all_faults_of_the_tables_are_told_at_once(desk: Desk) -> None:
    status, _, told = desk.plan(
        source("own"),
        '[[archive]]\nname = "main"\nurl = "ftp:/x"\nsuite = "../x"\nkey = "../k.gpg"\npin = 2000\nkind = 1',
        '[[archive]]\nurl = "http://vendor.example/debian"\nsuite = "./"',
        '[[archive]]\nname = "bookworm"\nurl = "http://a.example/debian"\nsuite = "x"\nkey = "/etc/k.gpg"',
        '[[archive]]\nname = "other"\nsuite = "bookworm"\nkey = "k.gpg"\npin = 9',
        '[[archive]]\nname = "v"\nurl = "http://a.example"\nsuite = "x"\nkey = "k.gpg"',
        '[[archive]]\nname = "v"\nurl = "http://a.example"\nsuite = "x"\nkey = "k.gpg"',
        source("thing", 'suite = "nobody"'))
    assert status == 3
    for words in (
            "archive[main].kind: unknown key", "archive[main].url: 'ftp:/x' is no address that begins with",
            "archive[main].suite: '../x' is no directory below dists", "archive[main].name: 'main' is taken",
            "archive[main].key: '../k.gpg' leads out of the chain's directory",
            "archive[main].pin: must be a whole number from 1 to 1000, not 2000",
            "archive[2].suite: './' is no directory below dists; an archive without dists cannot be used",
            "archive[2].name: missing", "archive[2].key: missing",
            "archive[bookworm].name: 'bookworm' is taken",
            "archive[bookworm].key: '/etc/k.gpg' leads out of the chain's directory",
            "archive[other].name: an archive without a url is named by its suite",
            "archive[other].key: what Debian's own mirrors have is signed by Debian's keys",
            "archive[other].components: missing: main of bookworm is there already",
            "archive[other].pin: components of bookworm count as bookworm itself",
            "archive: v is named more than once", "source[thing].suite: unknown suite 'nobody'"):
        assert words in told, (words, told)
