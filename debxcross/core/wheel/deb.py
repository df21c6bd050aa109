# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deb made from a wheel holds and says; nothing is written here.

Sources: Debian Policy (5.6.20 Installed-Size, 10.9 permissions, 12.5 copyright, 12.7
changelog), Debian's Python policy (dist-packages, names, byte-compilation), DEP-5, and
"Installing a wheel" of the binary distribution format (where the parts of .data go).
"""
from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from email.utils import format_datetime
from pathlib import PurePosixPath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from debxcross.core.architecture import ARCHITECTURES, Architecture
from debxcross.core.wheel.index import bare
from debxcross.core.wheel.licence import folded, licence_paragraph
from debxcross.core.wheel.metadata import EntryPoint, Wheel, WheelFile, license_files
from debxcross.core.wheel.pep508 import read_requirement
from debxcross.core.wheel.version import debian_version, relations, with_epoch
from debxcross.errors import ConfigurationError, GateError

#: Raised whenever the same wheel with the same settings and templates would be wrapped into other bytes.
SCHEMA = 2

#: What a marker can ask for (PEP 508).  All must be given: packaging fills gaps from the
#: interpreter it runs in, which is the build machine's.
MARKER_VARIABLES = (
    "implementation_name", "implementation_version", "os_name", "platform_machine",
    "platform_python_implementation", "platform_release", "platform_system",
    "platform_version", "python_full_version", "python_version", "sys_platform",
)

#: Installers' own notes, untrue or useless once dpkg has installed the files.
_DROPPED = ("RECORD", "RECORD.jws", "RECORD.p7s", "WHEEL", "INSTALLER", "REQUESTED", "direct_url.json")

_MAINTAINER = re.compile(r"[^<>\n]*[^<>\s] <[^<>@\s]+@[^<>@\s]+>")
_SHEBANG = re.compile(rb"#![ \t]*(?:\S*/env[ \t]+)?(?:\S*/)?pythonw?[0-9.]*(?=\s|$)([^\r\n]*)\r?")


@dataclass(frozen=True)
class WrapSettings:
    """What besides the wheel decides the bytes of the deb.

    ``python`` is "2.7" or "3.N".  ``names`` maps normalised PyPI names to Debian packages
    where the default (python-NAME, python3-NAME) is wrong; "" is for what comes with
    Python.  ``source_date_epoch`` is in seconds; ``provenance`` are lines for a file of
    that name; ``device_environment`` has all MARKER_VARIABLES.  ``epochs`` are those that
    Debian's versions of packages have, so that ours compare with them.  ``also_requires``
    are requirements that extras of the wheel's own requirements add.  ``replaces`` are
    packages that hold the same files, and that this one stands for; what is named with a relation
    it does not stand for.  ``debian`` are the versions of Debian's own packages that relations must
    judge as the requirements do.  ``changes`` are lines for the changelog.
    """

    host_architecture: str
    python: str
    names: Mapping[str, str]
    maintainer: str
    source_date_epoch: int
    device_environment: Mapping[str, str]
    revision: str = "1"
    provenance: tuple[str, ...] = ()
    section: str = "python"
    priority: str = "optional"
    distribution: str = "unstable"
    epochs: Mapping[str, int] = field(default_factory=dict)
    also_requires: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    debian: Mapping[str, str] = field(default_factory=dict)

    @property
    def major(self) -> str:
        """The first number of the Python version."""
        return self.python.partition(".")[0]

    @property
    def provides(self) -> tuple[str, ...]:
        """The packages that this one stands for."""
        return tuple(name for name in self.replaces if " " not in name)

    @property
    def interpreter(self) -> str:
        """The path of Python on the device; there is no /usr/bin/python2 on bookworm."""
        return "/usr/bin/python2.7" if self.major == "2" else "/usr/bin/python3"

    @property
    def site(self) -> str:
        """Where Debian's packages put modules, without the first slash."""
        return f"usr/lib/python{'2.7' if self.major == '2' else '3'}/dist-packages"

    @property
    def date(self) -> str:
        """The date of the changelog entry, as RFC 5322 has it, in UTC."""
        return format_datetime(datetime.fromtimestamp(self.source_date_epoch, timezone.utc))


@dataclass(frozen=True)
class Member:
    """Bytes of a member of the wheel; in programs, Python's path becomes ``interpreter``."""

    path: str
    interpreter: str = ""


@dataclass(frozen=True)
class Template:
    """A text to be made of a control template, compressed with gzip if so said."""

    name: str
    compressed: bool = False


@dataclass(frozen=True)
class DebFile:
    """A file of the deb: its path without the first slash, permissions, and its bytes' source."""

    path: str
    mode: int
    source: bytes | Member | Template
    elf: bool = False


@dataclass(frozen=True)
class DebTree:
    """A deb before it is written.

    ``depends`` are relations, all to be met; ``extended`` and ``license_lines`` are lines
    folded for a control file; ``maintainer_scripts`` names what has a template of its own.
    """

    package: str
    version: str
    architecture: str
    files: tuple[DebFile, ...]
    depends: tuple[str, ...]
    synopsis: str
    extended: tuple[str, ...]
    license_name: str
    license_lines: tuple[str, ...]
    maintainer_scripts: tuple[str, ...]

    @property
    def file_name(self) -> str:
        """The deb's name; the version's epoch is not part of it (Policy 5.6.12 leaves out colons)."""
        return f"{self.package}_{self.version.rpartition(':')[2]}_{self.architecture}.deb"


def device_environment(architecture: Architecture, python_full_version: str) -> dict[str, str]:
    """Return the marker variables of a device with CPython ``python_full_version`` ("2.7.18")."""
    python = ".".join(python_full_version.split(".")[:2])
    return {
        "implementation_name": "cpython",
        "implementation_version": python_full_version,
        "os_name": "posix",
        "platform_machine": architecture.uname,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": python_full_version,
        "python_version": python,
        "sys_platform": "linux2" if python.startswith("2.") else "linux",
    }


def package_name(project: str, settings: WrapSettings) -> str:
    """Return the Debian package of a PyPI project ("" when it comes with Python)."""
    name = canonicalize_name(project)
    prefix = "python-" if settings.major == "2" else "python3-"
    return settings.names.get(name, prefix + name)


def deb_version(version: str, package: str, settings: WrapSettings) -> str:
    """Return the version of the deb of a wheel, with epoch and revision."""
    text = with_epoch(debian_version(version), settings.epochs.get(package, 0))
    return f"{text}-{settings.revision}"


def deb_tree(wheel: Wheel, settings: WrapSettings, shared_library_depends: str = "",
             left_out: frozenset[str] = frozenset()) -> DebTree:
    """Decide everything about the deb of a wheel, whose members ``left_out`` it does not get.

    ``shared_library_depends`` is what dpkg-shlibdeps found ("libc6 (>= 2.4), ...").  It is for all
    architectures when nothing in the wheel is for one, nor its requirements.
    Raises GateError when the wheel is not for this Python or two of its files would be one,
    and ConfigurationError for faulty settings.
    """
    _check_settings(settings)
    _check_python(wheel, settings)
    package = package_name(wheel.name, settings)
    if not package:
        raise ConfigurationError(f"{wheel.name} is said to come with Python {settings.python}",
                                 resolution="Give it a Debian package name, or leave the wheel out.")
    files = _files(wheel, settings, package, left_out)
    with_modules = any(file.path.startswith(settings.site) and file.path.endswith(".py")
                       for file in files)
    license_name, license_lines = licence_paragraph(wheel)
    depends = [*_python_depends(wheel, settings), *sorted(_requirements(wheel, settings)),
               *re.split(r"\s*,\s*", shared_library_depends.strip())]
    return DebTree(
        package=package,
        version=deb_version(wheel.version, package, settings),
        architecture="all" if wheel.pure and not _of_one_machine(wheel, settings)
        else settings.host_architecture,
        files=files,
        depends=tuple(dict.fromkeys(relation for relation in depends if relation)),
        synopsis=_synopsis(wheel),
        extended=_extended(wheel, settings),
        license_name=license_name,
        license_lines=license_lines,
        maintainer_scripts=("postinst", "prerm") if with_modules else (),
    )


def _check_settings(settings: WrapSettings) -> None:
    faults = []
    missing = sorted(set(MARKER_VARIABLES) - set(settings.device_environment))
    if missing:
        faults.append(f"device_environment lacks {', '.join(missing)}")
    if not re.fullmatch(r"2\.7|3\.\d+", settings.python):
        faults.append(f"python is {settings.python!r}, not 2.7 or 3.N")
    if not _MAINTAINER.fullmatch(settings.maintainer):
        faults.append(f"maintainer is {settings.maintainer!r}, not like 'Name <address@host>'")
    if not re.fullmatch(r"[A-Za-z0-9+.~]+", settings.revision):
        faults.append(f"revision {settings.revision!r} has characters that Debian does not allow")
    if faults:
        raise ConfigurationError("the settings for wrapping wheels have faults", "\n".join(faults),
                                 "Correct them in the configuration.")


def _check_python(wheel: Wheel, settings: WrapSettings) -> None:
    """Raise GateError unless the tags and Requires-Python allow this Python."""
    what = f"{wheel.name} {wheel.version}"
    if not any(_suits(tag, settings.python) for tag in wheel.tags):
        raise GateError(f"the wheel of {what} is not for Python {settings.python}",
                        f"Its tags: {', '.join(wheel.tags)}",
                        f"Build it with Python {settings.python}, or choose another version.")
    try:
        wanted = SpecifierSet(wheel.requires_python)
    except InvalidSpecifier:
        return  # pip, too, takes what it cannot read for "any"
    full_version = settings.device_environment["python_full_version"]
    if not wanted.contains(full_version, prereleases=True):
        raise GateError(f"{what} wants Python {wheel.requires_python}, the device has {full_version}",
                        resolution="Choose a version of it that still supports this Python.")


def _suits(tag: str, python: str) -> bool:
    """Whether a tag's interpreter and ABI are those of CPython ``python`` (PEP 425)."""
    interpreter, abi, _ = tag.split("-", 2)
    match = re.fullmatch(r"(py|cp)(\d)(\d*)", interpreter)
    major, _, minor = python.partition(".")
    if not match or match[2] != major:
        return False
    if match[1] == "py" or abi in ("abi3", "none"):
        return int(match[3] or 0) <= int(minor)
    return match[3] == minor


def _files(wheel: Wheel, settings: WrapSettings, package: str, left_out: frozenset[str]
           ) -> tuple[DebFile, ...]:
    """Return the deb's files sorted by path; GateError when two have the same path."""
    documents = f"usr/share/doc/{package}"
    found = [
        *_placed(wheel, settings, left_out),
        *(DebFile(f"usr/bin/{entry.name}", 0o755, program_text(entry, settings.interpreter))
          for entry in (*wheel.console_scripts, *wheel.gui_scripts)),
        DebFile(f"{documents}/changelog.Debian.gz", 0o644, Template("changelog.j2", compressed=True)),
        DebFile(f"{documents}/copyright", 0o644, Template("copyright.j2")),
    ]
    if settings.provenance:
        text = "".join(f"{line}\n" for line in settings.provenance)
        found.append(DebFile(f"{documents}/provenance", 0o644, text.encode()))
    by_path: dict[str, DebFile] = {}
    for file in found:
        if file.path in by_path:
            raise GateError(f"{wheel.name} {wheel.version} would install /{file.path} twice",
                            f"From {by_path[file.path].source!r}\nand {file.source!r}",
                            "Patch one of the two out of the distribution's source.")
        by_path[file.path] = file
    return tuple(by_path[path] for path in sorted(by_path))


def _placed(wheel: Wheel, settings: WrapSettings, left_out: frozenset[str]) -> Iterator[DebFile]:
    """Yield the wheel's own files at their places in the deb."""
    # License texts of .dist-info go to Debian's copyright file instead.
    dropped = {*left_out, *(f"{wheel.dist_info}/{name}" for name in _DROPPED)}
    dropped |= {path for path in license_files(file.path for file in wheel.files)
                if path.startswith(wheel.dist_info)}
    for file in wheel.files:
        if file.path in dropped or "__pycache__" in file.path.split("/") \
                or file.path.endswith((".pyc", ".pyo")):
            continue
        path = _place(file.path, wheel, settings)
        program = path.startswith("usr/bin/")
        # Some wheels have every file executable; a module or a library never needs to be.
        executable = program or (file.executable and not re.search(r"\.(py|so(\.[\d.]+)?)$", path))
        interpreter = settings.interpreter if program else ""
        yield DebFile(path, 0o755 if executable else 0o644, Member(file.path, interpreter), file.elf)


def _place(path: str, wheel: Wheel, settings: WrapSettings) -> str:
    """Return where a member of the wheel goes, without the first slash."""
    parts = PurePosixPath(path).parts
    if parts[0] != wheel.data:
        return f"{settings.site}/{path}"
    places = {
        "purelib": settings.site,
        "platlib": settings.site,
        "scripts": "usr/bin",
        "data": "usr",
        "headers": f"usr/include/python{settings.python}/{wheel.name}",
    }
    if len(parts) < 3 or parts[1] not in places:
        raise GateError(f"the wheel of {wheel.name} has {path!r}: nobody knows where that goes",
                        resolution="Build it again with current tools.")
    return "/".join((places[parts[1]], *parts[2:]))


def program_text(entry: EntryPoint, interpreter: str) -> bytes:
    """Return the program in /usr/bin that calls an entry point."""
    return (f"#!{interpreter}\n"
            "import sys\n\n"
            f"from {entry.module} import {entry.attribute.partition('.')[0]}\n\n"
            'if __name__ == "__main__":\n'
            f"    sys.exit({entry.attribute}())\n").encode()


def fix_shebang(content: bytes, interpreter: str) -> bytes:
    """Return a script with ``interpreter`` in its first line, if any Python is named there."""
    match = _SHEBANG.match(content)
    if not match:
        return content
    return b"#!" + interpreter.encode() + match[1].rstrip() + content[match.end():]


def _python_depends(wheel: Wheel, settings: WrapSettings) -> tuple[str, ...]:
    """Return the relations on Python; bounds only where compiled modules need them."""
    if settings.major == "2":
        return ("python2.7:any",) if wheel.pure else ("python2.7 (>= 2.7~)",)
    abis = {tag.split("-")[1] for tag in wheel.tags}
    major, minor = settings.python.split(".")
    if abis - {"abi3", "none"} or any(_bound_to_one_python(file) for file in wheel.files):
        return (f"python3 (>= {settings.python}~)", f"python3 (<< {major}.{int(minor) + 1})")
    if "abi3" in abis:
        floor = min(int(tag.split("-")[0].removeprefix("cp3") or 0)
                    for tag in wheel.tags if tag.split("-")[1] == "abi3")
        return (f"python3 (>= 3.{floor}~)",)
    return ("python3:any",)


def _bound_to_one_python(file: WheelFile) -> bool:
    """Whether a file's suffix is that of a module for one version of CPython (PEP 3149)."""
    return file.elf and bool(re.search(r"\.cpython-\d+\w*(-[^/]*)?\.so$", file.path))


def active_requirements(wheel: Wheel, settings: WrapSettings) -> tuple[str, ...]:
    """Return the wheel's own requirements that hold on the device, without markers, sorted."""
    return tuple(sorted(map(bare, set(_active(wheel, wheel.requires_dist, settings)))))


def _of_one_machine(wheel: Wheel, settings: WrapSettings) -> bool:
    """Whether a wheel would require something else on another architecture (a marker says so)."""
    environment = settings.device_environment
    texts = (*wheel.requires_dist, *settings.also_requires)
    return len({frozenset(map(bare, _active(wheel, texts, replace(settings, device_environment={
        **environment, "platform_machine": one.uname})))) for one in ARCHITECTURES.values()}) > 1


def _active(wheel: Wheel, texts: Sequence[str], settings: WrapSettings) -> Iterator[Requirement]:
    """Yield the requirements whose markers hold on the device; extras are none."""
    environment = {**settings.device_environment, "extra": ""}
    for text in texts:
        try:
            requirement = read_requirement(text)
            if requirement.marker and not requirement.marker.evaluate(environment):
                continue
        except InvalidRequirement as error:
            raise GateError(f"{wheel.name} {wheel.version}: {text!r} is not a requirement (PEP 508)",
                            str(error), "Patch the metadata in the sdist.") from error
        yield requirement


def _requirements(wheel: Wheel, settings: WrapSettings) -> Iterator[str]:
    """Yield the relations of the requirements that hold on the device."""
    for requirement in _active(wheel, (*wheel.requires_dist, *settings.also_requires), settings):
        package = package_name(requirement.name, settings)
        if package:
            yield from relations(package, requirement.specifier, settings.epochs.get(package, 0),
                                 settings.debian.get(package, ""))


def _synopsis(wheel: Wheel) -> str:
    summary = wheel.summary.rstrip(" .") or f"{wheel.name} for Python"
    return textwrap.shorten(summary, 79, placeholder=" ...")


def _extended(wheel: Wheel, settings: WrapSettings) -> tuple[str, ...]:
    """Return the long description: a paragraph of the wheel's own, and what this package is."""
    prose = _prose(wheel.description)
    if prose.rstrip(" .") == wheel.summary.rstrip(" ."):
        prose = ""
    own = textwrap.wrap(prose, 76)
    ours = textwrap.wrap(f"This package holds {wheel.name} {wheel.version} for Python"
                         f" {settings.python}. It was made from a wheel.", 76)
    if not own:
        return folded(ours)
    # The first line must say something else than the synopsis, which may be a summary cut off.
    repeats = _letters(own[0]) == _letters(_synopsis(wheel))
    return folded([*ours, "", *own] if repeats else [*own, "", *ours])


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


def _prose(description: str) -> str:
    """Return the first paragraph that reads like sentences, "" when there is none."""
    paragraphs = re.split(r"\n\s*\n", description.replace("\r\n", "\n"))
    for paragraph in paragraphs[:8]:  # further down come addresses and contributors' guides
        text = " ".join(paragraph.replace("``", "").split())
        if (60 <= len(text) <= 700 and re.match(r"[A-Za-z]", text) and text.endswith((".", "!"))
                and not re.search(r"::|<|\]\(|={3}|-{3}|[*|`_]", text)):
            return text
    return ""


def installed_size(sizes: Sequence[int], directories: int) -> int:
    """Return Installed-Size in KiB of files of these sizes in bytes (Policy 5.6.20).

    As dpkg-gencontrol does it: each file rounded up, and 1 KiB for each directory.
    """
    return sum(-(-size // 1024) for size in sizes) + directories
