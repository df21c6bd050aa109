# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import functools
import hashlib
import http.server
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from debxcross.doors import gpg, process
from debxcross.errors import PublishError
from debxcross.repository.core.index import RepositorySettings
from debxcross.repository.steps.publish import Publication, publish
from tests.tools import need

CHECKOUT = Path(__file__).resolve().parents[2]


def noon() -> float:
    """A clock that stands still, so that every publication falls into one second."""
    return 1_700_000_000.5


class Archive:
    """A web root with its state, and what tests do to them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.web, self.state, self.debs = (directory / name for name in ("web", "state", "debs"))
        self.debs.mkdir()
        self.url = f"file:{self.web}"

    def settings(self, *architectures: str) -> RepositorySettings:
        return RepositorySettings("bookworm", "stable", architectures or ("amd64", "armel"), self.url)

    def publish(self, *debs: Path) -> Publication:
        return publish(self.web, self.state, self.settings(), debs, now=noon)

    def deb(self, package: str, version: str = "1.0-1", architecture: str = "armel", source: str = "",
            text: str = "") -> Path:
        """Make a tiny deb with dpkg-deb."""
        tree = self.debs / f"tree-{package}"
        (tree / "DEBIAN").mkdir(parents=True, exist_ok=True)
        (tree / "usr/share/tiny").mkdir(parents=True, exist_ok=True)
        (tree / f"usr/share/tiny/{package}").write_text(text or version)
        lines = [f"Package: {package}", f"Version: {version}", f"Architecture: {architecture}",
                 "Maintainer: A B <a@b.invalid>", "Description: tiny\n for a test"]
        lines += [f"Source: {source}"] if source else []
        (tree / "DEBIAN/control").write_text("\n".join(lines) + "\n")
        deb = self.debs / f"{package}_{version}_{architecture}{text}.deb"
        process.run(("dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(tree), str(deb)),
                    environment={"SOURCE_DATE_EPOCH": "1000000000"}).check(PublishError, "no deb")
        return deb

    def tree(self) -> dict[str, tuple[bytes, int]]:
        """Every file of the web root with its bytes and its mtime."""
        return {str(path.relative_to(self.web)): (path.read_bytes(), path.stat().st_mtime_ns)
                for path in sorted(self.web.rglob("*")) if path.is_file()}

    def check(self) -> list[str]:
        """Follow InRelease to every file it vouches for, with gpgv and sha256; return the packages."""
        dists = self.web / "dists" / "bookworm"
        keyring = self.web / "debxcross-archive-keyring.gpg"
        release = gpg.verify(keyring, dists / "InRelease").text
        packages = set()
        for line in release.partition("SHA256:\n")[2].splitlines():
            sha256, size, name = line.split()
            content = (dists / Path(name).parent / "by-hash/SHA256" / sha256).read_bytes()
            assert (hashlib.sha256(content).hexdigest(), len(content)) == (sha256, int(size))
            if not name.endswith("/Packages"):
                continue
            for stanza in content.decode().split("\n\n")[:-1]:
                fields = dict(line.split(": ", 1) for line in stanza.splitlines() if line[0] != " ")
                deb = (self.web / fields["Filename"]).read_bytes()
                assert hashlib.sha256(deb).hexdigest() == fields["SHA256"]
                packages.add(f"{fields['Package']} {fields['Version']}")
        return sorted(packages)


class Device:
    """An apt of its own: nothing of this machine's apt is read or written."""

    def __init__(self, directory: Path, architecture: str = "armel") -> None:
        self.directory, self.architecture = directory, architecture
        for name in ("etc/apt/sources.list.d", "etc/apt/preferences.d", "etc/apt/trusted.gpg.d",
                     "etc/apt/apt.conf.d",
                     "var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/lib/dpkg", "got"):
            (directory / name).mkdir(parents=True)
        (directory / "var/lib/dpkg/status").touch()
        (directory / "apt.conf").write_text(
            f'Dir "{directory}";\nDir::State::status "{directory}/var/lib/dpkg/status";\n'
            f'APT::Architecture "{architecture}";\nAPT::Architectures {{ "{architecture}"; }};\n'
            'APT::Sandbox::User "root";\nAcquire::Languages "none";\nAcquire::Retries "0";\n')

    def set_up(self, archive: Archive) -> None:
        """Copy the device files as their README says for Debian 12."""
        files = archive.web / "device" / "bookworm"
        apt = self.directory / "etc/apt"
        sources = (files / "debxcross-bookworm-and-later.sources").read_bytes()
        (apt / "sources.list.d/debxcross.sources").write_bytes(sources)
        (apt / "preferences.d/debxcross.pref").write_bytes((files / "debxcross.pref").read_bytes())

    def apt(self, *arguments: str) -> process.Completed:
        program = "apt-cache" if arguments[0] == "policy" else "apt-get"
        return process.run((program, *arguments), directory=self.directory / "got", timeout=60,
                           environment={"APT_CONFIG": str(self.directory / "apt.conf")})

    def update(self) -> str:
        """Return what is wrong, or "" after an update without any error or warning."""
        done = self.apt("update")
        wrong = [line for line in (done.stdout + done.stderr).splitlines() if line[:2] in ("E:", "W:", "Er")]
        return "\n".join(wrong) or ("" if done.exit_status == 0 else "failed")

    def download(self, package: str) -> bytes:
        self.apt("download", package).check(PublishError, f"cannot download {package}")
        file, = (self.directory / "got").glob(f"{package.partition('=')[0]}_*.deb")
        content = file.read_bytes()
        file.unlink()
        return content


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One key for all tests but those about its making: RSA keys take seconds."""
    need("gpg", "gpgv", "gpgconf", "apt-ftparchive", "dpkg-deb", "apt-get")
    home = tmp_path_factory.mktemp("gpg") / "keys"
    gpg.make_key(home, "debxcross archive signing key")
    return home


@pytest.fixture
def archive(tmp_path: Path, home: Path) -> Archive:
    archive = Archive(tmp_path)
    shutil.copytree(home, archive.state / "keys", ignore=shutil.ignore_patterns("S.*"))
    return archive


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path / "device")


@pytest.fixture
def served(archive: Archive) -> Iterator[Archive]:
    """The archive's web root over HTTP on loopback."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(archive.web))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        archive.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield archive
        server.shutdown()


def test_a_device_updates_and_downloads_over_http(served: Archive, device: Device) -> None:
    deb = served.deb("tiny", "1:1.0~rc1+b1-1")
    publication = served.publish(deb, served.deb("tiny-doc", architecture="all", source="tiny (1:1.0~rc1)"))
    assert publication.changed and publication.date == 1_700_000_000
    assert [package.name for package in publication.packages] == [
        "debxcross-archive-keyring", "tiny", "tiny-doc"]
    device.set_up(served)
    assert device.update() == ""
    assert device.download("tiny") == deb.read_bytes()
    policy = device.apt("policy", "tiny").stdout
    assert "500" in policy and served.url in policy
    # The next publication comes within the same second, and apt sees it.
    newer = served.deb("tiny", "1:1.0-1")
    assert served.publish(newer).date == publication.date + 1
    assert device.update() == ""
    assert device.download("tiny") == newer.read_bytes()


def test_old_devices_use_the_key_file(archive: Archive, device: Device, tmp_path: Path) -> None:
    archive.publish(archive.deb("tiny"))
    files, apt = archive.web / "device/bookworm", device.directory / "etc/apt"
    key = archive.web / "debxcross-archive-keyring.gpg"
    path = (files / "debxcross-stretch-to-bullseye.sources").read_text()
    assert "Signed-By: /usr/share/keyrings/debxcross-archive-keyring.gpg\n" in path
    (apt / "sources.list.d/d.sources").write_text(
        path.replace("/usr/share/keyrings/debxcross-archive-keyring.gpg", str(key)))
    assert device.update() == ""
    (apt / "sources.list.d/d.sources").unlink()
    (apt / "sources.list.d/d.list").write_bytes((files / "debxcross-jessie.list").read_bytes())
    # The words of gpgv, then those of sqv in Debian 13.
    assert re.search("NO_PUBKEY|no keyring is specified", device.update())
    (apt / "trusted.gpg.d/debxcross.gpg").write_bytes(key.read_bytes())
    assert device.update() == ""


def test_every_architecture_has_an_index_even_when_it_is_empty(archive: Archive) -> None:
    archive.publish()
    device = Device(archive.directory / "amd64", "amd64")
    device.set_up(archive)
    assert device.update() == ""
    assert device.download("debxcross-archive-keyring")
    # Another architecture joins; the first one's packages stay.
    archive.publish(archive.deb("tiny"))
    settings = archive.settings("amd64", "mipsel")
    publish(archive.web, archive.state, settings, [archive.deb("tiny", architecture="mipsel")], now=noon)
    for name in ("armel", "mipsel"):
        joined = Device(archive.directory / name, name)
        joined.set_up(archive)
        assert joined.update() == "" and joined.download("tiny")


@pytest.mark.parametrize("victim", ["main/binary-armel/Packages", "InRelease"])
def test_a_flipped_byte_is_refused(archive: Archive, device: Device, victim: str) -> None:
    archive.publish(archive.deb("tiny"))
    device.set_up(archive)
    dists = archive.web / "dists/bookworm"
    for path in sorted(dists.glob(f"{victim}*")):
        # Named index and by-hash index are one file.
        content = bytearray(path.read_bytes())
        content[len(content) // 3] ^= 1
        path.write_bytes(content)
    assert device.update()
    assert device.apt("download", "tiny").exit_status != 0
    # Nor does publishing build upon what our key does not vouch for.
    with pytest.raises(PublishError, match="damaged|no good signature"):
        archive.publish(archive.deb("other"))


def test_the_same_again_writes_nothing(archive: Archive) -> None:
    debs = [archive.deb("tiny"), archive.deb("other")]
    first = archive.publish(*debs)
    before = archive.tree()
    again = archive.publish(*reversed(debs))
    assert (again.changed, again.date, again.packages) == (False, first.date, first.packages)
    assert archive.publish().changed is False
    assert archive.tree() == before


def test_publications_add_up_by_source(archive: Archive) -> None:
    archive.publish(archive.deb("tiny", "1"), archive.deb("tiny-old", "1", source="tiny"))
    archive.publish(archive.deb("other"))
    publication = archive.publish(archive.deb("tiny", "2"), archive.deb("tiny", "3"))
    assert [(package.name, package.version) for package in publication.packages][1:] == [
        ("other", "1.0-1"), ("tiny", "2"), ("tiny", "3")]
    # Who still holds the older index finds its debs.
    assert (archive.web / "pool/main/t/tiny/tiny-old_1_armel.deb").exists()


def test_an_index_that_comes_back_looks_newer(archive: Archive) -> None:
    one, two = archive.deb("tiny", "1"), archive.deb("tiny", "2")
    index = archive.web / "dists/bookworm/main/binary-armel/Packages.xz"
    times = []
    for deb in (one, two, one):
        date = archive.publish(deb).date
        assert index.stat().st_mtime == (archive.web / "dists/bookworm/InRelease").stat().st_mtime == date
        times.append(date)
    assert times == sorted(set(times))


def test_a_refused_deb_changes_nothing(archive: Archive) -> None:
    archive.publish(archive.deb("tiny"))
    before = archive.tree()
    broken = archive.deb("broken")
    broken.write_bytes(broken.read_bytes()[:100])
    refused = {
        "tiny_1.0-1_armel.deb is published already with other bytes": archive.deb("tiny", text="different"),
        "not a readable deb": broken,
        "there is no file": archive.debs / "none.deb",
        "which is not published here": archive.deb("other", architecture="s390x"),
        "a package has a bad Source": archive.deb("fine", source="../../evil"),
    }
    new = archive.deb("new")
    for brief, deb in refused.items():
        with pytest.raises(PublishError, match=brief) as raised:
            archive.publish(new, deb)
        assert raised.value.resolution
        assert archive.tree() == before


def test_a_deb_that_vanished_from_the_pool_is_told_and_can_be_given_again(archive: Archive) -> None:
    deb = archive.deb("tiny")
    archive.publish(deb)
    (archive.web / "pool/main/t/tiny/tiny_1.0-1_armel.deb").unlink()
    with pytest.raises(PublishError, match="missing or cut short"):
        archive.publish(archive.deb("other"))
    assert archive.publish(deb).changed
    assert "tiny 1.0-1" in archive.check()


def test_what_devices_confirmed_does_not_change(archive: Archive) -> None:
    archive.publish()
    other = RepositorySettings("bookworm", "stable", ("armel",), archive.url, label="Another")
    with pytest.raises(PublishError, match="Label would change"):
        publish(archive.web, archive.state, other, [], now=noon)


def test_the_key_is_never_below_the_web_root(archive: Archive) -> None:
    archive.web.mkdir()
    (archive.directory / "link").symlink_to(archive.web)
    for state in (archive.web, archive.web / "state", archive.directory / "link" / "state"):
        with pytest.raises(PublishError, match="inside the web root"):
            publish(archive.web, state, archive.settings(), [], now=noon)
    assert list(archive.web.iterdir()) == []


@pytest.mark.parametrize("umask", [0o077, 0])
def test_modes_do_not_follow_the_umask(archive: Archive, umask: int) -> None:
    deb = archive.deb("tiny")
    old = os.umask(umask)
    try:
        archive.publish(deb)
    finally:
        os.umask(old)
    for path in (archive.web, *archive.web.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644), path


def test_the_keyring_package_is_the_same_wherever_it_is_made(archive: Archive) -> None:
    archive.publish()
    made, = (archive.state / "keyring").glob("*.deb")
    content = made.read_bytes()
    control = process.run(("dpkg-deb", "--info", str(made))).stdout
    assert "Package: debxcross-archive-keyring" in control and "Architecture: all" in control
    listed = process.run(("dpkg-deb", "--contents", str(made))).stdout
    assert "-rw-r--r-- root/root" in listed and "./usr/share/keyrings/debxcross-archive-keyring.gpg" in listed
    # A new web root with the same keys, and nothing kept of the package.
    made.unlink()
    publish(archive.directory / "web2", archive.state, archive.settings(), [], now=noon)
    assert made.read_bytes() == content
    # State that was lost but for the keys: what is published is used.
    made.write_bytes(b"made by another dpkg")
    assert archive.publish().changed is False


CHILD = """
import os, signal, sys
from pathlib import Path
from debxcross.repository.core.index import RepositorySettings
from debxcross.repository.steps.publish import publish
web, state, url, deb, last = sys.argv[1:]
count = 0
def hook(event, arguments):
    # Python tells of these before they happen: the process dies right before the LAST one.
    global count
    if event in ("os.rename", "os.link", "os.utime", "os.mkdir", "os.remove") and web in str(arguments[:2]):
        count += 1
        if count == int(last):
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
print("ready", flush=True)
publish(Path(web), Path(state), RepositorySettings("bookworm", "stable", ("amd64", "armel"), url),
        [Path(deb)], now=lambda: 1.7e9)
print(count)
"""


def start(archive: Archive, deb: Path, last: int) -> subprocess.Popen[str]:
    arguments = (str(archive.web), str(archive.state), archive.url, str(deb), str(last))
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(archive.directory)}
    child = subprocess.Popen((sys.executable, "-c", CHILD, *arguments), cwd=CHECKOUT, text=True,
                             stdout=subprocess.PIPE, env=environment)
    assert child.stdout is not None and child.stdout.readline() == "ready\n"
    return child


def kill_everywhere(archive: Archive, most: int) -> None:
    """Kill a run before each of its changes of names, or before ``most`` of them evenly spread."""
    archive.publish(archive.deb("stays"), archive.deb("tiny", "0"))
    counted, _ = start(archive, archive.deb("tiny", "1"), 0).communicate(timeout=30)
    steps = int(counted)
    assert steps > 20
    keyring, = [package for package in archive.check() if package.startswith("debxcross")]
    for number, last in enumerate(range(steps, 0, -steps // most), start=2):
        deb = archive.deb("tiny", f"{number}")
        child = start(archive, deb, last)
        child.communicate(timeout=30)
        assert child.returncode == -signal.SIGKILL
        assert archive.check() in ([keyring, "stays 1.0-1", f"tiny {version}"]
                                   for version in (number - 1, number))
        archive.publish(deb)
        assert archive.check() == [keyring, "stays 1.0-1", f"tiny {number}"]
    assert not (archive.web / ".staging").exists()


def test_killed_anywhere_the_old_or_the_new_repository_stands(archive: Archive, device: Device) -> None:
    kill_everywhere(archive, 7)
    device.set_up(archive)
    assert device.update() == ""
    assert device.download("tiny") and device.download("stays")


@pytest.mark.slow
def test_killed_really_anywhere(archive: Archive) -> None:
    kill_everywhere(archive, 1000)


def test_killed_at_any_time_even_while_gpg_makes_the_key(archive: Archive) -> None:
    shutil.rmtree(archive.state / "keys")
    deb = archive.deb("tiny", "0")
    for number in range(5):
        child = start(archive, deb, 0)
        time.sleep(0.03 + 0.07 * number)
        child.kill()
        child.communicate(timeout=30)
        if (archive.web / "dists/bookworm/InRelease").exists():
            assert "tiny 0" in archive.check()
    publication = archive.publish(deb)
    assert "tiny 0" in archive.check()
    assert [key.fingerprint for key in gpg.keys(archive.state / "keys")] == [publication.fingerprint]


def test_a_named_index_of_a_killed_run_is_put_right(archive: Archive) -> None:
    deb = archive.deb("tiny")
    first = archive.publish(deb)
    index = archive.web / "dists/bookworm/main/binary-armel/Packages.gz"
    index.unlink()
    index.write_bytes(b"of a newer generation that was never committed")
    again = archive.publish(deb)
    assert again.changed and again.date == first.date + 1
    assert archive.publish(deb).changed is False


def test_runs_at_the_same_time_wait_for_each_other(archive: Archive) -> None:
    children = [start(archive, archive.deb(f"tiny{number}"), 0) for number in range(3)]
    for child in children:
        child.communicate(timeout=60)
        assert child.returncode == 0
    assert [package for package in archive.check() if package.startswith("tiny")] == [
        "tiny0 1.0-1", "tiny1 1.0-1", "tiny2 1.0-1"]
