"""Names of users and tokens."""

import re
from typing import Final

from scheduler.actions.refusals import Refusal, Refused

LONGEST: Final = 64
NAME_RULE: Final = f"at most {LONGEST} letters a to z, digits and . _ @ + -, and begins with a letter or digit"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")


def known_name(text: str) -> str:
    """Return a name as it is stored: in lower case, so that nobody can have a name that looks like another's.

    Raises `Refused` for what cannot be one.
    """
    if not (name := readable_name(text)):
        raise Refused(Refusal.INVALID, f"a name has {NAME_RULE}", field="name")
    return name


def readable_name(text: str) -> str:
    """Return a name as it would be stored; empty for what cannot be one."""
    name = text.strip().lower()
    return name if _NAME.fullmatch(name) else ""
