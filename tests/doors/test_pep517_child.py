# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that calls back ends' hooks, with a back end that tells what it was asked."""
from __future__ import annotations

import json
import sys
import tarfile
from pathlib import Path
from typing import Any

from debxcross.doors import pep517_child, process

BACKEND = """
import json, os, sys

class Nested:
    @staticmethod
    def get_requires_for_build_wheel(settings):
        print("narration")
        return ["cffi>=1", json.dumps(settings)]

    @staticmethod
    def build_wheel(directory, settings):
        open(os.path.join(directory, "made.whl"), "w").close()
        return "made.whl"

    @staticmethod
    def build_sdist(directory, settings):
        import io, tarfile, time
        with tarfile.open(os.path.join(directory, "lamp-1.tar.gz"), "w:gz") as tar:
            for name in ("lamp-1/b.sh", "lamp-1/a.py", "lamp-1/PKG-INFO"):
                member = tarfile.TarInfo(name)
                member.mtime, member.mode, member.size, member.uname = time.time(), 0o775, 3, "me"
                tar.addfile(member, io.BytesIO(b"abc"))
        return "lamp-1.tar.gz"

def build_wheel(directory, settings):
    raise SystemExit("no header here")
"""


def call(tree: Path, hook: str, **request: Any) -> tuple[process.Completed, Any]:
    (tree / "own").mkdir(exist_ok=True)
    (tree / "own" / "maker.py").write_text(BACKEND)
    answer = tree / "answer.json"
    whole = {"backend": "maker:Nested", "backend_path": ["own"], "settings": [],
             "directory": str(tree / "dist"), **request}
    done = process.run([sys.executable, pep517_child.__file__, hook, str(answer)], directory=tree,
                       stdin=json.dumps(whole), environment={"SOURCE_DATE_EPOCH": "1767312000"})
    return done, json.loads(answer.read_text()) if answer.exists() else None


def test_requirements_with_settings_given_twice(tmp_path: Path) -> None:
    done, answer = call(tmp_path, "requires", settings=["a=1", "b=x=y", "a=2", "a=3"])
    assert done.exit_status == 0 and done.stdout == "narration\n"
    assert answer[0] == "cffi>=1" and json.loads(answer[1]) == {"a": ["1", "2", "3"], "b": "x=y"}


def test_the_wheel_is_named_and_there(tmp_path: Path) -> None:
    _, answer = call(tmp_path, "wheel")
    assert answer == "made.whl" and (tmp_path / "dist" / answer).exists()


def test_a_back_end_without_the_optional_hook_and_one_that_fails(tmp_path: Path) -> None:
    assert call(tmp_path, "requires", backend="maker")[1] == []
    (tmp_path / "answer.json").unlink()
    done, answer = call(tmp_path, "wheel", backend="maker")
    assert done.exit_status != 0 and answer is None and "no header here" in done.stderr


def test_the_sdist_tells_nothing_of_when_and_by_whom_it_was_made(tmp_path: Path) -> None:
    assert call(tmp_path, "sdist-requires")[1] == []
    _, answer = call(tmp_path, "sdist")
    made = tmp_path / "dist" / answer
    first = made.read_bytes()
    with tarfile.open(made) as tar:
        assert [(one.name, one.mtime, one.mode, one.uname, one.uid) for one in tar] == [
            (f"lamp-1/{name}", 1767312000, 0o755, "", 0) for name in ("PKG-INFO", "a.py", "b.sh")]
        file = tar.extractfile("lamp-1/a.py")
        assert file is not None and file.read() == b"abc"
    call(tmp_path, "sdist")
    assert made.read_bytes() == first and [path.name for path in made.parent.iterdir()] == [answer]
