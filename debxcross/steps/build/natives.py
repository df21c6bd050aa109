# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds Debian's own packages beside ours and reads them; each is fetched once, and what is in it kept."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from debian.debian_support import NativeVersion

from debxcross.core.build.compare import Toolchain, compare
from debxcross.core.build.differences import Comparison
from debxcross.core.build.facts import PackageFacts
from debxcross.core.build.natives import NONE, SAME, Choice, choose, native_from
from debxcross.errors import FetchError, GateError
from debxcross.steps.archive import probe
from debxcross.steps.build.debfacts import read_deb, remembered_facts
from debxcross.steps.context import Context

STEP = "compare"
#: Downloads, and packages being read, at one time.
_AT_ONCE = 4


@dataclass(frozen=True)
class Reference:
    """What a package is held against, and how it was chosen (core.build.natives).

    Without ``facts``, ``why`` says why there is nothing to compare it with.
    """

    how: str
    facts: PackageFacts | None = None
    why: str = ""
    #: What kept a package that is known from being fetched.
    trouble: FetchError | None = None


def find(context: Context, packages: Iterable[PackageFacts]) -> dict[str, Choice]:
    """Return the archive's package for each of ours, by the name of ours.

    Nothing is fetched but indexes, which the context has opened.
    """
    ours = {one.name: one for one in packages}
    request = {"ask": "natives", "names": sorted(ours),
               "architectures": list(dict.fromkeys((context.host.name, context.build.name)))}
    offered = [native_from(value) for value in probe.remembered(context, "natives", request, context.world)]
    return {name: choose(one.source, one.version, one.architecture, context.build.name,
                         [native for native in offered if native.package == name])
            for name, one in ours.items()}


def references(
    context: Context, packages: Sequence[PackageFacts], member: str = STEP
) -> dict[str, Reference]:
    """Return what each of our packages is held against, by its name, fetched where it is not known yet.

    What no archive has, or a mirror has lost, is told by ``why``.  Raises VerificationError for a
    file with another digest than the index says.
    """
    chosen = find(context, packages)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda one: _reference(context, member, one), chosen.values())
        return dict(zip(chosen, found))


def compared(
    facts: PackageFacts, reference: Reference, toolchain: Toolchain | None = None,
    profiles: tuple[str, ...] = (),
) -> Comparison:
    """Return one of our packages held against its reference; see core.build.compare for the rest."""
    if reference.facts is None:
        return Comparison(facts.name, facts.version, facts.architecture, how=reference.how,
                          notes=(reference.why,))
    return compare(reference.facts, facts, reference.how, toolchain=toolchain, profiles=profiles)


def toolchain_of(context: Context, compiler: str) -> Toolchain | None:
    """Return the release's compiler, ``compiler`` being GCC's major version; None when it cannot be told.

    A small package of GCC's own is fetched, which was packed when the compiler was.
    """
    name = f"gcc-{compiler}-base"
    request = {"ask": "natives", "names": [name], "architectures": [context.host.name]}
    offered = [native_from(value) for value in probe.remembered(context, "natives", request, context.world)]
    if not offered:
        return None
    newest = max(offered, key=lambda one: NativeVersion(one.version))
    found = _reference(context, STEP, Choice(SAME, newest))
    return Toolchain(f"{name} {newest.version}", found.facts.packed) if found.facts else None


def _reference(context: Context, member: str, choice: Choice) -> Reference:
    how, native = choice.how, choice.native
    if native is None:
        return Reference(how, why=choice.why)
    facts = remembered_facts(context.store, native.file.sha256)
    if facts is not None:
        return Reference(how, facts)
    try:
        (stored,) = context.supply.fetch(member, [native.file])
        return Reference(how, read_deb(context.store, context.store.path(stored.sha256)))
    except FetchError as error:
        if type(error) is not FetchError:
            raise
        return Reference(NONE, why=f"{native.file.file} cannot be fetched: {_first_line(error)}", trouble=error)
    except GateError as error:
        return Reference(NONE, why=f"{native.file.file} cannot be read: {error.details}")


def _first_line(error: FetchError) -> str:
    return (error.details or error.brief).splitlines()[0]
