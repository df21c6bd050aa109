# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads where a source of one's own comes from: the keys of a chain's table, a word of the command line."""
from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from debxcross.core.archive.origin import DEB, DSC, GIT, PATH, REFS, Origin
from debxcross.core.chain.faults import Faults

#: The keys of a [[source]] table that say where it comes from, and how.
KEYS = (PATH, GIT, *REFS, DSC, "sha256", "version-suffix", "submodules", "keyring")
#: The keys that only the archive's sources have.
_ARCHIVE_KEYS = ("suite", "version")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
#: git-check-ref-format(1), as far as a command line must be kept from reading an option.
_REF = re.compile(r"[A-Za-z0-9_][^\s\x00-\x1f\x7f~^:?*\[\\]*\Z")
#: How a word of the command line begins that names no source of the archive.
_LOCAL = re.compile(r"(\.{1,2}(/|\Z)|/|~/|git\+|https?://)")


def origin_of(faults: Faults, where: str, table: Mapping[str, Any]) -> Origin | None:
    """Return the origin that a [[source]] table names; None for a source of the archive."""
    named = [key for key in (PATH, GIT, DSC) if key in table]
    if len(named) > 1:
        faults.add(f"{where}{named[1]}", f"a source has one origin, and {named[0]!r} is another")
    kind = named[0] if named else ""
    allowed = {"": (), PATH: ("version-suffix", "submodules"), DSC: ("sha256",),
               GIT: (*REFS, "version-suffix", "submodules", "keyring")}[kind]
    for key in KEYS:
        if key in table and key not in (PATH, GIT, DSC, *allowed):
            meant = f"with {kind!r}" if kind else "for a source of the archive"
            faults.add(f"{where}{key}", f"has no meaning {meant}")
    for key in _ARCHIVE_KEYS:
        if kind and key in table:
            faults.add(f"{where}{key}", f"is for sources of the archive; this one has {kind!r}")
    place = faults.text(table, kind, where, needed=True) if kind else ""
    if not place:
        return None
    ref_kind, ref = _ref(faults, where, table) if kind == GIT else ("", "")
    suffix = faults.text(table, "version-suffix", where)
    if suffix not in ("", "git"):
        faults.add(f"{where}version-suffix", f"must be \"git\", not {suffix!r}")
    submodules = table.get("submodules", False)
    if type(submodules) is not bool:
        faults.add(f"{where}submodules", f"must be true or false, not {submodules!r}")
    found = Origin(kind, place, ref_kind, ref, faults.text(table, "sha256", where, pattern=_SHA256), suffix,
                   bool(submodules), faults.text(table, "keyring", where))
    _check(faults, where, found)
    return found


def _ref(faults: Faults, where: str, table: Mapping[str, Any]) -> tuple[str, str]:
    named = [key for key in REFS if key in table]
    if len(named) != 1:
        faults.add(f"{where}{GIT}", f"needs exactly one of {', '.join(REFS)}; it has "
                                    f"{' and '.join(named) or 'none'}")
        return "", ""
    pattern = _COMMIT if named[0] == "commit" else _REF
    return named[0], faults.text(table, named[0], where, needed=True, pattern=pattern)


def _check(faults: Faults, where: str, origin: Origin) -> None:
    fetched = origin.kind in (DSC, DEB)
    if fetched and origin.remote and not origin.sha256:
        faults.add(f"{where}sha256", f"missing: a {origin.kind!r} that is fetched needs its sha256")
    if fetched and not origin.place.endswith(f".{origin.kind}"):
        faults.add(f"{where}{origin.kind}", f"{origin.words!r} does not end in .{origin.kind}")
    if origin.kind == PATH and origin.remote:
        faults.add(f"{where}{PATH}",
                   f"{origin.words!r} is an address, not a directory; a repository is a 'git'")
    if origin.keyring and origin.ref_kind != "tag":
        faults.add(f"{where}keyring", "verifies a tag, and there is none")


def is_own(text: str) -> bool:
    """Tell whether a word of the command line names a source of one's own: a path, a .dsc, git+URL."""
    return bool(_LOCAL.match(text)) or text.endswith(".dsc")


def target_origin(text: str, base: str) -> Origin:
    """Read ``DIR``, ``FILE.dsc``, ``URL.dsc#sha256=…`` or ``git+URL@REF`` from the command line.

    Relative paths are below ``base``.  Raises ValueError, in words.
    """
    if text.startswith("git+"):
        place, at, ref = text.removeprefix("git+").rpartition("@")
        host = place.partition("://")[2]
        # An @ before a host's name is that of a login.
        if not at or "://" in ref or not place or "://" in place and "/" not in host:
            raise ValueError(f"{text}: add @ and the commit, tag or branch to take")
        if not _REF.match(ref):
            raise ValueError(f"{text}: {ref!r} is not the name of a commit, tag or branch")
        kind = "commit" if _COMMIT.match(ref) else ""
        return Origin(GIT, place.removeprefix("file://"), kind, ref, base=base)
    place, _, fragment = text.partition("#")
    if place.endswith(".dsc"):
        sha256 = fragment.removeprefix("sha256=")
        if "://" in place and not _SHA256.match(sha256):
            raise ValueError(f"{text}: a .dsc that is fetched needs its digest: add #sha256=…")
        return Origin(DSC, place, sha256=sha256, base=base)
    if "://" in text:
        raise ValueError(f"{text}: of addresses, those of a .dsc and of a git repository (git+URL@REF) serve")
    return Origin(PATH, text, base=base)


def deb_origin(faults: Faults, where: str, table: Mapping[str, Any]) -> Origin:
    """Return the origin of a [[deb]] table, which has a ``path`` or a ``url`` with a ``sha256``."""
    named = [key for key in ("path", "url") if key in table]
    if len(named) != 1:
        faults.add(where.rstrip("."),
                   f"needs exactly one of path, url; it has {' and '.join(named) or 'none'}")
        return Origin(DEB, "")
    place = faults.text(table, named[0], where, needed=True)
    found = Origin(DEB, place, sha256=faults.text(table, "sha256", where, pattern=_SHA256))
    if place:
        _check(faults, where, found)
        if found.remote != (named[0] == "url"):
            faults.add(f"{where}{named[0]}",
                       f"{found.words!r} is {'no' if named[0] == 'url' else 'an'} address")
    return found
