"""A year of campaigns that repeat, in five zones, through the engine that fires them, beside an independent library."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim

from scheduler.repeating import PLAN_AHEAD, repeat
from scheduler.ticks.finish import finish
from tests.protocol.bench import Bench
from tests.protocol.timing_judge import work
from tests.support.clocks import FakeClock

BEGIN: Final = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
END: Final = datetime(2027, 1, 1, tzinfo=UTC)

LINES: Final = {
    "Europe/Rome": "30 2 * 3,10 sun",
    "America/New_York": "30 1,2 * 3,11 sun",
    "Australia/Lord_Howe": "15 2 * 4,10 sun",
    "Africa/Casablanca": "30 2 * 2,3 sun",
    "America/Santiago": "30 0 * * sun",
}
"""Sundays at the hour at which each zone puts its clocks forward or back, in Lord Howe by half an hour."""


def by_library(zone: str, line: str) -> list[datetime]:
    found: list[datetime] = []
    for moment in CronSim(line, BEGIN.astimezone(ZoneInfo(zone))):
        if moment.astimezone(UTC) > END:
            break
        found.append(moment.astimezone(UTC))
    return found


def test_every_run_of_a_year_is_sent_at_its_moment_and_once(bench: Bench, clock: FakeClock) -> None:
    # given a campaign for each zone, dropped on New Year's Day
    clock.jump(BEGIN - clock.now())
    for index, (zone, line) in enumerate(LINES.items()):
        bench.drop(
            f"campaign: zone-{index}\nmessage: {zone}\naudience: {{recipients: [{{number: '+39333000000{index}'}}]}}\n"
            f"schedule: {{timezone: {zone}, repeat: {{cron: '{line}'}}}}\n",
            f"zone-{index}",
        )

    # when the year passes, from what is due to what is due
    expected = {zone: by_library(zone, line) for zone, line in LINES.items()}
    moments = {moment for found in expected.values() for moment in found}
    for at in sorted({*moments, *(moment - PLAN_AHEAD for moment in moments), END}):
        clock.advance(max(timedelta(), at - timedelta(seconds=1) - clock.now()))
        work(bench)  # a second too early nothing leaves
        clock.advance(at - clock.now())
        repeat(bench.runtime, lambda _: bench.folder, clock.now())
        work(bench)
        finish(bench.runtime, clock.now())

    # then each moment that the library names has its text, and no other
    sent = defaultdict(list)
    for message in bench.gateway.stored:
        sent[message.text].append(message.at)
    assert dict(sent) == expected
