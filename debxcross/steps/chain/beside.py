# SPDX-License-Identifier: GPL-3.0-or-later
"""What is published beside the debs of a run: sources, .buildinfo files and logs."""
from __future__ import annotations

from collections.abc import Iterable

from debxcross.core.artifact import Artifact, StoredFile
from debxcross.core.border import read_as
from debxcross.core.build.own import is_source_file
from debxcross.core.key import digest
from debxcross.doors.store import Store
from debxcross.steps.build.turn import Work


def beside(artifacts: Iterable[Artifact], works: Iterable[Work], host: str,
           store: Store) -> tuple[StoredFile, ...]:
    """Return the .buildinfo files, logs and wheels of builds, and the sources that the store has whole.

    Logs are named after source, version and architecture, as the other files are already.
    """
    found = []
    for artifact in artifacts:
        prefix = _build(artifact, host)
        found += [file for file in artifact.files if file.name.endswith(".whl")]
        found += [file for file in artifact.files if prefix and file.name in (
            f"{prefix}_{host}.buildinfo", f"{prefix}_all.buildinfo")]
        found += _own_source(artifact, host, store)
        found += [StoredFile(f"{prefix}_{host}.log", file.sha256, file.size)
                  for file in artifact.files if prefix and file.name.endswith(".log")][:1]
    for work in works:
        if all(store.has(file) for file in work.sources):
            found += work.sources
    return tuple(sorted(set(found), key=lambda file: file.name))


def _own_source(artifact: Artifact, host: str, store: Store) -> tuple[StoredFile, ...]:
    """Return the source package of a tree of one's own: the first that gave packages of these bytes.

    Another tree that gives the same packages, with another comment for example, is no other version.
    """
    files = tuple(file for file in artifact.files
                  if artifact.provenance.get("kind") == "source" and is_source_file(file.name))
    if not files:
        return ()
    key = digest(["own source", sorted((file.name, file.sha256) for file in artifact.debs(host))])
    told = store.memo("source-package", key)
    first = read_as(tuple[StoredFile, ...], told) if told is not None else ()
    if first and store.has(*first):
        return first
    store.remember("source-package", key, files)
    return files


def _build(artifact: Artifact, host: str) -> str:
    """Return "SOURCE_VERSION" of a build; a wheel's deb is its own source."""
    provenance = artifact.provenance
    if provenance.get("kind") == "source":
        version = str(provenance["version"])
        return f"{provenance['source']}_{version.partition(':')[2] or version}"
    debs = artifact.debs(host)
    return debs[0].name.rpartition("_")[0] if debs else ""
