"""Who does something, and the transaction in which it is done."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from sqlmodel import Session
from structlog.contextvars import bound_contextvars

from worker.store.engine import Store


class ActorKind(StrEnum):
    """Through which door somebody came."""

    CLI = "cli"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: `name` is the operating system's user for the command line."""

    kind: ActorKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.name}"


@contextmanager
def asked_by(actor: Actor) -> Iterator[None]:
    """What is logged in the block says who asked for it."""
    with bound_contextvars(actor=str(actor)):
        yield


@contextmanager
def acting(store: Store, actor: Actor, transaction: str) -> Iterator[Session]:
    """The one transaction of an action: every action that changes the database does it in such a block.

    Who did what (an audit row) belongs at its end, to be there if and only if the change is.
    """
    with asked_by(actor), store.write(transaction) as session:
        yield session
