# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the source package of a tree of one's own, in a throw-away root, once for each tree.

Afterwards it is a source like any other.  Of the same tree the same root makes the same bytes, so the
package that is published is the one that anybody can make again.
"""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from debxcross.core.archive.taken import Taken
from debxcross.core.artifact import StoredFile
from debxcross.core.border import read_as
from debxcross.core.build import own
from debxcross.core.build.commands import BUILDER
from debxcross.core.build.log import lines_that_matter
from debxcross.core.key import digest
from debxcross.doors.regular import tail
from debxcross.doors.tree import pack
from debxcross.errors import BuildError
from debxcross.steps.archive.intake import Intake
from debxcross.steps.build.baseroot import BaseRoot
from debxcross.steps.build.buildroot import BuildRoot
from debxcross.steps.context import Context


@dataclass(frozen=True)
class SourceMaker:
    """The making of one tree's source package over a base root, which has dpkg-source."""

    context: Context
    taken: Taken
    base: BaseRoot

    @property
    def _question(self) -> str:
        taken = self.taken
        return digest([own.SCHEMA, self.base.key, taken.files, taken.source.name, taken.source.version, taken.time,
                       taken.new_entry])

    def known(self) -> tuple[StoredFile, ...] | None:
        """Return the files of the source package when the store has them."""
        if self.taken.contents is None:
            return self.taken.source.files
        told = self.context.store.memo("source-package", self._question)
        files = read_as(tuple[StoredFile, ...], told) if told is not None else ()
        return files if files and self.context.store.has(*files) else None

    def files(self) -> tuple[StoredFile, ...]:
        """Return the files of the source package, by name, made now when the store has them not.

        Raises BuildError, with the next move, for a tree of which dpkg-source makes none.
        """
        found = self.known()
        if found is None:
            store = self.context.store
            with store.work(self.context.chroots.remove) as directory:
                found = self._made(directory)
            store.remember("source-package", self._question, found)
        return found

    def _made(self, directory: Path) -> tuple[StoredFile, ...]:
        context, taken = self.context, self.taken
        name = taken.source.name
        root = BuildRoot(context, self.base, name, directory, title=f"{name} {taken.source.version}",
                         log=f"{name}.source")
        root.step("making the source package")
        shown = directory / "own"
        self._show(shown)
        root.binds[shown] = own.SHOWN
        done = root.run(["sh", "-c", own.source_script(taken)], user=BUILDER)
        if done.exit_status:
            said = tail(root.log)
            raise BuildError(f"{name} {taken.source.version}: no source package can be made of {taken.words}",
                             "\n".join(lines_that_matter(said)), own.advice(said))
        return tuple(context.store.put(path) for path in root.session.files(own.PLACE, "*")
                     if own.is_source_file(path.name))

    def _show(self, shown: Path) -> None:
        context, taken = self.context, self.taken
        contents = taken.contents
        assert contents is not None, "a .dsc is there already"
        context.store.lay_out(contents.upstream, shown)
        if contents.archive is not None:
            context.store.lay_out((StoredFile(own.TREE, contents.archive.sha256, contents.archive.size),), shown)
        else:
            tree = Intake(context.store, lambda: context.supply.transfer).tree(taken)
            pack(tree, shown / own.TREE, taken.time)
        if taken.new_entry:
            (shown / own.ENTRY).write_text(taken.new_entry)
