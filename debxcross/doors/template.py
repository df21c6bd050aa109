# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to templates and to the data files that come with the program.

It is the only importer of ``jinja2``.  A name that a template uses and nobody gave is a
fault, never an empty string.
"""
from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import jinja2
from jinja2.bccache import Bucket

from debxcross.errors import ConfigurationError, HostError


def data_directory(name: str) -> Path:
    """Return the directory of data files with this name (``control-templates``, ``repo``).

    In a checkout it lies next to the package; installed, in ``share/debxcross`` below one of
    this interpreter's data paths.  Raises HostError when it is in none of these places.
    """
    checkout = Path(__file__).resolve().parents[2]
    # Beside an installed package there may be somebody else's directory called "repo".
    if (checkout / "setup.cfg").is_file() and (checkout / name).is_dir():
        return checkout / name
    # Debian's interpreter gives /usr/local first, where its packages install nothing.
    schemes = (sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user"),
               "deb_system", "posix_prefix")
    places = [Path(sysconfig.get_path("data", scheme)) / "share" / "debxcross" / name
              for scheme in schemes if scheme in sysconfig.get_scheme_names()]
    for place in places:
        if place.is_dir():
            return place
    raise HostError(f"the data directory {name!r} is missing",
                    "Looked in:\n" + "\n".join(str(place) for place in (checkout / name, *places)),
                    "Install debxcross again: its data files belong to it.")


def program_file(name: str) -> Path:
    """Return a file or directory inside the installed package, such as ``chains``.

    These are the package's own data and programs that run elsewhere: on a device, in a build root.
    """
    return Path(__file__).resolve().parents[1] / name


class _Compiled(jinja2.FileSystemBytecodeCache):
    """Compiled templates in this user's own directory for temporary files, as jinja2 makes and checks it."""

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a compiled template; where there is no room for it, do without."""
        with suppress(OSError):
            super().dump_bytecode(bucket)


def _compiled() -> _Compiled | None:
    """Return where compiled templates are; None when somebody else has made that directory."""
    try:
        return _Compiled()
    except (OSError, RuntimeError):
        return None


def render(name: str, values: Mapping[str, Any], directory: Path | None = None, *,
           escape: bool = False, often: bool = False) -> str:
    """Return the template ``name`` of ``directory`` (control-templates by default), filled in.

    With ``escape`` every value is escaped for HTML and XML.  A template that is used ``often`` is compiled
    once, which takes longer than filling it in.

    Raises ConfigurationError, naming file and line, for a fault in the template.
    """
    place = directory or data_directory("control-templates")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(place),
        autoescape=escape,
        bytecode_cache=_compiled() if often else None,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    try:
        return environment.get_template(name).render(values)
    except jinja2.TemplateNotFound as error:
        raise ConfigurationError(f"{place / str(error.name)}: there is no such template",
                                 resolution="Restore the file; it belongs to debxcross.") from error
    except jinja2.TemplateSyntaxError as error:
        raise _fault(Path(error.filename or place / name), error.lineno, error) from error
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        # jinja2 rewrites the traceback so that its frames are those of the templates.
        frames = [frame for frame in traceback.extract_tb(error.__traceback__)
                  if Path(frame.filename).is_relative_to(place)]
        if not frames:
            raise
        raise _fault(Path(frames[-1].filename), frames[-1].lineno or 0, error) from error


def _fault(path: Path, line: int, error: Exception) -> ConfigurationError:
    return ConfigurationError(f"{path}:{line}: {error}", resolution="Correct the template there.")
