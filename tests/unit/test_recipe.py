# SPDX-License-Identifier: GPL-3.0-or-later
"""What is typed inside a build root, as values."""
from __future__ import annotations

import inspect
import shlex

import pytest

from debxcross.core.architecture import ARCHITECTURES, architecture
from debxcross.core.build import commands as recipe

ARMEL = architecture("armel")
PROFILES = ("cross", "nocheck", "noudeb")


def test_cross_build() -> None:
    assert recipe.build_argv("armel", "amd64", PROFILES, 4) == (
        "env", "CONFIG_SITE=/etc/dpkg-cross/cross-config.armel", "DEB_BUILD_OPTIONS=nocheck parallel=4",
        "DEB_BUILD_PROFILES=cross nocheck noudeb",
        "dpkg-buildpackage", "--host-arch=armel", "--build=any", "--unsigned-source", "--unsigned-changes",
        "--build-profiles=cross,nocheck,noudeb")
    assert recipe.build_dep_argv("armel", "amd64", PROFILES, "--print-uris") == (
        "apt-get", "--print-uris", "-y", "build-dep", "--host-architecture=armel", "--arch-only",
        "--build-profiles=cross,nocheck,noudeb", "./")


def test_build_packages_are_those_of_the_build_machine() -> None:
    assert recipe.build_packages_control(("patchelf", "libfoo-dev:armel"), "amd64") == (
        "Source: build-packages\nBuild-Depends: patchelf:amd64, libfoo-dev:armel\n")
    assert recipe.build_dep_argv("armel", "amd64", PROFILES, trees=("./", "/more"))[-2:] == ("./", "/more")


def test_native_builds_name_no_host_architecture() -> None:
    amd64 = architecture("amd64")
    texts = [*recipe.build_argv("amd64", "amd64", ("nodoc",), 1), recipe.apt_options("amd64", "amd64"),
             *recipe.build_dep_argv("amd64", "amd64", ()), *recipe.root_packages(amd64, "amd64", "12")]
    assert not any("host-arch" in text or "CONFIG_SITE" in text or "cross" in text or "Barbarian" in text
                   for text in texts)
    assert recipe.build_options(("nodoc",), 1) == "parallel=1"


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name != "amd64"])
def test_cross_toolchain_of_every_architecture(name: str) -> None:
    assert recipe.root_packages(architecture(name), "amd64", "12") == (
        "fakeroot", f"crossbuild-essential-{name}", f"libc6-dev:{name}", f"libstdc++-12-dev:{name}")


def test_the_builds_user_and_path_are_fixed() -> None:
    commands = "\n".join(recipe.root_commands())
    assert "--uid 1000" in commands and "/build/reproducible-path" in commands
    assert recipe.dpkg_options(("/usr/share/doc/*",)) == ("force-unsafe-io", "path-exclude=/usr/share/doc/*")


def test_apt_inside_sees_the_bound_indexes_and_no_network() -> None:
    script = recipe.apt_script("deb file:/x ./\n", "Package: *\n", recipe.apt_options("amd64", "armel"))
    assert script.startswith("set -eu\n") and "find /debxcross/lists/ " in script
    assert "cat > /etc/apt/sources.list <<'DEBXCROSS_END'\ndeb file:/x ./\nDEBXCROSS_END\n" in script
    assert script.count("<<'DEBXCROSS_END'") == script.count("\nDEBXCROSS_END\n") == 4
    # The only update reads the local repository's index.
    updates = [line for line in script.splitlines() if " update " in line]
    assert len(updates) == 1 and "sourcelist=/etc/apt/local.list" in updates[0]
    assert 'BarbarianArchitectures { "armel"; };' in script


def test_a_layer_gets_what_is_given_and_nothing_else() -> None:
    script = recipe.layer_argv(["a_1%3a2_all.deb", "b c.deb"])[2]
    assert "/debxcross/archives/a_1%3a2_all.deb '/debxcross/archives/b c.deb'" in script
    assert "Dir::Etc::sourcelist=/dev/null" in script and "Dir::Etc::sourceparts=/dev/null" in script


def test_roots_are_made_of_one_local_repository() -> None:
    asked = recipe.bootstrap_argv("armel", ("apt", "fakeroot"), required=True)
    assert asked[-3:] == ("?and(?architecture(armel),?or(?essential,?priority(required)))", "apt", "fakeroot")
    assert "--print-uris" in asked and "Acquire::ForceHash=SHA256" in asked
    assert "?and(?architecture(armel),?essential)" in recipe.bootstrap_argv("armel", (), required=False)
    hooks = recipe.repository_hooks("'/a store/x'")
    assert "--setup-hook=sync-in '/a store/x' /repository" in hooks
    assert any("copy://$1/repository ./" in hook and "trusted=yes" in hook for hook in hooks)
    # Nothing of this machine stays in the root.
    assert any(hook.startswith("--customize-hook=rm -rf ") and "etc/hostname" in hook for hook in hooks)
    text = recipe.release_text("bookworm", ("amd64", "armel"), "ab", 7)
    assert text == "Codename: bookworm\nArchitectures: amd64 armel\nSHA256:\n ab 7 Packages\n"


def test_wheels() -> None:
    assert recipe.wheel_packages("2.7", "armel", ("libffi-dev",)) == (
        "libpython2.7-dev:armel", "libffi-dev:armel")
    assert recipe.install_argv(("a", "b"), "-qq") == ("apt-get", "-qq", "-y", "install", "a", "b")
    script = recipe.wheel_script("/build/it's", "2.7", "armel", "/include", {"CC": "x cc"})
    lines = script.splitlines()
    assert lines[0] == "set -eu" and lines[-1].startswith("python2.7 setup.py bdist_wheel")
    assert shlex.split(lines[1]) == ["cd", "/build/it's"]
    assert "export CC='x cc'" in lines and 'export CPPFLAGS="-I/include $CPPFLAGS"' in lines
    # The host's flags, without what would only be stripped again.
    assert "dpkg-architecture --host-arch=armel" in script and "DEB_CFLAGS_STRIP=-g" in script


def test_scripts_quote_what_they_are_given() -> None:
    assert shlex.split(recipe.unpack_script("a b.dsc", "/x y")) == [
        "dpkg-source", "--no-check", "--extract", "a b.dsc", "/x y"]


def test_nothing_of_the_machine_is_in_a_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    def everything() -> list[object]:
        return [
            recipe.root_packages(ARMEL, "amd64", "12"), recipe.root_commands(), recipe.dpkg_options(()),
            recipe.apt_script("", "", ""), recipe.device_script(""), recipe.apt_options("amd64", "armel"),
            recipe.build_argv("armel", "amd64", PROFILES, 2), recipe.unpack_script("x.dsc", "x"),
            recipe.wheel_script("x", "2.7", "armel", "/i", {}), recipe.PATCH_ARGV,
            recipe.layer_argv(["a_1_all.deb"])]

    before = everything()
    monkeypatch.setenv("HOME", "/elsewhere")
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    monkeypatch.setenv("DEB_BUILD_OPTIONS", "parallel=99")
    monkeypatch.chdir("/")
    assert everything() == before
    assert "/home" not in inspect.getsource(recipe).replace("--home-dir", "")
