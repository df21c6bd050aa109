# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to source archives of PyPI: what is in them, and what time they are from.

Nothing is unpacked here.
"""
from __future__ import annotations

import calendar
import lzma
import posixpath
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from debxcross.core.wheel.metadata import check_path
from debxcross.doors.debfile import SmallHeaders
from debxcross.errors import GateError

_REFUSED = "Do not use this sdist; choose another release of the project."
#: Longer files than this are not metadata.
_TEXT_LIMIT = 4 << 20


def newest_time(path: Path) -> int:
    """Return the time of the newest member of an sdist or wheel, in seconds since the epoch.

    It becomes SOURCE_DATE_EPOCH of what is made from it (reproducible-builds.org,
    "SOURCE_DATE_EPOCH"): the same for everybody, and near the time of the release.
    """
    try:
        if path.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(path) as archive:
                times = [calendar.timegm((*one.date_time, 0, 0, 0)) for one in archive.infolist()]
        else:
            with tarfile.open(path, tarinfo=SmallHeaders) as archive:
                times = [int(one.mtime) for one in archive if one.isfile()]
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error) as error:
        raise GateError(f"{path.name} is not a whole archive", str(error),
                        "Fetch it again; if its pinned sha256 is right, do not use it.") from error
    return max(times, default=0)


def read_texts(path: Path, wanted: Callable[[str], bool]) -> tuple[str, dict[str, str]]:
    """Return an sdist's top directory and the texts of the files that are wanted, by path below it.

    Raises GateError for an archive that is damaged, has more than one top directory, or
    whose members could be written outside of it: by their paths, as links, or as devices.
    """
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                sizes = {one.filename: one.file_size for one in archive.infolist() if not one.is_dir()}
                top = _top(path.name, tuple(sizes))
                return top, {name[len(top) + 1:]: archive.read(name).decode("utf-8", "replace")
                             for name, size in sizes.items()
                             if size <= _TEXT_LIMIT and wanted(name[len(top) + 1:])}
        with tarfile.open(path, tarinfo=SmallHeaders) as tar:
            return _read_tar(path.name, tar, wanted)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error) as error:
        raise GateError(f"{path.name} is not a whole archive", str(error),
                        "Fetch it again; if its pinned sha256 is right, do not use it.") from error


def _read_tar(
    name: str, tar: tarfile.TarFile, wanted: Callable[[str], bool]
) -> tuple[str, dict[str, str]]:
    found = {}
    paths = []
    for member in tar:
        member_path = member.name.removeprefix("./").rstrip("/")
        if member.isdir() and member_path in ("", "."):
            continue
        _check_member(name, member, member_path)
        if not member.isdir():
            paths.append(member_path)
        below = member_path.partition("/")[2]
        if member.isfile() and wanted(below) and member.size <= _TEXT_LIMIT:
            file = tar.extractfile(member)
            found[below] = file.read().decode("utf-8", "replace") if file else ""
    return _top(name, paths), found


def _check_member(name: str, member: tarfile.TarInfo, path: str) -> None:
    problem = ""
    if member.issym() or member.islnk():
        # A hard link names a path in the archive, a symbolic one a path beside itself.
        start = PurePosixPath(path).parent if member.issym() else PurePosixPath()
        target = posixpath.normpath(str(start / member.linkname))
        if member.linkname.startswith("/") or target.split("/")[0] != path.split("/")[0]:
            problem = f"is a link to {member.linkname!r}, out of the source tree"
    elif not (member.isfile() or member.isdir()):
        problem = "is a device or a pipe"
    if problem:
        raise GateError(f"{name}: the member {path!r} {problem}", resolution=_REFUSED)
    _check_name(name, path)


def _check_name(name: str, path: str) -> None:
    # Test data has odd names, which harm nobody; only leaving the tree does.
    if path.startswith("/") or ".." in path.split("/"):
        try:
            check_path(path)
        except GateError as error:
            raise GateError(f"{name}: the member {path!r} leads out of the source tree",
                            resolution=_REFUSED) from error


def _top(name: str, paths: Sequence[str]) -> str:
    for path in paths:
        _check_name(name, path)
    tops = sorted({path.split("/")[0] for path in paths})
    if len(tops) != 1:
        raise GateError(f"{name} has {len(tops)} top directories, not one", "\n".join(tops[:10]), _REFUSED)
    return tops[0]
