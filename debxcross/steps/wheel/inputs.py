# SPDX-License-Identifier: GPL-3.0-or-later
"""What a wheel's step is made of: the packages that are asked for, and everything its key covers.

The wheel has a key of its own beside that of its deb: another maintainer, name or template
wraps it anew and does not build it again.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from debxcross.core.artifact import StoredFile
from debxcross.core.build import commands
from debxcross.core.build.environment import Environment, PackageFile, resolution_key
from debxcross.core.chain.chain import PinnedFile, WheelMember
from debxcross.core.key import digest
from debxcross.core.patch import RulesPatch
from debxcross.core.wheel import backend, deb
from debxcross.doors.template import data_directory
from debxcross.steps.build.baseroot import BaseRoot
from debxcross.steps.build.source import world_state
from debxcross.steps.context import Context
from debxcross.steps.wheel.sysroot import recipe_of_sysroot


@dataclass(frozen=True)
class WheelWork:
    """What is known about a wheel member before its turn comes."""

    member: WheelMember
    tools: tuple[PinnedFile, ...]
    names: Mapping[str, str]
    maintainer: str
    epochs: Mapping[str, int] = field(default_factory=dict)
    patches: tuple[RulesPatch, ...] = ()

    @property
    def rust(self) -> bool:
        """Whether crates are needed."""
        return "rustc" in self.member.build_packages


def _templates() -> str:
    directory = data_directory("control-templates")
    return digest({path.name: path.read_text() for path in sorted(directory.glob("*.j2"))})


def packages_here(context: Context, work: WheelWork) -> tuple[str, ...]:
    """Return what apt installs for the build machine: the interpreter, programs, Rust's standard library."""
    build, host = context.build.name, context.host.name
    here = sorted(name if ":" in name else f"{name}:{build}" for name in work.member.build_packages)
    rust = (f"libstd-rust-dev:{host}",) if f"rustc:{build}" in here else ()
    return (f"python{work.member.python}:{build}", *here, *rust)


def packages_there(context: Context, work: WheelWork) -> tuple[str, ...]:
    """Return what the sysroot has beside the base root's libraries: headers of the interpreter, libraries."""
    return commands.wheel_packages(work.member.python, context.host.name, work.member.host_needs)


def inputs_of_wheel(context: Context, work: WheelWork, environment: Environment) -> Mapping[str, Any]:
    """Return what can change the bytes of the wheel itself."""
    built = {} if work.member.pure else {"hooks": backend.SCHEMA, "sysroot": recipe_of_sysroot(context)}
    member = replace(work.member, smoke="", optional_modules=(), package="", epoch=0, replaces=(),
                     revision="", requires=(), also_requires=())
    return {
        "kind": "build-wheel", "schema": commands.SCHEMA, "pin": work.member.pin,
        "python": work.member.python, "tools": work.tools, "host": context.host.name,
        "environment": environment.identity, "member": member, **built,
        **({"patches": [one.sha256 for one in work.patches]} if work.patches else {}),
    }


def inputs_of(context: Context, work: WheelWork, environment: Environment) -> Mapping[str, Any]:
    """Return what the step's key is the digest of, in this environment.

    What only the trial looks at changes no bytes.
    """
    return {
        **inputs_of_wheel(context, work, environment),
        "names": work.names, "maintainer": work.maintainer, "templates": _templates(),
        "wrapping": deb.SCHEMA, "epochs": work.epochs,
        "member": replace(work.member, smoke="", optional_modules=()),
    }


def _question(context: Context, work: WheelWork, base: BaseRoot, local: Sequence[StoredFile]) -> str:
    return resolution_key(base.packages, world_state(context, work.member.name),
                          (*packages_here(context, work), *packages_there(context, work)),
                          [file.sha256 for file in local])


def known_key(context: Context, work: WheelWork, base: BaseRoot, local: Sequence[StoredFile]) -> str | None:
    """Return the step's key when nothing needs to run to know it, else None."""
    inputs = known_inputs(context, work, base, local)
    return digest(inputs) if inputs else None


def known_inputs(
    context: Context, work: WheelWork, base: BaseRoot, local: Sequence[StoredFile]
) -> Mapping[str, Any] | None:
    """Return what the step's key is the digest of, when nothing needs to run to know it."""
    if work.member.pure:
        return inputs_of(context, work, Environment(base.packages, ()))
    environment = known_environment(context, work, base, local)
    return inputs_of(context, work, environment) if environment else None


def known_environment(
    context: Context, work: WheelWork, base: BaseRoot, local: Sequence[StoredFile]
) -> Environment | None:
    """Return what apt answered before, to the same question."""
    added = context.memo(work.member.name, "environment", _question(context, work, base, local))
    if added is None:
        return None
    return Environment(base.packages, tuple(PackageFile(**one) for one in added))


def remember(context: Context, work: WheelWork, base: BaseRoot, local: Sequence[StoredFile],
             environment: Environment) -> None:
    """Keep what apt answered, for the next run."""
    context.store.remember("environment", _question(context, work, base, local), environment.added)
