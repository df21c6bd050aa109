# SPDX-License-Identifier: GPL-3.0-or-later
"""Applies patches to sdists: to the tree that is built, and to the texts that say what is built."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from debxcross.core import patch
from debxcross.core.build import commands
from debxcross.core.patch import RulesPatch
from debxcross.core.wheel.patch import narrowed
from debxcross.doors import process
from debxcross.errors import PatchError
from debxcross.steps.build.buildroot import BuildRoot


def patch_tree(root: BuildRoot, tree: str, version: str, rules: Sequence[RulesPatch]) -> None:
    """Apply patches to the unpacked sdist in a build root; PatchError has the hunk that fails."""
    for rule in rules:
        root.step(f"applying {rule.name}")
        done = root.noted(commands.PATCH_ARGV, stdin=patch.diff_of(rule.text), user=commands.BUILDER,
                          directory=tree)
        if done.exit_status:
            raise _failure(rule, version, done.stdout,
                           f"The tree is kept: {root.context.shell_command(root.name)}")


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
