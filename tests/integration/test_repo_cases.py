# SPDX-License-Identifier: GPL-3.0-or-later
"""What people met with other repositories, and what a hostile directory would do to this one."""
from __future__ import annotations

import fcntl
import gzip
import io
import lzma
import os
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from debxcross.app.repository import Repository, Wish
from debxcross.core import openpgp
from debxcross.doors import gpg, process
from debxcross.doors.webtree import opened
from debxcross.errors import ConfigurationError, PublishError
from debxcross.repository.steps.publish import publish
from tests.integration.archive import TinySource, make_source
from tests.integration.test_repo import Place, exported, make_home
from tests.playground import make_deb
from tests.tools import need

DAY = 86400


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key that is made quickly, for all tests."""
    need("gpg", "gpgv", "gpgconf", "apt-ftparchive", "dpkg-deb")
    return make_home(tmp_path_factory.mktemp("gpg") / "keys")


@pytest.fixture
def place(tmp_path: Path, home: Path) -> Place:
    return Place(tmp_path, home)


def ar(*members: tuple[str, bytes]) -> bytes:
    result = b"!<arch>\n"
    for name, body in members:
        result += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(body):<10}`\n".encode()
        result += body + b"\n" * (len(body) % 2)
    return result


def tar(files: Mapping[str, bytes], form: int = tarfile.GNU_FORMAT, *, directories: bool = True) -> bytes:
    with io.BytesIO() as target:
        with tarfile.open(fileobj=target, mode="w", format=form) as archive:
            parents = sorted({str(one) for name in files for one in Path(name).parents} - {"."})
            for name in parents if directories else ():
                information = tarfile.TarInfo(f"./{name}")
                information.type, information.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(information)
            for name, content in files.items():
                information = tarfile.TarInfo(f"./{name}")
                information.size = len(content)
                archive.addfile(information, io.BytesIO(content))
        return gzip.compress(target.getvalue(), mtime=0)


def hand_made(place: Place, name: str, data: bytes, *, conffiles: bytes = b"") -> Path:
    """Write a deb whose data member is this, as tools other than dpkg-deb write them."""
    control = {"control": f"Package: {name}\nVersion: 1\nArchitecture: armhf\nMaintainer: A <a@b.example>\n"
                          "Description: a test\n".encode(), **({"conffiles": conffiles} if conffiles else {})}
    deb = place.debs / f"{name}_1_armhf.deb"
    deb.write_bytes(ar(("debian-binary", b"2.0\n"), ("control.tar.gz", tar(control)), ("data.tar.gz", data)))
    return deb


# Indexes of others


def old_tree(place: Place, name: str = "old", *, form: str = ".xz", by_hash: bool = False,
             components: tuple[str, ...] = ("main",)) -> Path:
    """Make a tree as mirrors keep it, with the indexes in one form only."""
    old = place.directory / name
    release = old / "dists/bookworm"
    for component in components:
        deb = place.deb(f"agent-{component}", "1.0-1", "armhf")
        pool = old / "pool" / component
        pool.mkdir(parents=True)
        deb.rename(pool / deb.name)
        index = release / component / "binary-armhf"
        index.mkdir(parents=True)
        plain = subprocess.run(["apt-ftparchive", "packages", f"pool/{component}"], cwd=old,
                               capture_output=True, check=True).stdout
        compressed = {"": plain, ".xz": lzma.compress(plain), ".gz": gzip.compress(plain),
                      ".lz4": b"cannot be read"}.get(form)
        if compressed is None:
            compressed = subprocess.run(["zstd", "-c"], input=plain, capture_output=True, check=True).stdout
        (index / f"Packages{form}").write_bytes(compressed)
    text = subprocess.run(
        ["apt-ftparchive", *(word for key, value in (
            ("Codename", "bookworm"), ("Architectures", "armhf"), ("Components", " ".join(components)))
            for word in ("-o", f"APT::FTPArchive::Release::{key}={value}")), "-o",
         "APT::FTPArchive::Release::Patterns::=Packages*", "release", str(release)],
        capture_output=True, check=True).stdout
    (release / "Release").write_bytes(text)
    if by_hash:
        for index in list(release.rglob(f"Packages{form}")):
            digest = subprocess.run(["sha256sum", str(index)], capture_output=True, text=True,
                                    check=True).stdout.split()[0]
            target = index.parent / "by-hash/SHA256" / digest
            target.parent.mkdir(parents=True)
            index.rename(target)
    return old


def take_over(place: Place, old: Path, **wishes: object) -> None:
    place.open().take_over(Wish(url="http://example.invalid/", **wishes), old)  # type: ignore[arg-type]


@pytest.mark.parametrize(("form", "by_hash"), [("", False), (".gz", False), (".xz", False), (".zst", False),
                                               (".xz", True)])
def test_a_tree_is_taken_over_whatever_form_its_indexes_have(place: Place, form: str, by_hash: bool) -> None:
    need("zstd")
    take_over(place, old_tree(place, form=form, by_hash=by_hash, components=("extra", "main")))
    assert place.packages() == ["agent-extra 1.0-1", "agent-main 1.0-1"] and place.faults() == []


def test_a_flat_repository_is_taken_over_as_its_index_lists_it(place: Place) -> None:
    flat = place.directory / "flat"
    flat.mkdir()
    place.deb("listed").rename(flat / "listed.deb")
    text = subprocess.run(["apt-ftparchive", "packages", "."], cwd=flat, capture_output=True,
                          check=True).stdout
    (flat / "Packages.gz").write_bytes(gzip.compress(text))
    place.deb("withdrawn").rename(flat / "withdrawn.deb")
    make_source(TinySource("hello"), flat)
    text = subprocess.run(["apt-ftparchive", "sources", "."], cwd=flat, capture_output=True,
                          check=True).stdout
    (flat / "Sources.xz").write_bytes(lzma.compress(text))
    take_over(place, flat)
    assert place.packages() == ["listed 1"]
    assert [one["name"] for one in place.open().listing()["releases"][0]["sources"]] == ["hello"]


def spoil_index(old: Path) -> None:
    index = next(old.rglob("Packages.xz"))
    index.write_bytes(lzma.compress(b"Package: other\n"))


def cut_index(old: Path) -> None:
    index = old / "dists/bookworm/main/binary-armhf/Packages.xz"
    index.write_bytes(index.read_bytes()[:-9])
    (index.parents[2] / "Release").write_text("Codename: bookworm\nArchitectures: armhf\nComponents: main\n")


def change_deb(old: Path) -> None:
    deb = next(old.rglob("*.deb"))
    deb.write_bytes(deb.read_bytes() + b"\n")


def lead_outside(old: Path) -> None:
    deb = next(old.rglob("*.deb"))
    deb.rename(old.parent / "outside.deb")
    deb.symlink_to(old.parent / "outside.deb")


@pytest.mark.parametrize("spoil", [
    lambda old: next(old.rglob("Packages.xz")).unlink(), spoil_index, cut_index, change_deb, lead_outside,
    lambda old: next(old.rglob("*.deb")).unlink(),
    lambda old: next(old.rglob("Packages.xz")).rename(next(old.rglob("binary-armhf")) / "Packages.lz4"),
    lambda old: (old / "dists/bookworm/Release").write_text("no field\n"),
], ids=["no index", "another index", "cut index", "other bytes", "link", "no deb", "unknown form", "Release"])
def test_what_cannot_be_taken_over_stops_it_before_anything_is_published(
        place: Place, spoil: Callable[[Path], object]) -> None:
    old = old_tree(place, components=("main", "zextra"))
    spoil(old)
    with pytest.raises(PublishError) as raised:
        take_over(place, old)
    assert raised.value.resolution and not place.web.exists()


def test_only_the_architectures_that_were_copied_are_taken_over(place: Place) -> None:
    old = old_tree(place)
    release = old / "dists/bookworm/Release"
    release.write_text(release.read_text().replace("SHA256:\n", f"SHA256:\n {'0' * 64} 99 "
                                                   "main/binary-arm64/Packages.xz\n"))
    with pytest.raises(PublishError, match="binary-arm64") as raised:
        take_over(place, old)
    assert "--arch" in raised.value.resolution
    take_over(place, old, architectures=("armhf",))
    assert place.packages() == ["agent-main 1.0-1"]


# Architectures


def test_a_first_package_for_all_architectures_does_not_bind(place: Place) -> None:
    done = place.open().publish(Wish(url="http://example.invalid/"), [place.deb("tool", architecture="all")],
                                replace_older=False)
    assert any("--arch" in warning for warning in done.warnings)
    done = place.open().publish(Wish(), [place.deb("agent", architecture="riscv64")], replace_older=False)
    assert not done.warnings
    assert "riscv64" in place.open().listing()["releases"][0]["architectures"]
    # From now on the architectures are what somebody wanted.
    with pytest.raises(PublishError, match="not published here"):
        place.publish(place.deb("other", architecture="s390x"))


def test_architectures_that_were_named_do_bind(place: Place) -> None:
    done = place.open().publish(Wish(url="http://example.invalid/", architectures=("armhf",)),
                                [place.deb("tool", architecture="all")], replace_older=False)
    assert not done.warnings
    with pytest.raises(PublishError, match="not published here"):
        place.publish(place.deb("agent", architecture="riscv64"))


# Keys


def gpg_run(home: Path, *arguments: str) -> str:
    with gpg._session(home) as short:
        return process.run(gpg.gpg_argv(short, *arguments)).check(PublishError, "gpg failed").stdout


def key_with_subkey(directory: Path, days: str = "10d") -> tuple[Path, str, str]:
    """Make a key whose subkey signs; return its home, fingerprint and the subkey's fingerprint."""
    home = make_home(directory, "ed25519", "cert", "never")
    key = gpg.keys(home)[0].fingerprint
    gpg_run(home, "--quick-add-key", key, "ed25519", "sign", days)
    subkey = gpg.keys(home)[0].subkey
    assert subkey
    return home, key, subkey.fingerprint


def keyring_packages(place: Place) -> list[Path]:
    return sorted(place.web.glob("pool/main/d/debxcross-archive-keyring/*.deb"))


def test_a_subkey_that_expires_is_told_and_a_prolonged_one_reaches_devices(
        place: Place, tmp_path: Path) -> None:
    place.publish(place.deb())
    other, key, subkey = key_with_subkey(tmp_path / "other")
    assert place.open().add_key(exported(other, "--export-secret-subkeys"), "") == (key,)
    for warnings in (place.open().warnings(),
                     place.open().publish(Wish(), [place.deb("two")], replace_older=False).warnings):
        assert len(warnings) == 1 and subkey in warnings[0] and "expires in" in warnings[0]
    found = next(one.key for one in place.open().keys() if one.key.fingerprint == key)
    assert found.until == pytest.approx(time.time() + 10 * DAY, abs=DAY)
    before = keyring_packages(place)
    time.sleep(1.1)  # A later second, which is how a self-signature is told to be newer.
    gpg_run(other, "--quick-set-expire", key, "5y", subkey)
    assert place.open().add_key(exported(other, "--export-secret-subkeys"), "") == (key,)
    new, = set(keyring_packages(place)) - set(before)
    process.run(("dpkg-deb", "-x", str(new), str(tmp_path / "x"))).check(PublishError, "no deb")
    installed, = (tmp_path / "x/usr/share/keyrings").iterdir()
    shown = process.run(("gpg", "--show-keys", "--with-colons", str(installed))).stdout
    expires = [line.split(":")[6] for line in shown.splitlines() if line.startswith("sub:")]
    assert [int(one) > time.time() + 1000 * DAY for one in expires] == [True]
    assert place.open().warnings() == () and place.faults() == []


def test_an_expired_subkey_is_named(tmp_path: Path) -> None:
    home, key, subkey = key_with_subkey(tmp_path / "key", "seconds=3")
    time.sleep(5)
    with pytest.raises(PublishError, match=f"subkey {subkey}") as raised:
        gpg.signing_keys(gpg.keys(home), home)
    assert "quick-set-expire" in raised.value.resolution


def test_a_second_key_is_made_beside_the_first(place: Place) -> None:
    place.publish(place.deb())
    assert len(place.open().add_key(None, "")) == 1
    # What is made has the name of the repository, as the first key that debxcross made has.
    assert len(place.open().add_key(None, "")) == 1
    assert [one.state for one in place.open().keys()] == ["signs"] * 3 and place.faults() == []


# Clocks


def at(place: Place, days: float, *files: Path, new_date: bool = False) -> int:
    settings = place.open().settings(Wish(url="http://example.invalid/"), files)
    done = publish(place.web, place.state, settings, files, now=lambda: time.time() + days * DAY,
                   replace=False, new_date=new_date)
    return done.date


def test_a_publication_from_the_future_is_told_and_begun_anew(place: Place) -> None:
    at(place, 400, place.deb())
    for files in ((), (place.deb("two"),)):
        with pytest.raises(PublishError, match="400 days ahead") as raised:
            at(place, 0, *files)
        assert "--new-date" in raised.value.resolution
    assert any("by 400 days" in fault for fault in place.faults())
    assert at(place, 0, place.deb("two"), new_date=True) <= time.time() + 1
    assert place.packages() == ["tiny 1", "two 1"] and place.faults() == []
    assert len(place.open().listing()["releases"][0]["snapshots"]) == 1
    # The next one needs no word, nor does a clock that is set back by minutes.
    last = at(place, 0, place.deb("three"))
    assert at(place, -600 / DAY, place.deb("four")) == last + 1


def test_a_new_date_is_not_needed_and_does_no_harm(place: Place) -> None:
    first = at(place, 0, place.deb())
    assert at(place, 0, place.deb("two"), new_date=True) > first
    assert len(place.open().listing()["releases"][0]["snapshots"]) == 2


# What devices can read


def test_zstd_is_refused_for_releases_that_cannot_read_it(place: Place) -> None:
    need("zstd")
    deb = place.deb()
    with_zstd = place.debs / "zt_1_armel.deb"
    tree = place.directory / "tree"
    process.run(("dpkg-deb", "-R", str(deb), str(tree))).check(PublishError, "no tree")
    process.run(("dpkg-deb", "--root-owner-group", "-Zzstd", "-b", str(tree), str(with_zstd))).check(
        PublishError, "no deb")
    with pytest.raises(PublishError, match="Debian 11") as raised:
        place.publish(with_zstd, release="bullseye")
    assert "-Zxz" in raised.value.resolution and not (place.web / "dists/bullseye").exists()
    assert place.publish(with_zstd, release="bookworm") and place.faults() == []


def unpacks(deb: Path, root: Path) -> bool:
    """Tell whether the dpkg of this machine unpacks a deb into an empty root."""
    for name in ("info", "updates", "triggers"):
        (root / "var/lib/dpkg" / name).mkdir(parents=True, exist_ok=True)
    (root / "var/lib/dpkg/status").touch()
    # What base-files and its postinst make.
    for name in ("etc", "opt", "srv", "usr/bin", "usr/share/doc"):
        (root / name).mkdir(parents=True, exist_ok=True)
    done = process.run(("dpkg", "--root", str(root), "--force-architecture", "--force-script-chrootless",
                        "--unpack", str(deb)))
    return done.exit_status == 0


LONG = f"opt/{'a' * 90}/{'b' * 90}/file"


@pytest.mark.parametrize(("data", "conffiles", "why"), [
    (tar({LONG: b"x"}, tarfile.PAX_FORMAT), b"", "unsupported PAX"),
    (tar({"opt/own/file": b"x"}, directories=False), b"", "no entry for the directory /opt/own"),
    (tar({"etc/own/file": b"x"})[:-20], b"", "ends too early"),
    (tar({"opt/../../file": b"x"}, directories=False), b"", "leads out"),
    (tar({"opt/line\nbreak": b"x"}), b"", "line break"),
    (tar({"etc/own": b"x"}), b"/etc/own", "no end of line"),
    (tar({"etc/own": b"x"}), b"etc/own\n", "does not start with '/'"),
    (tar({"etc/own": b"x"}), b"/etc/" + b"o" * 1200 + b"\n", "too long"),
], ids=["PAX", "no directories", "cut off", "outside", "newline", "conffile", "relative", "long"])
def test_a_deb_that_no_dpkg_unpacks_is_refused(place: Place, data: bytes, conffiles: bytes, why: str) -> None:
    deb = hand_made(place, "handmade", data, conffiles=conffiles)
    with pytest.raises(PublishError, match="cannot be unpacked by dpkg|not a whole") as raised:
        place.publish(deb)
    assert why in raised.value.details and not (place.web / "dists/bookworm").exists()
    # dpkg would follow "..", and write outside of a root that is not "/".
    if os.geteuid() == 0 and why != "leads out":
        assert not unpacks(deb, place.directory / "device")


@pytest.mark.parametrize("data", [
    tar({LONG: b"x"}), tar({LONG[:150]: b"x"}, tarfile.USTAR_FORMAT),
    tar({"usr/bin/own": b"x"}, directories=False), tar({}),
], ids=["GNU", "ustar", "known directories", "nothing"])
def test_a_deb_that_dpkg_unpacks_is_published(place: Place, data: bytes) -> None:
    deb = hand_made(place, "handmade", data)
    assert place.publish(deb) and place.faults() == []
    if os.geteuid() == 0:
        assert unpacks(deb, place.directory / "device")


def test_verify_finds_what_was_published_before_it_was_refused(place: Place, monkeypatch: pytest.MonkeyPatch
                                                               ) -> None:
    from debxcross.repository.steps import readable

    bad = hand_made(place, "handmade", tar({LONG: b"x"}, tarfile.PAX_FORMAT))
    with monkeypatch.context() as patched:
        patched.setattr(readable, "check_debs", lambda *arguments: None)
        place.publish(bad)
    assert [fault for fault in place.faults() if "PAX" in fault and "handmade_1_armhf.deb" in fault]


@pytest.mark.parametrize("fields", [
    {"Depends": "x" * 1_100_000}, {"Depends": "libc6 (>= 2.3"}, {"Depends": "libc6, , zlib1g"},
    {"Depends": "libc6 [armel]"}, {"Depends": "${shlibs:Depends}"}, {"Depends": "libc6 (=1)"},
    {"Conflicts": "one | two"}, {"Provides": "one (>= 2)"}, {"Multi-Arch": "yes"},
    {f"X-Field-{number}": "x" for number in range(300)},
    {"Description": "long\n" + " line\n" * 200_000 + " end"},
], ids=["large", "open", "empty", "architecture", "substvar", "short", "alternatives", "provides",
        "multiarch", "fields", "description"])
def test_fields_that_apt_cannot_read_are_refused(place: Place, fields: Mapping[str, str]) -> None:
    place.publish(place.deb())
    before = place.files()
    with pytest.raises(PublishError) as raised:
        place.publish(place.deb("bad", **fields))
    assert raised.value.resolution and place.files() == before


def test_the_index_of_odd_fields_is_read_by_apt(place: Place, tmp_path: Path) -> None:
    """apt of Debian 8 cannot read an empty relation, and none a Description-md5 that is no digest."""
    need("apt-cache")
    place.publish(place.deb("odd", Depends="", Recommends="a (>= 1) | b:any", **{"Description-md5": "none"}))
    index = (place.web / "dists/bookworm/main/binary-armel/Packages").read_text()
    assert "Depends:" not in index and "md5:" not in index
    state = tmp_path / "apt"
    (state / "lists/partial").mkdir(parents=True)
    (state / "status").write_text(index.replace("Version:", "Status: install ok installed\nVersion:"))
    done = process.run((
        "apt-cache", *(word for name, value in (
            ("Dir::State", state), ("Dir::State::status", state / "status"),
            ("Dir::State::lists", state / "lists"), ("Dir::Cache", state),
            ("Dir::Etc::sourcelist", "/dev/null"), ("Dir::Etc::sourceparts", "/dev/null"),
            ("APT::Architecture", "armel")) for word in ("-o", f"{name}={value}")), "show", "odd"))
    assert "Package: odd" in done.stdout, done.stderr


def test_shared_files_that_differ_are_told(place: Place) -> None:
    name = "usr/share/doc/libboard1/changelog.Debian"

    def board(architecture: str, text: bytes, version: str) -> Path:
        return make_deb(place.debs / f"libboard1_{version}_{architecture}.deb", {
            "Package": "libboard1", "Version": version, "Architecture": architecture, "Multi-Arch": "same",
        }, {name: text, f"usr/lib/{architecture}/libboard.so": architecture.encode()})

    done = place.open().publish(Wish(url="http://example.invalid/"), [
        board("armel", b"one", "1"), board("arm64", b"two", "1"), board("armel", b"one", "2"),
        board("arm64", b"one", "2")], replace_older=False)
    warning, = done.warnings
    assert f"/{name}" in warning and "libboard1 1 " in warning and "/usr/lib" not in warning
    assert place.faults() == []
    assert not place.open().publish(Wish(), [place.deb("other")], replace_older=False).warnings


def test_an_epoch_alone_is_not_another_file(place: Place) -> None:
    place.publish(place.deb("ep", "1.0-1"))
    with pytest.raises(PublishError, match="epoch is no part") as raised:
        place.publish(place.deb("ep", "1:1.0-1", Description="other"))
    assert "revision" in raised.value.resolution and "1.0-1" in raised.value.brief


def test_one_version_of_two_sources_is_refused(place: Place) -> None:
    place.publish(place.deb())
    with pytest.raises(PublishError, match="other bytes"):
        place.publish(place.deb(Source="another"))


# Hostile directories


def to_outside(place: Place, name: str) -> None:
    (place.directory / "secret").write_text("secret")
    (place.debs / name).symlink_to(place.directory / "secret")


@pytest.mark.parametrize("plant", [
    lambda place: to_outside(place, "tiny_1_armel.log"), lambda place: to_outside(place, "x.deb"),
    lambda place: (place.debs / "tiny_1_armel.buildinfo").symlink_to("/etc/hostname"),
    lambda place: os.mkfifo(place.debs / "x.dsc"), lambda place: os.mkfifo(place.debs / "x.deb"),
    lambda place: (place.debs / "gone.deb").symlink_to("nowhere"),
], ids=["log", "deb", "buildinfo", "fifo", "fifo deb", "dangling"])
def test_nothing_of_elsewhere_is_published(place: Place, plant: Callable[[Place], object]) -> None:
    place.deb()
    plant(place)
    with pytest.raises(PublishError) as raised:
        place.publish(place.debs)
    assert raised.value.resolution and not place.web.exists()


def test_links_within_the_directory_and_named_links_are_followed(place: Place) -> None:
    (place.debs / "latest.deb").symlink_to(place.deb().name)
    assert place.publish(place.debs) and place.packages() == ["tiny 1"]
    (place.directory / "named.deb").symlink_to(place.deb("other"))
    assert place.publish(place.directory / "named.deb") and place.packages() == ["other 1", "tiny 1"]


def test_runs_with_two_state_directories_wait_for_each_other(place: Place) -> None:
    place.publish(place.deb())
    entered, other = threading.Event(), place.directory / "other-state"

    def enter() -> None:
        with opened(place.web, other):
            entered.set()

    with opened(place.web, place.state) as tree:
        thread = threading.Thread(target=enter)
        thread.start()
        assert not entered.wait(0.5) and tree.staging.is_dir()
    thread.join(10)
    assert entered.is_set()
    descriptor = os.open(place.web, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)


def test_a_password_is_not_published(place: Place) -> None:
    with pytest.raises(ConfigurationError) as raised:
        place.publish(place.deb(), url="http://user:secret@example.invalid/")
    assert "auth.conf" in raised.value.details and "secret" not in str(vars(raised.value))


# The set-up script


def run_script(tmp_path: Path, script: str, *told: str) -> process.Completed:
    (tmp_path / "setup.sh").write_text(script)
    return process.run(("sh", str(tmp_path / "setup.sh"), *told),
                       environment={"DEVICE_ROOT": str(tmp_path / "device")})


def installed_keys(tmp_path: Path) -> set[str]:
    """Return the fingerprints of all keys that the script put onto the device."""
    found = set()
    for path in (tmp_path / "device").rglob("*"):
        if path.suffix == ".gpg":
            found |= {key.fingerprint for key in openpgp.public_keys(path.read_bytes())}
        elif path.suffix == ".sources" and "BEGIN PGP" in path.read_text():
            block = path.read_text().partition("Signed-By:\n")[2]
            text = "\n".join(line[1:].replace(".", "", 1) if line == " ." else line[1:]
                             for line in block.splitlines())
            found |= {key.fingerprint for key in openpgp.public_keys(openpgp.dearmor(text.encode()))}
    return found


@pytest.mark.parametrize("release", ["jessie", "bullseye", "bookworm"])
def test_the_script_installs_what_it_compared(place: Place, tmp_path: Path, release: str) -> None:
    place.publish(place.deb())
    key = gpg.export_public(place.state / "keys")
    fingerprint = openpgp.public_keys(key)[0].fingerprint
    foreign = gpg.export_public(make_home(tmp_path / "foreign"))
    foreign_fingerprint = openpgp.public_keys(foreign)[0].fingerprint
    script, _, _ = place.open().device(None, release, no_clock=False, sources=False)
    assert run_script(tmp_path, script, fingerprint).exit_status == 0
    assert installed_keys(tmp_path) == {fingerprint}
    import base64

    def swapped(before: bytes, after: bytes, text: str) -> str:
        for encode in (lambda one: base64.encodebytes(one).decode().strip(),
                       lambda one: "\n".join(f" {line}" if line else " ." for line in
                                             openpgp.armor(one).strip().splitlines())):
            text = text.replace(encode(before), encode(after))
        return text

    changed = {"swapped": swapped(key, foreign, script), "added": swapped(key, key + foreign, script),
               "in the source": script.replace(openpgp.armor(key).splitlines()[2],
                                               openpgp.armor(foreign).splitlines()[2])}
    for what, text in changed.items():
        process.run(("rm", "-rf", str(tmp_path / "device")))
        done = run_script(tmp_path, text, fingerprint)
        if text != script:
            assert done.exit_status == 1, what
            assert not (tmp_path / "device").exists()
        assert foreign_fingerprint not in installed_keys(tmp_path), what


def test_the_script_installs_only_the_key_that_was_told(place: Place, tmp_path: Path) -> None:
    place.publish(place.deb())
    first = place.open().keys()[0].key.fingerprint
    second, = place.open().add_key(exported(make_home(tmp_path / "second")), "")
    script, _, _ = place.open().device(None, "bookworm", no_clock=False, sources=False)
    for told in (first, second):
        process.run(("rm", "-rf", str(tmp_path / "device")))
        assert run_script(tmp_path, script, told).exit_status == 0
        assert installed_keys(tmp_path) == {told}


def test_pages_of_an_older_form_are_written_again(place: Place) -> None:
    place.publish(place.deb(), place.deb("two"))
    for page in (place.web / "packages/bookworm").glob("*.html"):
        page.write_text(page.read_text().replace("Content-Security-Policy", "X").replace(
            f" {__import__('debxcross.repository.core.pages', fromlist=['FORM']).FORM}\">", " 1\">"))
    assert place.faults()
    place.publish(place.deb("three"))
    assert place.faults() == []


def test_a_repository_of_another_state_is_refused(place: Place, tmp_path: Path) -> None:
    place.publish(place.deb())
    before = place.files()
    state = tmp_path / "stranger"
    state.mkdir()
    make_home(state / "keys")
    with pytest.raises(PublishError, match="no good signature"):
        Repository(place.web, state).publish(Wish(), [place.deb("two")], replace_older=False)
    assert place.files() == before
