"""Random campaigns with steps, in short; and that a condition which is read too early is found."""

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


def played(opened: AbstractContextManager[Store], first: int, count: int) -> list[StepVerdicts]:
    with opened as store:
        return [tried(random_world(seed), store).verdicts for seed in range(first, first + count)]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("first", "worlds"), [(1, 3), pytest.param(4, 33, marks=pytest.mark.proof)])
def test_nobody_gets_a_step_against_its_condition_and_everybody_else_does(first: int, worlds: int) -> None:
    found = played(on_sqlite(), first, worlds)

    assert [problem for verdicts in found for problem in verdicts.problems] == []
    assert sum(verdicts.sent for verdicts in found) > 0
    assert sum(verdicts.kept_out for verdicts in found) > 0


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
