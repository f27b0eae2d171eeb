"""A pipeline that drops its export every night, for a month: compared with a dictionary of the latest known dates."""

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from campaigns.lifecycle import RecipientState, RunState
from tests.protocol.world.harness import Installation
from tests.support.clocks import START, FakeClock
from worker.store.reports import counts
from worker.store.runs import runs

pytestmark = pytest.mark.long

OFFSETS: Final = (timedelta(hours=24), timedelta(hours=2))
FIRST_NIGHT: Final = START.replace(hour=1) + timedelta(days=1)  # 02:00 in Rome: no reminder is due at that time
HOURS: Final = (9, 12, 16)
FILE: Final = """campaign: visits
message: "see you {{ at }} ({{ id }})"
audience: {file: visits.csv}
follow: {until: 30m}
schedule: {timezone: UTC, remind: {column: at, key: id, before: [24h, 2h]}}
"""

Sent = tuple[str, str, datetime]
"""Number, text, and when."""


@dataclass
class Clinic:
    """The appointments, and the oracle: what everybody must get, given what each night's export said."""

    rng: random.Random
    people: int
    dates: dict[tuple[str, str], datetime] = field(default_factory=dict)
    cancelled: set[tuple[str, str]] = field(default_factory=set)
    known: dict[tuple[str, str], datetime | None] = field(default_factory=dict)
    expected: Counter[Sent] = field(default_factory=Counter)

    def live(self, today: datetime) -> None:
        """A day at the clinic: people make appointments, move them, cancel them, and change their minds."""
        for _ in range(self.rng.randint(1, 4)):
            who = f"+39333{self.rng.randrange(self.people):07}", f"A{self.rng.randrange(3)}"
            self.dates[who] = self._some_day(today)
            self.cancelled.discard(who)
        for who in [*self.dates]:
            match self.rng.random():
                case chance if chance < 0.15:
                    self.dates[who] = self._some_day(today)
                case chance if chance < 0.22:
                    self.cancelled ^= {who}

    def _some_day(self, today: datetime) -> datetime:
        return today.replace(hour=self.rng.choice(HOURS)) + timedelta(days=self.rng.randint(0, 6))

    def export(self, now: datetime, until: datetime) -> list[str]:
        """The rows of this night's export, some of them left out; `until` is when the next export comes."""
        rows = [who for who in self.dates if self.rng.random() < 0.85]
        self.rng.shuffle(rows)
        for who in rows:
            self.known[who] = None if who in self.cancelled else self.dates[who]
        for (number, id_), date in self.known.items():
            for offset in OFFSETS:
                if date is not None and now < date - offset <= until:
                    self.expected[number, f"see you {date:%Y-%m-%d %H:%M} ({id_})", date - offset] += 1
        words = {who: "yes" if who in self.cancelled else "" for who in rows}
        return [f"{','.join(who)},{self.dates[who]:%Y-%m-%d %H:%M},{words[who]}" for who in rows]


def live_through(bench: Installation, clinic: Clinic, nights: int, *, restart_on: int | None = None) -> Installation:
    """Live through this many nights with an export each, and the days between them."""
    for night in range(nights):
        now, until = FIRST_NIGHT + timedelta(days=night), FIRST_NIGHT + timedelta(days=night + 1)
        bench.live_until(now)
        clinic.live(now)
        rows = clinic.export(now, until)
        (bench.folder / "visits.csv").write_text("\n".join(["number,id,at,cancelled", *rows, ""]))
        bench.drop(FILE, "visits")
        if night == restart_on:
            bench = restarted(bench)
            bench.drop(FILE, "visits")  # the service does not remember that it has read this
    bench.live_until(FIRST_NIGHT + timedelta(days=nights))
    return bench


def restarted(bench: Installation) -> Installation:
    """A new process: queue, caches and throttle are lost; gateway and database are kept."""
    clock = bench.clock
    assert isinstance(clock, FakeClock)
    bench.close()
    new = Installation(bench.folder, bench.store, clock)
    vars(new.gateway).update(vars(bench.gateway))
    return new


def sent(bench: Installation) -> Counter[Sent]:
    return Counter((message.number, message.text, message.at.astimezone(UTC)) for message in bench.gateway.stored)


def assert_the_books_add_up(bench: Installation) -> None:
    with bench.store.read() as session:
        found = runs.campaign_runs(session, "visits")
        by_state = counts.books(session, *(run.id for run in found)).by_state
    over = [run for run in found if run.moment < f"{bench.clock.now():%Y-%m-%d}"]
    assert {run.state for run in over} == {RunState.COMPLETED}
    assert by_state.get(RecipientState.DELIVERED, 0) == len(bench.gateway.stored)


@pytest.mark.parametrize(("nights", "reminders"), [(8, 20), pytest.param(30, 100, marks=pytest.mark.proof)])
def test_nights_of_exports_with_a_restart_in_the_middle(bench: Installation, nights: int, reminders: int) -> None:
    clinic = Clinic(random.Random(30), people=15)

    bench = live_through(bench, clinic, nights, restart_on=nights // 2 - 1)

    assert sum(clinic.expected.values()) > reminders
    assert sent(bench) == clinic.expected
    assert_the_books_add_up(bench)


@pytest.mark.parametrize("seed", range(2))
def test_random_exports(bench: Installation, seed: int) -> None:
    rng = random.Random(seed)
    clinic = Clinic(rng, people=rng.randint(1, 4))

    bench = live_through(bench, clinic, 6, restart_on=rng.randrange(6))

    assert sent(bench) == clinic.expected
    assert_the_books_add_up(bench)
