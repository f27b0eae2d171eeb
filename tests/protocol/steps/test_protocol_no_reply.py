"""`resend --only no-reply`: the same text once more to those who have it and did not reply, and to nobody else."""

from datetime import timedelta

import pytest

from campaigns.lifecycle import RecipientState
from campaigns.protocol.bulk_actions import Cause
from scheduler.actions import resending
from scheduler.actions.acting import Actor, ActorKind
from scheduler.actions.refusals import Refused
from scheduler.actions.resending import Unanswered
from tests.protocol.world.harness import Installation
from tests.protocol.world.scripted_gateway import RECEIVED
from worker.crashpoints import arm

P = RecipientState
ANNA, BEN, CLEO, DARIO, EVA = (f"+39333{place:07}" for place in range(5))
SOMEBODY = Actor(ActorKind.USER, "anna")
NUDGE = "steps:\n  - {name: nudge, after: 2h, only_if: delivered, message: Still there?}\n"


def found(bench: Installation) -> Unanswered:
    return resending.unanswered(bench.store, "sale")


def again(bench: Installation) -> int | None:
    return resending.resend_unanswered(bench.runtime, SOMEBODY, found(bench).root)


def texts(bench: Installation) -> dict[str, list[str]]:
    got: dict[str, list[str]] = {}
    for message in bench.gateway.stored:
        if message.status != RECEIVED:
            got.setdefault(message.number, []).append(message.text)
    return got


def sent(bench: Installation, *, more: str = "") -> int:
    """A campaign to five: Anna replied, Ben opted out, Dario's text failed, Cleo and Eva were silent."""
    run_id = bench.campaign(5, more=more)
    bench.pass_time(30)
    bench.gateway.set_all("Delivered", numbers=[ANNA, BEN, CLEO])
    bench.gateway.set_all("Failed", numbers=[DARIO])
    bench.gateway.receive(ANNA, "I will come")
    bench.gateway.receive(BEN, "STOP")
    bench.gateway.receive(CLEO, "HELP")
    bench.pass_time(timedelta(minutes=5))
    return run_id


def test_those_who_did_not_reply_get_it_once_more(bench_on_both: Installation) -> None:
    bench = bench_on_both
    root = sent(bench)
    assert (found(bench).people, found(bench).left_out) == (2, {Cause.OPTED_OUT: 1, Cause.REPLIED: 1})

    run_id = again(bench)
    assert run_id is not None
    assert (found(bench).people, found(bench).goes_on) == (0, True)
    assert again(bench) is None
    bench.finish(run_id)

    assert bench.states(run_id) == {P.DELIVERED: 2}
    assert texts(bench) == {
        n: ["Ciao N" + n[-1]] * (2 if n in {CLEO, EVA} else 1) for n in (ANNA, BEN, CLEO, DARIO, EVA)
    }
    assert bench.run(run_id).root_id == root
    assert resending.unanswered(bench.store, "sale", run_id).root.id == root
    # Whoever has it a second time is not asked a third time by the same text.
    assert (again(bench), found(bench).left_out[Cause.LATER_TEXT]) == (None, 2)


def test_an_answer_before_the_request_counts(bench_on_both: Installation) -> None:
    bench = bench_on_both
    sent(bench)
    run_id = again(bench)
    assert run_id is not None
    bench.call("steps")
    bench.gateway.receive(CLEO, "yes, sorry")
    bench.clock.advance(20)
    bench.call("replies")
    bench.pass_time(60)

    assert bench.states(run_id) == {P.EXCLUDED: 1, P.ACCEPTED: 1}
    assert {number for number, got in texts(bench).items() if len(got) > 1} == {EVA}


def test_whoever_waits_for_a_step_is_not_asked_before_it(bench: Installation) -> None:
    sent(bench, more=NUDGE)
    assert (found(bench).people, found(bench).left_out[Cause.LATER_TEXT]) == (0, 2)
    bench.pass_time(timedelta(hours=3), step=600)
    # Anna and Cleo got the step; Eva, of whom no phone said that she has the text, did not.
    assert (found(bench).people, found(bench).left_out[Cause.LATER_TEXT]) == (1, 1)
    run_id = again(bench)
    assert run_id is not None
    bench.pass_time(60)
    assert {number: len(got) for number, got in texts(bench).items() if len(got) > 1} == {ANNA: 2, CLEO: 2, EVA: 2}
    assert texts(bench)[EVA] == ["Ciao N4"] * 2


def test_it_keeps_to_sending_hours_and_can_be_cancelled(bench: Installation) -> None:
    sent(bench, more="schedule: {timezone: UTC, window: {from: '08:00', to: '09:30'}}\n")
    bench.pass_time(timedelta(minutes=40), step=300)
    run_id = again(bench)
    assert run_id is not None
    bench.pass_time(timedelta(hours=2), step=600)
    assert bench.states(run_id) == {P.PENDING: 2}
    bench.cancel(run_id)
    bench.pass_time(timedelta(days=1), step=3600)
    assert bench.states(run_id) == {P.CANCELLED: 2}


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("edge", ["before_commit", "committed"])
def test_a_kill_leaves_all_of_it_or_nothing(bench: Installation, edge: str) -> None:
    def kill(name: str) -> None:
        if name == f"no_reply:{edge}":
            raise Killed(name)

    sent(bench)
    arm(kill)
    try:
        with pytest.raises(Killed):
            again(bench)
    finally:
        arm(None)
    assert (found(bench).people, found(bench).goes_on) == ((2, False) if edge == "before_commit" else (0, True))
    again(bench)
    bench.pass_time(60)
    assert {number for number, got in texts(bench).items() if len(got) > 1} == {CLEO, EVA}


def test_nobody_is_asked_again_while_others_wait_for_their_text(bench: Installation) -> None:
    bench.campaign(3, per_request=1, more="  rate: 1/minute\n")
    bench.tick()
    with pytest.raises(Refused, match="still sends"):
        found(bench)
