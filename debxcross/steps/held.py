# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lock holds, and whether a run deviates from it."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from debxcross.core.artifact import StoredFile
from debxcross.core.build.environment import PackageFile
from debxcross.core.chain.lock import Lock, LockedMember, deviation_error, deviations
from debxcross.errors import LockError, UnsatisfiableError


@dataclass(frozen=True)
class Held:
    """What must be as a lock says; ``host`` is the host architecture.

    With a ``lock`` nothing is taken from the archives but what it names, except for the members
    and parts in ``unlocked``.
    """

    host: str
    lock: Lock | None = None
    unlocked: frozenset[str] = frozenset()

    def member(self, member: str) -> LockedMember | None:
        """Return what the lock says of a member; None when it is free."""
        return self.lock.member(member) if self.lock and member not in self.unlocked else None

    def part(self, part: str) -> tuple[PackageFile, ...] | None:
        """Return the packages that the lock pins beside the members'; None when that part is free."""
        return self.lock.parts.get(part, ()) if self.lock and part not in self.unlocked else None

    def compare(self, member: str, found: Sequence[PackageFile], local: Sequence[StoredFile]) -> None:
        """Raise LockError when apt chose something else for a member than the lock says.

        ``local`` are results of this run, which a lock does not name.
        """
        if (held := self.member(member)) is not None:
            ours = {file.sha256 for file in local}
            if said := deviations(held.packages, [file for file in found if file.sha256 not in ours]):
                raise deviation_error(member, said, self.host)

    def unsatisfied(self, member: str, error: UnsatisfiableError) -> UnsatisfiableError | LockError:
        """Turn apt's failure into LockError when a lock restricts the member."""
        if self.member(member) is None:
            return error
        return LockError(
            f"{member}: what the lock names is not enough to build it", error.details,
            f"Move the lock: debxcross lock {self.host} --update {member}. "
            "Otherwise restore what has changed.")
