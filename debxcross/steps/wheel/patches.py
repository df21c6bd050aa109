# SPDX-License-Identifier: GPL-3.0-or-later
"""Applies patches to sdists: to the tree that is built, and to the texts that say what is built."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from debxcross.core import patch
from debxcross.core.build import commands
from debxcross.core.chain.chain import WheelMember
from debxcross.core.patch import RulesPatch
from debxcross.core.wheel.patch import narrowed
from debxcross.doors import process
from debxcross.doors.chroot import Session
from debxcross.errors import PatchError


def patch_tree(session: Session, binds: Mapping[Path, str], log: Path, tree: str, member: WheelMember,
               rules: Sequence[RulesPatch], shell: str, say: Callable[[str], None]) -> None:
    """Apply patches to the unpacked sdist in a build root; PatchError has the hunk that fails.

    ``shell`` is the command that enters the root.
    """
    for rule in rules:
        say(f"applying {rule.name}")
        done = session.run(commands.PATCH_ARGV, stdin=patch.diff_of(rule.text), binds=binds,
                           user=commands.BUILDER, directory=tree)
        with log.open("a") as file:
            file.write(done.stdout + done.stderr)
        if done.exit_status:
            raise _failure(rule, member.pin.version, done.stdout,
                           f"The tree is kept: {shell}")


def patch_texts(texts: Mapping[str, str], rules: Sequence[RulesPatch], version: str,
                directory: Path) -> dict[str, str]:
    """Return an sdist's metadata as its patches leave it; ``directory`` is empty and private.

    Of each patch only what concerns these texts is looked at.  Raises PatchError.
    """
    mine = [one for rule in rules if (one := narrowed(rule, tuple(texts)))]
    if not mine:
        return dict(texts)
    for path, text in texts.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text, newline="")
    for rule in mine:
        done = process.run(commands.PATCH_ARGV, stdin=rule.text, directory=directory)
        if done.exit_status:
            raise _failure(rule, version, done.stdout, "")
    # A patch may also remove a file.
    return {path: (directory / path).read_bytes().decode("utf-8", "replace")
            for path in texts if (directory / path).is_file()}


def _failure(rule: RulesPatch, version: str, output: str, more: str) -> PatchError:
    return PatchError(
        f"the rules patch {rule.source}/{rule.name} does not apply to {version}",
        patch.failed_hunks(rule, output),
        f"Refresh the patch, or narrow its Applies-Versions. {more}".rstrip())
