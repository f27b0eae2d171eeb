"""A table that is dropped again with more people: they get their text, and nobody gets it twice."""

import pytest

from campaigns.lifecycle import RecipientState, RunState
from campaigns.take_up import Taken
from scheduler.intake.outcome import Intake
from tests.protocol.world.harness import Installation, exactly_once

P = RecipientState
FILE = "campaign: sale\nmessage: Ciao {{ name }}\naudience: {file: people.csv}\nfollow: {until: 1h}\n"
ANNA, BOB, CARL = "+393330000001", "+393330000002", "+393330000003"


def drop(bench: Installation, *rows: str, text: str = FILE) -> Intake:
    (bench.folder / "people.csv").write_text("\n".join(["number,name", *rows, ""]))
    return bench.drop(text, "sale")


def test_new_people_join_a_campaign_that_is_sending(bench: Installation) -> None:
    run_id = drop(bench, f"{ANNA},Anna", f"{BOB},Bob").run_id
    bench.send()

    again = drop(bench, f"{CARL},Carl", f"{BOB},Robert", f"{ANNA},Anna", f"{CARL},again", "12,Dora")

    assert (again.run_id, again.taken, again.added) == (run_id, Taken.EXTENDED, 3)
    bench.finish(run_id)
    assert bench.states(run_id) == {P.DELIVERED: 3, P.INVALID: 1, P.DUPLICATE: 1}
    assert sorted(message.text for message in bench.gateway.stored) == ["Ciao Anna", "Ciao Bob", "Ciao Carl"]


def test_the_same_table_again_changes_nothing_wherever_its_rows_stand(bench: Installation) -> None:
    rows = [f"{ANNA},Anna", f"{ANNA},A", "12,Bob", "12,Bo", f"{CARL},", f"{BOB},Bob"]
    run_id = drop(bench, *rows).run_id
    bench.send()
    before = bench.states(run_id)

    assert drop(bench, *reversed(rows)).taken is Taken.CONTINUED
    bench.finish(run_id)
    assert drop(bench, *rows[2:], *rows[:2]).taken is Taken.OVER

    assert sum(bench.states(run_id).values()) == sum(before.values()) == 6
    assert bench.gateway.copies() == {ANNA: 1, BOB: 1}


def test_a_completed_campaign_goes_on_for_who_is_new_and_completes_again(bench: Installation) -> None:
    run_id = drop(bench, f"{ANNA},Anna").run_id
    bench.finish(run_id)

    assert drop(bench, f"{ANNA},Anna", f"{BOB},Bob").taken is Taken.EXTENDED
    assert bench.run(run_id).state is RunState.RUNNING
    bench.finish(run_id)

    assert bench.run(run_id).state is RunState.COMPLETED
    assert bench.gateway.copies() == {ANNA: 1, BOB: 1}
    assert exactly_once(bench, run_id)


def test_who_is_not_in_the_table_any_more_stays_as_planned(bench: Installation) -> None:
    slow = FILE + "throughput: {rate: 1/minute, batch_size: 1}\n"
    run_id = drop(bench, f"{ANNA},Anna", f"{BOB},Bob", text=slow).run_id
    bench.send()

    drop(bench, f"{CARL},Carl", text=slow)
    bench.finish(run_id)

    assert bench.gateway.copies() == {ANNA: 1, BOB: 1, CARL: 1}


def test_who_is_left_out_by_the_rule_gets_the_text_once_it_holds_and_who_was_in_stays(bench: Installation) -> None:
    ruled = FILE.replace("people.csv", "people.csv, where: name != 'nobody'")
    run_id = drop(bench, f"{ANNA},Anna", f"{BOB},nobody", f"{CARL},nobody", text=ruled).run_id
    bench.send()
    assert bench.states(run_id) == {P.ACCEPTED: 1, P.EXCLUDED: 2}

    rows = (f"{ANNA},nobody", f"{BOB},Bob", f"{CARL},nobody")
    assert drop(bench, *rows, text=ruled).added == 1
    bench.finish(run_id)
    assert drop(bench, *rows, text=ruled).taken is Taken.OVER

    assert bench.states(run_id) == {P.DELIVERED: 2, P.EXCLUDED: 2}
    assert bench.gateway.copies() == {ANNA: 1, BOB: 1}


def test_who_could_not_be_sent_to_gets_the_text_once_the_row_is_mended(bench: Installation) -> None:
    run_id = drop(bench, f"{ANNA},Anna", f"{BOB},").run_id
    bench.send()
    assert bench.states(run_id)[P.INVALID] == 1

    drop(bench, f"{ANNA},Anna", f"{BOB},Bob")
    bench.finish(run_id)

    assert bench.gateway.copies() == {ANNA: 1, BOB: 1}


def test_a_cancelled_campaign_takes_nobody(bench: Installation) -> None:
    run_id = drop(bench, f"{ANNA},Anna").run_id
    bench.send()
    bench.cancel(run_id)

    assert drop(bench, f"{ANNA},Anna", f"{BOB},Bob").taken is Taken.OVER

    bench.finish(run_id)
    assert bench.gateway.copies() == {ANNA: 1}


@pytest.mark.parametrize("people", [200])
def test_whoever_comes_later_is_in_the_variant_that_the_first_plan_gives(bench: Installation, people: int) -> None:
    text = FILE.replace(
        "message: Ciao {{ name }}",
        "holdout: 20\nvariants: [{name: a, share: 50, message: A}, {name: b, share: 50, message: B}]",
    )
    rows = [f"+39333{place:07},N" for place in range(people)]
    run_id = drop(bench, *rows[: people // 2], text=text).run_id
    bench.send()

    drop(bench, *rows, text=text)
    bench.finish(run_id)

    states = bench.states(run_id)
    assert sum(states.values()) == people
    assert 20 <= states[P.HOLDOUT] <= 60
    assert {row.variant for row in bench.recipients(run_id) if row.state is P.DELIVERED} == {"a", "b"}
