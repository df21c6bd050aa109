# SPDX-License-Identifier: GPL-3.0-or-later
"""Twins: what lets a patched Multi-Arch: same package into a build root.

dpkg wants every architecture of such a package at one version.  A patched library has a
version of its own for the host architecture only, while the build architecture's
is in every root.  Its twin is Debian's own .deb for the build architecture with nothing
changed but the version; it is offered in build roots and never published.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from debxcross.core.artifact import StoredFile
from debxcross.core.build import commands
from debxcross.doors import deb
from debxcross.doors.apt import parse_print_uris, raise_for_apt
from debxcross.errors import BuildError
from debxcross.steps.build.buildroot import BuildRoot


def make_twins(root: BuildRoot, debs: Sequence[Path], source_version: str,
               archive: Mapping[str, str]) -> Iterator[StoredFile]:
    """Yield the twins of these new .debs, stored.

    ``archive`` has the build architecture's versions by package, ``source_version`` is the
    version of those it does not name.  Raises UnsatisfiableError when the archive does not have
    one for the build architecture.
    """
    context = root.context
    if context.build == context.host:
        return
    for path in debs:
        control = deb.read_facts(path).control
        if control.get("Multi-Arch") != "same" or control["Package"].endswith("-dbgsym"):
            continue
        plain_version = archive.get(control["Package"], source_version)
        wanted = f"{control['Package']}:{context.build.name}={plain_version}"
        answer = root.run(["apt-get", "download", "--print-uris", "-q", wanted], log=False)
        raise_for_apt(answer, f"{wanted}, which the patched {root.name} needs beside it, cannot be had")
        (original,) = context.supply.fetch(root.name, parse_print_uris(answer.stdout))
        yield _repack(root, original, plain_version, control["Version"])


def _repack(root: BuildRoot, original: StoredFile, plain_version: str, version: str) -> StoredFile:
    place = root.directory / "twin"
    root.context.store.lay_out((original,), place)
    root.session.put(place, "/debxcross/twin")
    root.session.run(["sh", "-c", commands.twin_script(original.name, plain_version, version)],
                     directory="/debxcross/twin").check(
                         BuildError, f"{original.name} could not be given the version {version}")
    made = root.session.take("/debxcross/twin/twin.deb", place / "twin.deb")
    control = deb.read_facts(made).control
    return root.context.store.put(
        made, f"{control['Package']}_{version.split(':')[-1]}_{control['Architecture']}.deb")
