# SPDX-License-Identifier: GPL-3.0-or-later
"""The door that unpacks .debs into a tree that is not the root, running nothing of them.

While packages are unpacked the tree has no symbolic links, so no name can lead out of it;
the links are made at the end, when nothing is written any more.  What a package must not
have (member_fault) is refused with the package's name.
"""
from __future__ import annotations

import hashlib
import os
import re
import stat
import tarfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from debxcross.core.sysroot import tree
from debxcross.core.sysroot.tree import member_fault, merged, reserved
from debxcross.doors.debfile import Damage, entries, opened
from debxcross.errors import PackageError

_BLOCK = 1 << 20
#: More than any linker script has.
_SCRIPT_SIZE = 1 << 16
_KINDS = {
    tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.CONTTYPE: "file", tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink", tarfile.LNKTYPE: "hardlink", tarfile.CHRTYPE: "character device",
    tarfile.BLKTYPE: "block device", tarfile.FIFOTYPE: "fifo", tarfile.GNUTYPE_SPARSE: "sparse file",
}
#: What the fields may be (Policy 5.6.7, 5.6.8, 5.6.12): the first two become names of files.
_FIELDS = {"Package": r"[a-z0-9][a-z0-9+.-]+", "Architecture": r"[a-z0-9][a-z0-9-]*",
           "Version": r"[A-Za-z0-9.+~:-]+"}
_DAMAGE = Damage(PackageError, "Fetch or build it again")


@dataclass(frozen=True)
class Unpacked:
    """What a package left in the tree.

    ``time`` is when it was made, in seconds since the epoch; ``paths`` are those of its files
    and links in the tree, without leading slash; ``shlibs`` and ``symbols`` are its control
    files of these names, "" when it has none.
    """

    control: Mapping[str, str]
    time: int
    paths: tuple[str, ...]
    shlibs: str = ""
    symbols: str = ""


class Tree:
    """A tree that packages are unpacked into, by any number of threads."""

    def __init__(self, directory: Path) -> None:
        """Begin with an empty directory, which is made."""
        self.directory = directory
        directory.mkdir(parents=True)
        self._root = str(directory)
        self._made = {""}
        self._owners: dict[str, str] = {}
        self._links: dict[str, tuple[str, str]] = {}
        #: Files that a package has beside an earlier owner: path, package, digest, executable.
        self._again: list[tuple[str, str, bytes, bool]] = []
        self._lock = threading.Lock()

    def unpack(self, deb: Path, chooser: Callable[[str], Callable[[str], bool]]) -> Unpacked:
        """Unpack the files of a .deb that ``chooser(package)`` wants; links wait for finish().

        Raises PackageError naming the file and what is wrong; the tree is then of no use.
        """
        with opened(deb, _DAMAGE) as package:
            control = package.control_files()
            facts = _paragraph(control.get("control", ""), deb)
            work = _Package(self, deb, facts["Package"], chooser(facts["Package"]))
            with package.tar("data") as stream:
                work.take(stream)
            return Unpacked(facts, package.time, tuple(work.paths),
                            control.get("shlibs", ""), control.get("symbols", ""))

    def parents(self, path: str) -> None:
        """Make the directories above a path.  NotADirectoryError when one of them is a file."""
        parent = path.rpartition("/")[0]
        if parent not in self._made:
            try:
                os.makedirs(f"{self._root}/{parent}", mode=0o755, exist_ok=True)
            except FileExistsError as error:
                raise NotADirectoryError(parent) from error
            self._made.add(parent)

    def open_new(self, path: str, package: str) -> int | None:
        """Open a file that nothing had made, for writing; None when another package has it too."""
        if self._owners.setdefault(path, package) != package:
            return None
        self.parents(path)
        return os.open(f"{self._root}/{path}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)

    def seen_again(self, path: str, package: str, digest: bytes, executable: bool) -> None:
        """Note what a file is that another package has too."""
        self._again.append((path, package, digest, executable))

    def link(self, path: str, target: str, package: str) -> None:
        """Note a symbolic link.  PackageError when another package has another one there."""
        with self._lock:
            known = self._links.setdefault(path, (target, package))
        if known[0] != target:
            raise _clash(path, *sorted((known[1], package)))

    def finish(self) -> tuple[str, ...]:
        """Make the links; return those that were left out because they would lead to nothing.

        Raises PackageError when packages have different things at one path.
        """
        for path, package, digest, executable in sorted(self._again):
            if hashlib.sha256((self.directory / path).read_bytes()).digest() != digest:
                raise _clash(path, *sorted((self._owners[path], package)))
            if executable:  # whichever package came first
                (self.directory / path).chmod(0o755)
        links = {path: target for path, (target, _) in self._links.items()}
        for path, (_, package) in sorted(self._links.items()):
            if path in self._owners:
                raise _clash(path, *sorted((self._owners[path], package)))
            if (self.directory / path).is_dir():
                inside = min(one for one in self._owners if one.startswith(f"{path}/"))
                raise _through(path, package, inside, self._owners[inside])
        left_out = tree.dangling(links, self._owners)
        for path in sorted(set(links) - set(left_out)):
            try:
                self.parents(path)
            except NotADirectoryError as error:
                raise _through(str(error), self._owners[str(error)], path, self._links[path][1]) from error
            os.symlink(links[path], f"{self._root}/{path}")
        return left_out


class _Package:
    """One package on its way into a tree."""

    def __init__(self, target: Tree, deb: Path, name: str, chosen: Callable[[str], bool]) -> None:
        self.target, self.deb, self.name, self.chosen = target, deb, name, chosen
        self.paths: list[str] = []
        self.left_out: set[str] = set()

    def take(self, stream: IO[bytes]) -> None:
        """Unpack the package's data archive."""
        for archive, information in entries(stream):
            kind = _KINDS.get(information.type, "thing of an unknown kind")
            fault = member_fault(information.name, kind, information.mode, information.linkname)
            if fault:
                raise self._refused(information.name, fault)
            name = tree.normal(information.name) or ""
            path = merged(name)
            if kind == "directory":
                continue
            if not self.chosen(path):
                self.left_out.add(path)
                continue
            if reserved(path):
                raise self._refused(
                    information.name, "lies where a sysroot keeps what is its own")
            try:
                self._put(archive, information, kind, name, path)
            except NotADirectoryError as error:
                raise self._refused(
                    information.name, f"lies below {str(error)!r}, which is no directory") from error
            except FileExistsError as error:
                raise self._refused(information.name, "is there twice") from error
            self.paths.append(path)

    def _refused(self, name: str, fault: str) -> PackageError:
        return PackageError(
            f"{self.deb.name} is refused: {name!r} {fault}",
            "Nothing was written outside of the throw-away tree, which is gone.",
            f"If the package is sound and the file is not needed, leave it out: "
            f"--path-exclude '{self.name}:/{name.removeprefix('./').lstrip('/')}'")

    def _put(self, archive: tarfile.TarFile, information: tarfile.TarInfo, kind: str, name: str,
             path: str) -> None:
        if kind == "symlink":
            self.target.link(path, tree.link_inside(name, information.linkname), self.name)
            return
        if kind == "hardlink":
            original = self._original(information)
            source: IO[bytes] | None = (self.target.directory / original).open("rb")
            executable = bool((self.target.directory / original).stat().st_mode & stat.S_IXUSR)
        else:
            source, executable = archive.extractfile(information), bool(information.mode & 0o111)
        assert source is not None
        with source:
            self._write(source, path, executable, information.size if kind == "file" else None)

    def _original(self, information: tarfile.TarInfo) -> str:
        """Return the path that a hard link is another name of."""
        original = merged(tree.normal(information.linkname) or "")
        if original in self.left_out:
            raise PackageError(
                f"{self.deb.name} has {information.name!r} as a hard link to {original!r}, "
                "which a pattern leaves out", "",
                f"Take both: --path-include '{self.name}:/{original}'")
        if original not in self.paths:
            raise self._refused(information.name, f"is a hard link to {original!r}, "
                                "which is not among the package's files so far")
        if not (self.target.directory / original).is_file():
            raise self._refused(information.name,
                                f"is a hard link to {original!r}, which is a symbolic link")
        return original

    def _write(self, source: IO[bytes], path: str, executable: bool, size: int | None) -> None:
        first = source.read(_BLOCK)
        if len(first) < _SCRIPT_SIZE and tree.is_linker_script(path, first[:64]):
            size = None
            first = tree.merged_script(first.decode("utf-8", "surrogateescape")).encode(
                "utf-8", "surrogateescape")
        descriptor = self.target.open_new(path, self.name)
        digest = hashlib.sha256() if descriptor is None else None
        written = 0
        try:
            block = first
            while block:
                written += len(block)
                if descriptor is not None:
                    _write_all(descriptor, block)
                elif digest is not None:
                    digest.update(block)
                block = source.read(_BLOCK)
            if descriptor is not None:
                os.fchmod(descriptor, 0o755 if executable else 0o644)
        finally:
            if descriptor is not None:
                os.close(descriptor)
        if size is not None and written != size:
            raise EOFError(f"{path} ends after {written} of {size} bytes")
        if digest is not None:
            self.target.seen_again(path, self.name, digest.digest(), executable)


def _write_all(descriptor: int, block: bytes) -> None:
    """Write a block; the kernel may take only a part of it at a time."""
    left = memoryview(block)
    while left:
        left = left[os.write(descriptor, left):]


def _clash(path: str, one: str, other: str) -> PackageError:
    return PackageError(
        f"{one} and {other} have different things at /{path}", "",
        f"Leave one of them out: --path-exclude '{other}:/{path}'")


def _through(link: str, package: str, path: str, other: str) -> PackageError:
    return PackageError(
        f"{other} is refused: '/{path}' lies behind the link '/{link}' of {package}",
        "A file that is unpacked through a link may land anywhere.",
        f"Leave one of them out: --path-exclude '{package}:/{link}'")


def _paragraph(text: str, deb: Path) -> Mapping[str, str]:
    from debian.deb822 import Deb822

    facts = dict(Deb822(text))
    if missing := [name for name in ("Package", "Version", "Architecture") if not facts.get(name)]:
        raise _DAMAGE.at(deb, f"its control file has no {' and no '.join(missing)}")
    if wrong := [name for name, form in _FIELDS.items() if not re.fullmatch(form, facts[name])]:
        raise PackageError(
            f"{deb.name} is refused: its {wrong[0]} is {facts[wrong[0]]!r}, which Debian's Policy "
            "does not allow", "It would become the name of a file.", "Do not use this package.")
    return facts
