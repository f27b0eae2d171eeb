"""Who acts, and what they may do: scopes, which a route or a command asks for, and roles, which are sets of them."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Scope(StrEnum):
    """One kind of action that somebody may take. Tokens list their scopes; users have those of their role."""

    READ = "read"  # everything that is shown, with numbers masked and without texts
    READ_NUMBERS = "read:numbers"  # full numbers and texts
    PLAN = "plan"
    SUBMIT = "submit"
    APPROVE = "approve"
    CONTROL = "control"  # pause, resume, cancel, throttle, resend, resolve
    SUPPRESS = "suppress"
    REPLY = "reply"
    ADMIN = "admin"  # users, tokens and the installation; includes all others


class Role(StrEnum):
    """What a user is. Each role may do everything that the ones before it may."""

    VIEWER = "viewer"
    AUTHOR = "author"
    APPROVER = "approver"
    OPERATOR = "operator"
    ADMIN = "admin"


_ADDED: Final = {
    Role.VIEWER: {Scope.READ},
    Role.AUTHOR: {Scope.PLAN, Scope.SUBMIT},
    Role.APPROVER: {Scope.APPROVE},
    Role.OPERATOR: {Scope.READ_NUMBERS, Scope.CONTROL, Scope.SUPPRESS, Scope.REPLY},
    Role.ADMIN: {Scope.ADMIN},
}

SCOPES_OF: Final[Mapping[Role, frozenset[Scope]]] = {
    role: frozenset[Scope]().union(*(_ADDED[lower] for lower in list(Role)[: place + 1]))
    for place, role in enumerate(Role)
}


def is_allowed(scopes: Set[Scope], needed: Scope) -> bool:
    """Return whether somebody with these scopes may do what needs the scope `needed`."""
    return needed in scopes or Scope.ADMIN in scopes


def roles_allowed(needed: Scope) -> str:
    """Return who may do what needs this scope: `operators and admins`."""
    *most, last = [f"{role.value}s" for role, scopes in SCOPES_OF.items() if is_allowed(scopes, needed)]
    return f"{', '.join(most)}{' and ' if most else ''}{last}"


class ActorKind(StrEnum):
    """The door through which somebody came."""

    CLI = "cli"
    USER = "user"
    TOKEN = "token"  # noqa: S105 - its name
    PROCESS = "process"  # nobody asked: the service does what a person could do


@dataclass(frozen=True, slots=True)
class Actor:
    """The person or program that acts. On the command line, `name` is the operating system's user.

    `origin`: the address that it was asked from; empty for this machine.
    """

    kind: ActorKind
    name: str
    scopes: frozenset[Scope] = frozenset(Scope)
    origin: str = ""

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.name}"


INBOX: Final = Actor(ActorKind.PROCESS, "inbox")
SCHEDULER: Final = Actor(ActorKind.PROCESS, "scheduler")
