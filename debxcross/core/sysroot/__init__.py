# SPDX-License-Identifier: GPL-3.0-or-later
"""Sysroots: the manifest, the tree and its checks, what programs need."""
