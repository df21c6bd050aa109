# SPDX-License-Identifier: GPL-3.0-or-later
"""The files a device is set up with: published beside the packages, or made for one device."""
from __future__ import annotations

import base64
from collections.abc import Sequence

from debxcross.core import openpgp
from debxcross.doors.template import data_directory, render
from debxcross.repository.core import device
from debxcross.repository.core.index import RepositorySettings
from debxcross.repository.steps.generation import Keys

#: The templates in repo/ and what they become below device/CODENAME.
DEVICE_FILES = (
    ("device-embedded.sources.j2", "{name}-bookworm-and-later.sources"),
    ("device-path.sources.j2", "{name}-stretch-to-bullseye.sources"),
    ("device-old.list.j2", "{name}-jessie.list"),
    ("device.pref.j2", "{name}.pref"),
    ("device-README.txt.j2", "README.txt"),
)
_INSTALL = "device-install.sh.j2"


def public_files(settings: RepositorySettings, keys: Keys, components: Sequence[str]) -> dict[str, bytes]:
    """Return the key files and the device files by their path below the web root."""
    found = openpgp.public_keys(keys.published)
    values = device.device_values(settings, found, components)
    templates = data_directory("repo")
    files = {f"{settings.keyring_package}.gpg": keys.published,
             f"{settings.keyring_package}.asc": openpgp.armor(keys.published).encode()}
    directory = f"device/{settings.codename}"
    for template, name in DEVICE_FILES:
        files[f"{directory}/{name.format(name=settings.name)}"] = render(template, values, templates).encode()
    for no_clock, name in ((False, "install.sh"), (True, "install-no-clock.sh")):
        script = install_script(settings, found, components, "", no_clock=no_clock)
        files[f"{directory}/{name}"] = script.encode()
    return files


def source_file(settings: RepositorySettings, keys: Sequence[openpgp.PublicKey], components: Sequence[str],
                form: str, *, no_clock: bool, sources: bool = False) -> str:
    """Return the source of a form (core.device.DeviceRelease)."""
    values = device.device_values(settings, keys, components, no_clock=no_clock, sources=sources)
    return render(device.SOURCE_TEMPLATES[form], values, data_directory("repo"))


def pins_file(settings: RepositorySettings, keys: Sequence[openpgp.PublicKey],
              components: Sequence[str]) -> str:
    """Return the pin file."""
    return render("device.pref.j2", device.device_values(settings, keys, components), data_directory("repo"))


def install_script(settings: RepositorySettings, keys: Sequence[openpgp.PublicKey], components: Sequence[str],
                   form: str, *, no_clock: bool, sources: bool = False) -> str:
    """Return the script that sets a device up after it compared the key's fingerprint.

    Without a ``form`` it chooses one by the device's own apt.  A key is in it only once: what
    it compares is what it installs.
    """
    forms = []
    for name in ([form] if form else device.SOURCE_TEMPLATES):
        place = device.placement(settings, name)
        checks = no_clock and name != "list"
        text = source_file(settings, keys, components, name, no_clock=checks, sources=sources)
        # The script writes the key there itself, so the text ends before it.
        forms.append({"name": name, "place": place,
                      "source": text.partition(device.BEFORE_KEY)[0] + device.BEFORE_KEY
                      if name == "embedded" else text})
    values = device.device_values(settings, keys, components, no_clock=no_clock)
    parts = [{"fingerprint": key.fingerprint, "check": openpgp.check_sum(key.content),
              "base64": base64.encodebytes(key.content).decode().strip()} for key in keys]
    return render(_INSTALL, {**values, "forms": forms, "keys": parts,
                             "pins": pins_file(settings, keys, components)}, data_directory("repo"))


def device_files(settings: RepositorySettings, keys: Sequence[openpgp.PublicKey], components: Sequence[str],
                 release: device.DeviceRelease, *, no_clock: bool, sources: bool) -> dict[str, bytes]:
    """Return what a device of this release needs, by path below its root directory."""
    place = device.placement(settings, release.form)
    files = {
        place.source: source_file(settings, keys, components, release.form,
                                  no_clock=no_clock and release.checks_date, sources=sources).encode(),
        place.pins: pins_file(settings, keys, components).encode(),
    }
    if place.key:
        files[place.key] = b"".join(key.content for key in keys)
    return files
