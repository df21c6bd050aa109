# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the shims of an architecture that no suite carries; they are kept like every result."""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from debxcross.core.archive.predict import stanza_text
from debxcross.core.artifact import Artifact, StoredFile
from debxcross.core.build import shims as plan
from debxcross.core.build.environment import PackageFile
from debxcross.core.build.shims import Shim, Twin
from debxcross.core.chain.lock import BUILD_ROOT, SHIMS
from debxcross.core.key import digest
from debxcross.doors import deb, shim
from debxcross.errors import UnsupportedError
from debxcross.steps.archive import probe
from debxcross.steps.context import Context

#: The name under which the work is told.
STEP = "shims"


@dataclass(frozen=True)
class Wanted:
    """The shims to make, with GCC's major version."""

    compiler: str
    shims: tuple[Shim, ...]

    @property
    def cross(self) -> tuple[PackageFile, ...]:
        """The packages they are made of."""
        return tuple(one.cross for one in self.shims if one.cross is not None)


def wanted(context: Context) -> Wanted:
    """Return the shims that build roots need, none where some suite carries the host architecture."""
    if context.held.part(BUILD_ROOT) is not None:
        return _locked(context)
    if not context.world.without_archive:
        return Wanted("", ())
    request = {"ask": "cross", "host": context.host.name, "build": context.build.name}
    said = probe.remembered(context, "cross", request, context.world.for_build_root())
    twins = {name: Twin(**one) for name, one in said["twins"].items()}
    cross = [PackageFile(**one) for one in said["cross"]]
    return Wanted(said["compiler"], plan.shims(cross, twins, context.host.name, said["compiler"]))


def _locked(context: Context) -> Wanted:
    """Return what a lock says: the cross packages, and their twins among the base root's packages."""
    cross = context.held.part(SHIMS) or ()
    if not cross:
        return Wanted("", ())
    files = {file.package.name: file for file in context.held.part(BUILD_ROOT) or ()
             if file.package.architecture == context.build.name}
    compiler = next((match[1] for name in files if (match := re.fullmatch(r"gcc-(\d+)-base", name))), "")
    return Wanted(compiler, plan.shims(cross, _twins(context, files), context.host.name, compiler))


def _twins(context: Context, files: Mapping[str, PackageFile]) -> dict[str, Twin]:
    stored = dict(zip(files, context.supply.fetch(STEP, tuple(files.values()))))
    controls = {name: deb.read_facts(context.store.path(file.sha256)).control for name, file in stored.items()}
    return {name: Twin(one["Version"], one.get("Depends", ""), one.get("Provides", ""))
            for name, one in controls.items()}


def problem(context: Context) -> UnsupportedError | None:
    """Return the error for an architecture whose C library the release does not have, None when all is there."""
    found = wanted(context)
    if not context.world.without_archive or not (absent := plan.missing(
            found.shims, context.host, found.compiler)):
        return None
    host = context.host.name
    return UnsupportedError(
        f"no suite carries {host}, and the release's cross toolchain lacks its C library",
        "\n".join(f"{name}: there is no {name}-{host}-cross" for name in absent),
        "Choose another release with --release or in the chain, whose cross toolchain has it "
        f"('apt-cache search -n -- -{host}-cross' shows what this machine's has).")


def made(context: Context) -> tuple[PackageFile, ...]:
    """Return the shims, in the store; they are made when it does not have them.

    Raises FetchError, VerificationError, GateError for a damaged cross package.
    """
    found = wanted(context)
    if not found.shims:
        return ()
    key = digest({"kind": "shims", "schema": plan.SCHEMA, "host": context.host,
                  "shims": [replace(one, cross=replace(one.cross, uri="")) if one.cross else one
                            for one in found.shims]})
    artifact = context.store.artifact(key)
    if artifact is None:
        with context.store.lock(f"shims-{context.host.name}",
                                lambda: context.busy(STEP, "another run makes them; waiting")):
            artifact = context.store.artifact(key) or _make(context, found, key)
    return tuple(PackageFile(f"{STEP}:{file.name}", file.name, file.size, file.sha256)
                 for file in artifact.files)


def _make(context: Context, found: Wanted, key: str) -> Artifact:
    stored = dict(zip(found.cross, context.supply.fetch(STEP, found.cross)))
    context.busy(STEP, f"making {len(found.shims)} packages for {context.host.name} of the cross toolchain's")
    names = [one.name for one in found.shims]
    files: list[StoredFile] = []
    with context.store.work(context.chroots.remove) as directory:
        for one in found.shims:
            place = directory / one.name
            place.mkdir(parents=True)
            origin = context.store.path(stored[one.cross].sha256) if one.cross else None
            files.append(context.store.put(shim.pack(
                origin, plan.control_of(one, context.host.name, names), context.host, place)))
    return context.store.commit(Artifact(key, STEP, tuple(files), {
        "kind": STEP, "host": context.host.name,
        "inputs": {"files": [[file.file, file.sha256] for file in found.cross]}}))


def index(context: Context) -> str:
    """Return the text of an index that has the shims, "" where there are none."""
    return "\n".join(
        stanza_text(deb.read_facts(context.store.path(file.sha256)).control, f"./{file.file}", file.size,
                    file.sha256) for file in made(context))
