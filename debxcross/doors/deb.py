# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to binary packages: reads a .deb without unpacking it to disk.

Source: deb(5).  What tarfile can decompress is read here; zstd goes through dpkg-deb.
"""
from __future__ import annotations

import lzma
import stat
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from debxcross.doors import process
from debxcross.errors import GateError

_TYPES = {
    tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink", tarfile.LNKTYPE: "hardlink", tarfile.CHRTYPE: "character-device",
    tarfile.BLKTYPE: "block-device", tarfile.FIFOTYPE: "fifo",
}


@dataclass(frozen=True)
class DebFacts:
    """A package's control information.

    ``control`` has the fields as written, in their order; ``conffiles`` are absolute paths;
    ``md5sums`` maps paths without leading slash to 32 hex digits; ``scripts`` are the names
    of the maintainer scripts.
    """

    control: Mapping[str, str]
    conffiles: tuple[str, ...] = ()
    md5sums: Mapping[str, str] = field(default_factory=dict)
    scripts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Member:
    """One member of a package's file system archive.

    ``path`` is without leading slash ("" is the root); ``type`` is "file", "directory",
    "symlink", "hardlink" or a special file's; ``mode`` holds the permission bits; ``size``
    is in bytes.  The target of a hard link is a path like ``path``, that of a symlink is
    as it was written.  ``read`` returns a file's bytes, and only until the next member.
    """

    path: str
    type: str
    mode: int
    size: int
    link_target: str = ""
    read: Callable[[], bytes] = field(default=bytes, compare=False, repr=False)


def read_facts(path: Path) -> DebFacts:
    """Return the control information of a .deb; GateError when it is not a whole package."""
    from debian.deb822 import Deb822

    texts: dict[str, str] = {}
    with _archive(path, "control") as archive:
        for information in _entries(archive):
            if information.isfile():
                file = archive.extractfile(information)
                name = information.name.removeprefix("./")
                texts[name] = file.read().decode("utf-8", "replace") if file else ""
    if "control" not in texts:
        raise _unreadable(path, "it has no control file")
    pairs = (line.partition("  ") for line in texts.get("md5sums", "").splitlines() if line)
    return DebFacts(
        dict(Deb822(texts["control"])),
        # A line may be "remove-on-upgrade /path" (deb-conffiles(5)): such a file is not shipped.
        tuple(line for line in texts.get("conffiles", "").splitlines() if line.startswith("/")),
        {name: md5sum for md5sum, _, name in pairs},
        tuple(sorted(set(texts) & {"preinst", "postinst", "prerm", "postrm", "config"})),
    )


def packed_at(path: Path) -> int:
    """Return when a .deb was packed, in seconds since 1970: the time of its first member (ar(5))."""
    with path.open("rb") as file:
        header = file.read(36)
    if not header.startswith(b"!<arch>\n") or not header[24:36].strip().isdigit():
        raise _unreadable(path, "it is no ar archive")
    return int(header[24:36])


def members(path: Path) -> Iterator[Member]:
    """Yield what a .deb would put on disk, in the archive's order; GateError when it is damaged."""
    with _archive(path, "data") as archive:
        for information in _entries(archive):
            yield _member(path, archive, information)


def _entries(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield an archive's entries, then read to the end of the compressed data: its check sum is there."""
    yield from archive
    while archive.fileobj is not None and archive.fileobj.read(1 << 16):
        pass


def _member(path: Path, archive: tarfile.TarFile, information: tarfile.TarInfo) -> Member:
    def content() -> bytes:
        with _damage_named(path):
            file = archive.extractfile(information) if information.isfile() else None
            return file.read() if file else b""

    link = information.linkname
    return Member(
        _relative(information.name),
        _TYPES.get(information.type, "file" if information.isfile() else "other"),
        stat.S_IMODE(information.mode),
        information.size,
        _relative(link) if information.islnk() else link,
        content,
    )


def _relative(name: str) -> str:
    name = name.strip("/")
    return "" if name == "." else name.removeprefix("./")


def tarfile_argv(path: Path, part: str) -> tuple[str, ...]:
    """Return the command that writes a part of a .deb ("control" or "data") as a plain tar archive."""
    option = {"control": "--ctrl-tarfile", "data": "--fsys-tarfile"}[part]
    return ("dpkg-deb", option, str(path.absolute()))


def _unreadable(path: Path, details: str) -> GateError:
    return GateError(f"{path.name} is not a whole Debian binary package", details,
                     f"Build or fetch it again; 'dpkg-deb --info {path}' says more.")


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Turn what the readers of ar, tar and compressed data raise into GateError."""
    from debian.arfile import ArError

    try:
        yield
    except (ArError, tarfile.TarError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise _unreadable(path, f"{error}" or type(error).__name__) from error
    except OSError as error:
        if error.errno is not None:
            raise
        # python-debian, gzip and bz2 report damage as an OSError that no system call made.
        raise _unreadable(path, f"{error}") from error


@contextmanager
def _archive(path: Path, part: str) -> Iterator[tarfile.TarFile]:
    """Open the control or data archive of a .deb."""
    from debian.arfile import ArFile

    with _damage_named(path), open(path, "rb") as file:
        found: list[Any] = [member for member in ArFile(fileobj=file).getmembers()
                            if member.name.startswith(f"{part}.tar")]
        if not found:
            raise _unreadable(path, f"it has no member {part}.tar")
        if found[0].name.endswith(".zst"):
            with _through_dpkg(path, part) as archive:
                yield archive
        else:
            with tarfile.open(fileobj=found[0], mode="r:*") as archive:
                yield archive


@contextmanager
def _through_dpkg(path: Path, part: str) -> Iterator[tarfile.TarFile]:
    with tempfile.TemporaryDirectory(prefix="debxcross-") as directory:
        target = Path(directory) / "part.tar"
        process.run(tarfile_argv(path, part), stdout_path=target).check(
            GateError, f"{path.name} cannot be read by dpkg-deb", "Build or fetch it again.")
        with tarfile.open(target, mode="r:") as archive:
            yield archive
