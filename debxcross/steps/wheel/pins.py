# SPDX-License-Identifier: GPL-3.0-or-later
"""Pinned files of the package index, in the store."""
from __future__ import annotations

from debxcross.core.artifact import StoredFile
from debxcross.core.chain.chain import PinnedFile
from debxcross.core.chain.lock import INDEX, LockedFile
from debxcross.core.key import digest
from debxcross.core.wheel.index import Pin, is_file_of, normalise
from debxcross.errors import GateError
from debxcross.steps.context import Context


def fetch_pin(context: Context, member: str, pin: PinnedFile) -> StoredFile:
    """Have a pinned file of the index in the store, verified.

    Raises GateError when the file's name is of another project or version than the pin's.
    """
    wanted = Pin(normalise(pin.name), pin.version)
    if not is_file_of(pin.file, wanted):
        raise GateError(f"{pin.file} is not a file of {pin.name} {pin.version}", "",
                        "Correct name, version or file of this pin.")
    # Not by the digest alone: the same bytes pinned as another release are to be looked at again.
    key = digest([wanted, pin.file, pin.sha256])
    memo = context.store.memo("pin", key)
    held = context.held.member(member)
    known = [StoredFile(**memo)] if memo is not None else [
        file.stored for file in (held.files if held else ()) if file.sha256 == pin.sha256]
    if known and context.store.has(known[0]):
        return known[0]
    context.supply.check_online(member, [f"{pin.file} ({pin.sha256[:12]}…)"])
    context.busy(member, f"fetching {pin.file}")
    with context.store.work(context.chroots.remove) as directory:
        path = context.supply.index().file_for(wanted, directory, kind=pin.file, sha256=pin.sha256)
        stored = context.store.put(path, pin.file)
    context.store.remember("pin", key, stored)
    return stored


def locked_pin(context: Context, member: str, pin: PinnedFile) -> LockedFile:
    """Return a pinned file as a lock names it; it is in the store then."""
    stored = fetch_pin(context, member, pin)
    return LockedFile(stored.name, stored.sha256, stored.size, f"{INDEX}/{normalise(pin.name)}/{pin.version}")
