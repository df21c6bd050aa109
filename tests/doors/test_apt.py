# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from debxcross.core.archive.world import Archive, SuiteUse, World
from debxcross.doors import apt, process
from debxcross.doors.apt import AptRoot, parse_print_uris, raise_for_apt
from debxcross.errors import (
    DebxcrossError, DiskFullError, FetchError, HostError, UnreachableError, UnsatisfiableError,
    VerificationError,
)
from tests.integration.archive import (
    SigningHome, TinyPackage, TinySource, make_suite, sign, signing_home, toolchain,
)
from tests.tools import need

BUILD, HOST = "amd64", "armel"
SAME = {"Multi-Arch": "same"}


class Tiny:
    """The archive of these tests; ``copy`` gives one that a test may damage."""

    def __init__(self, directory: Path, home: SigningHome, stranger: SigningHome) -> None:
        self.directory, self.home, self.stranger = directory, home, stranger

    def copy(self, place: Path) -> Tiny:
        shutil.copytree(self.directory, place)
        return Tiny(place, self.home, self.stranger)

    def world(self, uris: tuple[str, ...] = (), suite: str = "sid", keyring: str = "") -> World:
        archive = Archive(
            "main", uris or (f"file:{self.directory}",), (keyring or str(self.home.keyring),))
        return World(BUILD, HOST, (SuiteUse(suite, archive, (BUILD, HOST), source=True),))

    def root(self, place: Path, **more: Any) -> AptRoot:
        root = AptRoot(place, self.world(**more), (("Acquire::Retries", "0"),))
        root.write()
        return root


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    need("apt-get", "apt-ftparchive", "dpkg-source", "gpg", "gpgv")
    place = tmp_path_factory.mktemp("tiny")
    directory = place / "archive"
    directory.mkdir()
    packages = (
        *toolchain(BUILD, HOST),
        TinyPackage("newer", BUILD, "1.0-1"), TinyPackage("newer", BUILD, "1.0-2"),
        TinyPackage("python3-lamp", "all", "2.0-1", {
            "Provides": "python3-lantern, lantern, python3-lamp-abi2"}),
        TinyPackage("python3-shade", HOST, fields={
            "Depends": "python3-lamp (<< 3), python3-lamp-abi2, lantern | libtiny1, python3-lamp (>= 1)"}),
        TinyPackage("python3-rpi.gpio", HOST),
        TinyPackage("python3-delta", HOST, "1.0", {"Source": "delta"}),
        TinyPackage("broken", HOST, fields={"Depends": "middle"}),
        TinyPackage("middle", HOST, fields={"Depends": "absent (>= 2) | gone, libtiny1"}),
        TinyPackage("fighter", HOST, fields={"Depends": "libtiny1", "Conflicts": "libtiny1"}),
    )
    sources = (TinySource("alpha"), TinySource("beta", "debhelper, libalpha-dev"),
               TinySource("gamma", "debhelper, libnothing-dev"),
               TinySource("delta", "debhelper, libtiny1, lantern, gone"))
    with signing_home(place / "keyring.gpg") as home, signing_home(place / "stranger.gpg", "x") as stranger:
        make_suite(directory, "sid", home, architectures=(BUILD, HOST), packages=packages, sources=sources)
        skewed = [one for one in toolchain(BUILD, HOST)
                  if (one.name, one.architecture) != ("libtiny1", BUILD)]
        make_suite(directory, "forky", home, architectures=(BUILD, HOST),
                   packages=(*skewed, TinyPackage("libtiny1", BUILD, "1.0-2", SAME)))
        yield Tiny(directory, home, stranger)


@pytest.fixture(scope="module")
def root(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> AptRoot:
    root = tiny.root(tmp_path_factory.mktemp("apt"))
    root.update(0)
    return root


@pytest.fixture
def served(tiny: Tiny, tmp_path: Path) -> Iterator[tuple[Tiny, str]]:
    """A copy of the archive behind a web server on loopback."""
    copy = tiny.copy(tmp_path / "served")

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(copy.directory)))
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield copy, f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    http.server_close()
    thread.join()


# What apt prints

URIS = """\
Reading package lists...
'http://deb.example.org/pool/z/zlib1g_1.2_armel.deb' zlib1g_1%3a1.2_armel.deb 86912 SHA256:{b}
'mirror+file:/x/mirrors-main.txt/pool/g%2b%2b_1_amd64.deb' g++_1_amd64.deb 1340 SHA256:{a}
Inst zlib1g (1:1.2 sid [armel])
"""


def test_print_uris_is_read_by_file_name() -> None:
    a, b = "a" * 64, "b" * 64
    first, second = parse_print_uris(URIS.format(a=a, b=b))
    assert (first.file, first.size, first.sha256) == ("g++_1_amd64.deb", 1340, a)
    assert first.uri == "mirror+file:/x/mirrors-main.txt/pool/g%2b%2b_1_amd64.deb"
    assert (second.file, second.sha256) == ("zlib1g_1%3a1.2_armel.deb", b)
    assert parse_print_uris("Reading package lists...\n") == ()


@pytest.mark.parametrize("kind", ["MD5Sum:" + "0" * 32, "SHA512:" + "0" * 128, ""])
def test_a_weaker_digest_is_refused(kind: str) -> None:
    with pytest.raises(VerificationError, match="no SHA256 for x_1_all.deb") as raised:
        parse_print_uris(f"'http://a/x_1_all.deb' x_1_all.deb 3 {kind}\n")
    assert raised.value.resolution


# Texts of apt 2.6 and 3.0.
SAID = {
    "hash": (VerificationError, "", """\
E: Failed to fetch http://a/dists/sid/main/binary-armel/Packages.xz  Hash Sum mismatch
   Hashes of expected file:
    - SHA256:0000000000000000000000000000000000000000000000000000000000000000
   Hashes of received file:
    - SHA256:1111111111111111111111111111111111111111111111111111111111111111
E: Some index files failed to download. They have been ignored, or old ones used instead.
""", "Hashes of received file"),
    "key": (VerificationError, "", """\
W: GPG error: file:/a sid InRelease: The following signatures couldn't be verified because the public key \
is not available: NO_PUBKEY F312C05985\nE: The repository 'file:/a sid InRelease' is not signed.
""", "NO_PUBKEY F312C05985"),
    "expired": (VerificationError, "", """\
E: The repository 'http://a sid InRelease' is not signed.
W: GPG error: http://a sid InRelease: The following signatures were invalid: EXPKEYSIG F312 Tiny
""", "EXPKEYSIG"),
    "gone": (FetchError, "", """\
E: Failed to fetch http://127.0.0.1:1/pool/alpha_1.0.tar.xz  404  File not found [IP: 127.0.0.1 1]
E: Failed to fetch some archives.
""", "404"),
    "refused": (UnreachableError, "", """\
W: Failed to fetch http://127.0.0.1:9/dists/sid/InRelease  Could not connect to 127.0.0.1:9 (127.0.0.1). \
- connect (111: Connection refused)
E: Some index files failed to download. They have been ignored, or old ones used instead.
""", "Connection refused"),
    "release": (FetchError, "", """\
E: The repository 'http://a sid Release' does not have a Release file.
""", "Release file"),
    "name": (UnreachableError, "", """\
E: Failed to fetch http://no.example/pool/x.dsc  Temporary failure resolving 'no.example'
""", "Temporary failure"),
    "write": (DiskFullError, "", """\
E: Write error - write (28: No space left on device)
E: IO Error saving source cache
""", "No space left"),
    "space": (DiskFullError, "", """\
E: You don't have enough free space in /var/cache/apt/archives/.
""", "free space"),
    "size": (FetchError, "", """\
E: Failed to fetch http://a/dists/sid/main/binary-armel/Packages.xz  File has unexpected size (2 != 3). \
Mirror sync in progress? [IP: 127.0.0.1 1]
   Hashes of expected file:
    - Filesize:3 [weak]
""", "Filesize:3"),
    "unmet": (UnsatisfiableError, """\
Reading package lists...
Some packages could not be installed. This may mean that you have
requested an impossible situation or if you are using the unstable
The following information may help to resolve the situation:

The following packages have unmet dependencies:
 broken:armel : Depends: absent:armel (>= 2) but it is not installable
                Depends: more but it is not going to be installed
""", "E: Unable to correct problems, you have held broken packages.\n", "absent:armel (>= 2)"),
    "unmet-3.0": (UnsatisfiableError, "", """\
E: Unable to satisfy dependencies. Reached two conflicting assignments:
   1. broken:armel is selected for install
   2. broken:armel Depends absent:armel (>= 2)
      but none of the choices are installable:
      [no choices]
""", "[no choices]"),
    "source": (UnsatisfiableError, "Reading package lists...\n", """\
E: Can not find version '9' of package 'alpha'
E: Unable to find a source package for alpha
""", "Can not find version '9'"),
    "words": (UnsatisfiableError, "", "something else\n", "something else"),
}


@pytest.mark.parametrize("name", SAID)
def test_what_apt_says_becomes_the_error_that_fits(name: str) -> None:
    kind, stdout, stderr, word = SAID[name]
    with pytest.raises(DebxcrossError, match="it failed") as raised:
        raise_for_apt(process.Completed(("apt-get", "x"), 100, stdout, stderr), "it failed")
    assert type(raised.value) is kind
    assert word in raised.value.details
    assert "Reading package lists" not in raised.value.details
    assert "impossible situation" not in raised.value.details
    assert raised.value.details.endswith("\n\nended with status 100: apt-get x")
    assert raised.value.resolution


def test_a_good_end_raises_nothing() -> None:
    raise_for_apt(process.Completed(("apt-get",), 0, "", "W: NO_PUBKEY"), "never")


# A real archive

def test_update_verifies_once_and_keeps_for_a_while(tiny: Tiny, tmp_path: Path) -> None:
    root = tiny.root(tmp_path / "apt")
    assert root.update(3600) is True
    assert root.update(3600) is False
    assert root.update(0) is True
    assert root.carried() == {"sid": (BUILD, HOST)}
    signed = (tiny.directory / "dists/sid/InRelease").read_bytes()
    assert root.release_digests() == {"sid": hashlib.sha256(signed).hexdigest()}


def test_two_mirrors_are_one_archive(tiny: Tiny, tmp_path: Path) -> None:
    root = tiny.root(tmp_path / "apt", uris=(f"file:{tmp_path}/gone", f"file:{tiny.directory}"))
    assert root.update(0)
    assert root.carried() == {"sid": (BUILD, HOST)}
    assert {path.name for path in root.download_source("alpha", "1.0", tmp_path / "source")} == {
        "alpha_1.0.dsc", "alpha_1.0.tar.xz"}


def test_nothing_of_the_machine_shows(root: AptRoot) -> None:
    said = root.run(["apt-cache", "pkgnames"])
    assert "bash" not in said.stdout.split()
    assert "debhelper" in said.stdout.split()
    assert said.stderr == ""


def test_a_source_is_fetched_whole(served: tuple[Tiny, str], tmp_path: Path) -> None:
    tiny, url = served
    root = tiny.root(tmp_path / "apt", uris=(url,))
    root.update(0)
    found = root.download_source("alpha", "1.0", tmp_path / "source")
    assert [path.name for path in found] == ["alpha_1.0.dsc", "alpha_1.0.tar.xz"]
    for path in found:
        assert path.read_bytes() == (tiny.directory / "pool/sid" / path.name).read_bytes()


def test_a_source_file_that_is_gone_is_named(served: tuple[Tiny, str], tmp_path: Path) -> None:
    tiny, url = served
    root = tiny.root(tmp_path / "apt", uris=(url,))
    root.update(0)
    (tiny.directory / "pool/sid/alpha_1.0.tar.xz").unlink()
    with pytest.raises(FetchError, match="the source alpha 1.0 could not be fetched") as raised:
        root.download_source("alpha", "1.0", tmp_path / "source")
    assert type(raised.value) is FetchError
    assert f"{url}/pool/sid/alpha_1.0.tar.xz" in raised.value.details
    assert "404" in raised.value.details
    assert "mirrors.main" in raised.value.resolution


def test_a_source_file_with_other_bytes_is_refused(served: tuple[Tiny, str], tmp_path: Path) -> None:
    tiny, url = served
    root = tiny.root(tmp_path / "apt", uris=(url,))
    root.update(0)
    tarball = tiny.directory / "pool/sid/alpha_1.0.tar.xz"
    tarball.write_bytes(bytes(len(tarball.read_bytes())))
    with pytest.raises(VerificationError) as raised:
        root.download_source("alpha", "1.0", tmp_path / "source")
    assert "alpha_1.0.tar.xz" in raised.value.details
    assert "Nothing of it is used" in raised.value.resolution


def test_a_source_that_is_not_there_is_no_fetch_failure(root: AptRoot, tmp_path: Path) -> None:
    with pytest.raises(UnsatisfiableError) as raised:
        root.download_source("alpha", "9", tmp_path / "source")
    assert "Can not find version '9'" in raised.value.details


def test_a_mirror_out_of_reach_is_a_fetch_failure(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(FetchError) as raised:
        tiny.root(tmp_path / "apt", uris=("http://127.0.0.1:9",)).update(0)
    assert type(raised.value) is UnreachableError
    assert "127.0.0.1:9" in raised.value.details


def test_a_strangers_signature_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    copy = tiny.copy(tmp_path / "copy")
    sign(copy.directory / "dists/sid", tiny.stranger)
    root = copy.root(tmp_path / "apt")
    with pytest.raises(VerificationError, match="the package indexes could not be fetched") as raised:
        root.update(0)
    assert "NO_PUBKEY" in raised.value.details or "Missing key" in raised.value.details
    assert "mirrors.keyrings" in raised.value.resolution
    assert root.carried() == {}
    assert not (root.directory / "updated").exists()


def test_a_keyring_that_is_not_there_is_named(tiny: Tiny, tmp_path: Path) -> None:
    root = tiny.root(tmp_path / "apt")
    root = AptRoot(root.directory, tiny.world(keyring="/no/such.gpg"), ())
    with pytest.raises(HostError, match="the keyring /no/such.gpg does not exist") as raised:
        root.update(0)
    assert "debian-archive-keyring" in raised.value.resolution


def test_a_changed_release_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    copy = tiny.copy(tmp_path / "copy")
    signed = copy.directory / "dists/sid/InRelease"
    signed.write_text(signed.read_text().replace("Origin: Tiny", "Origin: Tony"))
    with pytest.raises(VerificationError):
        copy.root(tmp_path / "apt").update(0)


def test_an_unsigned_archive_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    copy = tiny.copy(tmp_path / "copy")
    (copy.directory / "dists/sid/InRelease").unlink()
    with pytest.raises(VerificationError):
        copy.root(tmp_path / "apt").update(0)


def test_a_changed_index_is_refused(served: tuple[Tiny, str], tmp_path: Path) -> None:
    tiny, url = served
    packages = tiny.directory / f"dists/sid/main/binary-{HOST}/Packages"
    packages.write_text(packages.read_text().replace("1.0-1", "1.0-9"))
    with pytest.raises(VerificationError) as raised:
        tiny.root(tmp_path / "apt", uris=(url,)).update(0)
    assert "Hash Sum mismatch" in raised.value.details


# Questions to python-apt

def ask_facts(root: AptRoot, **more: Any) -> Any:
    return root.ask({"ask": "facts", "build": BUILD, "host": HOST, "sources": [], "packages": [],
                     "host_needs": [], **more})


def test_facts_of_sources(root: AptRoot) -> None:
    names = [("alpha", "", ""), ("alpha", "9", ""), ("alpha", "", "forky"), ("alpa", "", ""),
             ("libalpha-dev", "", "")]
    alpha, version, suite, near, binary = ask_facts(root, sources=[
        {"name": name, "version": version, "suite": suite} for name, version, suite in names])["sources"]
    assert (alpha["found"]["version"], alpha["found"]["suite"]) == ("1.0", "sid")
    assert alpha["found"]["fields"]["Package-List"] == "libalpha-dev deb libs optional arch=any"
    assert "alpha_1.0.dsc" in alpha["found"]["fields"]["Checksums-Sha256"]
    for other in (version, suite):
        assert other == {
            "found": None, "others": [{"version": "1.0", "suite": "sid", "component": "main"}], "near": []}
    assert (near["found"], near["others"], near["near"]) == (None, [], ["alpha"])
    assert binary["found"] is None


def test_facts_of_packages_and_the_compiler(root: AptRoot) -> None:
    facts = ask_facts(root, packages=["debhelper", "newer", "broken", "nothing"])
    assert facts["packages"] == {
        "debhelper": {BUILD: "1.0-1", HOST: "1.0-1"}, "newer": {BUILD: "1.0-2"},
        "broken": {HOST: "1.0-1"}, "nothing": {}}
    assert facts["compiler"] == "12"
    assert facts["skew"] == []
    # HOST's index has libstdc++-12-dev, and no g++.
    assert ask_facts(root, build=HOST)["compiler"] == "12"
    assert ask_facts(root, build="s390x")["compiler"] == ""


def test_packages_by_the_beginning_of_their_names(root: AptRoot) -> None:
    found = root.ask({"ask": "named", "prefix": "python3-", "build": BUILD, "host": HOST})
    assert found == {"versions": {"python3-delta": {HOST: "1.0"},
                                  "python3-lamp": {BUILD: "2.0-1", HOST: "2.0-1"},
                                  "python3-rpi.gpio": {HOST: "1.0-1"}, "python3-shade": {HOST: "1.0-1"}},
                     "provides": {"python3-lamp-abi2": ["python3-lamp"], "python3-lantern": ["python3-lamp"]}}


def test_how_debian_builds_a_package(root: AptRoot) -> None:
    names = ["python3-delta", "nothing"]
    found = root.ask({"ask": "packaging", "names": names, "build": BUILD, "host": HOST})
    assert found == {"python3-delta": {
        "source": "delta", "version": "1.0", "build_depends": ["debhelper, libtiny1, lantern, gone"],
        "offered": {"debhelper": ["", True, True], "libtiny1": ["", True, True],
                    "lantern": ["", True, True]}}}


def test_who_needs_what_a_replacement_does_not_give(root: AptRoot) -> None:
    def ask(**ours: str) -> Any:
        return root.ask({"ask": "dependents", "ours": {f"python3-{name}": version for name, version in
                                                       ours.items()}, "build": BUILD, "host": HOST})

    assert ask(lamp="3-1") == {"python3-lamp": [
        ["python3-shade", "python3-lamp (< 3)"], ["python3-shade", "python3-lamp-abi2"]]}
    assert ask(lamp="2.5-1") == {"python3-lamp": [["python3-shade", "python3-lamp-abi2"]]}
    assert ask(lamp="3-1", shade="2-1") == {} and ask(nothing="1") == {}


def test_facts_of_skew(tiny: Tiny, tmp_path: Path) -> None:
    root = tiny.root(tmp_path / "apt", suite="forky")
    root.update(0)
    assert ask_facts(root)["skew"] == [{"package": "libtiny1", "build": "1.0-2", "host": "1.0-1"}]
    assert ask_facts(root, host=BUILD)["skew"] == []


def test_what_cannot_be_installed_is_named_with_who_needs_it(root: AptRoot) -> None:
    found = root.ask({"ask": "installable", "architecture": HOST,
                      "names": ["libtiny1", "broken", "libc6-dev", "fighter", "nothing"]})
    assert found == {
        "broken": ["middle (1.0-1) Depends: absent (>= 2) | gone"],
        "fighter": ["conflicts with what it needs"],
        "nothing": ["no such package"]}


def test_libraries_that_are_alternatives(root: AptRoot, tmp_path: Path) -> None:
    """Virtual packages that are called like libraries: Debian's BLAS and LAPACK."""
    stanzas = "\n".join(
        f"Package: {name}\nVersion: 1\nArchitecture: {HOST}\nProvides: {provided}\n"
        f"Filename: ./x.deb\nSize: 1\nSHA256: {'0' * 64}\n"
        for name, provided in (("libblas3", "libblas.so.3"), ("libopenblas0", "libblas.so.3, libother"),
                               ("virtual", "libc-dev")))
    assert root.ask({"ask": "libraries", "architecture": HOST}) == {}
    view = root.view(tmp_path / "view", root.world, local=stanzas)
    assert view.ask({"ask": "libraries", "architecture": HOST}) == {
        "libblas.so.3": ["libblas3", "libopenblas0"]}
    assert view.ask({"ask": "libraries", "architecture": BUILD}) == {}


def test_a_view_sees_local_packages_over_the_same_indexes(root: AptRoot, tmp_path: Path) -> None:
    local = (f"Package: libnothing-dev\nVersion: 1\nArchitecture: {HOST}\nMulti-Arch: same\n"
             f"Depends: libtiny1\nFilename: ./x.deb\nSize: 1\nSHA256: {'0' * 64}\n")
    question = {"ask": "installable", "names": ["libnothing-dev"], "architecture": HOST}
    assert root.ask(question) == {"libnothing-dev": ["no such package"]}
    view = root.view(tmp_path / "view", root.world, local=local)
    assert view.ask(question) == {}
    gamma = ["apt-get", "--simulate", "build-dep", f"--host-architecture={HOST}", "--arch-only", "gamma"]
    assert view.run(gamma).exit_status == 0
    with pytest.raises(UnsatisfiableError, match="no way") as raised:
        raise_for_apt(root.run(gamma), "no way")
    assert f"libnothing-dev:{HOST}" in raised.value.details


def test_a_view_knows_what_is_installed(root: AptRoot, tmp_path: Path) -> None:
    status = (f"Package: libtiny1\nStatus: install ok installed\nVersion: 1.0-1\nArchitecture: {HOST}\n"
              "Multi-Arch: same\nMaintainer: x\nDescription: x\n")
    said = root.view(tmp_path / "view", root.world, status=status).run(
        ["apt-get", "install", "--print-uris", "-qq", "-oAcquire::ForceHash=SHA256", f"libc6-dev:{HOST}"])
    assert [one.file for one in parse_print_uris(said.stdout)] == [f"libc6-dev_1.0-1_{HOST}.deb"]


def test_the_state_is_of_the_indexes_and_the_world(root: AptRoot, tiny: Tiny, tmp_path: Path) -> None:
    other = tiny.root(tmp_path / "apt")
    other.update(0)
    assert root.state(root.world) == other.state(other.world)
    assert root.state(root.world) != root.state(tiny.world(suite="forky"))


def test_the_machine_answers_about_itself() -> None:
    answer = apt.ask({"ask": "machine"})
    assert set(answer) == {"entries", "acquire", "templates"}
    assert all(set(entry) == {"uris", "suites", "signed_by"} for entry in answer["entries"])
    assert answer["templates"]["bookworm"].startswith("http")


def test_a_question_that_cannot_be_answered_is_told() -> None:
    with pytest.raises(DebxcrossError, match="apt could not answer") as raised:
        apt.ask({"ask": "nothing"})
    assert "KeyError" in raised.value.details
    assert "doctor" in raised.value.resolution
