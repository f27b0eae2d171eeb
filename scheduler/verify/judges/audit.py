"""The audit: whether it is whole, and whether it has what people decided about a campaign."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import RunType
from campaigns.lifecycle import RunState
from scheduler.verify.checks import Breach, Check, Reckoning
from scheduler.verify.facts import RunFacts
from scheduler.verify.pages import by_id
from worker.store.events import EventName
from worker.store.tables import audit_entries, audit_heads, ceilings, events

SEALED: Final = tuple(column.name for column in audit_entries.c if column.name != "digest")
"""The columns that an entry's digest is made of."""


def judge_chain(session: Session, reckoning: Reckoning) -> None:
    """Follow the chain from its first entry to the stored end."""
    last_id, last_digest = 0, ""
    try:
        for page in by_id(session, sa.select(*audit_entries.c), audit_entries.c.id):
            reckoning.examined(Check.AUDIT, len(page))
            for entry in page:
                if entry.id != last_id + 1:
                    reckoning.wrong(Breach.CHAIN_BROKEN, entry=last_id + 1, how="removed")
                    return
                if entry.previous != last_digest or entry.digest != _digest(entry):
                    reckoning.wrong(Breach.CHAIN_BROKEN, entry=entry.id, how="changed")
                    return
                last_id, last_digest = entry.id, entry.digest
    except (ValueError, TypeError, AttributeError):  # what anybody may have written there need not be readable
        reckoning.wrong(Breach.CHAIN_BROKEN, entry=last_id + 1, how="changed")
        return
    head = session.execute(sa.select(audit_heads.c.entries, audit_heads.c.last_id, audit_heads.c.digest)).first()
    if head is None and not last_id:
        return
    if head is None or tuple(head) != (last_id, last_id, last_digest):
        is_cut = head is not None and head.last_id > last_id
        reckoning.wrong(Breach.CHAIN_BROKEN, entry=last_id + is_cut, how="removed" if is_cut else "not the last one")


def _digest(entry: Any) -> str:
    sealed = {name: getattr(entry, name) for name in SEALED}
    sealed["at"] = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    return hashlib.sha256(json.dumps(sealed, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


def judge_decisions(session: Session, mine: Sequence[RunFacts], reckoning: Reckoning) -> None:
    """Look for the entry of everything that somebody decided about these runs of one campaign.

    An entry is written in the transaction of what it is about, with its time. What is older than the audit has none.
    """
    first = session.scalars(sa.select(sa.func.min(audit_entries.c.at))).one()
    for run, what, at, actions in _decided(session, mine):
        if first is not None and run is not None and run.created_at < first:
            continue
        its = audit_entries.c.at == at, audit_entries.c.action.in_(actions)
        if session.execute(sa.select(sa.literal(1)).where(*its).limit(1)).first() is None:
            reckoning.wrong(Breach.NOT_AUDITED, run=None if run is None else run.id, what=what, at=at)


_Decision = tuple[RunFacts | None, str, datetime, tuple[str, ...]]


def _decided(session: Session, mine: Sequence[RunFacts]) -> Iterator[_Decision]:
    by_id_ = {run.id: run for run in mine}
    for run in mine:
        if run.state is RunState.CANCELLED and run.sent_at is not None:
            yield run, "it was cancelled", run.sent_at, ("cancel", "test_given_up")
        if run.approved_at is not None:
            yield run, "it was approved", run.approved_at, ("approve",)
        if run.type is RunType.RESEND:
            yield run, "failed texts were sent again", run.created_at, ("resend",)
    resolved = sa.select(events.c.run_id, events.c.at).where(
        events.c.name == EventName.HELD_RESOLVED, events.c.run_id.in_(sorted(by_id_))
    )
    for run_id, at in session.execute(resolved.distinct()):
        yield by_id_[run_id], "held texts were decided on", at, ("resolve",)
    limited = sa.select(ceilings.c.set_at).where(
        ceilings.c.scope == f"campaign:{mine[0].slug}", ceilings.c.source == "person"
    )
    for at in session.scalars(limited):
        yield None, "its limits were changed", at, ("throttle",)
