# SPDX-License-Identifier: GPL-3.0-or-later
"""The wing of the repository: what devices read, and how it comes to be."""
