"""What look-ups prove."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.protocol.verdicts import BLIND_CHECKS, SWEEPS, LookUp, Verdict, next_look, verdict
from tests.support.clocks import START

SETTLE = timedelta(seconds=300)
SEND_BY = START
SETTLED_AT = SEND_BY + SETTLE


def look(seconds: float, *, complete: bool = True, found: int = 0, control: bool | None = True) -> LookUp:
    return LookUp(SEND_BY + timedelta(seconds=seconds), complete, found, control)


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([], Verdict.WAIT),
        # Before settle, absence proves nothing, however often it was looked for.
        ([look(5), look(20), look(60), look(299)], Verdict.WAIT),
        # From settle on: two complete looks that see what they must see. One may have lied while its control did not.
        ([look(60), look(300)], Verdict.WAIT),
        ([look(300)], Verdict.WAIT),
        ([look(300), look(360)], Verdict.MISSED),
        # Some were found: the rest is decided at settle like everybody else.
        ([look(60, found=1), look(150, found=1)], Verdict.WAIT),
        ([look(60, found=1), look(300, found=1), look(360, found=1)], Verdict.MISSED),
        # A positive needs no other evidence.
        ([look(5, found=3)], Verdict.ALL_FOUND),
        ([look(5, found=3, complete=False, control=False)], Verdict.ALL_FOUND),
        # A failed read proves nothing.
        ([look(60), look(300, complete=False)], Verdict.WAIT),
        ([look(60, complete=False), look(300)], Verdict.WAIT),
        # A read that does not show a message that is certainly there is lying.
        ([look(60, control=False), look(300, control=False)], Verdict.WAIT),
        ([look(60, control=False), look(300, control=False), look(360)], Verdict.WAIT),
        ([look(60, control=False), look(300, control=False), look(360), look(420)], Verdict.MISSED),
        # There is nothing to check the reads against until another request of the account was accepted.
        ([look(60, control=None), look(300, control=None)], Verdict.WAIT),
        ([look(60, control=None), look(300, control=None), look(360), look(420)], Verdict.MISSED),
    ],
)
def test_verdicts(looks: list[LookUp], expected: Verdict) -> None:
    assert verdict(looks, sought=3, settled_at=SETTLED_AT) is expected


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([look(0)], Verdict.MISSED),
        ([look(0, control=None)], Verdict.MISSED),
        ([look(0, complete=False)], Verdict.WAIT),
        ([look(0, found=1)], Verdict.WAIT),  # it was not a refusal after all: now it is a doubt like any other
        ([look(0, found=3)], Verdict.ALL_FOUND),
        ([look(0, complete=False), look(20)], Verdict.MISSED),
    ],
)
def test_a_refusal_is_believed_after_one_look(looks: list[LookUp], expected: Verdict) -> None:
    assert verdict(looks, sought=3, settled_at=SETTLED_AT, suspicion_only=True) is expected


@pytest.mark.parametrize("control", [False, None])
def test_reads_that_stay_blind_end_with_a_person(control: bool | None) -> None:
    blind = [look(300 + 60 * turn, control=control) for turn in range(BLIND_CHECKS)]

    assert verdict(blind[:-1], sought=3, settled_at=SETTLED_AT) is Verdict.WAIT
    assert verdict(blind, sought=3, settled_at=SETTLED_AT) is Verdict.HOLD


def test_a_gateway_that_is_away_leaves_no_work_for_people() -> None:
    away = [look(300 + 60 * turn, complete=False, control=False) for turn in range(600)]

    assert verdict([look(60), *away], sought=3, settled_at=SETTLED_AT) is Verdict.WAIT
    back = [look(40_000), look(40_060)]
    assert verdict([look(60), *away, *back], sought=3, settled_at=SETTLED_AT) is Verdict.MISSED


LOOKS = st.lists(
    st.builds(
        look,
        st.floats(0, 1_000),
        complete=st.booleans(),
        found=st.integers(0, 3),
        control=st.sampled_from([True, False, None]),
    ),
    max_size=12,
).map(lambda looks: sorted(looks, key=lambda one: one.at))


@given(LOOKS)
def test_a_miss_is_never_concluded_early_or_blindly(looks: list[LookUp]) -> None:
    if verdict(looks, sought=3, settled_at=SETTLED_AT) is Verdict.MISSED:
        last = looks[-1]
        assert last.at >= SETTLED_AT
        assert last.complete
        assert last.control
        assert last.found < 3
        assert sum(one.complete for one in looks) >= 2


@given(LOOKS)
def test_a_look_survives_being_kept(looks: list[LookUp]) -> None:
    assert [LookUp.from_json(json.loads(json.dumps(one.to_json()))) for one in looks] == looks


def test_looks_come_at_growing_distances_and_never_end() -> None:
    # given a request that is looked up whenever it is due
    at, looked = SEND_BY, []
    for _ in range(8):
        at = next_look(at, send_by=SEND_BY, settle=SETTLE)
        looked.append((at - SEND_BY).total_seconds())

    assert looked == [*(share * 300 for share in SWEEPS), 360, 420, 480]


def test_a_look_with_a_tiny_settle_is_still_a_second_away() -> None:
    now = SEND_BY + timedelta(seconds=1)
    assert next_look(now, send_by=SEND_BY, settle=timedelta(0)) == now + timedelta(seconds=1)
