"""A plan's people in order, placed again under another schedule: as if the plan had been made again."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.definition import Definition
from campaigns.definition.reading import load_definition
from campaigns.definition.windows import Window
from campaigns.forecast import Agenda, Gate, forecast
from campaigns.forecast.trials import PeopleInOrder, Recorder, smallest
from campaigns.planning.batching import BatchLimits, into_batches
from campaigns.planning.planner import plan_recipients
from campaigns.planning.splitting import Split
from campaigns.timing.placing import Placer
from campaigns.values.rates import parse_rate

NOW = datetime(2026, 3, 28, 9, 30, tzinfo=UTC)
STOPPED = {"+393330000003", "+12025550104"}
PEOPLE = ["+393330000001", "+12025550102", "+393330000003", "+12025550104", "+815550000005", "call me", "+393330000001"]
SCHEDULES = [
    "{}",
    "{start: 2026-03-29 02:30}",
    "{local_time: recipient, start: 2026-03-29 09:00}",
    "{local_time: recipient, window: {from: '09:00', to: '12:00'}, if_late: {within: 2h}}",
    "{window: {days: mon, from: '22:00', to: '02:00'}}",
    "{spread: 3h, window: {from: '09:00', to: '20:00'}}",
    "{spread: {over: 2h, ramp: [{share: 20, over: 1h}]}, local_time: recipient}",
    "{start: 2026-03-01 09:00, if_late: {within: 1h, otherwise: hold}}",
]
DIVIDED = "variants: [{name: a, share: 50, message: 'A {{ text }}'}, {name: b, share: 50, message: 'B'}]\nholdout: 20"


def suppressed(numbers: object) -> set[str]:
    return STOPPED


def definition_of(folder: Path, schedule: str, message: str, rows: list[tuple[str, bool]]) -> Definition:
    cells = "".join(f"{number},{'x' * 170 if is_long else 'x'}\n" for number, is_long in rows)
    (folder / "people.csv").write_text(f"number,text\n{cells}")
    path = folder / "sale.yaml"
    path.write_text(f"campaign: sale\n{message}\naudience: {{file: people.csv}}\nschedule: {schedule}\n")
    return load_definition(path, timezone="Europe/Rome", region="IT")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(PEOPLE), st.booleans()), max_size=12),
    st.sampled_from(SCHEDULES),
    st.sampled_from(SCHEDULES),
    st.sampled_from(["message: '{{ text }}'", DIVIDED]),
    st.integers(1, 4),
)
def test_people_in_order_are_forecast_as_their_plan_is(
    tmp_path: Path, rows: list[tuple[str, bool]], read: str, tried: str, message: str, per_request: int
) -> None:
    """Whatever schedule they were read with: only `local_time` says in which zones they are."""
    if ("local_time" in read) != ("local_time" in tried):
        read = tried
    limits, shared = BatchLimits(per_request, 1_000), Gate((parse_rate("2/minute"),))
    other = definition_of(tmp_path, tried, message, rows)
    plan = plan_recipients(other, placer=Placer(other.schedule, NOW), suppressed=suppressed)
    planned = Agenda(other.schedule)
    for chunk in into_batches(plan, limits):
        planned.add(chunk)
    split = Split(plan.summary.cuts) if other.is_split else None

    first = definition_of(tmp_path, read, message, rows)
    recorder = Recorder(first.schedule, NOW)
    read_once = plan_recipients(first, placer=recorder, suppressed=suppressed, split=split)
    people = PeopleInOrder(read_once, recorder)

    assert forecast(people.fill(Agenda(other.schedule), other.schedule, limits, NOW), shared) == forecast(
        planned, shared
    )


@pytest.mark.parametrize("most", [0, 1, 2, 3, 7, 100, 1_000])
def test_the_smallest_that_works_is_found(most: int) -> None:
    for wanted in range(1, most + 2):
        tried: list[int] = []

        def works(steps: int, wanted: int = wanted, tried: list[int] = tried) -> bool:
            tried.append(steps)
            return steps >= wanted

        assert smallest(works, most) == (wanted if wanted <= most else None)
        assert len(tried) <= 2 * most.bit_length() + 1
        assert all(1 <= steps <= most for steps in tried)


@pytest.mark.parametrize(
    ("window", "earlier", "later", "said"),
    [
        ({"from": "09:00", "to": "20:00"}, 0, 30, "daily 09:00 to 20:30"),
        ({"from": "09:00", "to": "20:00"}, 30, 0, "daily 08:30 to 20:00"),
        ({"from": "09:00", "to": "20:00"}, 0, 999, "daily 09:00 to 24:00"),
        ({"from": "09:00", "to": "20:00"}, 999, 0, "daily 00:00 to 20:00"),
        ({"from": "09:00", "to": "24:00"}, 0, 15, "daily 09:00 to 24:00"),
        ({"from": "22:00", "to": "02:00"}, 0, 60, "daily 22:00 to 03:00"),
        ({"from": "22:00", "to": "02:00"}, 0, 9_999, "daily 22:00 to 21:59"),
        ({"from": "22:00", "to": "02:00"}, 9_999, 0, "daily 02:01 to 02:00"),
        ({"ranges": ["09:00-12:00", "15:00-18:00"], "days": "mon"}, 15, 15, "mon 08:45 to 12:00 and 15:00 to 18:15"),
    ],
)
def test_a_window_is_widened_within_midnight(window: dict[str, str], earlier: int, later: int, said: str) -> None:
    assert str(Window.model_validate(window).widened(earlier=earlier, later=later)) == said
