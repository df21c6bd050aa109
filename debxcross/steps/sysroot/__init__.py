# SPDX-License-Identifier: GPL-3.0-or-later
"""Sysroots: chosen, made, verified, used to look at programs."""
