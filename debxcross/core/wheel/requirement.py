# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user asks for: requirements (PEP 508), constraints, hashes, options per project.

Sources: PEP 508, pip's documented format of requirements files ("Requirements File Format",
"Hash-checking Mode").  Files are read by whoever calls; here are their texts.
"""
from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import PurePosixPath
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from debxcross.core.wheel.direct import Direct, parse_direct
from debxcross.core.wheel.index import normalise
from debxcross.core.wheel.pep508 import read_requirement
from debxcross.core.wheel.selection import Selection
from debxcross.errors import ConfigurationError, without_logins

_HASH = re.compile(r"\s+--hash[= ]sha256:([0-9a-fA-F]{64})")
_ANY_HASH = re.compile(r"\s+--hash[= ](\S+)")
#: Options that decide where files come from and mean nothing here.
_OTHER_PLACES = ("--no-index", "-f", "--find-links", "--trusted-host")
#: As pip expands them in requirements files, so that no login need stand there.
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
#: Byte order marks, longer ones first, with what follows them.
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\0\0", "utf-32-le"), (b"\0\0\xfe\xff", "utf-32-be"),
          (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
#: PEP 263, of the first two lines.
_CODING = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")


@dataclass(frozen=True)
class Wanted:
    """A requirement as text, where it stands, and the sha256 (hex) of the files it allows."""

    text: str
    origin: str
    hashes: tuple[str, ...] = ()

    @property
    def requirement(self) -> Requirement:
        """The requirement, taken apart."""
        return Requirement(self.text)

    @property
    def name(self) -> str:
        """The project's normalised name."""
        return normalise(self.requirement.name)


@dataclass(frozen=True)
class Requirements:
    """Everything asked for; ``require_hashes`` says that only files with a known hash count.

    ``direct`` are requirements by place, which become Wanted once their projects' names are known.
    """

    wanted: tuple[Wanted, ...]
    constraints: tuple[Wanted, ...] = ()
    require_hashes: bool = False
    direct: tuple[Direct, ...] = ()
    selection: Selection = Selection()


@dataclass(frozen=True)
class ProjectOptions:
    """What a project's build needs beyond what its metadata says.

    ``build_packages`` and ``host_needs`` are Debian packages for the build machine and for
    the device; ``build_requires`` are requirements (PEP 508) for the build machine;
    ``environment`` are variables and ``settings`` PEP 517's, "name=value" each.
    ``replaces`` are Debian's packages that hold parts of the project under other names;
    ``revision`` is that of the deb; ``optional_modules`` need something that the project does not
    require.
    """

    host_needs: tuple[str, ...] = ()
    build_packages: tuple[str, ...] = ()
    build_requires: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    smoke: str = ""
    package: str = ""
    revision: str = ""
    optional_modules: tuple[str, ...] = ()

    @property
    def of_the_build(self) -> bool:
        """Whether anything is said of the build; then it is said instead of Debian's packaging."""
        return bool(self.host_needs or self.build_packages or self.build_requires or self.environment
                    or self.settings)


def read_requirements(
    arguments: Sequence[str], files: Sequence[str], constraint_files: Sequence[str],
    read: Callable[[str], str], require_hashes: bool = False, selection: Selection = Selection(),
) -> Requirements:
    """Read requirements of the command line and of files; ConfigurationError tells every fault.

    ``read`` returns the text of a file by path; ``selection`` is what the command line says, to which
    the files' options add.
    """
    reader = _Reader(read, require_hashes, selection)
    for argument in arguments:
        reader.requirement(argument, "the command line", reader.wanted)
    for name in files:
        reader.file(name, reader.wanted)
    for name in constraint_files:
        reader.file(name, reader.constraints)
    hashed = reader.require_hashes or any(one.hashes for one in reader.wanted)
    if hashed:
        reader.faults += [f"{one.origin}: {one.text} has no --hash, but others have"
                          for one in reader.wanted if not one.hashes]
        # pip says the same: the bytes of a directory, and of a repository, have no hash that could be given.
        reader.faults += [f"{one.origin}: {one.text} has no hash that could be compared, but others have"
                          for one in reader.direct if not one.sha256]
    if not (reader.wanted or reader.direct or reader.faults):
        reader.faults.append("nothing is required")
    if reader.faults:
        count = "1 fault" if len(reader.faults) == 1 else f"{len(reader.faults)} faults"
        raise ConfigurationError(
            f"the requirements have {count}", "\n".join(reader.faults),
            "Write them as NAME, NAME==VERSION, NAME[EXTRA]>=VERSION, NAME @ URL or ./DIRECTORY, one a line "
            "in files (PEP 508).")
    return Requirements(tuple(reader.wanted), tuple(reader.constraints), hashed, tuple(reader.direct),
                        reader.selection)


class _Reader:
    """Collects requirements and faults over all files."""

    def __init__(self, read: Callable[[str], str], require_hashes: bool, selection: Selection) -> None:
        self.read = read
        self.require_hashes = require_hashes
        self.selection = selection
        self.wanted: list[Wanted] = []
        self.direct: list[Direct] = []
        self.constraints: list[Wanted] = []
        self.faults: list[str] = []
        self._open: list[str] = []

    def file(self, name: str, into: list[Wanted]) -> None:
        """Read a file and those it names, relative to itself."""
        if name in self._open:
            self.faults.append(f"{name}: includes itself")
            return
        self._open.append(name)
        for number, line in _lines(self.read(name)):
            self._line(line, name, f"{name}:{number}", into)
        self._open.pop()

    def _line(self, line: str, name: str, origin: str, into: list[Wanted]) -> None:
        if not line.startswith("-"):
            self.requirement(line, origin, into)
            return
        option, _, value = re.sub(r"[\s=]+", " ", line, count=1).partition(" ")
        value = value.strip()
        if option in ("-r", "--requirement"):
            self.file(str(PurePosixPath(name).parent / value), into)
        elif option in ("-c", "--constraint"):
            self.file(str(PurePosixPath(name).parent / value), self.constraints)
        elif option == "--require-hashes":
            self.require_hashes = True
        elif option in ("-e", "--editable"):
            # What is installed on a device cannot be edited here: it is taken as it is now.
            self.requirement(value, origin, into)
        elif option in _OTHER_PLACES:
            self.faults.append(f"{origin}: {option}: files come from indexes, from places of their own "
                               "(NAME @ URL), or from here")
        elif not self._select(option, value, origin):
            self.faults.append(f"{origin}: {option}: " + (
                "not supported; name a version instead" if option == "--prefer-binary" else "unknown option"))

    def _select(self, option: str, value: str, origin: str) -> bool:
        """Take an option that chooses indexes or files; False for another one."""
        chosen = self.selection
        if option in ("-i", "--index-url", "--pypi-url"):
            self.selection = replace(chosen, index_url=value)
        elif option == "--extra-index-url":
            self.selection = replace(chosen, extra_index_urls=(*chosen.extra_index_urls, value))
        elif option == "--pre":
            self.selection = replace(chosen, pre=True)
        elif option in ("--no-binary", "--only-binary"):
            try:
                self.selection = (chosen.without_binary(value) if option == "--no-binary"
                                  else chosen.with_only_binary(value))
            except ValueError as error:
                self.faults.append(f"{origin}: {option}: {error}")
        else:
            return False
        return True

    def requirement(self, text: str, origin: str, into: list[Wanted]) -> None:
        """Read one requirement with its hashes."""
        hashes = tuple(sorted(one.lower() for one in _HASH.findall(text)))
        if _ANY_HASH.search(text) and not hashes:
            self.faults.append(f"{origin}: {text}: only sha256 hashes are known here")
            return
        bare = _ANY_HASH.sub("", text).strip()
        try:
            direct = parse_direct(bare, origin)
        except ValueError as error:
            self.faults.append(without_logins(f"{origin}: {error}"))
            return
        if direct is not None:
            self._add_direct(direct, hashes, into)
            return
        try:
            read_requirement(bare)
        except InvalidRequirement as error:
            reason = str(error).splitlines()[0]
            self.faults.append(f"{origin}: {bare!r} is not a requirement: {reason}")
            return
        into.append(Wanted(bare, origin, hashes))

    def _add_direct(self, direct: Direct, hashes: tuple[str, ...], into: list[Wanted]) -> None:
        if into is self.constraints:
            self.faults.append(f"{direct.origin}: {direct.text}: a constraint names versions, no place")
        elif len({*hashes, *filter(None, (direct.sha256,))}) > 1:
            self.faults.append(f"{direct.origin}: {direct.text} has more than one hash, but is one file")
        else:
            self.require_hashes |= bool(hashes)
            self.direct.append(replace(direct, sha256=direct.sha256 or (hashes or ("",))[0]))


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """Return a requirements file's text with ${NAME} replaced where there is such a variable, as pip does."""
    return _VARIABLE.sub(lambda match: variables.get(match[1]) or match[0], text)


def decoded(content: bytes, name: str) -> str:
    """Return a file's text as pip reads it: by its byte order mark, else by its coding line (PEP 263).

    Without either it is UTF-8.  Raises ConfigurationError that names the encoding.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            content = content[len(mark):]
            break
    else:
        said = next(filter(None, map(_CODING.match, content.split(b"\n")[:2])), None)
        encoding = said[1].decode() if said else "utf-8"
    try:
        return content.decode(encoding)
    except LookupError as error:
        raise ConfigurationError(f"{name} says that it is in {encoding}, which is not known here", "",
                                 "Write it in UTF-8, and correct the line that names the coding.") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{name} cannot be read as {encoding}", str(error),
            "Write it in UTF-8, or name its encoding in the first line: # -*- coding: latin-1 -*-") from error


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the logical lines of a requirements file with their numbers, without comments."""
    joined, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        start = start or number
        if line.rstrip().endswith("\\"):
            joined += line.rstrip()[:-1] + " "
            continue
        whole = re.sub(r"(^|\s)#.*$", "", joined + line).strip()
        if whole:
            yield start, whole
        joined, start = "", 0
    if joined.strip():
        yield start, joined.strip()


def parse_options(document: Mapping[str, Any], origin: str) -> dict[str, ProjectOptions]:
    """Read options per project from a parsed TOML document: a table for each project.

    ConfigurationError tells every fault with its key.
    """
    faults: list[str] = []
    known = {one.name.replace("_", "-"): one.name for one in fields(ProjectOptions)}
    found: dict[str, ProjectOptions] = {}
    for project, table in document.items():
        if not isinstance(table, Mapping):
            faults.append(f"{project}: must be a table: [{project}]")
            continue
        values: dict[str, Any] = {}
        for key, value in table.items():
            is_text = key in ("smoke", "package", "revision")
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                faults.append(f"{project}.{key}: unknown key"
                              + (f"; did you mean {near[0]!r}?" if near else ""))
            elif is_text and isinstance(value, str):
                values[known[key]] = value
            elif not is_text and isinstance(value, list) and all(isinstance(one, str) for one in value):
                values[known[key]] = tuple(value)
            else:
                faults.append(f"{project}.{key}: must be {'a string' if is_text else 'a list of strings'}")
        found[normalise(project)] = ProjectOptions(**values)
    if faults:
        raise ConfigurationError(f"the options for projects in {origin} have faults", "\n".join(faults),
                                 f"Mend the keys named above; known: {', '.join(known)}.")
    return found
