# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest

from debxcross.core.build.answers import Told
from debxcross.core.build.bugreport import (
    FAILED, MENDED, UNSATISFIABLE, WRONG, BugReport, is_reportable, kind_of,
)
from debxcross.core.patch import parse

REPORT = BugReport("rsync", "3.2.7-1", "bookworm", "amd64", "armhf", ("cross", "nocheck"), MENDED)
PATCH = parse("curl", "install-zsh", """Description: Install the completion for zsh
Origin: vendor

--- a/debian/rules
+++ b/debian/rules
@@ -1 +1,2 @@
 a
+b
""")


@pytest.mark.parametrize("failure, losses, kind", [
    ("", (), MENDED), ("", ("a file",), WRONG), ("gate", (), WRONG), ("wrong-architecture", (), WRONG),
    ("compile", (), FAILED), ("unsatisfiable", (), UNSATISFIABLE)])
def test_the_kind_follows_from_how_the_build_ended(failure: str, losses: tuple[str, ...], kind: str) -> None:
    assert kind_of(failure, losses) == kind


def test_what_is_as_debians_own_is_no_bug() -> None:
    assert not is_reportable(REPORT)
    assert is_reportable(replace(REPORT, told=Told(values=(("ac_cv_x", "yes"),))))


def test_the_head_is_what_the_tracker_reads() -> None:
    head = replace(REPORT, kind=FAILED, details="error: x").text().split("\n\n")
    assert head[0].splitlines() == ["To: submit@bugs.debian.org", "Subject: rsync FTCBFS on armhf"]
    assert head[1].splitlines() == [
        "Source: rsync", "Version: 3.2.7-1", "Severity: normal", "User: debian-cross@lists.debian.org",
        "Usertags: ftcbfs"]
    assert head[3] == "    error: x"


def test_losses_are_told_with_what_decided() -> None:
    text = replace(REPORT, kind=WRONG, brief="rsync was built, but has lost 1 thing",
                   details="rsync: mkstemp is lost\n    config.log:3: checking for mkstemp... no",
                   told=Told(values=(("rsync_cv_HAVE_SECURE_MKSTEMP", "yes"),),
                             defines=(("INET6", "1"),))).text()
    assert "packages are not right: was built, but has lost 1" in text.replace("\n", " ")
    assert "\n        config.log:3: checking for mkstemp... no\n" in text
    assert "    rsync_cv_HAVE_SECURE_MKSTEMP=yes\n    #define INET6 1" in text
    assert "dpkg-buildpackage -aarmhf -B -us -uc -Pcross,nocheck" in text


def test_a_patch_is_in_the_mail_whole() -> None:
    report = replace(REPORT, source="curl", patches=(PATCH,))
    assert report.subject == "curl: cross build: install the completion for zsh"
    assert PATCH.text.rstrip() in report.text() and "Tags: patch" in report.text()


def test_no_place_of_this_machine_is_told() -> None:
    text = replace(REPORT, kind=UNSATISFIABLE,
                   details=" builddeps:/home/me/store/rsync_3.2.7-1.dsc:armhf : Depends: python3:armhf\n\n"
                           "ended with status 100: env APT_CONFIG=/home/me/apt.conf apt-get").text()
    assert "/home/me" not in text and "builddeps:rsync_3.2.7-1.dsc:armhf : Depends" in text
    assert "Usertags: cross-satisfiability" in text
