# SPDX-License-Identifier: GPL-3.0-or-later
"""PEP 440 versions and specifiers in Debian's terms, in an order that is the same in both.

Sources: PEP 440 ("Summary of permitted suffixes and relative ordering", "Version
specifiers") and Debian Policy 5.6.12: a tilde sorts before the end of a part, letters
before all other characters, and ``+`` before ``.``.
"""
from __future__ import annotations

import re
from collections.abc import Sequence

from debian.debian_support import Version as DebianVersion
from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import Version

from debxcross.errors import GateError, UnsupportedError


#: An operator and a version in a relation; those made here are >= and << only.
_BOUND = re.compile(r"\((>=|<<) ([^)]+)\)")


def _parse(version: str) -> Version:
    try:
        return Version(version)
    except ValueError as error:  # InvalidVersion, and numbers of too many digits
        raise GateError(
            f"{version[:80]!r} is not a version in the sense of PEP 440",
            resolution="Use a release of the distribution whose version follows PEP 440.",
        ) from error


def _release(epoch: int, numbers: Sequence[int]) -> str:
    """Join epoch and numbers; zeros at the end go, for 1.0 equals 1.0.0 in PEP 440 only."""
    kept = list(numbers)
    while len(kept) > 1 and kept[-1] == 0:
        kept.pop()
    return (f"{epoch}:" if epoch else "") + ".".join(map(str, kept))


def debian_version(version: str) -> str:
    """Return the Debian upstream version (with epoch, without revision) of a PEP 440 version.

    Two results compare in Debian as the arguments compare in PEP 440, and are equal when
    those are.  Not covered is the order among the local labels of one public version: they
    are kept readable, so that of ``1.0+abc`` and ``1.0+5`` the wrong one is the newer.

    Raises GateError for what is no PEP 440 version.
    """
    parsed = _parse(version)
    text = _release(parsed.epoch, parsed.release)
    if parsed.pre is not None:
        text += f"~{parsed.pre[0]}{parsed.pre[1]}"
    if parsed.post is not None:
        text += f"+post{parsed.post}"
    if parsed.dev is not None:
        text += f"~~dev{parsed.dev}"
    if parsed.local is not None:
        text += f"+~{parsed.local}"
    return text


def revision_above(version: str, theirs: str) -> str:
    """Return the revision that makes ``version`` (with its epoch) newer than a package of Debian's.

    ``theirs`` is that package's version.  Of one upstream version Debian's revision is continued,
    so that neither its binary rebuilds (+b1) nor its updates (+deb12u1) are newer; "" when no
    revision helps.
    """
    if DebianVersion(f"{version}-1") > DebianVersion(theirs):
        return "1"
    upstream, _, revision = theirs.rpartition("-")
    return f"{revision}+debxcross1" if upstream == version else ""


def rebuilt(revision: str, build: tuple[()] | tuple[int, str]) -> str:
    """Return the revision of a deb of a wheel with this build tag (PEP 427): higher than of a lower one.

    Without a revision or a tag it stays what it is.
    """
    if not (revision and build):
        return revision
    return f"{revision}+build{build[0]}" + re.sub(r"[^A-Za-z0-9+.~]", ".", build[1])


def upstream_version(version: str) -> Version | None:
    """Return a Debian version's PEP 440 version, without what Debian adds to it; None for none.

    Of 2.0+really1.9 it is 1.9, which is what the package has.
    """
    text = version.partition(":")[2] or version
    text = text.rpartition("-")[0] or text
    text = text.rpartition("+really")[2]
    for mark in ("+dfsg", "+ds", "~dfsg", "+repack"):
        text = text.partition(mark)[0]
    try:
        return Version(text.replace("~", ""))
    except ValueError:
        return None


def _next_prefix(version: Version, length: int) -> str:
    """Return what lies just below every version behind the series of ``length`` numbers."""
    numbers = [*version.release, *([0] * length)][:length]
    numbers[-1] += 1
    return _release(version.epoch, numbers) + "~~"


def _series(version: str) -> tuple[str, str]:
    """Return the bounds (inclusive, exclusive) of ``1.4.*``."""
    parsed = _parse(version.removesuffix(".*"))
    return (_release(parsed.epoch, parsed.release) + "~~",
            _next_prefix(parsed, len(parsed.release)))


def _exactly(version: str) -> tuple[str, str]:
    """Return the bounds (inclusive, exclusive) of ``==version``, any Debian revision included.

    Without a local label all local labels are meant too (PEP 440, "Version matching").
    """
    text = debian_version(version)
    return text, text + ("-a~" if _parse(version).local else "+a~")


def _clauses(package: str, specifier: Specifier) -> tuple[str, ...]:
    """Return the relations, all to be met, that stand for one specifier."""
    operator, version = specifier.operator, specifier.version
    if operator in ("==", "!="):
        low, high = _series(version) if version.endswith(".*") else _exactly(version)
        if operator == "==":
            return f"{package} (>= {low})", f"{package} (<< {high})"
        return (f"{package} (<< {low}) | {package} (>= {high})",)
    if operator == "===":
        try:
            Version(version)
        except ValueError as error:
            raise UnsupportedError(
                f"Debian has no relation for {package} ==={version}",
                resolution="Relax the requirement with a patch to the sdist's metadata.",
            ) from error
        low, high = _exactly(version)
        return f"{package} (>= {low})", f"{package} (<< {high})"
    text = debian_version(version)
    if operator == ">=":
        return (f"{package} (>= {text})",)
    if operator == ">":  # neither a post-release nor a local label of the version itself
        return (f"{package} (>= {text}+q~)",)
    if operator == "<=":
        return (f"{package} (<< {text}+a~)",)
    parsed = _parse(version)
    if operator == "<":  # no pre-release of the version either, unless it is one itself
        return (f"{package} (<< {text if parsed.is_prerelease else text + '~~'})",)
    # What is left is ~=, which has at least two numbers: packaging refuses ~=1.
    return (f"{package} (>= {text})",
            f"{package} (<< {_next_prefix(parsed, len(parsed.release) - 1)})")


def _with_epochs(clauses: Sequence[str], epoch: int) -> tuple[str, ...]:
    return tuple(_BOUND.sub(lambda match: f"({match[1]} {with_epoch(match[2], epoch)})", clause)
                 for clause in clauses)


def misjudged(package: str, specifiers: SpecifierSet, epoch: int, theirs: str) -> bool:
    """Tell whether the relations need to know the version of Debian's package to mean what they should."""
    return relations(package, specifiers, epoch) != relations(package, specifiers, epoch, theirs)


def _fitted(clauses: tuple[str, ...], specifier: Specifier, theirs: str) -> tuple[str, ...]:
    """Return the clauses of a specifier so that Debian's version meets them when it meets that."""
    version = upstream_version(theirs) if theirs else None
    if version is None:
        return clauses
    upstream = theirs.rpartition("-")[0] or theirs
    wanted = specifier.contains(version, prereleases=True)
    if wanted == all(_met(clause, theirs) for clause in clauses):
        return clauses
    if wanted:
        return tuple(clause if _met(clause, theirs) else _BOUND.sub(
            lambda match: f"(>= {upstream})" if match[1] == ">=" else f"(<< {upstream}+a~)", clause)
            for clause in clauses)
    # It is above an upper bound that is left out, or not below a lower one: the bound moves past it.
    if specifier.operator in ("!=", ">", ">="):
        mark = "q" if specifier.operator == ">" else "a"
        return tuple(re.sub(r"\(>= [^)]+\)", f"(>= {upstream}+{mark}~)", clause) for clause in clauses)
    return tuple(re.sub(r"\(<< [^)]+\)", f"(<< {upstream}~~)", clause) for clause in clauses)


def _met(clause: str, version: str) -> bool:
    """Tell whether a package of this version meets a clause, as dpkg decides it."""
    found = DebianVersion(version)
    return any(found >= DebianVersion(bound) if operator == ">=" else found < DebianVersion(bound)
               for operator, bound in _BOUND.findall(clause))


def with_epoch(version: str, epoch: int) -> str:
    """Return a Debian version with an epoch, unless it has one of its own."""
    return version if not epoch or ":" in version else f"{epoch}:{version}"


def relations(package: str, specifiers: SpecifierSet, epoch: int = 0, theirs: str = "") -> tuple[str, ...]:
    """Return the Debian relations, all to be met, of a requirement on ``package``.

    ``epoch`` is that of Debian's versions of the package.  ``theirs`` is the version of Debian's own
    package, "" for none: where it is spelt so that the relations would judge it otherwise than the
    specifiers do (zeros at the end, +dfsg), they are made to agree.

    They are sorted, lower bounds first; no specifier gives the bare name.  A ``!=`` becomes
    an alternative of what is older and what is newer, as Debian's relations have no "not".

    Raises UnsupportedError for ``===`` with something that is no PEP 440 version.
    """
    found = {clause for specifier in specifiers
             for clause in _fitted(_with_epochs(_clauses(package, specifier), epoch), specifier, theirs)}
    if not found:
        return (package,)
    return tuple(sorted(found, key=lambda clause: ("|" in clause, "(<<" in clause, clause)))
