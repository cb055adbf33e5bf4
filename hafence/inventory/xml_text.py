"""From the bytes of an XML document to its characters: the encoding is settled once, here.

Two parsers read a definition: expat here, and libxml2 in libvirt. Where a document declares how it is encoded, they may
read different characters of it. So both get the same UTF-8 text without a declaration, made here by the one that the
document bears; what can't be read by it is refused before anything is done.
"""

from __future__ import annotations

import codecs
import re

_CODECS = {
    "utf8": "utf-8",
    "ascii": "ascii",
    "usascii": "ascii",
    "ansix341968": "ascii",
    "latin1": "iso-8859-1",
    "isolatin1": "iso-8859-1",
    "latin2": "iso-8859-2",
    "isolatin2": "iso-8859-2",
    "latin9": "iso-8859-15",
    "koi8r": "koi8-r",
    "koi8u": "koi8-u",
    **{f"iso8859{part}": f"iso-8859-{part}" for part in (*range(1, 11), *range(13, 17))},
    **{f"{prefix}{page}": f"cp{page}" for page in range(1250, 1259) for prefix in ("cp", "windows")},
}
"""Python's codec for what may be declared, as letters and digits in lower case: names under which Python and libvirt's
libxml2 (with glibc's iconv) mean the same characters."""

_BEGINS = re.compile(rb"<\?xml[ \t\r\n]")
_DECLARATION = re.compile(
    rb"<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:'1\.[0-9]+'|\"1\.[0-9]+\")"
    rb"(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?P<quote>['\"])(?P<name>[A-Za-z][A-Za-z0-9._-]{0,39})(?P=quote))?"
    rb"(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:'(?:yes|no)'|\"(?:yes|no)\"))?[ \t\r\n]*\?>"
)
"""XML 1.0, 2.8, rule 23; parsers take any version 1.x."""

SAVE_AS_UTF8 = "save it as UTF-8, with encoding='UTF-8' or none in its first line"


def text_of(source: bytes) -> str:
    """The document without byte order mark and declaration. Raises ValueError with words for people."""
    marked = source.startswith(codecs.BOM_UTF8)
    source = source.removeprefix(codecs.BOM_UTF8)
    codec = "utf-8"
    if _BEGINS.match(source):
        declaration = _DECLARATION.match(source)
        if declaration is None:
            raise ValueError("begins with an XML declaration that can't be read: write <?xml version='1.0'?>, or none")
        codec = _codec(declaration["name"])
        # Its lines stay, so that what is told of the document has the right line.
        lines = source.count(b"\n", 0, declaration.end())
        source = b"\n" * lines + source[declaration.end() :]
    if marked and codec not in ("utf-8", "ascii"):
        raise ValueError(f"has UTF-8's byte order mark and declares another encoding: {SAVE_AS_UTF8}")
    try:
        return source.decode(codec)
    except UnicodeDecodeError:
        raise ValueError(f"is not {codec.upper()}: {SAVE_AS_UTF8}") from None


def _codec(name: bytes | None) -> str:
    if name is None:
        return "utf-8"
    codec = _CODECS.get(re.sub(r"[._-]", "", name.decode("ascii")).lower())
    if codec is None:
        raise ValueError(f"declares the encoding '{name.decode('ascii')}', which is not read here: {SAVE_AS_UTF8}")
    return codec
