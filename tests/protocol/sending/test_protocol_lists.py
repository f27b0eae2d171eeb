"""The gateway's own contact lists: one request, and only its reply or a look-up says who got it."""

from collections import Counter

from campaigns.lifecycle import BatchState, RecipientState
from tests.protocol.world.harness import SETTLE, SETTLED, Installation, exactly_once
from tests.protocol.world.scripted_gateway import LISTS, LOST, STORED, Answers, Send, Stores
from worker.sending.dispatch import Dispatched

TEXT = "campaign: news\nmessage: News for everybody\naudience:\n  - contact_list: 7\n"


def test_the_people_are_known_from_the_reply(bench: Installation) -> None:
    run_id = bench.drop(TEXT).run_id

    bench.finish(run_id)

    assert bench.gateway.copies() == Counter(LISTS[7])
    assert [row.number for row in bench.recipients(run_id)] == list(LISTS[7])
    assert bench.states(run_id) == {RecipientState.DELIVERED: 3}
    assert len(bench.gateway.sends) == 1


def test_the_people_are_known_from_a_look_up(known: Installation) -> None:
    known.gateway.script.append(STORED)
    run_id = known.drop(TEXT).run_id

    assert known.send() == [Dispatched.IN_DOUBT]
    known.finish(run_id)

    assert exactly_once(known, 1, run_id)
    assert known.states(run_id) == {RecipientState.DELIVERED: 3}


def test_a_list_that_was_not_found_is_held(known: Installation) -> None:
    known.gateway.script.append(LOST)
    run_id = known.drop(TEXT).run_id

    known.finish(run_id)

    assert [batch.state for batch in known.batches(run_id)] == [BatchState.HELD]
    assert len(known.gateway.sends) == 2


def test_a_refused_list_is_sent_when_the_account_works_again(known: Installation) -> None:
    known.gateway.script.append(Send(Answers.NO_CREDITS, Stores.NONE))
    run_id = known.drop(TEXT).run_id

    known.finish(run_id)

    assert exactly_once(known, 1, run_id)


def test_a_list_goes_alone(known: Installation) -> None:
    # given a request in doubt
    known.gateway.script.append(STORED)
    other = known.campaign(3, name="sale")
    assert known.send() == [Dispatched.IN_DOUBT]

    # when a campaign to a list is due as well
    to_list = known.drop(TEXT, "news").run_id
    assert known.send() == [Dispatched.SNOOZED]

    # then the list is sent once nothing else is unaccounted for, and nobody is mistaken for somebody else
    known.finish(other)
    known.finish(to_list)
    assert exactly_once(known, 1, other, to_list)


def test_nothing_goes_beside_a_list_in_doubt(known: Installation) -> None:
    known.gateway.script.append(STORED)
    to_list = known.drop(TEXT, "news").run_id
    assert known.send() == [Dispatched.IN_DOUBT]

    other = known.campaign(3, name="sale")
    assert known.send() == [Dispatched.SNOOZED]

    known.finish(to_list)
    known.finish(other)
    assert exactly_once(known, 1, to_list, other)


def test_a_held_list_stays_held_when_its_campaign_is_cancelled(known: Installation) -> None:
    known.gateway.script.append(LOST)
    run_id = known.drop(TEXT).run_id
    assert known.send() == [Dispatched.IN_DOUBT]

    known.cancel(run_id)
    known.pass_time(SETTLED + SETTLE)

    # nobody can claim "never sent"
    assert [batch.state for batch in known.batches(run_id)] == [BatchState.HELD]
