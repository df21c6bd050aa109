# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains: members, order, plan, lock, history, trial."""
