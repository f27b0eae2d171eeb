"""What the gateway has before anything is sent: the floor of the first requests, and a witness for its reads."""

from campaigns.lifecycle import RecipientState
from tests.protocol.world.harness import Installation
from tests.protocol.world.scripted_gateway import LOST, Reads

PERSON = ("+393330000000", "Ciao N0")
SOMEBODY = ("+393339999999", "Your parcel is here")


def test_what_was_there_before_is_not_taken_for_the_first_request(bench: Installation) -> None:
    # given a gateway through which another program sent the same text a moment ago
    bench.forget_gateway()
    bench.gateway.store([PERSON])
    # when the first request never arrives
    bench.gateway.script.append(LOST)
    run_id = bench.campaign(1)

    bench.finish(run_id)

    # then it is sent again, and not mistaken for the other one
    assert bench.gateway.copies() == {PERSON[0]: 2}
    assert [row.gateway_id for row in bench.recipients(run_id)] == [bench.gateway.stored[1].id]


def test_a_message_that_was_there_before_shows_that_reads_can_be_trusted(bench: Installation) -> None:
    bench.forget_gateway()
    bench.gateway.store([SOMEBODY])
    bench.gateway.script.append(LOST)
    run_id = bench.campaign(3)

    bench.finish(run_id)

    assert bench.states(run_id) == {RecipientState.DELIVERED: 3}
    assert len(bench.gateway.sends) == 2


def test_on_an_empty_account_the_first_request_waits_for_another_to_vouch_for_reads(bench: Installation) -> None:
    # given an empty gateway, and a first request that never arrives
    bench.gateway.script.append(LOST)
    first = bench.campaign(3, name="first")
    bench.pass_time(20)

    # when another campaign gets through
    second = bench.campaign(3, name="second", first=100)
    bench.finish(second)
    bench.finish(first)

    # then nobody had to decide anything
    assert set(bench.gateway.copies().values()) == {1}
    assert RecipientState.HELD not in bench.states(first)


def test_a_gateway_that_cannot_be_read_is_sent_to_all_the_same_and_read_before_the_next_run(
    bench: Installation,
) -> None:
    bench.forget_gateway()
    bench.hear()
    bench.gateway.reads = Reads.FAILING
    first = bench.campaign(2, name="first")
    bench.send()
    assert bench.states(first) == {RecipientState.ACCEPTED: 2}

    bench.gateway.reads = Reads.TRUE
    bench.gateway.asked.clear()
    bench.campaign(2, name="second", first=50)
    bench.send()
    bench.campaign(2, name="third", first=70)
    bench.send()

    assert [form["status"] for form in bench.gateway.asked].count("Pending") == 1
