# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to binary packages: what a .deb says of itself and would put on disk, without unpacking it."""
from __future__ import annotations

import shutil
import stat
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from debxcross.doors.debfile import Damage, entries, opened
from debxcross.errors import GateError

#: Bytes that tell what kind a file is of.
_HEAD = 16
_DAMAGE = Damage(GateError, "Build or fetch it again")

_TYPES = {
    tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink", tarfile.LNKTYPE: "hardlink", tarfile.CHRTYPE: "character-device",
    tarfile.BLKTYPE: "block-device", tarfile.FIFOTYPE: "fifo",
}


@dataclass(frozen=True)
class DebFacts:
    """A package's control information.

    ``control`` has the fields as written, in their order; ``md5sums`` maps paths without
    leading slash to 32 hex digits; ``scripts`` are the names of the maintainer scripts;
    ``texts`` is every other text of the control archive, by its name.
    """

    control: Mapping[str, str]
    md5sums: Mapping[str, str] = field(default_factory=dict)
    scripts: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Member:
    """One member of a package's file system archive.

    ``path`` is without leading slash ("" is the root); ``type`` is "file", "directory",
    "symlink", "hardlink" or a special file's; ``mode`` holds the permission bits; ``size``
    is in bytes.  The target of a hard link is a path like ``path``, that of a symlink is
    as it was written; ``owner`` is such as "root/root".  ``read`` returns a file's bytes,
    ``read_if`` those of one that begins with one of some bytes and b"" of any other (a package may hold
    gigabytes of data), ``save`` writes them to an open file, all only until the next member.
    """

    path: str
    type: str
    mode: int
    size: int
    link_target: str = ""
    read: Callable[[], bytes] = field(default=bytes, compare=False, repr=False)
    read_if: Callable[[tuple[bytes, ...]], bytes] = field(
        default=lambda begins: b"", compare=False, repr=False)
    owner: str = "root/root"
    save: Callable[[IO[bytes]], None] = field(default=lambda target: None, compare=False, repr=False)


def read_facts(path: Path) -> DebFacts:
    """Return the control information of a .deb; GateError when it is not a whole package."""
    from debian.deb822 import Deb822

    with opened(path, _DAMAGE) as package:
        texts = package.control_files()
        if "control" not in texts:
            raise _DAMAGE.at(path, "it has no control file")
    pairs = (line.partition("  ") for line in texts.get("md5sums", "").splitlines() if line)
    return DebFacts(
        dict(Deb822(texts["control"])),
        {name: md5sum for md5sum, _, name in pairs},
        tuple(sorted(set(texts) & {"preinst", "postinst", "prerm", "postrm", "config"})),
        {name: text for name, text in texts.items() if name not in ("control", "md5sums")},
    )


def packed_at(path: Path) -> int:
    """Return when a .deb was packed, in seconds since 1970; GateError when it is damaged."""
    with opened(path, _DAMAGE) as package:
        return package.time


def members(path: Path) -> Iterator[Member]:
    """Yield what a .deb would put on disk, in the archive's order; GateError when it is damaged."""
    with opened(path, _DAMAGE) as package, package.tar("data") as stream:
        for archive, information in entries(stream):
            yield _member(path, archive, information)


def _member(path: Path, archive: tarfile.TarFile, information: tarfile.TarInfo) -> Member:
    def content() -> bytes:
        with _DAMAGE.named(path):
            file = archive.extractfile(information) if information.isfile() else None
            return file.read() if file else b""

    def content_if(begins: tuple[bytes, ...]) -> bytes:
        with _DAMAGE.named(path):
            file = archive.extractfile(information) if information.isfile() else None
            head = file.read(_HEAD) if file else b""
            return head + file.read() if file and head.startswith(begins) else b""

    def save(target: IO[bytes]) -> None:
        with _DAMAGE.named(path):
            if file := archive.extractfile(information) if information.isfile() else None:
                shutil.copyfileobj(file, target)

    link = information.linkname
    return Member(
        _relative(information.name),
        _TYPES.get(information.type, "file" if information.isfile() else "other"),
        stat.S_IMODE(information.mode),
        information.size,
        _relative(link) if information.islnk() else link,
        content,
        content_if,
        f"{information.uname or information.uid}/{information.gname or information.gid}",
        save,
    )


def _relative(name: str) -> str:
    name = name.strip("/")
    return "" if name == "." else name.removeprefix("./")
