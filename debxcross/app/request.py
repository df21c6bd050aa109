# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build is asked for: a request, and the chain it means."""
from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from debxcross.core.border import is_line, read_toml
from debxcross.core.build.answers import MODES
from debxcross.core.chain.chain import Chain, SourceMember, parse
from debxcross.core.chain.target import TARGETS, parse_target
from debxcross.core.chain.origin import is_own
from debxcross.core.release import release as known_release
from debxcross.doors.files import read_named
from debxcross.doors.template import program_file
from debxcross.errors import ConfigurationError, UsageError

#: What of a request the run's events remember, for ``shell``.
_KEPT = ("architecture", "chain", "targets", "release", "output", "store", "isolation", "patches",
         "without", "locked", "offline", "twin", "answers", "answers_from",
         "closure")
_CHAINS = program_file("chains")
#: What ``Request.answers`` may be, beside "".
ANSWERS = MODES


@dataclass(frozen=True)
class Request:
    """What the command line asked for; None means the default.

    ``closure`` adds what must be built first where no archive has the architecture; ``same_indexes``
    looks at what an earlier run saw, however old that is; ``answers`` is one of ANSWERS;
    with ``test`` the device runs the tests in the sdists of wheels.  ``index_url`` and
    ``extra_index_urls`` are indexes of Python packages; they may hold logins, and are written down nowhere.
    """

    architecture: str
    chain: str = "python2.7"
    targets: tuple[str, ...] = ()
    release: str = "bookworm"
    output: Path | None = None
    store: Path | None = None
    jobs: int | None = None
    keep_going: bool = False
    isolation: str = "unshare"
    rebuild: tuple[str, ...] = ()
    trial: bool = True
    test: bool = False
    patches: tuple[Path, ...] = ()
    refresh: bool = False
    same_indexes: bool = False
    substitutes: tuple[str, ...] = ()
    substitute_keys: tuple[Path, ...] = ()
    without: tuple[str, ...] = ()
    locked: Path | None = None
    offline: bool = False
    twin: bool = True
    answers: str = ""
    answers_from: tuple[Path, ...] = ()
    closure: bool = True
    index_url: str = ""
    extra_index_urls: tuple[str, ...] = ()

    @property
    def directory(self) -> Path:
        """Where the results go."""
        return (self.output or Path("out") / self.architecture).absolute()


def chain_names() -> tuple[str, ...]:
    """Return the names of the chains that ship with debxcross."""
    return tuple(sorted(path.stem for path in _CHAINS.glob("*.toml")))


def load_chain(name: str) -> Chain:
    """Load a chain that ships, by name, or a user's own, by path.

    Raises UsageError (nearest names offered) or ConfigurationError (all faults at once).
    """
    path = _CHAINS / f"{name}.toml"
    if "/" in name or name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise UsageError(f"there is no chain file {name}",
                             resolution="Check the path; docs/chains.md describes what stands in the file.")
    if not path.is_file():
        near = difflib.get_close_matches(name, chain_names(), n=2, cutoff=0.4)
        guess = f"Did you mean {' or '.join(near)}? " if near else ""
        raise UsageError(f"there is no chain {name!r}", resolution=(
            f"{guess}Chains that ship: {', '.join(chain_names())}. "
            "A chain of your own is named by its file's path."))
    try:
        chain = parse(read_toml(read_named(path).decode()), str(path) if path.parent != _CHAINS else name)
        return chain.below(str(path.parent.absolute()))
    except (ValueError, OSError) as error:
        raise ConfigurationError(
            f"the chain {path} is not a TOML file", str(error),
            "Mend the line named above; toml.io describes the syntax.") from error


def requested_chain(request: Request) -> Chain:
    """Return the chain of a request: a loaded one, or one made of the named sources."""
    if not request.targets:
        return load_chain(request.chain)
    members: list[SourceMember] = []
    faults = []
    for target in request.targets:
        try:
            members.append(parse_target(target, str(Path.cwd())))
        except ConfigurationError as error:
            faults.append(error.details)
    if faults:
        raise ConfigurationError("not every target names a source", "\n".join(faults), TARGETS)
    return chain_of(members, known_release(request.release).name)


def chain_of(members: Sequence[SourceMember], release: str) -> Chain:
    """Return the chain of sources that were named on the command line."""
    return Chain("+".join(sorted(member.name for member in members)), release, tuple(members))


def absolute(target: str) -> str:
    """Return a target of the command line that means the same from another directory."""
    scheme = "git+" if target.startswith("git+") else ""
    place = target.removeprefix(scheme)
    # host:path is an address as well (git-fetch(1)).
    if not is_own(target) or "://" in place or scheme and ":" in place.partition("/")[0]:
        return target
    return f"{scheme}{Path(place).expanduser().absolute()}"


def to_json(request: Request) -> dict[str, Any]:
    """Return what a run's events remember of its request."""
    values = {name: getattr(request, name) for name in _KEPT}
    return {name: [str(one) for one in value] if isinstance(value, tuple)
            else str(value) if isinstance(value, Path) else value for name, value in values.items()}


def remembered_request(values: Mapping[str, Any]) -> Request:
    """Return the request that the run-started event remembers.  Raises UsageError for another one."""
    # An older debxcross knew fewer options; what it did not know has its default.
    read: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in {**to_json(Request("")), **values}.items()}
    texts = ("architecture", "chain", "release", "isolation")
    lists = ("targets", "patches", "without", "answers_from")
    paths = ("output", "store", "locked")
    if (set(read) != set(_KEPT) or not read["architecture"] or not all(is_line(read[name]) for name in texts)
            or not all(isinstance(read[name], tuple) and all(map(is_line, read[name])) for name in lists)
            or not all(read[name] is None or is_line(read[name]) for name in paths)
            or any(type(read[name]) is not bool for name in ("offline", "twin", "closure"))
            or read["answers"] not in ("", *MODES)):
        raise UsageError("the events of that run are not those of this debxcross",
                         resolution="Run it again, then this.")
    for name in ("patches", "answers_from"):
        read[name] = tuple(Path(path) for path in read[name])
    for name in paths:
        read[name] = Path(read[name]) if read[name] else None
    return Request(**read)
