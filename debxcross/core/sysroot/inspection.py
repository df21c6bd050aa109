# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``inspect`` tells about a file, as lines for people and values for programs."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from debxcross.core.architecture import Architecture
from debxcross.core.gate import ElfFacts, failed, kernel_side_verdicts
from debxcross.core.processor import arm_cpu
from debxcross.core.sysroot import needs as elfneeds
from debxcross.core.sysroot.needs import ElfNeeds

_TYPES = {"ET_EXEC": "program", "ET_DYN": "shared library", "ET_REL": "object file", "ET_CORE": "core dump"}


@dataclass(frozen=True)
class Inspection:
    """A file, and where it was looked at for.

    ``found`` maps every library it needs to where it is ("" for missing), empty when nobody
    looked; ``against`` is such as "bookworm armel"; ``faults`` say why it will not run there;
    ``cautions`` what it may not do on every device.
    """

    path: str
    facts: ElfFacts
    needs: ElfNeeds
    found: Mapping[str, str]
    against: str
    faults: tuple[str, ...]
    cautions: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """What sort of file it is."""
        if self.facts.type == "ET_DYN" and self.facts.interpreter:
            return "program (PIE)"
        if self.facts.type == "ET_DYN" and self.needs.pie and not self.facts.needed:
            return "static program (PIE)"
        if elfneeds.is_static(self.facts) and self.facts.type == "ET_EXEC":
            return "static program"
        return _TYPES.get(self.facts.type, self.facts.type)

    @property
    def architectures(self) -> tuple[str, ...]:
        """Debian's names of what it may be for."""
        return tuple(one.name for one in elfneeds.fitting(self.facts))

    def data(self) -> dict[str, Any]:
        """Return everything as JSON's values."""
        return {
            "path": self.path, "kind": self.kind, "architectures": list(self.architectures),
            "machine": self.facts.machine, "bits": self.facts.bits, "float_abi": self.facts.float_abi,
            "cpu": arm_cpu(self.facts.code), "interpreter": self.facts.interpreter,
            "soname": self.facts.soname, "rpath": [*self.facts.rpath, *self.facts.runpath],
            "needed": {name: self.found.get(name) for name in self.facts.needed},
            "glibc": elfneeds.newest(self.needs, "GLIBC_"),
            "glibcxx": elfneeds.newest(self.needs, "GLIBCXX_"),
            "oldest_release": elfneeds.oldest_release(self.needs), "against": self.against,
            "faults": list(self.faults), "cautions": list(self.cautions),
            "runs": not self.faults if self.against else None,
        }

    def text(self) -> str:
        """Return it for people; the last line answers whether it will run."""
        facts, needs = self.facts, self.needs
        what = [f"{facts.bits}-bit", facts.machine.removeprefix("EM_"),
                f"{facts.float_abi} float" if facts.float_abi else "", arm_cpu(facts.code)]
        lines = [("architecture", f"{' or '.join(self.architectures) or 'none that Debian has'}"
                                  f" ({', '.join(filter(None, what))})")]
        if facts.interpreter:
            lines.append(("interpreter", facts.interpreter))
        if facts.soname:
            lines.append(("soname", facts.soname))
        if facts.rpath or facts.runpath:
            lines.append(("rpath", ":".join((*facts.rpath, *facts.runpath))))
        for number, name in enumerate(facts.needed):
            where = f" => {self.found[name] or 'MISSING'}" if name in self.found else ""
            lines.append(("needs" if not number else "", f"{name}{where}"))
        if glibc := elfneeds.newest(needs, "GLIBC_"):
            oldest = elfneeds.oldest_release(needs)
            lines.append(("glibc", f"{glibc} or newer: Debian {oldest} or newer" if oldest
                          else f"{glibc} or newer: newer than any Debian release known here"))
        lines += [("caution", text) for text in self.cautions]
        if self.against:
            lines.append(("will it run?", f"no: {'; '.join(self.faults)}" if self.faults
                          else f"yes, on {self.against}"))
        return "\n".join([f"{self.path}: {self.kind}", *(f"  {name:<14}{text}" for name, text in lines)])


@dataclass(frozen=True)
class Collection:
    """A file that no processor starts: a static library, or a package without machine code.

    ``what`` says what it is; ``architectures`` are those that its object files may be for;
    ``against`` and ``faults`` are as in Inspection.
    """

    path: str
    what: str
    architectures: tuple[str, ...] = ()
    against: str = ""
    faults: tuple[str, ...] = ()

    def data(self) -> dict[str, Any]:
        """Return everything as JSON's values."""
        return {"path": self.path, "kind": self.what, "architectures": list(self.architectures),
                "against": self.against, "faults": list(self.faults), "runs": None}

    def text(self) -> str:
        """Return it for people."""
        lines = [f"{self.path}: {self.what}"]
        if self.architectures:
            lines.append(f"  {'architecture':<14}{' or '.join(self.architectures)}")
        if self.faults:
            lines.append(f"  {'can it be used?':<16}no: {'; '.join(self.faults)}")
        elif self.against:
            lines.append(f"  {'can it be used?':<16}yes, for {self.against}")
        return "\n".join(lines)


def judge_objects(
    path: str, objects: Sequence[ElfFacts], host: Architecture | None, against: str,
    chooses: str = "", what: str = "static library of",
) -> Collection:
    """Return what there is to say about object files: a static library of them, or others to link with.

    ``chooses`` says how the code is chosen by the processor, "" for not at all.
    """
    fitting = [{one.name for one in elfneeds.fitting(facts)} for facts in objects]
    common = set.intersection(*fitting) if fitting else set()
    faults = []
    if host is not None:
        needs = ElfNeeds(chooses=chooses)
        wrong = [fault for facts in objects for fault in elfneeds.machine_faults(facts, needs, host)]
        faults = list(dict.fromkeys(wrong))
    number = f"{len(objects)} object file{'s' if len(objects) > 1 else ''}"
    return Collection(path, f"{what} {number}".strip(), tuple(sorted(common)), against, tuple(faults))


#: Kind of file (core.gate.loaded_by_others) → one of them, several, and who runs them.
_BY_OTHERS = {
    "kernel module": ("kernel module", "kernel modules", "the kernel loads them, and no C library"),
    "BPF program": ("BPF program", "BPF programs", "the kernel runs them, whatever the processor"),
    "boot loader, kernel or firmware": (
        "file of a boot loader, kernel or firmware", "files of boot loaders, kernels or firmware",
        "they run without Linux"),
    "data": ("ELF file that is data", "ELF files that are data", "programs read them"),
}


def judge_by_others(
    path: str, kind: str, found: Sequence[ElfFacts], host: Architecture | None, against: str
) -> Collection:
    """Return one description of all files of a package that no process of the device loads.

    ``kind`` is core.gate.loaded_by_others' word for them.
    """
    single, several, who = _BY_OTHERS[kind]
    machines = sorted({f"{facts.bits}-bit {facts.machine.removeprefix('EM_')}" for facts in found
                       if kind != "BPF program"})
    kernels = sorted({facts.code.kernel for facts in found} - {""})
    what = (f"{len(found)} {several if len(found) > 1 else single}"
            + (f" ({', '.join(machines)})" if machines else "")
            + (f" for {', '.join(kernels[:3])}" if kernels else ""))
    faults = [] if host is None else [
        f"{verdict.found}, not {verdict.expected}" for facts in found
        for verdict in failed(kernel_side_verdicts(facts, host))]
    return Collection(path, f"{what}: {who}", (), against if kind != "data" else "",
                      tuple(dict.fromkeys(faults)))


def judge(
    facts: ElfFacts, needs: ElfNeeds, host: Architecture, found: Mapping[str, str],
    offered: Mapping[str, tuple[str, ...]], release: str,
) -> tuple[str, ...]:
    """Return why a file will not run on a device of ``host`` and ``release``; () when it will.

    ``found`` says where each needed library is; ``offered`` which symbol versions a found
    library defines (one that is absent was not looked at).
    """
    if facts.damage:
        return (f"it is damaged: {facts.damage}",)
    faults = elfneeds.machine_faults(facts, needs, host)
    if faults:
        return tuple(faults)
    faults += elfneeds.start_faults(facts, needs, host)
    faults += [f"{name} is missing" for name in facts.needed if found.get(name) == ""]
    if offered:
        short = {library: version for library, version in needs.versions
                 if library in offered and version not in offered[library]}
        faults += [f"{library} has no {version}" for library, version in sorted(short.items())]
    else:
        faults += elfneeds.release_faults(needs, release)
    return tuple(faults)
