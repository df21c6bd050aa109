# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes base roots: one per release, architectures and settings, kept in the store and reused."""
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from debian.deb822 import Deb822

from debxcross.core import recipe
from debxcross.core.environment import InstalledPackage, RootRecipe
from debxcross.core.key import canonical
from debxcross.core.world import TOOL_PRIORITY, World
from debxcross.doors.apt import AptRoot
from debxcross.errors import FetchError, StoreError
from debxcross.steps.context import Context


@dataclass(frozen=True)
class BaseRoot:
    """An unpacked base root and what is installed in it."""

    key: str
    directory: Path
    packages: tuple[InstalledPackage, ...]


def build_recipe(context: Context, release: str, compiler: str, path_excludes: tuple[str, ...]) -> RootRecipe:
    """Return the recipe of the base root for builds."""
    world = _without_tools(context.world.for_build_root())
    return RootRecipe(
        release, context.build.name, context.host.name, world.sources_list(context.apt.mirror_files),
        _releases(context.apt, world),
        recipe.root_packages(context.host, context.build.name, compiler),
        recipe.dpkg_options(path_excludes), recipe.root_commands(),
    )


def device_recipe(context: Context, release: str) -> RootRecipe:
    """Return the recipe of the emulated device: the smallest root with apt."""
    world = context.world.for_device()
    return RootRecipe(
        release, context.host.name, context.host.name, world.sources_list(context.apt.mirror_files),
        _releases(context.apt, world), (), ("force-unsafe-io",), (), variant="apt",
    )


def _without_tools(world: World) -> World:
    return World(world.build_architecture, world.host_architecture, tuple(
        use for use in world.suites if use.priority != TOOL_PRIORITY))


def _releases(apt: AptRoot, world: World) -> tuple[tuple[str, str], ...]:
    digests = apt.release_digests()
    return tuple(sorted((use.suite, digests.get(use.suite, "")) for use in world.suites))


def known_root(context: Context, wanted: RootRecipe) -> BaseRoot | None:
    """Return the base root when the store has it, without starting anything."""
    directory = context.store.directory / "roots" / wanted.key
    try:
        value = json.loads(directory.with_suffix(".json").read_bytes())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    if not directory.is_dir():
        return None
    return BaseRoot(wanted.key, directory, tuple(InstalledPackage(**one) for one in value))


def ensure_root(context: Context, wanted: RootRecipe, step: str) -> tuple[BaseRoot, bool]:
    """Return the base root, making it when it is not there, and whether it was made now.

    Raises what mmdebstrap's failure amounts to; nothing half-made stays.
    """
    if found := known_root(context, wanted):
        return found, False
    with context.store.lock(f"root-{wanted.key}",
                            lambda: context.busy(step, "another run makes it; waiting")):
        if found := known_root(context, wanted):
            return found, False
        return _make(context, wanted, step), True


def _make(context: Context, wanted: RootRecipe, step: str) -> BaseRoot:
    store = context.store
    log = context.log(step)
    target = store.directory / "roots" / wanted.key
    if target.exists():
        context.chroots.remove(target)  # left by a run that was killed
    architectures = tuple(dict.fromkeys((wanted.build_architecture, wanted.host_architecture)))
    context.busy(step, f"mmdebstrap {wanted.release} for {' and '.join(architectures)}")
    with store.work(context.chroots.remove) as work:
        sources, options = work / "sources.list", work / "apt.conf"
        sources.write_text(wanted.sources_list)
        acquire = [f'{name} "{value}";' for name, value in context.apt.acquire]
        options.write_text("\n".join((
            recipe.apt_options(wanted.build_architecture, wanted.host_architecture), *acquire, "")))
        made = work / "made"
        context.chroots.make_root(
            made, wanted.release, sources, architectures, wanted.packages, apt_options=options,
            dpkg_options=wanted.dpkg_options, commands=wanted.commands, log=log, variant=wanted.variant)
        packages = _installed(context, made, architectures, work)
        made.rename(target)
    entry = target.with_suffix(".json")
    temporary = entry.with_suffix(".tmp")
    temporary.write_bytes(canonical(packages))
    temporary.rename(entry)
    return BaseRoot(wanted.key, target, packages)


def _installed(
    context: Context, root: Path, architectures: tuple[str, ...], work: Path
) -> tuple[InstalledPackage, ...]:
    """Read what is installed and find each package's digest in the signed indexes."""
    with (root / "var/lib/dpkg/status").open() as file:
        found = sorted(
            (stanza["Package"], stanza["Architecture"], stanza["Version"])
            for stanza in Deb822.iter_paragraphs(file)
            if stanza.get("Status") == "install ok installed")
    if not found:
        raise StoreError("the new base root has no packages", resolution="Read its log.")
    world = World(architectures[0], architectures[-1], context.world.suites)
    view = context.apt.view(work / "apt", world)
    digests = view.ask({"ask": "digests", "packages": [
        [name, architectures[0] if architecture == "all" else architecture, version]
        for name, architecture, version in found]})
    unknown = [f"{name} {version}" for (name, _, version), sha256 in zip(found, digests) if not sha256]
    if unknown:
        raise FetchError(
            "the archive changed while the base root was made", ", ".join(unknown[:8]),
            "Run the same command with --refresh.")
    return tuple(InstalledPackage(*one, sha256) for one, sha256 in zip(found, digests))
