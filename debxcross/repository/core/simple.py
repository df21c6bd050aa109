# SPDX-License-Identifier: GPL-3.0-or-later
"""The index of Python packages beside the debs: what it lists, and its pages, which pip reads.

Below dists/CODENAME/COMPONENT there is one for each architecture, wheels-ARCH, as there is one binary-ARCH:
the tag of a wheel names the kernel's machine, which the ABIs of armel and armhf have in common.

Sources: PEP 503 (HTML pages), PEP 592, 629, 691 and 700 (JSON pages), PEP 427 and 425 (names and tags of
wheels), pip's vendored packaging.tags (which platforms a device takes).  Every value is escaped.
"""
from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from html import escape
from urllib.parse import quote

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from debxcross.core.architecture import ARCHITECTURES
from debxcross.core.artifact import StoredFile
from debxcross.core.border import is_line, is_name, is_relative, is_sha256, size_of
from debxcross.core.stanza import parse_stanzas
from debxcross.errors import PublishError

#: The list of wheels below a component; apt asks only for indexes it knows.
LIST = "wheels/Wheels"
#: What is served to those who ask for JSON, beside index.html.
JSON_PAGE = "index.v1_json"
#: Machines, as kernels call them, on which a device of an architecture runs, ours first.  A kernel of 64 bits
#: is one of them, and ARMv5 has two names.
_MACHINES: Mapping[str, tuple[str, ...]] = {
    "armel": ("armv5tel", "armv5tejl", "armv6l", "armv7l", "armv8l"), "armhf": ("armv7l", "armv8l"),
    "mipsel": ("mips", "mips64"), "i386": ("i686", "i586")}
#: A machine that only another architecture's table does not name: wheels for it are Raspbian's.
_OTHERS = {"armv6l": "armhf"}
_PLATFORM = re.compile(r"(?:linux|manylinux(?:1|2010|2014|_\d+_\d+)|musllinux_\d+_\d+)_(?P<machine>\w+)")
#: A page shows itself and leads to files; nothing runs and nothing is loaded.
_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True)
class WheelEntry:
    """A wheel as the index lists it.

    ``project`` is normalised (PEP 503); ``architecture`` is Debian's, or "all"; ``path`` is below the web
    root, ``size`` in bytes, ``sha256`` in hex; ``requires_python`` is "" for any; ``uploaded`` is when it
    was published first, in seconds since the epoch.
    """

    project: str
    version: str
    architecture: str
    path: str
    size: int
    sha256: str
    requires_python: str
    uploaded: int

    @property
    def name(self) -> str:
        """The file's name, which says what it is for."""
        return self.path.rpartition("/")[2]

    @property
    def component(self) -> str:
        """The component that lists it."""
        return self.path.split("/", 2)[1]

    @property
    def _kind(self) -> tuple[str, str]:
        """What a newer wheel replaces: those of its project for the same major version of Python."""
        pythons = {tag.interpreter for tag in parse_wheel_filename(self.name)[3]}
        return self.project, "2" if all(re.match(r"(cp|py)2", one) for one in pythons) else "3"


def wheel_entry(file: StoredFile, project: str, version: str, requires_python: str, *, component: str,
                architectures: Sequence[str] = ()) -> WheelEntry:
    """Make the entry of a wheel, which has the name under which it is published.

    Where several architectures call their machine alike, as those of MIPS do, it is for the first of
    ``architectures``, those that are published.

    Raises PublishError for a name that is none, and for a wheel for another system than Linux.
    """
    file_name, sha256 = file.name, file.sha256
    try:
        tags = parse_wheel_filename(file_name)[3]
        Version(version)
    except (InvalidWheelFilename, InvalidVersion) as error:
        raise PublishError(f"{file_name!r} is not the file name of a wheel", str(error),
                           "Name it as it was built (PEP 427).") from error
    if not (is_name(file_name) and is_line(requires_python) and re.fullmatch(r"[\w.+!-]+", file_name)):
        raise PublishError(f"{file_name!r} or what it says of itself cannot stand in an index", "",
                           "Build it again with tools that write valid metadata.")
    architecture = _architecture(file_name, {tag.platform for tag in tags}, architectures)
    own = ARCHITECTURES[architecture].wheel_platform if architecture != "all" else ""
    if own and {tag.platform for tag in tags} == {own}:
        machines = _MACHINES.get(architecture, (own.removeprefix("linux_"),))
        # A compressed set of tags (PEP 425): the device's pip takes the one of its kernel.
        platforms = ".".join(f"linux_{machine}" for machine in machines)
        file_name = f"{file_name.removesuffix(f'{own}.whl')}{platforms}.whl"
    # As the index of PyPI has it: other bytes have another address, whatever their name.
    path = f"pool/{component}/wheels/{sha256[:2]}/{sha256[2:18]}/{file_name}"
    return WheelEntry(canonicalize_name(project), version, architecture, path, file.size, sha256,
                      requires_python, 0)


def _architecture(file_name: str, platforms: Iterable[str], published: Sequence[str]) -> str:
    """Return the Debian architecture that a wheel's platforms are for, of several one that is published."""
    found, other = set(), []
    for platform in platforms:
        match = _PLATFORM.fullmatch(platform)
        names = {one.name for one in ARCHITECTURES.values()
                 if match and match["machine"] in (one.wheel_platform.removeprefix("linux_"), one.uname)}
        if match and not names and match["machine"] in _OTHERS:
            names = {_OTHERS[match["machine"]]}
        if platform == "any":
            names = {"all"}
        if not names:
            other.append(platform)
        found |= names
    if other and not found:
        raise PublishError(f"{file_name} is for {', '.join(sorted(other))}, which no device here is", "",
                           "Publish wheels for Linux, or for any platform.")
    # What serves several is listed for one of them: ours have one each.
    return "all" if "all" in found else min(found, key=lambda name: (name not in published, name))


def merge_wheels(old: Iterable[WheelEntry], given: Sequence[WheelEntry], architectures: Sequence[str],
                 uploaded: int, *, replace: bool = True) -> tuple[WheelEntry, ...]:
    """Return the wheels that are published next: the given ones, and what they do not replace.

    With ``replace`` a given wheel replaces those of its project for its architecture, one for all of them
    those of each.  Of one name in one index the given bytes count.  Raises PublishError when two of the
    given have one name and other bytes, or one is for an architecture that is not published here.
    """
    before = {(entry.architecture, entry.name): entry for entry in old}
    result: dict[tuple[str, str], WheelEntry] = {}
    for entry in given:
        if entry.architecture not in (*architectures, "all"):
            raise PublishError(
                f"{entry.name} is for {entry.architecture}, which is not published here",
                f"The repository is for {', '.join(architectures)}.", "Add the architecture with --arch.")
        place = entry.architecture, entry.name
        known = before.get(place)
        same = known is not None and known.sha256 == entry.sha256
        other = result.setdefault(place, known if same and known else _dated(entry, uploaded))
        if other.sha256 != entry.sha256:
            raise PublishError(f"two files are called {entry.name}", f"sha256 {other.sha256}\n"
                               f"sha256 {entry.sha256}", "Name the right one alone.")
    replaced = {(entry.architecture, entry._kind) for entry in given} if replace else set()
    for place, entry in before.items():
        if not {(entry.architecture, entry._kind), ("all", entry._kind)} & replaced:
            result.setdefault(place, entry)
    return tuple(sorted(result.values(), key=_order))


def _dated(entry: WheelEntry, uploaded: int) -> WheelEntry:
    return WheelEntry(**{**vars(entry), "uploaded": uploaded})


def _order(entry: WheelEntry) -> tuple[str, Version, str, str]:
    return entry.project, Version(entry.version), entry.name, entry.path


def list_text(entries: Iterable[WheelEntry]) -> str:
    """Return the list of wheels, a stanza for each."""
    return "".join(
        f"Project: {one.project}\nVersion: {one.version}\nArchitecture: {one.architecture}\n"
        f"Filename: {one.path}\nSize: {one.size}\nSHA256: {one.sha256}\n"
        + (f"Requires-Python: {one.requires_python}\n" if one.requires_python else "")
        + f"Uploaded: {one.uploaded}\n\n" for one in sorted(entries, key=_order))


def parse_list(text: str) -> tuple[WheelEntry, ...]:
    """Read list_text().  Raises PublishError for a text that is another one."""
    found = []
    try:
        for fields in map(dict, parse_stanzas(text)):
            entry = WheelEntry(
                fields["Project"], fields["Version"], fields["Architecture"], fields["Filename"],
                size_of(fields["Size"]), fields["SHA256"], fields.get("Requires-Python", ""),
                size_of(fields["Uploaded"]))
            Version(entry.version), parse_wheel_filename(entry.name)
            if not (is_relative(entry.path) and is_sha256(entry.sha256)
                    and canonicalize_name(entry.project) == entry.project and is_name(entry.project)):
                raise ValueError(entry.path)
            found.append(entry)
    except (KeyError, ValueError) as error:
        raise PublishError(
            "a published list of wheels cannot be read", f"{type(error).__name__}: {error}",
            "It is not what debxcross wrote: go back with 'debxcross repo rollback'.") from error
    return tuple(found)


def is_page(path: str) -> bool:
    """Tell whether a file below dists/CODENAME is a page of such an index."""
    return re.fullmatch(r"[^/]+/wheels-[^/]+/([^/]+/)?index\.(html|v1_json)", path) is not None


def index_directory(component: str, architecture: str) -> str:
    """Return where the index of an architecture is below dists/CODENAME."""
    return f"{component}/wheels-{architecture}"


def index_pages(entries: Iterable[WheelEntry], component: str, architectures: Sequence[str]
                ) -> Iterator[tuple[str, bytes]]:
    """Yield path below dists/CODENAME and content of every page, and the list; nothing without a wheel."""
    inside = [entry for entry in sorted(entries, key=_order) if entry.component == component]
    if not inside:
        return
    yield f"{component}/{LIST}", list_text(inside).encode()
    for architecture in architectures:
        directory = index_directory(component, architecture)
        projects: dict[str, list[WheelEntry]] = defaultdict(list)
        for entry in inside:
            if entry.architecture in (architecture, "all"):
                projects[entry.project].append(entry)
        yield f"{directory}/index.html", _html(
            "Simple index", [f'<a href="{quote(name)}/">{escape(name)}</a>' for name in projects])
        yield f"{directory}/{JSON_PAGE}", _json({"projects": [{"name": name} for name in projects]})
        for name, wheels in projects.items():
            yield f"{directory}/{name}/index.html", _html(f"Links for {name}", map(_anchor, wheels))
            yield f"{directory}/{name}/{JSON_PAGE}", _json({
                "name": name, "versions": list(dict.fromkeys(one.version for one in wheels)),
                "files": [_file(one) for one in wheels]})


def _address(entry: WheelEntry) -> str:
    """Return where a wheel is, seen from its project's page, also from that of a snapshot."""
    return f"../../../../../{quote(entry.path)}"


def _anchor(entry: WheelEntry) -> str:
    asks = f' data-requires-python="{escape(entry.requires_python)}"' if entry.requires_python else ""
    return (f'<a href="{escape(_address(entry))}#sha256={entry.sha256}"{asks}>{escape(entry.name)}</a>')


def _html(title: str, anchors: Iterable[str]) -> bytes:
    lines = "".join(f"{anchor}<br>\n" for anchor in anchors)
    return (
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"{_POLICY}\">\n"
        "<meta name=\"pypi:repository-version\" content=\"1.1\">\n"
        f"<title>{escape(title)}</title>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n{lines}</body>\n"
        "</html>\n").encode()


def _json(more: Mapping[str, object]) -> bytes:
    return (json.dumps({"meta": {"api-version": "1.1"}, **more}, indent=1) + "\n").encode()


def _file(entry: WheelEntry) -> dict[str, object]:
    moment = datetime.fromtimestamp(entry.uploaded, timezone.utc)
    return {
        "filename": entry.name, "url": _address(entry), "hashes": {"sha256": entry.sha256},
        "size": entry.size, **({"requires-python": entry.requires_python} if entry.requires_python else {}),
        "upload-time": f"{moment:%Y-%m-%dT%H:%M:%S}.000000Z", "yanked": False}
