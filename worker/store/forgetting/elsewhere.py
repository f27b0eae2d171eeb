"""Where numbers and texts are kept besides in rows: replies, notices, answers of calls, files as they were taken up."""

import json
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.phone_numbers.numbers import InvalidNumber, Normaliser
from campaigns.phone_numbers.pseudonyms import ERASED_TEXT, pseudonym
from campaigns.protocol.matching import as_words
from worker.store.bulk import in_parts
from worker.store.forgetting.renaming import rename, rows_of
from worker.store.people.known_replies import lasting_fingerprint
from worker.store.tables import accepted_before, definitions, idempotent_calls, notices, replies, runs

_REPLY: Final = tuple(
    replies.c[name] for name in ("id", "account_id", "gateway_id", "number", "text", "meaning", "fingerprint")
)

FEWEST_DIGITS: Final = 7
"""A number that ends in as many digits as a recipient of a file has, however it is written there, is taken for it."""


def erase_replies(session: Session, names: Mapping[str, str], key: bytes) -> set[str]:
    """Erase what these people wrote: a reply that is shown again is recognised by a keyed hash of its fingerprint."""
    found = rows_of(session, names, replies.c.number, *_REPLY)
    rename(session, replies, ((row.id, names[row.number]) for row in found), sender="", text=ERASED_TEXT)
    forget_fingerprints(session, found, key)
    empty_reply_notices(session, found)
    return {row.number for row in found}


def forget_fingerprints(session: Session, found: Collection[Any], key: bytes | None) -> None:
    """Replace the fingerprints of replies by lasting ones; with the `key`, by their hashes."""
    known = [row for row in found if row.fingerprint and not row.fingerprint.startswith("#")]
    prints = (
        (row.id, lasting_fingerprint(row.number, row.text, row.meaning, row.fingerprint))
        if row.text != ERASED_TEXT
        else (row.id, row.fingerprint)
        for row in known
    )
    rename(session, replies, ((id_, pseudonym(key, name) if key else name) for id_, name in prints), "fingerprint")


def empty_reply_notices(session: Session, found: Collection[Any]) -> None:
    """Empty the calls that passed these replies on; those that were not made yet are not made any more."""
    for part in in_parts([f"reply:{row.account_id}:{row.gateway_id}:{row.id}" for row in found]):
        theirs = notices.c.key.in_(part)
        session.execute(sa.update(notices).where(theirs).values(body={}))
        given_up = sa.update(notices).where(theirs, notices.c.ended_at.is_(None))
        session.execute(given_up.values(ended_at=notices.c.created_at, problem="the reply was erased"))


def hide_accepted_before(session: Session, names: Mapping[str, str], key: bytes) -> set[str]:
    """Hide the messages that `recover` found for nobody, until somebody is planned with their number and text."""
    columns = accepted_before.c.id, accepted_before.c.number, accepted_before.c.text
    found = rows_of(session, names, accepted_before.c.number, *columns)
    rename(session, accepted_before, ((row.id, pseudonym(key, as_words(row.text))) for row in found), "text")
    rename(session, accepted_before, ((row.id, names[row.number]) for row in found))
    return {row.number for row in found}


def empty_calls(session: Session, numbers: Collection[str]) -> None:
    """Empty the kept answers of calls that name these people: the same call is then made again, which changes nothing.

    They are kept for a day, and looked through: few of them, some in memory at a time.
    """
    found: list[int] = []
    query = sa.select(idempotent_calls.c.id, idempotent_calls.c.answer).execution_options(yield_per=500)
    for id_, answer in session.execute(query):
        if any(number in answer for number in numbers):
            found.append(id_)
    for part in in_parts(found):
        session.execute(sa.delete(idempotent_calls).where(idempotent_calls.c.id.in_(part)))


def take_out_of_files(session: Session, run_ids: Collection[int], names: Mapping[str, str]) -> None:
    """Take people out of all stored versions of the files of these runs that name them as recipients."""
    tails = {number.lstrip("+"): name for number, name in names.items()}
    of_region = cache(Normaliser)

    def name_of(number: str, region: str | None) -> str | None:
        try:
            return names.get(of_region(region).normalise(number))
        except InvalidNumber:
            digits = "".join(filter(str.isdecimal, number)).lstrip("0")
            theirs = (name for tail, name in tails.items() if tail.endswith(digits))
            return next(theirs, None) if len(digits) >= FEWEST_DIGITS else None

    campaign_ids: set[int] = set()
    for part in in_parts(sorted(run_ids)):
        campaign_ids.update(session.scalars(sa.select(runs.c.campaign_id).where(runs.c.id.in_(part)).distinct()))
    replace_recipients(session, campaign_ids, name_of)


def replace_recipients(
    session: Session, campaign_ids: Collection[int], name_of: Callable[[str, str | None], str | None]
) -> None:
    """Put what `name_of` (a number and the file's region) returns in place of people named in files; None: they stay.

    Their places stay, so that rows can still be told by them.
    """
    for part in in_parts(sorted(campaign_ids)):
        named = sa.select(definitions.c.id).where(
            definitions.c.campaign_id.in_(part), definitions.c.body.contains('"recipients":[{', autoescape=True)
        )
        for id_ in session.scalars(named).all():
            body = session.scalars(sa.select(definitions.c.body).where(definitions.c.id == id_)).one()
            file = json.loads(body)
            if _replace(file, name_of):
                changed = json.dumps(file, ensure_ascii=False, separators=(",", ":"))
                session.execute(sa.update(definitions).where(definitions.c.id == id_).values(body=changed))


def _replace(file: dict[str, Any], name_of: Callable[[str, str | None], str | None]) -> bool:
    is_changed = False
    for source in (*(file.get("audience") or ()), *(file.get("exclude") or ())):
        people = source.get("recipients") or []
        for place, person in enumerate(people):
            name = name_of(str(person.get("number", "")), file.get("default_region"))
            if name is not None and person != {"number": name}:
                people[place], is_changed = {"number": name}, True
    return is_changed
