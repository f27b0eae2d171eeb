"""The gateway's own contact lists: one request, and only its reply or a look-up says to whom."""

from collections import Counter

from campaigns.lifecycle import BatchState, RecipientState
from tests.protocol.bench import Bench, exactly_once
from tests.protocol.scripted_gateway import LISTS, LOST, STORED, Answers, Send, Stores
from worker.dispatch import Dispatched

TEXT = "campaign: news\nmessage: News for everybody\naudience:\n  - contact_list: 7\n"


def test_the_people_are_known_from_the_reply(bench: Bench) -> None:
    run_id = bench.drop(TEXT).run_id

    bench.finish(run_id)

    assert bench.gateway.copies() == Counter(LISTS[7])
    assert [row.number for row in bench.recipients(run_id)] == list(LISTS[7])
    assert bench.states(run_id) == {RecipientState.DELIVERED: 3}
    assert len(bench.gateway.sends) == 1


def test_the_people_are_known_from_a_look_up(known: Bench) -> None:
    known.gateway.script.append(STORED)
    run_id = known.drop(TEXT).run_id

    assert known.send() == [Dispatched.IN_DOUBT]
    known.finish(run_id)

    assert exactly_once(known, 1, run_id)
    assert known.states(run_id) == {RecipientState.DELIVERED: 3}


def test_a_list_that_was_not_found_is_held(known: Bench) -> None:
    known.gateway.script.append(LOST)
    run_id = known.drop(TEXT).run_id

    known.finish(run_id)

    assert [batch.state for batch in known.batches(run_id)] == [BatchState.HELD]
    assert len(known.gateway.sends) == 2


def test_a_refused_list_is_sent_when_the_account_works_again(known: Bench) -> None:
    known.gateway.script.append(Send(Answers.NO_CREDITS, Stores.NONE))
    run_id = known.drop(TEXT).run_id

    known.finish(run_id)

    assert exactly_once(known, 1, run_id)
