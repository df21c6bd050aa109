# SPDX-License-Identifier: GPL-3.0-or-later
"""The use case that holds packages against Debian's own, or against other packages."""
from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from debian.debian_support import NativeVersion

from debxcross import config
from debxcross.app.interrupts import interruptible
from debxcross.app.opening import Opening
from debxcross.app.request import Request, remembered_request
from debxcross.core.architecture import ARCHITECTURES
from debxcross.core.build import comparisontext
from debxcross.core.build.compare import compare, described
from debxcross.core.build.differences import LOST, Comparison, Difference, worst_first
from debxcross.core.build.facts import PackageFacts
from debxcross.core.build.losses import accept
from debxcross.core.build.natives import NEAREST, NONE, OTHER_ARCHITECTURE, SAME, plain_version
from debxcross.core.chain.chain import Chain
from debxcross.core.release import release as known_release
from debxcross.doors import apt, files
from debxcross.doors.store import Store
from debxcross.errors import ConfigurationError, GateError, UsageError
from debxcross.events import Listener
from debxcross.run.status import read_events
from debxcross.steps.archive import probe
from debxcross.steps.build.debfacts import read_deb
from debxcross.steps.build.natives import Reference, compared, references, toolchain_of

_LOG = Path("logs", "events.jsonl")


@dataclass(frozen=True)
class CompareRequest:
    """What ``compare`` was asked for.

    ``paths`` are .debs, directories of them, or outputs of runs; ``against`` is such a path too,
    None for Debian's own packages.  ``release`` says whose, where no run tells it.
    """

    paths: tuple[Path, ...]
    against: Path | None = None
    release: str = "bookworm"
    store: Path | None = None
    refresh: bool = False
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Packages:
    """What is in one place: packages by name and architecture, and .debs that cannot be read."""

    found: Mapping[tuple[str, str], PackageFacts]
    damaged: tuple[Comparison, ...] = ()


def compare_packages(request: CompareRequest, listeners: Sequence[Listener]) -> tuple[Comparison, ...]:
    """Compare every package of the given places, the worst first.

    Raises UsageError for a place without packages; FetchError, VerificationError and HostError
    when Debian's own cannot be asked for.
    """
    store = Store(config.load(store=request.store).store)
    if request.against is not None:
        ours = [_read(store, path) for path in request.paths]
        found = _against(_merged(ours), _read(store, request.against),
                         whole=all(path.is_dir() for path in request.paths))
    else:
        found = [comparison for path in request.paths
                 for comparison in _against_debian(request, path, _read(store, path), listeners)]
    return worst_first(found)


def debs_in(path: Path) -> tuple[Path, ...]:
    """Return the .debs that a path names, without those of debug symbols.

    Of an output those of its last run.  Raises UsageError when there is none.
    """
    if path.is_file():
        return (path,)
    found = sorted(one for one in path.rglob("*.deb") if "-dbgsym_" not in one.name)
    summary = files.read_json(path / "summary.json", below=path)
    debs = summary.get("debs") if isinstance(summary, dict) else None
    if isinstance(debs, list):
        names = {deb.get("file") for deb in debs if isinstance(deb, dict)}
        found = [one for one in found if one.name in names] or found
    if not found:
        raise UsageError(f"there is no .deb in {path}" if path.is_dir() else f"there is no {path}",
                         resolution="Name .deb files, a directory of them, or the output of a run.")
    return tuple(found)


def _read(store: Store, path: Path) -> _Packages:
    found: dict[tuple[str, str], PackageFacts] = {}
    damaged = []
    for file in debs_in(path):
        try:
            facts = read_deb(store, file)
        except GateError as error:
            damaged.append(Comparison(file.name, "", "", damage=f"{error.details or error.brief}"))
            continue
        if facts.name.endswith("-dbgsym"):
            continue
        place = (facts.name, facts.architecture)
        # A pool keeps what snapshots need: the newest version counts.
        if place not in found or NativeVersion(facts.version) > NativeVersion(found[place].version):
            found[place] = facts
    return _Packages(found, tuple(damaged))


def _merged(places: Sequence[_Packages]) -> _Packages:
    return _Packages({key: facts for place in places for key, facts in place.found.items()},
                     tuple(one for place in places for one in place.damaged))


def _against(ours: _Packages, others: _Packages, whole: bool) -> list[Comparison]:
    """Compare two places by the packages' names.

    Where ours are ``whole`` directories, a package that only the other place has is lost.
    """
    found = [*ours.damaged, *others.damaged]
    seen = set()
    for (name, architecture), facts in ours.found.items():
        same = others.found.get((name, architecture))
        other = same or next((one for (known, _), one in sorted(others.found.items()) if known == name), None)
        if other is None:
            found.append(_uncompared(facts, "the other place has no package of this name"))
            continue
        seen.add((other.name, other.architecture))
        how = (OTHER_ARCHITECTURE if same is None else
               SAME if plain_version(other.version) == plain_version(facts.version) else NEAREST)
        found.append(compare(other, facts, how))
    architectures = {architecture for _, architecture in ours.found}
    for key, facts in others.found.items():
        if whole and key not in seen and facts.architecture in architectures:
            lost = Difference(LOST, facts.name, "package", facts.name, "", facts.version, "",
                              f"the package {facts.name} was not built")
            found.append(Comparison(facts.name, "", facts.architecture, described(facts), SAME, (lost,)))
    return found


def _uncompared(facts: PackageFacts, why: str) -> Comparison:
    return Comparison(facts.name, facts.version, facts.architecture, how=NONE, notes=(why,))


def _against_debian(
    request: CompareRequest, path: Path, ours: _Packages, listeners: Sequence[Listener]
) -> list[Comparison]:
    found = list(ours.damaged)
    for architecture, packages in _by_host(ours.found.values()).items():
        opening = _opening(request, path, architecture, listeners)
        with interruptible(opening.interrupt):
            context = opening.context()
            held = references(context, packages)
            compiler = probe.ask_archives(context, Chain("", opening.chain.release, ()), ()).compiler
            toolchain = toolchain_of(context, compiler)
            rules = {member.name: member.accept_losses for member in opening.chain.sources}
            found += [accept(compared(facts, held[facts.name], toolchain), rules.get(facts.source[0], ()))
                      for facts in packages]
        _raise_when_nothing_came(held)
    return found


def _raise_when_nothing_came(held: Mapping[str, Reference]) -> None:
    """Raise the fault of the network when it, and no lost file of a mirror, is why nothing was compared."""
    troubles = [one.trouble for one in held.values() if one.trouble is not None]
    if troubles and not any(one.facts for one in held.values()):
        raise troubles[0]


def _by_host(packages: Iterable[PackageFacts]) -> dict[str, list[PackageFacts]]:
    """Return packages by host architecture; those for all architectures belong to the first one.

    Without a first one they belong to this machine's.
    """
    found: dict[str, list[PackageFacts]] = {}
    for facts in packages:
        if facts.architecture in ARCHITECTURES:
            found.setdefault(facts.architecture, []).append(facts)
    others = [facts for facts in packages if facts.architecture not in ARCHITECTURES]
    if others:
        found.setdefault(next(iter(found), None) or apt.build_architecture(), []).extend(others)
    return found


def _opening(
    request: CompareRequest, path: Path, architecture: str, listeners: Sequence[Listener]
) -> Opening:
    """Return an invocation that sees what the run at ``path`` saw, else the release that was asked for."""
    log = path / _LOG
    started = read_events(log.read_text(errors="replace"))[:1] if log.is_file() else []
    told = started[0].data if started else {}
    wished = Request(architecture, release=request.release, store=request.store, refresh=request.refresh,
                     without=request.without, isolation="none")
    if told.get("architecture") == architecture and "request" in told:
        run = remembered_request(told["request"])
        store = request.store or (run.store if run.store and run.store.is_dir() else None)
        wished = replace(wished, release=str(told["release"]), store=store,
                         without=(*run.without, *request.without))
        try:
            return Opening(replace(wished, chain=run.chain, targets=run.targets), listeners)
        except (ConfigurationError, UsageError):
            pass  # its chain file is not there any more, or is another one: the release is known still
    name = known_release(wished.release).name
    return Opening(wished, listeners, Chain(name, name, ()))


def written(comparisons: Sequence[Comparison], style: str) -> str:
    """Return comparisons as "lines" (one a package), "all" (every difference) or "json"."""
    if style == "json":
        return comparisontext.render_json(comparisons)
    return comparisontext.render(comparisons, verbose=style == "all")


def write_page(comparisons: Sequence[Comparison], paths: Sequence[Path], target: Path) -> None:
    """Write comparisons as a page.  Raises DiskFullError, StoreError."""
    title = f"{', '.join(str(path) for path in paths)}, compared on {time.strftime('%Y-%m-%d')}"
    files.write(target, comparisontext.render_html(comparisons, title))
