"""What becomes of a campaign whose file is accepted: every row of the table, without a database."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from campaigns.codes import RunType
from campaigns.definition import Definition
from campaigns.lifecycle import RunState
from campaigns.take_up import EditCode, Refuse, Renewal, Taken, TakeUp, decide, is_retimed, may_extend, renewal
from campaigns.timing.recurrence import recurrence_of

NOW: Final = datetime(2026, 12, 1, 9, tzinfo=UTC)
BEFORE, AFTER = NOW - timedelta(hours=1), NOW + timedelta(hours=1)

OVER: Final = {RunState.COMPLETED, RunState.CANCELLED}

REPEAT: Final = {"schedule": {"repeat": {"cron": "0 * * * *"}}}
REMIND: Final = {"schedule": {"remind": {"column": "appointment", "before": ["24h"]}}}
FASTER: Final = {"throughput": {"rate": "60/minute", "daily": 500, "monthly": 9_000}}
SMALLER: Final = {"throughput": {"batch_size": 5}}
LIST: Final = {"audience": [{"contact_list": 7}]}


def says(keys: dict[str, Any] | None = None, **more: Any) -> Definition:
    plain = {"campaign": "sale", "message": "Ciao", "audience": [{"recipients": [{"number": "+393331234567"}]}]}
    return Definition.model_validate(plain | (keys or {}) | more)


SALE: Final = says()


@dataclass(frozen=True)
class Run:
    """An existing run, planned from this version of the file."""

    planned: Definition = SALE
    state: RunState = RunState.RUNNING
    finished_at: datetime | None = None
    planned_at: datetime | None = NOW

    @property
    def type(self) -> RunType:
        return self.planned.run_type

    @property
    def content_hash(self) -> str:
        return self.planned.content_hash


def decided(run: Run | None, definition: Definition, **facts: Any) -> TakeUp | Refuse:
    return decide(run, definition, source="sale.yaml", planned=run.planned if run else None, **facts)


@pytest.mark.parametrize("keys", [{}, REPEAT, REMIND])
def test_a_file_of_which_there_is_nothing_is_planned(keys: dict[str, Any]) -> None:
    assert decided(None, says(keys)) == TakeUp(Taken.PLANNED)


@pytest.mark.parametrize("state", [state for state in RunState if state not in OVER])
@pytest.mark.parametrize("keys", [{}, FASTER, {"message": "Hallo"}, {"approval": True}])
def test_a_run_that_has_not_sent_is_planned_anew_whatever_its_file_says(state: RunState, keys: dict[str, Any]) -> None:
    assert decided(Run(state=state), says(keys), dropped_at=AFTER) == TakeUp(Taken.PLANNED)


@pytest.mark.parametrize(
    ("state", "planned", "definition", "expected"),
    [
        (RunState.RUNNING, SALE, SALE, TakeUp(Taken.CONTINUED, takes_more=True)),
        (RunState.PAUSED, SALE, SALE, TakeUp(Taken.CONTINUED, takes_more=True)),
        (RunState.SETTLING, SALE, SALE, TakeUp(Taken.CONTINUED, takes_more=True)),
        (RunState.RUNNING, SALE, says(FASTER), TakeUp(Taken.TUNED, takes_more=True)),
        (RunState.RUNNING, says(FASTER), SALE, TakeUp(Taken.TUNED, takes_more=True)),
        # exactly that plan was approved, or the gateway has the people: nobody is added later
        (RunState.RUNNING, says(approval=True), says(approval=True), TakeUp(Taken.CONTINUED)),
        (RunState.RUNNING, says(approval=True), says(FASTER, approval=True), TakeUp(Taken.TUNED)),
        (RunState.RUNNING, says(LIST), says(LIST), TakeUp(Taken.CONTINUED)),
        (RunState.RUNNING, says(LIST), says(LIST | FASTER), TakeUp(Taken.TUNED)),
    ],
)
def test_a_run_that_has_sent_goes_on_and_only_limits_may_change(
    state: RunState, planned: Definition, definition: Definition, expected: TakeUp
) -> None:
    assert decided(Run(planned, state), definition, has_sent=True) == expected


@pytest.mark.parametrize(
    "keys",
    [{"message": "Hallo"}, {"approval": True}, {"kind": "reminder"}, SMALLER, FASTER | {"message": "Hallo"}, LIST],
)
def test_a_run_that_has_sent_refuses_another_plan(keys: dict[str, Any]) -> None:
    assert decided(Run(), says(keys), has_sent=True) == Refuse(
        EditCode.CHANGED,
        "sale.yaml was changed after sale began to send; it continues as planned. Undo the change, or cancel the "
        "campaign and give the new version another name; only rate, daily, monthly and budget below throughput may "
        "change while it runs",
    )


@pytest.mark.parametrize("has_sent", [True, False])
@pytest.mark.parametrize(
    ("run", "definition", "dropped_at", "takes_more"),
    [
        # the file was dropped again after the end, or before it, or somebody asks for it now
        (Run(state=RunState.COMPLETED, finished_at=NOW), SALE, AFTER, True),
        (Run(state=RunState.COMPLETED, finished_at=NOW), SALE, NOW, False),
        (Run(state=RunState.COMPLETED, finished_at=NOW), SALE, BEFORE, False),
        (Run(state=RunState.COMPLETED, finished_at=NOW), SALE, None, True),
        (Run(state=RunState.COMPLETED, finished_at=NOW), says(FASTER), AFTER, True),
        (Run(state=RunState.COMPLETED, finished_at=NOW), says(message="Hallo"), AFTER, False),
        (Run(says(approval=True), RunState.COMPLETED, NOW), says(approval=True), AFTER, False),
        (Run(says(LIST), RunState.COMPLETED, NOW), says(LIST), AFTER, False),
        (Run(state=RunState.CANCELLED, finished_at=NOW), SALE, AFTER, False),
        (Run(state=RunState.CANCELLED, finished_at=None), SALE, None, False),
    ],
)
def test_of_a_run_that_is_over_nothing_is_sent_except_to_who_is_new(
    run: Run, definition: Definition, dropped_at: datetime | None, takes_more: bool, has_sent: bool
) -> None:
    decision = decided(run, definition, has_sent=has_sent, dropped_at=dropped_at)

    assert decision == TakeUp(Taken.OVER, takes_more)


TO_END_IT: Final = (
    "sale was sent before; it continues. To end it, remove the file or run: campaigns cancel sale. "
    "For another run, make a campaign with another name"
)


@pytest.mark.parametrize(
    ("before", "keys", "code", "sentence"),
    [
        ({}, REPEAT, EditCode.REPEATS_AFTER_ONCE,
         "sale.yaml repeats now, but sale was sent before; give the campaign that repeats another name"),
        (REMIND, REPEAT, EditCode.REPEATS_AFTER_REMINDING,
         "sale.yaml repeats now, but sale reminded people before; give the one that repeats another name"),
        ({}, REMIND, EditCode.REMINDS_AFTER_OTHERS,
         "sale.yaml reminds of dates now, but sale was sent before; give the campaign that reminds another name"),
        (REPEAT, REMIND, EditCode.REMINDS_AFTER_OTHERS,
         "sale.yaml reminds of dates now, but sale was sent before; give the campaign that reminds another name"),
        (REPEAT, {}, EditCode.ENDS_REPEATING,
         f"sale.yaml no longer repeats, but {TO_END_IT}"),
        (REMIND, {}, EditCode.ENDS_REMINDING,
         f"sale.yaml no longer reminds, but {TO_END_IT}"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("state", RunState)
def test_a_campaign_becomes_another_kind_only_before_it_has_sent(
    before: dict[str, Any], keys: dict[str, Any], code: EditCode, sentence: str, state: RunState
) -> None:
    run = Run(says(before), state)

    assert decided(run, says(keys)) == TakeUp(Taken.PLANNED)
    assert decided(run, says(keys), has_sent=True) == Refuse(code, sentence)


@pytest.mark.parametrize("keys", [REPEAT, REMIND])
@pytest.mark.parametrize("has_sent", [True, False])
@pytest.mark.parametrize("state", RunState)
def test_runs_that_repeat_and_reminders_follow_every_edit(
    keys: dict[str, Any], has_sent: bool, state: RunState
) -> None:
    run = Run(says(keys), state)

    assert decided(run, says(keys, message="Hallo"), has_sent=has_sent) == TakeUp(Taken.PLANNED)


@pytest.mark.parametrize("keys", [REPEAT, REMIND])
@pytest.mark.parametrize("run", [None, Run(), Run(says(REPEAT)), Run(says(REMIND))])
def test_what_somebody_cancelled_stays_so_whatever_its_file_says(run: Run | None, keys: dict[str, Any]) -> None:
    assert decided(run, says(keys), has_sent=run is not None, is_ended=True) == TakeUp(Taken.OVER)


def test_a_repetition_that_was_cancelled_may_become_one_run_if_it_has_not_sent() -> None:
    assert decided(Run(says(REPEAT)), SALE, is_ended=True) == TakeUp(Taken.PLANNED)


@pytest.mark.parametrize(("keys", "expected"), [({}, True), (FASTER, True), (LIST, False), ({"approval": True}, False)])
def test_nobody_comes_into_a_plan_that_was_approved_or_a_list_of_the_gateway(
    keys: dict[str, Any], expected: bool
) -> None:
    assert may_extend(says(keys)) is expected


@pytest.mark.parametrize(
    ("cron", "state", "has_sent", "expected"),
    [
        ("0 * * * *", RunState.SCHEDULED, False, Renewal.PLANNED),
        ("0 * * * *", RunState.PAUSED, False, Renewal.PLANNED),
        ("0 * * * *", RunState.AWAITING_APPROVAL, False, Renewal.PLANNED),
        ("0 * * * *", RunState.RUNNING, True, Renewal.STAYS),
        ("30 * * * *", RunState.RUNNING, True, Renewal.STAYS),
        ("30 * * * *", RunState.SCHEDULED, False, Renewal.FORGOTTEN),
        (None, RunState.SCHEDULED, False, Renewal.FORGOTTEN),
    ],
)
@pytest.mark.parametrize("moment", [BEFORE, AFTER])
def test_a_run_that_repeats_follows_the_file_unless_it_has_sent(
    cron: str | None, state: RunState, has_sent: bool, expected: Renewal, moment: datetime
) -> None:
    recurrence = recurrence_of(says(schedule={"repeat": {"cron": cron}} if cron else {}).schedule)

    assert renewal(moment, state, recurrence, has_sent=has_sent, now=NOW) is expected


@pytest.mark.parametrize(
    ("moment", "expected"), [(BEFORE, Renewal.STAYS), (NOW, Renewal.PLANNED), (AFTER, Renewal.PLANNED)]
)
def test_a_run_that_failed_is_not_made_up_for(moment: datetime, expected: Renewal) -> None:
    recurrence = recurrence_of(says(REPEAT).schedule)

    assert renewal(moment, RunState.FAILED, recurrence, has_sent=False, now=NOW) is expected


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({}, False),
        ({"local_time": "recipient"}, False),
        ({"if_late": {"within": "1h"}}, False),
        ({"repeat": {"cron": "30 * * * *"}}, True),
        ({"repeat": {"cron": "0 * * * *", "until": "2026-12-04"}}, True),
        ({"start": "2026-12-02 10:00"}, True),
        ({"timezone": "Asia/Tokyo"}, True),
    ],
)
def test_other_moments_begin_with_the_edit(schedule: dict[str, Any], expected: bool) -> None:
    before = says(REPEAT).schedule
    after = says(schedule=REPEAT["schedule"] | schedule).schedule

    assert is_retimed(before, after) is expected
