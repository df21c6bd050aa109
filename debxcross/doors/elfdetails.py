# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to what ELF files offer, need and are protected by; with doors.elf, pyelftools' importer.

Symbol tables and the objects in archives are read here, not by pyelftools, which takes seconds for
large ones.
Sources: the generic ABI (gabi41), "ELF Symbol Versioning" (Drepper), ld(1) on RELRO.
"""
from __future__ import annotations

import hashlib
import io
import os
import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import IO, Any, NamedTuple

from debxcross.core.build.facts import CodeFacts, Symbol
from debxcross.doors.elf import AR_MAGIC, DAMAGE, ELF_MAGIC, archive_members

_BLOCK = 1 << 20
#: Larger archives of object files are compared by their bytes alone: each is read whole.
_LARGEST_ARCHIVE = 128 << 20
_SHT_PROGBITS, _SHT_SYMTAB = 1, 2
_SHF_ALLOC, _SHF_EXECINSTR = 0x2, 0x4
_DF_BIND_NOW, _DF_1_NOW, _DF_1_PIE = 0x8, 0x1, 0x8000000
_PF_X = 0x1
_LOCAL_BINDING = 0
_NAMELESS_TYPES = (3, 4)  # STT_SECTION, STT_FILE
_HIDDEN = (1, 2)  # STV_INTERNAL, STV_HIDDEN
_VERSION_MASK, _FIRST_VERSION = 0x7FFF, 2
_DIGITS = 32


class _Entry(NamedTuple):
    """An entry of a symbol table."""

    name: str
    section: int
    binding: int
    type: int
    visibility: int


class _Header(NamedTuple):
    """A section's header: sh_type, sh_flags, sh_offset, sh_size, sh_link."""

    type: int
    flags: int
    offset: int
    size: int
    link: int


def read_code(file: IO[bytes], path: str) -> CodeFacts | None:
    """Return what an ELF file or an ar archive of ELF files is; None for anything else.

    ``file`` is open for reading and seeking.  What is damaged says so in ``damage``, an archive
    above 128 MiB too.
    """
    file.seek(0)
    magic = file.read(len(AR_MAGIC))
    if magic == AR_MAGIC:
        return _read_archive(file, path)
    return _read_elf(file, path) if magic.startswith(ELF_MAGIC) else None


def _read_elf(file: IO[bytes], path: str) -> CodeFacts:
    from elftools.common.exceptions import ELFError
    from elftools.construct.core import ConstructError
    from elftools.elf.elffile import ELFFile

    facts = CodeFacts(path, "")
    try:
        elf = ELFFile(file)
        facts = replace(facts, kind=str(elf["e_type"]))
        sections = {section.name: section for section in elf.iter_sections()} if elf["e_shoff"] else {}
        if elf["e_type"] == "ET_REL":
            file.seek(0)
            return _read_object(file.read(), path)
        facts = replace(facts, sections=tuple(sorted(
            (name, _digest(file, section["sh_offset"], section["sh_size"]))
            for name, section in sections.items()
            if section["sh_size"] and section["sh_type"] not in ("SHT_NOBITS", "SHT_NULL"))))
        return replace(facts, **_dynamic_facts(elf, sections))
    except (ELFError, ConstructError, struct.error, *DAMAGE) as error:
        return replace(facts, damage=f"{error}" or type(error).__name__)


def _read_object(content: bytes, path: str) -> CodeFacts:
    """Return what a relocatable object defines and needs, and the digests of all its code and data.

    Section headers are read here: pyelftools takes milliseconds for each object of an archive.
    """
    wide, order = content[4:5] == b"\2", ">" if content[5:6] == b"\2" else "<"
    facts = CodeFacts(path, "ET_REL")
    code, data = hashlib.sha256(), hashlib.sha256()
    exports: set[Symbol] = set()
    imports: set[Symbol] = set()
    try:
        headers = _section_headers(content, order, wide)
        for header in headers:
            body = content[header.offset:header.offset + header.size]
            if header.type == _SHT_PROGBITS and header.flags & _SHF_ALLOC:
                (code if header.flags & _SHF_EXECINSTR else data).update(body)
            elif header.type == _SHT_SYMTAB:
                names = headers[header.link]
                for entry in _entries(body, content[names.offset:names.offset + names.size], order, wide):
                    if entry.binding != _LOCAL_BINDING and entry.type not in _NAMELESS_TYPES:
                        if not entry.section:
                            imports.add(Symbol(entry.name))
                        elif entry.visibility not in _HIDDEN:
                            exports.add(Symbol(entry.name))
    except (struct.error, IndexError) as error:
        return replace(facts, damage=f"{error}" or "it is cut")
    return replace(facts, exports=tuple(sorted(exports)), imports=tuple(sorted(imports)),
                   sections=((".data", data.hexdigest()[:_DIGITS]), (".text", code.hexdigest()[:_DIGITS])))


def _section_headers(content: bytes, order: str, wide: bool) -> list[_Header]:
    """Return the section headers of an object.  struct.error when it is cut before their end."""
    place = struct.unpack_from(f"{order}Q", content, 40)[0] if wide else \
        struct.unpack_from(f"{order}I", content, 32)[0]
    size, count = struct.unpack_from(f"{order}HH", content, 58 if wide else 46)
    form = struct.Struct(f"{order}IIQQQQI" if wide else f"{order}IIIIIII")
    # An object with very many sections has their number in the first one's size (gabi41, e_shnum).
    if not count and place:
        count = form.unpack_from(content, place)[5]
    if size < form.size:
        raise struct.error(f"its section headers have {size} bytes")
    found = []
    for number in range(count):
        _, kind, flags, _, offset, length, link = form.unpack_from(content, place + number * size)
        found.append(_Header(kind, flags, offset, length, link))
    return found


def _is_object(content: bytes) -> bool:
    return content[16:18] in (b"\1\0", b"\0\1")


def _read_archive(file: IO[bytes], path: str) -> CodeFacts | None:
    """Return what all objects of an ar archive offer and need together; None when it has none."""
    size = file.seek(0, os.SEEK_END)
    if size > _LARGEST_ARCHIVE:
        return CodeFacts(path, "archive", damage=f"{size} bytes are too many to look into")
    file.seek(0)
    exports: set[Symbol] = set()
    imports: set[Symbol] = set()
    digests = {".data": hashlib.sha256(), ".text": hashlib.sha256()}
    damage, count = "", 0
    for name, body in archive_members(file.read()):
        if not body.startswith(ELF_MAGIC):
            continue
        count += 1
        one = _read_object(body, name) if _is_object(body) else _read_elf(io.BytesIO(body), name)
        exports.update(one.exports)
        imports.update(one.imports)
        for section, digest in one.sections if one.kind == "ET_REL" else ():
            digests[section].update(f"{name} {digest}\n".encode())
        damage = damage or (f"{name}: {one.damage}" if one.damage else "")
    if not count:
        return None
    return CodeFacts(path, "archive", exports=tuple(sorted(exports)),
                     imports=tuple(sorted(imports - exports)),
                     sections=tuple((section, digest.hexdigest()[:_DIGITS])
                                    for section, digest in sorted(digests.items())), damage=damage)


def _dynamic_facts(elf: Any, sections: Mapping[str, Any]) -> dict[str, Any]:
    dynamic = next((one for one in sections.values() if one["sh_type"] == "SHT_DYNAMIC"), None)
    if dynamic is None and not sections:
        dynamic = next((one for one in elf.iter_segments() if one["p_type"] == "PT_DYNAMIC"), None)
    tags: dict[str, list[Any]] = defaultdict(list)
    for tag in dynamic.iter_tags() if dynamic is not None else ():
        tags[str(tag.entry.d_tag)].append(tag)
    exports, imports = _dynamic_symbols(elf, sections)
    names = {symbol.name for symbol in imports}
    soname = tags["DT_SONAME"]
    return {
        "needed": tuple(sorted(str(tag.needed) for tag in tags["DT_NEEDED"])),
        "soname": str(soname[0].soname) if soname else "",
        "exports": exports, "imports": imports,
        "hardening": tuple(sorted(_hardening(elf, tags, names))),
    }


def _hardening(elf: Any, tags: Mapping[str, list[Any]], imports: set[str]) -> Iterator[str]:
    def value(name: str) -> int:
        return sum(int(tag.entry.d_val) for tag in tags[name][:1])

    segments = {str(one["p_type"]): one for one in elf.iter_segments()}
    if "PT_GNU_RELRO" in segments:
        yield "relro"
    if tags["DT_BIND_NOW"] or value("DT_FLAGS") & _DF_BIND_NOW or value("DT_FLAGS_1") & _DF_1_NOW:
        yield "bind-now"
    # Older linkers write no DF_1_PIE: a program that is ET_DYN has an interpreter.
    if elf["e_type"] == "ET_DYN" and (value("DT_FLAGS_1") & _DF_1_PIE or "PT_INTERP" in segments
                                      and not tags["DT_SONAME"]):
        yield "pie"
    if imports & {"__stack_chk_fail", "__stack_chk_guard", "__stack_chk_fail_local"}:
        yield "stack-protector"
    if "PT_GNU_STACK" in segments and not segments["PT_GNU_STACK"]["p_flags"] & _PF_X:
        yield "no-exec-stack"


def _dynamic_symbols(
    elf: Any, sections: Mapping[str, Any]
) -> tuple[tuple[Symbol, ...], tuple[Symbol, ...]]:
    """Return what a linked file exports and what it imports, sorted.

    A defined symbol with a version that another library defines is a copy of that library's
    variable, made by the linker: an import.
    """
    table = sections.get(".dynsym")
    if table is None or table["sh_type"] != "SHT_DYNSYM":
        return (), ()
    numbers = _version_numbers(elf, sections)
    needed, defined = _versions(sections)
    exports, imports = set(), set()
    names = elf.get_section(table["sh_link"]).data()
    entries = _entries(table.data(), names, "<" if elf.little_endian else ">", elf.elfclass == 64)
    for number, entry in enumerate(entries):
        if entry.binding == _LOCAL_BINDING or not entry.name or entry.type in _NAMELESS_TYPES:
            continue
        version = numbers[number] & _VERSION_MASK if number < len(numbers) else 0
        if version in needed or not entry.section:
            library, name = needed.get(version, ("", ""))
            imports.add(Symbol(entry.name, name, library))
        elif entry.visibility not in _HIDDEN and entry.name != defined.get(version):
            exports.add(Symbol(entry.name, defined.get(version, "") if version >= _FIRST_VERSION else ""))
    return tuple(sorted(exports)), tuple(sorted(imports))


def _versions(sections: Mapping[str, Any]) -> tuple[dict[int, tuple[str, str]], dict[int, str]]:
    """Return what the numbers of symbol versions mean: (library, version) needed, version defined."""
    needed, defined = {}, {}
    if section := sections.get(".gnu.version_r"):
        for library, versions in section.iter_versions():
            for version in versions:
                needed[int(version["vna_other"]) & _VERSION_MASK] = (str(library.name), str(version.name))
    if section := sections.get(".gnu.version_d"):
        for definition, names in section.iter_versions():
            defined[int(definition["vd_ndx"]) & _VERSION_MASK] = str(next(iter(names)).name)
    return needed, defined


def _version_numbers(elf: Any, sections: Mapping[str, Any]) -> tuple[int, ...]:
    section = sections.get(".gnu.version")
    if section is None or section["sh_type"] == "SHT_NOBITS":
        return ()
    data = section.data()
    return struct.unpack(f"{'<' if elf.little_endian else '>'}{len(data) // 2}H", data[:len(data) // 2 * 2])


def _entries(data: bytes, names: bytes, order: str, wide: bool) -> Iterator[_Entry]:
    """Yield the entries of a symbol table, in their order; ``names`` is its string table."""
    form = struct.Struct(f"{order}IBBHQQ" if wide else f"{order}IIIBBH")
    for fields in form.iter_unpack(data[:len(data) // form.size * form.size]):
        offset, (info, other, section) = fields[0], fields[1:4] if wide else fields[3:6]
        name = names[offset:names.find(b"\0", offset)].decode("utf-8", "replace")
        yield _Entry(name, section, info >> 4, info & 0xF, other & 0x3)


def _digest(file: IO[bytes], offset: int, size: int) -> str:
    digest = hashlib.sha256()
    file.seek(offset)
    while size > 0 and (block := file.read(min(size, _BLOCK))):
        digest.update(block)
        size -= len(block)
    return digest.hexdigest()[:_DIGITS]
