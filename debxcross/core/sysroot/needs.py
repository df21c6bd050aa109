# SPDX-License-Identifier: GPL-3.0-or-later
"""What a program asks of the machine it is to run on, and whether it gets it.

Sources: the version requirements of symbols (Drepper, "ELF Symbol Versioning"), the interpreters of
the psABI supplements, the versions of glibc and libstdc++ that each Debian release has.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from debxcross.core.architecture import ARCHITECTURES, Architecture
from debxcross.core.gate import ElfFacts, architecture_verdicts, beyond, failed
from debxcross.core.processor import baseline


@dataclass(frozen=True)
class ElfNeeds:
    """What one ELF file needs beyond its header.

    ``versions`` are pairs of library and symbol version; ``defines`` the versions that the
    file itself offers; ``chooses`` says how it chooses code by the processor, "" for not at all;
    ``starts`` tells whether the C library's start-up code is called; ``go`` whether Go's linker
    made it; ``pie`` whether it says that it is a program, though it can be loaded anywhere.
    """

    versions: tuple[tuple[str, str], ...] = ()
    defines: tuple[str, ...] = ()
    chooses: str = ""
    starts: bool = False
    go: bool = False
    pie: bool = False


#: Release → glibc, newest symbol version of libstdc++; oldest first.
_LIBRARIES: Mapping[str, tuple[str, str]] = {
    "jessie": ("2.19", "3.4.20"), "stretch": ("2.24", "3.4.22"), "buster": ("2.28", "3.4.25"),
    "bullseye": ("2.31", "3.4.28"), "bookworm": ("2.36", "3.4.30"), "trixie": ("2.41", "3.4.33"),
}
#: Not every version has a number.
_NAMED = {"GLIBC_ABI_DT_RELR": "2.36"}
_INTERPRETERS = {
    "amd64": "/lib64/ld-linux-x86-64.so.2", "arm64": "/lib/ld-linux-aarch64.so.1",
    "armel": "/lib/ld-linux.so.3", "armhf": "/lib/ld-linux-armhf.so.3", "i386": "/lib/ld-linux.so.2",
    "loong64": "/lib64/ld-linux-loongarch-lp64d.so.1", "mips64el": "/lib64/ld.so.1",
    "mipsel": "/lib/ld.so.1", "ppc64el": "/lib64/ld64.so.2", "riscv64": "/lib/ld-linux-riscv64-lp64d.so.1",
    "s390x": "/lib/ld64.so.1", "alpha": "/lib/ld-linux.so.2", "hppa": "/lib/ld.so.1", "m68k": "/lib/ld.so.1",
    "mips": "/lib/ld.so.1", "mips64": "/lib64/ld.so.1", "mips64r6el": "/lib64/ld-linux-mipsn8.so.1",
    "mipsr6el": "/lib/ld-linux-mipsn8.so.1", "powerpc": "/lib/ld.so.1", "ppc64": "/lib64/ld64.so.1",
    "sh4": "/lib/ld-linux.so.2", "sparc64": "/lib64/ld-linux.so.2", "x32": "/libx32/ld-linux-x32.so.2",
}
#: Where other systems' programs look for a dynamic linker, and whose it is.
_FOREIGN_INTERPRETERS = (("/lib/ld-musl-", "musl libc (Alpine Linux, OpenWrt)"),
                         ("/system/bin/linker", "Android"), ("/lib/ld-uClibc", "uClibc"),
                         ("/nix/store/", "NixOS"), ("/gnu/store/", "Guix"))


def interpreter(host: Architecture) -> str:
    """Return where programs of an architecture look for the dynamic linker."""
    return _INTERPRETERS[host.name]


def fitting(facts: ElfFacts) -> tuple[Architecture, ...]:
    """Return the architectures whose files look like this one."""
    return tuple(one for one in ARCHITECTURES.values()
                 if facts.bits == one.elf.bits and facts.machine == one.elf.machine
                 and not failed(architecture_verdicts(facts, one)))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def newest(needs: ElfNeeds, prefix: str) -> str:
    """Return the newest version with a prefix ("GLIBC_", "GLIBCXX_") that is needed, "" for none."""
    found = [_NAMED.get(version) or version.removeprefix(prefix) for _, version in needs.versions
             if version in _NAMED and prefix == "GLIBC_" or re.match(rf"{prefix}[0-9]", version)]
    return max(found, key=_numbers, default="")


def oldest_release(needs: ElfNeeds) -> str:
    """Return the oldest Debian release whose glibc and libstdc++ are new enough, "" for none known."""
    glibc, libstdcxx = newest(needs, "GLIBC_"), newest(needs, "GLIBCXX_")
    return next((release for release, (c, cxx) in _LIBRARIES.items()
                 if _numbers(glibc) <= _numbers(c) and _numbers(libstdcxx) <= _numbers(cxx)), "")


def has_libraries_of(release: str) -> bool:
    """Tell whether a release's libraries are known here: also of those too old to build for."""
    return release in _LIBRARIES


def release_faults(needs: ElfNeeds, release: str) -> list[str]:
    """Say which of a release's libraries are too old; nothing for a release that is not known."""
    faults = []
    glibc, libstdcxx = _LIBRARIES.get(release, ("", ""))
    if glibc and _numbers(newest(needs, "GLIBC_")) > _numbers(glibc):
        faults.append(f"it needs glibc {newest(needs, 'GLIBC_')}, {release} has {glibc}")
    if libstdcxx and _numbers(newest(needs, "GLIBCXX_")) > _numbers(libstdcxx):
        faults.append(f"it needs GLIBCXX_{newest(needs, 'GLIBCXX_')}, {release} has GLIBCXX_{libstdcxx}")
    return faults


def is_static(facts: ElfFacts) -> bool:
    """Tell whether a program brings everything itself."""
    return facts.type in ("ET_EXEC", "ET_DYN") and not facts.interpreter and not facts.needed


def start_faults(facts: ElfFacts, needs: ElfNeeds, host: Architecture) -> list[str]:
    """Say why a program cannot begin: the wrong interpreter, or no start-up code.

    Both are what bare ``ld`` leaves out, where gcc would have put them in.
    """
    if facts.type == "ET_REL":
        return ["it is an object file; it must be linked first"]
    library = facts.type == "ET_DYN" and not facts.interpreter and not needs.pie
    foreign = next((whose for begin, whose in _FOREIGN_INTERPRETERS
                    if facts.interpreter.startswith(begin)), "")
    if foreign:
        return [f"it is for {foreign}: its interpreter {facts.interpreter} is not on Debian; "
                f"build it with {host.gnu_triplet}-gcc, or link it statically"]
    if library or is_static(facts):
        return []
    expected = interpreter(host)
    by_ld = f"was it linked with bare ld? Link with {host.gnu_triplet}-gcc"
    if not facts.interpreter:
        return [f"it needs shared libraries but names no interpreter ({expected}): {by_ld}"]
    if facts.interpreter != expected:
        return [f"its interpreter is {facts.interpreter}, {host.name} has {expected}: the device says "
                f"'No such file or directory'; {by_ld}"]
    if not needs.starts and not needs.go:
        return [f"it has no start-up code (crt1.o): on the device it prints nothing, or crashes; {by_ld}"]
    return []


def machine_faults(facts: ElfFacts, needs: ElfNeeds, host: Architecture) -> list[str]:
    """Say why an architecture's processors cannot run a file."""
    if wrong := failed(architecture_verdicts(facts, host)):
        names = ", ".join(one.name for one in fitting(facts))
        return [f"it is for {names or facts.machine.removeprefix('EM_')}, not for {host.name}"
                + (f" ({wrong[0].found}, not {wrong[0].expected})" if not names else "")]
    wanted = beyond(facts, host)
    if wanted and not needs.chooses:
        return [f"it is for {', '.join(wanted)}; {host.name} also runs on {baseline(host.name).name}"]
    return []


def processor_cautions(facts: ElfFacts, needs: ElfNeeds, host: Architecture) -> tuple[str, ...]:
    """Say what of a file's code older processors cannot run, where it chooses by the processor."""
    wanted = beyond(facts, host)
    return (f"code for {', '.join(wanted)}: {needs.chooses}",) if wanted and needs.chooses else ()
