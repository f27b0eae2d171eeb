"""A few random campaigns, and what `capacity` says of them, run to their end."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.protocol.world.timing_scenarios import Scenario, scenarios
from tests.prove.capacity import problems_of, shares, totals
from worker.store.engine import Store


@pytest.mark.long
@settings(
    max_examples=15,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(scenario=scenarios(with_phones=True, with_money=True), share=shares, total=totals)
def test_each_change_is_enough_and_a_smaller_one_is_not(
    sqlite_store: Store, scenario: Scenario, share: float, total: int | None
) -> None:
    assert problems_of(scenario, share, sqlite_store, Counter(), total) == []
