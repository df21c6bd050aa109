# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates: their faults have a place, and the shipped ones give the golden texts."""
from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from debxcross.core.architecture import architecture
from debxcross.core.wheel.deb import WrapSettings, deb_tree, device_environment
from debxcross.core.wheel.metadata import EntryPoint, Wheel, WheelFile
from debxcross.doors.template import data_directory, render
from debxcross.errors import ConfigurationError, HostError

GOLDEN = Path(__file__).parents[1] / "golden" / "wrap"


def test_data_directories_of_the_checkout() -> None:
    assert (data_directory("control-templates") / "control.j2").is_file()
    with pytest.raises(HostError, match="'no-such-data' is missing") as caught:
        data_directory("no-such-data")
    assert "share/debxcross/no-such-data" in caught.value.details


def test_values_are_filled_in_and_the_last_newline_stays(tmp_path: Path) -> None:
    (tmp_path / "a.j2").write_text("{% for name in names %}\n{{ name }}\n{% endfor %}\n\n")
    assert render("a.j2", {"names": ["x", "<y>"]}, tmp_path) == "x\n<y>\n\n"


@pytest.mark.parametrize("text, match", [
    ("one\n{{ absent }}\n", "a.j2:2: 'absent' is undefined"),
    ("one\n\n{{ value.absent }}\n", "a.j2:3: .* has no attribute 'absent'"),
    ("{{ value + 1 }}\n", "a.j2:1: can only concatenate str"),
    ("one\n{% if value %}\n", "a.j2:2: Unexpected end of template"),
    ("one\n{% include 'b.j2' %}\n", "b.j2: there is no such template"),
    ("one\n{{ value | absent }}\n", "a.j2:2: No filter named 'absent'"),
])
def test_a_fault_has_file_and_line(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "a.j2").write_text(text)
    with pytest.raises(ConfigurationError, match=match) as caught:
        render("a.j2", {"value": "text"}, tmp_path)
    assert str(tmp_path) in caught.value.brief
    assert caught.value.resolution


def test_values_are_escaped_on_demand(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<p>{{ text }}</p>")
    assert render("a.html", {"text": "<b>'"}, tmp_path, escape=True) == "<p>&lt;b&gt;&#39;</p>"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    return place


def test_a_template_that_is_used_often_is_compiled_once(tmp_path: Path, temporary: Path) -> None:
    (tmp_path / "a.html").write_text("{{ text }}")
    assert render("a.html", {"text": "x"}, tmp_path, often=True) == "x"
    kept, = temporary.rglob("*.cache")
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    # Another text under the same name is compiled anew.
    (tmp_path / "a.html").write_text("{{ text }}!")
    assert render("a.html", {"text": "x"}, tmp_path, often=True) == "x!"


def test_somebody_elses_compiled_templates_are_not_run(tmp_path: Path, temporary: Path) -> None:
    (tmp_path / "a.html").write_text("{{ text }}")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (temporary / f"_jinja2-cache-{os.getuid()}").symlink_to(theirs)
    assert render("a.html", {"text": "x"}, tmp_path, often=True) == "x"
    assert list(theirs.iterdir()) == []


def test_without_room_nothing_is_kept(tmp_path: Path, temporary: Path) -> None:
    (tmp_path / "a.html").write_text("{{ text }}")
    (temporary / f"_jinja2-cache-{os.getuid()}").write_text("in the way")
    assert render("a.html", {"text": "x"}, tmp_path, often=True) == "x"


def test_a_template_that_is_absent(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="none.j2: there is no such template"):
        render("none.j2", {}, tmp_path)


def _values(python: str, compiled: bool) -> dict[str, object]:
    """What steps/wrap.py hands to the templates, for a small wheel."""
    armel = architecture("armel")
    files: tuple[WheelFile, ...] = (WheelFile("lantern/__init__.py", False, "0" * 64, 10),)
    tags: tuple[str, ...] = ("py2-none-any", "py3-none-any")
    if compiled:
        files += (WheelFile("lantern/_lamp.so", True, "0" * 64, 10, True),)
        tags = ("cp27-cp27mu-linux_armv5tel",)
    requirements = ("six >=1.9", "enum34; python_version<'3'")
    wheel = Wheel("Lantern", "1.2.0rc1", tags, requirements, "",
                  "A small light.", "https://example.org/lantern", "MIT License", "Ada Example",
                  "Lantern makes light where there was none before, and it does so quietly.",
                  (EntryPoint("shine", "lantern", "on"),), (), ("Be kind.\n\nAlways.\n",), files,
                  "Lantern-1.2.0rc1.dist-info")
    settings = WrapSettings("armel", python.rpartition(".")[0], {"six": "python-six"},
                            "Zoë Example <zoe@example.org>", 1700000000,
                            device_environment(armel, python))
    tree = deb_tree(wheel, settings, "libc6 (>= 2.28)" if compiled else "")
    return {"wheel": wheel, "settings": settings, "tree": tree, "installed_size": 42}


@pytest.mark.parametrize("name", ["control", "changelog", "copyright", "postinst", "prerm",
                                  "shlibdeps-control"])
@pytest.mark.parametrize("case, python, compiled", [
    ("python2.7-compiled", "2.7.18", True),
    ("python3.11-pure", "3.11.2", False),
])
def test_golden_texts(name: str, case: str, python: str, compiled: bool) -> None:
    text = render(f"{name}.j2", _values(python, compiled))
    assert text == (GOLDEN / case / name).read_text(encoding="utf-8")


def test_what_the_metadata_does_not_say_leaves_no_empty_field() -> None:
    values = _values("3.11.2", False)
    wheel = values["wheel"]
    assert isinstance(wheel, Wheel)
    bare = {**values, "wheel": dataclasses.replace(wheel, home_page="", author="")}
    assert "Homepage" not in render("control.j2", bare)
    copyright_text = render("copyright.j2", bare)
    assert "Source" not in copyright_text
    assert "Copyright: the authors of Lantern\n" in copyright_text
