"""What is forgotten by age, a run after the other, in portions: the texts of those that are long over, then the people.

A run is over with its following, and with all resends and steps of it: until then receipts and replies look for number
and text, and a step for the text before.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import RecipientState
from campaigns.optout import Meaning
from campaigns.phone_numbers.pseudonyms import ERASED_TEXT, is_pseudonym, pseudonym
from worker.store.forgetting import elsewhere
from worker.store.forgetting.people import rename_people, rename_texted
from worker.store.forgetting.renaming import rename
from worker.store.forgetting.wiping import leave_traces
from worker.store.people import erased
from worker.store.people.reviews import WAITS
from worker.store.runs.reminders import show_again
from worker.store.tables import (
    accepted_before,
    attempts,
    device_people,
    message_keys,
    notices,
    recipients,
    replies,
    runs,
    suppressions,
    unsubscriptions,
)
from worker.store.transitions import changed

AT_ONCE: Final = 1_000
"""How many rows one transaction changes."""

TEXTS: Final = runs.c.texts_emptied_at
PEOPLE: Final = runs.c.people_erased_at
"""The columns of a run that say what of it was forgotten, and when."""

_UNDECIDED: Final = (RecipientState.PENDING, RecipientState.IN_DOUBT, RecipientState.HELD)
"""Whoever is held keeps number and text until a person has decided; then the run is looked at again."""


def old_runs(session: Session, what: "sa.Column[datetime | None]", before: datetime, *, most: int = 100) -> list[int]:
    """Return some of the oldest runs that ended before then, of which `what` was not forgotten yet."""
    of_chain = runs.alias()
    root = sa.func.coalesce(runs.c.root_id, runs.c.parent_id, runs.c.id)
    goes_on = sa.exists().where(
        sa.or_(of_chain.c.id == root, of_chain.c.parent_id == root, of_chain.c.root_id == root),
        sa.or_(of_chain.c.finished_at.is_(None), of_chain.c.finished_at >= before),
    )
    query = (
        sa.select(runs.c.id, runs.c.finished_at, runs.c.follow_seconds)
        .where(runs.c.finished_at < before, sa.or_(what.is_(None), what < runs.c.finished_at), ~goes_on)
        .order_by(runs.c.finished_at, runs.c.id)
    )
    found: list[int] = []
    for id_, ended, seconds in session.execute(query.execution_options(yield_per=AT_ONCE)):
        if ended + timedelta(seconds=seconds) < before:
            found.append(id_)
        if len(found) == most:
            break
    return found


def _until(session: Session, run_id: int, after: int) -> int | None:
    """Return the last row of the next portion of a run; None: there is none."""
    ids = sa.select(recipients.c.id).where(recipients.c.run_id == run_id, recipients.c.id > after)
    portion = ids.order_by(recipients.c.id).limit(AT_ONCE).subquery()
    last: int | None = session.scalar(sa.select(sa.func.max(portion.c.id)))
    return last


def empty_texts(session: Session, run_id: int, *, after: int, now: datetime) -> tuple[int | None, int]:
    """Empty the texts of the next portion of a run; return its last row (None: there is none), and how many had one."""
    leave_traces(session, now=now)
    until = _until(session, run_id, after)
    if until is None:
        return None, 0
    texts = sa.update(recipients).where(
        recipients.c.run_id == run_id,
        recipients.c.id > after,
        recipients.c.id <= until,
        recipients.c.text.not_in(["", ERASED_TEXT]),
        recipients.c.state.not_in(_UNDECIDED),
    )
    return until, changed(session, texts.values(text=ERASED_TEXT))


def erase_people(session: Session, run_id: int, *, after: int, now: datetime) -> tuple[int | None, int]:
    """Erase the people of the next portion of a run, as `empty_texts` its texts. Raises `PrivacyKeyProblem`."""
    leave_traces(session, now=now)
    key = erased.key_for_erasing(session, now=now)
    until = _until(session, run_id, after)
    if until is None:
        return None, 0
    query = sa.select(recipients.c.id, recipients.c.number).where(
        recipients.c.run_id == run_id,
        recipients.c.id > after,
        recipients.c.id <= until,
        recipients.c.state.not_in(_UNDECIDED),
    )
    found = [(id_, number) for id_, number in session.execute(query) if not is_pseudonym(number)]
    names = {number: pseudonym(key, number) for _, number in found}
    kept = sa.case((recipients.c.text == "", ""), else_=ERASED_TEXT)
    rename(session, recipients, ((id_, names[number]) for id_, number in found), text=kept)
    # Whom phones texted this month is counted by number as long as there is a row with it.
    is_there = sa.exists().where(recipients.c.number == device_people.c.number)
    gone = sa.select(device_people.c.number).where(device_people.c.number.in_(sorted(names)), ~is_there)
    rename_texted(session, {number: names[number] for number in session.scalars(gone)})
    return until, len(found)


def end_run(session: Session, run_id: int, what: "sa.Column[datetime | None]", *, now: datetime) -> None:
    """Note that this was forgotten of a run; have its report written again, and forget the digests of its texts."""
    session.execute(sa.update(runs).where(runs.c.id == run_id).values({what: now}))
    digests = sa.update(attempts).where(attempts.c.run_id == run_id, attempts.c.payload_hash != "")
    session.execute(digests.values(payload_hash=""))
    if what is PEOPLE:
        _forget_named_people(session, run_id, now)
    show_again(session, [run_id])


def _forget_named_people(session: Session, run_id: int, now: datetime) -> None:
    """Once nobody of a campaign is known any more, nobody is in its files either."""
    campaign_id = session.scalars(sa.select(runs.c.campaign_id).where(runs.c.id == run_id)).one()
    known = sa.exists().where(runs.c.campaign_id == campaign_id, PEOPLE.is_(None))
    if not session.scalar(sa.select(known)):
        key = erased.key_for_erasing(session, now=now)
        elsewhere.replace_recipients(session, [campaign_id], lambda number, _: pseudonym(key, number))


def empty_replies(session: Session, before: datetime, *, after: int, now: datetime) -> tuple[int | None, int]:
    """Empty what people wrote before then and nobody has to read any more, the next portion after this row."""
    old = replies.c.id > after, replies.c.received_at < before, replies.c.text != ERASED_TEXT, ~sa.and_(*WAITS)
    names = ("id", "account_id", "gateway_id", "number", "text", "meaning", "fingerprint")
    found = session.execute(
        sa.select(*(replies.c[name] for name in names)).where(*old).order_by(replies.c.id).limit(AT_ONCE)
    ).all()
    if not found:
        return None, 0
    leave_traces(session, now=now)
    elsewhere.forget_fingerprints(session, [row for row in found if row.meaning == Meaning.START], None)
    ids = [row.id for row in found]
    session.execute(sa.update(replies).where(replies.c.id.in_(ids)).values(text=ERASED_TEXT))
    elsewhere.empty_reply_notices(session, found)
    return ids[-1], len(ids)


def erase_writers(session: Session, before: datetime, *, after: int, now: datetime) -> tuple[int | None, int]:
    """Erase people whose replies and opt-outs are older, and who are in no plan any more: by the next portion of both.

    Raises `PrivacyKeyProblem`.
    """
    numbers: set[str] = set()
    last: list[int] = []
    for table, at in ((replies, replies.c.received_at), (suppressions, suppressions.c.since)):
        is_planned = sa.exists().where(recipients.c.number == table.c.number)
        old = table.c.id > after, at < before, ~table.c.number.startswith("#"), ~is_planned
        query = sa.select(table.c.id, table.c.number).where(*old).order_by(table.c.id).limit(AT_ONCE)
        found = session.execute(query).all()
        numbers.update(number for _, number in found)
        last += [found[-1][0]] if found else []
    younger = (
        (replies, replies.c.received_at >= before),
        (replies, sa.and_(*WAITS)),
        (suppressions, suppressions.c.since >= before),
        (unsubscriptions, unsubscriptions.c.done_at.is_(None)),
    )
    for table, is_younger in younger:
        numbers -= set(
            session.scalars(sa.select(table.c.number).where(table.c.number.in_(sorted(numbers)), is_younger))
        )
    if numbers:
        leave_traces(session, now=now)
        key = erased.key_for_erasing(session, now=now)
        rename_people(session, {number: pseudonym(key, number) for number in numbers}, key)
    return (min(last) if last else None), len(numbers)


def forget_rest(session: Session, texts_before: datetime | None, people_before: datetime | None) -> int:
    """Forget what has texts or numbers and belongs to no run: calls that passed replies on, messages found by
    `recover`, and by what a repeated single text is recognised."""
    before = max(filter(None, (texts_before, people_before)))
    passed_on = notices.c.channel == "reply_webhook", notices.c.ended_at < before
    gone = changed(session, sa.delete(notices).where(*passed_on))
    old = sa.select(message_keys.c.digest).where(
        message_keys.c.request_digest != "", message_keys.c.created_at < before
    )
    some: Sequence[str] = session.scalars(old.limit(AT_ONCE)).all()
    session.execute(sa.update(message_keys).where(message_keys.c.digest.in_(some)).values(request_digest=""))
    if people_before is not None:
        gone += changed(session, sa.delete(accepted_before).where(accepted_before.c.sent_at < people_before))
    return gone + len(some)
