# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rustc compiles an sdist is decided before the build, by its manifests and by those of its crates."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

from debxcross.core.wheel.rust import Toolchain
from debxcross.errors import UnsatisfiableError
from tests.integration.test_resolve import Desk, Shop, desk, shop  # noqa: F401

OWN = Toolchain("rustc", "cargo", "libstd-rust-dev", "1.63.0+dfsg1-2")
WEB = Toolchain("rustc-web", "cargo-web", "libstd-rust-web-dev", "1.85.0+dfsg3-1~deb12u3")
PYPROJECT = b'[build-system]\nbuild-backend = "maturin"\nrequires = ["maturin"]\n'


@pytest.fixture()
def crates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cargo that says what stands in a file, by the version in the manifest, and counts its calls."""
    program = tmp_path / "cargo-program"
    program.write_text(f'#!/bin/sh\necho called >> {tmp_path}/calls\nfor last; do :; done\n'
                       f'cat {tmp_path}/says-$(sed -n \'s/^version = "\\(.*\\)"/\\1/p\' "$last")\n')
    program.chmod(0o755)
    monkeypatch.setenv("CARGO", str(program))
    return tmp_path


def crate_needs(directory: Path, version: str, rustc: str) -> None:
    """Let the crates of a version of the sdist ask for a rustc."""
    (directory / f"says-{version}").write_text(json.dumps({
        "packages": [{"id": "top", "name": "rusty", "version": version},
                     {"id": "deep", "name": "deep", "version": "3.1", "rust_version": rustc}],
        "resolve": {"root": "top", "nodes": [
            {"id": "top", "deps": [{"pkg": "deep", "dep_kinds": [{"kind": None}]}]}]}}))


def offer(shop: Shop, version: str, rust_version: str = "1.56") -> None:  # noqa: F811
    shop.sdist("rusty", version, {
        "pyproject.toml": PYPROJECT, "src/lib.rs": b"", "Cargo.lock": b"version = 3\n", "Cargo.toml":
        f'[package]\nname = "rusty"\nversion = "{version}"\nrust-version = "{rust_version}"\n'.encode()})
    if version == "1.0":
        shop.wheel("maturin", "1.0")


def test_the_newest_that_some_rustc_can_build(desk: Desk, shop: Shop, crates: Path) -> None:  # noqa: F811
    for version, rust_version, crate in (("4.0", "1.95", "1.56"), ("3.0", "1.56", "1.86"),
                                         ("2.0", "1.56", "1.74"), ("1.0", "1.56", "1.60")):
        offer(shop, version, rust_version)
        crate_needs(crates, version, crate)
    maker = desk.maker()
    for finder in (maker.finder, maker.build.finder):
        finder.rust.known = (OWN, WEB)
    finder = desk.finder()
    finder.rust.known = (OWN, WEB)
    found = desk.resolve_with(finder, "rusty")
    assert found.notes == (
        "rusty 4.0 cannot be built here: it needs rustc 1.95, bookworm has 1.85.0; 2.0 is the newest "
        "that can",)
    chain, notes = maker.make("wheels", found)
    assert chain.wheels[0].build_packages == ("cargo-web", "pkg-config", "rustc-web")
    assert "rusty: compiled with rustc-web 1.85.0: its crate deep 3.1 needs rustc 1.74, and rustc is 1.63.0" \
        in notes
    assert (crates / "calls").read_text().count("called") == 2, "each sdist is asked about once, 4.0 never"


def test_the_release_s_own_where_it_will_do(desk: Desk, shop: Shop, crates: Path) -> None:  # noqa: F811
    offer(shop, "1.0")
    crate_needs(crates, "1.0", "1.60")
    maker = desk.maker()
    maker.finder.rust.known = (OWN, WEB)
    found = desk.resolve_with(maker.finder, "rusty")
    chain, notes = maker.make("wheels", found)
    assert chain.wheels[0].build_packages == ("cargo", "pkg-config", "rustc")
    assert not [note for note in notes if "compiled with" in note]


def test_a_crate_too_new_is_named(desk: Desk, shop: Shop, crates: Path) -> None:  # noqa: F811
    offer(shop, "1.0")
    crate_needs(crates, "1.0", "1.86")
    finder = desk.finder()
    finder.rust.known = (OWN,)
    with pytest.raises(UnsatisfiableError) as caught:
        desk.resolve_with(finder, "rusty")
    assert "its crate deep 3.1 needs rustc 1.86, bookworm has 1.63.0" in caught.value.details
    finder.rust.known = ()
    with pytest.raises(UnsatisfiableError) as caught:
        desk.resolve_with(finder, "rusty")
    assert "it needs rustc, and bookworm has none for armel" in caught.value.details


def test_crates_that_cannot_be_asked_stop_nothing(desk: Desk, shop: Shop, crates: Path) -> None:  # noqa: F811
    offer(shop, "1.0")  # cargo fails: nothing is said of this version
    finder = desk.finder()
    finder.rust.known = (OWN,)
    assert str(desk.resolve_with(finder, "rusty").choices[0].release.version) == "1.0"
