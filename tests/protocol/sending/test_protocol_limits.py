"""Limits while texts are sent: changed by hand, lowered by what phones report, and shared by several campaigns."""

from datetime import timedelta
from typing import Final

from campaigns.definition import Rate
from campaigns.sending.slowing import SLOW_FOR
from tests.protocol.world.harness import Installation, exactly_once
from worker.store.events import EventName
from worker.store.sending import account_limits
from worker.store.sending.account_limits import PERSON

MINUTE: Final = timedelta(minutes=1)
ON_ONE: Final = "devices:\n  use: [1, 2]\n"
LIMIT_EXCEEDED: Final = 5


def set_by_hand(bench: Installation, scope: str, **values: object) -> None:
    with bench.store.write() as session:
        account_limits.set_ceiling(session, bench.runtime.account_id, scope, PERSON, now=bench.clock.now(), **values)
    bench.clock.advance(1)


def sent(bench: Installation, name: str) -> int:
    """The number of texts of a campaign that the gateway has."""
    return sum(message.text.startswith(f"Ciao {name}") for message in bench.gateway.stored)


def campaign(bench: Installation, name: str, how_many: int, *, first: int = 0, more: str = "") -> int:
    people = ", ".join(f'{{number: "+39333{place:07}"}}' for place in range(first, first + how_many))
    return bench.drop(
        f"campaign: {name}\nmessage: Ciao {name}\naudience:\n  - recipients: [{people}]\n{more}", name
    ).run_id


def second_by_second(bench: Installation, seconds: int) -> None:
    for _ in range(seconds * 5):
        bench.send()
        bench.clock.advance(0.2)


def test_a_rate_set_by_hand_holds_at_once_and_in_place_of_the_file(bench: Installation) -> None:
    # given a campaign that may send one text an hour
    run_id = campaign(bench, "sale", 20, more="throughput: {rate: 1/hour}\n")
    second_by_second(bench, 2)
    assert sent(bench, "sale") == 1

    set_by_hand(bench, "campaign:sale", rate="1/second")
    second_by_second(bench, 4)
    assert 4 <= sent(bench, "sale") <= 5

    set_by_hand(bench, "campaign:sale", rate="none")
    bench.finish(run_id)
    assert exactly_once(bench, run_id)
    assert {batch.attempt for batch in bench.batches(run_id)} == {1}


def test_an_edited_rate_is_taken_up_while_the_campaign_runs(bench: Installation) -> None:
    run_id = campaign(bench, "sale", 20, more="throughput: {rate: 1/hour}\n")
    second_by_second(bench, 2)
    planned = [batch.id for batch in bench.batches(run_id)]

    campaign(bench, "sale", 20, more="throughput: {rate: 1/second}\n")
    second_by_second(bench, 4)

    assert 4 <= sent(bench, "sale") <= 5
    assert [batch.id for batch in bench.batches(run_id)] == planned


def test_a_phone_at_its_limit_is_slowed_down_and_no_other(bench: Installation) -> None:
    # given a run by two phones, the first of which reports that it sent too much
    set_by_hand(bench, "device:1", rate="30/minute")
    set_by_hand(bench, "device:2", rate="30/minute")
    run_id = campaign(bench, "sale", 8, more=ON_ONE + "throughput: {batch_size: 4}\n")
    second_by_second(bench, 1)
    by_first = next(a for a in bench.attempts(run_id) if a.target == "1")
    numbers = {row.number for row in bench.recipients(run_id) if row.batch_id == by_first.batch_id}
    for message in bench.gateway.stored:
        if message.number in numbers:
            message.status, message.result_code = "Failed", LIMIT_EXCEEDED

    bench.pass_time(20, step=1)

    rates = bench.runtime.ceilings.current().device_rates
    assert rates == {"1": Rate(15, MINUTE), "2": Rate(30, MINUTE)}
    assert bench.events().count(EventName.DEVICE_SLOWED) == 1
    # and it is back to normal after a quarter of an hour
    bench.clock.advance(SLOW_FOR)
    assert bench.runtime.ceilings.current().device_rates == {"1": Rate(30, MINUTE), "2": Rate(30, MINUTE)}


def test_a_phone_without_a_rate_begins_at_what_it_did_lately(bench: Installation) -> None:
    # given 50 texts in five minutes by a phone that has no limit
    campaign(bench, "sale", 50, more="devices:\n  use: [1]\n")
    second_by_second(bench, 1)
    bench.gateway.set_all("Failed")
    for message in bench.gateway.stored:
        message.result_code = LIMIT_EXCEEDED

    bench.pass_time(10, step=1)

    assert bench.runtime.ceilings.current().device_rates == {"1": Rate(5, MINUTE)}


def test_a_rate_below_the_size_of_planned_requests_holds_all_the_same(bench: Installation) -> None:
    # given requests of 100 texts, and then a limit of 4 a second
    run_id = campaign(bench, "sale", 150)
    set_by_hand(bench, "account", rate="4/second")

    second_by_second(bench, 5)

    assert 16 <= sent(bench, "sale") <= 24
    assert max(attempt.segments for attempt in bench.attempts(run_id)) <= 4
    bench.finish(run_id)
    assert exactly_once(bench, run_id)


def test_a_transactional_text_does_not_wait_behind_a_marketing_campaign(bench: Installation) -> None:
    # given an account with 10 texts a minute, and a campaign that would take all of it for an hour
    set_by_hand(bench, "account", rate="2/second")
    campaign(bench, "sale", 400)
    second_by_second(bench, 10)

    campaign(bench, "code", 1, first=1000, more="kind: transactional\n")
    second_by_second(bench, 2)

    assert sent(bench, "code") == 1


def test_a_marketing_campaign_keeps_a_tenth_beside_transactional_ones(bench: Installation) -> None:
    set_by_hand(bench, "account", rate="4/second")
    campaign(bench, "sale", 300)
    campaign(bench, "code", 300, first=1000, more="kind: transactional\n")

    second_by_second(bench, 50)

    assert 200 >= sent(bench, "sale") + sent(bench, "code") >= 190
    assert 14 <= sent(bench, "sale") <= 26


def test_campaigns_of_one_kind_share_by_weight(bench: Installation) -> None:
    set_by_hand(bench, "account", rate="4/second")
    set_by_hand(bench, "campaign:heavy", weight=3)
    campaign(bench, "light", 300)
    campaign(bench, "heavy", 300, first=1000)

    second_by_second(bench, 50)

    assert sent(bench, "light") + sent(bench, "heavy") >= 190
    assert abs(sent(bench, "heavy") - 3 * sent(bench, "light")) <= 8


def test_a_campaign_without_a_rate_does_not_fill_the_queue_beyond_what_its_phones_can_do(bench: Installation) -> None:
    set_by_hand(bench, "device:primary", rate="60/minute")
    campaign(bench, "sale", 100, more="throughput: {batch_size: 1}\n")

    bench.enqueue()

    assert len(bench.queue.jobs) == 2
    assert bench.call("drain") == {"enqueued": 0}
