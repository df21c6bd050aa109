# SPDX-License-Identifier: GPL-3.0-or-later
"""The smallest real run, from an empty store: mirror, toolchain, build, repository, device.

It needs the machine's own Debian mirror and takes a few minutes; everything below shares
the one run.
"""
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

from debxcross.core.sysroot.examples import EXAMPLES
from tests.tools import need

pytestmark = pytest.mark.network
CHAIN = Path(__file__).resolve().parents[1] / "data" / "small.toml"


@dataclass(frozen=True)
class Place:
    """A directory of its own with store, keys and results."""

    directory: Path

    @property
    def repository(self) -> Path:
        """The published tree."""
        return self.directory / "out" / "armel" / "repo"

    def debxcross(self, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        """Run the command line and check how it ends."""
        environment = {**os.environ, "DEBXCROSS_STORE": str(self.directory / "store"),
                       "DEBXCROSS_KEYS": str(self.directory / "keys")}
        done = subprocess.run(
            [sys.executable, "-c", "from debxcross.cli import main; main()", *arguments],
            cwd=self.directory, env=environment, capture_output=True, text=True, timeout=1500)
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def summary(self) -> Any:
        """Return the summary of the last run."""
        return json.loads((self.directory / "out/armel/summary.json").read_text())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    need("mmdebstrap", "qemu-arm-static", "gpg", "apt-ftparchive", "unshare")
    directory = tmp_path_factory.mktemp("real")
    place = Place(directory)
    run = place.debxcross("build-dep-chain", "armel", "--chain", str(CHAIN))
    (directory / "said").write_text(run.stderr)
    yield place
    shutil.rmtree(directory / "store", ignore_errors=True)  # a base root is most of a gigabyte


def test_the_device_took_what_was_built(place: Place) -> None:
    summary = place.summary()
    assert summary["trial"]["passed"] >= 1
    assert [deb["name"] for deb in summary["debs"] if deb["member"] == "zlib"] == [
        "zlib1g", "zlib1g-dbgsym", "zlib1g-dev"]
    assert {member["name"]: member["state"] for member in summary["members"]}["device-trial"] == "built"


def test_a_cross_build_equals_debians_native_one(place: Place) -> None:
    """zlib1g-dev holds a static library, headers and a .pc file, all as Debian's own buildd made them."""
    lists = next((place.directory / "store" / "apt").glob("*/var/lib/apt/lists"))
    native = ""
    for index in lists.glob("*_dists_bookworm_main_binary-armel_Packages"):
        for stanza in index.read_text().split("\n\n"):
            if stanza.startswith("Package: zlib1g-dev\n"):
                native = next(line.split()[1] for line in stanza.splitlines() if line.startswith("SHA256:"))
    ours = next(deb["sha256"] for deb in place.summary()["debs"] if deb["name"] == "zlib1g-dev")
    assert ours == native


def test_a_package_that_debian_has_in_the_same_version_is_told(place: Place) -> None:
    """Cross-built, libyaml-0-2 has other bytes than Debian's; apt on the device takes either."""
    log = place.debxcross("log", "device-trial", "--arch", "armel").stdout
    assert "the device is as its oldest: ARMv5TE without VFP (QEMU_CPU=arm926" in log
    untried = next(line for line in (place.directory / "said").read_text().splitlines()
                   if "ours was not tried" in line)
    assert "zlib1g" in untried
    taken = "http://127.0.0.1:8000 bookworm/main armel libyaml-0-2" in log
    assert taken != ("libyaml-0-2" in untried)


def test_the_repository_is_signed_by_the_key_beside_it(place: Place) -> None:
    keyring = next(place.repository.glob("*.gpg"))
    release = place.repository / "dists/bookworm/InRelease"
    done = subprocess.run(["gpgv", "--keyring", str(keyring), str(release)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    secret = list((place.directory / "keys").rglob("*.key"))
    assert secret and not list(place.repository.rglob("*.key"))
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in secret)


def test_a_second_run_starts_no_process(place: Place) -> None:
    """Processes are counted by the kernel, through strace, not by our own word."""
    need("strace")
    trace = place.directory / "trace"
    environment = {**os.environ, "DEBXCROSS_STORE": str(place.directory / "store"),
                   "DEBXCROSS_KEYS": str(place.directory / "keys")}
    done = subprocess.run(
        ["strace", "-f", "-e", "trace=execve", "-o", str(trace), sys.executable, "-c",
         "from debxcross.cli import main; main()", "build-dep-chain", "armel", "--chain", str(CHAIN)],
        cwd=place.directory, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    started = [line for line in trace.read_text().splitlines() if "execve(" in line and "= 0" in line]
    assert len(started) == 1, started  # python itself
    assert {member["state"] for member in place.summary()["members"]} == {"cached"}


def test_building_again_gives_the_same_bytes(place: Place) -> None:
    before = {deb["name"]: deb["sha256"] for deb in place.summary()["debs"]}
    place.debxcross("build-dep-chain", "armel", "--chain", str(CHAIN), "--rebuild", "zlib", "--no-trial")
    summary = place.summary()
    assert {deb["name"]: deb["sha256"] for deb in summary["debs"]} == before
    assert {member["name"]: member["state"] for member in summary["members"]}["zlib"] == "built"


def test_a_wheel_is_built_against_a_sysroot(place: Place) -> None:
    """cffi finds libffi with pkg-config, and calls through it on the device."""
    place.debxcross("wheel", "cffi", "--arch", "armel", "--release", "bookworm", "--output", "wheels")
    summary = json.loads((place.directory / "wheels/summary.json").read_text())
    deb = next(place.directory.glob("wheels/repo/pool/**/python3-cffi_*_armel.deb"))
    control = subprocess.run(["dpkg-deb", "--field", str(deb), "Depends"], capture_output=True, text=True)
    assert "libffi8 (>= " in control.stdout and "libc6 (>= " in control.stdout
    log = (place.directory / "wheels/logs/cffi.log").read_text()
    assert "/debxcross/sysroot/debxcross/bin/armel-cc" in log
    # What is the device's is not installed, so no script of it has run.
    assert "Unpacking python3.11 " in log and "Unpacking libffi-dev:armel" not in log
    trial = (place.directory / "wheels/logs/device-trial.log").read_text()
    assert summary["trial"]["passed"] >= 5 and '"name": "cffi smoke test"' in trial


def test_status_log_and_shell_look_into_the_run(place: Place) -> None:
    assert "zlib" in place.debxcross("status", "armel").stdout
    assert "dpkg-buildpackage" in place.debxcross("log", "zlib", "--arch", "armel").stdout
    inside = place.debxcross(
        "shell", "zlib", "--arch", "armel", "--", "dpkg", "--print-foreign-architectures")
    assert inside.stdout.strip() == "armel"
    # The log of the build is still there.
    assert "dpkg-buildpackage" in place.debxcross("log", "zlib", "--arch", "armel").stdout


def test_every_example_is_built_with_a_sysroot_and_runs(place: Place) -> None:
    """One program per language and build system, with Debian's cross compiler, under emulation."""
    need("zstd", "tar")
    place.debxcross("sysroot", "create", "armel", "--package", "libboost-python-dev",
                    "--output", "sysroot.tar.zst")
    said = place.debxcross("sysroot", "verify", "sysroot.tar.zst").stdout.splitlines()
    assert [line for line in said if not line.startswith("ok ")] == []
    for example in EXAMPLES:
        assert any(line.startswith(f"ok        {example.title}: ") and example.says in line for line in said)
