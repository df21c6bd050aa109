# SPDX-License-Identifier: GPL-3.0-or-later
"""What is given to publish: read, judged, and compared with what the pool has."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from debxcross.core.artifact import StoredFile
from debxcross.doors import ftparchive, otherfiles
from debxcross.doors.files import file_digest
from debxcross.doors.webtree import WebTree
from debxcross.doors.wheelfile import open_wheel
from debxcross.errors import GateError, PublishError
from debxcross.repository.core import index, readable, simple, sources as sourceindex
from debxcross.repository.core.index import IndexEntry, IndexFile
from debxcross.repository.core.simple import WheelEntry
from debxcross.repository.core.sources import SourceEntry, SourceFile
from debxcross.repository.steps.generation import Content

_KINDS = (".deb", ".dsc", ".whl", ".buildinfo", ".log")


@dataclass(frozen=True)
class Pooled:
    """A file and where in the pool it goes; ``companion`` when no index lists it.

    ``version`` is that of its package or source, with the epoch; "" for a companion.
    """

    path: str
    file: Path
    sha256: str
    size: int
    companion: bool = False
    version: str = ""


@dataclass(frozen=True)
class Given:
    """Everything that was given."""

    entries: tuple[IndexEntry, ...]
    sources: tuple[SourceEntry, ...]
    pooled: tuple[Pooled, ...]
    wheels: tuple[WheelEntry, ...] = ()

    def __add__(self, other: Given) -> Given:
        return Given(self.entries + other.entries, self.sources + other.sources, self.pooled + other.pooled,
                     self.wheels + other.wheels)

    @property
    def companions(self) -> dict[str, str]:
        """The .buildinfo files and logs: path → sha256."""
        return {one.path: one.sha256 for one in self.pooled if one.companion}


def read_given(files: Sequence[Path], component: str, architectures: Sequence[str]) -> Given:
    """Read .deb, .dsc, .whl, .buildinfo and .log files, named by their real paths.

    Raises PublishError that names the file for one that is missing, of another kind, damaged,
    or with fields that break Policy.
    """
    by_kind: dict[str, list[Path]] = {kind: [] for kind in _KINDS}
    others: list[Path] = []
    for path in files:
        if not path.is_file():
            raise PublishError(f"there is no file {path}", resolution="Build it first, then publish again.")
        by_kind.get(path.suffix, others).append(path)
    entries, pooled = [], []
    for path, control in ftparchive.read_controls(by_kind[".deb"]).items():
        try:
            entry = index.index_entry(control.fields, component=component, md5sum=control.md5sum,
                                      sha256=control.sha256, size=control.size)
            readable.check_control(entry.package, control.fields)
        except PublishError as error:
            raise PublishError(f"{path.name}: {error.brief}", error.details, error.resolution) from error
        entries.append(entry)
        pooled.append(Pooled(entry.path, path, entry.sha256, entry.size, version=entry.version))
    sources = []
    for path in by_kind[".dsc"]:
        source = _source(path, component)
        sources.append(source)
        pooled += [Pooled(f"{source.directory}/{one.name}", path.with_name(one.name).resolve(), one.sha256,
                          one.size, version=source.version) for one in source.files]
    # Whoever names "zlib_*" means the archives of the source too, which the .dsc names already.
    named = {one.file for one in pooled}
    for path in others:
        if path not in named:
            raise PublishError(f"{path} is nothing that can be published", "",
                               f"Name files that end in {', '.join(_KINDS)}.")
    for path in (*by_kind[".buildinfo"], *by_kind[".log"]):
        sha256, size = otherfiles.digest_of(path)
        pooled.append(Pooled(index.companion_path(component, path.name), path, sha256, size, True))
    wheels = [_wheel(path, component, architectures) for path in by_kind[".whl"]]
    pooled += [Pooled(one.path, path, one.sha256, one.size, version=one.version)
               for one, path in zip(wheels, by_kind[".whl"])]
    return Given(tuple(entries), tuple(sources), tuple(pooled), tuple(wheels))


def _wheel(path: Path, component: str, architectures: Sequence[str]) -> WheelEntry:
    sha256, size = otherfiles.digest_of(path)
    try:
        with open_wheel(path) as (wheel, _):
            return simple.wheel_entry(
                StoredFile(path.name, sha256, size), wheel.name, wheel.version, wheel.requires_python,
                component=component, architectures=architectures)
    except GateError as error:
        raise PublishError(f"{path.name}: {error.brief}", error.details, error.resolution) from error


def _source(path: Path, component: str) -> SourceEntry:
    with otherfiles.opened(path) as opened:
        content = opened.read()
    described = IndexFile.of(path.name, content)
    source = sourceindex.source_entry(
        content.decode("utf-8", "replace"),
        SourceFile(path.name, described.size, described.md5sum, described.sha256), component)
    for file in source.files:
        # It may be a link, as uscan makes them: what the .dsc names by its digest is no secret.
        beside = path.with_name(file.name).resolve()
        if not beside.is_file() or otherfiles.digest_of(beside) != (file.sha256, file.size):
            raise PublishError(f"{beside} is missing, or it is not the file that {path.name} names", "",
                               "Put all files of the source package beside the .dsc, then publish again.")
    return source


def missing_from_pool(root: Path, pooled: Sequence[Pooled], live: Content,
                      listed: Callable[[], Mapping[str, str]]) -> tuple[Pooled, ...]:
    """Return what must come into the pool; nothing is written.

    ``live`` is what the live generation lists, ``listed`` the pool files of all that is kept
    (path → sha256).  A published name never gets other bytes: PublishError.  What
    no generation lists was left by a run that was killed, and what differs from its own
    index is damaged: both are replaced.
    """
    names: dict[str, Pooled] = {}
    for one in pooled:
        other = names.setdefault(one.path, one)
        if other.sha256 != one.sha256:
            raise _other_bytes(one.path, other.sha256, other.version, one)
    new = []
    published = live.names()
    for path, one in names.items():
        target = root / path
        try:
            size = target.stat().st_size
        except FileNotFoundError:
            size = -1
        if size < 0:
            new.append(one)
        elif not (published.get(path) == one.sha256 and size == one.size):
            found = file_digest(target)[0]
            if found != one.sha256:
                claimed = listed().get(path, one.sha256)
                if claimed != one.sha256:
                    raise _other_bytes(path, found, live.versions().get(path, ""), one)
                new.append(one)
    return tuple(new)


def _other_bytes(path: str, sha256: str, version: str, given: Pooled) -> PublishError:
    """Return the error for a name that is taken; ``version`` is what has it, "" when that is not known."""
    name = path.rpartition("/")[2]
    details = f"published: sha256 {sha256}\ngiven: {given.file}, sha256 {given.sha256}"
    if version and version != given.version:
        return PublishError(
            f"{name} is published already, as version {version}: the epoch is no part of a file's name",
            f"{details}\nGiven is version {given.version}.",
            f"Raise more than the epoch, for instance the revision: {given.version}+1. Build it again, then "
            "publish.")
    return PublishError(
        f"{name} is published already with other bytes", details,
        "Give it a new version: with 'revision' in its table of the chain file, or, when the package "
        "is your own, with debchange --local. Then build and publish again.")


def fill_pool(tree: WebTree, new: Sequence[Pooled]) -> bool:
    """Copy files into the pool and tell whether there were any; PublishError when one changes meanwhile."""
    for one in new:
        with otherfiles.opened(one.file) as file:
            staged, sha256 = tree.stage_copy(file)
        if sha256 != one.sha256:
            raise PublishError(f"{one.file} changed while it was being published", "",
                               "Wait until nobody writes to it, then publish again.")
        tree.place(staged, one.path, flush=False)
    tree.sync()
    return bool(new)
