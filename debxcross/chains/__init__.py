# SPDX-License-Identifier: GPL-3.0-or-later
"""The chains that ship with debxcross, one TOML file each, named like the chain."""
