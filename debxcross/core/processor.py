# SPDX-License-Identifier: GPL-3.0-or-later
"""The oldest processors that Debian supports, and what a file's code wants beyond them.

Code for a newer processor passes every other check, runs on the developer's board, and ends with
SIGILL ("Illegal instruction") on the device.

Sources of the baselines: what Debian's compilers are configured for ("gcc -v": --with-arch=armv5te,
armv7-a+fp, mips32r2, mips64r2, rv64gc, z196; GCC's own defaults i686, x86-64, power8), the Debian
wiki's ArchitectureSpecificsMemo and the release notes.  Sources of what files say: "Addenda to,
and Errata in, the ABI for the Arm Architecture" (build attributes), binutils' include/elf/mips.h
(e_flags, .MIPS.abiflags), the RISC-V ELF psABI (Tag_RISCV_arch), the x86-64 psABI
(GNU_PROPERTY_X86_ISA_1_NEEDED).  Files for arm64, loong64, ppc64el and s390x do not tell.
"""
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    """What an ELF file says of its own code; what it does not say is empty.

    ``arm`` are build attributes by pyelftools' names; ``mips`` is the revision of the
    instruction set, the processor-specific extension and the application-specific extensions of
    .MIPS.abiflags; ``riscv`` is Tag_RISCV_arch; ``x86`` are the bits of
    GNU_PROPERTY_X86_ISA_1_NEEDED; ``kernel`` is the vermagic of a kernel module.
    """

    arm: tuple[tuple[str, int], ...] = ()
    mips: tuple[int, int, int] = (0, 0, 0)
    riscv: str = ""
    x86: int = 0
    kernel: str = ""


@dataclass(frozen=True)
class Baseline:
    """The oldest processors of an architecture.

    ``name`` is for people; ``qemu`` are values of QEMU_CPU that make the emulator such a
    processor, the best first: not every version of QEMU takes each.  The others are what code may
    say of itself: the newest Tag_CPU_arch and the values of Tag_FP_arch, the first four bits of
    MIPS' e_flags, the names of RISC-V's extensions, the bits of x86's instruction set levels.
    """

    name: str
    qemu: tuple[str, ...]
    arm_cpu: int = 0
    arm_fp: frozenset[int] = frozenset((0,))
    mips: frozenset[int] = frozenset()
    riscv: frozenset[str] = frozenset()
    x86: int = 0


_RV64GC = frozenset(("i", "m", "a", "f", "d", "c", "g", "zicsr", "zifencei",
                     # Newer names for parts of these.
                     "zmmul", "zaamo", "zalrsc", "zca", "zcd"))
#: What QEMU 7.2 and 10.0 say of a z196-base that they cannot emulate.
_S390_ABSENT = (
    "klmd-sha-1", "kimd-sha-1", "km-tdea-192", "km-tdea-128", "km-dea", "kmc-tdea-192", "kmc-tdea-128",
    "kmc-dea", "kmac-tdea-192", "kmac-tdea-128", "kmac-dea", "dateh2", "cmpsceh", "pfpo", "dfphp", "dfp",
    "emon", "parseh", "hfpue", "hfpm", "nonqks", "csske", "asnlxr", "tods")
BASELINES: Mapping[str, Baseline] = {
    # i386 of trixie wants SSE2; older ones do not, but nothing that Debian builds says so.
    "amd64": Baseline("x86-64-v1", ("Opteron_G1", "qemu64"), x86=1),
    "i386": Baseline("i686", ("pentium2", "pentium3"), x86=1),
    "arm64": Baseline("ARMv8-A", ("cortex-a53",)),
    # Debian's libcrypto, libssl, libgmp, libgcrypt and numpy for armel all say v5TE; v5TEJ is the
    # ARM926EJ-S, with the same instructions.
    "armel": Baseline("ARMv5TE without VFP", ("arm926,vfp=off", "arm926"), arm_cpu=5),
    # QEMU 7.2 leaves a Cortex-A9 without NEON 32 registers of VFP; 10.0 refuses that.
    "armhf": Baseline("ARMv7-A with VFPv3-D16, without NEON",
                      ("cortex-a9,neon=off,vfp-d32=off", "cortex-a9,neon=off", "cortex-a9"),
                      arm_cpu=10, arm_fp=frozenset((0, 1, 2, 4))),
    "loong64": Baseline("LoongArch64 with LSX", ("la464", "la464-loongarch-cpu")),
    "mipsel": Baseline("MIPS32 revision 2", ("24Kf",), mips=frozenset((0, 1, 5, 7))),
    "mips64el": Baseline("MIPS64 revision 2", ("MIPS64R2-generic",), mips=frozenset(range(9))),
    "ppc64el": Baseline("POWER8", ("power8",)),
    "riscv64": Baseline("RV64GC", ("sifive-u54",), riscv=_RV64GC),
    # No archive is built for these: their baselines are what the release's cross compilers are configured
    # for ("gcc -v"), and where those say nothing, GCC's own defaults.
    "alpha": Baseline("EV4 (21064)", ("ev4-alpha-cpu",)),
    "hppa": Baseline("PA-RISC 1.1", ("hppa",)),
    "m68k": Baseline("68020 with 68881", ("m68020", "m68040")),
    "mips": Baseline("MIPS32 revision 2", ("24Kf",), mips=frozenset((0, 1, 5, 7))),
    "mips64": Baseline("MIPS64 revision 2", ("MIPS64R2-generic",), mips=frozenset(range(9))),
    "mipsr6el": Baseline("MIPS32 revision 6", ("mips32r6-generic",), mips=frozenset((9,))),
    "mips64r6el": Baseline("MIPS64 revision 6", ("I6400",), mips=frozenset((9, 10))),
    "powerpc": Baseline("PowerPC 603 with classic floating point", ("603e", "7400")),
    "ppc64": Baseline("64-bit PowerPC without AltiVec (POWER3)", ("970fx", "970")),
    "sh4": Baseline("SH-4", ("sh7750r",)),
    "sparc64": Baseline("UltraSPARC (V9)", ("TI UltraSparc I",)),
    "x32": Baseline("x86-64-v1", ("Opteron_G1", "qemu64"), x86=1),
    "s390x": Baseline("z196", ("z196-base" + "".join(f",{name}=off" for name in _S390_ABSENT),)),
}

_ARM_CPUS = ("before v4", "v4", "v4T", "v5T", "v5TE", "v5TEJ", "v6", "v6KZ", "v6T2", "v6K", "v7", "v6-M",
             "v6S-M", "v7E-M", "v8-A", "v8-R", "v8-M.baseline", "v8-M.mainline", "v8.1-A", "v8.2-A", "v8.3-A",
             "v8.1-M.mainline", "v9-A")
_ARM_FPS = {1: "VFPv1", 2: "VFPv2", 3: "VFPv3 with 32 registers", 4: "VFPv3-D16",
            5: "VFPv4 with 32 registers", 6: "VFPv4-D16", 7: "the floating point of ARMv8",
            8: "the floating point of ARMv8 with 16 registers"}
#: The attributes that are looked at.
ARM_ATTRIBUTES = ("TAG_CPU_ARCH", "TAG_FP_ARCH", "TAG_WMMX_ARCH", "TAG_ADVANCED_SIMD_ARCH", "TAG_DIV_USE")
_MIPS_SETS = ("MIPS I", "MIPS II", "MIPS III", "MIPS IV", "MIPS V", "MIPS32", "MIPS64", "MIPS32 revision 2",
              "MIPS64 revision 2", "MIPS32 revision 6", "MIPS64 revision 6")
#: AFL_ASE_* of .MIPS.abiflags, from the lowest bit.
_MIPS_EXTENSIONS = ("DSP", "DSP revision 2", "EVA", "MCU", "MDMX", "MIPS-3D", "MT", "SmartMIPS", "VZ", "MSA",
                    "MIPS16", "microMIPS", "XPA", "DSP revision 3", "MIPS16e2", "CRC", "", "GINV",
                    "Loongson MMI", "Loongson CAM", "Loongson EXT", "Loongson EXT2")
_X86_LEVELS = ("x86-64-v1", "x86-64-v2", "x86-64-v3", "x86-64-v4")
#: Revision 6 has the NaN encoding of 2008 and no other.
_MIPS_R6 = frozenset((9, 10))
_EF_MIPS_NAN2008, _EF_RISCV_TSO = 0x400, 0x10
#: Calls by which code learns what processor it runs on.
CHOOSING_CALLS = frozenset(("getauxval", "__getauxval", "elf_aux_info", "__riscv_hwprobe",
                            "av_get_cpu_flags", "cpuinfo_initialize"))
#: Files that say what the processor can do.
CHOOSING_FILES = (b"/proc/cpuinfo", b"/proc/self/auxv")
#: Trying an instruction and coming back from SIGILL takes one of each.
TRYING_CALLS = (frozenset(("signal", "sigaction", "bsd_signal", "__sysv_signal")),
                frozenset(("__sigsetjmp", "sigsetjmp", "_setjmp", "setjmp")))
#: Directories that the dynamic linker looks into where the processor fits (ld.so(8), "Hardware
#: capabilities"; all but the first until glibc 2.36).
_HWCAPS = re.compile(r"(?:^|/)lib/(?:[^/]+/)?(?:tls/)?(?:glibc-hwcaps|neon|vfp\w*|iwmmxt|v[5-8]l|i686|sse2|"
                     r"haswell|xeon_phi|power\d+|z\d+|loongson\w*)/")


def baseline(architecture: str) -> Baseline:
    """Return the baseline of an architecture by its Debian name."""
    return BASELINES[architecture]


def arm_cpu(code: Code) -> str:
    """Return the name of an ARM processor level, "" when the file does not say."""
    number = dict(code.arm).get("TAG_CPU_ARCH", -1)
    return f"ARM{_ARM_CPUS[number]}" if 0 <= number < len(_ARM_CPUS) else ""


def beyond(machine: str, flags: int, code: Code, oldest: Baseline) -> tuple[str, ...]:
    """Return what a file's code wants that the oldest processors do not have.

    ``machine`` is pyelftools' name of e_machine, which must be that of the baseline; ``flags``
    are e_flags.
    """
    if machine == "EM_ARM":
        return tuple(_beyond_arm(code, oldest))
    if machine == "EM_MIPS":
        return tuple(_beyond_mips(flags, code, oldest))
    if machine == "EM_RISCV":
        more = [name for name in riscv_extensions(code.riscv) if name not in oldest.riscv]
        return (*(f"the extension {name}" for name in more),
                *(["total store ordering"] if flags & _EF_RISCV_TSO else ()))
    if machine in ("EM_X86_64", "EM_386"):
        return tuple(name for bit, name in enumerate(_X86_LEVELS) if code.x86 & ~oldest.x86 & 1 << bit)
    return ()


def _beyond_arm(code: Code, oldest: Baseline) -> Iterator[str]:
    said = dict(code.arm)
    if said.get("TAG_CPU_ARCH", -1) > oldest.arm_cpu:
        yield arm_cpu(code) or f"Tag_CPU_arch {said['TAG_CPU_ARCH']}"
    if (floats := said.get("TAG_FP_ARCH", 0)) not in oldest.arm_fp:
        yield _ARM_FPS.get(floats, f"Tag_FP_arch {floats}")
    if said.get("TAG_ADVANCED_SIMD_ARCH"):
        yield "NEON"
    if said.get("TAG_WMMX_ARCH"):
        yield "Wireless MMX"
    if said.get("TAG_DIV_USE") == 2:  # 0 and 1 mean: not in ARMv7-A
        yield "instructions that divide integers"


def _beyond_mips(flags: int, code: Code, oldest: Baseline) -> Iterator[str]:
    level = flags >> 28
    revision, special, extensions = code.mips
    newest = oldest.mips <= _MIPS_R6
    if level not in oldest.mips:
        yield _MIPS_SETS[level] if level < len(_MIPS_SETS) else f"instruction set {level}"
    elif revision > (6 if newest else 2):
        yield f"revision {revision} of the instruction set"
    if special:
        yield f"instructions of one maker's processors (extension {special})"
    yield from (name or f"extension {bit}" for bit, name in enumerate(_MIPS_EXTENSIONS)
                if extensions & 1 << bit)
    if flags & _EF_MIPS_NAN2008 and not newest:
        yield "the NaN encoding of 2008"


def chosen_by_the_linker(path: str) -> bool:
    """Tell whether the dynamic linker takes a library only where the processor fits."""
    return bool(_HWCAPS.search(path))


def riscv_extensions(isa: str) -> tuple[str, ...]:
    """Return the extensions that an ISA string names: "rv64i2p1_m2p0_zicsr2p0" has i, m and zicsr."""
    first, *others = re.sub(r"\d+p\d+", "", isa.lower()).split("_")
    return (*re.sub(r"^rv\d+", "", first), *filter(None, others))


def riscv_isa(section: bytes) -> str:
    """Return Tag_RISCV_arch of a section .riscv.attributes, "" for none.  Raises IndexError for a cut one."""
    start = section.find(b"riscv\0") + len(b"riscv\0")
    # Then follow the tag of the part (1: the whole file), its size, and pairs: odd tags have texts.
    position = start + 5
    while start >= 6 and position < len(section):
        tag, position = _uleb(section, position)
        if tag % 2:
            end = section.index(b"\0", position)
            if tag == 5:
                return section[position:end].decode("ascii", "replace")
            position = end + 1
        else:
            _, position = _uleb(section, position)
    return ""


def _uleb(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if not byte & 0x80:
            return value, position


def mips_abiflags(section: bytes, little_endian: bool) -> tuple[int, int, int]:
    """Return revision, processor-specific extension and extensions of a section .MIPS.abiflags."""
    order: str = "little" if little_endian else "big"
    return (section[3], int.from_bytes(section[8:12], order),  # type: ignore[arg-type]
            int.from_bytes(section[12:16], order))  # type: ignore[arg-type]


def x86_needed(section: bytes, bits: int) -> int:
    """Return GNU_PROPERTY_X86_ISA_1_NEEDED of a section .note.gnu.property, 0 for none."""
    word = bits // 8
    position = 0
    while position + 12 <= len(section):
        names, size, kind = (int.from_bytes(section[position + at:position + at + 4], "little")
                             for at in (0, 4, 8))
        begin = position + 12 + (names + 3) // 4 * 4
        if kind == 5:  # NT_GNU_PROPERTY_TYPE_0
            for number, value in _properties(section[begin:begin + size], word):
                if number == 0xC0008002:
                    return value
        position = begin + (size + word - 1) // word * word
    return 0


def _properties(data: bytes, word: int) -> Iterator[tuple[int, int]]:
    position = 0
    while position + 8 <= len(data):
        number = int.from_bytes(data[position:position + 4], "little")
        size = int.from_bytes(data[position + 4:position + 8], "little")
        yield number, int.from_bytes(data[position + 8:position + 8 + size], "little")
        position += 8 + (size + word - 1) // word * word


def vermagic(section: bytes) -> str:
    """Return for which kernel a module was built, by its section .modinfo; "unknown" when it does not say."""
    name = b"vermagic="
    found = next((text for text in section.split(b"\0") if text.startswith(name)), name + b"unknown")
    return found.removeprefix(name).decode("ascii", "replace").strip()
