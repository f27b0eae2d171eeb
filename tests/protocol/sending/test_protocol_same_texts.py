"""A campaign whose name was changed in its file is another campaign, to the same people with the same text."""

import pytest

from campaigns.lifecycle import RecipientState, RunState
from tests.protocol.world.harness import Installation
from worker.store.runs import approvals

HEAD = "campaign: {name}\nkind: {kind}\nmessage: Ciao {{{{ first_name }}}}\naudience: {{file: {table}}}\n"


def drop(bench: Installation, name: str, *, table: str = "people.csv", kind: str = "marketing", more: str = "") -> int:
    return bench.drop(HEAD.format(name=name, kind=kind, table=table) + more, name).run_id


@pytest.fixture
def people(bench_on_both: Installation) -> Installation:
    bench = bench_on_both
    for name, count, first in (("people", 30, 0), ("others", 60, 25)):
        rows = "".join(f"+39333{n:07},N{n}\n" for n in range(first, first + count))
        (bench.folder / f"{name}.csv").write_text(f"number,first_name\n{rows}")
    return bench


def test_a_campaign_under_another_name_waits_until_somebody_lets_it_go(people: Installation) -> None:
    # given a campaign that is being sent
    first = drop(people, "ren", more="throughput: {batch_size: 10, rate: 10/minute}\n")
    people.send()

    # when the name is changed in its file
    second = drop(people, "renamed", more="throughput: {batch_size: 10, rate: 10/minute}\n")
    people.pass_time(20)

    # then the same people wait for a person to decide, who is told why
    run = people.run(second)
    assert run.state is RunState.AWAITING_APPROVAL
    assert run.to_look_at == 30
    (warning,) = run.plan_summary["warnings"]
    assert warning.startswith("30 of these people already got exactly this text from ren, last at 09:00:")
    assert people.states(second) == {RecipientState.PENDING: 30}

    # until somebody approves exactly this plan
    people.finish(first)
    with people.store.write() as session:
        approvals.approve(session, second, run.plan_hash, by="anna", now=people.clock.now())
    people.finish(second)
    assert people.states(second) == {RecipientState.DELIVERED: 30}


def test_a_text_that_only_looks_another_is_the_same(people: Installation) -> None:
    people.finish(drop(people, "ren"))
    text = HEAD.format(name="louder", kind="marketing", table="people.csv")
    message = "\"CIA\u200bO,\u00a0{{ first_name | default('you') }}!\""

    run = people.run(people.drop(text.replace("Ciao {{ first_name }}", message), "louder").run_id)

    assert (run.state, run.to_look_at) == (RunState.AWAITING_APPROVAL, 30)


@pytest.mark.parametrize(
    ("more", "warned"),
    [
        ({"table": "others.csv"}, True),  # five of sixty: shared by two campaigns, and no mistake
        ({"kind": "transactional"}, False),
    ],
)
def test_few_are_warned_of_and_transactional_texts_may_repeat(
    people: Installation, more: dict[str, str], warned: bool
) -> None:
    drop(people, "ren")

    run = people.run(drop(people, "other", **more))

    assert run.state is RunState.SCHEDULED
    assert bool(run.plan_summary["warnings"]) == warned


def test_the_day_after_it_is_no_slip_any_more(people: Installation) -> None:
    people.finish(drop(people, "ren"))
    people.clock.advance(25 * 3600)

    run = people.run(drop(people, "again"))

    assert (run.state, run.plan_summary["warnings"]) == (RunState.SCHEDULED, [])


def test_another_text_and_another_campaign_of_the_same_name_are_none(people: Installation) -> None:
    people.finish(drop(people, "ren"))
    text = HEAD.format(name="news", kind="marketing", table="people.csv").replace("Ciao", "Hello")

    assert people.run(people.drop(text, "news").run_id).state is RunState.SCHEDULED
