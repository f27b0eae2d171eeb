"""Every action, called as all entry points call it: who asks and plain values in, a frozen result or a code out."""

import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
import structlog
from pydantic import SecretStr
from sqlmodel import col

from campaigns.lifecycle import RecipientState, RunState
from scheduler.actions import approving, control, resending, resolving, throttling
from scheduler.actions.acting import Actor, ActorKind, acting
from scheduler.actions.approving import Approved
from scheduler.actions.numbers import normalised
from scheduler.actions.opening import campaign_store
from scheduler.actions.reading.replies import replies_to_review
from scheduler.actions.reading.runs import read_runs, state_of
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.submitting import submit
from scheduler.actions.suppressing import opt_outs, replies
from scheduler.actions.suppressing.kinds import known_kind
from scheduler.actions.texts import test_message
from scheduler.actions.upkeep.notifying import listeners, tell_test
from scheduler.intake.taking import read_file
from tests.scheduler.actions.actions_world import ANNA, CAMPAIGN
from worker.logs import configure_logs, get_logger
from worker.runtime import Runtime
from worker.settings.settings import load_settings
from worker.store import audit
from worker.store.events import EventName
from worker.store.models import Event, Run

NUMBER = "+393331000001"


def test_what_is_paused_goes_on_and_is_cancelled_with_results_that_cannot_change(runtime: Runtime) -> None:
    # given
    store, now = runtime.store, runtime.clock.now()
    # when
    paused = control.pause(store, ANNA, "spring-sale", now=now)
    while_paused = state_of(store, "spring-sale")
    resumed = control.resume(store, ANNA, "spring-sale", now=now)
    cancelled = control.cancel(store, ANNA, "spring-sale", now=now)
    # then
    assert (while_paused, resumed.state, cancelled.unsent) == (RunState.PAUSED, RunState.SCHEDULED, 2)
    assert (paused.in_flight, cancelled.handed_over) == ((), ())
    with pytest.raises(dataclasses.FrozenInstanceError):
        paused.run_id = 7  # type: ignore[misc]  # refused, as the test shows
    (seen,) = read_runs(store, "spring-sale", now=now)
    assert (seen.run.state, seen.in_flight) == (RunState.CANCELLED, 0)


def approve(runtime: Runtime, campaign: str, plan: str, by: Actor = ANNA, *, four_eyes: bool = False) -> Approved:
    inbox, now = runtime.settings.inbox, runtime.clock.now()
    return approving.approve(runtime.store, by, campaign, plan, inbox=inbox, four_eyes=four_eyes, now=now)


REFUSED: Final[list[tuple[Callable[[Any], object], Refusal, str]]] = [
    (lambda r: control.pause(r.store, ANNA, "spring-sael", now=r.clock.now()), Refusal.UNKNOWN_CAMPAIGN, ""),
    (lambda r: read_runs(r.store, "spring-sale", 7, now=r.clock.now()), Refusal.UNKNOWN_RUN, ""),
    (lambda r: control.resume(r.store, ANNA, "spring-sale", now=r.clock.now()), Refusal.WRONG_STATE, ""),
    (lambda r: approve(r, "spring-sale", "no"), Refusal.INVALID, ""),
    (lambda r: approve(r, "spring-sale", 8 * "0"), Refusal.WRONG_STATE, ""),
    (lambda r: resolving.to_decide(r.store, "spring-sale"), Refusal.WRONG_STATE, ""),
    (lambda r: resending.failed_texts(r.store, "spring-sale", rehearsal=True), Refusal.WRONG_STATE, ""),
    (lambda _: throttling.new_limits("fast", None, None), Refusal.INVALID, "rate"),
    (lambda _: throttling.new_limits(None, "0", None), Refusal.INVALID, "daily"),
    (lambda _: throttling.new_limits(None, None, 101), Refusal.INVALID, "weight"),
    (lambda r: throttling.place_of(r.store, r.settings, device="x"), Refusal.INVALID, "device"),
    (lambda _: normalised("call Anna", "IT"), Refusal.INVALID, ""),
    (lambda _: known_kind("sms"), Refusal.INVALID, ""),
    (lambda r: replies.review(r.store, ANNA, [12], is_stop=True, now=r.clock.now()), Refusal.UNKNOWN_REPLY, ""),
    (lambda _: replies_to_review(None, [12]), Refusal.UNKNOWN_REPLY, ""),
]


def test_what_cannot_be_done_is_a_code_and_one_sentence(runtime: Runtime) -> None:
    told = []
    for ask, _, _ in REFUSED:
        with pytest.raises(Refused) as refused:
            ask(runtime)
        told.append((refused.value.code, refused.value.field))
        assert str(refused.value)

    assert told == [(code, field) for _, code, field in REFUSED]


def test_who_cannot_be_told_is_shown_with_the_reason_and_without_a_secret(runtime: Runtime) -> None:
    webhook = SecretStr("http://127.0.0.1:9/hook?token=s3cret")
    settings = runtime.settings.model_copy(update={"report_webhook": webhook})

    (told,) = tell_test(settings, ANNA, now=runtime.clock.now())

    assert told.problem
    assert listeners(settings) == [dataclasses.replace(told, problem="")]
    assert "s3cret" not in str(told)


def test_a_database_without_campaigns_has_a_code_of_its_own(folder: Path) -> None:
    with pytest.raises(Refused) as refused, campaign_store(load_settings()):
        pass

    assert refused.value.code is Refusal.NOTHING_YET
    assert not list(folder.iterdir())


def test_what_is_refused_changes_nothing(runtime: Runtime) -> None:
    """An action is one transaction: if it is refused at its end, nothing stays, whatever was done before."""

    def paused_then_refused() -> None:
        with acting(runtime.store, ANNA, "pause") as session:
            session.execute(sa.update(Run).values(state=RunState.PAUSED))
            raise Refused(Refusal.WRONG_STATE, "not now")

    with pytest.raises(Refused):
        paused_then_refused()

    assert state_of(runtime.store, "spring-sale") is RunState.SCHEDULED


def test_what_is_logged_in_an_action_names_who_asked_and_what_comes_after_does_not(runtime: Runtime) -> None:
    # given
    lines = io.StringIO()
    before = structlog.get_config()
    configure_logs("json", stream=lines)
    try:
        # when
        with acting(runtime.store, ANNA, "pause"):
            get_logger().info("within")
        get_logger().info("after")
    finally:
        structlog.configure(**before)
    # then
    within, after = map(json.loads, lines.getvalue().splitlines())
    assert (within["actor"], "actor" in after) == ("cli:anna", False)


def test_who_approved_is_kept(runtime: Runtime, folder: Path) -> None:
    # given
    path = folder / "sale.yaml"
    path.write_text(CAMPAIGN.replace("spring-sale", "sale") + "approval: true\n")
    waiting = submit(runtime, ANNA, read_file(path, runtime.settings), source=path.name)
    # when
    plan = waiting.run.plan_hash
    first, again = (approve(runtime, "sale", plan[:8]) for _ in range(2))
    # then
    assert (first.plan, first.is_news, again.is_news) == (plan, True, False)
    with runtime.store.read() as session:
        (detail,) = session.scalars(sa.select(col(Event.detail)).where(col(Event.name) == EventName.PLAN_APPROVED))
    assert detail["by"] == "anna"


def test_with_four_eyes_nobody_approves_what_they_submitted_through_whatever_door(
    runtime: Runtime, folder: Path
) -> None:
    # given
    path = folder / "sale.yaml"
    path.write_text(CAMPAIGN.replace("spring-sale", "sale") + "approval: true\n")
    waiting = submit(runtime, ANNA, read_file(path, runtime.settings), source=path.name)
    plan = waiting.run.plan_hash
    # when
    for same in (ANNA, Actor(ActorKind.USER, "anna"), Actor(ActorKind.TOKEN, "Anna")):
        with pytest.raises(Refused, match="somebody else has to approve it") as refused:
            approve(runtime, "sale", plan, same, four_eyes=True)
        assert refused.value.code is Refusal.FOUR_EYES
    # and so it is for an entry of earlier versions, which has the file's hash in place of the plan's
    ben = Actor(ActorKind.USER, "ben")
    with runtime.store.write() as session:
        file = read_file(path, runtime.settings).content_hash
        audit.append(session, ben, "submit", now=runtime.clock.now(), campaign="sale", plan_hash=file)
    with pytest.raises(Refused, match="ben submitted sale"):
        approve(runtime, "sale", plan, ben, four_eyes=True)
    # then
    done = approve(runtime, "sale", plan, Actor(ActorKind.USER, "bob"), four_eyes=True)
    assert (done.plan, done.is_news) == (plan, True)


def test_a_limit_is_set_shown_and_forgotten(runtime: Runtime) -> None:
    # given
    store, settings, now = runtime.store, runtime.settings, runtime.clock.now()
    place = throttling.place_of(store, settings, campaign="spring-sale")
    # when
    throttling.change_limits(store, ANNA, place, throttling.new_limits("20/minute", "none", 3), now=now)
    shown = throttling.read_limits(store, settings, place, now=now)
    throttling.change_limits(store, ANNA, place, {}, clear=True, now=now)
    # then
    assert {"20/minute", "3"} <= {limit.value for limit in shown}
    with pytest.raises(Refused, match="nothing was set by hand"):
        throttling.change_limits(store, ANNA, place, {}, clear=True, now=now)
    with pytest.raises(Refused, match="say whose limits"):
        throttling.change_limits(store, ANNA, dataclasses.replace(place, scope=None), {}, clear=True, now=now)


def test_limits_of_a_campaign_that_has_ended_are_refused_and_forgotten(runtime: Runtime) -> None:
    store, settings, now = runtime.store, runtime.settings, runtime.clock.now()
    place = throttling.place_of(store, settings, campaign="spring-sale")
    throttling.change_limits(store, ANNA, place, throttling.new_limits("20/minute", None, None), now=now)
    with store.write() as session:
        session.execute(sa.update(Run).values(state=RunState.COMPLETED, finished_at=now))
    with pytest.raises(Refused, match="spring-sale is completed, so there is nothing left to send") as refused:
        throttling.change_limits(store, ANNA, place, throttling.new_limits(None, None, 3), now=now)
    assert refused.value.code is Refusal.WRONG_STATE
    throttling.change_limits(store, ANNA, place, {}, clear=True, now=now)
    assert throttling.read_limits(store, settings, place, now=now) == []


def test_who_is_suppressed_gets_nothing_and_no_test_either_until_the_entry_ends(runtime: Runtime, folder: Path) -> None:
    # given
    store, now = runtime.store, runtime.clock.now()
    definition = read_file(folder / "spring.yaml", runtime.settings)
    sample = test_message.choose_sample(definition)
    # when
    first, again = (opt_outs.suppress(store, ANNA, [NUMBER], reason="by phone", now=now) for _ in range(2))
    # then
    assert [(done.changed, done.unchanged) for done in (first, again)] == [(1, 0), (0, 1)]
    assert [entry.number for entry in opt_outs.suppressed(store)] == [NUMBER]
    (seen,) = read_runs(store, "spring-sale", now=now)
    assert seen.books.by_state == {RecipientState.PENDING: 1, RecipientState.SUPPRESSED: 1}
    with pytest.raises(Refused) as refused:
        test_message.plan_test(runtime, ANNA, definition, sample, NUMBER, source="spring.yaml")
    assert refused.value.code is Refusal.OPTED_OUT
    # when the entry ends
    ended = opt_outs.unsuppress(store, ANNA, [NUMBER], now=now)
    test = test_message.plan_test(runtime, ANNA, definition, sample, NUMBER, source="spring.yaml")
    # then
    assert (ended.changed, test.earlier) == (1, ())
    assert [run.run.campaign for run in read_runs(store, None, now=now)] == ["spring-sale"], "a test is no run of it"
