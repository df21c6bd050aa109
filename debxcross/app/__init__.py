# SPDX-License-Identifier: GPL-3.0-or-later
"""The composition root: wires doors to steps, one function or class per use case."""
