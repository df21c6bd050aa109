# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a step's result is found, and where it goes."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from debxcross.core.artifact import Artifact
from debxcross.core.chain.history import CONTRADICTED
from debxcross.doors.store import Store
from debxcross.events import Events
from debxcross.steps.store.substitute import Substitute

#: A result that came from the store of somebody else.
SUBSTITUTED = "substituted"


class Results(Protocol):
    """Finds and keeps results; ``store`` has the files they consist of."""

    @property
    def store(self) -> Store: ...

    def artifact(self, member: str, key: str) -> Artifact | None:
        """Return the result of a member's step; None when there is none with this key."""

    def commit(self, artifact: Artifact) -> Artifact:
        """Keep a step's result; return what stands under its key, which an earlier result may."""

    def memo(self, member: str, kind: str, key: str) -> Any | None:
        """Return an answer remembered for a member; None when there is none."""

    def origin(self, key: str) -> str:
        """Return SUBSTITUTED or CONTRADICTED for a result of this run, "" for any other."""


@dataclass(frozen=True)
class StoredResults:
    """The results in the store, else in the stores of others; ``host`` is the host architecture."""

    store: Store
    events: Events
    host: str
    substitutes: tuple[Substitute, ...] = ()
    #: Keys under which this run built other bytes than stand there.
    _contradicted: set[str] = field(default_factory=set, compare=False)

    def artifact(self, member: str, key: str) -> Artifact | None:
        """Return the result of a member's step from the store, else from a substitute."""
        found = self.store.artifact(key)
        for substitute in self.substitutes:
            found = found or substitute.artifact(member, key)
        return found

    def commit(self, artifact: Artifact) -> Artifact:
        """Keep a step's result; return what stands under its key, which an earlier result may."""
        stands = self.store.commit(artifact)
        if stands is not artifact:
            self._contradicted.add(artifact.key)
            before = {file.name: file.sha256 for file in stands.files}
            names = [file.name for file in artifact.debs(self.host)
                     if before.get(file.name) != file.sha256]
            self.events.tell("warning", artifact.member, (
                f"built again, {', '.join(names)} came out with other bytes; the earlier result stands "
                f"('debxcross reproduce {artifact.member}' shows what differs)"))
        return stands

    def memo(self, member: str, kind: str, key: str) -> Any | None:
        """Return an answer remembered in the store, else in a substitute's."""
        value = self.store.memo(kind, key)
        for substitute in self.substitutes:
            if value is None and (value := substitute.memo(member, kind, key)) is not None:
                self.store.remember(kind, key, value)
        return value

    def origin(self, key: str) -> str:
        """Return SUBSTITUTED or CONTRADICTED for a result of this run, "" for any other."""
        if key in self._contradicted:
            return CONTRADICTED
        return SUBSTITUTED if any(key in one.given for one in self.substitutes) else ""
