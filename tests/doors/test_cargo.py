# SPDX-License-Identifier: GPL-3.0-or-later
"""Cargo fetches crates as its user has it configured; here it is a program that notes how it is called."""
from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from debxcross.core.wheel.crates import Crate
from debxcross.doors import cargo
from debxcross.errors import FetchError, HostError

TEXTS = {"rs/Cargo.toml": "[package]\nname = 'x'\nversion = '1.0.0'\n", "rs/Cargo.lock": "version = 3\n",
         "rs/src/lib.rs": "", ".cargo/config.toml": "evil = 1\n"}


def fake(directory: Path, script: str) -> dict[str, str]:
    """Return the environment of a user whose cargo is a shell script."""
    program = directory / "bin/cargo"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    home = directory / "home"
    home.mkdir()
    return {"PATH": f"{program.parent}:/usr/bin:/bin", "HOME": str(home), "CARGO_NET_RETRY": "1",
            "SECRET": "x"}


def test_it_is_called_above_the_tree_with_the_users_settings(tmp_path: Path) -> None:
    environment = fake(tmp_path, f'echo "$@" > {tmp_path}/argv; pwd > {tmp_path}/pwd; env > {tmp_path}/env; '
                                 'test -e "$(dirname "$4")/src/lib.rs"')
    work = tmp_path / "work"
    work.mkdir()
    cargo.fetch_locked(TEXTS, "rs/", work, "x-1.tar.gz", environment)
    assert (tmp_path / "argv").read_text() == f"fetch --locked --manifest-path {work}/tree/rs/Cargo.toml\n"
    assert (tmp_path / "pwd").read_text() == f"{work}\n", "a configuration inside the sdist must not count"
    seen = (tmp_path / "env").read_text()
    assert "CARGO_NET_RETRY=1" in seen and f"HOME={tmp_path}/home" in seen and "SECRET" not in seen


def test_a_cargo_that_fails_is_told(tmp_path: Path) -> None:
    environment = fake(tmp_path, "echo 'error: lock file version 9 was found' >&2; exit 101")
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(FetchError, match="cargo cannot fetch the crates of x-1.tar.gz") as caught:
        cargo.fetch_locked(TEXTS, "rs/", work, "x-1.tar.gz", environment)
    assert "lock file version 9" in caught.value.details


def test_no_cargo(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="x-1.tar.gz needs crates") as caught:
        cargo.fetch_locked(TEXTS, "rs/", tmp_path, "x-1.tar.gz", {"PATH": "", "HOME": "/none"})
    assert "Debian package cargo" in caught.value.resolution


def test_where_it_is_looked_for(tmp_path: Path) -> None:
    environment = fake(tmp_path, "")
    assert cargo.cargo_program(environment) == str(tmp_path / "bin/cargo")
    assert cargo.cargo_program({"CARGO": "/opt/cargo", **environment}) == "/opt/cargo"
    assert cargo.cargo_home({"CARGO_HOME": "/srv/cargo", "HOME": "/h"}) == Path("/srv/cargo")


def test_crates_are_found_in_its_cache(tmp_path: Path) -> None:
    crate = Crate("cfg-if", "1.0.0", hashlib.sha256(b"").hexdigest(), "https://x.example/index")
    environment = {"HOME": str(tmp_path)}
    assert cargo.find_crate(crate, environment) is None
    path = tmp_path / ".cargo/registry/cache/x.example-0123/cfg-if-1.0.0.crate"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    assert cargo.find_crate(crate, environment) == path


def test_nothing_of_an_sdist_but_what_is_given_is_written(tmp_path: Path) -> None:
    """Paths come from an archive that was checked; Cargo sees manifests, locks and sources only."""
    environment = fake(tmp_path, "true")
    work = tmp_path / "work"
    work.mkdir()
    cargo.fetch_locked({"Cargo.toml": "", "Cargo.lock": "", "src/lib.rs": ""}, "", work, "x", environment)
    found = sorted(str(path.relative_to(work)) for path in work.rglob("*") if path.is_file())
    assert found == ["tree/Cargo.lock", "tree/Cargo.toml", "tree/src/lib.rs"]
    shutil.rmtree(work)


def test_metadata_of_what_is_compiled_for_some_targets(tmp_path: Path) -> None:
    environment = fake(tmp_path, f'echo "$@" > {tmp_path}/argv; echo \'{{"packages": []}}\'')
    work = tmp_path / "work"
    work.mkdir()
    assert cargo.metadata(TEXTS, "rs/", work, ("arm-x", "amd-x"), environment) == {"packages": []}
    assert (tmp_path / "argv").read_text() == (
        "metadata --locked --format-version 1 --filter-platform arm-x --filter-platform amd-x "
        f"--manifest-path {work}/tree/rs/Cargo.toml\n")


@pytest.mark.parametrize("script", ["exit 101", "echo no JSON", "echo '[[[[[[['"])
def test_metadata_that_cargo_cannot_give(tmp_path: Path, script: str) -> None:
    work = tmp_path / "work"
    work.mkdir()
    assert cargo.metadata(TEXTS, "rs/", work, (), fake(tmp_path, script)) is None
    assert cargo.metadata(TEXTS, "rs/", work, (), {"PATH": "", "HOME": "/none"}) is None
