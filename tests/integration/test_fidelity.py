# SPDX-License-Identifier: GPL-3.0-or-later
"""``compare`` by the command line: two directories, damage, and an archive's own packages."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from debxcross.doors import process
from debxcross.doors.store import Store
from debxcross.steps.build.debfacts import read_deb, remembered_facts
from tests.integration.archive import SigningHome, TinyPackage, make_suite, signing_home, toolchain
from tests.playground import make_deb, make_elf
from tests.tools import need

ROOT = Path(__file__).resolve().parents[2]
HOST, LIBRARIES = "armhf", "usr/lib/arm-linux-gnueabihf"
MAIN = "import sys; sys.argv[0] = 'debxcross'; from debxcross.cli import main; main()"
Run = Callable[..., subprocess.CompletedProcess[str]]

WHOLE = {"usr/sbin/tool": make_elf(HOST, needed=("libc.so.6", "libgnutls.so.30")),
         "usr/share/zsh/vendor-completions/_tool": b"#compdef tool\n",
         "usr/share/doc/tool/copyright": b"free\n"}
POOR = {"usr/sbin/tool": make_elf(HOST, needed=("libc.so.6",)), "usr/share/doc/tool/copyright": b"free\n"}
LIBRARY = {f"{LIBRARIES}/libgood.so.1": make_elf(HOST, soname="libgood.so.1")}


def runner(tmp_path: Path, mirror: str = "", keyring: str = "") -> Run:
    if mirror:
        (tmp_path / "debxcross.toml").write_text(
            f'[mirrors]\nmain = ["{mirror}"]\nsecurity = ["{mirror}"]\nkeyrings = ["{keyring}"]\n')

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", MAIN, "compare", *arguments], cwd=tmp_path, text=True, capture_output=True,
            timeout=120, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path),
                              "DEBXCROSS_STORE": str(tmp_path / "store"), "COLUMNS": "1000",
                              "LC_ALL": "C.UTF-8"})
    return run


def put(directory: Path, name: str, files: Mapping[str, bytes | str], version: str = "1.0-1",
        architecture: str = HOST, **fields: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return make_deb(directory / f"{name}_{version}_{architecture}.deb",
                    {"Package": name, "Version": version, "Architecture": architecture, **fields}, files)


@pytest.fixture()
def places(tmp_path: Path) -> tuple[Path, Path]:
    """Two directories of .debs: what should be, and what came out."""
    right, ours = tmp_path / "right", tmp_path / "ours"
    put(right, "tool", WHOLE, "1.0-1+b1", Source="tool (1.0-1)")
    put(ours, "tool", POOR)
    for place in (right, ours):
        put(place, "libgood1", LIBRARY)
        put(place, "libgood1-dbgsym", {})
    return right, ours


def test_two_directories(places: tuple[Path, Path], tmp_path: Path) -> None:
    run = runner(tmp_path)
    done = run("ours", "--with", "right")
    assert done.returncode == 21, done.stderr
    assert done.stdout.splitlines() == [
        "tool 1.0-1 armhf (against 1.0-1+b1 armhf): lost 2 [/usr/sbin/tool: libraries libgnutls.so.30; "
        "/usr/share/zsh/vendor-completions/_tool], code the same in 0 of 1 files",
        "libgood1 1.0-1 armhf: the same",
        "2 of 2 packages compared; 1 with lost; of 2 files with code 1 have the same code, 1 the same bits."]
    done = run("right", "--with", "ours")
    assert (done.returncode, done.stdout.splitlines()[0].split(": ")[1]) == (
        0, "gained 2, code the same in 0 of 1 files")
    assert run("right", "--with", "ours", "--fail-on", "gained").returncode == 21
    assert run("ours", "--with", "right", "--fail-on", "nothing").returncode == 0


def test_a_package_that_was_not_built_is_lost_and_one_more_is_not_compared(
    places: tuple[Path, Path], tmp_path: Path
) -> None:
    right, ours = places
    put(right, "absent", {})
    put(ours, "more", {})
    (ours / "tool_1.0-1_armhf.deb").unlink()
    done = runner(tmp_path)("ours", "--with", "right", "--json")
    found = {one["package"]: one for one in json.loads(done.stdout)["packages"]}
    assert {name: one["counts"]["lost"] for name, one in found.items()} == {
        "absent": 1, "tool": 1, "libgood1": 0, "more": 0}
    assert found["more"]["against"] == "" and done.returncode == 21
    lines = runner(tmp_path)("ours", "--with", "right").stdout.splitlines()
    assert lines[0] == "absent armhf (against 1.0-1 armhf): lost 1 [the whole package]"
    # Who names a single .deb does not ask for the others.
    done = runner(tmp_path)("ours/libgood1_1.0-1_armhf.deb", "--with", "right")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)


def test_a_damaged_deb_is_named_and_the_others_are_compared(places: tuple[Path, Path],
                                                            tmp_path: Path) -> None:
    right, ours = places
    damaged = put(ours, "tool", WHOLE)
    damaged.write_bytes(damaged.read_bytes()[:-200])
    done = runner(tmp_path)("ours", "--with", "right", "--html", "page.html")
    first, *others = done.stdout.splitlines()
    assert first.startswith("tool_1.0-1_armhf.deb: damaged: ") and done.returncode == 21
    assert "libgood1 1.0-1 armhf: the same" in others
    page = (tmp_path / "page.html").read_text()
    assert "<details open><summary><strong>tool_1.0-1_armhf.deb</strong>" in page


def test_a_place_without_packages(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in ("empty", "absent"):
        done = runner(tmp_path)(place, "--with", place)
        assert done.returncode == 2 and place in done.stderr


def test_an_output_is_what_its_summary_says(places: tuple[Path, Path], tmp_path: Path) -> None:
    """A pool also keeps the packages of older snapshots, whose versions may be higher."""
    _, ours = places
    put(ours / "repo/pool", "tool", POOR, "9.0-1")
    (ours / "summary.json").write_text(json.dumps({"debs": [{"file": "tool_1.0-1_armhf.deb"}]}))
    found = json.loads(runner(tmp_path)("ours", "--with", "right", "--json").stdout)["packages"]
    assert [(one["package"], one["version"]) for one in found if one["version"]] == [("tool", "1.0-1")]


def test_what_was_read_is_remembered(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    path = put(tmp_path, "tool", WHOLE)
    facts = read_deb(store, path)
    assert remembered_facts(store, facts.sha256) == facts and remembered_facts(store, "0" * 64) is None
    (program,) = facts.code
    assert program.needed == ("libc.so.6", "libgnutls.so.30")
    owners = {one.path: one.owner for one in facts.files if one.type == "file"}
    assert owners == {name: "0/0" for name in WHOLE}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, SigningHome, str]]:
    need("apt-get", "apt-ftparchive", "dpkg", "gpg", "gpgv")
    build = process.run(["dpkg", "--print-architecture"]).stdout.strip()
    directory = tmp_path_factory.mktemp("archive")
    triplet = process.run(["dpkg-architecture", "-qDEB_HOST_MULTIARCH"]).stdout.strip()
    with signing_home(directory / "keyring.gpg") as home:
        make_suite(directory, "sid", home, architectures=(build, HOST), packages=(
            *toolchain(build, HOST), TinyPackage("gcc-12-base", HOST),
            TinyPackage("tool", HOST, "1.0-1+b2", {"Source": "tool (1.0-1)"}, WHOLE),
            TinyPackage("tool", build, "1.0-1", files=POOR),
            TinyPackage("libgood1", HOST, files=LIBRARY),
            TinyPackage("engines", build, files={f"usr/lib/{triplet}/engines-3/afalg.so": b"engine"}),
            TinyPackage("grown", HOST, "0.9-1", files={"usr/bin/grown": b"", "usr/bin/shrunk": b""}),
            TinyPackage("ahead", HOST, "2.0-1"), TinyPackage("gone", HOST)))
        (gone,) = directory.rglob("gone_*.deb")
        gone.unlink()
        yield directory, home, build


def test_an_archives_own_packages(archive: tuple[Path, SigningHome, str], tmp_path: Path) -> None:
    directory, home, build = archive
    ours = tmp_path / "ours"
    put(ours, "tool", POOR)
    put(ours, "libgood1", LIBRARY)
    put(ours, "engines", {f"{LIBRARIES}/engines-3/padlock.so": b"engine"})
    put(ours, "grown", {"usr/bin/grown": b""})
    for name in ("ahead", "own", "gone"):
        put(ours, name, {})
    run = runner(tmp_path, f"file:{directory}", str(home.keyring))
    done = run("ours", "--release", "sid", "--json")
    assert done.returncode == 21, done.stderr
    found = {one["package"]: one for one in json.loads(done.stdout)["packages"]}
    assert {name: (one["how"], one["against"]) for name, one in found.items()} == {
        "tool": ("same", "1.0-1+b2 armhf"), "libgood1": ("same", "1.0-1 armhf"),
        "engines": ("other-architecture", f"1.0-1 {build}"), "grown": ("nearest", "0.9-1 armhf"),
        "ahead": ("none", ""), "own": ("none", ""), "gone": ("none", "")}
    assert {name: [one["where"] for one in value["differences"] if one["kind"] == "lost"]
            for name, value in found.items()} == {
        "tool": ["/usr/sbin/tool", "/usr/share/zsh/vendor-completions/_tool"], "libgood1": [],
        "engines": [f"/{LIBRARIES}/engines-3/afalg.so"], "grown": ["/usr/bin/shrunk"],
        "ahead": [], "own": [], "gone": []}
    assert {name: found[name]["notes"] for name in ("ahead", "own")} == {
        "ahead": ["only newer versions are there: 2.0-1 armhf"],
        "own": ["no archive has a package of this name from this source"]}
    assert found["gone"]["notes"][0].startswith("gone_1.0-1_armhf.deb cannot be fetched: ")
    # What has no counterpart passes, unless that is wanted.
    assert run(str(ours / "own_1.0-1_armhf.deb"), "--release", "sid").returncode == 0
    assert run(str(ours / "own_1.0-1_armhf.deb"), "--release", "sid", "--fail-on",
               "uncompared").returncode == 21


def test_an_archive_is_asked_and_fetched_from_once(archive: tuple[Path, SigningHome, str],
                                                   tmp_path: Path) -> None:
    directory, home, _ = archive
    mirror = tmp_path / "mirror"
    mirror.symlink_to(directory)
    put(tmp_path / "ours", "tool", WHOLE)
    run = runner(tmp_path, f"file:{mirror}", str(home.keyring))
    first = run("ours", "--release", "sid")
    assert (first.returncode, first.stdout.splitlines()[0]) == (
        0, "tool 1.0-1 armhf (against 1.0-1+b2 armhf): the same"), first.stderr
    mirror.unlink()
    second = run("ours", "--release", "sid")
    assert (second.returncode, second.stdout) == (0, first.stdout), second.stderr


def test_an_output_is_compared_with_what_its_run_saw(
    archive: tuple[Path, SigningHome, str], tmp_path: Path
) -> None:
    """Its release, and its chain's accepted losses; where the chain is gone, the release."""
    directory, home, _ = archive
    put(tmp_path / "ours", "tool", POOR)
    (tmp_path / "ours/logs").mkdir()
    chain = tmp_path / "chain.toml"
    chain.write_text('[chain]\nname = "x"\nrelease = "sid"\n[[source]]\nname = "tool"\naccept-losses = '
                     '["/usr/share/zsh/*: needs to run it", "/usr/sbin/tool libgnutls.so.*: not wanted"]\n')
    request = {"architecture": HOST, "chain": str(chain), "targets": [], "release": "bookworm",
               "output": "ours", "store": "/nowhere", "isolation": "unshare", "patches": [], "without": [],
               "locked": None, "offline": False}
    (tmp_path / "ours/logs/events.jsonl").write_text(json.dumps({
        "time": 1, "kind": "run-started", "member": "", "text": "x",
        "data": {"chain": "x", "architecture": HOST, "release": "sid", "request": request}}) + "\n")
    run = runner(tmp_path, f"file:{directory}", str(home.keyring))
    done = run("ours")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == (
        "tool 1.0-1 armhf (against 1.0-1+b2 armhf): accepted 2, code the same in 0 of 1 files")
    assert "(accepted: needs to run it)" in run("ours", "-v").stdout
    chain.unlink()
    done = run("ours")
    assert done.returncode == 21 and "(against 1.0-1+b2 armhf): lost 2 [" in done.stdout, done.stderr


def test_a_network_that_is_gone_is_no_comparison(
    archive: tuple[Path, SigningHome, str], tmp_path: Path
) -> None:
    directory, home, _ = archive
    put(tmp_path / "ours", "gone", {})
    done = runner(tmp_path, f"file:{directory}", str(home.keyring))("ours", "--release", "sid")
    assert done.returncode == 10 and "gone_1.0-1_armhf.deb" in done.stderr
