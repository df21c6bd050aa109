# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the packages that a chain makes somebody asked for."""
from __future__ import annotations

from debxcross.core.archive.source import host_needs
from debxcross.core.build.commands import wheel_packages
from debxcross.steps.chain.prepare import Prepared
from debxcross.steps.context import Context


def asked_for(context: Context, prepared: Prepared) -> frozenset[str]:
    """Return the names that a chain asks for: named ones, what is tried, what other members need."""
    chain, host = prepared.chain, context.host.name
    tried = {name.partition("=")[0].partition("/")[0].partition(":")[0]
             for name in (*chain.trial.packages, *chain.trial.before)}
    named = {package for name, work in prepared.sources.items()
             for package in prepared.expected.get(name, ()) if work.choice.names(package)}
    needed = {package.partition(":")[0] for work in prepared.sources.values() for package in (
        *host_needs(work.source, host, work.profiles, context.table), *work.build_packages)}
    wheels = {package.partition(":")[0] for wheel in chain.wheels if not wheel.pure
              for package in (f"python{wheel.python}", *wheel_packages(wheel.python, host, wheel.host_needs))}
    return frozenset(tried | named | needed | wheels)


def left_out_words(member: str, package: str, why: tuple[str, ...]) -> str:
    """Return the note of a package that is left out."""
    return (f"{package} of {member} is left out: no device could install it ({'; '.join(why)}), and nobody "
            "asked for it")
