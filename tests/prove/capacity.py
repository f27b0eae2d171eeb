"""`python -m tests.prove.capacity`: what `capacity` says of random campaigns, confirmed by running them.

Each change that it offers is made, and the campaign runs on the bench: it ends in time. One step less is not enough.
"""

import argparse
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from campaigns.lifecycle import RunState
from campaigns.problems import CampaignFileError
from scheduler.actions.plans.capacity import Solution, Study
from scheduler.actions.plans.changing import Setup
from scheduler.actions.plans.known import known_people
from scheduler.actions.plans.preview import preview
from scheduler.actions.plans.unpaid import is_over_total
from scheduler.intake.taking import read_file, take_up
from tests.protocol.world.harness import Installation
from tests.protocol.world.money_bench import PRICES
from tests.protocol.world.timing_judge import FORECAST_OFF, GRAIN, next_due, work
from tests.protocol.world.timing_scenarios import LONG, Scenario, scenarios
from tests.prove.record.lines import recording
from tests.store.store_world import empty
from tests.support.clocks import FakeClock
from worker.logs import configure_logs
from worker.settings.settings import Settings
from worker.store.engine import Store
from worker.store.migrate import migrate
from worker.store.runs.runs import list_runs

COSTLY: Final = "\u2019" * 71
"""A text of two segments, of one with `encoding: gsm`."""

BELOW: Final = 12
"""So many smaller steps are tried by the forecast, and the next smaller one by running it."""

LIMITS: Final = (
    "rate", "daily", "monthly", "device_rate", "device_daily", "device_monthly", "device_people_monthly",
    "prices", "budget_daily",
)  # fmt: skip


class Ran(NamedTuple):
    """How a campaign ran: how many texts, and when the last one left."""

    texts: int
    last: datetime | None


def run(setup: Setup, scenario: Scenario, store: Store, folder: Path) -> Ran:
    """Let a campaign run to its end on an empty database, and leave that empty."""
    given = {name: getattr(setup.settings, name) for name in LIMITS}
    bench = Installation(folder, store, FakeClock(scenario.now), **given)
    try:
        take_up(bench.runtime, setup.definition, source="sale.yaml")
        for _ in range(4_000):
            work(bench)
            due = next_due(bench)
            with store.read() as session:
                is_stopped = bool(list_runs(session, [RunState.PAUSED]))  # its total budget is spent
            if due is None or is_stopped:
                sent = bench.gateway.stored
                return Ran(len(sent), max((message.at for message in sent), default=None))
            bench.clock.advance(max(due - bench.clock.now(), GRAIN))
        raise AssertionError(f"it does not come to an end: {bench.report()}")
    finally:
        bench.close()
        empty(store)


class Case:
    """One campaign, and the moment by which it is to end."""

    def __init__(
        self, scenario: Scenario, share: float, total: int | None, store: Store, folder: Path, seen: Counter[str]
    ) -> None:
        self.scenario = scenario
        self.seen = seen
        self.store = store
        self.folder = folder
        (folder / "sale.csv").write_text(scenario.table.replace(LONG, COSTLY))
        path = folder / "sale.yaml"
        path.write_text(scenario.file if total is None else with_total(scenario.file, total))
        (folder / "prices.csv").write_text(PRICES)
        given = {"device_rate": None, "prices": folder / "prices.csv"} | scenario.settings
        self.settings = Settings(database_url=store.url.render_as_string(), timezone="UTC", **given)
        definition = read_file(path, self.settings, now=scenario.now)
        with known_people(path, definition, self.settings, rehearsal=False, now=scenario.now) as known:
            shown = preview(definition, self.settings, source="sale.yaml", now=scenario.now, people=known)
            self.study = Study(shown, self.settings, known, scenario.now)
            self.forecast = shown.forecast
            self.as_planned = self.study.base.forecast(scenario.now, None)
            self.until = self._until(share)
            self.solutions = tuple(self.study.solutions(self.until)) if self.until else ()

    def _until(self, share: float) -> datetime | None:
        found = self.forecast
        if found is None or found.last_send_at is None:
            return None
        if is_over_total(found, self.study.base.definition):  # only money is missing
            return found.last_send_at + timedelta(days=1)
        if found.last_send_at - found.first_send_at < timedelta(minutes=1):
            return None
        return found.first_send_at + share * (found.last_send_at - found.first_send_at)

    def problems(self) -> Iterator[str]:
        """Everything that `capacity` said and that is not so."""
        if self.forecast != self.as_planned:
            yield "the people in order give another forecast than the plan"
        if self.until is None:
            return
        self.seen["late"] += 1
        before = self._ran(without_total(self.study.base))
        for solution in self.solutions:
            key = solution.option.key
            self.seen.update({"changes": 1, key: 1})
            ran = self._ran(solution.setup)
            if ran.last is None or ran.last > self.until + FORECAST_OFF or ran.texts < before.texts:
                yield f"{key}: {solution.needed} is not enough: {ran}, not {before.texts} until {self.until}"
            yield from self._smaller(solution, before)

    def _smaller(self, solution: Solution, before: Ran) -> Iterator[str]:
        assert self.until is not None
        for steps in range(max(1, solution.steps - BELOW), solution.steps):
            setup, said = solution.option.after(steps)
            self.seen["smaller"] += 1
            if self.study.ends(setup, self.until) is not None:
                yield f"{solution.option.key}: {said} would be enough, and {solution.needed} is asked for"
        if solution.steps > 1:
            setup, said = solution.option.after(solution.steps - 1)
            self.seen["smaller, run"] += 1
            ran = self._ran(setup)
            if ran.last is not None and ran.last <= self.until - FORECAST_OFF and ran.texts >= before.texts:
                yield f"{solution.option.key}: with {said} it ended {ran.last}, and {solution.needed} is asked for"

    def _ran(self, setup: Setup) -> Ran:
        return run(setup, self.scenario, self.store, self.folder)


def without_total(setup: Setup) -> Setup:
    """The same campaign, with any money it may need in all."""
    throughput = setup.definition.throughput
    budget = throughput.budget.model_copy(update={"total": None}) if throughput.budget else None
    return setup.defined(throughput=throughput.model_copy(update={"budget": budget}))


def with_total(file: str, cents: int) -> str:
    """A campaign that may cost so many cents in all."""
    total = f"total: {cents / 100:.2f} EUR"
    if "budget: {" in file:
        return file.replace("budget: {", f"budget: {{{total}, ")
    return file.replace("throughput: {", f"throughput: {{budget: {{{total}}}, ")


def exact(scenario: Scenario) -> Scenario:
    """A scenario of which the forecast is exact: phones with limits of their own send texts of one length."""
    if not scenario.phone_daily and not scenario.phone_rate:
        return scenario
    return replace(scenario, people=tuple(replace(person, is_long=False) for person in scenario.people))


def problems_of(scenario: Scenario, share: float, store: Store, seen: Counter[str], total: int | None) -> list[str]:
    """Return what `capacity` says of a campaign and that is not so."""
    with TemporaryDirectory(prefix="capacity-") as name:
        folder = Path(name).resolve()
        try:
            case = Case(exact(scenario), share, total, store, folder, seen)
        except CampaignFileError:  # a window that never opens, and the like
            seen["refused"] += 1
            return []
        return list(case.problems())


shares = st.floats(0.05, 0.95)
totals = st.none() | st.integers(10, 100)
"""Cents, of texts that cost 5 or 10."""


def main(arguments: Sequence[str]) -> int:
    """The command line; returns 1 if something was not so."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove.capacity", description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    configure_logs("json", level=logging.CRITICAL)
    seen: Counter[str] = Counter()
    began = time.monotonic()
    with recording("capacity", seed=options.seed) as record, TemporaryDirectory(prefix="capacity-") as name:
        store = Store(f"sqlite:///{Path(name) / 'campaigns.db'}")
        migrate(store)

        @seed(options.seed)
        @settings(
            max_examples=options.count,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(scenario=scenarios(with_phones=True, with_money=True), share=shares, total=totals)
        def judge(scenario: Scenario, share: float, total: int | None) -> None:
            before = Counter(seen)
            problems = problems_of(scenario, share, store, seen, total)
            confirmed = {key: seen[key] - before[key] for key in ("changes", "smaller")}
            record.add({"campaigns": 1, **confirmed}, broken=len(problems))
            seen.update(campaigns=1, wrong=bool(problems))
            if problems:
                sys.stdout.write(
                    "\n".join(["", repr(scenario), f"share {share}, total {total}", scenario.file, *problems, ""])
                )
                sys.stdout.flush()

        judge()
        store.close()
    kinds = ", ".join(f"{key} {number:,}" for key, number in sorted(seen.items()) if "." in key or key.isupper())
    sys.stdout.write(
        f"seed {options.seed}: {seen['campaigns']:,} campaigns, {seen['late']:,} of them to end earlier; "
        f"{seen['changes']:,} changes confirmed by running them ({kinds}, encoding {seen['encoding']:,}); "
        f"{seen['smaller']:,} smaller ones tried and {seen['smaller, run']:,} of them run; "
        f"{seen['wrong']:,} campaigns with something wrong, {time.monotonic() - began:.0f} seconds\n"
    )
    return int(seen["wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
