# SPDX-License-Identifier: GPL-3.0-or-later
"""What a result must be before it counts: exit status 0 is not success, a check is.

Pure functions from what the doors read (ELF headers, control fields, names) to verdicts.
Why each exists: ``CC=gcc`` in an environment, or a Meson build without a cross file, ends
with status 0 and machine code for the build machine under the host architecture's name.
"""
from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from packaging.utils import parse_wheel_filename

from debxcross.core import processor
from debxcross.core.architecture import Architecture
from debxcross.core.processor import Code
from debxcross.errors import ArchitectureGateError, GateError

#: Where Debian's build daemons build; this path in a result is no leak.
STANDARD_BUILD_PATH = "/build/reproducible-path"

#: Verdicts of these gates mean code for another architecture.
ARCHITECTURE_GATES = ("elf-class", "elf-endianness", "elf-machine", "elf-flags", "float-abi",
                      "deb-architecture")


@dataclass(frozen=True)
class ElfFacts:
    """What one ELF file says about itself.

    ``path`` names it, archive members as ``libz.a(adler32.o)``; ``machine`` is pyelftools'
    name of e_machine; ``float_abi`` is "soft", "hard" or "" when the file does not commit
    itself; ``type`` is such as "ET_DYN"; ``rpath`` and ``runpath`` hold their entries;
    ``code`` is what it says of its instructions; ``damage`` says why the rest could not be read,
    "" if it could.
    """

    path: str
    bits: int
    little_endian: bool
    machine: str
    flags: int
    type: str
    float_abi: str = ""
    interpreter: str = ""
    needed: tuple[str, ...] = ()
    soname: str = ""
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    code: Code = Code()
    damage: str = ""


@dataclass(frozen=True)
class Verdict:
    """What a gate expected of a subject (a file or a package), and what it found.

    A ``caution`` is ok, and worth a note.
    """

    gate: str
    ok: bool
    subject: str
    expected: str
    found: str
    caution: bool = False


def _order(little_endian: bool) -> str:
    return "little-endian" if little_endian else "big-endian"


def architecture_verdicts(facts: ElfFacts, architecture: Architecture) -> tuple[Verdict, ...]:
    """Compare an ELF file with its architecture: class, endianness, machine, flags, float ABI.

    Flags and float ABI are compared only when the machine is right: elsewhere they mean
    something else.  Two kinds of file do not commit themselves and pass: relocatable
    objects with e_flags 0 (``objcopy -I binary``; data only on ppc64el), and files without
    a float ABI.
    """
    identity, subject = architecture.elf, facts.path
    verdicts = [
        Verdict("elf-class", facts.bits == identity.bits, subject,
                f"{identity.bits} bits", f"{facts.bits} bits"),
        Verdict("elf-endianness", facts.little_endian == identity.little_endian, subject,
                _order(identity.little_endian), _order(facts.little_endian)),
        Verdict("elf-machine", facts.machine == identity.machine, subject,
                identity.machine, facts.machine),
    ]
    if facts.damage:
        verdicts.append(Verdict("elf-whole", False, subject, "a whole ELF file", facts.damage))
    if facts.machine != identity.machine:
        return tuple(verdicts)
    if identity.flags_mask:
        uncommitted = facts.type == "ET_REL" and facts.flags == 0
        verdicts.append(Verdict(
            "elf-flags", uncommitted or facts.flags & identity.flags_mask == identity.flags_value, subject,
            f"{identity.flags_value:#x} under mask {identity.flags_mask:#x}", f"{facts.flags:#x}"))
    if identity.float_abi:
        verdicts.append(Verdict(
            "float-abi", facts.float_abi in ("", identity.float_abi), subject,
            f"{identity.float_abi} float", f"{facts.float_abi or 'no'} float"))
    return tuple(verdicts)


def loaded_by_others(facts: ElfFacts) -> str:
    """Say what a file is that the device's dynamic linker and processes never load, "" for all others.

    Such are BPF programs, kernel modules, and boot loaders and firmware where packages keep those.
    Class, flags and float ABI of the architecture's programs do not bind them.
    """
    if facts.machine == "EM_BPF":
        return "BPF program"
    if facts.code.kernel:
        return "kernel module"
    place = facts.path.removeprefix("usr/lib/debug/").removeprefix("usr/")
    if facts.interpreter or facts.needed:
        return ""
    if _BOOTED.match(place):
        return "boot loader, kernel or firmware"
    # hier(7): what is the same for every architecture; firmware of emulated machines, for example.
    return "data" if place.startswith("share/") and facts.type != "ET_DYN" else ""


#: Where packages keep what runs before or beside Linux, without /usr/; what compilers make such of, too
#: (gcc-avr's libgcc.a).
_BOOTED = re.compile(r"boot/|lib/gcc/(?![^/]*linux)[^/]+/|lib/(u-boot|firmware|modules|grub[^/]*|"
                     r"arm-trusted-firmware|optee-os|opensbi|[^/]+-firmware|syslinux|SYSLINUX|EXTLINUX|ipxe|"
                     r"xen[^/]*/boot|memtest86[^/]*|palo)/")
#: A kernel may be of a wider architecture than the programs of its device.
_KERNELS = {"EM_386": ("EM_386", "EM_X86_64"), "EM_ARM": ("EM_ARM", "EM_AARCH64")}


def kernel_side_verdicts(facts: ElfFacts, architecture: Architecture) -> tuple[Verdict, ...]:
    """Judge what the kernel loads: byte order, for modules the machine; nothing of boot loaders.

    A module's flags are the kernel's own affair: on armhf they say soft float, on mipsel a module
    may be of 64 bits.
    """
    what, identity = loaded_by_others(facts), architecture.elf
    if what not in ("BPF program", "kernel module"):
        return ()
    verdicts = [Verdict("elf-endianness", facts.little_endian == identity.little_endian, facts.path,
                        _order(identity.little_endian), _order(facts.little_endian))]
    if what == "kernel module":
        machines = _KERNELS.get(identity.machine, (identity.machine,))
        verdicts.append(Verdict("elf-machine", facts.machine in machines, facts.path,
                                " or ".join(machines), facts.machine))
    return tuple(verdicts)


def deb_elf_verdicts(control: Mapping[str, str], elf_files: Sequence[ElfFacts],
                     architecture: Architecture) -> tuple[Verdict, ...]:
    """Judge every ELF file of a package.

    In an ``Architecture: all`` package ELF files are data; that they are there is only noted,
    with a verdict that is ok.
    """
    if control.get("Architecture") == "all":
        if not elf_files:
            return ()
        names = ", ".join(facts.path for facts in elf_files[:5])
        return (Verdict("elf-in-all", True, control.get("Package", ""),
                        "usually no ELF file", f"{len(elf_files)} ELF files, such as {names}"),)
    return tuple(
        verdict
        for facts in elf_files
        for verdict in (kernel_side_verdicts if loaded_by_others(facts) else architecture_verdicts)(
            facts, architecture))


def beyond(facts: ElfFacts, architecture: Architecture) -> tuple[str, ...]:
    """Return what a program or library wants that an architecture's oldest processors do not have.

    What nobody executes, or only the kernel, wants nothing; nor does code for another machine, of
    which the other gates tell.
    """
    executed = not facts.path.startswith("usr/lib/debug/") and not loaded_by_others(facts)
    if not executed or facts.machine != architecture.elf.machine:
        return ()
    return processor.beyond(facts.machine, facts.flags, facts.code, processor.baseline(architecture.name))


def processor_verdict(
    subject: str, wanted: Sequence[str], choice: str, architecture: Architecture
) -> Verdict:
    """Judge a file (a library of objects is one) that has code for newer processors than the oldest.

    ``wanted`` are what its code wants beyond those; ``choice`` says how the code is chosen by the
    processor, "" when there is no trace of that.  Attributes of a linked file are the highest
    of all its parts', so they cannot tell code that always runs from code that is chosen:
    with a trace of choosing there is a caution, without one the file is refused.
    """
    oldest = processor.baseline(architecture.name).name
    return Verdict("processor", bool(choice), subject,
                   f"code for {oldest}, the oldest processors of {architecture.name}",
                   f"code for {', '.join(dict.fromkeys(wanted))}; "
                   + (choice or "nothing in it chooses code by the processor"), caution=bool(choice))


def telling_paths(paths: Sequence[str]) -> tuple[str, ...]:
    """Return those of a machine's paths that tell something: they exist nowhere else.

    /root is on every device and /work or /data in many programs' messages; a directory in a
    directory, such as a home with a user's name, is this machine's, but for those of the
    Filesystem Hierarchy Standard.
    """
    return tuple(path for path in dict.fromkeys(one.rstrip("/") for one in paths)
                 if path.count("/") > 1 and not _EVERYWHERE.fullmatch(path))


_EVERYWHERE = re.compile(r"/(usr|var|etc|run|dev|proc|sys|lib|boot)/[^/]+|/usr/local/[^/]+")


def leak_verdicts(subject: str, found: Sequence[str], forbidden: Sequence[str],
                  allowed: Sequence[str] = (STANDARD_BUILD_PATH,)) -> tuple[Verdict, ...]:
    """Fail for every string found in a file that names a path of this build or machine.

    ``found`` are the strings around the hits of a search for ``forbidden``.  What is below
    a path in ``allowed`` does not count: the standard build path is the same everywhere.
    """
    expected = "no path of the machine that built it"
    standard = re.compile("|".join(re.escape(path) + r"(?![\w.-])" for path in allowed) or r"(?!)")
    # A path counts as a whole: /root is not in /PaxHeader/rootdir, nor in the tag </root>.  Anything
    # may stand before it: Rust and Go put texts one after the other, with nothing in between.
    names = (re.escape(path.rstrip("/")) for path in forbidden)
    whole = (rf"(?<!<){name}(?![\w.-])|(?<=<){name}/" for name in names)
    paths = re.compile("|".join(whole) or r"(?!)")
    leaks = [text for text in sorted(set(found)) if paths.search(standard.sub("", text))]
    if not leaks:
        return (Verdict("leak", True, subject, expected, "none"),)
    return tuple(Verdict("leak", False, subject, expected, text) for text in leaks)


def depends_verdict(control: Mapping[str, str], elf_files: Sequence[ElfFacts]) -> Verdict:
    """Fail a package that needs shared libraries it does not ship, yet depends on nothing.

    That is what dpkg-shlibdeps leaves when it was not run, or looked into the wrong root.
    """
    shipped = {facts.soname for facts in elf_files} | {PurePosixPath(facts.path).name for facts in elf_files}
    outside = sorted({library for facts in elf_files for library in facts.needed} - shipped)
    depends = ", ".join(filter(None, (control.get("Pre-Depends", "").strip(),
                                      control.get("Depends", "").strip())))
    return Verdict("depends", bool(depends) or not outside, control.get("Package", ""),
                   f"dependencies for {', '.join(outside)}" if outside else "nothing needed from others",
                   depends or "no dependencies")


def expected_binaries_verdict(source: str, expected: Collection[str], found: Collection[str]) -> Verdict:
    """Fail when a source did not build all the packages it should have; more is no fault.

    More is normal: ``-dbgsym`` packages stand in no control file.
    """
    missing = sorted(set(expected) - set(found))
    return Verdict("binaries", not missing, source, ", ".join(sorted(set(expected))) or "no package",
                   f"without {', '.join(missing)}" if missing else ", ".join(sorted(set(found))))


def deb_source(control: Mapping[str, str]) -> tuple[str, str]:
    """Return name and version of the source a package was built from.

    ``Source`` is left out when it equals ``Package``, and its parenthesis when the
    versions are the same (Debian Policy 5.6.1, deb-control(5)).
    """
    name, _, rest = control.get("Source", "").partition(" (")
    return (name.strip() or control.get("Package", ""),
            rest.strip().rstrip(")") or control.get("Version", ""))


def deb_architecture_verdicts(control: Mapping[str, str], architecture: Architecture, source: str,
                              source_version: str) -> tuple[Verdict, ...]:
    """Judge a package's control fields: for the host architecture or all, from the expected source.

    The version compared is the source's: some sources give their packages other versions.
    """
    subject = control.get("Package", "")
    found_source, found_version = deb_source(control)
    found = control.get("Architecture", "")
    return (
        Verdict("deb-architecture", found in (architecture.name, "all"), subject,
                f"Architecture: {architecture.name} or all", f"Architecture: {found}"),
        Verdict("deb-source", found_source == source, subject, f"source {source}", f"source {found_source}"),
        Verdict("deb-version", found_version == source_version, subject,
                f"source version {source_version}", f"source version {found_version}"),
    )


def wheel_verdicts(wheel: str, elf_files: Sequence[ElfFacts], architecture: Architecture,
                   suffixes: Sequence[str], provided: Collection[str] | None = None) -> tuple[Verdict, ...]:
    """Judge a wheel by its file name and its ELF files.

    ``suffixes`` are the endings under which the device's interpreter finds extension
    modules, such as (".cpython-311-arm-linux-gnueabi.so", ".abi3.so"), or (".so",) for
    Python 2.7; ``provided`` are the sonames that the device's packages bring (None: not known).
    """
    verdicts = [_tag_verdict(wheel, bool(elf_files), architecture)]
    shipped = {facts.soname for facts in elf_files} | {PurePosixPath(facts.path).name for facts in elf_files}
    for facts in elf_files:
        verdicts.extend(architecture_verdicts(facts, architecture))
        verdicts.extend(_extension_verdicts(facts, suffixes))
        if provided is not None:
            missing = sorted(set(facts.needed) - shipped - set(provided))
            verdicts.append(Verdict("needed", not missing, facts.path, "only libraries of the device",
                                    f"needs {', '.join(missing)}" if missing else "only such"))
    return tuple(verdicts)


def _tag_verdict(wheel: str, has_code: bool, architecture: Architecture) -> Verdict:
    try:
        tags = parse_wheel_filename(wheel)[3]
    except ValueError as error:
        return Verdict("wheel-tag", False, wheel, "a wheel's file name", str(error))
    platforms = sorted({tag.platform for tag in tags})
    allowed = [architecture.wheel_platform] if has_code else ["any", architecture.wheel_platform]
    return Verdict("wheel-tag", set(platforms) <= set(allowed), wheel,
                   f"platform {' or '.join(allowed)}", f"platform {', '.join(platforms)}")


def _extension_verdicts(facts: ElfFacts, suffixes: Sequence[str]) -> tuple[Verdict, ...]:
    name = PurePosixPath(facts.path).name
    verdicts = []
    # libfoo.so is a library that an extension brings along; every other .so is to be imported.
    if facts.type == "ET_DYN" and name.endswith(".so") and not name.startswith("lib"):
        suffix = name[name.index("."):]
        verdicts.append(Verdict("extension-suffix", suffix in suffixes, facts.path,
                                " or ".join(suffixes), suffix))
    entries = facts.rpath + facts.runpath
    foreign = [entry for entry in entries if not entry.startswith(("$ORIGIN", "${ORIGIN}"))]
    verdicts.append(Verdict("rpath", not foreign, facts.path, "no rpath, or one relative to $ORIGIN",
                            ":".join(foreign or entries) or "no rpath"))
    return tuple(verdicts)


def requirements_verdict(wheel: str, resolved: Sequence[str], found: Sequence[str]) -> Verdict:
    """Fail a wheel whose requirements are not those that the set was resolved with.

    An sdist says what it requires only when it is built; what it said before may be untrue.
    """
    extra = sorted(set(found) - set(resolved))
    missing = sorted(set(resolved) - set(found))
    words = "; ".join(filter(None, (f"also {', '.join(extra)}" if extra else "",
                                    f"not {', '.join(missing)}" if missing else "")))
    return Verdict("requirements", not words, wheel, ", ".join(resolved) or "no requirements",
                   words or "the same")


def failed(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """Return the verdicts that are not ok, in their order."""
    return tuple(verdict for verdict in verdicts if not verdict.ok)


def describe(verdicts: Sequence[Verdict]) -> str:
    """Return one line per verdict: the subject, what was expected, what was found."""
    return "\n".join(
        f"{verdict.subject}: {verdict.gate}: expected {verdict.expected}, found {verdict.found}"
        for verdict in verdicts
    )


def caution(verdicts: Sequence[Verdict]) -> str:
    """Return in one line what is worth a note though nothing failed, "" for nothing."""
    found = [f"{verdict.subject}: {verdict.found}" for verdict in verdicts if verdict.caution]
    others = f"{len(found) - 1} more file{'s' if len(found) > 2 else ''}"
    more = f" (and {others} like it)" if len(found) > 1 else ""
    return f"{found[0]}{more}" if found else ""


def raise_for(verdicts: Sequence[Verdict], member: str) -> None:
    """Raise ArchitectureGateError when a verdict about architecture or processor failed, else GateError.

    The details list every failed verdict.
    """
    faults = failed(verdicts)
    if not faults:
        return
    if any(verdict.gate in ARCHITECTURE_GATES for verdict in faults):
        raise ArchitectureGateError(
            f"{member} was built for another architecture", describe(faults),
            "The build called the wrong compiler: look in its log for 'gcc' without the GNU triplet in "
            "front, and patch debian/rules or the build system to take CC from the environment.")
    if any(verdict.gate == "processor" for verdict in faults):
        raise ArchitectureGateError(
            f"{member} has code for newer processors than the oldest of its architecture", describe(faults),
            "An older device ends such code with SIGILL (\"Illegal instruction\"). Look in the build's log "
            "for -march=, -mcpu= and -mfpu= (\"native\" is the machine that builds), and leave the compiler "
            "its own default; or let the program ask the processor (getauxval, IFUNC) before it uses more.")
    subjects = sorted({verdict.subject for verdict in faults})
    raise GateError(
        f"{member} was built, but does not pass {len(faults)} of {len(verdicts)} checks", describe(faults),
        f"Look at {', '.join(subjects[:5])}; nothing of the build was kept. Patch the source and run again.")
