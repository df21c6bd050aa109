# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to wheel files, which are zip archives.

Nothing is unpacked here.  Members are looked at one by one, and a wheel with a member that
could write elsewhere, or whose RECORD does not fit, is refused before anything of it is used.
"""
from __future__ import annotations

import hashlib
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from debxcross.core.wheel.deb import fix_shebang, program_text
from debxcross.core.wheel.metadata import (
    Wheel, WheelFile, check_path, check_record, dist_info_directory, license_files, parse_wheel,
)
from debxcross.errors import GateError

#: Returns the bytes of the member with this path; KeyError when there is none.
Reader = Callable[[str], bytes]

#: Bytes of a text about a wheel; the RECORD of the largest wheels has a few megabytes.
_LONGEST_TEXT = 32 << 20
_AGAIN = "Do not use this wheel; build or fetch it again."


@contextmanager
def open_wheel(path: Path) -> Iterator[tuple[Wheel, Reader]]:
    """Open a wheel and yield what it is, with a reader for its members' bytes.

    The reader works until the context ends.  Raises GateError when the file is damaged,
    encrypted, not a wheel, holds a path twice or one that core.wheel.metadata.check_path refuses.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(path.name, archive)
            files = tuple(_look_at(archive, member) for member in members)
            yield _parse(path.name, archive, files), archive.read
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise GateError(f"{path.name} is not a whole zip file", str(error), _AGAIN) from error


def _members(name: str, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the members that are files, sorted by path, when all of them are acceptable."""
    members = []
    seen = set()
    for member in archive.infolist():
        try:
            check_path(member.filename.removesuffix("/"), symlink=stat.S_ISLNK(member.external_attr >> 16))
        except GateError as error:
            raise GateError(f"{name}: {error.brief}", resolution=_AGAIN) from error
        if member.filename in seen:
            raise GateError(f"{name} holds {member.filename!r} twice", resolution=_AGAIN)
        seen.add(member.filename)
        if member.flag_bits & 0x1:
            raise GateError(f"{name}: {member.filename!r} is encrypted", resolution=_AGAIN)
        if not member.is_dir():
            members.append(member)
    return sorted(members, key=lambda member: member.filename)


def _look_at(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> WheelFile:
    digest = hashlib.sha256()
    with archive.open(member) as file:
        block = file.read(1 << 20)
        elf = block.startswith(b"\x7fELF")
        while block:
            digest.update(block)
            block = file.read(1 << 20)
    executable = bool((member.external_attr >> 16) & stat.S_IXUSR)
    return WheelFile(member.filename, executable, digest.hexdigest(), member.file_size, elf)


def _parse(name: str, archive: zipfile.ZipFile, files: tuple[WheelFile, ...]) -> Wheel:
    paths = tuple(file.path for file in files)
    dist_info = dist_info_directory(paths)
    wanted = {f"{dist_info}/{text}" for text in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
    wanted.update(license_files(paths))
    # Old wheels hold authors' names in Latin-1; a wrong letter there is no reason to stop.
    for file in files:
        if file.path in wanted and file.size > _LONGEST_TEXT:
            raise GateError(f"{name}: {file.path} has {file.size >> 20} MB, which no text about a wheel has",
                            resolution=_AGAIN)
    texts = {path: archive.read(path).decode("utf-8", "replace") for path in paths if path in wanted}
    check_record(texts.get(f"{dist_info}/RECORD", ""), files, dist_info)
    return parse_wheel(name, files, texts)


def unpack(path: Path, directory: Path) -> None:
    """Unpack a wheel's importable files, as an installer would, into a directory.

    GateError for a wheel that open_wheel refuses.
    """
    with open_wheel(path) as (wheel, read):
        for file in wheel.files:
            target = directory / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(read(file.path))


def read_metadata(path: Path) -> tuple[str, ...]:
    """Return Requires-Dist of a wheel; GateError for a wheel that open_wheel refuses."""
    with open_wheel(path) as (wheel, _):
        return wheel.requires_dist


def install_tools(path: Path, directory: Path, interpreter: str) -> None:
    """Unpack a wheel as an installer would: modules into a directory, programs into its bin/.

    GateError for a wheel that open_wheel refuses.
    """
    with open_wheel(path) as (wheel, read):
        for file in wheel.files:
            parts = file.path.split("/")
            program = False
            if parts[0] == wheel.data:
                if parts[1] not in ("purelib", "platlib", "scripts"):
                    continue  # manual pages and headers are not needed to build
                program = parts[1] == "scripts"
                parts = ["bin", *parts[2:]] if program else parts[2:]
            content = read(file.path)
            target = directory.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(fix_shebang(content, interpreter) if program else content)
            if program or file.executable:
                target.chmod(0o755)
        for entry in (*wheel.console_scripts, *wheel.gui_scripts):
            target = directory / "bin" / entry.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(program_text(entry, interpreter))
            target.chmod(0o755)
