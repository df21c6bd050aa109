# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the manual pages and the site out of what --help and docs/ say.

Nothing of it is installed; 'python3 -m manual' is run when the package or the site is made.
"""
