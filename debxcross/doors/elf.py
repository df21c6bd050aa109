# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to ELF files: the only importer of pyelftools.

Sources: the generic ABI (gabi41), ELF for the Arm Architecture (e_flags), Addenda to the
Arm ABI (build attributes), ar(5) as GNU and BSD write it.
"""
from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import IO, Any

from debxcross.core.gate import ElfFacts
from debxcross.core.sysroot.needs import ElfNeeds

ELF_MAGIC = b"\x7fELF"
AR_MAGIC = b"!<arch>\n"
_BLOCK = 1 << 20
#: Machines that pyelftools 0.29 does not know by name (gabi's registry of e_machine).
_MACHINES = {258: "EM_LOONGARCH", 247: "EM_BPF", 252: "EM_CSKY"}
_DF_1_PIE = 0x8000000
_EF_ARM_ABI_FLOAT_SOFT, _EF_ARM_ABI_FLOAT_HARD = 0x200, 0x400
#: What pyelftools also raises when a damaged file leads it astray (found by fuzzing).
DAMAGE = (ValueError, KeyError, AttributeError, IndexError, TypeError, AssertionError, OverflowError)
#: How much of a string is shown on either side of a forbidden one, in bytes.
_AROUND = 120


def read(content: bytes | IO[bytes], path: str) -> ElfFacts | None:
    """Return what one ELF file says; None for anything else, archives included.

    ``content`` is the bytes or a seekable file.  A damaged file has its header's facts
    and says so in ``damage``.
    """
    from elftools.common.exceptions import ELFError
    from elftools.construct.core import ConstructError
    from elftools.elf.elffile import ELFFile

    file = io.BytesIO(content) if isinstance(content, bytes) else content
    file.seek(0)
    if file.read(4) != ELF_MAGIC:
        return None
    file.seek(0)
    try:
        elf = ELFFile(file)
        header = _header_facts(elf, path)
    except (ELFError, ConstructError, *DAMAGE) as error:
        return _from_first_bytes(file, path, str(error))
    try:
        return ElfFacts(**{**header, **_body_facts(elf)})
    except (ELFError, ConstructError, *DAMAGE) as error:
        return ElfFacts(**header, damage=f"{error}" or type(error).__name__)


def read_all(content: bytes, path: str) -> tuple[ElfFacts, ...]:
    """Return the facts of an ELF file, or of every ELF member of an ar archive, or ()."""
    if content.startswith(AR_MAGIC):
        found = [read(body, f"{path}({name})") for name, body in archive_members(content)]
    else:
        found = [read(content, path)]
    return tuple(facts for facts in found if facts is not None)


def read_needs(file: IO[bytes]) -> ElfNeeds:
    """Return what an ELF file asks of the machine it runs on; what cannot be read is not asked."""
    from elftools.common.exceptions import ELFError
    from elftools.construct.core import ConstructError
    from elftools.elf.elffile import ELFFile

    found: dict[str, Any] = {}
    try:
        file.seek(0)
        elf = ELFFile(file)
        sections = {section.name: section for section in elf.iter_sections()} if elf["e_shoff"] else {}
        found["go"] = ".note.go.buildid" in sections
        found["cpu"] = _arm_attributes(elf, sections).get("TAG_CPU_ARCH", -1)
        if needed := sections.get(".gnu.version_r"):
            found["versions"] = tuple((library.name, version.name) for library, versions
                                      in needed.iter_versions() for version in versions)
        if defined := sections.get(".gnu.version_d"):
            # The first name of each definition is its own; the others are what it builds upon.
            found["defines"] = tuple(next(iter(names)).name for _, names in defined.iter_versions())
        if symbols := sections.get(".dynsym") or _dynamic_segment(elf):
            found["starts"] = any(symbol.name.startswith("__libc_start_main")
                                  for symbol in symbols.iter_symbols())
        if dynamic := _dynamic(elf, sections):
            found["pie"] = any(tag.entry.d_tag == "DT_FLAGS_1" and tag.entry.d_val & _DF_1_PIE
                               for tag in dynamic.iter_tags())
    except (ELFError, ConstructError, *DAMAGE):
        pass
    return ElfNeeds(**found)


def find_strings(content: bytes | IO[bytes], forbidden: Sequence[bytes]) -> tuple[str, ...]:
    """Return the printable text around each occurrence of a forbidden string, sorted, each once.

    A file is read in blocks, so its size does not matter.  Compressed debug sections are
    not looked into.
    """
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    file.seek(0)
    wanted = sorted({string for string in forbidden if string})
    longest = max(map(len, wanted), default=0)
    found: set[bytes] = set()
    window, final = b"", False
    while wanted and not final:
        block = file.read(_BLOCK)
        final = not block
        window += block
        # A hit near the end waits for the next block, so that the text around it is whole.
        limit = len(window) if final else len(window) - longest - _AROUND
        for string in wanted:
            start = window.find(string)
            while 0 <= start < limit:
                found.add(_text_around(window, start, len(string)))
                start = window.find(string, start + 1)
        window = window[max(limit - _AROUND, 0):] if limit > 0 else window
    return tuple(sorted(text.decode("ascii", "replace") for text in found))


def _text_around(window: bytes, start: int, length: int) -> bytes:
    first, last = start, start + length
    while first > 0 and start - first < _AROUND and 0x20 <= window[first - 1] < 0x7F:
        first -= 1
    while last < len(window) and last - start - length < _AROUND and 0x20 <= window[last] < 0x7F:
        last += 1
    return window[first:last]


def _machine(value: str | int) -> str:
    return _MACHINES.get(value, f"EM_{value}") if isinstance(value, int) else value


def _header_facts(elf: Any, path: str) -> dict[str, Any]:
    return {"path": path, "bits": elf.elfclass, "little_endian": elf.little_endian,
            "machine": _machine(elf["e_machine"]), "flags": elf["e_flags"], "type": str(elf["e_type"])}


def _from_first_bytes(file: IO[bytes], path: str, damage: str) -> ElfFacts:
    """Say what can be said of an ELF file too damaged for pyelftools (e_ident and e_machine)."""
    file.seek(0)
    head = file.read(20).ljust(20, b"\0")
    little_endian = head[5] != 2
    machine = int.from_bytes(head[18:20], "little" if little_endian else "big")
    return ElfFacts(path, 64 if head[4] == 2 else 32, little_endian, _machine(machine), 0, "",
                    damage=damage or "its header cannot be read")


def _body_facts(elf: Any) -> dict[str, Any]:
    sections = {section.name: section for section in elf.iter_sections()} if elf["e_shoff"] else {}
    facts: dict[str, Any] = {
        "float_abi": _float_abi(elf, sections),
        "interpreter": _interpreter(elf, sections),
    }
    dynamic = _dynamic(elf, sections)
    if dynamic is not None:
        facts.update(_dynamic_facts(dynamic))
    return facts


def _dynamic(elf: Any, sections: dict[str, Any]) -> Any:
    """Return the dynamic section; None for what has none, debug files included.

    A debug file keeps its program headers, but what they point at is gone and the sections
    are NOBITS: so the sections decide, and the segments only where there are none.
    """
    if sections:
        found = [section for section in sections.values() if section["sh_type"] == "SHT_DYNAMIC"]
    else:
        return _dynamic_segment(elf)
    return found[0] if found else None


def _dynamic_segment(elf: Any) -> Any:
    """Return the segment that the dynamic linker reads; None for what has none."""
    return next((one for one in elf.iter_segments() if one["p_type"] == "PT_DYNAMIC"), None)


def _dynamic_facts(dynamic: Any) -> dict[str, Any]:
    needed: list[str] = []
    facts: dict[str, Any] = {}
    for tag in dynamic.iter_tags():
        if tag.entry.d_tag == "DT_NEEDED":
            needed.append(tag.needed)
        elif tag.entry.d_tag == "DT_SONAME":
            facts["soname"] = tag.soname
        elif tag.entry.d_tag == "DT_RPATH":
            facts["rpath"] = tuple(filter(None, tag.rpath.split(":")))
        elif tag.entry.d_tag == "DT_RUNPATH":
            facts["runpath"] = tuple(filter(None, tag.runpath.split(":")))
    return {**facts, "needed": tuple(needed)}


def _interpreter(elf: Any, sections: dict[str, Any]) -> str:
    section = sections.get(".interp")
    if section is not None:
        data = section.data() if section["sh_type"] != "SHT_NOBITS" else b""
        return bytes(data).rstrip(b"\0").decode("ascii", "replace")
    if not sections:
        for segment in elf.iter_segments():
            if segment["p_type"] == "PT_INTERP":
                return str(segment.get_interp_name())
    return ""


def _float_abi(elf: Any, sections: dict[str, Any]) -> str:
    """Return how an ARM file passes floating-point arguments, or "" when it does not say.

    Linked files say it in e_flags.  Others say it in Tag_ABI_VFP_args: 1 is hard; the
    default, 0, is soft, but only a compiler (which always writes Tag_ABI_FP_number_model)
    means it: assembled files often have no tag though they fit both.
    """
    if elf["e_machine"] != "EM_ARM":
        return ""
    if elf["e_type"] in ("ET_EXEC", "ET_DYN"):
        if elf["e_flags"] & _EF_ARM_ABI_FLOAT_HARD:
            return "hard"
        if elf["e_flags"] & _EF_ARM_ABI_FLOAT_SOFT:
            return "soft"
    tags = _arm_attributes(elf, sections)
    if "TAG_ABI_VFP_ARGS" in tags:
        return {0: "soft", 1: "hard"}.get(tags["TAG_ABI_VFP_ARGS"], "")
    return "soft" if "TAG_ABI_FP_NUMBER_MODEL" in tags else ""


def _arm_attributes(elf: Any, sections: dict[str, Any]) -> dict[str, Any]:
    section = sections.get(".ARM.attributes")
    if elf["e_machine"] != "EM_ARM" or section is None or section["sh_type"] == "SHT_NOBITS":
        return {}
    return {attribute.tag: attribute.value
            for subsection in section.iter_subsections("aeabi")
            for part in subsection.iter_subsubsections("TAG_FILE")
            for attribute in part.iter_attributes()}


def archive_members(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of an archive's members, without its symbol and name tables."""
    position, long_names = len(AR_MAGIC), b""
    while position + 60 <= len(content):
        header = content[position:position + 60]
        name, size = header[:16].rstrip(), header[48:58].strip()
        if header[58:] != b"`\n" or not size.isdigit():
            return
        body = content[position + 60:position + 60 + int(size)]
        position += 60 + int(size) + int(size) % 2
        if name == b"//":
            long_names = body
        elif name in (b"/", b"/SYM64/") or name.startswith(b"__.SYMDEF"):
            continue
        else:
            if name.startswith(b"#1/") and name[3:].isdigit():  # BSD: the name precedes the bytes
                length = int(name[3:])
                name, body = body[:length].rstrip(b"\0"), body[length:]
            elif name.startswith(b"/") and name[1:].isdigit():  # GNU: an offset into the table
                name = long_names[int(name[1:]):].partition(b"\n")[0]
            yield name.removesuffix(b"/").decode("utf-8", "replace"), body
