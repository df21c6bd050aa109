# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the control information of two builds: fields, relations, scripts, triggers, symbols."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from debian.deb822 import PkgRelation

from debxcross.core.build.differences import GAINED, LOST, TOOLCHAIN, UNEXPLAINED, Difference
from debxcross.core.build.facts import PackageFacts
from debxcross.core.build.natives import OTHER_ARCHITECTURE, SAME, plain_version

_RELATIONS = ("Pre-Depends", "Depends", "Recommends", "Suggests", "Enhances", "Provides", "Breaks",
              "Conflicts", "Replaces")
#: What differs from build to build, or says how the build was made.
_NOT_COMPARED = frozenset(("Version", "Source", "Installed-Size", "Build-Ids", "Auto-Built-Package",
                           "Architecture", *_RELATIONS))
_OF_TOOLCHAIN = ("Built-Using", "Static-Built-Using", "X-Cargo-Built-Using", "Debugger")
#: Packages that depend on how the compiler and debhelper of the day do things.
_RUNTIME = frozenset(("libgcc-s1", "libgcc1", "dpkg", "init-system-helpers"))
_SCRIPTS = ("preinst", "postinst", "prerm", "postrm", "config")
_LISTS = {"conffiles": "conffile", "triggers": "trigger", "shlibs": "shlibs"}
#: What debhelper puts into scripts: "# Automatically added by dh_makeshlibs/13.11.4".
_ADDED = re.compile(r"^# Automatically added by (?P<tool>\w+)(/(?P<version>\S+))?\n(?P<body>.*?)"
                    r"^# End automatically added section\n?", re.MULTILINE | re.DOTALL)
#: What of a library package's name follows its soname's version: libssl1.1 and libssl3 are one library's.
_LIBRARY_VERSION = re.compile(r"(?<=[a-z])-?\d[\d.]*(t64)?(?=\Z| )")
_TOLD = 3

_Neutral = tuple[Callable[[str], str], Callable[[str], str]]


def toolchain_sign(before: PackageFacts, after: PackageFacts) -> str:
    """Return how one sees that two packages were made by debhelpers of different versions, "" if not."""
    for name in _SCRIPTS:
        old, new = (dict(_tools(one.texts.get(name, ""))) for one in (before, after))
        for tool in old.keys() & new.keys():
            if old[tool] != new[tool]:
                return f"{tool} {old[tool]} and {new[tool]} wrote into {name}"
    return ""


def _tools(text: str) -> Iterator[tuple[str, str]]:
    for match in _ADDED.finditer(text):
        yield match["tool"], match["version"] or ""


def compare_control(before: PackageFacts, after: PackageFacts, neutral: _Neutral, how: str
                    ) -> tuple[Difference, ...]:
    """Return what differs in the control archives of two builds of a package."""
    package = after.name
    found: list[Difference] = []
    if how != OTHER_ARCHITECTURE:
        found += _fields(before, after)
        for field in _RELATIONS:
            found += _relations(field, before, after, how)
        found += _symbols(package, before.texts.get("symbols", ""), after.texts.get("symbols", ""))
    for name in sorted(before.texts.keys() | after.texts.keys()):
        old, new = neutral[0](before.texts.get(name, "")), neutral[1](after.texts.get(name, ""))
        if name in _SCRIPTS:
            found += _script(package, name, old, new)
        elif name in _LISTS and not (name == "shlibs" and how == OTHER_ARCHITECTURE):
            found += _listed(package, name, old, new)
        elif name not in ("symbols", *_LISTS) and old != new and how == SAME:
            found.append(Difference(UNEXPLAINED, package, "field", name, "", old, new,
                                    f"the control file {name} has another content"))
    return tuple(found)


def _fields(before: PackageFacts, after: PackageFacts) -> Iterator[Difference]:
    for field in sorted({*before.fields, *after.fields} - _NOT_COMPARED):
        old, new = before.fields.get(field, ""), after.fields.get(field, "")
        if " ".join(old.split()) == " ".join(new.split()):
            continue
        kind = (TOOLCHAIN if field in _OF_TOOLCHAIN else LOST if not new else GAINED if not old
                else UNEXPLAINED)
        words = f"is {new!r} instead of {old!r}" if old and new else f"was {old!r}" if old else f"is {new!r}"
        yield Difference(kind, after.name, "field", field, "", old, new, f"the field {field} {words}")


def _relations(field: str, before: PackageFacts, after: PackageFacts, how: str) -> Iterator[Difference]:
    old, new = (_by_names(one.fields.get(field, ""), one) for one in (before, after))
    gone, more = sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys())
    for names in gone:
        stem = _LIBRARY_VERSION.sub("", names)
        successors = [one for one in more if _LIBRARY_VERSION.sub("", one) == stem]
        if successors:
            more.remove(successors[0])
            yield Difference(UNEXPLAINED if how == SAME else TOOLCHAIN, after.name, "relation", field, names,
                             old[names], new[successors[0]],
                             f"{field} names {new[successors[0]]} instead of {old[names]}")
        else:
            yield Difference(TOOLCHAIN if names in _RUNTIME else LOST, after.name, "relation", field, names,
                             old[names], "", f"{field} does not name {old[names]}")
    for names in more:
        yield Difference(TOOLCHAIN if names in _RUNTIME else GAINED, after.name, "relation", field, names,
                         "", new[names], f"{field} also names {new[names]}")
    for names in sorted(old.keys() & new.keys()):
        if old[names] != new[names]:
            # The bounds come from the symbols files of the libraries in the build root.
            exact = "(= " in old[names] + new[names]
            kind = UNEXPLAINED if exact and how == SAME else TOOLCHAIN
            yield Difference(kind, after.name, "relation", field, names, old[names], new[names],
                             f"{field} names {new[names]} instead of {old[names]}")


def _by_names(text: str, facts: PackageFacts) -> Mapping[str, str]:
    """Return relations by the names in them; the package's own version is a variable, as in its source."""
    own = {plain_version(facts.version), plain_version(facts.source[1])}
    found: dict[str, str] = {}
    for alternatives in PkgRelation.parse_relations(" ".join(text.split())) if text.strip() else ():
        words = []
        for one in alternatives:
            version = one.get("version")
            bound = ""
            if version:
                number = "${binary:Version}" if plain_version(version[1]) in own else version[1]
                bound = f" ({version[0]} {number})"
            words.append(f"{one['name']}{':' + one['archqual'] if one.get('archqual') else ''}{bound}")
        names = " | ".join(str(one["name"]) for one in alternatives)
        found[names] = f"{found[names]}, {' | '.join(words)}" if names in found else " | ".join(words)
    return found


def _symbols(package: str, before: str, after: str) -> Iterator[Difference]:
    """Compare symbols files (deb-symbols(5)) by library and symbol; versions are the toolchain's."""
    old, new = _symbol_lines(before), _symbol_lines(after)
    for kind, here, there, words in ((LOST, old, new, "does not list"), (GAINED, new, old, "also lists")):
        for library, symbol in sorted(here.keys() - there.keys()):
            values = ("", symbol) if kind == GAINED else (symbol, "")
            yield Difference(kind, package, "symbols", "symbols", f"{symbol} of {library}", *values,
                             f"the symbols file {words} {symbol} of {library}")
    for place in sorted(old.keys() & new.keys()):
        if old[place] != new[place]:
            yield Difference(TOOLCHAIN, package, "symbols", "symbols", f"{place[1]} of {place[0]}", old[place],
                             new[place], f"the symbols file gives {place[1]} since {new[place]}, not {old[place]}")


def _symbol_lines(text: str) -> Mapping[tuple[str, str], str]:
    library, found = "", {}
    for line in text.splitlines():
        if line[:1] not in (" ", "|", "*", "#", ""):
            library = line.split()[0]
        elif line.startswith(" ") and len(words := line.split()) > 1:
            found[library, words[0]] = plain_version(words[1])
    return found


def _listed(package: str, name: str, before: str, after: str) -> Iterator[Difference]:
    old, new = _lines(before), _lines(after)
    what = _LISTS[name]
    for kind, lines, words in ((LOST, [one for one in old if one not in new], "lacks"),
                               (GAINED, [one for one in new if one not in old], "also has")):
        for line in lines:
            values = ("", line) if kind == GAINED else (line, "")
            yield Difference(kind, package, what, name, line, *values, f"{name} {words} the line {line!r}")


def _lines(text: str) -> list[str]:
    """Return the lines that count: without comments, and with single spaces."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip() and line.strip()[0] != "#"]


def _script(package: str, name: str, before: str, after: str) -> Iterator[Difference]:
    if bool(before) != bool(after):
        kind, words = (LOST, "is not there") if before else (GAINED, "is there in addition")
        yield Difference(kind, package, "script", name, "", _first(_lines(before)), _first(_lines(after)),
                         f"the maintainer script {name} {words}")
        return
    if _lines(before) == _lines(after):
        return
    old, new = ({tool for tool, _ in _tools(text)} for text in (before, after))
    for tool in sorted(old - new):
        yield Difference(LOST, package, "script", name, tool, tool, "", f"{name} lacks what {tool} adds")
    for tool in sorted(new - old):
        yield Difference(GAINED, package, "script", name, tool, "", tool, f"{name} also has what {tool} adds")
    own = [_lines(_ADDED.sub("", text)) for text in (before, after)]
    missing, more = _without(own[0], own[1]), _without(own[1], own[0])
    if own[0] != own[1]:
        yield Difference(UNEXPLAINED, package, "script", name, "", _first(missing), _first(more),
                         f"the maintainer script {name} does something else")
    elif old == new:
        yield Difference(TOOLCHAIN, package, "script", name, "", ", ".join(sorted(old)), "",
                         f"in {name}, debhelper of another version wrote other lines")


def _without(lines: Iterable[str], others: Iterable[str]) -> list[str]:
    known = set(others)
    return [line for line in lines if line not in known]


def _first(lines: list[str]) -> str:
    return "\n".join(lines[:_TOLD])
