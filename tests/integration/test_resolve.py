# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolution over an index of plain files: what is read, what is refused, what becomes a chain."""
from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from debxcross.app.request import Request
from debxcross.app.wheel import Locked
from debxcross.core.architecture import architecture
from debxcross.core.chain.chain import parse
from debxcross.core.chain.relations import misjudged
from debxcross.core.chain.file import to_toml
from debxcross.core.patch import parse as parse_patch
from debxcross.core.wheel.deb import device_environment
from debxcross.core.wheel.packaging import Offered, Packaging
from debxcross.core.wheel.patch import place, read_versions
from debxcross.core.wheel.names import Names
from debxcross.core.wheel.requirement import ProjectOptions, Wanted
from debxcross.core.wheel.resolution import Resolution, manylinux, resolve, tags
from debxcross.doors import fetch
from debxcross.doors.index import Index
from debxcross.doors.web import make_transfer
from debxcross.errors import (
    ChainFailedError, ConfigurationError, FetchError, GateError, PatchError, UnsatisfiableError,
    UnsupportedError, VerificationError,
)
from debxcross.steps.chain.prepare import Circumstances, arrange
from debxcross.steps.wheel.pins import fetch_pin
from debxcross.steps.wheel.chain import ChainMaker, without
from debxcross.steps.wheel.places import Debian, Places
from debxcross.steps.wheel.resolve import (
    BuildRequirements, IndexFinder, Machine, Tools, debian_releases, leave_out, machines,
)
from tests.contexts import make_context

HOST, BUILD = architecture("armel"), architecture("amd64")
TOOLS = Tools("bookworm", {"python3": "3.11.2-1", "libc6": "2.36-9", "rustc": "1.63.0+dfsg1-2",
                           "python3-lamp": "2:0.5-1", "python3-six": "1.16.0-4"})
DEVICE = Machine("3.11", "3.11.2", device_environment(HOST, "3.11.2"), tags("3.11", ()))
HERE = Machine("3.11", "3.11.2", device_environment(BUILD, "3.11.2"),
               tags("3.11", manylinux("x86_64", (2, 36))))
PYPROJECT = '[build-system]\nbuild-backend = "setuptools.build_meta"\nrequires = ["setuptools"]\n'


def info(name: str, version: str, requires: Sequence[str] = (), metadata: str = "2.2") -> bytes:
    lines = [f"Metadata-Version: {metadata}", f"Name: {name}", f"Version: {version}",
             *(f"Requires-Dist: {one}" for one in requires), ""]
    return "\n".join(lines).encode()


def _record_digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


class Shop:
    """An index of plain files, being filled."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def _offer(self, project: str, name: str, content: bytes, digest: str = "") -> None:
        page = self.directory / project
        page.mkdir(parents=True, exist_ok=True)
        (page / name).write_bytes(content)
        sha256 = digest or hashlib.sha256(content).hexdigest()
        with (page / "index.html").open("a") as file:
            file.write(f'<a href="{name}#sha256={sha256}">{name}</a>\n')

    def sdist(self, name: str, version: str, files: Mapping[str, bytes] | None = None, digest: str = "",
              **more: Any) -> None:
        members = {"PKG-INFO": info(name, version, **more), "pyproject.toml": PYPROJECT.encode(),
                   **(files or {})}
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for path, content in members.items():
                member = tarfile.TarInfo(f"{name}-{version}/{path}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        self._offer(name, f"{name}-{version}.tar.gz", buffer.getvalue(), digest)

    def wheel(self, name: str, version: str, requires: Sequence[str] = (), tag: str = "py3-none-any",
              build: str = "") -> None:
        directory = f"{name}-{version}.dist-info"
        members = {f"{name}.py": b"", f"{directory}/METADATA": info(name, version, requires),
                   f"{directory}/WHEEL": f"Wheel-Version: 1.0\nTag: {tag}\n".encode()}
        record = "".join(
            f"{path},sha256={_record_digest(content)},\n" for path, content in members.items())
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for path, content in {**members, f"{directory}/RECORD": record.encode()}.items():
                archive.writestr(path, content)
        self._offer(name, "-".join(filter(None, (name, version, build, f"{tag}.whl"))), buffer.getvalue())


@pytest.fixture()
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path / "simple")
    shop.wheel("setuptools", "80")
    shop.wheel("wheel", "0.45")
    return shop


class Desk:
    """A store and an index, and a resolution over them."""

    def __init__(self, shop: Shop, directory: Path) -> None:
        transfer = make_transfer(proxies={}, retries=0)
        self.read: list[str] = []

        def read(url: str, accept: str) -> Any:
            self.read.append(url)
            return fetch.read_page(url, accept, transfer)

        self.index = Index(
            shop.directory.as_uri(), read, lambda urls, target, *, sha256, size: fetch.fetch(
                urls, target, sha256=sha256, size=size, transfer=transfer))
        self.context = make_context(directory, BUILD.name, HOST.name, index=self.index)

    def finder(self, machine: Machine = DEVICE, **more: Any) -> IndexFinder:
        return IndexFinder(self.context, self.index, machine, TOOLS, **more)

    def resolve(self, *texts: str, **more: Any) -> Resolution:
        return self.resolve_with(self.finder(**more), *texts)

    def resolve_with(self, finder: IndexFinder, *texts: str) -> Resolution:
        wanted = [Wanted(text, "the command line") for text in texts]
        return resolve(wanted, (), finder, DEVICE.environment)

    def maker(self, policy: str = "replace", names: Names = Names(), tools: Tools = TOOLS,
              debian: Debian | None = None, **options: ProjectOptions) -> ChainMaker:
        return ChainMaker(Places(tools, names, options, policy, debian), self.finder(),
                          BuildRequirements(self.finder(HERE, sdists=False)))


@pytest.fixture()
def desk(shop: Shop, tmp_path: Path) -> Desk:
    return Desk(shop, tmp_path)


def test_pure_wheels_before_sdists_and_wheels_for_others_never(desk: Desk, shop: Shop) -> None:
    shop.sdist("lamp", "1.0", requires=["bulb>=2"])
    shop.wheel("lamp", "1.0", ["bulb"], tag="cp311-cp311-manylinux_2_17_x86_64")
    shop.wheel("bulb", "2.0", ["glass ; platform_machine == 'x86_64'"])
    shop.sdist("bulb", "2.0")
    found = desk.resolve("lamp")
    assert [choice.release.file.name for choice in found.choices] == [
        "bulb-2.0-py3-none-any.whl", "lamp-1.0.tar.gz"]


def test_the_chain_pins_everything_and_reads_back(desk: Desk, shop: Shop) -> None:
    shop.sdist("lamp", "1.0", requires=["bulb[neon]"])
    shop.wheel("bulb", "2.0", ["six ; extra == 'neon'"])
    shop.wheel("six", "1.17.0")
    chain, notes = desk.maker(lamp=ProjectOptions(("libc6-dev",), replaces=("python3-lamp-bin",))).make(
        "wheels", desk.resolve("lamp"))
    lamp = chain.wheel("lamp")
    assert lamp is not None and lamp.build_requires == ("setuptools==80", "wheel==0.45")
    assert (lamp.epoch, lamp.resolved_for, lamp.replaces) == (2, "3.11.2", ("python3-lamp-bin",))
    assert lamp.also_requires == ("six",)
    assert "python3-lamp 2:1-1 replaces Debian's 2:0.5-1" in notes
    assert chain.trial.packages == ("python3-bulb", "python3-lamp", "python3-six")
    again = parse(tomllib.loads(to_toml(chain, notes)), "x")
    assert (again.wheels, again.build_tools, again.trial) == (chain.wheels, chain.build_tools, chain.trial)


def test_names_that_debian_has(desk: Desk, shop: Shop) -> None:
    shop.wheel("lamp", "1.0")
    found = desk.resolve("lamp")
    with pytest.raises(ConfigurationError, match="Debian has 1 of these packages already"):
        desk.maker("refuse").make("wheels", found)
    chain, _ = desk.maker("prefix").make("wheels", found)
    assert chain.wheels[0].package == "debxcross-python3-lamp"
    assert chain.wheels[0].replaces == ("python3-lamp",) and chain.wheels[0].epoch == 0


def test_the_version_that_debian_has(desk: Desk, shop: Shop) -> None:
    """Devices prefer nobody: of one version the higher revision is installed."""
    names = Names({"six": "python3-six", "lamp": "python3-lamp"})
    shop.wheel("lamp", "0.5")
    chain, notes = desk.maker(names=names).make("wheels", desk.resolve("lamp"))
    assert [wheel.revision for wheel in chain.wheels] == ["1+debxcross1"]
    assert "python3-lamp 2:0.5-1+debxcross1 replaces Debian's 2:0.5-1" in notes
    again, _ = desk.maker(names=names, lamp=ProjectOptions(revision="3")).make("wheels", desk.resolve("lamp"))
    assert again.wheels[0].revision == "3"


def test_a_wheel_for_any_platform_that_others_have_compiled(desk: Desk, shop: Shop) -> None:
    shop.wheel("lamp", "1.0")
    shop.wheel("lamp", "1.0", tag="cp311-cp311-manylinux_2_17_x86_64")
    shop.wheel("bulb", "1.0")
    shop.wheel("bulb", "0.9", tag="cp311-cp311-manylinux_2_17_x86_64")
    shop.wheel("bulb", "1.0", tag="py3-none-manylinux_2_17_x86_64")
    _, notes = desk.maker().make("wheels", desk.resolve("lamp", "bulb"))
    assert [note for note in notes if "compiled" in note] == [
        "lamp 1.0 is taken without compiled modules, which its wheels for other machines have"]


def test_a_rebuilt_wheel(desk: Desk, shop: Shop) -> None:
    shop.wheel("twice", "1.0", build="1")
    shop.wheel("twice", "1.0", build="2")
    wheel = desk.maker().make("wheels", desk.resolve("twice"))[0].wheels[0]
    assert (wheel.pin.file, wheel.revision) == ("twice-1.0-2-py3-none-any.whl", "1+build2")


def test_the_name_that_debians_package_provides(desk: Desk, shop: Shop) -> None:
    tools = replace(TOOLS, versions={**TOOLS.versions, "python3-li": "1-1"},
                    provided={"python3-light": ["python3-li"], "python3-bulb": ["python3-a", "python3-b"]})
    names = Names({"light": "python3-li", "bulb": "python3-b"})
    shop.wheel("light", "2.0")
    shop.wheel("bulb", "2.0")
    chain, _ = desk.maker(names=names, tools=tools).make("wheels", desk.resolve("light", "bulb"))
    assert {wheel.package: wheel.replaces for wheel in chain.wheels} == {
        "python3-li": ("python3-light",), "python3-b": ()}


def test_a_collection_of_debians_goes_and_is_not_provided(desk: Desk, shop: Shop) -> None:
    names = Names(holders={"bulb": "python3-lights", "lamp": "python3-absent"})
    tools = replace(TOOLS, versions={**TOOLS.versions, "python3-lights": "3-1"})
    shop.wheel("bulb", "2.0")
    shop.wheel("lamp", "1.0")
    chain, notes = desk.maker(names=names, tools=tools).make("wheels", desk.resolve("bulb", "lamp"))
    assert {wheel.name: wheel.replaces for wheel in chain.wheels} == {
        "bulb": ("python3-lights (>= 0~~)",), "lamp": ()}
    assert ("python3-bulb takes the place of Debian's python3-lights 3-1, "
            "which has bulb among other things") in notes


def test_two_projects_of_one_package_of_debians(desk: Desk, shop: Shop) -> None:
    names = Names({"lamp": "python3-lamp", "lampcore": "python3-lamp"})
    shop.wheel("lamp", "1.0")
    shop.wheel("lampcore", "1.0")
    chain, _ = desk.maker(names=names).make("wheels", desk.resolve("lamp", "lampcore"))
    assert {wheel.package: wheel.replaces for wheel in chain.wheels} == {
        "python3-lamp": (), "python3-lampcore": ("python3-lamp (<< 2:1-1)",)}


def test_debians_own_where_ours_cannot_be_newer(desk: Desk, shop: Shop) -> None:
    """Zeros at the end count in Debian's versions, in PEP 440 they do not: ours is 0.5, theirs 0.5.0."""
    tools = replace(TOOLS, versions={**TOOLS.versions, "python3-bulb": "0.5.0-2"})
    shop.wheel("lamp", "1.0", ["bulb"])
    shop.wheel("bulb", "0.5.0")
    chain, notes = desk.maker(tools=tools).make("wheels", desk.resolve("lamp"))
    assert [wheel.name for wheel in chain.wheels] == ["lamp"] and chain.debian[0].package == "python3-bulb"
    assert "bulb 0.5.0 is Debian's own python3-bulb 0.5.0-2" in notes


def test_nothing_to_make(desk: Desk, shop: Shop) -> None:
    shop.wheel("six", "1.16.0")
    with pytest.raises(UnsatisfiableError, match="bookworm has everything already") as caught:
        desk.maker().make("wheels", desk.resolve("six"))
    assert caught.value.details == "six 1.16.0 is Debian's own python3-six 1.16.0-4"


def test_an_older_version_than_debians(desk: Desk, shop: Shop) -> None:
    shop.wheel("lamp", "0.4")
    found = desk.resolve("lamp")
    with pytest.raises(UnsatisfiableError, match="devices would keep Debian's own packages") as caught:
        desk.maker().make("wheels", found)
    assert caught.value.details == "python3-lamp 2:0.5-1 is newer than lamp 0.4"
    chain, _ = desk.maker("prefix").make("wheels", found)
    assert (chain.wheels[0].package, chain.wheels[0].revision) == ("debxcross-python3-lamp", "1")


def test_debians_own_packages_on_request(desk: Desk, shop: Shop) -> None:
    shop.wheel("lamp", "1.0", ["six>=1.10"])
    shop.wheel("six", "1.17.0")
    debian = debian_releases(TOOLS, Names({"six": "python3-six", "lamp": "python3-lamp"}), ["lamp"])
    found = desk.resolve("lamp", debian=debian)
    assert [choice.release.words for choice in found.choices] == ["lamp 1.0", "six 1.16.0"]
    chain, notes = desk.maker().make("wheels", found)
    assert [wheel.name for wheel in chain.wheels] == ["lamp"]
    assert chain.debian[0].package == "python3-six"
    assert "six 1.16.0 is Debian's own python3-six 1.16.0-4" in notes
    assert [choice.release.words for choice in desk.resolve("lamp", "six>1.16", debian=debian).choices] == [
        "lamp 1.0", "six 1.17.0"]


def test_versions_of_debians_that_relations_must_be_told_of(desk: Desk, shop: Shop) -> None:
    tools = replace(TOOLS, versions={**TOOLS.versions, "python3-bulb": "22.2.0-1", "python3-gas": "1.0-1"})
    shop.wheel("lamp", "1.0", ["bulb==22.2.0", "six>=1", "gas!=1.0"])
    shop.wheel("six", "1.17.0")
    shop.wheel("gas", "1.1")
    shop.wheel("bulb", "23.1.0")
    debian = debian_releases(tools, Names({"bulb": "python3-bulb"}), ["lamp"])
    chain, _ = desk.maker(tools=tools).make("wheels", desk.resolve("lamp", debian=debian))
    again = parse(tomllib.loads(to_toml(chain)), "x")
    assert again.debian == chain.debian and {one.name for one in chain.debian} == {
        "bulb", "gas", "lamp", "six"}
    assert misjudged(again, again.wheels[1]) == {"python3-bulb": "22.2.0-1", "python3-gas": "1.0-1"}
    assert misjudged(again, again.wheels[0]) == {}


def test_what_debians_packaging_says_that_a_build_needs(desk: Desk, shop: Shop) -> None:
    said = Packaging("lamp-source", "0.5-1", ("libglow-dev, swig",), {
        "libglow-dev": Offered("libdevel", True, True), "swig": Offered("devel", True, True)})
    asked: list[str] = []

    class Release:
        def packaging(self, packages: Sequence[str]) -> Mapping[str, Packaging]:
            asked.extend(packages)
            return {name: said for name in packages}

        def dependents(self, ours: Mapping[str, str]) -> Mapping[str, Sequence[tuple[str, str]]]:
            assert ours == {"python3-bulb": "1-1", "python3-gas": "1-1", "python3-lamp": "2:1-1",
                            "python3-six": "1.17-1"}
            return {"python3-six": [(f"python3-{name}", "python3-six (<< 1.17)") for name in "abcde"]}

    tools = replace(TOOLS, available=frozenset(("python3-lamp", "python3-gas", "python3-six")))
    shop.sdist("lamp", "1.0")
    shop.sdist("bulb", "1.0")
    shop.sdist("gas", "1.0")
    shop.wheel("six", "1.17.0")
    maker = desk.maker(tools=tools, debian=Release(), gas=ProjectOptions(settings=("x=y",)),
                       lamp=ProjectOptions(smoke="1"))
    chain, notes = maker.make("wheels", desk.resolve("lamp", "bulb", "gas", "six"))
    assert asked == ["python3-lamp"], "not what a file says, nor what is not built, nor what Debian has not"
    needs = {wheel.name: (wheel.host_needs, wheel.build_packages) for wheel in chain.wheels}
    assert needs["lamp"] == (("libglow-dev",), ("pkg-config", "swig"))
    assert needs["bulb"] == needs["gas"] == ((), ())
    assert "lamp: needs from Debian's lamp-source 0.5-1: libglow-dev, swig" in notes
    assert ("beside python3-six 1.17-1 these packages of Debian's cannot be installed: "
            "python3-a (needs python3-six (<< 1.17)), python3-b (needs python3-six (<< 1.17)), "
            "python3-c (needs python3-six (<< 1.17)) and 2 more") in notes


def test_pages_and_metadata_are_remembered(desk: Desk, shop: Shop) -> None:
    shop.sdist("lamp", "1.0", requires=["bulb"])
    shop.wheel("bulb", "2.0")
    desk.resolve("lamp")
    desk.read.clear()
    assert len(desk.resolve("lamp").choices) == 2 and desk.read == []
    desk.resolve("lamp", maximum_age=-1)
    assert len(desk.read) == 2


def test_unknown_project(desk: Desk) -> None:
    with pytest.raises(FetchError, match="no configured index has the project nothing"):
        desk.resolve("nothing")


def test_sdist_whose_bytes_are_not_the_pages(desk: Desk, shop: Shop) -> None:
    shop.sdist("lamp", "1.0", digest="0" * 64)
    with pytest.raises(VerificationError) as caught:
        desk.resolve("lamp")
    assert "lamp-1.0.tar.gz" in caught.value.brief


def test_metadata_that_lies(desk: Desk, shop: Shop) -> None:
    shop.sdist("lamp", "1.0", {"PKG-INFO": info("lamp", "1.1")})
    with pytest.raises(GateError, match="lamp-1.0.tar.gz says that it is lamp 1.1"):
        desk.resolve("lamp")


PATCH = """\
Description: Build with setuptools
Origin: vendor, test
Applies-Versions: << 2.0

--- a/pyproject.toml
+++ b/pyproject.toml
@@ -1,3 +1,3 @@
 [build-system]
-build-backend = "enscons.api"
+build-backend = "setuptools.build_meta"
 requires = ["setuptools"]
--- a/src/lamp.c
+++ b/src/lamp.c
@@ -1 +1 @@
-old
+new
"""


def test_a_patched_sdist_says_what_the_patch_makes_of_it(desk: Desk, shop: Shop) -> None:
    strange = {"pyproject.toml": PYPROJECT.replace("setuptools.build_meta", "enscons.api").encode()}
    shop.sdist("lamp", "2.0", strange)
    shop.sdist("lamp", "1.9", strange)
    rule = read_versions(parse_patch(place("lamp"), "setuptools", PATCH))
    assert desk.resolve("lamp", patches=[rule]).choices[0].release.words == "lamp 1.9"
    shop.sdist("bulb", "1.0", {"pyproject.toml": PYPROJECT.replace("setuptools.", "flit.").encode()})
    misfit = replace(rule, source=place("bulb"))
    with pytest.raises(PatchError, match="sdists/bulb/setuptools does not apply to 1.0") as caught:
        desk.resolve("bulb", patches=[misfit])
    assert '-build-backend = "enscons.api"' in caught.value.details, "the hunk is shown"


def test_the_same_bytes_pinned_as_something_else_are_refused(desk: Desk, shop: Shop) -> None:
    shop.sdist("lamp", "1.0")
    release = desk.finder().releases("lamp")[0]
    pin = desk.finder().pin(release)
    fetch_pin(desk.context, "lamp", pin)
    for other in (replace(pin, version="1.1"), replace(pin, name="lantern")):
        with pytest.raises(GateError, match="lamp-1.0.tar.gz is not a file of"):
            fetch_pin(desk.context, "lamp", other)
    with pytest.raises(FetchError, match="no configured index has the file"):
        fetch_pin(desk.context, "lamp", replace(pin, version="1.1", file="lamp-1.1.tar.gz"))


def test_with_keep_going_what_cannot_be_is_left_out() -> None:
    """Greedily in the order asked: what fails beside those before it goes, the rest stays together."""
    asked = [Wanted(text, "x") for text in ("a", "bad", "b", "not-with-a", "c")]

    def attempt(wanted: Sequence[Wanted]) -> str:
        names = [one.name for one in wanted]
        if "bad" in names:
            raise GateError("bad is malicious")
        if {"a", "not-with-a"} <= set(names):
            raise UnsatisfiableError("a and not-with-a exclude each other")
        return " ".join(names)

    found, left = leave_out(asked, attempt)
    assert found == "a b c"
    assert [error.brief for _, error in left] == ["bad is malicious", "a and not-with-a exclude each other"]
    with pytest.raises(GateError):
        leave_out(asked[1:2], attempt)


def test_unknown_back_end_is_passed_over(desk: Desk, shop: Shop) -> None:
    strange = PYPROJECT.replace("setuptools.build_meta", "enscons.api").encode()
    shop.sdist("lamp", "2.0", {"pyproject.toml": strange})
    with pytest.raises(UnsatisfiableError) as caught:
        desk.resolve("lamp")
    assert "lamp 2.0 cannot be built here: lamp-2.0.tar.gz is built by enscons.api" in caught.value.details
    shop.sdist("lamp", "1.0")
    found = desk.resolve("lamp", maximum_age=-1)
    assert found.choices[0].release.words == "lamp 1.0" and "enscons.api" in found.notes[0]


def test_wheel_of_another_machine_tells_what_an_sdist_does_not(desk: Desk, shop: Shop) -> None:
    dynamic = {"PKG-INFO": info("lamp", "1.0", metadata="2.1")}
    shop.sdist("lamp", "1.0", dynamic)
    with pytest.raises(UnsupportedError, match="nothing tells what lamp 1.0 requires"):
        desk.resolve("lamp")
    shop.wheel("lamp", "1.0", ["bulb"], tag="cp311-cp311-win32")
    shop.wheel("bulb", "1.0")
    assert len(desk.resolve("lamp", maximum_age=-1).choices) == 2


def test_build_requirement_without_a_wheel(desk: Desk, shop: Shop) -> None:
    shop.sdist("lamp", "1.0", {"pyproject.toml": PYPROJECT.replace('["setuptools"]', '["odd"]').encode()})
    shop.sdist("odd", "1.0")
    with pytest.raises(UnsatisfiableError) as caught:
        desk.maker().make("wheels", desk.resolve("lamp"))
    assert caught.value.brief.startswith("the build requirements of lamp 1.0 cannot be met")


def test_another_python_than_the_releases(desk: Desk) -> None:
    here, device = machines(desk.context, TOOLS, "3.11")
    assert (here.full_version, device.environment["platform_machine"]) == ("3.11.2", "armv5tel")
    with pytest.raises(UnsupportedError, match="bookworm has Python 3.11 for armel, not 3.12"):
        machines(desk.context, TOOLS, "3.12")


def test_what_is_left_when_a_wheel_could_not_be_built(desk: Desk, shop: Shop) -> None:
    shop.sdist("lamp", "1.0")
    shop.wheel("desk", "1.0", ["lamp"])
    shop.wheel("room", "1.0", ["desk>=1"])
    shop.wheel("tree", "1.0")
    chain, _ = desk.maker().make("wheels", desk.resolve("room", "tree"))
    rest = without(chain, ["lamp"])
    assert [wheel.name for wheel in rest.wheels] == ["tree"] and rest.build_tools == ()
    assert rest.trial.packages == ("python3-tree",)
    assert without(chain, []) == chain


def test_what_was_left_out_is_an_error_at_the_end() -> None:
    Locked(Request("armel"), ()).check()
    with pytest.raises(ChainFailedError, match="2 projects are left out"):
        Locked(Request("armel"), (), ("lamp: no", "desk: no")).check()


def test_a_wheel_does_not_depend_on_what_is_beside_it(desk: Desk, shop: Shop) -> None:
    shop.wheel("room", "1.0", ["desk>=1"])
    shop.wheel("desk", "1.0")
    shop.wheel("tree", "1.0")

    def work(*texts: str) -> Any:
        chain, _ = desk.maker(names=Names({"desk": "python3-table"})).make("wheels", desk.resolve(*texts))
        given = Circumstances({}, {}, {}, "Ada <ada@example.org>")
        return arrange(desk.context, chain, {}, given).work["room"]

    assert work("room") == work("room", "tree")
    assert work("room").spec.names == {"room": "python3-room", "desk": "python3-table"}
