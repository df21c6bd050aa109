# SPDX-License-Identifier: GPL-3.0-or-later
"""The one reader of .deb files: the members of ar, and each part as a stream of plain tar.

What is read is decompressed on the way, so a deb of any size needs little memory.  Damage
becomes an error of the class that the caller names.

Sources: deb(5), ar(5).  What Python can decompress is read here; zstd goes through dpkg-deb.
"""
from __future__ import annotations

import bz2
import io
import lzma
import os
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from debxcross.doors import process
from debxcross.errors import DebxcrossError

_BLOCK = 1 << 20
#: Bytes that a decompressor of xz may use; the highest preset (9) needs 65 MiB.
_MEMORY = 1 << 28
#: Bytes of a header that holds a long name or pax records; paths have at most 4096.
_LONGEST_HEADER = 1 << 20
#: Bytes of a control file; the md5sums of the largest packages of Debian have about 5 MB.
_LARGEST_CONTROL = 1 << 26
_LONG_HEADERS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME,
                 tarfile.GNUTYPE_LONGLINK)
_FAULTS = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, ValueError)


@dataclass(frozen=True)
class Damage:
    """How damage is told: as an error of this class, whose next move begins with ``again``."""

    error: type[DebxcrossError]
    again: str

    def at(self, path: Path, details: str) -> DebxcrossError:
        """Return the error for a .deb that is not whole."""
        return self.error(f"{path.name} is not a whole Debian binary package", details,
                          f"{self.again}; 'dpkg-deb --info {path}' says more.")

    @contextmanager
    def named(self, path: Path) -> Iterator[None]:
        """Turn what the readers of tar and compressed data raise into the error."""
        try:
            yield
        except _FAULTS as error:
            raise self.at(path, f"{error}" or type(error).__name__) from error
        except OSError as error:
            if error.errno is not None:
                raise
            # bz2 and gzip report damage as an OSError that no system call made.
            raise self.at(path, f"{error}") from error


@dataclass(frozen=True)
class _Part:
    """A member of the ar archive: its time in seconds since 1970, where it begins, its bytes."""

    time: int
    position: int
    size: int


class DebFile:
    """An open .deb."""

    def __init__(self, file: IO[bytes], path: Path, damage: Damage) -> None:
        self._file, self._path, self._damage = file, path, damage
        self._parts = self._members()

    def _members(self) -> Mapping[str, _Part]:
        """Return the members of the ar archive, by name."""
        found = {}
        end = os.fstat(self._file.fileno()).st_size
        if self._file.read(8) != b"!<arch>\n":
            raise self._damage.at(self._path, "it does not begin as an archive of ar")
        position = 8
        while position < end:
            self._file.seek(position)
            header = self._file.read(60)
            size = header[48:58].strip()
            if header[58:] != b"`\n" or not size.isdigit() or position + 60 + int(size) > end:
                raise self._damage.at(self._path, f"its member at byte {position} is cut off")
            name = header[:16].decode("ascii", "replace").strip().removesuffix("/")
            found[name] = _Part(int(header[16:28].strip() or 0), position + 60, int(size))
            position += 60 + int(size) + int(size) % 2
        if "debian-binary" not in found:
            raise self._damage.at(self._path, "it has no member debian-binary")
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the members of the ar archive, in their order."""
        return tuple(self._parts)

    @property
    def time(self) -> int:
        """When the package was made, in seconds since 1970."""
        return self._parts["debian-binary"].time

    def compression(self, part: str) -> str:
        """Return the ending of "control" or "data": "xz", "gz", "zst", …; "" for plain tar."""
        names = [name for name in self._parts if name == f"{part}.tar" or name.startswith(f"{part}.tar.")]
        if not names:
            raise self._damage.at(self._path, f"it has no member {part}.tar")
        return names[0].removeprefix(f"{part}.tar").removeprefix(".")

    @contextmanager
    def tar(self, part: str) -> Iterator[IO[bytes]]:
        """Open "control" or "data" as a stream of plain tar.  HostError without a dpkg-deb for zstd."""
        ending = self.compression(part)
        if ending == "zst":
            with self._through_dpkg(part) as plain:
                yield plain
            return
        if ending and ending not in _DECOMPRESSORS:
            raise self._damage.at(self._path, f"it has {part}.tar.{ending}, which nobody can decompress")
        member = self._parts[f"{part}.tar.{ending}" if ending else f"{part}.tar"]
        self._file.seek(member.position)
        yield io.BufferedReader(_Plain(self._file, member.size, _DECOMPRESSORS.get(ending)), _BLOCK)

    @contextmanager
    def _through_dpkg(self, part: str) -> Iterator[IO[bytes]]:
        with tempfile.TemporaryDirectory(prefix="debxcross-") as directory:
            target = Path(directory) / "part.tar"
            process.run(tarfile_argv(self._path, part), stdout_path=target).check(
                self._damage.error, f"{self._path.name} cannot be read by dpkg-deb", f"{self._damage.again}.")
            with target.open("rb") as plain:
                yield plain

    def control_files(self) -> dict[str, str]:
        """Return the text of every control file, by name."""
        texts = {}
        with self.tar("control") as stream:
            for archive, information in entries(stream):
                if not information.isfile():
                    continue
                name = information.name.removeprefix("./")
                if information.size > _LARGEST_CONTROL:
                    raise self._damage.at(self._path, f"its control file {name} has {information.size} bytes")
                opened = archive.extractfile(information)
                texts[name] = opened.read().decode("utf-8", "replace") if opened else ""
        return texts


@contextmanager
def opened(path: Path, damage: Damage) -> Iterator[DebFile]:
    """Open a .deb; whatever is found damaged in the block is told as ``damage`` says."""
    with damage.named(path), path.open("rb") as file:
        yield DebFile(file, path, damage)


def entries(stream: IO[bytes], block: int = _BLOCK) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield the members of a tar archive, each with the archive to read it from before the next one.

    Read to the end, the check sum of the compressed data has been compared, which comes last.
    ``block`` is how many bytes are read at a time.
    """
    with tarfile.open(fileobj=stream, mode="r|", bufsize=block, tarinfo=_StrictInfo) as archive:
        for information in archive:
            yield archive, information
    while stream.read(block):
        pass


def tarfile_argv(path: Path, part: str) -> tuple[str, ...]:
    """Return the command that writes a part of a .deb ("control" or "data") as a plain tar archive."""
    option = {"control": "--ctrl-tarfile", "data": "--fsys-tarfile"}[part]
    return ("dpkg-deb", option, str(path.absolute()))


class SmallHeaders(tarfile.TarInfo):
    """Raises ReadError for a header of a size that no name has: tarfile would read it into memory."""

    @classmethod
    def frombuf(cls, buffer: bytes | bytearray, encoding: str, errors: str) -> SmallHeaders:
        """Read a header of 512 bytes."""
        found = super().frombuf(buffer, encoding, errors)
        if found.type in _LONG_HEADERS and found.size > _LONGEST_HEADER:
            raise tarfile.ReadError(f"its archive has a header of {found.size} bytes")
        return found


class _StrictInfo(SmallHeaders):
    """Raises for a header that is cut off or no header, where tarfile takes it for the end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> _StrictInfo:
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"its archive is cut off or damaged: {error}") from error


class _Gzip:
    """zlib's decompressor with the interface of the others."""

    def __init__(self) -> None:
        self._decompressor = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._decompressor.eof

    @property
    def unused_data(self) -> bytes:
        return self._decompressor.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._decompressor.unconsumed_tail

    def decompress(self, content: bytes, most: int) -> bytes:
        return self._decompressor.decompress(content or self._decompressor.unconsumed_tail, most)


#: xz's decompressor reads the older format of lzma too.
_DECOMPRESSORS: Mapping[str, Callable[[], Any]] = {
    "xz": lambda: lzma.LZMADecompressor(memlimit=_MEMORY),
    "lzma": lambda: lzma.LZMADecompressor(memlimit=_MEMORY), "bz2": bz2.BZ2Decompressor, "gz": _Gzip}


class _Plain(io.RawIOBase):
    """A part of a file, decompressed on the way; EOFError when it ends too early."""

    def __init__(self, file: IO[bytes], size: int, make: Callable[[], Any] | None) -> None:
        self._file, self._left, self._make = file, size, make
        self._decompressor: Any = make() if make else None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._more(len(buffer)) if self._make else self._compressed(len(buffer))
        buffer[:len(content)] = content
        return len(content)

    def _more(self, most: int) -> bytes:
        while True:
            block = b""
            if self._decompressor.eof:
                if not (block := self._next_stream()):
                    return b""
            elif self._decompressor.needs_input and not (block := self._compressed(_BLOCK)):
                raise EOFError("its compressed data ends too early")
            if content := self._decompressor.decompress(block, most):
                return bytes(content)

    def _next_stream(self) -> bytes:
        """Begin with the stream that follows, after a padding of zeros; b"" when there is none."""
        block = bytes(self._decompressor.unused_data).lstrip(b"\0")
        while not block and self._left:
            block = self._compressed(_BLOCK).lstrip(b"\0")
        if block and self._make:
            self._decompressor = self._make()
        return block

    def _compressed(self, most: int) -> bytes:
        block = self._file.read(min(most, self._left))
        self._left -= len(block)
        return block
