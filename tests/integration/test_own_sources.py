# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources of one's own in chains and on the command line, planned on a tiny archive; what bad input is told.

tests/integration/test_own_build.py builds some.
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from debxcross.doors import process
from tests.integration.archive import (
    SigningHome, TinyPackage, TinySource, make_suite, signing_home, toolchain,
)
from tests.playground import make_deb
from tests.tools import need

ROOT = Path(__file__).resolve().parents[2]
MAIN = "import sys; sys.argv[0] = 'debxcross'; from debxcross.cli import main; main()"
HOST = "armel"
CHANGELOG = """\
{name} ({version}) unstable; urgency=low

  * Tiny.

 -- Nobody <nobody@example.org>  Sat, 01 Jan 2022 00:00:00 +0000
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, SigningHome]]:
    need("apt-get", "apt-ftparchive", "dpkg", "dpkg-source", "gpg", "gpgv", "git")
    build = process.run(["dpkg", "--print-architecture"]).stdout.strip()
    directory = tmp_path_factory.mktemp("own")
    packages: tuple[TinyPackage, ...] = toolchain(build, HOST)
    with signing_home(directory / "keyring.gpg") as home:
        make_suite(directory, "sid", home, architectures=(build, HOST), packages=packages,
                   sources=(TinySource("alpha"),))
        yield directory, home


class Desk:
    """A working directory with two trees of one's own, the second of which needs the first."""

    def __init__(self, archive: tuple[Path, SigningHome], directory: Path) -> None:
        self.directory = directory
        place, home = archive
        (directory / "debxcross.toml").write_text(
            f'[mirrors]\nmain = ["file:{place}"]\nsecurity = ["file:{place}"]\n'
            f'keyrings = ["{home.keyring}"]\n')
        self.tree("lib", "Package: libown-dev\nArchitecture: any\nProvides: libanswer-dev\n"
                         "Description: tiny\n\nPackage: own-data\nArchitecture: all\nDescription: tiny\n")
        self.tree("prog", "Package: prog\nArchitecture: any\nDepends: own-data\nDescription: tiny\n",
                  "debhelper, libanswer-dev")
        self.chain('[[source]]\nname = "prog"\npath = "prog"\n', '[[source]]\nname = "lib"\npath = "lib"\n')

    def tree(self, name: str, binaries: str, depends: str = "debhelper", version: str = "1.0",
             form: str = "3.0 (native)") -> Path:
        top = self.directory / name
        (top / "debian/source").mkdir(parents=True, exist_ok=True)
        (top / "debian/source/format").write_text(f"{form}\n")
        (top / "debian/control").write_text(
            f"Source: {name}\nMaintainer: Nobody <nobody@example.org>\nBuild-Depends: {depends}\n\n"
            f"{binaries}")
        (top / "debian/changelog").write_text(CHANGELOG.format(name=name, version=version))
        (top / "debian/rules").write_text("#!/usr/bin/make -f\n%:\n\tdh $@\n")
        return top

    def chain(self, *tables: str) -> None:
        (self.directory / "own.toml").write_text(
            '[chain]\nname = "own"\nrelease = "sid"\n\n' + "\n".join(tables))

    def git(self, top: Path, *arguments: str) -> None:
        subprocess.run(("git", "-c", "user.name=A", "-c", "user.email=a@example.org", *arguments), cwd=top,
                       check=True, capture_output=True, env={
                           "PATH": os.environ["PATH"], "HOME": "/nonexistent",
                           "GIT_COMMITTER_DATE": "1793620800 +0000", "GIT_AUTHOR_DATE": "1793620800 +0000"})

    def commit(self, top: Path) -> None:
        if not (top / ".git").exists():
            self.git(top, "init", "--quiet", "--initial-branch=main")
        self.git(top, "add", ".")
        self.git(top, "commit", "--quiet", "--message=x")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-c", MAIN, *arguments], cwd=self.directory, text=True, capture_output=True,
            timeout=120, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "COLUMNS": "1000",
                              "HOME": str(self.directory), "DEBXCROSS_STORE": str(self.directory / "store"),
                              "LC_ALL": "C.UTF-8"})
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def plan(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("plan", HOST, "--chain", "own.toml", *arguments)


@pytest.fixture
def desk(archive: tuple[Path, SigningHome], tmp_path: Path) -> Desk:
    return Desk(archive, tmp_path)


def members(done: subprocess.CompletedProcess[str]) -> list[tuple[str, str, str, list[str], list[str]]]:
    assert done.returncode == 0, done.stdout + done.stderr
    return [(one["name"], one["version"], one["origin"], one["needs"], one["packages"])
            for one in json.loads(done.stdout)["members"]]


def test_directories_are_members_like_others(desk: Desk) -> None:
    found = members(desk.plan("--format", "json"))
    # A virtual package of a tree orders the members too, in whatever order the tables are.
    assert found == [("lib", "1.0", "lib", [], ["libown-dev", "own-data"]),
                     ("prog", "1.0", "prog", ["lib"], ["prog"])]
    desk.chain('[[source]]\nname = "lib"\npath = "lib"\n', '[[source]]\nname = "prog"\npath = "prog"\n')
    assert members(desk.plan("--format", "json")) == found


def test_the_command_line_names_them_by_their_places(desk: Desk) -> None:
    desk.commit(desk.directory / "lib")
    desk.git(desk.directory / "lib", "tag", "v1")
    process.run(["dpkg-source", "--build", str(desk.directory / "prog")], directory=desk.directory)
    done = desk.run("build", f"git+file://{desk.directory}/lib@v1", "./prog_1.0.dsc", "--arch", HOST,
                    "--release", "sid", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "1. lib   1.0" in done.stdout and "lib@v1 (commit " in done.stdout
    assert "2. prog  1.0  waiting  waits for lib" in done.stdout and "from ./prog_1.0.dsc" in done.stdout
    done = desk.run("build", "./lib", "prog", "--arch", HOST, "--release", "sid", "--dry-run")
    assert done.returncode == 12 and "no source package is called prog" in done.stdout
    done = desk.run("build", "./lib", "lib/", "--arch", HOST, "--release", "sid", "--dry-run")
    assert done.returncode == 3


def test_what_is_not_committed_is_named(desk: Desk) -> None:
    top = desk.directory / "lib"
    desk.commit(top)
    assert "with changes" not in desk.plan().stdout
    (top / "new").write_text("")
    assert "from lib (commit " in desk.plan().stdout
    assert "with changes that are not committed)" in desk.plan().stdout


def test_a_commit_gives_the_version_its_suffix(desk: Desk) -> None:
    desk.commit(desk.directory / "lib")
    desk.chain('[[source]]\nname = "lib"\npath = "lib"\nversion-suffix = "git"\n')
    (_, version, _, _, _), = members(desk.plan("--format", "json"))
    assert version.startswith("1.0+git20261102120000.")
    (desk.directory / "lib/new").write_text("")
    (_, changed, _, _, _), = members(desk.plan("--format", "json"))
    assert changed.startswith(f"{version}+")


def test_a_branch_and_a_commit_of_a_repository(desk: Desk) -> None:
    top = desk.directory / "lib"
    desk.commit(top)
    first = subprocess.run(("git", "rev-parse", "HEAD"), cwd=top, capture_output=True,
                           text=True).stdout.strip()
    desk.tree("lib", "Package: libown-dev\nArchitecture: any\nDescription: tiny\n", version="2.0")
    desk.commit(top)
    for ref, version in ((f'commit = "{first}"', "1.0"), ('branch = "main"', "2.0")):
        desk.chain(f'[[source]]\nname = "lib"\ngit = "{top}"\n{ref}\n')
        assert [one[1] for one in members(desk.plan("--format", "json"))] == [version]


def test_an_upstream_tarball_is_found_beside_the_tree_or_in_its_repository(desk: Desk) -> None:
    top = desk.tree("quilt", "Package: quilt\nArchitecture: any\nDescription: tiny\n", version="1-1",
                    form="3.0 (quilt)")
    desk.chain('[[source]]\nname = "quilt"\npath = "quilt"\n')
    done = desk.plan()
    assert done.returncode == 3 and "the upstream tarball quilt_1.orig.tar.* is missing" in done.stderr
    assert "gbp export-orig" in done.stderr
    desk.commit(top)
    desk.git(top, "tag", "upstream/1")
    assert desk.plan().returncode == 0
    desk.git(top, "tag", "--delete", "upstream/1")
    (desk.directory / "quilt_1.orig.tar.gz").write_bytes(b"")
    assert desk.plan().returncode == 0


def test_a_prebuilt_package_serves_builds_and_devices(desk: Desk) -> None:
    (desk.directory / "vendor").mkdir()
    make_deb(desk.directory / "vendor/x.deb", {
        "Package": "libanswer-dev", "Version": "1:2", "Architecture": HOST, "Maintainer": "N <n@example.org>",
        "Description": "tiny"}, {"usr/include/x.h": b"\n"}, compression="none")
    tables = ('[[source]]\nname = "prog"\npath = "prog"\n',
              '[[deb]]\nname = "libanswer-dev"\npath = "vendor/x.deb"\n')
    desk.tree("prog", "Package: prog\nArchitecture: any\nDescription: tiny\n", "debhelper, libanswer-dev")
    desk.chain(tables[0])
    assert desk.plan().returncode == 13
    desk.chain(*tables)
    assert members(desk.plan("--format", "json")) == [
        ("libanswer-dev", "1:2", "vendor/x.deb", [], ["libanswer-dev"]),
        ("prog", "1.0", "prog", ["libanswer-dev"], ["prog"])]
    desk.chain(tables[0], tables[1] + f'sha256 = "{"ab" * 32}"\n')
    done = desk.plan()
    assert done.returncode == 11 and "is not the file that was named" in done.stderr


def test_a_version_that_is_published_or_older_is_told_before_the_build(desk: Desk) -> None:
    index = desk.directory / f"out/{HOST}/repo/dists/sid/main/binary-{HOST}/Packages"
    index.parent.mkdir(parents=True)

    def publish(version: str) -> None:
        index.write_text(
            f"Package: libown-dev\nVersion: {version}\nArchitecture: {HOST}\nMaintainer: N <n@example.org>\n"
            f"Filename: pool/main/l/lib/libown-dev_{version}_{HOST}.deb\nSize: 1\nSHA256: {'ab' * 32}\n"
            "Description: tiny\n\n")

    publish("1.0")
    done = desk.plan()
    assert done.returncode == 0 and "published already: lib 1.0." in done.stdout
    assert "dch -i" in done.stdout and "prog" not in done.stdout.partition("published already")[2]
    publish("1.1")
    done = desk.plan()
    assert done.returncode == 25 and "lib 1.0 is older than what is published" in done.stdout


BAD = {
    "nowhere": (2, 'path = "nowhere"', "there is no directory"),
    "bare": (12, 'path = "bare"', "is no Debian source: it has no debian/changelog and no debian/control"),
    "other": (3, 'path = "lib"', "lib is the source lib, not other"),
    "git-format": (3, 'path = "git-format"', "has the source format '3.0 (git)'"),
    "out-of-tree": (3, 'path = "out-of-tree"', "key: a symbolic link out of the tree"),
    "no-branch": (10, 'git = "lib"\nbranch = "gone"', "has no branch gone"),
    "no-commit": (10, f'git = "lib"\ncommit = "{"a" * 40}"', "has no commit aaaa"),
    "unsigned": (11, 'git = "lib"\ntag = "signed"\nkeyring = "debxcross.toml"', "is not signed"),
    "gone": (2, 'dsc = "gone_1.dsc"', "there is no file"),
    "broken": (11, 'dsc = "broken_1.0.dsc"', "broken_1.0.tar.xz is missing, which broken_1.0.dsc names"),
    "suffixed": (3, 'path = "suffixed"\nversion-suffix = "git"', "has no commit"),
}


def spoil(desk: Desk) -> None:
    """Put on the desk what the table of bad input names."""
    any_package = "Package: {0}\nArchitecture: any\nDescription: tiny\n"
    (desk.directory / "bare").mkdir()
    desk.tree("git-format", any_package.format("git-format"), form="3.0 (git)")
    (desk.tree("out-of-tree", any_package.format("out-of-tree")) / "key").symlink_to("/etc/shadow")
    desk.tree("suffixed", any_package.format("suffixed"))
    desk.tree("broken", any_package.format("broken"))
    process.run(["dpkg-source", "--build", str(desk.directory / "broken")], directory=desk.directory)
    (desk.directory / "broken_1.0.tar.xz").unlink()
    desk.commit(desk.directory / "lib")
    desk.git(desk.directory / "lib", "tag", "--annotate", "--message=x", "signed")


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told(desk: Desk, name: str) -> None:
    spoil(desk)
    status, table, said = BAD[name]
    desk.chain(f'[[source]]\nname = "{name}"\n{table}\n')
    done = desk.plan()
    assert done.returncode == status, done.stderr + done.stdout
    assert said in done.stderr and "Next: " in done.stderr
    assert list((desk.directory / "store/work").iterdir()) == []


def test_all_that_cannot_be_taken_in_is_told_at_once(desk: Desk) -> None:
    spoil(desk)
    desk.chain(*(f'[[source]]\nname = "{name}"\n{table}\n' for name, (_, table, _) in BAD.items()))
    done = desk.plan()
    assert f"{len(BAD)} members cannot be taken in" in done.stderr
    assert [said for _, _, said in BAD.values() if said not in done.stderr] == []


def test_build_dependencies_that_nobody_has_are_told_in_apts_words(desk: Desk) -> None:
    desk.tree("lib", "Package: libown-dev\nArchitecture: any\nDescription: tiny\n",
              "debhelper, libnowhere-dev")
    desk.chain('[[source]]\nname = "lib"\npath = "lib"\n')
    done = desk.plan()
    assert done.returncode == 13 and "the build dependencies of lib cannot be satisfied" in done.stdout
    assert "libnowhere-dev" in done.stdout
