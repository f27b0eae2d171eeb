"""The audit: who did what, each entry sealed with the one before, so that a changed or missing one shows.

Entries of one database follow each other: a writer locks the head until it commits. So only what somebody asked for is
written here, once, and never anything for each recipient or request.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.access import Actor, ActorKind
from campaigns.phone_numbers.masking import mask
from campaigns.printable import one_line
from worker.store.bulk import insert_missing
from worker.store.engine import at_end
from worker.store.tables import audit_entries, audit_heads

SUBMIT: Final = "submit"
"""The action of an accepted campaign file; the entry's `plan_hash` is what has to be approved, if anything has."""

DEFINITION: Final = "definition"
"""The key of the submitted version's content hash in an entry's detail. Older entries have it as their `plan_hash`."""

PAGE: Final = 1_000
"""Rows in memory at a time."""

HEAD_ID: Final = 1
"""The only row of the end of the chain."""

_NUMBER: Final = re.compile(r"\+?\d{9,}")
"""A full phone number, wherever it stands: in the name of a file, for example."""
_HASH: Final = re.compile(r"[0-9a-f]{64}")
"""A SHA-256: the digits in it are no phone number."""


@dataclass(frozen=True, slots=True)
class Audited:
    """One entry, as its table has it. `digest` is the SHA-256 of the rest; `previous` is that of the entry before."""

    id: int
    at: datetime
    actor_kind: str
    actor: str
    origin: str
    action: str
    campaign: str
    run_id: int | None
    plan_hash: str
    subject: str
    detail: Mapping[str, Any]
    previous: str
    digest: str


UNREADABLE: Final = "unreadable"
"""The action of an entry that was written into the database by other means and cannot be read."""

NO_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of an entry whose own cannot be read."""

COLUMNS: Final = tuple(audit_entries.c[field.name] for field in fields(Audited))
"""Those of an entry, in its order."""

_TEXTS: Final = tuple(field.name for field in fields(Audited) if field.name not in {"id", "at", "run_id", "detail"})


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: how many entries there are, the last one's id, and its digest."""

    entries: int = 0
    last_id: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are wanted; empty or None: all. `actor` is a name, or kind and name: `token:ci`."""

    campaign: str = ""
    actor: str = ""
    action: str = ""
    since: datetime | None = None


def append(
    session: Session,
    actor: Actor,
    action: str,
    *,
    now: datetime,
    campaign: str = "",
    run_id: int | None = None,
    plan_hash: str = "",
    subject: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write one entry at the end of the transaction, and none if it is undone.

    The head is locked last, so that nobody who waits for it holds what its holder still needs. Numbers must be masked:
    whatever still looks like a full one is masked here, but texts and secrets cannot be recognised.
    """
    row = Audited(
        id=0,
        at=now,
        actor_kind=actor.kind.value,
        actor=_clean(actor.name)[:100],
        origin=one_line(actor.origin)[:64],
        action=action[:40],
        campaign=_clean(campaign)[:70],
        run_id=run_id,
        plan_hash=plan_hash[:64],
        subject=_clean(subject)[:200],
        detail={key: _plain(value) for key, value in (detail or {}).items()},
        previous="",
        digest="",
    )
    at_end(session).append(partial(_write, row=row))


def _write(session: Session, row: Audited) -> None:
    head = _locked(session)
    row = replace(row, id=head.last_id + 1, previous=head.digest)
    values = _values(row) | {"digest": digest_of(row)}
    session.execute(audit_entries.insert(), values)
    after = {"entries": head.entries + 1, "last_id": row.id, "digest": values["digest"]}
    session.execute(sa.update(audit_heads).where(audit_heads.c.id == HEAD_ID).values(after))


def _locked(session: Session) -> Head:
    """Return the end of the chain, and keep every other writer from it until this transaction ends."""
    query = _head_query().with_for_update()
    if (found := session.execute(query).one_or_none()) is None:
        first = {"id": HEAD_ID, "entries": 0, "last_id": 0, "digest": ""}
        session.execute(insert_missing(session, audit_heads).values(first))
        found = session.execute(query).one()
    return Head(*found)


def _head_query() -> sa.Select[Any]:
    columns = (audit_heads.c.entries, audit_heads.c.last_id, audit_heads.c.digest)
    return sa.select(*columns).where(audit_heads.c.id == HEAD_ID)


def _values(row: Audited) -> dict[str, Any]:
    return {field.name: getattr(row, field.name) for field in fields(Audited)}


def digest_of(row: Audited) -> str:
    """Return the SHA-256 of an entry, over all columns but the digest itself, in a form that no database changes."""
    sealed = {name: value for name, value in _values(row).items() if name != "digest"}
    sealed["at"] = row.at.astimezone(UTC).isoformat(timespec="microseconds")
    written = json.dumps(sealed, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(written.encode("ascii")).hexdigest()


def _clean(text: str) -> str:
    """Return what both databases store and give back unchanged, without a full phone number."""
    return _NUMBER.sub(lambda found: mask(found[0]), one_line(text.encode("utf-8", "replace").decode("utf-8")))


def _plain(value: Any) -> Any:
    """Return a value of JSON that both databases give back as it was: fractions are written as text."""
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < 10**9):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    if isinstance(value, str) and _HASH.fullmatch(value):
        return value
    return _clean(value.isoformat() if isinstance(value, datetime) else str(value))


def entries(
    database: Session | sa.Connection, wanted: AuditFilter, *, after: int | None = None, limit: int = PAGE
) -> list[Audited]:
    """Return entries, the newest first; `after` is the id of the last one of the page before.

    An entry that cannot be read is shown as `UNREADABLE`, and the others as they are.
    """
    where = list[sa.ColumnElement[bool]]()
    if after is not None:
        where.append(audit_entries.c.id < after)
    if wanted.campaign:
        where.append(audit_entries.c.campaign == wanted.campaign)
    if wanted.action:
        where.append(audit_entries.c.action == wanted.action)
    if wanted.since is not None:
        where.append(audit_entries.c.at >= wanted.since)
    if wanted.actor:
        kind, _, name = wanted.actor.partition(":")
        is_whole = name and kind in set(ActorKind)
        where.append(audit_entries.c.actor == (name if is_whole else wanted.actor))
        if is_whole:
            where.append(audit_entries.c.actor_kind == kind)

    def query(*columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
        return sa.select(*columns).where(*where).order_by(audit_entries.c.id.desc()).limit(limit)

    try:
        found = [Audited(*row) for row in database.execute(query(*COLUMNS))]
    except Exception:  # one of them holds something that is not JSON, a date or UTF-8
        found = [_read_one(database, id_) for id_ in database.execute(query(audit_entries.c.id)).scalars().all()]
    return [entry if _is_entry(entry) else _unreadable(entry.id, entry.at) for entry in found]


def entries_about(
    connection: sa.Connection, subject: str, run_ids: Collection[int], moments: Collection[datetime], *, after: int
) -> list[Audited]:
    """Return the next entries with this subject, a masked number, about one of these runs or made at these moments.

    Many numbers are masked alike: only what happened to one person's own texts and opt-outs is about that person.
    """
    theirs = sa.or_(audit_entries.c.run_id.in_(run_ids), audit_entries.c.at.in_(moments))
    mine = audit_entries.c.id > after, audit_entries.c.subject == subject, theirs
    query = sa.select(*COLUMNS).where(*mine).order_by(audit_entries.c.id).limit(PAGE)
    return [Audited(*row) for row in connection.execute(query)]


def _read_one(database: Session | sa.Connection, id_: int) -> Audited:
    try:
        return Audited(*database.execute(sa.select(*COLUMNS).where(audit_entries.c.id == id_)).one())
    except Exception:
        return _unreadable(id_, None)


def _is_entry(entry: Audited) -> bool:
    """Return whether each value is of its kind: SQLite keeps any value in any column."""
    return (
        isinstance(entry.at, datetime)
        and isinstance(entry.detail, dict)
        and isinstance(entry.run_id, int | None)
        and all(isinstance(getattr(entry, name), str) for name in _TEXTS)
    )


def _unreadable(id_: int, at: datetime | None) -> Audited:
    values: dict[str, Any] = dict.fromkeys(_TEXTS, "") | {"id": id_, "run_id": None, "detail": {}}
    return Audited(**values | {"at": at if isinstance(at, datetime) else NO_TIME, "action": UNREADABLE})


def has_submitted(session: Session, actor: str, campaign: str, definition_hash: str) -> bool:
    """Return whether somebody of this name, in whatever capitals, has submitted exactly this version of a campaign."""
    found = sa.select(audit_entries.c.actor).where(
        audit_entries.c.campaign == campaign,
        audit_entries.c.action == SUBMIT,
        sa.or_(
            audit_entries.c.plan_hash == definition_hash,
            audit_entries.c.detail[DEFINITION].as_string() == definition_hash,
        ),
    )
    return actor.lower() in {name.lower() for name in session.scalars(found.distinct())}


def head_of(session: Session) -> Head:
    """Return the end of the chain as it is stored."""
    found = session.execute(_head_query()).one_or_none()
    return Head() if found is None else Head(*found)
