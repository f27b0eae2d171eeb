"""Which recipients share one request to the gateway."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from campaigns.definition import Rate
from campaigns.lifecycle import RecipientState
from campaigns.planning.planned import PlannedRecipient
from campaigns.sending.sticking import Ranking
from campaigns.timing.departures import Departure

DEFAULT_BATCH_SIZE: Final = 100
"""The gateway's limit is unknown. 100 texts are about 30 kB, and bigger requests gain little (measured)."""

NO_LIMIT: Final = 1_000_000
"""More segments than any request can hold."""

CHUNK_ROWS: Final = 10_000
"""How many rows the store inserts in one transaction, and a plan holds in memory. 20,000 took 8 MB more and as long
(measured on SQLite); with 2,000 the store would lose two thirds of its speed."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """The most that one request may hold. A single text that costs more than `segments` goes alone.

    With a `ranking` it holds people of one phone only.
    """

    messages: int
    segments: int
    ranking: Ranking | None = None

    def phone_of(self, number: str) -> str:
        """Return the phone that a request for this person is planned for; "": any of the campaign's."""
        return "" if self.ranking is None else self.ranking.first(number)


BUDGET_PARTS: Final = 50
"""At the end of a budget, one request no longer fits. If requests are a fiftieth of it, at most 2 % stay unused."""

RATE_PARTS: Final = 10
"""Requests a second at a rate. A gateway may see one request more than the rate in its busiest second: with a tenth it
sees 1.1 times the rate, where a whole second's worth gave 2.0 (measured at 100/s)."""


def batch_limits(rates: Sequence[Rate], requested: int | None, budgets: Sequence[int] = ()) -> BatchLimits:
    """Return the limits that follow from all rates that apply and from the `requested` batch size.

    A request never costs more than the smallest limit, or no throttle could keep that limit. With `auto` (None) it
    holds about a tenth of a second of the slowest rate, but at least one segment, and a fiftieth of the smallest of
    the `budgets` (segments a day or month); without any limit 100.
    """
    most = min([*(rate.count for rate in rates), *budgets], default=NO_LIMIT)
    if requested is not None:
        return BatchLimits(requested, most)
    slice_ = max(1, round(min(rate.per_second for rate in rates) / RATE_PARTS)) if rates else NO_LIMIT
    part = max(1, min(budgets) // BUDGET_PARTS) if budgets else NO_LIMIT
    return BatchLimits(DEFAULT_BATCH_SIZE, min(most, slice_, part))


Placed = tuple[PlannedRecipient, int | None]
"""A row and the ordinal of its batch (from 0, in the order they begin in the plan); None for rows never sent."""


def into_batches(
    planned: Iterable[PlannedRecipient], limits: BatchLimits, *, chunk_rows: int = CHUNK_ROWS
) -> Iterator[list[Placed]]:
    """Yield chunks of at most `chunk_rows` rows in order, with the pending and held ones in batches within `limits`.

    The people in a batch have the same departure, state and phone, and nobody is in it twice. A batch lies within one
    chunk, so that storing a chunk stores whole batches and limits how many are open at once. The last batches of a
    chunk may be smaller.
    """
    opened = 0
    chunk: list[Placed] = []
    open_now: dict[tuple[Departure | None, RecipientState, str], _Batch] = {}
    phone_of = limits.phone_of
    for row in planned:
        if row.state not in _TO_SEND:
            chunk.append((row, None))
        else:
            key = row.departure, row.state, phone_of(row.number)
            batch = open_now.get(key)
            if batch is None or batch.is_full(limits, row.segments) or row.number in batch.numbers:
                batch = open_now[key] = _Batch(opened)
                opened += 1
            batch.members += 1
            batch.segments += row.segments
            if row.slot:  # reminders of two appointments; otherwise every number is there only once anyway
                batch.numbers.add(row.number)
            chunk.append((row, batch.ordinal))
        if len(chunk) == chunk_rows:
            yield chunk
            chunk = []
            open_now.clear()
    if chunk:
        yield chunk


_TO_SEND: Final = frozenset({RecipientState.PENDING, RecipientState.HELD})


@dataclass(slots=True)
class _Batch:
    ordinal: int
    members: int = 0
    segments: int = 0
    numbers: set[str] = field(default_factory=set)

    def is_full(self, limits: BatchLimits, more: int) -> bool:
        return self.members == limits.messages or self.segments + more > limits.segments
