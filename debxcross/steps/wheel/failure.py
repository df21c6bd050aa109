# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what a failed build of a wheel lacked, and which package or requirement brings it."""
from __future__ import annotations

from debxcross.core.build.missing import RUSTC, missing_of
from debxcross.core.wheel.lacking import Lacks, lacks_of
from debxcross.errors import BuildError
from debxcross.steps.build.buildroot import BuildRoot
from debxcross.steps.wheel.inputs import WheelSpec
from debxcross.steps.wheel.rust import Rust


def failed(root: BuildRoot, spec: WheelSpec, what: str) -> BuildError:
    """Return the error for what failed; what could be added is told as a note with ``lacks``, too."""
    error = root.failure(what)
    missing = missing_of(root.tail())
    known = Rust(root.context).known if any(one.kind == RUSTC for one in missing) else ()
    member = spec.member
    had = Lacks(member.host_needs, member.build_packages, member.build_requires)
    lacks = lacks_of(missing, root.lacking(), known, had)
    if not lacks:
        return error
    words = "; ".join(lacks.words)
    root.context.events.tell("note", root.name, f"it lacks {lacks.packages}: {words}", lacks=lacks.to_json())
    return BuildError(
        error.brief, error.details,
        f"{words}. With --auto-needs that is added, and the build tried again; a file given with "
        f"--projects adds it for good:\n {lacks.toml(member.name)}\n{root.where}")
