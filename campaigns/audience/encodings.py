"""Finds the encoding of a text file by reading all of it once, in pieces."""

import codecs
import re
from collections.abc import Iterator
from typing import Final

from campaigns.audience.opening import TableFile
from campaigns.audience.rows import AudienceProblem

_CHUNK_BYTES: Final = 1 << 20  # also the length above which an endless line counts as damaged
_HEAD_BYTES: Final = 512
_MARKUP: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|meta|table|\?xml)", re.IGNORECASE)
_ZIP, _OLE, _PDF = b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF"
_SAVE_AS: Final = "save it as CSV UTF-8"


def text_encoding(path: TableFile) -> str:
    """Return `utf-8`, `utf-8-sig`, `utf-16`, or `cp1252` for a file that is none of these.

    Spreadsheets still export Windows-1252, and nothing in the file says so. It is assumed only after the whole file
    proved not to be UTF-8, because the first accent may come after a million rows. Raises `AudienceProblem`.
    """
    head = head_of(path)
    if head.startswith(_ZIP):
        raise AudienceProblem("is a workbook or a zip archive, despite its name", f"{_SAVE_AS}, or name it .xlsx")
    refuse_other_kinds(head)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        if not _is_decodable(path, "utf-16"):
            raise AudienceProblem("begins like UTF-16 but is something else", _SAVE_AS)
        return "utf-16"
    if _is_decodable(path, "utf-8"):
        return "utf-8-sig" if head.startswith(codecs.BOM_UTF8) else "utf-8"
    if _is_decodable(path, "cp1252"):
        return "cp1252"
    raise AudienceProblem("is neither UTF-8 nor Windows-1252", _SAVE_AS)


def head_of(path: TableFile) -> bytes:
    """Return the first bytes of a table. Raises `AudienceProblem` if it is empty."""
    with path.binary() as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise AudienceProblem("is empty", "it needs a header line and rows")
    return head


def refuse_other_kinds(head: bytes) -> None:
    """Raise `AudienceProblem` for a file that is neither text nor an .xlsx workbook, despite its name."""
    if head.startswith(_OLE):
        what = "is a workbook of Excel 97-2003, or one with a password, despite its name"
        raise AudienceProblem(what, "save it as .xlsx without a password, or as CSV UTF-8")
    if head.startswith(_PDF):
        raise AudienceProblem("is a PDF document, despite its name", _SAVE_AS)
    if _MARKUP.match(head):
        what = "is a web page or XML, despite its name"
        raise AudienceProblem(what, "open it in a spreadsheet, and save it as .xlsx or CSV UTF-8")


def refuse_no_workbook(head: bytes) -> None:
    """Raise `AudienceProblem` for a file that is not a zip archive, as every .xlsx workbook is."""
    refuse_other_kinds(head)
    if not head.startswith(_ZIP):
        raise AudienceProblem(
            "is not an .xlsx workbook, despite its name", "save it as .xlsx, or rename a text file to .csv"
        )


def _is_decodable(path: TableFile, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk in _chunks(path):
            if "\0" in decoder.decode(chunk):
                raise AudienceProblem("contains NUL characters, so it is not a text file", _SAVE_AS)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _chunks(path: TableFile) -> Iterator[bytes]:
    with path.binary() as file:
        while chunk := file.read(_CHUNK_BYTES):
            if len(chunk) == _CHUNK_BYTES and b"\n" not in chunk and b"\r" not in chunk:
                raise AudienceProblem("has a line over a million bytes long", "is it a table at all?")
            yield chunk
