# SPDX-License-Identifier: GPL-3.0-or-later
"""From facts to a plan: what each member needs, which patches apply, what cannot work."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from debxcross.core import patch
from debxcross.core.archive.predict import predicted_stanzas
from debxcross.core.archive.source import SourcePackage, expected_binaries, host_needs
from debxcross.core.artifact import StoredFile
from debxcross.core.build.commands import wheel_packages
from debxcross.core.chain import order
from debxcross.core.chain.chain import Chain, DebianPackage, WheelMember
from debxcross.core.chain.plan import Plan, PlannedMember
from debxcross.core.key import digest
from debxcross.core.patch import RulesPatch, applicability
from debxcross.core.wheel.index import normalise
from debxcross.core.wheel.patch import decide, place
from debxcross.doors.apt import raise_for_apt
from debxcross.doors.sourcefile import read_control
from debxcross.errors import DebxcrossError, FetchError, SkewError, UnsatisfiableError, UnsupportedError
from debxcross.steps.archive import probe, security
from debxcross.steps.build import source
from debxcross.steps.build.baseroot import BaseRoot, build_recipe, ensure_root, promised_root
from debxcross.steps.build.source import SourceWork
from debxcross.steps.context import Context
from debxcross.steps.wheel import inputs
from debxcross.steps.wheel.inputs import WheelWork

#: (patch, applies, reason) of one member.
Patches = tuple[tuple[RulesPatch, bool, str], ...]


@dataclass(frozen=True)
class Prepared:
    """Everything a run needs, decided: the work of each member, the order, what is wrong."""

    chain: Chain
    facts: probe.Probe
    work: Mapping[str, SourceWork | WheelWork]
    patches: Mapping[str, Patches]
    needs: Mapping[str, tuple[str, ...]]
    order: tuple[str, ...]
    expected: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    problems: tuple[DebxcrossError, ...]
    updates: security.Updates = security.Updates()

    def work_of(self, member: str) -> SourceWork | WheelWork:
        """Return a member's work.  Raises UsageError for one that is excluded, with the reason."""
        self.updates.check_built((member,))
        return self.work[member]


def prepare(
    context: Context, chain: Chain, patches: Sequence[RulesPatch], maintainer: str
) -> Prepared:
    """Probe and decide.  What cannot work is collected in ``problems``, not raised.

    Raises UnsupportedError for an unknown source, CycleError, FetchError and VerificationError
    of the indexes.
    """
    updates = security.find(context, chain)
    chain = security.narrowed(chain, updates)
    patches = [rule for rule in patches if rule.source in _places(chain)]
    facts = probe.ask_archives(context, chain, probe.conditions(patches))
    decided = {name: _decide(context, facts, patches, name) for name in facts.sources}
    decided.update({member.name: _decide_sdist(context, facts, patches, member) for member in chain.wheels})
    carried = _carried(context, facts, _expected(context, chain, facts.sources))
    revisions = {member.name: member.revision for member in chain.sources}
    suffixes = {
        name: patch.version_suffix(
            revisions[name], any(applies for _, applies, _ in decided[name]), carried[name])
        for name in facts.sources}
    arranged = arrange(context, chain, facts.sources, decided, suffixes, maintainer)
    wanted = {package for name in facts.sources for package in arranged.wanted[name]}
    problems = [*_toolchain_problems(context, facts), *_skew_problems(context, sorted(wanted))]
    return Prepared(
        chain, facts, arranged.work, decided, arranged.needs, order.stable_order(arranged.needs),
        arranged.expected, (*_notes(context), *security.held_back(context)),
        tuple(_outdated(patches, facts, context, chain)), tuple(problems), updates)


def _places(chain: Chain) -> dict[str, WheelMember | None]:
    """Return where the patches of a chain's members are, with the member if it is a wheel."""
    return {**{name: None for name in chain.members if chain.wheel(name) is None},
            **{place(member.name): member for member in chain.wheels}}


@dataclass(frozen=True)
class Arranged:
    """The members' work, the packages they will leave, those they want, and whom each needs."""

    work: Mapping[str, SourceWork | WheelWork]
    expected: Mapping[str, tuple[str, ...]]
    wanted: Mapping[str, tuple[str, ...]]
    needs: Mapping[str, tuple[str, ...]]


def _profiles(chain: Chain) -> dict[str, tuple[str, ...]]:
    return {member.name: member.profiles or chain.profiles for member in chain.sources}


def _expected(
    context: Context, chain: Chain, sources: Mapping[str, SourcePackage]
) -> dict[str, tuple[str, ...]]:
    profiles = _profiles(chain)
    return {name: expected_binaries(one, context.host.name, profiles[name], context.table)
            for name, one in sources.items()}


def arrange(
    context: Context, chain: Chain, sources: Mapping[str, SourcePackage], decided: Mapping[str, Patches],
    suffixes: Mapping[str, str], maintainer: str,
) -> Arranged:
    """Return who builds what and needs whom, once sources and patches are known."""
    host, profiles = context.host.name, _profiles(chain)
    expected = _expected(context, chain, sources)
    wanted = {name: host_needs(one, host, profiles[name], context.table) for name, one in sources.items()}
    members = {member.name: member for member in chain.sources}
    work: dict[str, SourceWork | WheelWork] = {}
    for name, one in sources.items():
        applied = tuple(rule for rule, applies, _ in decided[name] if applies)
        work[name] = SourceWork(one, applied, profiles[name], suffixes[name], members[name].build_packages)
    for member in chain.wheels:
        tools = tuple(tool for tool in chain.build_tools
                      if {tool.name, f"{tool.name}=={tool.version}"} & set(member.build_requires))
        known: tuple[WheelMember | DebianPackage, ...] = (*chain.wheels, *chain.debian)
        if member.resolved_for:
            # Only these can be in its deb; a key must not change with the rest of the chain.
            concerned = member.projects
            known = tuple(other for other in known if normalise(other.name) in concerned)
        names = {normalise(other.name): other.package for other in known if other.package}
        epochs = {other.package: other.epoch for other in known if other.epoch}
        rules = tuple(rule for rule, applies, _ in decided.get(member.name, ()) if applies)
        work[member.name] = WheelWork(member, tools, names, maintainer, epochs, rules)
        wanted[member.name] = () if member.pure else (f"python{member.python}", *(
            package.split(":")[0] for package in wheel_packages(member.python, host, member.host_needs)))
    needs = order.edges(wanted, expected)
    return Arranged(work, expected, wanted, {name: needs.get(name, ()) for name in chain.members})


def _decide(context: Context, facts: probe.Probe, patches: Sequence[RulesPatch], name: str) -> Patches:
    found = []
    for rule in patches:
        if rule.source == name:
            verdict = applicability(
                rule, facts.sources[name].version, context.host.name,
                lambda package: context.host.name in facts.packages.get(package, {}), context.table)
            found.append((rule, verdict.applies, verdict.reason))
    return tuple(found)


def _decide_sdist(
    context: Context, facts: probe.Probe, patches: Sequence[RulesPatch], member: WheelMember
) -> Patches:
    found = []
    for rule in patches:
        if rule.source == place(member.name):
            verdict = decide(rule, member.pin.version, not member.pure, context.host.name,
                             lambda package: context.host.name in facts.packages.get(package, {}),
                             context.table)
            found.append((rule, verdict.applies, verdict.reason))
    return tuple(found)


def _outdated(
    patches: Sequence[RulesPatch], facts: probe.Probe, context: Context, chain: Chain
) -> list[str]:
    said = []
    wheels = _places(chain)
    for rule in patches:
        member = wheels[rule.source]
        verdict = (
            applicability(rule, facts.sources[rule.source].version, context.host.name,
                          lambda package: True, context.table) if member is None else
            decide(rule, member.pin.version, not member.pure, context.host.name, lambda package: True,
                   context.table))
        if verdict.outdated:
            said.append(
                f"the rules patch {rule.source}/{rule.name} matches nothing any more: it {verdict.reason}")
    return said


def _carried(
    context: Context, facts: probe.Probe, expected: Mapping[str, tuple[str, ...]]
) -> dict[str, bool]:
    """Tell of each source whether the release has it, in this version, for the host architecture."""
    names = sorted({name for packages in expected.values() for name in packages})
    request = {"ask": "facts", "build": context.build.name, "host": context.host.name, "sources": [],
               "packages": names, "host_needs": []}
    answer = probe.remembered(context, "carried", request, context.world)["packages"]
    return {
        name: any(answer[package].get(context.host.name) == facts.sources[name].version
                  for package in packages)
        for name, packages in expected.items()}


def _toolchain_problems(context: Context, facts: probe.Probe) -> list[DebxcrossError]:
    package = context.host.crossbuild_package
    if context.host == context.build or facts.packages.get(package):
        return []
    carried = sorted({name for use in context.world.suites for name in use.carried})
    return [UnsupportedError(
        f"the release has no cross compiler for {context.host.name}",
        f"{package} is in none of {', '.join(use.suite for use in context.world.suites)} "
        f"for {context.build.name}.",
        f"Choose another release with --release or in the chain; architectures these suites carry: "
        f"{', '.join(carried)}.")]


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


def _notes(context: Context) -> list[str]:
    notes = []
    for suite in context.world.left_out():
        notes.append(
            f"{suite} does not carry {context.host.name}: it is left out of the build root, so that both "
            "architectures have the same versions (Multi-Arch: same)")
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


def base_recipe_root(context: Context, prepared: Prepared) -> BaseRoot | None:
    """Return the base root for builds, made already or not; None when none can be made."""
    if prepared.problems:
        return None
    return promised_root(context, build_recipe(
        context, prepared.chain.release, prepared.facts.compiler, prepared.chain.path_excludes))


def ensure_base_root(context: Context, prepared: Prepared, step: str) -> tuple[BaseRoot, bool]:
    """Return the base root for builds, and whether it was made now."""
    return ensure_root(context, build_recipe(
        context, prepared.chain.release, prepared.facts.compiler, prepared.chain.path_excludes), step)


def known_results(
    context: Context, prepared: Prepared, base: BaseRoot
) -> dict[str, tuple[StoredFile, ...]]:
    """Return the files of every member the store has, as far as keys can be known."""
    results: dict[str, tuple[StoredFile, ...]] = {}
    for name in prepared.order:
        _, files = _planned(context, prepared, name, base, results, False)
        if files is not None:
            results[name] = files
    return results


def make_plan(
    context: Context, prepared: Prepared, rebuild: Sequence[str] = ()
) -> tuple[Plan, tuple[DebxcrossError, ...]]:
    """Return the plan, each member's state as far as it can be known, and what cannot work."""
    prepared.updates.check_built(rebuild)
    base = base_recipe_root(context, prepared)
    results: dict[str, tuple[StoredFile, ...]] = {}
    members = []
    for name in prepared.order:
        member, files = _planned(context, prepared, name, base, results, name in rebuild)
        members.append(member)
        if files is not None:
            results[name] = files
    problems = (*prepared.problems, *_build_problems(context, prepared, members))
    plan = Plan(
        prepared.chain.name, prepared.chain.release, context.build.name, context.host.name,
        (*members, *prepared.updates.excluded()), prepared.notes, prepared.warnings,
        tuple("\n    ".join(filter(None, (one.brief, *one.details.splitlines(), one.resolution)))
              for one in problems),
        prepared.updates.comparisons)
    return plan, problems


def raise_for(problems: Sequence[DebxcrossError]) -> None:
    """Raise what cannot work: the one problem itself, or the first one's class with all of them."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise type(problems[0])(
            f"{len(problems)} things cannot work, so nothing was built",
            "\n".join("\n  ".join(filter(None, (one.brief, *one.details.splitlines(), one.resolution)))
                      for one in problems),
            "'debxcross plan' shows the whole plan.")


def _planned(
    context: Context, prepared: Prepared, name: str, base: BaseRoot | None,
    results: Mapping[str, tuple[StoredFile, ...]], again: bool,
) -> tuple[PlannedMember, tuple[StoredFile, ...] | None]:
    work = prepared.work[name]
    local = local_debs(prepared, name, results)
    key = None
    if base is not None and local is not None:
        key = (source.known_key(context, work, base, local) if isinstance(work, SourceWork)
               else inputs.known_key(context, work, base, local))
    artifact = context.artifact(name, key) if key else None
    missing = [one for one in prepared.needs[name] if one not in results]
    if again:
        state, reason, artifact = "ready", "to be rebuilt, as asked", None
    elif artifact is not None:
        state, reason = "cached", "nothing that can change its bytes has changed"
    elif missing:
        state, reason = "waiting", f"waits for {', '.join(missing)}"
    elif key is None and isinstance(work, WheelWork) and work.member.pure:
        state, reason = "ready", "its file has not been fetched yet"
    elif key is None:
        state, reason = "ready", "its build environment is not resolved yet"
    else:
        state, reason = "ready", "the store has no result for these inputs"
    if isinstance(work, SourceWork):
        kind, version, origin = "source", work.version, f"{work.source.suite} (source)"
    else:
        kind, version = "wheel", work.member.pin.version
        origin = f"the package index ({work.member.pin.file}), for Python {work.member.python}"
    member = PlannedMember(
        name, kind, version, origin, state, reason, prepared.needs[name], key or "",
        tuple((rule.name, applies, why) for rule, applies, why in prepared.patches.get(name, ())),
        prepared.expected.get(name, ()))
    return member, artifact.files if artifact else None


def _build_problems(
    context: Context, prepared: Prepared, members: Sequence[PlannedMember]
) -> list[DebxcrossError]:
    """Let apt judge, before anything is built, what the members will need and what they will leave."""
    if prepared.problems or all(member.state == "cached" for member in members):
        return []
    if context.lock is not None:
        return []  # apt judged when the lock was written, and judges the results again
    problems: list[DebxcrossError] = []
    sources = [work for work in prepared.work.values() if isinstance(work, SourceWork)]
    for work in sources:
        try:
            probe.fetch_source(context, work.source)
        except FetchError as error:
            problems.append(error)
    if problems:
        return problems
    predicted = "\n".join(_predicted(context, prepared, work, context.host.name) for work in sources)
    # A patched library's twin will stand beside it (steps.twin).
    twins = "\n".join(_predicted(context, prepared, work, context.build.name) for work in sources
                      if work.suffix and context.build != context.host)
    updates = prepared.updates
    for_device = "\n".join(filter(None, (predicted, updates.stanzas("all"))))
    for_root = "\n".join(filter(None, (predicted, twins, updates.stanzas("all", context.build.name))))
    question = digest({"predicted": for_root, "state": context.apt.state(context.world),
                       "work": [(work.source.dsc.sha256, work.profiles, work.build_packages)
                                for work in sources]})
    if context.store.memo("sound", question):
        return []
    with context.store.work(context.chroots.remove) as directory:
        view = context.apt.view(directory / "device", context.world.for_device(), local=for_device)
        offered = [line.split(": ")[1] for line in predicted.splitlines() if line.startswith("Package: ")]
        said = view.ask({"ask": "installable", "names": offered, "architecture": context.host.name})
        problems += _not_installable(said)
        view = context.apt.view(directory / "build", context.world.for_build_root(), local=for_root)
        cached = {member.name for member in members if member.state == "cached"}
        for work in sources:
            # Patches may change the build dependencies; the build root will tell.
            if work.source.name in cached or work.patches:
                continue
            context.store.lay_out(work.source.files, directory / work.source.name)
            answer = view.run([
                "apt-get", "--simulate", "-q", "build-dep",
                *(() if context.host == context.build else (f"--host-architecture={context.host.name}",)),
                "--arch-only", f"--build-profiles={','.join(work.profiles)}",
                str(directory / work.source.name / work.source.dsc.name),
                *((str(source.write_build_packages(context, work, directory / "more" / work.source.name)),)
                  if work.build_packages else ())])
            try:
                raise_for_apt(answer, f"the build dependencies of {work.source.name} cannot be satisfied")
            except DebxcrossError as error:
                problems.append(error)
    if not problems:
        context.store.remember("sound", question, True)
    return problems


def _predicted(context: Context, prepared: Prepared, work: SourceWork, architecture: str) -> str:
    files = {file.name: context.store.path(file.sha256) for file in work.source.files}
    return predicted_stanzas(
        read_control(files), work.version, prepared.expected[work.source.name], architecture,
        work.profiles, context.table)


def _not_installable(said: Mapping[str, Sequence[str]]) -> list[UnsatisfiableError]:
    """Return one problem for each cause, with all the packages that it keeps off the device."""
    names: dict[tuple[str, ...], list[str]] = {}
    for name, why in said.items():
        names.setdefault(tuple(why), []).append(name)
    return [UnsatisfiableError(
        f"{', '.join(kept_off)} would not be installable on the device", "\n".join(why),
        "Add the source of what is missing to the chain (its suite can be another release), "
        f"or leave {'these members' if len(kept_off) > 1 else 'this member'} out.")
        for why, kept_off in names.items()]
