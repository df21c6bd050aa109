# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from debxcross.core.wheel import backend
from debxcross.core.wheel.backend import BuildSystem, SdistFacts, read_facts
from debxcross.core.wheel.crates import (
    Crate, cargo_configuration, check_crate, lock_folders, parse_lock, vendor_script,
)
from debxcross.errors import UnsupportedError, VerificationError

STATIC = "Metadata-Version: 2.2\nName: x\nVersion: 1\nRequires-Dist: b>=1\nRequires-Python: >=3.8\n"


def facts(pyproject: dict[str, Any] | None = None, project: str = "x", version: str = "1",
          **texts: str) -> SdistFacts:
    named = {name.replace("__", "/").replace("_", "."): text for name, text in texts.items()}
    return read_facts("x-1.tar.gz", project, version, pyproject or {}, named)


def system(name: str, *requires: str, path: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"build-system": {"build-backend": name, "requires": list(requires), "backend-path": list(path)}}


@pytest.mark.parametrize(("name", "requires", "path", "family"), [
    ("setuptools.build_meta", (), (), "setuptools"), ("hatchling.build", (), (), "hatchling"),
    ("flit_core.buildapi", (), (), "flit"), ("poetry.core.masonry.api", (), (), "poetry"),
    ("mesonpy", (), (), "meson-python"), ("scikit_build_core.build", (), (), "scikit-build-core"),
    ("maturin", (), (), "maturin"), ("_own", ("setuptools>=42", "wheel"), ("backend",), "setuptools"),
    ("_build_utils", ("meson-python>=0.15",), ("tools",), "meson-python"),
])
def test_families(name: str, requires: tuple[str, ...], path: tuple[str, ...], family: str) -> None:
    assert facts(system(name, *requires, path=path)).family.name == family


def test_unknown_back_end() -> None:
    with pytest.raises(UnsupportedError, match="x-1.tar.gz is built by enscons.api, which is not known"):
        facts(system("enscons.api"))
    with pytest.raises(UnsupportedError, match="setuptoolsx"):
        facts(system("setuptoolsx"))


def test_no_pyproject_means_setuptools() -> None:
    assert facts().system == BuildSystem()
    assert backend.build_requirements(facts(), ("cffi",)) == ("cffi", "setuptools", "wheel")


def test_dependencies_from_the_most_reliable_place() -> None:
    project = {"project": {"dependencies": ["c"], "optional-dependencies": {"fast": ["d ; os_name == 'nt'"]}}}
    assert facts(PKG_INFO=STATIC).dependencies is None  # the name has a dash
    found = read_facts("x-1.tar.gz", "x", "1", {}, {"PKG-INFO": STATIC})
    assert found.dependencies == ("b>=1",) and found.requires_python == ">=3.8"
    dynamic = read_facts("x-1.tar.gz", "x", "1", project, {"PKG-INFO": STATIC + "Dynamic: Requires-Dist\n"})
    assert dynamic.dependencies == ("c", "d ; (os_name == 'nt') and extra == 'fast'")
    told = {"PKG-INFO": STATIC.replace("2.2", "2.1"),
            "src/x.egg-info/requires.txt": "e\n[fast:os_name=='a']\nf\n"}
    assert read_facts("x", "x", "1", {"project": {"dynamic": ["dependencies"]}}, told).dependencies == (
        "e", "f ; (os_name=='a') and extra == 'fast'")
    assert read_facts("x", "x", "1", {}, {"x.egg-info/PKG-INFO": ""}).dependencies == ()
    assert read_facts("x", "x", "1", {}, {}).dependencies is None


def test_debians_own_programs_instead_of_wheels_of_them() -> None:
    found = facts(system("setuptools.build_meta", "setuptools>=42", "Cython", "cmake", "ninja"))
    assert backend.build_requirements(found, ("Cython<3",)) == ("Cython<3", "setuptools>=42", "wheel")
    assert backend.build_packages(found, ("flex",)) == ("cmake", "flex", "make", "ninja-build")
    assert backend.build_packages(facts(), (), ("libx-dev",)) == ("pkg-config",)
    meson = facts(system("mesonpy", "meson-python"))
    assert backend.build_packages(meson, ()) == ("ninja-build", "pkg-config")
    assert backend.build_packages(meson, (), ("libx-dev",)) == ("ninja-build", "patchelf", "pkg-config")


RUST = {"rustc": "1.63.0+dfsg1-2", "libssl-dev": "3.0.15-1~deb12u1", "cmake": "4.0.1-1"}


@pytest.mark.parametrize(("project", "version", "cargo", "reason"), [
    ("x", "1", 'rust-version = "1.74"\n', "it needs rustc 1.74, bookworm has 1.63.0"),
    ("x", "1", 'rust-version = "1.63.0"\n', ""),
    ("x", "1", "[[package]]\n", ""),
    ("cryptography", "39.0.1", "", ""),
    ("cryptography", "34.0", "", "it needs OpenSSL 1.1.1 or older, bookworm has 3.0.15"),
])
def test_what_a_release_cannot_build(project: str, version: str, cargo: str, reason: str) -> None:
    found = read_facts("x", project, version, system("setuptools.build_meta", "setuptools-rust"),
                       {"src/rust/Cargo.toml": cargo})
    assert backend.unfit(found, project, version, "bookworm", RUST) == reason


def test_a_library_that_is_too_old() -> None:
    tools = {"libsodium-dev": "1.0.18-1+deb12u1"}
    assert backend.unfit(facts(), "pynacl", "1.6.2", "bookworm", tools) == \
        "it needs libsodium 1.0.19, bookworm has 1.0.18"
    assert backend.unfit(facts(), "pynacl", "1.5.0", "bookworm", tools) == ""
    assert backend.unfit(facts(), "pynacl", "1.6.2", "trixie", {"libsodium-dev": "1.0.20-1"}) == ""


def test_cmake_and_no_rust_at_all() -> None:
    assert "CMake older than 4" in backend.unfit(facts(), "uamqp", "1.6", "forky", RUST)
    found = facts(system("maturin"))
    assert found.rust and backend.unfit(found, "x", "1", "bookworm", {}) == \
        "it needs rustc, and bookworm has none"


def test_build_that_wants_the_network() -> None:
    log = "compiling\nurllib3: Failed to establish a new connection: /x.zip\nerror: command failed\n"
    assert backend.asked_network(log) == "urllib3: Failed to establish a new connection: /x.zip"
    assert backend.asked_network("error: no such header\n") == ""


LOCK = {"package": [
    {"name": "own", "version": "1"},
    {"name": "cfg-if", "version": "1.0.0", "source": "registry+https://x.example/rust/crates.io-index",
     "checksum": "a" * 64}]}


def test_crates() -> None:
    crate, = parse_lock(LOCK, "x-1.tar.gz")
    assert crate == Crate("cfg-if", "1.0.0", "a" * 64, "https://x.example/rust/crates.io-index")
    assert 'directory = "/build/vendor"' in cargo_configuration("/build/vendor")
    assert "registry-0" not in cargo_configuration("/v", (crate,)), "Cargo knows this one as crates-io"
    other = Crate("own", "2.0.0", "b" * 64, "sparse+https://c.example/index/")
    assert 'registry = "sparse+https://c.example/index/"' in cargo_configuration("/v", (crate, other))
    assert "/crates/*.crate" in vendor_script("/crates", "/vendor")


@pytest.mark.parametrize("more", [
    {"source": "git+https://x.example/a#1"}, {"checksum": ""}, {"name": "../a"}, {"version": "1/2"}])
def test_crates_that_cannot_be_verified(more: dict[str, str]) -> None:
    with pytest.raises(UnsupportedError, match="x-1.tar.gz needs the crate"):
        parse_lock({"package": [{**LOCK["package"][1], **more}]}, "x-1.tar.gz")


def test_a_crate_that_is_another_file() -> None:
    crate = Crate("cfg-if", "1.0.0", "a" * 64, "https://x.example/rust/crates.io-index")
    check_crate(crate, "a" * 64, "x-1.tar.gz")
    with pytest.raises(VerificationError, match="cfg-if-1.0.0.crate is not the file that x-1.tar.gz"):
        check_crate(crate, "b" * 64, "x-1.tar.gz")


def test_lock_files_that_count() -> None:
    assert lock_folders(["Cargo.lock", "Cargo.toml", "fuzz/Cargo.lock", "fuzz/Cargo.toml"]) == ("",)
    assert lock_folders(["a/Cargo.lock", "a/Cargo.toml", "b/Cargo.lock", "setup.py"]) == ("a/",)
    assert lock_folders(["rs/Cargo.toml"]) == ()


def test_the_form_of_a_lock_file_is_a_demand() -> None:
    texts = {"Cargo.toml": 'rust-version = "1.60"\n', "Cargo.lock": "# made by cargo\nversion = 4\n"}
    found = read_facts("x", "x", "1", system("maturin"), texts)
    assert backend.unfit(found, "x", "1", "bookworm", RUST) == "it needs rustc 1.78, bookworm has 1.63.0"


def test_the_demand_of_setuptools_rust() -> None:
    texts = {"pyproject.toml": '[[tool.setuptools-rust.ext-modules]]\nrust-version = ">=1.64.0"\n',
             "src/Cargo.toml": 'rust-version = "1.60"\n'}
    found = read_facts("x", "x", "1", system("setuptools.build_meta", "setuptools-rust"), texts)
    assert found.rust_version == "1.64.0"
    setup = {"setup.py": "RustExtension('x', rust_version='>= 1.65', debug=False)\n"}
    assert read_facts("x", "x", "1", system("setuptools.build_meta", "setuptools-rust"),
                      setup).rust_version == "1.65"
