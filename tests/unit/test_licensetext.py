# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole licences that Debian has are replaced by pointers; everything else stays."""
from __future__ import annotations

from debxcross.core.wheel.licence import shortened

APACHE = """\
                                 Apache License
                           Version 2.0, January 2004

   1. Definitions.
   END OF TERMS AND CONDITIONS
"""
POINTER = ("On Debian systems the full text of this license is in the file\n"
           "/usr/share/common-licenses/Apache-2.0.")


def test_one_that_is_nothing_else() -> None:
    assert shortened(APACHE + "\n   APPENDIX: How to apply it.\n") == POINTER


def test_in_the_midst_of_a_collection() -> None:
    found = shortened(f"Copyright Ada.\n\nName: vendored\n{APACHE}\nName: other\nBe kind.\n")
    assert found.startswith("Copyright Ada.\n\nName: vendored") and found.endswith("Name: other\nBe kind.\n")
    assert POINTER in found and "Definitions" not in found and "END OF" not in found
    twice = shortened(f"A\n{APACHE}\nB\n{APACHE}\nC\n")
    assert twice.count(POINTER) == 2 and "B" in twice and twice.endswith("C\n")


def test_a_mention_is_no_text() -> None:
    text = "Be kind.\nApache License Version 2.0 is another; see elsewhere for what it says.\n"
    assert shortened(text) == text
    assert shortened("The MIT License\n") == "The MIT License\n"


def test_a_notice_of_the_apache_licence_gets_the_pointer() -> None:
    notice = ('Copyright X\n\n   Licensed under the Apache License, Version 2.0 (the "License");\n'
              "   you may not use this file.\n")
    found = shortened(notice)
    assert found.startswith(notice.rstrip()) and "/usr/share/common-licenses/Apache-2.0." in found
    assert shortened(found) == found
