# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes projects by place: a directory, a file, an address or a git repository becomes a pinned file."""
from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.tags import parse_tag
from packaging.version import Version

from debxcross.core.artifact import StoredFile
from debxcross.core.key import digest
from debxcross.core.wheel import backend
from debxcross.core.wheel.direct import (
    ADDRESS, ARCHIVES, GIT, Direct, Origin, is_commit, parse_origin, without_secret,
)
from debxcross.core.wheel.index import IndexFile, Pin, normalise
from debxcross.core.wheel.requirement import ProjectOptions, Wanted
from debxcross.core.wheel.resolution import ProjectRelease, python_allows
from debxcross.doors import git, tree as trees
from debxcross.doors.fetch import fetch
from debxcross.doors.files import file_digest
from debxcross.doors.tree import Tree
from debxcross.doors.wheelfile import open_wheel
from debxcross.errors import GateError, UnsupportedError, UsageError, VerificationError
from debxcross.steps.build.baseroot import BaseRoot
from debxcross.steps.context import Context
from debxcross.steps.wheel.inputs import WheelSpec
from debxcross.steps.wheel.pins import remember_pin, stored_pin
from debxcross.steps.wheel.project import make_sdist, project_facts, sdist_pin
from debxcross.steps.wheel.recipe import NO_TIME, SdistRecipe, static_name
from debxcross.steps.wheel.resolve import STEP, BuildRequirements, Machine


@dataclass(frozen=True)
class FileSet:
    """The files of a project, their time in seconds since the epoch, the commit they are of ("" for none).

    ``changed`` says that they are not those of the commit.
    """

    tree: Tree
    time: int
    commit: str = ""
    changed: bool = False


@dataclass(frozen=True)
class Taken:
    """What was taken: a release with its one file, how it is required, and what is to be said of it."""

    release: ProjectRelease
    wanted: Wanted
    notes: tuple[str, ...] = ()


def read_directory(context: Context, directory: Path, without: Iterable[Path] = ()) -> FileSet:
    """Read the files of a directory that count; nothing below ``without`` does.

    In a git work tree they are those that git tracks or would track, elsewhere all but version control's.
    """
    key = digest(["tree", str(directory)])
    with context.store.work(context.chroots.remove) as scratch:
        stands = git.state(directory) if git.is_work_tree(directory) else None
        names = (trees.all_names(directory) if stands is None
                 else git.work_tree_names(directory, scratch, False))
        hidden = tuple(f"{one.relative_to(directory)}/" for one in without if one.is_relative_to(directory))
        known = context.store.memo("tree", key) or ""
        found = trees.read_tree(directory, [name for name in names if not name.startswith(hidden)], known)
    context.store.remember("tree", key, found.known)
    return FileSet(found, NO_TIME) if stands is None else FileSet(
        found, stands.time or NO_TIME, stands.commit, stands.changed)


@contextmanager
def read_commit(context: Context, url: str, reference: str, subdirectory: str) -> Iterator[FileSet]:
    """Fetch a commit and yield the files of one of its directories, which are there until the end.

    Raises FetchError for a reference that is gone, UsageError for a directory that it has not.
    """
    name, commit = git.resolve(url, "commit" if is_commit(reference) else "", reference)
    with context.store.work(context.chroots.remove) as scratch:
        clone = git.Clone(url, commit, name, scratch)
        clone.check_out(scratch / "files", False)
        top = scratch / "files" / subdirectory if subdirectory else scratch / "files"
        if not top.is_dir():
            raise UsageError(f"{without_secret(url)} has no directory {subdirectory} at {commit}",
                             resolution="Correct #subdirectory=…")
        yield FileSet(trees.read_tree(top, trees.all_names(top)), clone.time, commit)


@dataclass(frozen=True)
class Taker:
    """Takes projects by place; ``base`` makes the base root of builds, ``here`` is the Python that runs it.

    ``device`` is the device's; ``without`` are directories of our own that are part of no project.
    """

    context: Context
    base: Callable[[], BaseRoot]
    build: BuildRequirements
    here: Machine
    device: Machine
    options: Mapping[str, ProjectOptions]
    without: Sequence[Path] = ()

    def take(self, direct: Direct) -> Taken:
        """Have the file of a project in the store: as it is, or as the sdist that its own back end makes.

        Raises UsageError, ConfigurationError, FetchError, VerificationError, GateError, BuildError,
        UnsupportedError and UnsatisfiableError, naming the place.
        """
        self.context.busy(STEP, f"looking at {direct.text}")
        if direct.kind == GIT:
            with read_commit(self.context, direct.place, direct.reference, direct.subdirectory) as files:
                return self._made(direct, files, Origin(
                    f"git+{without_secret(direct.place)}", files.tree.digest, files.commit,
                    direct.subdirectory))
        if direct.kind == ADDRESS:
            with self.context.store.work(self.context.chroots.remove) as scratch:
                name = unquote(urlsplit(direct.place).path.rpartition("/")[2])
                path = fetch((direct.place,), scratch / name, sha256=direct.sha256,
                             transfer=self.context.supply.transfer)
                return self._file(direct, path, Origin(without_secret(direct.place)))
        path = Path(os.path.abspath(Path(direct.place).expanduser()))
        if path.is_dir():
            files = read_directory(self.context, path, self.without)
            return self._made(direct, files, Origin(
                path.as_uri(), files.tree.digest, files.commit, dirty=files.changed))
        if path.is_file() and path.name.lower().endswith(ARCHIVES):
            return self._file(direct, path, Origin(path.as_uri()))
        raise UsageError(
            f"{direct.text} is neither a project's directory nor a wheel nor an sdist",
            "There is no such file." if not path.exists() else "",
            "Name a directory with pyproject.toml or setup.py, or a file that ends in "
            f"{', '.join(ARCHIVES)}.")

    def _made(self, direct: Direct, files: FileSet, origin: Origin) -> Taken:
        """Make the sdist of a file set."""
        if direct.sha256:
            raise UsageError(f"{direct.text} is a directory, which has no hash that could be compared",
                             resolution="Give hashes of files, or name the project's sdist.")
        pyproject, facts = project_facts(files.tree, direct.text)
        name = static_name(pyproject) or direct.name or _word(Path(direct.place).name)
        option = self.options.get(name, ProjectOptions())
        tools = self.build.pins(direct.text, backend.build_requirements(facts, option.build_requires))
        recipe = SdistRecipe(
            name, files.tree.digest, files.time, facts, tools, self.here.python,
            _packages(self.context, self.here.python, backend.build_packages(facts, option.build_packages)),
            option.environment, option.settings)
        made = make_sdist(self.context, self.base(), recipe, files.tree)
        notes = [f"{made.pin.name} {made.pin.version} is made of {direct.text}" + (
            f", commit {files.commit[:12]}" if files.commit else "")]
        if files.changed:
            notes = [f"{notes[0]}, with changes that are in no commit: it cannot be locked"]
        return self._taken(direct, made.pin, made.file, origin, facts.requires_python, notes)

    def _file(self, direct: Direct, path: Path, origin: Origin) -> Taken:
        """Take a wheel or an sdist as it is."""
        if direct.sha256 and (found := file_digest(path)[0]) != direct.sha256:
            raise VerificationError(f"{direct.text} is not the file that was asked for",
                                    f"expected sha256 {direct.sha256}, found {found}",
                                    "Correct the hash, or name the right file.")
        requires_python = ""
        if path.suffix == ".whl":
            with open_wheel(path) as (content, _):
                pin, requires_python = Pin(normalise(content.name), content.version), content.requires_python
                tags = {tag for text in content.tags for tag in parse_tag(text)}
            if not tags & set(self.device.tags):
                raise UnsupportedError(
                    f"{path.name} is not for Python {self.device.python} on any machine",
                    f"Its tags: {', '.join(sorted(map(str, tags)))}. Compiled modules are built for the "
                    "device.",
                    "Name the project's directory or its sdist instead.")
        else:
            pin = sdist_pin(path)
        stored = self.context.store.put(path, path.name)
        remember_pin(self.context, pin, stored)
        return self._taken(direct, pin, stored, origin, requires_python, ())

    def _taken(self, direct: Direct, pin: Pin, file: StoredFile, origin: Origin, requires_python: str,
               notes: Sequence[str]) -> Taken:
        if direct.name not in ("", pin.name):
            raise GateError(f"{direct.text} is {pin.name} {pin.version}, not {direct.name}", "",
                            "Correct the name before the @.")
        if not python_allows(requires_python, self.device.full_version):
            raise UnsupportedError(
                f"{pin.name} {pin.version} is for Python {requires_python}, the device has "
                f"{self.device.full_version}", f"From {direct.text}.",
                "Take another version of it, or another --release.")
        extras = f"[{','.join(direct.extras)}]" if direct.extras else ""
        release = ProjectRelease(pin.name, Version(pin.version), IndexFile(
            file.name, origin.to_text(), file.sha256, requires_python, size=file.size))
        return Taken(release, Wanted(f"{pin.name}{extras}=={pin.version}", direct.origin,
                                     (direct.sha256,) if direct.sha256 else ()), tuple(notes))


def restore(context: Context, base: BaseRoot, spec: WheelSpec) -> None:
    """Have the file of a member in the store that is in no index: taken, or made, again where it is missing.

    Raises VerificationError when what is there is not what it was, FetchError, and what taking raises.
    """
    member, pin = spec.member, spec.member.pin
    if stored_pin(context, member.name, pin) is not None:
        return
    origin = parse_origin(member.origin)
    if not origin.place.startswith("file:"):
        context.supply.check_online(member.name, [f"{pin.file} ({pin.sha256[:12]}…), from {origin.place}"])
    context.busy(member.name, f"taking {pin.file} from {origin.place}")
    if origin.git:
        url = origin.place.removeprefix("git+")
        with read_commit(context, url, origin.commit, origin.subdirectory) as files:
            _make_again(context, base, spec, files)
        return
    path = Path(unquote(urlsplit(origin.place).path))
    if origin.tree:
        if not path.is_dir():
            raise _gone(spec, f"the directory {path} is not there")
        files = read_directory(context, path)
        if files.tree.digest != origin.tree:
            raise _gone(spec, f"the files in {path} are not those of which {pin.file} was made")
        _make_again(context, base, spec, files)
        return
    with context.store.work(context.chroots.remove) as scratch:
        if not origin.place.startswith("file:"):
            path = fetch((origin.place,), scratch / pin.file, sha256=pin.sha256,
                         transfer=context.supply.transfer)
        if not path.is_file() or file_digest(path)[0] != pin.sha256:
            raise _gone(spec, f"{path} is not the file that was pinned")
        remember_pin(context, Pin(normalise(pin.name), pin.version), context.store.put(path, pin.file))


def _make_again(context: Context, base: BaseRoot, spec: WheelSpec, files: FileSet) -> None:
    member = spec.member
    _, facts = project_facts(files.tree, member.name)
    made = make_sdist(context, base, SdistRecipe(
        normalise(member.name), files.tree.digest, files.time, facts, spec.tools, member.python,
        _packages(context, member.python, backend.build_packages(facts, ())), member.environment,
        member.settings), files.tree)
    if made.file.sha256 != member.pin.sha256:
        raise _gone(spec, f"its sdist has other bytes now: sha256 {made.file.sha256}")


def _gone(spec: WheelSpec, what: str) -> VerificationError:
    pin = spec.member.pin
    return VerificationError(
        f"{pin.name} {pin.version}: {what}",
        f"pinned is {pin.file}, sha256 {pin.sha256}, which the store has not",
        "Restore it, bring the file with 'debxcross store import', or pin what is there now with "
        "'debxcross wheel'.")


def _packages(context: Context, python: str, names: Sequence[str]) -> tuple[str, ...]:
    build = context.build.name
    return (f"python{python}:{build}", *(f"{name}:{build}" for name in names))


def _word(text: str) -> str:
    """Return a directory's name as one that a project could have."""
    return normalise(re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")) or "project"
