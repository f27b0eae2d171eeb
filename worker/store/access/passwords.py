"""Passwords: only their argon2id hashes are stored, with RFC 9106's figures for machines with little memory."""

from functools import cache
from typing import TYPE_CHECKING, Final
from unicodedata import normalize

if TYPE_CHECKING:
    from argon2 import PasswordHasher

ROUNDS: Final = 3
MEMORY_KIB: Final = 64 * 1024
LANES: Final = 4

LONGEST: Final = 1_000
"""Of a password, in characters. Nothing longer is hashed."""

OF_NOBODY: Final = "$argon2id$v=19$m=65536,t=3,p=4$Sn62wODKEGm4ETT1eSsx+w$RflV6gsgNClinOQ8HdCz4jfs1/JYf5DceXvgnlZjVdM"
"""The hash of a random text that was thrown away. A name that is unknown is checked against it, because an answer that
came sooner would tell which names exist."""


def hashed(password: str) -> str:
    """Return the hash of a password. It takes some 50 ms and 64 MiB."""
    return _hasher().hash(_typed(password))


def is_right(password: str, password_hash: str | None) -> bool:
    """Return whether this is the password of a hash. None or empty: of nobody; it takes as long and is False."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        _hasher().verify(password_hash or OF_NOBODY, _typed(password[:LONGEST]))
    except (VerificationError, InvalidHashError):
        return False
    return bool(password_hash) and len(password) <= LONGEST


def _typed(password: str) -> bytes:
    """Return a password in one form: keyboards of different systems send the same letters as different characters."""
    return normalize("NFKC", password).encode("utf-8", "surrogatepass")


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher  # only processes that listen and `campaigns users` need it

    return PasswordHasher(time_cost=ROUNDS, memory_cost=MEMORY_KIB, parallelism=LANES)
