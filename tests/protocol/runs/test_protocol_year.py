"""A year of campaigns that repeat in five zones, through the engine that fires them, against an independent library.

`python -m tests.prove.year` goes through every day of it; here only the days around which clocks change are tested.
"""

from typing import Final

import pytest

from tests.protocol.world.harness import Installation
from tests.protocol.world.repeating_year import Repeating, live_a_year

pytestmark = pytest.mark.long

CAMPAIGNS: Final = (
    Repeating("Europe/Rome", "30 2 * 3,10 sun"),
    Repeating("America/New_York", "30 1,2 * 3,11 sun"),
    Repeating("Australia/Lord_Howe", "15 2 * 4,10 sun"),
    Repeating("Africa/Casablanca", "30 2 * 2,3 sun"),
    Repeating("America/Santiago", "30 0 * * sun"),
)
"""Sundays, at the hour at which each zone changes its clocks, in Lord Howe by half an hour."""


def test_every_run_of_a_year_is_sent_at_its_moment_and_once(bench: Installation) -> None:
    sent = live_a_year(bench, CAMPAIGNS)

    assert sent == {campaign: campaign.by_library() for campaign in CAMPAIGNS}
