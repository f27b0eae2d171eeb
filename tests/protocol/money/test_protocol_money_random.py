"""Any prices and budgets of money: no budget is exceeded by a cent, and the books are those of what was sent."""

import pytest

from tests.protocol.world.money_scenarios import random_world
from tests.prove.world.money import judged
from worker.store.engine import Store


@pytest.mark.long
@pytest.mark.parametrize(("first", "worlds"), [(1, 8), pytest.param(9, 12, marks=pytest.mark.proof)])
def test_no_budget_is_exceeded_and_every_text_is_in_the_books(sqlite_store: Store, first: int, worlds: int) -> None:
    seeds = range(first, first + worlds)
    found = [verdicts for seed in seeds if (verdicts := judged(random_world(seed), sqlite_store)) is not None]

    assert [problem for verdicts in found for problem in verdicts.problems] == []
    forecast = sum(verdicts.forecast for verdicts in found)
    assert sum(verdicts.exact for verdicts in found) >= 0.99 * forecast > 0
