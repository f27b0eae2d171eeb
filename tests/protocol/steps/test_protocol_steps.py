"""Steps: who gets a later text, when, and why others do not; on both databases."""

from datetime import timedelta
from typing import Final

import pytest

from campaigns.lifecycle import RecipientState, RunState
from tests.protocol.world.harness import Installation
from tests.protocol.world.scripted_gateway import Stored
from worker.store.runs import runs
from worker.store.runs.runs import RunView
from worker.store.steps.planned import steps_of

P = RecipientState
ANNA, BEN, CLEO, DINA = (f"+39333{place:07}" for place in range(4))
NUDGE: Final = "steps:\n  - {name: nudge, after: 1h, unless: replied, message: 'Did you see this, {{ first_name }}?'}\n"
HOUR = timedelta(hours=1)


def steps(bench: Installation, run_id: int) -> list[RunView]:
    with bench.store.read() as session:
        return [runs.run_view(session, id_) for id_ in steps_of(session, run_id)]


def reasons(bench: Installation, run_id: int) -> dict[str, tuple[RecipientState, str]]:
    return {row.number: (row.state, row.reason) for row in bench.recipients(run_id)}


def sent(bench: Installation) -> list[Stored]:
    return [message for message in bench.gateway.stored if message.status != "Received"]


def texts(bench: Installation, number: str) -> list[str]:
    return [message.text for message in sent(bench) if message.number == number]


def test_a_step_goes_to_those_who_did_not_reply(bench_on_both: Installation) -> None:
    bench = bench_on_both
    run_id = bench.campaign(4, more=NUDGE)
    [nudge] = steps(bench, run_id)
    assert (nudge.step, nudge.root_id, nudge.moment) == ("nudge", run_id, "once/nudge")
    assert bench.states(nudge.id) == {P.PENDING: 4}

    bench.pass_time(60)
    sent_at = sent(bench)[0].at
    bench.gateway.set_all("Delivered")
    bench.gateway.receive(ANNA, "Thank you!")
    bench.pass_time(120)
    assert reasons(bench, nudge.id)[ANNA] == (P.EXCLUDED, "replied")
    bench.pass_time(HOUR - timedelta(minutes=4), step=300)
    assert len(sent(bench)) == 4
    bench.pass_time(timedelta(minutes=2), step=5)
    bench.pass_time(timedelta(minutes=8), step=60)
    bench.gateway.set_all("Delivered")
    bench.pass_time(120)

    assert texts(bench, BEN) == ["Ciao N1", "Did you see this, N1?"]
    assert texts(bench, ANNA) == ["Ciao N0"]
    assert sent(bench)[4].at - sent_at >= HOUR
    assert sent(bench)[4].at - sent_at < HOUR + timedelta(seconds=30)
    assert bench.states(nudge.id) == {P.EXCLUDED: 1, P.DELIVERED: 3}
    bench.until(lambda: bench.run(nudge.id).state is RunState.COMPLETED)
    assert bench.run(run_id).state is RunState.COMPLETED


def test_a_step_for_failed_texts_goes_to_nobody_else(bench_on_both: Installation) -> None:
    bench = bench_on_both
    more = "steps:\n  - {name: sorry, after: 30m, only_if: failed, message: 'Sorry'}\n"
    run_id = bench.campaign(3, more=more)
    [sorry] = steps(bench, run_id)
    bench.pass_time(30)
    bench.gateway.set_all("Delivered")
    message = next(each for each in bench.gateway.stored if each.number == BEN)
    message.status, message.result_code = "Failed", 4
    bench.pass_time(timedelta(minutes=40), step=120)

    assert texts(bench, BEN) == ["Ciao N1", "Sorry"]
    assert reasons(bench, sorry.id)[ANNA] == (P.EXCLUDED, "not_failed")
    assert len(sent(bench)) == 4
    bench.until(lambda: bench.run(sorry.id).finished_at is not None, within=timedelta(days=4), step=3600)


def test_steps_follow_each_other_and_end_for_whom_one_was_not_sent(bench_on_both: Installation) -> None:
    bench = bench_on_both
    more = (
        "steps:\n  - {name: one, after: 10m, unless: replied, message: 'One'}\n"
        "  - {name: two, after: 20m, message: 'Two'}\n"
    )
    run_id = bench.campaign(2, more=more)
    one, two = steps(bench, run_id)
    bench.pass_time(30)
    bench.gateway.set_all("Delivered")
    bench.gateway.receive(ANNA, "yes")
    bench.pass_time(timedelta(minutes=15), step=60)
    bench.gateway.set_all("Delivered")
    bench.pass_time(timedelta(minutes=25), step=60)

    assert texts(bench, ANNA) == ["Ciao N0"]
    assert texts(bench, BEN) == ["Ciao N1", "One", "Two"]
    assert reasons(bench, two.id)[ANNA] == (P.EXCLUDED, "not_sent_before")
    assert reasons(bench, one.id)[ANNA] == (P.EXCLUDED, "replied")


def test_a_step_to_which_everybody_replied_ends_without_a_text(bench_on_both: Installation) -> None:
    bench = bench_on_both
    run_id = bench.campaign(2, more=NUDGE)
    [nudge] = steps(bench, run_id)
    bench.pass_time(30)
    bench.gateway.receive(ANNA, "yes")
    bench.gateway.receive(BEN, "no")
    bench.finish(run_id, nudge.id)
    assert bench.states(nudge.id) == {P.EXCLUDED: 2}
    assert bench.run(nudge.id).state is RunState.COMPLETED


def test_pausing_and_cancelling_reach_the_steps(bench: Installation) -> None:
    run_id = bench.campaign(2, more=NUDGE)
    [nudge] = steps(bench, run_id)
    bench.pass_time(30)
    bench.cancel(run_id)
    assert bench.run(nudge.id).state is RunState.CANCELLED
    assert bench.states(nudge.id) == {P.CANCELLED: 2}
    bench.pass_time(timedelta(hours=2), step=300)
    assert len(sent(bench)) == 2


def test_an_edit_plans_steps_again_with_their_run(bench_on_both: Installation) -> None:
    bench = bench_on_both
    later = "schedule: {start: 2030-01-01 09:00}\n"
    run_id = bench.campaign(2, more=NUDGE + later)
    first = bench.run(run_id).plan_hash
    assert bench.campaign(3, more=NUDGE.replace("Did", "DID") + later) == run_id
    assert bench.run(run_id).plan_hash != first
    [nudge] = steps(bench, run_id)
    assert [row.text for row in bench.recipients(nudge.id)] == [f"DID you see this, N{n}?" for n in range(3)]
    assert bench.campaign(3, more=later) == run_id
    assert steps(bench, run_id) == []


def test_people_who_are_added_later_get_their_steps(bench_on_both: Installation) -> None:
    bench = bench_on_both
    run_id = bench.campaign(2, more=NUDGE)
    [nudge] = steps(bench, run_id)
    bench.pass_time(60)
    bench.campaign(3, more=NUDGE)
    assert bench.states(nudge.id) == {P.PENDING: 3}
    bench.gateway.set_all("Delivered")
    bench.pass_time(HOUR + timedelta(minutes=5), step=120)
    assert texts(bench, CLEO) == ["Ciao N2", "Did you see this, N2?"]


@pytest.mark.parametrize("answers", [True, False])
def test_what_is_sent_again_of_a_step_depends_on_its_condition(bench: Installation, answers: bool) -> None:
    run_id = bench.campaign(1, more=NUDGE)
    [nudge] = steps(bench, run_id)
    bench.pass_time(30)
    bench.gateway.set_all("Delivered")
    bench.pass_time(HOUR, step=120)
    message = sent(bench)[-1]
    message.status, message.result_code = "Failed", 4
    bench.until(lambda: bench.run(nudge.id).finished_at is not None)
    if answers:
        bench.gateway.receive(ANNA, "here I am")
        bench.pass_time(60)
    again = bench.resend(nudge.id)
    bench.pass_time(60)
    assert bench.states(again) == ({P.EXCLUDED: 1} if answers else {P.ACCEPTED: 1})
    assert len(sent(bench)) == (2 if answers else 3)
