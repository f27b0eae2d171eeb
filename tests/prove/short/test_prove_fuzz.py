"""Hostile and broken inputs, with a clear answer each: 500, 4,500 in `make prove-quick`, 200,000 in `make prove`."""

import pytest

from tests.prove.fuzz import KINDS, fuzz, kind_of

COUNT = 500


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.proof) for part in range(1, 10))])
def test_broken_inputs_get_a_clear_answer(part: int) -> None:
    endings, faults = fuzz(7, range(part * COUNT, (part + 1) * COUNT), at_once=1)

    assert faults == []
    assert endings.total() == COUNT
    # and some are sound, or else only refusals would have been tried; of the rarest kind, not in each part
    sound = {kind for kind in KINDS if endings[f"{kind}: ok"]}
    assert sound == set(KINDS) if part == 0 else len(sound) >= len(KINDS) - 1


def test_every_kind_has_its_share() -> None:
    kinds = [kind_of(place) for place in range(100)]

    assert {kind: kinds.count(kind) for kind in KINDS} == {kind: share for kind, (share, _, _) in KINDS.items()}
