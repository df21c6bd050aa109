# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the devices' dpkg can unpack what is published, and two instances of one package together."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from debxcross.doors import dpkgtar
from debxcross.errors import PublishError
from debxcross.repository.core import device
from debxcross.repository.core.index import IndexEntry
from debxcross.repository.core.readable import control_fault

#: So many names of differing files are told.
_TOLD = 3
#: Decompressors release Python's lock.
_THREADS = 4


def check_deb(path: Path, codename: str, *, contents: bool = False) -> dpkgtar.Unpacked:
    """Return what dpkg finds in a deb; PublishError when that of the release cannot unpack it."""
    found = dpkgtar.read(path, contents=contents)
    if fault := control_fault(found.control):
        raise PublishError(f"{path.name} cannot be unpacked by dpkg", fault,
                           "Build it with dpkg-deb; then publish again.")
    release = device.release_of(codename)
    if "zst" in found.endings and release and not release.reads_zstd:
        raise PublishError(
            f"{path.name} cannot be unpacked by dpkg of Debian {release.number} ({release.name})",
            "It is compressed with zstd, as Ubuntu builds packages; dpkg reads that from Debian 12 on.",
            "Build it again with 'dpkg-deb -Zxz', or 'dh_builddeb -- -Zxz' in debian/rules; then publish.")
    return found


def check_debs(paths: Iterable[Path], codename: str) -> None:
    """Raise PublishError for the first of these debs that dpkg of the release cannot unpack."""
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(lambda path: check_deb(path, codename), paths):
            pass


def faults(root: Path, entries: Sequence[IndexEntry], codename: str) -> Iterator[tuple[str, str]]:
    """Yield path and fault of each published deb that dpkg of the release cannot unpack."""
    def fault(entry: IndexEntry) -> str:
        try:
            check_deb(root / entry.path, codename)
        except PublishError as error:
            return f"{error.brief.partition(' ')[2]}: {error.details}"
        return ""

    with ThreadPoolExecutor(_THREADS) as pool:
        for entry, what in zip(entries, pool.map(fault, entries)):
            if what:
                yield entry.path, what


def differences(root: Path, entries: Iterable[IndexEntry], new: Collection[str] | None = None
                ) -> tuple[str, ...]:
    """Return warnings about Multi-Arch: same packages whose shared files differ.

    dpkg installs two instances of one version beside each other only when the files that both
    have are equal ("trying to overwrite shared …").  With ``new`` (paths below the web root)
    only packages with one of these are looked at.
    """
    groups: dict[tuple[str, str], list[IndexEntry]] = defaultdict(list)
    for entry in entries:
        if "\nMulti-Arch: same\n" in entry.text:
            groups[entry.package, entry.version].append(entry)
    warnings = []
    for (package, version), group in sorted(groups.items()):
        if len(group) < 2 or new is not None and not any(entry.path in new for entry in group):
            continue
        files = {entry.architecture: dpkgtar.read(root / entry.path, contents=True).files for entry in group}
        if names := _differing(files):
            more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
            warnings.append(
                f"{package} {version} is Multi-Arch: same, but {', '.join(names[:_TOLD])}{more} differs "
                f"between {' and '.join(sorted(files))}; dpkg refuses to have both on one device")
    return tuple(warnings)


def _differing(files: Mapping[str, Mapping[str, str]]) -> list[str]:
    first: dict[str, str] = {}
    names = set()
    for found in files.values():
        names |= {f"/{path}" for path, content in found.items() if first.setdefault(path, content) != content}
    return sorted(names)
