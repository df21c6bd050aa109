# SPDX-License-Identifier: GPL-3.0-or-later
"""What a wheel's step is made of: the packages that are asked for, and everything its key covers.

The wheel has a key of its own beside that of its deb: another maintainer, name or template
wraps it anew and does not build it again.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from debxcross.core.build import commands
from debxcross.core.build.environment import Environment
from debxcross.core.chain.chain import PinnedFile, WheelMember
from debxcross.core.key import digest, plain
from debxcross.core.patch import RulesPatch
from debxcross.core.wheel import backend, deb
from debxcross.core.wheel.direct import parse_origin
from debxcross.core.wheel.rust import library_of
from debxcross.doors.template import data_directory
from debxcross.steps.context import Context
from debxcross.steps.wheel.sysroot import sysroot_digest

#: The last version of Python 2.7.
_FULL_VERSION = {"2.7": "2.7.18"}


@dataclass(frozen=True)
class WheelSpec:
    """What a wheel member is made of: its pinned file and tools, Debian's names, patches.

    ``debian`` are versions of Debian's packages that relations of the deb must be told of.
    """

    member: WheelMember
    tools: tuple[PinnedFile, ...]
    names: Mapping[str, str]
    maintainer: str
    epochs: Mapping[str, int] = field(default_factory=dict)
    patches: tuple[RulesPatch, ...] = ()
    debian: Mapping[str, str] = field(default_factory=dict)

    @property
    def full_version(self) -> str:
        """The version of the device's interpreter, which markers are evaluated for."""
        member = self.member
        return member.resolved_for or _FULL_VERSION.get(member.python, f"{member.python}.0")

    @property
    def origin(self) -> str:
        """What a file in no index was made of, in words that are the same wherever it lay; else ""."""
        return parse_origin(self.member.origin).identity if self.member.origin else ""

    @property
    def rust(self) -> bool:
        """Whether crates are needed."""
        return bool(library_of(self.member.build_packages))


def _templates() -> str:
    directory = data_directory("control-templates")
    return digest({path.name: path.read_text() for path in sorted(directory.glob("*.j2"))})


def packages_here(context: Context, spec: WheelSpec) -> tuple[str, ...]:
    """Return what apt installs for the build machine: the interpreter, programs, Rust's standard library."""
    build, host = context.build.name, context.host.name
    here = sorted(name if ":" in name else f"{name}:{build}" for name in spec.member.build_packages)
    library = library_of(name.removesuffix(f":{build}") for name in here)
    rust = (f"{library}:{host}",) if library else ()
    return (f"python{spec.member.python}:{build}", *here, *rust)


def packages_there(context: Context, spec: WheelSpec) -> tuple[str, ...]:
    """Return what the sysroot has beside the base root's libraries: headers of the interpreter, libraries."""
    return commands.wheel_packages(spec.member.python, context.host.name, spec.member.host_needs)


def _identity(member: WheelMember) -> Mapping[str, Any]:
    """Return what of a member is in a key: keys of members that say nothing of newer settings stay."""
    return {name: value for name, value in plain(member).items()
            if value or name not in ("origin", "no_binary")}


def inputs_of_wheel(context: Context, spec: WheelSpec, environment: Environment) -> Mapping[str, Any]:
    """Return what can change the bytes of the wheel itself."""
    built = {} if spec.member.pure else {"hooks": backend.SCHEMA, "sysroot": sysroot_digest(context)}
    member = _identity(replace(
        spec.member, smoke="", optional_modules=(), package="", epoch=0, replaces=(), revision="",
        requires=(), also_requires=(), origin=""))
    return {
        "kind": "build-wheel", "schema": commands.SCHEMA, "pin": spec.member.pin,
        "python": spec.member.python, "tools": spec.tools, "host": context.host.name,
        "environment": environment.identity, "member": member, **built,
        **({"patches": [one.sha256 for one in spec.patches]} if spec.patches else {}),
    }


def inputs_of(context: Context, spec: WheelSpec, environment: Environment) -> Mapping[str, Any]:
    """Return what the step's key is the digest of, in this environment.

    What only the trial looks at changes no bytes.
    """
    return {
        **inputs_of_wheel(context, spec, environment),
        "names": spec.names, "maintainer": spec.maintainer, "templates": _templates(),
        "wrapping": deb.SCHEMA, "epochs": spec.epochs,
        "member": _identity(replace(spec.member, smoke="", optional_modules=(), origin=spec.origin)),
        **({"debian": spec.debian} if spec.debian else {}),
    }
