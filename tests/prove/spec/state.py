"""The state of a small world: everything that the protocol knows, and what is true without its knowing."""

from typing import Final, NamedTuple, TypeVar

from tests.prove.spec.protocol import CLOSED, OPEN, REPLIED, UNKNOWN, Look

FRESH, LATE, SETTLED = 0, 1, 2
PROMISED, WRITTEN, ANSWERED, GONE = "promised", "written", "answered", "gone"
MOST: Final = 2
"""Counts of looks and messages end here: no rule asks for more."""


class Scope(NamedTuple):
    """A world: the number and the batch of each person, and what may happen in it."""

    name: str
    numbers: tuple[int, ...]
    batches: tuple[int, ...]
    workers: int = 2
    schedulers: int = 1
    stale: bool = False  # a look and its record are two steps
    blind: bool = False  # reads that show nothing at all
    leaving: str = ""  # SUPPRESSED: people opt out; EXCLUDED: a step is not for them any more
    stops: bool = False  # somebody pauses and resumes the run
    backup: bool = False  # a copy of the database may be put back, once
    loss: bool = False  # it may be lost, once
    wrong_refusals: bool = False  # a refusal that the gateway did not mean
    limit: int = 0  # requests in a window


class Attempt(NamedTuple):
    """A request: what the database says of it, how far its process is, and what the gateway has of it.

    `state` NONE: the database does not know it. `ending` is what it says, `reply` what the process has heard. `due`:
    the gateway has it and has not stored anything yet. `looks`: early ones with a control, late ones without, late ones
    with one. `slot`: it counts in the open window.
    """

    id: int
    batch: int
    people: tuple[int, ...]
    state: str = OPEN
    ending: str = ""
    age: int = FRESH
    at: str = PROMISED
    reply: str = ""
    due: bool = False
    has: tuple[int, ...] = ()
    looks: tuple[int, int, int] = (0, 0, 0)
    slot: bool = False


class Seen(NamedTuple):
    """What a scheduler has read at the gateway and not yet recorded."""

    attempt: int
    found: tuple[int, ...]
    look: Look


class Saved(NamedTuple):
    """What a copy of the database holds."""

    rows: tuple[str, ...]
    batches: tuple[str, ...]
    attempts: tuple[Attempt, ...]


class State(NamedTuple):
    """Everything. `sent`: how many messages the gateway has of each person: the truth, which no rule may ask for."""

    rows: tuple[str, ...]
    batches: tuple[str, ...]
    sent: tuple[int, ...]
    attempts: tuple[Attempt, ...] = ()
    seen: tuple[Seen | None, ...] = (None,)
    left: tuple[bool, ...] = ()
    before: tuple[bool, ...] = ()
    stopped: bool = False
    restored: bool = False
    losses: int = 0
    saved: Saved | None = None
    behind: bool = False  # an intent was committed since the copy
    holder: int = 0
    expired: bool = False
    memory: int = 0  # what the throttle knows of its window; -1: nothing
    held: int = 0  # slots that workers have for their next request


Next = tuple[str, State, str]
"""A step's name, the state after it, and the promise that it breaks, or ""."""


T = TypeVar("T")


def put(values: tuple[T, ...], place: int, value: T) -> tuple[T, ...]:
    return (*values[:place], value, *values[place + 1 :])


def matters(a: Attempt) -> bool:
    """Whether anything can still come of it."""
    return a.state in {OPEN, UNKNOWN} or a.at != GONE or a.due or a.slot


def rested(a: Attempt) -> Attempt:
    """Forget what no longer makes a difference: then fewer states are different."""
    if a.has and (a.at == GONE or a.reply not in {"", REPLIED}):
        a = a._replace(has=())
    if a.state == CLOSED and a.at == GONE and not a.due:
        a = a._replace(age=SETTLED, ending="", people=())
    return a
