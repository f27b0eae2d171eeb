"""Which recipients share one request to the gateway."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from campaigns.definition import Rate
from campaigns.lifecycle import RecipientState
from campaigns.planning import PlannedRecipient

DEFAULT_BATCH_SIZE: Final = 100
"""The gateway's limit is unknown; 100 texts are some 30 kB, and bigger requests gain little (measured)."""

NO_LIMIT: Final = 1_000_000
"""More segments than any request can hold."""

CHUNK_ROWS: Final = 20_000
"""What the store inserts in one transaction: smaller ones cost it two thirds of its speed (measured on SQLite)."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one request may hold at most; a single text that is dearer than `segments` goes alone."""

    messages: int
    segments: int


BUDGET_PARTS: Final = 50
"""At the end of a budget stands a request that does not fit: if it is a fiftieth, at most 2 % stay unused."""


def batch_limits(rates: Sequence[Rate], requested: int | None, budgets: Sequence[int] = ()) -> BatchLimits:
    """The limits that follow from every rate that applies and from the `batch_size` that was asked for.

    A request never costs more than the smallest limit, or no throttle could keep that limit. With `auto` (None) it
    holds about one second of the slowest rate, so that a slow campaign is smooth and a fast one cheap, and a fiftieth
    of the smallest of the `budgets` (segments a day or month); without any limit 100.
    """
    most = min([*(rate.count for rate in rates), *budgets], default=NO_LIMIT)
    if requested is not None:
        return BatchLimits(requested, most)
    second = max(1, round(min((rate.per_second for rate in rates), default=NO_LIMIT)))
    part = max(1, min(budgets) // BUDGET_PARTS) if budgets else NO_LIMIT
    return BatchLimits(DEFAULT_BATCH_SIZE, min(most, second, part))


Placed = tuple[PlannedRecipient, int | None]
"""A row and the ordinal of its batch (from 0 in the order of the plan); None for rows that are never sent."""


def into_batches(
    planned: Iterable[PlannedRecipient], limits: BatchLimits, *, chunk_rows: int = CHUNK_ROWS
) -> Iterator[list[Placed]]:
    """Chunks of at most `chunk_rows` rows, all in order, the pending ones in batches within `limits`.

    A batch lies within one chunk, so that who stores a chunk stores whole batches; its last one may be smaller.
    """
    batch, members, segments, chunk = 0, 0, 0, list[Placed]()
    for row in planned:
        if row.state is not RecipientState.PENDING:
            chunk.append((row, None))
        else:
            if members and (members == limits.messages or segments + row.segments > limits.segments):
                batch, members, segments = batch + 1, 0, 0
            chunk.append((row, batch))
            members += 1
            segments += row.segments
        if len(chunk) == chunk_rows:
            yield chunk
            batch, members, segments, chunk = batch + (members > 0), 0, 0, []
    if chunk:
        yield chunk
