# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository as its commands show it."""
from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from debxcross.app import repository as app
from debxcross.app.repository import Repository, Wish
from debxcross.doors import gpg, process
from debxcross.errors import ConfigurationError, DebxcrossError, PublishError, UsageError
from debxcross.repository.core.manifest import FORMAT
from debxcross.repository.steps import gc, keys
from tests.integration.archive import TinySource, make_source
from tests.playground import make_deb
from tests.tools import need

CHECKOUT = Path(__file__).resolve().parents[2]
DAY = 86400


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key that is made quickly, for all tests."""
    need("gpg", "gpgv", "gpgconf", "apt-ftparchive", "dpkg-deb")
    return make_home(tmp_path_factory.mktemp("gpg") / "keys")


def make_home(home: Path, *kind: str) -> Path:
    home.mkdir(mode=0o700)
    with gpg._session(home) as short:
        wanted = kind or ("ed25519", "sign", "5y")
        process.run(gpg.gpg_argv(short, "--quick-generate-key", home.name, *wanted)).check(
            PublishError, "no key")
    return home


def exported(home: Path, kind: str = "--export-secret-keys") -> Path:
    file = home.with_name(f"{home.name}.key")
    with gpg._session(home) as short:
        process.run(gpg.gpg_argv(short, "--yes", "--output", str(file), kind)).check(
            PublishError, "no export")
    return file


class Place:
    """A repository and debs to publish."""

    def __init__(self, directory: Path, home: Path) -> None:
        self.directory = directory
        self.web, self.state, self.debs = (directory / name for name in ("web", "state", "debs"))
        self.debs.mkdir()
        shutil.copytree(home, self.state / "keys", ignore=shutil.ignore_patterns("S.*"))

    def deb(self, package: str = "tiny", version: str = "1", architecture: str = "armel",
            **fields: str) -> Path:
        plain = version.partition(":")[2] or version
        return make_deb(self.debs / f"{package}_{plain}_{architecture}.deb".replace("/", "%"),
                        {"Package": package, "Version": version, "Architecture": architecture, **fields})

    def publish(self, *files: Path, replace: bool = False, **wishes: object) -> bool:
        wished = {"url": "http://example.invalid/repo/", **wishes}
        return self.open().publish(Wish(**wished), files, replace_older=replace).changed

    def open(self) -> Repository:
        return Repository(self.web, self.state)

    def faults(self) -> list[str]:
        found = app.verify(str(self.web), None, (), self.state).faults
        return [f"{fault.path}: {fault.what}" for fault in found]

    def packages(self, release: int = 0) -> list[str]:
        found = self.open().listing()["releases"][release]["packages"]
        return [f"{one['name']} {one['version']}" for one in found if "keyring" not in one["name"]]

    def files(self) -> dict[str, bytes]:
        return {str(path.relative_to(self.web)): path.read_bytes()
                for path in sorted(self.web.rglob("*")) if path.is_file()}


@pytest.fixture
def place(tmp_path: Path, home: Path) -> Place:
    return Place(tmp_path, home)


def test_any_directory_of_debs_becomes_a_repository(place: Place) -> None:
    place.deb()
    place.deb("other", architecture="arm64")
    (place.debs / "notes.txt").write_text("not published")
    assert place.publish(place.debs)
    assert place.packages() == ["other 1", "tiny 1"] and place.faults() == []
    assert place.open().manifest.settings("bookworm").architectures == ("arm64", "armel")
    assert not place.publish(place.debs)


def test_versions_stand_side_by_side_unless_replaced(place: Place) -> None:
    place.publish(place.deb(version="1"))
    place.publish(place.deb(version="1:0.5"))
    assert place.packages() == ["tiny 1", "tiny 1:0.5"]
    page = (place.web / "packages/bookworm/tiny.html").read_text()
    assert page.index("<h2>1:0.5</h2>") < page.index("<h2>1</h2>")
    place.publish(place.deb(version="2"), replace=True)
    assert place.packages() == ["tiny 2"] and place.faults() == []


def test_sources_logs_and_buildinfo_come_along(place: Place) -> None:
    make_source(TinySource("hello"), place.debs)
    place.deb("hello", "1.0")
    for kind in ("buildinfo", "log"):
        (place.debs / f"hello_1.0_armel.{kind}").write_text(f"{kind} one\n")
    place.publish(place.debs)
    page = (place.web / "packages/bookworm/hello.html").read_text()
    for name in ("hello_1.0.dsc", "hello_1.0_armel.log", "hello_1.0_armel.buildinfo"):
        assert name in page and (place.web / "pool/main/h/hello" / name).is_file()
    # They are signed too, and the first ones stay.
    (place.debs / "hello_1.0_armel.log").write_text("another run\n")
    place.publish(place.debs)
    log = place.web / "pool/main/h/hello/hello_1.0_armel.log"
    assert log.read_text() == "log one\n" and place.faults() == []
    log.write_text("changed\n")
    assert [fault for fault in place.faults() if "hello_1.0_armel.log" in fault]


def test_several_releases_and_components_share_a_pool(place: Place) -> None:
    place.publish(place.deb(), component="main")
    place.publish(place.deb("extra"), component="contrib")
    place.publish(place.deb("later", "2"), release="trixie", architectures=("armel",))
    assert place.packages(0) == ["extra 1", "tiny 1"] and place.packages(1) == ["later 2"]
    assert place.faults() == []
    front = (place.web / "index.html").read_text()
    assert "packages/bookworm/index.html" in front and "packages/trixie/index.html" in front
    assert (place.web / "dists/bookworm/contrib/binary-armel/Packages").read_text().count("Package: ") == 1
    with pytest.raises(UsageError, match="several releases"):
        place.open().rollback(None, "previous")


def test_rollback_publishes_the_old_content_under_a_newer_date(place: Place) -> None:
    place.publish(place.deb(version="1"))
    place.publish(place.deb(version="2"), replace=True)
    dates = [one["date"] for one in place.open().listing()["releases"]]
    done = place.open().rollback(None, "previous")
    assert done.changed and done.date > dates[0] and place.packages() == ["tiny 1"]
    assert place.faults() == []
    with pytest.raises(UsageError, match="no snapshot") as raised:
        place.open().rollback(None, "20200101T000000Z")
    assert raised.value.resolution.count("Z") >= 3


def test_collecting_keeps_three_generations_and_seven_days(place: Place) -> None:
    for version in range(6):
        place.publish(place.deb(version=f"{version}"), replace=True)
    now = place.open().listing()["releases"][0]["date"]
    assert gc.collect(place.web, place.state, now=now).snapshots == ()
    stray = place.web / "pool/main/t/tiny/edited-by-hand.deb"
    stray.write_bytes(b"x")
    late = now + 8 * DAY
    planned = gc.collect(place.web, place.state, now=late, dry_run=True)
    assert stray.exists() and len(planned.snapshots) == 3
    assert gc.collect(place.web, place.state, now=late, generations=0, seconds=0) == planned
    assert sorted(path.name for path in (place.web / "pool/main/t/tiny").iterdir()) == [
        f"tiny_{version}_armel.deb" for version in (3, 4, 5)]
    assert place.faults() == [] and place.packages() == ["tiny 5"]
    assert len(list((place.web / "snapshots").iterdir())) == 3
    assert gc.collect(place.web, place.state, now=late).files == ()


def test_the_indexes_can_be_made_again_from_the_pool(place: Place) -> None:
    place.publish(place.deb(), place.deb("other"))
    before = place.packages()
    for name in ("dists", "snapshots", "repository.json", "packages", "index.html"):
        path = place.web / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert place.publish(place.web / "pool")
    assert place.packages() == before and place.faults() == []


def test_a_key_is_exchanged(place: Place, tmp_path: Path) -> None:
    place.publish(place.deb())
    first, = place.open().keys()
    came, = place.open().add_key(exported(make_home(tmp_path / "second")), "")
    assert [one.state for one in place.open().keys()] == ["signs", "signs"]
    assert len(place.open().listing()["releases"][0]["signed_by"]) == 2
    assert place.faults() == []
    with pytest.raises(PublishError, match="0 days to learn") as raised:
        place.open().retire_key(first.key.fingerprint, force=False)
    assert "--force" in raised.value.resolution
    place.open().retire_key(first.key.fingerprint[-16:], force=True)
    assert place.open().listing()["releases"][0]["signed_by"] == [came]
    with pytest.raises(PublishError, match="only key"):
        place.open().retire_key(came, force=True)
    with pytest.raises(UsageError, match="fingerprint of one key"):
        place.open().retire_key("", force=True)
    # What the retired key signed is still ours.
    assert place.open().rollback(None, "previous").fingerprints == (came,)
    assert place.faults() == []


def test_an_external_signer_signs(place: Place, tmp_path: Path) -> None:
    other = make_home(tmp_path / "token")
    signer = tmp_path / "signer"
    signer.write_text(f'#!/bin/sh\nexec gpg --homedir {other} --batch --yes --armor --local-user "$2" '
                      '--output "$4" "--$1" "$3"\n')
    signer.chmod(0o755)
    state = tmp_path / "state2"
    keys.add(state / "keys", "", 0.0, brought=exported(other, "--export"), signer=[str(signer)])
    assert not list((state / "keys").glob("private-keys-v1.d/*.key"))
    repository = Repository(tmp_path / "web2", state)
    done = repository.publish(Wish(url="http://example.invalid/"), [place.deb()], replace_older=False)
    assert done.fingerprints == (gpg.keys(other)[0].fingerprint,)
    assert app.verify(str(tmp_path / "web2"), None, (), state).faults == []
    signer.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(PublishError, match="external signer failed"):
        Repository(tmp_path / "web2", state).publish(Wish(), [place.deb("more")], replace_older=False)


def test_a_key_that_devices_refuse_does_not_come_in(place: Place, tmp_path: Path) -> None:
    place.publish(place.deb())
    before = place.open().keys()
    for file in (exported(make_home(tmp_path / "weak", "rsa2048", "sign", "1y")),
                 exported(make_home(tmp_path / "public"), "--export"), place.deb()):
        with pytest.raises(PublishError):
            place.open().add_key(file, "")
    assert place.open().keys() == before


def test_a_key_about_to_expire_is_told(place: Place, tmp_path: Path) -> None:
    state = tmp_path / "short"
    state.mkdir()
    make_home(state / "keys", "ed25519", "sign", "20d")
    repository = Repository(tmp_path / "web2", state)
    done = repository.publish(Wish(url="http://example.invalid/"), [place.deb()], replace_older=False)
    assert done.warnings and "expires in" in done.warnings[0]
    assert Repository(tmp_path / "web2", state).warnings() == done.warnings
    assert app.verify(str(tmp_path / "web2"), None, (), state).notes


@pytest.mark.parametrize("release", ["jessie", "stretch", "buster", "bullseye", "bookworm", "trixie"])
def test_the_printed_script_sets_a_device_up(place: Place, tmp_path: Path, release: str) -> None:
    place.publish(place.deb())
    script, files, warning = place.open().device(None, release, no_clock=True, sources=True)
    assert bool(warning) is (release == "trixie")
    (tmp_path / "setup.sh").write_text(script)
    fingerprint = place.open().keys()[0].key.fingerprint

    def run(*told: str) -> process.Completed:
        return process.run(("sh", str(tmp_path / "setup.sh"), *told),
                           environment={"DEVICE_ROOT": str(tmp_path / "device")})

    assert "fingerprint" in run().stderr and run("AB" * 20).exit_status == 1
    assert not (tmp_path / "device").exists()
    spaced = " ".join(fingerprint[start:start + 4] for start in range(0, 40, 4)).lower()
    assert run(spaced).exit_status == 0, run(spaced).stderr
    assert {name: (tmp_path / "device" / name).read_bytes() for name in files} == files
    source = next(content.decode() for name, content in files.items() if "sources.list.d" in name)
    assert ("Check-Date: no" in source) is (release not in ("jessie", "stretch"))
    assert "deb-src" in source and ("Signed-By:\n" in source) is (release in ("bookworm", "trixie"))


def test_a_changed_script_is_refused(place: Place, tmp_path: Path) -> None:
    place.publish(place.deb())
    script, _, _ = place.open().device(None, "12", no_clock=False, sources=False)
    lines = script.splitlines()
    number = next(index for index, line in enumerate(lines) if "base64 -d" in line) + 1
    lines[number] = lines[number][:20] + ("A" if lines[number][20] != "A" else "B") + lines[number][21:]
    (tmp_path / "setup.sh").write_text("\n".join(lines) + "\n")
    done = process.run(("sh", str(tmp_path / "setup.sh"), place.open().keys()[0].key.fingerprint),
                       environment={"DEVICE_ROOT": str(tmp_path / "device")})
    assert done.exit_status == 1 and "was changed" in done.stderr


def test_hostile_and_broken_debs_change_nothing(place: Place) -> None:
    place.publish(place.deb())
    before = place.files()
    truncated = place.deb("cut")
    truncated.write_bytes(truncated.read_bytes()[:90])
    text = place.debs / "text.deb"
    text.write_text("no deb\n")
    for bad in (truncated, text, place.deb("../evil"), place.deb("fine", "1/../../2"),
                place.deb("fine", "1", Source="../x"), place.deb("fine2", "1", Description="bell \x07"),
                place.debs / "missing.deb", place.deb(Description="other bytes")):
        with pytest.raises(PublishError) as raised:
            place.publish(place.deb("good"), bad)
        assert raised.value.resolution
        assert place.files() == before
    assert place.faults() == []


def test_markup_in_a_description_stays_text(place: Place) -> None:
    place.publish(place.deb(Description="<script>alert(1)</script>\n <img src=x onerror=alert(1)>"))
    for path in (place.web / "index.html", place.web / "packages/bookworm/tiny.html"):
        assert "<script>alert" not in path.read_text() and "<img" not in path.read_text()


def test_a_newer_repository_is_left_alone(place: Place) -> None:
    place.publish(place.deb())
    path = place.web / "repository.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": FORMAT + 1}))
    before = place.files()
    with pytest.raises(PublishError, match="layout"):
        place.publish(place.deb("more"))
    assert place.files() == before


def test_a_pool_edited_by_hand_is_found_and_mended(place: Place) -> None:
    deb = place.deb()
    place.publish(deb)
    pooled = place.web / "pool/main/t/tiny/tiny_1_armel.deb"
    pooled.write_bytes(pooled.read_bytes()[:-1] + b"x")
    assert [fault for fault in place.faults() if fault.startswith("pool/main/t/tiny/tiny_1_armel.deb")]
    pooled.unlink()
    with pytest.raises(PublishError, match="missing or cut short"):
        place.publish(place.deb("more"))
    place.publish(deb)
    assert place.faults() == []


def test_a_half_written_file_of_a_crash_is_replaced(place: Place) -> None:
    place.publish(place.deb())
    left = place.web / "pool/main/n/next/next_1_armel.deb"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"")
    place.publish(place.deb("next"))
    assert place.faults() == []


def test_reprepro_and_aptly_trees_are_taken_over(place: Place, tmp_path: Path) -> None:
    need("reprepro")
    old = tmp_path / "old"
    (old / "conf").mkdir(parents=True)
    (old / "conf/distributions").write_text(
        "Codename: bookworm\nSuite: stable\nOrigin: Old Boards\nLabel: Old\nArchitectures: armel amd64\n"
        "Components: main extra\n")
    for component, deb in (("main", place.deb("one", Section="misc", Priority="optional")),
                           ("extra", place.deb("two", Section="misc", Priority="optional"))):
        process.run(("reprepro", "-b", str(old), "-C", component, "includedeb", "bookworm", str(deb))).check(
            PublishError, "reprepro failed")
    place.open().take_over(Wish(url="http://example.invalid/"), old)
    assert place.packages() == ["one 1", "two 1"] and place.faults() == []
    release = (place.web / "dists/bookworm/Release").read_text()
    assert "Origin: Old Boards\nLabel: Old\nSuite: stable\n" in release
    assert "Components: extra main\n" in release
    (old / "public").mkdir()
    for name in ("dists", "pool"):
        (old / name).rename(old / "public" / name)
    other = Repository(tmp_path / "web2", place.state)
    other.take_over(Wish(url="http://example.invalid/"), old)
    assert "one" in (tmp_path / "web2/dists/bookworm/main/binary-armel/Packages").read_text()


def test_a_remote_repository_is_verified(place: Place, tmp_path: Path) -> None:
    import threading

    from debxcross.doors.httpserver import Server

    place.publish(place.deb())
    server = Server(place.web, "127.0.0.1", 0)
    threading.Thread(target=server.serve, daemon=True).start()
    url = f"http://127.0.0.1:{server.port}"
    try:
        found = app.verify(url, place.web / "debxcross-archive-keyring.asc", (), None)
        assert (found.faults, found.packages) == ([], 2)
        assert any("--key" in note for note in app.verify(url, None, (), None).notes)
        stranger = tmp_path / "stranger.gpg"
        stranger.write_bytes(gpg.export_public(make_home(tmp_path / "strangers")))
        faults = app.verify(url, stranger, (), None).faults
        assert any("InRelease" in fault.path for fault in faults)
    finally:
        server.stop()


def test_the_command_line(place: Place) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        program = "from debxcross.cli import main; main()"
        return subprocess.run([sys.executable, "-c", program, "repo", *arguments], cwd=CHECKOUT, text=True,
                              capture_output=True, timeout=60,
                              env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})

    web, state = str(place.web), ("--state", str(place.state))
    done = run("publish", web, str(place.deb()), "--url", "http://example.invalid/", *state)
    assert done.returncode == 0 and done.stdout.startswith("published: bookworm, 2 packages"), done.stderr
    assert run("publish", web, str(place.deb()), *state).stdout.startswith("unchanged: ")
    assert json.loads(run("list", web, "--json", *state).stdout)["origin"] == "debxcross"
    assert "0 faults" in run("verify", web, *state).stdout
    assert "signs" in run("key", "list", web, *state).stdout
    assert run("device-setup", web, "--release", "bookworm", *state).stdout.startswith("#!/bin/sh\n")
    (place.web / "index.html").write_text("changed")
    done = run("verify", web, *state)
    assert done.returncode == 11 and "index.html: " in done.stdout
    done = run("list", str(place.debs))
    assert done.returncode == 2 and "holds no repository" in done.stderr
    assert run("gc", web, *state).stdout.endswith("are gone\n")


def test_what_cannot_be_written_names_the_file(place: Place, tmp_path: Path) -> None:
    deb = place.deb()
    place.publish(deb)
    before = place.files()
    for bad in (Wish(url="no url"), Wish(release="../x"), Wish(component="a/b")):
        with pytest.raises(ConfigurationError):
            place.open().publish(bad, [place.deb("more")], replace_older=False)
    blocked = place.web / "pool/main/m/more"
    blocked.parent.mkdir()
    blocked.write_text("a file where a directory must be")
    with pytest.raises(DebxcrossError) as raised:
        place.publish(place.deb("more"))
    assert str(blocked) in raised.value.details
    blocked.unlink()
    blocked.parent.rmdir()
    assert place.files() == before
    assert stat.S_IMODE(place.web.stat().st_mode) == 0o755
