# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a device of a release can install everything: apt's own solver over Debian and us."""
from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from debxcross.config import Configuration
from debxcross.core.chain.chain import Chain
from debxcross.core.release import RELEASES
from debxcross.doors import apt
from debxcross.doors.apt import AptRoot
from debxcross.doors.store import Store
from debxcross.repository.core import index
from debxcross.repository.steps.generation import Content
from debxcross.steps.archive import probe
from debxcross.steps.archive.opened import opened


def not_installable(configuration: Configuration, store: Store, codename: str, architecture: str,
                    content: Content, caution: Callable[[str], None]) -> Mapping[str, list[str]]:
    """Return what apt on a device cannot install: package → what stands in the way.

    Asks the release's archives (indexes younger than an hour are used again).  Nothing is
    told of a code name that is no Debian release, nor of an architecture that the release
    does not have.  ``caution`` hears what is worth a warning of the indexes.
    Raises FetchError, VerificationError, HostError.
    """
    if codename not in RELEASES:
        return {}
    machine = apt.ask({"ask": "machine"})
    mirrors = probe.archives(configuration, machine, codename)
    world = probe.make_world(Chain("repository", codename, ()), mirrors, apt.build_architecture(),
                             architecture)
    acquire = tuple((name, value) for name, value in machine["acquire"])
    root = opened(store, world, acquire, configuration.index_max_age, caution)
    device = world.with_carried(root.carried()).for_device()
    if not device.suites:
        return {}
    # Debug symbols need exactly the package they belong to, which may be Debian's.
    names = sorted({entry.package for entry in content.entries if entry.architecture in (architecture, "all")
                    and not entry.package.endswith("-dbgsym")})
    with tempfile.TemporaryDirectory(prefix="debxcross-closure-") as directory:
        view = AptRoot(root.directory, device, acquire).view(
            Path(directory, "apt"), device, local=index.index_text(content.entries, architecture))
        answer: dict[str, list[str]] = view.ask(
            {"ask": "installable", "names": names, "architecture": architecture})
    return answer
