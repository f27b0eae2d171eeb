"""Contact lists of the gateway: people who opted out are removed before anything is sent to the list."""

from datetime import timedelta

from campaigns.codes import WaitsFor
from campaigns.lifecycle import BatchState, RecipientState
from tests.protocol.world.harness import Installation
from tests.protocol.world.scripted_gateway import LISTS
from worker.store.events import EventName
from worker.store.people import suppressions, unsubscriptions
from worker.store.people.suppressions import Entry

P = RecipientState
FIRST, *OTHERS = LISTS[7]


def opt_out(bench: Installation, *numbers: str, kind: str = "") -> None:
    with bench.store.write() as session:
        entries = [Entry(number, kind, "asked by phone", "command", bench.clock.now()) for number in numbers]
        suppressions.suppress(session, entries, now=bench.clock.now())


def to_list(bench: Installation, name: str = "sale", more: str = "") -> int:
    return bench.drop(f"campaign: {name}\nmessage: Hi all\naudience:\n  - contact_list: 7\n{more}", name).run_id


def test_who_opted_out_is_taken_off_the_list_before_anything_is_sent_to_it(bench: Installation) -> None:
    opt_out(bench, FIRST, "+393339999999")
    run_id = to_list(bench)
    # the first turn finds out whom to remove, and sends nothing
    bench.send()
    assert bench.gateway.sends == []
    assert bench.batches(run_id)[0].waits_for is WaitsFor.OPT_OUTS
    bench.finish(run_id)
    assert bench.gateway.lists[7] == OTHERS
    assert bench.states(run_id) == {P.DELIVERED: 2}


def test_an_opt_out_leaves_the_lists_in_use_at_once(bench: Installation) -> None:
    bench.finish(to_list(bench))
    bench.gateway.receive(FIRST, "STOP")
    bench.pass_time(30)
    assert bench.gateway.lists[7] == OTHERS
    # and again when the gateway's list has them again
    bench.gateway.lists[7].append(FIRST)
    opt_out(bench, FIRST)
    bench.pass_time(5)
    assert bench.gateway.lists[7] == OTHERS


def test_an_opt_out_of_one_kind_counts_for_lists_of_that_kind(bench: Installation) -> None:
    opt_out(bench, FIRST, kind="reminder")
    bench.finish(to_list(bench))
    assert bench.gateway.lists[7] == [FIRST, *OTHERS]
    bench.finish(to_list(bench, "visits", "kind: reminder\n"))
    assert bench.gateway.lists[7] == OTHERS


def test_a_gateway_that_takes_nobody_off_holds_the_campaign_in_the_end(bench: Installation) -> None:
    # given a gateway that does not remove them
    bench.gateway.lists_are_closed = True
    opt_out(bench, FIRST)
    run_id = to_list(bench)
    # then the campaign waits, and is held for a person after some minutes
    bench.pass_time(60)
    assert bench.batches(run_id)[0].state is BatchState.PLANNED
    bench.until(lambda: bench.batches(run_id)[0].state is BatchState.HELD, within=timedelta(minutes=25))
    assert bench.gateway.sends == []
    assert "cannot be taken off contact list 7" in bench.batches(run_id)[0].reason
    # when somebody fixes it and resumes the campaign
    bench.gateway.lists_are_closed = False
    bench.pass_time(600, step=30)
    bench.resolve_not_sent(run_id)
    bench.finish(run_id)
    assert bench.states(run_id) == {P.DELIVERED: 2}


def test_somebody_whom_the_list_brings_all_the_same_raises_an_alarm(bench: Installation) -> None:
    # given somebody who was removed from the list, and whom somebody put on it again at the gateway
    opt_out(bench, FIRST)
    bench.finish(to_list(bench))
    bench.gateway.lists[7].append(FIRST)
    # when the next campaign is sent to the list
    run_id = to_list(bench, "again")
    bench.finish(run_id)
    # then status and events say so
    assert EventName.OPT_OUT_REACHED in bench.events()
    with bench.store.read() as session:
        assert unsubscriptions.reached_all_the_same(session, [run_id]) == {run_id: 1}
