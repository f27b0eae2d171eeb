"""Variants through the whole product: planned, planned anew, sent, failed, and sent again."""

from collections import Counter
from pathlib import Path

from campaigns.lifecycle import RecipientState, RunState
from tests.protocol.world.harness import Installation
from worker.store.runs import runs

S = RecipientState
CAMPAIGN = """\
campaign: sale
variants:
  - {name: a, share: 30, message: "Hi {{ name }}"}
  - {name: b, share: 70, message: "Ciao {{ name }}"}
holdout: 10
audience: [{file: people.csv}]
"""


def write_people(folder: Path, how_many: int, *, backwards: bool = False) -> None:
    rows = [f"+39333{place:07},N{place}" for place in range(how_many)]
    (folder / "people.csv").write_text("\n".join(["number,name", *(rows[::-1] if backwards else rows)]))


def groups(bench: Installation, run_id: int) -> dict[str, str]:
    """Number -> its variant, or `holdout`."""
    return {row.number: row.variant or row.state for row in bench.recipients(run_id)}


def test_planned_anew_everybody_gets_the_same(bench: Installation) -> None:
    write_people(bench.folder, 100)
    start = "schedule: {start: 2027-01-01 09:00}\n"
    run_id = bench.drop(CAMPAIGN + start).run_id
    first = groups(bench, run_id)

    # when the table was sorted differently, and the file edited
    write_people(bench.folder, 100, backwards=True)
    again = bench.drop(CAMPAIGN + start + "description: Winter sale\n").run_id

    assert again == run_id
    assert groups(bench, run_id) == first
    assert Counter(first.values()) == {"a": 27, "b": 63, S.HOLDOUT: 10}


def test_the_text_of_a_variant_is_what_is_sent_and_sent_again(known: Installation) -> None:
    bench = known
    write_people(bench.folder, 40)
    run_id = bench.drop(CAMPAIGN + "throughput: {batch_size: 10}\n").run_id
    bench.send()
    variants = groups(bench, run_id)
    sent = {row.number: row.text for row in bench.recipients(run_id) if row.text}
    assert {number: text.split()[0] for number, text in sent.items()} == {
        number: {"a": "Hi", "b": "Ciao"}[variant] for number, variant in variants.items() if variant != S.HOLDOUT
    }

    # given that the phone had no service for some of them
    failed = sorted(sent)[:8]
    bench.gateway.set_all("Delivered")
    for message in bench.gateway.stored:
        if message.number in failed:
            message.result_code = 4
    bench.gateway.set_all("Failed", numbers=failed)
    bench.pass_time(120)
    assert bench.states(run_id) == {S.DELIVERED: 28, S.FAILED: 8, S.HOLDOUT: 4}

    # when they are sent to again
    again = bench.resend(run_id)
    bench.pass_time(30)
    bench.gateway.set_all("Delivered", numbers=failed)
    bench.pass_time(180)

    # then with the same text; the control group gets none
    assert {row.number: row.text for row in bench.recipients(again)} == {number: sent[number] for number in failed}
    assert groups(bench, again) == {number: variants[number] for number in failed}
    assert bench.states(again) == {S.DELIVERED: 8}
    assert bench.run(again).state is RunState.COMPLETED
    assert bench.gateway.copies() - Counter(before(bench)) == Counter([*sent, *failed])


def before(bench: Installation) -> list[str]:
    """The people whom the bench's first campaign was sent to."""
    with bench.store.read() as session:
        first = runs.find_run(session, "before")
    assert first is not None
    return [row.number for row in bench.recipients(first.id)]
