"""Moving to another database: what each of the two knows of it, so that they never both send.

It is recorded as events, the last of which counts. A copy has a name, and the old database names the one copy that
replaces it: no other copy of it is ever opened, whatever was interrupted and begun again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import ceil
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import PausedBy
from worker.store.engine import Store
from worker.store.errors import StoreError
from worker.store.events import EventName, record_event
from worker.store.models import AttemptState
from worker.store.sending.accounts import is_stopped_by_move
from worker.store.tables import accounts, attempts, events, runs


class MoveStage(StrEnum):
    """Where a database stands in a move; the values are the names of the events that lead there."""

    # Campaigns are sent from it: it never moved, was moved to, or the move was given up -> leaving.
    HERE = EventName.DATABASE_HERE
    LEAVING = EventName.DATABASE_LEAVING  # nothing is sent from it, it is being copied -> gone, or here again
    GONE = EventName.DATABASE_GONE  # never sends again; the copy that it names replaces it
    ARRIVED = EventName.DATABASE_ARRIVED  # a complete copy that sends nothing before the other one is gone -> here


@dataclass(frozen=True, slots=True)
class MoveStanding:
    """What a database knows of its last move. `other`: the address of the other one, without password and options."""

    place: MoveStage = MoveStage.HERE
    copy: str = ""
    other: str = ""
    at: datetime | None = None


def shown(url: sa.URL) -> str:
    """Return an address that is safe to show: options can hold a password, too."""
    return url.set(query={}).render_as_string(hide_password=True)


def standing(session: Session) -> MoveStanding:
    """Return what the database knows of its last move."""
    query = sa.select(events.c.name, events.c.detail, events.c.at).where(events.c.name.in_(list(MoveStage)))
    row = session.execute(query.order_by(events.c.id.desc()).limit(1)).first()
    return MoveStanding() if row is None else MoveStanding(MoveStage(row[0]), row[1]["copy"], row[1]["other"], row[2])


def require_here(store: Store) -> None:
    """Raise `StoreError` if a move is unfinished or has led away: campaigns are sent from one database only."""
    with store.read() as session:
        problem = _problem(standing(session), shown(store.url))
    if problem:
        raise StoreError(problem)


def leave(session: Session, *, name: str, to: str, now: datetime) -> None:
    """Send nothing more from this database. Called again while leaving, it also stops what began to send meanwhile.

    `name`: its address, for messages. Raises `StoreError` if it has gone or is itself an unfinished copy, and while
    requests are under way: those that may still be written, because their `send_by` is not over.
    """
    _wait_for_intents(session)
    seen = standing(session)
    if seen.place not in {MoveStage.HERE, MoveStage.LEAVING}:
        raise StoreError(_problem(seen, name))
    open_now = sa.select(sa.func.count(), sa.func.max(attempts.c.send_by))
    count, last = session.execute(open_now.where(attempts.c.state == AttemptState.OPEN, attempts.c.send_by > now)).one()
    if count:
        raise StoreError(
            f"requests from the database {name} are under way ({count:,}); stop its service and its workers, "
            f"and try again in {ceil((last - now).total_seconds())} s"
        )
    kept = _kept(session) if seen.place is MoveStage.LEAVING else []
    for account in session.execute(sa.select(accounts).where(~is_stopped_by_move()).order_by(accounts.c.id)):
        moments = {"paused_at": _text(account.paused_at), "next_probe_at": _text(account.next_probe_at)}
        pause = {"paused_by": account.paused_by.value, "paused_reason": account.paused_reason}
        kept.append({"id": account.id, **pause, **moments})
    _note(session, MoveStage.LEAVING, now, other=to, accounts=kept)
    _stop(session, _leaving_reason(to), now)


def give_up(session: Session, *, now: datetime) -> None:
    """Send from this database again. Raises `StoreError` if no move that could be given up is under way."""
    seen = standing(session)
    if seen.place is MoveStage.GONE:
        raise StoreError(f"too late to give up: the database was {_gone_reason(seen)}")
    if seen.place is not MoveStage.LEAVING:
        raise StoreError("there is no move from this database to give up; see CAMPAIGNS_DATABASE_URL")
    _put_back(session, _kept(session))
    _note(session, MoveStage.HERE, now, other=seen.other)


def arrive(session: Session, *, copy: str, source: str, now: datetime) -> None:
    """Record that this database is now a complete copy."""
    _note(session, MoveStage.ARRIVED, now, copy=copy, other=source)


def is_spare_copy(session: Session, source: Session) -> bool:
    """Return whether this is a copy of that source that never sent and never will: it may be overwritten."""
    if standing(session).place is not MoveStage.ARRIVED:
        return False
    begun = sa.select(events.c.id, events.c.at).where(events.c.name == MoveStage.LEAVING)
    ours = {tuple(row) for row in session.execute(begun)}
    theirs = {tuple(row) for row in source.execute(begun)}
    works = session.scalars(sa.select(accounts.c.id).where(~is_stopped_by_move())).first()
    return bool(ours) and ours <= theirs and works is None


def go(session: Session, *, copy: str, to: str, now: datetime) -> None:
    """Never send from this database again: that copy replaces it.

    Raises `StoreError` if it is no longer leaving, or if something works on it all the same.
    """
    _wait_for_intents(session)
    if standing(session).place is not MoveStage.LEAVING:
        raise StoreError("the move was given up in the meantime; nothing was changed; see `campaigns status`")
    if session.scalars(sa.select(accounts.c.id).where(~is_stopped_by_move())).first() is not None:
        raise StoreError("something began to work on the database while it was copied; stop it and run the move again")
    _note(session, MoveStage.GONE, now, copy=copy, other=to)
    _stop(session, _gone_reason(MoveStanding(MoveStage.GONE, copy, to, now)), now)


def open_here(session: Session, *, copy: str, source: str, now: datetime) -> bool:
    """Send from this copy: each account is as it was. False: that was done before.

    Raises `StoreError` if this is not the copy that replaces the other database.
    """
    seen = standing(session)
    if seen.copy != copy:
        done = sa.select(events.c.detail).where(events.c.name == MoveStage.HERE)
        if any(detail["copy"] == copy for detail in session.scalars(done)):
            return False
        raise StoreError(
            f"this is not the database that took the place of {source}; "
            "name the one that it was moved to, nothing was changed"
        )
    if seen.place is not MoveStage.ARRIVED:
        return False
    _put_back(session, _kept(session))
    _note(session, MoveStage.HERE, now, copy=copy, other=source)
    return True


def _problem(seen: MoveStanding, name: str) -> str:
    """Return why nothing may be sent from a database, in one sentence; empty if it may."""
    match seen.place:
        case MoveStage.LEAVING:
            return f"the database {name} is {_leaving_reason(seen.other)}"
        case MoveStage.GONE:
            return f"the database {name} was {_gone_reason(seen)}"
        case MoveStage.ARRIVED:
            return (
                f"the database {name} is a copy of {seen.other} whose move is not finished; "
                "finish it with the same campaigns move --to, with CAMPAIGNS_DATABASE_URL set to the old address"
            )
        case MoveStage.HERE:
            return ""


def _wait_for_intents(session: Session) -> None:
    """Wait for intents, which hold a share of their run's lock until they commit: none can miss what follows."""
    session.execute(sa.select(runs.c.id).order_by(runs.c.id).with_for_update())


def _kept(session: Session) -> list[dict[str, Any]]:
    """Return how the accounts were before the move."""
    query = sa.select(events.c.detail).where(events.c.name == MoveStage.LEAVING).order_by(events.c.id.desc()).limit(1)
    return list(session.scalars(query).one()["accounts"])


def _put_back(session: Session, kept: Iterable[dict[str, Any]]) -> None:
    for account in kept:
        session.execute(
            sa.update(accounts)
            .where(accounts.c.id == account["id"])
            .values(
                paused_by=PausedBy(account["paused_by"]),
                paused_reason=account["paused_reason"],
                paused_at=_moment(account["paused_at"]),
                next_probe_at=_moment(account["next_probe_at"]),
            )
        )


def _stop(session: Session, reason: str, now: datetime) -> None:
    values = {"paused_by": PausedBy.RELOCATION, "paused_reason": reason, "paused_at": now, "next_probe_at": None}
    session.execute(sa.update(accounts).values(**values))


def _note(session: Session, place: MoveStage, now: datetime, *, other: str, copy: str = "", **detail: Any) -> None:
    record_event(session, EventName(place.value), now, detail={"copy": copy, "other": other, **detail})


def _leaving_reason(other: str) -> str:
    return f"being moved to {other}; finish that with campaigns move --to, or give it up with campaigns move --undo"


def _gone_reason(seen: MoveStanding) -> str:
    day = f"{seen.at:%Y-%m-%d %H:%M} UTC" if seen.at else "an unknown day"
    return f"moved to {seen.other} on {day} and no longer sends anything; set CAMPAIGNS_DATABASE_URL to that address"


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
