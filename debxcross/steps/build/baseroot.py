# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes base roots: a root is a function of a list of packages, kept in the store and reused.

apt decides, on an empty machine, what a root consists of.  Those packages come into the store,
verified by digest, and mmdebstrap installs them from there and from nowhere else.
"""
from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from pathlib import Path

from debian.deb822 import Deb822

from debxcross.core.archive.predict import stanza_text
from debxcross.core.archive.world import World
from debxcross.core.artifact import StoredFile
from debxcross.core.build import commands
from debxcross.core.build.environment import InstalledPackage, PackageFile, RootRecipe, in_order
from debxcross.core.build.shims import root_packages
from debxcross.core.chain.lock import BUILD_ROOT, DEVICE, DEVICE_ROOT
from debxcross.core.key import digest
from debxcross.doors import deb
from debxcross.doors.apt import parse_print_uris, raise_for_apt
from debxcross.doors.mmdebstrap import make_root
from debxcross.errors import StoreError
from debxcross.steps.archive import probe
from debxcross.steps.build import shims
from debxcross.steps.context import Context


@dataclass(frozen=True)
class RootPlan:
    """The recipe of a root and the .debs it is made of."""

    recipe: RootRecipe
    files: tuple[PackageFile, ...]


@dataclass(frozen=True)
class BaseRoot:
    """An unpacked base root, what is installed in it, and what it was made of."""

    key: str
    directory: Path
    packages: tuple[InstalledPackage, ...]
    plan: RootPlan


def build_root_plan(context: Context, release: str, compiler: str, path_excludes: tuple[str, ...]) -> RootPlan:
    """Return the recipe of the base root for builds.  Raises UnsatisfiableError in apt's words."""
    world = context.world.of_release().for_build_root()
    files, stand_ins = context.held.part(BUILD_ROOT), shims.made(context)
    if files is None:
        names = commands.root_packages(context.host, context.build.name, compiler)
        if stand_ins:
            names = root_packages(context.host, probe.ask_compilers(context),
                                  [file.package.name for file in stand_ins])
        files = _packages(context, world, ("apt", "build-essential", *names), local=shims.index(context))
    elif stand_ins:
        files = tuple(sorted((*files, *stand_ins), key=lambda file: file.file))
    return RootPlan(RootRecipe(
        release, context.build.name, context.host.name, in_order(file.package for file in files),
        commands.dpkg_options(path_excludes), commands.root_commands()), files)


def device_root_plan(context: Context, release: str) -> RootPlan:
    """Return the recipe of the emulated device: the smallest root with apt."""
    files = context.held.part(DEVICE_ROOT)
    if files is None:
        files = _packages(context, context.world.of_release().for_device(), ("apt",), required=False)
    return RootPlan(RootRecipe(
        release, context.host.name, context.host.name, in_order(file.package for file in files),
        ("force-unsafe-io",), (), variant="apt"), files)


def _packages(
    context: Context, world: World, names: tuple[str, ...], *, required: bool = True, local: str = ""
) -> tuple[PackageFile, ...]:
    """Return what apt installs on an empty machine: essential (and required) packages and ``names``.

    ``local`` is the text of an index of what is there beside the archive.
    """
    asked = commands.bootstrap_argv(world.build_architecture, names, required=required)
    question = digest({"asked": asked, "state": context.apt.state(world),
                       **({"local": local} if local else {})})
    known = context.store.memo("root-packages", question)
    if known is not None:
        return tuple(PackageFile(**one) for one in known)
    with context.store.work(context.chroots.remove) as directory:
        answer = context.apt.view(directory / "apt", world, local=local).run(asked)
    raise_for_apt(answer, "the packages of a base root cannot be installed together")
    files = parse_print_uris(answer.stdout)
    context.store.remember("root-packages", question, files)
    return files


def promised_root(context: Context, wanted: RootPlan) -> BaseRoot:
    """Return the base root whether it has been made or not: it is what its packages are."""
    key = wanted.recipe.key
    return BaseRoot(key, context.store.roots.place(_name(context, key)), wanted.recipe.packages, wanted)


def _name(context: Context, key: str) -> str:
    return context.chroots.root_name(key)


def known_root(context: Context, wanted: RootPlan) -> BaseRoot | None:
    """Return the base root when the store has it, without starting anything."""
    key = wanted.recipe.key
    name = _name(context, key)
    listed = context.store.roots.packages(name)
    try:
        packages = None if listed is None else tuple(InstalledPackage(**one) for one in listed)
    except TypeError:
        packages = None  # damaged
    return None if packages is None else BaseRoot(key, context.store.roots.place(name), packages, wanted)


def ensure_root(context: Context, wanted: RootPlan, step: str) -> tuple[BaseRoot, bool]:
    """Return the base root, making it when it is not there, and whether it was made now.

    Raises FetchError, VerificationError or what mmdebstrap's failure amounts to; nothing
    half-made stays.
    """
    if found := known_root(context, wanted):
        return found, False
    with context.store.lock(f"root-{wanted.recipe.key}",
                            lambda: context.busy(step, "another run makes it; waiting")):
        if found := known_root(context, wanted):
            return found, False
        return _make(context, wanted, step), True


def _make(context: Context, wanted: RootPlan, step: str) -> BaseRoot:
    store, root = context.store, wanted.recipe
    log = context.log(step)
    name = _name(context, root.key)
    if store.roots.place(name).exists():
        store.roots.drop(name, context.chroots.remove)  # left by a run that was killed
    files = context.supply.fetch(step, wanted.files)
    architectures = tuple(dict.fromkeys((root.build_architecture, root.host_architecture)))
    context.busy(step, f"mmdebstrap {root.release} for {' and '.join(architectures)}")
    with store.work(context.chroots.remove) as work:
        repository = work / "repository"
        epoch = _offer(context, files, repository, root)
        sources, options = work / "sources.list", work / "apt.conf"
        sources.write_text("")
        options.write_text(commands.apt_options(root.build_architecture, root.host_architecture))
        made = work / "made"
        make_root(
            context.chroots, made, root.release, sources, architectures,
            [f"{one.name}:{root.build_architecture if one.architecture == 'all' else one.architecture}"
             for one in root.packages],
            apt_options=options, dpkg_options=root.dpkg_options, commands=root.commands, log=log,
            variant=root.variant, hooks=commands.repository_hooks(shlex.quote(str(repository))), epoch=epoch)
        _check(made, root)
        target = store.roots.commit(name, made, root.packages, context.chroots.rename)
    return BaseRoot(root.key, target, root.packages, wanted)


def device_index(context: Context) -> str:
    """Return a Packages text of all that the lock lets a device have of Debian; "" without a lock."""
    locked = [file for part in (DEVICE_ROOT, DEVICE) for file in context.held.part(part) or ()]
    return "\n".join(
        stanza_text(deb.read_facts(context.store.path(file.sha256)).control, f"./{file.name}", file.size,
                    file.sha256)
        for file in context.supply.fetch("device", locked))


def _offer(context: Context, files: tuple[StoredFile, ...], directory: Path, root: RootRecipe) -> int:
    """Make a repository of exactly these packages; return when the youngest of them was packed.

    It needs no signature: every package has been compared with the digest of a signed index.
    """
    # mmdebstrap's tar stops when another step, or run, makes or drops a link to what it reads.
    context.store.lay_out(files, directory, copies=True)
    stanzas = []
    epoch = 0
    for file in files:
        path = directory / file.name
        stanzas.append(stanza_text(deb.read_facts(path).control, f"./{file.name}", file.size, file.sha256))
        epoch = max(epoch, deb.packed_at(path))
    index = "\n".join(stanzas).encode()
    (directory / "Packages").write_bytes(index)
    architectures = sorted({root.build_architecture, root.host_architecture})
    (directory / "Release").write_text(commands.release_text(
        root.release, architectures, hashlib.sha256(index).hexdigest(), len(index)))
    return epoch


def _check(made: Path, root: RootRecipe) -> None:
    """Raise StoreError unless exactly the recipe's packages are installed."""
    with (made / "var/lib/dpkg/status").open() as file:
        found = {
            f"{stanza['Package']}:{stanza['Architecture']}={stanza['Version']}"
            for stanza in Deb822.iter_paragraphs(file) if stanza.get("Status") == "install ok installed"}
    wrong = sorted(found ^ {one.words for one in root.packages})
    if wrong:
        raise StoreError(
            "the new base root is not what was asked for", f"{len(wrong)} packages differ: {wrong[:8]}",
            "Read its log; a package may be missing from the list or be installed by another's script.")
