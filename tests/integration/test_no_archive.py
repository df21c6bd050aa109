# SPDX-License-Identifier: GPL-3.0-or-later
"""An architecture that no suite carries, on a tiny archive: plans, shims, and what bad input is told."""
from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from debxcross.doors import deb, process
from tests.integration.archive import TinyPackage, TinySource, library, make_suite, signing_home, toolchain
from tests.integration.test_tiny_chain import Desk, Place
from tests.tools import need

HOST = "powerpc"
LIB = "usr/powerpc-linux-gnu/lib"
SAME = {"Multi-Arch": "same"}


def cross(name: str, host: str = HOST, **files: bytes) -> TinyPackage:
    """Return a package of the cross toolchain with these libraries."""
    return TinyPackage(f"{name}-{host}-cross", "all", fields={"Multi-Arch": "foreign"}, files={
        f"{LIB}/{file.replace('_', '.')}": content for file, content in files.items()})


def packages(build: str) -> tuple[TinyPackage, ...]:
    """Return what the archive has: the build architecture's packages, and powerpc's cross toolchain."""
    here = [one for one in toolchain(build, "none") if one.architecture in (build, "all")]
    names = ("libc6", "linux-libc-dev", "libgcc-s1", "libgcc-12-dev", "libstdc++6", "libstdc++-12-dev",
             "gcc-12-base")
    twins = [TinyPackage(name, build, "1.0-9", {**SAME, **({"Depends": "libc6, libnothing1"}
                         if name != "libc6" else {})}) for name in names]
    made = [cross("libc6", libc_so_6=b"libc", ld_so_1=b"ld"), *(cross(name) for name in (
        "libc6-dev", "linux-libc-dev", "libgcc-s1", "libgcc-12-dev", "libstdc++6", "libstdc++-12-dev"))]
    gone = ("crossbuild-essential-none",)
    return (*(one for one in here if one.name not in gone), *twins, *made,
            TinyPackage("libnothing1", build, fields=SAME),
            TinyPackage(f"crossbuild-essential-{HOST}", build),
            # What the sources make for the build architecture tells of the host's.
            TinyPackage("libalpha-dev", build, fields={**SAME, "Source": "alpha"}),
            TinyPackage("libbeta-dev", build, fields={**SAME, "Source": "beta", "Depends": "libalpha-dev"}),
            TinyPackage("libonly-dev", build, fields={**SAME, "Source": "only"}),
            # riscv64 has a compiler and no C library; sh4 a compiler of another name.
            TinyPackage("crossbuild-essential-riscv64", build),
            *(TinyPackage(name, build) for name in ("gcc-sh4-linux-gnu", "g++-sh4-linux-gnu")),
            TinyPackage("dpkg-cross", "all"))


SOURCES = (
    TinySource("alpha"), TinySource("beta", "debhelper, libalpha-dev",
                                    binaries=(library("beta", "libalpha-dev, ${misc:Depends}"),)),
    TinySource("gamma", "debhelper, libbeta-dev"), TinySource("delta", "debhelper, libonly-dev"),
    TinySource("only", binaries=(library("only").replace("any", "amd64 armel"),)),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    need("apt-get", "apt-ftparchive", "dpkg", "dpkg-deb", "dpkg-source", "gpg", "gpgv")
    build = process.run(["dpkg", "--print-architecture"]).stdout.strip()
    directory = tmp_path_factory.mktemp("orphan")
    (directory / "good").mkdir()
    with signing_home(directory / "keyring.gpg") as home:
        make_suite(directory / "good", "sid", home, architectures=(build,), packages=packages(build),
                   sources=SOURCES)
        yield Place(directory, home, home, build)


@pytest.fixture
def desk(place: Place, tmp_path: Path) -> Desk:
    return Desk(place, tmp_path)


def plan(desk: Desk, *arguments: str, host: str = HOST) -> subprocess.CompletedProcess[str]:
    done = desk.run("build", *arguments, "--arch", host, "--release", "sid", "--dry-run")
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_the_plan_has_what_must_be_built_first_and_why(desk: Desk) -> None:
    done = plan(desk, "gamma")
    assert done.returncode == 0, done.stdout + done.stderr
    assert desk.tidy(done.stdout).split("\nNotes:")[0] == """\
gamma: sid, built on BUILD for powerpc

  1. alpha  1.0  ready    its build environment is not resolved yet
            from sid (source); for libalpha-dev, which gamma needs
  2. beta   1.0  waiting  waits for alpha
            from sid (source); for libbeta-dev, which gamma needs
  3. gamma  1.0  waiting  waits for beta
            from sid (source)
"""
    assert done.stdout.count("no suite of the release carries powerpc") == 1


def test_without_the_closure_apt_says_what_is_missing(desk: Desk) -> None:
    done = plan(desk, "gamma", "--no-closure")
    assert done.returncode == 13 and "build dependencies of gamma cannot be satisfied" in done.stdout


def test_shims_are_made_once_and_stand_where_libraries_are_looked_for(desk: Desk) -> None:
    first, second = plan(desk, "alpha"), plan(desk, "alpha")
    assert first.stdout == second.stdout and first.returncode == 0, first.stdout + first.stderr
    artifacts = [json.loads(path.read_text()) for path in (desk.store / "artifacts").rglob("*")
                 if path.is_file()]
    (made,) = [one for one in artifacts if one["member"] == "shims"]
    files = {one["name"]: one["sha256"] for one in made["files"]}
    assert sorted(name.split("_")[0] for name in files) == [
        "gcc-12-base", "libc6", "libc6-dev", "libgcc-12-dev", "libgcc-s1", "libstdc++-12-dev", "libstdc++6",
        "linux-libc-dev"]
    digest = files["libc6_1.0-9_powerpc.deb"]
    libc6 = next(path for path in (desk.store / "objects").rglob("*")
                 if digest in f"{path.parent.name}{path.name}")
    assert {one.path for one in deb.members(libc6) if one.type != "directory"} == {
        "lib/powerpc-linux-gnu/libc.so.6", "lib/powerpc-linux-gnu/ld.so.1", "lib/ld.so.1"}
    control = deb.read_facts(libc6).control
    assert (control["Version"], control["Multi-Arch"]) == ("1.0-9", "same") and "Depends" not in control


@pytest.mark.parametrize(("source", "host", "status", "said"), [
    ("alpha", "m68k", 12, (
        "the release has no cross compiler for m68k",
        "Neither crossbuild-essential-m68k nor gcc-m68k-linux-gnu with g++-m68k-linux-gnu")),
    ("alpha", "riscv64", 12, (
        "no suite carries riscv64, and the release's cross toolchain lacks its C library",
        "libc6: there is no libc6-riscv64-cross")),
    ("alpha", "sh4", 12, ("lacks its C library", "libc6-dev: there is no libc6-dev-sh4-cross")),
    ("only", HOST, 12, ("only makes nothing for powerpc", "Its packages are for amd64 armel only.")),
    ("delta", HOST, 13, ("build dependencies of delta cannot be satisfied", "libonly-dev")),
    ("nothing", HOST, 12, ("no source package is called nothing",)),
])
def test_bad_input_is_told(desk: Desk, source: str, host: str, status: int, said: tuple[str, ...]) -> None:
    done = plan(desk, source, host=host)
    assert done.returncode == status, done.stdout + done.stderr
    assert all(one in done.stdout + done.stderr for one in said), done.stdout + done.stderr
    assert (done.stdout + done.stderr).count(said[0]) == 1
