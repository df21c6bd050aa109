# SPDX-License-Identifier: GPL-3.0-or-later
"""The twin gate: holds what a source build made against Debian's own packages, before it counts."""
from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from debxcross.core.build import commands
from debxcross.core.build.losses import AcceptedLoss, accept, loss_verdicts, losses, raise_for_losses
from debxcross.core.gate import Verdict
from debxcross.doors.regular import regular_files, tail
from debxcross.steps.build.buildroot import BuildRoot
from debxcross.steps.build.debfacts import read_deb
from debxcross.steps.build.natives import compared, references, toolchain_of

#: The most that is read of one log, from its end, in bytes.
_MOST = 4 << 20


def check_losses(root: BuildRoot, debs: Sequence[Path], profiles: tuple[str, ...],
                 accepted: Sequence[AcceptedLoss]) -> tuple[tuple[Verdict, ...], tuple[str, ...]]:
    """Return the verdicts on what these packages lost, and the accepted losses in words.

    Raises GateError, with the lines of the build's logs that decided, for any other loss.
    Where no archive has a package to compare with, the verdict says so and is good.
    """
    context = root.context
    root.step("comparing with Debian's own packages")
    facts = [read_deb(context.store, path) for path in debs]
    held = references(context, facts, root.name)
    compiler = max((int(match[1]) for one in root.base.packages
                    if (match := re.fullmatch(r"gcc-(\d+)-base", one.name))), default=0)
    toolchain = toolchain_of(context, str(compiler)) if compiler else None
    found = [accept(compared(one, held[one.name], toolchain, profiles), accepted) for one in facts]
    raise_for_losses(root.name, found, _logs(root))
    words = tuple(f"{one.subject} is lost, as accepted: {one.accepted}" for one in losses(found) if one.accepted)
    for text in words:
        root.context.events.tell("note", root.name, text)
    return loss_verdicts(found), words


def _logs(root: BuildRoot) -> dict[str, str]:
    """Return the texts in which configure, CMake and Meson say what they found."""
    top = root.session.upper
    tree = top / commands.BUILD_DIRECTORY.lstrip("/")
    paths = [path for name in ("config.log", "CMakeConfigureLog.yaml", "CMakeError.log", "meson-log.txt")
             for path in regular_files(top, commands.BUILD_DIRECTORY, f"**/{name}")]
    return {**{str(path.relative_to(tree)): tail(path, most=_MOST) for path in paths},
            root.log.name: tail(root.log, most=_MOST)}
