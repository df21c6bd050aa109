# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what another publisher left: a directory of debs, a flat repository, a tree of reprepro or aptly.

Everything that its indexes list comes along, in whatever form they are there, or nothing
does: what cannot be read is an error.

Source: https://wiki.debian.org/DebianRepository/Format
"""
from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from debxcross.core.border import is_relative
from debxcross.core.stanza import parse_stanzas
from debxcross.doors import otherfiles
from debxcross.errors import PublishError, UsageError
from debxcross.repository.core import index as repository
from debxcross.repository.core.sources import without_signature

#: Field of Release → name of the digest (hashlib's) and its by-hash directory, the strongest first.
_DIGESTS = {"SHA512": ("sha512", "SHA512"), "SHA256": ("sha256", "SHA256"), "SHA1": ("sha1", "SHA1"),
            "MD5Sum": ("md5", "MD5Sum")}
#: Directories below a release that hold no release of their own.
_INSIDE = ("source", "i18n", "by-hash", "dep11", "debian-installer", "installer")
_NEXT = "Repair the old repository, or name the directory of its debs instead."


@dataclass
class Imported:
    """A release as it was found; ``files`` are debs and .dsc by component.

    ``codename`` is "" when nothing tells it; ``left`` says what is not taken, for people.
    """

    codename: str
    suite: str
    origin: str
    label: str
    architectures: tuple[str, ...]
    files: dict[str, list[Path]] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


def given_files(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Return files as they were named, and of directories everything that can be published.

    Who names a link means what it leads to; in a directory it must not lead out of it.  All
    are real paths.  Raises PublishError for what is found, and no regular file.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path.resolve())
            continue
        found += otherfiles.found(path, lambda one: one.suffix in (".deb", ".dsc", ".whl"))
        found += otherfiles.found(path, _is_companion)
    return tuple(dict.fromkeys(found))


def _is_companion(path: Path) -> bool:
    if path.suffix not in (".buildinfo", ".log"):
        return False
    try:
        repository.companion_path("main", path.name)
    except PublishError:
        return False
    return True


def read_tree(source: Path, architectures: Sequence[str] = ()) -> tuple[Imported, ...]:
    """Return the releases of a published tree, or the one of a flat repository.

    For a plain directory there are none.  With ``architectures`` only their indexes (and "all"
    and "source") are read.  What the indexes list is believed without a look at a signature, for
    the directory is ours; but it must be what Release says.  Raises UsageError when there is no
    such directory, PublishError for what is listed and missing, or cannot be read.
    """
    if not source.is_dir():
        raise UsageError(f"there is no directory {source}", resolution="Name a directory with debs.")
    # aptly keeps the tree it publishes one level down.
    root = source / "public" if (source / "public" / "dists").is_dir() else source
    base = source.resolve()
    if (root / "dists").is_dir():
        releases = tuple(_Tree(root, base, directory).read(architectures)
                         for directory in _release_directories(root / "dists", base))
        if not releases:
            raise PublishError(f"{root / 'dists'} holds no release", "", _NEXT)
        return releases
    if any(_forms_there(root / name) for name in ("Packages", "Sources")):
        return (_Tree(root, base, root).read_flat(),)
    return ()


def _release_directories(dists: Path, base: Path) -> Iterator[Path]:
    """Yield the directories of releases, each once, whatever other names links give it."""
    seen = set()
    waiting = sorted(path for path in dists.iterdir() if path.is_dir())
    while waiting:
        directory = waiting.pop(0)
        if not directory.resolve().is_relative_to(base):
            raise PublishError(f"{directory} leads out of {base}", "", _NEXT)
        inside = sorted(path for path in directory.iterdir() if path.is_dir())
        if (directory / "Release").exists() or (directory / "InRelease").exists() \
                or any(next(path.glob("binary-*"), None) for path in inside):
            # "stable" is often a link to the code name's directory.
            if directory.resolve() not in seen:
                seen.add(directory.resolve())
                yield directory
        else:
            waiting += [path for path in inside
                        if path.name not in _INSIDE and not path.name.startswith("binary-")]


class _Tree:
    """One release of somebody else's repository."""

    def __init__(self, root: Path, base: Path, directory: Path) -> None:
        self._root, self._base, self._directory = root, base, directory
        self._fields = self._release()
        self._listed = _digests(self._fields)

    def _release(self) -> Mapping[str, str]:
        for name in ("Release", "InRelease"):
            path = self._directory / name
            if not path.exists():
                continue
            text = otherfiles.index_text(otherfiles.real(path, self._base), "", {}) or ""
            try:
                (fields,) = parse_stanzas(without_signature(text))
            except ValueError:
                raise PublishError(f"{path} is no Release file", "",
                                   "Name the directory of the debs instead.") from None
            return dict(fields)
        return {}

    def read(self, wanted: Sequence[str]) -> Imported:
        """Return the release with what all its components list."""
        found = self._empty(self._directory.name, wanted)
        inside = sorted(path.name for path in self._directory.iterdir()
                        if path.is_dir() and any((*path.glob("binary-*"), *path.glob("source"))))
        for component in self._fields.get("Components", " ".join(inside)).split():
            if not is_relative(component):
                raise PublishError(f"{self._directory / 'Release'} has a component that leads elsewhere: "
                                   f"{component[:80]!r}", "", _NEXT)
            # Of "updates/main" the last word is the component.
            name = component.rpartition("/")[2]
            part = name if (self._directory / name).is_dir() else component
            found.files[name] = self._component(part, wanted, found.left)
        return found

    def read_flat(self) -> Imported:
        """Return what the indexes of a flat repository list; its paths begin at the indexes."""
        found = self._empty("", ())
        found.files["main"] = [*self._debs("Packages"), *self._sources("Sources")]
        return found

    def _empty(self, codename: str, wanted: Sequence[str]) -> Imported:
        codename = self._fields.get("Codename", codename)
        architectures = {*self._fields.get("Architectures", "").split()} - {"all", "source"}
        return Imported(codename, self._fields.get("Suite", codename), self._fields.get("Origin", ""),
                        self._fields.get("Label", ""), tuple(sorted(wanted or architectures)))

    def _component(self, part: str, wanted: Sequence[str], left: list[str]) -> list[Path]:
        there = {path.name.removeprefix("binary-") for path in (self._directory / part).glob("binary-*")}
        named = {path.split("/")[-2].removeprefix("binary-") for path in self._listed
                 if path.startswith(f"{part}/binary-") and path.count("/") == part.count("/") + 2}
        files: dict[Path, None] = {}
        for architecture in sorted(there | named):
            if not wanted or architecture in (*wanted, "all"):
                files.update(dict.fromkeys(self._debs(f"{part}/binary-{architecture}/Packages")))
        if (self._directory / part / "source").is_dir():
            files.update(dict.fromkeys(self._sources(f"{part}/source/Sources")))
        elif self._is_filled(f"{part}/source/Sources"):
            left.append(f"the source packages of {part} are listed, but not there")
        if installer := [path for path in self._listed if path.startswith(f"{part}/debian-installer/")
                         and path.endswith("/Packages") and self._is_filled(path)]:
            left.append(f"packages for the installer (.udeb) are not taken: {installer[0]}")
        return list(files)

    def _debs(self, path: str) -> Iterator[Path]:
        for stanza in self._stanzas(path):
            yield self._file(stanza.get("Filename", ""), path, stanza.get("Size", ""),
                             stanza.get("SHA256", ""))

    def _sources(self, path: str) -> Iterator[Path]:
        for stanza in self._stanzas(path):
            lines = "\n".join(stanza.get(name, "")
                              for name in ("Files", "Checksums-Sha1", "Checksums-Sha256"))
            names = {words[-1] for line in lines.split("\n") if (words := line.split())}
            descriptions = sorted(name for name in names if name.endswith(".dsc"))
            if not descriptions:
                raise PublishError(f"{self._directory / path} lists {stanza.get('Package', 'a source')} "
                                   "without a .dsc", "", _NEXT)
            yield from (self._file(f"{stanza.get('Directory', '')}/{name}", path) for name in descriptions)

    def _file(self, name: str, index: str, size: str = "", sha256: str = "") -> Path:
        # To a client it is the end of an address; "Directory" may be empty.
        path = self._root / name.lstrip("/")
        inside = path.resolve().is_relative_to(self._base)
        if not name or not inside or not path.is_file():
            raise PublishError(f"{name or 'a package'} is listed in {self._directory / index}, but not there",
                               "", _NEXT)
        path = otherfiles.real(path, self._base)
        if (size or sha256) and not _is(path, size, sha256):
            raise PublishError(f"{path} is not what {self._directory / index} lists",
                               f"{size} bytes, {sha256}", _NEXT)
        return path

    def _stanzas(self, path: str) -> Iterator[Mapping[str, str]]:
        yield from map(dict, parse_stanzas(self._text(path)))

    def _text(self, path: str) -> str:
        """Return the text of an index, by the first of its forms that is there as Release lists it."""
        there = _forms_there(self._directory / path)
        for form in otherfiles.FORMS:
            for place, digests in self._places(path, form):
                found = otherfiles.index_text(otherfiles.real(place, self._base), form, digests)
                if found is not None:
                    return found
        if there or self._is_filled(path):
            where = f"there: {', '.join(there)}" if there else "no form of it is there"
            raise PublishError(
                f"the index {self._directory / path} cannot be taken over",
                f"{where}; one of {', '.join(form or 'plain' for form in otherfiles.FORMS)} must be there, "
                "and be what Release says of it.",
                f"{_NEXT} When only some architectures were copied, name them with --arch.")
        return ""

    def _places(self, path: str, form: str) -> Iterator[tuple[Path, Mapping[str, str]]]:
        """Yield where a form of an index may be, by name or by its digest, with the digests it must have."""
        listed = self._listed.get(f"{path}{form}", {})
        digests = {_DIGESTS[kind][0]: digest for kind, (digest, _) in listed.items()}
        strongest = dict(list(digests.items())[:1])
        places = [self._directory / f"{path}{form}", *(
            (self._directory / path).parent / "by-hash" / _DIGESTS[kind][1] / digest
            for kind, (digest, _) in listed.items())]
        yield from ((place, strongest) for place in places if os.path.lexists(place))

    def _is_filled(self, path: str) -> bool:
        """Tell whether Release lists an index that is not empty."""
        sizes = {form: size for form in otherfiles.FORMS
                 for _, size in self._listed.get(f"{path}{form}", {}).values()}
        # A compressed form of nothing is not empty itself.
        return sizes.get("", max(sizes.values(), default=0)) > 0


def _digests(fields: Mapping[str, str]) -> dict[str, dict[str, tuple[str, int]]]:
    """Return path → field of Release → (digest in hex, size in bytes), the strongest digest first."""
    found: dict[str, dict[str, tuple[str, int]]] = {}
    for kind in _DIGESTS:
        for line in fields.get(kind, "").splitlines():
            words = line.split()
            if len(words) == 3 and words[1].isdecimal() and words[0].isalnum():
                found.setdefault(words[2].removeprefix("./"), {})[kind] = words[0].lower(), int(words[1])
    return found


def _forms_there(path: Path) -> list[str]:
    """Return the names of an index's forms in its directory, those nobody can read too."""
    return sorted(one.name for one in path.parent.glob(f"{path.name}*")
                  if one.name.partition(".")[0] == path.name and not one.is_dir()
                  and not one.name.endswith((".asc", ".gpg", ".bak")))


def _is(path: Path, size: str, sha256: str) -> bool:
    digest, length = otherfiles.digest_of(path) if sha256 else ("", path.stat().st_size)
    return (not size or size == str(length)) and digest == sha256.lower()
