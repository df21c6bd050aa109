# SPDX-License-Identifier: GPL-3.0-or-later
"""Base roots made of packages in the store, and of nothing else, by the real mmdebstrap.

The variant "extract" needs no working programs in the packages; it installs nothing either,
which is just what the last check must notice.
"""
from __future__ import annotations

from pathlib import Path

import pytest

from debxcross.core.build import commands
from debxcross.core.build.environment import PackageFile, RootRecipe, in_order
from debxcross.doors import process
from debxcross.doors.mmdebstrap import make_root
from debxcross.errors import FetchError, StoreError
from debxcross.steps.build.baseroot import RootPlan, ensure_root, known_root
from debxcross.steps.context import Context
from tests.contexts import make_context
from tests.playground import make_deb
from tests.tools import need

HOST = "armel"


def root_context(place: Path, offline: bool = False) -> Context:
    build = process.run(["dpkg", "--print-architecture"]).stdout.strip()
    return make_context(place, build, HOST, isolation="unshare", offline=offline,
                        mirrors={"main": (f"file:{place}/mirror",)})


def plan(context: Context, place: Path) -> RootPlan:
    """Make two packages on the mirror and return the plan of a root of both."""
    mirror = place / "mirror"
    mirror.mkdir()
    files = []
    for name, one in (("tiny", context.build.name), ("libtiny1", HOST)):
        path = make_deb(mirror / f"{name}_1%3a1.0_{one}.deb", {
            "Package": name, "Architecture": one, "Version": "1:1.0"}, {f"etc/{name}": b"here\n"})
        stored = context.store.put(path)
        context.store.drop_object(stored.sha256)
        files.append(PackageFile(f"archive:main/{path.name.replace('%', '%25')}", path.name, stored.size,
                                 stored.sha256))
    return RootPlan(RootRecipe(
        "sid", context.build.name, HOST, in_order(file.package for file in files), ("force-unsafe-io",), (),
        variant="extract"), tuple(files))


def test_packages_come_through_the_store_and_what_is_made_is_checked(tmp_path: Path) -> None:
    need("mmdebstrap", "dpkg", "apt-get", "tar")
    context = root_context(tmp_path)
    wanted = plan(context, tmp_path)
    with pytest.raises(StoreError, match="not what was asked for") as raised:
        ensure_root(context, wanted, "build-root")
    log = (tmp_path / "logs/build-root.log").read_text()
    assert "I: success" in log, log
    assert f"libtiny1:{HOST}=1:1.0" in raised.value.details
    # The packages are in the store, verified; of the root nothing is left.
    assert all(context.store.path(file.sha256).is_file() for file in wanted.files)
    assert known_root(context, wanted) is None
    assert not list((tmp_path / "store/roots").iterdir()) and not list((tmp_path / "store/work").iterdir())


def test_without_a_network_what_is_missing_is_named(tmp_path: Path) -> None:
    need("dpkg")
    context = root_context(tmp_path, offline=True)
    wanted = plan(context, tmp_path)
    with pytest.raises(FetchError, match="build-root: the store lacks 2 files") as raised:
        ensure_root(context, wanted, "build-root")
    assert [line.split(" ")[0] for line in raised.value.details.splitlines()] == sorted(
        file.file for file in wanted.files)
    assert "store import" in raised.value.resolution


def test_a_root_needs_no_signature_and_nothing_in_it_is_younger_than_its_packages(tmp_path: Path) -> None:
    need("mmdebstrap", "dpkg", "dpkg-scanpackages", "apt-get", "tar")
    context = root_context(tmp_path)
    plan(context, tmp_path)
    mirror = tmp_path / "mirror"
    process.run(["dpkg-scanpackages", "--multiversion", "."], directory=mirror,
                stdout_path=mirror / "Packages")
    sources, options = tmp_path / "sources.list", tmp_path / "apt.conf"
    sources.write_text("")
    options.write_text(commands.apt_options(context.build.name, HOST))
    made = tmp_path / "made"
    make_root(
        context.chroots, made, "sid", sources, (context.build.name, HOST), ("tiny", f"libtiny1:{HOST}"),
        apt_options=options, dpkg_options=("force-unsafe-io",), commands=(), log=tmp_path / "log",
        variant="extract", hooks=commands.repository_hooks(str(mirror)), epoch=1000000000)
    try:
        assert (made / "etc/tiny").read_text() == (made / "etc/libtiny1").read_text() == "here\n"
        assert max(path.lstat().st_mtime for path in made.rglob("*") if path != made / "dev") <= 1000000000
    finally:
        context.chroots.remove(made)
