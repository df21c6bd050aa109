# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of .debs: every compression, damage at every byte, and little memory."""
from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from debxcross.doors.debfile import Damage, entries, opened, tarfile_argv
from debxcross.errors import GateError, PackageError
from tests.playground import make_ar, make_deb

DAMAGE = Damage(GateError, "Build it again")
ROOT = Path(__file__).parents[2]
CONTENT = random.Random(1).randbytes(20_000)
#: Prints the size of all files of a .deb, and the largest size that the process had, in KiB.
READER = r"""
import re, sys
from pathlib import Path
from debxcross.doors.debfile import Damage, entries, opened
from debxcross.errors import GateError
with opened(Path(sys.argv[1]), Damage(GateError, "")) as deb, deb.tar("data") as stream:
    print(sum(information.size for _, information in entries(stream)))
print(re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def tar(name: str = "./usr/a", content: bytes = CONTENT) -> bytes:
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive:
            information = tarfile.TarInfo(name)
            information.size = len(content)
            archive.addfile(information, io.BytesIO(content))
        return file.getvalue()


def deb(path: Path, ending: str, data: bytes) -> Path:
    control = tar("./control", b"Package: tiny\n")
    path.write_bytes(make_ar([("debian-binary", b"2.0\n"), ("control.tar", control),
                              (f"data.tar{ending}", data)]))
    return path


def read(path: Path, part: str = "data") -> dict[str, bytes]:
    found = {}
    with opened(path, DAMAGE) as package, package.tar(part) as stream:
        for archive, information in entries(stream):
            file = archive.extractfile(information)
            found[information.name] = file.read() if file else b""
    return found


PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".xz": lzma.compress, ".gz": gzip.compress, ".bz2": bz2.compress, "": bytes,
    ".lzma": lambda content: lzma.compress(content, lzma.FORMAT_ALONE)}


@pytest.mark.parametrize("ending", PACKED)
def test_every_compression_is_read(tmp_path: Path, ending: str) -> None:
    path = deb(tmp_path / "a.deb", ending, PACKED[ending](tar()))
    assert read(path) == {"./usr/a": CONTENT}
    with opened(path, DAMAGE) as package:
        assert (package.time, package.compression("data"), package.compression("control")) == (
            0, ending.removeprefix("."), "")
        assert package.control_files() == {"control": "Package: tiny\n"}


@pytest.mark.parametrize("ending", [".xz", ".gz", ".bz2"])
@pytest.mark.parametrize("padding", [0, 8, 3 << 20])
def test_compressed_data_may_be_of_several_streams(tmp_path: Path, ending: str, padding: int) -> None:
    whole, pack = tar(), PACKED[ending]
    path = deb(tmp_path / "a.deb", ending, pack(whole[:5000]) + bytes(padding) + pack(whole[5000:]))
    assert read(path) == {"./usr/a": CONTENT}


@pytest.mark.parametrize("ending", PACKED)
def test_data_that_ends_too_early_is_damage(tmp_path: Path, ending: str) -> None:
    packed = PACKED[ending](tar())
    for size in range(0, min(20_400, len(packed)), 971):
        with pytest.raises(GateError, match="a.deb is not a whole Debian binary package"):
            read(deb(tmp_path / "a.deb", ending, packed[:size]))


@pytest.mark.parametrize("ending", [".xz", ".gz", ".bz2"])
def test_the_check_sum_at_the_end_is_compared(tmp_path: Path, ending: str) -> None:
    packed = bytearray(PACKED[ending](tar()))
    where = {".xz": -30, ".gz": -6, ".bz2": -4}[ending]
    packed[where] ^= 0xFF
    with pytest.raises(GateError) as caught:
        read(deb(tmp_path / "a.deb", ending, bytes(packed)))
    assert caught.value.details
    assert caught.value.resolution == f"Build it again; 'dpkg-deb --info {tmp_path}/a.deb' says more."


def test_a_cut_package_is_damaged_at_every_byte(tmp_path: Path) -> None:
    content = make_deb(tmp_path / "a.deb", {}, {"usr/a": b"a" * 100}).read_bytes()
    for size in range(len(content) - 1):
        (tmp_path / "a.deb").write_bytes(content[:size])
        with pytest.raises(GateError):
            read(tmp_path / "a.deb", "control")
            read(tmp_path / "a.deb")


def test_the_caller_names_the_class_of_the_error(tmp_path: Path) -> None:
    path = deb(tmp_path / "a.deb", ".xz", b"nothing")
    with pytest.raises(PackageError) as caught, \
            opened(path, Damage(PackageError, "Fetch it")) as package, package.tar("data") as stream:
        list(entries(stream))
    assert caught.value.resolution.startswith("Fetch it; ")
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.deb")


@pytest.mark.parametrize("ending", [".exe", ".tar"])
def test_an_unknown_compression_is_named(tmp_path: Path, ending: str) -> None:
    with pytest.raises(GateError) as caught:
        read(deb(tmp_path / "a.deb", ending, tar()))
    assert caught.value.details == f"it has data.tar{ending}, which nobody can decompress"


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    information = tarfile.TarInfo("././@LongLink")
    information.type, information.size = tarfile.GNUTYPE_LONGNAME, 2 << 20
    hostile = information.tobuf(tarfile.GNU_FORMAT) + b"a" * (2 << 20) + tar()
    with pytest.raises(GateError) as caught:
        read(deb(tmp_path / "a.deb", ".xz", lzma.compress(hostile)))
    assert caught.value.details == "its archive has a header of 2097152 bytes"


def test_a_dictionary_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GateError) as caught:
        read(deb(tmp_path / "a.deb", ".xz", larger_dictionary(lzma.compress(tar()))))
    assert "memory" in caught.value.details.lower()


def larger_dictionary(packed: bytes) -> bytes:
    """Let the first block of an .xz file ask for a dictionary of 1 GiB.

    Source: the format's sections 3.1 (the block's header) and 5.3.1 (LZMA2's one byte of properties).
    """
    size = (packed[12] + 1) * 4
    header = bytearray(packed[12:12 + size - 4])
    header[header.index(b"\x21\x01") + 2] = 36  # 2^30
    return packed[:12] + bytes(header) + zlib.crc32(header).to_bytes(4, "little") + packed[12 + size:]


def test_little_memory_is_enough(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "data.tar.gz", "w:gz", compresslevel=1) as archive:
        information = tarfile.TarInfo("./usr/large")
        information.size = 256 << 20
        with open("/dev/zero", "rb") as zeros:
            archive.addfile(information, zeros)
    path = deb(tmp_path / "a.deb", ".gz", (tmp_path / "data.tar.gz").read_bytes())
    done = subprocess.run([sys.executable, "-c", READER, str(path)], cwd=ROOT, check=True, timeout=60,
                          capture_output=True, text=True)
    size, most = map(int, done.stdout.split())
    assert size == 256 << 20 and most < 60 << 10


def test_argv() -> None:
    assert tarfile_argv(Path("/a/b.deb"), "data") == ("dpkg-deb", "--fsys-tarfile", "/a/b.deb")
    assert tarfile_argv(Path("/a/b.deb"), "control") == ("dpkg-deb", "--ctrl-tarfile", "/a/b.deb")
    assert os.path.isabs(tarfile_argv(Path("b.deb"), "data")[2])
