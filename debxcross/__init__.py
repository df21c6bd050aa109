# SPDX-License-Identifier: GPL-3.0-or-later
"""debxcross cross-builds chains of Debian source packages and wheels for devices."""

__version__ = "0.1.0"
