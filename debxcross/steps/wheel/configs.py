# SPDX-License-Identifier: GPL-3.0-or-later
"""Config programs (pg_config, geos-config): what the device's own say, with paths in the sysroot.

Packages with headers bring them as scripts, which run anywhere; but the paths they name are those of
the device.  The ones that are compiled for the device cannot be asked.
"""
from __future__ import annotations

from collections.abc import Sequence

from debxcross.core.build.environment import PackageFile
from debxcross.core.wheel import cross
from debxcross.doors.deb import members, read_facts
from debxcross.steps.build.buildroot import BuildRoot


def answer_configs(root: BuildRoot, files: Sequence[PackageFile]) -> tuple[str, ...]:
    """Let the root see the config programs of these packages of the store; return their names."""
    context = root.context
    found = []
    for file in files:
        path = context.store.path(file.sha256)
        if file.package.architecture != context.host.name or not any(
                map(cross.CONFIG_PROGRAM.fullmatch, read_facts(path).md5sums)):
            continue
        for member in members(path):
            if not cross.CONFIG_PROGRAM.fullmatch(member.path) or member.type != "file":
                continue
            name, content = member.path.rpartition("/")[2], member.read()
            if not content.startswith(b"#!"):
                root.note(f"{name} of {file.package.name} is compiled for the device: it cannot be asked\n")
                continue
            root.session.write(f"{cross.CONFIGS}/{name}", content.decode("utf-8", "surrogateescape"), 0o755)
            root.session.write(f"{cross.PROGRAMS}/{name}", cross.config_program(name), 0o755)
            found.append(name)
    return tuple(found)
