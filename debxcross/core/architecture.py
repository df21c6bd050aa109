# SPDX-License-Identifier: GPL-3.0-or-later
"""One Debian architecture in all its dialects.

Sources: dpkg's tables (``/usr/share/dpkg/cputable``, ``tupletable``), the psABI supplements
for ELF machines and flags, ``rustc --print target-list``, Meson's reference tables, PEP 425
and PEP 600 for wheel platforms.
"""
from __future__ import annotations

import difflib
from dataclasses import dataclass

from debxcross.errors import UsageError


@dataclass(frozen=True)
class ElfIdentity:
    """What the ELF header of every file for an architecture must say.

    ``bits`` is 32 or 64; ``machine`` is pyelftools' name of e_machine; ``flags_mask`` and
    ``flags_value`` check e_flags, where the float ABI of ARM and the ABI of MIPS live.
    ``float_abi`` is "soft" or "hard" where Debian distinguishes (armel and armhf), else "".
    """

    bits: int
    little_endian: bool
    machine: str
    flags_mask: int = 0
    flags_value: int = 0
    float_abi: str = ""


@dataclass(frozen=True)
class Architecture:
    """A Debian architecture and the names that others have for it.

    ``rust_target`` is "" where Rust has none.
    """

    name: str
    gnu_triplet: str
    multiarch: str
    qemu: str
    rust_target: str
    meson_family: str
    meson_cpu: str
    wheel_platform: str
    uname: str
    elf: ElfIdentity

    @property
    def crossbuild_package(self) -> str:
        """The package that brings the cross toolchain for this architecture."""
        return f"crossbuild-essential-{self.name}"

    @property
    def compiler_packages(self) -> tuple[str, str]:
        """The packages of its C and C++ cross compilers, which may be there without crossbuild_package."""
        triplet = self.gnu_triplet.replace("_", "-")
        return f"gcc-{triplet}", f"g++-{triplet}"

    @property
    def libc(self) -> str:
        """The package of the GNU C library: libc6.1 on alpha, else libc6."""
        return "libc6.1" if self.name == "alpha" else "libc6"

    @property
    def qemu_binary(self) -> str:
        """The user-mode emulator that runs this architecture's programs."""
        return f"qemu-{self.qemu}-static"


# EF_ARM_ABI_FLOAT_SOFT 0x200 and _HARD 0x400 (ARM ELF supplement 5.2) are set on executables
# and shared objects only by newer linkers, so the gate also reads Tag_ABI_VFP_args.
_ARM_EABI_MASK, _ARM_EABI5 = 0xFF000000, 0x05000000
_MIPS_ABI2, _MIPS_ABI_O32 = 0x20, 0x1000
#: EF_MIPS_ARCH, and its values for revision 6, which runs no code of the revisions before.
_MIPS_SET, _MIPS32R6, _MIPS64R6 = 0xF0000000, 0x90000000, 0xA0000000
#: The second version of the ABI of 64-bit PowerPC (EF_PPC64_ABI); the first says 1, or nothing.
_PPC64_ABI2 = 0x2

_TABLE = (
    Architecture("alpha", "alpha-linux-gnu", "alpha-linux-gnu", "alpha", "", "alpha", "alpha",
                 "linux_alpha", "alpha", ElfIdentity(64, True, "EM_ALPHA")),
    Architecture("amd64", "x86_64-linux-gnu", "x86_64-linux-gnu", "x86_64",
                 "x86_64-unknown-linux-gnu", "x86_64", "x86_64", "linux_x86_64", "x86_64",
                 ElfIdentity(64, True, "EM_X86_64")),
    Architecture("arm64", "aarch64-linux-gnu", "aarch64-linux-gnu", "aarch64",
                 "aarch64-unknown-linux-gnu", "aarch64", "aarch64", "linux_aarch64", "aarch64",
                 ElfIdentity(64, True, "EM_AARCH64")),
    Architecture("armel", "arm-linux-gnueabi", "arm-linux-gnueabi", "arm",
                 "armv5te-unknown-linux-gnueabi", "arm", "armv5te", "linux_armv5tel", "armv5tel",
                 ElfIdentity(32, True, "EM_ARM", _ARM_EABI_MASK, _ARM_EABI5, "soft")),
    Architecture("armhf", "arm-linux-gnueabihf", "arm-linux-gnueabihf", "arm",
                 "armv7-unknown-linux-gnueabihf", "arm", "armv7hl", "linux_armv7l", "armv7l",
                 ElfIdentity(32, True, "EM_ARM", _ARM_EABI_MASK, _ARM_EABI5, "hard")),
    Architecture("hppa", "hppa-linux-gnu", "hppa-linux-gnu", "hppa", "", "parisc", "parisc",
                 "linux_parisc", "parisc", ElfIdentity(32, False, "EM_PARISC")),
    Architecture("i386", "i686-linux-gnu", "i386-linux-gnu", "i386",
                 "i686-unknown-linux-gnu", "x86", "i686", "linux_i686", "i686",
                 ElfIdentity(32, True, "EM_386")),
    Architecture("loong64", "loongarch64-linux-gnu", "loongarch64-linux-gnu", "loongarch64",
                 "loongarch64-unknown-linux-gnu", "loongarch64", "loongarch64",
                 "linux_loongarch64", "loongarch64",
                 ElfIdentity(64, True, "EM_LOONGARCH")),
    Architecture("m68k", "m68k-linux-gnu", "m68k-linux-gnu", "m68k",
                 "m68k-unknown-linux-gnu", "m68k", "m68k", "linux_m68k", "m68k",
                 ElfIdentity(32, False, "EM_68K")),
    # What runs mips and what runs mipsel call themselves alike: "mips", whatever the byte order.
    Architecture("mips", "mips-linux-gnu", "mips-linux-gnu", "mips",
                 "mips-unknown-linux-gnu", "mips", "mips32r2", "linux_mips", "mips",
                 ElfIdentity(32, False, "EM_MIPS", _MIPS_ABI_O32, _MIPS_ABI_O32)),
    Architecture("mips64", "mips64-linux-gnuabi64", "mips64-linux-gnuabi64", "mips64",
                 "mips64-unknown-linux-gnuabi64", "mips64", "mips64r2", "linux_mips64", "mips64",
                 ElfIdentity(64, False, "EM_MIPS", _MIPS_ABI2, 0)),
    Architecture("mips64el", "mips64el-linux-gnuabi64", "mips64el-linux-gnuabi64", "mips64el",
                 "mips64el-unknown-linux-gnuabi64", "mips64", "mips64r2", "linux_mips64", "mips64",
                 ElfIdentity(64, True, "EM_MIPS", _MIPS_ABI2, 0)),
    Architecture("mips64r6el", "mipsisa64r6el-linux-gnuabi64", "mipsisa64r6el-linux-gnuabi64", "mips64el",
                 "mipsisa64r6el-unknown-linux-gnuabi64", "mips64", "mips64r6", "linux_mips64", "mips64",
                 ElfIdentity(64, True, "EM_MIPS", _MIPS_SET | _MIPS_ABI2, _MIPS64R6)),
    Architecture("mipsel", "mipsel-linux-gnu", "mipsel-linux-gnu", "mipsel",
                 "mipsel-unknown-linux-gnu", "mips", "mips32r2", "linux_mips", "mips",
                 ElfIdentity(32, True, "EM_MIPS", _MIPS_ABI_O32, _MIPS_ABI_O32)),
    Architecture("mipsr6el", "mipsisa32r6el-linux-gnu", "mipsisa32r6el-linux-gnu", "mipsel",
                 "mipsisa32r6el-unknown-linux-gnu", "mips", "mips32r6", "linux_mips", "mips",
                 ElfIdentity(32, True, "EM_MIPS", _MIPS_SET | _MIPS_ABI_O32,
                             _MIPS32R6 | _MIPS_ABI_O32)),
    Architecture("powerpc", "powerpc-linux-gnu", "powerpc-linux-gnu", "ppc",
                 "powerpc-unknown-linux-gnu", "ppc", "ppc", "linux_ppc", "ppc",
                 ElfIdentity(32, False, "EM_PPC")),
    Architecture("ppc64", "powerpc64-linux-gnu", "powerpc64-linux-gnu", "ppc64",
                 "powerpc64-unknown-linux-gnu", "ppc64", "ppc64", "linux_ppc64", "ppc64",
                 ElfIdentity(64, False, "EM_PPC64", _PPC64_ABI2, 0)),
    Architecture("ppc64el", "powerpc64le-linux-gnu", "powerpc64le-linux-gnu", "ppc64le",
                 "powerpc64le-unknown-linux-gnu", "ppc64", "ppc64le", "linux_ppc64le", "ppc64le",
                 ElfIdentity(64, True, "EM_PPC64", 0x3, 0x2)),
    Architecture("riscv64", "riscv64-linux-gnu", "riscv64-linux-gnu", "riscv64",
                 "riscv64gc-unknown-linux-gnu", "riscv64", "riscv64", "linux_riscv64", "riscv64",
                 ElfIdentity(64, True, "EM_RISCV", 0x6, 0x4)),
    Architecture("s390x", "s390x-linux-gnu", "s390x-linux-gnu", "s390x",
                 "s390x-unknown-linux-gnu", "s390x", "s390x", "linux_s390x", "s390x",
                 ElfIdentity(64, False, "EM_S390")),
    Architecture("sh4", "sh4-linux-gnu", "sh4-linux-gnu", "sh4", "", "sh4", "sh4",
                 "linux_sh4a", "sh4a", ElfIdentity(32, True, "EM_SH")),
    Architecture("sparc64", "sparc64-linux-gnu", "sparc64-linux-gnu", "sparc64",
                 "sparc64-unknown-linux-gnu", "sparc64", "sparc64", "linux_sparc64", "sparc64",
                 ElfIdentity(64, False, "EM_SPARCV9")),
    # The processor and its kernel are amd64's: "uname -m" says x86_64.
    Architecture("x32", "x86_64-linux-gnux32", "x86_64-linux-gnux32", "x86_64",
                 "x86_64-unknown-linux-gnux32", "x86_64", "x86_64", "linux_x86_64", "x86_64",
                 ElfIdentity(32, True, "EM_X86_64")),
)

ARCHITECTURES = {architecture.name: architecture for architecture in _TABLE}


def architecture(name: str) -> Architecture:
    """Return the architecture with this Debian name; UsageError offers the nearest names."""
    try:
        return ARCHITECTURES[name]
    except KeyError:
        pass
    near = difflib.get_close_matches(name, ARCHITECTURES, n=3, cutoff=0.4)
    guess = f"Did you mean {' or '.join(near)}? " if near else ""
    raise UsageError(
        f"unknown architecture {name!r}",
        resolution=f"{guess}Known architectures: {', '.join(ARCHITECTURES)}.",
    )
