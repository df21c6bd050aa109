# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds: what is typed in a root, which packages are in it, what its log says."""
