# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from debxcross.core.architecture import architecture
from debxcross.core.wheel.deb import device_environment
from debxcross.core.wheel.index import IndexFile
from debxcross.core.wheel.requirement import Wanted
from debxcross.core.wheel.resolution import (
    ProjectRelease, Resolution, manylinux, order_releases, resolve, tags,
)
from debxcross.errors import UnsatisfiableError

DEVICE = device_environment(architecture("armel"), "3.11.2")
ANY = tags("3.11", ())


def file(name: str, **more: object) -> IndexFile:
    return IndexFile(name, f"https://x.example/{name}", more.pop("sha256", "0" * 64), **more)  # type: ignore


class Shelf:
    """A Finder over a table: "name version" → requirements; ``refused`` tells what is unfit."""

    def __init__(self, table: Mapping[str, Sequence[str]], refused: Mapping[str, str] | None = None,
                 files: Mapping[str, IndexFile] | None = None) -> None:
        self.table, self.refused, self.files = table, refused or {}, files or {}
        self.asked: list[str] = []

    def releases(self, name: str) -> Sequence[ProjectRelease]:
        versions = [key.split()[1] for key in self.table if key.split()[0] == name]
        offered = [self.files.get(f"{name} {version}", file(f"{name}-{version}.tar.gz"))
                   for version in versions]
        return order_releases(name, offered, ANY, "3.11.2")

    def requires(self, release: ProjectRelease) -> Sequence[str]:
        self.asked.append(release.words)
        return self.table[release.words]

    def unfit(self, release: ProjectRelease) -> str:
        return self.refused.get(release.words, "")


def solve(shelf: Shelf, *texts: str, constraints: Sequence[str] = (), hashes: bool = False) -> Resolution:
    return resolve([Wanted(text, "the command line") for text in texts],
                   [Wanted(text, "c.txt:1") for text in constraints], shelf, DEVICE, require_hashes=hashes)


def chosen(found: Resolution) -> list[str]:
    return [choice.release.words for choice in found.choices]


def test_newest_that_meets_everything() -> None:
    shelf = Shelf({"a 1": ["b<2"], "a 2": ["b>=1"], "b 1": [], "b 2": [], "b 3rc1": []})
    assert chosen(solve(shelf, "a")) == ["a 2", "b 2"]
    assert chosen(solve(shelf, "a", "b<2")) == ["a 2", "b 1"]
    assert chosen(solve(shelf, "a", constraints=["a<2", "unused==1"])) == ["a 1", "b 1"]
    assert chosen(solve(shelf, "b>=3rc1")) == ["b 3rc1"]


def test_the_highest_build_of_a_wheel() -> None:
    for least, most in (("1", "2"), ("9", "10"), ("2", "1753900000"), ("1", "1a"), ("", "0")):
        names = ["-".join(filter(None, ("a-1.0", tag, "py3-none-any.whl"))) for tag in (most, least)]
        found, = order_releases("a", [file(name) for name in names], ANY, "3.11.2")
        assert found.file.name == names[0]
    assert found.build == (0, "")


def test_going_back_to_an_older_release() -> None:
    shelf = Shelf({"a 1": ["c==1"], "a 2": ["c==2"], "b 1": ["c==1"], "c 1": [], "c 2": []})
    assert chosen(solve(shelf, "a", "b")) == ["a 1", "b 1", "c 1"]


def test_markers_are_the_devices() -> None:
    shelf = Shelf({"a 1": ["b ; platform_machine == 'armv5tel'", "c ; platform_machine == 'x86_64'",
                           "d ; sys_platform == 'win32'"], "b 1": [], "c 1": [], "d 1": []})
    found = solve(shelf, "a")
    assert chosen(found) == ["a 1", "b 1"]
    assert found.choices[0].requires == ("b",)


def test_extras_bring_what_they_need() -> None:
    shelf = Shelf({"a 1": ["b[fast]"], "b 1": ["c", "d>=1 ; extra == 'fast'", "e ; extra == 'slow'"],
                   "c 1": [], "d 1": [], "e 1": []})
    found = solve(shelf, "a")
    assert chosen(found) == ["a 1", "b 1", "c 1", "d 1"]
    by_name = {choice.release.name: choice for choice in found.choices}
    # No metadata of a names d: whoever installs a without extras' machinery must be told.
    assert by_name["a"].beyond == ("d>=1",)
    assert by_name["b"].beyond == ()
    slow = solve(shelf, "b[slow]")
    assert chosen(slow) == ["b 1", "c 1", "e 1"]
    assert slow.choices[0].requires == ("c",)  # what its metadata says without any extra


def test_what_an_extra_brings_on_some_machines_only() -> None:
    """The same on every machine, so that a deb for all architectures is one deb or none."""
    table = {"a 1": ["b[fast]"], "b 1": ["c ; extra == 'fast' and platform_machine == 'armv5tel'",
                                         "d ; extra == 'fast' and platform_machine == 'aarch64'",
                                         "e ; extra == 'fast'"], "c 1": [], "d 1": [], "e 1": []}
    found = []
    for name in ("armel", "arm64"):
        shelf = Shelf(table)
        environment = device_environment(architecture(name), "3.11.2")
        got = resolve([Wanted("a", "x")], [], shelf, environment)
        found.append({choice.release.name: choice.beyond for choice in got.choices}["a"])
    assert found[0] == found[1] == (
        "c ; platform_machine == 'armv5tel'", "d ; platform_machine == 'aarch64'", "e")


def test_conflict_in_words() -> None:
    shelf = Shelf({"a 1": ["c<2"], "b 1": ["c>=2"], "c 1": [], "c 2": []})
    with pytest.raises(UnsatisfiableError) as caught:
        solve(shelf, "a", "b")
    assert caught.value.brief == "no version of c meets all requirements"
    assert caught.value.details.splitlines() == [
        "a 1 needs c<2", "b 1 needs c>=2", "c: versions for this Python: 2, 1"]


def test_what_cannot_be_built_is_passed_over_and_told() -> None:
    shelf = Shelf({"a 1": [], "a 2": [], "a 3": []}, {"a 3": "it needs rustc 9", "a 2": "it needs rustc 8"})
    found = solve(shelf, "a")
    assert chosen(found) == ["a 1"]
    assert found.notes == ("a 3 cannot be built here: it needs rustc 9; 1 is the newest that can",)
    with pytest.raises(UnsatisfiableError) as caught:
        solve(shelf, "a==3")
    assert "a 3 cannot be built here: it needs rustc 9" in caught.value.details
    assert caught.value.resolution == "The newest that can be built here is a 1."


def test_yanked_releases_only_when_named() -> None:
    shelf = Shelf({"a 1": [], "a 2": []}, files={"a 2": file("a-2.tar.gz", yanked=True)})
    assert chosen(solve(shelf, "a")) == ["a 1"]
    assert chosen(solve(shelf, "a==2")) == ["a 2"]


def test_hashes_choose_the_file() -> None:
    shelf = Shelf({"a 1": ["b"], "b 1": []}, files={"a 1": file("a-1.tar.gz", sha256="a" * 64)})
    good = Wanted("a==1", "r.txt:1", ("a" * 64,))
    with pytest.raises(UnsatisfiableError) as caught:
        resolve([good], [], shelf, DEVICE, require_hashes=True)
    assert "b: has no --hash, and all must have one" in caught.value.details
    changed = Wanted("a==1", "r.txt:1", ("c" * 64,))
    with pytest.raises(UnsatisfiableError) as caught:
        resolve([changed], [], shelf, DEVICE, require_hashes=True)
    assert "a: no file that can be used here has one of the given hashes" in caught.value.details


def test_a_requirement_that_is_none() -> None:
    with pytest.raises(UnsatisfiableError, match="a 1: 'b >>> 3' is not a requirement"):
        solve(Shelf({"a 1": ["b >>> 3"]}), "a")


def test_order_of_files() -> None:
    offered = [
        file("a-2-py3-none-any.whl", requires_python=">=3.12"), file("a-1.tar.gz"), file("a-1.zip"),
        file("a-1-py3-none-any.whl"), file("a-1-py2-none-any.whl"), file("a-1.1.tar.gz", sha256=""),
        file("a-1-cp311-cp311-manylinux_2_17_x86_64.whl"), file("b-3.tar.gz"), file("a-0.9.tar.bz2"),
        file("a-0.9.tar.gz"), file("a-x-py3-none-any.whl")]
    assert [release.file.name for release in order_releases("a", offered, ANY, "3.11.2")] == [
        "a-1-py3-none-any.whl", "a-0.9.tar.gz"]
    here = tags("3.11", manylinux("x86_64", (2, 36)))
    assert [release.file.name for release in order_releases("a", offered, here, "3.11.2", sdists=False)] == [
        "a-1-cp311-cp311-manylinux_2_17_x86_64.whl"]


def test_platforms_of_a_glibc() -> None:
    assert manylinux("x86_64", (2, 17))[:3] == (
        "manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux_2_16_x86_64")
    assert manylinux("x86_64", (2, 17))[-2:] == ("manylinux1_x86_64", "linux_x86_64")
    assert all(tag.platform == "any" for tag in ANY)
