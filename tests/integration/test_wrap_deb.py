# SPDX-License-Identifier: GPL-3.0-or-later
"""Tiny wheels become debs that dpkg reads and lintian accepts, twice with the same bytes."""
from __future__ import annotations

import base64
import hashlib
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from debxcross.core.architecture import architecture
from debxcross.core.wheel.deb import WrapSettings, device_environment
from debxcross.doors import process
from debxcross.doors.process import Completed
from debxcross.errors import BuildError, GateError
from debxcross.steps.wheel.deb import build_argv, run_here, shlibdeps_argv, wrap_wheel
from tests.tools import need

EPOCH = 1600000000
INFO = "lantern-1.2.0.dist-info"
PURE = {
    "lantern/__init__.py": b'"""Light."""\n\n\ndef on():\n    return "light"\n',
    f"{INFO}/METADATA": b"Metadata-Version: 2.1\nName: lantern\nVersion: 1.2.0\n"
                        b"Summary: small light for the dark\n"
                        b"Home-page: https://example.org/lantern\nAuthor: Ada Example\nLicense: MIT\n"
                        b"Requires-Dist: six (>=1.9)\nRequires-Dist: enum34; python_version < '3.4'\n",
    f"{INFO}/LICENSE": b"Copyright 2020 Ada Example\n\nBe kind.\n",
    f"{INFO}/top_level.txt": b"lantern\n",
    f"{INFO}/entry_points.txt": b"[console_scripts]\nshine = lantern:on\n",
    "lantern-1.2.0.data/scripts/dim": b"#!python\nprint('dim')\n",
}
SOURCE = '#include <stdio.h>\nint lamp(void);\nint shine(void) { puts("light"); return 0; }\n'


def _wheel(directory: Path, members: Mapping[str, bytes], tag: str) -> Path:
    """Write a wheel with WHEEL and a RECORD that fits."""
    path = directory / f"lantern-1.2.0-{tag}.whl"
    everything = {**members, f"{INFO}/WHEEL": f"Wheel-Version: 1.0\nTag: {tag}\n".encode()}
    lines = []
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in everything.items():
            archive.writestr(member, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            lines.append(f"{member},sha256={digest},{len(content)}\n")
        archive.writestr(f"{INFO}/RECORD", "".join(lines) + f"{INFO}/RECORD,,\n")
    return path


def _output(*argv: str, directory: Path | None = None) -> str:
    return process.run(argv, directory=directory).check(BuildError, argv[0]).stdout


def _host() -> str:
    need("dpkg")
    return _output("dpkg", "--print-architecture").strip()


def _settings(python: str = "3.11.2") -> WrapSettings:
    host = _host()
    return WrapSettings(host, python.rpartition(".")[0], {}, "Ada Example <ada@example.org>", EPOCH,
                        device_environment(architecture(host), python),
                        provenance=("sdist sha256 " + "0" * 64,))


def _library(directory: Path, name: str, *arguments: str) -> bytes:
    need("gcc")
    (directory / "source.c").write_text(SOURCE)
    options = ("-shared", "-fPIC", "-O2", "-s", "-Wl,-z,relro,-z,now")
    _output("gcc", *options, "-o", name, "source.c", *arguments, directory=directory)
    return (directory / name).read_bytes()


def _compiled(directory: Path, extra: Mapping[str, bytes], *arguments: str) -> Path:
    """Write a wheel with one extension module for this machine."""
    need("dpkg-shlibdeps")
    known = architecture(_host())
    module = _library(directory, "_lamp.so", *arguments)
    return _wheel(directory, {**PURE, f"lantern/_lamp.cpython-311-{known.multiarch}.so": module, **extra},
                  f"cp311-cp311-{known.wheel_platform}")


def _fields(deb: Path) -> dict[str, str]:
    lines = [line for line in _output("dpkg-deb", "-f", str(deb)).splitlines() if not line.startswith(" ")]
    return dict(line.split(": ", 1) for line in lines)


def _contents(deb: Path) -> list[list[str]]:
    """Return mode, owner and path of every file of a deb, sorted by path."""
    rows = [line.split() for line in _output("dpkg-deb", "-c", str(deb)).splitlines()]
    return sorted(([row[0], row[1], row[5]] for row in rows if not row[5].endswith("/")),
                  key=lambda row: row[2])


@pytest.mark.parametrize("python, site, python_package, six", [
    ("3.11.2", "python3", "python3:any", "python3-six (>= 1.9)"),
    ("2.7.18", "python2.7", "python2.7:any", "python-enum34, python-six (>= 1.9)"),
])
def test_a_pure_wheel(tmp_path: Path, python: str, site: str, python_package: str, six: str) -> None:
    need("dpkg-deb", "md5sum")
    deb = wrap_wheel(_wheel(tmp_path, PURE, "py2.py3-none-any"), _settings(python), tmp_path / "out")
    package = "python3-lantern" if site == "python3" else "python-lantern"
    assert deb == tmp_path / "out" / f"{package}_1.2-1_all.deb"
    assert [path.name for path in (tmp_path / "out").iterdir()] == [deb.name]
    fields = _fields(deb)
    assert fields["Depends"] == f"{python_package}, {six}"
    assert fields["Python-Distribution"] == "lantern (1.2.0)"
    assert _contents(deb) == [[mode, "root/root", f"./usr/{path}"] for mode, path in (
        ("-rwxr-xr-x", "bin/dim"),
        ("-rwxr-xr-x", "bin/shine"),
        ("-rw-r--r--", f"lib/{site}/dist-packages/{INFO}/METADATA"),
        ("-rw-r--r--", f"lib/{site}/dist-packages/{INFO}/entry_points.txt"),
        ("-rw-r--r--", f"lib/{site}/dist-packages/{INFO}/top_level.txt"),
        ("-rw-r--r--", f"lib/{site}/dist-packages/lantern/__init__.py"),
        ("-rw-r--r--", f"share/doc/{package}/changelog.Debian.gz"),
        ("-rw-r--r--", f"share/doc/{package}/copyright"),
        ("-rw-r--r--", f"share/doc/{package}/provenance"),
    )]
    _output("dpkg-deb", "-R", str(deb), str(tmp_path / "x"))
    root = tmp_path / "x"
    assert len(_output("md5sum", "-c", "--strict", "DEBIAN/md5sums", directory=root).splitlines()) == 9
    directories = sum(1 for path in root.rglob("*") if path.is_dir() and path.name != "DEBIAN")
    assert int(fields["Installed-Size"]) == 9 + directories + 1
    assert {path.stat().st_mtime for path in (root / "usr").rglob("*")} == {EPOCH}
    compressed = (root / f"usr/share/doc/{package}/changelog.Debian.gz").read_bytes()
    assert compressed[3:9] == bytes(5) + b"\2"  # RFC 1952: no name, no time, best compression
    interpreter = "#!/usr/bin/python3\n" if site == "python3" else "#!/usr/bin/python2.7\n"
    for program in ("dim", "shine"):
        assert (root / "usr/bin" / program).read_text().startswith(interpreter)
    for script in ("postinst", "prerm"):
        assert os.access(root / "DEBIAN" / script, os.X_OK)
        _output("sh", "-n", str(root / "DEBIAN" / script))


def test_a_compiled_wheel(tmp_path: Path) -> None:
    host = _host()
    runs: list[tuple[tuple[str, ...], Path, dict[str, str]]] = []

    def run(argv: Sequence[str], directory: Path, environment: Mapping[str, str]) -> Completed:
        runs.append((tuple(argv), directory, dict(environment)))
        return run_here(argv, directory, environment)

    deb = wrap_wheel(_compiled(tmp_path, {}), _settings(), tmp_path / "out", run)
    module = f"usr/lib/python3/dist-packages/lantern/_lamp.cpython-311-{architecture(host).multiarch}.so"
    work = tmp_path / "out/.wrap-python3-lantern"
    assert runs == [
        (shlibdeps_argv([module]), work, {"DEB_HOST_ARCH": host}),
        (build_argv(deb.name), work, {"SOURCE_DATE_EPOCH": str(EPOCH), "DPKG_DEB_THREADS_MAX": "1"}),
    ]
    fields = _fields(deb)
    assert fields["Architecture"] == host
    assert fields["Depends"].startswith("python3 (>= 3.11~), python3 (<< 3.12), python3-six (>= 1.9), libc6")
    assert ["-rw-r--r--", "root/root", f"./{module}"] in _contents(deb)


def test_a_library_that_comes_along_is_no_dependency(tmp_path: Path) -> None:
    bundled = _library(tmp_path, "libnowhere.so.1", "-Wl,-soname,libnowhere.so.1")
    wheel = _compiled(tmp_path, {"lantern.libs/libnowhere.so.1": bundled}, "-Wl,--no-as-needed",
                      "libnowhere.so.1", "-Wl,-rpath,$ORIGIN/../lantern.libs")
    assert "nowhere" not in _fields(wrap_wheel(wheel, _settings(), tmp_path / "out"))["Depends"]


def test_a_library_of_no_package_is_an_error(tmp_path: Path) -> None:
    _library(tmp_path, "libnowhere.so.1", "-Wl,-soname,libnowhere.so.1")
    wheel = _compiled(tmp_path, {}, "-Wl,--no-as-needed", "libnowhere.so.1")
    with pytest.raises(GateError, match="the libraries that python3-lantern needs") as caught:
        wrap_wheel(wheel, _settings(), tmp_path / "out")
    assert "libnowhere.so.1" in caught.value.details
    assert not any((tmp_path / "out").iterdir())


def test_two_wraps_give_the_same_bytes(tmp_path: Path) -> None:
    need("dpkg-deb")
    wheel = _compiled(tmp_path, {})
    first = wrap_wheel(wheel, _settings(), tmp_path / "one")
    killed = tmp_path / "other/place/.wrap-python3-lantern/root/usr"
    killed.mkdir(parents=True)
    (killed / "left-over").write_text("of a run that was killed")
    old = os.umask(0o077)
    try:
        second = wrap_wheel(wheel, _settings(), tmp_path / "other/place")
    finally:
        os.umask(old)
    assert first.read_bytes() == second.read_bytes()


def test_lintian_finds_no_errors(tmp_path: Path) -> None:
    need("lintian")
    debs = [wrap_wheel(_compiled(tmp_path, {}), _settings(), tmp_path),
            wrap_wheel(_wheel(tmp_path, PURE, "py2-none-any"), _settings("2.7.18"), tmp_path)]
    done = process.run(("lintian", "--allow-root", *map(str, debs)))
    assert done.exit_status in (0, 2), done.stderr
    # Lintian wants the package "python2", which is gone; from Debian 13 on, nothing for Python 2 at all.
    python2 = {"python-package-missing-depends-on-python", "package-installs-deprecated-python2-path"}
    errors = [line for line in done.stdout.splitlines()
              if line.startswith("E: ") and line.split()[2] not in python2]
    assert errors == []


def test_a_namespace_belongs_to_nobody(tmp_path: Path) -> None:
    need("dpkg-deb")
    namespace = {"ns/__init__.py": b"__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n",
                 "ns/lamp.py": b""}
    wheel = _wheel(tmp_path, {**PURE, **namespace}, "py2.py3-none-any")
    for python, more in (("3.11.2", []), ("2.7.18", ["__init__.py"])):
        contents = [row[2] for row in _contents(wrap_wheel(wheel, _settings(python), tmp_path / python))]
        assert [path.rpartition("/")[2] for path in contents if "/ns/" in path] == [*more, "lamp.py"]


def test_what_stands_in_the_way_goes_and_only_some_of_it_is_provided(tmp_path: Path) -> None:
    need("dpkg-deb")
    settings = replace(_settings(), replaces=("python3-bulb", "python3-lights (>= 0~~)"))
    fields = _fields(wrap_wheel(_wheel(tmp_path, PURE, "py3-none-any"), settings, tmp_path / "out"))
    assert fields["Provides"] == "python3-bulb (= 1.2-1)"
    assert fields["Conflicts"] == fields["Replaces"] == "python3-bulb, python3-lights (>= 0~~)"


def test_a_file_that_does_not_compile_is_no_reason_to_refuse_the_installation(tmp_path: Path) -> None:
    need("dpkg-deb")
    wheel = _wheel(tmp_path, {**PURE, "lantern/old.py": b'print "Python 2"\n'}, "py3-none-any")
    _output("dpkg-deb", "-R", str(wrap_wheel(wheel, _settings(), tmp_path / "out")), str(tmp_path / "x"))
    (tmp_path / "bin").mkdir()
    compiler = tmp_path / "bin/py3compile"
    compiler.write_text(f"#!/bin/sh\necho \"$@\" >{tmp_path}/said\nexit 1\n")
    compiler.chmod(0o755)
    done = process.run([str(tmp_path / "x/DEBIAN/postinst"), "configure"],
                       environment={"PATH": f"{tmp_path}/bin:/usr/bin:/bin"})
    assert done.exit_status == 0 and (tmp_path / "said").read_text() == "-p python3-lantern\n"
