# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to ELF files: the only importer of pyelftools.

Sources: the generic ABI (gabi41), ELF for the Arm Architecture (e_flags), Addenda to the
Arm ABI (build attributes), ar(5) as GNU and BSD write it.
"""
from __future__ import annotations

import io
import lzma
import struct
from collections.abc import Iterator, Sequence
from typing import IO, Any

from debxcross.core import processor
from debxcross.core.gate import ElfFacts
from debxcross.core.processor import Code
from debxcross.core.sysroot.needs import ElfNeeds

ELF_MAGIC = b"\x7fELF"
AR_MAGIC = b"!<arch>\n"
_BLOCK = 1 << 20
#: Machines that pyelftools 0.29 does not know by name (gabi's registry of e_machine).
_MACHINES = {258: "EM_LOONGARCH", 247: "EM_BPF", 252: "EM_CSKY"}
_DF_1_PIE = 0x8000000
#: Machine → relocation whose value a function of the file returns when it is loaded (R_*_IRELATIVE).
_IRELATIVE = {"EM_ARM": 160, "EM_AARCH64": 1032, "EM_386": 42, "EM_X86_64": 37, "EM_PPC64": 248,
              "EM_RISCV": 58, "EM_S390": 61, "EM_LOONGARCH": 12}
_STT_GNU_IFUNC = 10
_EF_ARM_ABI_FLOAT_SOFT, _EF_ARM_ABI_FLOAT_HARD = 0x200, 0x400
#: What pyelftools also raises when a damaged file leads it astray (found by fuzzing).
DAMAGE = (ValueError, KeyError, AttributeError, IndexError, TypeError, AssertionError, OverflowError)
#: Bytes of a kernel module, unpacked; the largest that Debian has are some 20 MB.
_LARGEST_MODULE = 256 << 20
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


def unpacked(path: str, content: bytes) -> bytes:
    """Return a kernel module without its compression; anything else, and a damaged one, as it is."""
    if not path.endswith(".ko.xz"):
        return content
    try:
        return lzma.LZMADecompressor().decompress(content, max_length=_LARGEST_MODULE)
    except lzma.LZMAError:
        return content


def chooses(content: bytes, path: str) -> str:
    """Say how a file, or anything in an archive of files, chooses code by the processor it runs on.

    "" when there is no trace of that: what it has of newer instructions is then always executed.
    """
    if processor.chosen_by_the_linker(path):
        return "the dynamic linker takes it only where the processor fits"
    files = [body for _, body in archive_members(content)] if content.startswith(AR_MAGIC) else [content]
    calls: set[str] = set()
    for body in files:
        if body.startswith(ELF_MAGIC):
            try:
                calls |= _calls(body)
            except DAMAGE:
                continue
        if "IFUNC" in calls:
            return "it has indirect functions (IFUNC)"
        if asked := sorted(calls & processor.CHOOSING_CALLS):
            return f"it calls {asked[0]}"
    for name in processor.CHOOSING_FILES:
        if name in content:
            return f"it reads {name.decode()}"
    facts = read(content, path)
    program = facts is not None and facts.interpreter
    if not program and all(calls & some for some in processor.TRYING_CALLS):
        return "it comes back from signals, as after trying an instruction"
    return ""


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
    attributes = _arm_attributes(elf, sections)
    facts: dict[str, Any] = {
        "float_abi": _float_abi(elf, attributes),
        "interpreter": _interpreter(elf, sections),
        "code": _code(elf, sections, attributes),
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


def _code(elf: Any, sections: dict[str, Any], attributes: dict[str, Any]) -> Code:
    found: dict[str, Any] = {"arm": tuple(
        (name, attributes[name]) for name in processor.ARM_ATTRIBUTES if name in attributes)}

    def data(name: str, machines: Sequence[str]) -> bytes:
        section = sections.get(name)
        if section is None or section["sh_type"] == "SHT_NOBITS" or elf["e_machine"] not in machines:
            return b""
        return bytes(section.data())

    if flags := data(".MIPS.abiflags", ["EM_MIPS"]):
        found["mips"] = processor.mips_abiflags(flags, elf.little_endian)
    found["riscv"] = processor.riscv_isa(data(".riscv.attributes", ["EM_RISCV"]))
    found["x86"] = processor.x86_needed(data(".note.gnu.property", ["EM_X86_64", "EM_386"]), elf.elfclass)
    if elf["e_type"] == "ET_REL" and (information := data(".modinfo", [elf["e_machine"]])):
        found["kernel"] = processor.vermagic(information)
    return Code(**found)


def _calls(content: bytes) -> set[str]:
    """Return what a file calls of others, "IFUNC" among it for what it resolves when it is loaded.

    The tables are read as bytes: in a large library they have half a million entries.  Raises what
    is in DAMAGE for a damaged file.
    """
    from elftools.common.exceptions import ELFError
    from elftools.construct.core import ConstructError
    from elftools.elf.elffile import ELFFile

    found: set[str] = set()
    try:
        elf = ELFFile(io.BytesIO(content))
        for section in elf.iter_sections():
            if section["sh_type"] in ("SHT_SYMTAB", "SHT_DYNSYM"):
                found |= _undefined(elf, section.data(), elf.get_section(section["sh_link"]).data())
            elif section["sh_type"] in ("SHT_REL", "SHT_RELA") and _resolves(elf, section):
                found.add("IFUNC")
    except (ELFError, ConstructError) as error:
        raise ValueError(str(error)) from error
    return found


def _undefined(elf: Any, symbols: bytes, names: bytes) -> set[str]:
    """Return the names of a symbol table's undefined symbols, and IFUNC for an indirect function."""
    wide = elf.elfclass == 64
    found = set()
    for entry in _entries(symbols, "IBBHQQ" if wide else "IIIBBH", elf.little_endian):
        name, information, section = entry[0], entry[1 if wide else 3], entry[3 if wide else 5]
        if information & 15 == _STT_GNU_IFUNC:
            found.add("IFUNC")
        elif section == 0 and name:
            found.add(names[name:names.index(b"\0", name)].decode("ascii", "replace"))
    return found


def _resolves(elf: Any, section: Any) -> bool:
    """Tell whether a table of relocations has one whose value a function of the file returns."""
    indirect = _IRELATIVE.get(elf["e_machine"])
    wide, added = elf.elfclass == 64, section["sh_type"] == "SHT_RELA"
    form = ("QQ" if wide else "II") + (("q" if wide else "i") if added else "")
    mask = 0xFFFFFFFF if wide else 0xFF
    return indirect is not None and any(
        entry[1] & mask == indirect for entry in _entries(section.data(), form, elf.little_endian))


def _entries(table: bytes, form: str, little_endian: bool) -> Iterator[tuple[int, ...]]:
    layout = struct.Struct(("<" if little_endian else ">") + form)
    return layout.iter_unpack(table[:len(table) // layout.size * layout.size])


def _float_abi(elf: Any, tags: dict[str, Any]) -> str:
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
