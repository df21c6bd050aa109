# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate of losses: what is refused, what is accepted, and the lines of logs that decided."""
from __future__ import annotations

import pytest

from debxcross.core.build.comparisontext import package_line
from debxcross.core.build.differences import GAINED, LOST, Comparison, Difference
from debxcross.core.build.environment import PackageFile
from debxcross.core.build.losses import (
    AcceptedLoss, accept, answers, deciding_lines, loss_verdicts, parse_accepted, raise_for_losses,
    searched_words,
)
from debxcross.core.build.natives import (
    NEAREST, NONE, OTHER_ARCHITECTURE, SAME, Native, choose, plain_version, upstream_version,
)
from debxcross.core.gate import failed
from debxcross.errors import GateError


def lost(what: str, where: str, name: str = "", kind: str = LOST) -> Difference:
    return Difference(kind, "tool", what, where, name, "", "", f"{where} lacks {name}".strip())


GNUTLS = lost("needed", "/usr/sbin/chronyd", "libgnutls.so.30")
MKSTEMP = lost("import", "/usr/bin/rsync", "mkstemp64")
ZSH = lost("file", "/usr/share/zsh/vendor-completions/_curl")
MORE = lost("file", "/usr/bin/more", kind=GAINED)


def comparison(*differences: Difference) -> Comparison:
    return Comparison("tool", "1.0-1", "armhf", "1.0-1 armhf", SAME, differences)


@pytest.mark.parametrize(("text", "expected"), [
    ("/usr/share/zsh/*: needs to run curl", AcceptedLoss("/usr/share/zsh/*", "needs to run curl")),
    ("Depends a:any : why: so", AcceptedLoss("Depends a:any", "why: so")),
    ("/usr/share/zsh/*", None), ("/usr/share/zsh/*: ", None), (": why", None), ("a:b", None)])
def test_acceptances_have_a_reason(text: str, expected: AcceptedLoss | None) -> None:
    assert parse_accepted(text) == expected


def test_a_loss_fails_unless_it_is_accepted() -> None:
    compared = comparison(GNUTLS, ZSH, MORE)
    assert [one.subject for one in loss_verdicts((compared,))] == ["tool", "tool"]
    assert len(failed(loss_verdicts((compared,)))) == 2 and compared.fails_on(("lost",))
    rules = (AcceptedLoss("/usr/share/zsh/*", "needs to run curl"), AcceptedLoss("/usr/bin/*",
                                                                                 "gained anyway"))
    verdicts = loss_verdicts((accept(compared, rules),))
    assert [one.expected for one in failed(verdicts)] == ["/usr/sbin/chronyd libgnutls.so.30"]
    assert verdicts[1].found.endswith("(accepted: needs to run curl)")
    assert accept(compared, rules).counts[LOST] == 1
    alone = accept(comparison(ZSH), rules)
    assert not alone.fails_on(("lost",)) and not failed(loss_verdicts((alone,)))
    assert package_line(alone) == "tool 1.0-1 armhf: accepted 1"


@pytest.mark.parametrize(("pattern", "difference", "expected"), [
    ("/usr/sbin/chronyd", GNUTLS, False), ("/usr/sbin/*", GNUTLS, False), ("*", GNUTLS, False),
    ("/usr/sbin/chronyd *", GNUTLS, True), ("/usr/sbin/* libgnutls.so.*", GNUTLS, True),
    ("/usr/share/zsh/*", ZSH, True), ("/usr/share/zsh/* *", ZSH, False),
    ("triggers activate-noawait ldconfig", lost("trigger", "triggers", "activate-noawait ldconfig"), True)])
def test_a_path_does_not_accept_what_is_lost_inside_of_a_file(
    pattern: str, difference: Difference, expected: bool
) -> None:
    assert AcceptedLoss(pattern, "any").accepts(difference) is expected


def test_what_cannot_be_compared_passes_and_says_so() -> None:
    alone = Comparison("own", "1", "armhf", how=NONE, notes=("no archive has it",))
    (verdict,) = loss_verdicts((alone,))
    assert verdict.ok and verdict.found == "not compared: no archive has it"
    (verdict,) = loss_verdicts((Comparison("x.deb", "", "", damage="cut"),))
    assert not verdict.ok and verdict.found == "cut"
    (verdict,) = loss_verdicts((comparison(MORE),))
    assert verdict.ok and verdict.found == "compared with 1.0-1 armhf: nothing is lost"


CONFIG_LOG = """\
configure:4500: checking for gnutls >= 3.3
configure:4507: $PKG_CONFIG --exists --print-errors "gnutls"
Package gnutls was not found in the pkg-config search path.
configure:4530: result: no
configure:4600: checking for mkstemp
configure:4610: result: cross
configure:4700: checking for readline in -lreadline
configure:4710: result: yes
ac_cv_func_socketpair=no
"""


@pytest.mark.parametrize(("difference", "log", "expected"), [
    (GNUTLS, CONFIG_LOG, ["1: configure:4500: checking for gnutls >= 3.3 ... no",
                          "3: Package gnutls was not found in the pkg-config search path."]),
    (MKSTEMP, CONFIG_LOG, ["5: configure:4600: checking for mkstemp ... cross"]),
    (lost("import", "/usr/bin/rsync", "socketpair"), CONFIG_LOG, ["9: ac_cv_func_socketpair=no"]),
    (lost("needed", "/usr/bin/x", "libreadline.so.8"), CONFIG_LOG, []),
    (GNUTLS, "Checking for gnutls : No\n", ["1: Checking for gnutls : No"]),
    (GNUTLS, "Run-time dependency gnutls found: NO (tried pkgconfig)\n",
     ["1: Run-time dependency gnutls found: NO (tried pkgconfig)"]),
    (GNUTLS, "-- Could NOT find GnuTLS (missing: GNUTLS_LIBRARY)\n",
     ["1: -- Could NOT find GnuTLS (missing: GNUTLS_LIBRARY)"]),
    (lost("import", "/x", "epoll_create1"), "-- Looking for epoll_create1 - not found\n",
     ["1: -- Looking for epoll_create1 - not found"]),
    (lost("import", "/x", "epoll_create1"), "-- Looking for epoll_create1 - found\n", []),
    (lost("import", "/x", "mkstemp64"), "checking whether mkstemp works... (cached) no\n",
     ["1: checking whether mkstemp works... (cached) no"]),
    (lost("import", "/x", "fnmatch"), "checking for working GNU fnmatch... guessing no\n",
     ["1: checking for working GNU fnmatch... guessing no"]),
    (lost("relation", "Depends", "libreadline8"), "checking for readline... no\n",
     ["1: checking for readline... no"]),
    (lost("file", "/usr/lib/arm/engines-3/afalg.so"),
     "    no-afalgeng      [cross-compiling]  OPENSSL_NO_AFALGENG\n",
     ["1: no-afalgeng      [cross-compiling]  OPENSSL_NO_AFALGENG"]),
    (GNUTLS, "arm-linux-gnueabihf-gcc -Wno-error -lgnutls -o x x.c\n", []),
])
def test_the_line_that_decided(difference: Difference, log: str, expected: list[str]) -> None:
    found = deciding_lines(difference, answers({"config.log": log}))
    assert [f"{line.number}: {line.text}" for line in found] == expected


@pytest.mark.parametrize(("difference", "words"), [
    (GNUTLS, ("gnutls",)), (lost("needed", "/x", "libdb-5.3.so"), ("db",)),
    (MKSTEMP, ("mkstemp", "mkstemp64")),
    (lost("import", "/x", "__vsnprintf_chk"), ("vsnprintf", "__vsnprintf_chk")),
    (lost("relation", "Depends", "libgnutls30 | libnettle8"), ("gnutls",)), (ZSH, ("curl", "zsh")),
    (lost("hardening", "/x", "relro"), ("relro",))])
def test_what_logs_call_it(difference: Difference, words: tuple[str, ...]) -> None:
    assert searched_words(difference) == words


def test_the_error_names_the_loss_the_line_and_the_next_move() -> None:
    with pytest.raises(GateError) as caught:
        compared = accept(comparison(GNUTLS, ZSH), (AcceptedLoss("/usr/share/*", "no"),))
        raise_for_losses("chrony", (compared,), {"config.log": CONFIG_LOG})
    error = caught.value
    assert error.brief == "chrony was built, but has lost 1 thing that Debian's own package has"
    assert error.details.splitlines() == [
        "tool: /usr/sbin/chronyd lacks libgnutls.so.30",
        "    config.log:1: configure:4500: checking for gnutls >= 3.3 ... no",
        "    config.log:3: Package gnutls was not found in the pkg-config search path."]
    assert 'accept-losses = ["/usr/sbin/chronyd libgnutls.so.30: why"]' in error.resolution
    raise_for_losses("chrony", (comparison(MORE),), {})


def native(version: str, architecture: str = "armhf", source: str = "tool",
           source_version: str = "") -> Native:
    return Native("tool", version, architecture, source, source_version or version,
                  PackageFile("uri", "tool.deb", 1, "0" * 64))


@pytest.mark.parametrize(("offered", "how", "version"), [
    ((native("1.0-1"), native("1.0-1", "amd64")), SAME, "1.0-1"),
    ((native("1.0-1"), native("1.0-1+b2", source_version="1.0-1"), native("1.0-1+b1",
                                                                          source_version="1.0-1")),
     SAME, "1.0-1+b2"),
    ((native("0.9-1"), native("1.0-1", "amd64")), OTHER_ARCHITECTURE, "1.0-1"),
    ((native("0.8-1"), native("0.9-1"), native("1.1-1")), NEAREST, "0.9-1"),
    ((native("0.9-1", "amd64"),), OTHER_ARCHITECTURE, "0.9-1"),
    ((native("1.1-1"),), NONE, "only newer versions are there: 1.1-1 armhf"),
    ((native("1.0-1", source="another"),), NONE, "no archive has a package of this name from this source"),
    ((), NONE, "no archive has a package of this name from this source"),
])
def test_what_a_package_is_held_against(offered: tuple[Native, ...], how: str, version: str) -> None:
    found = choose(("tool", "1.0-1"), "1.0-1", "armhf", "amd64", offered)
    assert (found.how, found.native.version if found.native else found.why) == (how, version)


def test_versions_of_rebuilds_are_those_of_their_source() -> None:
    patched = choose(("tool", "1.0-1+debxcross1"), "1.0-1+debxcross1", "armhf", "amd64", (native("1.0-1"),))
    assert patched.how == SAME
    # Some packages have another version than their source.
    other = choose(("tool", "1.0-1"), "7:3.0-1", "armhf", "amd64", (native("7:3.0-1+b1",
                                                                           source_version="1.0-1"),))
    assert other.how == SAME
    assert [plain_version(one) for one in ("1.0-1+b12", "1.0-1+debxcross3", "1.0-1+deb12u1", "1.0+b")] == [
        "1.0-1", "1.0-1", "1.0-1+deb12u1", "1.0+b"]
    assert [upstream_version(one) for one in ("1:1.2.13-1+b1", "2.0", "3-4-5")] == ["1.2.13", "2.0", "3-4"]
