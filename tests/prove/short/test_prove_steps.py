"""Random campaigns with steps, in short; and that a condition which is read too early is found."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final

import pytest

from tests.prove.steps import ablated
from tests.prove.steps.judge import StepVerdicts
from tests.prove.steps.trial import on_postgresql, on_sqlite, tried
from tests.prove.steps.worlds import random_world
from worker.store.engine import Store

BROKEN: Final = 6
"""A seed with which `ablated` finds the fault."""


WORLDS: Final = 3
MOST_WORLDS: Final = 12
"""A case whose worlds by chance send no step, or leave nobody out, plays on until one has."""


def played(opened: AbstractContextManager[Store], first: int, worlds: int, most: int = 1) -> list[StepVerdicts]:
    found: list[StepVerdicts] = []
    with opened as store:
        while len(found) < worlds or (len(found) < most and not (sent(found) and kept_out(found))):
            found.append(tried(random_world(first + len(found)), store).verdicts)
    return found


def sent(found: Sequence[StepVerdicts]) -> int:
    return sum(verdicts.sent for verdicts in found)


def kept_out(found: Sequence[StepVerdicts]) -> int:
    return sum(verdicts.kept_out for verdicts in found)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.proof) for part in range(1, 12))])
def test_nobody_gets_a_step_against_its_condition_and_everybody_else_does(part: int) -> None:
    found = played(on_sqlite(), 1 + part * MOST_WORLDS, WORLDS, MOST_WORLDS)

    assert [problem for verdicts in found for problem in verdicts.problems] == []
    assert sent(found) > 0
    assert kept_out(found) > 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", [501, *(pytest.param(seed, marks=pytest.mark.proof) for seed in range(502, 506))])
def test_transactions_that_meet_on_postgresql_keep_the_conditions(first: int) -> None:
    found = played(on_postgresql(), first, 1)

    assert [problem for verdicts in found for problem in verdicts.problems] == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("removed", [True, pytest.param(False, marks=pytest.mark.proof)])
def test_a_condition_that_is_read_before_the_intent_is_found(removed: bool) -> None:
    found = ablated.problems(BROKEN, 1, removed=removed)

    assert bool(found) is removed
