# SPDX-License-Identifier: GPL-3.0-or-later
"""Crates of an sdist: what its lock files name comes into the store, and nothing else."""
from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from debxcross.errors import FetchError, GateError, VerificationError
from debxcross.steps.wheel.crates import fetch_crates
from tests.contexts import make_context

CRATE = b"a crate"
LOCK = f"""version = 3

[[package]]
name = "cfg-if"
version = "1.0.0"
source = "registry+https://x.example/crates.io-index"
checksum = "{hashlib.sha256(CRATE).hexdigest()}"

[[package]]
name = "own"
version = "1.0.0"
"""


def sdist(directory: Path, lock: str = LOCK) -> Path:
    path = directory / "own-1.0.0.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in (("Cargo.toml", "[package]"), ("Cargo.lock", lock), ("src/lib.rs", "")):
            member = tarfile.TarInfo(f"own-1.0.0/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


@pytest.fixture()
def cargo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cargo that puts one file into its cache, and counts its calls; returns that file."""
    cached = tmp_path / "cargo/registry/cache/x.example-01/cfg-if-1.0.0.crate"
    program = tmp_path / "cargo-program"
    program.write_text(f"#!/bin/sh\necho called >> {tmp_path}/calls\nmkdir -p {cached.parent}\n"
                       f"printf '%s' \"$(cat {tmp_path}/answer)\" > {cached}\n")
    program.chmod(0o755)
    (tmp_path / "answer").write_bytes(CRATE)
    monkeypatch.setenv("CARGO", str(program))
    monkeypatch.setenv("CARGO_HOME", str(tmp_path / "cargo"))
    return cached


def test_crates_are_fetched_once(tmp_path: Path, cargo: Path) -> None:
    run = make_context(tmp_path)
    crates, files = fetch_crates(run, "own", sdist(tmp_path))
    assert [crate.file for crate in crates] == ["cfg-if-1.0.0.crate"] == [file.name for file in files]
    assert run.store.path(files[0].sha256).read_bytes() == CRATE
    cargo.unlink()
    assert fetch_crates(make_context(tmp_path, offline=True), "own", sdist(tmp_path)) == (crates, files)
    assert (tmp_path / "calls").read_text() == "called\n"


def test_another_file_than_the_lock_names(tmp_path: Path, cargo: Path) -> None:
    (tmp_path / "answer").write_text("something else")
    with pytest.raises(VerificationError, match="cfg-if-1.0.0.crate is not the file that own-1.0.0.tar.gz"):
        fetch_crates(make_context(tmp_path), "own", sdist(tmp_path))
    (tmp_path / "answer").write_bytes(CRATE)
    assert len(fetch_crates(make_context(tmp_path), "own", sdist(tmp_path))[1]) == 1, "it was not believed"


def test_offline_names_what_is_missing(tmp_path: Path, cargo: Path) -> None:
    with pytest.raises(FetchError) as caught:
        fetch_crates(make_context(tmp_path, offline=True), "own", sdist(tmp_path))
    assert "cfg-if-1.0.0.crate" in caught.value.details and not (tmp_path / "calls").exists()


def test_a_lock_that_is_no_toml(tmp_path: Path, cargo: Path) -> None:
    with pytest.raises(GateError, match="own-1.0.0.tar.gz: Cargo.lock cannot be read"):
        fetch_crates(make_context(tmp_path), "own", sdist(tmp_path, "[[package"))
