# SPDX-License-Identifier: GPL-3.0-or-later
"""A store is cleaned, verified, carried to another place, and shared over HTTP."""
from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from debxcross.core.artifact import Artifact, StoredFile
from debxcross.core.chain.chain import Chain
from debxcross.core.key import digest
from debxcross.doors.chroot import Chroots
from debxcross.doors.store import Store
from debxcross.doors.web import make_transfer
from debxcross.errors import BusyError, ConfigurationError, StoreError, UsageError
from debxcross.events import Event, Events
from debxcross.steps.chain.explain import history_key
from debxcross.steps.context import Context
from debxcross.steps.store import exchange, gc, substitute
from tests.tools import need

MEMBER = "zlib"


def build(store: Store, number: int) -> Artifact:
    """Put a made-up result into a store, with its package, its source and its place in the history."""
    package = store.put_bytes(b"debhelper %d" % number, "debhelper_13_all.deb")
    source = store.put_bytes(b"source", "zlib.dsc")
    deb = store.put_bytes(b"deb %d" % number, "zlib1g_1_armel.deb")
    key = digest(["zlib", number])
    made = Artifact(key, MEMBER, (deb,), {"version": "1-1", "patches": [], "inputs": {
        "host": "armel", "files": [["zlib.dsc", source.sha256]],
        "environment": [f"debhelper_13_all.deb {package.sha256}"]}})
    store.commit(made)
    store.remember("environment", digest(["question", number]), [
        {"uri": "", "file": package.name, "size": package.size, "sha256": package.sha256}])
    history = history_key(MEMBER, Chain("small", "bookworm", ()), "armel")
    known = store.memo("history", history) or {"entries": []}
    store.remember("history", history, {
        "entries": [*known["entries"], {"key": key, "time": number, "state": "built", "result": key,
                                        "changes": []}]})
    return made


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def clean(store: Store, keep: int = 1, delete: bool = True, named: tuple[Path, ...] = ()) -> list[str]:
    found = gc.collect(store, Chroots(), keep, named, sources=True, kept_roots=False, delete=delete)
    assert found.done == delete
    return [thing.title for thing in found.artifacts]


def test_cleaning_keeps_the_newest_and_shows_first(store: Store) -> None:
    old, new = build(store, 1), build(store, 2)
    assert clean(store, delete=False) == ["zlib 1-1 armel"]
    assert store.artifact(old.key) and len(list(store.objects())) == 5
    clean(store)
    assert store.artifact(old.key) is None and store.artifact(new.key) == new
    # What the kept result was made of is there still, what the other one was made of is not.
    assert len(list(store.objects())) == 3
    assert len(list(store.entries.all("memo/environment"))) == 1
    assert clean(store) == []


def test_cleaning_keeps_what_a_lock_names(store: Store, tmp_path: Path) -> None:
    old, _ = build(store, 1), build(store, 2)
    lock = tmp_path / "lock"
    lock.write_text(f"result = {old.key}\n")
    clean(store, named=(lock,))
    assert store.artifact(old.key)
    with pytest.raises(UsageError):
        clean(store, named=(tmp_path / "absent",))


def test_cleaning_waits_for_nobody_and_harms_nobody(store: Store) -> None:
    build(store, 1)
    other = Store(store.directory)
    with pytest.raises(BusyError, match="is in use"):
        clean(store, keep=0)
    assert clean(store, keep=0, delete=False) == ["zlib 1-1 armel"]
    del other
    clean(store, keep=0)
    assert list(store.objects()) == []


def test_cleaning_takes_leftovers_of_killed_processes(store: Store) -> None:
    (store.directory / "objects" / "ab").mkdir()
    part = store.directory / "objects" / "ab" / ".abcd.1234.part"
    part.write_bytes(b"half")
    work = store.directory / "work" / "abc"
    work.mkdir()
    work.with_suffix(".lock").touch()
    (work / "file").touch()
    clean(store)
    assert not part.exists() and not work.exists() and not work.with_suffix(".lock").exists()


def test_verifying_drops_what_is_damaged_and_only_that(store: Store) -> None:
    good, bad = build(store, 1), build(store, 2)
    assert not gc.verify(store, Chroots()).found
    path = store.path(bad.files[0].sha256)
    path.chmod(0o644)
    path.write_bytes(b"deb X")  # as long as before, so that nobody notices by its size
    (store.directory / "artifacts" / "00").mkdir()
    (store.directory / "artifacts" / "00" / f"{'0' * 64}.json").write_text("{")
    assert store.artifact(bad.key)
    found = gc.verify(store, Chroots())
    assert len(found.objects) == 1 and "its bytes are others" in found.objects[0]
    assert len(found.entries) == 2 and "zlib 1-1 armel has lost files" in "".join(found.entries)
    assert store.artifact(bad.key) is None and store.artifact(good.key) == good
    assert not gc.verify(store, Chroots()).found


def test_verifying_base_roots(store: Store) -> None:
    root = store.directory / "roots" / ("a" * 64)
    info = root / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/tool").write_bytes(b"tool")
    (info / "tool.md5sums").write_text(
        "00000000000000000000000000000000  usr/share/doc/tool/copyright\n"
        "a2b45ccaeb6ad2c81bb9fe5dd36be5f0  usr/bin/tool\n".replace(
            "a2b45ccaeb6ad2c81bb9fe5dd36be5f0", __import__("hashlib").md5(b"tool").hexdigest()))
    root.with_suffix(".json").write_text("[]")
    found = gc.verify(store, Chroots())
    assert not found.found and found.checked == 1
    (root / "usr/bin/tool").write_bytes(b"evil")
    assert "usr/bin/tool has other bytes" in gc.verify(store, Chroots()).roots[0]
    assert not root.exists() and not root.with_suffix(".json").exists()


def test_a_listing_tells_each_result(store: Store) -> None:
    build(store, 60)
    text = gc.list_store(store).to_text()
    assert text.startswith("zlib 1-1 armel  ") and "1970-01-01 00:01 UTC" in text


def test_an_export_is_taken_in_elsewhere(store: Store, tmp_path: Path) -> None:
    build(store, 1)
    new = build(store, 2)
    wrote = exchange.export(store, tmp_path / "one.tar", 1, ())
    exchange.export(store, tmp_path / "two.tar", 1, ())
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    other = Store(tmp_path / "other")
    assert exchange.take_in(other, tmp_path / "one.tar") == wrote
    assert other.artifact(new.key) == new
    assert dict(other.objects()).keys() < dict(store.objects()).keys()
    again = exchange.take_in(other, tmp_path / "one.tar")
    assert (again.objects, again.memos, again.artifacts) == (0, 0, 0)
    assert clean(other) == []


@pytest.mark.parametrize("damage", [100, 512, 1024, 1536, 0.5, 0.7])
def test_a_damaged_export_is_named_and_harms_nothing(store: Store, tmp_path: Path, damage: float) -> None:
    new = build(store, 2)
    file = tmp_path / "one.tar"
    exchange.export(store, file, 1, ())
    content = file.read_bytes()
    file.write_bytes(content[:int(damage) if damage > 1 else int(len(content) * damage)])
    other = Store(tmp_path / "other")
    with pytest.raises((StoreError, UsageError)) as raised:
        exchange.take_in(other, file)
    assert str(file) in raised.value.brief and raised.value.resolution
    assert other.artifact(new.key) in (None, new)
    assert not gc.verify(other, Chroots()).found


def test_an_export_that_lies_is_refused(store: Store, tmp_path: Path) -> None:
    def archive(name: str, content: bytes, kind: bytes = tarfile.REGTYPE) -> Path:
        path = tmp_path / "lie.tar"
        (tmp_path / "layout").write_text("1\n")
        (tmp_path / "content").write_bytes(content)
        with tarfile.open(path, "w") as tar:
            tar.add(tmp_path / "layout", "layout")
            header = tarfile.TarInfo(name)
            header.size, header.type, header.linkname = len(content), kind, "/etc/passwd"
            with (tmp_path / "content").open("rb") as file:
                tar.addfile(header, file)
        return path

    for name, content, kind in (
            (f"objects/{'a' * 2}/{'a' * 64}", b"lie", tarfile.REGTYPE),
            ("../../escape", b"lie", tarfile.REGTYPE), ("objects/ab/../x", b"lie", tarfile.REGTYPE),
            (f"objects/aa/{'a' * 64}", b"", tarfile.SYMTYPE),
            (f"artifacts/ab/ab{'0' * 62}.json", b'{"files": []}', tarfile.REGTYPE),
            (f"memo/facts/ab/ab{'0' * 62}.json", b"\xff", tarfile.REGTYPE)):
        with pytest.raises(StoreError, match="is damaged"):
            exchange.take_in(store, archive(name, content, kind))
    assert list(store.objects()) == [] and store.leftovers() == ()
    (tmp_path / "text").write_text("no archive")
    with pytest.raises(StoreError):
        exchange.take_in(store, tmp_path / "text")
    with pytest.raises(UsageError):
        exchange.take_in(store, tmp_path / "absent")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, Artifact]]:
    """A signed store behind a web server: its directory, its address, what it has."""
    need("gpg", "gpgv")
    directory = tmp_path_factory.mktemp("shared")
    store = Store(directory / "store")
    made = build(store, 1)
    substitute.sign(store, directory / "keys")
    handler = functools.partial(_Quiet, directory=str(directory / "store"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield directory / "store", f"http://127.0.0.1:{server.server_port}/", made
    server.shutdown()


def opened(store: Store, url: str, keys: tuple[Path, ...]) -> tuple[substitute.Substitute, list[str]]:
    warnings: list[str] = []

    def listen(event: Event) -> None:
        if event.kind == "warning":
            warnings.append(event.text)

    transfer = make_transfer(retries=1, pause=0.01, timeout=5)
    (one,) = substitute.open_substitutes((url,), keys, store, transfer, Events(lambda: 0.0, (listen,)))
    return one, warnings


def test_a_result_is_taken_from_another_store(store: Store, shared: tuple[Path, str, Artifact]) -> None:
    directory, url, made = shared
    one, warnings = opened(store, url, (directory / "signer.gpg",))
    assert one.artifact(MEMBER, made.key) == made == store.artifact(made.key)
    assert one.given == {made.key}
    question = digest(["question", 1])
    assert one.memo(MEMBER, "environment", question) == Store(directory).memo("environment", question)
    assert one.artifact(MEMBER, "0" * 64) is None and one.memo(MEMBER, "facts", question) is None
    assert warnings == []


Lie = Callable[[Path, Artifact], None]


def _other_bytes(directory: Path, made: Artifact) -> None:
    path = directory / "objects" / made.files[0].sha256[:2] / made.files[0].sha256
    path.chmod(0o644)
    path.write_bytes(b"deb X")


def _missing(directory: Path, made: Artifact) -> None:
    (directory / "objects" / made.files[0].sha256[:2] / made.files[0].sha256).unlink()


def _other_entry(directory: Path, made: Artifact) -> None:
    path = directory / "artifacts" / made.key[:2] / f"{made.key}.json"
    value = json.loads(path.read_text())
    value["files"] = [vars(StoredFile("evil.deb", "0" * 64, 1))]
    path.chmod(0o644)
    path.write_text(json.dumps(value))


def _other_list(directory: Path, made: Artifact) -> None:
    path = directory / "signed"
    text = path.read_text()
    path.chmod(0o644)
    path.write_text(text.replace("artifacts/", "artifacts/0", 1))


def _no_list(directory: Path, made: Artifact) -> None:
    (directory / "signed").unlink()


@pytest.mark.parametrize("lie, told", [
    (_other_bytes, "zlib1g_1_armel.deb: http://HERE/objects/"), (_missing, "404"),
    (_other_entry, "is not the entry that was signed"), (_other_list, "has no good signature"),
    (_no_list, "it has no signed list"),
])
def test_a_lie_is_refused_and_named(store: Store, tmp_path: Path, shared: tuple[Path, str, Artifact],
                                    lie: Lie, told: str) -> None:
    directory, _, made = shared
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy)
    lie(copy, made)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(copy)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        here = f"127.0.0.1:{server.server_port}"
        one, warnings = opened(store, f"http://{here}", (directory / "signer.gpg",))
        assert one.artifact(MEMBER, made.key) is None
        assert store.artifact(made.key) is None and not store.has(*made.files)
        assert len(warnings) == 1 and told.replace("HERE", here) in warnings[0]
        assert one.artifact(MEMBER, made.key) is None and len(warnings) == 1
    finally:
        server.shutdown()


def test_a_strangers_signature_is_refused(store: Store, tmp_path: Path,
                                          shared: tuple[Path, str, Artifact]) -> None:
    _, url, made = shared
    stranger = Store(tmp_path / "stranger")
    substitute.sign(stranger, tmp_path / "keys")
    one, warnings = opened(store, url, (stranger.directory / "signer.gpg",))
    assert one.artifact(MEMBER, made.key) is None
    assert "nothing is taken from it" in warnings[0]


def test_a_server_that_is_gone_is_told_once(store: Store, shared: tuple[Path, str, Artifact]) -> None:
    directory, _, made = shared
    one, warnings = opened(store, "http://127.0.0.1:9", (directory / "signer.gpg",))
    assert one.artifact(MEMBER, made.key) is None and one.artifact(MEMBER, "1" * 64) is None
    assert len(warnings) == 1


def test_without_a_key_nothing_is_trusted(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no key is trusted"):
        opened(store, "http://127.0.0.1:9", ())
    (tmp_path / "key").write_text("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!!\n")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        opened(store, "http://127.0.0.1:9", (tmp_path / "key",))


def test_a_clock_that_was_set_back_changes_nothing(store: Store) -> None:
    build(store, 2_000_000_000)
    newest = build(store, 1_000_000_000)
    for path in store.directory.rglob("*"):
        os.utime(path, (4_000_000_000, 4_000_000_000))
    clean(store)
    assert store.artifact(newest.key) and [key for key, _ in store.entries.all("artifacts")] == [newest.key]


def test_a_new_log_is_never_written_into_the_store(store: Store, tmp_path: Path) -> None:
    old = store.put_bytes(b"the log of an older build", "zlib.log")
    # As lay_out did once, and as output directories of older runs may still have it.
    os.link(store.path(old.sha256), tmp_path / "zlib.log")
    Context.log(SimpleNamespace(logs=tmp_path), "zlib").write_bytes(b"new")  # type: ignore[arg-type]
    assert store.path(old.sha256).read_bytes() == b"the log of an older build"
    store.lay_out((old,), tmp_path / "logs")
    (tmp_path / "logs" / "zlib.log").chmod(0o644)
    (tmp_path / "logs" / "zlib.log").write_bytes(b"")
    assert store.has(old)
