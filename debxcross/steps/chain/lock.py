# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the lock of a chain that has been built."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from debxcross.core.archive.predict import stanza_text
from debxcross.core.artifact import StoredFile
from debxcross.core.build.environment import Environment, PackageFile
from debxcross.core.chain import order
from debxcross.core.chain.lock import BUILD_ROOT, DEVICE, DEVICE_ROOT, SHIMS, Lock, LockedMember, chain_digest
from debxcross.core.key import digest
from debxcross.doors import deb
from debxcross.doors.apt import parse_print_uris, raise_for_apt
from debxcross.errors import UnsatisfiableError, UnsupportedError, UsageError
from debxcross.steps.build import baseroot, shims
from debxcross.steps.build.turn import Turn
from debxcross.steps.chain.plan import known_results
from debxcross.steps.chain.prepare import Prepared, build_plan, turn_of
from debxcross.steps.context import Context
from debxcross.steps.held import Held

#: The name under which the work for a lock is told.
STEP = "lock"


def make_lock(context: Context, prepared: Prepared) -> Lock:
    """Return the lock of a chain that has been built; everything it names is in the store then.

    What the context's lock holds stays as it is.  Raises UsageError when a member is not built
    whose results others need.
    """
    if prepared.updates.offers:
        raise UnsupportedError(
            f"the chain {prepared.chain.name} cannot be locked: it publishes packages for all architectures "
            "as another release has them", "A lock has no place for those of "
            f"{', '.join(sorted(prepared.updates.offers))}.",
            "Leave them out with without-packages, where what is built does without them.")
    chain, build = prepared.chain, build_plan(context, prepared)
    base = baseroot.known_root(context, build)
    made: dict[str, tuple[StoredFile, ...]] = {}
    if base is None:
        # A run that took every result from a substitute made none.
        results = known_results(context, prepared, baseroot.promised_root(context, build))
        if any(name not in results for name in prepared.order):
            raise _not_built(prepared, context, "the base root")
        base, _ = baseroot.ensure_root(context, build, STEP)
    found: dict[str, tuple[Turn, Environment]] = {}
    for name in prepared.order:
        turn = turn_of(context, prepared, name, base, made)
        if turn is None:
            behind = [one for one in order.behind(name, prepared.needs) if one not in made]
            raise _not_built(prepared, context, f"{', '.join(behind)}, which {name} needs,")
        environment = turn.resolve()
        found[name] = turn, environment
        if artifact := context.results.artifact(name, digest(turn.work.inputs(context, environment))):
            made[name] = artifact.files
    device = context.held.part(DEVICE)
    stand_ins = {file.sha256 for file in shims.made(context)}
    lock = Lock(
        chain.name, chain_digest(chain), chain.release, context.build.name, context.host.name,
        tuple(sorted(context.apt.release_digests().items())),
        {BUILD_ROOT: _placed(context, [file for file in build.files if file.sha256 not in stand_ins]),
         DEVICE_ROOT: () if context.without_archive else _placed(
             context, baseroot.device_root_plan(context, chain.release).files),
         SHIMS: _placed(context, shims.wanted(context).cross),
         DEVICE: _placed(context, _device(context, prepared, made)) if device is None else device},
        tuple(_member(*found[name]) for name in sorted(found)))
    context.supply.fetch(STEP, lock.packages)
    # Answer beforehand what a run with this lock asks first, so that it finds everything cached.
    locked = replace(context, held=Held(context.host.name, lock))
    for turn, environment in found.values():
        replace(turn, context=locked).remember(environment)
    return lock


def _not_built(prepared: Prepared, context: Context, what: str) -> UsageError:
    return UsageError(
        f"a lock of {prepared.chain.name} cannot be written: {what} is not built yet",
        "What a member takes from the archive is known once everything it needs is built.",
        f"Build first: debxcross build-dep-chain {context.host.name} with the same chain and store.")


def _placed(context: Context, files: Sequence[PackageFile]) -> tuple[PackageFile, ...]:
    return tuple(sorted(map(context.supply.placed, files), key=lambda file: file.file))


def _member(turn: Turn, environment: Environment) -> LockedMember:
    if (held := turn.context.held.member(turn.work.name)) is not None:
        return held
    ours = {file.sha256 for file in turn.local}
    packages = [file for file in environment.added if file.sha256 not in ours]
    return replace(turn.work.locked(turn.context), packages=_placed(turn.context, packages))


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
    # Shims are what a device without an archive must have of its own.
    ours = {file.sha256 for file in results} | {file.sha256 for file in shims.made(context)}
    return tuple(file for sha256, file in found.items() if sha256 not in ours)


def _closure(context: Context, names: tuple[str, ...], local: str) -> tuple[PackageFile, ...]:
    """Return what apt adds to an empty device for these packages: at once, or else one by one."""
    with context.store.work(context.chroots.remove) as directory:
        view = context.apt.view(directory / "apt", context.world.for_device(),
                                local="\n".join(filter(None, (local, shims.index(context)))))
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
