# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from debxcross.core.openpgp import PublicKey
from debxcross.errors import UsageError
from debxcross.repository.core import device
from debxcross.repository.core.index import RepositorySettings

SETTINGS = RepositorySettings("bookworm", "stable", ("armel",), "http://example.invalid/repo/",
                              origin="My Boards")
KEY = PublicKey("F" * 40, b"key", ())


@pytest.mark.parametrize(("name", "form", "checks"), [
    ("jessie", "list", False), ("9", "path", False), ("buster", "path", True), ("11", "path", True),
    ("bookworm", "embedded", True), ("13", "embedded", True)])
def test_each_release_gets_what_its_apt_understands(name: str, form: str, checks: bool) -> None:
    found = device.device_release(name)
    assert (found.form, found.checks_date) == (form, checks)


def test_an_unknown_release_offers_the_nearest() -> None:
    with pytest.raises(UsageError) as raised:
        device.device_release("bookwurm")
    assert "bookworm" in raised.value.resolution


def test_files_lie_where_the_keyring_package_finds_them() -> None:
    assert device.placement(SETTINGS, "list") == device.Placement(
        "etc/apt/sources.list.d/my-boards.list", "etc/apt/preferences.d/my-boards.pref",
        "etc/apt/trusted.gpg.d/my-boards.gpg")
    assert device.placement(SETTINGS, "path").key == "usr/share/keyrings/my-boards-archive-keyring.gpg"
    assert device.placement(SETTINGS, "embedded").key == ""


def test_an_embedded_key_is_a_deb822_field() -> None:
    values = device.device_values(SETTINGS, [KEY, KEY], ["main", "extra"], no_clock=True, sources=True)
    embedded = str(values["embedded_key"]).splitlines()
    assert embedded[0] == " -----BEGIN PGP PUBLIC KEY BLOCK-----" and embedded[1] == " ."
    assert all(line.startswith(" ") for line in embedded)
    assert (values["component"], values["types"], values["url"]) == (
        "extra main", "deb deb-src", "http://example.invalid/repo")
