# SPDX-License-Identifier: GPL-3.0-or-later
"""What is typed inside a build root: scripts and command lines as values.

Paths inside a root are fixed, so that nothing of the machine outside shows in a result.
"""
from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from debxcross.core.architecture import Architecture
from debxcross.core.archive.world import LOCAL_ORIGIN

#: The head of the local repository's Release: preferences know it by its Origin.
LOCAL_RELEASE = f"Origin: {LOCAL_ORIGIN}\nLabel: {LOCAL_ORIGIN}\nDate: Thu, 01 Jan 1970 00:00:00 UTC\n"
#: Raised whenever the same inputs would give other bytes, so that keys change with it.
SCHEMA = 1
#: Debian's buildds build here; some packages record the path.
BUILD_DIRECTORY = "/build/reproducible-path"
BUILDER = "builder"
LISTS, SOURCE, ARCHIVES, DEBS, TOOLS, BUILD_PACKAGES = (
    f"/debxcross/{name}" for name in ("lists", "source", "archives", "debs", "tools", "build-packages"))
LOCAL = "/debxcross/local"


def root_packages(host: Architecture, build: str, compiler: str) -> tuple[str, ...]:
    """Return what a base root has beside Build-Essential.

    libc6-dev and libstdc++-N-dev of the host architecture are wanted explicitly, as sbuild
    does (Debian bug #815172); without libc6, dpkg-shlibdeps cannot find libc.so.6.
    """
    common = ("fakeroot",)
    if host.name == build:
        return (*common, "build-essential")
    return (*common, host.crossbuild_package, f"libc6-dev:{host.name}",
            f"libstdc++-{compiler}-dev:{host.name}")


def root_commands() -> tuple[str, ...]:
    """Return the commands that finish a base root: the user who builds, the directories."""
    return (
        f"useradd --uid 1000 --user-group --no-create-home --home-dir /nonexistent {BUILDER}",
        f"mkdir -p {BUILD_DIRECTORY} {LOCAL}",
        f"chown {BUILDER}:{BUILDER} /build {BUILD_DIRECTORY}",
    )


def bootstrap_argv(architecture: str, names: Sequence[str], *, required: bool) -> tuple[str, ...]:
    """Return the question to an apt on an empty machine: which packages make a root?

    ``required`` adds the packages of that priority, which Debian's buildds have too.
    """
    wanted = "?or(?essential,?priority(required))" if required else "?essential"
    return ("apt-get", "install", "--print-uris", "-q", "-y", "-o", "Acquire::ForceHash=SHA256",
            f"?and(?architecture({architecture}),{wanted})", *names)


def repository_hooks(repository: str) -> tuple[str, ...]:
    """Return mmdebstrap's arguments for a root made of one local repository and nothing else.

    ``repository`` is its path, quoted for a shell.  apt copies the packages from inside the root,
    where also the root user of another namespace may read.  Afterwards nothing of it, nor of
    the machine (mmdebstrap copies these two files), is left.
    """
    return (
        "--setup-hook=mkdir \"$1/repository\"",
        f"--setup-hook=sync-in {repository} /repository",
        "--setup-hook=echo \"deb [trusted=yes] copy://$1/repository ./\" > \"$1/etc/apt/sources.list\"",
        "--customize-hook=rm -rf \"$1/repository\" \"$1/etc/resolv.conf\" \"$1/etc/hostname\"",
        "--customize-hook=: > \"$1/etc/apt/sources.list\"",
    )


def release_text(codename: str, architectures: Sequence[str], sha256: str, size: int) -> str:
    """Return the Release file of a local repository; mmdebstrap looks for the code name."""
    return (f"Codename: {codename}\nArchitectures: {' '.join(architectures)}\n"
            f"SHA256:\n {sha256} {size} Packages\n")


def dpkg_options(path_excludes: Sequence[str]) -> tuple[str, ...]:
    """Return dpkg options of a build root; it is thrown away, so dpkg need not sync."""
    return ("force-unsafe-io", *(f"path-exclude={pattern}" for pattern in path_excludes))


def _here_document(path: str, text: str) -> str:
    return f"cat > {shlex.quote(path)} <<'DEBXCROSS_END'\n{text.rstrip()}\nDEBXCROSS_END\n"


#: With a lock there may be no index at all.
_LINK_LISTS = f"find {LISTS}/ -maxdepth 1 -name '*_*' -exec ln -s -t /var/lib/apt/lists '{{}}' +\n"


def apt_script(sources_list: str, preferences: str, apt_options: str) -> str:
    """Return the script that shows a root's apt the verified indexes and the local results.

    The indexes are those of the apt outside, bound read-only; only the local repository's
    index is made here, so no network is needed.
    """
    return "".join((
        "set -eu\n",
        "rm -rf /etc/apt/sources.list.d/* /var/lib/apt/lists\n",
        "mkdir -p /var/lib/apt/lists/partial /var/cache/apt/archives/partial\n",
        _LINK_LISTS,
        _here_document("/etc/apt/sources.list", sources_list),
        _here_document("/etc/apt/preferences.d/debxcross", preferences),
        _here_document("/etc/apt/apt.conf.d/90debxcross", apt_options),
        f"printf 'deb [trusted=yes] file:{LOCAL} ./\\n' > /etc/apt/local.list\n",
        f"cd {LOCAL}\n",
        f"if [ -d {DEBS} ]; then cp {DEBS}/*.deb . 2>/dev/null || :; fi\n",
        "dpkg-scanpackages --multiversion . > Packages 2>/dev/null\n",
        _here_document("Release", f"{LOCAL_RELEASE}SHA256:"),
        "echo \" $(sha256sum < Packages | cut -d' ' -f1) $(stat -c %s Packages) Packages\" >> Release\n",
        "apt-get -qq update -o Dir::Etc::sourcelist=/etc/apt/local.list -o Dir::Etc::sourceparts=- "
        "-o APT::Get::List-Cleanup=0\n",
    ))


def device_script(sources_list: str) -> str:
    """Return the script that shows the device's apt Debian's verified indexes."""
    return "".join((
        "set -eu\n",
        "rm -rf /var/lib/apt/lists\n",
        "mkdir -p /var/lib/apt/lists/partial\n",
        _LINK_LISTS,
        "rm -f /etc/apt/sources.list.d/0000sources.list\n",
        _here_document("/etc/apt/sources.list", sources_list),
    ))


def apt_options(build: str, host: str) -> str:
    """Return apt.conf for a root (see core.archive.world.apt_configuration for the reasons)."""
    barbarian = "" if host == build else f'APT::BarbarianArchitectures {{ "{host}"; }};\n'
    return (
        f"{barbarian}"
        'APT::Install-Recommends "false";\n'
        'Acquire::Languages "none";\n'
        # --print-uris would print MD5 sums for old callers' sake.
        'Acquire::ForceHash "SHA256";\n'
        'APT::Get::Assume-Yes "true";\n'
    )


#: As strict as dpkg-source: with fuzz, three lines of context can all be wrong.  --forward: a
#: patch that is applied already is skipped with status 1, so it is told.
PATCH_ARGV = ("patch", "--strip=1", "--batch", "--fuzz=0", "--reject-file=-", "--no-backup-if-mismatch",
              "--forward")


def unpack_script(dsc: str, directory: str) -> str:
    """Return the script that unpacks a source.

    dpkg-source need not check signatures: apt has verified every file by digest.
    """
    return f"dpkg-source --no-check --extract {shlex.quote(dsc)} {shlex.quote(directory)}\n"


def build_dep_argv(
    host: str, build: str, profiles: Sequence[str], *extra: str, trees: Sequence[str] = ("./",),
    parts: str = "any",
) -> tuple[str, ...]:
    """Return apt's own resolver call for source trees: the one in the current directory, and more.

    --arch-only leaves Build-Depends-Indep (documentation tools) out where nothing for all is built.
    """
    cross = () if host == build else (f"--host-architecture={host}",)
    return ("apt-get", *extra, "-y", "build-dep", *cross, *_only(parts),
            f"--build-profiles={','.join(profiles)}", *trees)


def _only(parts: str) -> tuple[str, ...]:
    return ("--arch-only",) if parts == "any" else ()


def build_packages_control(packages: Sequence[str], build: str) -> str:
    """Return a debian/control by which apt adds ``packages`` to what a source's tree asks for."""
    named = (name if ":" in name else f"{name}:{build}" for name in packages)
    return f"Source: build-packages\nBuild-Depends: {', '.join(named)}\n"


def build_options(profiles: Sequence[str], jobs: int) -> str:
    """Return DEB_BUILD_OPTIONS.  nocheck stands in options and profiles: some read only one."""
    return " ".join((*(("nocheck",) if "nocheck" in profiles else ()), f"parallel={jobs}"))


def build_environment(host: str, build: str, profiles: Sequence[str], jobs: int) -> Mapping[str, str]:
    """Return the environment of dpkg-buildpackage.

    CONFIG_SITE answers what configure cannot find out when cross-compiling (dpkg-cross);
    sbuild sets it as well.
    """
    cross = {} if host == build else {"CONFIG_SITE": f"/etc/dpkg-cross/cross-config.{host}"}
    return {
        "DEB_BUILD_OPTIONS": build_options(profiles, jobs),
        "DEB_BUILD_PROFILES": " ".join(profiles),
        **cross,
    }


def build_argv(host: str, build: str, profiles: Sequence[str], jobs: int,
               more: Mapping[str, str] | None = None, parts: str = "any") -> tuple[str, ...]:
    """Return the dpkg-buildpackage call, with its environment, and ``more`` of it, in front.

    ``parts`` is what --build is told (core.archive.source.parts).
    """
    environment = {**build_environment(host, build, profiles, jobs), **(more or {})}
    cross = () if host == build else (f"--host-arch={host}",)
    return (
        "env", *(f"{name}={value}" for name, value in sorted(environment.items())),
        "dpkg-buildpackage", *cross, f"--build={parts}", "--unsigned-source", "--unsigned-changes",
        f"--build-profiles={','.join(profiles)}",
    )


def twin_script(deb: str, plain_version: str, version: str) -> str:
    """Return the script that packs a .deb again as twin.deb, with another version.

    Relations to exactly the old version are to packages of the same source and move along.
    """
    old, new = (one.replace(".", r"\.") for one in (plain_version, version))
    return (
        "set -eu\n"
        f"dpkg-deb --raw-extract {shlex.quote(deb)} tree\n"
        f"sed -i -e {shlex.quote(f's/^Version: {old}$/Version: {new}/')} "
        f"-e {shlex.quote(f's/(= {old})/(= {new})/g')} tree/DEBIAN/control\n"
        "SOURCE_DATE_EPOCH=$(stat -c %Y tree/DEBIAN/md5sums) "
        "dpkg-deb --root-owner-group --build tree twin.deb\n"
        "rm -rf tree\n"
    )


#: Where the wheel of a build is left.
WHEELS = f"{BUILD_DIRECTORY}/dist"


def wheel_packages(python: str, host: str, host_needs: Sequence[str]) -> tuple[str, ...]:
    """Return what the device's part of a wheel's build environment, its sysroot, consists of."""
    return (f"libpython{python}-dev:{host}", *(f"{name}:{host}" for name in host_needs))


def simulate_build_dep_argv(host: str, build: str, profiles: Sequence[str], *trees: str, parts: str = "any"
                            ) -> tuple[str, ...]:
    """Return the question, outside of a build root, whether build dependencies could be met."""
    return ("apt-get", "--simulate", "-q", "build-dep",
            *(() if host == build else (f"--host-architecture={host}",)),
            *_only(parts), f"--build-profiles={','.join(profiles)}", *trees)


def install_argv(packages: Sequence[str], *extra: str) -> tuple[str, ...]:
    """Return apt's call that installs packages."""
    return ("apt-get", *extra, "-y", "install", *packages)


def layer_argv(files: Sequence[str]) -> tuple[str, ...]:
    """Return the command that installs exactly these .debs of ARCHIVES, in a root that is kept for others.

    apt sees no index: what is not given cannot come.  Its caches are left out, since others would carry them.
    """
    install = shlex.join((
        "apt-get", "-y", "-qq", "--allow-downgrades", "-o", "Debug::NoLocking=1",
        "-o", "APT::Sandbox::User=root", "-o", "APT::Install-Recommends=false",
        "-o", "Dir::Etc::sourcelist=/dev/null", "-o", "Dir::Etc::sourceparts=/dev/null",
        "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=",
        "install", *(f"{ARCHIVES}/{name}" for name in files)))
    return ("sh", "-c", f"set -eu\n{install}\nrm -f /var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log\n")


def _cross_script(directory: str, host: str, include: str, environment: Mapping[str, str],
                  own: Sequence[str]) -> str:
    """Return how a script begins that builds an extension in ``directory``.

    The compiler's flags are Debian's for the host architecture; without -g, as what is
    shipped is stripped, which the linker does at once.  The headers of the host's interpreter
    come before all that setup.py may find.  ``own`` are the project's variables.
    """
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(environment.items()))
    more = "".join(f"export {shlex.quote(one)}\n" for one in own)
    return (
        "set -eu\n"
        f"cd {shlex.quote(directory)}\n"
        "export DEB_CFLAGS_STRIP=-g DEB_CXXFLAGS_STRIP=-g DEB_LDFLAGS_APPEND=-Wl,-s\n"
        f'flags=$(dpkg-architecture --host-arch={host} --command "dpkg-buildflags --export=sh" 2>/dev/null)\n'
        'eval "$flags"\n'
        f'export CPPFLAGS="-I{include} $CPPFLAGS"\n'
        f"{exports}{more}"
    )


def wheel_script(directory: str, python: str, host: str, include: str, environment: Mapping[str, str]) -> str:
    """Return the script that builds a wheel for Python 2.7 in an unpacked sdist."""
    return (_cross_script(directory, host, include, environment, ())
            + f"python{python} setup.py bdist_wheel --dist-dir {WHEELS}\n")


#: Where the program is that calls a back end's hooks, and what it answers.
HOOKS, ANSWER = "/build/pep517.py", "/build/answer.json"


def hook_script(
    hook: str, directory: str, python: str, host: str, include: str, environment: Mapping[str, str],
    own: Sequence[str],
) -> str:
    """Return the script that calls one PEP 517 hook in a source tree, the request on its input."""
    return (_cross_script(directory, host, include, environment, own)
            + f"exec python{python} {HOOKS} {hook} {ANSWER}\n")


def unpack_sdist_script(sdist: str, python: str) -> str:
    """Return the script that unpacks an sdist in the build directory."""
    if sdist.endswith(".zip"):
        return f"cd {BUILD_DIRECTORY} && python{python} -m zipfile -e {shlex.quote(sdist)} .\n"
    return f"cd {BUILD_DIRECTORY} && tar --extract --no-same-owner --file {shlex.quote(sdist)}\n"
