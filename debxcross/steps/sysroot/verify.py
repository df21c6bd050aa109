# SPDX-License-Identifier: GPL-3.0-or-later
"""Tries a sysroot out: reads all of it, then builds a program per build system and runs each.

The programs are built in a throw-away root of the sysroot's own release, with Debian's cross
compiler and nothing else of the device's architecture but the sysroot.
"""
from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from debxcross.core.architecture import Architecture
from debxcross.core.build import commands
from debxcross.core.chain.chain import Chain
from debxcross.core.gate import ElfFacts, Verdict, architecture_verdicts, failed
from debxcross.core.sysroot import check
from debxcross.core.sysroot.examples import EXAMPLES, Example, possible, tool_packages
from debxcross.core.sysroot.tree import is_linker_script
from debxcross.doors import elf, process, tar
from debxcross.doors.regular import regular_files
from debxcross.doors.template import data_directory
from debxcross.errors import DiskFullError, HostError
from debxcross.steps.archive import probe
from debxcross.steps.build import baseroot
from debxcross.steps.build.buildroot import BuildRoot
from debxcross.steps.context import Context

STEP = "verify"
_SYSROOT, _EXAMPLES, _BUILD = "/debxcross/sysroot", "/debxcross/examples", "/debxcross/built"
_PROGRAM_TIMEOUT = 300.0


@dataclass(frozen=True)
class Contents:
    """What was read of a tree: paths without leading slash, link targets, ELF headers, texts."""

    files: frozenset[str]
    directories: frozenset[str]
    links: dict[str, str]
    facts: tuple[ElfFacts, ...]
    scripts: dict[str, str]
    pkg_config: dict[str, str]


def read_tree(directory: Path) -> Contents:
    """Read a sysroot's directory."""
    files: set[str] = set()
    directories: set[str] = set()
    links: dict[str, str] = {}
    facts: list[ElfFacts] = []
    scripts: dict[str, str] = {}
    pkg_config: dict[str, str] = {}
    for path in tar.paths(directory):
        full = directory / path
        if full.is_symlink():
            links[path] = os.readlink(full)
        elif full.is_dir():
            directories.add(path)
        else:
            files.add(path)
            if path.endswith(".pc"):
                pkg_config[path] = full.read_text(errors="replace")
            facts.extend(_read_code(full, path, scripts))
    return Contents(frozenset(files), frozenset(directories), links, tuple(facts), scripts, pkg_config)


def _read_code(full: Path, path: str, scripts: dict[str, str]) -> Iterator[ElfFacts]:
    with full.open("rb") as file:
        head = file.read(64)
        if is_linker_script(path, head):
            scripts[path] = full.read_text(errors="replace")
        elif head.startswith(b"\x7fELF"):
            found = elf.read(file, path)
            if found is not None:
                yield found


def check_tree(contents: Contents, host: Architecture) -> tuple[Verdict, ...]:
    """Judge what was read of a tree."""
    return (
        check.link_verdict(contents.links, contents.files),
        check.elf_verdict(contents.facts, host),
        check.needed_verdict(contents.facts, host, contents.links, contents.files),
        check.script_verdict(contents.scripts, contents.links, contents.files),
        check.pkg_config_verdict(contents.pkg_config, contents.links, contents.directories),
    )


def build_programs(
    context: Context, release: str, directory: Path, examples: Sequence[Example],
    tell: Callable[[Verdict], None],
) -> None:
    """Build each example with the sysroot at ``directory``, run it, and tell the verdict on it.

    Raises UnsatisfiableError when the release has no cross compiler or lacks a tool, HostError
    when this machine can make no roots or has no emulator.
    """
    compiler = probe.ask_archives(context, Chain("", release, ()), ()).compiler
    base, _ = baseroot.ensure_root(context, baseroot.build_root_plan(
        context, release, compiler, Chain("", release, ()).path_excludes), "build-root")
    emulator = process.find(context.host.qemu_binary)
    if emulator is None:
        raise HostError(f"{context.host.qemu_binary} is not installed",
                        resolution="Install the Debian package qemu-user-static.")
    with context.store.work(context.chroots.remove) as work, \
            closing(BuildRoot(context, base, STEP, work)) as build:
        build.binds.update({directory: _SYSROOT, data_directory("examples"): _EXAMPLES,
                            Path(emulator): emulator})
        _install(build, examples)
        for example in examples:
            context.busy(STEP, f"building and running {example.title}")
            tell(_try(build, example))


def _install(build: BuildRoot, examples: Sequence[Example]) -> None:
    packages = tool_packages(examples, build.context.host)
    if not packages:
        return
    build.show_apt()
    files = build.choose(commands.install_argv(packages, "--print-uris", "-qq"),
                         f"{' '.join(packages)} cannot be installed together")
    build.install(files, "the build systems could not be installed")


def _try(build: BuildRoot, example: Example) -> Verdict:
    context, place = build.context, f"{_BUILD}/{example.name}"
    try:
        done = build.session.run(["sh", f"{_EXAMPLES}/{example.name}/build.sh", _SYSROOT, place],
                                 binds=build.binds, timeout=_PROGRAM_TIMEOUT)
    except DiskFullError:
        raise
    except HostError as error:  # it did not end
        return Verdict("program", False, example.title, example.says, error.brief)
    output = done.stdout + done.stderr
    (context.logs / f"{STEP}-{example.name}.log").write_text(output)
    expected = f"built for {context.host.name} and says {example.says!r}"
    said = [line for line in done.stdout.splitlines() if example.says in line]
    if done.exit_status or not said:
        return Verdict("program", False, example.title, expected, "\n".join(output.splitlines()[-15:]))
    facts = [one for path in regular_files(build.session.upper, f"{place}/result", "**/*")
             if (one := elf.read(path.read_bytes(), path.name)) is not None]
    faults = failed([verdict for one in facts for verdict in architecture_verdicts(one, context.host)])
    if faults or not facts:
        return Verdict("program", False, example.title, expected,
                       "; ".join(f"{one.subject}: {one.found}" for one in faults) or "no ELF file")
    return Verdict("program", True, example.title, expected, said[-1])


def choose(contents: Contents) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Return the examples that a sysroot has everything for, and the others."""
    fit = tuple(example for example in EXAMPLES if possible(example, contents.files))
    return fit, tuple(example for example in EXAMPLES if example not in fit)
