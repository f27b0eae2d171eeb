"""`why`: the true cause of every state, in one sentence, and everything that led to it."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import Result

from campaigns.codes import RunType
from campaigns.definition import Schedule
from campaigns.lifecycle import BatchState, RecipientState, RunState
from scheduler.report.causes import cause
from scheduler.report.evidence import ending_words, request_lines
from scheduler.report.people import Chapter
from scheduler.report.story import chapter_lines
from tests.scheduler.operator.held_world import NUMBERS, START, TIMED_OUT, HeldWorld
from worker.store.models import AttemptState
from worker.store.reports.person import Appearance, Request

Cli = Callable[..., Result]
P = RecipientState
ROME = ZoneInfo("Europe/Rome")

ROW = Appearance(
    recipient_id=1,
    number=NUMBERS[0],
    state=P.PENDING,
    reason="",
    source="people.csv",
    line=2,
    slot="",
    variant="",
    text="Hi",
    segments=1,
    gateway_id=None,
    group_id=None,
    device=None,
    sim=None,
    attempts=0,
    gateway_retries=0,
    result_code=None,
    accepted_at=None,
    sent_at=None,
    delivered_at=None,
    run_id=1,
    run_type=RunType.ONCE,
    campaign="spring-sale",
    rehearsal=False,
    definition_id=1,
    run_state=RunState.RUNNING,
    run_reason="",
    starts_at=START,
    planned_at=START,
    finished_at=None,
    account_id=1,
    account_reason="",
    batch_id=12,
    batch_state=BatchState.PLANNED,
    batch_reason="",
    not_before=START,
    zones="",
    list_id=None,
)
REQUEST = Request(
    batch_id=12,
    number=1,
    state=AttemptState.UNKNOWN,
    started_at=START,
    send_by=START,
    finished_at=None,
    next_check_at=START + timedelta(minutes=1),
    target="",
    recipients=40,
    outcome="unknown",
    evidence=TIMED_OUT,
)
CLOSED_UNTIL_TEN = Schedule.model_validate(
    {"timezone": "Europe/Rome", "window": {"days": "mon-sat", "from": "11:00", "to": "20:00"}}
)


def chapter(*, schedule: Schedule | None = None, in_doubt: int = 0, requests: Any = (), **changes: Any) -> Chapter:
    """What is known about one row at `START`."""
    return Chapter(
        row=replace(ROW, **changes),
        requests=tuple(requests),
        rulings=(),
        schedule=schedule or Schedule.model_validate({"timezone": "Europe/Rome"}),
        batches_in_doubt=in_doubt,
        now=START,
    )


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        ({"planned_at": None}, "the campaign is being planned"),
        ({"run_state": RunState.SCHEDULED}, "the campaign starts Mon 2025-12-01 10:00 (Europe/Rome)"),
        ({"run_state": RunState.AWAITING_APPROVAL}, "is waiting for its plan to be approved"),
        ({"run_state": RunState.PAUSED, "run_reason": "too many refusals"}, "is paused (too many refusals)"),
        ({"run_state": RunState.CANCELLED}, "the campaign is cancelled and sends nothing more"),
        ({"account_reason": "no credits"}, "the gateway account is paused: no credits"),
        ({"in_doubt": 3}, "3 batches are in doubt and looked up first"),
        ({"schedule": CLOSED_UNTIL_TEN}, "which opens Mon 2025-12-01 11:00 (Europe/Rome)"),
        ({"batch_state": BatchState.UNKNOWN}, "the others of its batch are being sent or looked up first"),
        ({"batch_state": BatchState.QUEUED}, "its batch is in the queue"),
        (
            {"not_before": START + timedelta(minutes=1), "batch_reason": "waiting for the throttle"},
            "its batch waits until Mon 2025-12-01 10:01:00 (Europe/Rome): waiting for the throttle",
        ),
        ({}, "its batch is due; if that lasts, no scheduler is running: campaigns doctor"),
        ({"reason": "not found at the gateway"}, "before that: not found at the gateway"),
    ],
)
def test_why_somebody_still_waits(known: dict[str, Any], sentence: str) -> None:
    assert sentence in cause(chapter(**known), ROME)


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        (
            {"state": P.IN_DOUBT, "requests": [replace(REQUEST, state=AttemptState.OPEN)]},
            "a request with it is under way",
        ),
        ({"state": P.IN_DOUBT, "requests": [REQUEST]}, "it is looked up Mon 2025-12-01 10:01:00 (Europe/Rome)"),
        ({"state": P.ACCEPTED, "gateway_id": 7}, "the gateway has it, but no phone has sent it yet"),
        ({"state": P.ACCEPTED, "reason": "declared sent by a person"}, "declared sent by a person; it has no ID"),
        ({"state": P.SENT, "gateway_id": 7}, "no delivery report has come yet"),
        ({"state": P.SENT, "gateway_id": 7, "finished_at": START}, "no delivery report came before following ended"),
        ({"state": P.DELIVERED, "gateway_id": 7}, "the phone of this number confirmed it"),
        ({"state": P.FAILED, "reason": "left out by the gateway"}, "the gateway did not accept it: left out"),
        ({"state": P.FAILED, "gateway_id": 7, "reason": "no service"}, "the phone did not send it: no service"),
        ({"state": P.HELD, "reason": "nobody can tell"}, "nobody can tell; a person has to look and decide"),
        ({"state": P.EXPIRED, "reason": "no phone had sent it"}, "gave no receipt: no phone had sent it"),
        ({"state": P.CANCELLED, "reason": "cancelled by hand"}, "never sent: cancelled by hand"),
        ({"state": P.CANCELLED, "gateway_id": 7, "reason": "cancelled at the gateway"}, "cancelled at the gateway"),
        ({"state": P.SKIPPED, "reason": "2 h late"}, "its moment was missed: 2 h late"),
        ({"state": P.SKIPPED, "reason": "has no 'at'", "slot": "|no date|"}, "not sent: has no 'at'"),
        (
            {"state": P.INVALID, "reason": "row 2 of people.csv: too short"},
            "can be sent to this row: row 2 of people.csv",
        ),
        ({"state": P.DUPLICATE, "reason": "same number as row 2"}, "not sent a second time: same number as row 2"),
        ({"state": P.SUPPRESSED, "reason": "opted out"}, "this number opted out"),
        (
            {"state": P.EXCLUDED, "reason": "listed in bought.csv"},
            "not sent: listed in bought.csv",
        ),
        ({"state": P.CAPPED, "reason": "2 in 7 days"}, "the frequency cap is reached: 2 in 7 days"),
        ({"state": P.HOLDOUT}, "this person is in the control group"),
    ],
)
def test_the_cause_of_every_other_state(known: dict[str, Any], sentence: str) -> None:
    assert sentence in cause(chapter(**known), ROME)


@pytest.mark.parametrize("state", list(RecipientState))
def test_every_state_has_a_story(state: RecipientState) -> None:
    first, why, *_ = chapter_lines(chapter(state=state), ROME)

    assert first == f"spring-sale: {state.value.replace('_', ' ')}"
    assert why.startswith("  why: ")


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (replace(REQUEST, state=AttemptState.OPEN, evidence={}), "not yet; it is under way"),
        (replace(REQUEST, evidence={"messages": 38, "left_out": 2}), "the gateway accepted 38 and left out 2"),
        (
            replace(REQUEST, evidence={"failure": "process_lost"}),
            "the process that sent it ended before it could store",
        ),
        (replace(REQUEST, evidence={"phase": "connect", "problem": "No route."}), "No route; there was no connection"),
        (
            replace(REQUEST, evidence={"phase": "done", "status": 200, "error_code": 500, "error_text": "Oops"}),
            "all of it was written and answered; HTTP 200; the gateway said \u201cOops\u201d (code 500)",
        ),
        (replace(REQUEST, evidence={}), "its end is not known"),
    ],
)
def test_how_a_request_ended(request_: Request, sentence: str) -> None:
    assert sentence in ending_words(request_)


@pytest.mark.parametrize(
    ("request_", "last"),
    [
        (REQUEST, "  concluded: nothing yet; it is looked up again Mon 2025-12-01 10:01:00 (Europe/Rome)"),
        (replace(REQUEST, state=AttemptState.CLOSED, outcome="not_sent"), "  concluded: proven not sent"),
        (
            replace(REQUEST, state=AttemptState.CLOSED, evidence={**TIMED_OUT, "verdict": "missed"}),
            "  concluded: people who were not found were not stored by the gateway",
        ),
    ],
)
def test_what_was_concluded_of_a_request(request_: Request, last: str) -> None:
    assert list(request_lines(request_, ROME))[-1] == last


@pytest.mark.parametrize(
    ("attempts", "line"),
    [
        (3, "  2 requests before that carried this person in a larger batch, which has been divided since"),
        (0, "  this person was in 0 requests of these 1"),
    ],
)
def test_requests_of_a_batch_are_not_taken_for_those_of_a_person(attempts: int, line: str) -> None:
    assert line in chapter_lines(chapter(state=P.HELD, attempts=attempts, requests=[REQUEST]), ROME)


def test_the_whole_story_of_one_person(cli: Cli, world: HeldWorld) -> None:
    world.hold(NUMBERS[:1], found=NUMBERS[1:])
    cli("resolve", "spring-sale", "--as", "sent")

    lines = cli("why", "+39 333 100 0001").stdout.splitlines()

    assert lines[:4] == [
        "+393331000001",
        "",
        "spring-sale (a rehearsal in the sandbox): accepted",
        "  why: declared sent by a person; it has no ID at the gateway, so no receipt can be followed",
    ]
    assert lines[4].startswith("  planned: row 1 of recipients, Mon 2025-12-01 10:00 (Europe/Rome), in batch ")
    assert [line.split(":")[0].strip() for line in lines[5:]] == [
        lines[5].split(":")[0].strip(),
        "it ended",
        "looked up Mon 2025-12-01 10",
        "concluded",
        "decided",
    ]
    assert lines[-1].startswith("  decided: ada declared it sent, ")


def test_a_message_at_the_gateway_is_named(cli: Cli, world: HeldWorld) -> None:
    world.hold(NUMBERS[:1], found=NUMBERS[1:])
    world.set_person(NUMBERS[1], state=P.DELIVERED, sent_at=START, delivered_at=START, gateway_retries=2)

    result = cli("why", NUMBERS[1])

    assert ", phone 1 (SIM slot 0), since Mon 2025-12-01 10:00:00 (Europe/Rome)" in result.stdout
    assert result.stdout.splitlines()[-3:] == [
        "  the gateway itself tried again 2 times",
        "  receipt: sent by the phone Mon 2025-12-01 10:00:00 (Europe/Rome)",
        "  receipt: delivered Mon 2025-12-01 10:00:00 (Europe/Rome)",
    ]
    assert "decided" not in result.stdout


def test_programs_get_the_newest_campaign_first(cli: Cli, world: HeldWorld) -> None:
    world.begin('campaign: reminder\nmessage: Hi\naudience: [recipients: [{number: "+39 333 100 0001"}]]\n', "r.yaml")

    told = json.loads(cli("why", NUMBERS[0], "--json").stdout)

    assert told["number"] == NUMBERS[0]
    assert [entry["campaign"] for entry in told["story"]] == ["reminder", "spring-sale"]
    assert (told["story"][0]["text"], told["story"][0]["state"], told["story"][0]["requests"]) == ("Hi", "pending", [])


def test_an_invalid_row_is_found_by_what_stands_in_it(cli: Cli, world: HeldWorld) -> None:
    result = cli("why", "call Anna")

    assert "why: not sent: no text can be sent to this row: row 4 of recipients: contains letters" in result.stdout


def test_a_number_without_a_country_is_of_the_region_in_the_settings(
    cli: Cli, world: HeldWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMPAIGNS_REGION", "IT")

    assert cli("why", "333 100 0001").stdout.startswith("+393331000001\n\nspring-sale")


@pytest.mark.parametrize(
    ("number", "told"),
    [
        ("+39 333 999 9999", "+393339999999 is in no campaign\n"),
        ("nonsense", "is in no campaign, as it stands; it cannot be read as a number (contains letters): write"),
        ("333 100 0001", "it cannot be read as a number (has no country code"),
    ],
)
def test_an_unknown_number_is_no_error(cli: Cli, world: HeldWorld, number: str, told: str) -> None:
    result = cli("why", number)

    assert result.exit_code == 0
    assert told in result.stdout


def test_without_any_database_nobody_is_in_a_campaign(cli: Cli) -> None:
    result = cli("why", NUMBERS[0], "--json")

    assert (result.exit_code, json.loads(result.stdout)) == (
        0,
        {"number": NUMBERS[0], "suppressions": [], "replies": [], "story": []},
    )
