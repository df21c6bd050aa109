# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipes for continuous integration, run as they are written."""
from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from debxcross.app import sysroot as app
from debxcross.core.architecture import architecture
from debxcross.core.sysroot.filter import DEFAULT_FILTERS
from debxcross.core.sysroot.manifest import SysrootManifest
from debxcross.doors import process
from debxcross.doors.process import Completed
from debxcross.doors.store import Store
from debxcross.doors.template import data_directory
from debxcross.steps.sysroot import make
from debxcross.steps.sysroot.choose import Chosen
from tests.playground import make_deb
from tests.tools import need

RECIPE = data_directory("examples") / "ci" / "build.sh"


@pytest.fixture()
def command(tmp_path: Path) -> Path:
    """A directory for PATH with a debxcross in it, which counts how often it is called."""
    place = tmp_path / "bin"
    place.mkdir()
    script = place / "debxcross"
    source = Path(app.__file__).parents[2]
    script.write_text(f"#!/bin/sh\necho \"$@\" >> {tmp_path}/calls\n"
                      f"PYTHONPATH={source} exec {sys.executable} -c "
                      "'from debxcross.cli import main; main()' \"$@\"\n")
    script.chmod(0o755)
    return place


def recipe(command: Path, lock: Path, cache: Path, store: Path, *words: str) -> Completed:
    return process.run(["sh", str(RECIPE), str(lock), str(cache), *words], environment={
        "PATH": f"{command}:{os.environ['PATH']}", "HOME": str(cache.parent), "DEBXCROSS_STORE": str(store)})


def tiny_lock(tmp_path: Path) -> Path:
    store = Store(tmp_path / "store")
    deb = make_deb(tmp_path / "tiny-dev_1_armel.deb", {"Package": "tiny-dev"},
                   {"usr/include/tiny.h": b"tiny"})
    manifest = SysrootManifest("armel", "bookworm", ("tiny-dev",), (), DEFAULT_FILTERS, 0)
    made = make.make(store, lambda text: None, architecture("armel"), manifest,
                     [Chosen(store.put(deb), "main", "pool/tiny")], tmp_path / "made", force=False)
    lock = tmp_path / "sysroot.lock"
    lock.write_text(made.manifest.text())
    return lock


def test_made_once_per_lock(tmp_path: Path, command: Path) -> None:
    lock, cache = tiny_lock(tmp_path), tmp_path / "cache"
    for _ in range(2):
        done = recipe(command, lock, cache, tmp_path / "store", "sh", "-c",
                      'cat "$SYSROOT/usr/include/tiny.h"')
        assert (done.exit_status, done.stdout) == (0, "tiny"), done.stderr
    assert "cached" in done.stderr
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == 1 and calls[0].startswith("sysroot create armel --from-lock")


def test_the_builds_status_is_the_recipes(tmp_path: Path, command: Path) -> None:
    done = recipe(command, tiny_lock(tmp_path), tmp_path / "cache", tmp_path / "store", "sh", "-c", "exit 7")
    assert done.exit_status == 7


def test_in_a_container_without_namespaces(tmp_path: Path, command: Path) -> None:
    need("unshare")
    lock = tiny_lock(tmp_path)
    done = process.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c",
         'echo 0 > /proc/sys/user/max_user_namespaces || exit 77; unshare --user true && exit 77; '
         'exec sh "$@"', "sh", str(RECIPE), str(lock), str(tmp_path / "cache"), "true"],
        environment={"PATH": f"{command}:{os.environ['PATH']}", "HOME": str(tmp_path),
                     "DEBXCROSS_STORE": str(tmp_path / "store")})
    if done.exit_status == 77 or "unshare: unshare failed: Operation not permitted" in done.stderr:
        pytest.skip("this machine cannot take namespaces away")
    assert done.exit_status == 0, done.stderr


@pytest.mark.parametrize("name", ["gitlab-ci.yml", "github-workflow.yml"])
def test_the_services_call_the_same_script(name: str) -> None:
    text = (RECIPE.parent / name).read_text()
    (call,) = re.findall(r"examples/ci/build\.sh\S* (.*)$", text, re.MULTILINE)
    assert call == "sysroot.lock .cache/sysroots sh build.sh"
    assert "path: .cache/sysroots" in text or "paths: [.cache/sysroots]" in text


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("example", ["c", "cxx", "openssl", "python-extension", "wheel"])
def test_a_project_with_the_machines_own_cross_compiler(tmp_path: Path, command: Path, example: str) -> None:
    need("arm-linux-gnueabi-gcc", "arm-linux-gnueabi-g++", "qemu-arm-static", "pkg-config")
    made = app.create(app.SysrootRequest("armel", tmp_path / "made"), ())
    lock = tmp_path / "sysroot.lock"
    lock.write_text(made.manifest.text())
    project = data_directory("examples") / example / "build.sh"
    store = Path(os.environ.get("DEBXCROSS_STORE") or Path.home() / ".cache/debxcross")
    # pkgconf 1.8 writes a sysroot with a space in its name twice.
    cache = tmp_path / ("a cache" if example in ("c", "cxx") else "cache")
    done = recipe(command, lock, cache, store,
                  "sh", "-c", 'sh "$1" "$SYSROOT" "$2"', "sh", str(project), str(tmp_path / "built"))
    assert done.exit_status == 0 and "hello from " in done.stdout, done.stderr
