# SPDX-License-Identifier: GPL-3.0-or-later
"""A source of one's own as it was found: what is in it, what it says of itself, and where it was."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from debxcross.core.archive.origin import Origin
from debxcross.core.archive.own import TopEntry, changelog_entry, git_suffix
from debxcross.core.archive.source import SourcePackage
from debxcross.core.artifact import StoredFile
from debxcross.core.border import Line, Sha256
from debxcross.core.key import digest


#: What stands for all files of a tree where inputs are told.
TREE = "the source tree"


@dataclass(frozen=True)
class Commit:
    """A git commit: its name ("" outside of git), its time in seconds since 1970, the ref it was found by.

    It is ``changed`` when what is in the work tree is not what was committed.
    """

    name: Line = ""
    time: int = 0
    ref: Line = ""
    changed: bool = False


@dataclass(frozen=True)
class Contents:
    """The files of a source tree.

    ``digest`` stands for all of them; ``texts`` are those of debian/ that are read, by name there;
    ``upstream`` are tarballs that lie beside the tree when its .dsc is made, in the store.  ``archive`` is
    a tar of the tree in the store; without one the directory is packed when it is wanted.
    """

    digest: Sha256
    texts: Mapping[str, str]
    commit: Commit = Commit()
    upstream: tuple[StoredFile, ...] = ()
    archive: StoredFile | None = None


@dataclass(frozen=True)
class Taken:
    """A source of one's own, known before anything is built.

    A tree has ``contents`` and no files yet; a .dsc has files and no contents.  ``entry`` is the top of
    its changelog as it is; the version of ``source`` may have more.
    """

    origin: Origin
    source: SourcePackage
    control: str
    entry: TopEntry
    contents: Contents | None = None
    provides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def commit(self) -> Commit:
        """The commit of a tree in git, an empty one for anything else."""
        return self.contents.commit if self.contents else Commit()

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """What the key is made of: names and digests of files, or one digest for the whole tree.

        Where upstream's tarballs were found does not count.
        """
        if self.contents is None:
            return tuple(sorted((file.name, file.sha256) for file in self.source.files))
        return ((TREE, self.contents.digest),
                *sorted((file.name, file.sha256) for file in self.contents.upstream))

    @property
    def identity(self) -> str:
        """What a lock pins: the kind of origin, the commit if there is one, and the digest of the files."""
        words = (self.origin.kind, *((self.commit.name,) if self.origin.ref else ()), digest(self.files))
        return " ".join(words)

    @property
    def words(self) -> str:
        """Where it comes from, for people."""
        commit = self.commit
        told = [*((f"commit {commit.name[:12]}",) if commit.name else ()),
                *(("with changes that are not committed",) if commit.changed else ())]
        return f"{self.origin.words} ({', '.join(told)})" if told else self.origin.words

    @property
    def new_entry(self) -> str:
        """The changelog entry that the tree gets for its version; "" when it has that version already."""
        if self.contents is None or self.source.version == self.entry.version:
            return ""
        words = f"commit {self.commit.name}" + (" with changes" if self.commit.changed else "")
        return changelog_entry(self.entry, self.source.version, words, self.time)

    @property
    def time(self) -> int:
        """When the source counts as made: SOURCE_DATE_EPOCH, from its changelog or for its commit."""
        suffixed = self.contents is not None and self.source.version != self.entry.version
        return self.commit.time if suffixed else self.entry.time


def suffixed(taken: Taken) -> Taken:
    """Return a tree with the version that its origin asks for."""
    contents = taken.contents
    if contents is None or not taken.origin.suffix:
        return taken
    suffix = git_suffix(contents.commit.time, contents.commit.name, contents.digest, contents.commit.changed)
    return replace(taken, source=replace(taken.source, version=taken.source.version + suffix))
