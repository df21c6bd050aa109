# SPDX-License-Identifier: GPL-3.0-or-later
"""Data that somebody else wrote, from end to end: exports, stores, planted files, mirrors with a password."""
from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import stat
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from debxcross.app.eventlog import event_log
from debxcross.core.artifact import Artifact, StoredFile
from debxcross.core.key import canonical, digest
from debxcross.doors import files
from debxcross.doors.chroot import Chroots
from debxcross.doors.store import Store
from debxcross.errors import StoreError
from debxcross.events import Event
from debxcross.steps.store import exchange, gc
from tests.integration.test_tiny_chain import HOST, Desk, desk, place  # noqa: F401 - fixtures
from tests.tools import need

SECRET = "s3cret-w0rd"
SHA = "0123456789abcdef" * 4


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def built(store: Store) -> Artifact:
    deb = store.put_bytes(b"deb", "zlib1g_1_armel.deb")
    return store.commit(Artifact(digest("zlib"), "zlib", (deb,), {"version": "1",
                                                                  "inputs": {"host": "armel"}}))


# Exports (B2)


def export_of(tmp_path: Path, *members: tuple[str, bytes]) -> Path:
    target = tmp_path / "export.tar"
    with tarfile.open(target, "w") as tar:
        for name, content in (("layout", b"1\n"), *members, ("end", b"")):
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return target


KEY = digest("hostile")
OBJECT = b"ours"
GOOD = {"name": "a_1_all.deb", "sha256": hashlib.sha256(OBJECT).hexdigest(), "size": len(OBJECT)}


@pytest.mark.parametrize("file", [
    {**GOOD, "name": "../../../../escaped"}, {**GOOD, "name": "/tmp/debxcross-escaped"}, {**GOOD,
                                                                                          "name": ".."},
    {**GOOD, "name": ""}, {**GOOD, "name": "a\nb"}, {**GOOD, "sha256": "../../../secret"}, {**GOOD,
                                                                                            "size": -1},
    {**GOOD, "sha256": "../" * 12 + "etc/hostname", "size": os.stat("/etc/hostname").st_size},
    {"name": "a"}, {**GOOD, "more": 1}, 3,
], ids=repr)
def test_an_export_leads_out_of_no_store(store: Store, tmp_path: Path, file: object) -> None:
    (tmp_path / "secret").write_text("secret")
    entry = json.dumps({"key": KEY, "member": "x", "files": [file], "provenance": {}}).encode()
    source = export_of(tmp_path, (f"objects/{GOOD['sha256'][:2]}/{GOOD['sha256']}", OBJECT),
                       (f"artifacts/{KEY[:2]}/{KEY}.json", entry))
    with pytest.raises(StoreError, match="is damaged"):
        exchange.take_in(store, source)
    assert store.artifact(KEY) is None and list(store.entries.all("artifacts")) == []


@pytest.mark.parametrize(("kind", "content"), [
    ("pin", b'{"name": "../x", "sha256": "x", "size": 1}'), ("environment", b"[" * 200000),
    ("environment", b'[{"uri": "x", "file": "../../x_1_all.deb", "size": 1, '
     b'"sha256": "' + SHA.encode() + b'"}]'),
    ("machine", b'"amd64"'), ("publication", b"{}"), ("facts", b"3"), ("history", b"[]"), ("sound", b"1.5"),
    ("unknown", b"NaN"), ("unknown", b'"\\ud800"'), ("pin", b"\xff"),
])
def test_no_answer_of_an_export_is_believed_that_is_none(
    store: Store, tmp_path: Path, kind: str, content: bytes
) -> None:
    source = export_of(tmp_path, (f"memo/{kind}/{KEY[:2]}/{KEY}.json", content))
    with pytest.raises(StoreError, match="is damaged"):
        exchange.take_in(store, source)
    assert list(store.entries.all(f"memo/{kind}")) == []


# Entries (B3)


DAMAGE: tuple[bytes, ...] = (
    b"", b"{", b"null", b"[]", b"3", b'"x"', b"true", b"\xff\xfe", b"[" * 100000, b'{"a":' * 100000, b"NaN",
    b"1.5",
    b'"\\ud800"', b"{}", b'{"key": 1}', b'{"files": [{}]}', b'{"entries": [3]}', b'{"entries": 3}', b"[[]]",
    b"[3]",
    b'{"name": "../x", "sha256": "..", "size": 1}', b'{"key": "x", "member": "y", "files": [], '
    b'"provenance": 3}',
)


@pytest.mark.parametrize("content", DAMAGE, ids=[str(number) for number in range(len(DAMAGE))])
def test_a_damaged_entry_is_as_good_as_none_for_every_command(
    store: Store, tmp_path: Path, content: bytes
) -> None:
    made = built(store)
    kinds = ("artifacts", *(f"memo/{kind}" for kind in (
        "facts", "environment", "history", "pin", "wheel", "sound", "machine", "publication", "trial",
        "closure",
        "sdist", "index-page", "made-sdist", "tree",
        "requires", "missed", "root-packages", "sysroot", "libraries",
        "key-warnings")))
    for kind in kinds:
        store.entries.write(kind, KEY, content)
    (store.directory / "roots" / KEY).mkdir()
    (store.directory / "roots" / f"{KEY}.json").write_bytes(content)
    store.kept.write_note("zlib-armel", {})
    (store.directory / "kept" / "zlib-armel.json").chmod(0o644)
    (store.directory / "kept" / "zlib-armel.json").write_bytes(content)
    assert store.artifact(KEY) is None and store.artifact(made.key) == made
    gc.list_store(store).to_text()
    gc.collect(store, Chroots(), 2, (), sources=True, kept_roots=True, delete=False).to_text()
    exchange.export(store, tmp_path / "out.tar", 2, ())
    damage = gc.verify(store, Chroots())
    sound = {("memo/sound", b"true")}
    expected = sum((kind, content) not in sound for kind in kinds)
    assert len(damage.entries) >= expected - 5, damage  # of five kinds the empty list is an answer
    assert store.artifact(made.key) == made and not gc.verify(store, Chroots()).entries


def test_a_result_with_a_path_for_a_name_is_laid_out_nowhere(store: Store, tmp_path: Path) -> None:
    stored = store.put_bytes(b"x", "x")
    for name in ("../escaped", "/tmp/debxcross-escaped", "..", ".hidden", ""):
        with pytest.raises(StoreError, match="no file's name"):
            store.lay_out((stored, StoredFile(name, stored.sha256, 1)), tmp_path / "out")
    assert not (tmp_path / "out").exists() and not (tmp_path / "escaped").exists()
    with pytest.raises(ValueError):
        store.path("../../../etc/passwd")


# Locks (B1) and other files that users name, on the command line


@pytest.mark.parametrize("name", ["tiny.lock", "tiny.toml", "debxcross.toml"])
@pytest.mark.parametrize("content", [b"a = " + b"[" * 100000, b"\xff", b"a = " + b"9" * 5000,
                                     b"schema = nan\n",
                                     b"\0", b"[chain]\nname = 3\n[[member]]\nfiles = [[[]]]\n"])
def test_files_that_are_none_are_named(desk: Desk, name: str, content: bytes) -> None:  # noqa: F811
    (desk.directory / name).write_bytes(content)
    locked = ("--locked", "tiny.lock") if name == "tiny.lock" else ()
    done = desk.run("build-dep-chain", HOST, "--chain", "tiny.toml", "--no-trial", *locked)
    assert done.returncode in (3, 17) and name in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr) < 4000


# Planted files (B4)


def test_planted_links_are_not_followed(tmp_path: Path) -> None:
    output, victim = tmp_path / "out", tmp_path / "victim"
    victim.write_text("mine")
    (output / "logs").mkdir(parents=True)
    for plant in (lambda path: path.symlink_to(victim), lambda path: path.hardlink_to(victim), os.mkfifo,
                  lambda path: path.symlink_to(tmp_path / "new")):
        plant(output / "logs" / "events.jsonl")
        with pytest.raises(StoreError, match="cannot use"), event_log(output):
            pass
        (output / "logs" / "events.jsonl").unlink()
    (output / "logs").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (output / "logs").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="cannot use"), event_log(output):
        pass
    assert victim.read_text() == "mine" and not (tmp_path / "new").exists()
    assert list((tmp_path / "elsewhere").iterdir()) == []
    (output / "logs").unlink()
    with event_log(output) as write:
        write(Event("note", "", "x", 1.0))
    assert "note" in (output / "logs" / "events.jsonl").read_text()


def test_a_log_that_is_a_link_or_a_fifo_is_not_shown(desk: Desk) -> None:  # noqa: F811
    logs = desk.directory / "out" / HOST / "logs"
    logs.mkdir(parents=True)
    (desk.directory / "secret").write_text("secret")
    (logs / "alpha.log").symlink_to(desk.directory / "secret")
    os.mkfifo(logs / "beta.log")
    os.mkfifo(logs / "events.jsonl")
    for arguments in (("log", "alpha", "--arch", HOST), ("log", "beta", "--arch", HOST), ("status", HOST),
                      ("log", "../../../secret", "--arch", HOST), ("shell", "alpha", "--arch", HOST)):
        done = desk.run(*arguments)
        assert done.returncode == 2 and "secret" not in done.stdout, arguments
        assert "Traceback" not in done.stderr


# Directories of others (B5)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's directory")
def test_a_directory_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = tmp_path / "theirs"
    Store(theirs)
    os.chown(theirs / "apt", 1234, 1234)
    with pytest.raises(StoreError, match="belongs to") as raised:
        Store(theirs)
    assert raised.value.resolution.endswith(f"chown -R 0 {theirs}/apt")
    os.chown(theirs / "apt", 0, 0)
    os.chown(theirs, 1234, 1234)
    with pytest.raises(StoreError, match="belongs to the user 1234"):
        Store(theirs)
    output = tmp_path / "out"
    output.mkdir()
    os.chown(output, 1234, 1234)
    with pytest.raises(StoreError, match="belongs to the user 1234"), event_log(output):
        pass
    # Who called sudo may have made it before.
    monkeypatch.setenv("SUDO_UID", "1234")
    Store(theirs)


def test_a_directory_that_others_can_write_to_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "store"
    Store(made)
    for mode, fine in ((0o755, True), (0o700, True), (0o777, False), (0o1777, False), (0o757, False)):
        made.chmod(mode)
        if fine:
            Store(made)
            continue
        with pytest.raises(StoreError, match="others may write to") as raised:
            Store(made)
        assert f"chmod go-w {made}" in raised.value.resolution
    made.chmod(0o775)  # the umask 002, and a group that nobody else is in
    Store(made)
    if os.geteuid() == 0:
        os.chown(made, 0, 1)  # daemon's group
        with pytest.raises(StoreError, match="others may write to"):
            Store(made)
        os.chown(made, 0, 0)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    for mode, fine in ((0o1777, True), (0o755, True), (0o777, False)):
        temporary.chmod(mode)
        if fine:
            files.check_temporary()
        else:
            with pytest.raises(StoreError, match="others may write to"):
                files.check_temporary()


# Passwords (C1)


@contextmanager
def private_mirror(directory: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a directory to who knows the password; yield its address with the login, and who asked."""
    expected = f"Basic {base64.b64encode(f'me:{SECRET}'.encode()).decode()}"
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if self.headers.get("Authorization") != expected:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="x"')
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                super().do_GET()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(directory)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://me:{SECRET}@127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def holders(directory: Path) -> dict[str, int]:
    """Return the files below a directory that hold the password, with their modes."""
    found = {}
    for path in directory.rglob("*"):
        if path.is_file() and not path.is_symlink() and SECRET.encode() in path.read_bytes():
            found[str(path.relative_to(directory))] = stat.S_IMODE(path.stat().st_mode)
    return found


def test_a_mirrors_password_is_shown_to_nobody(desk: Desk) -> None:  # noqa: F811
    with private_mirror(desk.place.good) as (url, asked):
        for mirrors in ([url], [url, f"{url}/"]):
            (desk.directory / "debxcross.toml").write_text(
                f"[mirrors]\nmain = {json.dumps(mirrors)}\nsecurity = {json.dumps(mirrors)}\n"
                f'keyrings = ["{desk.place.home.keyring}"]\n')
            done = desk.run("plan", HOST, "--chain", "tiny.toml")
            assert done.returncode == 0, done.stderr
            assert SECRET not in done.stdout + done.stderr and asked
        (desk.directory / "debxcross.toml").write_text(
            f'[mirrors]\nmain = ["{url}/gone"]\nsecurity = ["{url}/gone"]\n'
            f'keyrings = ["{desk.place.home.keyring}"]\n')
        failed = desk.run("build-dep-chain", HOST, "--chain", "tiny.toml", "--no-trial")
        assert failed.returncode == 10 and SECRET not in failed.stdout + failed.stderr
    held = holders(desk.store)
    assert held, "apt has no password, so how did it read the indexes?"
    assert all(name.startswith("apt/") and mode == 0o600 for name, mode in held.items()), held
    assert holders(desk.directory / "out") == {}


def test_what_is_signed_for_others_holds_nothing_private(desk: Desk) -> None:  # noqa: F811
    need("gpg", "gpgv")
    with private_mirror(desk.place.good) as (url, _):
        (desk.directory / "debxcross.toml").write_text(
            f'[mirrors]\nmain = ["{url}"]\nsecurity = ["{url}"]\nkeyrings = ["{desk.place.home.keyring}"]\n')
        assert desk.run("plan", HOST, "--chain", "tiny.toml").returncode == 0
    done = desk.run("store", "sign")
    public = desk.store / "public"
    assert done.returncode == 0 and str(public) in done.stdout
    assert sorted(path.name for path in public.iterdir()) == ["artifacts", "memo", "objects", "signed",
                                                              "signer.gpg"]
    assert [path.name for path in (public / "memo").iterdir()] == ["environment"]
    served = [path.read_text(errors="replace") for path in public.rglob("*") if path.is_file()]
    assert SECRET not in "".join(served)


def test_what_is_remembered_of_the_machine_is_private(store: Store) -> None:
    proxy = ["Acquire::http::Proxy", f"http://me:{SECRET}@h/"]
    machine = {"entries": [], "acquire": [proxy], "templates": {}}
    store.remember("machine", KEY, machine)
    assert store.memo("machine", KEY) == machine
    directory = store.directory / "memo" / "machine"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    directory.chmod(0o755)
    Store(store.directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


# A reader that has gone (D1)


@pytest.mark.parametrize("arguments", [
    ("plan", HOST, "--chain", "tiny.toml"), ("--help",), ("build-dep-chain", HOST, "--chain", "tiny.toml",
                                                          "--json"),
    ("store", "ls"), ("build-dep-chain", "--help"),
], ids=lambda one: " ".join(one[:1]))
def test_who_has_seen_enough_leaves_nothing_behind(
    desk: Desk, arguments: tuple[str, ...]  # noqa: F811
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = desk.run_to(writing, *arguments)
    finally:
        os.close(writing)
    assert done.returncode == 141
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    work = desk.store / "work"
    assert not work.exists() or list(work.iterdir()) == []


# Thousands of names that nobody has (D3)


def test_thousands_of_unknown_sources_are_told_at_once(desk: Desk) -> None:  # noqa: F811
    desk.chain("alpha", *(f"alpha-{number}" for number in range(10000)))
    started = time.monotonic()
    done = desk.run("build-dep-chain", HOST, "--chain", "tiny.toml", "--no-trial")
    assert done.returncode == 12 and time.monotonic() - started < 40, done.stderr
    assert "10000 things cannot work" in done.stderr and "and 9980 more" in done.stderr
    assert "Did you mean alpha" in done.stderr and len(done.stderr.splitlines()) < 100


def test_bytes_that_canonical_wrote_are_read_back(store: Store) -> None:
    made = built(store)
    path = store.directory / "artifacts" / made.key[:2] / f"{made.key}.json"
    assert path.read_bytes() == canonical(made)
