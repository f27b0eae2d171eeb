"""`python -m tests.prove.year`: a whole year of campaigns that repeat in six zones, checked by an independent library.

Each zone has a text every day, at the hour at which its clocks change, and one each half hour of its Sunday nights.
"""

import argparse
import logging
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.protocol.world.harness import Installation
from tests.protocol.world.repeating_year import Repeating, live_a_year
from tests.prove.record.lines import recording
from tests.support.clocks import FakeClock
from worker.logs import configure_logs
from worker.store.engine import Store
from worker.store.migrate import migrate

DAILY: Final = {
    "Australia/Lord_Howe": "15 2 * * *",
    "Africa/Casablanca": "30 2 * * *",
    "America/Santiago": "30 0 * * *",
    "America/New_York": "30 2 * * *",
    "Europe/Berlin": "30 2 * * *",
    "Asia/Kathmandu": "45 23 * * *",
}
NIGHTS: Final = "*/30 0-3 * * sun"
"""By the clock: a time that does not exist does not run, and one that exists twice runs twice."""


def difference(sent: Sequence[datetime], expected: Sequence[datetime]) -> str:
    """How the texts sent differ from the expected ones, in words; empty: not at all."""
    too_many, too_few = Counter(sent) - Counter(expected), Counter(expected) - Counter(sent)
    found = [f"{name} at {min(moments):%Y-%m-%d %H:%M:%S} UTC and {len(moments) - 1:,} more"
             for name, moments in (("one too many", too_many), ("one missing", too_few)) if moments]  # fmt: skip
    return "; ".join(found)


def main(arguments: Sequence[str]) -> int:
    """The command line; returns 1 if a text was not sent at its moment, or one was sent that should not have been."""
    argparse.ArgumentParser(prog="python -m tests.prove.year", description=__doc__).parse_args(arguments)
    configure_logs("json", level=logging.CRITICAL)
    campaigns = [Repeating(zone, line) for zone, daily in DAILY.items() for line in (daily, NIGHTS)]
    began, wrong = time.monotonic(), 0
    with recording("year") as record:
        sent = _lived(campaigns)
        for campaign in campaigns:
            found, expected = sent.get(campaign, []), campaign.by_library()
            problem = difference(found, expected)
            wrong += bool(problem)
            sys.stdout.write(
                f"{campaign.zone:<20} {campaign.line:<17} {len(expected):>5,} moments, {len(found):>5,} texts"
                f"{': ' + problem if problem else ''}\n"
            )
        total = sum(map(len, sent.values()))
        record.add({"years": 1, "texts": total}, broken=wrong)
    sys.stdout.write(f"{total:,} texts, {wrong} lines with a difference, {time.monotonic() - began:.0f} seconds\n")
    return int(wrong > 0)


def _lived(campaigns: Sequence[Repeating]) -> Mapping[Repeating, Sequence[datetime]]:
    """What a year of these campaigns sent, and when."""
    with TemporaryDirectory(prefix="year-") as name:
        store = Store(f"sqlite:///{Path(name) / 'campaigns.db'}")
        migrate(store)
        bench = Installation(Path(name), store, FakeClock())
        sent = live_a_year(bench, campaigns)
        bench.close()
        store.close()
        return sent


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
