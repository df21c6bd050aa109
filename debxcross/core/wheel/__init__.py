# SPDX-License-Identifier: GPL-3.0-or-later
"""Wheels: the index, resolution, build back ends, and the debs made of wheels."""
