# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes locks, and prepares a run from one: no index of any archive is asked then."""
from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from debian.deb822 import Deb822

from debxcross.core.archive.predict import stanza_text
from debxcross.core.archive.source import SourcePackage, from_fields
from debxcross.core.artifact import StoredFile
from debxcross.core.build.environment import Environment, PackageFile
from debxcross.core.chain import order
from debxcross.core.chain.chain import Chain, PinnedFile
from debxcross.core.chain.lock import (
    BUILD_ROOT, DEVICE, DEVICE_ROOT, INDEX, SCHEME, Lock, LockedFile, LockedMember, chain_digest,
    deviation_error, faulty, parse,
)
from debxcross.core.key import digest
from debxcross.core.patch import RulesPatch, applicability
from debxcross.core.wheel.index import normalise
from debxcross.core.wheel.patch import place
from debxcross.core.wheel.version import debian_version
from debxcross.doors import deb
from debxcross.doors.apt import parse_print_uris, raise_for_apt
from debxcross.doors.index import Index
from debxcross.errors import LockError, UnsatisfiableError, UnsupportedError, UsageError
from debxcross.steps.archive import probe
from debxcross.steps.build import baseroot, source
from debxcross.steps.build.baseroot import BaseRoot
from debxcross.steps.build.source import SourceWork
from debxcross.steps.chain import prepare as preparing
from debxcross.steps.chain.prepare import Patches, Prepared
from debxcross.steps.context import Context
from debxcross.steps.wheel import build as wheel, inputs as wheel_inputs
from debxcross.steps.wheel.inputs import WheelWork

_Value = TypeVar("_Value")
#: The name under which the work for a lock is told.
STEP = "lock"


def check_lockable(chain: Chain) -> None:
    """Raise UnsupportedError for a chain whose members change with the archive."""
    if chain.security:
        raise UnsupportedError(
            f"the chain {chain.name} follows security updates, so it cannot be locked",
            "Which sources it builds is decided anew in every run.",
            "Name the sources in [[source]] tables of a chain of your own and lock that.")


def read(path: Path) -> Lock:
    """Read a lock file.  Raises UsageError when there is none, LockError for a faulty one."""
    try:
        document = tomllib.loads(path.read_text())
    except OSError as error:
        raise UsageError(f"there is no lock {path}", error.strerror or "",
                         "Check the path, or write one with 'debxcross lock'.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise faulty(str(path), [str(error)]) from error
    return parse(document, str(path))


# Preparing a run from a lock


def prepare(context: Context, chain: Chain, patches: Sequence[RulesPatch], maintainer: str) -> Prepared:
    """Decide what steps.chain.prepare decides, from the lock alone.

    Raises LockError for patches that deviate, FetchError for a .dsc nobody has.
    """
    assert context.lock is not None, "a lock is held"
    sources: dict[str, SourcePackage] = {}
    decided: dict[str, Patches] = {}
    suffixes: dict[str, str] = {}
    for member in chain.sources:
        held = context.lock.member(member.name)
        assert held is not None, "core.lock.check has compared the members"
        sources[member.name] = _source(context, held)
        rules = [rule for rule in patches if rule.source == member.name]
        decided[member.name] = _patches(context, held, rules)
        suffixes[member.name] = held.suffix
    for wheel_member in chain.wheels:
        held = context.lock.member(wheel_member.name)
        assert held is not None, "core.lock.check has compared the members"
        # Of a wheel that is not built no patch can apply.
        rules = [rule for rule in patches
                 if rule.source == place(wheel_member.name) and not wheel_member.pure]
        decided[wheel_member.name] = _patches(context, held, rules)
    arranged = preparing.arrange(context, chain, sources, decided, suffixes, maintainer)
    return Prepared(
        chain, probe.Probe(sources, {}, ""), arranged.work, decided, arranged.needs,
        order.stable_order(arranged.needs), arranged.expected, (), (), ())


def _source(context: Context, held: LockedMember) -> SourcePackage:
    """Read a source's fields from its .dsc, which carries what the index says (dsc(5))."""
    dsc = [file for file in held.files if file.name.endswith(".dsc")]
    if len(dsc) != 1:
        raise LockError(f"the lock names {len(dsc)} .dsc files of {held.name} instead of one",
                        resolution="Write it again with 'debxcross lock'.")
    context.fetch_files(held.name, dsc)
    fields = dict(Deb822(context.store.path(dsc[0].sha256).read_text(errors="replace")))
    found = from_fields({**fields, "Package": fields["Source"]}, held.suite)
    return replace(found, files=tuple(sorted((file.stored for file in held.files), key=lambda one: one.name)))


def _patches(context: Context, held: LockedMember, rules: Sequence[RulesPatch]) -> Patches:
    """Return the patches that the lock names; LockError when they, or their number, are not the same."""
    known = {rule.name: rule for rule in rules}
    # Ranges of patches to sdists are read as Debian's versions.
    version = held.version if held.kind == "source" else debian_version(held.version)
    locked = dict(held.patches)
    said = []
    for name, sha256 in held.patches:
        if name not in known:
            said.append(f"the patch {name} is in the lock, but in none of the directories")
        elif known[name].sha256 != sha256:
            said.append(f"the patch {name} is locked at {sha256[:12]}…, found {known[name].sha256[:12]}…")
    for rule in rules:
        # What a condition asks of the archive was answered when the lock was written.
        if rule.name not in locked and rule.condition is None and applicability(
                rule, version, context.host.name, lambda package: True, context.table).applies:
            said.append(f"the patch {rule.name} applies, but is not in the lock")
    if said:
        raise deviation_error(held.name, said, context.host.name)
    return (*((known[name], True, "the lock says so") for name in locked),
            *((rule, False, "the lock does not name it") for rule in rules if rule.name not in locked))


def merged(held: Prepared, fresh: Prepared, names: Collection[str]) -> Prepared:
    """Return a preparation with these members from ``fresh`` and everything else as it is held."""
    def mixed(old: Mapping[str, _Value], new: Mapping[str, _Value]) -> dict[str, _Value]:
        return {name: (new if name in names else old)[name] for name in old}

    needs = mixed(held.needs, fresh.needs)
    return replace(
        held, work=mixed(held.work, fresh.work), patches=mixed(held.patches, fresh.patches),
        expected=mixed(held.expected, fresh.expected), needs=needs, order=order.stable_order(needs))


# Writing


@dataclass(frozen=True)
class _Found:
    """A member with what apt chose for it, and the results of others that lay in its root."""

    work: SourceWork | WheelWork
    environment: Environment
    local: tuple[StoredFile, ...]


def make_lock(context: Context, prepared: Prepared, index: Index) -> Lock:
    """Return the lock of a chain that has been built; everything it names is in the store then.

    What the context's lock holds stays as it is.  Raises UsageError when a member is not built
    whose results others need.
    """
    chain, build = prepared.chain, _build_root(context, prepared)
    base = baseroot.known_root(context, build)
    made: dict[str, tuple[StoredFile, ...]] = {}
    if base is None:
        # A run that took every result from a substitute made none.
        results = preparing.known_results(context, prepared, baseroot.promised_root(context, build))
        if any(name not in results for name in prepared.order):
            raise _not_built(prepared, context, "the base root")
        base, _ = baseroot.ensure_root(context, build, STEP)
    found: dict[str, _Found] = {}
    for name in prepared.order:
        found[name] = _find(context, prepared, base, name, made, index)
        work, environment = found[name].work, found[name].environment
        inputs = (source.inputs_of(context, work, environment) if isinstance(work, SourceWork)
                  else wheel_inputs.inputs_of(context, work, environment))
        if artifact := context.artifact(name, digest(inputs)):
            made[name] = artifact.files
    device = context.held_part(DEVICE)
    lock = Lock(
        chain.name, chain_digest(chain), chain.release, context.build.name, context.host.name,
        tuple(sorted(context.apt.release_digests().items())),
        {BUILD_ROOT: _placed(context, build.files),
         DEVICE_ROOT: _placed(context, baseroot.device_recipe(context, chain.release).files),
         DEVICE: _placed(context, _device(context, prepared, made)) if device is None else device},
        tuple(_member(context, found[name], index) for name in sorted(found)))
    context.fetch_packages(STEP, lock.packages)
    _remember(context, lock, base, found)
    return lock


def _build_root(context: Context, prepared: Prepared) -> baseroot.RootPlan:
    return baseroot.build_recipe(context, prepared.chain.release, prepared.facts.compiler,
                                 prepared.chain.path_excludes)


def _not_built(prepared: Prepared, context: Context, what: str) -> UsageError:
    return UsageError(
        f"a lock of {prepared.chain.name} cannot be written: {what} is not built yet",
        "What a member takes from the archive is known once everything it needs is built.",
        f"Build first: debxcross build-dep-chain {context.host.name} with the same chain and store.")


def _find(context: Context, prepared: Prepared, base: BaseRoot, name: str,
          made: Mapping[str, tuple[StoredFile, ...]], index: Index) -> _Found:
    local = preparing.local_debs(prepared, name, made)
    if local is None:
        behind = [one for one in order.behind(name, prepared.needs) if one not in made]
        raise _not_built(prepared, context, f"{', '.join(behind)}, which {name} needs,")
    work = prepared.work[name]
    if isinstance(work, SourceWork):
        probe.fetch_source(context, work.source)
        return _Found(work, source.resolve(context, work, base, local), local)
    wheel.fetch_pin(context, index, name, work.member.pin)
    tools = tuple(wheel.fetch_pin(context, index, name, tool) for tool in work.tools)
    return _Found(work, wheel.resolve(context, work, base, local, tools), local)


def _placed(context: Context, files: Sequence[PackageFile]) -> tuple[PackageFile, ...]:
    return tuple(sorted(map(context.placed, files), key=lambda file: file.file))


def _member(context: Context, found: _Found, index: Index) -> LockedMember:
    work, ours = found.work, {file.sha256 for file in found.local}
    name = work.source.name if isinstance(work, SourceWork) else work.member.name
    if (held := context.held(name)) is not None:
        return held
    packages = _placed(context, [file for file in found.environment.added if file.sha256 not in ours])
    if isinstance(work, SourceWork):
        return LockedMember(
            name, "source", work.source.version, work.source.suite, work.suffix,
            _source_files(context, work.source),
            tuple((rule.name, rule.sha256) for rule in work.patches), packages)
    pins = (work.member.pin, *work.tools)
    return LockedMember(name, "wheel", work.member.pin.version, "", "", tuple(sorted(
        (_pinned(context, index, name, pin) for pin in pins), key=lambda file: file.name)),
        tuple((rule.name, rule.sha256) for rule in work.patches), packages)


def _pinned(context: Context, index: Index, member: str, pin: PinnedFile) -> LockedFile:
    stored = wheel.fetch_pin(context, index, member, pin)
    return LockedFile(stored.name, stored.sha256, stored.size, f"{INDEX}/{normalise(pin.name)}/{pin.version}")


def _source_files(context: Context, one: SourcePackage) -> tuple[LockedFile, ...]:
    """Return a source's files with their places; only apt knows the directory in the pool."""
    done = context.apt.run(["apt-get", "source", "--print-uris", "--download-only", "-qq",
                            "-o", "Acquire::ForceHash=SHA256", f"{one.name}={one.version}"])
    raise_for_apt(done, f"the archives do not tell where the source {one.name} {one.version} is")
    places = {file.sha256: context.placed(file).uri.removeprefix(SCHEME)
              for file in parse_print_uris(done.stdout)}
    return tuple(LockedFile(file.name, file.sha256, file.size, places[file.sha256]) for file in one.files)


def _device(
    context: Context, prepared: Prepared, made: Mapping[str, tuple[StoredFile, ...]]
) -> tuple[PackageFile, ...]:
    """Return what devices need of Debian for any of the results, and for the trial."""
    host, trial = context.host.name, prepared.chain.trial
    absent = [name for name in prepared.order if name not in made]
    if absent:
        raise _not_built(prepared, context, ", ".join(absent))
    stanzas, names = [], []
    results = {file for files in made.values() for file in files
               if file.name.endswith((f"_{host}.deb", "_all.deb"))}
    for file in sorted(results, key=lambda one: one.name):
        control = deb.read_facts(context.store.path(file.sha256)).control
        stanzas.append(stanza_text(control, f"./{file.name}", file.size, file.sha256))
        names.append(control["Package"])
    context.busy(STEP, f"asking apt what {len(names)} packages need on a device")
    found = {file.sha256: file for wanted, local in (
        (tuple(names), "\n".join(stanzas)), (trial.before, "")) if wanted
        for file in _closure(context, wanted, local)}
    ours = {file.sha256 for file in results}
    return tuple(file for sha256, file in found.items() if sha256 not in ours)


def _closure(context: Context, names: tuple[str, ...], local: str) -> tuple[PackageFile, ...]:
    """Return what apt adds to an empty device for these packages: at once, or else one by one."""
    with context.store.work(context.chroots.remove) as directory:
        view = context.apt.view(directory / "apt", context.world.for_device(), local=local)
        argv = ("apt-get", "install", "--print-uris", "-q", "-y", "--no-install-recommends",
                "-o", "Acquire::ForceHash=SHA256")
        answer = view.run([*argv, *names])
        try:
            raise_for_apt(answer, "the results cannot be installed together")
            return parse_print_uris(answer.stdout)
        except UnsatisfiableError:
            # They may be alternatives to each other, which is no fault.
            answers = [view.run([*argv, name]) for name in names]
    for answer, name in zip(answers, names):
        raise_for_apt(answer, f"{name} cannot be installed on a device")
    return tuple({file.sha256: file for one in answers for file in parse_print_uris(one.stdout)}.values())


def _remember(context: Context, lock: Lock, base: BaseRoot, found: Mapping[str, _Found]) -> None:
    """Answer beforehand what a run with this lock asks first, so that it finds everything cached."""
    locked = replace(context, lock=lock, unlocked=frozenset())
    for one in found.values():
        if isinstance(one.work, SourceWork):
            source.remember(locked, one.work, base, one.local, one.environment)
        elif not one.work.member.pure:
            wheel_inputs.remember(locked, one.work, base, one.local, one.environment)
