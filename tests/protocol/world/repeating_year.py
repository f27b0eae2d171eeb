"""A year of campaigns that repeat, through the engine that fires them, and what an independent library computes."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim

from scheduler.intake.repeating import PLAN_AHEAD, repeat
from tests.protocol.world.harness import Installation
from tests.protocol.world.timing_judge import work

BEGIN: Final = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
END: Final = datetime(2027, 1, 1, tzinfo=UTC)
A_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Repeating:
    """A campaign to one person: a crontab line in a zone."""

    zone: str
    line: str

    def by_library(self) -> list[datetime]:
        """When it must be sent in this year, in UTC."""
        found = (moment.astimezone(UTC) for moment in CronSim(self.line, BEGIN.astimezone(ZoneInfo(self.zone))))
        return list(takewhile(lambda moment: moment <= END, found))


def live_a_year(bench: Installation, campaigns: Sequence[Repeating]) -> dict[Repeating, list[datetime]]:
    """Drop the campaigns on New Year's Day and let the year pass, from one due moment to the next; return the sends.

    Nothing may leave one second before each moment; that nothing leaves between moments follows from what was sent.
    """
    bench.clock.jump(BEGIN - bench.clock.now())
    for index, campaign in enumerate(campaigns):
        bench.drop(
            f"campaign: zone-{index}\nmessage: Hi {index}\n"
            f"audience: {{recipients: [{{number: '+3933300000{index:02}'}}]}}\n"
            f"schedule: {{timezone: {campaign.zone}, repeat: {{cron: '{campaign.line}'}}}}\nfollow: {{until: 1h}}\n",
            f"zone-{index}",
        )
    moments = {moment for campaign in campaigns for moment in campaign.by_library()}
    for at in sorted({*moments, *(moment - PLAN_AHEAD for moment in moments), END}):
        bench.clock.advance(max(timedelta(), at - A_SECOND - bench.clock.now()))
        work(bench)
        bench.clock.advance(at - bench.clock.now())
        repeat(bench.runtime, lambda _: bench.folder, bench.clock.now())
        work(bench)
        bench.call("finish")
    sent = defaultdict(list)
    for message in bench.gateway.stored:
        sent[campaigns[int(message.text.removeprefix("Hi "))]].append(message.at)
    return dict(sent)
