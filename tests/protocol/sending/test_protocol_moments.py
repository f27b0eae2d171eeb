"""The right moment for every person: their own clocks, turns of a spread, and missed moments."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from campaigns.lifecycle import BatchState, RecipientState
from tests.protocol.world.harness import Installation, exactly_once
from tests.protocol.world.scripted_gateway import LISTS, Answers, Send, Stores
from worker.sending.dispatch import Dispatched

ROME, TOKYO, NEW_YORK = "+393331234567", "+819012345678", "+12125550123"
WORLD = f"recipients: [{{number: '{ROME}'}}, {{number: '{TOKYO}'}}, {{number: '{NEW_YORK}'}}]"
FILE = "campaign: sale\nmessage: Ciao\naudience: {{{audience}}}\nschedule: {{timezone: Europe/Rome, {schedule}}}\n"


def drop(bench: Installation, schedule: str, audience: str = WORLD, *, more: str = "") -> int:
    """Drop a campaign with this schedule. The clock is at 09:00 UTC on Tuesday 2026-12-01."""
    return bench.drop(FILE.format(audience=audience, schedule=schedule) + more).run_id


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-12-{text}").replace(tzinfo=UTC)


def sent_at(bench: Installation) -> dict[str, datetime]:
    return {message.number: message.at for message in bench.gateway.stored}


def test_everybody_is_sent_to_when_the_window_is_open_by_their_own_clocks(bench: Installation) -> None:
    run_id = drop(bench, "local_time: recipient, window: {from: '09:00', to: '12:00'}")

    bench.finish_from_due_to_due(run_id)

    # then it is 10:00 in Rome, 18:00 in Tokyo, and 04:00 in New York when the campaign is dropped
    assert sent_at(bench) == {ROME: at("01T09:00"), NEW_YORK: at("01T14:00"), TOKYO: at("02T00:00")}
    assert exactly_once(bench, run_id)


def test_a_start_by_everybodys_own_clocks_begins_where_they_are_ahead(bench: Installation) -> None:
    run_id = drop(bench, "start: 2026-12-03 09:00, local_time: recipient")
    assert bench.run(run_id).starts_at == at("03T00:00")

    bench.finish_from_due_to_due(run_id)

    assert sent_at(bench) == {TOKYO: at("03T00:00"), ROME: at("03T08:00"), NEW_YORK: at("03T14:00")}


def test_a_column_names_the_zone_and_a_wrong_one_is_an_error_of_its_row(bench: Installation) -> None:
    audience = f"recipients: [{{number: '{ROME}', timezone: Asia/Tokyo}}, {{number: '{NEW_YORK}', timezone: Atlantis}}]"
    run_id = drop(bench, "start: 2026-12-03 09:00, local_time: recipient", audience)

    bench.finish_from_due_to_due(run_id)

    assert sent_at(bench) == {ROME: at("03T00:00")}
    _, wrong = bench.recipients(run_id)
    assert wrong.state is RecipientState.INVALID
    assert "its timezone is unknown (did you mean " in wrong.reason
    assert "Atlantis" not in wrong.reason  # no reason quotes a cell


def test_what_did_not_go_before_its_window_closed_waits_together_until_it_opens(bench: Installation) -> None:
    # given 8 texts at one a minute, and 5 minutes of open window in Rome
    audience = "recipients: [" + ", ".join(f"{{number: '+39333{place:07}'}}" for place in range(8)) + "]"
    bench.clock.advance(timedelta(minutes=55))
    run_id = drop(
        bench, "window: {from: '09:00', to: '11:00'}", audience, more="throughput: {rate: 1/minute, batch_size: 1}\n"
    )
    bench.pass_time(timedelta(minutes=6))
    assert len(bench.gateway.stored) == 5

    # then the others wait for the next opening without a job, and are sent then
    waiting = [batch for batch in bench.batches(run_id) if batch.state is BatchState.PLANNED]
    assert {batch.not_before for batch in waiting} == {at("02T08:00")}
    assert len(waiting) == 3
    assert bench.queue.jobs == []
    bench.clock.advance(at("02T07:59:50") - bench.clock.now())
    bench.finish_from_due_to_due(run_id)
    assert exactly_once(bench, run_id)
    assert all(message.at >= at("02T08:00") for message in bench.gateway.stored[5:])


def test_a_window_that_closes_while_a_request_is_prepared_keeps_it_from_being_written(bench: Installation) -> None:
    # given a connection that fails once, a second before the window closes
    run_id = drop(bench, "window: {from: '09:00', to: '11:00'}", f"recipients: [{{number: '{ROME}'}}]")
    bench.clock.advance(at("01T09:59:59") - bench.clock.now())
    bench.enqueue()
    bench.gateway.script.append(Send(Answers.NO_CONNECTION, Stores.NONE, meanwhile=lambda: bench.clock.advance(2)))

    assert bench.work() == [Dispatched.NOT_SENT]

    assert bench.gateway.stored == []
    bench.clock.advance(at("02T07:59:59") - bench.clock.now())
    bench.finish_from_due_to_due(run_id)
    assert sent_at(bench)[ROME] >= at("02T08:00")


# Spread.


def test_a_spread_sends_evenly_and_no_more(bench: Installation) -> None:
    audience = "recipients: [" + ", ".join(f"{{number: '+39333{place:07}'}}" for place in range(12)) + "]"
    run_id = drop(bench, "start: 2026-12-01 12:00, spread: 1h", audience)

    bench.finish_from_due_to_due(run_id)

    times = sorted(message.at for message in bench.gateway.stored)
    assert times == [at("01T11:00") + timedelta(minutes=5) * turn for turn in range(12)]
    assert exactly_once(bench, run_id)


def test_a_ramp_begins_with_a_few(bench: Installation) -> None:
    audience = "recipients: [" + ", ".join(f"{{number: '+39333{place:07}'}}" for place in range(20)) + "]"
    run_id = drop(bench, "spread: {over: 2h, ramp: [{share: 10, over: 1h}]}", audience)

    bench.finish_from_due_to_due(run_id)

    in_hour = Counter((message.at - at("01T09:00")) // timedelta(hours=1) for message in bench.gateway.stored)
    assert in_hour == {0: 2, 1: 18}


def test_a_spread_goes_on_where_the_window_closed_and_goes_by_everybodys_clocks(bench: Installation) -> None:
    # given 4 people in each of two zones, over 2 h of a window that is open for one
    audience = (
        "recipients: ["
        + ", ".join(f"{{number: '+39333{n:07}'}}, {{number: '+8190123456{n:02}'}}" for n in range(4))
        + "]"
    )
    run_id = drop(
        bench,
        "start: 2026-12-02 09:00, local_time: recipient, window: {from: '09:00', to: '10:00'}, spread: 2h",
        audience,
    )

    bench.finish_from_due_to_due(run_id)

    def times(prefix: str) -> list[datetime]:
        return sorted(message.at for message in bench.gateway.stored if message.number.startswith(prefix))

    assert times("+81") == [at("02T00:00"), at("02T00:30"), at("03T00:00"), at("03T00:30")]
    assert times("+39") == [at("02T08:00"), at("02T08:30"), at("03T08:00"), at("03T08:30")]


# Too late.


@pytest.mark.parametrize(("otherwise", "state"), [("skip", RecipientState.SKIPPED), ("hold", RecipientState.HELD)])
def test_a_moment_that_was_missed_when_it_was_planned(
    bench: Installation, otherwise: str, state: RecipientState
) -> None:
    # given a start an hour ago, of which half an hour is forgiven
    run_id = drop(
        bench,
        f"start: 2026-12-01 09:00, if_late: {{within: 30m, otherwise: {otherwise}}}",
        f"recipients: [{{number: '{ROME}'}}, {{number: '12'}}]",
    )

    bench.finish_from_due_to_due(run_id)

    missed, invalid = bench.recipients(run_id)
    assert (missed.state, missed.reason) == (state, "too late by 1h, where 30m are allowed")
    assert invalid.state is RecipientState.INVALID
    assert bench.gateway.stored == []


def test_who_is_held_for_being_late_can_be_sent_to_by_a_person(bench: Installation) -> None:
    run_id = drop(bench, "start: 2026-12-01 09:00, if_late: {within: 30m, otherwise: hold}")
    bench.finish_from_due_to_due(run_id)

    bench.resolve_not_sent(run_id)

    bench.finish_from_due_to_due(run_id)
    assert exactly_once(bench, run_id)


def test_a_moment_by_the_clocks_of_each_is_missed_only_where_it_has_passed(bench: Installation) -> None:
    run_id = drop(bench, "start: 2026-12-01 09:00, local_time: recipient, if_late: {within: 2h}")

    bench.finish_from_due_to_due(run_id)

    states = {row.number: row.state for row in bench.recipients(run_id)}
    assert states == {
        ROME: RecipientState.DELIVERED,
        TOKYO: RecipientState.SKIPPED,
        NEW_YORK: RecipientState.DELIVERED,
    }
    assert sent_at(bench) == {ROME: at("01T09:00"), NEW_YORK: at("01T14:00")}


@pytest.mark.parametrize(
    ("otherwise", "state", "batch"),
    [
        ("skip", RecipientState.SKIPPED, BatchState.CANCELLED),
        ("hold", RecipientState.HELD, BatchState.HELD),
    ],
)
def test_who_got_no_turn_in_time_is_late(
    bench: Installation, otherwise: str, state: RecipientState, batch: BatchState
) -> None:
    # given 5 texts at one a minute, of which 2 minutes are forgiven
    audience = "recipients: [" + ", ".join(f"{{number: '+39333{place:07}'}}" for place in range(5)) + "]"
    run_id = drop(
        bench,
        f"start: 2026-12-01 10:00, if_late: {{within: 2m, otherwise: {otherwise}}}",
        audience,
        more="throughput: {rate: 1/minute, batch_size: 1}\n",
    )

    bench.finish_from_due_to_due(run_id)

    # then those of the first, second and third minute were sent: the third at the last moment
    assert Counter(row.state for row in bench.recipients(run_id)) == {RecipientState.DELIVERED: 3, state: 2}
    assert Counter(each.state for each in bench.batches(run_id)) == {BatchState.ACCEPTED: 3, batch: 2}
    assert {row.reason for row in bench.recipients(run_id) if row.state is state} == {
        "its moment was missed: it could not be sent within 2m"
    }


def test_a_campaign_that_is_paused_past_its_moment_sends_nothing_when_it_goes_on(bench: Installation) -> None:
    run_id = drop(bench, "start: 2026-12-01 10:00, if_late: {within: 10m}")
    bench.enqueue()  # its jobs are in the queue
    bench.pause(run_id)
    bench.clock.advance(timedelta(minutes=11))
    bench.resume(run_id)

    assert set(bench.work()) == {Dispatched.NOTHING}
    bench.finish_from_due_to_due(run_id)

    assert bench.gateway.stored == []
    assert bench.states(run_id) == {RecipientState.SKIPPED: 3}


@pytest.mark.parametrize(("otherwise", "state"), [("skip", BatchState.CANCELLED), ("hold", BatchState.HELD)])
def test_a_contact_list_can_be_late_too(bench: Installation, otherwise: str, state: BatchState) -> None:
    (list_id,) = LISTS
    run_id = drop(
        bench,
        f"start: 2026-12-01 09:00, if_late: {{within: 30m, otherwise: {otherwise}}}",
        f"contact_list: {list_id}",
    )

    bench.finish_from_due_to_due(run_id)

    assert bench.gateway.stored == []
    assert [batch.state for batch in bench.batches(run_id)] == [state]


def test_a_budget_that_is_raised_lets_nobody_go_before_their_turn(bench: Installation) -> None:
    # given 6 people spread over 6 hours, of whom the daily budget has let two through
    audience = "recipients: [" + ", ".join(f"{{number: '+39333{place:07}'}}" for place in range(6)) + "]"
    run_id = drop(bench, "spread: 6h", audience, more="throughput: {daily: 2, batch_size: 1}\n")
    bench.pass_time(timedelta(hours=2, minutes=30), step=300)
    assert len(bench.gateway.stored) == 2

    text = FILE.format(audience=audience, schedule="spread: 6h") + "throughput: {daily: 100, batch_size: 1}\n"
    assert bench.drop(text).run_id == run_id
    bench.finish_from_due_to_due(run_id)

    late = at("01T11:30")
    turns = [max(at("01T09:00") + timedelta(hours=turn), late if turn == 2 else at("01T09:00")) for turn in range(6)]
    assert sorted(message.at for message in bench.gateway.stored) == turns
