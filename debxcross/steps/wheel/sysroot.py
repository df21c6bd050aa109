# SPDX-License-Identifier: GPL-3.0-or-later
"""The device's part of a wheel's build environment: a sysroot of what apt chose, in the build root."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from debian.deb822 import Deb822

from debxcross.core.build.environment import PackageFile
from debxcross.core.key import digest
from debxcross.core.sysroot.filter import DEFAULT_FILTERS
from debxcross.core.sysroot.manifest import SysrootManifest, needed, tuning
from debxcross.core.wheel.cross import SYSROOT
from debxcross.doors import tar
from debxcross.doors.chroot import Session
from debxcross.doors.deb import read_facts
from debxcross.doors.template import data_directory
from debxcross.errors import UnsatisfiableError
from debxcross.steps.build.baseroot import BaseRoot
from debxcross.steps.context import Context
from debxcross.steps.sysroot import choose, make


def sysroot_digest(context: Context) -> str:
    """Return the digest of what decides a sysroot's bytes beside its packages."""
    templates = sorted(data_directory("sysroot-templates").glob("*.j2"))
    return digest([DEFAULT_FILTERS, tuning(context.host), *(
        (path.name, path.read_text()) for path in templates)])


def make_sysroot(
    context: Context, base: BaseRoot, added: Sequence[PackageFile], python: str, member: str,
    session: Session
) -> str:
    """Bring what the base root and ``added`` have for the host architecture to SYSROOT in a root.

    Returns the name of the module with the settings of the host's interpreter ("" for Python
    2.7, which has one of its own).  Raises UnsatisfiableError when that interpreter's headers
    are not there.
    """
    host = context.host
    context.supply.fetch(member, added)
    wanted = (*_of_base(context, base, added),
              *(one for one in added if one.package.architecture in (host.name, "all")))
    directory = session.directory / "sysroot"
    manifest, _ = make.build_tree(
        context.store, lambda text: context.busy(member, text), host,
        SysrootManifest(host.name, base.plan.recipe.release, (), (), DEFAULT_FILTERS, 0),
        choose.fetch_chosen(context, wanted, member), directory)
    tar.set_times(directory, manifest.source_date_epoch)
    facts: Mapping[str, str] = make.facts_of(directory, host)
    session.put(directory, SYSROOT)
    headers = directory / f"usr/include/python{python}/Python.h"
    if not headers.exists() or (python != "2.7" and facts["python"] != python):
        raise UnsatisfiableError(
            f"{member}: the packages for {host.name} have no headers of Python {python}",
            f"They have {facts['python'] or 'none'}.", "Choose the release's own version of Python.")
    return facts["sysconfigdata"] if python != "2.7" else ""


def _of_base(context: Context, base: BaseRoot, added: Sequence[PackageFile]) -> tuple[PackageFile, ...]:
    """Return the base root's packages for the host architecture, and those for all that they need.

    The kernel's headers are for all architectures from trixie on.
    """
    host = context.host.name
    with (base.directory / "var/lib/dpkg/status").open() as file:
        installed = [dict(one) for one in Deb822.iter_paragraphs(file, use_apt_pkg=False)]
    for_all = {one["Package"]: one for one in installed if one["Architecture"] == "all"}
    theirs = [read_facts(context.store.path(one.sha256)).control for one in added
              if one.package.architecture in (host, "all")]
    names = needed([*theirs, *(one for one in installed if one["Architecture"] == host)], for_all)
    return tuple(one for one in base.plan.files
                 if one.package.architecture == host
                 or one.package.architecture == "all" and one.package.name in names)
