"""Which replies are stored already, however they are shown again."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.optout import MOST_JUDGED, Meaning
from campaigns.phone_numbers.pseudonyms import ERASED_TEXT
from worker.store.bulk import in_parts
from worker.store.people import erased
from worker.store.tables import replies


@dataclass(frozen=True, slots=True)
class Shown:
    """A reply as the gateway shows it, enough to recognise it; `dated_at` is None if it has no date."""

    gateway_id: int
    number: str
    text: str
    dated_at: datetime | None


def unknown_replies(session: Session, account_id: int, shown: Collection[Shown]) -> list[Shown]:
    """Return those that are not stored yet. An ID alone proves nothing: a gateway that was set up again starts at 1.

    A reply that has or had no date is recognised by number and text. So is a START: one that shows a new date, after
    the gateway's clocks were changed, must not undo a STOP between the two.
    """
    stored: dict[int, list[sa.Row[Any]]] = defaultdict(list)
    for part in in_parts(sorted({reply.gateway_id for reply in shown})):
        query = sa.select(*(replies.c[name] for name in ("gateway_id", *_KNOWN_BY)))
        for row in session.execute(query.where(replies.c.account_id == account_id, replies.c.gateway_id.in_(part))):
            stored[row.gateway_id].append(row)
    prints = {each: _fingerprints(each) for each in shown if stored[each.gateway_id]}
    if any(row.text == ERASED_TEXT for rows in stored.values() for row in rows):
        hashed = {mine: name for name, mine in erased.known_hashes(session, set().union(*prints.values())).items()}
        prints = {each: {*mine, *(hashed[one] for one in mine if one in hashed)} for each, mine in prints.items()}
    return [each for each in shown if not any(_is_same(each, prints[each], row) for row in stored[each.gateway_id])]


def _fingerprints(shown: Shown) -> set[str]:
    return {fingerprint(shown), fingerprint(replace(shown, dated_at=None))}


_KNOWN_BY: Final = ("number", "text", "received_at", "stored_at", "meaning", "fingerprint")


def _is_same(shown: Shown, prints: Collection[str], row: sa.Row[Any]) -> bool:
    if row.text == ERASED_TEXT:
        return row.fingerprint in prints if row.fingerprint else row.received_at in {shown.dated_at, row.stored_at}
    if row.text[:MOST_JUDGED] != shown.text or tail(row.number) != tail(shown.number):
        return False
    if shown.dated_at is None or row.meaning == Meaning.START:
        return True
    if not row.fingerprint:  # stored by an older version, which replaced a date in the future by the time of storing
        return row.received_at in {shown.dated_at, row.stored_at}
    return row.fingerprint in prints


def tail(number: str) -> str:
    """Return what all spellings of a phone's number end in; for a shop's name, the name."""
    digits = "".join(filter(str.isdecimal, number))
    return digits[-8:] if len(digits) >= 8 else number.strip().casefold()


def fingerprint(shown: Shown) -> str:
    """Return what tells a reply from others with its ID, for a unique index."""
    said = "\0".join((tail(shown.number), shown.text, shown.dated_at.isoformat() if shown.dated_at else ""))
    return sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def lasting_fingerprint(number: str, text: str, meaning: Meaning, fingerprint_: str) -> str:
    """Return by what a reply is recognised whose text is erased: of a START without its date, as before."""
    return fingerprint(Shown(0, number, text, None)) if meaning == Meaning.START else fingerprint_
