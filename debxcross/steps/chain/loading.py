# SPDX-License-Identifier: GPL-3.0-or-later
"""Has results loaded under the emulator, in a build root, where no device can be made to try them on."""
from __future__ import annotations

from collections.abc import Iterable

from debxcross.core.artifact import StoredFile
from debxcross.core.build import commands
from debxcross.core.chain import loading
from debxcross.core.gate import ElfFacts
from debxcross.core.key import digest
from debxcross.core.sysroot.needs import interpreter
from debxcross.doors import deb, elf
from debxcross.steps.build.baseroot import BaseRoot
from debxcross.steps.build.buildroot import BuildRoot
from debxcross.steps.context import Context

_MAGIC = b"\x7fELF"


def ensure_loaded(context: Context, base: BaseRoot, files: Iterable[StoredFile], step: str
                  ) -> tuple[str, str]:
    """Have these packages' programs and libraries loaded; return "built" or "cached", and what was found.

    What loaded once over this base root is not tried again.  Raises TrialError.
    """
    debs = tuple(sorted((file for file in files if "-dbgsym_" not in file.name), key=lambda file: file.name))
    question = digest({"kind": "loading", "schema": 1, "base": base.key,
                       "files": [one.sha256 for one in debs]})
    known = context.store.memo("loading", question)
    state = "cached" if known else "built"
    if not known:
        known = _loaded(context, base, debs, step)
        context.store.remember("loading", question, known)
    context.events.tell("note", step, known)
    return state, str(known)


def _loaded(context: Context, base: BaseRoot, debs: tuple[StoredFile, ...], step: str) -> str:
    found = loading.loadable(one for file in debs for one in _elf_files(context, file))
    linker = interpreter(context.host)
    with context.store.work(context.chroots.remove) as directory:
        root = BuildRoot(context, base, step, directory)
        root.step("asking whether an emulator works")
        if root.run([linker, "--version"], log=False).exit_status:
            return (f"no emulator of {context.host.name} works in build roots: of {len(found)} programs and "
                    f"libraries none was loaded ('debxcross doctor {context.host.name}' tells the cure)")
        context.store.lay_out(debs, directory / "debs")
        root.binds[directory / "debs"] = commands.DEBS
        root.step(f"loading {len(found)} programs and libraries")
        said = root.noted(["sh", "-c", loading.script(found, linker)], user=commands.BUILDER)
        loading.judge(said.stdout + said.stderr, found)
    return (f"{len(found)} programs and libraries load under the emulator, over the cross toolchain's C "
            "library; none was started")


def _elf_files(context: Context, file: StoredFile) -> Iterable[ElfFacts]:
    for member in deb.members(context.store.path(file.sha256)):
        if member.type != "file" or member.size <= len(_MAGIC):
            continue
        if (content := member.read()).startswith(_MAGIC):
            yield from elf.read_all(content, member.path)
