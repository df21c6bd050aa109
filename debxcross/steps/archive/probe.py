# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the archives, once, for everything the plan is made of.  Afterwards nothing is guessed."""
from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from debxcross.config import Configuration
from debxcross.core import patch
from debxcross.core.archive.binaries import ArchiveBinary
from debxcross.core.archive.source import SourcePackage, from_fields
from debxcross.core.archive.world import ARCHIVE_PRIORITY, TOOL_PRIORITY, Archive, SuiteUse, World
from debxcross.core.artifact import StoredFile
from debxcross.core.build.shims import cross_compilers
from debxcross.core.chain.chain import Chain, SourceMember
from debxcross.core.key import digest
from debxcross.core.release import RELEASES, archive_role, is_suite, release
from debxcross.errors import ConfigurationError, DebxcrossError, UnsupportedError, VerificationError
from debxcross.steps.archive.elsewhere import Found, elsewhere
from debxcross.steps.context import Context

_DEFAULT_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
#: What a machine's apt may call a Debian suite beside its code name.
_ALIASES = re.compile(r"(stable|oldstable|oldoldstable|testing|unstable)(-updates|-security)?\Z")


@dataclass(frozen=True)
class Probe:
    """What the archives say.

    ``packages`` maps names to the versions for build and host architecture; ``compiler`` is
    GCC's major version; ``given`` is what an index would say of packages built elsewhere, by member.
    """

    sources: Mapping[str, SourcePackage]
    packages: Mapping[str, Mapping[str, str]]
    compiler: str
    given: Mapping[str, str] = field(default_factory=dict)


def archives(
    configuration: Configuration, machine: Mapping[str, Any], release_name: str
) -> dict[str, Archive]:
    """Return the mirrors of each archive: configured ones, else the machine's, else python-apt's.

    Raises ConfigurationError when nobody names a mirror.
    """
    configured = {"main": configuration.mirrors_main, "security": configuration.mirrors_security}
    found: dict[str, list[str]] = {"main": [], "security": []}
    keyrings: list[str] = list(configuration.keyrings)
    for entry in machine["entries"]:
        suites = [suite for suite in entry["suites"] if is_suite(suite) or _ALIASES.match(suite)]
        for role in dict.fromkeys(archive_role(suite) for suite in suites):
            found[role].extend(entry["uris"])
            if entry["signed_by"] and not configuration.keyrings:
                keyrings.append(entry["signed_by"])
    templates = machine["templates"]
    fallback = {"main": templates.get(release_name, ""),
                "security": templates.get(f"{release_name}-security", "")}
    result = {}
    for role, uris in found.items():
        chosen = configured[role] or tuple(dict.fromkeys(uri.rstrip("/") for uri in uris))
        chosen = chosen or ((fallback[role].rstrip("/"),) if fallback[role] else ())
        if not chosen and role == "main":
            raise ConfigurationError(
                "no Debian mirror is known", "Neither the machine's apt nor python-apt's templates name one.",
                "Set mirrors.main (and mirrors.security) in debxcross.toml.")
        keys = tuple(dict.fromkeys(keyrings or [_DEFAULT_KEYRING]))
        result[role] = Archive(role, tuple(chosen), keys, not configuration.check_valid_until,
                               _names(configuration, role))
    return result


def _names(configuration: Configuration, role: str) -> tuple[tuple[str, str], ...]:
    """Return the other names of an archive's suites.  Raises ConfigurationError for an unknown suite."""
    strange = [suite for suite, _ in configuration.mirrors_suites if not is_suite(suite)]
    if strange:
        known = [suite for one in RELEASES.values() for suite in one.suites]
        guesses = [near[0] for one in strange if (near := difflib.get_close_matches(one, known, n=1))]
        raise ConfigurationError(
            f"mirrors.suites names what is no suite: {', '.join(strange)}",
            resolution=(f"Did you mean {' and '.join(guesses)}? " if guesses else "")
            + 'Write a suite by its code name and the directory that the mirror has it in: '
              'suites = { trixie = "stable" }.')
    return tuple(pair for pair in configuration.mirrors_suites if archive_role(pair[0]) == role)


def make_world(
    chain: Chain, mirrors: Mapping[str, Archive], build: str, host: str
) -> World:
    """Return everything apt may see for a chain: the release's suites, the tools', the sources'."""
    architectures = tuple(dict.fromkeys((build, host)))
    uses: dict[str, SuiteUse] = {}
    for suite in release(chain.release).suites:
        if mirrors[archive_role(suite)].uris and suite not in chain.without_suites:
            uses[suite] = SuiteUse(suite, mirrors[archive_role(suite)], architectures, source=True)
    for suite in chain.tool_suites:
        uses.setdefault(suite, SuiteUse(
            suite, mirrors[archive_role(suite)], architectures, priority=TOOL_PRIORITY))
    for one in chain.archives:
        archive = mirrors[one.role]
        if (use := uses.get(one.suite)) and not one.url:
            # More components of a suite that is there already.
            components = tuple(dict.fromkeys((*use.components, *one.components)))
            uses[one.suite] = replace(use, components=components)
        elif archive.uris:
            uses[one.name] = SuiteUse(
                one.name, archive, architectures, source=not one.url, components=one.components,
                priority=one.pin or ARCHIVE_PRIORITY, pinned="")
    for member in chain.sources:
        if member.suite:
            use = uses.get(member.suite, SuiteUse(member.suite, mirrors[archive_role(member.suite)], ()))
            uses[member.suite] = replace(use, source=True)
    return World(build, host, tuple(uses.values()))


def _ask_facts(context: Context, chain: Chain, names: Sequence[str]) -> Any:
    request = {
        "ask": "facts", "build": context.world.build_architecture, "host": context.host.name,
        "host_needs": [],
        "sources": [{"name": member.name, "version": member.version, "suite": member.suite}
                    for member in chain.sources],
        "packages": sorted({*names, context.host.crossbuild_package}),
    }
    return remembered(context, "facts", request, context.world)


def ask_compilers(context: Context) -> tuple[str, ...]:
    """Return the packages that bring the cross compilers, () when the release has none."""
    host = context.host
    request = {"ask": "facts", "build": context.build.name, "host": host.name, "host_needs": [],
               "sources": [], "packages": [host.crossbuild_package, *host.compiler_packages, "dpkg-cross"]}
    if not context.world.without_archive:
        return (host.crossbuild_package,)
    answer = remembered(context, "facts", request, context.world.for_build_root())
    return cross_compilers(host, {name for name, versions in answer["packages"].items() if versions})


def ask_missing(context: Context, chain: Chain) -> dict[str, DebxcrossError]:
    """Return the members of a chain that no suite has, each with the error that says so."""
    answer = _ask_facts(context, chain, ())
    missing = [(member, said) for member, said in zip(chain.sources, answer["sources"])
               if said["found"] is None]
    found = elsewhere(context, [member.name for member, said in missing if not said["others"]])
    return {member.name: no_source(member, said, chain, found.get(member.name)) for member, said in missing}


def ask_archives(context: Context, chain: Chain, names: Sequence[str]) -> Probe:
    """Return the facts about a chain's sources, which are there, and about the packages ``names``."""
    answer = _ask_facts(context, chain, names)
    sources = {member.name: from_fields(said["found"]["fields"], said["found"]["suite"])
               for member, said in zip(chain.sources, answer["sources"])}
    return Probe(sources, answer["packages"], answer["compiler"])


@dataclass(frozen=True)
class Known:
    """What the archive has of a source: binaries of its version, and virtual packages by real ones."""

    binaries: tuple[ArchiveBinary, ...] = ()
    provides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def ask_binaries(context: Context, sources: Mapping[str, SourcePackage],
                 expected: Mapping[str, tuple[str, ...]]) -> dict[str, Known]:
    """Return what the archive has of these sources; ``expected`` are the packages each will leave."""
    if not sources:
        return {}
    request = {"ask": "binaries", "build": context.build.name, "host": context.host.name, "sources": [
        {"name": name, "version": one.version, "packages": list(expected[name])}
        for name, one in sources.items()]}
    answers = remembered(context, "binaries", request, context.world)
    return {name: Known(tuple(ArchiveBinary(**one) for one in said["binaries"]),
                        {package: tuple(names) for package, names in said["provides"].items()})
            for name, said in zip(sources, answers)}


def ask_skew(context: Context, host_needs: Sequence[str]) -> tuple[Mapping[str, str], ...]:
    """Return Multi-Arch: same packages that a build root would need at two versions."""
    world = context.world.for_build_root()
    request = {"ask": "facts", "build": context.build.name, "host": context.host.name,
               "sources": [], "packages": [], "host_needs": sorted(host_needs)}
    return tuple(remembered(context, "skew", request, world)["skew"])


def remembered(context: Context, kind: str, request: Mapping[str, Any], world: World) -> Any:
    """Ask python-apt, or take the answer it gave to this question about these indexes before."""
    key = digest({"request": request, "state": context.apt.state(world), "world": world})
    answer = context.store.memo(kind, key)
    if answer is None:
        if world == context.world:
            answer = context.apt.ask(request)
        else:
            with context.store.work(context.chroots.remove) as directory:
                answer = context.apt.view(directory / "apt", world).ask(request)
        context.store.remember(kind, key, answer)
    return answer


def no_source(member: SourceMember, said: Mapping[str, Any], chain: Chain,
              found: Found | None = None) -> UnsupportedError:
    """Return the error for a source that is not there; ``said`` is what apt_child answered.

    ``found`` is where else it is.
    """
    wanted = f"{member.name}{'=' + member.version if member.version else ''}"
    where = member.suite or f"any suite of {chain.release}"
    if said["others"]:
        known = ", ".join(f"{one['version']} in {one['suite']}" for one in said["others"])
        return UnsupportedError(f"the source {wanted} is not in {where}", f"Known versions: {known}",
                                "Name one of these versions or suites.")
    if found is not None:
        return UnsupportedError(
            f"the source {member.name} is not in main, but in {found.component} of {found.suite}",
            f"Its version is {found.version}.",
            "Write into the chain file:\n" + "\n".join(f"  {line}" for line in found.table.splitlines()))
    near = ", ".join(said["near"])
    added = [one for archive in chain.archives if not archive.url for one in archive.components]
    looked = ("components", "are", f"main and {' and '.join(added)}") if added else (
        "component", "is", "main")
    return UnsupportedError(
        f"no source package is called {member.name} in {where}",
        "Only the {0} {2} {1} looked at.".format(*looked),
        f"Did you mean {near}?" if near else "Check the name; it must be the source's, not a binary's.")


def fetch_source(context: Context, source: SourcePackage) -> None:
    """Have all files of a source in the store, through ``apt-get source``.

    Raises FetchError naming what is gone and where it was looked for, VerificationError.
    """
    if context.store.has(*source.files):
        return
    if (held := context.held.member(source.name)) is not None:
        context.supply.fetch_locked(source.name, held.files)
        return
    context.busy(source.name, "apt-get source")
    with context.store.work(context.chroots.remove) as directory:
        paths = context.apt.download_source(source.name, source.version, directory / "source")
        found = {stored.name: stored for stored in map(context.store.put, paths)}
        for file in source.files:
            got: StoredFile | None = found.get(file.name)
            if got is None or got.sha256 != file.sha256:
                raise VerificationError(
                    f"{file.name} is not the file the index names",
                    f"expected sha256 {file.sha256}, got {got.sha256 if got else 'nothing'}",
                    "Nothing of it is used. Check the mirror.")


def conditions(patches: Sequence[patch.RulesPatch]) -> tuple[str, ...]:
    """Return the packages whose availability some patch asks about."""
    return tuple(sorted({one.condition[1] for one in patches if one.condition}))
