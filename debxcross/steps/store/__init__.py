# SPDX-License-Identifier: GPL-3.0-or-later
"""The store: cleaned, carried, taken from others."""
