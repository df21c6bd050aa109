# SPDX-License-Identifier: GPL-3.0-or-later
"""A real chain, locked: built again from an empty store, and again without a network, with the same bytes.

Takes minutes and the machine's own mirrors: base roots are made three times.
"""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.tools import need

ROOT = Path(__file__).resolve().parents[2]
HOST = "armel"
MAIN = "import sys; sys.argv[0] = 'debxcross'; from debxcross.cli import main; main()"
CHAIN = """\
[chain]
name = "locked"
release = "bookworm"

[[source]]
name = "libyaml"

[trial]
packages = ["libyaml-0-2"]
"""


class Machine:
    """A store, an output and a home of their own; the chain and the lock are shared."""

    def __init__(self, place: Path, name: str) -> None:
        self.place, self.store, self.output = place, place / name / "store", place / name / "out"
        (place / name).mkdir()

    def run(self, *arguments: str, prefix: tuple[str, ...] = ()) -> None:
        self._debxcross(*arguments, "--chain", "./locked.toml", prefix=prefix)

    def store_command(self, *arguments: str) -> None:
        self._debxcross("store", *arguments, prefix=())

    def _debxcross(self, *arguments: str, prefix: tuple[str, ...]) -> None:
        done = subprocess.run(
            [*prefix, sys.executable, "-c", MAIN, *arguments, "--store", str(self.store)], cwd=self.place,
            text=True, capture_output=True, timeout=1500,
            env={**os.environ, "PYTHONPATH": str(ROOT), "DEBXCROSS_KEYS": str(self.place / "keys")})
        assert done.returncode == 0, done.stderr[-4000:]

    def build(self, *arguments: str, prefix: tuple[str, ...] = ()) -> Mapping[str, str]:
        """Build and return the sha256 of every deb by name."""
        self.run("build-dep-chain", HOST, "--output", str(self.output), *arguments, prefix=prefix)
        summary = json.loads((self.output / "summary.json").read_text())
        assert summary["trial"]["passed"] >= 1
        return {one["file"]: one["sha256"] for one in summary["debs"]}


@pytest.mark.slow
@pytest.mark.network
def test_a_lock_gives_the_same_bytes_anywhere(tmp_path: Path) -> None:
    need("mmdebstrap", "unshare", "qemu-arm-static")
    (tmp_path / "locked.toml").write_text(CHAIN)
    first = Machine(tmp_path, "first")
    debs = first.build()
    assert {"libyaml-0-2", "libyaml-dev"} <= {name.split("_")[0] for name in debs}
    first.run("lock", HOST, "-o", "locked.lock")
    text = (tmp_path / "locked.lock").read_text()
    first.run("lock", HOST, "-o", "again.lock")
    assert (tmp_path / "again.lock").read_text() == text

    empty = Machine(tmp_path, "empty")
    assert empty.build("--locked", "locked.lock") == debs
    assert not list((empty.store / "apt").glob("*/var/lib/apt/lists/*_*")), "no index was fetched"
    assert roots(empty.store) == roots(first.store)

    # Only what the lock names is carried over: nothing that was built, resolved or remembered.
    alone = Machine(tmp_path, "alone")
    empty.store_command("export", "inputs.tar", "--keep", "0", "--lock", "locked.lock")
    alone.store_command("import", "inputs.tar")
    assert not list((alone.store / "artifacts").rglob("*.json"))
    shutil.rmtree(alone.store / "memo")
    without_network = ("unshare", "--net", "--") if os.geteuid() == 0 else (
        "unshare", "--map-root-user", "--map-auto", "--net", "--")
    assert alone.build("--locked", "locked.lock", "--offline", prefix=without_network) == debs


def roots(store: Path) -> Mapping[str, list[tuple[str, ...]]]:
    """Return what every base root consists of: paths, modes, owners, times and links."""
    found = {}
    for root in sorted((store / "roots").iterdir()):
        if root.is_dir():
            # Nothing of the machine, nor of the local repository it was made from.
            assert (root / "etc/apt/sources.list").read_text() == ""
            assert not any((root / name).exists() for name in (
                "etc/hostname", "etc/resolv.conf", "repository")), root
            found[root.name] = sorted(
                (str(path.relative_to(root)), oct(status.st_mode), str(status.st_uid), str(status.st_gid),
                 str(int(status.st_mtime)), str(path.is_symlink() and os.readlink(path)),
                 str(not path.is_dir() and status.st_size))
                for path in root.rglob("*") if (status := path.lstat()))
    return found
