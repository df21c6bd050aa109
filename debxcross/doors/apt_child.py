# SPDX-License-Identifier: GPL-3.0-or-later
"""The only importer of python-apt: a child process, JSON in, JSON out.

apt's state is process-global (one configuration, one cache), so each question gets a
process of its own.  APT_CONFIG in its environment says which apt is asked.

Run as ``python3 -m debxcross.doors.apt_child``; the request on standard input is an object
with "ask" (a function below) and that function's arguments.
"""
from __future__ import annotations

import difflib
import functools
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apt_pkg

from debxcross.doors.apt_archive import Archive
from debxcross.errors import without_logins


def machine() -> dict[str, Any]:
    """Return the machine's own sources, its download settings and python-apt's Debian templates."""
    apt_pkg.init()
    from aptsources.distinfo import DistInfo
    from aptsources.sourceslist import SourcesList

    entries = []
    for entry in SourcesList(withMatcher=False, deb822=True):
        if entry.disabled or entry.invalid:
            continue
        section = getattr(entry, "section", None)
        signed_by = section.get("Signed-By", "") if section is not None else ""
        entries.append({
            "uris": list(getattr(entry, "uris", None) or [entry.uri]),
            "suites": list(getattr(entry, "suites", None) or [entry.dist]),
            "signed_by": signed_by if signed_by.startswith("/") else "",
        })
    acquire = [[name, value] for name in apt_pkg.config.keys()
               if name.startswith(("Acquire::http", "Acquire::ftp")) and (value := apt_pkg.config.find(name))]
    # "Debian" up to bookworm, "debian" from trixie on.
    ours = [path.stem for path in sorted(Path("/usr/share/python-apt/templates").glob("[Dd]ebian.info"))]
    templates = {
        template.name: template.base_uri
        for template in (DistInfo(ours[0]).templates if ours else ())
        if template.base_uri and template.name
    }
    return {"entries": entries, "acquire": acquire, "templates": templates}


#: A guess at what a name was meant to be takes a good part of a second.
_MOST_GUESSES = 5
_MANY = 20


def facts(
    build: str, host: str, sources: list[dict[str, str]], packages: list[str], host_needs: list[str]
) -> dict[str, Any]:
    """Return what the archives say of the sources, packages and the two architectures."""
    archive = Archive()
    answers = {}
    for name in packages:
        versions = {
            architecture: version.ver_str
            for architecture in dict.fromkeys((build, host))
            if (version := archive.available(name, architecture)) is not None
        }
        answers[name] = versions
    return {
        "sources": _sources(sources),
        "packages": answers,
        "compiler": _compiler(archive, build),
        "skew": _skew(archive, build, host, host_needs),
    }


def _compiler(archive: Archive, build: str) -> str:
    """Return the release's default GCC major version, by following g++ to libstdc++-N-dev.

    Where nothing has g++, as in a partial mirror, the newest libstdc++-N-dev counts.
    """
    version = archive.candidate("g++", build)
    for alternatives in version.depends_list.get("Depends", ()) if version else ():
        name = alternatives[0].target_pkg.name
        if name.startswith("g++-"):
            return str(name.removeprefix("g++-").split("-")[0])
    found = [int(match[1]) for package in archive.cache.packages
             if (match := re.fullmatch(r"libstdc\+\+-(\d+)-dev", package.name))
             and archive.candidate(package.name, build) is not None]
    return str(max(found, default=""))


def cross(host: str, build: str) -> dict[str, Any]:
    """Return what the shims of an architecture without an archive are made of (core.build.shims)."""
    archive = Archive()
    return archive.cross(host, build, _compiler(archive, build))


def behind(sources: list[str], question: dict[str, Any], build: str) -> dict[str, Any]:
    """Return every source that must be built for these where no archive has the host architecture."""
    return Archive().behind(sources, question, build)


def _skew(archive: Archive, build: str, host: str, host_needs: list[str]) -> list[dict[str, str]]:
    """Return Multi-Arch: same packages that both architectures need, at different versions."""
    if build == host:
        return []
    here = archive.closure(["build-essential", "fakeroot", "apt", "dpkg-dev"], build)
    there = archive.closure(["libc6-dev", "libstdc++6", *host_needs], host)
    skewed = []
    for name in sorted(set(here) & set(there)):
        if here[name] != there[name]:
            version = archive.candidate(name, host)
            if version is not None and version.multi_arch == version.MULTI_ARCH_SAME:
                skewed.append({"package": name, "build": here[name], "host": there[name]})
    return skewed


def _sources(wanted: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Return what is known of each source; near names only for the first few that nobody has."""
    # apt reads all indexes for each name it looks up; for many names they are read once before.
    known = set(_names()) if len(wanted) > _MANY else {one["name"] for one in wanted}
    nothing: dict[str, Any] = {"found": None, "others": [], "near": []}
    answers = [_source(one) if one["name"] in known else dict(nothing) for one in wanted]
    unknown = [(one["name"], answer) for one, answer in zip(wanted, answers) if not answer["others"]]
    for name, answer in unknown[:_MOST_GUESSES]:
        answer["near"] = _near(name)
    return answers


def _source(wanted: dict[str, str]) -> dict[str, Any]:
    records = apt_pkg.SourceRecords()
    found: dict[str, Any] | None = None
    others = []
    while records.lookup(wanted["name"]):
        # SourceRecords also finds sources by the names of their binaries.
        section = apt_pkg.TagSection(records.record)
        if section.get("Package") != wanted["name"]:
            continue
        suite, component = _suite(*records.index.describe.split(" ")[:2])
        others.append({"version": records.version, "suite": suite, "component": component})
        if wanted["version"] and records.version != wanted["version"]:
            continue
        if wanted["suite"] and suite != wanted["suite"]:
            continue
        if found is None or apt_pkg.version_compare(records.version, found["version"]) > 0:
            found = {"version": records.version, "suite": suite, "fields": {key: section[key] for key in (
                "Package", "Version", "Binary", "Build-Depends", "Build-Depends-Arch", "Build-Conflicts",
                "Build-Conflicts-Arch", "Package-List", "Checksums-Sha256", "Format", "Architecture",
            ) if key in section}}
    return {"found": found, "others": others, "near": []}


def _suite(uri: str, place: str) -> tuple[str, str]:
    """Return suite and component of an index that is described so: its address, directory/component."""
    directory, _, component = place.rpartition("/")
    wanted = [without_logins(uri).rstrip("/"), directory]
    renamed = (words.split(" ") for words in apt_pkg.config.value_list("debxcross::renamed"))
    return next((words[2] for words in renamed if words[:2] == wanted), directory), component


@functools.cache
def _names() -> tuple[str, ...]:
    records = apt_pkg.SourceRecords()
    names = set()
    while records.step():
        names.add(records.package)
    return tuple(sorted(names))


def _near(name: str) -> list[str]:
    return difflib.get_close_matches(name, _names(), n=3, cutoff=0.6)


def installable(names: list[str], architecture: str) -> dict[str, list[str]]:
    """Return, for each package that apt cannot install alone, what stands in the way."""
    archive = Archive()
    problems: dict[str, list[str]] = {}
    for name in names:
        package = archive.package(name, architecture)
        version = archive.policy(package) if package is not None else None
        if version is None:
            problems[name] = ["no such package"]
            continue
        archive.depcache.init()
        archive.depcache.mark_install(package, True, True)
        if archive.depcache.broken_count or not archive.depcache.marked_install(package):
            problems[name] = _broken(archive, version) or ["conflicts with what it needs"]
    return problems


def _broken(archive: Archive, top: Any) -> list[str]:
    """Name the dependencies below a version that nothing can satisfy, with who has them."""
    said = []
    waiting = [top]
    seen = set()
    while waiting:
        version = waiting.pop()
        if version is None or (version.parent_pkg.name, version.arch) in seen:
            continue
        seen.add((version.parent_pkg.name, version.arch))
        for kind in ("PreDepends", "Depends"):
            for alternatives in version.depends_list.get(kind, ()):
                targets = [target for one in alternatives for target in one.all_targets()]
                if not targets:
                    words = " | ".join(_relation(one) for one in alternatives)
                    said.append(f"{version.parent_pkg.name} ({version.ver_str}) {kind}: {words}")
                else:
                    waiting.append(archive.policy(targets[0].parent_pkg))
    return said


def _relation(dependency: Any) -> str:
    name = dependency.target_pkg.name
    return f"{name} ({dependency.comp_type} {dependency.target_ver})" if dependency.target_ver else str(name)


def closure(names: list[str], architecture: str) -> dict[str, str]:
    """Return the versions of these packages, of every essential one and of all they depend on."""
    archive = Archive()
    essential = [package.name for package in archive.cache.packages
                 if package.essential and package.architecture == architecture and package.has_versions]
    return archive.closure([*names, *essential], architecture)


def libraries(architecture: str) -> dict[str, list[str]]:
    """Return which packages provide a virtual package that is named like a library ("libblas.so.3").

    These are Debian's libraries with several implementations, one of which update-alternatives
    puts where the dynamic linker looks.
    """
    found: dict[str, list[str]] = {}
    for package in Archive().cache.packages:
        if re.search(r"\.so\.\d", package.name) and package.architecture == architecture:
            providers = {version.parent_pkg.name for _, _, version in package.provides_list}
            if providers and not package.has_versions:
                found[package.name] = sorted(providers)
    return found


def compared(names: list[str], build: str, host: str) -> list[dict[str, Any]]:
    """Return what the two architectures have of each source, in any suite.

    "versions" maps them to the newest source version with packages of theirs, and "beside"
    are the packages of the build architecture and for all at its version.  Where a source
    makes nothing else ("all"), its Architecture: all packages count, index by index.
    """
    archive = Archive()
    lists = apt_pkg.SourceList()
    lists.read_main_list()
    answers = []
    for name in names:
        binaries = list(archive.of_source(name, build, host))
        only_all = not any(version.arch == build for version, _ in binaries)
        versions = {
            architecture: max(
                (source for version, source in binaries
                 if (architecture in _indexes(version) if only_all else version.arch == architecture)),
                key=functools.cmp_to_key(apt_pkg.version_compare), default="")
            for architecture in (build, host)
        }
        answers.append({
            "versions": versions, "all": only_all,
            "source": _sources([{"name": name, "version": versions[build], "suite": ""}])[0],
            "beside": [archive.offer(version, lists) for version, source in binaries
                       if source == versions[build] != versions[host] and version.arch in (build, "all")],
        })
    return answers


def binaries(sources: list[dict[str, Any]], build: str, host: str) -> list[dict[str, Any]]:
    """Return what the archive has of each source: its binary packages of that version, and what they provide.

    "provides" maps the packages that are named, in whatever version, to virtual packages.
    """
    archive = Archive()
    answers = []
    for wanted in sources:
        found = [{"package": version.parent_pkg.name, "architecture": version.arch,
                  "version": version.ver_str, "same": version.multi_arch == version.MULTI_ARCH_SAME}
                 for version, source in archive.of_source(wanted["name"], build, host)
                 if source == wanted["version"]]
        provides = {name: _provided(archive, name, build, host) for name in wanted["packages"]}
        answers.append({"binaries": found,
                        "provides": {name: virtual for name, virtual in provides.items() if virtual}})
    return answers


def companions(sources: list[list[str]], build: str) -> list[dict[str, Any]]:
    """Return what Archive.companions() tells of each [source, version]."""
    archive = Archive()
    lists = apt_pkg.SourceList()
    lists.read_main_list()
    return [archive.companions(name, version, build, lists) for name, version in sources]


def _provided(archive: Archive, name: str, build: str, host: str) -> list[str]:
    versions = (archive.candidate(name, architecture) for architecture in (host, build))
    return sorted({str(one[0]) for version in versions if version is not None
                   for one in version.provides_list})


def natives(names: list[str], architectures: list[str]) -> list[dict[str, Any]]:
    """Return every version of these packages that an archive has, with its source and how to fetch it.

    Packages for all architectures are told once.
    """
    archive = Archive()
    lists = apt_pkg.SourceList()
    lists.read_main_list()
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for name in names:
        for architecture in architectures:
            package = archive.package(name, architecture)
            for version in package.version_list if package is not None else ():
                key = (name, version.ver_str, version.arch)
                if version.downloadable and key not in found:
                    archive.records.lookup(version.file_list[0])
                    source = archive.records.source_pkg or name
                    source_version = archive.records.source_ver or version.ver_str
                    offer = archive.offer(version, lists)
                    del offer["stanza"]
                    found[key] = {**offer, "package": name, "version": version.ver_str, "source": source,
                                  "source_version": source_version}
    return list(found.values())


def _indexes(version: Any) -> set[str]:
    """Return the architectures whose indexes name a version."""
    return {file.architecture for file, _ in version.file_list}


def named(prefix: str, build: str, host: str) -> dict[str, Any]:
    """Return the versions of every package whose name begins so, and who provides such a name.

    "versions" are by package and architecture, "provides" maps virtual packages of that prefix to
    the candidates that provide them for the host architecture.
    """
    archive = Archive()
    packages = [package for package in archive.cache.packages
                if package.name.startswith(prefix) and package.architecture in (build, host)]
    versions = {
        name: {architecture: version.ver_str for architecture in dict.fromkeys((build, host))
               if (version := archive.available(name, architecture)) is not None}
        for name in sorted({package.name for package in packages if package.has_versions})}
    provides: dict[str, set[str]] = {}
    for package in packages:
        if package.has_provides and package.name not in versions:
            # What is for all architectures apt files as native.
            provides.setdefault(package.name, set()).update(
                version.parent_pkg.name for _, _, version in package.provides_list
                if archive.available(version.parent_pkg.name, host) == version)
    return {"versions": versions, "provides": {name: sorted(found) for name, found in provides.items()}}


def packaging(names: list[str], build: str, host: str) -> dict[str, Any]:
    """Return how Debian builds these packages of the host architecture, those that it has.

    By name: "source", "version", "build_depends" (its fields) and "offered", which maps what they
    name to its section and whether the build and the host architecture have it.
    """
    archive = Archive()
    answers = {}
    for name in names:
        version = archive.available(name, host)
        if version is None:
            continue
        archive.records.lookup(version.file_list[0])
        source = archive.records.source_pkg or name
        wanted = {"name": source, "version": archive.records.source_ver or version.ver_str, "suite": ""}
        found = _source(wanted)["found"] or _source({**wanted, "version": ""})["found"]
        if found is None:
            continue
        fields = [found["fields"][key] for key in ("Build-Depends", "Build-Depends-Arch")
                  if key in found["fields"]]
        wanted_names = sorted({one[0] for field in fields for group in apt_pkg.parse_src_depends(field)
                               for one in group})
        answers[name] = {
            "source": source, "version": found["version"], "build_depends": fields, "offered": {
                one: values for one in wanted_names if (values := archive.offered(one, build, host))}}
    return answers


def dependents(ours: dict[str, str], build: str, host: str) -> dict[str, list[list[str]]]:
    """Return which of the release's packages need something of these that our versions do not give.

    ``ours`` maps names of packages to the versions that replace them.  By name: [package, relation]s.
    """
    archive = Archive()
    found: dict[str, set[tuple[str, str]]] = {}
    for name in sorted(ours):
        theirs = archive.available(name, host)
        if theirs is None:
            continue
        names = {name, *(provided for provided, _, _ in theirs.provides_list)}
        parents = {(one.parent_pkg.name, one.parent_ver.arch): one.parent_ver for each in names
                   for architecture in dict.fromkeys((build, host))
                   if (package := archive.package(each, architecture)) is not None
                   for one in package.rev_depends_list}
        for (parent, architecture), version in sorted(parents.items(), key=lambda item: item[0]):
            if architecture in (host, "all") and parent not in ours \
                    and archive.available(parent, host) == version:
                found.setdefault(name, set()).update(
                    (parent, relation) for relation in _unmet(version, names, ours))
    return {name: [list(one) for one in sorted(said)] for name, said in found.items() if said}


def _unmet(version: Any, names: set[str], ours: dict[str, str]) -> Iterator[str]:
    """Yield the dependencies of a version on these names that nothing meets once ours replace theirs."""
    for kind in ("PreDepends", "Depends"):
        for alternatives in version.depends_list.get(kind, ()):
            if any(one.target_pkg.name in names for one in alternatives) and not any(
                    _given(one, ours) for one in alternatives):
                yield " | ".join(_relation(one) for one in alternatives)


def _given(dependency: Any, ours: dict[str, str]) -> bool:
    """Tell whether ours or a package that stays meets a dependency."""
    name = dependency.target_pkg.name
    if name in ours and apt_pkg.check_dep(ours[name], dependency.comp_type, dependency.target_ver or ""):
        return True
    return any(target.parent_pkg.name not in ours for target in dependency.all_targets())


_ASK: dict[str, Any] = {"machine": machine, "facts": facts, "installable": installable,
                        "closure": closure, "compared": compared, "binaries": binaries,
                        "natives": natives, "libraries": libraries, "named": named,
                        "packaging": packaging, "dependents": dependents, "cross": cross,
                        "behind": behind, "companions": companions}


def main() -> None:
    """Answer the one request on standard input."""
    request = json.load(sys.stdin)
    try:
        json.dump(_ASK[request.pop("ask")](**request), sys.stdout)
    except apt_pkg.Error as error:
        sys.exit(str(error))  # apt's words; how the program came there helps nobody


if __name__ == "__main__":
    main()
