# SPDX-License-Identifier: GPL-3.0-or-later
"""Security updates: finds what the host architecture has missed, and what must lie beside it.

A library that is built again for the host architecture is newer than the build
architecture's in every build root, because the security suite is left out there.  dpkg
wants Multi-Arch: same packages at one version, so the build architecture's packages of the
same source and version are offered wherever the results are: the security suite's own
files, unchanged.  Its Architecture: all packages are offered too, and published: the
device's architecture has no index that names them.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from debxcross.core.archive.security import BEHIND, EXCLUDED, Comparison, compare, missed
from debxcross.core.archive.source import SourcePackage, from_fields
from debxcross.core.artifact import StoredFile
from debxcross.core.build.environment import PackageFile
from debxcross.core.chain.chain import Chain
from debxcross.core.chain.plan import PlannedMember
from debxcross.core.key import digest
from debxcross.doors.sourcefile import read_changelog
from debxcross.errors import FetchError, GateError, UsageError
from debxcross.steps.archive import probe
from debxcross.steps.context import Context

#: So many packages that are held back are named in a note.
_TOLD = 12


@dataclass(frozen=True)
class Offer:
    """A package of the archive as it is: its file, and its stanza of the index."""

    file: PackageFile
    architecture: str
    stanza: str


@dataclass(frozen=True)
class Updates:
    """What the comparison of a chain's [security] sources found.

    ``sources`` and ``offers`` tell of those that are not excluded.
    """

    comparisons: tuple[Comparison, ...] = ()
    sources: Mapping[str, SourcePackage] = field(default_factory=dict)
    offers: Mapping[str, tuple[Offer, ...]] = field(default_factory=dict)

    def beside(self, members: Iterable[str]) -> tuple[PackageFile, ...]:
        """Return the packages that lie beside the results of these members."""
        return tuple(offer.file for name in members for offer in self.offers.get(name, ()))

    def published(self) -> tuple[PackageFile, ...]:
        """Return the Architecture: all packages, which devices get as they are."""
        return tuple(offer.file for name in sorted(self.offers) for offer in self.offers[name]
                     if offer.architecture == "all")

    def stanzas(self, *architectures: str) -> str:
        """Return a Packages text of the offers for these architectures."""
        return "\n".join(offer.stanza for name in sorted(self.offers) for offer in self.offers[name]
                         if offer.architecture in architectures)

    def excluded(self) -> tuple[PlannedMember, ...]:
        """Return the members that are not built, with the reason."""
        return tuple(
            PlannedMember(one.source, "source", one.build_version, "the archive", "excluded", one.reason)
            for one in self.comparisons if one.state != BEHIND)

    def check_built(self, members: Iterable[str]) -> None:
        """Raise UsageError when one of these members is excluded."""
        reasons = {one.name: one.reason for one in self.excluded()}
        for name in members:
            if name in reasons:
                raise UsageError(f"{name} is excluded from this chain", reasons[name],
                                 f"Build it all the same with 'debxcross build {name} --arch ARCH'.")


def find(context: Context, chain: Chain) -> Updates:
    """Compare what the two architectures have of the chain's [security] sources.

    Raises UnsupportedError for a source that no suite has.
    """
    if not chain.security:
        return Updates()
    build, host = context.build.name, context.host.name
    request = {"ask": "compared", "names": list(chain.security), "build": build, "host": host}
    answers = probe.remembered(context, "compared", request, context.world)
    members = {member.name: member for member in chain.sources}
    comparisons, sources, offers = [], {}, {}
    for name, said in zip(chain.security, answers):
        found = said["source"]["found"]
        if found is None:
            raise probe.no_source(members[name], said["source"], chain)
        versions = said["versions"]
        one = compare(name, versions[build], versions[host], said["all"], host)
        comparisons.append(one)
        if one.state != EXCLUDED:
            sources[name] = from_fields(found["fields"], found["suite"])
            offers[name] = tuple(
                Offer(PackageFile(offer["uri"], offer["file"], offer["size"], offer["sha256"]),
                      offer["architecture"], offer["stanza"])
                for offer in said["beside"])
    return Updates(tuple(comparisons), sources, offers)


def narrowed(chain: Chain, updates: Updates) -> Chain:
    """Return the chain without what is not behind; the rest at the version that was found."""
    compared = {one.source: one for one in updates.comparisons}
    kept = []
    for member in chain.sources:
        one = compared.get(member.name)
        if one is None:
            kept.append(member)
        elif one.state == BEHIND:
            found = updates.sources[member.name]
            kept.append(replace(member, suite=found.suite, version=found.version))
    return replace(chain, sources=tuple(kept))


def dated(context: Context, updates: Updates) -> tuple[Comparison, ...]:
    """Return the comparisons with what the sources' changelogs tell, fetched where need be.

    A source that cannot be had leaves its date unknown; the plan tells why.
    """
    return tuple(_dated(context, one, updates.sources.get(one.source)) for one in updates.comparisons)


def _dated(context: Context, one: Comparison, source: SourcePackage | None) -> Comparison:
    if source is None:
        return one
    question = digest({"dsc": source.dsc.sha256, "host": one.host_version})
    told = context.store.memo("missed", question)
    if told is None:
        try:
            probe.fetch_source(context, source)
            changelog = read_changelog(
                {file.name: context.store.path(file.sha256) for file in source.files})
        except (FetchError, GateError):
            return one
        told = missed(changelog, one.host_version)
        context.store.remember("missed", question, told)
    since, fixes = told
    return replace(one, since=since, fixes=tuple(fixes))


def fetch_beside(context: Context, updates: Updates, member: str, behind: Sequence[str]) -> None:
    """Have in the store what lies beside the results that a member needs."""
    context.supply.fetch(member, updates.beside(behind))


def stored(files: Iterable[PackageFile]) -> tuple[StoredFile, ...]:
    """Return these files as the store names them, fetched or not."""
    return tuple(StoredFile(file.file, file.sha256, file.size) for file in files)


def held_back(context: Context) -> tuple[str, ...]:
    """Return a note of the packages that base roots have older than the suites left out there."""
    suites = context.world.left_out()
    if not suites or context.build == context.host:
        return ()
    request = {"ask": "closure", "architecture": context.build.name,
               "names": ["build-essential", "fakeroot", "apt", context.host.crossbuild_package]}
    there = probe.remembered(context, "closure", request, context.world)
    here = probe.remembered(context, "closure", request, context.world.for_build_root())
    older = [f"{name} {here[name]} ({there[name]})" for name in sorted(here)
             if there.get(name, here[name]) != here[name]]
    if not older:
        return ()
    more = f" and {len(older) - _TOLD} more" if len(older) > _TOLD else ""
    return (f"so the {context.build.name} packages of a base root stay older than {' and '.join(suites)} "
            f"has them (in brackets): {', '.join(older[:_TOLD])}{more}",)
