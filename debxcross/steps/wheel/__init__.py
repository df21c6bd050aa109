# SPDX-License-Identifier: GPL-3.0-or-later
"""Wheels: resolved, built, wrapped as debs."""
