"""Decodes the titles of windows: UTF-8, Latin-1, or the compound text of older toolkits.

ICCCM 2.7.1 and EWMH name the properties; the encodings are those of the X Consortium's Compound Text Encoding 1.1.
"""

from __future__ import annotations

import re
import unicodedata

_ESCAPE = re.compile(rb"\x1b(%G|%@|\$?[()\-)][0-9@-~])")
_CHARSETS = {b"%G": "utf-8", b"-A": "latin-1", b"-B": "iso8859-2", b"-C": "iso8859-3", b"-D": "iso8859-4",
             b"-F": "iso8859-7", b"-G": "iso8859-6", b"-H": "iso8859-8", b"-L": "iso8859-5", b"-M": "iso8859-9",
             b"-b": "iso8859-15", b"$(A": "gb2312", b"$)A": "gb2312", b"$(B": "euc_jp", b"$)B": "euc_jp",
             b"$(C": "euc_kr", b"$)C": "euc_kr"}


def text(value: bytes, kind: str) -> str:
    """Decodes a property of type `kind`. Bytes that are no UTF-8 become lone surrogates, as in program arguments."""
    value = value.rstrip(b"\0")
    if kind == "COMPOUND_TEXT" and b"\x1b" in value:
        return _compound(value)
    try:  # some programs write UTF-8 where Latin-1 is required
        return value.decode("utf-8", "surrogateescape" if kind == "UTF8_STRING" else "strict")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _compound(value: bytes) -> str:
    """Decodes compound text. Each escape sequence gives the character set of the bytes after it."""
    parts = _ESCAPE.split(value)
    out = [parts[0].decode("latin-1")]
    for escape, data in zip(parts[1::2], parts[2::2], strict=True):
        lower = escape.startswith(b"$(")  # two bytes a character, without the eighth bits
        high = bytes(byte | 0x80 if lower and byte > 0x20 else byte for byte in data)
        out.append(high.decode(_CHARSETS.get(escape, "latin-1"), "replace"))
    return "".join(out)


def alike(title: str) -> str:
    """The title in a form for comparing, in which case and the composition of accents do not matter."""
    return unicodedata.normalize("NFC", title).casefold()


def shown(title: str) -> str:
    """The title in a form for messages: quoted, shortened, and without control characters."""
    return repr(title if len(title) <= 60 else f"{title[:57]}...")
