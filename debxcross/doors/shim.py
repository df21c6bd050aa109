# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs a shim: the libraries of a cross package where dpkg and the dynamic linker look for them."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from debxcross.core.architecture import Architecture
from debxcross.core.build.shims import owners, places
from debxcross.core.sysroot.needs import interpreter
from debxcross.doors import deb, process
from debxcross.errors import HostError

#: When an empty shim was packed, in seconds since 1970: its files have no content that could be older.
_EPOCH = 315532800


def pack(cross: Path | None, control: Mapping[str, str], host: Architecture, directory: Path) -> Path:
    """Pack a shim below ``directory``, which is empty, and return it.

    ``cross`` is the .deb that its libraries come from.  Neither clock, umask nor dpkg's compressor shows
    in its bytes.  Raises GateError for a damaged .deb, HostError when dpkg-deb fails.
    """
    tree = directory / "tree"
    _directory(tree / "DEBIAN")
    _write(tree / "DEBIAN/control", "".join(f"{name}: {value}\n" for name, value in control.items()).encode())
    if cross is not None:
        _libraries(cross, tree, control["Package"], host)
        texts = deb.read_facts(cross).texts
        for name in {"shlibs", "symbols"} & set(texts):
            _write(tree / "DEBIAN" / name, owners(texts[name], host.name).encode())
    version = control["Version"].partition(":")[2] or control["Version"]
    made = directory / f"{control['Package']}_{version}_{host.name}.deb"
    # Uncompressed: it lies in the store, and another dpkg or liblzma makes the same bytes.
    process.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(made)],
                environment={"SOURCE_DATE_EPOCH": str(deb.packed_at(cross) if cross else _EPOCH)}).check(
                    HostError, f"{made.name} could not be packed", "See what dpkg-deb says above.")
    return made


def _libraries(cross: Path, tree: Path, name: str, host: Architecture) -> None:
    kept = places((one.path for one in deb.members(cross) if one.type in ("file", "symlink")), host, name)
    linker = PurePosixPath(interpreter(host))
    for member in deb.members(cross):
        if member.path not in kept:
            continue
        target = tree / kept[member.path]
        _directory(target.parent)
        if member.type == "symlink":
            # Within one directory; what leads out of it is a second name of what is there.
            if "/" not in member.link_target:
                target.symlink_to(member.link_target)
            continue
        _write(target, member.read(), 0o755 if member.mode & 0o111 else 0o644)
        if target.name == linker.name and name == host.libc:
            _link(tree, linker, kept[member.path])


def _link(tree: Path, linker: PurePosixPath, target: str) -> None:
    """Put the dynamic linker where programs look for it, as Debian's C library does."""
    link = tree / linker.relative_to("/")
    _directory(link.parent)
    up = "../" * (len(linker.parent.parts) - 1)
    link.symlink_to(f"{up}{target}")


def _directory(path: Path) -> None:
    for one in (*reversed(path.parents), path):
        if not one.exists():
            one.mkdir()
            one.chmod(0o755)


def _write(path: Path, content: bytes, mode: int = 0o644) -> None:
    path.write_bytes(content)
    path.chmod(mode)
