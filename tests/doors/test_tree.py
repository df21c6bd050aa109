# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to source trees: what counts, what is remembered, what is refused, what is packed."""
from __future__ import annotations

import os
import tarfile
import time
from pathlib import Path

import pytest

from debxcross.doors.tree import all_names, pack, read_tree
from debxcross.errors import ConfigurationError, UsageError


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    (top / "src").mkdir(parents=True)
    (top / "src/a.c").write_text("int a;\n")
    (top / "run").write_text("#!/bin/sh\n")
    (top / "run").chmod(0o755)
    (top / "link").symlink_to("src/a.c")
    (top / "empty").mkdir()
    (top / ".git").mkdir()
    (top / ".git/HEAD").write_text("ref\n")
    return top


def age(top: Path) -> None:
    """Wait until the files are old enough to be remembered."""
    time.sleep(0.05)


def test_a_tree_is_its_paths_modes_and_bytes(top: Path) -> None:
    tree = read_tree(top, all_names(top))
    assert [(path, kind) for path, kind, _ in tree.rows] == [
        ("empty", "directory"), ("link", "link"), ("run", "program"), ("src/a.c", "file")]
    os.utime(top / "run", (1, 1))
    (top / "src/a.c").chmod(0o600)  # who may read it is no part of a source
    assert read_tree(top, all_names(top)).digest == tree.digest
    digests = {tree.digest}
    for change in (lambda: (top / "src/a.c").write_text("int b;\n"), lambda: (top / "run").chmod(0o644),
                   lambda: (top / "src/a.c").rename(top / "src/b.c"),
                   lambda: ((top / "link").unlink(), (top / "link").symlink_to("run"))):
        change()
        digests.add(read_tree(top, all_names(top)).digest)
    assert len(digests) == 5


def test_only_what_has_changed_is_read_again(top: Path) -> None:
    age(top)
    first = read_tree(top, all_names(top))
    assert len(first.known.splitlines()) == 2
    # What is remembered is believed while the stamp is the same.
    forged = first.known.replace(dict((row[0], row[2]) for row in first.rows)["run"], "f" * 64)
    assert ("run", "program", "f" * 64) in read_tree(top, all_names(top), forged).rows
    stamp = (top / "run").stat()
    (top / "run").write_text("#!/bin/ed\n")  # the same size and time
    os.utime(top / "run", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert ("run", "program", "f" * 64) not in read_tree(top, all_names(top), forged).rows


def test_a_file_that_has_just_been_changed_is_not_remembered(top: Path) -> None:
    (top / "src/a.c").write_text("int c;\n")
    known = read_tree(top, all_names(top)).known
    assert "src/a.c" not in known


def test_every_fault_is_told_at_once(top: Path) -> None:
    os.mkfifo(top / "fifo")
    (top / "out").symlink_to("../../etc/passwd")
    (top / "src/up").symlink_to("../run")  # stays inside
    (top / "absolute").symlink_to("/etc/passwd")
    (top / "line\nbreak").write_text("")
    (top / "big.bin").write_text("version https://git-lfs.example/spec/v1\noid sha256:12\nsize 1\n")
    with pytest.raises(ConfigurationError, match="5 files that cannot be part") as caught:
        read_tree(top, sorted(all_names(top)))
    assert [line.split(": ")[0] for line in caught.value.details.splitlines()] == [
        "absolute", "big.bin", "fifo", r"'line\nbreak'", "out"]


def test_what_is_gone_is_left_out(top: Path) -> None:
    assert [row[0] for row in read_tree(top, ("run", "gone", "run/x")).rows] == ["run"]


def test_the_same_tree_packs_to_the_same_bytes(top: Path, tmp_path: Path) -> None:
    pack(read_tree(top, all_names(top)), tmp_path / "one.tar", 7)
    os.utime(top / "run", (1, 1))
    pack(read_tree(top, reversed(list(all_names(top)))), tmp_path / "two.tar", 7)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    with tarfile.open(tmp_path / "one.tar") as archive:
        assert [(one.name, one.mode, one.mtime, one.uid) for one in archive] == [
            ("empty", 0o755, 7, 0), ("link", 0o755, 7, 0), ("run", 0o755, 7, 0), ("src/a.c", 0o644, 7, 0)]


def test_a_file_that_changes_before_it_is_packed_is_told(top: Path, tmp_path: Path) -> None:
    tree = read_tree(top, all_names(top))
    (top / "src/a.c").write_text("int z;\n")
    with pytest.raises(UsageError, match="src/a.c has changed while it was read"):
        pack(tree, tmp_path / "x.tar", 7)
