"""What every throttle decides, one scenario each, on both back ends."""

from datetime import timedelta
from itertools import pairwise

import pytest

from tests.support.clocks import FakeClock
from tests.worker.throttle.simulation import largest_window_segments, send_for, sum_segments
from worker.throttle import RateLimit, Throttle

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def test_a_new_level_grants_at_once_and_then_evenly(throttle: Throttle, clock: FakeClock) -> None:
    level = RateLimit("account:1", 30, MINUTE)
    start = clock.now()
    # when all senders ask as soon as they may
    grants = send_for(timedelta(seconds=9), throttle, clock, [level], [1, 1])
    # then there is one every 2 s, starting with the first, and no burst
    assert [grant.at - start for grant in grants] == [n * timedelta(seconds=2) for n in range(5)]


def test_a_refusal_takes_nothing_on_any_level(throttle: Throttle, clock: FakeClock) -> None:
    slow, fast = RateLimit("campaign:1", 1, MINUTE), RateLimit("account:1", 60, MINUTE)
    throttle.reserve(1, [slow])
    # when one level refuses many times
    for _ in range(5):
        clock.advance(1)
        assert not throttle.reserve(1, [fast, slow]).is_granted
    # then the other is unchanged: nobody has ever taken anything there
    assert throttle.reserve(60, [fast]).is_granted


def test_the_slowest_level_says_how_long_to_wait(throttle: Throttle) -> None:
    levels = [
        RateLimit("account:1", 10, SECOND),
        RateLimit("device:1|0", 30, MINUTE),
        RateLimit("campaign:1", 60, MINUTE),
    ]
    assert throttle.reserve(1, levels).is_granted
    assert throttle.reserve(1, levels).wait == timedelta(seconds=2)


def test_a_wait_that_is_obeyed_ends_in_a_grant_stamped_then(throttle: Throttle, clock: FakeClock) -> None:
    level = RateLimit("account:1", 7, SECOND)
    first = throttle.reserve(2, [level])
    wait = throttle.reserve(3, [level]).wait
    # a microsecond early is too early
    clock.advance(wait - timedelta(microseconds=1))
    assert throttle.reserve(3, [level]).wait == timedelta(microseconds=1)
    clock.advance(timedelta(microseconds=1))
    second = throttle.reserve(3, [level])
    assert second.is_granted
    assert second.at == clock.now() == first.at + wait


@pytest.mark.parametrize("cost_segments", [10, 11, 500])
def test_a_cost_above_the_limit_counts_as_the_limit(throttle: Throttle, clock: FakeClock, cost_segments: int) -> None:
    level = RateLimit("campaign:1", 10, MINUTE)
    assert throttle.reserve(cost_segments, [level]).is_granted
    assert throttle.reserve(cost_segments, [level]).wait == MINUTE
    clock.advance(MINUTE)
    assert throttle.reserve(cost_segments, [level]).is_granted


def test_one_an_hour_is_one_an_hour(throttle: Throttle, clock: FakeClock) -> None:
    level = RateLimit("campaign:1", 1, timedelta(hours=1))
    assert throttle.reserve(1, [level]).is_granted
    clock.advance(timedelta(hours=1) - timedelta(microseconds=1))
    assert throttle.reserve(1, [level]).wait == timedelta(microseconds=1)
    clock.advance(timedelta(microseconds=1))
    assert throttle.reserve(1, [level]).is_granted


def test_a_raised_limit_acts_at_once(throttle: Throttle, clock: FakeClock) -> None:
    # given a used-up level at one an hour
    assert throttle.reserve(1, [RateLimit("campaign:1", 1, timedelta(hours=1))]).is_granted
    # when the limit becomes 3,600 an hour
    raised = RateLimit("campaign:1", 3600, timedelta(hours=1))
    # then the next slot is a second after the last, not an hour
    assert throttle.reserve(1, [raised]).wait == SECOND
    clock.advance(1)
    assert throttle.reserve(1, [raised]).is_granted


def test_a_lowered_limit_acts_at_once_on_what_has_happened(throttle: Throttle, clock: FakeClock) -> None:
    # given 30 sent in half a minute
    grants = send_for(MINUTE / 2, throttle, clock, [RateLimit("campaign:1", 60, MINUTE)], [1])
    assert sum_segments(grants) == 30
    # when the limit becomes 10 a minute
    answer = throttle.reserve(1, [RateLimit("campaign:1", 10, MINUTE)])
    # then the next waits until only 9 of those are in the window
    assert answer.at + answer.wait == grants[20].at + MINUTE


def test_a_late_sender_catches_up(throttle: Throttle, clock: FakeClock) -> None:
    level = RateLimit("campaign:1", 600, MINUTE)
    throttle.reserve(1, [level])
    # given a sender that comes 60 ms after its moment
    clock.advance(0.160)
    assert throttle.reserve(1, [level]).is_granted
    # then the moment after that is not shifted
    assert throttle.reserve(1, [level]).wait == timedelta(milliseconds=40)


def test_a_pause_saves_up_no_more_than_a_late_sender_may_catch_up(throttle: Throttle, clock: FakeClock) -> None:
    # given a level at 200 a second that is idle for half of its window
    level = RateLimit("account:1", 200, SECOND)
    throttle.reserve(1, [level])
    clock.advance(0.5)
    # when everything that gets through is sent
    granted = 0
    while throttle.reserve(1, [level]).is_granted:
        granted += 1
    # then that is 100 ms worth of the rate, plus the one that is due
    assert granted == 21


def test_levels_over_different_times_do_not_share_a_history(throttle: Throttle) -> None:
    assert throttle.reserve(1, [RateLimit("account:1", 1, SECOND), RateLimit("account:1", 100, MINUTE)]).is_granted
    assert throttle.reserve(1, [RateLimit("account:1", 100, MINUTE)]).wait == timedelta(seconds=0.6)


def test_without_levels_everything_passes(throttle: Throttle, clock: FakeClock) -> None:
    answers = [throttle.reserve(100, []) for _ in range(3)]
    assert [(answer.is_granted, answer.at) for answer in answers] == [(True, clock.now())] * 3


def test_a_large_request_gets_its_turn_among_many_small_ones(throttle: Throttle, clock: FakeClock) -> None:
    # given three senders of single texts that take every gap, and one that needs a tenth of the limit at once
    level = RateLimit("account:1", 200, SECOND)
    grants = send_for(timedelta(seconds=15), throttle, clock, [level], [1, 1, 1, 20], late=timedelta(milliseconds=2))
    # then the large one is served every few seconds, and nobody breaks the limit
    large = [grant.at for grant in grants if grant.sender == 3]
    assert max(later - earlier for earlier, later in pairwise(large)) < timedelta(seconds=4)
    assert largest_window_segments(grants, SECOND) <= 200
    assert sum_segments(grants) >= 0.97 * 200 * 15


def test_a_clock_that_was_set_back_closes_a_level_for_one_window_at_most(throttle: Throttle, clock: FakeClock) -> None:
    level = RateLimit("account:1", 10, MINUTE)
    assert sum_segments(send_for(MINUTE, throttle, clock, [level], [1])) == 10
    # when the clock jumps back by a day
    clock.advance(timedelta(days=-1))
    # then what was sent counts as sent now, not as sent tomorrow
    assert throttle.reserve(1, [level]).wait == MINUTE
    clock.advance(MINUTE)
    assert throttle.reserve(1, [level]).is_granted


def test_a_clock_that_was_set_back_keeps_no_request_waited_for(throttle: Throttle, clock: FakeClock) -> None:
    # given a large request that has waited among small ones for so long that they give way to it
    level = RateLimit("account:1", 10, MINUTE)
    for _ in range(15):
        throttle.reserve(1, [level])
        throttle.reserve(10, [level])
        clock.advance(6)
    # when the clock jumps back by a day, and the large request never comes back
    clock.advance(timedelta(days=-1))
    grants = send_for(3 * MINUTE, throttle, clock, [level], [1])
    # then the small ones need not give way until tomorrow: at most one window is lost
    assert sum_segments(grants) >= 20


@pytest.mark.parametrize(
    ("cost_segments", "levels", "says"),
    [
        (0, [RateLimit("a", 1, SECOND)], "costs at least one"),
        (-1, [], "costs at least one"),
        (1, [RateLimit("a", 1, SECOND), RateLimit("a", 2, SECOND)], "named twice"),
    ],
)
def test_a_question_without_meaning_is_refused(
    throttle: Throttle, cost_segments: int, levels: list[RateLimit], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        throttle.reserve(cost_segments, levels)


@pytest.mark.parametrize("others", [[2] * 12, [10] * 4], ids=["small ones", "large ones"])
def test_an_urgent_request_gets_the_next_slot_however_many_wait(
    throttle: Throttle, clock: FakeClock, others: list[int]
) -> None:
    # given many that wait for a rate, woken late
    level, late = RateLimit("account:1", 20, SECOND), timedelta(milliseconds=20)
    send_for(2 * SECOND, throttle, clock, [level], others, late)
    waits = []
    for _ in range(4):
        # when an urgent one comes now and then
        asked = clock.now()
        grants = send_for(SECOND, throttle, clock, [level], [*others, 1], late, urgent=1, once=True)
        waits.append(next(grant.at for grant in grants if grant.sender == len(others)) - asked)
    # then it waits no longer than the largest request before it costs, and its own lateness
    assert max(waits) <= timedelta(seconds=max(others) / 20) + late


def test_others_keep_a_tenth_of_what_urgent_requests_take_all_of(throttle: Throttle, clock: FakeClock) -> None:
    level = RateLimit("account:1", 20, SECOND)

    grants = send_for(12 * SECOND, throttle, clock, [level], [2] * 4 + [1] * 8, urgent=8)

    urgent, others = (sum_segments([g for g in grants if (g.sender >= 4) is is_urgent]) for is_urgent in (True, False))
    assert urgent + others >= 0.97 * 240
    assert 0.09 * urgent <= others <= 0.2 * urgent


def test_an_urgent_request_that_does_not_come_back_costs_a_tenth_of_a_second(
    throttle: Throttle, clock: FakeClock
) -> None:
    level = RateLimit("account:1", 20, SECOND)
    assert throttle.reserve(2, [level]).is_granted
    assert throttle.reserve(1, [level], is_urgent=True).wait == SECOND / 10
    assert throttle.reserve(2, [level]).wait == SECOND / 5
    clock.advance(SECOND / 5)
    assert throttle.reserve(2, [level]).is_granted
