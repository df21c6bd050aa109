# SPDX-License-Identifier: GPL-3.0-or-later
"""The store: what is kept, what goes, what somebody else signed for."""
