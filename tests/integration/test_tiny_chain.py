# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line from end to end on a tiny archive: plans, and what bad input is told.

tests/golden/errors/NAME.txt holds what a case prints: exit status, standard error, standard
output, with what differs between machines and runs replaced.  DEBXCROSS_UPDATE_GOLDEN=1 writes
them anew; read the difference before you keep it.
"""
from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from debxcross.doors import process
from tests.integration.archive import (
    SigningHome, TinyPackage, TinySource, library, make_suite, signing_home, toolchain, without_progress,
)
from tests.tools import need

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden/errors"
HOST = "armel"
MAIN = "import sys; sys.argv[0] = 'debxcross'; from debxcross.cli import main; main()"
SOURCES = (
    TinySource("alpha"),
    TinySource("beta", "debhelper, libalpha-dev",
               binaries=(library("beta", "libalpha-dev, ${misc:Depends}"),)),
    TinySource("gamma", "debhelper, libnothing-dev (>= 2)"),
    TinySource("delta", binaries=(library("delta", "libnothing1"),)),
    TinySource("left", "debhelper, libright-dev"),
    TinySource("right", "debhelper, libleft-dev"),
)


@dataclass(frozen=True)
class Place:
    """The archives, made once, and what they are signed with."""

    directory: Path
    home: SigningHome
    stranger: SigningHome
    build: str

    @property
    def good(self) -> Path:
        """The archive in which a plan works."""
        return self.directory / "good"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    need("apt-get", "apt-ftparchive", "dpkg", "dpkg-source", "gpg", "gpgv")
    build = process.run(["dpkg", "--print-architecture"]).stdout.strip()
    directory = tmp_path_factory.mktemp("tiny")
    packages = toolchain(build, HOST)
    archives = {
        "good": packages,
        "no-compiler": [one for one in packages if not one.name.startswith("crossbuild")],
        "skewed": [*(one for one in packages if (one.name, one.architecture) != ("libtiny1", build)),
                   TinyPackage("libtiny1", build, "1.0-2", {"Multi-Arch": "same"})],
    }
    with signing_home(directory / "keyring.gpg") as home, signing_home(directory / "x.gpg", "x") as stranger:
        for name, some in archives.items():
            (directory / name).mkdir()
            make_suite(directory / name, "sid", home, architectures=(build, HOST), packages=some,
                       sources=SOURCES)
        yield Place(directory, home, stranger, build)


class Desk:
    """A working directory with a debxcross.toml, a chain file and a store of its own."""

    def __init__(self, place: Place, directory: Path) -> None:
        self.place, self.directory = place, directory
        self.store = directory / "store"
        self.command: tuple[str, ...] = ()
        self.mirror(place.good)
        self.chain("alpha", "beta")

    def mirror(self, archive: Path, keyring: Path | None = None) -> None:
        uri, ring = f"file:{archive}", keyring or self.place.home.keyring
        (self.directory / "debxcross.toml").write_text(
            f'[mirrors]\nmain = ["{uri}"]\nsecurity = ["{uri}"]\nkeyrings = ["{ring}"]\n')

    def chain(self, *sources: str) -> None:
        members = "".join(f'\n[[source]]\nname = "{name}"\n' for name in sources)
        (self.directory / "tiny.toml").write_text(
            f'[chain]\nname = "tiny"\nrelease = "sid"\nsummary = "Tiny"\n{members}')

    def run(self, *arguments: str, user: str = "") -> subprocess.CompletedProcess[str]:
        """Run the command line as a shell would, with nothing of our own environment but PATH."""
        prefix = ("setpriv", "--reuid", user, "--clear-groups") if user else ()
        return self.run_to(subprocess.PIPE, *arguments, prefix=prefix)

    def run_to(self, output: int, *arguments: str, prefix: tuple[str, ...] = ()
               ) -> subprocess.CompletedProcess[str]:
        """Run the command line with its standard output going to a file descriptor."""
        done = subprocess.run(
            [*prefix, sys.executable, "-c", MAIN, *arguments], cwd=self.directory, text=True,
            stdout=output, stderr=subprocess.PIPE, timeout=60, env={
                "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(self.directory),
                "DEBXCROSS_STORE": str(self.store), "COLUMNS": "1000", "LC_ALL": "C.UTF-8"})
        done.stderr = without_progress(done.stderr)
        return done

    def tidy(self, text: str) -> str:
        """Replace what belongs to this machine and this run."""
        for path, name in ((self.place.directory, "PLACE"), (self.directory, "DESK"), (ROOT, "CHECKOUT")):
            text = text.replace(str(path), name)
        text = re.sub(rf"\b(on|for|carry:) {self.place.build}\b", r"\1 BUILD", text)
        text = re.sub(r"\.layout\.[0-9a-f]{8}\b", ".layout.RANDOM", text)
        text = re.sub(r"\b[0-9A-F]{16,40}\b", "KEY", text)
        text = re.sub(r"(store/(apt|work))/[0-9a-f]{12,16}", r"\1/ID", text)
        text = self._without_foreign_words(text)
        text = re.sub(r"(failed after) \d+ s$", r"\1 SECONDS", text, flags=re.MULTILINE)
        return re.sub(r"^\[ *\d+\.\ds\]", "[SECONDS]", text, flags=re.MULTILINE)

    @staticmethod
    def _without_foreign_words(text: str) -> str:
        """Replace what apt and unshare say themselves, which changes with their versions."""
        lines: list[str] = []
        foreign = False
        for line in text.splitlines(keepends=True):
            if match := re.match(r" +([EW]:|The following packages have unmet|unshare:) ", line):
                foreign = True
                if not lines[-1].endswith("'s words\n"):
                    lines.append("    unshare's words\n" if match[1] == "unshare:" else "    apt's words\n")
            elif not foreign or not line.startswith("     ") or line.strip().startswith("ended with"):
                foreign = False
                lines.append(line)
        return "".join(lines)


@pytest.fixture
def desk(place: Place, tmp_path: Path) -> Desk:
    return Desk(place, tmp_path)


# Plans

def test_the_plan_as_text(desk: Desk) -> None:
    done = desk.run("plan", HOST, "--chain", "tiny.toml")
    assert (done.returncode, done.stderr) == (0, "")
    assert desk.tidy(done.stdout) == """\
tiny: sid, built on BUILD for armel

  1. alpha  1.0  ready    its build environment is not resolved yet
            from sid (source)
  2. beta   1.0  waiting  waits for alpha
            from sid (source)
"""
    assert not (desk.directory / "out").exists()


def test_what_cannot_work_is_left_out_of_a_plan_that_keeps_going(desk: Desk) -> None:
    done = desk.run("build", "alpha", "beta", "gamma", "delta", "alpa", "--arch", HOST, "--release", "sid",
                    "--dry-run", "--keep-going")
    assert done.returncode in (12, 13)
    rows = {match[1]: match[0] for match in re.finditer(r"^ *\d+\. (\S+) .*", done.stdout, re.MULTILINE)}
    assert "ready" in rows["alpha"] and "waits for alpha" in rows["beta"]
    assert "excluded" in rows["gamma"] and "build dependencies of gamma cannot be satisfied" in rows["gamma"]
    assert "excluded" in rows["delta"] and "libdelta-dev would not be inst" in rows["delta"]
    assert "no source package is called alpa" in rows["alpa"]
    assert "Cannot work" not in done.stdout


def test_what_needs_a_member_that_is_left_out_has_the_archives_packages_or_goes_too(desk: Desk) -> None:
    """beta needs alpha's packages, which the tiny archive does not have as binaries."""
    done = desk.run("build", "alpha=9", "beta", "--arch", HOST, "--release", "sid", "-n", "-k")
    rows = [line for line in done.stdout.splitlines() if "excluded" in line]
    assert done.returncode and len(rows) == 2, done.stdout


def test_the_plan_as_json(desk: Desk) -> None:
    done = desk.run("plan", HOST, "--chain", "tiny.toml", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    plan = json.loads(done.stdout)
    assert [(one["name"], one["state"], one["needs"], one["packages"]) for one in plan["members"]] == [
        ("alpha", "ready", [], ["libalpha-dev"]), ("beta", "waiting", ["alpha"], ["libbeta-dev"])]
    assert plan["problems"] == []


def test_the_plan_as_a_graph(desk: Desk) -> None:
    done = desk.run("plan", HOST, "--chain", "tiny.toml", "--format", "dot")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith('digraph "tiny" {')
    assert '"beta" -> "alpha";' in done.stdout


def test_a_dry_run_is_the_plan_and_the_second_is_the_same(desk: Desk) -> None:
    said = desk.run("build-dep-chain", HOST, "--chain", "./tiny.toml", "--dry-run")
    assert said.returncode == 0, said.stderr
    named = desk.run("build", "beta", "alpha", "--arch", HOST, "--release", "sid", "-n")
    assert named.stdout.splitlines()[1:] == said.stdout.splitlines()[1:]
    # Everything it needs is in the store by now.
    desk.mirror(desk.place.good)
    assert desk.run("plan", HOST, "--chain", "tiny.toml").stdout == said.stdout


def test_a_plan_leaves_no_work_behind(desk: Desk) -> None:
    assert desk.run("plan", HOST, "--chain", "tiny.toml").returncode == 0
    assert list((desk.store / "work").iterdir()) == []
    objects = {path.name for path in (desk.store / "objects").rglob("*") if path.is_file()}
    assert len(objects) == 4  # two sources of two files
    assert all(re.fullmatch("[0-9a-f]{64}", name) for name in objects)


def test_a_source_may_ask_for_tools_of_its_own(desk: Desk) -> None:
    with (desk.directory / "tiny.toml").open("a") as chain:
        chain.write('build-packages = ["dpkg-dev"]\n')  # of beta, the last
    done = desk.run(*PLAN)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2. beta   1.0  waiting  waits for alpha" in done.stdout


# Bad input

PLAN = ("plan", HOST, "--chain", "tiny.toml")
BUILD = ("build-dep-chain", HOST, "--chain", "tiny.toml", "--no-trial")


def unknown_architecture(desk: Desk) -> tuple[str, ...]:
    return ("plan", "armle")


def unknown_chain(desk: Desk) -> tuple[str, ...]:
    return ("plan", HOST, "--chain", "pyhton2.7")


def unknown_chain_file(desk: Desk) -> tuple[str, ...]:
    return ("plan", HOST, "--chain", "none/tiny.toml")


def unknown_command(desk: Desk) -> tuple[str, ...]:
    return ("plam", HOST)


def unknown_member(desk: Desk) -> tuple[str, ...]:
    return ("build-dep-chain", HOST, "--chain", "tiny.toml", "--rebuild", "alpah")


def unknown_source(desk: Desk) -> tuple[str, ...]:
    return ("build", "alpa", "--arch", HOST, "--release", "sid", "--dry-run")


def unknown_version(desk: Desk) -> tuple[str, ...]:
    return ("build", "alpha=2.0", "--arch", HOST, "--release", "sid", "--dry-run")


def faulty_target(desk: Desk) -> tuple[str, ...]:
    return ("build", "Alpha", "beta=", "--arch", HOST, "--release", "sid", "--dry-run")


def faulty_chain(desk: Desk) -> tuple[str, ...]:
    (desk.directory / "tiny.toml").write_text(
        '[chain]\nname = 3\nrelease = "sidd"\nsumary = "x"\n\n[[source]]\nname = "Alpha"\nsuite = "nowhere"\n'
        '\n[[source]]\nversion = "1"\n\n[[wheel]]\nname = "six"\nsha256 = "12"\n')
    return PLAN


def chain_that_is_not_toml(desk: Desk) -> tuple[str, ...]:
    (desk.directory / "tiny.toml").write_text("[chain\n")
    return PLAN


def faulty_configuration(desk: Desk) -> tuple[str, ...]:
    (desk.directory / "debxcross.toml").write_text('stroe = "x"\nindex-max-age = -1\n[mirrors]\nmain = "x"\n')
    return PLAN


def missing_patch_directory(desk: Desk) -> tuple[str, ...]:
    return (*PLAN, "--patches", "none")


def faulty_patch_header(desk: Desk) -> tuple[str, ...]:
    (desk.directory / "patches/alpha").mkdir(parents=True)
    (desk.directory / "patches/alpha/bad.patch").write_text(
        "Applies-Versions: 2.0, >= 1\nApplies-If: maybe\n\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n")
    return (*PLAN, "--patches", "patches")


def no_cross_compiler(desk: Desk) -> tuple[str, ...]:
    desk.mirror(desk.place.directory / "no-compiler")
    return PLAN


def no_cross_compiler_build(desk: Desk) -> tuple[str, ...]:
    desk.mirror(desk.place.directory / "no-compiler")
    return BUILD


def source_gone(desk: Desk) -> tuple[str, ...]:
    copy = desk.directory / "mirror"
    shutil.copytree(desk.place.good, copy)
    (copy / "pool/sid/alpha_1.0.tar.xz").unlink()
    desk.mirror(copy)
    return PLAN


def source_gone_build(desk: Desk) -> tuple[str, ...]:
    source_gone(desk)
    return BUILD


def source_changed(desk: Desk) -> tuple[str, ...]:
    copy = desk.directory / "mirror"
    shutil.copytree(desk.place.good, copy)
    tarball = copy / "pool/sid/alpha_1.0.tar.xz"
    tarball.write_bytes(bytes(tarball.stat().st_size))
    desk.mirror(copy)
    return PLAN


def mirror_gone(desk: Desk) -> tuple[str, ...]:
    desk.mirror(desk.directory / "nowhere")
    return PLAN


def wrong_signature(desk: Desk) -> tuple[str, ...]:
    desk.mirror(desk.place.good, desk.place.stranger.keyring)
    return PLAN


def missing_keyring(desk: Desk) -> tuple[str, ...]:
    desk.mirror(desk.place.good, desk.directory / "none.gpg")
    return PLAN


def skew(desk: Desk) -> tuple[str, ...]:
    desk.mirror(desk.place.directory / "skewed")
    return PLAN


def skew_build(desk: Desk) -> tuple[str, ...]:
    desk.mirror(desk.place.directory / "skewed")
    return BUILD


def unsatisfiable(desk: Desk) -> tuple[str, ...]:
    desk.chain("alpha", "gamma")
    return PLAN


def unsatisfiable_build(desk: Desk) -> tuple[str, ...]:
    desk.chain("alpha", "gamma")
    return BUILD


def not_installable(desk: Desk) -> tuple[str, ...]:
    desk.chain("alpha", "delta")
    return PLAN


def build_package_gone(desk: Desk) -> tuple[str, ...]:
    with (desk.directory / "tiny.toml").open("a") as chain:
        chain.write('build-packages = ["dpkg-dev", "no-such-tool"]\n')
    return PLAN


def cycle(desk: Desk) -> tuple[str, ...]:
    desk.chain("alpha", "left", "right")
    return PLAN


def unusable_store(desk: Desk) -> tuple[str, ...]:
    desk.store.write_text("a file")
    return PLAN


def newer_store(desk: Desk) -> tuple[str, ...]:
    desk.store.mkdir()
    (desk.store / "layout").write_text("99\n")
    return PLAN


def no_run(desk: Desk) -> tuple[str, ...]:
    return ("status", HOST)


def no_log(desk: Desk) -> tuple[str, ...]:
    return ("log", "alpha", "--arch", HOST)


STATUS: dict[Callable[[Desk], tuple[str, ...]], int] = {
    unknown_architecture: 2, unknown_chain: 2, unknown_chain_file: 2, unknown_command: 2, unknown_member: 2,
    unknown_source: 12, unknown_version: 12, faulty_target: 3, faulty_chain: 3, chain_that_is_not_toml: 3,
    faulty_configuration: 3, missing_patch_directory: 3, faulty_patch_header: 3, no_cross_compiler: 12,
    no_cross_compiler_build: 12, source_gone: 10, source_gone_build: 10, source_changed: 11, mirror_gone: 10,
    wrong_signature: 11, missing_keyring: 4, skew: 14, skew_build: 14, unsatisfiable: 13,
    unsatisfiable_build: 13, not_installable: 13, cycle: 15, build_package_gone: 13,
    unusable_store: 30, newer_store: 30, no_run: 2,
    no_log: 2,
}


def compare(name: str, desk: Desk, done: subprocess.CompletedProcess[str]) -> None:
    """Compare what a command printed with tests/golden/errors/NAME.txt."""
    said = f"status {done.returncode}\n{done.stderr}"
    if done.stdout:
        said += f"----- standard output\n{done.stdout}"
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("DEBXCROSS_UPDATE_GOLDEN") == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(desk.tidy(said))
    assert desk.tidy(said) == path.read_text()


@pytest.mark.parametrize("case", STATUS, ids=lambda case: case.__name__)
def test_bad_input_is_told(desk: Desk, case: Callable[[Desk], tuple[str, ...]]) -> None:
    done = desk.run(*case(desk))
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == STATUS[case], done.stderr + done.stdout
    compare(case.__name__.replace("_", "-"), desk, done)
    if desk.store.is_dir() and (desk.store / "work").exists():
        assert list((desk.store / "work").iterdir()) == []


def test_no_subordinate_ids_are_told(place: Place) -> None:
    """A user without a range in /etc/subuid cannot enter build roots."""
    if os.geteuid() != 0 or re.search("^(nobody|65534):", Path("/etc/subuid").read_text(), re.MULTILINE):
        pytest.skip("needs root, and a user nobody without subordinate ids")
    need("setpriv", "unshare", "newuidmap")
    # nobody may not enter pytest's own directories.
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o777)
        desk = Desk(place, Path(directory))
        shutil.copytree(place.good, desk.directory / "mirror")
        shutil.copy(place.home.keyring, desk.directory / "keyring.gpg")
        desk.mirror(desk.directory / "mirror", desk.directory / "keyring.gpg")
        if desk.run("--version", user="nobody").returncode:
            pytest.skip("nobody cannot read the checkout or the interpreter")
        done = desk.run(*BUILD, user="nobody")
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == 4
        compare("no-subordinate-ids", desk, done)
