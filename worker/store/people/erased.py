"""People who were erased, found again by the keyed hash of their number: for opt-outs, caps, replies and plans.

While nobody was erased, a look here is one look into an empty table, made for plans and replies and for no request.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.phone_numbers.pseudonyms import check_of, pseudonym
from worker.store.bulk import insert_missing
from worker.store.engine import PRIVACY_KEY
from worker.store.errors import KEY_CHANGED, KEY_MISSING, NO_KEY, PrivacyKeyProblem
from worker.store.tables import privacy_keys

_CHECK: Final = sa.select(privacy_keys.c.check_value)
_SHARED: Final = _CHECK.with_for_update(read=True)
_ALONE: Final = _CHECK.with_for_update()
"""Who erases waits for plans under way, and they for it: each then sees what the other one did."""


def has_key(session: Session) -> bool:
    """Return whether this process has a key: only then can anybody be recognised, or have been erased by it."""
    return PRIVACY_KEY in session.info


def hashes(session: Session, numbers: Iterable[str]) -> dict[str, str]:
    """Return these numbers by their hashes; nothing while nobody was erased. Raises `PrivacyKeyProblem`."""
    check = session.connection().scalar(_CHECK)
    if check is None:
        return {}
    key = _matching_key(session, check, KEY_MISSING)
    return {pseudonym(key, number): number for number in numbers}


def any_known(session: Session) -> bool:
    """Return whether anybody was erased, also where nothing can be locked: on a standby."""
    return session.connection().scalar(_CHECK) is not None


def any_erased(session: Session) -> bool:
    """Return whether anybody was erased; nobody else is until this transaction ends."""
    return session.connection().scalar(_SHARED) is not None


def known_hashes(session: Session, numbers: Iterable[str]) -> dict[str, str]:
    """As `hashes`, but nothing without the key: what people write is stored in any case, and what was sent noted."""
    return {} if is_blind(session) else hashes(session, numbers)


def is_blind(session: Session) -> bool:
    """Return whether people were erased whom this process could not recognise."""
    try:
        require_key(session)
    except Exception:  # also a file that cannot be read
        return True
    return False


def require_key(session: Session) -> None:
    """Raise `PrivacyKeyProblem` if people were erased and this process could not recognise them."""
    hashes(session, ())


def key_for_erasing(session: Session, *, now: datetime) -> bytes:
    """Return the key that people are erased with, and let no plan be stored until this transaction ends.

    Raises `PrivacyKeyProblem` without a key, or if others were erased with another one.
    """
    known = session.connection().scalar(_ALONE)
    key = _matching_key(session, known or "", NO_KEY)
    if known is None:
        if session.get_bind().dialect.name == "postgresql":
            # Plans that are being stored have looked already and found that nobody was erased: wait for their end.
            session.execute(sa.text("LOCK TABLE recipient IN SHARE MODE"))
        values = {"id": 1, "check_value": check_of(key), "since": now}
        session.execute(insert_missing(session, privacy_keys).values(values))
        _matching_key(session, session.connection().scalar(_ALONE) or "", NO_KEY)  # two may be the first
    return key


def _matching_key(session: Session, check: str, missing: str) -> bytes:
    read: Callable[[], bytes] | None = session.info.get(PRIVACY_KEY)
    if read is None:
        raise PrivacyKeyProblem(missing)
    key = read()
    if check and check_of(key) != check:
        raise PrivacyKeyProblem(KEY_CHANGED)
    return key
