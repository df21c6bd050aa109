# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirements that say where their project is: a directory, a file, an address, a git repository.

Sources: PEP 508 (``name @ URL``), pip's "VCS Support" (``git+URL@REFERENCE#subdirectory=…``) and
"Local project installs".  Nothing is opened here.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement

from debxcross.core.border import is_line, is_relative, is_sha256
from debxcross.core.url import without_password
from debxcross.core.wheel.index import SDIST_ENDINGS, normalise
from debxcross.core.wheel.pep508 import read_requirement

#: Files that can be taken as they are: wheels and sdists.
ARCHIVES = (".whl", *SDIST_ENDINGS)
PATH, ADDRESS, GIT = "path", "address", "git"
_NAMED = re.compile(
    r"\s*(?P<name>[A-Za-z0-9][\w.-]*)\s*(\[(?P<extras>[^\]]*)\])?\s*@\s*(?P<place>\S.*)", re.ASCII)
_EXTRAS = re.compile(r"(?P<place>.+?)\s*\[(?P<extras>[^\[\]]*)\]\s*", re.DOTALL)
_EXTRA = re.compile(r"[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?", re.ASCII)
_GIT = re.compile(r"git\+(file|https?|ssh|git)://", re.ASCII)
#: A commit as git writes it in full (SHA-1 or SHA-256).
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?", re.ASCII)
#: A branch, a tag or a part of a commit; what begins with a dash would be an option.
_REFERENCE = re.compile(r"[A-Za-z0-9_][\w./+-]*", re.ASCII)


@dataclass(frozen=True)
class Direct:
    """A requirement by place; ``name`` is "" when only the project itself knows it.

    ``kind`` is PATH (a directory or a file here), ADDRESS (a file at a URL) or GIT.  ``place`` may hold a
    login.  ``reference`` is a branch, tag or commit; ``sha256`` is that of a file.
    """

    kind: str
    place: str
    origin: str
    name: str = ""
    extras: tuple[str, ...] = ()
    marker: str = ""
    reference: str = ""
    subdirectory: str = ""
    sha256: str = ""

    @property
    def text(self) -> str:
        """The requirement as it can be shown: without a login."""
        place = without_secret(self.place) if "://" in self.place else self.place
        return place + (f"@{self.reference}" if self.reference else "")


def parse_direct(text: str, origin: str) -> Direct | None:
    """Read a requirement by place; None for one of a project in the index.

    Raises ValueError: what is wrong, in words.
    """
    name, extras, place = "", "", text.strip()
    if match := _NAMED.fullmatch(place):
        name, extras, place = normalise(match["name"]), match["extras"] or "", match["place"].strip()
    place, _, marker = _marker(place, name)
    place = place.rstrip()
    if not name and (match := _EXTRAS.fullmatch(place)) and "://" not in place and _is_path(match["place"]):
        place, extras = match["place"].rstrip(), match["extras"]
    scheme = place.partition(":")[0].lower() if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", place) else ""
    if not scheme and not (name or _is_path(place) or place.startswith("git+")):
        return None
    found = tuple(sorted({normalise(one.strip()) for one in extras.split(",") if one.strip()}))
    if not all(map(_EXTRA.fullmatch, found)) or not is_line(place):
        raise ValueError(f"{text!r} is not a requirement")
    marker = _checked_marker(marker)
    if not scheme and not place.startswith("git+"):
        return Direct(PATH, place, origin, name, found, marker)
    return _of_address(place, scheme, Direct(PATH, "", origin, name, found, marker))


def _marker(place: str, name: str) -> tuple[str, str, str]:
    """Part a place from its marker: behind a URL white space stands before the semicolon (PEP 508)."""
    return place.partition(" ;") if "://" in place or name else place.partition(";")


def _checked_marker(marker: str) -> str:
    try:
        return str(Marker(marker)) if marker.strip() else ""
    except InvalidMarker as error:
        raise ValueError(f"the marker {marker.strip()!r} cannot be read") from error


def _is_path(text: str) -> bool:
    """Tell, as pip does, what names something here: a path, or an archive's file name."""
    return text.startswith(".") or "/" in text.partition("@")[0] or text.lower().endswith(ARCHIVES)


def _of_address(url: str, scheme: str, known: Direct) -> Direct:
    """Read a requirement whose place is a URL."""
    bare, _, fragment = url.partition("#")
    parts, more = urlsplit(bare), dict(parse_qsl(fragment))
    name, extras = known.name, known.extras
    if not name and (egg := more.get("egg")):
        try:
            requirement = read_requirement(egg)
        except InvalidRequirement as error:
            raise ValueError(f"#egg={egg} names no project") from error
        name, extras = normalise(requirement.name), tuple(sorted(map(normalise, requirement.extras)))
    subdirectory, sha256 = more.get("subdirectory", "").strip("/"), more.get("sha256", "").lower()
    if subdirectory and not is_relative(subdirectory):
        raise ValueError(f"the subdirectory {subdirectory!r} leads out of the project")
    known = replace(known, name=name, extras=extras)
    if scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise ValueError(f"{url}: files of another machine ({parts.netloc}) cannot be read")
        return replace(known, place=unquote(parts.path) + (f"/{subdirectory}" if subdirectory else ""),
                       sha256=sha256)
    if url.startswith("git+"):
        return _of_git(bare, replace(known, kind=GIT, subdirectory=subdirectory))
    if scheme in ("http", "https"):
        if not parts.path.lower().endswith(ARCHIVES):
            raise ValueError(f"{without_password(bare)} is no wheel and no sdist")
        if not is_sha256(sha256):
            raise ValueError(f"{without_password(bare)}: give its digest: #sha256=…")
        return replace(known, kind=ADDRESS, place=bare, sha256=sha256)
    if re.match(r"(hg|svn|bzr)\+", scheme):
        raise ValueError(f"{scheme}: of version control systems only git is known")
    raise ValueError(f"{scheme}: is no place that projects are taken from; known: file, git+…, https, http")


def _of_git(url: str, known: Direct) -> Direct:
    if not _GIT.match(url):
        raise ValueError(f"{without_password(url)}: write git+https://, git+ssh:// or git+file:///")
    parts = urlsplit(url.removeprefix("git+"))
    path, at, reference = parts.path.rpartition("@")
    if not at:
        raise ValueError(f"{without_secret(url)}: add @ and the commit, tag or branch to take")
    if not is_reference(reference):
        raise ValueError(f"{reference!r} is no branch, tag or commit")
    return replace(known, place=urlunsplit(parts._replace(path=path, query="")), reference=reference)


def without_secret(url: str) -> str:
    """Return an address without what nobody else may read: ssh's user is no secret, and it is needed."""
    parts = urlsplit(url.removeprefix("git+"))
    if "@" not in parts.netloc or parts.scheme == "ssh" and parts.password is None:
        return url
    return without_password(url)


def marker_holds(direct: Direct, environment: Mapping[str, str]) -> bool:
    """Tell whether a requirement's marker holds on the machine with these marker variables."""
    return not direct.marker or Marker(direct.marker).evaluate({**environment, "extra": ""})


def is_reference(text: str) -> bool:
    """Tell whether a text can be a branch, a tag or a commit (git-check-ref-format(1), and no option)."""
    return bool(_REFERENCE.fullmatch(text)) and ".." not in text and not text.endswith((".lock", "/", "."))


def is_commit(text: str) -> bool:
    """Tell whether a text is a whole commit."""
    return _COMMIT.fullmatch(text) is not None


@dataclass(frozen=True)
class Origin:
    """Where a pinned file that is in no index comes from, and what it was made of.

    ``place`` is a URL without a login: of a file, a directory or a git repository.  ``tree`` is the digest
    of the file set that became the sdist ("" for a file), ``commit`` that of a git work tree, ``dirty``
    whether the work tree had changes that are in no commit.
    """

    place: str
    tree: str = ""
    commit: str = ""
    subdirectory: str = ""
    dirty: bool = False

    @property
    def git(self) -> bool:
        """Whether it is fetched with git."""
        return self.place.startswith("git+")

    def to_text(self) -> str:
        """Return the line that parse_origin reads."""
        more = {"subdirectory": self.subdirectory, "tree": self.tree,
                **({} if self.git else {"commit": self.commit}), "dirty": "1" if self.dirty else ""}
        fragment = urlencode({key: value for key, value in more.items() if value}, safe="/")
        return self.place + (f"@{self.commit}" if self.git else "") + (f"#{fragment}" if fragment else "")

    @property
    def identity(self) -> str:
        """What was taken, in words that are the same wherever it lay."""
        if self.git:
            return f"{self.place}@{self.commit}" + (f" {self.subdirectory}" if self.subdirectory else "")
        said = f"a directory, tree sha256:{self.tree}" if self.tree else ""
        return said + (f", commit {self.commit}" if self.commit else "") + (
            " with uncommitted changes" if self.dirty else "")


def is_origin(value: object) -> bool:
    """Tell whether a text is the origin of a pinned file."""
    try:
        return isinstance(value, str) and parse_origin(value).to_text() == value
    except ValueError:
        return False


def parse_origin(text: str) -> Origin:
    """Read the origin of a pinned file.  Raises ValueError: what is wrong, in words."""
    place, _, fragment = text.partition("#")
    more = dict(parse_qsl(fragment, strict_parsing=True)) if fragment else {}
    commit = more.pop("commit", "")
    if place.startswith("git+"):
        place, _, commit = place.rpartition("@")
    tree, subdirectory = more.pop("tree", ""), more.pop("subdirectory", "")
    found = Origin(place, tree, commit, subdirectory, more.pop("dirty", "") == "1")
    if (more or not re.match(r"(file|https?)://", place) and not _GIT.match(place)
            or found.tree and not is_sha256(found.tree)
            or (commit or found.git) and not is_commit(commit)
            or found.subdirectory and not is_relative(found.subdirectory)
            or place != without_secret(place) or not is_line(text)):
        raise ValueError("it is not what 'debxcross wheel' writes")
    return found
