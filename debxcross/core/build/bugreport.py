# SPDX-License-Identifier: GPL-3.0-or-later
"""A report for Debian's bug tracker: what a source loses, or why it fails, when it is cross-built.

The pseudo-header is that of https://www.debian.org/Bugs/Reporting; user and usertags are those under
which Debian's cross-builders find such bugs.
"""
from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from debxcross.core.build.answers import Told
from debxcross.core.patch import RulesPatch

WRONG, FAILED, UNSATISFIABLE, MENDED = "wrong", "failed", "unsatisfiable", "mended"
#: Columns of running text; lines of logs and commands are left as they are.
_WIDTH = 72
_USERTAGS = {FAILED: "ftcbfs", UNSATISFIABLE: "cross-satisfiability"}


@dataclass(frozen=True)
class BugReport:
    """What is to be told of one source.

    ``kind`` says how its last build ended: its packages are not right, it failed, its build dependencies
    could not be satisfied, or (MENDED) it is right with the patches and answers here.  ``brief`` and ``details`` are
    what the run said of it.  ``told`` has the device's answers.
    """

    source: str
    version: str
    suite: str
    build: str
    host: str
    profiles: tuple[str, ...]
    kind: str
    brief: str = ""
    details: str = ""
    lost: tuple[str, ...] = ()
    patches: tuple[RulesPatch, ...] = ()
    told: Told = Told()

    @property
    def subject(self) -> str:
        """The title: source, fault and host architecture."""
        if self.kind == UNSATISFIABLE:
            return f"{self.source}: cross build dependencies cannot be satisfied"
        if self.kind == FAILED:
            return f"{self.source} FTCBFS on {self.host}"
        if self.kind == MENDED and self.patches:
            first = self.patches[0].description
            return f"{self.source}: cross build: {first[0].lower()}{first[1:]}"
        if self.kind == MENDED and not self.lost:
            return f"{self.source}: cross build guesses what configure could know"
        return f"{self.source}: cross build for {self.host} loses what the native build has"

    def text(self) -> str:
        """Return the whole message, ready to be read again and mailed."""
        parts = [self._header(), _filled(self._opening())]
        if self.details:
            parts.append(textwrap.indent(_of_everywhere(self.details), "    "))
        if self.lost:
            parts += [_filled("Held against Debian's own package, this is lost:"),
                      "\n".join(f"    {one}" for one in self.lost)]
        parts += self._seen()
        if self.told.values or self.told.defines:
            parts += self._answered()
        if self.patches:
            many = len(self.patches) > 1
            parts.append(_filled(f"{'These patches mend' if many else 'This patch mends'} it here:"))
            parts += [f"--- 8< --- {one.name}.patch\n{one.text.rstrip()}\n--- >8 ---" for one in self.patches]
        return "\n\n".join(parts) + "\n"

    def _header(self) -> str:
        lines = ["To: submit@bugs.debian.org", f"Subject: {self.subject}", "",
                 f"Source: {self.source}", f"Version: {self.version}", "Severity: normal"]
        if self.patches:
            lines.append("Tags: patch")
        lines.append("User: debian-cross@lists.debian.org")
        if self.kind in _USERTAGS:
            lines.append(f"Usertags: {_USERTAGS[self.kind]}")
        return "\n".join(lines)

    def _opening(self) -> str:
        what = f"{self.source} {self.version} ({self.suite}), built on {self.build} for {self.host}"
        if self.kind == UNSATISFIABLE:
            return f"The build dependencies of {what} cannot be satisfied: apt says"
        if self.kind == FAILED:
            return f"The cross build of {what} fails:"
        if self.kind == MENDED:
            return f"The cross build of {what} is not what a native build is, unless it gets what is below."
        end = f": {self.brief.removeprefix(f'{self.source} ')}." if self.brief else "."
        return f"The cross build of {what} ends with exit status 0, but its packages are not right{end}"

    def _seen(self) -> list[str]:
        profiles = f" -P{','.join(self.profiles)}" if self.profiles else ""
        return [_filled("How to see it, in a build root with the cross build dependencies:"),
                f"    apt-get build-dep -a{self.host} {self.source}={self.version}\n"
                f"    apt-get source {self.source}={self.version}\n"
                f"    DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage -a{self.host} -B -us -uc{profiles}"]

    def _answered(self) -> list[str]:
        told = [*(f"{name}={value}" for name, value in self.told.values),
                *(f"#define {name} {value}".rstrip() for name, value in self.told.defines)]
        return [_filled("These tests of configure run a program.  When cross-building they are guessed; on "
                        "the device (tried by an emulator) their answers are:"),
                "\n".join(f"    {one}" for one in told)]


def _of_everywhere(details: str) -> str:
    """Return details without what is this machine's: where apt found the source, and our command lines."""
    lines = [line for line in details.strip().splitlines() if not re.match(r"ended (with status|by signal) ", line)]
    text = re.sub(r"builddeps:\S*/", "builddeps:", "\n".join(lines))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _filled(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def is_reportable(report: BugReport) -> bool:
    """Tell whether there is anything that Debian would want to know."""
    return bool(report.kind != MENDED or report.lost or report.patches or report.told.values
                or report.told.defines)


def kind_of(failure_class: str, losses: Sequence[str]) -> str:
    """Return the kind for a run's failure class ("" for a member that was built) and accepted losses."""
    if not failure_class:
        return WRONG if losses else MENDED
    return {"compile": FAILED, "unsatisfiable": UNSATISFIABLE}.get(failure_class, WRONG)
