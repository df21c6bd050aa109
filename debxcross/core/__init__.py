# SPDX-License-Identifier: GPL-3.0-or-later
"""Nouns and decisions.  Pure: values in, values out; nothing here touches the world."""
