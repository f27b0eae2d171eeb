"""What stands in place of the number of a person who was erased: a keyed hash, which nobody can turn back."""

import hmac
import re
from base64 import urlsafe_b64encode
from typing import Final

SHORTEST_KEY: Final = 32
"""Characters. A key that can be guessed is none: there are few numbers, and all of them can be tried."""

ERASED_TEXT: Final = "[erased]"
"""What stands in place of a text. Not nothing: a row with a text counts as one in the books."""

_PSEUDONYM: Final = re.compile(r"#[A-Za-z0-9_-]{22}")


def pseudonym(key: bytes, number: str) -> str:
    """Return the same 23 characters for the same number and key: HMAC-SHA-256, the first 16 bytes of it."""
    return (
        "#" + urlsafe_b64encode(hmac.digest(key, number.encode("utf-8", "surrogatepass"), "sha256")[:16]).decode()[:22]
    )


def is_pseudonym(number: str) -> bool:
    """Return whether this stands for somebody who was erased."""
    return _PSEUDONYM.fullmatch(number) is not None


def check_of(key: bytes) -> str:
    """Return what is stored of a key to notice that it was replaced by another; it reveals nothing of it."""
    return hmac.digest(key, b"campaigns: the key of those who were erased", "sha256").hex()[:32]
