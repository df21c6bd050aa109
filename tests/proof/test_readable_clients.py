# SPDX-License-Identifier: GPL-3.0-or-later
"""What is published is what the devices' apt and dpkg read; what is refused is what they cannot."""
from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from debxcross.errors import PublishError
from debxcross.repository.core.device import DEVICE_RELEASES
from debxcross.repository.core.readable import LARGEST_STANZA, MOST_FIELDS
from debxcross.repository.steps import readable
from tests.playground import make_deb
from tests.proof.bench import Bench, Device, base_roots, served

LONG = f"opt/{'a' * 90}/{'b' * 90}/file"
#: Refused data members and control files: what dpkg on the device says of them.
REFUSED = ("pax", "nodirectory", "backwards", "newline", "conffile", "relative", "relation", "epoch",
           "shared")


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return base_roots(tmp_path_factory.getbasetemp() / "roots")


def tar(entries: list[tuple[str, bytes | str | None]], form: int = tarfile.GNU_FORMAT) -> bytes:
    """Return a tar archive: a directory is None, a hard link the path it names."""
    with io.BytesIO() as target:
        with tarfile.open(fileobj=target, mode="w", format=form) as archive:
            for name, content in entries:
                information = tarfile.TarInfo(f"./{name}")
                information.mode = 0o755 if content is None else 0o644
                if isinstance(content, bytes):
                    information.size = len(content)
                    archive.addfile(information, io.BytesIO(content))
                    continue
                information.type = tarfile.DIRTYPE if content is None else tarfile.LNKTYPE
                information.linkname = f"./{content or ''}"
                archive.addfile(information)
        return target.getvalue()


def packed(path: Path, fields: Mapping[str, str], data: bytes, conffiles: bytes = b"") -> Path:
    control = {"Package": path.name.partition("_")[0], "Version": "1", "Architecture": "amd64",
               "Maintainer": "A <a@b.example>", "Description": "a test", **fields}
    text = "".join(f"{name}: {value}\n" for name, value in control.items()).encode()
    files: list[tuple[str, bytes | str | None]] = [("control", text)]
    files += [("conffiles", conffiles)] if conffiles else []
    content = b"!<arch>\n"
    for name, body in (("debian-binary", b"2.0\n"), ("control.tar", tar(files)), ("data.tar", data)):
        content += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(body):<10}`\n".encode()
        content += body + b"\n" * (len(body) % 2)
    path.write_bytes(content)
    return path


def parents(name: str) -> list[tuple[str, bytes | str | None]]:
    return [(str(one), None) for one in reversed(Path(name).parents) if str(one) != "."]


def refused(directory: Path, kind: str) -> Path:
    """Make a deb that is refused."""
    path = directory / f"{kind}_1_amd64.deb"
    good = tar([*parents("opt/x/file"), ("opt/x/file", b"x")])
    etc = tar([("etc", None), ("etc/own", b"x")])
    data, conffiles, fields = {
        "pax": (tar([*parents(LONG), (LONG, b"x")], tarfile.PAX_FORMAT), b"", {}),
        "nodirectory": (tar([("opt/nobody/file", b"x")]), b"", {}),
        "backwards": (tar([*parents("opt/x/file"), ("opt/x/link", "opt/x/file"), ("opt/x/file", b"x")]),
                      b"", {}),
        "newline": (tar([("opt", None), ("opt/a\nb", b"x")]), b"", {}),
        "conffile": (etc, b"/etc/own", {}),
        "relative": (etc, b"etc/own\n", {}),
        "relation": (good, b"", {"Depends": "libc6 (>= 2.3"}),
        "epoch": (good, b"", {"Version": "99999999999:1"}),
        "shared": (good, b"", {"Multi-Arch": "same", "Architecture": "all"}),
    }[kind]
    return packed(path, fields, data, conffiles)


@pytest.mark.slow
def test_what_is_refused_no_dpkg_unpacks(tmp_path: Path, bases: dict[str, Path]) -> None:
    bench = Bench(tmp_path)
    debs = {kind: refused(bench.debs, kind) for kind in REFUSED}
    for deb in debs.values():
        with pytest.raises(PublishError):
            bench.publish(deb)
    for release, base in bases.items():
        device = Device(release, tmp_path / release, base)
        for kind, deb in debs.items():
            (device.root / "root" / deb.name).write_bytes(deb.read_bytes())
            done = device.run("dpkg", "--unpack", f"/root/{deb.name}")
            said = [line.strip() for line in done.stdout.splitlines()
                    if not line.startswith(("(", "Sel", "Prep"))]
            print(f"\n{release} {kind}: {said[:3]}", end="")
            # Since 1.20.6 a conffile's name may not be relative; older ones take it for missing.
            passes = kind == "relative" and DEVICE_RELEASES[release].number < 12
            assert done.returncode or passes, (release, kind)


@pytest.mark.slow
def test_what_is_published_every_apt_and_dpkg_installs(tmp_path: Path, bases: dict[str, Path]) -> None:
    bench = Bench(tmp_path)
    debs = [
        *(make_deb(bench.debs / f"{form}-made_1_amd64.deb",
                   {"Package": f"{form}-made", "Version": "1", "Architecture": "amd64"},
                   {f"opt/{form}/file": b"x"}, compression=form) for form in ("none", "gz", "xz")),
        packed(bench.debs / "longname_1_amd64.deb", {}, tar([*parents(LONG), (LONG, b"x")])),
        packed(bench.debs / "ustar_1_amd64.deb", {}, tar([*parents(LONG[:120]), (LONG[:120], b"x")],
                                                         tarfile.USTAR_FORMAT)),
        packed(bench.debs / "known_1_amd64.deb", {},
               tar([("usr/local/bin/known", b"x"), ("srv/known", b"x")])),
        packed(bench.debs / "linked_1_amd64.deb", {},
               tar([*parents("opt/l/a"), ("opt/l/a", b"x"), ("opt/l/b", "opt/l/a")])),
        packed(bench.debs / "conffile_1_amd64.deb", {}, tar([("etc", None), ("etc/own", b"x")]),
               b"/etc/own\n"),
        packed(bench.debs / "large_1_amd64.deb", {"Description": "large\n" + f" {'y' * 78}\n" * (
            (LARGEST_STANZA - 2000) // 80) + " end"}, tar([])),
        packed(bench.debs / "fields_1_amd64.deb",
               {f"X-Field-{number}": "x" for number in range(MOST_FIELDS - 12)}, tar([])),
        packed(bench.debs / "odd_1_amd64.deb", {"Depends": "", "Description-md5": "none",
                                                "Recommends": "one (>= 1) | two:any, three (= 1:2-3)",
                                                "Provides": "virtual (= 1)"}, tar([])),
    ]
    with served(bench):
        bench.publish(*debs)
        assert bench.verify().faults == []
        index = bench.web / "dists/boards/main/binary-amd64/Packages"
        names = [line[9:] for line in index.read_text().splitlines() if line.startswith("Package: ")]
        assert len(names) == len(debs) + 1
        for release, base in bases.items():
            device = Device(release, tmp_path / release, base)
            assert device.set_up(bench) == "", release
            done = device.run("apt-get", "install", "-y", "--no-install-recommends", *names)
            assert done.returncode == 0, (release, done.stdout)
            listed = device.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Package}\n").stdout
            assert [name for name in names if f"ii {name}" not in listed] == [], release
            print(f"\n{release}: {len(names)} installed", end="")


@pytest.mark.slow
def test_zstd_is_read_from_debian_12_on(tmp_path: Path, bases: dict[str, Path]) -> None:
    tree = tmp_path / "tree"
    made = make_deb(tmp_path / "z.deb", {"Package": "zt", "Architecture": "amd64"})
    subprocess.run(["dpkg-deb", "-R", str(made), str(tree)], check=True)
    deb = tmp_path / "zt_1_amd64.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zzstd", "-b", str(tree), str(deb)], check=True)
    for release, base in bases.items():
        device = Device(release, tmp_path / release, base)
        (device.root / "root/zt.deb").write_bytes(deb.read_bytes())
        unpacked = device.run("dpkg", "--unpack", "/root/zt.deb").returncode == 0
        assert unpacked is DEVICE_RELEASES[release].reads_zstd, release
        try:
            readable.check_deb(deb, release)
            assert unpacked
        except PublishError:
            assert not unpacked
