"""Which recipients share a request."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.definition import Rate
from campaigns.lifecycle import RecipientState
from campaigns.planning.batching import NO_LIMIT, BatchLimits, batch_limits, into_batches
from campaigns.planning.planned import PlannedRecipient

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@pytest.mark.parametrize(
    ("rates", "requested", "limits"),
    [
        ([], None, BatchLimits(100, NO_LIMIT)),
        ([], 500, BatchLimits(500, NO_LIMIT)),
        ([Rate(100, SECOND)], None, BatchLimits(100, 10)),
        ([Rate(500, SECOND)], None, BatchLimits(100, 50)),
        ([Rate(5_000, SECOND)], None, BatchLimits(100, 500)),
        ([Rate(7, SECOND)], None, BatchLimits(100, 1)),
        ([Rate(30, MINUTE)], None, BatchLimits(100, 1)),
        ([Rate(3600, HOUR), Rate(7200, HOUR)], None, BatchLimits(100, 1)),
        ([Rate(30, MINUTE)], 500, BatchLimits(500, 30)),
        ([Rate(30, MINUTE), Rate(5, SECOND)], 50, BatchLimits(50, 5)),
    ],
)
def test_a_request_holds_what_the_rates_let_through(
    rates: list[Rate], requested: int | None, limits: BatchLimits
) -> None:
    assert batch_limits(rates, requested) == limits


@pytest.mark.parametrize(
    ("rates", "requested", "budgets", "limits"),
    [
        ([], None, [5_000], BatchLimits(100, 100)),
        ([], None, [5_000, 500], BatchLimits(100, 10)),
        ([], None, [3], BatchLimits(100, 1)),
        ([Rate(50, SECOND)], None, [500], BatchLimits(100, 5)),
        ([], 500, [30], BatchLimits(500, 30)),
        ([Rate(5, SECOND)], 500, [30], BatchLimits(500, 5)),
    ],
)
def test_a_request_is_a_small_part_of_a_budget_and_never_larger(
    rates: list[Rate], requested: int | None, budgets: list[int], limits: BatchLimits
) -> None:
    assert batch_limits(rates, requested, budgets) == limits


ROWS = st.lists(st.tuples(st.booleans(), st.integers(1, 10)), max_size=60)


def planned(rows: list[tuple[bool, int]]) -> list[PlannedRecipient]:
    states = {True: RecipientState.PENDING, False: RecipientState.DUPLICATE}
    return [
        PlannedRecipient(f"+39333{place:07}", 0, "people.csv", place + 2, states[is_pending], segments=segments)
        for place, (is_pending, segments) in enumerate(rows)
    ]


@given(ROWS, st.integers(1, 7), st.integers(1, 25), st.integers(1, 20))
def test_batches_keep_order_and_limits(
    rows: list[tuple[bool, int]], messages: int, segments: int, chunk_rows: int
) -> None:
    recipients = planned(rows)

    chunks = list(into_batches(recipients, BatchLimits(messages, segments), chunk_rows=chunk_rows))

    # then every row is there once, in order, in chunks that are full except for the last
    assert [row for chunk in chunks for row, _ in chunk] == recipients
    assert all(len(chunk) == chunk_rows for chunk in chunks[:-1])
    assert all(0 < len(chunk) <= chunk_rows for chunk in chunks)
    # and exactly those to be sent are in batches, which are numbered in order and keep the limits
    batches: dict[int, list[PlannedRecipient]] = {}
    for chunk in chunks:
        for row, batch in chunk:
            assert (batch is not None) == (row.state is RecipientState.PENDING)
            if batch is not None:
                batches.setdefault(batch, []).append(row)
    assert list(batches) == list(range(len(batches)))
    for members in batches.values():
        assert len(members) <= messages
        assert len(members) == 1 or sum(row.segments for row in members) <= segments
    # and none is in two chunks
    in_chunks = [{batch for _, batch in chunk if batch is not None} for chunk in chunks]
    assert sum(map(len, in_chunks)) == len(batches)


def test_batches_are_as_full_as_they_may_be() -> None:
    recipients = planned([(True, 1)] * 5 + [(False, 1)] + [(True, 4)] * 3)

    (chunk,) = into_batches(recipients, BatchLimits(3, 8))

    assert [batch for _, batch in chunk] == [0, 0, 0, 1, 1, None, 1, 2, 2]


def test_nothing_planned_is_no_chunk() -> None:
    assert list(into_batches([], BatchLimits(100, NO_LIMIT))) == []
