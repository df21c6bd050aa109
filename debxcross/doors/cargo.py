# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to registries of crates: Cargo itself fetches, as the user has it configured.

Which registry that is, through which mirror, proxy and login, comes from the user's own
configuration of Cargo and, when there is none, from Cargo: no host name stands here.
Nothing of what is fetched runs: 'cargo fetch' reads manifests and writes archives (The Cargo
Book, "cargo fetch", "Cargo Home").
"""
from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from debxcross.core.border import read_json
from debxcross.core.wheel.crates import Crate
from debxcross.doors import process
from debxcross.errors import FetchError, HostError

#: What Cargo and rustup may see of the caller's environment: where things are, and how to get out.
_PASSED = ("HOME", "PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "http_proxy", "https_proxy", "no_proxy",
           "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "all_proxy")
_TIMEOUT_S = 900


def cargo_program(environment: Mapping[str, str]) -> str | None:
    """Return the user's cargo: of a variable CARGO, of the search path, or of its usual home."""
    if named := environment.get("CARGO"):
        return named
    path = f"{environment.get('PATH', '')}:{cargo_home(environment)}/bin"
    return shutil.which("cargo", path=path)


def cargo_home(environment: Mapping[str, str]) -> Path:
    """Return the directory in which Cargo keeps its configuration and what it has fetched."""
    return Path(environment.get("CARGO_HOME") or Path(environment.get("HOME") or Path.home()) / ".cargo")


def cargo_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what of an environment Cargo gets."""
    return {name: value for name, value in environment.items()
            if name in _PASSED or name.startswith(("CARGO_", "RUSTUP_"))}


def fetch_argv(cargo: str, manifest: Path) -> tuple[str, ...]:
    """Return the command that fetches everything a lock file beside a manifest names."""
    return (cargo, "fetch", "--locked", "--manifest-path", str(manifest))


def metadata_argv(cargo: str, manifest: Path, targets: Sequence[str]) -> tuple[str, ...]:
    """Return the command that tells of every package that is compiled for some of these targets."""
    platforms = (word for target in targets for word in ("--filter-platform", target))
    return (cargo, "metadata", "--locked", "--format-version", "1", *platforms, "--manifest-path",
            str(manifest))


def metadata(texts: Mapping[str, str], folder: str, directory: Path, targets: Sequence[str],
             environment: Mapping[str, str] | None = None) -> object:
    """Return what Cargo says of the packages of one folder of an sdist; None when it cannot.

    It fetches their archives, as fetch_locked() does, which has the parameters described.
    """
    variables = os.environ if environment is None else environment
    cargo = cargo_program(variables)
    if cargo is None:
        return None
    _lay_out(texts, directory / "tree")
    done = process.run(
        metadata_argv(cargo, directory / "tree" / folder / "Cargo.toml", targets),
        environment=cargo_environment(variables), directory=directory, timeout=_TIMEOUT_S)
    try:
        return None if done.exit_status else read_json(done.stdout)
    except ValueError:
        return None


def _lay_out(texts: Mapping[str, str], tree: Path) -> None:
    for path, text in texts.items():
        target = tree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def fetch_locked(texts: Mapping[str, str], folder: str, directory: Path, sdist: str,
                 environment: Mapping[str, str] | None = None) -> None:
    """Have Cargo fetch the crates of the lock file in one folder of an sdist.

    ``texts`` are the sdist's manifests, lock files and Rust sources by path: Cargo wants to
    see the sources that the manifests name.  ``directory`` is empty and private; Cargo runs
    above the tree, so that no configuration of the sdist's own counts.

    Raises HostError without a cargo, FetchError when it fails.
    """
    variables = os.environ if environment is None else environment
    cargo = cargo_program(variables)
    if cargo is None:
        raise HostError(f"{sdist} needs crates, and cargo, which fetches them, is not installed",
                        resolution="Install the Debian package cargo, or name the program in CARGO.")
    tree = directory / "tree"
    _lay_out(texts, tree)
    process.run(
        fetch_argv(cargo, tree / folder / "Cargo.toml"), environment=cargo_environment(variables),
        directory=directory, timeout=_TIMEOUT_S,
    ).check(FetchError, f"cargo cannot fetch the crates of {sdist}",
            "Check the network and Cargo's configuration. A newer Cargo.lock needs a newer cargo: "
            "name one in CARGO.")


def find_crate(crate: Crate, environment: Mapping[str, str] | None = None) -> Path | None:
    """Return the archive of a crate in Cargo's own cache, None when it is not there; not verified."""
    cache = cargo_home(os.environ if environment is None else environment) / "registry/cache"
    return next(iter(sorted(cache.glob(f"*/{crate.file}"))), None)
