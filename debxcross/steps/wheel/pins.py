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
    if (known := stored_pin(context, member, pin)) is not None:
        return known
    context.supply.check_online(member, [f"{pin.file} ({pin.sha256[:12]}…)"])
    context.busy(member, f"fetching {pin.file}")
    with context.store.work(context.chroots.remove) as directory:
        path = context.supply.index().file_for(wanted, directory, kind=pin.file, sha256=pin.sha256)
        stored = context.store.put(path, pin.file)
    remember_pin(context, wanted, stored)
    return stored


def _key(wanted: Pin, file: str, sha256: str) -> str:
    # Not by the digest alone: the same bytes pinned as another release are to be looked at again.
    return digest([wanted, file, sha256])


def stored_pin(context: Context, member: str, pin: PinnedFile) -> StoredFile | None:
    """Return a pinned file when the store has it."""
    memo = context.store.memo("pin", _key(Pin(normalise(pin.name), pin.version), pin.file, pin.sha256))
    held = context.held.member(member)
    known = [StoredFile(**memo)] if memo is not None else [
        file.stored for file in (held.files if held else ()) if file.sha256 == pin.sha256]
    return known[0] if known and context.store.has(known[0]) else None


def remember_pin(context: Context, pin: Pin, stored: StoredFile) -> None:
    """Remember that the store has the file of a pin."""
    context.store.remember("pin", _key(pin, stored.name, stored.sha256), stored)


def locked_pin(context: Context, member: str, pin: PinnedFile, place: str = "") -> LockedFile:
    """Return a pinned file as a lock names it, by its ``place`` when it is in no index.

    It is in the store then.
    """
    stored = fetch_pin(context, member, pin)
    return LockedFile(stored.name, stored.sha256, stored.size,
                      place or f"{INDEX}/{normalise(pin.name)}/{pin.version}")
