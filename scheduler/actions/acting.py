"""Who does something, and the transaction in which it happens."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from sqlmodel import Session
from structlog.contextvars import bound_contextvars

from worker.store.engine import Store


class ActorKind(StrEnum):
    """The door through which somebody came."""

    CLI = "cli"


@dataclass(frozen=True, slots=True)
class Actor:
    """The person or program that does something. On the command line, `name` is the operating system's user."""

    kind: ActorKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.name}"


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
