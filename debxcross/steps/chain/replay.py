# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepares a run from a lock: no index of any archive is asked then."""
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from debian.deb822 import Deb822

from debxcross.core.border import read_toml
from debxcross.core.archive.source import SourcePackage, from_fields
from debxcross.core.build.answers import Answering, Told
from debxcross.core.chain.chain import Chain, WheelMember
from debxcross.core.chain.lock import Lock, LockedMember, deviation_error, faulty, parse
from debxcross.core.patch import RulesPatch
from debxcross.core.wheel.direct import parse_origin
from debxcross.doors.files import read_named
from debxcross.errors import ConfigurationError, LockError, UnsupportedError, UsageError
from debxcross.steps.archive import probe
from debxcross.steps.chain.owned import check_locked, take_in
from debxcross.steps.chain.patches import Patches, places, verdict
from debxcross.steps.build.source import SourceWork
from debxcross.steps.chain.prepare import Circumstances, Prepared, arrange
from debxcross.steps.context import Context

_Value = TypeVar("_Value")


def check_lockable(chain: Chain) -> None:
    """Raise UnsupportedError for a chain whose members change with the archive, or are of no commit."""
    if chain.security:
        raise UnsupportedError(
            f"the chain {chain.name} follows security updates, so it cannot be locked",
            "Which sources it builds is decided anew in every run.",
            "Name the sources in [[source]] tables of a chain of your own and lock that.")
    dirty = [wheel for wheel in chain.wheels if wheel.origin and parse_origin(wheel.origin).dirty]
    if dirty:
        raise UnsupportedError(
            f"the chain {chain.name} cannot be locked: it has what is in no commit",
            "\n".join(f"{wheel.name} {wheel.pin.version}: {parse_origin(wheel.origin).place} had changes"
                      for wheel in dirty),
            "Commit them, run 'debxcross wheel' again, and lock that chain.")


def read(path: Path) -> Lock:
    """Read a lock file.  Raises UsageError when there is none, LockError for a faulty one."""
    try:
        document = read_toml(read_named(path).decode())
    except OSError as error:
        raise UsageError(f"there is no lock {path}", error.strerror or "",
                         "Check the path, or write one with 'debxcross lock'.") from error
    except ValueError as error:
        raise faulty(str(path), [str(error)]) from error
    return parse(document, str(path))


def prepare(
    context: Context, chain: Chain, patches: Sequence[RulesPatch], maintainer: str,
    answering: Answering = Answering(),
) -> Prepared:
    """Decide what steps.chain.prepare decides, from the lock alone.

    Raises LockError for patches that deviate, FetchError for a .dsc nobody has.
    """
    assert context.held.lock is not None, "a lock is held"
    owned = take_in(context, chain)
    check_locked(context, owned)
    sources: dict[str, SourcePackage] = {}
    judged: dict[str, Patches] = {}
    suffixes: dict[str, str] = {}
    for where, wheel in places(chain).items():
        name = wheel.name if wheel else where
        held = context.held.lock.member(name)
        assert held is not None, "core.chain.lock.check has compared the members"
        # Of a wheel that is not built no patch can apply.
        rules = [rule for rule in patches if rule.source == where and not (wheel and wheel.pure)]
        judged[name] = _patches(context, held, rules, wheel)
        if wheel is None:
            sources[name] = owned.sources[name].source if name in owned.sources else _source(context, held)
            suffixes[name] = held.suffix
    arranged = arrange(context, chain, sources, Circumstances(
        judged, suffixes, {}, maintainer, owned=owned))
    told = {name: replace(work, told=_told(context, work, answering))
            for name, work in arranged.sources.items()}
    arranged = replace(arranged, sources=told, work={**arranged.work, **told})
    return Prepared(
        chain, probe.Probe(sources, {}, "", {name: one.stanza for name, one in owned.debs.items()}),
        arranged.work, arranged.sources, judged, arranged.needs, arranged.expected, (), (), ())


def _source(context: Context, held: LockedMember) -> SourcePackage:
    """Read a source's fields from its .dsc, which carries what the index says (dsc(5))."""
    dsc = [file for file in held.files if file.name.endswith(".dsc")]
    if len(dsc) != 1:
        raise LockError(f"the lock names {len(dsc)} .dsc files of {held.name} instead of one",
                        resolution="Write it again with 'debxcross lock'.")
    context.supply.fetch_locked(held.name, dsc)
    fields = dict(Deb822(context.store.path(dsc[0].sha256).read_text(errors="replace")))
    found = from_fields({**fields, "Package": fields["Source"]}, held.suite)
    return replace(found, files=tuple(sorted((file.stored for file in held.files), key=lambda one: one.name)))


def _told(context: Context, work: SourceWork, answering: Answering) -> Told:
    """Return what configure is told as the lock says; LockError when nobody can tell it that."""
    held = context.held.lock.member(work.name) if context.held.lock else None
    if held is None or not held.answers:
        return Told()
    mode = held.answers.partition(" ")[0]
    try:
        told = replace(answering, setting="").told(work.name, mode, work.source.version)
    except ConfigurationError as error:
        raise deviation_error(work.name, [f"the lock wants answers ({mode}), but {error.brief}"],
                              context.host.name) from error
    if told.identity != held.answers:
        raise deviation_error(work.name, [f"the lock wants other answers ({mode}) than there are"],
                              context.host.name)
    return told


def _patches(context: Context, held: LockedMember, rules: Sequence[RulesPatch],
             wheel: WheelMember | None) -> Patches:
    """Return the patches that the lock names; LockError when they, or their number, are not the same."""
    known = {rule.name: rule for rule in rules}
    locked = dict(held.patches)
    said = []
    for name, sha256 in held.patches:
        if name not in known:
            said.append(f"the patch {name} is in the lock, but in none of the directories")
        elif known[name].sha256 != sha256:
            said.append(f"the patch {name} is locked at {sha256[:12]}…, found {known[name].sha256[:12]}…")
    for rule in rules:
        # What a condition asks of the archive was answered when the lock was written.
        if rule.name not in locked and rule.condition is None and verdict(
                context, rule, held.version, wheel).applies:
            said.append(f"the patch {rule.name} applies, but is not in the lock")
    if said:
        raise deviation_error(held.name, said, context.host.name)
    return (*((known[name], True, "the lock says so") for name in locked),
            *((rule, False, "the lock does not name it") for rule in rules if rule.name not in locked))


def merged(held: Prepared, fresh: Prepared, names: Collection[str]) -> Prepared:
    """Return a preparation with these members from ``fresh`` and everything else as it is held."""
    def mixed(old: Mapping[str, _Value], new: Mapping[str, _Value]) -> dict[str, _Value]:
        return {name: (new if name in names else old)[name] for name in old}

    return replace(
        held, work=mixed(held.work, fresh.work), sources=mixed(held.sources, fresh.sources),
        patches=mixed(held.patches, fresh.patches),
        expected=mixed(held.expected, fresh.expected), needs=mixed(held.needs, fresh.needs))
