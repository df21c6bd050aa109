# SPDX-License-Identifier: GPL-3.0-or-later
"""The door that unpacks .debs into a tree that is not the root, running nothing of them.

While packages are unpacked the tree has no symbolic links, so no name can lead out of it;
the links are made at the end, when nothing is written any more.  What a package must not
have (core.tree.member_fault) is refused with the package's name.

Source: deb(5), ar(5).  What Python can decompress is read here; zstd goes through dpkg-deb.
"""
from __future__ import annotations

import bz2
import hashlib
import io
import lzma
import os
import re
import stat
import tarfile
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from debxcross.core.sysroot import tree
from debxcross.core.sysroot.tree import member_fault, merged, reserved
from debxcross.doors import process
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
_DAMAGE = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, ValueError)


class _StrictInfo(tarfile.TarInfo):
    """Raises for a header that is cut off or no header, where tarfile takes it for the end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> _StrictInfo:
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"its archive is cut off or damaged: {error}") from error


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
        with _damage_named(deb), deb.open("rb") as file:
            members = _ar_members(file, deb)
            control = _control_files(file, members, deb)
            facts = _paragraph(control.get("control", ""), deb)
            work = _Package(self, deb, facts["Package"], chooser(facts["Package"]))
            with _data(file, members, deb) as stream:
                work.take(stream)
        return Unpacked(facts, members["debian-binary"][0], tuple(work.paths),
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
        with tarfile.open(fileobj=stream, mode="r|", bufsize=_BLOCK,
                          tarinfo=_StrictInfo) as archive:
            for information in archive:
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
        while stream.read(_BLOCK):  # the check sum is at the end
            pass

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


def _unreadable(deb: Path, details: str) -> PackageError:
    return PackageError(f"{deb.name} is not a whole Debian binary package", details,
                        f"Fetch or build it again; 'dpkg-deb --info {deb}' says more.")


@contextmanager
def _damage_named(deb: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise _unreadable(deb, f"{error}" or type(error).__name__) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise _unreadable(deb, f"{error}") from error  # gzip and bz2 report damage so


def _ar_members(file: IO[bytes], deb: Path) -> dict[str, tuple[int, int, int]]:
    """Return time, position and size of each member of an ar archive, by name."""
    found = {}
    end = os.fstat(file.fileno()).st_size
    if file.read(8) != b"!<arch>\n":
        raise _unreadable(deb, "it does not begin as an archive of ar")
    position = 8
    while position < end:
        file.seek(position)
        header = file.read(60)
        size = header[48:58].strip()
        if header[58:] != b"`\n" or not size.isdigit() or position + 60 + int(size) > end:
            raise _unreadable(deb, f"its member at byte {position} is cut off")
        name = header[:16].decode("ascii", "replace").strip().removesuffix("/")
        found[name] = (int(header[16:28].strip() or 0), position + 60, int(size))
        position += 60 + int(size) + int(size) % 2
    if "debian-binary" not in found:
        raise _unreadable(deb, "it has no member debian-binary")
    return found


def _control_files(file: IO[bytes], members: Mapping[str, tuple[int, int, int]], deb: Path) -> dict[str, str]:
    with _member(file, members, deb, "control") as stream, \
            tarfile.open(fileobj=stream, mode="r|", bufsize=_BLOCK, tarinfo=_StrictInfo) as archive:
        texts = {}
        for information in archive:
            if information.isfile():
                opened = archive.extractfile(information)
                name = information.name.removeprefix("./")
                texts[name] = opened.read().decode("utf-8", "replace") if opened else ""
        return texts


def _paragraph(text: str, deb: Path) -> Mapping[str, str]:
    from debian.deb822 import Deb822

    facts = dict(Deb822(text))
    if missing := [name for name in ("Package", "Version", "Architecture") if not facts.get(name)]:
        raise _unreadable(deb, f"its control file has no {' and no '.join(missing)}")
    if wrong := [name for name, form in _FIELDS.items() if not re.fullmatch(form, facts[name])]:
        raise PackageError(
            f"{deb.name} is refused: its {wrong[0]} is {facts[wrong[0]]!r}, which Debian's Policy "
            "does not allow", "It would become the name of a file.", "Do not use this package.")
    return facts


@contextmanager
def _data(file: IO[bytes], members: Mapping[str, tuple[int, int, int]], deb: Path) -> Iterator[IO[bytes]]:
    with _member(file, members, deb, "data") as stream:
        yield stream


@contextmanager
def _member(
    file: IO[bytes], members: Mapping[str, tuple[int, int, int]], deb: Path, part: str
) -> Iterator[IO[bytes]]:
    """Open the control or data archive of a .deb as a stream of plain tar."""
    names = [name for name in members if name == f"{part}.tar" or name.startswith(f"{part}.tar.")]
    if not names:
        raise _unreadable(deb, f"it has no member {part}.tar")
    if names[0].endswith(".zst"):
        with tempfile.TemporaryDirectory(prefix="debxcross-") as directory:
            target = Path(directory) / "part.tar"
            option = {"control": "--ctrl-tarfile", "data": "--fsys-tarfile"}[part]
            process.run(["dpkg-deb", option, str(deb.absolute())], stdout_path=target).check(
                PackageError, f"{deb.name} cannot be read by dpkg-deb", "Fetch or build it again.")
            with target.open("rb") as plain:
                yield plain
        return
    makers: dict[str, Callable[[], Any]] = {
        "xz": lzma.LZMADecompressor, "bz2": bz2.BZ2Decompressor, "gz": lambda: _Gzip(), "tar": lambda: None}
    ending = names[0].rpartition(".")[2]
    if ending not in makers:
        raise _unreadable(deb, f"it has {names[0]}, which nobody can decompress")
    _, position, size = members[names[0]]
    file.seek(position)
    yield io.BufferedReader(_Decompressed(file, size, makers[ending]()), _BLOCK)


class _Gzip:
    """zlib's decompressor with the interface of the others."""

    def __init__(self) -> None:
        self._decompressor = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._decompressor.eof

    @property
    def needs_input(self) -> bool:
        return not self._decompressor.unconsumed_tail

    def decompress(self, content: bytes, most: int) -> bytes:
        return self._decompressor.decompress(content or self._decompressor.unconsumed_tail, most)


class _Decompressed(io.RawIOBase):
    """A part of a file, decompressed on the way; EOFError when it ends too early."""

    def __init__(self, file: IO[bytes], size: int, decompressor: Any) -> None:
        self._file, self._left, self._decompressor = file, size, decompressor

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._more(len(buffer))
        buffer[:len(content)] = content
        return len(content)

    def _more(self, most: int) -> bytes:
        if self._decompressor is None:
            return self._compressed(most)
        while not self._decompressor.eof:
            block = self._compressed(_BLOCK) if self._decompressor.needs_input else b""
            if self._decompressor.needs_input and not block:
                raise EOFError("its compressed data ends too early")
            if content := self._decompressor.decompress(block, most):
                return bytes(content)
        return b""

    def _compressed(self, most: int) -> bytes:
        block = self._file.read(min(most, self._left))
        self._left -= len(block)
        return block
