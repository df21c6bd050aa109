# SPDX-License-Identifier: GPL-3.0-or-later
"""The report for programs: every event as one line of JSON, as it happens."""
from __future__ import annotations

from typing import TextIO

from debxcross.events import Event


class JsonLines:
    """Writes the line of every event to a stream, flushed, so that a kill costs nothing told."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: Event) -> None:
        """Hear an event."""
        self._stream.write(event.line() + "\n")
        self._stream.flush()
