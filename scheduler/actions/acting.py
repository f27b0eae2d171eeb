"""Who does something, and the transaction in which it happens."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlmodel import Session
from structlog.contextvars import bound_contextvars

from campaigns.access import Actor as Actor
from campaigns.access import ActorKind as ActorKind
from worker.store.engine import Store


@contextmanager
def asked_by(actor: Actor) -> Iterator[None]:
    """Add to every log line in the block who asked for it."""
    with bound_contextvars(actor=str(actor)):
        yield


@contextmanager
def acting(store: Store, actor: Actor, transaction: str) -> Iterator[Session]:
    """The single transaction of an action: every action that changes the database does so in such a block.

    The audit row (who did what) belongs at its end, so that it exists if and only if the change does.
    """
    with asked_by(actor), store.write(transaction) as session:
        yield session
