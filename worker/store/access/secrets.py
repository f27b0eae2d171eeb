"""What tokens and cookies are made of: random texts, of which only digests are stored."""

from hashlib import sha256
from secrets import token_urlsafe
from typing import Final

SECRET_BYTES: Final = 32

LONGEST: Final = 200
"""Of what is looked up: nothing longer can be one of ours."""


def new_secret(mark: str = "") -> str:
    """Return a new secret with 256 random bits."""
    return mark + token_urlsafe(SECRET_BYTES)


def digest(secret: str) -> str:
    """Return what a secret is found by. With 256 random bits nothing slower than SHA-256 is needed, and since the
    database compares digests, the time it takes says nothing about a secret.
    """
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
