# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the apt directory of a world in the store."""
from __future__ import annotations

from debxcross.core.archive.world import World
from debxcross.core.key import digest
from debxcross.doors.apt import AptRoot
from debxcross.doors.store import Store

Acquire = tuple[tuple[str, str], ...]


def apt_root(store: Store, world: World, acquire: Acquire) -> AptRoot:
    """Return the apt directory of a world, opened or not."""
    return AptRoot(store.apt_directory(digest([world, acquire])[:16]), world, acquire)


def opened(store: Store, world: World, acquire: Acquire, maximum_age: float | None) -> AptRoot:
    """Return the apt directory of a world, with its indexes when they are wanted.

    Indexes older than ``maximum_age`` seconds are fetched again; with None nothing is fetched.
    Raises FetchError and VerificationError.
    """
    root = apt_root(store, world, acquire)
    with store.lock(f"apt-{root.directory.name}"):
        if not root.configuration.exists():
            root.write()
        if maximum_age is not None:
            root.update(maximum_age)
    return root
