"""Single texts that programs ask for: what they may be, and the campaign that they belong to."""

from datetime import timedelta
from hashlib import sha256
from typing import Final

from campaigns.definition import Definition, Follow, InlineSource, Kind, Schedule
from campaigns.timing.slots import SINGLE, Slot

MESSAGES: Final = "messages"
"""The campaign under which they are sent, counted and reported. No file may use this name."""

VALID_FOR: Final = timedelta(hours=1)
"""How long a text may wait if nobody says otherwise: most are codes, and nobody can use one of this morning."""

ANSWERED_FOR: Final = timedelta(hours=24)
"""How long an answer to a reply may wait: a person wrote it for a person, who can still use it in the evening."""

LONGEST_VALID: Final = timedelta(days=7)

FOLLOWED_FOR: Final = timedelta(hours=24)
"""How long to wait for the receipts of a day."""

LONGEST_KEY: Final = 255


def single_texts(timezone: str) -> Definition:
    """Return the campaign as a file would describe it. Each text is its recipient's own."""
    return Definition(
        campaign=MESSAGES,
        description="Single texts that programs asked for",
        kind=Kind.TRANSACTIONAL,
        message="A text of its own for each person",
        audience=(InlineSource(recipients=({"number": "of whoever a program named"},)),),
        schedule=Schedule(timezone=timezone),
        follow=Follow(until=FOLLOWED_FOR),
    )


def key_digest(caller: str, key: str, *, rehearsal: bool) -> str:
    """Return what identifies a caller's key. Rehearsals have keys of their own."""
    return _digest(caller, key, "rehearsal" if rehearsal else "")


def request_digest(number: str, text: str, device: str, valid_for: timedelta) -> str:
    """Return what tells whether a key is used for the same text again. `number` is in E.164."""
    return _digest(number, text, device, str(valid_for))


def slot_of_key(digest: str) -> str:
    """Return the slot of the recipient that came of a key: a person may get several texts in one day."""
    return str(Slot(digest, SINGLE, ""))


def _digest(*parts: str) -> str:
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
