"""What the dates of messages reveal about the gateway's clock, and what the time until they were shown leaves open."""

from datetime import UTC, datetime, timedelta

import pytest

from worker.store.following.clock_offsets import Dated, Offset, learned

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOURS = -3 * 3600


def dated(after_seconds: float, shown_after_seconds: float, at: datetime = AT) -> Dated:
    """A message accepted at `at`, and dated and shown this long after that."""
    return Dated(at, at + timedelta(seconds=after_seconds), at + timedelta(seconds=shown_after_seconds))


def known(*ahead_seconds: float) -> list[Offset]:
    """Offsets that were seen before, newest first."""
    ends = [AT - timedelta(minutes=place) for place in range(1, len(ahead_seconds) + 1)]
    return [Offset(timedelta(seconds=each), end, end) for each, end in zip(ahead_seconds, ends, strict=True)]


@pytest.mark.parametrize(
    ("before", "after", "shown_after", "newest"),
    [
        # "The gateway's clock is 5 min behind ours": this was said of most of these, and the uncertainty was all of it
        ([], 0, 600, None),
        ([], -1, 599, None),
        ([], -30, 570, None),
        ([], -60, 500, None),
        ([], 5 + 597, 598, None),
        ([], -30, 530, None),
        # neither is it an offset other than the known one, or one next to a clock that was set right
        ([HOURS], HOURS, 600, HOURS),
        ([HOURS], HOURS + 600, 600, HOURS),
        ([HOURS], 0, 600, 0),
        ([0, HOURS], 0, 600, 0),
        ([0, -300], 0, 600, 0),
        # an offset that the uncertainty cannot explain is learned, and so is its end
        ([], -180, 4, None),
        ([], -303, 4, -305),
        ([], -480, 60, -510),
        ([], -600, 600, -900),
        ([], HOURS, 600, HOURS - 300),
        ([], -HOURS + 2, 4, -HOURS),
        ([HOURS], -HOURS + 2, 4, -HOURS),
        ([HOURS], 2, 4, 0),
        # our own clock was set back by an hour between acceptance and showing: nothing is known
        ([], -3600, -3590, None),
        ([], 0, 601, None),
    ],
)
def test_an_offset_is_what_the_time_until_a_message_is_shown_cannot_explain(
    before: list[float], after: float, shown_after: float, newest: float | None
) -> None:
    found = learned(known(*before), [dated(after, shown_after)])
    assert (found[0].ahead.total_seconds() if found else None) == newest


def test_a_late_message_does_not_bring_back_a_clock_that_was_set_right() -> None:
    # given a clock that was eight minutes behind, and one of its messages that was set right
    right = dated(2, 4, AT)
    late = dated(0, 600, AT + timedelta(minutes=1))  # -10 to 0 min: either clock may have dated it
    assert [each.ahead.total_seconds() for each in learned(known(-480), [right, late])] == [0, -480]
