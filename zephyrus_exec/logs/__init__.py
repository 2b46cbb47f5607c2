"""Log lines: what each is about, how it is written, and what it must never show.

A library only logs; whoever runs it decides where lines go. The command line does so by `write_to`.
A host application may as well, or take what it wants of it: `AboutFilter` puts onto each record
what the line is about, for formatters of its own.
"""

from __future__ import annotations

from .about import FIELDS, AboutFilter, about
from .lines import JsonLines, TextLines
from .redaction import Redaction
from .setup import FORMATS, LEVELS, write_to

__all__ = [
    "FIELDS",
    "FORMATS",
    "LEVELS",
    "AboutFilter",
    "JsonLines",
    "Redaction",
    "TextLines",
    "about",
    "write_to",
]
