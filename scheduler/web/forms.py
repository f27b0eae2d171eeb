"""Reads one field of a posted form, byte for byte as it was signed."""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

MOST_FIELDS: Final = 100
_BOUNDARY: Final = re.compile(r'boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_NAME: Final = re.compile(rb'(?:^|;)\s*name=(?:"([^"]*)"|([^\s;"]+))', re.IGNORECASE)


def read_field(body: bytes, content_type: str, name: str) -> bytes | None:
    """Return the decoded value of a field of a posted form, of either kind. None: no form, or not exactly one value."""
    kind = content_type.partition(";")[0].strip().lower()
    wanted = name.encode()
    if kind == "application/x-www-form-urlencoded":
        values = _urlencoded(body, wanted)
    elif kind == "multipart/form-data" and (boundary := _BOUNDARY.search(content_type)):
        values = _multipart(body, (boundary[1] or boundary[2]).encode("latin-1", "replace"), wanted)
    else:
        return None
    return values[0] if len(values) == 1 else None


def _urlencoded(body: bytes, wanted: bytes) -> list[bytes]:
    if body.count(b"&") >= MOST_FIELDS:
        return []
    pairs = (field.replace(b"+", b" ").partition(b"=") for field in body.split(b"&"))
    return [unquote_to_bytes(value) for name, _, value in pairs if unquote_to_bytes(name) == wanted]


def _multipart(body: bytes, boundary: bytes, wanted: bytes) -> list[bytes]:
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if len(parts) - 2 > MOST_FIELDS or not parts[-1].startswith(b"--"):
        return []
    values = []
    for part in parts[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            header, _, value = line.partition(b":")
            found = _NAME.search(value) if header.strip().lower() == b"content-disposition" else None
            if found and (found[1] or found[2]) == wanted:
                values.append(content)
    return values
