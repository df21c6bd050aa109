# SPDX-License-Identifier: GPL-3.0-or-later
"""Tiny real things to test with: binary packages and ELF files, made byte by byte."""
from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import struct
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

#: e_machine of the architectures that tests need (generic ABI).
MACHINES = {"amd64": 62, "arm64": 183, "armel": 40, "armhf": 40, "i386": 3, "loong64": 258, "mipsel": 8,
            "ppc64el": 21, "riscv64": 243, "s390x": 22}
_WIDE = ("amd64", "arm64", "loong64", "ppc64el", "riscv64", "s390x")
_FLAGS = {"armel": 0x5000200, "armhf": 0x5000400, "mipsel": 0x70001007, "ppc64el": 2, "riscv64": 5,
          "loong64": 0x43}


def make_ar(members: Sequence[tuple[str, bytes]]) -> bytes:
    """Return an ar archive as GNU ar writes it, with a table for names of 16 bytes and more."""
    table, entries = b"", []
    for name, body in members:
        if len(name) > 15:
            entries.append((f"/{len(table)}", body))
            table += name.encode() + b"/\n"
        else:
            entries.append((f"{name}/", body))
    if table:
        entries.insert(0, ("//", table))
    return _ar(entries)


def _ar(entries: Sequence[tuple[str, bytes]]) -> bytes:
    result = b"!<arch>\n"
    for name, body in entries:
        result += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(body):<10}`\n".encode()
        result += body + b"\n" * (len(body) % 2)
    return result


def _tar(files: Mapping[str, bytes | str], executable: Sequence[str] = ()) -> bytes:
    """Return a tar archive with parent directories; a str is the target of a symbolic link."""
    directories = sorted({f"{parent}" for name in files for parent in Path(name).parents} - {"."})
    with io.BytesIO() as target:
        with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for directory in ["", *directories]:
                information = tarfile.TarInfo(f"./{directory}")
                information.type, information.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(information)
            for name, content in sorted(files.items()):
                information = tarfile.TarInfo(f"./{name}")
                if isinstance(content, str):
                    information.type, information.linkname, information.mode = tarfile.SYMTYPE, content, 0o777
                    archive.addfile(information)
                    continue
                information.size = len(content)
                information.mode = 0o755 if "/bin/" in f"/{name}" or name in executable else 0o644
                archive.addfile(information, io.BytesIO(content))
        return target.getvalue()


def make_deb(
    path: Path, control: Mapping[str, str], files: Mapping[str, bytes | str] | None = None, *,
    compression: str = "xz", conffiles: Sequence[str] = (), scripts: Mapping[str, str] | None = None,
) -> Path:
    """Write a .deb that dpkg reads, and return ``path``; missing mandatory fields are filled in.

    ``files`` are paths without leading slash, with bytes or the target of a symbolic link;
    ``compression`` is "xz", "gz" or "none".
    """
    fields = {"Package": "tiny", "Version": "1.0-1", "Architecture": "armel",
              "Maintainer": "Nobody <nobody@example.org>", "Description": "a tiny package", **control}
    files = files or {}
    information: dict[str, bytes | str] = {
        "control": "".join(f"{name}: {value}\n" for name, value in fields.items()).encode(),
        "md5sums": "".join(f"{hashlib.md5(content).hexdigest()}  {name}\n"
                           for name, content in sorted(files.items()) if isinstance(content, bytes)).encode(),
    }
    if conffiles:
        information["conffiles"] = "".join(f"{name}\n" for name in conffiles).encode()
    for name, text in (scripts or {}).items():
        information[name] = text.encode()
    ending = "" if compression == "none" else f".{compression}"
    control_archive = _tar(information, executable=tuple(scripts or ()))
    parts = [("debian-binary", b"2.0\n"),
             (f"control.tar{ending}", _packed(control_archive, compression)),
             (f"data.tar{ending}", _packed(_tar(files), compression))]
    path.write_bytes(_ar(parts))  # deb(5): names without the slash of GNU ar
    return path


def _packed(content: bytes, compression: str) -> bytes:
    if compression == "xz":
        return lzma.compress(content)
    return gzip.compress(content, mtime=0) if compression == "gz" else content


def make_elf(
    architecture: str = "armel", *, kind: int = 3, flags: int | None = None, needed: Sequence[str] = (),
    soname: str = "", runpath: str = "", attributes: Mapping[int, int] | None = None, debug: bool = False,
    rest: bytes = b"", calls: Sequence[str] = (), indirect: bool = False,
    contents: Mapping[str, bytes] | None = None,
) -> bytes:
    """Return a small ELF file: a header, a dynamic section and, for ARM, build attributes.

    ``kind`` is e_type (1 relocatable, 2 executable, 3 shared); ``attributes`` are the
    numbers and values of .ARM.attributes below 32; with ``debug`` the dynamic section is
    NOBITS as in a file of detached debug information; ``rest`` is put at the end.  ``calls`` are
    functions that others have; ``indirect`` brings one whose address is chosen when the file is
    loaded (ARM only); ``contents`` are more sections.
    """
    wide, order = architecture in _WIDE, ">" if architecture == "s390x" else "<"
    strings = b"\0"
    tags: list[tuple[int, int]] = []
    for tag, value in [*((1, name) for name in needed), (14, soname), (29, runpath)]:
        if value:
            tags.append((tag, len(strings)))
            strings += value.encode() + b"\0"
    symbols = b"\0" * (24 if wide else 16)
    for name in calls:
        symbols += (struct.pack(f"{order}IBBHQQ", len(strings), 0x12, 0, 0, 0, 0) if wide
                    else struct.pack(f"{order}IIIBBH", len(strings), 0, 0, 0x12, 0, 0))
        strings += name.encode() + b"\0"
    word = "Q" if wide else "I"
    dynamic = b"".join(struct.pack(f"{order}{word}{word}", *tag) for tag in [*tags, (0, 0)])
    # name, sh_type, content, sh_link, sh_entsize
    sections: list[tuple[str, int, bytes, int, int]] = [("", 0, b"", 0, 0), (".dynstr", 3, strings, 0, 0)]
    if kind != 1:
        sections.append((".dynamic", 8 if debug else 6, dynamic, 1, 16 if wide else 8))
    if calls:
        sections.append((".dynsym", 11, symbols, 1, 24 if wide else 16))
    if indirect:
        sections.append((".rel.dyn", 9, struct.pack("<II", 0x1000, 160), 0, 8))
    sections += [(name, 1, content, 0, 0) for name, content in (contents or {}).items()]
    if attributes is not None:
        sections.append((".ARM.attributes", 0x70000003, _arm_attributes(attributes), 0, 0))
    names = b"".join(name.encode() + b"\0" for name, *_ in sections) + b".shstrtab\0"
    sections.append((".shstrtab", 3, names, 0, 0))
    if flags is None:
        flags = _FLAGS.get(architecture, 0)
        if kind == 1 and architecture in ("armel", "armhf"):
            flags = 0x5000000
    return _elf_bytes(architecture, wide, order, kind, flags, sections, rest)


def _arm_attributes(attributes: Mapping[int, int]) -> bytes:
    body = b"".join(bytes(pair) for pair in attributes.items())
    file_part = b"\x01" + struct.pack("<I", len(body) + 5) + body
    vendor = b"aeabi\0" + file_part
    return b"A" + struct.pack("<I", len(vendor) + 4) + vendor


def _elf_bytes(architecture: str, wide: bool, order: str, kind: int, flags: int,
               sections: Sequence[tuple[str, int, bytes, int, int]], rest: bytes) -> bytes:
    header_size, entry_size = (64, 64) if wide else (52, 40)
    word = "Q" if wide else "I"
    body, headers, name_offset = b"", b"", 0
    for name, sh_type, content, link, entry in sections:
        headers += struct.pack(f"{order}II{word * 4}II{word * 2}", name_offset, sh_type, 0, 0,
                               header_size + len(body), len(content), link, 0, 1, entry)
        name_offset += len(name) + 1
        body += b"" if sh_type == 8 else content
    identity = b"\x7fELF" + bytes([2 if wide else 1, 2 if order == ">" else 1, 1]) + b"\0" * 9
    header = identity + struct.pack(
        f"{order}HHI{word * 3}IHHHHHH", kind, MACHINES[architecture], 1, 0, 0, header_size + len(body), flags,
        header_size, 0, 0, entry_size, len(sections), len(sections) - 1)
    return header + body + headers + rest
