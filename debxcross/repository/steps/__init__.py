# SPDX-License-Identifier: GPL-3.0-or-later
"""How a repository is published, kept, verified and shown to devices."""
