"""What can be done, called as every door calls it: who asks and plain values in, a frozen result or a code out."""

import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
import structlog
from sqlmodel import Session, col

from campaigns.declarations import Declared
from campaigns.lifecycle import RunState
from scheduler.actions import approving, control, resending, resolving, test_message, throttling
from scheduler.actions.acting import Actor, acting
from scheduler.actions.numbers import normalised
from scheduler.actions.opening import campaign_store
from scheduler.actions.reading.replies import replies_to_review
from scheduler.actions.reading.runs import read_runs, state_of
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.suppressing import opt_outs, replies
from scheduler.exits import Exit
from tests.scheduler.actions.conftest import CAMPAIGN
from worker.logs import configure_logs, get_logger
from worker.runtime import Runtime
from worker.settings import Settings
from worker.store.approvals import APPROVED
from worker.store.models import Event, Run, Suppression

NUMBER = "+393331000001"

Asked = Callable[[Runtime, Actor], object]


def do_all(runtime: Runtime, actor: Actor, slug: str) -> None:
    now = runtime.clock.now()
    control.pause(runtime.store, actor, slug, now=now)
    control.resume(runtime.store, actor, slug, now=now)


def test_what_is_paused_goes_on_and_is_cancelled_with_results_that_cannot_change(runtime: Runtime, anna: Actor) -> None:
    # given
    store, now = runtime.store, runtime.clock.now()
    # when
    paused = control.pause(store, anna, "spring-sale", now=now)
    while_paused = state_of(store, "spring-sale")
    resumed = control.resume(store, anna, "spring-sale", now=now)
    cancelled = control.cancel(store, anna, "spring-sale", now=now)
    # then
    assert (while_paused, resumed.state, cancelled.unsent) == (RunState.PAUSED, RunState.SCHEDULED, 2)
    assert paused.in_flight == cancelled.handed_over == ()
    with pytest.raises(dataclasses.FrozenInstanceError):
        paused.run_id = 7  # type: ignore[misc]
    (seen,) = read_runs(store, "spring-sale", now=now)
    assert (seen.run.state, seen.in_flight) == (RunState.CANCELLED, 0)


@pytest.mark.parametrize(
    ("ask", "code", "field"),
    [
        (lambda r, a: control.pause(r.store, a, "spring-sael", now=r.clock.now()), Refusal.UNKNOWN_CAMPAIGN, ""),
        (lambda r, a: read_runs(r.store, "spring-sale", 7, now=r.clock.now()), Refusal.UNKNOWN_RUN, ""),
        (lambda r, a: control.resume(r.store, a, "spring-sale", now=r.clock.now()), Refusal.WRONG_STATE, ""),
        (lambda r, a: approving.approve(r.store, a, "spring-sale", "no", now=r.clock.now()), Refusal.INVALID, ""),
        (lambda r, a: approving.approve(r.store, a, "spring-sale", "0" * 8, now=r.clock.now()), Refusal.WRONG_STATE, ""),
        (lambda r, a: resolving.to_decide(r.store, "spring-sale"), Refusal.WRONG_STATE, ""),
        (lambda r, a: resending.failed_texts(r.store, "spring-sale", rehearsal=True), Refusal.WRONG_STATE, ""),
        (lambda r, a: throttling.new_limits("fast", None, None), Refusal.INVALID, "rate"),
        (lambda r, a: throttling.new_limits(None, "0", None), Refusal.INVALID, "daily"),
        (lambda r, a: throttling.new_limits(None, None, 101), Refusal.INVALID, "weight"),
        (lambda r, a: throttling.place_of(r.store, r.settings, device="x"), Refusal.INVALID, "device"),
        (lambda r, a: normalised("call Anna", "IT"), Refusal.INVALID, ""),
        (lambda r, a: opt_outs.known_kind("sms"), Refusal.INVALID, ""),
        (lambda r, a: replies.review(r.store, a, [12], is_stop=True, now=r.clock.now()), Refusal.UNKNOWN_REPLY, ""),
        (lambda r, a: replies_to_review(None, [12]), Refusal.UNKNOWN_REPLY, ""),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_a_code_and_one_sentence(
    runtime: Runtime, anna: Actor, ask: Asked, code: Refusal, field: str
) -> None:
    with pytest.raises(Refused) as refused:
        ask(runtime, anna)

    assert (refused.value.code, refused.value.field) == (code, field)
    assert str(refused.value)


def test_a_database_without_campaigns_has_a_code_of_its_own(folder: Path) -> None:
    with pytest.raises(Refused) as refused, campaign_store(Settings()):
        pass

    assert refused.value.code is Refusal.NOTHING_YET
    assert not list(folder.iterdir())


def test_what_is_refused_changes_nothing(runtime: Runtime, anna: Actor) -> None:
    """An action is one transaction: of a refusal at its end nothing stays, whatever was done before."""

    def paused_then_refused() -> None:
        with acting(runtime.store, anna, "control") as session:
            session.execute(sa.update(Run).values(state=RunState.PAUSED))
            raise Refused(Refusal.WRONG_STATE, "not now")

    with pytest.raises(Refused):
        paused_then_refused()

    assert state_of(runtime.store, "spring-sale") is RunState.SCHEDULED


def test_what_is_logged_in_an_action_names_who_asked_and_what_comes_after_does_not(
    runtime: Runtime, anna: Actor
) -> None:
    # given
    lines = io.StringIO()
    before = structlog.get_config()
    configure_logs("json", stream=lines)
    try:
        # when
        with acting(runtime.store, anna, "control"):
            get_logger().info("within")
        get_logger().info("after")
    finally:
        structlog.configure(**before)
    # then
    within, after = map(json.loads, lines.getvalue().splitlines())
    assert (within["actor"], "actor" in after) == ("cli:anna", False)


def test_who_approved_is_kept(runtime: Runtime, anna: Actor, folder: Path) -> None:
    # given
    path = folder / "sale.yaml"
    path.write_text(CAMPAIGN.replace("spring-sale", "sale") + "approval: true\n")
    planned = submit_file(runtime, anna, path)
    # when
    approved = approving.approve(runtime.store, anna, "sale", planned, now=runtime.clock.now())
    # then
    assert (approved.plan, approved.is_news) == (planned, True)
    with runtime.store.read() as session:
        assert by_of(session, APPROVED) == "anna"
