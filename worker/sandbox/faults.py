"""Where the sandbox can be made to misbehave: two points around the moment at which a request takes effect."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class RequestKind(StrEnum):
    """What a client wanted."""

    SEND = "send"
    READ = "read"
    CONTACTS = "contacts"


@dataclass(frozen=True, slots=True)
class Request:
    """A request with a valid or invalid key, its form decoded."""

    kind: RequestKind
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back. API errors are in the body and have status 200."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"


class Fault(Protocol):
    """A switchable misbehaviour of the three documented services."""

    async def before_store(self, request: Request) -> Reply | None:
        """Called before the request takes effect; a reply given here is the answer, and nothing is stored."""
        ...

    async def after_store(self, request: Request, reply: Reply) -> Reply:
        """Called when the request has taken effect (or was refused); gives the reply that the client gets."""
        ...


class NoFault:
    """The sandbox behaves."""

    async def before_store(self, request: Request) -> Reply | None:  # noqa: ARG002 - the protocol's signature
        return None

    async def after_store(self, request: Request, reply: Reply) -> Reply:  # noqa: ARG002 - the protocol's signature
        return reply
