"""Frequency caps through the whole product: nobody gets more than the cap allows, and those who can wait get theirs."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from campaigns.lifecycle import BatchState, RecipientState
from tests.protocol.world.harness import Installation
from tests.protocol.world.scripted_gateway import LOST, STORED

ONE_A_WEEK = "frequency_cap: {messages: 1, per: 7d}\n"
P = RecipientState


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-12-{text}").replace(tzinfo=UTC)


def reasons(bench: Installation, run_id: int, state: RecipientState = P.CAPPED) -> set[str]:
    return {row.reason for row in bench.recipients(run_id) if row.state is state}


def test_whoever_had_enough_texts_lately_gets_none_and_is_told_why(bench: Installation) -> None:
    # given a campaign that four people got, and another a day later for three of them and two more
    bench.finish(bench.campaign(4, name="one"))
    bench.clock.advance(timedelta(days=1))
    second = bench.campaign(5, name="two", text="Ancora {{ first_name }}", first=1, more=ONE_A_WEEK)

    bench.finish(second)

    assert bench.states(second) == {P.DELIVERED: 2, P.CAPPED: 3}
    assert reasons(bench, second) == {"1 text of marketing campaigns in the last 7d: one on 2026-12-01"}
    assert set(bench.gateway.copies().values()) == {1}


def test_a_text_that_dropped_out_of_the_time_does_not_count(bench: Installation) -> None:
    bench.finish(bench.campaign(3, name="one"))
    accepted_at = max(message.at for message in bench.gateway.stored)
    bench.clock.advance(accepted_at + timedelta(days=7) - bench.clock.now())

    second = bench.campaign(3, name="two", text="Ancora {{ first_name }}", more=ONE_A_WEEK)
    bench.finish(second)

    assert bench.states(second) == {P.DELIVERED: 3}


@pytest.mark.parametrize("more", ["kind: reminder\n", "kind: transactional\n"])
def test_campaigns_of_another_kind_do_not_count(bench: Installation, more: str) -> None:
    bench.finish(bench.campaign(3, name="one", more=more))

    second = bench.campaign(3, name="two", text="Ancora {{ first_name }}", more=ONE_A_WEEK)
    bench.finish(second)

    assert bench.states(second) == {P.DELIVERED: 3}


def test_what_was_proven_not_sent_does_not_count_and_what_is_in_doubt_is_waited_for(bench: Installation) -> None:
    # given a request in doubt that never arrived, one that did, and a capped campaign to all of their people
    bench.finish(bench.campaign(1, name="before", first=900))
    bench.gateway.script += [LOST, STORED]
    first = bench.campaign(4, name="one", per_request=2, more="follow: {on_unknown: hold}\n")
    bench.send()
    second = bench.campaign(4, name="two", text="Ancora {{ first_name }}", more=ONE_A_WEEK)
    bench.send()
    assert bench.states(second) == {P.PENDING: 4}

    bench.until(lambda: bench.states(second).get(P.PENDING, 0) == 0)

    # then those who got it are capped, and so are those who may have got it, since a person has to decide about them
    assert bench.states(first)[P.HELD] == 2
    assert bench.states(second) == {P.CAPPED: 4}
    assert bench.gateway.copies().keys() == {row.number for row in bench.recipients(first)[2:]} | {"+393330000900"}


def test_a_text_that_the_phone_could_not_send_does_not_count(bench: Installation) -> None:
    first = bench.campaign(2, name="one")
    bench.send()
    bench.gateway.set_all("Failed")
    bench.until(lambda: bench.run(first).finished_at is not None)

    second = bench.campaign(2, name="two", text="Ancora {{ first_name }}", more=ONE_A_WEEK)
    bench.send()

    assert bench.states(second) == {P.ACCEPTED: 2}


def test_whoever_can_wait_gets_the_text_when_the_oldest_drops_out(bench: Installation) -> None:
    # given people who got a text at 09:00, others who did at 11:00, and a campaign to all of them at noon that can wait
    for name, first in (("one", 0), ("two", 10)):
        bench.finish(bench.campaign(3, name=name, text=f"Ciao da {name}", first=first))
        bench.clock.advance(at("01T11:00") - bench.clock.now())
    bench.clock.advance(at("01T12:00") - bench.clock.now())
    people = "".join(f"+39333{place:07},N\n" for place in [*range(4), *range(10, 14)])
    (bench.folder / "sale.csv").write_text(f"number,first_name\n{people}")
    run_id = bench.drop(
        "campaign: sale\nmessage: Ciao\naudience: {file: sale.csv}\n"
        "frequency_cap: {messages: 1, per: 2d, otherwise: defer}\n"
    ).run_id
    bench.send()

    # then two go at once, and the others wait in two batches of their own
    assert bench.states(run_id) == {P.ACCEPTED: 2, P.PENDING: 6}
    waiting = [batch for batch in bench.batches(run_id) if batch.state is BatchState.PLANNED]
    assert [(batch.recipients, batch.not_before) for batch in waiting] == [(3, at("03T09:00")), (3, at("03T11:00"))]
    assert reasons(bench, run_id, P.PENDING) == {
        "waits for its frequency cap: 1 text of marketing campaigns in the last 2d: one on 2026-12-01",
        "waits for its frequency cap: 1 text of marketing campaigns in the last 2d: two on 2026-12-01",
    }
    bench.finish_from_due_to_due(run_id)
    assert bench.states(run_id) == {P.DELIVERED: 8}
    assert all(gap >= timedelta(days=2) for gap in gaps(bench))
    assert all(batch.attempt == 1 for batch in bench.batches(run_id))


def gaps(bench: Installation) -> list[timedelta]:
    """The times between two texts to the same person."""
    found = []
    for number in bench.gateway.copies():
        times = sorted(message.at for message in bench.gateway.stored if message.number == number)
        found += [after - before for before, after in pairwise(times)]
    return found


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ("schedule: {timezone: UTC, if_late: {within: 23h}}\n", P.CAPPED),
        ("schedule: {timezone: UTC, if_late: {within: 25h}}\n", P.DELIVERED),
        # a day later the window has just closed, and opens again 23 h after that
        ("schedule: {timezone: UTC, window: {from: '08:00', to: '09:00'}, if_late: {within: 46h}}\n", P.CAPPED),
        ("schedule: {timezone: UTC, window: {from: '08:00', to: '09:00'}, if_late: {within: 48h}}\n", P.DELIVERED),
    ],
)
def test_nobody_waits_longer_than_the_campaign_allows(bench: Installation, more: str, state: RecipientState) -> None:
    bench.clock.advance(-timedelta(seconds=30))
    bench.finish(bench.campaign(2, name="one"))

    run_id = bench.campaign(
        2,
        name="two",
        text="Ancora {{ first_name }}",
        more="frequency_cap: {messages: 1, per: 1d, otherwise: defer}\n" + more,
    )
    bench.finish_from_due_to_due(run_id)

    assert bench.states(run_id) == {state: 2}


def test_everybody_over_the_cap_ends_the_campaign(bench: Installation) -> None:
    bench.finish(bench.campaign(3, name="one"))

    second = bench.campaign(3, name="two", text="Ancora {{ first_name }}", more=ONE_A_WEEK)
    bench.finish(second)

    assert bench.states(second) == {P.CAPPED: 3}
    assert [batch.state for batch in bench.batches(second)] == [BatchState.CANCELLED]
    assert bench.attempts(second) == []


def test_a_capped_person_takes_no_turn_of_the_rate(bench: Installation) -> None:
    # given 20 people of whom 18 had their text, and one text a minute, each in a request of its own
    bench.finish(bench.campaign(18, name="one"))
    begun = bench.clock.now()

    second = bench.campaign(
        20, name="two", text="Ancora {{ first_name }}", more=ONE_A_WEEK + "schedule: {timezone: UTC}\n", per_request=1
    )
    bench.finish(second)
    assert bench.states(second) == {P.DELIVERED: 2, P.CAPPED: 18}
    assert bench.clock.now() - begun < timedelta(minutes=2)
    assert Counter(bench.gateway.copies().values()) == {1: 20}
