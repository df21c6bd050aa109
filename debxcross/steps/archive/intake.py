# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes in sources of one's own: reads a directory, fetches a commit, checks a .dsc.

What can be read without running anything of the source is read here, so that a plan needs no root: the
digest of the file set, debian/control and debian/changelog, the upstream tarballs.  steps.build.own
makes the .dsc, in a root.
"""
from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from debian.deb822 import Dsc

from debxcross.core.archive import own
from debxcross.core.archive.origin import DSC, GIT, Origin
from debxcross.core.archive.source import SourcePackage, from_fields
from debxcross.core.archive.taken import Commit, Contents, Taken, suffixed
from debxcross.core.artifact import StoredFile
from debxcross.core.border import read_as
from debxcross.core.build.environment import is_deb
from debxcross.core.key import digest
from debxcross.core.url import without_password
from debxcross.doors import deb, git, gpg, process
from debxcross.doors.fetch import fetch
from debxcross.doors.files import file_digest
from debxcross.doors.sourcefile import read_changelog, read_control
from debxcross.doors.store import Store
from debxcross.doors.tree import Tree, all_names, pack, read_tree
from debxcross.doors.web import Transfer
from debxcross.errors import (
    ConfigurationError, FetchError, PublishError, UnsupportedError, UsageError, VerificationError,
)

#: Raised when a commit that is remembered must be read again.
_SCHEMA = 1


@dataclass(frozen=True)
class Intake:
    """Where sources of one's own are taken in: the store, and how files are fetched, if they are at all."""

    store: Store
    transfer: Callable[[], Transfer]
    offline: bool = False

    def take(self, origin: Origin, pinned: str = "") -> Taken:
        """Return what there is at an origin; of a git repository the ``pinned`` commit when there is one.

        Raises UsageError for what is not there, ConfigurationError for a tree that cannot be a source,
        FetchError, VerificationError.
        """
        if origin.kind == DSC:
            return self._dsc(origin)
        contents = self._commit(origin, pinned) if origin.kind == GIT else self._directory(origin)
        texts, where = contents.texts, origin.words
        entry = own.top_entry(texts["changelog"], where)
        control = texts["control"]
        taken = Taken(origin, own.source_of(control, entry, where), control, entry, contents,
                      own.provided(control))
        if origin.suffix and not contents.commit.name:
            raise ConfigurationError(
                f"{where} has no commit, and version-suffix = \"git\" wants one",
                resolution="Commit it, or take version-suffix out of the chain.")
        return suffixed(taken)

    # Directories

    def _directory(self, origin: Origin) -> Contents:
        top = Path(origin.path()).expanduser()
        if not top.is_dir():
            raise UsageError(f"there is no directory {top}",
                             resolution="Name the directory that has debian/ in it; in a chain file, "
                                        "relative to that file.")
        in_git = git.is_work_tree(top)
        with self.store.work(shutil.rmtree) as scratch, ThreadPoolExecutor(1) as pool:
            # git looks at every file too, at the same time.
            asked = pool.submit(git.state, top) if in_git else None
            names = git.work_tree_names(top, scratch, origin.submodules) if in_git else all_names(top)
            tree = self._read(top, names)
            state = asked.result() if asked else git.State("", 0, False)
            commit = Commit(state.commit, state.time, "", state.changed)
            texts = _texts(tree, origin.words)
            upstream = self._upstream(origin, texts, top.resolve(), scratch, in_git)
        return Contents(tree.digest, texts, commit, upstream)

    def _read(self, top: Path, names: Iterable[str]) -> Tree:
        """Return the tree of a directory, and remember the digests of its files."""
        key = digest(["tree", str(top.resolve())])
        before = self.store.memo("tree", key) or ""
        tree = read_tree(top, names, before)
        if tree.known != before:
            self.store.remember("tree", key, tree.known)
        return tree

    def tree(self, taken: Taken) -> Tree:
        """Return a directory's tree once more, to be packed.  Raises UsageError when it has changed."""
        assert taken.contents is not None, "only trees are packed"
        top = Path(taken.origin.path()).expanduser()
        with self.store.work(shutil.rmtree) as scratch:
            names = (git.work_tree_names(top, scratch, taken.origin.submodules) if git.is_work_tree(top)
                     else all_names(top))
            tree = self._read(top, names)
        if tree.digest != taken.contents.digest:
            raise UsageError(f"{top} has changed since the plan was made",
                             resolution="Run the same command again.")
        return tree

    # Repositories

    def _commit(self, origin: Origin, pinned: str) -> Contents:
        name, commit = ("", pinned) if pinned else git.resolve(self._url(origin), origin.ref_kind, origin.ref)
        key = digest([_SCHEMA, without_password(origin.url), commit, origin.submodules])
        known = self.store.memo("commit", key)
        if known is not None and not origin.keyring:
            contents = read_as(Contents, known)
            if contents.archive and self.store.has(contents.archive, *contents.upstream):
                return contents
        with self.store.work(shutil.rmtree) as scratch:
            clone = git.Clone(self._url(origin), commit, name, scratch)
            if origin.keyring and name:
                _verify(clone, name, Path(origin.path(origin.keyring)), scratch)
            contents = self._checked_out(origin, clone, Commit(commit, clone.time, name), scratch)
        self.store.remember("commit", key, contents)
        return contents

    def _url(self, origin: Origin) -> str:
        if self.offline and origin.remote and not origin.place.startswith("file:"):
            raise FetchError(
                f"the store lacks the commit of {origin.words}, and --offline allows no network", "",
                "Run once without --offline.")
        return origin.url

    def _checked_out(self, origin: Origin, clone: git.Clone, commit: Commit, scratch: Path) -> Contents:
        top = scratch / "tree"
        clone.check_out(top, origin.submodules)
        tree = read_tree(top, all_names(top))
        texts = _texts(tree, origin.words)
        pack(tree, scratch / "tree.tar", commit.time)
        return Contents(tree.digest, texts, commit, self._upstream(origin, texts, clone, scratch, True),
                        self.store.put(scratch / "tree.tar"))

    # What is upstream's

    def _upstream(self, origin: Origin, texts: Mapping[str, str], place: Path | git.Clone, scratch: Path,
                  in_git: bool) -> tuple[StoredFile, ...]:
        """Return the upstream tarballs that a tree of this format needs: beside it, or of its repository."""
        where = origin.words
        entry = own.top_entry(texts["changelog"], where)
        form = own.format_of(texts.get("source/format", ""), entry.version, where)
        if not own.needs_orig(form, entry.version):
            return ()
        if isinstance(place, Path):
            beside = place.parent
            if names := own.orig_names([path.name for path in beside.iterdir()], entry.source, entry.version):
                return tuple(self.store.put(beside / name) for name in names)
        upstream = own.upstream_of(texts.get("gbp.conf", ""), entry.version)
        stem = f"{entry.source}_{own.upstream_version(entry.version)}.orig"
        if in_git and upstream.pristine and isinstance(place, Path) and process.find("pristine-tar"):
            names = own.orig_names(git.pristine_names(place), entry.source, entry.version)
            if names and all(git.write_pristine(place, name, scratch) for name in names):
                return tuple(self.store.put(scratch / name) for name in names)
        if in_git:
            ref = f"refs/tags/{upstream.tag}"
            found = ref if isinstance(place, Path) else place.fetch_ref(ref)
            prefix = f"{entry.source}-{own.upstream_version(entry.version)}"
            if found and git.write_upstream(place, found, prefix, scratch / f"{stem}.tar"):
                return (self.store.put(scratch / f"{stem}.tar"),)
        repository = f"; in its repository, neither pristine-tar nor the tag {upstream.tag}" if in_git else ""
        raise ConfigurationError(
            f"{where}: the upstream tarball {stem}.tar.* is missing",
            f"The source format wants one. It is not beside the directory{repository}.",
            "Put it beside the directory: 'gbp export-orig', 'origtargz' or 'uscan "
            "--download-current-version' makes it. Or make the source native: "
            f"{own.NATIVE!r} in debian/source/format.")

    # Source packages

    def _dsc(self, origin: Origin) -> Taken:
        with self.store.work(shutil.rmtree) as scratch:
            path = self._fetched(origin, scratch) if origin.remote else Path(origin.path()).expanduser()
            if not path.is_file():
                raise UsageError(f"there is no file {path}",
                                 resolution="Name a .dsc with its files beside it.")
            stored = self.store.put(path)
            _check_digest(origin, stored)
            source = _described(path, stored, origin.words)
            for file in source.files:
                if not self.store.has(file):
                    self._beside(origin, path, file, scratch)
        files = {file.name: self.store.path(file.sha256) for file in source.files}
        control = read_control(files)
        entry = own.top_entry(read_changelog(files), origin.words)
        return Taken(origin, source, control, entry, None, own.provided(control))

    def deb(self, origin: Origin) -> tuple[Mapping[str, str], StoredFile]:
        """Return a prebuilt package's control fields, and the package in the store by its proper name."""
        with self.store.work(shutil.rmtree) as scratch:
            path = self._fetched(origin, scratch) if origin.remote else Path(origin.path()).expanduser()
            if not path.is_file():
                raise UsageError(f"there is no file {path}",
                                 resolution="Name a .deb; in a chain file, relative to that file.")
            control = deb.read_facts(path).control
            stored = self.store.put(path)
        _check_digest(origin, stored)
        words = [control.get(name, "") for name in ("Package", "Version", "Architecture")]
        name = f"{words[0]}_{words[1].partition(':')[2] or words[1]}_{words[2]}.deb"
        if not is_deb(name):
            raise VerificationError(f"{origin.words} has a control file of no package",
                                    f"Its fields make {name!r}.", "Ask whoever built it for a sound package.")
        return control, replace(stored, name=name)

    def _fetched(self, origin: Origin, scratch: Path) -> Path:
        target = scratch / origin.place.rpartition("/")[2]
        stored = StoredFile(target.name, origin.sha256, 0)
        if self.store.path(origin.sha256).exists():
            self.store.lay_out((stored,), scratch)
            return target
        self._check_online(origin)
        return fetch((origin.place,), target, sha256=origin.sha256, transfer=self.transfer())

    def _check_online(self, origin: Origin) -> None:
        if self.offline:
            raise FetchError(f"the store lacks {origin.words}, and --offline allows no network", "",
                             "Run once without --offline.")

    def _beside(self, origin: Origin, dsc: Path, file: StoredFile, scratch: Path) -> None:
        path = dsc.with_name(file.name)
        if origin.remote:
            self._check_online(origin)
            path = fetch((f"{origin.place.rpartition('/')[0]}/{file.name}",), scratch / file.name,
                         sha256=file.sha256, size=file.size, transfer=self.transfer())
        if not path.is_file() or file_digest(path)[0] != file.sha256:
            raise VerificationError(
                f"{path} is {'not the file that' if path.is_file() else 'missing, which'} {dsc.name} names",
                "",
                "Put all files of the source package beside the .dsc ('dcmd' of devscripts copies them).")
        self.store.put(path)


def _described(path: Path, stored: StoredFile, where: str) -> SourcePackage:
    """Return the source that a .dsc describes; it counts as one's own, so it makes its packages for all."""
    fields = dict(Dsc(path.read_text(errors="replace")))
    form = str(fields.get("Format", ""))
    own.format_of(form or own.NATIVE, "1", where)
    # python-debian takes lists of files apart; from_fields() reads them as they are written.
    plain = {name: value for name, value in fields.items() if isinstance(value, str)}
    sums = fields.get("Checksums-Sha256") or ()
    plain["Checksums-Sha256"] = "\n".join(f"{one['sha256']} {one['size']} {one['name']}" for one in sums)
    found = from_fields({**plain, "Package": plain.get("Source", "")}, "")
    more = ", ".join(filter(None, (found.build_depends_arch, plain.get("Build-Depends-Indep"))))
    return replace(found, files=tuple(sorted((*found.files, stored), key=lambda one: one.name)),
                   build_depends_arch=more, with_all=True)


def _check_digest(origin: Origin, stored: StoredFile) -> None:
    if origin.sha256 and stored.sha256 != origin.sha256:
        raise VerificationError(f"{origin.words} is not the file that was named",
                                f"expected sha256 {origin.sha256}, it has {stored.sha256}",
                                "Find out which of the two is right; nothing of it is used.")


def _texts(tree: Tree, where: str) -> Mapping[str, str]:
    """Return the files of debian/ that are read, by their names there."""
    found = {name: tree.text(f"debian/{name}") for name in own.READ}
    missing = [f"debian/{name}" for name, needed in own.READ.items() if needed and found[name] is None]
    if missing:
        raise UnsupportedError(
            f"{where} is no Debian source: it has no {' and no '.join(missing)}", "",
            "Name a directory with debian/ in it. In a git repository, files that are ignored do not count.")
    return {name: text for name, text in found.items() if text is not None}


def _verify(clone: git.Clone, name: str, keyring: Path, scratch: Path) -> None:
    if not keyring.is_file():
        raise UsageError(f"there is no keyring {keyring}",
                         resolution="Export the keys: gpg --export KEY > FILE")
    text, signature = clone.signed_tag(name)
    (scratch / "tag").write_text(text)
    (scratch / "tag.asc").write_text(signature)
    try:
        gpg.verify(keyring, scratch / "tag", scratch / "tag.asc")
    except PublishError as error:
        raise VerificationError(
            f"{name} of {without_password(clone.url)} is not signed by a key in {keyring}", error.details,
            "Nothing of it is used. Check the tag with 'git verify-tag', and the keyring with "
            "'gpg --show-keys'.") from error


def name_of(origin: Origin, intake: Intake) -> str:
    """Return the source's name at an origin: of a .dsc from its file name, else from its changelog."""
    if origin.kind == DSC:
        return Path(origin.place).name.split("_")[0]
    if origin.kind == GIT:
        return intake.take(origin).source.name
    path = Path(origin.path()).expanduser() / "debian/changelog"
    if not path.is_file():
        return intake.take(origin).source.name  # which says what is wrong
    return own.top_entry(path.read_text(errors="replace"), origin.words).source
