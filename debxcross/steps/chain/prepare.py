# SPDX-License-Identifier: GPL-3.0-or-later
"""From facts to decisions: what each member needs, which patches apply, what cannot work."""
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

from debxcross.core import patch
from debxcross.core.archive.binaries import kept_by_devices, rebuild_suffix
from debxcross.core.archive.source import SourcePackage, expected_binaries, host_needs, parts
from debxcross.core.artifact import StoredFile
from debxcross.core.build.answers import NONE, Answering, Told
from debxcross.core.build.commands import wheel_packages
from debxcross.core.chain import order
from debxcross.core.chain.chain import Chain, DebianPackage, SourceMember, WheelMember
from debxcross.core.chain.relations import misjudged
from debxcross.core.patch import RulesPatch
from debxcross.core.wheel.index import normalise
from debxcross.errors import DebxcrossError, SkewError, UnsupportedError
from debxcross.steps.archive import probe, security
from debxcross.steps.archive.companions import Wish, find_companions
from debxcross.steps.build import shims
from debxcross.steps.build.baseroot import (
    BaseRoot, RootPlan, build_root_plan, ensure_root, promised_root,
)
from debxcross.steps.build.source import SourceWork
from debxcross.steps.build.turn import Turn, Work
from debxcross.steps.chain.owned import Owned, take_in
from debxcross.steps.chain.patches import Patches, decided, outdated, places
from debxcross.steps.context import Context
from debxcross.steps.wheel.inputs import WheelSpec
from debxcross.steps.wheel.work import WheelWork


_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Prepared:
    """Everything a run needs, decided: the work of each member, the order, what is wrong.

    ``sources`` is the work of those whose debian/control tells, before they are built, what they
    will need and leave; ``missing`` are members that no suite has.
    """

    chain: Chain
    facts: probe.Probe
    work: Mapping[str, Work]
    sources: Mapping[str, SourceWork]
    patches: Mapping[str, Patches]
    needs: Mapping[str, tuple[str, ...]]
    expected: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    problems: tuple[DebxcrossError, ...]
    updates: security.Updates = security.Updates()
    missing: Mapping[str, DebxcrossError] = field(default_factory=dict)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The members in the order in which they are built.  Raises CycleError."""
        return order.stable_order(self.needs)

    def work_of(self, member: str) -> Work:
        """Return a member's work.  Raises UsageError for one that is excluded, with the reason."""
        self.updates.check_built((member,))
        return self.work[member]


def prepare(
    context: Context, chain: Chain, patches: Sequence[RulesPatch], maintainer: str,
    answering: Answering = Answering(),
) -> Prepared:
    """Probe and decide.  What cannot work is collected in ``problems``, not raised.

    Raises CycleError, FetchError and VerificationError of the indexes.
    """
    owned = take_in(context, chain)
    updates = security.find(context, chain)
    chain = security.narrowed(chain, updates)
    missing = probe.ask_missing(context, chain.archived())
    chain = chain.without(missing)
    patches = [rule for rule in patches if rule.source in places(chain)]
    facts = probe.ask_archives(context, chain.archived(), probe.conditions(patches))
    missing.update({**_not_for_host(context, chain, facts.sources),
                    **_only_for_all(context, chain, facts.sources), **_ill_chosen(chain, facts.sources)})
    chain = chain.without(missing)
    archived = {name: one for name, one in facts.sources.items() if name not in missing}
    facts = replace(facts, sources={**archived, **{name: one.source for name, one in owned.sources.items()}},
                    given={name: one.stanza for name, one in owned.debs.items()})
    judged = decided(context, facts, chain, patches)
    known = {**probe.ask_binaries(context, archived, _expected(context, chain, archived)),
             **{name: probe.Known((), one.provides) for name, one in owned.sources.items()}}
    suffixes = {member.name: _suffix(context, member, known[member.name], judged[member.name])
                for member in chain.sources}
    arranged = arrange(context, chain, facts.sources,
                       Circumstances(judged, suffixes, known, maintainer, answering, owned))
    wanted = {package for name in facts.sources for package in arranged.wanted[name]}
    beside = find_companions(context, [
        Wish(facts.sources[member.name], member.choice, arranged.expected[member.name])
        for member in chain.sources], wanted)
    updates = replace(updates, offers={**beside, **updates.offers})
    problems = [*_toolchain_problems(context, facts), *_skew_problems(context, sorted(wanted))]
    prepared = Prepared(
        chain, facts, arranged.work, arranged.sources, judged, arranged.needs, arranged.expected,
        (*_notes(context), *_companions(beside, facts.sources), *_unanswered(context, chain, answering),
         *security.held_back(context), *_kept(context, arranged)),
        (*context.supply.cautions, *outdated(context, facts, chain, patches)), tuple(problems), updates,
        missing)
    order.stable_order(prepared.needs)
    return prepared


def without(prepared: Prepared, names: Collection[str]) -> Prepared:
    """Return what was prepared without some members; what needs them has the archive's packages."""
    def kept(values: Mapping[str, _Value]) -> dict[str, _Value]:
        return {name: value for name, value in values.items() if name not in names}

    needs = {name: tuple(one for one in needed if one not in names)
             for name, needed in kept(prepared.needs).items()}
    return replace(
        prepared, chain=prepared.chain.without(names), work=kept(prepared.work),
        sources=kept(prepared.sources), patches=kept(prepared.patches), needs=needs,
        expected=kept(prepared.expected), missing=kept(prepared.missing),
        updates=replace(prepared.updates, offers=kept(prepared.updates.offers)))


@dataclass(frozen=True)
class Arranged:
    """The members' work, the packages they will leave, those they want, and whom each needs."""

    work: Mapping[str, Work]
    sources: Mapping[str, SourceWork]
    expected: Mapping[str, tuple[str, ...]]
    wanted: Mapping[str, tuple[str, ...]]
    needs: Mapping[str, tuple[str, ...]]


def _profiles(context: Context, chain: Chain, sources: Mapping[str, SourcePackage]
              ) -> dict[str, tuple[str, ...]]:
    found = {member.name: member.profiles or chain.profiles for member in chain.sources}
    # Where all packages are for all, nothing is crossed.
    return {name: tuple(one for one in profiles if one != "cross")
            if name in sources and parts(sources[name], context.host.name, profiles, context.table) == "all"
            else profiles for name, profiles in found.items()}


def _expected(
    context: Context, chain: Chain, sources: Mapping[str, SourcePackage]
) -> dict[str, tuple[str, ...]]:
    profiles = _profiles(context, chain, sources)
    choices = {member.name: member.choice for member in chain.sources}
    return {name: choices[name].of(expected_binaries(one, context.host.name, profiles[name], context.table))
            for name, one in sources.items()}


@dataclass(frozen=True)
class Circumstances:
    """What decides how the members are built beside their sources, by member."""

    judged: Mapping[str, Patches]
    suffixes: Mapping[str, str]
    known: Mapping[str, probe.Known]
    maintainer: str
    answering: Answering = Answering()
    owned: Owned = Owned()


def arrange(
    context: Context, chain: Chain, sources: Mapping[str, SourcePackage], given: Circumstances,
) -> Arranged:
    """Return who builds what and needs whom, once sources and patches are known."""
    host, profiles = context.host.name, _profiles(context, chain, sources)
    expected = _expected(context, chain, sources)
    wanted = {name: host_needs(one, host, profiles[name], context.table) for name, one in sources.items()}
    members = {member.name: member for member in chain.sources}
    known = {name: given.known.get(name, probe.Known()) for name in sources}
    # Where nothing is crossed, a build hears of the device by itself.
    told = {name: given.answering.told(name, members[name].answers, one.version)
            if context.host != context.build else Told() for name, one in sources.items()}
    built = {name: SourceWork(
        one, _applied(given.judged, name), profiles[name], given.suffixes[name],
        members[name].build_packages, known[name].binaries,
        not chain.without_twin and name not in given.owned.sources, members[name].accept_losses, told[name],
        given.owned.sources.get(name), members[name].choice) for name, one in sources.items()}
    work: dict[str, Work] = {**built, **given.owned.debs}
    for one in given.owned.debs.values():
        expected[one.name], wanted[one.name] = (one.name,), ()
        known[one.name] = probe.Known()
    for member in chain.wheels:
        spec = _spec(chain, member, _applied(given.judged, member.name), given.maintainer)
        work[member.name] = WheelWork(spec)
        wanted[member.name] = () if member.pure else (f"python{member.python}", *(
            package.split(":")[0] for package in wheel_packages(member.python, host, member.host_needs)))
    provided = {name: (*packages, *(virtual for package in packages
                                    for virtual in known[name].provides.get(package, ())))
                for name, packages in expected.items()}
    needs = order.edges(wanted, provided)
    return Arranged(work, built, expected, wanted, {name: needs.get(name, ()) for name in chain.members})


def _applied(judged: Mapping[str, Patches], name: str) -> tuple[RulesPatch, ...]:
    return tuple(rule for rule, applies, _ in judged.get(name, ()) if applies)


def _spec(chain: Chain, member: WheelMember, patches: tuple[RulesPatch, ...], maintainer: str) -> WheelSpec:
    """Return what a wheel is made of."""
    tools = tuple(tool for tool in chain.build_tools
                  if {tool.name, f"{tool.name}=={tool.version}"} & set(member.build_requires))
    known: tuple[WheelMember | DebianPackage, ...] = (*chain.wheels, *chain.debian)
    if member.resolved_for:
        # Only these can be in its deb; a key must not change with the rest of the chain.
        concerned = member.projects
        known = tuple(other for other in known if normalise(other.name) in concerned)
    names = {normalise(other.name): other.package for other in known if other.package}
    epochs = {other.package: other.epoch for other in known if other.epoch}
    return WheelSpec(member, tools, names, maintainer, epochs, patches, misjudged(chain, member))


def _suffix(context: Context, member: SourceMember, known: probe.Known, judged: Patches) -> str:
    """Return what is appended to the version of a source's packages."""
    build, host = context.build.name, context.host.name
    patched = any(applies for _, applies, _ in judged)
    carried = any(one.architecture == host for one in known.binaries)
    own = patch.version_suffix(member.revision, patched, carried)
    return own or rebuild_suffix(known.binaries, build, host)


def _only_for_all(context: Context, chain: Chain, sources: Mapping[str, SourcePackage]
                  ) -> dict[str, DebxcrossError]:
    """Return the sources of which nothing is to be built for one architecture, with the error."""
    return {name: UnsupportedError(
        f"{name} makes only Architecture: all packages", "Those of Debian serve every architecture.",
        "Leave it out; nothing of it is to be built.")
        for name, packages in _expected(context, chain, sources).items()
        if not packages and any("all" in one.architectures for one in sources[name].binaries)}


def _ill_chosen(chain: Chain, sources: Mapping[str, SourcePackage]) -> dict[str, DebxcrossError]:
    """Return the sources whose ``packages`` or ``without-packages`` name what they do not make."""
    found: dict[str, DebxcrossError] = {}
    for member in chain.sources:
        made = [one.name for one in sources[member.name].binaries if not one.udeb] \
            if member.name in sources else []
        strange = member.choice.strange(made)
        if made and (strange or not member.choice.of(made)):
            what = f"no package {' and no '.join(strange)}" if strange else "nothing that the chain wants"
            found[member.name] = UnsupportedError(
                f"{member.name} makes {what}", f"It makes {', '.join(sorted(made))}.",
                "Mend packages and without-packages of that source in the chain.")
    return found


def _not_for_host(context: Context, chain: Chain, sources: Mapping[str, SourcePackage]
                  ) -> dict[str, DebxcrossError]:
    """Return the sources that make nothing for the host architecture, with the error."""
    host = context.host.name
    found: dict[str, DebxcrossError] = {}
    for name, packages in _expected(context, chain, sources).items():
        named = sorted({one for entry in sources[name].binaries if not entry.udeb
                        for one in entry.architectures})
        if not packages:
            found[name] = UnsupportedError(
                f"{name} makes nothing for {host}", f"Its packages are for {' '.join(named)} only.",
                "Leave it out, or build another version or suite of it, whose debian/control names "
                f"{host} or any.")
    return found


def _toolchain_problems(context: Context, facts: probe.Probe) -> list[DebxcrossError]:
    package = context.host.crossbuild_package
    if context.host == context.build or facts.packages.get(package):
        return _shim_problems(context)
    suites, lacking = ", ".join(use.suite for use in context.world.suites), f"{package} is in none"
    if context.without_archive:
        if probe.ask_compilers(context):
            return _shim_problems(context)
        lacking = f"Neither {package} nor {' with '.join(context.host.compiler_packages)} is in any"
    carried = sorted({name for use in context.world.suites for name in use.carried})
    return [UnsupportedError(
        f"the release has no cross compiler for {context.host.name}",
        f"{lacking} of {suites} for {context.build.name}.",
        f"Choose another release with --release or in the chain; architectures these suites carry: "
        f"{', '.join(carried)}.")]


def _shim_problems(context: Context) -> list[DebxcrossError]:
    error = shims.problem(context)
    return [error] if error else []


def _skew_problems(context: Context, wanted: Sequence[str]) -> list[DebxcrossError]:
    skew = probe.ask_skew(context, wanted)
    if not skew:
        return []
    lines = [f"{one['package']}: {one['build']} for {context.build.name}, "
             f"{one['host']} for {context.host.name}" for one in skew]
    return [SkewError(
        f"{len(skew)} Multi-Arch: same package{'s have' if len(skew) > 1 else ' has'} different versions for "
        f"{context.build.name} and {context.host.name}", "\n".join(lines),
        "Use suites that carry both architectures, or add the sources of these packages to the "
        "chain, at the higher version, so that the missing ones are built.")]


def _unanswered(context: Context, chain: Chain, answering: Answering) -> list[str]:
    """Tell of sources whose configure must guess what it cannot try."""
    names = [member.name for member in chain.sources
             if NONE not in (answering.setting, answering.wanted(member.name, member.answers))
             and member.name not in answering.written]
    if answering.emulator or context.host == context.build or not names:
        return []
    return [f"no emulator of {context.host.name} works in build roots: what the configure of "
            f"{', '.join(names)} cannot try there, it guesses ('debxcross doctor' tells the cure)"]


def _notes(context: Context) -> list[str]:
    notes = []
    if context.without_archive:
        host = context.host.name
        return [f"no suite of the release carries {host}: everything for it is built here, over the "
                "libraries of the cross toolchain, which stand in for Debian's in build roots and are not "
                "published; there is no emulated device to try it on (docs/no-archive.md)"]
    for suite in context.world.left_out():
        notes.append(
            f"{suite} does not carry {context.host.name}: it is left out of the build root, so that both "
            "architectures have the same versions (Multi-Arch: same)")
    more = [use.suite if use.added else f"{' and '.join(use.components[1:])} of {use.suite}"
            for use in context.world.suites if use.architectures and (use.added or use.components[1:])]
    if more:
        notes.append(f"packages may depend on what {', '.join(more)} has: devices must have that among "
                     "their sources, too")
    return notes


def _companions(beside: Mapping[str, Sequence[security.Offer]], sources: Mapping[str, SourcePackage]
                ) -> list[str]:
    return [f"{', '.join(offer.file.package.name for offer in offers)} of {name}, for all architectures, "
            f"{'is' if len(offers) == 1 else 'are'} published as {sources[name].suite} has "
            f"{'it' if len(offers) == 1 else 'them'}" for name, offers in beside.items()]


def _kept(context: Context, arranged: Arranged) -> list[str]:
    """Return a note for each source of which devices would keep Debian's own packages."""
    notes = []
    for name, work in arranged.sources.items():
        newer = kept_by_devices(work.binaries, work.versions(arranged.expected[name]), context.host.name)
        if newer:
            notes.append(f"{name}: devices keep Debian's own {', '.join(newer)}, which counts as newer; a "
                         "'revision' in the chain gives ours a version above it")
    return notes


def local_debs(
    prepared: Prepared, name: str, results: Mapping[str, tuple[StoredFile, ...]]
) -> tuple[StoredFile, ...] | None:
    """Return the .debs of everything a member needs, or None when some are not known yet."""
    behind = order.behind(name, prepared.needs)
    if any(one not in results for one in behind):
        return None
    made = tuple(file for one in behind for file in results[one]
                 if file.name.endswith(".deb") and "-dbgsym_" not in file.name)
    return (*made, *security.stored(prepared.updates.beside(behind)))


def turn_of(context: Context, prepared: Prepared, name: str, base: BaseRoot | None,
            results: Mapping[str, tuple[StoredFile, ...]]) -> Turn | None:
    """Return a member's turn; None as long as base root or results that it needs are not known."""
    local = local_debs(prepared, name, results)
    return None if base is None or local is None else Turn(context, prepared.work[name], base, local)


def build_plan(context: Context, prepared: Prepared) -> RootPlan:
    """Return what the base root for builds is made of."""
    return build_root_plan(context, prepared.chain.release, prepared.facts.compiler,
                           prepared.chain.path_excludes)


def promised_base(context: Context, prepared: Prepared) -> BaseRoot | None:
    """Return the base root for builds, made already or not; None when none can be made."""
    return None if prepared.problems else promised_root(context, build_plan(context, prepared))


def ensure_base(context: Context, prepared: Prepared, step: str) -> tuple[BaseRoot, bool]:
    """Return the base root for builds, and whether it was made now."""
    return ensure_root(context, build_plan(context, prepared), step)
