"""What is to be reported outside: written together with the event, kept until it is delivered.

News is an event (`announce`) before it is decided who hears of it. A notice is that news for one target. Both are rows
of one table; news has the channel `NEWS` and no target.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import RunState
from worker.store.bulk import insert_missing
from worker.store.tables import notices, runs
from worker.store.tables import notices as _notices
from worker.store.transitions import changed

NEWS: Final = "news"
"""The channel of news that has no target yet: the notices tick makes a notice of it for each target."""

GATHERING: Final = timedelta(seconds=5)
"""How long the first news of many waits, so that its targets hear of all of them."""

_open = _notices.c.ended_at.is_(None)


@dataclass(frozen=True, slots=True)
class DueNotice:
    """A notice to deliver now, or news to spread; `tries` have failed."""

    id: int
    channel: str
    target: str
    event: str
    body: dict[str, Any]
    run_id: int | None
    created_at: datetime
    tries: int


_FIELDS: Final = [_notices.c[name] for name in DueNotice.__dataclass_fields__]


def tell(
    session: Session,
    *,
    key: str,
    channel: str,
    target: str,
    event: str,
    body: dict[str, Any],
    run_id: int | None,
    now: datetime,
    not_before: datetime | None = None,
) -> bool:
    """Report something to a target, once for each `key`, if the transaction commits. False: it was noted before.

    `channel` is `webhook`, `reply_webhook`, `email` or `command`; `target` is its address. `body` is plain JSON.
    """
    values = _row(key, channel, target, event, body, run_id, now, not_before or now)
    statement = insert_missing(session, notices).values(values)
    return session.scalar(statement.returning(_notices.c.id)) is not None


def _row(
    key: str,
    channel: str,
    target: str,
    event: str,
    body: dict[str, Any],
    run_id: int | None,
    now: datetime,
    next_try_at: datetime,
) -> dict[str, Any]:
    return {
        "key": key,
        "channel": channel,
        "target": target,
        "event": event,
        "body": body,
        "run_id": run_id,
        "created_at": now,
        "next_try_at": next_try_at,
        "tries": 0,
        "problem": "",
    }


def announce_starts(session: Session, run_ids: Collection[int], *, now: datetime) -> None:
    """Note once for each of these runs that it has started; a hundred may start at one moment."""
    rows = [
        _row(f"{NEWS}:run.started:{id_}", NEWS, "", "run.started", {"id": uuid4().hex, "reason": ""}, id_, now, now)
        for id_ in run_ids
    ]
    if rows:
        session.execute(insert_missing(session, notices), rows)


def announce(session: Session, event: str, *, run_id: int, now: datetime, key: str = "", reason: str = "") -> None:
    """Note news about a run; who hears of it, if anybody, is decided later. Without a `key` it is always reported."""
    name = uuid4().hex
    tell(
        session,
        key=f"{NEWS}:{key or name}",
        channel=NEWS,
        target="",
        event=event,
        body={"id": name, "reason": reason},
        run_id=run_id,
        now=now,
    )


def announce_held(session: Session, run_id: int, *, now: datetime) -> None:
    """Note that people of a run are held, at most once an hour: they come by the hundred."""
    tell(
        session,
        key=f"{NEWS}:run.held:{run_id}:{now:%Y-%m-%dT%H}",
        channel=NEWS,
        target="",
        event="run.held",
        body={"id": uuid4().hex, "reason": ""},
        run_id=run_id,
        now=now,
        not_before=now + GATHERING,
    )


def announce_account(session: Session, account_id: int, *, reason: str, now: datetime) -> None:
    """Note that nothing more is sent through an account."""
    name = uuid4().hex
    tell(
        session,
        key=f"{NEWS}:{name}",
        channel=NEWS,
        target="",
        event="account.paused",
        body={"id": name, "reason": reason, "account": account_id},
        run_id=None,
        now=now,
    )


def announce_alert(
    session: Session,
    account_id: int,
    event: str,
    *,
    alert_id: int,
    reason: str,
    shown: Mapping[str, Any],
    now: datetime,
) -> None:
    """Note once that an alert was raised or cleared. `shown`: what else its notice says."""
    tell(
        session,
        key=f"{NEWS}:{event}:{alert_id}",
        channel=NEWS,
        target="",
        event=event,
        body={"id": uuid4().hex, "reason": reason, "account": account_id, "shown": dict(shown)},
        run_id=None,
        now=now,
    )


def announce_stop_of_nobody(session: Session, account_id: int, *, now: datetime) -> None:
    """Note a STOP from a number to which no text was sent, at most once an hour."""
    reason = "STOP came from a number that was never sent a text; find out whose it is: campaigns suppress review"
    tell(
        session,
        key=f"{NEWS}:reply.unmatched:{account_id}:{now:%Y-%m-%dT%H}",
        channel=NEWS,
        target="",
        event="reply.unmatched",
        body={"id": uuid4().hex, "reason": reason, "account": account_id},
        run_id=None,
        now=now,
        not_before=now + GATHERING,
    )


_NEXT_DUE: Final = sa.select(sa.func.min(_notices.c.next_try_at)).where(_open)


def next_due(session: Session) -> datetime | None:
    """Return when the next news or notice is due; None if nothing waits."""
    found: datetime | None = session.connection().execute(_NEXT_DUE).scalar_one()
    return found


def due_news(
    session: Session, now: datetime, *, most: int = 100, only_runs: Collection[int] | None = None
) -> list[DueNotice]:
    """Return news that has not been spread yet, the oldest first. `only_runs`: of these runs, and of no run."""
    query = sa.select(*_FIELDS).where(
        _open, _notices.c.next_try_at <= now, _notices.c.channel == NEWS, _is_of(only_runs)
    )
    return [DueNotice(*row) for row in session.execute(query.order_by(_notices.c.id).limit(most))]


def due_targets(
    session: Session,
    now: datetime,
    *,
    but: Collection[tuple[str, str]] = (),
    most: int,
    only_runs: Collection[int] | None = None,
) -> dict[tuple[str, str], list[int]]:
    """Return at most `most` due notices by (channel, target), the oldest first.

    `but`: none for these targets. `only_runs`: those of these runs, and those of no run.
    """
    query = sa.select(_notices.c.channel, _notices.c.target, _notices.c.id).where(
        _open,
        _notices.c.next_try_at <= now,
        _notices.c.channel != NEWS,
        _is_of(only_runs),
        *(sa.or_(_notices.c.channel != channel, _notices.c.target != target) for channel, target in but),
    )
    found: dict[tuple[str, str], list[int]] = {}
    for channel, target, id_ in session.execute(query.order_by(_notices.c.next_try_at, _notices.c.id).limit(most)):
        found.setdefault((channel, target), []).append(id_)
    return found


def _is_of(only_runs: Collection[int] | None) -> sa.ColumnElement[bool]:
    return sa.true() if only_runs is None else _notices.c.run_id.is_(None) | _notices.c.run_id.in_(only_runs)


def claim(session: Session, ids: Sequence[int], *, now: datetime, until: datetime) -> list[DueNotice]:
    """Claim due notices; nobody else gets them before `until`. Returns them, the oldest first."""
    statement = (
        sa.update(_notices)
        .where(_notices.c.id.in_(ids), _open, _notices.c.next_try_at <= now)
        .values(next_try_at=until)
        .returning(*_FIELDS)
    )
    return sorted((DueNotice(*row) for row in session.execute(statement)), key=lambda notice: notice.id)


def taken(session: Session, *notice_ids: int, now: datetime) -> None:
    """Record that they were delivered or spread: they are never reported again."""
    values = {"ended_at": now, "tries": _notices.c.tries + 1, "problem": ""}
    session.execute(sa.update(_notices).where(_notices.c.id.in_(notice_ids), _open).values(values))


def failed(session: Session, notice_id: int, *, problem: str, retry_at: datetime) -> None:
    """Record that it was not delivered: it is tried again at `retry_at`."""
    values = {"next_try_at": retry_at, "tries": _notices.c.tries + 1, "problem": problem}
    session.execute(sa.update(_notices).where(_notices.c.id == notice_id, _open).values(values))


def give_up(session: Session, notice_id: int, *, problem: str, now: datetime) -> bool:
    """Give up on a notice that was not delivered: it is never tried again. False: it had already ended."""
    values = {"ended_at": now, "tries": _notices.c.tries + 1, "problem": problem}
    return bool(changed(session, sa.update(_notices).where(_notices.c.id == notice_id, _open).values(values)))


def put_off(session: Session, channel: str, target: str, *, until: datetime) -> int:
    """Report nothing to a target before `until`; return how many notices wait for it."""
    mine = (_notices.c.channel == channel, _notices.c.target == target)
    later = sa.update(_notices).where(*mine, _open, _notices.c.next_try_at < until)
    return changed(session, later.values(next_try_at=until))


def release(session: Session, ids: Sequence[int], *, now: datetime) -> None:
    """Release claimed notices that were not tried: they are due at once."""
    session.execute(sa.update(_notices).where(_notices.c.id.in_(ids), _open).values(next_try_at=now))


def runs_at_work(session: Session, account_id: int) -> list[int]:
    """Return the account's running runs: they are affected when nothing more is sent."""
    return list(
        session.scalars(sa.select(runs.c.id).where(runs.c.account_id == account_id, runs.c.state == RunState.RUNNING))
    )
