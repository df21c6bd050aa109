# SPDX-License-Identifier: GPL-3.0-or-later
"""The site's settings for Sphinx (5.3 of bookworm, 8.1 of trixie); 'make site' runs it."""
from __future__ import annotations

from debxcross import __version__

project = "debxcross"
author = copyright = "debxcross maintainers"
version = release = __version__
extensions = ["myst_parser"]
root_doc = "docs/index"
exclude_patterns = ["examples/*/*.md"]

myst_enable_extensions = ["deflist"]
# Pages link to headings as a forge does.
myst_heading_anchors = 4
# Output of programs has no language; guessing one would colour it at random.
highlight_language = "text"
# Quotes and hyphens are parts of commands.
smartquotes = False

html_theme = "furo"
html_title = "debxcross"
html_static_path = ["static"]
html_css_files = ["site.css"]
# No page needs a network: fonts are the reader's own, the search is a file beside the pages.
html_show_sphinx = False
html_copy_source = False
html_show_copyright = False
