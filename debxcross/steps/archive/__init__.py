# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's archive: asked, opened, followed."""
