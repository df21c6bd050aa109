# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's archive: what apt may see, sources, what a device is behind, what will exist."""
