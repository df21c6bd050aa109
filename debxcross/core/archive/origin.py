# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a source of one's own comes from: a directory, a git repository, a .dsc, a prebuilt .deb."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from debxcross.core.url import without_password

PATH, GIT, DSC, DEB = "path", "git", "dsc", "deb"
#: What a git repository is taken at.
REFS = ("commit", "tag", "branch")


@dataclass(frozen=True)
class Origin:
    """Where a member comes from when it is not the archive.

    ``kind`` is PATH, GIT, DSC or DEB; ``place`` is a path as it was written, or an address.  A GIT
    origin has in ``ref`` a commit, tag or branch, whichever ``ref_kind`` says ("" finds out: a tag
    before a branch).  ``sha256`` is that of a file that is fetched.  ``suffix`` is "git" when the
    version gets the commit's date and name.  ``keyring`` is a file with the keys that may have signed
    the tag.  Relative paths are below ``base``.
    """

    kind: str
    place: str
    ref_kind: str = ""
    ref: str = ""
    sha256: str = ""
    suffix: str = ""
    submodules: bool = False
    keyring: str = ""
    base: str = ""

    @property
    def remote(self) -> bool:
        """Whether the place is an address."""
        return "://" in self.place

    @property
    def words(self) -> str:
        """What a person calls the origin; no password is in it."""
        place = without_password(self.place) if self.remote else self.place
        return f"{place}@{self.ref}" if self.ref else place

    def path(self, text: str = "") -> str:
        """Return the place, or another path of the same file, joined to what it is relative to."""
        return str(PurePosixPath(self.base, text or self.place))

    @property
    def url(self) -> str:
        """The address of the place; a git repository's path is one as well."""
        return self.place if self.remote or _is_scp(self.place) else self.path()


def _is_scp(place: str) -> bool:
    """Tell whether a place is an address as ssh has them: host:path (git-fetch(1))."""
    head, colon, _ = place.partition(":")
    return bool(colon) and "/" not in head
