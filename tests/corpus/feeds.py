# SPDX-License-Identifier: GPL-3.0-or-later
"""Which command or step reads each kind of hostile input."""
from __future__ import annotations

import re
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from debxcross.app.repository import Repository
from debxcross.core.openpgp import public_keys
from debxcross.core.store.signed import LIST, list_text
from debxcross.doors import gpg, process
from debxcross.doors.httpserver import Server
from debxcross.doors.store import Store
from debxcross.doors.web import make_transfer
from debxcross.events import Events
from debxcross.steps.store.substitute import open_substitutes
from tests.corpus import Content
from tests.corpus.feeding import Bench, Outcome, tar_of
from tests.corpus.packages import deb
from tests.corpus.texts import CHAIN
from tests.integration import test_resolve
from tests.unit.test_fuzz_parsers import KEY

PLAN = ("plan", "armel", "--chain", "tiny.toml")
WHEEL = ("--arch", "armel", "--release", "sid", "-n")
HERE = ("--state", "state", "--url", "http://example.invalid/")


def _chain(bench: Bench, content: bytes) -> Outcome:
    bench.put("tiny.toml", content)
    return bench.command(*PLAN)


def _lock(bench: Bench, content: bytes) -> Outcome:
    bench.put("tiny.toml", CHAIN.encode())
    bench.put("tiny.lock", content)
    return bench.command("build-dep-chain", *PLAN[1:], "--no-trial", "--locked", "tiny.lock")


def _settings(bench: Bench, content: bytes) -> Outcome:
    bench.put("tiny.toml", CHAIN.encode())
    bench.put("debxcross.toml", content)
    return bench.command(*PLAN)


def _shop(bench: Bench) -> None:
    """Give it an index of packages in which six is."""
    shop = test_resolve.Shop(bench.directory / "index")
    shop.sdist("six", "1.16.0")
    shop.wheel("setuptools", "80")
    shop.wheel("wheel", "0.45")
    bench.mirror(bench.archive, f'[index]\nurl = "{shop.directory.as_uri()}"\n')


def _projects(bench: Bench, content: bytes) -> Outcome:
    _shop(bench)
    bench.put("p.toml", content)
    return bench.command("wheel", "six", *WHEEL, "--projects", "p.toml")


def _requirements(bench: Bench, content: bytes) -> Outcome:
    _shop(bench)
    bench.put("r.txt", content)
    return bench.command("wheel", "-r", "r.txt", *WHEEL)


def _patch(bench: Bench, content: Content) -> Outcome:
    bench.put("tiny.toml", CHAIN.encode())
    bench.lay(content, "patches/alpha/some.patch")
    return bench.command(*PLAN, "--patches", "patches")


def _answers(bench: Bench, content: Content) -> Outcome:
    bench.put("tiny.toml", CHAIN.encode())
    bench.lay(content, "answers/alpha/armel.cache")
    return bench.command(*PLAN, "--answers-from", "answers", "--answers", "file")


def _export(bench: Bench, content: Content) -> Outcome:
    if isinstance(content, Mapping):
        outside = str(bench.outside)
        files = {name.replace("@OUTSIDE@", outside): body.replace(b"@OUTSIDE@", outside.encode())
                 for name, body in content.items()}
        content = tar_of({"layout": b"1\n", **files, "end": b""})
    bench.lay(content, "x.tar")
    return bench.command("store", "import", "x.tar")


def _result(bench: Bench, content: bytes) -> Outcome:
    Store(bench.directory / "store")
    bench.put(f"store/artifacts/{KEY[:2]}/{KEY}.json", content)
    listed, verified = bench.command("store", "ls"), bench.command("store", "verify")
    return replace(verified, said=listed.said + verified.said, seconds=listed.seconds + verified.seconds)


def _events(bench: Bench, content: Content) -> Outcome:
    bench.lay(content, "out/armel/logs/events.jsonl")
    first, second = bench.command("status"), bench.command("status", "armel", "--json")
    return replace(first, said=first.said + second.said, status=first.status or second.status)


def _log(bench: Bench, content: Content) -> Outcome:
    bench.lay(content, "out/armel/logs/x.log")
    return bench.command("log", "x", "--arch", "armel")


def _manifest(bench: Bench, content: Content) -> Outcome:
    bench.lay(content, "m.json")
    return bench.command("sysroot", "create", "armel", "--output", "made", "--from-lock", "m.json")


def _summary(bench: Bench, content: Content) -> Outcome:
    bench.lay(content, "results/summary.json")
    return bench.command("sysroot", "create", "armel", "--output", "made", "--release", "sid", "--only",
                         "--package", "libtiny1", "--results", "results")


def _repository(bench: Bench, content: Content) -> Outcome:
    bench.keep_keys()
    bench.lay(content, "web/repository.json")
    bench.put("debs/tool_1_armhf.deb", deb())
    return bench.command("repo", "publish", "web", "debs", *HERE)


def _key(bench: Bench, content: Content) -> Outcome:
    bench.keep_keys()
    bench.put("web/repository.json", _PLAIN)
    bench.lay(content, "key")
    return bench.command("repo", "key", "add", "web", "--file", "key", "--state", "state")


_PLAIN = (b'{"format": 1, "origin": "tiny", "label": "l", "url": "http://example.invalid/", "releases": '
          b'{"bookworm": {"suite": "bookworm", "component": "main", "architectures": "armhf", '
          b'"description": "d"}}, "changes": []}')


def _state(bench: Bench, content: Content) -> Outcome:
    bench.keep_keys()
    bench.lay(content, ".")
    bench.put("debs/tool_1_armhf.deb", deb())
    return bench.command("repo", "publish", "web", "debs", *HERE)


def _deb(bench: Bench, content: bytes) -> Outcome:
    bench.keep_keys()
    bench.put("debs/tool_1_armhf.deb", content)
    return bench.command("repo", "publish", "web", "debs", *HERE)


def _inspected(bench: Bench, content: bytes) -> Outcome:
    bench.put("six-1.16.0-py3-none-any.whl", content)
    return bench.command("inspect", "six-1.16.0-py3-none-any.whl")


def _mirror(bench: Bench, content: Callable[[Bench], Path]) -> Outcome:
    bench.put("tiny.toml", CHAIN.encode())
    bench.mirror(content(bench))
    return bench.command(*PLAN)


def _index(bench: Bench, content: Content) -> Outcome:
    shop = test_resolve.Shop(bench.directory / "index")
    shop.wheel("setuptools", "80")
    shop.wheel("wheel", "0.45")
    bench.lay(content, "index")

    def work() -> None:
        desk = test_resolve.Desk(shop, bench.directory)
        chain, notes = desk.maker().make("wheels", desk.resolve("lamp"))
        print(chain, notes)
    return bench.step(work)


def _substitute(bench: Bench, content: Any) -> Outcome:
    bench.keep_keys()
    listed, files = content["listed"], content["files"]
    home = bench.directory / "state/keys"
    bench.put("shared/signer.gpg", gpg.export_public(home))
    for name, body in files.items():
        bench.put(f"shared/{name}", body)
    if listed is not None:
        document = bench.put("list", listed if isinstance(listed, bytes) else list_text(listed).encode())
        gpg.sign(home, (public_keys(gpg.export_public(home))[0].fingerprint,), document,
                 clear=bench.directory / "shared" / LIST, detached=bench.directory / "apart")

    def work() -> None:
        store = Store(bench.directory / "store")
        events = Events(lambda: 0.0, (lambda event: print(event.text),))
        one, = open_substitutes(((bench.directory / "shared").as_uri(),), (Path("shared/signer.gpg"),), store,
                                make_transfer(retries=0), events)
        print("taken" if one.artifact("foo", KEY) else "nothing taken")
    return bench.step(work)


def _tree(bench: Bench, content: Content) -> Outcome:
    bench.keep_keys()
    bench.lay(content, "old")
    done = bench.command("repo", "import", "web", "old", *HERE)
    assert not done.status or not (bench.directory / "web").exists()
    return done


def _request(bench: Bench, content: bytes) -> Outcome:
    bench.put("web/file", b"content")
    bench.put("web/.staging/1", b"hidden")
    bench.link("web/link", bench.outside / "secret")
    bench.fifo("web/pipe")

    def work() -> None:
        server = Server(bench.directory / "web", "127.0.0.1", 0)
        threading.Thread(target=server.serve, daemon=True).start()
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            with suppress(OSError):  # it may have answered before it heard all
                connection.sendall(content)
                connection.shutdown(socket.SHUT_WR)
            got = b""
            with suppress(OSError):
                while block := connection.recv(65536):
                    got += block
        print(got.decode("latin-1"))
    done = bench.step(work)
    found = re.match(r"HTTP/1\.[01] (\d{3})", done.said)
    said = done.said if done.said.strip() else "the connection is closed without an answer"
    return replace(done, said=said, status=int(found[1]) if found and not done.status else done.status)


def _answer(bench: Bench, content: bytes) -> Outcome:
    content = content.replace(b"@OUTSIDE@", str(bench.outside).encode())

    def work() -> None:
        from debxcross.cli import main

        listener = socket.create_server(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(content)
        threading.Thread(target=serve, daemon=True).start()
        sys.argv = ["debxcross", "repo", "verify", f"http://127.0.0.1:{listener.getsockname()[1]}/"]
        main()
    return bench.step(work)


def _script(bench: Bench, content: Callable[[str, str], tuple[str, tuple[str, ...]]]) -> Outcome:
    bench.keep_keys()
    bench.put("debs/tool_1_armhf.deb", deb())
    done = bench.command("repo", "publish", "web", "debs", *HERE)
    assert not done.status, done.said
    repository = Repository(bench.directory / "web", bench.directory / "state")
    script, _, _ = repository.device(None, "bookworm", no_clock=False, sources=False)
    fingerprint = public_keys(gpg.export_public(bench.directory / "state/keys"))[0].fingerprint
    changed, told = content(script, fingerprint)
    assert (changed, told) != (script, (fingerprint,))
    bench.put("install.sh", changed.encode())

    def work() -> int:
        ran = process.run(("sh", str(bench.directory / "install.sh"), *told),
                          environment={"DEVICE_ROOT": str(bench.directory / "device")})
        print(ran.stdout + ran.stderr)
        return ran.exit_status
    done = bench.step(work)
    assert not (bench.directory / "device").exists()
    return done


FEEDS: dict[str, Callable[[Bench, Any], Outcome]] = {
    "chain": _chain, "lock": _lock, "settings": _settings, "projects": _projects,
    "requirements": _requirements, "rules patch": _patch, "answers": _answers, "export": _export,
    "result in a store": _result, "events": _events, "log": _log, "sysroot's manifest": _manifest,
    "summary": _summary, "repository.json": _repository, "key": _key, "state of a repository": _state,
    "install.sh": _script, "deb": _deb, "wheel": _inspected, "mirror": _mirror, "index page": _index,
    "sdist": _index,
    "substitute": _substitute, "tree to import": _tree, "request": _request, "server's answer": _answer,
}
