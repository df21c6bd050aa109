# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sysroot must be before a program is built with it: verdicts from what was read of it."""
from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from debxcross.core.architecture import Architecture
from debxcross.core.gate import ElfFacts, Verdict, architecture_verdicts, failed
from debxcross.core.sysroot.tree import normal, resolve, script_paths

_VARIABLE = re.compile(r"\$\{([^}]+)\}")
_MOST_TOLD = 12


def link_verdict(links: Mapping[str, str], files: Collection[str]) -> Verdict:
    """Fail for links that leave the tree, are absolute, or lead to nothing."""
    there = set(files)
    for path in (*files, *links):
        while path := path.rpartition("/")[0]:
            there.add(path)
    faults = []
    for link, target in sorted(links.items()):
        end = resolve(link, links)
        if target.startswith("/"):
            faults.append(f"{link} -> {target} is absolute")
        elif end is None:
            faults.append(f"{link} -> {target} leaves the tree or goes round in circles")
        elif end not in there | {""}:
            faults.append(f"{link} -> {target} leads to nothing")
    return _verdict("links", faults, f"{len(links)} links, all inside and alive")


def elf_verdict(facts: Sequence[ElfFacts], host: Architecture) -> Verdict:
    """Fail for machine code of another architecture."""
    faults = [f"{verdict.subject}: {verdict.found}, not {verdict.expected}"
              for one in facts for verdict in failed(architecture_verdicts(one, host))]
    return _verdict("architecture", faults, f"{len(facts)} ELF files, all for {host.name}")


def library_places(host: Architecture) -> tuple[str, ...]:
    """Return where the device's dynamic linker looks by itself, in a tree with merged /usr."""
    return (f"usr/lib/{host.multiarch}", "usr/lib", "usr/lib64", "usr/lib32")


def find_library(
    name: str, user: ElfFacts, host: Architecture, links: Mapping[str, str], files: Collection[str]
) -> str:
    """Return the path of a library that ``user`` needs, as the dynamic linker finds it; "" for none.

    RPATH, RUNPATH and $ORIGIN count when ``user`` lies in the tree.
    """
    origin = user.path.rpartition("/")[0]
    own = [entry.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", f"/{origin}")
           for entry in (*user.rpath, *user.runpath)]
    for place in (*own, *library_places(host)):
        inside = normal(f"{place}/{name}")
        end = resolve(inside, links) if inside else None
        if end is not None and end in files:
            return end
    return ""


def needed_verdict(
    facts: Sequence[ElfFacts], host: Architecture, links: Mapping[str, str], files: Collection[str]
) -> Verdict:
    """Fail for libraries that something in the tree needs and that are not in it."""
    # A module of a program finds that program's private libraries already loaded.
    known = {one.soname for one in facts if one.soname}
    faults = [f"{one.path} needs {name}" for one in facts for name in one.needed
              if name not in known and not find_library(name, one, host, links, files)]
    return _verdict("libraries", faults, "everything needed is in the tree")


def script_verdict(scripts: Mapping[str, str], links: Mapping[str, str], files: Collection[str]) -> Verdict:
    """Fail for linker scripts that name files which are not there; ``scripts`` are texts by path."""
    faults = [f"{path} names /{named}" for path, text in sorted(scripts.items())
              for named in script_paths(text) if resolve(named, links) not in files]
    return _verdict("linker scripts", faults, f"{len(scripts)} scripts, every file there")


def pkg_config_verdict(
    texts: Mapping[str, str], links: Mapping[str, str], directories: Collection[str]
) -> Verdict:
    """Fail for directories of headers and libraries that pkg-config files name outside of the tree."""
    faults = []
    for path, text in sorted(texts.items()):
        for directory in _named_directories(text):
            inside = normal(directory)
            if inside is None or (resolve(inside, links) or "?") not in directories:
                faults.append(f"{path} names {directory}")
    return _verdict("pkg-config", faults, f"{len(texts)} files, every directory in the tree")


def _named_directories(text: str) -> Iterable[str]:
    variables: dict[str, str] = {}

    def expand(value: str) -> str:
        for _ in range(8):
            value = _VARIABLE.sub(lambda match: variables.get(match[1], ""), value)
        return value
    found: dict[str, None] = {}
    for line in text.splitlines():
        if match := re.match(r"\s*([A-Za-z0-9_.]+)\s*=\s*(.*)$", line):
            variables[match[1]] = match[2].strip()
        elif match := re.match(r"\s*(?:Cflags|CFlags|Libs)\s*:\s*(.*)$", line):
            for word in expand(match[1]).replace('"', "").split():
                if word.startswith(("-I/", "-L/")):
                    found[word[2:]] = None
    return found


def _verdict(gate: str, faults: Sequence[str], good: str) -> Verdict:
    if not faults:
        return Verdict(gate, True, "sysroot", good, good)
    more = f"\n… and {len(faults) - _MOST_TOLD} more" if len(faults) > _MOST_TOLD else ""
    return Verdict(gate, False, "sysroot", good, "\n".join(faults[:_MOST_TOLD]) + more)
