# SPDX-License-Identifier: GPL-3.0-or-later
"""Predicts the packages a build will leave, so that apt can judge them before they exist.

debian/control tells every relation that is written by hand, such as libpython2.7-stdlib's
on libssl1.1.  What dpkg-shlibdeps will add is not known, but it names only libraries that
were in the build root.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from debian.deb822 import Deb822, PkgRelation
from debian.debian_support import DpkgArchTable

from debxcross.core.archive.source import SourcePackage, relation_applies

_COPIED = ("Package", "Multi-Arch", "Essential")
_RELATIONS = ("Pre-Depends", "Depends", "Conflicts", "Breaks", "Provides", "Replaces")


def predicted_stanzas(
    control: str, source_version: str, versions: Mapping[str, str], host: str, profiles: tuple[str, ...],
    table: DpkgArchTable,
) -> str:
    """Return a Packages text for the packages of a source's debian/control that ``versions`` names.

    Substitution variables other than those of versions are left out (deb-substvars(5)).
    """
    texts = []
    lines = [line for line in control.splitlines() if not line.startswith("#")]
    for stanza in Deb822.iter_paragraphs(lines, use_apt_pkg=False):
        version = versions.get(stanza.get("Package", ""))
        if version is None:
            continue
        values = {"binary:Version": version, "source:Version": source_version,
                  "Source-Version": source_version}
        fields = {key: stanza[key] for key in _COPIED if key in stanza}
        fields.update({"Architecture": "all" if stanza.get("Architecture") == "all" else host,
                       "Version": version})
        for key in _RELATIONS:
            kept = ", ".join(_relations(stanza.get(key, ""), values, host, profiles, table))
            if kept:
                fields[key] = kept
        texts.append(stanza_text(fields, f"predicted/{stanza['Package']}.deb", 1, "0" * 64))
    return "\n".join(texts)


def dummy_name(source: str) -> str:
    """Return the name of the package that stands for a source's build dependencies."""
    return f"debxcross-build-depends-{source}"


def dummy_stanza(source: SourcePackage, build: str, host: str, profiles: tuple[str, ...],
                 more: Iterable[str], table: DpkgArchTable) -> str:
    """Return a stanza of a package that depends on what a cross build of a source needs.

    A package of the host architecture, as sbuild makes one: what has no qualifier is then wanted
    of the host architecture, unless it is Multi-Arch: foreign (Multi-Arch cross specification).
    ``more`` are packages of the build architecture.
    """
    relations = f"{source.build_depends}, {source.build_depends_arch}"
    needed = [*_of_a_build(relations, build, host, profiles, table), *(f"{name}:{build}" for name in more)]
    fields = {"Package": dummy_name(source.name), "Version": "1", "Architecture": host,
              "Depends": ", ".join(needed),
              "Conflicts": ", ".join(_of_a_build(source.build_conflicts, build, host, profiles, table))}
    return stanza_text(fields, f"predicted/{dummy_name(source.name)}.deb", 1, "0" * 64)


def _of_a_build(text: str, build: str, host: str, profiles: tuple[str, ...], table: DpkgArchTable
                ) -> Iterator[str]:
    for part in re.sub(r"\s+", " ", text).split(","):
        alternatives = [one for one in PkgRelation.parse_relations(part)[0]
                        if relation_applies(one, host, profiles, table)] if part.strip() else []
        for one in alternatives:
            one["arch"] = one["restrictions"] = None
            if one.get("archqual") == "native":
                one["archqual"] = build
        if alternatives:
            yield str(PkgRelation.str([alternatives]))


def _relations(
    text: str, values: Mapping[str, str], host: str, profiles: tuple[str, ...], table: DpkgArchTable
) -> Iterator[str]:
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value)
    for part in re.sub(r"\s+", " ", text).split(","):
        if not part.strip() or "${" in part:
            continue
        alternatives = [
            one for one in PkgRelation.parse_relations(part)[0]
            if relation_applies(one, host, profiles, table)]
        for one in alternatives:
            one["arch"] = one["restrictions"] = None
        if alternatives:
            yield str(PkgRelation.str([alternatives]))


def needed_elsewhere(controls: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """Return the relations of these packages' control fields that none of them meets by name, each once."""
    ours = {one["Package"] for one in controls} | {
        group[0]["name"] for one in controls for group in _written(one.get("Provides", ""))}
    found = {str(PkgRelation.str([group])) for one in controls for key in ("Pre-Depends", "Depends")
             for group in _written(one.get(key, "")) if not any(each["name"] in ours for each in group)}
    return tuple(sorted(found))


def _written(text: str) -> Iterator[Sequence[Mapping[str, str]]]:
    """Yield the alternatives of each relation of a field."""
    for part in re.sub(r"\s+", " ", text).split(","):
        if part.strip():
            yield PkgRelation.parse_relations(part)[0]


def stanza_text(control: Mapping[str, str], filename: str, size: int, sha256: str) -> str:
    """Return one stanza of a Packages file."""
    fields = {**control, "Filename": filename, "Size": str(size), "SHA256": sha256}
    return "".join(f"{key}: {value}\n" for key, value in fields.items() if value)
