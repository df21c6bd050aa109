# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of an isolated apt, for the child process that answers questions about it."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apt_pkg

from debxcross.errors import without_logins


class Archive:
    """The isolated apt's cache with the few look-ups that facts() and installable() need."""

    def __init__(self) -> None:
        apt_pkg.init()
        self.cache = apt_pkg.Cache(None)
        self.depcache = apt_pkg.DepCache(self.cache)
        # The depcache forgets candidates while it tries installations; the policy does not.
        self.policy = self.depcache.policy.get_candidate_ver
        self.records = apt_pkg.PackageRecords(self.cache)

    def package(self, name: str, architecture: str) -> Any | None:
        try:
            return self.cache[name, architecture]
        except KeyError:
            return None

    def candidate(self, name: str, architecture: str) -> Any | None:
        package = self.package(name, architecture)
        return self.policy(package) if package is not None else None

    def available(self, name: str, architecture: str) -> Any | None:
        """Return the candidate; one that is Architecture: all, which apt files as native, is for each."""
        version = self.candidate(name, architecture)
        if version is None:
            native = self.candidate(name, apt_pkg.config.find("APT::Architecture"))
            version = native if native is not None and native.arch == "all" else None
        return version

    def offered(self, name: str, build: str, host: str) -> list[Any]:
        """Return a package's section, and whether each architecture has or provides it; [] for neither."""
        found = []
        providers = [version for architecture in dict.fromkeys((build, host))
                     if (package := self.package(name, architecture)) is not None and package.has_provides
                     for _, _, version in package.provides_list]
        for architecture in (build, host):
            versions = [self.available(name, architecture), *(
                version for version in providers if version.arch in (architecture, "all"))]
            found.append(next((version for version in versions if version is not None), None))
        sections = [version.section for version in found if version is not None]
        return [sections[0], *(version is not None for version in found)] if sections else []

    def record(self, version: Any) -> apt_pkg.TagSection:
        self.records.lookup(version.file_list[0])
        return apt_pkg.TagSection(self.records.record)

    def of_source(self, name: str, build: str, host: str) -> Iterator[tuple[Any, str]]:
        """Yield every version of every package of a source, with the source's version."""
        records = apt_pkg.SourceRecords()
        binaries = set()
        while records.lookup(name):
            if records.package == name:
                binaries.update(records.binaries)
        for binary in sorted(binaries):
            for architecture in dict.fromkeys((build, host)):
                package = self.package(binary, architecture)
                for version in package.version_list if package is not None else ():
                    if version.downloadable:
                        self.records.lookup(version.file_list[0])
                        if (self.records.source_pkg or binary) == name:
                            yield version, self.records.source_ver or version.ver_str

    def offer(self, version: Any, lists: Any) -> dict[str, Any]:
        """Return a version's stanza and what is needed to fetch its .deb."""
        file, _ = version.file_list[0]
        record = self.record(version)
        uri = without_logins(lists.find_index(file).archive_uri(record["Filename"]))
        return {"stanza": str(record).rstrip("\n") + "\n", "architecture": version.arch,
                "file": record["Filename"].rsplit("/", 1)[-1], "uri": uri, "size": int(record["Size"]),
                "sha256": record["SHA256"]}

    def companions(self, name: str, source_version: str, build: str, lists: Any) -> dict[str, Any]:
        """Return a source's packages for all architectures, and which of its packages each needs.

        Those of one version of the source alone count: "offers" and "needs", by package.
        """
        found = {version.parent_pkg.name: version for version, source in self.of_source(name, build, build)
                 if source == source_version}
        return {
            "offers": {package: self.offer(version, lists) for package, version in found.items()
                       if version.arch == "all"},
            "needs": {package: sorted({one.target_pkg.name for kind in ("PreDepends", "Depends")
                                       for alternatives in version.depends_list.get(kind, ())
                                       for one in alternatives} & set(found))
                      for package, version in found.items()}}

    def closure(self, names: list[str], architecture: str) -> dict[str, str]:
        """Follow Depends and Pre-Depends (first alternative that exists); name → version of arch."""
        found: dict[str, str] = {}
        waiting = [(name, architecture) for name in names]
        seen = set()
        while waiting:
            name, wanted = waiting.pop()
            if (name, wanted) in seen:
                continue
            seen.add((name, wanted))
            version = self.candidate(name, wanted)
            if version is None:
                continue
            if version.arch == architecture:
                found[name] = version.ver_str
            for kind in ("PreDepends", "Depends"):
                for alternatives in version.depends_list.get(kind, ()):
                    for one in alternatives:
                        if one.all_targets():
                            target = one.target_pkg
                            waiting.append((target.name, target.architecture))
                            break
        return found

    def twin(self, name: str, build: str) -> dict[str, Any] | None:
        """Return what the build architecture's package tells of the host's (core.chain.closure.Twin)."""
        version = self.candidate(name, build)
        if version is None:
            return None
        self.records.lookup(version.file_list[0])
        source, record = self.records.source_pkg or name, apt_pkg.TagSection(self.records.record)
        return {"name": name, "source": source, "every": version.arch == "all",
                "foreign": version.multi_arch in (version.MULTI_ARCH_FOREIGN, version.MULTI_ARCH_ALL_FOREIGN),
                "depends": ", ".join(filter(None, (record.get("Pre-Depends"), record.get("Depends"))))}

    def providers(self, name: str, build: str) -> list[str]:
        """Return the packages that provide a virtual one, by name."""
        package = self.package(name, build)
        return sorted({version.parent_pkg.name for _, _, version in package.provides_list
                       if version.arch in (build, "all")}) if package is not None else []

    def newest_sources(self) -> dict[str, tuple[str, str, str]]:
        """Return suite, version and record of the newest version of every source, read at once."""
        records = apt_pkg.SourceRecords()
        found: dict[str, tuple[str, str, str]] = {}
        while records.step():
            name, version = records.package, records.version
            if name not in found or apt_pkg.version_compare(version, found[name][1]) > 0:
                found[name] = records.index.describe.split(" ")[1].split("/")[0], version, records.record
        return found

    def behind(self, sources: list[str], question: dict[str, Any], build: str) -> dict[str, Any]:
        """Return the closure of these sources; ``question`` is a core.chain.closure.Question as JSON."""
        from debian.debian_support import DpkgArchTable

        from debxcross.core.archive.source import SourcePackage, from_fields
        from debxcross.core.chain.closure import Lookup, Question, Setting, Twin, closure

        records = self.newest_sources()

        def source(name: str) -> SourcePackage | None:
            if name not in records:
                return None
            suite, _, record = records[name]
            return from_fields(apt_pkg.TagSection(record), suite)

        def package(name: str) -> Twin | None:
            said = self.twin(name, build)
            return Twin(**said) if said else None

        lookup = Lookup(package, lambda name: self.providers(name, build), source)
        found = closure(sources, lookup, Question(
            question["host"], tuple(question["profiles"]), DpkgArchTable.load_arch_table(), question["shims"],
            {name: Setting(**one) for name, one in question["settings"].items()}))
        return {"sources": [vars(one) for one in found.sources], "needs": found.needs, "unmet": found.unmet}

    def cross(self, host: str, build: str, compiler: str) -> dict[str, Any]:
        """Return the packages of the cross toolchain that shims are made of, and what the shims stand beside.

        "cross" are files; "twins" maps names to version, depends and provides of the build architecture's
        packages.
        """
        from debxcross.core.build.shims import base_name, shim_name, twin_name

        lists = apt_pkg.SourceList()
        lists.read_main_list()
        found, names = [], {base_name(compiler)}
        for package in self.cache.packages:
            shim = shim_name(package.name, host, compiler)
            version = self.policy(package) if shim and package.has_versions else None
            if version is not None and version.downloadable:
                names.add(twin_name(shim))
                offer = self.offer(version, lists)
                found.append({key: offer[key] for key in ("uri", "file", "size", "sha256")})
        twins = {name: version for name in sorted(names)
                 if (version := self.candidate(name, build)) is not None}
        return {"compiler": compiler, "cross": sorted(found, key=lambda one: str(one["file"])), "twins": {
            name: {"version": version.ver_str, **{
                field.lower(): self.record(version).get(field, "") for field in ("Depends", "Provides")}}
            for name, version in twins.items()}}
