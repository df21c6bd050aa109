# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deb made from a wheel holds: values in, values out."""
from __future__ import annotations

import dataclasses

import pytest

from debxcross.core.architecture import architecture
from debxcross.core.wheel.deb import (
    DebFile, Member, Template, WrapSettings, deb_tree, device_environment, fix_shebang,
    installed_size,
)
from debxcross.core.wheel.licence import folded
from debxcross.core.wheel.metadata import EntryPoint, Wheel, WheelFile
from debxcross.errors import ConfigurationError, GateError

INFO = "lantern-1.2.0.dist-info"
DATA = "lantern-1.2.0.data"


def _wheel(*paths: str, elf: tuple[str, ...] = (), **changes: object) -> Wheel:
    files = tuple(WheelFile(path, path.endswith("tool"), "0" * 64, 1, path in elf)
                  for path in sorted((*paths, *elf)))
    wheel = Wheel("lantern", "1.2.0", ("py2-none-any", "py3-none-any"), (), "", "Light. ", "", "MIT",
                  "Ada", "", (), (), (), files, INFO)
    return dataclasses.replace(wheel, **changes)  # type: ignore[arg-type]


def _settings(python: str = "2.7.18", **changes: object) -> WrapSettings:
    armel = architecture("armel")
    settings = WrapSettings("armel", ".".join(python.split(".")[:2]), {}, "Ada Example <ada@example.org>",
                            86400, device_environment(armel, python))
    return dataclasses.replace(settings, **changes)  # type: ignore[arg-type]


def _paths(wheel: Wheel, settings: WrapSettings) -> dict[str, DebFile]:
    return {file.path: file for file in deb_tree(wheel, settings).files}


def test_names_and_architecture() -> None:
    tree = deb_tree(_wheel("lantern.py"), _settings())
    assert tree.file_name == "python-lantern_1.2-1_all.deb"
    assert tree.synopsis == "Light"
    compiled = _wheel(elf=("_lantern.so",), tags=("cp27-cp27mu-linux_armv5tel",), version="1!1.2.0")
    assert deb_tree(compiled, _settings(revision="2")).file_name == "python-lantern_1.2-2_armel.deb"
    assert deb_tree(compiled, _settings()).version == "1:1.2-1"
    named = _settings("3.11.2", names={"lantern": "python3-lamp"})
    assert deb_tree(_wheel("lantern.py"), named).package == "python3-lamp"


def test_elf_in_a_wheel_for_any_architecture_makes_it_specific() -> None:
    assert deb_tree(_wheel(elf=("tool",)), _settings()).architecture == "armel"


def test_where_files_go() -> None:
    wheel = _wheel(
        "lantern/__init__.py", "lantern/tool", "lantern/__pycache__/a.cpython-311.pyc", "lantern/old.pyc",
        f"{INFO}/METADATA", f"{INFO}/RECORD", f"{INFO}/WHEEL", f"{INFO}/INSTALLER", f"{INFO}/top_level.txt",
        f"{INFO}/entry_points.txt", f"{INFO}/LICENSE", f"{DATA}/scripts/dim", f"{DATA}/data/share/x.txt",
        f"{DATA}/headers/lantern.h", f"{DATA}/purelib/pure.py", f"{DATA}/platlib/plat.py")
    site = "usr/lib/python2.7/dist-packages"
    found = _paths(wheel, _settings())
    assert list(found) == [
        "usr/bin/dim", "usr/include/python2.7/lantern/lantern.h", f"{site}/{INFO}/METADATA",
        f"{site}/{INFO}/entry_points.txt", f"{site}/{INFO}/top_level.txt", f"{site}/lantern/__init__.py",
        f"{site}/lantern/tool", f"{site}/plat.py", f"{site}/pure.py",
        "usr/share/doc/python-lantern/changelog.Debian.gz", "usr/share/doc/python-lantern/copyright",
        "usr/share/x.txt",
    ]
    assert found["usr/bin/dim"].source == Member(f"{DATA}/scripts/dim", "/usr/bin/python2.7")
    executable = {path for path, file in found.items() if file.mode == 0o755}
    assert executable == {"usr/bin/dim", f"{site}/lantern/tool"}
    assert found["usr/share/doc/python-lantern/copyright"].source == Template("copyright.j2")
    assert "usr/lib/python3/dist-packages/pure.py" in _paths(wheel, _settings("3.11.2"))


def test_modules_and_libraries_are_not_executable() -> None:
    files = (WheelFile("a.py", True, "0" * 64, 1), WheelFile("lib/b.so.1.2", True, "0" * 64, 1, True))
    tree = deb_tree(dataclasses.replace(_wheel(), files=files), _settings())
    assert {file.mode for file in tree.files} == {0o644}


def test_unknown_part_of_data_and_two_files_of_one_path() -> None:
    with pytest.raises(GateError, match="nobody knows where that goes"):
        deb_tree(_wheel(f"{DATA}/sbin/dim"), _settings())
    with pytest.raises(GateError, match="would install /usr/lib/python2.7/dist-packages/a.py twice"):
        deb_tree(_wheel("a.py", f"{DATA}/purelib/a.py"), _settings())


def test_programs_call_their_function() -> None:
    wheel = _wheel("lantern.py", console_scripts=(EntryPoint("shine", "lantern.cli", "Lamp.on"),),
                   gui_scripts=(EntryPoint("glow", "lantern", "glow"),))
    found = _paths(wheel, _settings("3.11.2"))
    assert found["usr/bin/shine"] == DebFile(
        "usr/bin/shine", 0o755,
        b'#!/usr/bin/python3\nimport sys\n\nfrom lantern.cli import Lamp\n\n'
        b'if __name__ == "__main__":\n    sys.exit(Lamp.on())\n')
    assert isinstance(found["usr/bin/glow"].source, bytes)


@pytest.mark.parametrize("first, expected", [
    (b"#!python\n", b"#!P\n"),
    (b"#!pythonw\r\n", b"#!P\n"),
    (b"#!/usr/bin/env python2.7\n", b"#!P\n"),
    (b"#! /build/x/bin/python3 -sE\n", b"#!P -sE\n"),
    (b"#!/bin/sh\n", b"#!/bin/sh\n"),
    (b"#!/usr/bin/pythonic\n", b"#!/usr/bin/pythonic\n"),
    (b"\x7fELF\n", b"\x7fELF\n"),
    (b"print()\n#!python\n", b"print()\n#!python\n"),
])
def test_shebang(first: bytes, expected: bytes) -> None:
    assert fix_shebang(first + b"rest\n", "P") == expected + b"rest\n"


@pytest.mark.parametrize("python, tags, elf, expected", [
    ("2.7.18", ("py2-none-any",), (), ("python2.7:any",)),
    ("2.7.18", ("cp27-cp27mu-linux_armv5tel",), ("a.so",), ("python2.7 (>= 2.7~)",)),
    ("3.11.2", ("py3-none-any",), (), ("python3:any",)),
    ("3.11.2", ("cp311-cp311-linux_armv5tel",), ("a.cpython-311-arm-linux-gnueabi.so",),
     ("python3 (>= 3.11~)", "python3 (<< 3.12)")),
    ("3.11.2", ("cp39-abi3-linux_armv5tel",), ("a.abi3.so",), ("python3 (>= 3.9~)",)),
    ("3.11.2", ("cp39-abi3-linux_armv5tel",), ("a.abi3.so", "b.cpython-311-arm-linux-gnueabi.so"),
     ("python3 (>= 3.11~)", "python3 (<< 3.12)")),
    ("3.11.2", ("py3-none-linux_armv5tel",), ("libx.so.1",), ("python3:any",)),
])
def test_python_dependency(python: str, tags: tuple[str, ...], elf: tuple[str, ...],
                           expected: tuple[str, ...]) -> None:
    assert deb_tree(_wheel(elf=elf, tags=tags), _settings(python)).depends == expected


def test_requirements_hold_for_the_device_not_for_this_machine() -> None:
    wheel = _wheel("lantern.py", requires_dist=(
        "Six>=1.9.0", 'enum34; python_version < "3.4"', 'asyncio; python_version > "3"',
        'arm-only; platform_machine == "armv5tel"', 'old-linux; sys_platform == "linux2"',
        'more; extra == "all"', "argparse", 'both[x]!=1.5; os_name == "posix"'))
    settings = _settings(names={"argparse": "", "six": "python-six-backport"})
    assert deb_tree(wheel, settings, "libc6 (>= 2.4), python-six-backport (>= 1.9)").depends == (
        "python2.7:any", "python-arm-only", "python-both (<< 1.5) | python-both (>= 1.5+a~)", "python-enum34",
        "python-old-linux", "python-six-backport (>= 1.9)", "libc6 (>= 2.4)")


def test_faulty_requirement() -> None:
    with pytest.raises(GateError, match="'six >= about 1' is not a requirement"):
        deb_tree(_wheel("lantern.py", requires_dist=("six >= about 1",)), _settings())


@pytest.mark.parametrize("tag, python, suits", [
    ("py2-none-any", "2.7.18", True),
    ("py2-none-any", "3.11.2", False),
    ("py36-none-any", "3.11.2", True),
    ("py312-none-any", "3.11.2", False),
    ("cp311-cp311-linux_armv5tel", "3.11.2", True),
    ("cp310-cp310-linux_armv5tel", "3.11.2", False),
    ("cp39-abi3-linux_armv5tel", "3.11.2", True),
    ("cp312-abi3-linux_armv5tel", "3.11.2", False),
    ("pp39-pypy39_pp73-linux_armv5tel", "3.11.2", False),
])
def test_tags(tag: str, python: str, suits: bool) -> None:
    wheel = _wheel("lantern.py", tags=(tag,))
    if suits:
        assert deb_tree(wheel, _settings(python)).package
    else:
        with pytest.raises(GateError, match="is not for Python"):
            deb_tree(wheel, _settings(python))


def test_requires_python() -> None:
    wheel = _wheel("lantern.py", requires_python=">=3.12")
    with pytest.raises(GateError, match="lantern 1.2.0 wants Python >=3.12, the device has 3.11.2"):
        deb_tree(wheel, _settings("3.11.2"))


def test_all_faults_of_the_settings_at_once() -> None:
    settings = _settings(maintainer="Ada", revision="1-2", python="2.6", device_environment={})
    with pytest.raises(ConfigurationError) as caught:
        deb_tree(_wheel("lantern.py"), settings)
    assert len(caught.value.details.splitlines()) == 4
    with pytest.raises(ConfigurationError, match="is said to come with Python"):
        deb_tree(_wheel("lantern.py"), _settings(names={"lantern": ""}))


def test_maintainer_scripts_only_for_modules() -> None:
    assert deb_tree(_wheel("lantern.py"), _settings()).maintainer_scripts == ("postinst", "prerm")
    assert deb_tree(_wheel(f"{DATA}/data/share/x.py"), _settings()).maintainer_scripts == ()


def test_description() -> None:
    readme = ("Lantern\n=======\n\n.. image:: https://example.org/x.svg\n\n"
              "``lantern`` makes light where there was none before,\nand does so quietly.\n\nSecond.\n")
    assert deb_tree(_wheel("lantern.py", description=readme), _settings()).extended == (
        " lantern makes light where there was none before, and does so quietly.", " .",
        " This package holds lantern 1.2.0 for Python 2.7. It was made from a wheel.")
    assert len(deb_tree(_wheel("lantern.py", description="# Lantern\n"), _settings()).extended) == 1


def test_a_long_summary_is_cut_between_words() -> None:
    synopsis = deb_tree(_wheel("a.py", summary="light " * 20 + "."), _settings()).synopsis
    assert synopsis == "light " * 12 + "..."


def test_license() -> None:
    tree = deb_tree(_wheel("a.py", license="BSD License", license_texts=("Be\n\n.kind\n", "")), _settings())
    assert (tree.license_name, tree.license_lines) == ("BSD-License", (" Be", " .", "  .kind", " ."))
    apache = "                    Apache License\n              Version 2.0, January 2004\n long text\n"
    tree = deb_tree(_wheel("a.py", license_texts=(apache,)), _settings())
    assert tree.license_lines[-1] == " /usr/share/common-licenses/Apache-2.0."
    tree = deb_tree(_wheel("a.py", license=""), _settings())
    assert tree.license_name == "unknown"
    assert "nothing about its license" in tree.license_lines[0]


def test_folded_installed_size_and_date() -> None:
    assert folded(["a\t b ", "", ".x", "\f"]) == (" a        b", " .", "  .x", " .")
    assert installed_size([0, 1, 1024, 1025], 3) == 0 + 1 + 1 + 2 + 3
    assert _settings().date == "Fri, 02 Jan 1970 00:00:00 +0000"


def test_provenance_is_a_file() -> None:
    found = _paths(_wheel("a.py"), _settings(provenance=("sdist sha256 00", "gcc 12")))
    assert found["usr/share/doc/python-lantern/provenance"].source == b"sdist sha256 00\ngcc 12\n"
