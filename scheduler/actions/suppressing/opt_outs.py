"""`suppress add`, `remove`, `import`: numbers that get nothing, or get texts again."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from campaigns.access import ActorKind
from campaigns.audience import AudienceProblem
from campaigns.counting import amount
from campaigns.phone_numbers.masking import mask
from scheduler.actions.acting import Actor, acting, audited, nothing_done
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.suppressing.kinds import known_kind
from scheduler.actions.suppressing.tables import BadRow, OptOutFile
from worker import metrics
from worker.store.engine import Store
from worker.store.people import erased, suppressions
from worker.store.people.suppressions import Entry

AT_ONCE: Final = 1_000
"""How many numbers one transaction adds: a request that is about to be made waits for it."""

BY_COMMAND: Final = "command"
BY_API: Final = "api"
"""The source of an entry that somebody made by hand: on the command line, or by a call."""


@dataclass(frozen=True, slots=True)
class Changed:
    """How many numbers are now on the list, or off it, and how many already were.

    `bad`: the first of the `bad_rows` of a table, which were left out.
    """

    changed: int
    unchanged: int
    bad: tuple[BadRow, ...] = ()
    bad_rows: int = 0


def suppress(
    store: Store, actor: Actor, numbers: Sequence[str], *, kind: str | None = None, reason: str = "", now: datetime
) -> Changed:
    """Send nothing more (of a kind) to these numbers (E.164), from the next request on. Raises `Refused`."""
    source = BY_COMMAND if actor.kind is ActorKind.CLI else BY_API
    entries = [Entry(number, known_kind(kind), reason, source, now) for number in numbers]
    added = put(store, actor, [entries], now, subject=_about(numbers), kind=kind or "")
    return Changed(added, len(set(numbers)) - added)


def open_table(
    file: Path, column: str, region: str | None, *, kind: str | None = None, reason: str = "", now: datetime
) -> OptOutFile:
    """Open a table with numbers in this column; `kind` and `reason` as in `OptOutFile`. Raises `Refused`."""
    try:
        return OptOutFile(file, column, region, kind=known_kind(kind), reason=reason, now=now)
    except AudienceProblem as error:
        raise Refused(Refusal.INVALID, f"{file}: {error}") from None


def suppress_table(store: Store, actor: Actor, table: OptOutFile, *, now: datetime) -> Changed:
    """Put a table on the list, a thousand numbers per transaction; unusable rows are left out.

    Raises `Refused` for a table that cannot be read to its end, or that has no usable row.
    """
    try:
        added = put(store, actor, table.chunks(AT_ONCE), now, subject=table.path.name, kind=table.kind)
    except AudienceProblem as error:
        raise Refused(Refusal.INVALID, f"{table.path}: {error}") from None
    return Changed(added, table.entries - added, tuple(table.bad), table.bad_rows)


def unsuppress(
    store: Store | None, actor: Actor, numbers: Sequence[str], *, kind: str | None = None, now: datetime
) -> Changed:
    """Let these numbers (E.164) get texts again; with `kind` only their entries of this kind end. Raises `Refused`.

    `store` None: nobody is on the list.
    """
    wanted = set(numbers)
    only = known_kind(kind) if kind is not None else None
    ended: set[str] = set()
    if store is not None:
        with acting(store, actor, "unsuppress", subject=_about(wanted), now=now) as session:
            erased.require_key(session)  # an opt-out of somebody who was erased would stay
            ended = suppressions.release(session, wanted, now=now, kind=only)
            audited(session, people=len(ended), kind=only)
            if not ended:
                nothing_done(session)
    return Changed(len(ended), len(wanted - ended))


def suppressed(store: Store | None, *, kind: str | None = None) -> Iterator[Entry]:
    """The list, the oldest entry first, some thousands in memory at a time. Raises `Refused` for an unknown kind."""
    only = known_kind(kind) if kind is not None else None
    if store is not None:
        with store.read() as session:
            yield from suppressions.in_force(session, kind=only)


def put(
    store: Store,
    actor: Actor,
    chunks: Iterable[Sequence[Entry]],
    now: datetime,
    *,
    subject: str,
    kind: str,
    campaign: str = "",
    **facts: Any,
) -> int:
    """Put all entries on the list; return how many were not on it.

    However many transactions it takes, the audit has one entry, with these `facts`: in the first one that changes
    something.
    """
    added = 0
    for chunk in chunks:
        with acting(store, actor, "suppress", campaign=campaign, subject=subject, now=now) as session:
            new = suppressions.suppress(session, chunk, now=now)
            audited(session, kind=kind, source=chunk[0].source if chunk else "", **facts)
            if added or not new:
                nothing_done(session)
        added += new
    metrics.count(metrics.OPT_OUTS, amount=added)
    return added


def _about(numbers: Collection[str]) -> str:
    """Return whom the audit names: one person's masked number, or how many people there are."""
    return mask(next(iter(numbers))) if len(numbers) == 1 else amount(len(numbers), "number")
