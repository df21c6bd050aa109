# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to debs as dpkg unpacks them, whose readers of ar and tar understand less than others.

What tar(1), Python or dpkg-deb --extract (which calls tar) can read may still stop dpkg on a
device, and it can stop half-way.

Sources: deb(5); of dpkg 1.17.27 (Debian 8) to 1.22 (Debian 13) src/deb/extract.c,
lib/dpkg/tarfn.c, and tarobject() and deb_parse_conffiles() below src/.
"""
from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from debxcross.doors import debfile
from debxcross.errors import PublishError

_BLOCK = 512
_CHUNK = 1 << 20
_DAMAGE = debfile.Damage(PublishError, "Build it again, then publish")
#: The control member may have only these (extract.c).
_CONTROL_ENDINGS = ("", "gz", "xz", "zst")
#: Directories of base-files (those of its postinst among them), which every Debian from 8 on has.
_BASE = frozenset((
    "", "bin", "boot", "dev", "etc", "etc/default", "etc/profile.d", "etc/skel", "home", "lib", "media",
    "mnt", "opt", "proc", "root", "run", "sbin", "srv", "sys", "tmp", "usr", "usr/bin", "usr/games",
    "usr/include", "usr/lib",
    "usr/local", "usr/local/bin", "usr/local/etc", "usr/local/games", "usr/local/include",
    "usr/local/lib", "usr/local/sbin", "usr/local/share", "usr/local/src", "usr/sbin", "usr/share",
    "usr/share/common-licenses", "usr/share/dict", "usr/share/doc", "usr/share/info", "usr/share/man",
    "usr/share/misc", "usr/src", "var", "var/backups", "var/cache", "var/lib", "var/lib/dpkg", "var/lib/misc",
    "var/local", "var/log", "var/mail", "var/opt", "var/spool", "var/tmp"))
#: tarfn.c's words for what it refuses.
_UNSUPPORTED = {
    "x": "PAX", "g": "PAX", "X": "Solaris", "A": "Solaris", "V": "GNU", "M": "GNU", "S": "GNU", "D": "GNU"}
#: A path has at most 4096 bytes; tarfn.c would take any length, and memory for it.
_LONGEST_NAME = 1 << 16
#: MAXCONFFILENAME (1000) less what dpkg, fgets(3) and the line's end take of it.
_LONGEST_CONFFILE = 996


@dataclass(frozen=True)
class Unpacked:
    """What dpkg finds in a deb.

    ``endings`` are those of the control and the data member ("xz", "zst", "" for plain tar);
    ``control`` is the text of its file control;
    ``files`` maps a path without leading slash to what another instance of the package must have
    there too: a file's sha256 in hex, or "-> TARGET" of a symbolic link; it is empty unless asked for.
    """

    endings: tuple[str, str]
    control: str
    files: Mapping[str, str] = field(default_factory=dict, repr=False)


class _Refused(Exception):
    """Why dpkg would not take it, in words."""


def read(path: Path, *, contents: bool = False) -> Unpacked:
    """Read a deb as dpkg would while it unpacks it; PublishError with the reason when it would not.

    Nothing is held in memory but names and, with ``contents``, digests.
    """
    try:
        with debfile.opened(path, _DAMAGE) as deb:
            _check_members(deb)
            texts = deb.control_files()
            _check_conffiles(texts.get("conffiles", ""))
            with deb.tar("data") as stream:
                files = dict(_walk(stream, contents))
                while stream.read(_CHUNK):
                    pass  # The check sum is at the end.
            endings = deb.compression("control"), deb.compression("data")
            return Unpacked(endings, texts.get("control", ""), files)
    except _Refused as error:
        raise PublishError(
            f"{path.name} cannot be unpacked by dpkg", str(error),
            "Build it with dpkg-deb, or tell the tool that makes it to write tar archives in the GNU format "
            "with an entry for every directory (Python: tarfile.GNU_FORMAT); then publish again.") from None


def _check_members(deb: debfile.DebFile) -> None:
    """Check which members come when (extract.c); those with an underscore are passed over."""
    names = [name for name in deb.names if not name.startswith("_")]
    for name, wanted in zip(names, ("debian-binary", "control.tar", "data.tar")):
        if not name.startswith(wanted):
            raise _Refused(f"it has {name!r} where {wanted} must be")
    if deb.compression("control") not in _CONTROL_ENDINGS:
        raise _Refused(f"its control member is compressed with {deb.compression('control')}")


def _check_conffiles(text: str) -> None:
    *lines, rest = text.split("\n")
    if rest:
        raise _Refused(f"the name of a configuration file has no end of line: {rest[:80]!r}")
    for line in lines:
        if len(line.encode()) > _LONGEST_CONFFILE:
            raise _Refused(f"the name of a configuration file is too long: {line[:80]!r}")
        if line.strip() and not line.removeprefix("remove-on-upgrade ").startswith("/"):
            raise _Refused(f"the name of a configuration file does not start with '/': {line[:80]!r}")


def _walk(stream: IO[bytes], contents: bool) -> Iterator[tuple[str, str]]:
    """Yield path and content of what tarfn.c and tarobject() would put on the disk.  Raises _Refused."""
    directories, files = set(_BASE), dict[str, str]()
    for header, name, target in _headers(stream):
        path = _relative(name)
        kind = "5" if header.kind == "0" and name.endswith("/") else header.kind
        if "\n" in path:
            raise _Refused(f"a name in it has a line break: {path[:80]!r}")
        if ".." in path.split("/"):
            raise _Refused(f"a name in it leads out of the directory: {path[:80]!r}")
        parent = path.rpartition("/")[0]
        if parent not in directories:
            raise _Refused(f"its archive has no entry for the directory /{parent} before {path}: where no "
                           "other package has made it, dpkg stops there")
        if kind == "5":
            directories.add(path)
        elif kind == "0":
            files[path] = _content(stream, header.size, contents)
            yield path, files[path]
        elif kind == "1":
            linked = _relative(target)
            if linked not in files:
                raise _Refused(f"{path} is a hard link to {linked}, which does not come before it")
            files[path] = files[linked]
            yield path, files[path]
        elif kind == "2":
            yield path, f"-> {target}"


def _relative(name: str) -> str:
    """Return a path as dpkg knows it: without leading "./" and "/"."""
    while name.startswith(("./", "/")):
        name = name.removeprefix(".").removeprefix("/")
    name = name.removesuffix("/")
    return "" if name == "." else name


def _content(stream: IO[bytes], size: int, wanted: bool) -> str:
    """Pass over a file's bytes and return their digest."""
    digest = hashlib.sha256()
    left, padding = size, -size % _BLOCK
    while left:
        block = stream.read(min(left, _CHUNK))
        if not block:
            raise _Refused("its archive is cut off")
        left -= len(block)
        if wanted:
            digest.update(block)
    if len(_exactly(stream, padding)) != padding:
        raise _Refused("its archive is cut off")
    return digest.hexdigest() if wanted else ""


def _exactly(stream: IO[bytes], size: int) -> bytes:
    found = b""
    while len(found) < size and (block := stream.read(size - len(found))):
        found += block
    return found


@dataclass(frozen=True)
class _Header:
    kind: str
    size: int
    name: str
    target: str


def _headers(stream: IO[bytes]) -> Iterator[tuple[_Header, str, str]]:
    """Yield (header, name, link target) of each entry, long names put together, as tar_extractor() does."""
    long_name = long_target = ""
    while block := _exactly(stream, _BLOCK):
        if len(block) < _BLOCK:
            raise _Refused("its archive is cut off")
        header = _header(block)
        if header is None:
            if block[0]:
                raise _Refused("a header of its archive is damaged")
            return
        if header.kind in "LK":
            if header.size > _LONGEST_NAME:
                raise _Refused(f"a name in it has {header.size} bytes")
            text = _exactly(stream, header.size + -header.size % _BLOCK)[:header.size]
            found = text.partition(b"\0")[0].decode("utf-8", "surrogateescape")
            long_name, long_target = (found, long_target) if header.kind == "L" else (long_name, found)
            continue
        if header.kind in _UNSUPPORTED:
            raise _Refused(f"unsupported {_UNSUPPORTED[header.kind]} tar header type {header.kind!r}")
        if header.kind not in "0123456":
            raise _Refused(f"unknown tar header type {header.kind!r}")
        name = long_name or header.name
        if not name:
            raise _Refused("an entry of its archive has no name")
        yield header, name, long_target or header.target
        long_name = long_target = ""


def _header(block: bytes) -> _Header | None:
    """Read a header as tar_header_decode() does; None for one that is damaged, or the end."""
    total = sum(block) - sum(block[148:156]) + 8 * ord(" ")
    size, *others = (_number(block[start:end]) for start, end in (
        (124, 136), (136, 148), (108, 116), (116, 124)))
    if _number(block[148:156]) != total or size is None or size < 0 or None in others:
        return None
    name = _text(block[:100])
    if block[257:263] == b"ustar\0" and block[345]:
        name = f"{_text(block[345:500])}/{name}"
    kind = chr(block[156])
    return _Header("0" if kind == "\0" else kind, size, name, _text(block[157:257]))


def _text(content: bytes) -> str:
    return content.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _number(content: bytes) -> int | None:
    """Read a number in octal digits, or in base 256 as GNU tar writes large ones; None for neither."""
    if content[0] in (0x80, 0xFF):
        return int.from_bytes(content if content[0] == 0xFF else b"\0" + content[1:], "big", signed=True)
    digits, _, rest = content.lstrip(b" ").replace(b"\0", b" ").partition(b" ")
    if rest.strip(b" ") or digits.strip(b"01234567"):
        return None
    return int(digits or b"0", 8)
