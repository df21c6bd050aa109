# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains: prepared, planned, run, locked, explained, built again."""
