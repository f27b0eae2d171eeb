"""Whose turn it is: kinds in order and nobody starved, campaigns of one kind by weight, no limit exceeded."""

import math
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.definition import Kind
from campaigns.sending.sharing import LOWER_SHARE, Contender, Portion, Room, Turns

COSTS = st.lists(st.integers(1, 30), min_size=0, max_size=12)


def contender(
    id_: int,
    costs: Sequence[int],
    *,
    kind: Kind = Kind.MARKETING,
    weight: int = 1,
    own: Room | None = None,
    lanes: Sequence[Room] = (),
) -> Contender:
    due = [Portion(id_ * 1_000 + place, cost) for place, cost in enumerate(costs)]
    return Contender(id_, kind, weight, due, own or Room(), tuple(lanes))


def got(turns: Turns, rounds: int, room: float, contenders: Sequence[Contender]) -> Counter[int]:
    """Segments by campaign after this many rounds in which everything that was chosen was sent."""
    segments: Counter[int] = Counter()
    for _ in range(rounds):
        for chosen, portion in turns.share(Room(room), contenders, requests=1_000):
            segments[chosen.id] += portion.segments
        for each in contenders:
            each.own.used = 0
            for lane in each.lanes:
                lane.used = 0
    return segments


@given(
    audience=st.lists(st.tuples(st.sampled_from(list(Kind)), st.integers(1, 5), COSTS), max_size=6),
    size=st.integers(1, 60),
    used=st.integers(0, 60),
    own_size=st.integers(1, 40),
    requests=st.integers(0, 20),
)
def test_no_room_is_overfilled_and_nothing_goes_twice(
    audience: list[tuple[Kind, int, list[int]]], size: int, used: int, own_size: int, requests: int
) -> None:
    room, lanes = Room(size, used), (Room(10), Room(math.inf))
    contenders = [
        contender(id_, costs, kind=kind, weight=weight, own=Room(own_size), lanes=lanes)
        for id_, (kind, weight, costs) in enumerate(audience)
    ]

    chosen = Turns().share(room, contenders, requests=requests)

    ids = [portion.id for _, portion in chosen]
    assert len(ids) == len(set(ids)) <= requests
    assert room.used == used + sum(portion.segments for _, portion in chosen)
    # Only a single request that went into an empty room may exceed its size.
    assert room.used <= size or room.used == used or (used == 0 and len(chosen) == 1)
    for each in contenders:
        mine = [portion for of, portion in chosen if of is each]
        assert mine == list(each.due[: len(mine)])
        assert sum(portion.segments for portion in mine) <= own_size or len(mine) == 1


@given(audience=st.lists(st.tuples(st.sampled_from(list(Kind)), COSTS), min_size=1, max_size=6))
def test_with_room_for_all_everything_goes(audience: list[tuple[Kind, list[int]]]) -> None:
    contenders = [contender(id_, costs, kind=kind) for id_, (kind, costs) in enumerate(audience)]

    chosen = Turns().share(Room(), contenders, requests=1_000)

    assert len(chosen) == sum(len(costs) for _, costs in audience)


@given(
    weights=st.lists(st.integers(1, 9), min_size=2, max_size=5),
    largest=st.integers(1, 30),
    room=st.integers(1, 100),
    data=st.data(),
)
def test_weights_are_kept_within_one_request_of_each(
    weights: list[int], largest: int, room: int, data: st.DataObject
) -> None:
    contenders = [
        contender(id_, data.draw(st.lists(st.integers(1, largest), min_size=40, max_size=40)), weight=weight)
        for id_, weight in enumerate(weights)
    ]

    segments: Counter[int] = Counter()
    turns = Turns()
    for _ in range(30):  # each takes its requests from the first again: only their cost matters
        for chosen, portion in turns.share(Room(room), contenders, requests=40):
            segments[chosen.id] += portion.segments

    served = [segments[id_] / weight for id_, weight in enumerate(weights)]
    within = [largest / weight for weight in weights]
    for one, more in zip(served, within, strict=True):
        for other in served:
            assert one - other <= more + 1e-6


@pytest.mark.long
@given(room=st.integers(20, 50), cost=st.integers(1, 10))
def test_a_higher_kind_goes_first_and_a_lower_one_keeps_its_share(room: int, cost: int) -> None:
    contenders = [contender(id_, [cost] * 60, kind=kind) for id_, kind in enumerate(Kind)]

    segments = got(Turns(), 100, room, contenders)

    total = sum(segments.values())
    shares = {kind: segments[id_] / total for id_, kind in enumerate(Kind)}
    assert shares[Kind.REMINDER] == pytest.approx(LOWER_SHARE, abs=0.03)
    assert shares[Kind.MARKETING] == pytest.approx(LOWER_SHARE, abs=0.03)
    assert shares[Kind.TRANSACTIONAL] >= 0.75


def test_the_first_that_goes_is_of_the_highest_kind() -> None:
    contenders = [contender(id_, [5, 5], kind=kind) for id_, kind in enumerate(Kind)]

    chosen = Turns().share(Room(), contenders, requests=3)

    assert [of.kind for of, _ in chosen][:2] == [Kind.TRANSACTIONAL, Kind.TRANSACTIONAL]


@given(st.lists(st.integers(1, 100), min_size=1, max_size=4), st.integers(1, 50))
def test_nobody_starves_behind_small_requests(small: list[int], room: int) -> None:
    # given one campaign with requests larger than the room, and others that always have something small
    large = contender(0, [room + 5], kind=Kind.MARKETING)
    others = [contender(id_, [1] * 80) for id_, _ in enumerate(small, 1)]
    turns, shared = Turns(), Room(room)

    for _ in range(200):
        if large in [of for of, _ in turns.share(shared, [large, *others], requests=100)]:
            return
        shared.used = max(0, shared.used - 1)

    raise AssertionError("the large request never went")


def test_a_full_phone_keeps_back_only_those_who_go_by_it() -> None:
    full, free = Room(2, used=2), Room(10)
    turns = Turns()

    chosen = turns.share(
        Room(), [contender(1, [1, 1], lanes=[full]), contender(2, [4, 4], lanes=[full, free])], requests=9
    )

    assert [(of.id, portion.segments) for of, portion in chosen] == [(2, 4), (2, 4)]
    assert (full.used, free.used) == (2, 8)


def test_what_had_its_turn_before_is_not_charged_again() -> None:
    turns = Turns()
    back = Contender(1, Kind.MARKETING, 1, [Portion(10, 50, is_paid=True), Portion(11, 1)], Room())

    chosen = turns.share(Room(), [back, contender(2, [1, 1])], requests=4)

    assert [portion.id for _, portion in chosen] == [10, 11, 2_000, 2_001]


def test_who_had_nothing_to_send_has_saved_nothing_up() -> None:
    # given one that sent alone for a long time
    turns = Turns()
    got(turns, 100, 10, [contender(1, [1] * 20)])

    together = got(turns, 10, 10, [contender(1, [1] * 20), contender(2, [1] * 20)])

    assert together == {1: 50, 2: 50}


def test_who_was_kept_back_by_its_own_limit_has_saved_nothing_up() -> None:
    # given one that was held at 1 segment while the other took the rest
    turns = Turns()
    for _ in range(100):
        turns.share(Room(10), [contender(1, [1] * 20), contender(2, [1] * 20, own=Room(1))], requests=99)

    together = got(turns, 10, 10, [contender(1, [1] * 20), contender(2, [1] * 20)])

    assert together[1] >= 45
