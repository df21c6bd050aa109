# SPDX-License-Identifier: GPL-3.0-or-later
"""What Debian calls a project: its own name always, and what else holds the project's files."""
from __future__ import annotations

import pytest

from debxcross.core.wheel.names import Names, parse_names

MAP = """\
PyYAML python3-yaml
Pillow python3-pil; PEP386
pil python3-pil
rstcheck python3-rstcheck
rstcheck-core python3-rstcheck
pyserial python3-serial
supervisor supervisor
deluge deluge-common
# comment
x
foo pypy-foo
azure-a python3-azure
azure-b python3-azure
azure-c python3-azure
azure-d python3-azure
"""
NAMES = parse_names(MAP).within(
    ("python3-rpi.gpio", "python3-dbus", "python3-serial", "rpi.gpio-common"),
    {"python3-lamp": ("python3-lantern",), "python3-two": ("python3-a", "python3-b"), "mail": ("exim4",)})


@pytest.mark.parametrize(("project", "package"), [
    ("pyyaml", "python3-yaml"), ("Foo_Bar", "python3-foo-bar"), ("foo", "python3-foo"),
    ("Pillow", "python3-pil"), ("PIL", "python3-pil"),
    ("supervisor", "supervisor"), ("RPi.GPIO", "python3-rpi.gpio"), ("lamp", "python3-lantern"),
    ("dbus-python", "python3-dbus"), ("two", "python3-two"),
    # The map has another project under that name.
    ("python-serial", "python3-python-serial"),
    # Of these Debian's package is much more than the project.
    ("deluge", "python3-deluge"), ("azure-a", "python3-azure-a"),
])
def test_packages(project: str, package: str) -> None:
    assert NAMES.package(project) == package


def test_without_a_map() -> None:
    assert Names().package("x") == "python3-x" and Names().holder("x") == ""


@pytest.mark.parametrize(("project", "holder"), [
    ("azure-b", "python3-azure"), ("deluge", "deluge-common"), ("pillow", ""), ("foo", "")])
def test_what_holds_a_project_among_others(project: str, holder: str) -> None:
    assert NAMES.holder(project) == holder


def test_two_projects_of_one_package_made_together() -> None:
    apart = NAMES.apart(["rstcheck_core", "rstcheck", "pil", "pillow", "pyyaml"])
    assert apart.package("rstcheck") == "python3-rstcheck" and apart.holder("rstcheck") == ""
    assert apart.package("rstcheck-core") == "python3-rstcheck-core"
    assert apart.holder("rstcheck-core") == "python3-rstcheck"
    assert (apart.package("pil"), apart.package("pillow")) == ("python3-pil", "python3-pillow")
    assert apart.package("pyyaml") == "python3-yaml"
    assert NAMES.apart(["rstcheck-core"]).package("rstcheck-core") == "python3-rstcheck"
