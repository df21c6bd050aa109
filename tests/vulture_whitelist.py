# SPDX-License-Identifier: GPL-3.0-or-later
"""What vulture takes for dead code, and who uses it.  This file is read, never run."""
from __future__ import annotations

from typing import Any

_: Any = None

# click calls these of a group of commands.
_.list_commands, _.get_command, _.format_commands

# click calls this of a type when Tab is pressed, with arguments that it names.
_.shell_complete, _.param

# The standard library calls these: html.parser, configparser, io; the class is in super().
_.handle_starttag, _.optionxform, _.readable, _.readinto, _.cls

# jinja2 calls this of a cache of compiled templates.
_.dump_bytecode

# resolvelib calls these of a provider, with arguments that it names.
_.get_preference, _.find_matches, _.is_satisfied_by, _.get_dependencies, _.resolutions

# urllib3 reads this of a pool manager.
_.pool_classes_by_scheme

# The templates in control-templates read these.
_.distribution, _.synopsis, _.extended, _.home_page, _.author

# Tests hold plans, and what a sysroot left out, to these.
_.STATES, _.left_out_links

# The choices of --debian-names; cli has them as literals.
_.POLICIES
