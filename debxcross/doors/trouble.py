# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with one attempt at one address; every part of the door to the web raises it."""
from __future__ import annotations


class Trouble(Exception):
    """One attempt at one address failed: why, and what that says about another attempt."""

    def __init__(self, text: str, again: bool = False, wrong: bool = False, status: int = 0) -> None:
        super().__init__(text)
        self.again, self.wrong, self.status = again, wrong, status
        self.absent = status in (404, 410)
