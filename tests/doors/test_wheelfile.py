# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to wheels reads what is whole, and refuses the rest before using any of it."""
from __future__ import annotations

import base64
import hashlib
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from debxcross.doors.wheelfile import install_tools, open_wheel, read_metadata
from debxcross.errors import GateError

INFO = "lantern-1.0.dist-info"
MEMBERS = {
    "lantern.py": b"print('light')\n",
    "lantern.libs/liblamp.so.1": b"\x7fELF\x01\x01",
    f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: lantern\nVersion: 1.0\nAuthor: Zoë\n".encode("latin-1"),
    f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{INFO}/LICENSE": b"Be kind.\n",
}


def _wheel(directory: Path, members: Mapping[str, bytes], name: str = "lantern-1.0-py3-none-any.whl") -> Path:
    """Write a wheel of regular files, with a RECORD that fits."""
    lines = []
    path = directory / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            info = zipfile.ZipInfo(member)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (stat.S_IFREG | (0o755 if "lib" in member else 0o644)) << 16
            archive.writestr(info, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            lines.append(f"{member},sha256={digest},{len(content)}\n")
        archive.writestr(f"{INFO}/RECORD", "".join(lines) + f"{INFO}/RECORD,,\n")
    return path


def _refused(path: Path, match: str) -> GateError:
    with pytest.raises(GateError, match=match) as caught:
        with open_wheel(path):
            pytest.fail("it was opened")
    return caught.value


def test_a_whole_wheel(tmp_path: Path) -> None:
    with open_wheel(_wheel(tmp_path, MEMBERS)) as (wheel, read):
        assert wheel.name == "lantern"
        assert wheel.author == "Zo\N{REPLACEMENT CHARACTER}"
        assert wheel.license_texts == ("Be kind.\n",)
        assert [file.path for file in wheel.files] == sorted((*MEMBERS, f"{INFO}/RECORD"))
        library = next(file for file in wheel.files if file.path.endswith(".so.1"))
        assert library.elf and library.executable and library.size == 6
        assert library.sha256 == hashlib.sha256(b"\x7fELF\x01\x01").hexdigest()
        assert not any(file.elf or file.executable for file in wheel.files if file != library)
        assert read("lantern.py") == b"print('light')\n"
        with pytest.raises(KeyError):
            read("absent.py")


@pytest.mark.parametrize("member, match", [
    ("../escape.py", r"contains '\.\.'"),
    ("/etc/cron.d/x", "is absolute"),
    ("a\\b.py", "backslash"),
])
def test_members_that_would_write_elsewhere(tmp_path: Path, member: str, match: str) -> None:
    assert _refused(_wheel(tmp_path, {**MEMBERS, member: b"x"}), match).resolution


def test_a_symbolic_link(tmp_path: Path) -> None:
    path = _wheel(tmp_path, MEMBERS)
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    _refused(path, "'link' is a symbolic link")


def test_a_directory_member_is_no_file(tmp_path: Path) -> None:
    path = _wheel(tmp_path, MEMBERS)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("lantern/", "")
    with open_wheel(path) as (wheel, _):
        assert "lantern/" not in [file.path for file in wheel.files]


def test_a_path_twice(tmp_path: Path) -> None:
    path = _wheel(tmp_path, MEMBERS)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("lantern.py", "other")
    _refused(path, "holds 'lantern.py' twice")


def test_a_file_that_record_does_not_know(tmp_path: Path) -> None:
    path = _wheel(tmp_path, MEMBERS)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("extra.py", "import os")
    assert _refused(path, "RECORD and its files disagree").details == "extra.py is not listed"


def test_damaged_bytes(tmp_path: Path) -> None:
    path = _wheel(tmp_path, MEMBERS)
    content = bytearray(path.read_bytes())
    content[len("lantern.py") + 34] ^= 0xFF  # inside the first member's compressed bytes
    path.write_bytes(content)
    _refused(path, "is not a whole zip file")
    path.write_bytes(content[:100])
    _refused(path, "is not a whole zip file")


def test_an_encrypted_member(tmp_path: Path) -> None:
    path = _wheel(tmp_path, {"lantern.py": b"x"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 0x1
    path.write_bytes(content)
    _refused(path, "'lantern.py' is encrypted")


def test_tools_are_installed_with_their_programs(tmp_path: Path) -> None:
    members = {
        **MEMBERS,
        "lantern-1.0.data/scripts/shine": b"#!python\nprint('on')\n",
        "lantern-1.0.data/purelib/lamp.py": b"",
        "lantern-1.0.data/data/share/man/shine.1": b"",
        f"{INFO}/entry_points.txt": b"[console_scripts]\ndim = lantern:dim\n",
    }
    install_tools(_wheel(tmp_path, members), tmp_path / "tools", "/usr/bin/python3.11")
    assert (tmp_path / "tools/bin/shine").read_bytes() == b"#!/usr/bin/python3.11\nprint('on')\n"
    assert b"from lantern import dim" in (tmp_path / "tools/bin/dim").read_bytes()
    assert all((tmp_path / "tools/bin" / name).stat().st_mode & 0o111 for name in ("shine", "dim"))
    assert (tmp_path / "tools/lamp.py").exists() and not (tmp_path / "tools/share").exists()


def test_requirements_of_a_wheel(tmp_path: Path) -> None:
    metadata = MEMBERS[f"{INFO}/METADATA"] + b"Requires-Dist: six\nRequires-Dist: attrs ;\n extra == 'x'\n"
    path = _wheel(tmp_path, {**MEMBERS, f"{INFO}/METADATA": metadata})
    assert read_metadata(path) == ("six", "attrs ; extra == 'x'")
