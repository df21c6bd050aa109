# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several commands have, each in one place."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from debxcross.app.request import ANSWERS

_Function = TypeVar("_Function", bound=Callable[..., Any])


def together(*options: Callable[[_Function], _Function]) -> Callable[[_Function], _Function]:
    """Return a decorator that gives a command all these options, in this order."""
    def decorate(function: _Function) -> _Function:
        for option in reversed(options):
            function = option(function)
        return function
    return decorate


PATH = click.Path(path_type=Path)
chain = click.option("--chain", metavar="NAME|FILE", default="python2.7", show_default=True,
                     help="A chain that ships, or your own TOML file.")
places = together(
    click.option("--output", type=PATH, metavar="DIR", help="Where the results go.  [default: out/ARCH]"),
    click.option("--store", type=PATH, metavar="DIR",
                 help="Where everything fetched and built is kept.  [default: $XDG_CACHE_HOME/debxcross]"),
)
patches = click.option("--patches", type=PATH, multiple=True, metavar="DIR",
                       help="More rules patches: DIR/SOURCE/NAME.patch, DIR/sdists/PROJECT/NAME.patch.  "
                       "Repeatable.")
refresh = click.option("--refresh", is_flag=True,
                       help="Fetch the package indexes even when they are recent.")
without = click.option("--without", multiple=True, metavar="SUITE",
                       help="Leave out this suite of the release, such as bookworm-security.  Repeatable.")
answers = together(
    click.option("--answers", type=click.Choice(ANSWERS),
                 help="Who answers what configure cannot try: files where there are any, the emulator, or "
                 "nobody.  [default: a source's own setting, else the first of these that is there]"),
    click.option("--answers-from", type=PATH, multiple=True, metavar="DIR",
                 help="More files of answers: DIR/SOURCE/ARCH.cache.  Repeatable."),
)
closure = click.option("--closure/--no-closure", default=True,
                       help="Where no archive has ARCH, build what the members need, too.  "
                       "[default: --closure]")
jobs = click.option("--jobs", "-j", type=click.IntRange(1), metavar="N",
                    help="Processors to use.  [default: all]")
json_lines = click.option("--json", "json_lines", is_flag=True,
                          help="Write events as JSON lines to standard output.")
keep_going = click.option("--keep-going", "-k", is_flag=True,
                          help="Leave out what cannot work or fails; build, publish and try the rest.")
isolation = click.option("--isolation", type=click.Choice(["unshare", "none"]), default="unshare",
                         show_default=True,
                         help="How build roots are entered; none is for throw-away containers.")
no_trial = click.option("--no-trial", is_flag=True,
                        help="Do not install and run the results on an emulated device.")
no_twin = click.option("--no-twin", is_flag=True,
                       help="Do not hold results against Debian's own packages.")
