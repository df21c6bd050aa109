# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares machine code of two builds: libraries, symbols, hardening, sections.

What another version of the toolchain changes by itself is told apart from what the program has
lost: libraries that glibc 2.34 took into libc, functions renamed by glibc 2.33 and 2.38, symbols
that linkers and start-up files bring, functions that compilers put in the place of others.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from debxcross.core.build.differences import GAINED, LOST, TOOLCHAIN, UNEXPLAINED, Difference
from debxcross.core.build.facts import CodeFacts, Symbol
from debxcross.core.build.natives import NEAREST, OTHER_ARCHITECTURE, SAME

#: Libraries whose content is in libc.so.6 since glibc 2.34, and those that compilers ask for.
_MERGED = frozenset(("libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libanl.so.1"))
_COMPILERS = re.compile(r"ld(-linux[\w-]*|64)?\.so\.\d+|libgcc_s\.so\.\d+\Z")
#: Imports and exports that start-up files, linker scripts and unwinding bring.
_LINKERS = re.compile(
    r"(_edata|_end|__end__|_?_?bss_(start|end)(__)?|_bss_end__|_init|_fini|_start|__data_start|data_start"
    r"|_IO_stdin_used|__exidx_(start|end)|__libc_csu_(init|fini)|__libc_start_main|__gmon_start__|_ITM_\w+"
    r"|_Jv_RegisterClasses|__cxa_finalize|__pthread_key_create|__aeabi_\w+|__gnu_\w+|__tls_get_addr"
    r"|_Unwind_\w+|_dl_relocate_static_pie|_gp_disp|_MIPS_\w+|__RLD_MAP|_fbss|_ftext|_fdata|_DYNAMIC_LINKING"
    r"|__stack_chk_(fail|guard|fail_local)|__global_pointer\$|_TLS_MODULE_BASE_)\Z")
#: Functions that GCC puts in the place of others, or leaves out, as it sees fit (its "Other Builtins").
_BUILTINS = frozenset((
    "abort", "bcmp", "fputc", "fputs", "fwrite", "memchr", "memcmp", "memcpy", "memmove", "mempcpy", "memset",
    "printf", "putc", "putchar", "puts", "stpcpy", "strcat", "strchr", "strcmp", "strcpy", "strlen",
    "strncmp", "strncpy", "sprintf", "sincos", "sincosf", "powf", "pow", "__errno_location"))
_CPLUSPLUS = re.compile(r"_Z(N?K?S[atbsiod]|(T[VIS]|GV|Th\w+)?N?K?S[atbsiod]|NK?\d+__gnu_cxx|nwj|nwm|dlPv)")
#: Names that are the same function: before glibc 2.33, since 2.38, fortified by another name.
_STAT = re.compile(r"__(f|l)?xstat(at)?(64)?\Z")
_SAME = {"_environ": "environ", "__environ": "environ", "__xmknod": "mknod", "__xmknodat": "mknodat", "_IO_getc": "getc", "_IO_putc": "putc"}
_ISO_C = re.compile(r"__isoc(99|23)_")
_CHECKED = re.compile(r"__(?P<name>\w+)_chk\Z")
#: Sections that name the build, and those that nobody loads.
_NAMES_OF_BUILD = frozenset((".note.gnu.build-id", ".gnu_debuglink", ".gnu_debugaltlink", ".comment",
                             ".gnu.build.attributes", ".shstrtab", ".symtab", ".strtab"))
_LINKER_NOTES = frozenset((".note.ABI-tag", ".note.gnu.property", ".relr.dyn", ".hash"))
_HARDENING = {
    "relro": "its relocations are not protected (RELRO)",
    "bind-now": "it resolves symbols late, so RELRO is partial (BIND_NOW)",
    "pie": "it is not position-independent (PIE)",
    "stack-protector": "it does not check its stack (stack protector)",
    "no-exec-stack": "its stack is executable",
}
#: So many names stand in a sentence.
_TOLD = 4


@dataclass(frozen=True)
class Pair:
    """Two builds of one file; ``older`` says that another toolchain is known to have built one.

    ``used`` are the libraries that any file of the package needs now.
    """

    package: str
    before: CodeFacts
    after: CodeFacts
    older: bool
    used: frozenset[str] = frozenset()

    @property
    def where(self) -> str:
        """The file's path with its leading slash."""
        return f"/{self.after.path}"

    def difference(self, kind: str, what: str, name: str, sentence: str, before: str = "", after: str = ""
                   ) -> Difference:
        """Return a difference of this file."""
        return Difference(kind, self.package, what, self.where, name, before, after,
                          f"{self.where} {sentence}")


def toolchain_sign(before: CodeFacts, after: CodeFacts) -> str:
    """Return how one sees that two builds of a file had toolchains of different versions, "" if not."""
    versions = {(one.name, one.library): one.version for one in before.imports if one.library}
    for one in after.imports:
        old = versions.get((one.name, one.library), one.version)
        if old != one.version and old.startswith("GLIBC_"):
            return f"{one.name} has the version {one.version} instead of {old}"
    if merged := sorted((set(before.needed) - set(after.needed)) & _MERGED):
        return f"{merged[0]} is part of libc.so.6 now"
    notes = {name for name, _ in before.sections} ^ {name for name, _ in after.sections}
    if after.kind != "archive" and (found := sorted(notes & _LINKER_NOTES)):
        return f"only one of the linkers wrote {found[0]}"
    return ""


def compare_code(pair: Pair, how: str) -> tuple[Difference, ...]:
    """Return what differs of two builds of a file; ``how`` they were chosen says how closely to look.

    Of builds for two architectures libraries and hardening are compared; of two versions exports too.
    """
    before, after = pair.before, pair.after
    if before.damage or after.damage:
        if before.sections == after.sections and before.damage == after.damage:
            return ()
        return (pair.difference(UNEXPLAINED, "damage", "",
                                f"cannot be compared: {after.damage or before.damage}",
                                before.damage, after.damage),)
    found = [*_needed(pair, how), *_hardening(pair, how)]
    if how == NEAREST:
        found += _exports(pair) if before.soname and before.soname == after.soname else ()
    elif how != OTHER_ARCHITECTURE:
        found += [*_imports(pair), *_exports(pair)]
        if not any(one.kind in (LOST, GAINED) for one in found):
            found += _sections(pair, bool(found))
    return tuple(found)


def library_stem(soname: str) -> str:
    """Return a library's name without its version: "libssl" for libssl.so.3, "libdb" for libdb-5.3.so."""
    return re.sub(r"(-\d[\d.]*)?\.so(\.[\w.]+)?\Z", "", soname)


def _needed(pair: Pair, how: str) -> Iterator[Difference]:
    before, after = pair.before, pair.after
    if before.soname != after.soname:
        kind = GAINED if not before.soname else TOOLCHAIN if how == NEAREST and after.soname else LOST
        yield pair.difference(
            kind, "soname", before.soname or after.soname,
            f"has {f'the soname {after.soname}' if after.soname else 'no soname'} instead of "
            f"{before.soname or 'none'}", before.soname, after.soname)
    old, new = set(before.needed) - set(after.needed), set(after.needed) - set(before.needed)
    for library in sorted(old):
        if how == OTHER_ARCHITECTURE and library in pair.used:
            continue  # a file may be empty for one architecture, such as the driver of a processor's unit
        if successors := [one for one in sorted(new) if library_stem(one) == library_stem(library)]:
            new.remove(successors[0])
            # Another release, or another version of the source, may have another version of a library.
            kind = TOOLCHAIN if pair.older or how != SAME else UNEXPLAINED
            yield pair.difference(kind, "needed", library, f"uses {successors[0]} instead of {library}",
                                  library, successors[0])
            continue
        used = sorted(one.name for one in before.imports if one.library == library)
        words = f" and {_listed(used, 'of its functions')}" if used else ""
        yield pair.difference(_library_kind(library, LOST), "needed", library,
                              f"does not use {library}{words}", library)
    for library in sorted(new):
        yield pair.difference(_library_kind(library, GAINED), "needed", library, f"also uses {library}", "",
                              library)


def _library_kind(library: str, otherwise: str) -> str:
    return TOOLCHAIN if library in _MERGED or _COMPILERS.match(library) else otherwise


def _hardening(pair: Pair, how: str) -> Iterator[Difference]:
    before, after = set(pair.before.hardening), set(pair.after.hardening)
    for name in sorted(before - after):
        # Whether a function's stack is worth a check can depend on the processor.
        if not (how == OTHER_ARCHITECTURE and name == "stack-protector"):
            yield pair.difference(LOST, "hardening", name, f"has lost hardening: {_HARDENING[name]}", name)
    for name in sorted(after - before):
        yield pair.difference(GAINED, "hardening", name, f"is hardened more: {name}", "", name)


def _listed(names: Iterable[str], what: str) -> str:
    names = list(names)
    told = ", ".join(names[:_TOLD])
    return f"{len(names)} {what} ({told}{', …' if len(names) > _TOLD else ''})"


def _plain_name(name: str) -> str:
    """Return the one name of functions that glibc has renamed."""
    name = _ISO_C.sub("", name)
    if match := _STAT.match(name):
        return f"{match[1] or ''}stat{match[2] or ''}{match[3] or ''}"
    return _SAME.get(name, name)


def _of_64_bit_times(name: str) -> set[str]:
    """Return what a function of glibc may be called with _TIME_BITS=64 (since glibc 2.34, on 32 bits)."""
    short = name.removesuffix("64")
    return {f"__{short}64", f"__{short}_time64", f"__{name}_time64"}


def _imports(pair: Pair) -> Iterator[Difference]:
    gone = set(pair.before.needed) - set(pair.after.needed) - _MERGED
    old = _by_name(one for one in pair.before.imports if one.library not in gone)
    new = _by_name(pair.after.imports)
    for name in sorted(set(old) & set(new)):
        versions = old[name].version, new[name].version
        if versions[0] != versions[1]:
            yield pair.difference(TOOLCHAIN, "import", name, f"asks for {name} of the version {versions[1]}, "
                                  f"not {versions[0]}", *versions)
    lost, gained = set(old) - set(new), set(new) - set(old)
    for name in sorted(lost):
        if wider := sorted(_of_64_bit_times(name) & gained):
            gained.discard(wider[0])
            yield pair.difference(TOOLCHAIN, "import", name, f"uses {wider[0]}, with times of 64 bits, instead "
                                  f"of {name}", name, wider[0])
            continue
        checked = _CHECKED.match(name)
        if checked and checked["name"] in new:
            # Where both were called before, the calls that were checked may be gone altogether.
            # An older compiler could prove fewer sizes.
            kept = any(_CHECKED.match(one) for one in new)
            kind = (TOOLCHAIN if kept and pair.older else UNEXPLAINED if kept and checked["name"] in old
                    else LOST)
            gained.discard(checked["name"])
            yield pair.difference(kind, "hardening", name, f"calls {checked['name']} unchecked, not {name}",
                                  name, checked["name"])
        elif not (f"__{name}_chk" in gained):
            yield pair.difference(_import_kind(pair, name, LOST), "import", name, f"does not use {name}", name)
    for name in sorted(gained):
        checked = _CHECKED.match(name)
        if checked and checked["name"] in old:
            yield pair.difference(GAINED, "hardening", name, f"calls {name} instead of {checked['name']}",
                                  checked["name"], name)
        else:
            yield pair.difference(_import_kind(pair, name, GAINED), "import", name, f"also uses {name}", "", name)


def _by_name(symbols: Iterable[Symbol]) -> Mapping[str, Symbol]:
    return {_plain_name(one.name): one for one in symbols}


def _import_kind(pair: Pair, name: str, otherwise: str) -> str:
    if _LINKERS.match(name):
        return TOOLCHAIN
    if name in _BUILTINS:
        return TOOLCHAIN if pair.older else UNEXPLAINED
    return TOOLCHAIN if pair.older and _CPLUSPLUS.match(name) else otherwise


def _exports(pair: Pair) -> Iterator[Difference]:
    before, after = set(pair.before.exports), set(pair.after.exports)
    versions = {one.name: one.version for one in pair.after.exports}
    for symbol in sorted(before - after):
        noise = _LINKERS.match(symbol.name) or pair.older and _CPLUSPLUS.match(symbol.name)
        kind = TOOLCHAIN if noise else LOST
        if symbol.name in versions:
            yield pair.difference(
                LOST, "export", symbol.name, f"offers {symbol.name} in the version "
                f"{versions[symbol.name] or 'none'}, not {symbol.version or 'none'}",
                symbol.version, versions[symbol.name])
        else:
            yield pair.difference(kind, "export", symbol.name, f"does not offer {symbol.name}", symbol.name)
    names = {one.name for one in pair.before.exports}
    for symbol in sorted(after - before):
        noise = _LINKERS.match(symbol.name) or pair.older and _CPLUSPLUS.match(symbol.name)
        if symbol.name not in names:
            yield pair.difference(TOOLCHAIN if noise else GAINED, "export", symbol.name,
                                  f"also offers {symbol.name}", "", symbol.name)


def _sections(pair: Pair, told: bool) -> Iterator[Difference]:
    """Tell of code and data that differ though nothing was lost or gained.

    With ``told``, differences that are known already explain that the layout differs.
    """
    old, new = dict(pair.before.sections), dict(pair.after.sections)
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    counted = [name for name in names if name not in _NAMES_OF_BUILD]
    if not counted:
        if told:
            return
        words = "differs in what names its build: " + (", ".join(names) or "its layout")
        yield pair.difference(TOOLCHAIN, "code", "", words, "", ", ".join(names))
        return
    shown = ".text" if ".text" in counted else ", ".join(counted[:_TOLD])
    what = "machine code" if ".text" in counted else "data"
    yield pair.difference(TOOLCHAIN if pair.older else UNEXPLAINED, "code", "",
                          f"has other {what} ({shown}), though it calls and offers the same", "",
                          ", ".join(counted))
