# SPDX-License-Identifier: GPL-3.0-or-later
"""What click asks when Tab is pressed: the commands as a table, and names for their parameters.

Importing a command imports all that it works with, which takes longer than anybody waits for
Tab.  So the tree of commands is remembered as a table of plain data, and commands that
cannot run, only complete, are made of it.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from debxcross.app import complete

_Names = Callable[[complete.Given], tuple[str, ...]]
#: A parameter's name → what is offered for it; for arguments and options alike.
OFFERED: Mapping[str, _Names] = {
    "arch": complete.architectures,
    "architectures": complete.architectures,
    "chain": complete.chains,
    "release": complete.releases,
    "releases": complete.releases,
    "target": complete.device_releases,
    "without": complete.suites,
    "rebuild": complete.members,
    "update": complete.movable,
    "member": complete.logs,
    "snapshot": complete.snapshots,
}
#: Of these, a file will do as well.
_OR_FILES = ("chain",)


def described(command: click.Command) -> dict[str, Any]:
    """Return a command, and those below it, as plain data."""
    found: dict[str, Any] = {
        "name": command.name, "help": command.get_short_help_str(80), "hidden": command.hidden,
        "params": [_parameter(one) for one in command.params]}
    if isinstance(command, click.Group):
        found["commands"] = [described(one) for one in command.commands.values()]
    return found


def _parameter(parameter: click.Parameter) -> dict[str, Any]:
    kind: Any = "text"
    if isinstance(parameter.type, click.Choice):
        kind = list(parameter.type.choices)
    elif isinstance(parameter.type, click.Path):
        kind = "dir" if (parameter.metavar or "").rstrip(".") == "DIR" else "file"
    found = {"name": parameter.name, "opts": list(parameter.opts), "type": kind,
             "nargs": parameter.nargs, "multiple": parameter.multiple}
    if isinstance(parameter, click.Option):
        found.update(option=True, flag=parameter.is_flag, hidden=parameter.hidden, help=parameter.help,
                     secondary=list(parameter.secondary_opts))
    return found


class _Offered(click.ParamType):
    """A word for which names are offered; any is taken."""

    name = "text"

    def __init__(self, names: _Names, or_files: bool) -> None:
        self._names, self._or_files = names, or_files

    def shell_complete(self, ctx: click.Context, param: click.Parameter,
                       incomplete: str) -> list[CompletionItem]:
        found = [CompletionItem(name) for name in self._names(ctx.params) if name.startswith(incomplete)]
        if self._or_files and not found:
            found.append(CompletionItem(incomplete, type="file"))
        return found


def made(table: Mapping[str, Any]) -> click.Command:
    """Return a command that completes as the described one does, and cannot run."""
    parameters = [_made_parameter(one) for one in table["params"]]
    settings: Any = {"params": parameters, "hidden": table["hidden"], "short_help": table["help"],
                     "context_settings": {"help_option_names": ["-h", "--help"]}}
    if "commands" not in table:
        return click.Command(table["name"], **settings)
    return click.Group(table["name"], commands=[made(one) for one in table["commands"]], **settings)


def _made_parameter(table: Mapping[str, Any]) -> click.Parameter:
    name, kind = table["name"], _type(table)
    if "option" not in table:
        return click.Argument([name], type=kind, nargs=table["nargs"], required=False)
    names = ["/".join((*table["opts"], *table["secondary"]))] if table["secondary"] else table["opts"]
    flag = table["flag"]
    return click.Option([name, *names], type=None if flag else kind, is_flag=flag, help=table["help"],
                        multiple=table["multiple"], hidden=table["hidden"], nargs=table["nargs"])


def _type(table: Mapping[str, Any]) -> click.ParamType:
    if table["name"] in OFFERED and table["type"] == "text":
        return _Offered(OFFERED[table["name"]], table["name"] in _OR_FILES)
    if isinstance(table["type"], list):
        return click.Choice(table["type"])
    if table["type"] == "text":
        return click.STRING
    return click.Path(file_okay=table["type"] == "file")


def light(name: str, names: Sequence[str], load: Callable[[str], click.Command]) -> click.Command:
    """Return the command of this name as it completes; ``load`` imports one in earnest."""
    table = complete.commands(lambda: {one: described(load(one)) for one in names})
    return made(table[name])
