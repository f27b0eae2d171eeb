"""When a step goes: its window, people's own clocks, repetitions, approvals, pauses, and texts that are sent again."""

from datetime import UTC, datetime, timedelta

from campaigns.codes import PausedBy
from campaigns.lifecycle import RecipientState, RunState
from scheduler.actions import control
from scheduler.actions.acting import Actor, ActorKind
from scheduler.actions.approving import approve
from scheduler.actions.reading.runs import read_runs
from scheduler.intake.approving import awaited
from tests.protocol.steps.test_protocol_steps import ANNA, BEN, HOUR, NUDGE, reasons, sent, steps, texts
from tests.protocol.world.harness import Installation
from tests.protocol.world.scripted_gateway import Answers, Send, Stores
from worker.store.runs import runs

P = RecipientState
SOMEBODY = Actor(ActorKind.USER, "anna")


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-12-{text}").replace(tzinfo=UTC)


def test_a_step_waits_for_its_window(bench: Installation) -> None:
    """The clock is at 09:00 UTC."""
    window = "schedule: {timezone: UTC, window: {from: '08:00', to: '09:30'}}\n"
    run_id = bench.campaign(1, more=NUDGE + window)
    bench.pass_time(30)
    bench.gateway.set_all("Delivered")
    bench.pass_time(HOUR, step=300)
    [batch] = bench.batches(steps(bench, run_id)[0].id)
    assert (batch.moment, len(sent(bench))) == (at("02T08:00"), 1)
    bench.live_until(at("02T08:10"))
    assert sent(bench)[1].at == at("02T08:00")


def test_a_step_goes_by_the_clocks_of_its_people(bench: Installation) -> None:
    (bench.folder / "sale.csv").write_text("number,timezone\n+819012345678,Asia/Tokyo\n+12125550123,America/New_York\n")
    bench.drop(
        "campaign: sale\nmessage: Ciao\naudience: {file: sale.csv}\n"
        "schedule: {timezone: UTC, local_time: recipient, window: {from: '09:00', to: '20:00'}}\n"
        "steps:\n  - {name: nudge, after: 9h, message: Again}\n"
    )
    bench.live_until(at("01T14:30"))
    assert {message.number: message.at for message in sent(bench)} == {
        "+819012345678": at("01T09:00"),  # 18:00 there
        "+12125550123": at("01T14:00"),  # 09:00 there
    }
    for moment in ("01T18:10", "01T23:10", "02T00:10"):
        bench.clock.advance(at(moment) - bench.clock.now())
        bench.gateway.set_all("Delivered")
        bench.pass_time(30)
    went = {message.number: message.at for message in sent(bench)[2:]}
    assert timedelta(0) <= went["+12125550123"] - at("01T23:10") < timedelta(minutes=1)  # 18:10 there
    assert timedelta(0) <= went["+819012345678"] - at("02T00:10") < timedelta(minutes=1)  # 03:00 there, so at 09:00


def test_each_run_of_a_campaign_that_repeats_has_its_steps(bench_on_both: Installation) -> None:
    bench = bench_on_both
    (bench.folder / "sale.csv").write_text(f"number\n{ANNA}\n")
    bench.drop(
        "campaign: sale\nmessage: Ciao\naudience: {file: sale.csv}\nfollow: {until: 1h}\n"
        "schedule: {timezone: UTC, repeat: {cron: '0 12 * * *'}}\n"
        "steps:\n  - {name: nudge, after: 2h, unless: replied, message: Again}\n"
    )
    for moment in ("01T12:00", "01T14:00", "02T12:00", "02T14:00"):
        bench.live_until(at(moment) - timedelta(minutes=4))
        bench.live_until(at(moment) + timedelta(minutes=4))
        bench.pass_time(60)
    assert texts(bench, ANNA) == ["Ciao", "Again"] * 2
    assert [message.at.hour for message in sent(bench)] == [12, 14, 12, 14]
    with bench.store.read() as session:
        moments = [run.moment for run in runs.campaign_runs(session, "sale") if run.step]
    assert moments[:2] == ["2026-12-01T12:00:00Z/nudge", "2026-12-02T12:00:00Z/nudge"]


def test_an_approval_is_about_the_texts_of_steps_and_covers_them(bench: Installation) -> None:
    run_id = bench.campaign(1, more="approval: true\n" + NUDGE)
    [nudge] = steps(bench, run_id)
    bench.pass_time(HOUR * 2, step=600)  # the time at which the step would have gone at the earliest has passed
    assert (bench.run(run_id).state, bench.run(nudge.id).state) == (RunState.AWAITING_APPROVAL, RunState.SCHEDULED)
    run = bench.run(run_id)
    wanted = awaited(run, bench.runtime.definitions.get(run.definition_id))
    done = approve(bench.store, SOMEBODY, "sale", wanted, inbox=bench.folder, four_eyes=False, now=bench.clock.now())
    assert done.run_id == run_id
    bench.pass_time(30)
    bench.gateway.set_all("Delivered")
    bench.pass_time(HOUR + timedelta(minutes=1), step=120)
    assert len(texts(bench, ANNA)) == 2


def test_a_campaign_whose_own_texts_are_sent_can_be_paused_resumed_and_cancelled(bench: Installation) -> None:
    run_id = bench.campaign(2, more=NUDGE)
    [nudge] = steps(bench, run_id)
    bench.pass_time(30)
    bench.gateway.set_all("Delivered")
    bench.until(lambda: bench.run(run_id).followed_at is not None)
    control.pause(bench.store, SOMEBODY, "sale", now=bench.clock.now())
    bench.pass_time(HOUR + timedelta(minutes=1), step=300)
    assert (bench.run(nudge.id).state, len(sent(bench))) == (RunState.PAUSED, 2)
    control.resume(bench.store, SOMEBODY, "sale", now=bench.clock.now())
    bench.pass_time(60)
    assert len(sent(bench)) == 4

    again = bench.campaign(2, name="other", first=2, text="Hello", more=NUDGE)
    [other] = steps(bench, again)
    bench.pass_time(30)
    bench.gateway.set_all("Delivered")
    bench.until(lambda: bench.run(again).followed_at is not None)
    assert control.cancel(bench.store, SOMEBODY, "other", now=bench.clock.now()).unsent == 2
    assert bench.states(other.id) == {P.CANCELLED: 2}


def test_the_time_of_a_step_counts_from_when_a_failed_text_was_sent_again(bench_on_both: Installation) -> None:
    bench = bench_on_both
    run_id = bench.campaign(2, more=NUDGE)
    [nudge] = steps(bench, run_id)
    bench.pass_time(30)
    bench.gateway.set_all("Delivered")
    failed = next(message for message in sent(bench) if message.number == BEN)
    failed.status, failed.result_code = "Failed", 4
    bench.until(lambda: bench.run(run_id).followed_at is not None)
    bench.pass_time(timedelta(minutes=30), step=300)
    bench.resend(run_id)
    bench.pass_time(timedelta(minutes=31), step=120)
    bench.gateway.set_all("Delivered")
    assert (len(texts(bench, ANNA)), len(texts(bench, BEN))) == (2, 2)  # Ben: the same text twice, and no step yet
    assert bench.states(nudge.id)[P.PENDING] == 1
    bench.pass_time(timedelta(minutes=31), step=120)
    assert len(texts(bench, BEN)) == 3


def test_a_step_whose_text_before_is_just_sent_again_waits_for_it_anew(bench_on_both: Installation) -> None:
    """The batch was made five minutes before; then a person has the failed text sent again, while phones are away."""
    bench = bench_on_both
    run_id = bench.campaign(1, more=NUDGE.replace("1h", "4m"))
    [nudge] = steps(bench, run_id)
    bench.pass_time(30)
    [message] = sent(bench)
    message.status, message.result_code = "Failed", 4
    bench.until(lambda: bench.run(run_id).followed_at is not None)
    assert len(bench.batches(nudge.id)) == 1
    again = bench.resend(run_id)
    with bench.store.write() as session:
        assert runs.pause_run(session, again, PausedBy.PERSON, "by hand", now=bench.clock.now())
    bench.pass_time(timedelta(minutes=6), step=30)
    assert len(sent(bench)) == 1
    assert bench.states(nudge.id) == {P.PENDING: 1}
    with bench.store.write() as session:
        assert runs.resume_run(session, again)
    bench.pass_time(timedelta(minutes=3), step=20)
    assert len(sent(bench)) == 2
    bench.gateway.set_all("Delivered")
    bench.pass_time(timedelta(minutes=3), step=20)
    assert len(sent(bench)) == 3
    assert reasons(bench, nudge.id)[ANNA][0] is P.ACCEPTED


def test_what_the_gateway_keeps_until_a_start_counts_from_there(bench: Installation) -> None:
    start = bench.clock.now() + timedelta(days=1)
    kept = f"schedule: {{by: gateway, timezone: UTC, start: {start:%Y-%m-%d %H:%M}}}\n"
    run_id = bench.campaign(1, more=kept + NUDGE)
    [nudge] = steps(bench, run_id)
    bench.pass_time(HOUR * 2, step=300)
    assert (len(sent(bench)), bench.batches(nudge.id)) == (1, [])
    bench.clock.advance(timedelta(days=1))
    bench.pass_time(60)
    assert len(sent(bench)) == 2


def test_a_step_that_is_too_late_is_skipped_like_any_text(bench: Installation) -> None:
    run_id = bench.campaign(1, more="schedule: {timezone: UTC, if_late: {within: 30m}}\n" + NUDGE)
    [nudge] = steps(bench, run_id)
    bench.pass_time(30)
    bench.gateway.set_all("Delivered")
    bench.clock.advance(timedelta(hours=2))  # nothing is running
    bench.pass_time(60)
    assert reasons(bench, nudge.id)[ANNA][0] is P.SKIPPED
    assert len(sent(bench)) == 1


def test_whoever_the_gateway_never_took_gets_no_step_once_the_campaign_is_over(bench_on_both: Installation) -> None:
    bench = bench_on_both
    bench.gateway.script.append(Send(Answers.LEFT_OUT, Stores.HALF))
    run_id = bench.campaign(2, more=NUDGE)
    [nudge] = steps(bench, run_id)
    bench.until(lambda: bench.states(run_id).get(P.FAILED) == 1)
    assert reasons(bench, nudge.id)[BEN] == (P.PENDING, "")
    bench.gateway.set_all("Delivered")
    bench.until(lambda: bench.run(run_id).followed_at is not None)
    bench.pass_time(60)
    assert reasons(bench, nudge.id)[BEN] == (P.EXCLUDED, "not_sent_before")


def test_variants_are_told_apart_in_a_step_too(bench: Installation) -> None:
    (bench.folder / "sale.csv").write_text("number\n" + "".join(f"+39333{place:07}\n" for place in range(10)))
    run_id = bench.drop(
        "campaign: sale\naudience: {file: sale.csv}\nvariants:\n"
        "  - {name: a, share: 50, message: A}\n  - {name: b, share: 50, message: B}\n"
        "steps:\n  - {name: nudge, after: 10m, message: Again}\n"
    ).run_id
    [nudge] = steps(bench, run_id)
    bench.pass_time(timedelta(minutes=11), step=60)
    first, later = ({row.number: row.variant for row in bench.recipients(id_)} for id_ in (run_id, nudge.id))
    assert first == later
    assert sorted(first.values()) == ["a"] * 5 + ["b"] * 5
    [seen] = read_runs(bench.store, "sale", nudge.id, now=bench.clock.now())
    assert sum(seen.books.by_state.values()) == 10
