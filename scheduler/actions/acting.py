"""Who does something, and the transaction in which it happens."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlmodel import Session

from campaigns.access import Actor as Actor
from campaigns.access import ActorKind as ActorKind
from campaigns.clock import SystemClock
from worker.store import audit
from worker.store.engine import Store, at_end

_FACTS: Final = "audit_facts"
"""Where a session keeps them."""

_joined: Final[ContextVar[Session | None]] = ContextVar("joined", default=None)


@dataclass(slots=True)
class _Facts:
    """What the entry of the action under way will say; `is_news`: something was changed."""

    campaign: str
    subject: str
    run_id: int | None = None
    plan_hash: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    is_news: bool = True


@contextmanager
def asked_by(actor: Actor) -> Iterator[None]:
    """Add to every log line in the block who asked for it."""
    from structlog.contextvars import bound_contextvars  # with rich, for nobody who only reads

    with bound_contextvars(actor=str(actor)):
        yield


@contextmanager
def acting(
    store: Store,
    actor: Actor,
    action: str,
    *,
    campaign: str = "",
    subject: str = "",
    transaction: str = "",
    now: datetime | None = None,
) -> Iterator[Session]:
    """The single transaction of an action: every action that changes the database does so in such a block.

    At its end the audit entry is written, so that it exists if and only if the change does. `audited` adds what it
    says; numbers in `subject` are masked. `transaction`: its name, if that is not the action's.
    """
    with asked_by(actor), _transaction(store, transaction or action) as session:
        before = session.info.get(_FACTS)
        facts = session.info[_FACTS] = _Facts(campaign, subject)
        try:
            yield session
        finally:
            session.info[_FACTS] = before
        session.flush()
        if facts.is_news:
            audit.append(
                session,
                actor,
                action,
                now=now or SystemClock().now(),
                campaign=facts.campaign,
                run_id=facts.run_id,
                plan_hash=facts.plan_hash,
                subject=facts.subject,
                detail=facts.detail,
            )


def audited(
    session: Session,
    *,
    campaign: str | None = None,
    run_id: int | None = None,
    plan_hash: str | None = None,
    subject: str | None = None,
    **detail: object,
) -> None:
    """Add to what the audit says of the action under way; no full number, no text, no secret."""
    facts: _Facts = session.info[_FACTS]
    facts.campaign = facts.campaign if campaign is None else campaign
    facts.run_id = facts.run_id if run_id is None else run_id
    facts.plan_hash = facts.plan_hash if plan_hash is None else plan_hash
    facts.subject = facts.subject if subject is None else subject
    facts.detail |= detail


def nothing_done(session: Session) -> None:
    """The action under way found nothing to change, so that there is nothing to audit."""
    session.info[_FACTS].is_news = False


@contextmanager
def joined(session: Session) -> Iterator[None]:
    """Actions in the block become part of this transaction, which whoever opened it commits.

    What an action did before it raised is undone, and the transaction can go on. Only actions of one transaction can
    join: `submit` plans in many.
    """
    token = _joined.set(session)
    try:
        yield
    finally:
        _joined.reset(token)


@contextmanager
def seeing(store: Store) -> Iterator[Session]:
    """A view of the database that has what joined actions did already."""
    session = _joined.get()
    if session is None or session.get_bind().engine is not store.engine:
        with store.read() as own:
            yield own
        return
    session.flush()
    yield session


@contextmanager
def _transaction(store: Store, name: str) -> Iterator[Session]:
    session = _joined.get()
    if session is None or session.get_bind().engine is not store.engine:
        with store.write(name) as own:
            yield own
        return
    queued = at_end(session)
    before = len(queued)
    try:
        with session.begin_nested():
            yield session
    except BaseException:
        del queued[before:]
        raise
