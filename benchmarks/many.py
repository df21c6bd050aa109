# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a chain of many made-up sources, each with a result in the store.

A tiny signed archive has the sources, and a toolchain of empty packages as long as a real
base root's.  Nothing is compiled: a made-up .deb is put into the store as each member's
result, under the key the members' inputs give.  Everything after that, the archive, the
plan, the publication, the run in which nothing changes, is real.
"""
from __future__ import annotations

import contextlib
import hashlib
import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

from debxcross.app.opening import Opening
from debxcross.app.request import Request
from debxcross.core.artifact import Artifact, StoredFile
from debxcross.core.build.environment import Environment, PackageFile
from debxcross.core.key import digest
from debxcross.steps.chain.prepare import promised_base, turn_of
from tests.integration.archive import (
    MAINTAINER, TinyPackage, index, library, make_suite, signing_home, toolchain,
)
from tests.playground import make_deb

#: As many packages as a real base root for cross builds has, and as a member adds to it.
BASE, ADDED = 380, 30


def make_chain(directory: Path, host: str, members: int) -> None:
    """Fill a directory with archive, configuration, chain (many.toml) and store."""
    build = subprocess.run(["dpkg", "--print-architecture"], text=True, capture_output=True).stdout.strip()
    fill = tuple(TinyPackage(f"fill{number}", build) for number in range(BASE))
    depends = ", ".join(one.name for one in fill)
    packages = (*toolchain(build, host), *fill, TinyPackage("everything", build, fields={
        "Depends": depends, "Priority": "required", "Essential": "yes"}))
    archive = directory / "archive"
    archive.mkdir()
    with signing_home(directory / "keyring.gpg", "many sources") as home:
        make_suite(archive, "sid", home, architectures=(build, host), packages=packages)
        for number in range(members):
            _make_source(archive / "pool/sid", number)
        index(archive, "sid", home, (build, host))
    (directory / "debxcross.toml").write_text(
        f'store = "{directory}/store"\nkeys = "{directory}/keys"\n'
        f'[mirrors]\nmain = ["file:{archive}"]\nsecurity = ["file:{archive}"]\n'
        f'keyrings = ["{directory}/keyring.gpg"]\n')
    (directory / "many.toml").write_text('[chain]\nname = "many"\nrelease = "sid"\n' + "".join(
        f'\n[[source]]\nname = "{_name(number)}"\n' for number in range(members)))
    with contextlib.chdir(directory):
        _fill_store(Opening(Request(host, "./many.toml")))


def _fill_store(opening: Opening) -> None:
    """Put a result of every member into the store, with the packages apt would have added."""
    context = opening.context()
    prepared = opening.prepared(context)
    base = promised_base(context, prepared)
    assert base is not None, prepared.problems
    results: dict[str, tuple[StoredFile, ...]] = {}
    for name in prepared.order:
        turn, work = turn_of(context, prepared, name, base, results), prepared.sources[name]
        assert turn is not None
        added = (*(PackageFile("", file.name, file.size, file.sha256) for file in turn.local),
                 *(PackageFile(f"file:/added{number}", f"added{number}_1.0_all.deb", 1000, f"{number:064}")
                   for number in range(ADDED)))
        environment = Environment(base.packages, added)
        turn.remember(environment)
        inputs = work.inputs(context, environment)
        with tempfile.TemporaryDirectory() as place:
            deb = make_deb(Path(place, f"lib{name}-dev_1.0_{context.host.name}.deb"), {
                "Package": f"lib{name}-dev", "Version": "1.0", "Architecture": context.host.name,
                "Source": name, "Multi-Arch": "same", "Section": "libdevel", "Priority": "optional"},
                {f"usr/share/{name}": name.encode()}, compression="none")
            results[name] = (context.store.put(deb),)
        context.results.commit(Artifact(digest(inputs), name, results[name], {
            "kind": "source", "source": name, "version": work.version, "suite": work.source.suite,
            "dsc": work.source.dsc.sha256, "patches": [], "checks": 1, "inputs": inputs}))


def _name(number: int) -> str:
    return f"many{number:03}"


def _make_source(pool: Path, number: int) -> None:
    """Write a native source that needs up to three before it, as dpkg-source would."""
    name = _name(number)
    before = sorted({number - 1, number // 2, number // 3} & set(range(number)))
    needs = ", ".join(("debhelper", *(f"lib{_name(one)}-dev" for one in before)))
    control = (f"Source: {name}\nMaintainer: {MAINTAINER}\nBuild-Depends: {needs}\n\n{library(name)}")
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:xz") as out:
        header = tarfile.TarInfo(f"{name}-1.0/debian/control")
        header.size = len(control)
        out.addfile(header, io.BytesIO(control.encode()))
    content = tar.getvalue()
    (pool / f"{name}_1.0.tar.xz").write_bytes(content)
    sums = "".join(f"{field}:\n {hashlib.new(kind, content).hexdigest()} {len(content)} {name}_1.0.tar.xz\n"
                   for field, kind in (("Checksums-Sha256", "sha256"), ("Files", "md5")))
    (pool / f"{name}_1.0.dsc").write_text(
        f"Format: 3.0 (native)\nSource: {name}\nBinary: lib{name}-dev\nArchitecture: any\nVersion: 1.0\n"
        f"Maintainer: {MAINTAINER}\nBuild-Depends: {needs}\n"
        f"Package-List:\n lib{name}-dev deb libs optional arch=any\n{sums}")
