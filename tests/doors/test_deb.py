# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from debxcross.doors import deb
from debxcross.errors import GateError
from tests.playground import make_deb
from tests.tools import need

FILES: dict[str, bytes | str] = {"usr/bin/tool": b"#!/bin/sh\n", "usr/lib/libx.so": "libx.so.1",
                                 "usr/lib/libx.so.1": b"x" * 5000, "etc/tool.conf": b"a = 1\n"}


@pytest.mark.parametrize("compression", ["xz", "gz", "none"])
def test_facts_and_members(tmp_path: Path, compression: str) -> None:
    path = make_deb(tmp_path / "tiny.deb", {"Depends": "libc6"}, FILES, compression=compression,
                    conffiles=["/etc/tool.conf"], scripts={"postinst": "#!/bin/sh\n"})
    facts = deb.read_facts(path)
    assert facts.control["Package"] == "tiny" and facts.control["Depends"] == "libc6"
    assert sorted(facts.md5sums) == ["etc/tool.conf", "usr/bin/tool", "usr/lib/libx.so.1"]
    assert facts.scripts == ("postinst",)
    found = {member.path: (member.type, member.mode, member.size, member.link_target, member.read())
             for member in deb.members(path)}
    assert found[""] == ("directory", 0o755, 0, "", b"")
    assert found["usr/bin/tool"] == ("file", 0o755, 10, "", b"#!/bin/sh\n")
    assert found["usr/lib/libx.so"] == ("symlink", 0o777, 0, "libx.so.1", b"")
    assert found["usr/lib/libx.so.1"][4] == b"x" * 5000
    assert facts.texts == {"postinst": "#!/bin/sh\n", "conffiles": "/etc/tool.conf\n"}
    for member in deb.members(path):
        target = io.BytesIO()
        member.save(target)
        assert (member.owner, target.getvalue()) == ("0/0", found[member.path][4])


def test_dpkg_reads_what_the_playground_makes_and_zstd_goes_through_it(tmp_path: Path) -> None:
    need("dpkg-deb")
    path = make_deb(tmp_path / "tiny.deb", {}, FILES)
    tree = tmp_path / "tree"
    subprocess.run(["dpkg-deb", "-R", str(path), str(tree)], check=True)
    packed = tmp_path / "packed.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zzstd", "-b", str(tree), str(packed)],
                   check=True, stdout=subprocess.DEVNULL)
    assert b"data.tar.zst" in packed.read_bytes()
    assert deb.read_facts(packed).control == deb.read_facts(path).control
    contents = {member.path: member.read() for member in deb.members(packed) if member.type == "file"}
    assert contents == {name: content for name, content in FILES.items() if isinstance(content, bytes)}


@pytest.mark.parametrize("cut", [0, 4, 70, 130, -400, -60])
def test_a_damaged_package_is_named(tmp_path: Path, cut: int) -> None:
    path = make_deb(tmp_path / "tiny.deb", {}, FILES)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(GateError) as caught:
        deb.read_facts(path)
        for member in deb.members(path):
            member.read()
    assert caught.value.brief == "tiny.deb is not a whole Debian binary package"
    assert caught.value.details and "dpkg-deb --info" in caught.value.resolution


def test_damage_inside_a_file_is_named(tmp_path: Path) -> None:
    path = make_deb(tmp_path / "tiny.deb", {}, {"a": bytes(range(256)) * 400}, compression="gz")
    content = bytearray(path.read_bytes())
    content[-300] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(GateError):
        for member in deb.members(path):
            member.read()


def test_when_a_package_was_packed(tmp_path: Path) -> None:
    path = make_deb(tmp_path / "one.deb", {})
    assert deb.packed_at(path) == 0
    content = path.read_bytes()
    path.write_bytes(content[:24] + b"1700000000  " + content[36:])
    assert deb.packed_at(path) == 1700000000
    for wrong in (b"", b"!<arch>\n", b"no archive" * 9, content[:24] + b"yesterday   "):
        path.write_bytes(wrong)
        with pytest.raises(GateError):
            deb.packed_at(path)
