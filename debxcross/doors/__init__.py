# SPDX-License-Identifier: GPL-3.0-or-later
"""One module per outside thing; nobody else starts processes, reads the network or talks to apt."""
