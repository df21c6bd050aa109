# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to git, on real repositories: what counts of a work tree, what a ref means, what is fetched."""
from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from debxcross.doors import git
from debxcross.errors import ConfigurationError, FetchError, VerificationError
from tests.tools import need

ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_AUTHOR_DATE": "1793620800 +0000",
               "GIT_COMMITTER_DATE": "1793620800 +0000", "GIT_AUTHOR_NAME": "A",
               "GIT_AUTHOR_EMAIL": "a@example.org",
               "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org"}


def run(directory: Path, *arguments: str) -> str:
    done = subprocess.run(("git", "-c", "protocol.file.allow=always", *arguments), cwd=directory, check=True,
                          capture_output=True, text=True, env=ENVIRONMENT)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    need("git")
    top = tmp_path / "repository"
    (top / "sub").mkdir(parents=True)
    (top / "file").write_text("one\n")
    (top / "sub/inner").write_text("inner\n")
    (top / ".gitignore").write_text("*.o\n")
    run(top, "init", "--quiet", "--initial-branch=main")
    run(top, "add", ".")
    run(top, "commit", "--quiet", "--message=First")
    run(top, "tag", "v1")
    return top


def names(top: Path, tmp_path: Path, submodules: bool = False) -> list[str]:
    return sorted(git.work_tree_names(top, tmp_path, submodules))


def test_what_counts_of_a_work_tree(repository: Path, tmp_path: Path) -> None:
    assert git.is_work_tree(repository / "sub") and not git.is_work_tree(tmp_path)
    (repository / "new").write_text("")
    (repository / "made.o").write_text("")
    (repository / "sub/ö").write_text("")
    assert names(repository, tmp_path) == [".gitignore", "file", "new", "sub/inner", "sub/ö"]
    assert names(repository / "sub", tmp_path) == ["inner", "ö"]


def test_where_a_work_tree_stands(repository: Path) -> None:
    commit = run(repository, "rev-parse", "HEAD")
    assert git.state(repository) == git.State(commit, 1793620800, False)
    (repository / "file").write_text("two\n")
    assert git.state(repository).changed
    # Only what is in the directory counts.
    assert not git.state(repository / "sub").changed
    (repository / "sub/new").write_text("")
    assert git.state(repository / "sub").changed


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    need("git")
    run(tmp_path, "init", "--quiet")
    assert git.state(tmp_path) == git.State("", 0, True)


def test_nothing_that_a_repository_names_is_run(repository: Path, tmp_path: Path) -> None:
    spy = tmp_path / "spy"
    spy.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    spy.chmod(0o755)
    run(repository, "config", "core.fsmonitor", str(spy))
    run(repository, "config", "core.pager", str(spy))
    (repository / ".git/hooks").mkdir(exist_ok=True)
    (repository / ".git/hooks/post-checkout").symlink_to(spy)
    git.state(repository)
    names(repository, tmp_path)
    git.Clone(str(repository), run(repository, "rev-parse", "v1"), "refs/tags/v1", tmp_path).check_out(
        tmp_path / "tree", False)
    assert not (tmp_path / "ran").exists()


def test_refs(repository: Path) -> None:
    commit, url = run(repository, "rev-parse", "HEAD"), str(repository)
    run(repository, "tag", "--annotate", "--message=x", "v2")
    assert git.resolve(url, "tag", "v1") == ("refs/tags/v1", commit)
    assert git.resolve(url, "", "v2") == ("refs/tags/v2", commit)
    assert git.resolve(url, "", "main") == ("refs/heads/main", commit)
    assert git.resolve(url, "commit", "a" * 40) == ("", "a" * 40)
    with pytest.raises(FetchError, match="has no branch v1"):
        git.resolve(url, "branch", "v1")
    with pytest.raises(FetchError, match="cannot be read"):
        git.resolve(f"{url}/nowhere", "", "v1")


def test_a_commit_is_fetched_and_checked_out(repository: Path, tmp_path: Path) -> None:
    first = run(repository, "rev-parse", "HEAD")
    (repository / "file").write_text("two\n")
    (repository / "link").symlink_to("file")
    run(repository, "add", ".")
    run(repository, "commit", "--quiet", "--message=Second")
    for number, (commit, name, text) in enumerate((
            (first, "", "one\n"), (run(repository, "rev-parse", "HEAD"), "refs/heads/main", "two\n"))):
        place = tmp_path / str(number)
        place.mkdir()
        clone = git.Clone(f"file://{repository}", commit, name, place)
        clone.check_out(place / "tree", False)
        assert (place / "tree/file").read_text() == text and clone.time == 1793620800
    assert os.readlink(place / "tree/link") == "file"
    gone = tmp_path / "gone"
    gone.mkdir()
    with pytest.raises(FetchError, match="has no commit aaaa"):
        git.Clone(f"file://{repository}", "a" * 40, "", gone)


def test_a_commit_that_the_branch_has_left_behind(repository: Path, tmp_path: Path) -> None:
    first = run(repository, "rev-parse", "HEAD")
    (repository / "file").write_text("two\n")
    run(repository, "commit", "--quiet", "--all", "--message=Second")
    # The ref was resolved before; meanwhile it moved on.
    git.Clone(f"file://{repository}", first, "refs/heads/main", tmp_path).check_out(tmp_path / "tree", False)
    assert (tmp_path / "tree/file").read_text() == "one\n"


def test_submodules_count_when_they_are_asked_for(repository: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    run(outer, "init", "--quiet", "--initial-branch=main")
    run(outer, "submodule", "--quiet", "add", str(repository), "part")
    run(outer, "commit", "--quiet", "--message=First")
    assert names(outer, tmp_path) == [".gitmodules"]
    assert names(outer, tmp_path, True) == [".gitmodules", "part/.gitignore", "part/file", "part/sub/inner"]
    commit = run(outer, "rev-parse", "HEAD")
    for wanted in (False, True):
        place = tmp_path / f"clone-{wanted}"
        place.mkdir()
        git.Clone(f"file://{outer}", commit, "", place).check_out(place / "tree", wanted)
        assert (place / "tree/part/file").exists() is wanted
    empty = tmp_path / "empty"
    run(tmp_path, "clone", "--quiet", str(outer), str(empty))
    with pytest.raises(ConfigurationError, match="the submodule part of .* is not there"):
        names(empty, tmp_path, True)


def test_a_tag_without_a_signature_is_told(repository: Path, tmp_path: Path) -> None:
    run(repository, "tag", "--annotate", "--message=x", "v2")
    clone = git.Clone(str(repository), run(repository, "rev-parse", "HEAD"), "refs/tags/v2", tmp_path)
    with pytest.raises(VerificationError, match="v2 of .* is not signed"):
        clone.signed_tag("refs/tags/v2")


def test_what_is_upstreams(repository: Path, tmp_path: Path) -> None:
    assert git.write_upstream(repository, "v1", "tool-1", tmp_path / "one.tar")
    assert git.write_upstream(repository, "v1", "tool-1", tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    assert not git.write_upstream(repository, "v9", "tool-9", tmp_path / "x.tar")
    assert git.pristine_names(repository) == ()
