# SPDX-License-Identifier: GPL-3.0-or-later
"""Wheels are understood from their texts, and refused where those disagree."""
from __future__ import annotations

import base64
import hashlib

import pytest

from debxcross.core.wheel.metadata import (
    EntryPoint, Wheel, WheelFile, check_path, check_record, check_release, dist_info_directory,
    license_files, parse_wheel,
)
from debxcross.errors import GateError

METADATA = """\
Metadata-Version: 2.1
Name: Lantern.Core
Version: 1.2.0
Summary: A small
 light
Home-page: UNKNOWN
Author: Ada
        Example
License: UNKNOWN
Project-URL: Source, https://example.org/source
Project-URL: Home Page, https://example.org/
Classifier: License :: OSI Approved :: MIT License
Requires-Python: >=2.7
Requires-Dist: six (>=1.9)
Requires-Dist: enum34 ; python_version < "3.4"

It shines.
"""
WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py2-none-any\nTag: py3-none-any\n"
INFO = "Lantern.Core-1.2.0.dist-info"
NAME = "Lantern.Core-1.2.0-py2.py3-none-any.whl"


def _files(*paths: str) -> tuple[WheelFile, ...]:
    return tuple(WheelFile(path, False, "0" * 64, 1) for path in paths)


def _parse(file_name: str = NAME, metadata: str = METADATA, wheel: str = WHEEL,
           entry_points: str = "") -> Wheel:
    files = _files(f"{INFO}/WHEEL", f"{INFO}/METADATA", f"{INFO}/LICENSE", "lantern.py")
    return parse_wheel(file_name, files, {
        f"{INFO}/METADATA": metadata, f"{INFO}/WHEEL": wheel,
        f"{INFO}/entry_points.txt": entry_points, f"{INFO}/LICENSE": "Be kind.\n"})


def test_everything_is_read() -> None:
    wheel = _parse()
    assert (wheel.name, wheel.version) == ("Lantern.Core", "1.2.0")
    assert wheel.tags == ("py2-none-any", "py3-none-any")
    assert wheel.pure
    assert wheel.requires_dist == ("six (>=1.9)", 'enum34 ; python_version < "3.4"')
    assert wheel.requires_python == ">=2.7"
    assert wheel.summary == "A small light"
    assert wheel.home_page == "https://example.org/"
    assert wheel.license == "MIT License"
    assert wheel.author == "Ada Example"
    assert wheel.description == "It shines."
    assert wheel.license_texts == ("Be kind.\n",)
    assert [file.path for file in wheel.files] == [f"{INFO}/LICENSE", f"{INFO}/METADATA", f"{INFO}/WHEEL",
                                                   "lantern.py"]
    assert wheel.data == "Lantern.Core-1.2.0.data"


def test_normalised_spellings_are_the_same_project() -> None:
    assert _parse("lantern_core-1.2-py3-none-any.whl").version == "1.2.0"


@pytest.mark.parametrize("file_name, place", [
    ("lantern_core-1.3-py3-none-any.whl", "the file name about lantern-core 1.3"),
    ("torch_core-1.2-py3-none-any.whl", "the file name about torch-core 1.2"),
])
def test_file_name_and_metadata_disagree(file_name: str, place: str) -> None:
    with pytest.raises(GateError, match=place):
        _parse(file_name)


def test_directory_and_metadata_disagree() -> None:
    with pytest.raises(GateError, match="the directory .* about lantern-core 1.2"):
        _parse("lantern_core-1.3-py3-none-any.whl", METADATA.replace("1.2.0", "1.3"))


def test_other_faults_of_the_texts() -> None:
    with pytest.raises(GateError, match="is not the file name of a wheel"):
        _parse("lantern.zip")
    with pytest.raises(GateError, match="is in wheel format '2.0', not 1"):
        _parse(wheel=WHEEL.replace("Version: 1.0", "Version: 2.0"))
    with pytest.raises(GateError, match="has no METADATA and no WHEEL"):
        parse_wheel(NAME, _files(f"{INFO}/RECORD"), {})


def test_a_license_text_in_the_license_field_is_no_name() -> None:
    for field, expected in (("License: Be\n  kind", "MIT License"), ("License: BSD", "BSD")):
        assert _parse(metadata=METADATA.replace("License: UNKNOWN", field)).license == expected
    assert _parse(metadata="License-Expression: Zlib\n" + METADATA).license == "Zlib"


def test_programs() -> None:
    wheel = _parse(entry_points="[console_scripts]\nshine = lantern.main:Lamp.on [all]\nDim=lantern:dim\n"
                                "[gui_scripts]\nglow = lantern:glow\n[other.group]\nwhat ever = 1\n")
    assert wheel.console_scripts == (EntryPoint("Dim", "lantern", "dim"),
                                     EntryPoint("shine", "lantern.main", "Lamp.on"))
    assert wheel.gui_scripts == (EntryPoint("glow", "lantern", "glow"),)


@pytest.mark.parametrize("line", ["../up = lantern:on", "shine = lantern", "shine = lantern:on;import os"])
def test_programs_that_cannot_be(line: str) -> None:
    with pytest.raises(GateError, match="cannot become a program"):
        _parse(entry_points=f"[console_scripts]\n{line}\n")


def test_broken_entry_points() -> None:
    with pytest.raises(GateError, match="entry_points.txt cannot be read"):
        _parse(entry_points="shine = lantern:on\n")


@pytest.mark.parametrize("path, problem", [
    ("/etc/passwd", "is absolute"),
    ("C:/windows", "is absolute"),
    ("a/../../b", r"contains '\.\.'"),
    ("..", r"contains '\.\.'"),
    ("a\\b", "contains a backslash"),
    ("a\nb", "control character"),
    ("a//b", "is not in its shortest form"),
    ("./a", "is not in its shortest form"),
])
def test_refused_paths(path: str, problem: str) -> None:
    with pytest.raises(GateError, match=problem):
        check_path(path)


def test_links_are_refused_and_dots_in_names_are_not() -> None:
    with pytest.raises(GateError, match="'lib/link' is a symbolic link"):
        check_path("lib/link", symlink=True)
    check_path("pkg/..data/a..b")


def test_one_dist_info_directory() -> None:
    assert dist_info_directory(["a.py", "x.dist-info", "a-1.dist-info/RECORD"]) == "a-1.dist-info"
    for paths in (["a.py"], ["a-1.dist-info/WHEEL", "b-1.dist-info/WHEEL"]):
        with pytest.raises(GateError, match="dist-info directories, not one"):
            dist_info_directory(paths)


def test_license_files() -> None:
    paths = ["a/LICENSE", "a/b/LICENSE", "a/license.py", "COPYING.txt", "a-1.dist-info/licenses/third/MIT",
             "a-1.dist-info/METADATA", "a/licensed.txt"]
    assert license_files(paths) == ("COPYING.txt", "a-1.dist-info/licenses/third/MIT", "a/LICENSE")


def _record_line(path: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(content)}\n"


def test_record() -> None:
    content = b"print()\n"
    file = WheelFile("a, b.py", False, hashlib.sha256(content).hexdigest(), len(content))
    files = (file, *_files(f"{INFO}/RECORD"))
    good = _record_line('"a, b.py"', content) + f"{INFO}/RECORD,,\n"
    check_record(good, files, INFO)
    with pytest.raises(GateError) as caught:
        check_record(_record_line('"a, b.py"', b"other") + "gone.py,sha256=00,1\n",
                     (*files, *_files("new.py")), INFO)
    assert caught.value.details.splitlines() == [
        "a, b.py is not what its digest says", "new.py is not listed", "gone.py is listed but absent"]
    with pytest.raises(GateError, match="disagree"):
        check_record("", files, INFO)


def test_another_release_than_was_pinned() -> None:
    wheel = _parse()
    check_release(NAME, wheel, "lantern_core", "1.2")
    for name, version in (("lantern-core", "1.2.1"), ("lantern", "1.2.0"), ("lantern-core", "not one")):
        with pytest.raises(GateError, match="says that it is Lantern.Core 1.2.0; pinned was"):
            check_release(NAME, wheel, name, version)
