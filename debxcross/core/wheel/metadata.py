# SPDX-License-Identifier: GPL-3.0-or-later
"""A wheel: what its metadata says and which files it holds.

Sources: the binary distribution format and core metadata specifications of the Python
Packaging User Guide (PEP 427, PEP 566, PEP 639), and its entry points specification.
Everything here is made from texts that somebody else has read.
"""
from __future__ import annotations

import base64
import configparser
import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from pathlib import PurePosixPath

from packaging.utils import (canonicalize_name, canonicalize_version,
                             parse_wheel_filename)

from debxcross.core.wheel.index import Pin, normalise, same_release
from debxcross.errors import GateError

_AGAIN = "Do not use this wheel; build or fetch it again."
_LICENSE_NAME = re.compile(r"(licen[cs]e|copying|notice|copyright)([-._].*)?", re.IGNORECASE)
_SCRIPT_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*", re.ASCII)
_OBJECT_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


@dataclass(frozen=True)
class WheelFile:
    """A file in a wheel: its path there, sha256 (hex), size in bytes; ``elf`` by its first bytes."""

    path: str
    executable: bool
    sha256: str
    size: int
    elf: bool = False


@dataclass(frozen=True)
class EntryPoint:
    """A program to be made: ``name`` calls ``attribute`` (dotted) of ``module`` (dotted)."""

    name: str
    module: str
    attribute: str


@dataclass(frozen=True)
class Wheel:
    """A wheel; texts that the metadata does not give are empty.

    ``name`` and ``version`` are spelt as in METADATA; ``tags`` are sorted, one for each
    combination (``py2-none-any``); ``requires_dist`` keeps the order of METADATA;
    ``files`` are sorted by path; ``dist_info`` and ``data`` are the names of those two
    directories; ``license_texts`` are the texts of the files that license_files() names.
    """

    name: str
    version: str
    tags: tuple[str, ...]
    requires_dist: tuple[str, ...]
    requires_python: str
    summary: str
    home_page: str
    license: str
    author: str
    description: str
    console_scripts: tuple[EntryPoint, ...]
    gui_scripts: tuple[EntryPoint, ...]
    license_texts: tuple[str, ...]
    files: tuple[WheelFile, ...]
    dist_info: str

    @property
    def data(self) -> str:
        """The directory whose parts go elsewhere than beside the modules."""
        return self.dist_info.removesuffix(".dist-info") + ".data"

    @property
    def pure(self) -> bool:
        """Whether nothing depends on the architecture: no such tag, and no ELF file."""
        return (all(tag.endswith("-any") for tag in self.tags)
                and not any(file.elf for file in self.files))


def check_path(path: str, symlink: bool = False) -> None:
    """Raise GateError when a member's path could leave the directory it is unpacked to."""
    problem = ""
    if symlink:
        problem = "is a symbolic link"
    elif path.startswith("/") or re.match(r"[A-Za-z]:", path):
        problem = "is absolute"
    elif ".." in path.split("/"):
        problem = "contains '..'"
    elif "\\" in path or not path.isprintable():
        problem = "contains a backslash or a control character"
    elif PurePosixPath(path).as_posix() != path or path == ".":
        problem = "is not in its shortest form"
    if problem:
        raise GateError(f"the wheel's member {path!r} {problem}", resolution=_AGAIN)


def dist_info_directory(paths: Iterable[str]) -> str:
    """Return the name of the one ``.dist-info`` directory; GateError unless there is one."""
    first_parts = {path.split("/")[0] for path in paths if "/" in path}
    found = sorted(part for part in first_parts if part.endswith(".dist-info"))
    if len(found) != 1:
        raise GateError(f"the wheel has {len(found)} .dist-info directories, not one",
                        "\n".join(found), _AGAIN)
    return found[0]


def license_files(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the members that hold licence texts, sorted: in .dist-info or at a package's top."""
    found = []
    for path in paths:
        parts = path.split("/")
        in_licenses = parts[0].endswith(".dist-info") and "licenses" in parts[1:-1]
        if in_licenses or (len(parts) <= 2 and _LICENSE_NAME.fullmatch(parts[-1])
                           and not parts[-1].endswith(".py")):
            found.append(path)
    return tuple(sorted(found))


def check_record(record: str, files: Sequence[WheelFile], dist_info: str) -> None:
    """Raise GateError, naming every fault, unless RECORD and the files agree.

    Every file must be listed, save RECORD and its signatures, with its own sha256.  A
    digest made with another algorithm is not looked at.
    """
    try:
        listed = {row[0]: row[1] for row in csv.reader(record.splitlines()) if len(row) >= 2}
    except csv.Error as error:
        raise GateError("the wheel's RECORD cannot be read", str(error), _AGAIN) from error
    faults = []
    for file in files:
        if file.path.startswith(f"{dist_info}/RECORD"):
            continue
        algorithm, _, value = listed.get(file.path, "").partition("=")
        if not algorithm:
            faults.append(f"{file.path} is not listed")
        elif algorithm == "sha256" and _hexadecimal(value) != file.sha256:
            faults.append(f"{file.path} is not what its digest says")
    missing = sorted(set(listed) - {file.path for file in files})
    faults += [f"{path} is listed but absent" for path in missing]
    if faults:
        raise GateError("the wheel's RECORD and its files disagree", "\n".join(faults), _AGAIN)


def _hexadecimal(value: str) -> str:
    """Return an unpadded URL-safe base64 digest in hexadecimal, or "" when it is none."""
    try:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).hex()
    except ValueError:  # binascii.Error is one; so is what is no ASCII
        return ""


def parse_wheel(file_name: str, files: Sequence[WheelFile], texts: Mapping[str, str]) -> Wheel:
    """Make a Wheel of its file name, its members, and the texts of some of them by path.

    ``texts`` must have METADATA and WHEEL, and what there is of entry_points.txt and the
    license_files().  Raises GateError for a fault in any of them, and when the file name and
    METADATA disagree about name or version.
    """
    dist_info = dist_info_directory(file.path for file in files)
    missing = [name for name in ("METADATA", "WHEEL") if f"{dist_info}/{name}" not in texts]
    if missing:
        raise GateError(f"{file_name} has no {' and no '.join(missing)}", resolution=_AGAIN)
    parser = HeaderParser()
    metadata = parser.parsestr(texts[f"{dist_info}/METADATA"])
    wheel = parser.parsestr(texts[f"{dist_info}/WHEEL"])
    if not _value(wheel, "Wheel-Version").startswith("1."):
        raise GateError(f"{file_name} is in wheel format {_value(wheel, 'Wheel-Version')!r}, not 1",
                        resolution="Build it with tools that write wheel format 1.")
    name, version = _value(metadata, "Name"), _value(metadata, "Version")
    tags = _check_names(file_name, dist_info, name, version)
    entry_points = texts.get(f"{dist_info}/entry_points.txt", "")
    body = str(metadata.get_payload()).strip() or _value(metadata, "Description")
    return Wheel(
        name=name,
        version=version,
        tags=tags,
        requires_dist=tuple(_values(metadata, "Requires-Dist")),
        requires_python=_value(metadata, "Requires-Python"),
        summary=_line(metadata, "Summary"),
        home_page=_home_page(metadata),
        license=_license(metadata),
        author=_line(metadata, "Author") or _line(metadata, "Author-email"),
        description=body,
        console_scripts=_entry_points(entry_points, "console_scripts"),
        gui_scripts=_entry_points(entry_points, "gui_scripts"),
        license_texts=tuple(texts[path] for path in license_files(file.path for file in files)
                            if path in texts),
        files=tuple(sorted(files, key=lambda file: file.path)),
        dist_info=dist_info,
    )


def _check_names(file_name: str, dist_info: str, name: str, version: str) -> tuple[str, ...]:
    """Return the file name's tags, sorted; GateError when it, .dist-info and METADATA disagree."""
    try:
        file_project, file_version, _, tags = parse_wheel_filename(file_name)
    except ValueError as error:
        raise GateError(f"{file_name} is not the file name of a wheel", str(error), _AGAIN) from error
    stem, _, directory_version = dist_info.removesuffix(".dist-info").rpartition("-")
    wanted = (canonicalize_name(name), canonicalize_version(version))
    for place, found in (
        ("file name", (file_project, canonicalize_version(file_version))),
        ("directory " + dist_info, (canonicalize_name(stem), canonicalize_version(directory_version))),
    ):
        if found != wanted:
            raise GateError(
                f"{file_name}: METADATA is about {name} {version}, but the {place} about"
                f" {found[0]} {found[1]}", resolution=_AGAIN)
    return tuple(sorted(str(tag) for tag in tags))


def check_release(file_name: str, wheel: Wheel, name: str, version: str) -> None:
    """Raise GateError when a wheel is of another project or version than was pinned."""
    if not same_release(wheel.name, wheel.version, Pin(normalise(name), version)):
        raise GateError(
            f"{file_name} says that it is {wheel.name} {wheel.version}; pinned was {name} {version}",
            "From its METADATA.", "Do not use it; choose another release of the project.")


def _value(message: Message, header: str) -> str:
    """Return a header's text, "" when it is absent or says UNKNOWN as distutils did."""
    text = str(message.get(header, "")).strip()
    return "" if text == "UNKNOWN" else text


def _line(message: Message, header: str) -> str:
    """Return a header's text in one line, for a control file takes no more."""
    return " ".join(_value(message, header).split())


def _values(message: Message, header: str) -> list[str]:
    return [" ".join(str(value).split()) for value in message.get_all(header, [])]


def _home_page(metadata: Message) -> str:
    for entry in _values(metadata, "Project-URL"):
        label, _, address = entry.partition(",")
        if re.sub(r"[\W_]", "", label).lower() == "homepage":
            return _line(metadata, "Home-page") or address.strip()
    return _line(metadata, "Home-page")


def _license(metadata: Message) -> str:
    """Return the licence in a few words; a whole text in the License field does not count."""
    text = _value(metadata, "License-Expression") or _value(metadata, "License")
    if text and len(text.splitlines()) == 1:
        return text
    for classifier in _values(metadata, "Classifier"):
        if classifier.startswith("License :: "):
            return classifier.rpartition(" :: ")[2]
    return ""


def _entry_points(text: str, group: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of one group of entry_points.txt, sorted by name."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise GateError("the wheel's entry_points.txt cannot be read", str(error), _AGAIN) from error
    found = []
    for name, value in parser.items(group) if parser.has_section(group) else ():
        reference = value.partition("[")[0].strip()  # extras are no concern of the program's
        module, _, attribute = (part.strip() for part in reference.partition(":"))
        if not (_SCRIPT_NAME.fullmatch(name) and _OBJECT_NAME.fullmatch(module)
                and _OBJECT_NAME.fullmatch(attribute)):
            raise GateError(f"the wheel's entry point {name} = {value} cannot become a program",
                            resolution=_AGAIN)
        found.append(EntryPoint(name, module, attribute))
    return tuple(sorted(found, key=lambda entry: entry.name))
