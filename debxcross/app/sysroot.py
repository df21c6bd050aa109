# SPDX-License-Identifier: GPL-3.0-or-later
"""The use cases around a sysroot: make one, check one, look at programs with one."""
from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from debxcross import config
from debxcross.app.opening import Opening
from debxcross.app.request import Request
from debxcross.app.interrupts import interruptible
from debxcross.core.architecture import architecture
from debxcross.core.chain.chain import Chain
from debxcross.core.gate import Verdict, failed
from debxcross.core.release import RELEASES, release as known_release
from debxcross.core.sysroot.filter import DEFAULT_FILTERS, PathFilter, parse_filter
from debxcross.core.sysroot.inspection import Collection, Inspection
from debxcross.core.sysroot.manifest import DEFAULT_PACKAGES, MANIFEST, SysrootManifest, parse_manifest
from debxcross.core.sysroot.needs import has_libraries_of
from debxcross.doors import tar
from debxcross.doors.apt import AptRoot
from debxcross.doors.files import read_named
from debxcross.doors.store import Store
from debxcross.errors import FetchError, HostError, UsageError, VerificationError
from debxcross.events import Listener
from debxcross.steps.archive import probe
from debxcross.steps.archive.libraries import library_packages
from debxcross.steps.context import Context
from debxcross.steps.sysroot import choose, inspect as looking, make, verify as sysroot_verify


@dataclass(frozen=True)
class SysrootRequest:
    """What ``sysroot create`` was asked for.

    ``packages`` are asked for beside the usual ones, or ``only`` they; ``results`` is the
    output directory of an earlier run; ``lock`` is a manifest, which decides everything.
    """

    architecture: str
    output: Path
    release: str = "bookworm"
    packages: tuple[str, ...] = ()
    only: bool = False
    results: Path | None = None
    lock: Path | None = None
    filters: tuple[PathFilter, ...] = ()
    default_filters: bool = True
    force: bool = False
    store: Path | None = None
    refresh: bool = False
    without: tuple[str, ...] = ()


def _opening(request: Request, listeners: Sequence[Listener]) -> Opening:
    """Return an invocation without a chain: the release alone says what apt sees."""
    name = known_release(request.release).name
    return Opening(request, listeners, Chain(name, name, ()))


def create(request: SysrootRequest, listeners: Sequence[Listener]) -> make.Made:
    """Make a sysroot.  See steps.sysroot.make for what is raised."""
    make.check_output(request.output.absolute(), request.force)
    lock = read_manifest(request.lock) if request.lock else None
    if lock and lock.architecture != request.architecture:
        raise UsageError(f"{request.lock} is for {lock.architecture}, not for {request.architecture}",
                         resolution=f"Write: debxcross sysroot create {lock.architecture} --from-lock …")
    release = lock.release if lock else request.release
    # No root is entered and no file of another user made, so no namespace is needed either.
    opening = _opening(
        Request(request.architecture, release=release, store=request.store, refresh=request.refresh,
                output=request.output.absolute().parent, without=request.without, isolation="none"),
        listeners)
    with interruptible(opening.interrupt):
        return _create(opening, request, release, lock)


def _create(
    opening: Opening, request: SysrootRequest, release: str, lock: SysrootManifest | None
) -> make.Made:
    store, host = opening.store, opening.host

    def busy(text: str) -> None:
        opening.events.tell("activity", choose.STEP, text)

    if lock:
        chosen = choose.locked(lock)
        if not store.has(*(one.file for one in chosen)):
            choose.fetch_locked(opening.context(device_only=True), chosen)
        manifest = lock
    else:
        context = opening.context(device_only=True)
        results = choose.local_results(store, request.results, host, release) if request.results else ()
        wanted = _wanted(context, request, [file.name.split("_")[0] for file in results])
        chosen = choose.resolve(context, release, wanted, results, _wider(opening))
        filters = (*(DEFAULT_FILTERS if request.default_filters else ()), *request.filters)
        manifest = SysrootManifest(host.name, release, wanted, (), filters, 0)
    return make.make(store, busy, host, manifest, chosen, request.output.absolute(), force=request.force)


def _wider(opening: Opening) -> Callable[[], AptRoot | None]:
    """Return what opens, once, an apt that sees the build architecture, too; None where it cannot be had."""
    @cache
    def wider() -> AptRoot | None:
        try:
            return opening.context().apt
        except (FetchError, VerificationError, HostError):
            return None
    return wider


def _wanted(context: Context, request: SysrootRequest, local: Sequence[str]) -> tuple[str, ...]:
    usual: tuple[str, ...] = ()
    if not request.only:
        compiler = probe.ask_archives(context, Chain("", request.release, ()), ()).compiler
        usual = (*DEFAULT_PACKAGES, *([f"libstdc++-{compiler}-dev"] if compiler else []),
                 *(name for name in local if name.endswith("-dev")))
    if not usual and not request.packages:
        raise UsageError("--only without --package leaves nothing", resolution="Name a --package.")
    return tuple(sorted({*usual, *request.packages}))


def read_manifest(path: Path, named: Path | None = None) -> SysrootManifest:
    """Read a manifest from a file, or from a sysroot's directory; people call it ``named``.

    Raises UsageError when there is none, ConfigurationError for a damaged one.
    """
    file = path / MANIFEST if path.is_dir() else path
    try:
        text = read_named(file).decode()
    except (OSError, UnicodeDecodeError) as error:
        what = f"{named or path} is no sysroot" if path.is_dir() else f"{file} cannot be read"
        raise UsageError(what, f"{MANIFEST}: {getattr(error, 'strerror', None) or error}",
                         "Name a sysroot that debxcross made, or the manifest.json of one.") from error
    return parse_manifest(text, str(named or file))


def filters(excludes: Sequence[str], includes: Sequence[str]) -> tuple[PathFilter, ...]:
    """Read path filters; the includes come after the excludes.  Raises ConfigurationError."""
    return (*(parse_filter(text, False) for text in excludes),
            *(parse_filter(text, True) for text in includes))


@dataclass(frozen=True)
class VerifyRequest:
    """What ``sysroot verify`` was asked for: an archive or a directory, and how to build."""

    path: Path
    programs: bool = True
    isolation: str = "unshare"
    store: Path | None = None
    logs: Path | None = None
    without: tuple[str, ...] = ()


def verify(request: VerifyRequest, tell: Callable[[Verdict], None], listeners: Sequence[Listener]) -> bool:
    """Check a sysroot and build programs with it; return whether all is well.

    Each verdict is told as soon as it is known; ``found`` of one that is ok says what was seen.
    """
    verdicts: list[Verdict] = []

    def heard(verdict: Verdict) -> None:
        verdicts.append(verdict)
        tell(verdict)

    path = request.path.absolute()
    if path.is_dir():
        return _verify(path, path, request, heard, listeners) and not failed(verdicts)
    if not path.is_file():
        raise UsageError(f"there is no sysroot at {request.path}",
                         resolution="Make one with 'debxcross sysroot create'.")
    store = Store(config.load(store=request.store).store)
    with store.work(shutil.rmtree) as work:
        tar.extract(path, work / "sysroot")
        return _verify(work / "sysroot", path, request, heard, listeners) and not failed(verdicts)


def _verify(
    directory: Path, named: Path, request: VerifyRequest, tell: Callable[[Verdict], None],
    listeners: Sequence[Listener],
) -> bool:
    manifest = read_manifest(directory, named)
    host = architecture(manifest.architecture)
    contents = sysroot_verify.read_tree(directory)
    for verdict in sysroot_verify.check_tree(contents, host):
        tell(verdict)
    if not request.programs:
        return True
    fit, others = sysroot_verify.choose(contents)
    with tempfile.TemporaryDirectory(prefix="debxcross-") as logs:
        opening = _opening(Request(
            host.name, release=manifest.release, store=request.store, isolation=request.isolation,
            output=request.logs or Path(logs), without=request.without), listeners)
        with interruptible(opening.interrupt):
            context = opening.context()
            for warning in context.chroots.warnings():
                context.events.tell("warning", text=warning)
            context.chroots.check()
            sysroot_verify.build_programs(context, manifest.release, directory, fit, tell)
    for example in others:
        tell(Verdict("left out", True, example.title, "", f"the sysroot has no {example.package}"))
    return True


def verdict_line(verdict: Verdict) -> str:
    """Return a verdict as one line, or more when it failed."""
    subject = verdict.subject if verdict.gate in ("program", "left out") else verdict.gate
    if verdict.gate == "left out":
        return f"left out  {subject}: {verdict.found}"
    if verdict.ok:
        return f"ok        {subject}: {verdict.found}"
    indented = "\n".join(f"          {line}" for line in verdict.found.splitlines())
    return f"FAILED    {subject}: expected {verdict.expected}\n{indented}"


@dataclass(frozen=True)
class InspectRequest:
    """What ``inspect`` was asked for: a sysroot, or a release and an architecture, or neither.

    ``offline`` keeps it from asking the archive which package has a library.
    """

    paths: tuple[Path, ...]
    sysroot: Path | None = None
    release: str | None = None
    arch: str | None = None
    store: Path | None = None
    offline: bool = False
    without: tuple[str, ...] = ()


def inspect(
    request: InspectRequest, listeners: Sequence[Listener] = ()
) -> tuple[Inspection | Collection, ...]:
    """Look at programs and at those inside of packages.

    Raises UsageError for what holds no machine code, or when release and architecture do not
    come together; FetchError when the archive cannot be asked.
    """
    if request.sysroot is None:
        device = _device(request, listeners)
        return tuple(one for path in request.paths for one in looking.inspect(path, device))
    if request.sysroot.is_dir():
        return _inspect_with(request.paths, request.sysroot, request.sysroot)
    with Store(config.load(store=request.store).store).work(shutil.rmtree) as work:
        tar.extract(request.sysroot, work / "sysroot")
        return _inspect_with(request.paths, work / "sysroot", request.sysroot)


def _device(request: InspectRequest, listeners: Sequence[Listener]) -> looking.Device | None:
    if (request.release is None) != (request.arch is None):
        raise UsageError("--release and --arch belong together", resolution="Name both, or a --sysroot.")
    if not request.arch or not request.release:
        return None
    host, name = architecture(request.arch), request.release
    if request.offline or name not in RELEASES and has_libraries_of(name):
        # Devices run releases that nothing is built for any more.
        return looking.Device(host, name if has_libraries_of(name) else known_release(name).name)
    opening = _opening(
        Request(host.name, release=name, store=request.store, isolation="none", without=request.without),
        listeners)
    try:
        with interruptible(opening.interrupt):
            packages = library_packages(
                opening.context(device_only=True), name, opening.configuration.index_max_age)
    except FetchError as error:
        raise FetchError(error.brief, error.details,
                         f"{error.resolution} --offline does without.".strip()) from error
    return looking.Device(host, name, packages=packages)


def _inspect_with(
    paths: Sequence[Path], directory: Path, named: Path
) -> tuple[Inspection | Collection, ...]:
    manifest = read_manifest(directory, named)
    device = looking.Device.of(sysroot_verify.read_tree(directory), directory,
                               architecture(manifest.architecture), manifest.release)
    return tuple(one for path in paths for one in looking.inspect(path, device))
