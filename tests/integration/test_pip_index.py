# SPDX-License-Identifier: GPL-3.0-or-later
"""The index for pip in a publication: written, served, used by pip, verified, collected, rolled back."""
from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from debxcross.app.repository import Repository, Wish
from debxcross.doors import process
from debxcross.errors import PublishError
from debxcross.repository.core.index import RepositorySettings
from debxcross.repository.steps import gc, rollback, verify
from debxcross.repository.steps.publish import Publication, publish
from tests.integration.test_resolve import Shop
from tests.tools import need

SIMPLE = "application/vnd.pypi.simple.v1+json"
NOON = 1_764_072_000


class Site:
    """A web root, its state, and wheels to publish."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.web, self.state = directory, directory / "web", directory / "state"
        self.shop, self.now = Shop(directory / "wheels"), float(NOON)

    def wheel(self, name: str, version: str, requires: tuple[str, ...] = (),
              tag: str = "py3-none-any") -> Path:
        self.shop.wheel(name, version, requires, tag)
        return self.directory / "wheels" / name / f"{name}-{version}-{tag}.whl"

    @property
    def settings(self) -> RepositorySettings:
        return RepositorySettings("bookworm", "bookworm", ("amd64", "armhf"), "http://127.0.0.1/")

    def publish(self, *files: Path, replace: bool = True) -> Publication:
        self.now += 60
        return publish(self.web, self.state, self.settings, files, now=lambda: self.now, replace=replace)

    def page(self, name: str = "", architecture: str = "armhf") -> Path:
        return self.web / f"dists/bookworm/main/wheels-{architecture}" / name / "index.html"

    def faults(self) -> list[str]:
        keyring = (self.web / "debxcross-archive-keyring.gpg").read_bytes()
        found = verify.verify(verify.here(self.web), keyring, self.now, ("bookworm",), root=self.web)
        return [f"{fault.path}: {fault.what}" for fault in found.faults]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key, made once."""
    need("gpg", "apt-ftparchive")
    site = Site(tmp_path_factory.mktemp("home"))
    site.publish()
    return site.state


@pytest.fixture
def site(tmp_path: Path, home: Path) -> Site:
    site = Site(tmp_path)
    shutil.copytree(home, site.state, ignore=shutil.ignore_patterns("S.*", "unchanged.json"))
    (site.state / "keys").chmod(0o700)
    return site


@pytest.fixture
def port(site: Site) -> Iterator[int]:
    site.publish(site.wheel("bulb", "2.0"), site.wheel("lamp", "1.0", ("bulb>=1",)),
                 site.wheel("lamp", "0.9", tag="cp311-cp311-linux_armv7l"))
    server = Repository(site.web, site.state).serve("127.0.0.1", 0, None)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server.port
    finally:
        server.stop()
        thread.join()


def pip(*arguments: str, directory: Path) -> process.Completed:
    need("pip3")
    return process.run((shutil.which("python3", path="/usr/bin") or sys.executable, "-m", "pip", *arguments),
                       directory=directory, environment={
                           "HOME": str(directory), "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1",
                           "PIP_DISABLE_PIP_VERSION_CHECK": "1", "no_proxy": "*"})


def test_pip_takes_wheels_with_hashes_required(site: Site, port: int, tmp_path: Path) -> None:
    index = f"http://127.0.0.1:{port}/dists/bookworm/main/wheels-armhf/"
    hashes = {name: hashlib.sha256(
        (tmp_path / f"wheels/{name}/{name}-{version}-py3-none-any.whl").read_bytes())
        for name, version in (("bulb", "2.0"), ("lamp", "1.0"))}
    text = f"--index-url {index}\n" + "".join(
        f"{name} --hash=sha256:{one.hexdigest()}\n" for name, one in
        (("bulb==2.0", hashes["bulb"]), ("lamp==1.0", hashes["lamp"])))
    (tmp_path / "r.txt").write_text(text)
    done = pip("install", "--require-hashes", "--target", str(tmp_path / "here"), "-r", "r.txt",
               directory=tmp_path)
    assert done.exit_status == 0, done.stdout + done.stderr
    assert {"lamp.py", "bulb.py"} <= {path.name for path in (tmp_path / "here").iterdir()}
    (tmp_path / "r.txt").write_text(text.replace(hashes["bulb"].hexdigest(), "0" * 64))
    done = pip("install", "--require-hashes", "--target", str(tmp_path / "there"), "-r", "r.txt",
               directory=tmp_path)
    assert done.exit_status != 0 and "DO NOT MATCH" in done.stderr


def test_pip_of_a_device_takes_what_is_for_its_kernel(site: Site, port: int, tmp_path: Path) -> None:
    index = f"http://127.0.0.1:{port}/dists/bookworm/main/wheels-armhf/"
    for platform in ("linux_armv7l", "linux_armv8l"):
        done = pip("download", "--no-deps", "--only-binary", ":all:", "--platform", platform,
                   "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--dest", platform,
                   "-i", index, "lamp<1", directory=tmp_path)
        assert done.exit_status == 0, done.stderr
        assert [path.name for path in (tmp_path / platform).iterdir()] == [
            "lamp-0.9-cp311-cp311-linux_armv7l.linux_armv8l.whl"]


def ask(port: int, path: str, accept: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"Accept": accept})
    answer = connection.getresponse()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def test_who_asks_for_json_gets_it(site: Site, port: int) -> None:
    place = "/dists/bookworm/main/wheels-armhf/"
    status, headers, body = ask(port, f"{place}lamp/", f"{SIMPLE}, text/html; q=0.01")
    assert (status, headers["content-type"], headers["vary"]) == (200, SIMPLE, "Accept")
    assert [one["filename"] for one in json.loads(body)["files"]] == [
        "lamp-0.9-cp311-cp311-linux_armv7l.linux_armv8l.whl", "lamp-1.0-py3-none-any.whl"]
    status, headers, body = ask(port, f"{place}lamp/", "text/html")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in headers["content-security-policy"] and b"lamp-1.0" in body
    assert ask(port, place, SIMPLE)[1]["content-type"] == SIMPLE
    assert ask(port, f"{place}nothing/", SIMPLE)[0] == 404
    assert ask(port, f"{place}lamp", SIMPLE)[1]["location"] == f"{place}lamp/"
    # Elsewhere nothing changes for those who accept everything.
    assert ask(port, "/", SIMPLE)[1]["content-type"] == "text/html; charset=utf-8"
    wheel = json.loads(ask(port, f"{place}lamp/", SIMPLE)[2])["files"][0]["url"].removeprefix("../" * 5)
    status, headers, _ = ask(port, f"/{wheel}", "*/*")
    assert (status, headers["cache-control"]) == (200, "public, max-age=31536000, immutable")


def test_the_index_is_signed_verified_and_the_same_again_is_unchanged(site: Site) -> None:
    lamp = site.wheel("lamp", "1.0")
    assert site.publish(lamp).changed and site.faults() == []
    assert not site.publish(lamp).changed
    signed = (site.web / "dists/bookworm/InRelease").read_text()
    assert "main/wheels-armhf/lamp/index.v1_json" in signed.partition("SHA256:")[2]
    assert "wheels-armhf" not in signed.partition("SHA256:")[0]  # who knows only MD5 does not read them
    page = site.page("lamp")
    page.unlink()
    page.write_text("<a href='http://evil.example/'>lamp</a>")
    assert any("wheels-armhf/lamp/index.html: is damaged" in one for one in site.faults())
    site.publish(lamp)
    assert site.faults() == []
    pooled = next((site.web / "pool").rglob("*.whl"))
    pooled.chmod(0o644)
    pooled.write_bytes(b"x")
    assert any(".whl: is damaged" in one for one in site.faults())


def test_a_newer_wheel_replaces_and_the_older_is_collected_later(site: Site) -> None:
    site.publish(site.wheel("lamp", "1.0"), site.wheel("bulb", "1.0"))
    site.publish(site.wheel("lamp", "2.0"))
    text = site.page("lamp").read_text()
    assert "lamp-2.0-" in text and "lamp-1.0-" not in text and "lamp-1.0-" in "".join(
        path.name for path in (site.web / "pool").rglob("*.whl"))
    for number in range(3):
        site.publish(site.wheel("bulb", f"1.{number + 1}"))
    found = gc.collect(site.web, site.state, now=site.now + 40 * 86400)
    assert any("lamp-1.0-" in path for path in found.files)
    assert any("/lamp/by-hash/" in path for path in found.files)
    assert "lamp-1.0-" not in "".join(path.name for path in (site.web / "pool").rglob("*.whl"))
    site.now += 40 * 86400
    assert site.faults() == []


def test_a_snapshot_is_an_index_of_its_own_and_a_rollback_brings_it_back(site: Site) -> None:
    site.publish(site.wheel("lamp", "1.0"), site.wheel("bulb", "1.0"))
    site.publish(site.wheel("lamp", "2.0"))
    (old, _) = sorted((site.web / "snapshots").iterdir())
    page = old / "dists/bookworm/main/wheels-armhf/lamp"
    url = json.loads((page / "index.v1_json").read_text())["files"][0]["url"]
    assert (page / url).resolve().name == "lamp-1.0-py3-none-any.whl" and (page / url).is_file()
    site.now += 60
    rollback.rollback(site.web, site.state, site.settings, "previous", now=lambda: site.now)
    assert "lamp-1.0-" in site.page("lamp").read_text() and site.faults() == []


def test_pages_of_projects_that_are_gone_go(site: Site) -> None:
    site.publish(site.wheel("lamp", "1.0"))
    site.publish(site.wheel("bulb", "1.0"))
    site.now += 60
    rollback.rollback(site.web, site.state, site.settings, "previous", now=lambda: site.now)
    assert site.page("lamp").is_file() and not site.page("bulb").exists()
    assert "bulb" not in site.page().read_text() and site.faults() == []


def test_a_publication_without_wheels_has_no_index(site: Site) -> None:
    site.publish()
    assert not list((site.web / "dists").rglob("*heels*"))


def test_a_directory_is_searched_and_what_is_no_wheel_is_refused(site: Site, tmp_path: Path) -> None:
    site.wheel("lamp", "1.0", tag="cp311-cp311-linux_armv7l")
    repository = Repository(site.web, site.state)
    wish = Wish(release="bookworm", architectures=("armhf",), url="http://127.0.0.1/", origin="debxcross")
    repository.publish(wish, [tmp_path / "wheels"], replace_older=True)
    assert "linux_armv7l.linux_armv8l.whl" in site.page("lamp").read_text()
    broken = tmp_path / "wheels/broken-1.0-py3-none-any.whl"
    broken.write_bytes(b"no zip")
    with pytest.raises(PublishError, match="broken-1.0-py3-none-any.whl"):
        repository.publish(wish, [broken], replace_older=True)
    liar = tmp_path / "wheels/liar-1.0-py3-none-any.whl"
    shutil.copy(tmp_path / "wheels/lamp/lamp-1.0-cp311-cp311-linux_armv7l.whl", liar)
    with pytest.raises(PublishError, match="METADATA is about lamp 1.0"):
        repository.publish(wish, [liar], replace_older=True)
    assert site.page("lamp").is_file()
