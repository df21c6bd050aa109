# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds of sources, and the roots that every build happens in."""
