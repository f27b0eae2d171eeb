"""A week of three campaigns, interrupted at any moment: another process continues, and the sends are the same.

`python -m tests.prove.week` does it with many seeds.
"""

from collections import Counter
from pathlib import Path

import pytest

from tests.protocol.world.busy_week import Sends, week
from worker.store.engine import Store

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, sqlite_store: Store) -> Sends:
    return week(tmp_path_factory.mktemp("week") / "undisturbed", sqlite_store, None)


def test_the_week_is_as_it_should_be(undisturbed: Sends) -> None:
    by_text = Counter(text.split()[0] for _, text, _ in undisturbed)
    assert max(undisturbed.values()) == 1
    assert by_text == {"Every": 14, "Hi": 24, "One": 20}
    assert {minute for _, text, minute in undisturbed if text.startswith("Every")} == {
        *(f"{day} 01:30" for day in ("Tue", "Wed", "Thu", "Fri", "Sat")),
        "Sun 01:00",  # 02:30 is skipped on this day
        "Mon 00:30",
    }


@pytest.mark.parametrize("seed", [1])
def test_whoever_goes_on_after_a_cut_sends_the_same_in_the_same_minute(
    tmp_path: Path, sqlite_store: Store, undisturbed: Sends, seed: int
) -> None:
    disturbed = week(tmp_path / "week", sqlite_store, seed)

    assert disturbed - undisturbed == Counter()
    assert undisturbed - disturbed == Counter()
