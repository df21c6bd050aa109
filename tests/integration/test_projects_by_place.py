# SPDX-License-Identifier: GPL-3.0-or-later
"""Projects by place: files, directories, repositories; several indexes; what pip's options choose."""
from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from debxcross.app.wheel import PipOptions
from debxcross.core.chain.chain import Chain, PinnedFile, WheelMember
from debxcross.core.chain.lock import LockedMember
from debxcross.core.wheel.direct import Origin, parse_direct
from debxcross.core.wheel.index import Pin
from debxcross.core.wheel.requirement import ProjectOptions, Wanted
from debxcross.core.wheel.resolution import resolve
from debxcross.core.wheel.selection import Selection
from debxcross.doors import fetch, process
from debxcross.doors.index import Index
from debxcross.doors.sdist import newest_time
from debxcross.doors.web import make_transfer
from debxcross.errors import (
    ConfigurationError, FetchError, GateError, UnsatisfiableError, UnsupportedError, UsageError,
    VerificationError,
)
from debxcross.steps.build.baseroot import BaseRoot
from debxcross.steps.chain.replay import check_lockable
from debxcross.steps.wheel.inputs import WheelSpec
from debxcross.steps.wheel.local import Taken, Taker, read_commit, read_directory, restore
from debxcross.steps.wheel.pins import fetch_pin, stored_pin
from debxcross.steps.wheel.recipe import NO_TIME, SdistRecipe, static_name
from debxcross.steps.wheel.resolve import BuildRequirements, IndexFinder
from debxcross.steps.wheel.work import WheelWork
from tests.contexts import make_context
from tests.integration.test_resolve import DEVICE, HERE, Desk, Shop, info
from tests.tools import need


def no_base() -> NoReturn:
    raise AssertionError("nothing is built here")


@pytest.fixture()
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path / "simple")
    shop.wheel("setuptools", "80")
    shop.wheel("wheel", "0.45")
    return shop


@pytest.fixture()
def desk(shop: Shop, tmp_path: Path) -> Desk:
    return Desk(shop, tmp_path)


def taker(desk: Desk, without: Sequence[Path] = (), **options: ProjectOptions) -> Taker:
    build = BuildRequirements(desk.finder(HERE, sdists=False))
    return Taker(desk.context, no_base, build, HERE, DEVICE, options, without)


def take(desk: Desk, text: str) -> Taken:
    direct = parse_direct(text, "the command line")
    assert direct is not None
    return taker(desk).take(direct)


def git(directory: Path, *arguments: str) -> str:
    words = ("git", "-c", "user.name=a", "-c", "user.email=a@b.example", "-C", str(directory), *arguments)
    done = process.run(words, environment={"GIT_COMMITTER_DATE": "2026-01-02T00:00:00Z"})
    assert done.exit_status == 0, done.stderr
    return done.stdout.strip()


def project(directory: Path, name: str = "lamp") -> Path:
    directory.mkdir(parents=True)
    (directory / "pyproject.toml").write_text(
        f'[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        f'[project]\nname = "{name}"\nversion = "1.0"\n')
    (directory / "lamp.py").write_text("ON = 1\n")
    return directory


def test_a_wheel_that_lies_here_is_taken_as_it_is(desk: Desk, shop: Shop, tmp_path: Path) -> None:
    other = Shop(tmp_path / "other")
    other.wheel("lamp", "1.0+local.1", ["bulb>=2"])
    shop.wheel("bulb", "2.0")
    shop.wheel("lamp", "9.9")
    path = tmp_path / "other/lamp/lamp-1.0+local.1-py3-none-any.whl"
    one = take(desk, f"{path}[neon]")
    assert one.wanted == Wanted("lamp[neon]==1.0+local.1", "the command line")
    assert one.release.file.url == path.as_uri() and one.release.file.size == path.stat().st_size
    finder = desk.finder(local={"lamp": one.release})
    found = resolve([one.wanted], (), finder, DEVICE.environment)
    assert [choice.release.words for choice in found.choices] == ["bulb 2.0", "lamp 1.0+local.1"]
    maker = desk.maker()
    chain, _ = replace(maker, finder=finder).make("wheels", found)
    lamp = chain.wheel("lamp")
    assert lamp is not None and lamp.origin == path.as_uri()
    # The index has a project of that name, and is never asked for this file.
    desk.read.clear()
    assert fetch_pin(desk.context, "lamp", lamp.pin).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert desk.read == []


def test_an_sdist_that_lies_here(desk: Desk, shop: Shop, tmp_path: Path) -> None:
    other = Shop(tmp_path / "other")
    other.sdist("lamp", "1.0", requires=["bulb"])
    path = tmp_path / "other/lamp/lamp-1.0.tar.gz"
    one = take(desk, f"Lamp @ {path.as_uri()}")
    assert desk.finder(local={"lamp": one.release}).requires(one.release) == ("bulb",)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    direct = parse_direct(f"{path}", "x")
    assert direct is not None
    assert taker(desk).take(replace(direct, sha256=sha256)).wanted.hashes == (sha256,)
    with pytest.raises(VerificationError, match="is not the file that was asked for"):
        taker(desk).take(replace(direct, sha256="0" * 64))


def test_files_that_cannot_be_taken(desk: Desk, shop: Shop, tmp_path: Path) -> None:
    other = Shop(tmp_path / "other")
    other.wheel("lamp", "1.0", tag="cp311-cp311-manylinux_2_17_x86_64")
    other.sdist("bulb", "1.0", files={"PKG-INFO": info("glass", "1.0")})
    other.sdist("led", "1.0")
    (tmp_path / "other/broken-1.0.tar.gz").write_bytes(b"no archive")
    (tmp_path / "empty").mkdir()
    for text, kind, words in (
        ("other/lamp/lamp-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", UnsupportedError,
         "is not for Python 3.11"),
        ("other/bulb/bulb-1.0.tar.gz", GateError, "says that it is glass 1.0"),
        ("other/broken-1.0.tar.gz", GateError, "is not a whole archive"),
        ("other/none-1.0.tar.gz", UsageError, "is neither a project's directory nor"),
        ("other/led/index.html", UsageError, "is neither a project's directory nor"),
        ("empty", ConfigurationError, "is no Python project"),
        ("nowhere", UsageError, "There is no such file"),
    ):
        with pytest.raises(kind) as caught:
            take(desk, f"{tmp_path}/{text}")
        assert words in f"{caught.value.brief}\n{caught.value.details}", text
        assert caught.value.resolution
    with pytest.raises(GateError, match="is led 1.0, not lamp"):
        take(desk, f"lamp @ {(tmp_path / 'other/led/led-1.0.tar.gz').as_uri()}")


def test_which_files_of_a_directory_count(desk: Desk, tmp_path: Path) -> None:
    plain = project(tmp_path / "plain")
    first = read_directory(desk.context, plain)
    assert [path for path, _, _ in first.tree.rows] == ["lamp.py", "pyproject.toml"]
    assert (first.time, first.commit, first.changed) == (NO_TIME, "", False)
    (plain / "out").mkdir()
    (plain / "out" / "chain.toml").write_text("ours\n")
    assert read_directory(desk.context, plain, [plain / "out"]).tree.digest == first.tree.digest
    assert read_directory(desk.context, plain).tree.digest != first.tree.digest
    (plain / "lamp.py").chmod(0o755)
    assert read_directory(desk.context, plain, [plain / "out"]).tree.digest != first.tree.digest


def test_a_work_tree_and_its_commits(desk: Desk, tmp_path: Path) -> None:
    need("git")
    work = project(tmp_path / "work")
    (work / ".gitignore").write_text("*.o\n")
    (work / "a.o").write_text("")
    git(work, "init", "-q", "-b", "main")
    git(work, "add", "-A")
    git(work, "commit", "-qm", "one")
    git(work, "tag", "v1")
    found = read_directory(desk.context, work)
    assert [path for path, _, _ in found.tree.rows] == [".gitignore", "lamp.py", "pyproject.toml"]
    assert (found.commit, found.time, found.changed) == (git(work, "rev-parse", "HEAD"), 1767312000, False)
    with read_commit(desk.context, work.as_uri(), "v1", "") as same:
        assert (same.tree.digest, same.commit, same.time) == (found.tree.digest, found.commit, found.time)
    (work / "lamp.py").write_text("ON = 2\n")
    assert read_directory(desk.context, work).changed
    with pytest.raises(FetchError, match="has no tag or branch nowhere"):
        with read_commit(desk.context, work.as_uri(), "nowhere", ""):
            pass
    with pytest.raises(UsageError, match="has no directory sub"):
        with read_commit(desk.context, work.as_uri(), found.commit, "sub"):
            pass


def member(origin: Origin, name: str = "lamp-1.0.tar.gz", sha256: str = "0" * 64) -> WheelMember:
    return WheelMember("lamp", "3.11", PinnedFile("lamp", "1.0", name, sha256), origin=origin.to_text())


def spec(one: WheelMember) -> WheelSpec:
    return WheelSpec(one, (), {}, "A B <a@b.example>")


def test_what_is_missing_is_taken_again_or_is_an_error(desk: Desk, tmp_path: Path) -> None:
    base = BaseRoot("", tmp_path, (), None)  # type: ignore[arg-type]
    other = Shop(tmp_path / "other")
    other.sdist("lamp", "1.0")
    path = tmp_path / "other/lamp/lamp-1.0.tar.gz"
    one = member(Origin(path.as_uri()), sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    assert stored_pin(desk.context, "lamp", one.pin) is None
    restore(desk.context, base, spec(one))
    assert stored_pin(desk.context, "lamp", one.pin) is not None
    plain = project(tmp_path / "plain")
    for origin, words in (
        (Origin(path.as_uri()), "is not the file that was pinned"),
        (Origin((tmp_path / "gone").as_uri(), "a" * 64), "is not there"),
        (Origin(plain.as_uri(), "a" * 64), "are not those of which lamp-1.0.tar.gz was made"),
    ):
        with pytest.raises(VerificationError) as caught:
            restore(desk.context, base, spec(member(origin)))
        assert words in caught.value.brief and "debxcross wheel" in caught.value.resolution


def test_origins_in_plan_lock_and_key(desk: Desk, tmp_path: Path) -> None:
    commit = "b" * 40
    other = Shop(tmp_path / "other")
    other.sdist("lamp", "1.0")
    path = tmp_path / "other/lamp/lamp-1.0.tar.gz"
    one = member(Origin(path.as_uri()), sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    restore(desk.context, BaseRoot("", tmp_path, (), None), spec(one))  # type: ignore[arg-type]
    git_origin = Origin("git+https://h.example/x.git", "a" * 64, commit)

    def locked(origin: Origin) -> LockedMember:
        return WheelWork(spec(replace(one, origin=origin.to_text()))).locked(desk.context)

    assert [file.place for file in locked(git_origin).files] == [f"git/{commit}"]
    assert [file.place for file in locked(Origin(path.as_uri())).files] == ["file"]
    assert WheelWork(spec(replace(one, origin=git_origin.to_text()))).origin == (
        f"git+https://h.example/x.git@{commit} (lamp-1.0.tar.gz), for Python 3.11")
    dirty = replace(one, origin=Origin("file:///x", "a" * 64, commit, dirty=True).to_text())
    with pytest.raises(UnsupportedError) as caught:
        check_lockable(Chain("wheels", "bookworm", (), (dirty,)))
    assert "lamp 1.0: file:///x had changes" in caught.value.details


SECRET = "https://me:secret@extra.example/simple"


def two_indexes(desk: Desk, tmp_path: Path) -> tuple[Shop, Desk]:
    """Return a second index, and a desk that asks both; the second one wants a login."""
    extra = Shop(tmp_path / "extra")
    transfer = make_transfer(proxies={}, retries=0)

    def inside(url: str) -> str:
        assert "extra.example" not in url or url.startswith(SECRET), "it is asked without its login"
        return url.replace(SECRET, extra.directory.as_uri())

    def read(url: str, accept: str) -> Any:
        more = "index.html" if url.startswith(SECRET) else ""
        page = fetch.read_page(inside(url) + more, accept, transfer)
        return page and replace(page, url=url)

    index = Index(desk.index.url, read, lambda urls, target, *, sha256, size: fetch.fetch(
        [inside(url) for url in urls], target, sha256=sha256, size=size, transfer=transfer), (SECRET,))
    desk.index, desk.context = index, make_context(tmp_path / "second", "amd64", "armel", index=index)
    return extra, desk


def test_all_indexes_are_one_and_it_is_said_which_one_a_project_is_from(
    desk: Desk, shop: Shop, tmp_path: Path
) -> None:
    extra, desk = two_indexes(desk, tmp_path)
    shop.wheel("ours", "1.0")
    extra.wheel("ours", "99")
    extra.wheel("bulb", "2.0")
    shop.wheel("six", "1.17.0")
    extra.wheel("six", "1.17.0")
    found = desk.resolve("ours", "bulb", "six")
    assert [choice.release.words for choice in found.choices] == ["bulb 2.0", "ours 99", "six 1.17.0"]
    finder = desk.finder()
    assert finder.releases("six")[0].file.url.startswith(shop.directory.as_uri())
    pins = [finder.pin(choice.release) for choice in found.choices]
    for choice in found.choices:
        finder.releases(choice.release.name)
    said = finder.whence(pins)
    first, second = shop.directory.as_uri(), "https://extra.example/simple"
    assert said == (
        f"from the index {second}: bulb 2.0, ours 99", f"from the index {first}: six 1.17.0",
        f"ours 99 is taken from {second}; {first} has a project of that name, too",
        f"six 1.17.0 is taken from {first}; {second} has a project of that name, too")
    assert "secret" not in "".join(said)


def test_no_login_is_remembered(desk: Desk, shop: Shop, tmp_path: Path) -> None:
    extra, desk = two_indexes(desk, tmp_path)
    extra.wheel("bulb", "2.0")
    desk.resolve("bulb")
    files = list((tmp_path / "second").rglob("*"))
    assert any(path.parent.parent.name == "index-page" for path in files)
    for path in files:
        if path.is_file():
            assert b"secret" not in path.read_bytes(), path


def test_one_index_needs_no_words(desk: Desk, shop: Shop) -> None:
    shop.wheel("six", "1.17.0")
    finder = desk.finder()
    assert finder.whence([finder.pin(finder.releases("six")[0])]) == ()


def test_the_same_name_with_other_bytes_is_fetched_by_its_digest(
    desk: Desk, shop: Shop, tmp_path: Path
) -> None:
    extra = Shop(tmp_path / "extra")
    shop.wheel("six", "1.17.0")
    extra.wheel("six", "1.17.0", ["bulb"])
    index = replace(desk.index, extra_urls=(extra.directory.as_uri(),))
    content = (extra.directory / "six/six-1.17.0-py3-none-any.whl").read_bytes()
    path = index.file_for(Pin("six", "1.17.0"), tmp_path / "got", kind="six-1.17.0-py3-none-any.whl",
                          sha256=hashlib.sha256(content).hexdigest())
    assert path.read_bytes() == content


def test_options_choose_files(desk: Desk, shop: Shop) -> None:
    shop.wheel("lamp", "1.0")
    shop.sdist("lamp", "1.0")
    shop.sdist("lamp", "2.0b1")
    shop.sdist("bulb", "1.0")

    def chosen(*texts: str, pre: bool = False, **more: Any) -> list[str]:
        selection = PipOptions(pre=pre, **more).selection()
        finder = desk.finder(selection=selection)
        found = resolve([Wanted(text, "x") for text in texts], (), finder, DEVICE.environment, pre=pre)
        return [choice.release.file.name for choice in found.choices]

    assert chosen("lamp") == ["lamp-1.0-py3-none-any.whl"]
    assert chosen("lamp", no_binary=("lamp",)) == ["lamp-1.0.tar.gz"]
    assert chosen("lamp", "bulb", no_binary=(":all:",), only_binary=("lamp",)) == [
        "bulb-1.0.tar.gz", "lamp-1.0-py3-none-any.whl"]
    assert chosen("lamp", pre=True) == ["lamp-2.0b1.tar.gz"]
    with pytest.raises(UnsatisfiableError) as caught:
        chosen("bulb", only_binary=(":all:",))
    assert "no index has a file of it that can be used here" in caught.value.details
    with pytest.raises(UsageError, match="'a b' is neither a project"):
        PipOptions(no_binary=("a b",)).selection()


def test_no_binary_is_written_into_the_chain(desk: Desk, shop: Shop) -> None:
    shop.sdist("lamp", "1.0")
    shop.wheel("lamp", "1.0")
    maker = desk.maker()
    finder = desk.finder(selection=Selection(no_binary=frozenset(("lamp",))))
    found = resolve([Wanted("lamp", "x")], (), finder, DEVICE.environment)
    chain, _ = replace(maker, finder=finder).make("wheels", found)
    assert [wheel.no_binary for wheel in chain.wheels] == [True]


def test_extension_left_out_although_it_was_asked_for(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "lamp-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name in ("lamp-1.0/PKG-INFO", "lamp-1.0/src/_lamp.c"):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    work = WheelWork(spec(replace(member(Origin("file:///x")), no_binary=True)))
    with pytest.raises(GateError) as caught:
        work.tell_of_sources(desk.context, path)
    assert "without any compiled module" in caught.value.brief and "src/_lamp.c" in caught.value.details
    assert newest_time(path) == 0


def test_versions_out_of_a_repository_are_advised_upon() -> None:
    tools = (PinnedFile("setuptools-scm", "8.0", "setuptools_scm-8.0-py3-none-any.whl", "0" * 64),)
    recipe = SdistRecipe("lamp", "a" * 64, 1, None, tools, "3.11", ())  # type: ignore[arg-type]
    assert "SETUPTOOLS_SCM_PRETEND_VERSION=1.0" in recipe.advice
    assert replace(recipe, tools=()).advice == ""
    assert static_name({"project": {"name": "A_b"}}) == "a-b" and static_name({"project": 1}) == ""


def test_finder_never_asks_the_index_about_a_project_that_lies_here(desk: Desk, tmp_path: Path) -> None:
    other = Shop(tmp_path / "other")
    other.wheel("lamp", "1.0")
    one = take(desk, str(tmp_path / "other/lamp/lamp-1.0-py3-none-any.whl"))
    finder: IndexFinder = desk.finder(local={"lamp": one.release})
    desk.read.clear()
    assert finder.releases("lamp") == (one.release,) and not finder.compiled_elsewhere(one.release)
    assert desk.read == []
