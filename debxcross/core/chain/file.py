# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a chain down as the TOML file that core.chain.chain.parse reads: a lock of what was resolved."""
from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from debxcross.core.chain.chain import Chain, PinnedFile, WheelMember


def to_toml(chain: Chain, notes: tuple[str, ...] = ()) -> str:
    """Return a chain of wheels as TOML; ``notes`` become comments at the top."""
    lines = [f"# {note}" for note in notes]
    lines += _table("[chain]", {"name": chain.name, "release": chain.release, "summary": chain.summary})
    for tool in chain.build_tools:
        lines += _table("[[build-tool]]", _pin(tool))
    for one in chain.debian:
        lines += _table("[[debian]]", {"name": one.name, "package": one.package, "epoch": one.epoch,
                                       "version": one.version})
    for wheel in chain.wheels:
        lines += _table("[[wheel]]", _wheel(wheel))
    lines += _table("[trial]", {"packages": chain.trial.packages, "python": chain.trial.python})
    return "\n".join(lines).lstrip("\n") + "\n"


def _pin(pin: PinnedFile) -> dict[str, object]:
    return {"name": pin.name, "version": pin.version, "file": pin.file, "sha256": pin.sha256}


def _wheel(wheel: WheelMember) -> dict[str, object]:
    return {
        **_pin(wheel.pin), "python": wheel.python, "resolved-for": wheel.resolved_for,
        "origin": wheel.origin, "package": wheel.package, "epoch": wheel.epoch, "revision": wheel.revision,
        "build-requires": wheel.build_requires,
        "build-packages": wheel.build_packages, "host-needs": wheel.host_needs,
        "environment": wheel.environment, "settings": wheel.settings, "requires": wheel.requires,
        "also-requires": wheel.also_requires, "replaces": wheel.replaces,
        "optional-modules": wheel.optional_modules, "no-binary": wheel.no_binary, "smoke": wheel.smoke,
    }


def _table(head: str, values: Mapping[str, object]) -> list[str]:
    return ["", head, *_values(values)]


def _values(values: Mapping[str, object]) -> Iterator[str]:
    """Yield the keys that have a value; a JSON string of printable text is a TOML string."""
    for key, value in values.items():
        if value:
            shown = list(value) if isinstance(value, tuple) else value
            yield f"{key} = {json.dumps(shown, ensure_ascii=False)}"
