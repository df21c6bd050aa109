# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed build lacked, by the words of compilers and build systems, and which file would be it.

Sources: the messages of GCC, Clang, GNU ld, gold and lld, pkg-config and pkgconf, Meson, CMake
(find_package), setuptools, dash and bash, Cargo; the Filesystem Hierarchy Standard and Debian's
multiarch directories for where packages have such files.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

#: Kinds: what is compiled and linked with, what is run, and what CMake looks for under a name of its own.
HEADER, PKG_CONFIG, LIBRARY, PROGRAM, CMAKE = "header", "pkg-config", "library", "program", "cmake"
#: What no package of the archive is added for: a newer compiler of Rust, a module of Python.
RUSTC, MODULE = "rustc", "module"
#: Kinds that are found in the archive's packages.
FILES = (HEADER, PKG_CONFIG, LIBRARY, PROGRAM, CMAKE)


@dataclass(frozen=True)
class Missing:
    """Something that a build did not find; ``line`` is where its log says so."""

    kind: str
    name: str
    line: str = ""

    @property
    def here(self) -> bool:
        """Whether it runs on the build machine; a library's config program tells of the device's library."""
        return self.kind == PROGRAM and not is_config_program(self.name)

    @property
    def words(self) -> str:
        """The thing as a file: cairo.pc, zlib.h, libfoo.so."""
        return {PKG_CONFIG: f"{self.name}.pc", LIBRARY: f"lib{self.name}.so",
                CMAKE: f"CMake's {self.name}"}.get(self.kind, self.name)


def is_config_program(name: str) -> bool:
    """Tell whether a program tells of a library: pg_config, xml2-config."""
    return bool(re.fullmatch(r"(?!python)[\w.+-]+[-_]config", name))


_NAME = r"[A-Za-z0-9_][\w.+-]*"
#: (pattern with one group, kind): what ends a build.
_CERTAIN: tuple[tuple[str, str], ...] = (
    (rf"fatal error: ['\"]?((?:{_NAME}/)*{_NAME}\.(?:h|hh|hpp|hxx|H))['\"]?(?:: No such file| file not found)",
     HEADER),
    (rf"ERROR: (?:Dependency|Native dependency) ['\"]({_NAME})['\"] (?:is required but )?not found", PKG_CONFIG),
    (rf"cannot find -l:?({_NAME})", LIBRARY),
    (rf"unable to find library -l({_NAME})", LIBRARY),
    (rf"ERROR: (?:C|C\+\+|Fortran) (?:shared or static|shared|static) library ['\"]({_NAME})['\"] not found",
     LIBRARY),
    (rf"(?<!-- )\bCould NOT find ({_NAME})", CMAKE),
    (rf"Could not find a package configuration file provided by \"({_NAME})\"", CMAKE),
    (rf"ERROR: Program ['\"]({_NAME})['\"] not found", PROGRAM),
    (rf"(?:\bsh|/bash|\bline \d+|: \d+): ({_NAME}): (?:command )?not found", PROGRAM),
    (rf"make(?:\[\d+\])?: ({_NAME}): No such file or directory", PROGRAM),
    (rf"command ['\"]({_NAME})['\"] failed: No such file or directory", PROGRAM),
    (rf"unable to execute ['\"]?({_NAME})['\"]?: No such file", PROGRAM),
    (rf"No such file or directory: ['\"]({_NAME})['\"]", PROGRAM),
    (r"(?:Error: |error: )(pg_config|mysql_config) executable not found", PROGRAM),
    (r"(?:requires|it requires) rustc (\d+\.\d+(?:\.\d+)?)", RUSTC),
    (r"feature `(edition20\d\d)` is required", RUSTC),
    (r"ModuleNotFoundError: No module named ['\"]([A-Za-z_]\w*)", MODULE),
)
#: What is also said of something that a build can do without.
_WEAK: tuple[tuple[str, str], ...] = (
    (rf"Package ['\"]?({_NAME})['\"]?(?:, required by [^,]*,)? (?:was )?not found", PKG_CONFIG),
    (rf"No package ['\"]({_NAME})['\"] found", PKG_CONFIG),
    (rf"system library [`'\"]({_NAME})[`'\"] required by crate", PKG_CONFIG),
    (rf"({_NAME}[-_]config)(?: executable)?(?: was)?(?: is)? not found", PROGRAM),
    (rf"Could not find [`'\"]({_NAME})[`'\"]", PROGRAM),
)
#: What these mean is another thing: the build machine's compiler is used, or a build requirement.
_NOT_THESE = re.compile(r"Python\.h|pyconfig\.h|(numpy|cython)/.*|python[\d.]*(-config|m)?|gcc|cc|c\+\+|g\+\+|x86_64-.*")
#: The first rustc that knows what Cargo calls a feature.
_FEATURES = {"edition2024": "1.85", "edition2021": "1.56"}


def missing_of(log: str) -> tuple[Missing, ...]:
    """Return what the last step of a log says that it did not find, each once, in its order.

    What a build may have done without counts only where nothing else is missing.
    """
    lines = log.split("\n==> ")[-1].splitlines()
    return _found(lines, _CERTAIN) or _found(lines, _WEAK)


def _found(lines: Sequence[str], patterns: Iterable[tuple[str, str]]) -> tuple[Missing, ...]:
    compiled = [(re.compile(pattern), kind) for pattern, kind in patterns]
    found: dict[tuple[str, str], Missing] = {}
    for line in lines:
        for pattern, kind in compiled:
            if (match := pattern.search(line)) and not _NOT_THESE.fullmatch(match[1]):
                name = _FEATURES.get(match[1], match[1]) if kind == RUSTC else match[1]
                found.setdefault((kind, name), Missing(kind, name, line.strip()[:200]))
    return tuple(found.values())


def file_names(missing: Missing) -> tuple[str, ...]:
    """Return the names of the files, in lower case, one of which a package must have."""
    name = missing.name.lower()
    return {
        HEADER: (name.rpartition("/")[2],),
        PKG_CONFIG: (f"{name}.pc",),
        LIBRARY: (f"lib{name}.so", f"lib{name}.a"),
        PROGRAM: (name,),
        CMAKE: (f"{name}config.cmake", f"{name}-config.cmake", f"{name}.pc", f"lib{name}.pc", f"{name}.h",
                f"lib{name}.so"),
    }.get(missing.kind, ())


@dataclass(frozen=True)
class Holder:
    """A file of a package: its path without leading slash, the package's section and name."""

    path: str
    section: str
    package: str


@dataclass(frozen=True)
class Named:
    """The package that has what is missing; ``others`` have it in as good a place."""

    missing: Missing
    package: str
    section: str
    others: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The package, and what for."""
        more = f" (so {'has' if len(self.others) == 1 else 'have'} {', '.join(self.others)})" if self.others else ""
        return f"{self.package} has {self.missing.words}{more}"


#: As many other packages are told of.
_FEW = 3


def name_package(missing: Missing, holders: Iterable[Holder], multiarch: str) -> Named | None:
    """Return the package to add for what is missing, None where no package has it in a usual place."""
    judged: dict[str, tuple[tuple[int, ...], Holder]] = {}
    stem = re.sub(r"\.\w+\Z", "", missing.name.lower().rpartition("/")[2])
    for one in holders:
        rank = _rank(missing, one.path, multiarch)
        if rank is not None:
            # Of several the one that is called like the thing: libhdf5-dev, not another that brings a copy.
            alike = (0, 0) if stem in one.package else (1, len(one.path))
            worth = ((rank, 0 if one.section == "libdevel" else 1, *alike), one)
            judged[one.package] = min(judged.get(one.package, worth), worth, key=lambda each: each[0])
    if not judged:
        return None
    ordered = sorted(judged.values(), key=lambda each: (each[0], each[1].package))
    best, holder = ordered[0]
    others = tuple(each.package for place, each in ordered[1:] if place[:2] == best[:2])
    return Named(missing, holder.package, holder.section, others[:_FEW])


def _rank(missing: Missing, path: str, multiarch: str) -> int | None:
    """Return how good a place a path is for what is missing, 0 for the best; None for no place at all."""
    if missing.kind == CMAKE:
        return _cmake_rank(missing.name, path, multiarch)
    for rank, pattern in enumerate(_places(missing, re.escape(multiarch))):
        if re.fullmatch(pattern, path):
            return rank
    return None


def _places(missing: Missing, multiarch: str) -> Iterator[str]:
    """Yield patterns of the places where a thing is found, the best first."""
    name = re.escape(missing.name)
    if missing.kind == HEADER:
        yield rf"usr/include/({multiarch}/)?{name}"
        yield rf"usr/include/({multiarch}/)?[^/]+/{name}"
        yield rf"usr/(include|lib/{multiarch}/[^/]+/include)/(.*/)?{name}"
    elif missing.kind == PKG_CONFIG:
        yield rf"usr/(lib/{multiarch}|lib|share)/pkgconfig/{name}\.pc"
    elif missing.kind == LIBRARY:
        yield rf"(usr/)?lib/({multiarch}/)?lib{name}\.so"
        yield rf"(usr/)?lib/({multiarch}/)?lib{name}\.a"
        yield rf"usr/lib/{multiarch}/(.*/)?lib{name}\.so"
    elif missing.kind == PROGRAM:
        yield rf"(usr/)?s?bin/{name}"


def _cmake_rank(name: str, path: str, multiarch: str) -> int | None:
    """As _rank(), for the names under which CMake looks for packages of any sort."""
    low, place, wanted = path.lower(), re.escape(multiarch), re.escape(name.lower())
    patterns = (rf"usr/(lib/{place}|lib|share)/(cmake/)?.*/?{wanted}-?config\.cmake",
                rf"usr/(lib/{place}|lib|share)/pkgconfig/(lib)?{wanted}\.pc",
                rf"usr/include/({place}/)?({wanted}/)?{wanted}\.h",
                rf"usr/lib/({place}/)?lib{wanted}\.so")
    return next((rank for rank, pattern in enumerate(patterns) if re.fullmatch(pattern, low)), None)


#: Modules of Python whose project is certain, with what is to be required.
_PROJECTS: Mapping[str, str] = {
    "Cython": "Cython", "numpy": "numpy", "setuptools": "setuptools", "pkg_resources": "setuptools<81",
    "wheel": "wheel", "cffi": "cffi", "pybind11": "pybind11", "setuptools_scm": "setuptools-scm",
    "packaging": "packaging", "skbuild": "scikit-build", "pkgconfig": "pkgconfig", "jinja2": "Jinja2",
    "setuptools_rust": "setuptools-rust", "mesonpy": "meson-python"}


def build_requirement(missing: Missing) -> str:
    """Return the requirement (PEP 508) whose module a build lacked, "" where its project is not certain.

    A project of the module's name may be anybody's.
    """
    return _PROJECTS.get(missing.name, "") if missing.kind == MODULE else ""
