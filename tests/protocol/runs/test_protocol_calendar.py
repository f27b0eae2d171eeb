"""The calendar of what will be sent: from the forecasts of real plans."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from campaigns.definition import Rate
from scheduler.actions.plans.calendar import Calendar, read_calendar
from tests.protocol.world.harness import Installation
from worker.limits.limits_in_force import Ceilings

UTC_ZONE = ZoneInfo("UTC")
ROME = ZoneInfo("Europe/Rome")


def calendar(
    bench: Installation, first: date, days: int = 1, ceilings: Ceilings | None = None, zone: ZoneInfo = UTC_ZONE
) -> Calendar:
    """What is shown of these days in UTC, unless a test says otherwise."""
    return read_calendar(
        bench.store,
        bench.settings,
        bench.runtime.definitions,
        ceilings or Ceilings(),
        first,
        days,
        zone,
        now=bench.clock.now(),
    )


def tomorrow(bench: Installation) -> date:
    return bench.clock.now().date() + timedelta(days=1)


def test_each_hour_has_what_is_forecast_for_it(bench: Installation) -> None:
    day = tomorrow(bench)
    run_id = bench.campaign(90, per_request=1, more=f"  rate: 1/minute\nschedule: {{start: '{day} 09:30'}}\n")
    bench.tick()
    found = calendar(bench, day)
    assert [load.run_id for load in found.loads] == [run_id]
    hours = {hour.begins.hour: hour.texts for hour in found.days[0].hours if hour.texts}
    assert hours == {9: 30, 10: 60}
    assert found.days[0].texts == found.loads[0].people == 90
    assert not found.days[0].is_over


def test_steps_are_in_it_at_most(bench: Installation) -> None:
    day = tomorrow(bench)
    start = f"schedule: {{start: '{day} 09:30'}}\n"
    steps = "steps:\n  - {name: nudge, after: 2h, unless: replied, message: Well?}\n"
    run_id = bench.campaign(90, per_request=1, more=f"  rate: 1/minute\n{start}{steps}")
    bench.tick()
    found = calendar(bench, day)
    own, nudge = found.loads
    assert (own.run_id, own.step, nudge.step, nudge.people) == (run_id, "", "nudge", 90)
    hours = {hour.begins.hour: hour.texts for hour in found.days[0].hours if hour.texts}
    assert hours == {9: 30, 10: 60, 11: 30, 12: 60}
    # Once the campaign only waits for its step, that is what is still to come.
    bench.pass_time(timedelta(days=1), step=600)
    bench.pass_time(timedelta(hours=3), step=60)
    assert [load.step for load in calendar(bench, day).loads if load.people] == ["nudge"]


@pytest.mark.parametrize(
    ("ceilings", "is_over"),
    [
        (Ceilings(), False),
        (Ceilings(account_rate=Rate(60, timedelta(hours=1))), True),
        (Ceilings(device_rate=Rate(200, timedelta(hours=1))), False),
        (Ceilings(account_daily=100), True),
    ],
)
def test_what_campaigns_plan_together_may_be_too_much(bench: Installation, ceilings: Ceilings, is_over: bool) -> None:
    day = tomorrow(bench)
    for place in range(2):
        at = f"schedule: {{start: '{day} 09:00', spread: 1h}}\n"
        bench.campaign(60, name=f"sale-{place}", first=100 * place, per_request=1, more=at, text=f"Ciao {place}")
    found = calendar(bench, day, ceilings=ceilings)
    assert found.days[0].texts == 120
    assert found.days[0].is_over is is_over


def test_a_campaign_that_repeats_is_expected_as_large_as_before(bench: Installation) -> None:
    at = "schedule: {repeat: {cron: '0 9 * * *'}}\n"
    bench.campaign(12, more=at)
    day = tomorrow(bench)
    bench.live_until(datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=12))
    found = calendar(bench, day + timedelta(days=1), days=3)
    assert [day.texts for day in found.days] == [12, 12, 12]
    assert all(load.run_id is None for load in found.loads[1:])


def test_a_day_on_which_clocks_change_says_so(bench: Installation) -> None:
    found = calendar(bench, date(2027, 3, 27), days=3, zone=ROME)
    assert [len(day.hours) for day in found.days] == [24, 23, 24]
    assert [day.notes for day in found.days] == [(), ("the clocks of Europe/Rome go forward by 1:00:00",), ()]
    assert found.loads == ()


def test_windows_are_those_of_each_campaign(bench: Installation) -> None:
    day = tomorrow(bench)
    closed = f"window: {{from: '09:00', to: '12:30', except: ['{day}']}}"
    bench.campaign(3, more=f"schedule: {{start: '{day} 09:00', {closed}}}\n")
    found = calendar(bench, day, days=2)
    assert [load.people for load in found.loads] == [3]
    shut, opens = found.windows["sale"]
    assert shut == ()
    assert opens is not None
    assert [(at.hour, until.hour, until.minute) for at, until in opens] == [(9, 12, 30)]
