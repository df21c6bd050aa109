# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from debxcross.doors import gpg, process
from debxcross.errors import PublishError
from tests.tools import need

FINGERPRINT = "C4BFB10086250CC905B8BBE57E400F134CF85AEA"
GOOD = (
    "[GNUPG:] NEWSIG",
    "[GNUPG:] GOODSIG 7E400F134CF85AEA some user",
    f"[GNUPG:] VALIDSIG {FINGERPRINT} 2026-11-20 1795149932 0 4 0 1 10 01 {FINGERPRINT}",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("gpg", "gpgv", "gpgconf")
    home = tmp_path_factory.mktemp("gpg") / "keys"
    gpg.make_key(home, "a test key")
    return home


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "Release"
    path.write_text("Origin: x\n- dashed\nDate: y\n")
    return path


@pytest.fixture
def keyring(home: Path, tmp_path: Path) -> Path:
    path = tmp_path / "keyring.gpg"
    path.write_bytes(gpg.export_public(home))
    return path


def add_key(home: Path, *arguments: str) -> gpg.SigningKey:
    """Make a key by hand in a new home, which make_key() would not make."""
    home.mkdir(mode=0o700)
    with gpg._session(home) as short:
        process.run(gpg.gpg_argv(short, *arguments)).check(PublishError, "no key was made")
    return gpg.keys(home)[0]


def signing_key(home: Path) -> gpg.SigningKey:
    return gpg.signing_keys(gpg.keys(home), home)[0]


def sign(home: Path, document: Path, clear: Path, detached: Path | None = None) -> None:
    """Sign with the home's first key."""
    gpg.sign(home, [gpg.keys(home)[0].fingerprint], document, clear=clear,
             detached=detached or clear.with_name("Release.gpg"))


def test_the_key_is_what_every_device_accepts(home: Path) -> None:
    key, = gpg.keys(home)
    assert (key.algorithm, key.bits, key.secret, key.user_id) == (1, 4096, True, "a test key")
    assert abs(key.expires - key.created - 5 * 365 * 86400) < 3 * 86400
    assert len(key.fingerprint) == 40
    assert gpg.make_key(home, "another name") == key


def test_no_agent_stays(home: Path, document: Path, tmp_path: Path) -> None:
    sign(home, document, tmp_path / "InRelease")
    # An agent removes its socket as it ends.
    assert not (home / "S.gpg-agent").exists()


def test_the_agent_that_a_killed_run_left_does_no_harm(home: Path, document: Path, tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to(home)
    process.run(("gpgconf", "--homedir", str(tmp_path / "gone"), "--launch", "gpg-agent"))
    assert (home / "S.gpg-agent").exists()
    (tmp_path / "gone").unlink()
    sign(home, document, tmp_path / "InRelease")
    assert not (home / "S.gpg-agent").exists()


def test_the_short_names_that_killed_runs_left_go(home: Path, document: Path, tmp_path: Path) -> None:
    place = Path(tempfile.mkdtemp())
    try:
        for name, target in (("debxcross-gpg-mine", home), ("debxcross-gpg-other", tmp_path / "other")):
            (place / name).mkdir()
            (place / name / "home").symlink_to(target)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tempfile, "tempdir", str(place))
            sign(home, document, tmp_path / "InRelease")
        assert os.listdir(place) == ["debxcross-gpg-other"], "another home's run may be alive"
    finally:
        shutil.rmtree(place)


@pytest.fixture
def open_umask() -> Iterator[None]:
    old = os.umask(0)
    yield
    os.umask(old)


def test_a_home_is_closed_whatever_the_umask(tmp_path: Path, home: Path, open_umask: None) -> None:
    need("gpg")
    key = add_key(tmp_path / "home", "--quick-generate-key", "k", "ed25519", "sign", "1y")
    assert key.algorithm == 22
    for path in (tmp_path / "home", *(tmp_path / "home").rglob("*")):
        if not path.is_socket():
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_two_runs_make_one_key(tmp_path: Path) -> None:
    need("gpg")
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda name: gpg.make_key(tmp_path / "deep" / "keys", name), ("one", "two")))
    assert made[0] == made[1]
    assert len(gpg.keys(tmp_path / "deep" / "keys")) == 1


def test_a_half_made_home_of_a_killed_run_is_made_anew(tmp_path: Path) -> None:
    need("gpg")
    half = tmp_path / "keys.new-1234"
    (half / "private-keys-v1.d").mkdir(parents=True)
    (half / "pubring.kbx").write_bytes(b"half")
    assert gpg.make_key(tmp_path / "keys", "k").secret
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keys", "keys.lock"]


def test_a_home_too_deep_for_a_socket_works(home: Path, document: Path, tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 100) / ("b" * 100) / "keys"
    deep.parent.mkdir(parents=True)
    shutil.copytree(home, deep, ignore=shutil.ignore_patterns("S.*"))
    sign(deep, document, tmp_path / "InRelease")
    assert (tmp_path / "InRelease").exists()


def test_a_clear_text_signature_verifies(home: Path, keyring: Path, document: Path, tmp_path: Path) -> None:
    key = signing_key(home)
    signed = tmp_path / "InRelease"
    sign(home, document, signed)
    assert gpg.verify(keyring, signed) == gpg.Verification((key.fingerprint,), document.read_text())
    signed.write_text(signed.read_text().replace("Origin: x", "Origin: z"))
    with pytest.raises(PublishError, match="no good signature"):
        gpg.verify(keyring, signed)


def test_a_detached_signature_verifies(home: Path, keyring: Path, document: Path, tmp_path: Path) -> None:
    key = signing_key(home)
    signature = tmp_path / "Release.gpg"
    sign(home, document, tmp_path / "InRelease", signature)
    assert signature.read_text().startswith("-----BEGIN PGP SIGNATURE-----")
    assert gpg.verify(keyring, document, signature).fingerprints == (key.fingerprint,)
    document.write_text("other")
    with pytest.raises(PublishError):
        gpg.verify(keyring, document, signature)


def test_an_unsigned_file_and_a_foreign_key_are_refused(
        home: Path, keyring: Path, document: Path, tmp_path: Path) -> None:
    with pytest.raises(PublishError):
        gpg.verify(keyring, document)
    add_key(tmp_path / "other", "--quick-generate-key", "other", "ed25519", "sign", "1y")
    sign(tmp_path / "other", document, tmp_path / "InRelease")
    with pytest.raises(PublishError) as raised:
        gpg.verify(keyring, tmp_path / "InRelease")
    assert "NO_PUBKEY" in raised.value.details
    assert raised.value.resolution


def test_public_keys_come_in_the_order_asked_for(home: Path) -> None:
    fingerprint = gpg.keys(home)[0].fingerprint
    assert gpg.export_public(home, [fingerprint])[:1] == b"\x99"
    with pytest.raises(PublishError, match="0{40}") as raised:
        gpg.export_public(home, [fingerprint, "0" * 40])
    assert "backup" in raised.value.resolution


def test_a_missing_home_or_key_names_the_next_move(home: Path, tmp_path: Path) -> None:
    with pytest.raises(PublishError) as raised:
        gpg.keys(tmp_path / "none")
    assert "backup" in raised.value.resolution


def test_a_key_without_its_secret_part_is_refused(home: Path, document: Path, tmp_path: Path) -> None:
    bare = tmp_path / "keys"
    shutil.copytree(home, bare, ignore=shutil.ignore_patterns("S.*", "*.key"))
    assert [key.secret for key in gpg.keys(bare)] == [False]
    with pytest.raises(PublishError, match="secret part") as raised:
        gpg.make_key(bare, "must not become a second key")
    assert "private-keys-v1.d" in raised.value.resolution
    with pytest.raises(PublishError, match="could not sign"):
        sign(bare, document, tmp_path / "InRelease")
    assert not (tmp_path / "InRelease").exists()


def test_an_expired_key_is_refused_with_the_command_that_helps(tmp_path: Path) -> None:
    need("gpg")
    add_key(tmp_path / "keys", "--faked-system-time", "20200101T000000!",
            "--quick-generate-key", "old", "ed25519", "sign", "1d")
    with pytest.raises(PublishError, match="has expired") as raised:
        signing_key(tmp_path / "keys")
    assert "--quick-set-expire" in raised.value.resolution


def test_a_weak_key_is_refused(tmp_path: Path) -> None:
    need("gpg")
    add_key(tmp_path / "keys", "--quick-generate-key", "weak", "rsa2048", "sign", "1y")
    with pytest.raises(PublishError, match="too weak"):
        signing_key(tmp_path / "keys")


@pytest.mark.parametrize("lines", [
    (), GOOD[:2], GOOD[1:], (*GOOD[:2], "[GNUPG:] BADSIG 7E400F134CF85AEA some user"),
    (*GOOD, "[GNUPG:] EXPKEYSIG 7E400F134CF85AEA some user"), (*GOOD, GOOD[0]),
    (*GOOD[:2], GOOD[2].replace(" 1 10 01 ", " 1 2 01 ")),
    tuple(line.replace("[GNUPG:] ", "") for line in GOOD),
    (GOOD[0], "[GNUPG:] REVKEYSIG 7E400F134CF85AEA some user", GOOD[2]),
])
def test_status_lines_that_are_not_one_good_signature(lines: tuple[str, ...]) -> None:
    with pytest.raises(PublishError):
        gpg.parse_status(lines, "InRelease")


def test_status_lines_of_a_good_signature() -> None:
    assert gpg.parse_status(GOOD, "InRelease") == (FINGERPRINT,)


def test_a_key_listing_is_read() -> None:
    listing = ("tru::1:1795149528:0:3:1:5\n"
               "pub:u:4096:1:7E400F134CF85AEA:1795149528:1952829528::u:::scSC::::::23::0:\n"
               f"fpr:::::::::{FINGERPRINT}:\ngrp:::::::::AAAA:\n"
               "uid:u::::1795149528::1BBE::first::::::::::0:\nuid:u::::1::1BBE::second::::::::::0:\n"
               f"sub:u:4096:1:AAAA:1:2:::::s::::::23:\nfpr:::::::::{'B' * 40}:\ngrp:::::::::BBBB:\n"
               f"sub:u:4096:1:CCCC:1:2:::::e::::::23:\nfpr:::::::::{'C' * 40}:\ngrp:::::::::CCCC:\n")
    key = gpg.SigningKey(FINGERPRINT, 1, 4096, 1795149528, 1952829528, "u", "first", True)
    # The primary key or a signing subkey will do; one for encryption will not.
    for grips, secret in (({"AAAA"}, True), ({"BBBB"}, True), ({"CCCC"}, False), (set(), False)):
        found, = gpg.parse_keys(listing, grips)
        assert found.secret is secret and (found == key) is secret
    assert gpg.parse_keys(listing, (), external=True) == (key,)
    assert gpg.parse_keys("", ()) == ()


@pytest.mark.parametrize("length", [gpg._LONGEST_TEMPORARY - 1, gpg._LONGEST_TEMPORARY,
                                    gpg._LONGEST_TEMPORARY + 1, 150])
def test_the_length_of_the_temporary_directory_does_not_matter(
        home: Path, document: Path, tmp_path: Path, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        directory = Path(short, "t" * (length - len(short) - 1))
        directory.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(directory))
        sign(home, document, tmp_path / "InRelease")
