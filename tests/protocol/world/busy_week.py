"""A week of three campaigns, whose process may be interrupted at any moment: another one continues."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

from scheduler.intake.repeating import repeat
from tests.protocol.world.harness import Installation
from tests.store.store_world import empty
from tests.support.clocks import FakeClock
from worker.store.engine import Store

MONDAY: Final = datetime(2026, 3, 23, 5, 0, tzinfo=UTC)
"""The week ends on the night in which Europe puts its clocks forward."""

WEEK: Final = timedelta(days=7, hours=6)
RECOVERY: Final = timedelta(seconds=1)
"""The time between two looks after an interruption. A job that was lost with its process is found after 3 s."""

LOOKS: Final = 5
CUTS: Final = 12

Sends = Counter[tuple[str, str, str]]
"""Number, text and minute of everything that the gateway has."""

REPEATS: Final = """\
campaign: repeats
message: Every morning
audience: {recipients: [{number: "+393330000001"}, {number: "+393330000002"}]}
schedule: {timezone: Europe/Rome, repeat: {cron: "30 2 * * *"}}
follow: {until: 1h}
"""
ZONES: Final = """\
campaign: zones
message: Hi {{ name }}
audience: {file: zones.csv}
schedule:
  start: 2026-03-24 09:00
  timezone: Europe/Rome
  local_time: recipient
  window: {days: mon-sun, from: "09:00", to: "10:00"}
  spread: 4h
throughput: {batch_size: 1}
"""
PLAIN: Final = """\
campaign: plain
message: One a minute
audience: {file: plain.csv}
schedule: {start: 2026-03-25 12:00, timezone: Europe/Rome}
throughput: {rate: 1/minute, daily: 8}
"""


def drop_all(bench: Installation) -> None:
    zones = ("Europe/Rome", "Asia/Tokyo", "America/New_York")
    rows = [f"+3933300001{n:02},{zones[n % 3]},N{n}" for n in range(24)]
    (bench.folder / "zones.csv").write_text("\n".join(["number,timezone,name", *rows]))
    (bench.folder / "plain.csv").write_text("\n".join(["number", *(f"+3933300002{n:02}" for n in range(20))]))
    for name, text in (("repeats", REPEATS), ("zones", ZONES), ("plain", PLAIN)):
        bench.drop(text, name)


def live(bench: Installation, end: datetime, cuts: Iterator[int]) -> Sends:
    """Let the week pass, from one due moment to the next. Each cut: another process continues after that many steps."""
    steps, older = next(cuts, -1), None
    while bench.clock.now() < end:
        look(bench, is_cut=steps == 0)
        if steps == 0:
            older, bench = bench, bench.after_restart()
            for _ in range(LOOKS):
                look(bench)
                bench.clock.advance(RECOVERY)
            older.work()  # a process that hung wakes up, and finds its jobs done
            steps = next(cuts, -1)
        steps -= 1
        due = bench.next_due() or end
        bench.clock.advance(max(min(due, end) - bench.clock.now(), timedelta(milliseconds=10)))
    return Counter((m.number, m.text, f"{m.at:%a %H:%M}") for m in bench.gateway.stored)


def look(bench: Installation, *, is_cut: bool = False) -> None:
    """What a scheduler and its workers do at a moment; an interrupted process dies with its jobs in the queue."""
    for _ in range(3):
        repeat(bench.runtime, lambda _: bench.folder, bench.clock.now())
        for name in ("start", "late", "rescue", "finish", "drain"):
            bench.call(name)
        if is_cut:
            return
        bench.work()


def week(folder: Path, store: Store, seed: int | None) -> Sends:
    folder.mkdir()
    random = Random(seed)
    cuts = iter(() if seed is None else [random.randrange(1, 20) for _ in range(CUTS)])
    bench = Installation(folder, store, FakeClock(MONDAY))
    try:
        drop_all(bench)
        return live(bench, MONDAY + WEEK, cuts)
    finally:
        bench.close()
        empty(store)
