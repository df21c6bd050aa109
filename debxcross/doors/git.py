# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to git: which files of a work tree count, what a repository has at a commit.

Nothing that a repository brings is run: no hooks, no file system monitor, no filters.  The user's own
settings are read where something is fetched, for the credentials.
"""
from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from debxcross.core.url import without_password
from debxcross.doors import process
from debxcross.errors import ConfigurationError, FetchError

#: Settings that would run what a repository or a user's configuration names, or change bytes.
_QUIET = tuple(word for setting in (
    "core.fsmonitor=false", "core.hooksPath=/dev/null", "core.autocrlf=false", "core.pager=cat",
    "protocol.ext.allow=never", "filter.lfs.smudge=", "filter.lfs.process=", "filter.lfs.required=false",
    "advice.detachedHead=false", "tar.umask=0022") for word in ("-c", setting))
#: The variables of the caller that git needs to find keys and passwords.
_CALLERS = ("HOME", "SSH_AUTH_SOCK", "XDG_CONFIG_HOME", "GIT_SSH_COMMAND", "http_proxy", "https_proxy",
            "no_proxy")


@dataclass(frozen=True)
class State:
    """Where a work tree stands: its commit ("" for none), the commit's time in seconds, and any change."""

    commit: str
    time: int
    changed: bool


def _run(arguments: Sequence[str], directory: Path | None = None, stdout_path: Path | None = None
         ) -> process.Completed:
    environment = {name: os.environ[name] for name in _CALLERS if name in os.environ}
    return process.run(("git", *_QUIET, *arguments), directory=directory,
                       environment={**environment, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"},
                       stdout_path=stdout_path)


def is_work_tree(directory: Path) -> bool:
    """Tell whether a directory lies in a git work tree, without starting anything."""
    return any((place / ".git").exists() for place in (directory, *directory.parents))


def _asked(directory: Path, *arguments: str) -> str:
    return _run(arguments, directory).check(
        ConfigurationError, f"git cannot read the work tree {directory}",
        "These are git's own words; 'git -C DIR status' must work for this user.").stdout


def state(directory: Path) -> State:
    """Return where the work tree stands: the newest commit that touched the directory; only that counts."""
    told = _run(("log", "-1", "--format=%H %ct", "--", "."), directory).stdout.split()
    commit, seconds = told if len(told) == 2 else ("", "0")  # there may be none yet
    changed = bool(_asked(directory, "status", "--porcelain", "-z", "--ignore-submodules=none", "--", "."))
    return State(commit, int(seconds), changed or not commit)


def work_tree_names(directory: Path, scratch: Path, submodules: bool) -> tuple[str, ...]:
    """Return the paths of the files of a work tree that count: tracked, or neither tracked nor ignored.

    ``scratch`` is a directory to write in.  A submodule's files count only when they are asked for.
    """
    listing = scratch / "listing"
    _run(("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"), directory,
         stdout_path=listing).check(ConfigurationError, f"git cannot list the files of {directory}",
                                    "These are git's own words; 'git -C DIR status' must work for this user.")
    names = [os.fsdecode(name) for name in listing.read_bytes().split(b"\0") if name]
    # A submodule is listed as a file, a repository that is in nobody's care with a slash at its end.
    inner = ([name for name in names if _is_directory(f"{directory}/{name}")]
             if (directory / ".gitmodules").exists() else [name for name in names if name.endswith("/")])
    below = []
    for name in inner if submodules else ():
        if not (directory / name / ".git").exists():
            raise ConfigurationError(f"the submodule {name} of {directory} is not there",
                                     resolution=f"Fetch it: git -C {directory} submodule update --init")
        below += [f"{name.rstrip('/')}/{one}" for one in work_tree_names(directory / name, scratch, True)]
    left = set(inner)
    return (*(name for name in names if name not in left), *below)


def _is_directory(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def resolve(url: str, kind: str, ref: str) -> tuple[str, str]:
    """Return the name that a repository has for a tag or branch ("" for a commit), and its commit.

    Of a ``kind`` "" a tag comes before a branch.  Raises FetchError for a ref that is gone.
    """
    if kind == "commit":
        return "", ref
    places = {"tag": (f"refs/tags/{ref}",), "branch": (f"refs/heads/{ref}",)}.get(
        kind, (f"refs/tags/{ref}", f"refs/heads/{ref}"))
    peeled = [f"{place}^{{}}" for place in places]
    said = _fetching(url, ("ls-remote", "--quiet", "--", url, *places, *peeled))
    found = dict(line.split("\t")[::-1] for line in said.splitlines())
    for place in places:
        if place in found:
            # An annotated tag has a name of its own; with ^{} stands the commit it is on.
            return place, found.get(f"{place}^{{}}", found[place])
    raise FetchError(
        f"{without_password(url)} has no {kind or 'tag or branch'} {ref}", "",
        f"'git ls-remote {without_password(url)}' lists what it has. If the ref has been removed, name the "
        "commit.")


def _fetching(url: str, arguments: Sequence[str], directory: Path | None = None) -> str:
    return _run(arguments, directory).check(
        FetchError, f"the git repository {without_password(url)} cannot be read",
        "These are git's own words. Check the address and the credentials: 'git ls-remote URL' must "
        "work.").stdout


class Clone:
    """A repository of which one commit has been fetched into a throw-away directory, bare, at ``place``."""

    def __init__(self, url: str, commit: str, name: str, directory: Path) -> None:
        """Fetch a commit, with the ref ``name`` when it has one.  Raises FetchError when it is gone."""
        self.url, self.commit, self.place = url, commit, directory / "clone.git"
        _fetching(url, ("init", "--quiet", "--bare", "--template=", str(self.place)))
        done = self._fetch(f"+{name}:{name}" if name else commit)
        if done.exit_status or not self._has(commit):
            # Not every server gives a single commit, and a branch may have moved on.
            _fetching(url, ("fetch", "--quiet", "--tags", "--", url, "+refs/heads/*:refs/heads/*"),
                      self.place)
        if not self._has(commit):
            raise FetchError(f"{without_password(url)} has no commit {commit}", "",
                             "It may have been removed from the branch it was on; name another commit or a "
                             "tag.")

    def _fetch(self, ref: str) -> process.Completed:
        return _run(("fetch", "--quiet", "--no-tags", "--depth=1", "--", self.url, ref), self.place)

    def _has(self, commit: str) -> bool:
        return _run(("cat-file", "-e", f"{commit}^{{commit}}"), self.place).exit_status == 0

    @property
    def time(self) -> int:
        """When the commit was made, in seconds since 1970."""
        return int(_asked(self.place, "log", "-1", "--format=%ct", self.commit))

    def check_out(self, directory: Path, submodules: bool) -> None:
        """Write the files of the commit into a new directory.

        Raises FetchError, also for a submodule that is gone.
        """
        directory.mkdir()
        _run((f"--git-dir={self.place}", f"--work-tree={directory}", "checkout", "--quiet", "--force",
              self.commit, "--", "."), directory).check(
                  FetchError, f"the commit {self.commit} of {without_password(self.url)} cannot be read")
        if submodules and (directory / ".gitmodules").is_file():
            self._submodules(directory)

    def _submodules(self, directory: Path) -> None:
        # A submodule's address may be relative to that of the repository, which is its "origin".
        for arguments in (("config", "core.bare", "false"), ("config", "remote.origin.url", self.url),
                          ("update-ref", "--no-deref", "HEAD", self.commit), ("reset", "--quiet", "--mixed"),
                          ("-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init",
                           "--recursive", "--depth=1")):
            _fetching(self.url, (f"--git-dir={self.place}", f"--work-tree={directory}", *arguments),
                      directory)
